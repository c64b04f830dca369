/* A slot of the near level is a millisecond, a slot of the later one an epoch of a second.  When the near
 * level is empty, the lists of the next epoch are put there.  Lists are linked by the places of their nodes;
 * place 0 is nobody's. */
#include "agenda.h"

#include "ensure.h"

#include <stdlib.h>

#define SLOT_BITS  10               /* of the microseconds of a slot */
#define EPOCH_BITS (SLOT_BITS + 10) /* SP_AGENDA_SLOTS of them */
#define SLOT_MASK  ((uint64_t)SP_AGENDA_SLOTS - 1)
#define FIRST_CAP  1024U

struct sp_agenda_node {
    struct sp_agenda_item item;
    uint32_t next;
};

static bool is_before(const struct sp_agenda_item *a, const struct sp_agenda_item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static uint64_t epoch_of(const struct sp_agenda_item *item)
{
    return (uint64_t)item->at >> EPOCH_BITS;
}

/* ---- levels ---- */

static void mark(struct sp_agenda_level *l, size_t slot)
{
    l->used[slot / 64] |= (uint64_t)1 << slot % 64;
    l->words |= (uint64_t)1 << slot / 64;
}

static void unmark(struct sp_agenda_level *l, size_t slot)
{
    l->used[slot / 64] &= ~((uint64_t)1 << slot % 64);
    if (l->used[slot / 64] == 0)
        l->words &= ~((uint64_t)1 << slot / 64);
}

/* The first slot of a level that is not empty. */
static size_t first_slot(const struct sp_agenda_level *l)
{
    size_t word = (size_t)__builtin_ctzll(l->words);
    return 64 * word + (size_t)__builtin_ctzll(l->used[word]);
}

/* The first slot from `from` on, around the end. */
static size_t first_from(const struct sp_agenda_level *l, size_t from)
{
    for (size_t i = 0; i < SP_AGENDA_SLOTS; i++) {
        size_t slot = (from + i) & SLOT_MASK;
        if ((l->used[slot / 64] >> slot % 64 & 1) != 0)
            return slot;
    }
    return first_slot(l);
}

/* ---- nodes ---- */

__attribute__((noinline)) static void widen(struct sp_agenda *a)
{
    uint32_t cap = a->cap == 0 ? FIRST_CAP : 2 * a->cap;
    a->nodes = realloc(a->nodes, cap * sizeof *a->nodes);
    SP_ENSURE(a->nodes != NULL && cap > a->cap);
    for (uint32_t i = cap - 1; i >= a->cap && i > 0; i--) {
        a->nodes[i].next = a->vacant;
        a->vacant = i;
    }
    a->cap = cap;
}

/* Into its place among those of its slot; most come last. */
static void put_near(struct sp_agenda *a, uint32_t node)
{
    struct sp_agenda_node *nodes = a->nodes, *me = &nodes[node];
    size_t slot = (uint64_t)me->item.at >> SLOT_BITS & SLOT_MASK;
    uint32_t *first = &a->near.first[slot], *last = &a->near.last[slot];
    me->next = 0;
    if (*first == 0) {
        mark(&a->near, slot);
        *first = *last = node;
    } else if (!is_before(&me->item, &nodes[*last].item)) {
        nodes[*last].next = node;
        *last = node;
    } else {
        uint32_t *at = first;
        while (is_before(&nodes[*at].item, &me->item))
            at = &nodes[*at].next;
        me->next = *at;
        *at = node;
    }
}

static void put(struct sp_agenda *a, uint32_t node)
{
    struct sp_agenda_node *me = &a->nodes[node];
    uint64_t epoch = epoch_of(&me->item);
    if (epoch <= a->epoch) {
        put_near(a, node);
    } else if (epoch - a->epoch < SP_AGENDA_SLOTS) {
        size_t slot = epoch & SLOT_MASK;
        me->next = a->later.first[slot];
        a->later.first[slot] = node;
        mark(&a->later, slot);
    } else {
        if (a->far == 0 || epoch < a->far_epoch)
            a->far_epoch = epoch;
        me->next = a->far;
        a->far = node;
    }
}

static void put_all(struct sp_agenda *a, uint32_t list)
{
    while (list != 0) {
        uint32_t next = a->nodes[list].next;
        put(a, list);
        list = next;
    }
}

/* ---- the agenda ---- */

void sp_agenda_add(struct sp_agenda *a, sp_time at, int who, void *what)
{
    if (a->vacant == 0)
        widen(a);
    uint32_t node = a->vacant;
    a->vacant = a->nodes[node].next;
    a->nodes[node].item = (struct sp_agenda_item){.at = at, .order = a->order++, .who = who, .what = what};
    a->n++;
    put(a, node);
}

/* The earliest time in a list. */
static sp_time earliest(const struct sp_agenda *a, uint32_t list)
{
    sp_time at = SP_NEVER;
    for (; list != 0; list = a->nodes[list].next) {
        if (a->nodes[list].item.at < at)
            at = a->nodes[list].item.at;
    }
    return at;
}

/* The time of the first item when none is near; SP_NEVER: nothing is left. */
static sp_time next_epochs(const struct sp_agenda *a)
{
    if (a->later.words != 0)
        return earliest(a, a->later.first[first_from(&a->later, (a->epoch + 1) & SLOT_MASK)]);
    return earliest(a, a->far);
}

/* Makes an epoch the near one; there is nothing before it. */
static void go_to(struct sp_agenda *a, uint64_t epoch)
{
    size_t slot = epoch & SLOT_MASK;
    uint32_t list = a->later.first[slot], far = a->far;
    a->epoch = epoch;
    a->later.first[slot] = 0;
    unmark(&a->later, slot);
    put_all(a, list);
    if (far != 0 && a->far_epoch - epoch < SP_AGENDA_SLOTS) {
        a->far = 0;
        put_all(a, far);
    }
}

/* Goes on to the next epoch that has an item, unless that is later than `until`.  Rare beside taking an item.
 */
__attribute__((noinline)) static bool go_on(struct sp_agenda *a, sp_time until)
{
    sp_time at = next_epochs(a);
    if (a->n == 0 || at > until)
        return false;
    go_to(a, (uint64_t)at >> EPOCH_BITS);
    return true;
}

bool sp_agenda_take(struct sp_agenda *a, sp_time until, struct sp_agenda_item *out)
{
    if (a->near.words == 0 && !go_on(a, until))
        return false;
    size_t slot = first_slot(&a->near);
    uint32_t node = a->near.first[slot];
    struct sp_agenda_node *me = &a->nodes[node];
    if (me->item.at > until)
        return false;
    *out = me->item;
    a->near.first[slot] = me->next;
    if (me->next == 0)
        unmark(&a->near, slot);
    me->next = a->vacant;
    a->vacant = node;
    a->n--;
    return true;
}

/* ---- haste ---- */

/* Moves the nodes of a list that are late for `at` to the list `late`; the list's new last node, 0: none. */
static uint32_t sift(struct sp_agenda *a, uint32_t *list, int who, sp_time at, uint32_t *late)
{
    uint32_t last = 0;
    while (*list != 0) {
        struct sp_agenda_node *me = &a->nodes[*list];
        if (me->item.who == who && me->item.what != NULL && me->item.at > at) {
            uint32_t node = *list;
            *list = me->next;
            me->next = *late;
            *late = node;
        } else {
            last = *list;
            list = &me->next;
        }
    }
    return last;
}

static void sift_level(struct sp_agenda *a, struct sp_agenda_level *l, int who, sp_time at, uint32_t *late)
{
    for (size_t slot = 0; slot < SP_AGENDA_SLOTS; slot++) {
        if (l->first[slot] == 0)
            continue;
        l->last[slot] = sift(a, &l->first[slot], who, at, late);
        if (l->first[slot] == 0)
            unmark(l, slot);
    }
}

void sp_agenda_hasten(struct sp_agenda *a, int who, sp_time at)
{
    uint32_t late = 0;
    sift_level(a, &a->near, who, at, &late);
    sift_level(a, &a->later, who, at, &late);
    (void)sift(a, &a->far, who, at, &late);
    for (uint32_t node = late; node != 0; node = a->nodes[node].next)
        a->nodes[node].item.at = at;
    put_all(a, late);
}

void sp_agenda_wipe(struct sp_agenda *a)
{
    free(a->nodes);
    *a = (struct sp_agenda){0};
}
