/* The one writer of the LMDB engine.  A step takes what all ports have queued, executes it in order in one
 * transaction, commits, and only then completes it.  There is no timer: idle, a request commits at once; what
 * comes meanwhile is the next batch. */
#include "lmdb_walk.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SWEEP_BUSY 64U   /* rows a sweep looks at beside requests */
#define SWEEP_IDLE 1024U /* and alone */
#define CLOCK_STEP (1000000LL)
#define JOB_PAGES  1024U /* bytes of pages that a request among many takes, beside its body */

struct batch {
    struct sp_job_list jobs;     /* taken, not yet executed */
    struct sp_job_list executed; /* in the transaction */
    struct sp_job_list ready;    /* answered without it */
    size_t bytes;                /* of the bodies taken */
};

/* ---- queues ---- */

static void wake(const struct sp_lmdb_port *p)
{
    uint64_t one = 1;
    ssize_t n = write(p->wake_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: the counter is at its end, so the port is awake */
}

static void complete(struct sp_job_list *jobs)
{
    for (struct sp_job *job; (job = sp_job_pop(jobs));) {
        struct sp_lmdb_port *p = (struct sp_lmdb_port *)job->port;
        (void)pthread_mutex_lock(&p->lock);
        bool was_empty = p->finished.first == NULL;
        sp_job_push(&p->finished, job);
        (void)pthread_mutex_unlock(&p->lock);
        if (was_empty)
            wake(p);
    }
}

void sp_lmdb_writer_push(struct sp_lmdb *db, struct sp_job_list *jobs)
{
    (void)pthread_mutex_lock(&db->lock);
    sp_job_join(&db->queue, jobs);
    (void)pthread_mutex_unlock(&db->lock);
    (void)pthread_cond_signal(&db->work);
}

static void take(struct sp_lmdb *db, struct batch *b)
{
    (void)pthread_mutex_lock(&db->lock);
    while (db->queue.first && b->jobs.n < db->batch_max) {
        size_t n = db->queue.first->req.body.n;
        if (b->jobs.n > 0 && b->bytes + n > SP_LMDB_BATCH_BYTES_MAX)
            break;
        b->bytes += n;
        sp_job_push(&b->jobs, sp_job_pop(&db->queue));
    }
    (void)pthread_mutex_unlock(&db->lock);
}

/* Back to the front of the queue, in their order. */
static void give_back(struct sp_lmdb *db, struct sp_job_list *jobs)
{
    (void)pthread_mutex_lock(&db->lock);
    sp_job_join(jobs, &db->queue);
    sp_job_join(&db->queue, jobs);
    (void)pthread_mutex_unlock(&db->lock);
}

/* ---- executing ---- */

static int do_claim(struct sp_lmdb_txn *t, struct sp_job *job)
{
    const struct sp_store_req *r = &job->req;
    struct sp_claim claim = {.holder = r->holder};
    struct sp_claim former = {0};
    struct sp_lmdb_mkey m = sp_lmdb_mkey(r->to[0].id);
    struct sp_lmdb_usr *u;
    int err = sp_lmdb_row_usr(t, &m, &u);
    if (err == SP_ECORRUPT)
        err = sp_lmdb_row_usr_get(t, r->to[0].id, &m, &u);
    if (err && err != SP_EAGAIN)
        return err;
    sp_lmdb_walk_numbers(t, err ? NULL : u, &job->done);
    err = sp_claim_take(t->db->claims, r->to[0].id, r->device, &claim, &former);
    job->done.fence = claim.fence;
    job->done.holder = former.holder;
    return err;
}

static int do_release(struct sp_lmdb_txn *t, struct sp_job *job)
{
    return sp_claim_drop(t->db->claims, job->req.to[0].id, job->req.device, job->req.fence);
}

/* A reader met a damaged mailbox row: it is made anew here, then the port reads again. */
static int do_repair(struct sp_lmdb_txn *t, struct sp_job *job)
{
    struct sp_lmdb_mkey m;
    struct sp_lmdb_usr *u;
    return sp_lmdb_row_usr_get(t, job->req.to[0].id, &m, &u);
}

static const struct {
    int (*execute)(struct sp_lmdb_txn *t, struct sp_job *job);
    bool has_commit;
} ops[SP_STORE_OPS] = {
    [SP_STORE_APPEND] = {sp_lmdb_append, true},
    [SP_STORE_CONFIRM] = {sp_lmdb_box_confirm, true},
    [SP_STORE_FINISH] = {sp_lmdb_append_finish, true},
    [SP_STORE_MARK] = {sp_lmdb_box_mark, true},
    [SP_STORE_TRIM] = {sp_lmdb_box_trim, true},
    [SP_STORE_RANGE] = {do_repair, false},
    [SP_STORE_HEAD] = {do_repair, false},
    [SP_STORE_STATUS] = {do_repair, false},
    [SP_STORE_CLAIM] = {do_claim, false},
    [SP_STORE_RELEASE] = {do_release, false},
    [SP_STORE_LIMIT] = {sp_lmdb_box_limit, true},
};

/* An error drops the answer but for the numbers of the mailbox. */
void sp_lmdb_writer_fail(struct sp_job *job, int err)
{
    struct sp_store_done keep = job->done;
    sp_job_reset(job, err);
    job->done.epoch = keep.epoch;
    job->done.svr_seq = keep.svr_seq;
    job->done.confirmed = keep.confirmed;
    job->done.floor = keep.floor;
}

static void execute_one(struct sp_lmdb_txn *t, struct sp_job *job)
{
    if (t->db->clock_us < job->req.at_us)
        t->db->clock_us = job->req.at_us;
    int err = ops[job->req.op].execute(t, job);
    if (err && !t->fatal)
        sp_lmdb_writer_fail(job, err);
}

/* A batch ends where the blocks that are allocated might end; what is left of it comes next. */
static void execute(struct sp_lmdb_txn *t, struct batch *b)
{
    const struct sp_lmdb_room *room = &t->db->guard.room;
    while (b->jobs.first && t->work < SP_LMDB_BATCH_WORK_MAX && !t->fatal &&
           (b->executed.n == 0 || t->pages_bytes < room->budget)) {
        struct sp_job *job = sp_job_pop(&b->jobs);
        sp_job_push(&b->executed, job);
        execute_one(t, job);
    }
}

/* The clock floor is saved once a second: after a restart it never lies far below what was seen. */
static void save_clock(struct sp_lmdb_txn *t)
{
    bool is_due = t->changed && t->db->clock_us >= t->db->clock_saved_us + CLOCK_STEP;
    if (!is_due && !t->db->guard.room.is_stuck) /* stuck: pages become usable by any commit */
        return;
    if (sp_lmdb_row_number_put(t, "clock", (uint64_t)t->db->clock_us) == 0)
        t->db->clock_saved_us = t->db->clock_us;
}

/* ---- after the commit ---- */

static int64_t now_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void note_append(struct sp_store_stats *s, const struct sp_store_done *d)
{
    if (d->err)
        s->refused++;
    else if (d->repeat)
        s->repeats++;
    else
        s->appends++;
}

static void note_batch(struct sp_lmdb *db, const struct sp_job_list *jobs, bool committed, int64_t took_us)
{
    struct sp_store_stats *s = &db->stats;
    (void)pthread_mutex_lock(&db->lock);
    for (const struct sp_job *job = jobs->first; job; job = job->next) {
        if (job->req.op == SP_STORE_APPEND)
            note_append(s, &job->done);
    }
    s->full = db->guard.full;
    if (committed) {
        s->commits++;
        s->commit_us_last = (uint64_t)took_us;
        s->commit_us_max = s->commit_us_max > s->commit_us_last ? s->commit_us_max : s->commit_us_last;
        s->batch_last = jobs->n;
        s->batch_max = s->batch_max > jobs->n ? s->batch_max : jobs->n;
    }
    (void)pthread_mutex_unlock(&db->lock);
}

static void succeed(struct sp_lmdb *db, struct batch *b, uint64_t commit)
{
    for (struct sp_job *job = b->executed.first; job; job = job->next) {
        if (job->done.err == 0 && ops[job->req.op].has_commit)
            job->done.commit = commit;
    }
    db->batch_max = SP_LMDB_BATCH_MAX;
    sp_job_join(&b->ready, &b->executed);
}

static void end_all(struct sp_job_list *from, struct sp_job_list *to, int err)
{
    for (struct sp_job *job; (job = sp_job_pop(from));) {
        sp_job_reset(job, err);
        sp_job_push(to, job);
    }
}

/* The map or the transaction is too small for this batch; nothing was written.  Half of it comes next; a
 * single request that does not fit is refused. */
static void halve(struct sp_lmdb *db, struct batch *b)
{
    db->sweep.on = false;
    db->sweep.next_us = db->clock_us + 1;
    bool had_sweep = db->batch_max == SP_LMDB_BATCH_MAX; /* then it may fit alone */
    if (b->executed.n + b->jobs.n == 0 || (b->executed.n <= 1 && b->jobs.n == 0 && !had_sweep)) {
        struct sp_job *job = sp_job_pop(&b->executed);
        db->batch_max = SP_LMDB_BATCH_MAX;
        if (job) {
            sp_job_reset(job, job->req.op == SP_STORE_APPEND ? SP_ENOSPACE : SP_EBUSY);
            sp_job_push(&b->ready, job);
        }
        return;
    }
    db->batch_max = (b->executed.n + 1) / 2;
    struct sp_job_list again = {0};
    for (struct sp_job *job; (job = sp_job_pop(&b->executed));) {
        /* A claim lives in memory and is made already. */
        if (job->req.op == SP_STORE_CLAIM || job->req.op == SP_STORE_RELEASE) {
            sp_job_push(&b->ready, job);
            continue;
        }
        sp_job_reset(job, 0);
        sp_job_push(&again, job);
    }
    sp_job_join(&again, &b->jobs);
    sp_job_join(&b->jobs, &again);
}

/* LMDB allocates pages for its list of free ones while it commits, so that the map may end there too: it then
 * has written nothing. */
static void fail(struct sp_lmdb *db, struct batch *b, int rc)
{
    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL) {
        halve(db, b);
        return;
    }
    if (rc == ENOSPC || rc == EDQUOT || rc == ENOMEM)
        sp_lmdb_guard_note_full(&db->guard);
    else
        atomic_store(&db->failed, true);
    end_all(&b->executed, &b->ready, SP_EUNKNOWN);
}

