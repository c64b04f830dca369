/* The front of every engine: URL dispatch, argument checks, port limits, completions.  No engine's rule is
 * here. */
#include "store.h"

#include "engine.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Port limits by class. */
enum load_class { CLASS_APPEND, CLASS_SMALL, CLASS_RANGE, CLASSES };

static const size_t class_max[CLASSES] = {
    [CLASS_APPEND] = SP_STORE_APPENDS_MAX,
    [CLASS_SMALL] = SP_STORE_SMALLS_MAX,
    [CLASS_RANGE] = SP_STORE_RANGES_MAX,
};

struct load {
    size_t n[CLASSES], bytes;
};

struct sp_store_port {
    struct sp_engine_port *engine_port;
    struct load load;
};

struct sp_store {
    struct sp_engine *engine;
    pthread_mutex_t lock; /* of ports */
    struct sp_store_port *ports[SP_STORE_PORTS_MAX];
    size_t ports_n;
};

/* ---- configuration and URL ---- */

#define MAP_DEFAULT     (16ULL << 30)
#define MAP_MIN         (1ULL << 20)
#define RESERVE_DEFAULT (64ULL << 20)
#define KEEP_DEFAULT    (7LL * 86400 * 1000000)

static void defaults(struct sp_store_config *c)
{
    if (c->map_size == 0)
        c->map_size = MAP_DEFAULT;
    if (c->mailbox_count == 0)
        c->mailbox_count = 10000;
    if (c->mailbox_bytes == 0)
        c->mailbox_bytes = 64ULL << 20;
    if (c->share_percent == 0)
        c->share_percent = 50;
    if (c->dedup_keep_us == 0)
        c->dedup_keep_us = KEEP_DEFAULT;
    if (c->reserve_bytes == 0)
        c->reserve_bytes = c->map_size / 16 < RESERVE_DEFAULT ? c->map_size / 16 : RESERVE_DEFAULT;
    if (!c->faults.set)
        c->faults = (struct sp_store_faults){
            .set = true, .lost = 50, .failed = 50, .busy = 20, .max_delay_us = 20000};
}

static bool config_is_valid(const struct sp_store_config *c)
{
    const struct sp_store_faults *f = &c->faults;
    return c->map_size >= MAP_MIN && c->share_percent <= 100 && c->dedup_keep_us > 0 && f->lost <= 1000 &&
           f->failed <= 1000 && f->busy <= 1000 && f->lost + f->failed + f->busy <= 1000 &&
           f->max_delay_us >= 0;
}

void sp_engine_reason(const struct sp_store_config *cfg, const char *format, ...)
{
    if (!cfg->reason || cfg->reason_cap == 0)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cfg->reason, cfg->reason_cap, format, args);
    va_end(args);
}

int sp_engine_open(struct sp_engine **out, const char *url, const struct sp_store_config *cfg)
{
    static const struct sp_engine_ops *const engines[] = {&sp_mem_engine, &sp_lmdb_engine, &sp_fault_engine};
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        size_t n = strlen(engines[i]->scheme);
        if (strncmp(url, engines[i]->scheme, n) == 0 && url[n] == ':')
            return engines[i]->open(out, url + n + 1, cfg);
    }
    sp_engine_reason(cfg, "store URL '%s' is none of mem:, lmdb:DIR, fault:SEED:URL", url);
    return SP_EINVAL;
}

int sp_store_open(struct sp_store **out, const char *url, const struct sp_store_config *cfg)
{
    struct sp_store_config c = cfg ? *cfg : (struct sp_store_config){0};
    defaults(&c);
    if (!config_is_valid(&c)) {
        sp_engine_reason(&c, "a store option is outside its limits");
        return SP_EINVAL;
    }
    struct sp_store *st = calloc(1, sizeof(*st));
    if (!st)
        return SP_EIO;
    int err = sp_engine_open(&st->engine, url, &c);
    if (err) {
        free(st);
        return err;
    }
    (void)pthread_mutex_init(&st->lock, NULL);
    *out = st;
    return 0;
}

