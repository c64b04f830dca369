/* mp.h: what the scan takes and refuses, as a table; reader and writer at every boundary of their forms. The
 * frozen vectors of the same scan are in tests/vectors. */
#include "mp.h"

#include "hex.h"

#include <sampan/err.h>

#define BIG 70000

static const struct scan_row {
    const char *name, *hex;
    int verdict; /* with 256 objects */
} scan_rows[] = {
    {"empty map", "80", 0},
    {"rising keys", "83 0101 0202 0303", 0},
    {"falling keys", "83 0301 0202 0103", 0},
    {"maps and lists", "82 01 82 00 90 a1 61 80 02 92 c0 92 c2 c3", 0},
    {"inner keys of any type", "81 01 85 c0 00 c2 00 ff 00 ca 00000000 00 91 01 00", 0},
    {"the same key in two maps", "82 01 81 07 00 02 81 07 00", 0},
    {"the same key in a map and its map", "81 01 81 01 00", 0},
    {"a list may hold equal things", "81 01 93 05 05 05", 0},
    {"depth 8, scalar", "81 01 91 91 91 91 91 91 00", 0},
    {"depth 8, empty map", "81 01 91 91 91 91 91 91 80", 0},
    {"depth 9", "81 01 91 91 91 91 91 91 91 00", SP_EBIG},
    {"nothing", "-", SP_EMALFORMED},
    {"top: list", "90", SP_EMALFORMED},
    {"top: number", "01", SP_EMALFORMED},
    {"top: nil", "c0", SP_EMALFORMED},
    {"top key: text", "81 a1 61 00", SP_EMALFORMED},
    {"top key: below zero", "81 ff 00", SP_EMALFORMED},
    {"top key: map", "81 80 00", SP_EMALFORMED},
    {"one byte more", "80 80", SP_EMALFORMED},
    {"value missing", "81 01", SP_EMALFORMED},
    {"key missing", "81", SP_EMALFORMED},
    {"key twice in a row", "82 01 00 01 00", SP_EMALFORMED},
    {"key twice, apart", "83 01 00 02 00 01 00", SP_EMALFORMED},
    {"key twice, inner", "81 01 83 a1 61 00 a1 62 00 a1 61 00", SP_EMALFORMED},
    {"key twice: lists", "81 01 82 91 05 00 91 05 00", SP_EMALFORMED},
    {"key twice after a map as its value", "82 01 81 09 00 01 00", SP_EMALFORMED},
    {"str promises more", "81 01 a5 61 62", SP_EMALFORMED},
    {"bin promises more", "81 01 c4 05 61 62", SP_EMALFORMED},
    {"list promises more", "81 01 92 01", SP_EMALFORMED},
    {"map promises more", "81 01 81 01", SP_EMALFORMED},
    {"list of 2^32 - 1", "81 01 dd ffffffff", SP_EMALFORMED},
    {"map of 2^31: twice is 2^32", "81 01 df 80000000", SP_EMALFORMED},
    {"counts together above the input", "81 01 96 95 00 94 00 93 00 00", SP_EMALFORMED},
    {"ext", "81 01 d4 01 00", SP_EMALFORMED},
    {"timestamp", "81 01 d6 ff 00000000", SP_EMALFORMED},
    {"unused", "81 01 c1", SP_EMALFORMED},
    {"uint32 cut off", "81 01 ce 000100", SP_EMALFORMED},
    {"str8 of 31", "81 01 d9 1f 61616161616161616161616161616161616161616161616161616161616161",
     SP_EMALFORMED},
    {"int64 above -2^31 - 1", "81 01 d3 ffffffff80000000", SP_EMALFORMED},
    {"int64 of -2^31 - 1", "81 01 d3 ffffffff7fffffff", 0},
};

Test(mp, scan)
{
    for (size_t i = 0; i < sizeof scan_rows / sizeof scan_rows[0]; i++) {
        const struct scan_row *row = &scan_rows[i];
        uint8_t bytes[64];
        size_t n = sp_hex_read(row->hex, bytes, sizeof bytes);
        uint8_t *exact = sp_hex_exact(bytes, n);
        int got = sp_mp_scan((struct sp_view){exact, n}, SP_MP_CTRL_OBJECTS_MAX);
        int want = row->verdict;
        cr_expect_eq(got, want, "%s: %s, not %s", row->name, sp_err_name(got), sp_err_name(want));
        free(exact);
    }
}

