/* Two images; sync copies one over the other. */
#include "tinylocal.h"

#include "fuzz.h"

#include <sampan/err.h>

static bool fails(struct tinylocal *l)
{
    bool is_due = l->fail_in > 0 && --l->fail_in == 0;
    if (!is_due && !l->is_broken)
        return false;
    l->failures++;
    return true;
}

const struct tinylocal_row *tinylocal_find(const struct tinylocal_image *i, struct sp_msgid id)
{
    for (size_t k = 0; k < TINYLOCAL_ROWS; k++) {
        if (i->rows[k].is_used && i->rows[k].m.msgid.v == id.v)
            return &i->rows[k];
    }
    return NULL;
}

/* The row of id in the present image, or a vacant one. */
static struct tinylocal_row *place(struct tinylocal *l, struct sp_msgid id)
{
    struct tinylocal_row *vacant = NULL;
    for (size_t k = 0; k < TINYLOCAL_ROWS; k++) {
        struct tinylocal_row *r = &l->now.rows[k];
        if (r->is_used && r->m.msgid.v == id.v)
            return r;
        if (!r->is_used)
            vacant = r;
    }
    FUZZ_CHECK(vacant != NULL); /* an outbox smaller than this table */
    return vacant;
}

static int load(void *self, struct sp_local_state *out)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    *out = l->now.state;
    return 0;
}

static int next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    struct tinylocal *l = self;
    const struct tinylocal_row *best = NULL;
    if (fails(l))
        return SP_EIO;
    for (size_t i = 0; i < TINYLOCAL_ROWS; i++) {
        const struct tinylocal_row *r = &l->now.rows[i];
        if (r->is_used && r->m.msgid.v > after.v && (best == NULL || r->m.msgid.v < best->m.msgid.v))
            best = r;
    }
    if (best == NULL)
        return SP_EAGAIN;
    *out = best->m;
    out->to = (struct sp_view){best->to, best->to_n};
    out->body = (struct sp_view){NULL, best->has_body ? best->body_n : 0};
    return 0;
}

static int put(void *self, const struct sp_outgoing *m)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    FUZZ_CHECK(m->to.n >= 1);
    FUZZ_CHECK(m->to.n <= SP_USER_MAX);
    struct tinylocal_row *r = place(l, m->msgid);
    if (!r->is_used)
        r->has_body = false;
    r->is_used = true;
    r->m = *m;
    r->to_n = m->to.n;
    memcpy(r->to, m->to.p, m->to.n);
    if (m->body.p != NULL) {
        FUZZ_CHECK(m->body.n <= SP_PART_MAX);
        r->has_body = true;
        r->body_n = m->body.n;
        memcpy(r->body, m->body.p, m->body.n);
    }
    if (m->state != 0)
        r->has_body = false; /* an answered message may lose its body (sampan/local.h) */
    if (l->now.state.last.v < m->msgid.v)
        l->now.state.last = m->msgid;
    return 0;
}

static int read_body(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    const struct tinylocal_row *r = tinylocal_find(&l->now, id);
    if (r == NULL || !r->has_body)
        return SP_EAGAIN;
    if (r->body_n > cap)
        return SP_EFULL;
    memcpy(dst, r->body, r->body_n);
    *len = r->body_n;
    return 0;
}

static int drop(void *self, struct sp_msgid id)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    for (size_t k = 0; k < TINYLOCAL_ROWS; k++)
        l->now.rows[k].is_used &= l->now.rows[k].m.msgid.v != id.v;
    return 0;
}

static int cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    l->now.state.epoch = epoch;
    l->now.state.cursor = upto;
    return 0;
}

static int sync(void *self)
{
    struct tinylocal *l = self;
    if (fails(l))
        return SP_EIO;
    l->disk = l->now;
    if (l->cursor_max < l->disk.state.cursor.v)
        l->cursor_max = l->disk.state.cursor.v;
    return 0;
}

void tinylocal_init(struct tinylocal *l)
{
    memset(l, 0, sizeof *l);
    l->table = (struct sp_local){.self = l,
                                 .load = load,
                                 .next = next,
                                 .put = put,
                                 .read = read_body,
                                 .drop = drop,
                                 .cursor = cursor,
                                 .sync = sync};
}

void tinylocal_crash(struct tinylocal *l)
{
    l->now = l->disk;
    l->fail_in = 0;
    l->is_broken = false;
}
