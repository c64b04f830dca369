/* sim: whole systems in virtual time, one per seed.  docs/simulation.md tells how to use it. */
#include "crew.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MAX 100000
#define RUNS_MAX 1000000
#define YEAR_S   31557600.0

static const char usage[] =
    "usage: sim --seed N [--trace 0..2]          one seed with its story\n"
    "       sim --runs K [--from SEED] [--twice] many seeds\n"
    "       sim --kept FILE                      those of a file: SEED [SECONDS] per line\n"
    "       sim --speed [--users U] [--rate R]   a world without troubles, for a figure of speed\n"
    "           [--hostile H]                   with clients that lie\n"
    "options: --seconds S  length of the troubles instead of a drawn one\n"
    "         --engine E   of --seed: mem or lmdb instead of the drawn one\n"
    "         --minutes M  begin no further seed after M minutes; without --runs as many as fit\n"
    "         --jobs J     processes at once (1)\n"
    "         --history D  of --seed and --speed: what each client notes, for `sampan verify`, in folder D\n"
    "         --commit H   printed with a failure; it chooses nothing\n";

struct args {
    bool has_seed, is_twice, is_speed;
    uint64_t seed, from;
    uint64_t runs, seconds, minutes, jobs, trace, users, rate, hostile;
    const char *kept, *commit, *history, *engine;
};

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    *out = v;
    return errno == 0 && isdigit((unsigned char)text[0]) && *end == '\0';
}

static bool take_flag(struct args *a, const char *name)
{
    if (strcmp(name, "--twice") == 0)
        a->is_twice = true;
    else if (strcmp(name, "--speed") == 0)
        a->is_speed = true;
    else
        return false;
    return true;
}

static bool take_option(struct args *a, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"--seed", &a->seed},       {"--from", &a->from}, {"--runs", &a->runs},
                   {"--seconds", &a->seconds}, {"--jobs", &a->jobs}, {"--trace", &a->trace},
                   {"--users", &a->users},     {"--rate", &a->rate}, {"--hostile", &a->hostile},
                   {"--minutes", &a->minutes}};
    if (value == NULL)
        return false;
    if (strcmp(name, "--kept") == 0)
        a->kept = value;
    else if (strcmp(name, "--commit") == 0)
        a->commit = value;
    else if (strcmp(name, "--history") == 0)
        a->history = value;
    else if (strcmp(name, "--engine") == 0)
        a->engine = value;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            a->has_seed |= numbers[i].to == &a->seed;
            return read_number(value, numbers[i].to);
        }
    }
    return a->kept == value || a->commit == value || a->history == value || a->engine == value;
}

static bool read_args(struct args *a, int argc, char **argv)
{
    *a = (struct args){.jobs = 1, .trace = 1, .users = 50, .rate = 10, .commit = "?"};
    a->from = (uint64_t)time(NULL) / 86400 * 1000000;
    for (int i = 1; i < argc; i++) {
        if (take_flag(a, argv[i]))
            continue;
        if (!take_option(a, argv[i], i + 1 < argc ? argv[i + 1] : NULL))
            return false;
        i++;
    }
    return (a->has_seed || a->is_speed || a->runs > 0 || a->minutes > 0 || a->kept != NULL) && a->jobs >= 1 &&
           a->users >= 1 && a->users <= SIM_USERS_MAX && a->rate >= 1 && a->hostile <= SIM_ROGUES_MAX &&
           a->runs <= RUNS_MAX;
}

static double cpu_s(void)
{
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        if (getrusage(i == 0 ? RUSAGE_SELF : RUSAGE_CHILDREN, &u) == 0)
            sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    }
    return sum;
}

static double seconds(sp_time us)
{
    return (double)us / 1e6;
}

/* ---- one seed ---- */

static int show(const struct args *a, const char *dir)
{
    struct sim_plan plan;
    struct sim_result r;
    if (a->is_speed) {
        sim_plan_calm(&plan, a->seed, (unsigned)a->users, (unsigned)a->rate,
                      (sp_time)(a->seconds > 0 ? a->seconds : 1000) * SP_SECOND);
        sim_plan_harm(&plan, (unsigned)a->hostile);
    } else {
        sim_plan_draw(&plan, a->seed, (sp_time)a->seconds * SP_SECOND);
    }
    if (a->engine != NULL)
        plan.engine = strcmp(a->engine, "lmdb") == 0 ? SIM_LMDB : SIM_MEM;
    double before = cpu_s();
    const struct sim_world_config world = {
        .dir = dir, .history = a->history, .level = a->is_speed ? 0 : (int)a->trace};
    sim_crew_show(&plan, &world, &r);
    double cpu = cpu_s() - before;
    printf("seed %" PRIu64 ": hash %016" PRIx64 ", %.0f virtual s in %.3f s of one core (%.0f x), %" PRIu64
           " messages, %" PRIu64 " delivered, %" PRIu64 " refused, %" PRIu64 " lost at the sender, %" PRIu64
           " foreign, %" PRIu64 " datagrams, %" PRIu64 " gateway crashes, %" PRIu64 " client starts, "
           "settled after %.1f s, slowest end known after %.1f s\n",
           plan.seed, r.hash, seconds(r.virtual_us), cpu, seconds(r.virtual_us) / cpu, r.sums.sent,
           r.sums.delivered, r.sums.failed, r.sums.lost, r.sums.foreign, r.datagrams, r.crashes, r.processes,
           seconds(r.healed_us), seconds(r.sums.know_max));
    return 0;
}

