/* Errors at every call. */
#include "crash_errors.h"

#include "crash_check.h"
#include "crash_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX    20000U /* more calls than any n */
#define IDS_LEFT     40U    /* identities that filling a disk leaves for what comes after it */
#define DRAWS_MAX    10000U /* of one request */
#define STEPS_AFTER  3U
#define FINDINGS_MAX 5U
#define SEGMENT      500U /* calls of one process; then the next one opens the store */
#define SEGMENTS     64U
#define CALLS_MORE   100U /* so long ENOSPC waits for a write that makes the file longer */

static const char *const names[] = {[CRASH_FAULT_EIO] = "EIO from call",
                                    [CRASH_FAULT_EIO_ONCE] = "EIO at call",
                                    [CRASH_FAULT_SHORT_ONCE] = "short write at call",
                                    [CRASH_FAULT_ENOSPC] = "ENOSPC from call"};

/* Where a process begins: the store as the last one left it. */
struct segment {
    uint64_t first, last; /* number of its first call, and of the next one's */
    struct crash_disk disk;
    struct crash_model model;
};

struct trial {
    struct crash_errors *all;
    enum crash_fault fault;
    uint64_t n;
    const struct segment *segment;
    char dir[CRASH_PATH];
    struct crash_model model;
    struct crash_log log;
    struct crash_load load;
    struct crash_verdict verdict;
    bool met;
};

#define FOUND(t, ...) crash_found(&(t)->verdict, CRASH_CORRUPT, __VA_ARGS__)

/* ---- after an error of which nobody knows what it did ---- */

static void expect_latched(struct trial *t)
{
    struct crash_load *l = &t->load;
    struct sp_store_stats s;
    sp_store_stats(l->store, &s);
    if (!s.failed)
        FOUND(t, "the store is not marked as failed");
    unsigned ok = l->ok;
    unsigned unknown = l->unknown;
    uint64_t calls = crash_trap_calls();
    for (unsigned i = 0; i < STEPS_AFTER; i++)
        crash_load_step(l);
    if (l->ok != ok || l->unknown != unknown || l->nospace || l->busy)
        FOUND(t, "after the error %u OK, %u unknown, %u full", l->ok - ok, l->unknown - unknown, l->nospace);
    if (l->failed == 0)
        FOUND(t, "nothing was answered with SP_EFAILED");
    if (crash_trap_calls() != calls)
        FOUND(t, "it went on writing after the error");
}

/* ---- after a full disk ---- */

static int ask(struct trial *t, enum sp_store_op op)
{
    struct crash_req q;
    unsigned draws = 0;
    while (!crash_load_draw(&t->load, op, &q) || q.other_hash || q.deny || q.after ||
           (op == SP_STORE_APPEND && t->model.ids[q.id].sent)) {
        if (++draws == DRAWS_MAX)
            crash_die("the table of identities is too small");
    }
    return crash_load_one(&t->load, &q);
}

static void expect_full(struct trial *t)
{
    static const enum sp_store_op reads[] = {SP_STORE_RANGE, SP_STORE_HEAD, SP_STORE_STATUS};
    struct sp_store_stats s;
    int err = 0;
    while ((err == 0 || err == SP_EQUOTA) && t->model.ids_n + IDS_LEFT < CRASH_IDS)
        err = ask(t, SP_STORE_APPEND);
    t->all->fulls++;
    t->all->fulls_named += err == SP_ENOSPACE;
    if (err && err != SP_ENOSPACE && err != SP_EQUOTA)
        FOUND(t, "a message on a full disk: err %d", err);
    for (size_t i = 0; i < 3; i++) {
        err = ask(t, reads[i]);
        if (err)
            FOUND(t, "read %d on a full disk: err %d", (int)reads[i], err);
    }
    for (unsigned i = 0; i < 4; i++) {
        err = ask(t, SP_STORE_CONFIRM);
        t->all->confirms++;
        if (err)
            FOUND(t, "a confirm on a full disk: err %d", err);
    }
    crash_trap_fail(CRASH_FAULT_NONE, 0);
    (void)ask(t, SP_STORE_HEAD);
    err = ask(t, SP_STORE_APPEND);
    sp_store_stats(t->load.store, &s);
    /* What was filled may be most of a small map: then that is the limit, not the disk. */
    bool is_map = err == SP_ENOSPACE && s.used_bytes > s.map_bytes / 2;
    if (err && err != SP_EQUOTA && !is_map)
        FOUND(t, "a message when there is room again: err %d", err);
    if (t->load.unknown)
        FOUND(t, "%u answers on a full disk were unknown", t->load.unknown);
    if (t->load.failed)
        FOUND(t, "a full disk counts as a failed one");
}

/* ---- one trial ---- */

/* A power cut after the error: what was not synced is gone, or some of it. */
static void cut_after(struct trial *t)
{
    static const enum crash_cut cuts[] = {CRASH_CUT_NONE, CRASH_CUT_PAGES};
    static const struct crash_plan whole = {.cut = CRASH_CUT_ALL};
    struct crash_disk disk;
    crash_disk_cut(&t->segment->disk, &whole, &disk);
    for (size_t i = 0; i < t->log.n; i++) {
        const struct crash_event *e = &t->log.events[i];
        if (e->kind != CRASH_EVENT_IO)
            continue;
        crash_disk_note(&disk, e);
        if (e->io == CRASH_IO_WRITE && e->dsync)
            crash_disk_settle(&disk);
    }
    for (size_t i = 0; i < 2; i++) {
        struct crash_plan plan = {.cut = cuts[i], .seed = crash_mix(t->all->seed, t->n)};
        struct crash_disk after;
        crash_disk_cut(&disk, &plan, &after);
        crash_remove(t->dir);
        crash_disk_store(&after, t->dir);
        crash_check(t->dir, &t->model, plan.seed, false, &t->verdict);
        crash_disk_wipe(&after);
        t->all->cuts++;
    }
    crash_disk_wipe(&disk);
}

