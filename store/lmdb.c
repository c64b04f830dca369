/* The LMDB engine: opening with its checks, ports, and the reads that run on a port's own thread. */
#include "lmdb_row.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READS_PER_POLL      64U
#define READ_BYTES_PER_POLL ((size_t)4 * 1024 * 1024)

/* What rule 1 of docs/store-format.md allows; never NOSYNC, NOMETASYNC, WRITEMAP, NOLOCK or NOMEMINIT. */
#define ENV_FLAGS (MDB_NOTLS | MDB_NORDAHEAD)

static const char *const tree_names[SP_LMDB_TREES] = {"meta", "usr", "dev", "dedup", "box", "tomb", "share"};

/* ---- opening ---- */

static int open_error(const struct sp_store_config *cfg, const char *what, int rc)
{
    sp_engine_reason(cfg, "%s: %s", what, mdb_strerror(rc));
    switch (rc) {
    case MDB_VERSION_MISMATCH:
        return SP_EVERSION;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return SP_ECORRUPT;
    default:
        return SP_EIO;
    }
}

static int open_env(struct sp_lmdb *db, const char *dir)
{
    int major;
    int minor;
    (void)mdb_version(&major, &minor, NULL);
    if (major != 0 || minor != 9) {
        sp_engine_reason(&db->cfg, "LMDB %d.%d has another file format than 0.9", major, minor);
        return SP_EVERSION;
    }
    int rc = mdb_env_create(&db->env);
    if (!rc)
        rc = mdb_env_set_maxdbs(db->env, SP_LMDB_TREES + 1);
    if (!rc)
        rc = mdb_env_set_maxreaders(db->env, SP_LMDB_READERS_MAX);
    if (!rc)
        rc = mdb_env_set_mapsize(db->env, db->cfg.map_size);
    if (!rc)
        rc = mdb_env_open(db->env, dir, ENV_FLAGS, 0600);
    if (!rc) {
        int dead;
        rc = mdb_reader_check(db->env, &dead);
    }
    return rc ? open_error(&db->cfg, "cannot open the environment", rc) : 0;
}

static int open_trees(struct sp_lmdb *db, MDB_txn *txn, bool fresh)
{
    for (size_t i = 0; i < SP_LMDB_TREES; i++) {
        int rc = mdb_dbi_open(txn, tree_names[i], fresh ? MDB_CREATE : 0, &db->dbi[i]);
        if (rc == MDB_NOTFOUND) {
            sp_engine_reason(&db->cfg, "this is an LMDB file, but no Sampan store: no tree '%s'",
                             tree_names[i]);
            return SP_EVERSION;
        }
        if (rc)
            return open_error(&db->cfg, "cannot open a tree", rc);
    }
    return 0;
}

/* True if nothing was ever stored: the creation was interrupted before its first commit. */
static bool is_empty(MDB_txn *txn)
{
    MDB_dbi dbi;
    MDB_stat stat;
    return mdb_dbi_open(txn, NULL, 0, &dbi) == 0 && mdb_stat(txn, dbi, &stat) == 0 && stat.ms_entries == 0;
}

static int found(const struct sp_store_config *cfg, const char *name, int err)
{
    if (err)
        sp_engine_reason(cfg, "meta row '%s' is missing or damaged", name);
    return err == SP_EAGAIN ? SP_ECORRUPT : err;
}

static int create_meta(struct sp_lmdb_txn *t)
{
    struct sp_lmdb *db = t->db;
    uint64_t epoch = db->cfg.epoch;
    while (epoch == 0 || epoch > INT64_MAX) { /* resets are added to it */
        randombytes_buf(&epoch, sizeof(epoch));
        epoch >>= 1;
    }
    int err = sp_lmdb_row_number_put(t, "schema", SP_LMDB_SCHEMA);
    if (!err)
        err = sp_lmdb_row_number_put(t, "epoch", epoch);
    if (!err)
        err = sp_lmdb_row_number_put(t, "boot", 0);
    if (!err)
        err = sp_lmdb_row_number_put(t, "clock", 0);
    return err;
}