/* Every beginning of a good map is refused. */
Test(mp, scan_of_all_prefixes)
{
    uint8_t bytes[64];
    size_t n =
        sp_hex_read("82 01 83 a2 6162 c4 02 0102 cd 0100 d1 ff7f c0 cb 0000000000000000 02 92 81 05 c2 c3",
                    bytes, sizeof bytes);
    cr_assert_eq(sp_mp_scan((struct sp_view){bytes, n}, 256), 0);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = sp_hex_exact(bytes, cut);
        cr_expect_eq(sp_mp_scan((struct sp_view){exact, cut}, 256), SP_EMALFORMED, "cut at %zu", cut);
        free(exact);
    }
}

/* A map of `pairs` whose keys are given by `key`. */
static struct sp_writer map_of(uint8_t *dst, uint32_t pairs, uint64_t (*key)(uint32_t i, uint32_t pairs))
{
    struct sp_writer w = sp_bytes_writer(dst, BIG);
    sp_mp_put_map(&w, pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        sp_mp_put_uint(&w, key(i, pairs));
        sp_mp_put_bool(&w, i % 2 == 0);
    }
    cr_assert_not(w.is_full);
    return w;
}

static uint64_t falling(uint32_t i, uint32_t pairs)
{
    return pairs - i;
}

static uint64_t scattered(uint32_t i, uint32_t pairs)
{
    (void)pairs;
    return (i * 40503U) & 0xffff;
}

static uint64_t last_like_fifth(uint32_t i, uint32_t pairs)
{
    return scattered(i == pairs - 1 ? 5 : i, pairs);
}

Test(mp, objects_and_keys_at_their_maximum)
{
    static uint8_t bytes[BIG];
    struct sp_writer w = map_of(bytes, 2047, falling); /* 4,095 objects */
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_OBJECTS_MAX), 0);
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), 4095), 0);
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), 4094), SP_EBIG);
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_CTRL_OBJECTS_MAX), SP_EBIG);
    w = map_of(bytes, 2047, scattered);
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_OBJECTS_MAX), 0);
    w = map_of(bytes, 2048, scattered); /* 4,097 */
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_OBJECTS_MAX), SP_EBIG);
    w = map_of(bytes, 127, falling); /* 255 */
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_CTRL_OBJECTS_MAX), 0);
    size_t n = sp_hex_read("82 01 a2 6162", bytes, sizeof bytes); /* ends where the fourth object begins */
    cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, n), 3), SP_EMALFORMED);
    for (uint32_t pairs = 7; pairs <= 2047; pairs += 5) {
        w = map_of(bytes, pairs, last_like_fifth);
        cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_OBJECTS_MAX), SP_EMALFORMED);
    }
}

/* Any two equal keys of a map are found, wherever they stand. */
Test(mp, each_pair_of_equal_keys)
{
    static uint8_t bytes[BIG];
    static const uint8_t order[12] = {7, 3, 11, 0, 9, 5, 1, 10, 2, 8, 6, 4};
    for (size_t a = 0; a < 12; a++) {
        for (size_t b = 0; b < 12; b++) {
            struct sp_writer w = sp_bytes_writer(bytes, BIG);
            sp_mp_put_map(&w, 12);
            for (size_t i = 0; i < 12; i++) {
                sp_mp_put_uint(&w, i == b ? order[a] : order[i]);
                sp_mp_put_uint(&w, 0);
            }
            cr_assert_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), 256), a == b ? 0 : SP_EMALFORMED);
        }
    }
}

