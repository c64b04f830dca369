#include "lmdb_key.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_view text(const char *s)
{
    return (struct sp_view){(const uint8_t *)s, strlen(s)};
}

static struct sp_view data_of(const struct sp_lmdb_value *v)
{
    return (struct sp_view){v->b + SP_LMDB_HEAD_LEN, v->n - SP_LMDB_HEAD_LEN};
}

static int order(const struct sp_lmdb_key *a, const struct sp_lmdb_key *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    return memcmp(a->b, b->b, n);
}

Test(lmdb_key, mkey_is_blake2b_of_kind_and_id)
{
    /* From Python: hashlib.blake2b(b"ubob", digest_size=16). */
    static const uint8_t bob[16] = {0x76, 0x34, 0xe1, 0x85, 0xea, 0xf1, 0x01, 0x94,
                                    0x11, 0xf2, 0x62, 0xe1, 0x38, 0x49, 0x5f, 0x23};
    struct sp_lmdb_mkey m = sp_lmdb_mkey(text("bob"));
    cr_assert_eq(memcmp(m.b, bob, sizeof(bob)), 0);
    struct sp_lmdb_mkey other = sp_lmdb_mkey(text("bo"));
    cr_assert_neq(memcmp(m.b, other.b, sizeof(m.b)), 0);
}

Test(lmdb_key, keys_sort_by_mailbox_and_number)
{
    struct sp_lmdb_mkey m = sp_lmdb_mkey(text("bob"));
    static const uint32_t seqs[] = {1, 2, 255, 256, 65535, 65536, UINT32_MAX};
    for (size_t i = 0; i + 1 < sizeof(seqs) / sizeof(seqs[0]); i++) {
        struct sp_lmdb_key a = sp_lmdb_key_box(&m, seqs[i], 255);
        struct sp_lmdb_key b = sp_lmdb_key_box(&m, seqs[i + 1], 0);
        cr_assert_lt(order(&a, &b), 0);
        a = sp_lmdb_key_tomb(&m, seqs[i]);
        b = sp_lmdb_key_tomb(&m, seqs[i + 1]);
        cr_assert_lt(order(&a, &b), 0);
        a = sp_lmdb_key_dedup(&m, 7, (uint64_t)seqs[i] << 20);
        b = sp_lmdb_key_dedup(&m, 7, (uint64_t)seqs[i + 1] << 20);
        cr_assert_lt(order(&a, &b), 0);
        a = sp_lmdb_key_dedup(&m, seqs[i], UINT64_MAX);
        b = sp_lmdb_key_dedup(&m, seqs[i + 1], 0);
        cr_assert_lt(order(&a, &b), 0);
    }
}

Test(lmdb_key, lengths_and_numbers)
{
    struct sp_lmdb_mkey m = sp_lmdb_mkey(text("bob"));
    struct sp_lmdb_key k = sp_lmdb_key_box(&m, 0x01020304, 9);
    cr_assert_eq(sp_lmdb_key_usr(&m).n, 16U);
    cr_assert_eq(sp_lmdb_key_dev(&m, 1).n, 20U);
    cr_assert_eq(sp_lmdb_key_dedup(&m, 1, 1).n, 28U);
    cr_assert_eq(sp_lmdb_key_share(&m, &m).n, 32U);
    cr_assert_eq(sp_lmdb_key_tomb(&m, 1).n, 20U);
    cr_assert_eq(sp_lmdb_key_meta("schema").n, 6U);
    cr_assert_eq(sp_lmdb_key_meta("a name that is longer than any key can be").n, 32U);
    cr_assert_eq(k.n, 21U);
    cr_assert_eq(k.b[16], 1);
    cr_assert_eq(sp_lmdb_key_number(&k, 16, 4), 0x01020304U);
    cr_assert_eq(sp_lmdb_key_number(&k, 20, 1), 9U);
}

Test(lmdb_key, usr_row_comes_back)
{
    struct sp_lmdb_usr in = {.id = text("bob"),
                             .head = 9,
                             .confirmed = 4,
                             .count = 5,
                             .max_count = 6,
                             .resets = 1ULL << 40,
                             .bytes = 1ULL << 35,
                             .max_bytes = 77,
                             .drop_oldest = true};
    struct sp_lmdb_usr out;
    struct sp_lmdb_value v;
    sp_lmdb_value_usr(&v, &in);
    cr_assert_eq(sp_lmdb_data_usr(data_of(&v), &out), 0);
    cr_assert_eq(out.id.n, 3U);
    cr_assert_eq(memcmp(out.id.p, "bob", 3), 0);
    in.id = out.id;
    cr_assert_eq(out.head, in.head);
    cr_assert_eq(out.confirmed, in.confirmed);
    cr_assert_eq(out.count, in.count);
    cr_assert_eq(out.max_count, in.max_count);
    cr_assert_eq(out.resets, in.resets);
    cr_assert_eq(out.bytes, in.bytes);
    cr_assert_eq(out.max_bytes, in.max_bytes);
    cr_assert(out.drop_oldest);
}