/* ---- many ---- */

static bool read_kept(const char *path, struct sim_crew_job *jobs, size_t *n)
{
    char line[512];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        return false;
    }
    bool is_good = true;
    while (is_good && fgets(line, sizeof line, f) != NULL) {
        unsigned long long seed, s = 0;
        char *hash = strchr(line, '#');
        if (hash != NULL)
            *hash = '\0';
        int fields = sscanf(line, "%llu %llu", &seed, &s);
        if (fields < 1)
            continue;
        is_good = *n < KEPT_MAX;
        if (is_good)
            jobs[(*n)++] = (struct sim_crew_job){seed, (sp_time)s * SP_SECOND};
    }
    (void)fclose(f);
    return is_good;
}

static void print_sums(const struct sim_crew_sums *s, double cpu)
{
    printf("%zu seeds, %.4f virtual years, %.0f virtual s in %.1f s of CPU (%.0f x per core), %" PRIu64
           " messages (%" PRIu64 " delivered, %" PRIu64 " refused, %" PRIu64 " lost at the sender), %" PRIu64
           " foreign, %" PRIu64 " datagrams, %" PRIu64 " gateway crashes, %" PRIu64
           " client starts, settled after at most %.1f s (seed %" PRIu64 ")\n",
           s->seeds, seconds(s->virtual_us) / YEAR_S, seconds(s->virtual_us), cpu,
           seconds(s->virtual_us) / cpu, s->messages, s->delivered, s->failed, s->lost, s->foreign,
           s->datagrams, s->crashes, s->processes, seconds(s->healed_max_us), s->healed_max_seed);
}

static int run(const struct args *a, const char *dir)
{
    size_t n = 0;
    struct sim_crew_job *jobs = calloc(RUNS_MAX + KEPT_MAX, sizeof *jobs);
    if (jobs == NULL || (a->kept != NULL && !read_kept(a->kept, jobs, &n))) {
        free(jobs);
        return 2;
    }
    size_t kept = n;
    uint64_t runs = a->minutes > 0 && a->runs == 0 ? RUNS_MAX : a->runs;
    for (uint64_t i = 0; i < runs; i++)
        jobs[n++] = (struct sim_crew_job){a->from + i, (sp_time)a->seconds * SP_SECOND};
    struct sim_crew_config cfg = {.jobs = jobs,
                                  .jobs_n = n,
                                  .limit_us = (sp_time)a->minutes * 60 * SP_SECOND,
                                  .at_once = (unsigned)a->jobs,
                                  .is_twice = a->is_twice,
                                  .dir = dir,
                                  .commit = a->commit};
    struct sim_crew_sums s = {0};
    struct timespec t0, t1;
    (void)clock_gettime(CLOCK_MONOTONIC, &t0);
    sim_crew_run(&cfg, &s);
    (void)clock_gettime(CLOCK_MONOTONIC, &t1);
    double cpu = cpu_s(), wall = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
    size_t fresh = s.seeds > kept ? s.seeds - kept : 0;
    print_sums(&s, cpu);
    printf("sim: %zu kept seeds and %zu from %" PRIu64 ", %.1f s of time, hash %016" PRIx64 ", %zu failures",
           s.seeds - fresh, fresh, a->from, wall, s.hash, s.failures);
    if (s.failures == 0 && fresh > 0)
        printf("; 95%% bound for a new seed: fewer than %.2g", 3.0 / (double)fresh);
    (void)putchar('\n');
    free(jobs);
    return s.failures > 0;
}

int main(int argc, char **argv)
{
    struct args a;
    char memory[] = "/dev/shm/sampan-sim-XXXXXX", disk[] = "/tmp/sampan-sim-XXXXXX";
    if (!read_args(&a, argc, argv)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    const char *dir = mkdtemp(memory);
    if (dir == NULL)
        dir = mkdtemp(disk);
    if (dir == NULL) {
        perror(disk);
        return 2;
    }
    int rc = a.has_seed || a.is_speed ? show(&a, dir) : run(&a, dir);
    sim_crew_remove_tree(dir);
    return rc;
}
