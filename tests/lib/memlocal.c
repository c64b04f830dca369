/* A sorted array of rows. */
#include "memlocal.h"

#include "ensure.h"

#include <sampan/err.h>

#include <stdlib.h>
#include <string.h>

static int load(void *self, struct sp_local_state *out)
{
    const struct sp_memlocal *l = self;
    *out = l->state;
    out->install_epoch = (uint32_t)(l->state.last.v >> 32);
    return 0;
}

/* Place of the first row with a msgid not below v. */
static size_t place_of(const struct sp_memlocal *l, uint64_t v)
{
    size_t i = 0;
    while (i < l->rows_n && l->rows[i]->m.msgid.v < v)
        i++;
    return i;
}

static struct sp_memlocal_row *find(const struct sp_memlocal *l, struct sp_msgid id)
{
    size_t i = place_of(l, id.v);
    return i < l->rows_n && l->rows[i]->m.msgid.v == id.v ? l->rows[i] : NULL;
}

static int next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    const struct sp_memlocal *l = self;
    size_t i = place_of(l, after.v + 1);
    if (i == l->rows_n)
        return SP_EAGAIN;
    *out = l->rows[i]->m;
    out->to.p = l->rows[i]->to;
    out->body.p = NULL;
    return 0;
}

static struct sp_memlocal_row *insert(struct sp_memlocal *l, uint64_t id)
{
    size_t i = place_of(l, id);
    SP_ENSURE(l->rows_n < (size_t)SP_MEMLOCAL_ROWS_MAX);
    memmove(&l->rows[i + 1], &l->rows[i], (l->rows_n - i) * sizeof(struct sp_memlocal_row *));
    l->rows_n++;
    l->rows[i] = calloc(1, sizeof *l->rows[i]);
    SP_ENSURE(l->rows[i] != NULL);
    return l->rows[i];
}

static int put(void *self, const struct sp_outgoing *m)
{
    struct sp_memlocal *l = self;
    struct sp_memlocal_row *row = find(l, m->msgid);
    l->puts++;
    if (row == NULL) {
        row = insert(l, m->msgid.v);
        memcpy(row->to, m->to.p, m->to.n);
    }
    size_t len = row->m.body.n;
    row->m = *m;
    if (m->body.p != NULL) {
        memcpy(row->body, m->body.p, m->body.n);
        row->has_body = true;
        len = m->body.n;
    } else if (m->body.n == 0 && !row->has_body) {
        row->has_body = true; /* an empty body is a body */
    }
    row->m.body.n = len;
    if (m->msgid.v > l->state.last.v)
        l->state.last = m->msgid;
    return 0;
}

static int read_body(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    const struct sp_memlocal_row *row = find(self, id);
    if (row == NULL || !row->has_body)
        return SP_EAGAIN;
    if (row->m.body.n > cap)
        return SP_EFULL;
    memcpy(dst, row->body, row->m.body.n);
    *len = row->m.body.n;
    return 0;
}

static int drop(void *self, struct sp_msgid id)
{
    struct sp_memlocal *l = self;
    size_t i = place_of(l, id.v);
    if (i == l->rows_n || l->rows[i]->m.msgid.v != id.v)
        return 0;
    free(l->rows[i]);
    l->rows_n--;
    memmove(&l->rows[i], &l->rows[i + 1], (l->rows_n - i) * sizeof(struct sp_memlocal_row *));
    return 0;
}

static int cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct sp_memlocal *l = self;
    l->state.epoch = epoch;
    l->state.cursor = upto;
    return 0;
}

static int sync_all(void *self)
{
    struct sp_memlocal *l = self;
    l->syncs++;
    return 0;
}

void sp_memlocal_init(struct sp_memlocal *l)
{
    memset(l, 0, sizeof *l);
    l->table = (struct sp_local){l, load, next, put, read_body, drop, cursor, sync_all};
}

void sp_memlocal_wipe(struct sp_memlocal *l)
{
    while (l->rows_n > 0)
        free(l->rows[--l->rows_n]);
}
