/* Two queues, one submit: RANGEs beyond the port's bound wait without holding up anything else. */
#include "batch.h"

#include "bug.h"
#include "core.h"

static void queue(struct sp_batch *b, struct sp_ask *ask)
{
    ask->is_out = true;
    sp_list_append(ask->req.op == SP_STORE_RANGE ? &b->ranges : &b->asks, &ask->node);
    b->out++;
}

void sp_batch_add(struct sp_batch *b, struct sp_ask *ask)
{
    SP_ASSERT(!ask->is_out);
    SP_ASSERT(ask->answer != NULL);
    ask->req.cookie = (uint64_t)(uintptr_t)ask;
    ask->repeats = 0;
    queue(b, ask);
}

static void take(struct sp_gateway *g, struct sp_store_done *done, sp_time now)
{
    struct sp_batch *b = &g->batch;
    /* The cookie is the address that sp_batch_add gave away; the store returns it untouched. */
    struct sp_ask *ask = (struct sp_ask *)(uintptr_t)done->cookie; // NOLINT(performance-no-int-to-ptr)
    SP_ASSERT(ask->is_out);
    ask->is_out = false;
    SP_ASSERT(b->out > 0);
    b->out--;
    if (ask->req.op == SP_STORE_RANGE)
        b->ranges_out--;
    /* A busy store refuses messages to their senders; all else is asked again, because its askers wait long.
     */
    bool is_open = done->err == SP_EUNKNOWN || (done->err == SP_EBUSY && ask->req.op != SP_STORE_APPEND);
    if (is_open && ask->repeats < SP_CONF_STORE_REPEATS) {
        ask->repeats++;
        queue(b, ask);
    } else {
        ask->answer(g, ask, done, now);
    }
    sp_store_release(b->port, done);
}

void sp_batch_poll(struct sp_gateway *g, sp_time now)
{
    struct sp_batch *b = &g->batch;
    for (unsigned round = 0; round < SP_CONF_POLLS_MAX; round++) {
        size_t n = 0;
        (void)sp_store_poll(b->port, b->dones, SP_CONF_DONE_MAX, &n, now);
        for (size_t i = 0; i < n; i++)
            take(g, &b->dones[i], now);
        if (n < SP_CONF_DONE_MAX)
            return;
    }
}

/* Copies up to max requests of a queue behind the n that are in b->reqs; they stay queued until the port took
 * them. */
static size_t gather(struct sp_batch *b, const struct sp_list *from, size_t n, size_t max)
{
    const struct sp_node *node;
    SP_LIST_FOREACH (node, from) {
        if (max == 0 || n == SP_CONF_BATCH_MAX)
            break;
        b->reqs[n++] = SP_LIST_ITEM(node, const struct sp_ask, node)->req;
        max--;
    }
    return n;
}

static void take_off(struct sp_list *from, size_t n)
{
    while (n-- > 0) {
        struct sp_node *node = sp_list_first(from);
        SP_ASSERT(node != NULL);
        sp_list_remove(node);
    }
}

/* Submits the first requests of b->reqs: all n, or half of them, and so on.  Returns how many the port took.
 */
static size_t submit_some(struct sp_batch *b, size_t n)
{
    while (n > 0 && sp_store_submit(b->port, b->reqs, n) != 0)
        n /= 2;
    return n;
}

void sp_batch_submit(struct sp_gateway *g, sp_time now)
{
    struct sp_batch *b = &g->batch;
    b->again_at = SP_NEVER;
    while (!sp_list_is_empty(&b->asks) || !sp_list_is_empty(&b->ranges)) {
        size_t smalls = gather(b, &b->asks, 0, SP_CONF_BATCH_MAX);
        size_t n = gather(b, &b->ranges, smalls, SP_CONF_RANGES_MAX - b->ranges_out);
        if (n == 0)
            return;
        size_t taken = submit_some(b, n);
        take_off(&b->asks, taken < smalls ? taken : smalls);
        if (taken > smalls) {
            take_off(&b->ranges, taken - smalls);
            b->ranges_out += taken - smalls;
        }
        if (taken < n) {
            g->stats.store_full += n - taken;
            b->again_at = now + SP_CONF_STORE_AGAIN;
            return;
        }
    }
}

bool sp_batch_is_idle(const struct sp_batch *b)
{
    return b->out == 0;
}

sp_time sp_batch_deadline(const struct sp_batch *b)
{
    if (sp_batch_is_idle(b))
        return SP_NEVER;
    sp_time at = sp_store_deadline(b->port);
    if (b->again_at != SP_NEVER)
        return b->again_at < at ? b->again_at : at;
    if (!sp_list_is_empty(&b->asks))
        return INT64_MIN;
    if (!sp_list_is_empty(&b->ranges) && b->ranges_out < SP_CONF_RANGES_MAX)
        return INT64_MIN;
    return at;
}