/* One transaction.  Nothing is completed before it is committed. */
static void transact(struct sp_lmdb *db, struct batch *b)
{
    struct sp_lmdb_txn t;
    bool alone = b->jobs.n == 0;
    int rc = sp_lmdb_row_begin(&t, db);
    if (rc) {
        sp_job_join(&b->executed, &b->jobs);
        fail(db, b, rc);
        return;
    }
    db->guard.want = 2 * b->bytes + b->jobs.n * JOB_PAGES;
    sp_lmdb_guard_look(&db->guard, db->env);
    if (db->guard.failed) {
        sp_lmdb_row_abort(&t);
        sp_job_join(&b->executed, &b->jobs);
        fail(db, b, EIO);
        return;
    }
    execute(&t, b);
    if (!t.fatal && db->batch_max == SP_LMDB_BATCH_MAX && sp_lmdb_room_is_enough(&db->guard.room))
        sp_lmdb_sweep_slice(&t, alone ? SWEEP_IDLE : SWEEP_BUSY);
    if (!t.fatal)
        save_clock(&t);
    uint64_t id = mdb_txn_id(t.txn);
    int64_t began_us = now_us();
    rc = sp_lmdb_row_commit(&t);
    if (rc) {
        fail(db, b, rc);
        return;
    }
    note_batch(db, &b->executed, t.changed, now_us() - began_us);
    succeed(db, b, t.changed ? id : id - 1);
}