Test(mp, bytes_at_their_maximum)
{
    static uint8_t bytes[BIG], body[BIG];
    for (size_t n = SP_MP_BYTES_MAX - 1; n <= SP_MP_BYTES_MAX + 1; n++) {
        struct sp_writer w = sp_bytes_writer(bytes, BIG);
        sp_mp_put_map(&w, 1);
        sp_mp_put_uint(&w, 1);
        sp_mp_put_bin(&w, sp_bytes_view(body, n - 5));
        cr_assert_eq(w.len, n);
        int want = n <= SP_MP_BYTES_MAX ? 0 : SP_EBIG;
        cr_expect_eq(sp_mp_scan(sp_bytes_view(bytes, w.len), SP_MP_OBJECTS_MAX), want, "%zu bytes", n);
    }
}

/* Numbers on both sides of each change of form. */
static const struct item_row {
    enum sp_mp_type type;
    uint64_t number;
    const char *hex;
} item_rows[] = {
    {SP_MP_NIL, 0, "c0"},
    {SP_MP_BOOL, 0, "c2"},
    {SP_MP_BOOL, 1, "c3"},
    {SP_MP_UINT, 0, "00"},
    {SP_MP_UINT, 0x7f, "7f"},
    {SP_MP_UINT, 0x80, "cc80"},
    {SP_MP_UINT, 0xff, "ccff"},
    {SP_MP_UINT, 0x100, "cd0100"},
    {SP_MP_UINT, 0xffff, "cdffff"},
    {SP_MP_UINT, 0x10000, "ce00010000"},
    {SP_MP_UINT, 0xffffffff, "ceffffffff"},
    {SP_MP_UINT, 0x100000000, "cf0000000100000000"},
    {SP_MP_UINT, UINT64_MAX, "cfffffffffffffffff"},
    {SP_MP_INT, (uint64_t)-1, "ff"},
    {SP_MP_INT, (uint64_t)-32, "e0"},
    {SP_MP_INT, (uint64_t)-33, "d0df"},
    {SP_MP_INT, (uint64_t)-128, "d080"},
    {SP_MP_INT, (uint64_t)-129, "d1ff7f"},
    {SP_MP_INT, (uint64_t)-32768, "d18000"},
    {SP_MP_INT, (uint64_t)-32769, "d2ffff7fff"},
    {SP_MP_INT, (uint64_t)INT32_MIN, "d280000000"},
    {SP_MP_INT, (uint64_t)INT32_MIN - 1, "d3ffffffff7fffffff"},
    {SP_MP_INT, (uint64_t)INT64_MIN, "d38000000000000000"},
    {SP_MP_FLOAT32, 0x3f800000, "ca3f800000"},
    {SP_MP_FLOAT64, 0x7ff8000000000001, "cb7ff8000000000001"},
};

Test(mp, items_both_ways)
{
    for (size_t i = 0; i < sizeof item_rows / sizeof item_rows[0]; i++) {
        const struct item_row *row = &item_rows[i];
        uint8_t want[16], got[16];
        size_t n = sp_hex_read(row->hex, want, sizeof want);
        struct sp_mp_item in = {.type = row->type, .number = row->number}, out;
        struct sp_writer w = sp_bytes_writer(got, sizeof got);
        sp_mp_put(&w, &in);
        cr_assert_eq(w.len, n, "%s", row->hex);
        cr_assert_arr_eq(got, want, n, "%s", row->hex);
        uint8_t *exact = sp_hex_exact(want, n);
        struct sp_reader r = sp_bytes_reader(sp_bytes_view(exact, n));
        cr_assert_eq(sp_mp_next(&r, &out), 0, "%s", row->hex);
        cr_assert_eq(out.type, row->type, "%s", row->hex);
        cr_assert_eq(out.number, row->number, "%s", row->hex);
        cr_assert_eq(r.left, 0);
        free(exact);
    }
}

