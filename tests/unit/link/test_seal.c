/* seal.c: packet numbers on the wire, sealing and opening, key phases. */
#include "seal.h"

#include <sampan/err.h>

#include "crypto_sodium.h"
#include "hex.h"
#include "rng.h"

#define TOP  ((((uint64_t)1) << 62) - 1)
#define HOUR (3600 * SP_SECOND)

static const uint8_t cid[8] = {0, 1, 2, 3, 4, 5, 6, 7};
static const uint8_t key[SP_KEY_LEN] = {1, 2, 3};

static struct sp_rng random_stream(uint8_t fill)
{
    struct sp_rng r;
    uint8_t seed[32];
    memset(seed, fill, sizeof seed);
    sp_rng_init(&r, sp_crypto_sodium(), seed);
    return r;
}

static struct sp_seal fresh(enum sp_dir dir)
{
    struct sp_seal s;
    sp_seal_init(&s, sp_crypto_sodium(), key, dir, 0);
    return s;
}

/* ---- numbers ---- */

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Section 3: of all numbers with these bits the nearest; no number with the same bits lies nearer. */
static void check_nearest(uint64_t expected, uint16_t low)
{
    uint64_t n = sp_seal_number(expected, low);
    cr_assert_leq(n, TOP);
    cr_assert_eq((uint16_t)n, low);
    if (n >= 65536)
        cr_assert_leq(distance(n, expected), distance(n - 65536, expected));
    if (n + 65536 <= TOP)
        cr_assert_leq(distance(n, expected), distance(n + 65536, expected));
}

Test(seal, number_is_the_nearest)
{
    static const uint64_t around[] = {1,           32768, 65536,  98304, 1 << 20, (uint64_t)1 << 32,
                                      TOP - 70000, TOP,   TOP + 1};
    struct sp_rng r = random_stream(1);
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        for (unsigned low = 0; low < 65536; low++)
            check_nearest(around[i], (uint16_t)low);
    }
    for (int i = 0; i < 100000; i++)
        check_nearest(sp_rng_below(&r, TOP) + 1, (uint16_t)sp_rng_below(&r, 65536));
}

Test(seal, number_within_32767_is_found)
{
    struct sp_rng r = random_stream(2);
    for (int i = 0; i < 200000; i++) {
        uint64_t pn = sp_rng_below(&r, i % 2 == 0 ? 200000 : TOP);
        uint64_t off = sp_rng_below(&r, 2 * 32767 + 1); /* 32767: none */
        if (pn + off < 32767 + 1 || pn + off - 32767 > TOP)
            continue;
        uint64_t expected = pn + off - 32767;
        cr_assert_eq(sp_seal_number(expected, (uint16_t)pn), pn);
    }
}

Test(seal, of_two_equally_near_numbers_the_higher)
{
    for (uint64_t expected = 32768; expected < 300000; expected += 997)
        cr_assert_eq(sp_seal_number(expected, (uint16_t)(expected + 32768)), expected + 32768);
}

Test(seal, numbers_do_not_wrap)
{
    cr_assert_eq(sp_seal_number(1, 65535), 65535);
    cr_assert_eq(sp_seal_number(1, 0), 0);
    cr_assert_eq(sp_seal_number(TOP, 0), TOP - 65535);
    cr_assert_eq(sp_seal_number(TOP + 1, 0xffff), TOP);
    cr_assert_eq(sp_seal_number(TOP + 1, 0), TOP - 65535);
}

/* ---- packets ---- */

/* Seals n bytes of `fill` as packet pn. */
static size_t pack(struct sp_seal *s, uint64_t pn, uint8_t fill, size_t n, uint8_t dst[SP_DATAGRAM_MAX])
{
    memset(dst + sp_seal_header(s->dir), fill, n);
    return sp_seal_packet(s, cid, pn, dst, n);
}

static const enum sp_dir dirs[] = {SP_DIR_UP, SP_DIR_DOWN};

Test(seal, opens_what_it_sealed)
{
    static const size_t lengths[] = {0, 1, 100, SP_FRAMES_UP_MAX};
    for (size_t d = 0; d < 2; d++) {
        struct sp_seal out = fresh(dirs[d]);
        struct sp_seal in = fresh(dirs[d]);
        size_t overhead = dirs[d] == SP_DIR_UP ? SP_DATA_UP_OVERHEAD : SP_DATA_DOWN_OVERHEAD;
        for (size_t i = 0; i < 4; i++) {
            uint8_t buf[SP_DATAGRAM_MAX];
            struct sp_view frames;
            uint64_t pn = 70000 + i;
            size_t len = pack(&out, pn, 0x5a, lengths[i], buf);
            cr_assert_eq(len, overhead + lengths[i]);
            uint8_t *exact = sp_hex_exact(buf, len);
            cr_assert_eq(sp_seal_open(&in, exact, len, pn, pn - 1, SP_SECOND, 0, &frames), 0);
            cr_assert_eq(frames.n, lengths[i]);
            cr_assert_eq(frames.p, exact + sp_seal_header(dirs[d]));
            for (size_t k = 0; k < frames.n; k++)
                cr_assert_eq(frames.p[k], 0x5a);
            free(exact);
        }
    }
}