static int check_schema(struct sp_lmdb_txn *t)
{
    uint64_t schema;
    int err = found(&t->db->cfg, "schema", sp_lmdb_row_number(t, "schema", &schema));
    if (!err && schema != SP_LMDB_SCHEMA) {
        sp_engine_reason(&t->db->cfg, "store schema %llu; this program knows %d", (unsigned long long)schema,
                         SP_LMDB_SCHEMA);
        err = SP_EVERSION;
    }
    return err;
}

/* Reads the meta rows and counts this opening. */
static int load_meta(struct sp_lmdb_txn *t, bool fresh)
{
    struct sp_lmdb *db = t->db;
    uint64_t boot = 0;
    uint64_t clock = 0;
    int err = fresh ? create_meta(t) : check_schema(t);
    if (!err)
        err = found(&db->cfg, "epoch", sp_lmdb_row_number(t, "epoch", &db->epoch));
    if (!err)
        err = found(&db->cfg, "boot", sp_lmdb_row_number(t, "boot", &boot));
    if (!err)
        err = found(&db->cfg, "clock", sp_lmdb_row_number(t, "clock", &clock));
    if (!err)
        err = sp_lmdb_row_number_put(t, "boot", boot + 1);
    db->clock_us = (int64_t)(clock & INT64_MAX);
    db->clock_saved_us = db->clock_us;
    return err ? err : sp_claim_open(&db->claims, (uint32_t)(boot + 1));
}

static int open_store(struct sp_lmdb *db, bool fresh)
{
    struct sp_lmdb_txn t;
    sp_lmdb_guard_look(&db->guard, db->env);
    if (db->guard.failed)
        return open_error(&db->cfg, "cannot allocate", EIO);
    int rc = sp_lmdb_row_begin(&t, db);
    if (rc)
        return open_error(&db->cfg, "cannot begin", rc);
    fresh = fresh || is_empty(t.txn);
    int err = open_trees(db, t.txn, fresh);
    if (!err)
        err = load_meta(&t, fresh);
    if (err) {
        int lost = t.fatal;
        sp_lmdb_row_abort(&t);
        return err == SP_EIO && lost ? open_error(&db->cfg, "cannot read or write", lost) : err;
    }
    rc = sp_lmdb_row_commit(&t);
    if (!rc)
        rc = mdb_env_sync(db->env, 1);
    if (rc)
        return open_error(&db->cfg, "cannot commit", rc);
    if (sp_lmdb_guard_sync(&db->guard)) {
        sp_engine_reason(&db->cfg, "cannot flush the folder: %s", strerror(errno));
        return SP_EIO;
    }
    return 0;
}

static void lmdb_close(struct sp_engine *e);

static int start(struct sp_lmdb *db, const char *dir)
{
    bool fresh = false;
    if (sodium_init() < 0)
        return SP_EIO;
    int err = sp_lmdb_guard_open(&db->guard, dir, &db->cfg, &fresh);
    if (!err)
        err = open_env(db, dir);
    if (!err)
        err = open_store(db, fresh);
    if (err || db->cfg.manual)
        return err;
    if (pthread_create(&db->thread, NULL, sp_lmdb_writer_run, db) != 0) {
        sp_engine_reason(&db->cfg, "cannot start the writer thread");
        return SP_EIO;
    }
    db->has_thread = true;
    return 0;
}

static int lmdb_open(struct sp_engine **out, const char *rest, const struct sp_store_config *cfg)
{
    if (!*rest) {
        sp_engine_reason(cfg, "lmdb: needs a folder");
        return SP_EINVAL;
    }
    struct sp_lmdb *db = calloc(1, sizeof(*db));
    if (!db)
        return SP_EIO;
    db->base.ops = &sp_lmdb_engine;
    db->cfg = *cfg;
    db->guard.dir_fd = -1;
    db->batch_max = SP_LMDB_BATCH_MAX;
    (void)pthread_mutex_init(&db->lock, NULL);
    (void)pthread_cond_init(&db->work, NULL);
    int err = start(db, rest);
    if (err) {
        lmdb_close(&db->base);
        return err;
    }
    *out = &db->base;
    return 0;
}

/* ---- closing ---- */

