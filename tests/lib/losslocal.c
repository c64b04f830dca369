/* Rows change in place; a log of what was before is kept until the next sync. */
#include "losslocal.h"

#include "ensure.h"

#include <sampan/err.h>

#include <stdlib.h>
#include <string.h>

struct sp_losslocal_row {
    struct sp_outgoing m; /* without views */
    uint8_t to[SP_USER_MAX];
    size_t to_len, body_len;
    uint8_t body[];
};
enum undo_kind { UNDO_ADD, UNDO_CHANGE, UNDO_DROP, UNDO_STATE };
struct sp_losslocal_undo {
    enum undo_kind kind;
    struct sp_losslocal_row *row; /* ADD, CHANGE: in the table; DROP: owned here */
    struct sp_outgoing m;         /* CHANGE: as it was */
    struct sp_local_state state;  /* as it was */
};

static bool fails(struct sp_losslocal *l)
{
    return l->fail > 0 && sp_dice_below(&l->dice, 1000) < l->fail;
}

static int load(void *self, struct sp_local_state *out)
{
    const struct sp_losslocal *l = self;
    *out = l->state;
    out->install_epoch = (uint32_t)(l->state.last.v >> 32);
    return 0;
}

/* Place of the first row with a msgid not below v. */
static size_t place_of(const struct sp_losslocal *l, uint64_t v)
{
    size_t lo = 0, hi = l->rows_n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->rows[mid]->m.msgid.v < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct sp_losslocal_row *find(const struct sp_losslocal *l, struct sp_msgid id)
{
    size_t i = place_of(l, id.v);
    return i < l->rows_n && l->rows[i]->m.msgid.v == id.v ? l->rows[i] : NULL;
}

static int next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    const struct sp_losslocal *l = self;
    size_t i = place_of(l, after.v + 1);
    if (i == l->rows_n)
        return SP_EAGAIN;
    *out = l->rows[i]->m;
    out->to = (struct sp_view){l->rows[i]->to, l->rows[i]->to_len};
    out->body = (struct sp_view){NULL, l->rows[i]->body_len};
    return 0;
}

static void insert(struct sp_losslocal *l, struct sp_losslocal_row *row)
{
    size_t i = place_of(l, row->m.msgid.v);
    if (l->rows_n == l->rows_cap) {
        l->rows_cap = l->rows_cap == 0 ? 16 : 2 * l->rows_cap;
        l->rows = realloc(l->rows, l->rows_cap * sizeof(struct sp_losslocal_row *));
        SP_ENSURE(l->rows != NULL);
    }
    memmove(&l->rows[i + 1], &l->rows[i], (l->rows_n - i) * sizeof(struct sp_losslocal_row *));
    l->rows_n++;
    l->rows[i] = row;
}

static void take_out(struct sp_losslocal *l, const struct sp_losslocal_row *row)
{
    size_t i = place_of(l, row->m.msgid.v);
    SP_ENSURE(i < l->rows_n && l->rows[i] == row);
    l->rows_n--;
    memmove(&l->rows[i], &l->rows[i + 1], (l->rows_n - i) * sizeof(struct sp_losslocal_row *));
}

static void note(struct sp_losslocal *l, enum undo_kind kind, struct sp_losslocal_row *row)
{
    if (l->undos_n == l->undos_cap) {
        l->undos_cap = l->undos_cap == 0 ? 16 : 2 * l->undos_cap;
        l->undos = realloc(l->undos, l->undos_cap * sizeof *l->undos);
        SP_ENSURE(l->undos != NULL);
    }
    struct sp_losslocal_undo *u = &l->undos[l->undos_n++];
    *u = (struct sp_losslocal_undo){.kind = kind, .row = row, .state = l->state};
    if (kind == UNDO_CHANGE)
        u->m = row->m;
}

static struct sp_outgoing without_views(const struct sp_outgoing *m)
{
    struct sp_outgoing copy = *m;
    copy.to = copy.body = (struct sp_view){0};
    return copy;
}

static int put(void *self, const struct sp_outgoing *m)
{
    struct sp_losslocal *l = self;
    if (fails(l))
        return SP_EIO;
    struct sp_losslocal_row *row = find(l, m->msgid);
    if (row != NULL) {
        SP_ENSURE_SAY(m->body.p == NULL, "a row is put twice with a body");
        note(l, UNDO_CHANGE, row);
        row->m = without_views(m);
        return 0;
    }
    SP_ENSURE_SAY(m->msgid.v > l->state.last.v, "a msgid is used again");
    row = malloc(sizeof *row + m->body.n);
    SP_ENSURE(row != NULL);
    row->m = without_views(m);
    row->to_len = m->to.n;
    memcpy(row->to, m->to.p, m->to.n);
    row->body_len = m->body.n;
    if (m->body.n > 0)
        memcpy(row->body, m->body.p, m->body.n);
    note(l, UNDO_ADD, row);
    insert(l, row);
    l->state.last = m->msgid;
    return 0;
}

static int read_body(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    struct sp_losslocal *l = self;
    if (fails(l))
        return SP_EIO;
    const struct sp_losslocal_row *row = find(l, id);
    if (row == NULL)
        return SP_EAGAIN;
    if (row->body_len > cap)
        return SP_EFULL;
    if (row->body_len > 0)
        memcpy(dst, row->body, row->body_len);
    *len = row->body_len;
    return 0;
}

static int drop(void *self, struct sp_msgid id)
{
    struct sp_losslocal *l = self;
    if (fails(l))
        return SP_EIO;
    struct sp_losslocal_row *row = find(l, id);
    if (row == NULL)
        return 0;
    note(l, UNDO_DROP, row);
    take_out(l, row);
    return 0;
}

static int cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct sp_losslocal *l = self;
    if (fails(l))
        return SP_EIO;
    note(l, UNDO_STATE, NULL);
    l->state.epoch = epoch;
    l->state.cursor = upto;
    return 0;
}

static void forget_undos(struct sp_losslocal *l)
{
    for (size_t i = 0; i < l->undos_n; i++) {
        if (l->undos[i].kind == UNDO_DROP)
            free(l->undos[i].row);
    }
    l->undos_n = 0;
}

static int sync_all(void *self)
{
    struct sp_losslocal *l = self;
    if (fails(l))
        return SP_EIO;
    forget_undos(l);
    return 0;
}

static void undo(struct sp_losslocal *l, const struct sp_losslocal_undo *u)
{
    l->state = u->state;
    switch (u->kind) {
    case UNDO_ADD:
        take_out(l, u->row);
        free(u->row);
        break;
    case UNDO_CHANGE:
        u->row->m = u->m;
        break;
    case UNDO_DROP:
        insert(l, u->row);
        break;
    case UNDO_STATE:
        break;
    }
}

void sp_losslocal_crash(struct sp_losslocal *l)
{
    size_t kept = sp_dice_chance(&l->dice, 70) ? 0 : sp_dice_below(&l->dice, l->undos_n + 1);
    while (l->undos_n > kept)
        undo(l, &l->undos[--l->undos_n]);
    forget_undos(l);
}

void sp_losslocal_init(struct sp_losslocal *l, struct sp_dice dice)
{
    *l = (struct sp_losslocal){.dice = dice};
    l->table = (struct sp_local){l, load, next, put, read_body, drop, cursor, sync_all};
}

void sp_losslocal_wipe(struct sp_losslocal *l)
{
    forget_undos(l);
    for (size_t i = 0; i < l->rows_n; i++)
        free(l->rows[i]);
    free(l->rows);
    free(l->undos);
    *l = (struct sp_losslocal){0};
}