Test(seal, largest_frames_fill_a_datagram)
{
    cr_assert_eq(SP_FRAMES_UP_MAX + SP_DATA_UP_OVERHEAD, SP_DATAGRAM_MAX);
    cr_assert_eq(SP_FRAMES_DOWN_MAX + SP_DATA_DOWN_OVERHEAD, SP_DATAGRAM_MAX);
    cr_assert_eq(sp_seal_header(SP_DIR_UP), 11);
    cr_assert_eq(sp_seal_header(SP_DIR_DOWN), 3);
}

Test(seal, every_bit_counts)
{
    for (size_t d = 0; d < 2; d++) {
        uint8_t buf[SP_DATAGRAM_MAX];
        struct sp_seal out = fresh(dirs[d]);
        size_t len = pack(&out, 9, 2, 40, buf);
        for (size_t bit = 0; bit < len * 8; bit++) {
            struct sp_seal in = fresh(dirs[d]);
            struct sp_view frames;
            uint8_t copy[SP_DATAGRAM_MAX];
            memcpy(copy, buf, len);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            size_t at = sp_seal_header(dirs[d]);
            uint64_t pn = sp_seal_number(9, (uint16_t)(copy[at - 2] << 8 | copy[at - 1]));
            int rc = sp_seal_open(&in, copy, len, pn, 8, SP_SECOND, 0, &frames);
            cr_assert(rc == SP_EAUTH || (bit < 8 && rc == SP_EMALFORMED), "bit %zu: %d", bit, rc);
            cr_assert_eq(in.phase, 0);
        }
    }
}

Test(seal, other_number_key_or_direction_does_not_open)
{
    uint8_t buf[SP_DATAGRAM_MAX];
    uint8_t copy[SP_DATAGRAM_MAX];
    struct sp_view frames;
    struct sp_seal out = fresh(SP_DIR_UP);
    struct sp_seal in = fresh(SP_DIR_UP);
    size_t len = pack(&out, 5, 2, 10, buf);
    memcpy(copy, buf, len);
    cr_assert_eq(sp_seal_open(&in, copy, len, 5 + 65536, 4, SP_SECOND, 0, &frames), SP_EAUTH);
    struct sp_seal down = fresh(SP_DIR_DOWN);
    memcpy(copy, buf, len);
    cr_assert_eq(sp_seal_open(&down, copy, len, 5, 4, SP_SECOND, 0, &frames), SP_EAUTH);
    struct sp_seal stranger;
    uint8_t other[SP_KEY_LEN] = {1, 2, 4};
    sp_seal_init(&stranger, sp_crypto_sodium(), other, SP_DIR_UP, 0);
    memcpy(copy, buf, len);
    cr_assert_eq(sp_seal_open(&stranger, copy, len, 5, 4, SP_SECOND, 0, &frames), SP_EAUTH);
    memcpy(copy, buf, len);
    cr_assert_eq(sp_seal_open(&in, copy, len, 5, 4, SP_SECOND, 0, &frames), 0);
}

Test(seal, short_or_foreign_datagrams_are_malformed)
{
    for (size_t d = 0; d < 2; d++) {
        size_t least = dirs[d] == SP_DIR_UP ? SP_DATA_UP_OVERHEAD : SP_DATA_DOWN_OVERHEAD;
        struct sp_seal in = fresh(dirs[d]);
        struct sp_view frames;
        uint8_t buf[64] = {0x40};
        for (size_t n = 0; n < least; n++) {
            uint8_t *exact = sp_hex_exact(buf, n);
            cr_assert_eq(sp_seal_open(&in, exact, n, 1, 0, SP_SECOND, 0, &frames), SP_EMALFORMED);
            free(exact);
        }
        for (unsigned first = 0; first < 256; first++) {
            buf[0] = (uint8_t)first;
            int want = first == 0x40 || first == 0x41 ? SP_EAUTH : SP_EMALFORMED;
            cr_assert_eq(sp_seal_open(&in, buf, sizeof buf, 1, 0, SP_SECOND, 0, &frames), want, "0x%02x",
                         first);
        }
        uint8_t zero[SP_DATAGRAM_MAX] = {0x40};
        cr_assert_eq(sp_seal_open(&in, zero, 64, 0, 0, SP_SECOND, 0, &frames), SP_EMALFORMED, "number 0");
    }
}