static int attach_locked(struct sp_store *st, struct sp_store_port **out)
{
    if (st->ports_n == SP_STORE_PORTS_MAX)
        return SP_EFULL;
    struct sp_store_port *p = calloc(1, sizeof(*p));
    if (!p)
        return SP_EIO;
    int err = st->engine->ops->attach(st->engine, &p->engine_port);
    if (err) {
        free(p);
        return err;
    }
    st->ports[st->ports_n++] = p;
    *out = p;
    return 0;
}

int sp_store_attach(struct sp_store *st, struct sp_store_port **out)
{
    (void)pthread_mutex_lock(&st->lock);
    int err = attach_locked(st, out);
    (void)pthread_mutex_unlock(&st->lock);
    return err;
}

void sp_store_close(struct sp_store **st)
{
    if (!*st)
        return;
    (*st)->engine->ops->close((*st)->engine);
    for (size_t i = 0; i < (*st)->ports_n; i++)
        free((*st)->ports[i]);
    (void)pthread_mutex_destroy(&(*st)->lock);
    free(*st);
    *st = NULL;
}

/* ---- checks ---- */

/* What an op reads, and so what is checked. */
enum needs { NEEDS_TO = 1, NEEDS_FROM = 2, NEEDS_MSGID = 4, NEEDS_SPANS = 8 };

static const unsigned op_needs[SP_STORE_OPS] = {
    [SP_STORE_APPEND] = NEEDS_TO | NEEDS_FROM | NEEDS_MSGID,
    [SP_STORE_CONFIRM] = NEEDS_TO,
    [SP_STORE_FINISH] = NEEDS_FROM | NEEDS_MSGID,
    [SP_STORE_MARK] = NEEDS_TO | NEEDS_SPANS,
    [SP_STORE_TRIM] = NEEDS_TO | NEEDS_SPANS,
    [SP_STORE_RANGE] = NEEDS_TO,
    [SP_STORE_HEAD] = NEEDS_TO,
    [SP_STORE_STATUS] = NEEDS_FROM,
    [SP_STORE_CLAIM] = NEEDS_TO,
    [SP_STORE_RELEASE] = NEEDS_TO,
    [SP_STORE_LIMIT] = NEEDS_TO,
};

static bool id_is_valid(const struct sp_user *u)
{
    return u->id.p && u->id.n >= 1 && u->id.n <= SP_STORE_ID_MAX;
}

static bool spans_are_valid(const struct sp_store_req *r)
{
    if (!r->spans || r->spans_n < 1 || r->spans_n > SP_STORE_SPANS_MAX)
        return false;
    for (size_t i = 0; i < r->spans_n; i++) {
        const struct sp_store_span *s = &r->spans[i];
        if (s->lo.v < 1 || s->lo.v > s->hi.v)
            return false;
        if (r->op == SP_STORE_TRIM && (s->why < SP_STORE_WHY_EXPIRED || s->why > SP_STORE_WHY_DELETED))
            return false;
    }
    return true;
}

static int check_append(const struct sp_store_req *r)
{
    if (r->deny > 0 || r->expires_us < 0 || (r->body.n > 0 && !r->body.p))
        return SP_EBAD;
    return r->body.n > SP_BODY_MAX ? SP_EBIG : 0;
}

/* 0, or the error that this request completes with. */
static int check(const struct sp_store_req *r)
{
    if ((int)r->op < 0 || r->op >= SP_STORE_OPS || r->at_us < 0)
        return SP_EBAD;
    unsigned needs = op_needs[r->op];
    if ((needs & NEEDS_TO) && (!r->to || r->to_n != 1 || !id_is_valid(&r->to[0])))
        return SP_EBAD;
    if ((needs & NEEDS_FROM) && !id_is_valid(&r->from.user))
        return SP_EBAD;
    if ((needs & NEEDS_MSGID) && r->from.msgid.v == 0)
        return SP_EBAD;
    if ((needs & NEEDS_SPANS) && !spans_are_valid(r))
        return SP_EBAD;
    switch (r->op) {
    case SP_STORE_APPEND:
        return check_append(r);
    case SP_STORE_STATUS:
        return r->msgids_n > SP_STORE_MSGIDS_MAX || (r->msgids_n > 0 && !r->msgids) ? SP_EBAD : 0;
    case SP_STORE_RANGE:
        return r->max > SP_STORE_ENTRIES_MAX ? SP_EBAD : 0;
    case SP_STORE_CLAIM:
        return r->holder == 0 ? SP_EBAD : 0;
    case SP_STORE_LIMIT:
        return r->sub & ~SP_STORE_LIMIT_DROP_OLDEST ? SP_EBAD : 0;
    default:
        return 0;
    }
}