/* One batch.  False: it did not fit, and half of it waits in its place. */
static bool run_batch(struct sp_lmdb *db, size_t *completed)
{
    struct batch b = {0};
    take(db, &b);
    if (atomic_load(&db->failed))
        end_all(&b.jobs, &b.ready, SP_EFAILED);
    else if (b.jobs.n > 0 || sp_lmdb_sweep_is_due(db))
        transact(db, &b);
    *completed = b.ready.n;
    bool again = b.ready.n == 0 && b.jobs.n > 0;
    if (b.jobs.n > 0)
        give_back(db, &b.jobs);
    complete(&b.ready);
    return !again;
}

size_t sp_lmdb_writer_step(struct sp_lmdb *db)
{
    size_t completed;
    while (!run_batch(db, &completed)) {
    }
    return completed;
}

/* True: there is work.  False: close asks to stop and nothing is left. */
static bool wait_for_work(struct sp_lmdb *db)
{
    (void)pthread_mutex_lock(&db->lock);
    while (!db->queue.first && !db->stop && (atomic_load(&db->failed) || !sp_lmdb_sweep_is_due(db)))
        (void)pthread_cond_wait(&db->work, &db->lock);
    bool more = db->queue.first != NULL || !db->stop;
    (void)pthread_mutex_unlock(&db->lock);
    return more;
}

void *sp_lmdb_writer_run(void *arg)
{
    struct sp_lmdb *db = arg;
    while (wait_for_work(db))
        (void)sp_lmdb_writer_step(db);
    return NULL;
}