/* ---- key phases ---- */

struct turn_case {
    const char *what;
    uint64_t packets; /* sealed in this phase, numbers 1.. */
    uint64_t acked;
    sp_time now;
    bool turns;
};
static const struct turn_case turns[] = {
    {"nothing sealed", 0, 0, 2 * HOUR, false},
    {"nothing acknowledged", 5, 0, 2 * HOUR, false},
    {"an hour, acknowledged", 5, 1, HOUR, true},
    {"before nine tenths of an hour", 5, 5, HOUR / 10 * 9 - 1, false},
    {"many packets, none acknowledged", 1 << 20, 0, 1, false},
    {"many packets, acknowledged", 1 << 20, 1, 1, true},
    {"one packet less", (1 << 20) - 1, 1, 1, false},
};

Test(seal, turns_when_due_and_heard)
{
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        uint8_t buf[SP_DATAGRAM_MAX];
        struct sp_seal s = fresh(SP_DIR_DOWN);
        for (uint64_t pn = 1; pn <= turns[i].packets; pn++)
            (void)pack(&s, pn, 0, 0, buf);
        sp_seal_turn(&s, turns[i].acked, turns[i].now);
        cr_assert_eq(s.phase == 1, turns[i].turns, "%s", turns[i].what);
    }
}

Test(seal, next_turn_waits_for_an_ack_of_the_new_phase)
{
    uint8_t buf[SP_DATAGRAM_MAX];
    struct sp_seal s = fresh(SP_DIR_UP);
    for (uint64_t pn = 1; pn <= 10; pn++)
        (void)pack(&s, pn, 0, 0, buf);
    sp_seal_turn(&s, 10, HOUR);
    cr_assert_eq(s.phase, 1);
    sp_seal_turn(&s, 10, 2 * HOUR);
    cr_assert_eq(s.phase, 1, "nothing sealed yet in phase 1");
    (void)pack(&s, 12, 0, 0, buf); /* 11 was skipped */
    cr_assert_eq(buf[0], 0x41);
    sp_seal_turn(&s, 11, 3 * HOUR);
    cr_assert_eq(s.phase, 1, "11 is of no phase");
    sp_seal_turn(&s, 12, 3 * HOUR);
    cr_assert_eq(s.phase, 0);
    (void)pack(&s, 13, 0, 0, buf);
    cr_assert_eq(buf[0], 0x40);
}

Test(seal, ages_differ_between_keys)
{
    sp_time least = SP_NEVER;
    sp_time most = 0;
    for (unsigned i = 0; i < 200; i++) {
        uint8_t k[SP_KEY_LEN] = {(uint8_t)i, 77};
        struct sp_seal s;
        sp_seal_init(&s, sp_crypto_sodium(), k, SP_DIR_UP, 0);
        least = s.phase_age < least ? s.phase_age : least;
        most = s.phase_age > most ? s.phase_age : most;
    }
    cr_assert(least >= HOUR / 10 * 9 && most <= HOUR);
    cr_assert_gt(most - least, HOUR / 20);
}

struct flight {
    uint8_t p[64];
    size_t len;
    uint64_t pn;
};

/* A receiver's view: full number from the wire, then opening; keeps the largest authenticated number. */
static int arrive(struct sp_seal *in, struct flight *f, uint64_t *largest, sp_time old_key_us, sp_time now)
{
    struct sp_view frames;
    size_t at = sp_seal_header(in->dir);
    uint64_t pn = sp_seal_number(*largest + 1, (uint16_t)(f->p[at - 2] << 8 | f->p[at - 1]));
    cr_assert_eq(pn, f->pn);
    int rc = sp_seal_open(in, f->p, f->len, pn, *largest, old_key_us, now, &frames);
    if (rc == 0 && pn > *largest)
        *largest = pn;
    return rc;
}

static struct flight launch(struct sp_seal *out, uint64_t pn)
{
    struct flight f = {.pn = pn};
    memset(f.p + sp_seal_header(out->dir), 2, 4);
    f.len = sp_seal_packet(out, cid, pn, f.p, 4);
    return f;
}

