/* crash_store: the store's crash proof (docs/crash-proof.md).  It runs what it is asked for in several
 * processes, adds their figures up, and ends with 0 only if everything held. */
#include "crash_errors.h"
#include "crash_mutant.h"
#include "crash_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX     64U
#define FOUND_MAX    5U
#define MUST_IMAGES  600U
#define ERROR_CALLS  2000U
#define MMAP_FROM    (256 * 1024) /* malloc: LMDB's large, mostly unused tables cost nothing if mapped anew */
#define LONG_IMAGES  1000000U
#define LONG_MUTANTS 100000U
#define LONG_SEEDS   10U

static const char usage[] =
    "crash_store [--images N]   judges N crash images of the store (20,000)\n"
    "crash_store --must-fail    the same for four broken stores: each must be found out\n"
    "crash_store --errors       an I/O error at each of the first 2,000 calls; full map; full disk\n"
    "crash_store --mutants N    N damaged files\n"
    "    --seed S   first seed (1)        --op K    only operation, call or mutant K of seed S\n"
    "    --jobs J   processes (1)         --long    more of each: 1,000,000 images, 10 seeds, 100,000 "
    "mutants\n"
    "    --dir DIR  folder for stores (/dev/shm if it is there, else /tmp)\n";

enum command { COMMAND_IMAGES, COMMAND_MUST_FAIL, COMMAND_ERRORS, COMMAND_MUTANTS };

struct options {
    enum command command;
    uint64_t images, mutants, seed, op, jobs;
    bool is_long;
    char dir[CRASH_PATH];
};

/* What one process found; in memory that the parent sees. */
struct job {
    struct crash_run run;
    struct crash_errors errors;
    struct crash_mutants mutants;
};

/* ---- jobs ---- */

static char root[CRASH_PATH];

static void folder(char dir[CRASH_PATH], uint64_t number)
{
    char name[24];
    (void)snprintf(name, sizeof(name), "%" PRIu64, number);
    crash_path(dir, root, "/", name);
    if (mkdir(dir, 0700) != 0)
        crash_die("cannot create '%s': %s", dir, strerror(errno));
}

static void images(const struct options *o, struct job *j, uint64_t number)
{
    struct crash_run *run = &j->run;
    bool one = o->op != UINT64_MAX;
    folder(run->dir, number);
    run->only_op = o->op;
    run->found_max = FOUND_MAX;
    run->images_max = o->images / o->jobs + (number < o->images % o->jobs);
    for (uint64_t seed = o->seed + number; run->images < run->images_max; seed += o->jobs) {
        crash_replay_episode(run, seed);
        if (one || run->lost + run->corrupt >= run->found_max)
            break;
    }
    (void)rmdir(run->dir);
}

static void errors(const struct options *o, struct job *j, uint64_t number)
{
    struct crash_errors *e = &j->errors;
    bool one = o->op != UINT64_MAX;
    folder(e->dir, number);
    e->part = one ? o->op : number;
    e->parts = one ? 1 : o->jobs;
    e->calls = one ? o->op + 1 : ERROR_CALLS;
    for (uint64_t i = 0; i < (o->is_long ? LONG_SEEDS : 1); i++) {
        e->seed = o->seed + i;
        crash_errors_each(e);
        if (number == 0)
            crash_errors_room(e);
    }
    (void)rmdir(e->dir);
}

static void mutants(const struct options *o, struct job *j, uint64_t number)
{
    struct crash_mutants *m = &j->mutants;
    bool one = o->op != UINT64_MAX;
    folder(m->dir, number);
    m->seed = o->seed;
    m->part = one ? o->op : number;
    m->parts = one ? 1 : o->jobs;
    m->n = one ? o->op + 1 : o->mutants;
    crash_mutants_run(m);
    (void)rmdir(m->dir);
}

static void must_fail(const struct options *o, struct job *j, uint64_t number)
{
    for (int mode = (int)number + 1; mode < CRASH_MODES; mode += (int)o->jobs) {
        struct crash_run *run = &j[mode - (int)number].run;
        *run = (struct crash_run){.mode = (enum crash_mode)mode,
                                  .forks = true,
                                  .only_op = UINT64_MAX,
                                  .images_max = (uint64_t)MUST_IMAGES * (o->is_long ? LONG_SEEDS : 1),
                                  .found_max = UINT64_MAX};
        folder(run->dir, (uint64_t)mode);
        for (uint64_t seed = o->seed; run->images < run->images_max; seed++)
            crash_replay_episode(run, seed);
        (void)rmdir(run->dir);
    }
}

