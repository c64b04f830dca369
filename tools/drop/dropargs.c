/* The option table and its readers of values. */
#include "dropargs.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "relay.h"

#define NUMBER_MAX_CHARS 24  /* more digits than a double has */
#define TEXT_MAX_CHARS   512 /* of a list value */
#define OPTIONS_MAX      32
#define US_PER_MS        1000.0
#define US_PER_S         1000000.0

static const char bad_share[] = "not a share; write 0..1 or a percentage such as 20%";
static const char bad_ms[] = "not a time; write milliseconds, such as 40 or 40ms, at most a day";
static const char bad_s[] = "not a time; write seconds, such as 10, 0.5 or 10s, at most a day";
static const char bad_rate[] = "not a rate; write kbit/s above 0";
static const char bad_seed[] = "not a seed; write a decimal number below 2^64";
static const char bad_blackhole[] =
    "not a blackhole; write on=S,off=S[,dir=up|down|both][,repeat=N], off above 0";
static const char bad_droplist[] = "not a list of packets; write up:1,3-5 or down:1,3-5, counted from 1";

/* Reads digits with at most one point, no sign, no exponent.  What follows it, or NULL. */
static const char *read_number(const char *text, double *out)
{
    char digits[NUMBER_MAX_CHARS + 1];
    size_t len = strspn(text, "0123456789.");
    if (len == 0 || len > NUMBER_MAX_CHARS)
        return NULL;
    memcpy(digits, text, len);
    digits[len] = 0;
    char *end = NULL;
    double value = strtod(digits, &end);
    if (*end != 0 || end == digits)
        return NULL;
    *out = value;
    return text + len;
}

static bool read_count(const char *text, uint64_t *out)
{
    size_t len = strlen(text);
    if (len == 0 || strspn(text, "0123456789") != len)
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno != 0)
        return false;
    *out = value;
    return true;
}

static bool read_share(const char *text, double *out)
{
    double value = 0;
    const char *rest = read_number(text, &value);
    if (rest == NULL)
        return false;
    if (strcmp(rest, "%") == 0)
        value /= 100;
    else if (*rest != 0)
        return false;
    if (value > 1)
        return false;
    *out = value;
    return true;
}

/* A time with a suffix ms or s, or in the given unit without one. */
static bool read_time(const char *text, double unit_us, int64_t *out_us)
{
    double value = 0;
    const char *rest = read_number(text, &value);
    if (rest == NULL)
        return false;
    if (strcmp(rest, "ms") == 0)
        unit_us = US_PER_MS;
    else if (strcmp(rest, "s") == 0)
        unit_us = US_PER_S;
    else if (*rest != 0)
        return false;
    if (value * unit_us > (double)SP_MODEL_TIME_MAX_US)
        return false;
    *out_us = (int64_t)(value * unit_us + 0.5);
    return true;
}

/* Each setter below returns NULL, or what is wrong with the value. */

static const char *set_loss(struct sp_dropargs *a, const char *value)
{
    double share = 0;
    if (!read_share(value, &share))
        return bad_share;
    a->model.loss[SP_MODEL_UP] = share;
    a->model.loss[SP_MODEL_DOWN] = share;
    a->model.shared_fade = true;
    return NULL;
}

static const char *set_loss_up(struct sp_dropargs *a, const char *value)
{
    a->model.shared_fade = false;
    return read_share(value, &a->model.loss[SP_MODEL_UP]) ? NULL : bad_share;
}

static const char *set_loss_down(struct sp_dropargs *a, const char *value)
{
    a->model.shared_fade = false;
    return read_share(value, &a->model.loss[SP_MODEL_DOWN]) ? NULL : bad_share;
}

static const char *set_burst(struct sp_dropargs *a, const char *value)
{
    if (!read_time(value, US_PER_MS, &a->model.burst_us))
        return bad_ms;
    return a->model.burst_us >= (int64_t)US_PER_MS ? NULL : "a burst is at least 1 ms on average";
}

static const char *set_delay(struct sp_dropargs *a, const char *value)
{
    return read_time(value, US_PER_MS, &a->model.delay_us) ? NULL : bad_ms;
}

static const char *set_jitter(struct sp_dropargs *a, const char *value)
{
    return read_time(value, US_PER_MS, &a->model.jitter_us) ? NULL : bad_ms;
}

