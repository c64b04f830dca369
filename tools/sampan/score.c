#include "score.h"

#include <stdlib.h>

bool sp_score_init(struct sp_score *l, size_t cap)
{
    *l = (struct sp_score){.cap = cap};
    l->rows = calloc(cap, sizeof *l->rows);
    return l->rows != NULL;
}

void sp_score_wipe(struct sp_score *l)
{
    free(l->rows);
    *l = (struct sp_score){0};
}

size_t sp_score_send(struct sp_score *l, sp_time at)
{
    l->rows[l->n].at[SP_SCORE_SENT] = at;
    l->counts[SP_SCORE_SENT]++;
    return l->n++;
}

void sp_score_note(struct sp_score *l, size_t i, enum sp_score_mark mark, sp_time now)
{
    if (i >= l->n || l->rows[i].at[mark] != 0)
        return;
    l->rows[i].at[mark] = now;
    l->counts[mark]++;
}

void sp_score_receive(struct sp_score *l, size_t i, sp_time now)
{
    if (i >= l->n) {
        l->strange++;
        return;
    }
    if (l->rows[i].received++ > 0)
        l->duplicated++;
    else if (i + 1 < l->highest)
        l->disordered++;
    if (i + 1 > l->highest)
        l->highest = i + 1;
    sp_score_note(l, i, SP_SCORE_DELIVERED, now);
}

size_t sp_score_lost(const struct sp_score *l)
{
    size_t lost = 0;
    for (size_t i = 0; i < l->n; i++)
        lost += l->rows[i].at[SP_SCORE_ACCEPTED] != 0 && l->rows[i].received == 0;
    return lost;
}

static int by_value(const void *a, const void *b)
{
    sp_time x = *(const sp_time *)a, y = *(const sp_time *)b;
    return (x > y) - (x < y);
}

size_t sp_score_sorted(const struct sp_score *l, enum sp_score_mark mark, sp_time *dst)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->rows[i].at[mark] != 0)
            dst[n++] = l->rows[i].at[mark] - l->rows[i].at[SP_SCORE_SENT];
    qsort(dst, n, sizeof *dst, by_value);
    return n;
}

struct sp_score_figures sp_score_figures(const struct sp_score *l, enum sp_score_mark mark)
{
    struct sp_score_figures f = {0};
    sp_time *all = l->n > 0 ? malloc(l->n * sizeof *all) : NULL;
    if (all == NULL)
        return f;
    f.n = sp_score_sorted(l, mark, all);
    if (f.n > 0) {
        f.p50 = all[f.n / 2];
        f.p95 = all[f.n * 95 / 100];
        f.p99 = all[f.n * 99 / 100];
        f.max = all[f.n - 1];
    }
    free(all);
    return f;
}
