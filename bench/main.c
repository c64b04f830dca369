/* sampan-bench: loss (open loop, latency under loss) and load (closed loop, messages a second) of a real
 * gateway. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "crowd.h"

#define LOSSES_MAX 16

struct options {
    uint64_t rtt_ms, jitter_ms, rate, closed, pairs, size, for_s, seed;
    const char *loss;
    bool is_on_disk;
};

static void print_result(const char *name, const struct sp_crowd_plan *p, const struct sp_crowd_result *r)
{
    double lateness = r->sent > 0 ? 100.0 * (double)r->late_sends / (double)r->sent : 0;
    (void)printf("%-8s sent %zu undelivered %zu wrong %zu p50_ms %.3f p99_ms %.3f p99.9_ms %.3f max_ms %.3f "
                 "messages_per_s %.0f wire_per_payload %.2f client_frames_per_first %.2f "
                 "gateway_cpu_us_per_message %.1f "
                 "late_sends %.2f %%%s\n",
                 name, r->sent, r->undelivered, r->wrong, (double)r->p50 / 1e3, (double)r->p99 / 1e3,
                 (double)r->p999 / 1e3, (double)r->max / 1e3, r->messages_per_s,
                 r->payload_bytes > 0 ? (double)r->wire_bytes / (double)r->payload_bytes : 0,
                 r->frames_sent > 0 ? (double)(r->frames_sent + r->frames_resent) / (double)r->frames_sent
                                    : 0,
                 r->sent > 0 ? r->cpu_s * 1e6 / (double)r->sent : 0, lateness,
                 p->window == 0 && lateness > 1 ? " VOID: the generator fell behind" : "");
    (void)fflush(stdout);
}

static int play(const char *name, const struct sp_crowd_plan *plan)
{
    struct sp_trouble t;
    struct sp_crowd_result r;
    if (sp_crowd_play(plan, &r, &t) != 0)
        return sp_trouble_print(&t, "sampan-bench");
    print_result(name, plan, &r);
    return r.undelivered > 0 || r.wrong > 0 ? SP_EXIT_FAILED : SP_EXIT_OK;
}

static struct sp_crowd_plan plan_of(const struct options *o)
{
    return (struct sp_crowd_plan){.stage = {.pairs = (unsigned)o->pairs,
                                            .is_volatile = !o->is_on_disk,
                                            .is_direct = o->loss == NULL && o->rtt_ms == 0,
                                            .delay_ms = (unsigned)(o->rtt_ms / 2),
                                            .jitter_ms = (unsigned)o->jitter_ms,
                                            .seed = o->seed},
                                  .rate = (double)o->rate,
                                  .window = (unsigned)o->closed,
                                  .size = (unsigned)o->size,
                                  .for_s = (unsigned)o->for_s};
}

/* One run for each share of the list. */
static int play_losses(const struct options *o)
{
    int code = SP_EXIT_OK;
    const char *at = o->loss != NULL ? o->loss : "0";
    for (int i = 0; i < LOSSES_MAX && *at != '\0'; i++) {
        char *end, name[32];
        struct sp_crowd_plan plan = plan_of(o);
        double p = strtod(at, &end);
        p = *end == '%' ? p / 100 : p;
        end += *end == '%';
        if (end == at || (*end != ',' && *end != '\0') || !(p >= 0 && p < 1)) {
            (void)fprintf(stderr, "sampan-bench: --loss takes shares such as 0,10%%,30%%\n");
            return SP_EXIT_USAGE;
        }
        plan.stage.loss = p;
        (void)snprintf(name, sizeof name, "%g%%", p * 100);
        int one = play(name, &plan);
        code = one != SP_EXIT_OK ? one : code;
        at = *end == ',' ? end + 1 : end;
    }
    return code;
}

static int parse(struct options *o, int argc, char **argv)
{
    const struct sp_args_opt opts[] = {
        {.name = "--loss",
         .value = "LIST",
         .help = "shares lost each way on both legs, a run for each: 0,10%,30%",
         .text = &o->loss},
        {.name = "--rtt",
         .value = "MS",
         .help = "round trip of each leg (0: no relay)",
         .number = &o->rtt_ms,
         .max = 5000},
        {.name = "--jitter",
         .value = "MS",
         .help = "up to so much more each way",
         .number = &o->jitter_ms,
         .max = 5000},
        {.name = "--rate",
         .value = "N",
         .help = "loss: messages a second of each pair (10)",
         .number = &o->rate,
         .min = 1,
         .max = 100000},
        {.name = "--closed",
         .value = "N",
         .help = "load: messages of each pair on the way (16)",
         .number = &o->closed,
         .min = 1,
         .max = 4096},
        {.name = "--pairs",
         .value = "N",
         .help = "pairs of users (1)",
         .number = &o->pairs,
         .min = 1,
         .max = SP_STAGE_PAIRS_MAX},
        {.name = "--size",
         .value = "B",
         .help = "bytes of a body (150)",
         .number = &o->size,
         .min = 16,
         .max = 1000},
        {.name = "--for",
         .value = "SEC",
         .help = "length of a run (20)",
         .number = &o->for_s,
         .min = 1,
         .max = 3600},
        {.name = "--seed",
         .value = "N",
         .help = "seed of the losses (1)",
         .number = &o->seed,
         .max = 1000000},
        {.name = "--on-disk",
         .help = "clients keep their queues in LMDB files instead of memory",
         .flag = &o->is_on_disk},
    };
    const struct sp_args args = {
        .program = "sampan-bench",
        .version = SAMPAN_VERSION,
        .about = "Measures a real gateway and real sockets on this machine.  loss: open loop, latency from "
                 "the moment a "
                 "message was due; load: closed loop, messages a second.",
        .rest = "loss|load",
        .rest_min = 1,
        .rest_max = 1,
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    size_t n = 0;
    return sp_args_parse(&args, argc, argv, &n);
}

int main(int argc, char **argv)
{
    struct options o = {.rate = 10, .closed = 16, .pairs = 1, .size = 150, .for_s = 20, .seed = 1};
    int code = parse(&o, argc, argv);
    if (code >= 0)
        return code;
    bool is_loss = strcmp(argv[1], "loss") == 0;
    if (is_loss)
        o.closed = 0;
    if (is_loss || strcmp(argv[1], "load") == 0)
        return play_losses(&o);
    (void)fprintf(stderr, "sampan-bench: %s is neither loss nor load\n", argv[1]);
    return SP_EXIT_USAGE;
}