static const char *set_dup(struct sp_dropargs *a, const char *value)
{
    return read_share(value, &a->model.dup) ? NULL : bad_share;
}

static const char *set_reorder(struct sp_dropargs *a, const char *value)
{
    return read_share(value, &a->model.reorder) ? NULL : bad_share;
}

static const char *set_corrupt(struct sp_dropargs *a, const char *value)
{
    return read_share(value, &a->model.corrupt) ? NULL : bad_share;
}

static const char *set_rate(struct sp_dropargs *a, const char *value)
{
    const char *rest = read_number(value, &a->model.rate_kbit);
    bool ok =
        rest != NULL && *rest == 0 && a->model.rate_kbit > 0 && a->model.rate_kbit <= SP_MODEL_RATE_MAX_KBIT;
    return ok ? NULL : bad_rate;
}

static bool set_blackhole_field(struct sp_model_blackhole *b, const char *name, const char *value)
{
    if (strcmp(name, "on") == 0)
        return read_time(value, US_PER_S, &b->on_us);
    if (strcmp(name, "off") == 0)
        return read_time(value, US_PER_S, &b->off_us) && b->off_us > 0;
    if (strcmp(name, "repeat") == 0)
        return read_count(value, &b->repeat);
    if (strcmp(name, "dir") != 0)
        return false;
    bool both = strcmp(value, "both") == 0;
    b->dir[SP_MODEL_UP] = both || strcmp(value, "up") == 0;
    b->dir[SP_MODEL_DOWN] = both || strcmp(value, "down") == 0;
    return b->dir[SP_MODEL_UP] || b->dir[SP_MODEL_DOWN];
}

static const char *set_blackhole(struct sp_dropargs *a, const char *value)
{
    char text[TEXT_MAX_CHARS];
    size_t len = strlen(value);
    if (a->model.blackholes_n == SP_MODEL_BLACKHOLES_MAX)
        return "too many schedules";
    if (len >= sizeof text)
        return bad_blackhole;
    memcpy(text, value, len + 1);
    struct sp_model_blackhole b = {.on_us = -1, .dir = {true, true}};
    char *rest = text;
    for (char *field = strsep(&rest, ","); field != NULL; field = strsep(&rest, ",")) {
        char *equals = strchr(field, '=');
        if (equals == NULL)
            return bad_blackhole;
        *equals = 0;
        if (!set_blackhole_field(&b, field, equals + 1))
            return bad_blackhole;
    }
    if (b.on_us < 0 || b.off_us == 0)
        return bad_blackhole;
    a->model.blackholes[a->model.blackholes_n++] = b;
    return NULL;
}

/* "3" or "3-5". */
static bool read_range(char *text, struct sp_model_range *out)
{
    char *dash = strchr(text, '-');
    if (dash != NULL)
        *dash = 0;
    if (!read_count(text, &out->first) || !read_count(dash == NULL ? text : dash + 1, &out->last))
        return false;
    return out->first > 0 && out->last >= out->first;
}

static const char *set_droplist(struct sp_dropargs *a, const char *value)
{
    char text[TEXT_MAX_CHARS];
    size_t len = strlen(value);
    if (len >= sizeof text)
        return bad_droplist;
    memcpy(text, value, len + 1);
    char *rest = text;
    const char *dir = strsep(&rest, ":");
    if (rest == NULL || (strcmp(dir, "up") != 0 && strcmp(dir, "down") != 0))
        return bad_droplist;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        struct sp_model_range range = {.dir = strcmp(dir, "up") == 0 ? SP_MODEL_UP : SP_MODEL_DOWN};
        if (a->model.ranges_n == SP_MODEL_RANGES_MAX)
            return "too many ranges";
        if (!read_range(item, &range))
            return bad_droplist;
        a->model.ranges[a->model.ranges_n++] = range;
    }
    return NULL;
}

static const char *set_rebind(struct sp_dropargs *a, const char *value)
{
    if (!read_time(value, US_PER_S, &a->rebind_us))
        return bad_s;
    return a->rebind_us >= SP_RELAY_REBIND_MIN_US ? NULL : "rebinding is at most every 0.01 s";
}

