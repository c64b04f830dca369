/* Keys and values of the LMDB engine, byte by byte. */
#include "lmdb_key.h"

#include "crc32c.h"

#include <sodium.h>
#include <string.h>

#define VERSION    1
#define KIND_USER  'u' /* kinds of mailboxes; others come with back ends */
#define LIMIT_FLAG 1U
#define CRC_LEN    4
#define VERSION_AT 4
#define KIND_AT    5

/* ---- numbers ---- */

static void put_number(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

static uint64_t get_number(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* ---- keys ---- */

struct sp_lmdb_mkey sp_lmdb_mkey(struct sp_view id)
{
    static const uint8_t kind = KIND_USER;
    struct sp_lmdb_mkey m;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof(m.b));
    (void)crypto_generichash_update(&state, &kind, 1);
    (void)crypto_generichash_update(&state, id.p, id.n);
    (void)crypto_generichash_final(&state, m.b, sizeof(m.b));
    return m;
}

static void key_bytes(struct sp_lmdb_key *k, const void *p, size_t n)
{
    memcpy(k->b + k->n, p, n);
    k->n += n;
}

static void key_number(struct sp_lmdb_key *k, uint64_t v, size_t n)
{
    put_number(k->b + k->n, v, n);
    k->n += n;
}

struct sp_lmdb_key sp_lmdb_key_meta(const char *name)
{
    struct sp_lmdb_key k = {.n = 0};
    size_t n = strlen(name);
    key_bytes(&k, name, n < sizeof(k.b) ? n : sizeof(k.b));
    return k;
}

struct sp_lmdb_key sp_lmdb_key_usr(const struct sp_lmdb_mkey *m)
{
    struct sp_lmdb_key k = {.n = 0};
    key_bytes(&k, m->b, sizeof(m->b));
    return k;
}

struct sp_lmdb_key sp_lmdb_key_dev(const struct sp_lmdb_mkey *m, uint32_t device)
{
    struct sp_lmdb_key k = sp_lmdb_key_usr(m);
    key_number(&k, device, 4);
    return k;
}

struct sp_lmdb_key sp_lmdb_key_dedup(const struct sp_lmdb_mkey *m, uint32_t device, uint64_t msgid)
{
    struct sp_lmdb_key k = sp_lmdb_key_dev(m, device);
    key_number(&k, msgid, 8);
    return k;
}

struct sp_lmdb_key sp_lmdb_key_box(const struct sp_lmdb_mkey *m, uint32_t seq, uint8_t part)
{
    struct sp_lmdb_key k = sp_lmdb_key_usr(m);
    key_number(&k, seq, 4);
    key_number(&k, part, 1);
    return k;
}

struct sp_lmdb_key sp_lmdb_key_tomb(const struct sp_lmdb_mkey *m, uint32_t hi)
{
    struct sp_lmdb_key k = sp_lmdb_key_usr(m);
    key_number(&k, hi, 4);
    return k;
}

struct sp_lmdb_key sp_lmdb_key_share(const struct sp_lmdb_mkey *box, const struct sp_lmdb_mkey *sender)
{
    struct sp_lmdb_key k = sp_lmdb_key_usr(box);
    key_bytes(&k, sender->b, sizeof(sender->b));
    return k;
}

uint64_t sp_lmdb_key_number(const struct sp_lmdb_key *k, size_t at, size_t n)
{
    return get_number(k->b + at, n);
}

/* ---- encoders ---- */

static void begin(struct sp_lmdb_value *v)
{
    memset(v->b, 0, SP_LMDB_HEAD_LEN);
    v->n = SP_LMDB_HEAD_LEN;
}

static void add_number(struct sp_lmdb_value *v, uint64_t number, size_t n)
{
    put_number(v->b + v->n, number, n);
    v->n += n;
}

static void add_bytes(struct sp_lmdb_value *v, const void *p, size_t n)
{
    memcpy(v->b + v->n, p, n);
    v->n += n;
}

static void add_id(struct sp_lmdb_value *v, struct sp_view id)
{
    add_number(v, id.n, 1);
    add_bytes(v, id.p, id.n);
}

void sp_lmdb_value_number(struct sp_lmdb_value *v, uint64_t number)
{
    begin(v);
    add_number(v, number, 8);
}

void sp_lmdb_value_usr(struct sp_lmdb_value *v, const struct sp_lmdb_usr *row)
{
    begin(v);
    add_number(v, row->head, 4);
    add_number(v, row->confirmed, 4);
    add_number(v, row->resets, 8);
    add_number(v, row->count, 4);
    add_number(v, row->bytes, 8);
    add_number(v, row->max_count, 4);
    add_number(v, row->max_bytes, 8);
    add_number(v, row->drop_oldest ? LIMIT_FLAG : 0, 1);
    add_id(v, row->id);
}

void sp_lmdb_value_dev(struct sp_lmdb_value *v, const struct sp_lmdb_dev *row)
{
    begin(v);
    add_number(v, row->last, 8);
    add_number(v, row->finished, 8);
    add_number(v, row->floor, 8);
}

void sp_lmdb_value_dedup(struct sp_lmdb_value *v, const struct sp_lmdb_dedup *row)
{
    begin(v);
    add_bytes(v, row->hash, sizeof(row->hash));
    add_bytes(v, row->to.b, sizeof(row->to.b));
    add_number(v, row->seq, 4);
    add_number(v, (uint64_t)row->at_us, 8);
    add_number(v, row->state, 1);
}

void sp_lmdb_value_msg(struct sp_lmdb_value *v, const struct sp_lmdb_msg *row)
{
    begin(v);
    add_number(v, row->from.device, 4);
    add_number(v, row->from.msgid.v, 8);
    add_number(v, (uint64_t)row->at_us, 8);
    add_number(v, (uint64_t)row->expires_us, 8);
    add_number(v, row->body_n, 4);
    add_id(v, row->from.user.id);
}

void sp_lmdb_value_part(struct sp_lmdb_value *v, struct sp_view part)
{
    begin(v);
    add_bytes(v, part.p, part.n);
}

void sp_lmdb_value_tomb(struct sp_lmdb_value *v, const struct sp_lmdb_tomb *row)
{
    begin(v);
    add_number(v, row->lo, 4);
    add_number(v, row->why, 1);
    add_number(v, (uint64_t)row->at_us, 8);
}

void sp_lmdb_value_share(struct sp_lmdb_value *v, const struct sp_lmdb_share *row)
{
    begin(v);
    add_number(v, row->count, 4);
    add_number(v, row->bytes, 8);
}

static uint32_t crc_of(struct sp_view key, const uint8_t *value, size_t n)
{
    uint32_t crc = sp_crc32c(0, key.p, key.n);
    return sp_crc32c(crc, value + CRC_LEN, n - CRC_LEN);
}

void sp_lmdb_value_seal(struct sp_lmdb_value *v, enum sp_lmdb_tree tree, struct sp_view key)
{
    v->b[VERSION_AT] = VERSION;
    v->b[KIND_AT] = (uint8_t)(tree + 1);
    put_number(v->b, crc_of(key, v->b, v->n), CRC_LEN);
}

int sp_lmdb_value_open(enum sp_lmdb_tree tree, struct sp_view key, struct sp_view value, struct sp_view *data)
{
    if (value.n < SP_LMDB_HEAD_LEN || value.n > SP_LMDB_VALUE_MAX)
        return SP_ECORRUPT;
    if (get_number(value.p, CRC_LEN) != crc_of(key, value.p, value.n))
        return SP_ECORRUPT;
    if (value.p[VERSION_AT] != VERSION)
        return SP_EVERSION;
    if (value.p[KIND_AT] != (uint8_t)(tree + 1))
        return SP_ECORRUPT;
    *data = (struct sp_view){value.p + SP_LMDB_HEAD_LEN, value.n - SP_LMDB_HEAD_LEN};
    return 0;
}

/* ---- decoders: a reader that remembers its first error ---- */

struct reader {
    struct sp_view in;
    bool bad;
};

static uint64_t take_number(struct reader *r, size_t n)
{
    if (r->bad || r->in.n < n) {
        r->bad = true;
        return 0;
    }
    uint64_t v = get_number(r->in.p, n);
    r->in = (struct sp_view){r->in.p + n, r->in.n - n};
    return v;
}

static uint32_t take_u32(struct reader *r)
{
    return (uint32_t)take_number(r, 4);
}

static int64_t take_time(struct reader *r)
{
    uint64_t v = take_number(r, 8);
    if (v > INT64_MAX)
        r->bad = true;
    return r->bad ? 0 : (int64_t)v;
}

static void take_bytes(struct reader *r, void *dst, size_t n)
{
    if (r->bad || r->in.n < n) {
        r->bad = true;
        return;
    }
    memcpy(dst, r->in.p, n);
    r->in = (struct sp_view){r->in.p + n, r->in.n - n};
}

static struct sp_view take_id(struct reader *r)
{
    size_t n = (size_t)take_number(r, 1);
    if (r->bad || n < 1 || n > SP_STORE_ID_MAX || r->in.n < n) {
        r->bad = true;
        return (struct sp_view){0};
    }
    struct sp_view id = {r->in.p, n};
    r->in = (struct sp_view){r->in.p + n, r->in.n - n};
    return id;
}

static int finish(const struct reader *r)
{
    return r->bad || r->in.n > 0 ? SP_ECORRUPT : 0;
}

int sp_lmdb_data_number(struct sp_view data, uint64_t *number)
{
    struct reader r = {.in = data};
    *number = take_number(&r, 8);
    return finish(&r);
}

int sp_lmdb_data_usr(struct sp_view data, struct sp_lmdb_usr *row)
{
    struct reader r = {.in = data};
    row->head = take_u32(&r);
    row->confirmed = take_u32(&r);
    row->resets = take_number(&r, 8);
    row->count = take_u32(&r);
    row->bytes = take_number(&r, 8);
    row->max_count = take_u32(&r);
    row->max_bytes = take_number(&r, 8);
    uint64_t flags = take_number(&r, 1);
    row->drop_oldest = flags == LIMIT_FLAG;
    row->id = take_id(&r);
    if (row->confirmed > row->head || flags > LIMIT_FLAG)
        r.bad = true;
    return finish(&r);
}

int sp_lmdb_data_dev(struct sp_view data, struct sp_lmdb_dev *row)
{
    struct reader r = {.in = data};
    row->last = take_number(&r, 8);
    row->finished = take_number(&r, 8);
    row->floor = take_number(&r, 8);
    return finish(&r);
}

int sp_lmdb_data_dedup(struct sp_view data, struct sp_lmdb_dedup *row)
{
    struct reader r = {.in = data};
    take_bytes(&r, row->hash, sizeof(row->hash));
    take_bytes(&r, row->to.b, sizeof(row->to.b));
    row->seq = take_u32(&r);
    row->at_us = take_time(&r);
    row->state = (uint8_t)take_number(&r, 1);
    return finish(&r);
}

int sp_lmdb_data_msg(struct sp_view data, struct sp_lmdb_msg *row)
{
    struct reader r = {.in = data};
    row->from.device = take_u32(&r);
    row->from.msgid.v = take_number(&r, 8);
    row->at_us = take_time(&r);
    row->expires_us = take_time(&r);
    row->body_n = take_u32(&r);
    row->from.user.id = take_id(&r);
    if (row->body_n > SP_BODY_MAX)
        r.bad = true;
    return finish(&r);
}

int sp_lmdb_data_tomb(struct sp_view data, struct sp_lmdb_tomb *row)
{
    struct reader r = {.in = data};
    row->lo = take_u32(&r);
    row->why = (uint8_t)take_number(&r, 1);
    row->at_us = take_time(&r);
    return finish(&r);
}

int sp_lmdb_data_share(struct sp_view data, struct sp_lmdb_share *row)
{
    struct reader r = {.in = data};
    row->count = take_u32(&r);
    row->bytes = take_number(&r, 8);
    return finish(&r);
}
