/* From command line to relay: start, the line that scripts wait for, the summary. */
#include "drop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "dropargs.h"
#include "relay.h"

static int report(const struct sp_problem *problem)
{
    (void)fprintf(stderr, "sampan-drop: %s\n", problem->text);
    return (int)problem->code;
}

/* Short enough to be typed again. */
static int draw_seed(uint64_t *seed, struct sp_problem *problem)
{
    uint32_t drawn = 0;
    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "no random seed: %s", strerror(errno));
    *seed = drawn;
    return 0;
}

static int configure(struct sp_dropargs *args, struct sp_relay_config *out, struct sp_problem *problem)
{
    memset(out, 0, sizeof *out);
    if (!args->seed_given && draw_seed(&args->model.seed, problem) != 0)
        return -1;
    if (sp_endpoint_resolve(args->listen, &out->listen, problem) != 0 ||
        sp_endpoint_resolve(args->to, &out->to, problem) != 0)
        return -1;
    if (sp_endpoint_port(&out->to) == 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "--to %s: port 0 cannot be sent to", args->to);
    out->model = args->model;
    out->rebind_us = args->rebind_us;
    out->stats_path = args->stats;
    out->pcap_path = args->pcap;
    out->events_path = args->events;
    return 0;
}

static void announce(const struct sp_relay *r, const struct sp_relay_config *config)
{
    char from[SP_ENDPOINT_TEXT_MAX];
    char to[SP_ENDPOINT_TEXT_MAX];
    sp_endpoint_print(sp_relay_bound(r), from, sizeof from);
    sp_endpoint_print(&config->to, to, sizeof to);
    (void)fprintf(stderr, "listen %s to %s seed %" PRIu64 "\n", from, to, config->model.seed);
    (void)fflush(stderr);
}

static uint64_t lost(const struct sp_tally *t, enum sp_model_dir dir)
{
    static const enum sp_tally_count causes[] = {SP_TALLY_LISTED,    SP_TALLY_BLACKHOLE, SP_TALLY_LOSS,
                                                 SP_TALLY_BURST,     SP_TALLY_RATE,      SP_TALLY_OVERFLOW,
                                                 SP_TALLY_NO_CLIENT, SP_TALLY_NO_SOCKET, SP_TALLY_SEND_ERROR};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
        sum += t->counts[dir][causes[i]];
    return sum;
}

static void summarize(struct sp_relay *r)
{
    struct sp_tally_run run;
    const struct sp_tally *t = sp_relay_tally(r, &run);
    for (unsigned i = 0; i < SP_MODEL_DIRS; i++) {
        enum sp_model_dir dir = (enum sp_model_dir)i;
        const uint64_t *n = t->counts[dir];
        (void)fprintf(stderr,
                      "%s received %" PRIu64 " sent %" PRIu64 " lost %" PRIu64 " duplicated %" PRIu64
                      " corrupted %" PRIu64 " reordered %" PRIu64 "\n",
                      sp_model_dir_name(dir), n[SP_TALLY_RECEIVED], n[SP_TALLY_SENT], lost(t, dir),
                      n[SP_TALLY_DUPLICATED], n[SP_TALLY_CORRUPTED], n[SP_TALLY_REORDERED]);
    }
    (void)fprintf(stderr, "late us p50 %" PRId64 " p99 %" PRId64 " max %" PRId64 "\n",
                  sp_tally_late_us(t, 0.5), sp_tally_late_us(t, 0.99), t->late_max_us);
}

static int relay(const struct sp_relay_config *config, struct sp_problem *problem)
{
    struct sp_relay *r = NULL;
    if (sp_relay_open(&r, config, problem) != 0)
        return -1;
    announce(r, config);
    int result = sp_relay_run(r, problem);
    summarize(r);
    struct sp_problem at_close;
    if (sp_relay_close(&r, &at_close) != 0 && result == 0) {
        *problem = at_close;
        result = -1;
    }
    return result;
}

int sp_drop_run(int argc, char **argv)
{
    struct sp_dropargs args;
    struct sp_relay_config config;
    struct sp_problem problem;
    if (sp_dropargs_parse(argc, argv, &args, &problem) != 0)
        return report(&problem);
    if (args.help) {
        sp_dropargs_help(stdout);
        return 0;
    }
    if (args.version) {
        (void)puts("sampan-drop " SAMPAN_VERSION);
        return 0;
    }
    if (configure(&args, &config, &problem) != 0 || relay(&config, &problem) != 0)
        return report(&problem);
    return 0;
}