typedef void work_fn(const struct options *o, struct job *j, uint64_t number);

static void run_jobs(const struct options *o, work_fn *work, struct job *jobs)
{
    for (uint64_t i = 0; i < o->jobs; i++) {
        (void)fflush(NULL);
        pid_t pid = fork();
        if (pid < 0)
            crash_die("no process");
        if (pid == 0) {
            work(o, &jobs[i], i);
            (void)fflush(NULL);
#ifdef SAMPAN_COVERAGE
            exit(0); /* writes its counts; elsewhere what a cut life holds would be taken for leaks */
#endif
            _exit(0);
        }
    }
    int status;
    bool good = true;
    while (wait(&status) > 0) {
        if (WIFSIGNALED(status))
            printf("a process of the proof was ended by signal %d\n", WTERMSIG(status));
        good = good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    if (!good)
        crash_die("a process of the proof did not end by itself; its stores are in %s", root);
    (void)rmdir(root);
}

/* ---- reports ---- */

static double seconds(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int report_images(const struct options *o, const struct job *jobs, double took)
{
    struct crash_run sum = {0};
    for (uint64_t i = 0; i < o->jobs; i++) {
        const struct crash_run *r = &jobs[i].run;
        sum.images += r->images;
        sum.operations += r->operations;
        sum.lost += r->lost;
        sum.corrupt += r->corrupt;
        sum.lives += r->lives;
        sum.log_print ^= r->log_print;
    }
    printf("%" PRIu64 " lives, log %016" PRIx64 ", %.1f s, %.0f images/s in %" PRIu64 " processes\n",
           sum.lives, sum.log_print, took, (double)sum.images / took, o->jobs);
    printf("%" PRIu64 " images, %" PRIu64 " operations, lost %" PRIu64 ", corrupt %" PRIu64 ", seed %" PRIu64
           "\n",
           sum.images, sum.operations, sum.lost, sum.corrupt, o->seed);
    return sum.lost + sum.corrupt > 0;
}

static int report_must_fail(const struct options *o, const struct job *jobs, double took)
{
    static const char *const names[CRASH_MODES] = {"",
                                                   "MDB_NOSYNC",
                                                   "MDB_NOMETASYNC",
                                                   "a disk that ignores flush",
                                                   "answers before the commit",
                                                   "a disk that tears sectors"};
    unsigned caught = 0;
    for (int mode = 1; mode < CRASH_MODES; mode++) {
        const struct crash_run *r = &jobs[mode].run;
        bool found = r->lost + r->corrupt > 0;
        caught += found && mode != CRASH_MODE_TORN_SECTORS;
        printf("%-26s %5" PRIu64 " images, lost %4" PRIu64 ", corrupt %4" PRIu64 " (by signal %" PRIu64
               "): %s\n",
               names[mode], r->images, r->lost, r->corrupt, r->signals,
               mode == CRASH_MODE_TORN_SECTORS ? "shown, not judged"
               : found                         ? "found out"
                                               : "NOT FOUND OUT");
    }
    printf("%u of 4 broken stores found out, %.1f s, seed %" PRIu64 "\n", caught, took, o->seed);
    return caught != 4;
}

static int report_errors(const struct options *o, const struct job *jobs, double took)
{
    struct crash_errors sum = {0};
    for (uint64_t i = 0; i < o->jobs; i++) {
        const struct crash_errors *e = &jobs[i].errors;
        sum.runs += e->runs;
        sum.met += e->met;
        sum.cuts += e->cuts;
        sum.fills += e->fills;
        sum.findings += e->findings;
        sum.fulls += e->fulls;
        sum.fulls_named += e->fulls_named;
        sum.confirms += e->confirms;
    }
    printf("%" PRIu64 " full disks, %" PRIu64 " of them refused a message, all by name; %" PRIu64
           " confirms there, all OK; %.1f s\n",
           sum.fulls, sum.fulls_named, sum.confirms, took);
    printf("%" PRIu64 " runs, %" PRIu64 " met their fault, %" PRIu64 " power cuts after it, %" PRIu64
           " fills, findings %" PRIu64 ", seed %" PRIu64 "\n",
           sum.runs, sum.met, sum.cuts, sum.fills, sum.findings, o->seed);
    bool is_proof = o->op != UINT64_MAX || sum.fulls_named > 0;
    if (!is_proof)
        printf("no full disk refused a message: this seed proves nothing about it\n");
    return sum.findings > 0 || !is_proof;
}

static int report_mutants(const struct options *o, const struct job *jobs, double took)
{
    struct crash_mutants sum = {0};
    for (uint64_t i = 0; i < o->jobs; i++) {
        const struct crash_mutants *m = &jobs[i].mutants;
        for (size_t k = 0; k < CRASH_MUTATIONS; k++) {
            for (size_t e = 0; e < CRASH_ENDS; e++)
                sum.ends[k][e] += m->ends[k][e];
        }
        sum.findings += m->findings;
    }
    crash_mutants_print(&sum);
    printf("%" PRIu64 " mutants, findings %" PRIu64 ", %.1f s, seed %" PRIu64 "\n", o->mutants, sum.findings,
           took, o->seed);
    return sum.findings > 0;
}

/* ---- options ---- */

static uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    uint64_t v = text ? strtoull(text, &end, 10) : 0;
    if (!text || text[0] < '0' || text[0] > '9' || *end || errno)
        crash_die("'%s' is no number\n%s", text ? text : "", usage);
    return v;
}

static bool take_number(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *to;
    } table[] = {{"--images", &o->images},
                 {"--mutants", &o->mutants},
                 {"--seed", &o->seed},
                 {"--op", &o->op},
                 {"--jobs", &o->jobs}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(name, table[i].name) == 0) {
            *table[i].to = number_of(value);
            return true;
        }
    }
    return false;
}

