/* Users, devices, rows and slots of the reference model. */
#include "mem_model.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_MIN 64U
#define ARRAY_MIN  16U

/* FNV-1a (IETF draft-eastlake-fnv): the model needs no defense against chosen ids. */
static size_t hash_of(struct sp_user id)
{
    uint64_t h = 14695981039346656037ULL;
    for (size_t i = 0; i < id.id.n; i++)
        h = (h ^ id.id.p[i]) * 1099511628211ULL;
    return (size_t)(h ^ (h >> 32));
}

int sp_mem_model_init(struct sp_mem_model *m, uint32_t head_start)
{
    *m = (struct sp_mem_model){.head_start = head_start, .chains_n = CHAINS_MIN};
    m->chains = calloc(CHAINS_MIN, sizeof(struct sp_mem_user *));
    return m->chains ? 0 : SP_EIO;
}

static void destroy_user(struct sp_mem_user *u)
{
    for (uint32_t seq = u->start + 1; seq <= u->head && seq > u->start; seq++)
        sp_mem_model_forget(sp_mem_model_slot(u, seq));
    while (u->devices) {
        struct sp_mem_device *d = u->devices;
        u->devices = d->next;
        free(d->rows);
        free(d);
    }
    free(u->slots);
    free(u);
}

void sp_mem_model_wipe(struct sp_mem_model *m)
{
    for (size_t i = 0; i < m->chains_n; i++) {
        while (m->chains[i]) {
            struct sp_mem_user *u = m->chains[i];
            m->chains[i] = u->next;
            destroy_user(u);
        }
    }
    free(m->chains);
    *m = (struct sp_mem_model){0};
}

struct sp_mem_user *sp_mem_model_find(const struct sp_mem_model *m, struct sp_user id)
{
    struct sp_mem_user *u = m->chains[hash_of(id) & (m->chains_n - 1)];
    while (u && !(u->id.id.n == id.id.n && memcmp(u->id.id.p, id.id.p, id.id.n) == 0))
        u = u->next;
    return u;
}

static void link_user(struct sp_mem_model *m, struct sp_mem_user *u)
{
    struct sp_mem_user **at = &m->chains[hash_of(u->id) & (m->chains_n - 1)];
    u->next = *at;
    *at = u;
}

/* Doubles the table when full.  No memory: longer chains. */
static void grow(struct sp_mem_model *m)
{
    if (m->users_n < m->chains_n)
        return;
    struct sp_mem_model fresh = {.chains_n = m->chains_n * 2};
    fresh.chains = calloc(fresh.chains_n, sizeof(struct sp_mem_user *));
    if (!fresh.chains)
        return;
    for (size_t i = 0; i < m->chains_n; i++) {
        while (m->chains[i]) {
            struct sp_mem_user *u = m->chains[i];
            m->chains[i] = u->next;
            link_user(&fresh, u);
        }
    }
    free(m->chains);
    m->chains = fresh.chains;
    m->chains_n = fresh.chains_n;
}

struct sp_mem_user *sp_mem_model_get(struct sp_mem_model *m, struct sp_user id)
{
    struct sp_mem_user *u = sp_mem_model_find(m, id);
    if (u)
        return u;
    u = malloc(sizeof(*u) + id.id.n);
    if (!u)
        return NULL;
    uint8_t *bytes = (uint8_t *)(u + 1);
    memcpy(bytes, id.id.p, id.id.n);
    *u = (struct sp_mem_user){
        .id = {{bytes, id.id.n}}, .start = m->head_start, .head = m->head_start, .confirmed = m->head_start};
    grow(m);
    link_user(m, u);
    m->users_n++;
    return u;
}

struct sp_mem_device *sp_mem_model_device(const struct sp_mem_user *u, uint32_t device)
{
    struct sp_mem_device *d = u ? u->devices : NULL;
    while (d && d->device != device)
        d = d->next;
    return d;
}

struct sp_mem_device *sp_mem_model_device_get(struct sp_mem_user *u, uint32_t device)
{
    struct sp_mem_device *d = sp_mem_model_device(u, device);
    if (d || !u)
        return d;
    d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->device = device;
    d->next = u->devices;
    u->devices = d;
    return d;
}

size_t sp_mem_model_row_at(const struct sp_mem_device *d, struct sp_msgid id)
{
    size_t lo = 0;
    size_t hi = d->rows_n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->rows[mid].msgid.v < id.v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sp_mem_row *sp_mem_model_row(const struct sp_mem_device *d, struct sp_msgid id)
{
    if (!d)
        return NULL;
    size_t i = sp_mem_model_row_at(d, id);
    return i < d->rows_n && d->rows[i].msgid.v == id.v ? &d->rows[i] : NULL;
}

int sp_mem_model_row_add(struct sp_mem_device *d, const struct sp_mem_row *row)
{
    if (d->rows_n == d->rows_cap) {
        size_t cap = d->rows_cap ? d->rows_cap * 2 : ARRAY_MIN;
        struct sp_mem_row *grown = realloc(d->rows, cap * sizeof(*grown));
        if (!grown)
            return SP_EBUSY;
        d->rows = grown;
        d->rows_cap = cap;
    }
    size_t i = sp_mem_model_row_at(d, row->msgid);
    memmove(&d->rows[i + 1], &d->rows[i], (d->rows_n - i) * sizeof(*row));
    d->rows[i] = *row;
    d->rows_n++;
    return 0;
}

void sp_mem_model_rows_cut(struct sp_mem_device *d, size_t lo, size_t hi)
{
    if (lo >= hi)
        return;
    memmove(&d->rows[lo], &d->rows[hi], (d->rows_n - hi) * sizeof(*d->rows));
    d->rows_n -= hi - lo;
}

struct sp_mem_slot *sp_mem_model_slot(const struct sp_mem_user *u, uint32_t seq)
{
    return &u->slots[seq - u->start - 1];
}

struct sp_mem_slot *sp_mem_model_slot_next(struct sp_mem_user *u)
{
    size_t i = u->head - u->start;
    if (i == u->slots_cap) {
        size_t cap = u->slots_cap ? u->slots_cap * 2 : ARRAY_MIN;
        struct sp_mem_slot *grown = realloc(u->slots, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        u->slots = grown;
        u->slots_cap = cap;
    }
    u->slots[i] = (struct sp_mem_slot){0};
    return &u->slots[i];
}

struct sp_mem_msg *sp_mem_model_msg(const struct sp_mem_msg *like, struct sp_view body)
{
    struct sp_mem_msg *m = malloc(sizeof(*m));
    if (!m)
        return NULL;
    *m = *like;
    m->body_n = body.n;
    m->body = malloc(body.n + 1); /* never a request for 0 bytes */
    if (!m->body) {
        free(m);
        return NULL;
    }
    if (body.n > 0)
        memcpy(m->body, body.p, body.n);
    return m;
}

void sp_mem_model_forget(struct sp_mem_slot *s)
{
    if (!s->msg)
        return;
    free(s->msg->body);
    free(s->msg);
    s->msg = NULL;
}
