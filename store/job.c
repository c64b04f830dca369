/* Jobs: copies of requests and the answers on them. */
#include "job.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of an answer, chained: they never move while the answer grows. */
struct sp_job_chunk {
    struct sp_job_chunk *next;
    size_t used, cap;
    uint8_t b[];
};

#define CHUNK_MIN 4096U

/* Walks the tail of the job's block while the request's parts are laid into it. */
struct layout {
    uint8_t *p;
};

static size_t rounded(size_t n)
{
    return (n + 7U) & ~(size_t)7U;
}

static const void *place(struct layout *l, const void *src, size_t n)
{
    uint8_t *dst = l->p;
    if (n > 0)
        memcpy(dst, src, n);
    l->p += rounded(n);
    return dst;
}

/* How much of each variable part this request needs: ops ignore what they do not read. */
struct parts {
    size_t to, user, body, msgids, spans;
};

static size_t at_most(size_t n, size_t max)
{
    return n <= max ? n : 0;
}

static struct parts parts_of(const struct sp_store_req *req)
{
    struct parts n = {0};
    if (req->to && req->to_n > 0)
        n.to = at_most(req->to[0].id.n, SP_STORE_ID_MAX);
    n.user = at_most(req->from.user.id.n, SP_STORE_ID_MAX);
    if (req->op == SP_STORE_APPEND)
        n.body = at_most(req->body.n, SP_BODY_MAX);
    if (req->op == SP_STORE_STATUS)
        n.msgids = at_most(req->msgids_n, SP_STORE_MSGIDS_MAX) * sizeof(*req->msgids);
    if (req->op == SP_STORE_MARK || req->op == SP_STORE_TRIM)
        n.spans = at_most(req->spans_n, SP_STORE_SPANS_MAX) * sizeof(*req->spans);
    return n;
}

struct sp_job *sp_job_create(const struct sp_store_req *req)
{
    struct parts n = parts_of(req);
    size_t tail = rounded(n.to) + rounded(n.user) + rounded(n.body) + rounded(n.msgids) + rounded(n.spans);
    struct sp_job *job = malloc(rounded(sizeof(*job)) + tail);
    if (!job)
        return NULL;
    *job = (struct sp_job){.req = *req, .done = {.op = req->op, .cookie = req->cookie}};
    struct layout l = {(uint8_t *)job + rounded(sizeof(*job))};
    job->to.id = (struct sp_view){place(&l, n.to ? req->to[0].id.p : NULL, n.to), n.to};
    job->req.to = &job->to;
    job->req.from.user.id = (struct sp_view){place(&l, req->from.user.id.p, n.user), n.user};
    job->req.body = (struct sp_view){place(&l, req->body.p, n.body), n.body};
    job->req.msgids = place(&l, req->msgids, n.msgids);
    job->req.spans = place(&l, req->spans, n.spans);
    return job;
}

static void free_chunks(struct sp_job *job)
{
    while (job->chunks) {
        struct sp_job_chunk *c = job->chunks;
        job->chunks = c->next;
        free(c);
    }
}

void sp_job_destroy(struct sp_job **job)
{
    if (!*job)
        return;
    free_chunks(*job);
    free((*job)->entries);
    free((*job)->skips);
    free(*job);
    *job = NULL;
}

struct sp_store_entry *sp_job_entry(struct sp_job *job)
{
    if (job->entries_n == job->entries_cap) {
        size_t cap = job->entries_cap ? job->entries_cap * 2 : 1;
        struct sp_store_entry *grown = realloc(job->entries, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        job->entries = grown;
        job->entries_cap = cap;
    }
    struct sp_store_entry *e = &job->entries[job->entries_n++];
    memset(e, 0, sizeof(*e));
    return e;
}

uint8_t *sp_job_bytes(struct sp_job *job, size_t n)
{
    struct sp_job_chunk *c = job->chunks;
    if (!c || c->cap - c->used < n) {
        /* The first chunk fits exactly: most answers hold one id. */
        size_t cap = !c || n > CHUNK_MIN ? n : CHUNK_MIN;
        struct sp_job_chunk *fresh = malloc(sizeof(*fresh) + cap);
        if (!fresh)
            return NULL;
        *fresh = (struct sp_job_chunk){.next = c, .cap = cap};
        job->chunks = fresh;
        c = fresh;
    }
    uint8_t *p = c->b + c->used;
    c->used += n;
    return p;
}

int sp_job_copy(struct sp_job *job, struct sp_view v, struct sp_view *out)
{
    uint8_t *p = sp_job_bytes(job, v.n);
    if (!p)
        return SP_EBUSY;
    if (v.n > 0)
        memcpy(p, v.p, v.n);
    *out = (struct sp_view){p, v.n};
    return 0;
}

int sp_job_skip(struct sp_job *job, uint32_t lo, uint32_t hi, int why)
{
    struct sp_store_span *last = job->skips_n ? &job->skips[job->skips_n - 1] : NULL;
    if (last && last->why == why && last->hi.v + 1 == lo) {
        last->hi.v = hi;
        return 0;
    }
    if (job->skips_n == SP_STORE_SKIPS_MAX)
        return SP_EFULL;
    if (!job->skips || job->skips_n == job->skips_cap) {
        size_t cap = job->skips_cap ? job->skips_cap * 2 : 2;
        struct sp_store_span *grown = realloc(job->skips, cap * sizeof(*grown));
        if (!grown)
            return SP_EBUSY;
        job->skips = grown;
        job->skips_cap = cap;
    }
    job->skips[job->skips_n++] = (struct sp_store_span){{lo}, {hi}, why};
    return 0;
}

void sp_job_reset(struct sp_job *job, int err)
{
    free_chunks(job);
    job->entries_n = 0;
    job->skips_n = 0;
    job->done = (struct sp_store_done){.op = job->req.op, .cookie = job->req.cookie, .err = err};
}

void sp_job_finish(struct sp_job *job)
{
    job->done.entries = job->entries_n ? job->entries : NULL;
    job->done.entries_n = job->entries_n;
    job->done.skips = job->skips_n ? job->skips : NULL;
    job->done.skips_n = job->skips_n;
}

void sp_job_push(struct sp_job_list *list, struct sp_job *job)
{
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
    list->n++;
}

struct sp_job *sp_job_pop(struct sp_job_list *list)
{
    struct sp_job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->last = NULL;
    list->n--;
    job->next = NULL;
    return job;
}

void sp_job_join(struct sp_job_list *to, struct sp_job_list *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->n += from->n;
    *from = (struct sp_job_list){0};
}

bool sp_job_is_read(const struct sp_job *job)
{
    return job->req.op == SP_STORE_RANGE || job->req.op == SP_STORE_HEAD || job->req.op == SP_STORE_STATUS;
}
