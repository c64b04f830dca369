/* The fault engine: another engine behind a layer that delays and so reorders completions, refuses requests,
 * and loses answers, all drawn from a seed.  Everything it does is allowed by store.h, so nothing above may
 * break. */
#include "engine.h"

#include <pthread.h>
#include <stdlib.h>

struct fault_port {
    struct sp_engine_port base;
    struct fault_port *next;
    struct sp_engine_port *inner;
    uint64_t rng;
    bool is_over;            /* odds.until is reached */
    struct sp_job_list held; /* by rising due */
};

struct fault {
    struct sp_engine base;
    struct sp_engine *inner;
    struct sp_store_faults odds;
    pthread_mutex_t lock; /* of rng and ports */
    uint64_t rng;
    struct fault_port *ports;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static int fault_open(struct sp_engine **out, const char *rest, const struct sp_store_config *cfg)
{
    char *end;
    unsigned long long seed = strtoull(rest, &end, 10);
    if (end == rest || *end != ':') {
        sp_engine_reason(cfg, "fault: needs SEED:URL");
        return SP_EINVAL;
    }
    struct fault *f = calloc(1, sizeof(*f));
    if (!f)
        return SP_EIO;
    f->base.ops = &sp_fault_engine;
    f->odds = cfg->faults;
    f->rng = seed;
    int err = sp_engine_open(&f->inner, end + 1, cfg);
    if (err) {
        free(f);
        return err;
    }
    (void)pthread_mutex_init(&f->lock, NULL);
    *out = &f->base;
    return 0;
}

static int fault_attach(struct sp_engine *e, struct sp_engine_port **out)
{
    struct fault *f = (struct fault *)e;
    struct fault_port *p = calloc(1, sizeof(*p));
    if (!p)
        return SP_EIO;
    if (f->inner->ops->attach(f->inner, &p->inner)) {
        free(p);
        return SP_EIO;
    }
    p->base.engine = e;
    (void)pthread_mutex_lock(&f->lock);
    p->rng = draw(&f->rng);
    p->next = f->ports;
    f->ports = p;
    (void)pthread_mutex_unlock(&f->lock);
    *out = &p->base;
    return 0;
}

static int fault_wake_fd(const struct sp_engine_port *port)
{
    const struct sp_engine_port *inner = ((const struct fault_port *)port)->inner;
    return inner->engine->ops->wake_fd(inner);
}

static void draw_fate(struct fault_port *p, const struct sp_store_faults *odds, struct sp_job *job)
{
    unsigned roll = (unsigned)(draw(&p->rng) % 1000);
    job->due = odds->max_delay_us ? (sp_time)(draw(&p->rng) % ((uint64_t)odds->max_delay_us + 1)) : 0;
    if (job->done.err)
        return;
    if (roll < odds->lost)
        job->fate = SP_JOB_FATE_LOST;
    else if (roll < odds->lost + odds->failed)
        job->done.err = SP_EUNKNOWN;
    else if (roll < odds->lost + odds->failed + odds->busy)
        job->done.err = SP_EBUSY;
}

static void fault_submit(struct sp_engine_port *port, struct sp_job_list *jobs)
{
    struct fault_port *p = (struct fault_port *)port;
    const struct fault *f = (const struct fault *)port->engine;
    for (struct sp_job *job = jobs->first; job && !p->is_over; job = job->next)
        draw_fate(p, &f->odds, job);
    p->inner->engine->ops->submit(p->inner, jobs);
}

static void hold(struct fault_port *p, struct sp_job *job, sp_time now)
{
    job->due += now;
    struct sp_job **at = &p->held.first;
    while (*at && (*at)->due <= job->due)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    p->held.n++;
    if (!job->next)
        p->held.last = job;
}

static void fault_poll(struct sp_engine_port *port, struct sp_job_list *out, size_t cap, sp_time now)
{
    struct fault_port *p = (struct fault_port *)port;
    const struct fault *f = (const struct fault *)port->engine;
    struct sp_job_list fresh = {0};
    p->is_over |= f->odds.until && now >= f->odds.until;
    p->inner->engine->ops->poll(p->inner, &fresh, cap, now);
    for (struct sp_job *job; (job = sp_job_pop(&fresh));) {
        if (job->fate == SP_JOB_FATE_LOST)
            sp_job_reset(job, SP_EUNKNOWN);
        hold(p, job, now);
    }
    while (p->held.first && p->held.first->due <= now && out->n < cap)
        sp_job_push(out, sp_job_pop(&p->held));
}

static sp_time fault_deadline(const struct sp_engine_port *port)
{
    const struct fault_port *p = (const struct fault_port *)port;
    sp_time inner = p->inner->engine->ops->deadline(p->inner);
    sp_time due = p->held.first ? p->held.first->due : SP_NEVER;
    return inner < due ? inner : due;
}

static size_t fault_step(struct sp_engine *e)
{
    struct fault *f = (struct fault *)e;
    return f->inner->ops->step(f->inner);
}

static void fault_stats(struct sp_engine *e, struct sp_store_stats *out)
{
    struct fault *f = (struct fault *)e;
    f->inner->ops->stats(f->inner, out);
}

static void fault_close(struct sp_engine *e)
{
    struct fault *f = (struct fault *)e;
    while (f->ports) {
        struct fault_port *p = f->ports;
        f->ports = p->next;
        for (struct sp_job *job; (job = sp_job_pop(&p->held));)
            sp_job_destroy(&job);
        free(p);
    }
    f->inner->ops->close(f->inner);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

const struct sp_engine_ops sp_fault_engine = {
    .scheme = "fault",
    .open = fault_open,
    .attach = fault_attach,
    .wake_fd = fault_wake_fd,
    .submit = fault_submit,
    .poll = fault_poll,
    .deadline = fault_deadline,
    .step = fault_step,
    .stats = fault_stats,
    .close = fault_close,
};
