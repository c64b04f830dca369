/* Episodes. */
#include "crash_replay.h"

#include "crash_check.h"
#include "crash_load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVES_MAX   5U
#define STEPS_MIN   6U
#define STEPS_SPAN  24U
#define FULL_EVERY  16U /* one image in so many is checked in full */
#define PRINTS      (1U << 15)
#define IMAGE_BYTES (8U << 20)
#define SECONDS_MAX 20U

struct episode {
    struct crash_run *run;
    uint64_t seed, life, op;  /* op: operation boundaries so far, over all lives */
    struct crash_model model; /* as of the replayed event */
    struct crash_disk disk;
    struct crash_image image;
    uint64_t prints[PRINTS]; /* of the images judged at this version of promises */
    uint64_t promises;       /* changes with each answer */
    /* The cut after which the next life begins. */
    uint64_t next_at;
    bool next_known;
    struct crash_plan next_plan;
    struct crash_disk next_disk;
    struct crash_model next_model;
};

/* ---- one image ---- */

/* False: this image was judged already under the same promises. */
static bool is_new(struct episode *e, const struct crash_plan *plan)
{
    uint64_t print = crash_mix(crash_disk_print(&e->disk, plan), e->promises) | 1;
    for (uint64_t i = print; i < print + 64; i++) {
        uint64_t *slot = &e->prints[i % PRINTS];
        if (*slot == print)
            return false;
        if (*slot == 0) {
            *slot = print;
            return true;
        }
    }
    e->prints[print % PRINTS] = print;
    return true;
}

static void judge(struct episode *e, const struct crash_plan *plan, struct crash_verdict *v)
{
    bool full = crash_mix(plan->seed, 79) % FULL_EVERY == 0;
    crash_trap_watch(e->image.dir, crash_image_io, &e->image);
    crash_check(e->image.dir, &e->model, plan->seed, full, v);
    crash_trap_watch(NULL, NULL, NULL);
}

/* No complaints of LMDB, no core, no endless loop. */
static void quiet(void)
{
    struct rlimit no_core = {0, 0};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, STDERR_FILENO);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)alarm(SECONDS_MAX);
}