static const char *set_profile(struct sp_dropargs *a, const char *value)
{
    const struct sp_profile *profile = sp_profile_find(value);
    if (profile == NULL)
        return "no such profile; --help lists them";
    a->model = profile->config;
    return NULL;
}

static const char *set_seed(struct sp_dropargs *a, const char *value)
{
    a->seed_given = true;
    return read_count(value, &a->model.seed) ? NULL : bad_seed;
}

static const char *set_text(const char **field, const char *value)
{
    if (*value == 0)
        return "is empty";
    *field = value;
    return NULL;
}

static const char *set_listen(struct sp_dropargs *a, const char *value)
{
    return set_text(&a->listen, value);
}

static const char *set_to(struct sp_dropargs *a, const char *value)
{
    return set_text(&a->to, value);
}

static const char *set_stats(struct sp_dropargs *a, const char *value)
{
    return set_text(&a->stats, value);
}

static const char *set_pcap(struct sp_dropargs *a, const char *value)
{
    return set_text(&a->pcap, value);
}

static const char *set_events(struct sp_dropargs *a, const char *value)
{
    return set_text(&a->events, value);
}

struct option {
    const char *name, *value, *help;
    const char *(*set)(struct sp_dropargs *, const char *);
    bool many; /* may be given more than once */
};

static const struct option options[] = {
    {"listen", "HOST:PORT", "where clients send to; port 0 takes a free one", set_listen, false},
    {"to", "HOST:PORT", "the server; up is toward it", set_to, false},
    {"loss", "P", "share lost, each direction", set_loss, false},
    {"loss-up", "P", "share lost toward the server", set_loss_up, false},
    {"loss-down", "P", "share lost toward the clients", set_loss_down, false},
    {"burst-ms", "T", "lose in bursts of T on average, a share P of the time", set_burst, false},
    {"delay", "MS", "delay of each datagram, one way", set_delay, false},
    {"jitter", "MS", "and 0..MS more, uniform; reorders", set_jitter, false},
    {"dup", "P", "share that arrives twice", set_dup, false},
    {"reorder", "P", "share held behind 1 to 3 later ones", set_reorder, false},
    {"corrupt", "P", "share with one bit flipped", set_corrupt, false},
    {"rate", "KBIT", "kbit/s of each direction, behind a queue of 100 ms", set_rate, false},
    {"blackhole", "SCHEDULE", "on=S,off=S[,dir=up|down|both][,repeat=N]: pass S, lose all S", set_blackhole,
     true},
    {"rebind-every", "SEC", "new upstream port for each client so often", set_rebind, false},
    {"droplist", "LIST", "lose these packets, such as up:1,3-5", set_droplist, true},
    {"profile", "NAME", "a named network; other options change it", set_profile, false},
    {"seed", "N", "repeats a run; drawn and printed if not given", set_seed, false},
    {"pcap", "FILE", "capture of all that enters", set_pcap, false},
    {"stats", "FILE", "counts and own lateness as JSON, each second", set_stats, false},
    {"event-log", "FILE", "a line per datagram that does not simply pass", set_events, false},
};

#define OPTIONS_N (sizeof options / sizeof options[0])

_Static_assert(OPTIONS_N <= OPTIONS_MAX, "one bit each");

void sp_dropargs_help(FILE *out)
{
    (void)fputs("Usage: sampan-drop --listen HOST:PORT --to HOST:PORT [options]\n"
                "Relays UDP through a bad network.  P is 0..1 or a percentage such as 20%.\n\n",
                out);
    for (size_t i = 0; i < OPTIONS_N; i++)
        (void)fprintf(out, "  --%-12s %-10s %s\n", options[i].name, options[i].value, options[i].help);
    (void)fprintf(out, "  --%-12s %-10s %s\n", "help", "", "this text");
    (void)fprintf(out, "  --%-12s %-10s %s\n", "version", "", "the version");
    (void)fputs("\nProfiles:\n", out);
    const struct sp_profile *p = NULL;
    for (size_t i = 0; (p = sp_profile_get(i)) != NULL; i++)
        (void)fprintf(out, "  %-7s %s\n", p->name, p->text);
    (void)fputs("\nSIGTERM and SIGINT end it, SIGUSR1 writes the files now.\n"
                "Exit: 0 done, 2 usage, 69 address unreachable, 74 file or system error, 77 not permitted.\n",
                out);
}

