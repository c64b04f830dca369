/* A heap with four children per place: fewer levels, and the children of one place share a cache line or two.
 */
#include "agenda.h"

#include "ensure.h"

#include <stdlib.h>

#define ARY 4

static bool is_before(const struct sp_agenda_item *a, const struct sp_agenda_item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Puts an item into the place that is left at the end. */
static void rise(struct sp_agenda *a, size_t i, const struct sp_agenda_item *item)
{
    while (i > 0 && is_before(item, &a->heap[(i - 1) / ARY])) {
        a->heap[i] = a->heap[(i - 1) / ARY];
        i = (i - 1) / ARY;
    }
    a->heap[i] = *item;
}

void sp_agenda_add(struct sp_agenda *a, sp_time at, int who, void *what)
{
    if (a->n == a->cap) {
        a->cap = a->cap == 0 ? 1024 : 2 * a->cap;
        a->heap = realloc(a->heap, a->cap * sizeof *a->heap);
        SP_ENSURE(a->heap != NULL);
    }
    struct sp_agenda_item item = {.at = at, .order = a->order++, .who = who, .what = what};
    rise(a, a->n++, &item);
}

void sp_agenda_hasten(struct sp_agenda *a, int who, sp_time at)
{
    for (size_t i = 0; i < a->n; i++) { /* those before i are a heap */
        struct sp_agenda_item item = a->heap[i];
        if (item.who == who && item.what != NULL && item.at > at)
            item.at = at;
        rise(a, i, &item);
    }
}

sp_time sp_agenda_next(const struct sp_agenda *a)
{
    return a->n == 0 ? SP_NEVER : a->heap[0].at;
}

static size_t first_child(const struct sp_agenda *a, size_t i)
{
    size_t best = ARY * i + 1;
    for (size_t k = best + 1; k < ARY * i + 1 + ARY && k < a->n; k++) {
        if (is_before(&a->heap[k], &a->heap[best]))
            best = k;
    }
    return best;
}

struct sp_agenda_item sp_agenda_pop(struct sp_agenda *a)
{
    SP_ENSURE(a->n > 0);
    struct sp_agenda_item first = a->heap[0], last = a->heap[--a->n];
    size_t i = 0;
    while (ARY * i + 1 < a->n) {
        size_t child = first_child(a, i);
        if (!is_before(&a->heap[child], &last))
            break;
        a->heap[i] = a->heap[child];
        i = child;
    }
    if (a->n > 0)
        a->heap[i] = last;
    return first;
}

void sp_agenda_wipe(struct sp_agenda *a)
{
    free(a->heap);
    *a = (struct sp_agenda){0};
}
