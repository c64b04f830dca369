#include "local_memory.h"

#include <sampan/err.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

struct row {
    struct row *next;
    struct sp_outgoing m; /* views point into bytes */
    uint8_t bytes[];      /* recipient, then body */
};
struct memory {
    struct sp_local_state state;
    struct row *buckets[BUCKETS];
};

static struct row **find(struct memory *l, struct sp_msgid id)
{
    struct row **at = &l->buckets[id.v % BUCKETS];
    while (*at != NULL && (*at)->m.msgid.v != id.v)
        at = &(*at)->next;
    return at;
}

static int load(void *self, struct sp_local_state *out)
{
    *out = ((struct memory *)self)->state;
    return 0;
}

static int next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    struct memory *l = self;
    const struct row *best = NULL;
    for (size_t b = 0; b < BUCKETS; b++)
        for (const struct row *r = l->buckets[b]; r != NULL; r = r->next)
            if (r->m.msgid.v > after.v && (best == NULL || r->m.msgid.v < best->m.msgid.v))
                best = r;
    if (best == NULL)
        return SP_EAGAIN;
    *out = best->m;
    return 0;
}

static int put(void *self, const struct sp_outgoing *m)
{
    struct memory *l = self;
    struct row **at = find(l, m->msgid);
    if (*at != NULL) {
        (*at)->m.state = m->state;
        (*at)->m.first_s = m->first_s;
        return 0;
    }
    struct row *r = calloc(1, sizeof *r + m->to.n + m->body.n);
    if (r == NULL)
        return SP_EIO;
    r->m = *m;
    r->m.to.p = r->bytes;
    r->m.body.p = r->bytes + m->to.n;
    memcpy(r->bytes, m->to.p, m->to.n);
    if (m->body.n > 0)
        memcpy(r->bytes + m->to.n, m->body.p, m->body.n);
    *at = r;
    if (m->msgid.v > l->state.last.v)
        l->state.last = m->msgid;
    if (l->state.install_epoch == 0)
        l->state.install_epoch = (uint32_t)(m->msgid.v >> 32);
    return 0;
}

static int read_body(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    const struct row *r = *find(self, id);
    if (r == NULL)
        return SP_EAGAIN;
    if (r->m.body.n > cap)
        return SP_EFULL;
    if (r->m.body.n > 0)
        memcpy(dst, r->m.body.p, r->m.body.n);
    *len = r->m.body.n;
    return 0;
}

static int drop(void *self, struct sp_msgid id)
{
    struct row **at = find(self, id), *gone = *at;
    if (gone != NULL) {
        *at = gone->next;
        free(gone);
    }
    return 0;
}

static int cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct memory *l = self;
    l->state.epoch = epoch;
    l->state.cursor = upto;
    return 0;
}

static int sync_nothing(void *self)
{
    (void)self;
    return 0;
}

int sp_local_memory_open(struct sp_local *out)
{
    struct memory *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SP_EIO;
    *out = (struct sp_local){.self = l,
                             .load = load,
                             .next = next,
                             .put = put,
                             .read = read_body,
                             .drop = drop,
                             .cursor = cursor,
                             .sync = sync_nothing};
    return 0;
}

void sp_local_memory_close(struct sp_local *local)
{
    struct memory *l = local->self;
    for (size_t b = 0; b < BUCKETS; b++) {
        while (l->buckets[b] != NULL)
            (void)drop(l, l->buckets[b]->m.msgid);
    }
    free(l);
    local->self = NULL;
}