static void take_option(struct options *o, char **argv, int *i)
{
    const char *name = argv[*i];
    if (strcmp(name, "--must-fail") == 0) {
        o->command = COMMAND_MUST_FAIL;
    } else if (strcmp(name, "--errors") == 0) {
        o->command = COMMAND_ERRORS;
    } else if (strcmp(name, "--long") == 0) {
        o->is_long = true;
    } else if (strcmp(name, "--dir") == 0 && argv[*i + 1]) {
        crash_path(o->dir, argv[++*i], "", "");
    } else if (take_number(o, name, argv[*i + 1])) {
        if (strcmp(name, "--mutants") == 0)
            o->command = COMMAND_MUTANTS;
        ++*i;
    } else {
        crash_die("unknown option '%s'\n%s", name, usage);
    }
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.seed = 1, .op = UINT64_MAX, .jobs = 1};
    crash_path(o->dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", "", "");
    for (int i = 1; i < argc; i++)
        take_option(o, argv, &i);
    if (o->images == 0)
        o->images = o->is_long ? LONG_IMAGES : 20000;
    if (o->mutants == 0)
        o->mutants = o->is_long ? LONG_MUTANTS : 2000;
    if (o->op != UINT64_MAX)
        o->jobs = 1;
    if (o->jobs < 1 || o->jobs > JOBS_MAX)
        crash_die("--jobs takes 1 to %u", JOBS_MAX);
}

int main(int argc, char **argv)
{
    static const struct {
        work_fn *work;
        int (*report)(const struct options *o, const struct job *jobs, double took);
    } commands[] = {[COMMAND_IMAGES] = {images, report_images},
                    [COMMAND_MUST_FAIL] = {must_fail, report_must_fail},
                    [COMMAND_ERRORS] = {errors, report_errors},
                    [COMMAND_MUTANTS] = {mutants, report_mutants}};
    struct options o;
    read_options(&o, argc, argv);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM);
    crash_path(root, o.dir, "/", "sampan-crash-XXXXXX");
    if (!mkdtemp(root))
        crash_die("cannot create a folder in '%s': %s", o.dir, strerror(errno));
    struct job *jobs =
        mmap(NULL, JOBS_MAX * sizeof(*jobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (jobs == MAP_FAILED)
        crash_die("no memory");
    double began = seconds();
    run_jobs(&o, commands[o.command].work, jobs);
    return commands[o.command].report(&o, jobs, seconds() - began);
}