static void stop_writer(struct sp_lmdb *db)
{
    (void)pthread_mutex_lock(&db->lock);
    db->stop = true;
    (void)pthread_mutex_unlock(&db->lock);
    (void)pthread_cond_signal(&db->work);
    if (db->has_thread)
        (void)pthread_join(db->thread, NULL);
    while (db->queue.first)
        (void)sp_lmdb_writer_step(db);
}

static void free_jobs(struct sp_job_list *jobs)
{
    for (struct sp_job *job; (job = sp_job_pop(jobs));)
        sp_job_destroy(&job);
}

static void close_port(struct sp_lmdb_port *p)
{
    free_jobs(&p->finished);
    free_jobs(&p->reads);
    if (p->txn)
        mdb_txn_abort(p->txn);
    (void)close(p->wake_fd);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

static void lmdb_close(struct sp_engine *e)
{
    struct sp_lmdb *db = (struct sp_lmdb *)e;
    stop_writer(db);
    while (db->ports) {
        struct sp_lmdb_port *p = db->ports;
        db->ports = p->next;
        close_port(p);
    }
    sp_claim_close(&db->claims);
    if (db->env)
        mdb_env_close(db->env);
    sp_lmdb_guard_close(&db->guard);
    (void)pthread_cond_destroy(&db->work);
    (void)pthread_mutex_destroy(&db->lock);
    free(db);
}

/* ---- ports ---- */

static int lmdb_attach(struct sp_engine *e, struct sp_engine_port **out)
{
    struct sp_lmdb *db = (struct sp_lmdb *)e;
    struct sp_lmdb_port *p = calloc(1, sizeof(*p));
    if (!p)
        return SP_EIO;
    p->base.engine = e;
    p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->wake_fd < 0 || mdb_txn_begin(db->env, NULL, MDB_RDONLY, &p->txn) != 0) {
        if (p->wake_fd >= 0)
            (void)close(p->wake_fd);
        free(p);
        return SP_EIO;
    }
    mdb_txn_reset(p->txn); /* keeps its reader slot, pins no pages */
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_mutex_lock(&db->lock);
    p->next = db->ports;
    db->ports = p;
    (void)pthread_mutex_unlock(&db->lock);
    *out = &p->base;
    return 0;
}

static int lmdb_wake_fd(const struct sp_engine_port *port)
{
    return ((const struct sp_lmdb_port *)port)->wake_fd;
}

static void arm(const struct sp_lmdb_port *p)
{
    uint64_t one = 1;
    ssize_t n = write(p->wake_fd, &one, sizeof(one));
    (void)n; /* EAGAIN: armed already */
}

static void lmdb_submit(struct sp_engine_port *port, struct sp_job_list *jobs)
{
    struct sp_lmdb_port *p = (struct sp_lmdb_port *)port;
    struct sp_job_list writes = {0};
    struct sp_job_list judged = {0};
    bool was_idle = p->reads.first == NULL;
    for (struct sp_job *job; (job = sp_job_pop(jobs));) {
        job->port = port;
        if (job->done.err)
            sp_job_push(&judged, job);
        else
            sp_job_push(sp_job_is_read(job) ? &p->reads : &writes, job);
    }
    if (judged.first) {
        (void)pthread_mutex_lock(&p->lock);
        sp_job_join(&p->finished, &judged);
        (void)pthread_mutex_unlock(&p->lock);
        arm(p);
    } else if (was_idle && p->reads.first) {
        arm(p);
    }
    if (writes.first)
        sp_lmdb_writer_push((struct sp_lmdb *)port->engine, &writes);
}

/* ---- polling ---- */

static void read_one(struct sp_lmdb_txn *t, struct sp_job *job)
{
    int err = sp_lmdb_read(t, job);
    if (t->fatal == ENOMEM) {
        t->fatal = 0;
        err = SP_EBUSY;
    } else if (t->fatal) {
        atomic_store(&t->db->failed, true); /* a damaged tree: serve nothing more from it */
        err = SP_EFAILED;
    }
    if (err)
        sp_lmdb_writer_fail(job, err);
}

static size_t bytes_of(const struct sp_job *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->entries_n; i++)
        n += job->entries[i].body.n;
    return n;
}

/* A damaged mailbox row can only be repaired by the writer; the read comes back and runs once more. */
static bool needs_repair(const struct sp_job *job)
{
    bool names_box = job->req.op == SP_STORE_RANGE || job->req.op == SP_STORE_HEAD;
    return names_box && job->done.err == SP_ECORRUPT && !job->writer;
}