Test(lmdb_key, impossible_rows_are_corrupt)
{
    struct sp_lmdb_value v;
    struct sp_lmdb_usr usr = {.id = text("bob"), .head = 3, .confirmed = 4};
    sp_lmdb_value_usr(&v, &usr);
    cr_assert_eq(sp_lmdb_data_usr(data_of(&v), &usr), SP_ECORRUPT, "cursor above head");
    usr = (struct sp_lmdb_usr){.id = text("bob"), .drop_oldest = true};
    sp_lmdb_value_usr(&v, &usr);
    cr_assert_eq(sp_lmdb_data_usr(data_of(&v), &usr), 0);
    v.b[v.n - 5] = 2; /* before the length of "bob" */
    cr_assert_eq(sp_lmdb_data_usr(data_of(&v), &usr), SP_ECORRUPT, "an unknown flag");
    struct sp_lmdb_msg msg = {.from = {{text("ann")}, 1, {2}}, .body_n = SP_BODY_MAX + 1};
    sp_lmdb_value_msg(&v, &msg);
    cr_assert_eq(sp_lmdb_data_msg(data_of(&v), &msg), SP_ECORRUPT, "body too long");
    msg = (struct sp_lmdb_msg){.from = {{text("ann")}, 1, {2}}, .at_us = -1};
    sp_lmdb_value_msg(&v, &msg);
    cr_assert_eq(sp_lmdb_data_msg(data_of(&v), &msg), SP_ECORRUPT, "time before 1970");
}

/* Every decoder refuses every shorter and every longer piece of its own data. */
Test(lmdb_key, other_lengths_are_corrupt)
{
    struct sp_lmdb_value v[6];
    struct sp_lmdb_usr usr = {.id = text("bob")};
    struct sp_lmdb_dev dev = {1, 2, 3};
    struct sp_lmdb_dedup dedup = {.seq = 1};
    struct sp_lmdb_msg msg = {.from = {{text("ann")}, 1, {2}}};
    struct sp_lmdb_tomb tomb = {.lo = 1};
    struct sp_lmdb_share share = {1, 2};
    sp_lmdb_value_usr(&v[0], &usr);
    sp_lmdb_value_dev(&v[1], &dev);
    sp_lmdb_value_dedup(&v[2], &dedup);
    sp_lmdb_value_msg(&v[3], &msg);
    sp_lmdb_value_tomb(&v[4], &tomb);
    sp_lmdb_value_share(&v[5], &share);
    for (size_t i = 0; i < 6; i++) {
        size_t full = v[i].n - SP_LMDB_HEAD_LEN;
        v[i].b[v[i].n] = 0;
        for (size_t n = 0; n <= full + 1; n++) {
            struct sp_view d = {v[i].b + SP_LMDB_HEAD_LEN, n};
            int err[] = {sp_lmdb_data_usr(d, &usr),     sp_lmdb_data_dev(d, &dev),
                         sp_lmdb_data_dedup(d, &dedup), sp_lmdb_data_msg(d, &msg),
                         sp_lmdb_data_tomb(d, &tomb),   sp_lmdb_data_share(d, &share)};
            cr_assert_eq(err[i], n == full ? 0 : SP_ECORRUPT, "row %zu, %zu of %zu bytes", i, n, full);
        }
    }
}

Test(lmdb_key, a_sealed_value_opens_only_as_itself)
{
    struct sp_lmdb_value v;
    struct sp_view data;
    struct sp_view key = text("key");
    sp_lmdb_value_number(&v, 42);
    sp_lmdb_value_seal(&v, SP_LMDB_META, key);
    struct sp_view whole = {v.b, v.n};
    uint64_t number;
    cr_assert_eq(sp_lmdb_value_open(SP_LMDB_META, key, whole, &data), 0);
    cr_assert_eq(sp_lmdb_data_number(data, &number), 0);
    cr_assert_eq(number, 42U);
    cr_assert_eq(sp_lmdb_value_open(SP_LMDB_META, text("kez"), whole, &data), SP_ECORRUPT);
    cr_assert_eq(sp_lmdb_value_open(SP_LMDB_USR, key, whole, &data), SP_ECORRUPT);
    for (size_t n = 0; n < v.n; n++)
        cr_assert_eq(sp_lmdb_value_open(SP_LMDB_META, key, (struct sp_view){v.b, n}, &data), SP_ECORRUPT);
    for (size_t bit = 0; bit < v.n * 8; bit++) {
        v.b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_eq(sp_lmdb_value_open(SP_LMDB_META, key, whole, &data), SP_ECORRUPT, "bit %zu", bit);
        v.b[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

Test(lmdb_key, no_value_needs_an_overflow_page)
{
    uint8_t part[SP_LMDB_PART_MAX] = {0};
    struct sp_lmdb_value v;
    sp_lmdb_value_part(&v, (struct sp_view){part, sizeof(part)});
    cr_assert_eq(v.n, (size_t)SP_LMDB_VALUE_MAX);
    cr_assert_lt(v.n + sizeof(((struct sp_lmdb_key *)0)->b) + 8, 2038U);
}