static void restart(struct trial *t)
{
    t->all->met += t->met;
    crash_trap_fail(CRASH_FAULT_NONE, 0);
    crash_trap_watch(NULL, NULL, NULL);
    crash_model_crash(&t->model);
    if (t->verdict.kind == CRASH_FINE)
        crash_check(t->dir, &t->model, t->n, t->n % 16 == 0, &t->verdict);
    if (t->verdict.kind == CRASH_FINE && t->n % 8 == 0)
        cut_after(t);
}

static void work(struct trial *t)
{
    bool full = t->fault == CRASH_FAULT_ENOSPC;
    for (unsigned i = 0; i < STEPS_MAX && crash_trap_hits() == 0; i++) {
        crash_load_step(&t->load);
        if (full && crash_trap_calls() > t->n - t->segment->first + CALLS_MORE)
            break;
    }
    t->met = crash_trap_hits() > 0;
    if (!t->met && !full)
        crash_die("the workload makes fewer than %" PRIu64 " calls", t->n);
    if (t->met && full)
        expect_full(t);
    else if (!full)
        expect_latched(t);
    if (t->load.verdict.kind != CRASH_FINE)
        t->verdict = t->load.verdict;
    crash_load_drop(&t->load);
}

static void run(struct trial *t)
{
    crash_disk_store(&t->segment->disk, t->dir);
    crash_trap_watch(t->dir, t->n % 8 == 0 ? crash_log_io : NULL, &t->log);
    crash_trap_fail(t->fault, t->n - t->segment->first);
    int err = crash_load_open(&t->load, t->dir);
    t->met = crash_trap_hits() > 0;
    if (err == 0)
        work(t);
    else if (err != SP_EIO || !t->met)
        FOUND(t, "open: err %d, %s", err, t->load.reason);
    restart(t);
    crash_remove(t->dir);
    crash_log_wipe(&t->log);
    t->all->runs++;
    if (t->verdict.kind == CRASH_FINE)
        return;
    t->all->findings++;
    printf("%s: %s\n    %s %" PRIu64 "; repeat with: crash_store --errors --seed %" PRIu64 " --op %" PRIu64
           "\n",
           t->verdict.kind == CRASH_LOST ? "LOST" : "CORRUPT", t->verdict.text, names[t->fault], t->n,
           t->all->seed, t->n);
}

/* ---- all trials ---- */

static struct segment segments[SEGMENTS];

/* A process that begins where the segment does, on the same path at each call. */
static void begin(struct trial *t, struct crash_errors *e, const struct segment *s)
{
    memset(t, 0, sizeof(*t));
    t->all = e;
    t->segment = s;
    t->model = s->model;
    crash_path(t->dir, e->dir, "/", "errors");
    t->load = (struct crash_load){
        .model = &t->model, .log = &t->log, .rng = {.v = crash_mix(e->seed, s->first)}, .patient = true};
}

/* Runs a segment without faults; what it leaves begins the next one. */
static void run_segment(struct trial *t, struct crash_errors *e, struct segment *s, struct segment *next)
{
    begin(t, e, s);
    crash_disk_store(&s->disk, t->dir);
    crash_trap_watch(t->dir, NULL, NULL);
    crash_trap_fail(CRASH_FAULT_NONE, 0);
    if (crash_load_open(&t->load, t->dir))
        crash_die("the store does not open: %s", t->load.reason);
    for (unsigned i = 0; i < STEPS_MAX && crash_trap_calls() < SEGMENT; i++)
        crash_load_step(&t->load);
    s->last = s->first + crash_trap_calls();
    crash_load_close(&t->load);
    crash_trap_watch(NULL, NULL, NULL);
    next->first = s->last;
    next->model = t->model;
    crash_disk_load(&next->disk, t->dir);
    crash_remove(t->dir);
    crash_log_wipe(&t->log);
}

static size_t make_segments(struct trial *t, struct crash_errors *e)
{
    size_t n = 0;
    memset(segments, 0, sizeof(segments));
    crash_model_init(&segments[0].model, e->seed);
    for (; n + 1 < SEGMENTS && (n == 0 || segments[n].first < e->calls); n++)
        run_segment(t, e, &segments[n], &segments[n + 1]);
    return n;
}

static const struct segment *segment_of(uint64_t n)
{
    const struct segment *s = segments;
    while (n >= s->last)
        s++;
    return s;
}

void crash_errors_each(struct crash_errors *e)
{
    static struct trial t;
    size_t n_segments = make_segments(&t, e);
    for (enum crash_fault fault = CRASH_FAULT_EIO; fault <= CRASH_FAULT_ENOSPC; fault++) {
        for (uint64_t n = e->part; n < e->calls && e->findings < FINDINGS_MAX; n += e->parts) {
            begin(&t, e, segment_of(n));
            t.fault = fault;
            t.n = n;
            run(&t);
        }
    }
    for (size_t i = 0; i <= n_segments; i++)
        crash_disk_wipe(&segments[i].disk);
}