/* Lengths and counts, on both sides of each change of form. */
static const struct length_row {
    enum sp_mp_type type;
    uint32_t n;
    const char *head;
} length_rows[] = {
    {SP_MP_STR, 0, "a0"},
    {SP_MP_STR, 31, "bf"},
    {SP_MP_STR, 32, "d920"},
    {SP_MP_STR, 255, "d9ff"},
    {SP_MP_STR, 256, "da0100"},
    {SP_MP_STR, 65535, "daffff"},
    {SP_MP_STR, 65536, "db00010000"},
    {SP_MP_BIN, 0, "c400"},
    {SP_MP_BIN, 255, "c4ff"},
    {SP_MP_BIN, 256, "c50100"},
    {SP_MP_BIN, 65535, "c5ffff"},
    {SP_MP_BIN, 65536, "c600010000"},
    {SP_MP_ARRAY, 0, "90"},
    {SP_MP_ARRAY, 15, "9f"},
    {SP_MP_ARRAY, 16, "dc0010"},
    {SP_MP_ARRAY, 65535, "dcffff"},
    {SP_MP_ARRAY, 65536, "dd00010000"},
    {SP_MP_MAP, 0, "80"},
    {SP_MP_MAP, 15, "8f"},
    {SP_MP_MAP, 16, "de0010"},
    {SP_MP_MAP, 32767, "de7fff"},
};

Test(mp, lengths_both_ways)
{
    static uint8_t bytes[2 * BIG], zeros[BIG];
    for (size_t i = 0; i < sizeof length_rows / sizeof length_rows[0]; i++) {
        const struct length_row *row = &length_rows[i];
        bool has_bytes = row->type == SP_MP_STR || row->type == SP_MP_BIN;
        struct sp_mp_item in = {.type = row->type}, out;
        uint8_t head[8];
        size_t head_n = sp_hex_read(row->head, head, sizeof head);
        struct sp_writer w = sp_bytes_writer(bytes, sizeof bytes);
        if (has_bytes)
            in.bytes = sp_bytes_view(zeros, row->n);
        else
            in.number = row->n;
        sp_mp_put(&w, &in);
        cr_assert_eq(w.len, head_n + (has_bytes ? row->n : 0), "%s", row->head);
        cr_assert_arr_eq(bytes, head, head_n, "%s", row->head);
        size_t all = has_bytes ? w.len : head_n + (row->type == SP_MP_MAP ? 2 : 1) * (size_t)row->n;
        memset(bytes + head_n, 0, all - head_n);
        struct sp_reader r = sp_bytes_reader(sp_bytes_view(bytes, all));
        cr_assert_eq(sp_mp_next(&r, &out), 0, "%s", row->head);
        cr_assert_eq(out.type, row->type);
        cr_assert_eq(has_bytes ? out.bytes.n : out.number, row->n);
        r = sp_bytes_reader(sp_bytes_view(bytes, all));
        cr_assert_eq(sp_mp_skip(&r), 0, "%s", row->head);
        cr_assert_eq(r.left, 0);
        r = sp_bytes_reader(sp_bytes_view(bytes, all - (row->n > 0)));
        cr_assert_eq(sp_mp_skip(&r), row->n > 0 ? SP_EMALFORMED : 0, "%s cut", row->head);
    }
}

Test(mp, what_does_not_fit_is_not_written)
{
    static uint8_t zeros[BIG];
    static const enum sp_mp_type types[] = {SP_MP_UINT, SP_MP_INT, SP_MP_STR, SP_MP_BIN, SP_MP_ARRAY};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        uint8_t room[8];
        struct sp_mp_item item = {.type = types[i], .number = (uint64_t)INT64_MIN, .bytes = {zeros, 6}};
        if (types[i] == SP_MP_ARRAY)
            item.number = 65536;
        struct sp_writer w = sp_bytes_writer(room, types[i] == SP_MP_ARRAY ? 4 : 6);
        sp_mp_put(&w, &item);
        cr_assert(w.is_full, "type %d", types[i]);
    }
}

Test(mp, a_bad_reader_stays_bad)
{
    static const uint8_t bytes[] = {0xc1, 0x01};
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(bytes, sizeof bytes));
    struct sp_mp_item item = {.number = 77};
    cr_assert_eq(sp_mp_next(&r, &item), SP_EMALFORMED);
    cr_assert(r.is_bad);
    cr_assert_eq(item.number, 77U, "untouched");
    cr_assert_eq(sp_mp_next(&r, &item), SP_EMALFORMED);
    cr_assert_eq(sp_mp_skip(&r), SP_EMALFORMED);
}
