/* Damaged files. */
#include "crash_mutant.h"

#include "crash_check.h"
#include "crash_disk.h"
#include "crash_load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS       40U
#define SECONDS_MAX 10U
#define PAGE_HEAD   16U
#define NODE_HEAD   8U
#define LEAF        2U
#define FREE_KEY    8U /* bytes of a key in LMDB's tree of free pages; none of ours has so many */

static const char *const mutations[] = {"bits of a value", "bits anywhere", "page header", "node offsets",
                                        "page of zeros",   "stray page",    "meta page",   "shorter file"};
static const char *const ends[] = {"same", "refused", "noticed", "silent", "WRONG", "signal", "HANG"};

struct victim {
    struct crash_disk disk;
    struct crash_model model;
};

/* ---- the good store ---- */

static void make_victim(const char *base, uint64_t seed, struct victim *v)
{
    static struct crash_load l;
    struct crash_log log = {0};
    char dir[CRASH_PATH];
    crash_path(dir, base, "/", "victim");
    crash_model_init(&v->model, seed);
    l = (struct crash_load){.model = &v->model, .log = &log, .rng = {.v = seed}, .patient = true};
    if (crash_load_open(&l, dir))
        crash_die("the victim does not open: %s", l.reason);
    for (unsigned i = 0; i < STEPS; i++)
        crash_load_step(&l);
    crash_load_close(&l);
    crash_disk_load(&v->disk, dir);
    crash_remove(dir);
    crash_log_wipe(&log);
}

/* ---- changing it ---- */

static unsigned u16_at(const uint8_t *p, size_t at)
{
    return p[at] | (unsigned)p[at + 1] << 8;
}

/* A place inside of one of our values on this page; false: there is none. */
static bool draw_value(const struct victim *v, struct crash_rng *r, size_t page, size_t *at, size_t *n)
{
    const uint8_t *p = v->disk.durable + page * CRASH_PAGE;
    unsigned nodes = (u16_at(p, 12) - PAGE_HEAD) / 2;
    if (page < 2 || u16_at(p, 10) != LEAF || nodes == 0)
        return false;
    size_t node = u16_at(p, PAGE_HEAD + 2 * (size_t)crash_below(r, nodes));
    size_t key = u16_at(p, node + 6);
    *n = u16_at(p, node);
    *at = page * CRASH_PAGE + node + NODE_HEAD + key;
    return u16_at(p, node + 4) == 0 && key != FREE_KEY && *n > 0;
}

static void flip(uint8_t *p, size_t n, struct crash_rng *r)
{
    for (uint32_t k = 1 + crash_below(r, 8); k > 0; k--)
        p[crash_below(r, (uint32_t)n)] ^= (uint8_t)(1U << crash_below(r, 8));
}

/* Changes the copy b of v's bytes; its new length. */
static size_t mutate(const struct victim *v, uint8_t *b, enum crash_mutation kind, struct crash_rng *r)
{
    uint32_t pages = (uint32_t)(v->disk.durable_n / CRASH_PAGE);
    size_t page = 2 + crash_below(r, pages - 2);
    uint8_t *p = b + page * CRASH_PAGE;
    size_t at;
    size_t n;
    switch (kind) {
    case CRASH_MUTATION_VALUE:
        while (!draw_value(v, r, crash_below(r, pages), &at, &n)) {
        }
        flip(b + at, n, r);
        break;
    case CRASH_MUTATION_BITS:
        flip(b, v->disk.durable_n, r);
        break;
    case CRASH_MUTATION_HEADER:
        p[crash_below(r, PAGE_HEAD)] = (uint8_t)crash_next(r);
        break;
    case CRASH_MUTATION_NODES:
        p[PAGE_HEAD + crash_below(r, 16)] = (uint8_t)crash_next(r);
        break;
    case CRASH_MUTATION_ZEROS:
        memset(p, 0, CRASH_PAGE);
        break;
    case CRASH_MUTATION_STRAY:
        memcpy(p, v->disk.durable + CRASH_PAGE * (size_t)crash_below(r, pages), CRASH_PAGE);
        break;
    case CRASH_MUTATION_META:
        b[CRASH_PAGE * (size_t)crash_below(r, 2) + crash_below(r, 152)] ^= (uint8_t)(1 + crash_below(r, 255));
        break;
    default:
        return crash_below(r, (uint32_t)v->disk.durable_n);
    }
    return v->disk.durable_n;
}