/* An argument taken apart. */
struct argument {
    const struct option *option;
    const char *value;
    unsigned place; /* in the table */
};

static int find_option(const char *name, size_t len, struct argument *out)
{
    for (unsigned i = 0; i < OPTIONS_N; i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0) {
            out->option = &options[i];
            out->place = i;
            return 0;
        }
    }
    return -1;
}

/* The argument at argv[*at]; *at moves to its last word.  --help and --version have no option and no value.
 */
static int take_argument(int argc, char **argv, int *at, struct argument *out, struct sp_problem *problem)
{
    const char *word = argv[*at];
    memset(out, 0, sizeof *out);
    if (strcmp(word, "--help") == 0 || strcmp(word, "--version") == 0)
        return 0;
    if (strncmp(word, "--", 2) != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s: not an option; --help lists them", word);
    const char *name = word + 2;
    size_t len = strcspn(name, "=");
    if (find_option(name, len, out) != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s: unknown option; --help lists them", word);
    if (name[len] == '=')
        out->value = name + len + 1;
    else if (*at + 1 < argc)
        out->value = argv[++*at];
    else
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s: wants %s", word, out->option->value);
    return 0;
}

static int apply(const struct argument *arg, struct sp_dropargs *out, struct sp_problem *problem)
{
    const char *wrong = arg->option->set(out, arg->value);
    if (wrong == NULL)
        return 0;
    return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "--%s %.100s: %s", arg->option->name, arg->value, wrong);
}

static bool is_profile(const struct argument *arg)
{
    return arg->option->set == set_profile;
}

/* Looks at all arguments: --help, --version, unknown and repeated ones; applies a profile.  `seen` gets a bit
 * for each option. */
static int first_pass(int argc, char **argv, struct sp_dropargs *out, uint32_t *seen,
                      struct sp_problem *problem)
{
    for (int i = 1; i < argc; i++) {
        struct argument arg;
        if (take_argument(argc, argv, &i, &arg, problem) != 0)
            return -1;
        if (arg.option == NULL) {
            out->help = strcmp(argv[i], "--help") == 0;
            out->version = !out->help;
            return 0;
        }
        if ((*seen >> arg.place & 1) != 0 && !arg.option->many)
            return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "--%s: given twice", arg.option->name);
        *seen |= UINT32_C(1) << arg.place;
        if (is_profile(&arg) && apply(&arg, out, problem) != 0)
            return -1;
    }
    return 0;
}

static int second_pass(int argc, char **argv, struct sp_dropargs *out, struct sp_problem *problem)
{
    for (int i = 1; i < argc; i++) {
        struct argument arg;
        if (take_argument(argc, argv, &i, &arg, problem) != 0)
            return -1;
        if (arg.option != NULL && !is_profile(&arg) && apply(&arg, out, problem) != 0)
            return -1;
    }
    return 0;
}

static bool is_seen(uint32_t seen, const char *name)
{
    struct argument arg;
    return find_option(name, strlen(name), &arg) == 0 && (seen >> arg.place & 1) != 0;
}

/* What options say to each other. */
static int check(const struct sp_dropargs *a, uint32_t seen, struct sp_problem *problem)
{
    if (a->listen == NULL || a->to == NULL)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "--listen and --to are needed");
    if (is_seen(seen, "loss") && (is_seen(seen, "loss-up") || is_seen(seen, "loss-down")))
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE,
                              "--loss is both directions; give it or --loss-up, --loss-down");
    const char *wrong = sp_model_problem(&a->model);
    if (wrong != NULL)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "%s", wrong);
    return 0;
}

int sp_dropargs_parse(int argc, char **argv, struct sp_dropargs *out, struct sp_problem *problem)
{
    uint32_t seen = 0;
    memset(out, 0, sizeof *out);
    if (first_pass(argc, argv, out, &seen, problem) != 0)
        return -1;
    if (out->help || out->version)
        return 0;
    if (is_seen(seen, "blackhole"))
        out->model.blackholes_n =
            0; /* a schedule replaces that of the profile; the second pass has not begun */
    if (second_pass(argc, argv, out, problem) != 0)
        return -1;
    return check(out, seen, problem);
}
