#include "waiting.h"

#include <stdlib.h>
#include <string.h>

void sp_waiting_init(struct sp_waiting *w)
{
    *w = (struct sp_waiting){0};
}

void sp_waiting_wipe(struct sp_waiting *w)
{
    free(w->entries);
    sp_waiting_init(w);
}

/* Room for one more entry: moves the queue to the front when half of the array is behind it, else doubles the
 * array. */
static bool make_room(struct sp_waiting *w)
{
    if (w->end < w->cap)
        return true;
    if (w->first > w->cap / 2) {
        memmove(w->entries, w->entries + w->first, (w->end - w->first) * sizeof *w->entries);
        w->end -= w->first;
        w->first = 0;
        return true;
    }
    size_t cap = w->cap == 0 ? 1024 : w->cap * 2;
    struct sp_waiting_entry *bigger = realloc(w->entries, cap * sizeof *bigger);
    if (bigger == NULL)
        return false;
    w->entries = bigger;
    w->cap = cap;
    return true;
}

bool sp_waiting_add(struct sp_waiting *w, struct sp_msgid id, sp_time now)
{
    if (!make_room(w))
        return false;
    w->entries[w->end++] = (struct sp_waiting_entry){.msgid = id, .since = now};
    w->open++;
    return true;
}

struct sp_waiting_entry *sp_waiting_find(struct sp_waiting *w, struct sp_msgid id)
{
    size_t lo = w->first, hi = w->end;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (w->entries[mid].msgid.v < id.v)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == w->end || w->entries[lo].msgid.v != id.v || w->entries[lo].is_printed)
        return NULL;
    return &w->entries[lo];
}

void sp_waiting_close(struct sp_waiting *w, struct sp_waiting_entry *e)
{
    e->is_printed = true;
    w->open--;
    while (w->first < w->end && w->entries[w->first].is_printed)
        w->first++;
}

struct sp_waiting_entry *sp_waiting_oldest(struct sp_waiting *w)
{
    return w->first < w->end ? &w->entries[w->first] : NULL;
}
