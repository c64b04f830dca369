/* Binary heap with back references, so that a deadline moves in logarithmic time. */
#include "due.h"

#include "bug.h"

void sp_due_init(struct sp_due *d, struct sp_due_slot **heap, size_t max)
{
    d->heap = heap;
    d->n = 0;
    d->max = max;
}

static void place(struct sp_due *d, size_t i, struct sp_due_slot *s)
{
    d->heap[i] = s;
    s->index = i + 1;
}

static size_t rise(struct sp_due *d, size_t i, struct sp_due_slot *s)
{
    while (i > 0 && d->heap[(i - 1) / 2]->at > s->at) {
        place(d, i, d->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return i;
}

static size_t sink(struct sp_due *d, size_t i, const struct sp_due_slot *s)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= d->n)
            return i;
        if (child + 1 < d->n && d->heap[child + 1]->at < d->heap[child]->at)
            child++;
        if (d->heap[child]->at >= s->at)
            return i;
        place(d, i, d->heap[child]);
        i = child;
    }
}

static void settle(struct sp_due *d, size_t i, struct sp_due_slot *s)
{
    i = rise(d, i, s);
    place(d, sink(d, i, s), s);
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
    s->at = at;
    if (s->index != 0) {
        settle(d, s->index - 1, s);
        return;
    }
    SP_ASSERT(d->n < d->max);
    d->n++;
    settle(d, d->n - 1, s);
}

sp_time sp_due_next(const struct sp_due *d)
{
    return d->n == 0 ? SP_NEVER : d->heap[0]->at;
}

struct sp_due_slot *sp_due_pop(struct sp_due *d, sp_time now)
{
    if (d->n == 0 || d->heap[0]->at > now)
        return NULL;
    struct sp_due_slot *s = d->heap[0];
    take_out(d, s);
    return s;
}
