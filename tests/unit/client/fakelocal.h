/* Local storage in memory, with the two things that a test of the client needs: a crash forgets what was not
 * synced, and any call can be made to fail.  Included by one test program each. */
#ifndef TESTS_FAKELOCAL_H
#define TESTS_FAKELOCAL_H

#include <sampan/err.h>
#include <sampan/local.h>
#include <stdlib.h>
#include <string.h>

#define FAKELOCAL_ROWS 4096

struct fakelocal_row {
    struct sp_outgoing m;
    uint8_t to[SP_USER_MAX];
    bool is_used, has_body;
    size_t body_len;
    uint8_t body[SP_PART_MAX];
};
struct fakelocal_image {
    struct sp_local_state state;
    struct fakelocal_row rows[FAKELOCAL_ROWS]; /* of msgid counter n at n % FAKELOCAL_ROWS */
};
struct fakelocal {
    struct fakelocal_image *now, *disk;
    struct sp_local table;
    int fail_in;    /* calls until one fails; 0: none does */
    bool is_broken; /* every call fails */
    unsigned puts, syncs, drops, calls;
};

static inline int fakelocal_fault(struct fakelocal *f)
{
    f->calls++;
    if (f->is_broken || (f->fail_in > 0 && --f->fail_in == 0))
        return SP_EIO;
    return 0;
}

static inline struct fakelocal_row *fakelocal_find(struct fakelocal_image *i, struct sp_msgid id)
{
    struct fakelocal_row *r = &i->rows[id.v % FAKELOCAL_ROWS];
    return r->is_used && r->m.msgid.v == id.v ? r : NULL;
}

static inline int fakelocal_load(void *self, struct sp_local_state *out)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    *out = f->now->state;
    return 0;
}

static inline int fakelocal_next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    struct fakelocal *f = self;
    const struct fakelocal_row *best = NULL;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    for (size_t i = 0; i < FAKELOCAL_ROWS; i++) {
        const struct fakelocal_row *r = &f->now->rows[i];
        if (r->is_used && r->m.msgid.v > after.v && (best == NULL || r->m.msgid.v < best->m.msgid.v))
            best = r;
    }
    if (best == NULL)
        return SP_EAGAIN;
    *out = best->m;
    out->to.p = best->to;
    out->body = (struct sp_view){NULL, best->has_body ? best->body_len : 0};
    return 0;
}

static inline int fakelocal_put(void *self, const struct sp_outgoing *m)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    f->puts++;
    struct fakelocal_row *r = &f->now->rows[m->msgid.v % FAKELOCAL_ROWS];
    if (r->is_used && r->m.msgid.v != m->msgid.v)
        abort(); /* more rows than a test may have */
    r->is_used = true;
    r->m = *m;
    memcpy(r->to, m->to.p, m->to.n);
    if (m->body.p != NULL) {
        r->has_body = true;
        r->body_len = m->body.n;
        memcpy(r->body, m->body.p, m->body.n);
    }
    if (m->state != 0)
        r->has_body = false;
    if (f->now->state.last.v < m->msgid.v)
        f->now->state.last = m->msgid;
    return 0;
}

static inline int fakelocal_read(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    const struct fakelocal_row *r = fakelocal_find(f->now, id);
    if (r == NULL || !r->has_body)
        return SP_EAGAIN;
    if (r->body_len > cap)
        return SP_EFULL;
    memcpy(dst, r->body, r->body_len);
    *len = r->body_len;
    return 0;
}

static inline int fakelocal_drop(void *self, struct sp_msgid id)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    f->drops++;
    struct fakelocal_row *r = fakelocal_find(f->now, id);
    if (r != NULL)
        r->is_used = false;
    return 0;
}

static inline int fakelocal_cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    f->now->state.epoch = epoch;
    f->now->state.cursor = upto;
    return 0;
}

static inline int fakelocal_sync(void *self)
{
    struct fakelocal *f = self;
    if (fakelocal_fault(f) != 0)
        return SP_EIO;
    f->syncs++;
    memcpy(f->disk, f->now, sizeof *f->disk);
    return 0;
}

static inline void fakelocal_init(struct fakelocal *f)
{
    *f = (struct fakelocal){.now = calloc(1, sizeof *f->now), .disk = calloc(1, sizeof *f->disk)};
    if (f->now == NULL || f->disk == NULL)
        abort();
    f->table = (struct sp_local){.self = f,
                                 .load = fakelocal_load,
                                 .next = fakelocal_next,
                                 .put = fakelocal_put,
                                 .read = fakelocal_read,
                                 .drop = fakelocal_drop,
                                 .cursor = fakelocal_cursor,
                                 .sync = fakelocal_sync};
}

/* What a kill -9 leaves. */
static inline void fakelocal_crash(struct fakelocal *f)
{
    memcpy(f->now, f->disk, sizeof *f->now);
    f->is_broken = false;
    f->fail_in = 0;
}

static inline size_t fakelocal_count(const struct fakelocal_image *i)
{
    size_t n = 0;
    for (size_t k = 0; k < FAKELOCAL_ROWS; k++)
        n += i->rows[k].is_used ? 1 : 0;
    return n;
}

static inline void fakelocal_wipe(struct fakelocal *f)
{
    free(f->now);
    free(f->disk);
}

#endif