Test(seal, phase_flips_under_reorder_and_loss_lose_nothing)
{
    enum { PACKETS = 3000, BATCH = 30 };
    static struct flight air[BATCH];
    struct sp_rng r = random_stream(7);
    for (size_t d = 0; d < 2; d++) {
        struct sp_seal out = fresh(dirs[d]);
        struct sp_seal in = fresh(dirs[d]);
        uint64_t largest = 0;
        uint64_t pn = 1;
        sp_time now = 0;
        unsigned flips = 0;
        for (int batch = 0; batch < PACKETS / BATCH; batch++) {
            for (size_t i = 0; i < BATCH; i++, pn++) {
                uint8_t phase = out.phase;
                sp_seal_turn(&out, i > BATCH / 2 ? largest : 0, now);
                flips += phase != out.phase;
                air[i] = launch(&out, pn);
            }
            for (size_t left = BATCH; left > 0; left--) { /* any order, 30 % lost */
                size_t pick = (size_t)sp_rng_below(&r, left);
                if (sp_rng_below(&r, 10) >= 3)
                    cr_assert_eq(arrive(&in, &air[pick], &largest, 10 * SP_SECOND, now), 0);
                air[pick] = air[left - 1];
                now += SP_MS;
            }
            now += HOUR / 4;
        }
        cr_assert_gt(flips, 15);
    }
}

Test(seal, old_key_stays_its_time)
{
    struct sp_seal out = fresh(SP_DIR_UP);
    struct sp_seal in = fresh(SP_DIR_UP);
    uint64_t largest = 0;
    struct flight first = launch(&out, 1);
    struct flight late[] = {launch(&out, 2), launch(&out, 3), launch(&out, 4)};
    cr_assert_eq(arrive(&in, &first, &largest, 0, 0), 0);
    sp_seal_turn(&out, 1, HOUR);
    struct flight next = launch(&out, 5);
    cr_assert_eq(next.p[0], 0x41);
    cr_assert_eq(arrive(&in, &next, &largest, 300, 1000), 0);
    cr_assert_eq(in.phase, 1);
    cr_assert_eq(arrive(&in, &late[0], &largest, 300, 1000), 0);
    cr_assert_eq(arrive(&in, &late[1], &largest, 300, 1299), 0);
    cr_assert_eq(arrive(&in, &late[2], &largest, 300, 1300), SP_EAUTH, "gone");
    cr_assert_eq(in.phase, 1);
}

Test(seal, differing_bit_below_the_largest_means_no_key_at_first)
{
    struct sp_seal out = fresh(SP_DIR_UP);
    struct sp_seal in = fresh(SP_DIR_UP);
    uint64_t largest = 0;
    struct flight a = launch(&out, 7);
    struct flight b = launch(&out, 6);
    cr_assert_eq(arrive(&in, &a, &largest, 300, 0), 0);
    b.p[0] ^= 1;
    cr_assert_eq(arrive(&in, &b, &largest, 300, 0), SP_EAUTH);
}

Test(seal, forged_flip_changes_nothing)
{
    struct sp_seal out = fresh(SP_DIR_DOWN);
    struct sp_seal in = fresh(SP_DIR_DOWN);
    uint64_t largest = 0;
    struct flight a = launch(&out, 1);
    struct flight forged = launch(&out, 2);
    struct flight b = launch(&out, 3);
    forged.p[0] ^= 1;
    cr_assert_eq(arrive(&in, &a, &largest, 300, 0), 0);
    cr_assert_eq(arrive(&in, &forged, &largest, 300, 0), SP_EAUTH);
    cr_assert_arr_eq(in.key, key, SP_KEY_LEN);
    cr_assert_eq(in.phase, 0);
    cr_assert_eq(in.prev_until, 0);
    cr_assert_eq(largest, 1);
    cr_assert_eq(arrive(&in, &b, &largest, 300, 0), 0);
}

/* docs/protocol.md, section 2.4: the receiver does not judge when the peer flips; here after every two
 * packets, while an unheard packet of the last phase arrives late. */
Test(seal, many_phases_in_a_row)
{
    struct sp_seal out = fresh(SP_DIR_UP);
    struct sp_seal in = fresh(SP_DIR_UP);
    uint64_t largest = 0;
    for (uint64_t pn = 1; pn < 200; pn += 2) {
        struct flight late = launch(&out, pn);
        struct flight now = launch(&out, pn + 1);
        cr_assert_eq(now.p[0] & 1, (pn / 2) % 2);
        cr_assert_eq(arrive(&in, &now, &largest, 300, (sp_time)pn), 0);
        cr_assert_eq(arrive(&in, &late, &largest, 300, (sp_time)pn), 0);
        sp_seal_turn(&out, pn + 1, out.phase_since + HOUR);
    }
}

Test(seal, wipe_leaves_no_key)
{
    struct sp_seal s = fresh(SP_DIR_UP);
    const struct sp_seal zero = {0};
    sp_seal_wipe(&s);
    cr_assert_eq(memcmp(s.key, zero.key, SP_KEY_LEN), 0);
    cr_assert_eq(memcmp(s.next, zero.next, SP_KEY_LEN), 0);
    cr_assert_eq(memcmp(s.prev, zero.prev, SP_KEY_LEN), 0);
    sp_seal_wipe(&s); /* again: no harm */
}