/* In a child: a damaged tree may end it by a signal. */
static void judge_in_child(struct episode *e, const struct crash_plan *plan, struct crash_verdict *v)
{
    int fds[2];
    if (pipe(fds) != 0)
        crash_die("no pipe");
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        crash_die("no process");
    if (pid == 0) {
        quiet();
        judge(e, plan, v);
        ssize_t n = write(fds[1], v, sizeof(*v));
        _exit(n == (ssize_t)sizeof(*v) ? 0 : 3);
    }
    (void)close(fds[1]);
    ssize_t n = read(fds[0], v, sizeof(*v));
    (void)close(fds[0]);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    if (n == (ssize_t)sizeof(*v))
        return;
    *v = (struct crash_verdict){0};
    e->run->signals++;
    crash_found(v, CRASH_CORRUPT, "ended by signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void note(struct episode *e, const struct crash_plan *plan, const struct crash_verdict *v)
{
    static const char *const cuts[] = {"none", "all", "calls", "pages", "sectors", "torn", "bytes"};
    struct crash_run *run = e->run;
    run->images++;
    if (v->kind == CRASH_FINE)
        return;
    run->lost += v->kind == CRASH_LOST;
    run->corrupt += v->kind == CRASH_CORRUPT;
    if (run->mode != CRASH_MODE_HONEST)
        return;
    printf("%s: %s\n    seed %" PRIu64 ", operation %" PRIu64 " (life %" PRIu64 "), cut '%s'; repeat with: "
           "crash_store --seed %" PRIu64 " --op %" PRIu64 "\n",
           v->kind == CRASH_LOST ? "LOST" : "CORRUPT", v->text, e->seed, e->op, e->life, cuts[plan->cut],
           e->seed, e->op);
    (void)fflush(stdout);
}

static bool is_over(const struct crash_run *run)
{
    return run->images >= run->images_max || run->lost + run->corrupt >= run->found_max;
}

static void one_image(struct episode *e, enum crash_cut cut, uint64_t number)
{
    struct crash_plan plan = {.cut = cut, .seed = crash_mix(crash_mix(e->seed, e->op), number)};
    if (is_over(e->run) || !is_new(e, &plan))
        return;
    struct crash_verdict v = {0};
    crash_image_build(&e->image, &e->disk, &plan);
    if (e->run->forks)
        judge_in_child(e, &plan, &v);
    else
        judge(e, &plan, &v);
    note(e, &plan, &v);
}

/* The cut from which the next life starts. */
static void keep_for_next(struct episode *e)
{
    struct crash_rng r = {.v = crash_mix(e->seed, e->op ^ 0x5eed)};
    e->next_plan = (struct crash_plan){.cut = (enum crash_cut)crash_below(&r, CRASH_CUT_TORN + 1),
                                       .seed = crash_next(&r)};
    crash_disk_wipe(&e->next_disk);
    crash_disk_cut(&e->disk, &e->next_plan, &e->next_disk);
    e->next_model = e->model;
    crash_model_crash(&e->next_model);
    e->next_known = true;
}

/* A power cut here: none, all, six random subsets, torn. */
static void boundary(struct episode *e)
{
    static const enum crash_cut cuts[] = {CRASH_CUT_NONE,  CRASH_CUT_ALL,     CRASH_CUT_CALLS,
                                          CRASH_CUT_PAGES, CRASH_CUT_PAGES,   CRASH_CUT_PAGES,
                                          CRASH_CUT_PAGES, CRASH_CUT_SECTORS, CRASH_CUT_SECTORS,
                                          CRASH_CUT_TORN,  CRASH_CUT_TORN};
    e->op++;
    e->run->operations++;
    if (e->op == e->next_at)
        keep_for_next(e);
    if (e->run->only_op != UINT64_MAX && e->run->only_op != e->op)
        return;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        bool bytes = e->run->mode == CRASH_MODE_TORN_SECTORS && cuts[i] == CRASH_CUT_SECTORS;
        one_image(e, bytes ? CRASH_CUT_BYTES : cuts[i], i);
    }
}

/* ---- one life ---- */

static uint64_t boundaries_of(const struct crash_log *log)
{
    uint64_t n = 0;
    for (size_t i = 0; i < log->n; i++) {
        const struct crash_event *ev = &log->events[i];
        n += ev->kind == CRASH_EVENT_IO;
        n += ev->kind == CRASH_EVENT_ANSWER &&
             (i + 1 == log->n || log->events[i + 1].kind != CRASH_EVENT_ANSWER);
    }
    return n;
}

static void replay_event(struct episode *e, const struct crash_log *log, size_t i)
{
    const struct crash_event *ev = &log->events[i];
    struct crash_verdict ignored = {0};
    switch (ev->kind) {
    case CRASH_EVENT_SUBMIT:
        /* Identities come into being in the order of their first submission or earlier. */
        crash_model_submit(&e->model, &log->reqs[ev->req]);
        break;
    case CRASH_EVENT_ANSWER:
        crash_model_answer(&e->model, &log->reqs[ev->answer.req], &ev->answer, &ignored);
        e->promises++;
        if (i + 1 == log->n || log->events[i + 1].kind != CRASH_EVENT_ANSWER)
            boundary(e);
        break;
    case CRASH_EVENT_IO:
        crash_disk_note(&e->disk, ev);
        boundary(e);
        if (ev->io == CRASH_IO_WRITE && ev->dsync)
            crash_disk_settle(&e->disk);
        break;
    }
}

/* Bytes are left out: LMDB writes some that it never set. */
static uint64_t print_of(const struct crash_log *log)
{
    uint64_t h = log->n;
    for (size_t i = 0; i < log->n; i++) {
        const struct crash_event *ev = &log->events[i];
        h = crash_mix(h, (uint64_t)ev->kind + (uint64_t)ev->io * 8 + ev->req * 64);
        h = crash_mix(h, ev->at * 65536 + ev->n);
        h = crash_mix(h, (uint64_t)(int64_t)ev->answer.err * 65536 + ev->answer.seq +
                             (uint64_t)ev->answer.svr_seq * 256);
    }
    return h;
}

/* Runs the store until its random end; model is taken along. */
static void record(struct episode *e, struct crash_model *model, struct crash_log *log)
{
    char dir[CRASH_PATH];
    static struct crash_load l;
    crash_path(dir, e->run->dir, "/", "live");
    crash_disk_store(&e->disk, dir);
    l = (struct crash_load){.model = model,
                            .log = log,
                            .rng = {.v = crash_mix(e->seed, 1000 + e->life)},
                            .early = e->run->mode == CRASH_MODE_EARLY_ANSWER};
    crash_trap_watch(dir, crash_log_io, log);
    int err = crash_load_open(&l, dir);
    if (err)
        crash_die("seed %" PRIu64 ", life %" PRIu64 ": the store does not open: %d %s", e->seed, e->life, err,
                  l.reason);
    for (uint32_t steps = STEPS_MIN + crash_below(&l.rng, STEPS_SPAN); steps > 0; steps--)
        crash_load_step(&l);
    if (crash_chance(&l.rng, 70))
        crash_load_close(&l);
    else
        crash_load_drop(&l);
    crash_trap_watch(NULL, NULL, NULL);
    crash_remove(dir);
    if (l.verdict.kind != CRASH_FINE) {
        e->run->corrupt++;
        printf("CORRUPT: while it ran: %s\n    seed %" PRIu64 ", life %" PRIu64
               "; repeat with: crash_store --seed %" PRIu64 " --images 1\n",
               l.verdict.text, e->seed, e->life, e->seed);
    }
    e->run->log_print = crash_mix(e->run->log_print, print_of(log));
}

/* One life; its start is e->model and e->disk, and so is the start of the next one afterwards. */
static void one_life(struct episode *e)
{
    struct crash_log log = {0};
    static struct crash_model live;
    live = e->model;
    record(e, &live, &log);
    /* The tables of identities and msgids are the workload's; what is said about them is replayed. */
    for (size_t i = e->model.ids_n; i < live.ids_n; i++) {
        e->model.ids[i] = live.ids[i];
        e->model.ids[i].sent = e->model.ids[i].stored = e->model.ids[i].maybe = e->model.ids[i].told = false;
        e->model.ids[i].open = 0;
        e->model.ids[i].seq = 0;
        e->model.ids[i].state = 0;
    }
    e->model.ids_n = live.ids_n;
    e->model.clock_us = live.clock_us;
    for (unsigned b = 0; b < CRASH_BOXES; b++) {
        for (unsigned d = 0; d < CRASH_DEVICES; d++) {
            struct crash_device *to = &e->model.device[b][d];
            uint64_t min = to->finished_min;
            uint64_t max = to->finished_max;
            *to = live.device[b][d];
            to->finished_min = min;
            to->finished_max = max;
        }
    }
    struct crash_rng r = {.v = crash_mix(e->seed, 2000 + e->life)};
    uint64_t all = boundaries_of(&log);
    e->next_at = e->op + 1 + crash_next(&r) % all;
    memset(e->prints, 0, sizeof(e->prints));
    for (size_t i = 0; i < log.n && !is_over(e->run); i++)
        replay_event(e, &log, i);
    e->run->lives++;
    if (!is_over(e->run)) {
        struct crash_disk old = e->disk;
        e->disk = e->next_disk;
        e->next_disk = old;
        e->model = e->next_model;
    }
    crash_log_wipe(&log);
}

void crash_replay_episode(struct crash_run *run, uint64_t seed)
{
    static struct episode e;
    char dir[CRASH_PATH];
    e = (struct episode){.run = run, .seed = seed};
    crash_path(dir, run->dir, "/", "image");
    crash_image_open(&e.image, dir, IMAGE_BYTES);
    crash_model_init(&e.model, seed);
    crash_trap_env_flags(run->mode == CRASH_MODE_NOSYNC       ? MDB_NOSYNC
                         : run->mode == CRASH_MODE_NOMETASYNC ? MDB_NOMETASYNC
                                                              : 0);
    struct crash_rng r = {.v = seed};
    e.disk.ignores_flush = run->mode == CRASH_MODE_LYING_DISK;
    /* A broken store has no good image to live on from. */
    uint64_t lives = run->mode == CRASH_MODE_HONEST ? 1 + crash_below(&r, LIVES_MAX) : 1;
    for (; e.life < lives && !is_over(run); e.life++)
        one_life(&e);
    crash_trap_env_flags(0);
    crash_disk_wipe(&e.disk);
    crash_disk_wipe(&e.next_disk);
    crash_image_close(&e.image);
}