static void send_to_repair(struct sp_lmdb *db, struct sp_job *job)
{
    struct sp_job_list one = {0};
    sp_job_reset(job, 0);
    job->writer = true;
    sp_job_push(&one, job);
    sp_lmdb_writer_push(db, &one);
}

/* Answers waiting reads in one read transaction: short, and bounded by count and bytes. */
static void run_reads(struct sp_lmdb_port *p, struct sp_job_list *out, size_t cap)
{
    struct sp_lmdb *db = (struct sp_lmdb *)p->base.engine;
    struct sp_lmdb_txn t = {.db = db, .txn = p->txn};
    size_t bytes = 0;
    bool failed = atomic_load(&db->failed);
    if (!failed && mdb_txn_renew(p->txn) != 0) {
        failed = true;
        atomic_store(&db->failed, true);
    }
    for (unsigned i = 0; i < READS_PER_POLL && p->reads.first && out->n < cap && bytes < READ_BYTES_PER_POLL;
         i++) {
        struct sp_job *job = sp_job_pop(&p->reads);
        if (failed)
            sp_job_reset(job, SP_EFAILED);
        else
            read_one(&t, job);
        if (needs_repair(job)) {
            send_to_repair(db, job);
            continue;
        }
        bytes += bytes_of(job);
        sp_job_push(out, job);
    }
    if (!failed)
        mdb_txn_reset(p->txn);
}

/* Takes completions; repaired reads go back to the reads. */
static bool take_finished(struct sp_lmdb_port *p, struct sp_job_list *out, size_t cap)
{
    (void)pthread_mutex_lock(&p->lock);
    while (p->finished.first && out->n < cap) {
        struct sp_job *job = sp_job_pop(&p->finished);
        bool again = sp_job_is_read(job) && job->done.err == 0;
        sp_job_push(again ? &p->reads : out, job);
    }
    bool more = p->finished.first != NULL;
    (void)pthread_mutex_unlock(&p->lock);
    return more;
}

static void lmdb_poll(struct sp_engine_port *port, struct sp_job_list *out, size_t cap, sp_time now)
{
    (void)now;
    struct sp_lmdb_port *p = (struct sp_lmdb_port *)port;
    uint64_t count;
    ssize_t n = read(p->wake_fd, &count, sizeof(count));
    (void)n; /* EAGAIN: nobody woke us, which changes nothing */
    bool more = take_finished(p, out, cap);
    if (p->reads.first && out->n < cap)
        run_reads(p, out, cap);
    if (more || p->reads.first)
        arm(p);
}

static sp_time lmdb_deadline(const struct sp_engine_port *port)
{
    (void)port;
    return SP_NEVER; /* the descriptor tells */
}

static size_t lmdb_step(struct sp_engine *e)
{
    struct sp_lmdb *db = (struct sp_lmdb *)e;
    return db->cfg.manual ? sp_lmdb_writer_step(db) : 0;
}

static void lmdb_stats(struct sp_engine *e, struct sp_store_stats *out)
{
    struct sp_lmdb *db = (struct sp_lmdb *)e;
    MDB_envinfo info;
    MDB_stat stat;
    (void)pthread_mutex_lock(&db->lock);
    *out = db->stats;
    (void)pthread_mutex_unlock(&db->lock);
    out->corrupt = atomic_load(&db->corrupt);
    out->swept = atomic_load(&db->swept);
    out->failed = atomic_load(&db->failed);
    if (mdb_env_info(db->env, &info) == 0 && mdb_env_stat(db->env, &stat) == 0) {
        out->map_bytes = info.me_mapsize;
        out->used_bytes = (info.me_last_pgno + 1) * stat.ms_psize;
    }
}

const struct sp_engine_ops sp_lmdb_engine = {
    .scheme = "lmdb",
    .open = lmdb_open,
    .attach = lmdb_attach,
    .wake_fd = lmdb_wake_fd,
    .submit = lmdb_submit,
    .poll = lmdb_poll,
    .deadline = lmdb_deadline,
    .step = lmdb_step,
    .stats = lmdb_stats,
    .close = lmdb_close,
};