/* ---- judging ---- */

/* In the child.  The judge of crash images tells whether something is wrong; a damaged store may be, if it
 * says so. */
static enum crash_end look(const char *dir, const struct victim *v, uint64_t seed)
{
    struct crash_look seen = {0};
    struct crash_verdict verdict = {0};
    crash_check_damaged(dir, &v->model, seed, &seen, &verdict);
    if (seen.refused)
        return CRASH_END_REFUSED;
    if (seen.wrong)
        return CRASH_END_WRONG;
    if (seen.noticed)
        return CRASH_END_NOTICED;
    return verdict.kind == CRASH_FINE ? CRASH_END_SAME : CRASH_END_SILENT;
}

static enum crash_end run_child(const char *dir, const struct victim *v, uint64_t seed)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        crash_die("no process");
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(null, STDERR_FILENO);
        alarm(SECONDS_MAX);
        _exit(10 + (int)look(dir, v, seed));
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? CRASH_END_HANG : CRASH_END_SIGNAL;
    int code = WEXITSTATUS(status) - 10;
    return code >= 0 && code < CRASH_ENDS ? (enum crash_end)code : CRASH_END_SIGNAL;
}

static bool is_finding(enum crash_mutation kind, enum crash_end end)
{
    return end == CRASH_END_WRONG || end == CRASH_END_HANG ||
           (kind == CRASH_MUTATION_VALUE && end >= CRASH_END_SILENT);
}

static void one(struct crash_mutants *m, const struct victim *v, uint8_t *copy, uint64_t k)
{
    struct crash_rng r = {.v = crash_mix(m->seed, k)};
    struct crash_disk disk = {.folder_there = true, .file_there = true, .durable = copy};
    enum crash_mutation kind = (enum crash_mutation)(k % CRASH_MUTATIONS);
    char dir[CRASH_PATH];
    crash_path(dir, m->dir, "/", "mutant");
    memcpy(copy, v->disk.durable, v->disk.durable_n);
    disk.durable_n = mutate(v, copy, kind, &r);
    crash_disk_store(&disk, dir);
    enum crash_end end = run_child(dir, v, k);
    crash_remove(dir);
    m->ends[kind][end]++;
    if (!is_finding(kind, end))
        return;
    m->findings++;
    printf("FOUND: mutant %" PRIu64 " (%s): %s; repeat with: crash_store --mutants %" PRIu64
           " --seed %" PRIu64 " --op %" PRIu64 "\n",
           k, mutations[kind], ends[end], m->n, m->seed, k);
}

void crash_mutants_run(struct crash_mutants *m)
{
    static struct victim v;
    make_victim(m->dir, m->seed, &v);
    uint8_t *copy = crash_grow(NULL, v.disk.durable_n);
    for (uint64_t k = m->part; k < m->n; k += m->parts)
        one(m, &v, copy, k);
    free(copy);
    crash_disk_wipe(&v.disk);
}

void crash_mutants_print(const struct crash_mutants *m)
{
    printf("%-16s", "changed");
    for (size_t e = 0; e < CRASH_ENDS; e++)
        printf(" %8s", ends[e]);
    printf("\n");
    for (size_t k = 0; k < CRASH_MUTATIONS; k++) {
        printf("%-16s", mutations[k]);
        for (size_t e = 0; e < CRASH_ENDS; e++)
            printf(" %8" PRIu64, m->ends[k][e]);
        printf("\n");
    }
}
