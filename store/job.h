/* A job: one accepted request with its own copy of all bytes, and the answer that grows on it.  It travels
 * from the port through the engine and back; the completion that the caller sees points into it, so releasing
 * the completion frees the job.  A job is judged by one engine; it knows no engine. */
#ifndef SP_JOB_H
#define SP_JOB_H

#include "store.h"

struct sp_engine_port;
struct sp_job_chunk;

/* What the fault engine has drawn for a job. */
enum sp_job_fate { SP_JOB_FATE_NONE, SP_JOB_FATE_LOST };

struct sp_job {
    struct sp_job *next;
    struct sp_engine_port *port; /* engine port it came from */
    struct sp_store_req req;     /* points into this block */
    struct sp_user to;           /* req.to points here */
    struct sp_store_done done;   /* done.err != 0 at submit: judged already, it only travels */
    bool writer;                 /* lmdb: a read that needs the writer's repair first */
    enum sp_job_fate fate;       /* fault */
    sp_time due;                 /* fault: when its completion may be seen */
    struct sp_store_entry *entries;
    size_t entries_n, entries_cap;
    struct sp_store_span *skips;
    size_t skips_n, skips_cap;
    struct sp_job_chunk *chunks;
};

/* First in, first out. */
struct sp_job_list {
    struct sp_job *first, *last;
    size_t n;
};

/* A copy of req and of all it points to.  NULL: no memory.  Arrays longer than the limits of store.h, or
 * bytes that the op does not read, are not copied. */
struct sp_job *sp_job_create(const struct sp_store_req *req);
/* Frees the job with its answer.  NULL is allowed; sets *job to NULL. */
void sp_job_destroy(struct sp_job **job);

/* A new zeroed entry of the answer, valid until the next call.  NULL: no memory. */
struct sp_store_entry *sp_job_entry(struct sp_job *job);
/* n bytes that live as long as the job.  NULL: no memory. */
uint8_t *sp_job_bytes(struct sp_job *job, size_t n);
/* A copy of v that lives as long as the job.  0, or SP_EBUSY: no memory. */
int sp_job_copy(struct sp_job *job, struct sp_view v, struct sp_view *out);
/* Adds lo..hi to the skips, joined to the last one if it continues it with the same why.  0; SP_EFULL: it
 * would be skip SP_STORE_SKIPS_MAX + 1; SP_EBUSY: no memory. */
int sp_job_skip(struct sp_job *job, uint32_t lo, uint32_t hi, int why);
/* Drops everything that was answered so far; the completion then is err alone. */
void sp_job_reset(struct sp_job *job, int err);
/* Points done at entries and skips.  Call it when the answer is complete. */
void sp_job_finish(struct sp_job *job);

void sp_job_push(struct sp_job_list *list, struct sp_job *job);
/* NULL when empty. */
struct sp_job *sp_job_pop(struct sp_job_list *list);
/* Moves all of `from` behind `to`. */
void sp_job_join(struct sp_job_list *to, struct sp_job_list *from);
/* True for ops that only read: RANGE, HEAD, STATUS. */
bool sp_job_is_read(const struct sp_job *job);

#endif
