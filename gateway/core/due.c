/* Binary heap with back references, so that a deadline moves in logarithmic time. */
#include "due.h"

#include "bug.h"

void sp_due_init(struct sp_due *d, struct sp_due_slot **heap, size_t max)
{
    d->heap = heap;
    d->n = 0;
    d->max = max;
}

static void place(struct sp_due_slot **heap, size_t i, struct sp_due_slot *s)
{
    heap[i] = s;
    s->index = i + 1;
}

/* Where an element due `at` goes when it rises from i; those above it move down. */
static size_t rise(struct sp_due_slot **heap, size_t i, sp_time at)
{
    while (i > 0) {
        size_t above = (i - 1) / 2;
        struct sp_due_slot *s = heap[above];
        if (s->at <= at)
            break;
        place(heap, i, s);
        i = above;
    }
    return i;
}

/* Where an element due `at` goes when it sinks from i; the earlier ones below it move up. */
static size_t sink(struct sp_due_slot **heap, size_t n, size_t i, sp_time at)
{
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        struct sp_due_slot *s = heap[child];
        sp_time first = s->at;
        if (child + 1 < n && heap[child + 1]->at < first) {
            s = heap[++child];
            first = s->at;
        }
        if (first >= at)
            break;
        place(heap, i, s);
        i = child;
    }
    return i;
}

static void settle(struct sp_due *d, size_t i, struct sp_due_slot *s)
{
    size_t to = rise(d->heap, i, s->at);
    if (to == i)
        to = sink(d->heap, d->n, i, s->at);
    place(d->heap, to, s);
}

static void take_out(struct sp_due *d, struct sp_due_slot *s)
{
    size_t i = s->index - 1;
    SP_ASSERT(i < d->n);
    SP_ASSERT(d->heap[i] == s);
    struct sp_due_slot *last = d->heap[--d->n];
    s->index = 0;
    if (last != s)
        settle(d, i, last);
}

void sp_due_set(struct sp_due *d, struct sp_due_slot *s, sp_time at)
{
    if (at == SP_NEVER) {
        if (s->index != 0)
            take_out(d, s);
        s->at = at;
        return;
    }
    if (s->index != 0 && s->at == at)
        return;
    s->at = at;
    if (s->index != 0) {
        settle(d, s->index - 1, s);
        return;
    }
    SP_ASSERT(d->n < d->max);
    d->n++;
    settle(d, d->n - 1, s);
}

struct sp_due_slot *sp_due_pop(struct sp_due *d, sp_time now)
{
    if (d->n == 0 || d->heap[0]->at > now)
        return NULL;
    struct sp_due_slot *s = d->heap[0];
    take_out(d, s);
    return s;
}
