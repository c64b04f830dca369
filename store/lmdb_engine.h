/* The LMDB engine from inside: what its files share.  lmdb.c opens it and answers ports, lmdb_writer.c
 * commits, lmdb_append.c and lmdb_box.c judge the requests that change, lmdb_read.c those that read,
 * lmdb_sweep.c lets old rows go, lmdb_row.c reads and writes rows, lmdb_key.c knows their bytes, lmdb_guard.c
 * watches file and space. */
#ifndef SP_LMDB_ENGINE_H
#define SP_LMDB_ENGINE_H

#include "claim.h"
#include "engine.h"
#include "lmdb_guard.h"
#include "lmdb_key.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#define SP_LMDB_BATCH_MAX       4096U                     /* requests of one commit ... */
#define SP_LMDB_BATCH_BYTES_MAX ((size_t)4 * 1024 * 1024) /* ... and bytes of their bodies ... */
#define SP_LMDB_BATCH_WORK_MAX  16384U                    /* ... and messages touched */

#define SP_LMDB_READERS_MAX (SP_STORE_PORTS_MAX + 8U)

struct sp_lmdb_port {
    struct sp_engine_port base;
    struct sp_lmdb_port *next;
    int wake_fd;          /* eventfd */
    pthread_mutex_t lock; /* of finished */
    struct sp_job_list finished;
    struct sp_job_list reads; /* the port's thread alone */
    MDB_txn *txn;             /* read transaction, reset between polls; the port's thread alone */
};

/* Where the sweep is; the writer's. */
struct sp_lmdb_sweep {
    bool on;
    enum sp_lmdb_tree tree;
    struct sp_lmdb_key key; /* last one looked at */
    int64_t next_us;        /* clock time of the next round */
};

struct sp_lmdb {
    struct sp_engine base;
    struct sp_store_config cfg;
    MDB_env *env;
    MDB_dbi dbi[SP_LMDB_TREES];
    struct sp_lmdb_guard guard;
    struct sp_claim_table *claims;
    uint64_t epoch;

    pthread_mutex_t lock; /* of queue, stop, ports, stats */
    pthread_cond_t work;
    struct sp_job_list queue;
    bool stop;
    struct sp_lmdb_port *ports;
    struct sp_store_stats stats;

    pthread_t thread;
    bool has_thread;
    atomic_bool failed;
    atomic_ullong corrupt, swept;

    /* The writer's. */
    int64_t clock_us, clock_saved_us;
    size_t batch_max; /* SP_LMDB_BATCH_MAX, less after one that did not fit */
    struct sp_lmdb_sweep sweep;
};

/* A transaction with its small write-back caches: most batches touch the same mailbox and device many times.
 */
struct sp_lmdb_txn {
    struct sp_lmdb *db;
    MDB_txn *txn;
    bool writes;        /* a write transaction */
    bool changed;       /* something was written */
    int fatal;          /* LMDB's error that ends the transaction */
    unsigned work;      /* messages touched */
    size_t pages_bytes; /* of the pages that its changes may take, an estimate from above */
    struct sp_lmdb_mkey last[SP_LMDB_TREES]; /* where each tree was changed last */
    struct {
        bool there, dirty;
        struct sp_lmdb_mkey mkey;
        struct sp_lmdb_usr row;
        uint8_t id[SP_STORE_ID_MAX];
    } usr;
    struct {
        bool there, dirty;
        struct sp_lmdb_mkey mkey;
        uint32_t device;
        struct sp_lmdb_dev row;
    } dev;
    struct {
        bool there, dirty;
        struct sp_lmdb_mkey box, sender;
        struct sp_lmdb_share row;
    } share;
};

/* lmdb_writer.c: one step on the caller's thread; the number of jobs completed. */
size_t sp_lmdb_writer_step(struct sp_lmdb *db);
/* Steps until close asks to stop and nothing is left; the start of the writer thread. */
void *sp_lmdb_writer_run(void *db);
/* The job ends with err; of its answer only the numbers of the mailbox stay. */
void sp_lmdb_writer_fail(struct sp_job *job, int err);
/* Queues jobs for the writer. */
void sp_lmdb_writer_push(struct sp_lmdb *db, struct sp_job_list *jobs);

/* lmdb_append.c: APPEND and FINISH; lmdb_box.c: CONFIRM, MARK, TRIM, LIMIT; lmdb_read.c: RANGE, HEAD, STATUS.
 * Each answers on job and returns 0 or the definite error; t->fatal says that the transaction is lost. */
int sp_lmdb_append(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_append_finish(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_box_confirm(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_box_mark(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_box_trim(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_box_limit(struct sp_lmdb_txn *t, struct sp_job *job);
int sp_lmdb_read(struct sp_lmdb_txn *t, struct sp_job *job);

/* lmdb_sweep.c: looks at up to n rows if a round is on or due. */
void sp_lmdb_sweep_slice(struct sp_lmdb_txn *t, unsigned n);
bool sp_lmdb_sweep_is_due(const struct sp_lmdb *db);

#endif