/* ---- limits ---- */

static enum load_class class_of(enum sp_store_op op)
{
    if (op == SP_STORE_APPEND)
        return CLASS_APPEND;
    return op == SP_STORE_RANGE ? CLASS_RANGE : CLASS_SMALL;
}

/* Counts r into l.  Nothing of a bad request is copied, so its body does not count. */
static void load_add(struct load *l, const struct sp_store_req *r)
{
    enum load_class c = class_of(r->op);
    l->n[c]++;
    if (c == CLASS_APPEND && check(r) == 0)
        l->bytes += r->body.n;
}

static bool load_is_over(const struct load *l)
{
    for (size_t c = 0; c < CLASSES; c++) {
        if (l->n[c] > class_max[c])
            return true;
    }
    return l->bytes > SP_STORE_BYTES_MAX;
}

static void load_sub(struct load *l, const struct sp_job *job)
{
    enum load_class c = class_of(job->req.op);
    l->n[c]--;
    if (c == CLASS_APPEND)
        l->bytes -= job->req.body.n;
}

/* ---- the port ---- */

int sp_store_wake_fd(const struct sp_store_port *p)
{
    return p->engine_port->engine->ops->wake_fd(p->engine_port);
}

/* Of a bad request only the name is kept: its pointers may be wrong. */
static struct sp_job *create_bad(const struct sp_store_req *r, int err)
{
    struct sp_job *job = sp_job_create(&(struct sp_store_req){.op = r->op, .cookie = r->cookie});
    if (job)
        job->done.err = err;
    return job;
}

static int copy_all(struct sp_job_list *jobs, const struct sp_store_req *reqs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int err = check(&reqs[i]);
        struct sp_job *job = err ? create_bad(&reqs[i], err) : sp_job_create(&reqs[i]);
        if (!job) {
            while ((job = sp_job_pop(jobs)))
                sp_job_destroy(&job);
            return SP_EFULL;
        }
        sp_job_push(jobs, job);
    }
    return 0;
}

int sp_store_submit(struct sp_store_port *p, const struct sp_store_req *reqs, size_t n)
{
    struct load load = p->load;
    for (size_t i = 0; i < n; i++)
        load_add(&load, &reqs[i]);
    if (load_is_over(&load))
        return SP_EFULL;
    struct sp_job_list jobs = {0};
    int err = copy_all(&jobs, reqs, n);
    if (err)
        return err;
    p->load = load;
    if (n > 0)
        p->engine_port->engine->ops->submit(p->engine_port, &jobs);
    return 0;
}

int sp_store_poll(struct sp_store_port *p, struct sp_store_done *done, size_t cap, size_t *n, sp_time now)
{
    struct sp_job_list jobs = {0};
    p->engine_port->engine->ops->poll(p->engine_port, &jobs, cap, now);
    size_t count = 0;
    for (; jobs.first; count++) {
        struct sp_job *job = sp_job_pop(&jobs);
        load_sub(&p->load, job);
        sp_job_finish(job);
        done[count] = job->done;
        done[count].lease = job;
    }
    *n = count;
    return 0;
}

void sp_store_release(struct sp_store_port *p, struct sp_store_done *done)
{
    (void)p; /* heap blocks need no port; an engine with pinned pages would */
    struct sp_job *job = done->lease;
    sp_job_destroy(&job);
    done->entries = NULL;
    done->entries_n = 0;
    done->skips = NULL;
    done->skips_n = 0;
    done->lease = NULL;
}

sp_time sp_store_deadline(const struct sp_store_port *p)
{
    return p->engine_port->engine->ops->deadline(p->engine_port);
}

size_t sp_store_pending(const struct sp_store_port *p)
{
    return p->load.n[CLASS_APPEND] + p->load.n[CLASS_SMALL] + p->load.n[CLASS_RANGE];
}

size_t sp_store_step(struct sp_store *st)
{
    return st->engine->ops->step(st->engine);
}

void sp_store_stats(struct sp_store *st, struct sp_store_stats *out)
{
    st->engine->ops->stats(st->engine, out);
}
