/* wire_decode.c and wire_encode.c: layouts field by field, round trips of random frames, bytes of any kind.
 * The ranges of fields are in test_wire_rules.c. */
#include "wire.h"

#include <sampan/err.h>

#include "crypto_sodium.h"
#include "hex.h"
#include "kinds.h"
#include "rng.h"

static struct sp_rng random_stream(uint8_t fill)
{
    struct sp_rng r;
    uint8_t seed[32];
    memset(seed, fill, sizeof seed);
    sp_rng_init(&r, sp_crypto_sodium(), seed);
    return r;
}

/* Decodes from a block of exactly these bytes.  The block is freed, so views of *out must not be followed. */
static int decode_exact(const uint8_t *p, size_t n, enum sp_dir dir, struct sp_frame *out, size_t *used)
{
    uint8_t *exact = sp_hex_exact(p, n);
    int rc = sp_wire_decode((struct sp_view){.p = exact, .n = n}, dir, out, used);
    free(exact);
    return rc;
}

static enum sp_dir dir_of(uint8_t kind)
{
    return (sp_kinds_get(kind)->dirs & SP_DIR_UP) != 0 ? SP_DIR_UP : SP_DIR_DOWN;
}

/* ---- layouts ---- */

#define TEXT(s)                                                                                              \
    {                                                                                                        \
        .p = (const uint8_t *)(s), .n = sizeof(s) - 1                                                        \
    }
#define M1                                                                                                   \
    {                                                                                                        \
        .v = 0x0102030405060708                                                                              \
    }
#define M0                                                                                                   \
    {                                                                                                        \
        .v = 0x0102030405060707                                                                              \
    }

struct layout {
    const char *hex;
    struct sp_frame f;
};
static const struct layout layouts[] = {
    {"00", {SP_KIND_PAD, .u = {{0}}}},
    {"01 11223344 55 66 02 77 0102 0304",
     {SP_KIND_ACK, .u.ack = {0x11223344, 0x55, 0x66, 0x77, 2, {{1, 2}, {3, 4}}}}},
    {"02", {SP_KIND_PING, .u = {{0}}}},
    {"03 0102030405060708", {SP_KIND_PATH_CHALLENGE, .u.path = {{1, 2, 3, 4, 5, 6, 7, 8}}}},
    {"04 0102030405060708", {SP_KIND_PATH_RESPONSE, .u.path = {{1, 2, 3, 4, 5, 6, 7, 8}}}},
    {"05 01 02 0304", {SP_KIND_CLOSE, .u.close = {1, 2, 0x0304}}},
    {"06 01 02 0304 0506 0708 090a", {SP_KIND_OPTIONS, .u.options = {1, 2, 0x0304, 0x0506, 0x0708, 0x090a}}},
    {"10 00 0102030405060708 03 626f62 0002 6869",
     {SP_KIND_MSG_R, .u.msg_r = {.msgid = M1, .to = TEXT("bob"), .body = TEXT("hi")}}},
    {"10 4f 0102030405060708 0102030405060707 00000e10 01 67 0000",
     {SP_KIND_MSG_R,
      .u.msg_r =
          {.flags = 0x4f, .msgid = M1, .after = M0, .ttl_s = 3600, .to = TEXT("g"), .body = TEXT("")}}},
    {"10 36 0102030405060708 02 03 0001 7a",
     {SP_KIND_MSG_R, .u.msg_r = {.flags = 0x36, .msgid = M1, .index = 2, .count = 3, .body = TEXT("z")}}},
    {"11 00 0102030405060708 0000002a 02 0003",
     {SP_KIND_MSG_A, .u.msg_a = {.state = 2, .retry = 3, .msgid = M1, .seq = {42}}}},
    {"12 21 0000002a 0102030405060708 00000005 010203040506 05 616c696365 0002 6869",
     {SP_KIND_MSG_N, .u.msg_n = {.flags = 0x21,
                                 .seq = {42},
                                 .msgid = M1,
                                 .device = 5,
                                 .at_ms = 0x010203040506,
                                 .from = TEXT("alice"),
                                 .body = TEXT("hi")}}},
    {"12 08 0000002a 0102030405060708 00000005 010203040506 01 61 02 6767 0000",
     {SP_KIND_MSG_N, .u.msg_n = {.flags = 8,
                                 .seq = {42},
                                 .msgid = M1,
                                 .device = 5,
                                 .at_ms = 0x010203040506,
                                 .from = TEXT("a"),
                                 .group = TEXT("gg"),
                                 .body = TEXT("")}}},
    {"12 18 0000002a 01 02 0001 7a",
     {SP_KIND_MSG_N, .u.msg_n = {.flags = 0x18, .seq = {42}, .index = 1, .count = 2, .body = TEXT("z")}}},
    {"13 81 0102 00000003 02 00000005 00000006 00000008 00000008",
     {SP_KIND_ACK_R, .u.ack_r = {0x81, 0x0102, {3}, 2, {{5, 6}, {8, 8}}}}},
    {"14 0102 0a 00000007", {SP_KIND_ACK_A, .u.ack_a = {0x0102, 10, {7}}}},
    {"15 0102030405060708 03", {SP_KIND_ACK_N, .u.ack_n = {M1, 3}}},
    {"16 0102030405060708 01 00000004 00000003 00000002 00000001",
     {SP_KIND_ACK_N_GROUP, .u.ack_n_group = {M1, 1, 4, 3, 2, 1}}},
    {"18 01020304", {SP_KIND_TIP, .u.tip = {{0x01020304}}}},
    {"19 01 0002 00000003 0102030405060708 01f4 01 00000004 00000005",
     {SP_KIND_PULL_R, .u.pull_r = {1, 2, 500, {3}, {0x0102030405060708}, 1, {{4, 5}}}}},
    {"1a 00 0002 0102030405060708 00000003 00000009 00000001 01 00000002 00000003 01",
     {SP_KIND_PULL_A, .u.pull_a = {0, 2, {0x0102030405060708}, {3}, {9}, {1}, 1, {{2, 3, 1}}}}},
    {"1b 02 0003 0102030405060708 00000004 00000005",
     {SP_KIND_RESYNC, .u.resync = {2, 3, {0x0102030405060708}, {4}, {5}}}},
    {"1c 0102 02 0102030405060708 0102030405060707", {SP_KIND_STATUS_R, .u.status_r = {0x0102, 2, {M1, M0}}}},
    {"1d 0102 02 03 00000004 00 00000000",
     {SP_KIND_STATUS_A, .u.status_a = {0x0102, 2, {{3, {4}}, {0, {0}}}}}},
    {"1e 0102030405060708", {SP_KIND_DONE, .u.done = {M1}}},
    {"20 01 0102030405060708 0001 80",
     {SP_KIND_CTRL_R, .u.ctrl = {.op = 1, .id = 0x0102030405060708, .map = TEXT("\x80")}}},
    {"21 09 0102030405060708 0001 80",
     {SP_KIND_CTRL_A, .u.ctrl = {.code = 9, .id = 0x0102030405060708, .map = TEXT("\x80")}}},
    {"22 02 01020304 0001 80", {SP_KIND_CTRL_N, .u.ctrl = {.op = 2, .id = 0x01020304, .map = TEXT("\x80")}}},
    {"30 01020304 05", {SP_KIND_STREAM_OPEN, .u.stream = {.stream = 0x01020304, .service = 5}}},
    {"31 01020304 0000000000000009 0002 6869",
     {SP_KIND_STREAM_DATA, .u.stream = {.stream = 0x01020304, .offset = 9, .bytes = TEXT("hi")}}},
    {"32 00000000 ffffffffffffffff",
     {SP_KIND_STREAM_WINDOW, .u.stream = {.stream = 0, .offset = UINT64_MAX}}},
    {"33 01020304 0000000000000009", {SP_KIND_STREAM_CLOSE, .u.stream = {.stream = 0x01020304, .offset = 9}}},
    {"34 01020304 03", {SP_KIND_STREAM_RESET, .u.stream = {.stream = 0x01020304, .code = 3}}},
};
#define LAYOUTS_N (sizeof layouts / sizeof layouts[0])

Test(wire, writes_the_layout_of_the_specification)
{
    for (size_t i = 0; i < LAYOUTS_N; i++) {
        uint8_t want[256];
        uint8_t got[256];
        size_t len = 0;
        size_t n = sp_hex_read(layouts[i].hex, want, sizeof want);
        cr_assert_eq(sp_wire_encode(&layouts[i].f, got, sizeof got, &len), 0, "%s", layouts[i].hex);
        cr_assert_eq(len, n, "%s", layouts[i].hex);
        cr_assert_arr_eq(got, want, n, "%s", layouts[i].hex);
    }
}

/* Encoding is checked field by field above; so what encodes to the same bytes has the same fields. */
static void expect_same_bytes(const uint8_t *p, size_t n, const struct sp_frame *f)
{
    uint8_t again[SP_DATAGRAM_MAX];
    size_t len = 0;
    cr_assert_eq(sp_wire_encode(f, again, sizeof again, &len), 0, "kind 0x%02x", f->kind);
    cr_assert_eq(len, n);
    cr_assert_arr_eq(again, p, n);
}

Test(wire, reads_every_field_back)
{
    for (size_t i = 0; i < LAYOUTS_N; i++) {
        struct sp_frame got;
        uint8_t buf[256];
        size_t used = 0;
        size_t n = sp_hex_read(layouts[i].hex, buf, sizeof buf);
        uint8_t *exact = sp_hex_exact(buf, n);
        memset(&got, 0xee, sizeof got);
        cr_assert_eq(sp_wire_decode((struct sp_view){.p = exact, .n = n}, dir_of(buf[0]), &got, &used), 0);
        cr_assert_eq(used, n, "%s", layouts[i].hex);
        cr_assert_eq(got.kind, layouts[i].f.kind);
        expect_same_bytes(exact, n, &got);
        free(exact);
    }
}

Test(wire, fields_that_flags_leave_out_read_as_zero)
{
    struct sp_frame f;
    uint8_t buf[64];
    size_t used = 0;
    memset(&f, 0xee, sizeof f);
    size_t n = sp_hex_read("10 16 0102030405060708 01 02 0001 7a", buf, sizeof buf);
    cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = n}, SP_DIR_UP, &f, &used), 0);
    cr_assert(f.u.msg_r.after.v == 0 && f.u.msg_r.ttl_s == 0 && f.u.msg_r.to.n == 0);
    memset(&f, 0xee, sizeof f);
    n = sp_hex_read("10 00 0102030405060708 01 62 0000", buf, sizeof buf);
    cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = n}, SP_DIR_UP, &f, &used), 0);
    cr_assert(f.u.msg_r.after.v == 0 && f.u.msg_r.ttl_s == 0 && f.u.msg_r.index == 0 && f.u.msg_r.count == 0);
    memset(&f, 0xee, sizeof f);
    n = sp_hex_read("12 10 00000001 01 02 0001 78", buf, sizeof buf);
    cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = n}, SP_DIR_DOWN, &f, &used), 0);
    cr_assert(f.u.msg_n.msgid.v == 0 && f.u.msg_n.at_ms == 0 && f.u.msg_n.from.n == 0 &&
              f.u.msg_n.group.n == 0);
}

Test(wire, ticket_is_198_bytes_behind_its_type)
{
    struct sp_frame f = {.kind = SP_KIND_TICKET, .u.ticket.life_s = 604800};
    struct sp_frame back;
    uint8_t buf[256];
    size_t len = 0;
    size_t used = 0;
    memset(f.u.ticket.psk, 1, sizeof f.u.ticket.psk);
    memset(f.u.ticket.ticket, 2, sizeof f.u.ticket.ticket);
    cr_assert_eq(sp_wire_encode(&f, buf, sizeof buf, &len), 0);
    cr_assert_eq(len, 1 + 4 + 32 + 162);
    cr_assert(buf[5] == 1 && buf[36] == 1 && buf[37] == 2 && buf[len - 1] == 2);
    cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = len}, SP_DIR_DOWN, &back, &used), 0);
    cr_assert_eq(back.u.ticket.life_s, 604800);
    expect_same_bytes(buf, len, &back);
}

Test(wire, wrong_direction_is_malformed)
{
    for (size_t i = 0; i < LAYOUTS_N; i++) {
        struct sp_frame got;
        uint8_t buf[256];
        size_t used = 0;
        size_t n = sp_hex_read(layouts[i].hex, buf, sizeof buf);
        enum sp_dir way = dir_of(buf[0]) == SP_DIR_UP ? SP_DIR_DOWN : SP_DIR_UP;
        int want = (sp_kinds_get(buf[0])->dirs & (unsigned)way) != 0 ? 0 : SP_EMALFORMED;
        cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = n}, way, &got, &used), want, "%s",
                     layouts[i].hex);
    }
}

Test(wire, largest_frames_have_the_stated_sizes)
{
    uint8_t id[SP_USER_MAX] = {1};
    uint8_t body[SP_PART_MAX] = {2};
    uint8_t buf[SP_DATAGRAM_MAX];
    size_t len = 0;
    struct sp_view longest = {.p = id, .n = sizeof id};
    struct sp_view full = {.p = body, .n = sizeof body};
    struct sp_frame up = {.kind = SP_KIND_MSG_R,
                          .u.msg_r = {.flags = SP_MSG_AFTER | SP_MSG_TTL | SP_MSG_FRAG,
                                      .msgid = M1,
                                      .after = M0,
                                      .ttl_s = 1,
                                      .to = longest,
                                      .count = 66,
                                      .body = full}};
    cr_assert_eq(sp_wire_encode(&up, buf, sizeof buf, &len), 0);
    cr_assert_eq(len, 1091);
    struct sp_frame down = {.kind = SP_KIND_MSG_N,
                            .u.msg_n = {.flags = SP_MSG_GROUP | SP_MSG_FRAG,
                                        .seq = {1},
                                        .msgid = M1,
                                        .from = longest,
                                        .group = longest,
                                        .count = 66,
                                        .body = full}};
    cr_assert_eq(sp_wire_encode(&down, buf, sizeof buf, &len), 0);
    cr_assert_eq(len, 1158);
    struct sp_frame ack = {.kind = SP_KIND_ACK, .u.ack = {.n = 7}};
    memset(ack.u.ack.gaps, 1, sizeof ack.u.ack.gaps);
    cr_assert_eq(sp_wire_encode(&ack, buf, sizeof buf, &len), 0);
    cr_assert_eq(len, 23);
    cr_assert_eq(len + 1158, SP_FRAMES_DOWN_MAX);
}

/* ---- unknown types ---- */

struct unknown_case {
    const char *hex;
    int want;
    size_t used;
};
static const struct unknown_case unknowns[] = {
    {"80 0000", 0, 3},
    {"ff 0003 010203", 0, 6},
    {"80 0001 aa 02", 0, 4},
    {"80", SP_EMALFORMED, 0},
    {"80 00", SP_EMALFORMED, 0},
    {"80 0001", SP_EMALFORMED, 0},
    {"ff ffff 00", SP_EMALFORMED, 0},
    {"08", SP_EMALFORMED, 0}, /* reserved */
    {"09", SP_EMALFORMED, 0},
    {"17 0000000000", SP_EMALFORMED, 0},
    {"1f 0000000000", SP_EMALFORMED, 0},
    {"23 0000000000", SP_EMALFORMED, 0},
    {"35 0000000000", SP_EMALFORMED, 0},
    {"3f 0000000000", SP_EMALFORMED, 0},
    {"40 0000000000", SP_EMALFORMED, 0},
    {"7f 0000000000", SP_EMALFORMED, 0},
    {"-", SP_EMALFORMED, 0},
};

Test(wire, unknown_types)
{
    for (size_t i = 0; i < sizeof unknowns / sizeof unknowns[0]; i++) {
        for (int way = SP_DIR_UP; way <= SP_DIR_DOWN; way++) {
            uint8_t buf[16];
            struct sp_frame f;
            size_t used = 0;
            size_t n = sp_hex_read(unknowns[i].hex, buf, sizeof buf);
            cr_assert_eq(decode_exact(buf, n, (enum sp_dir)way, &f, &used), unknowns[i].want, "%s",
                         unknowns[i].hex);
            cr_assert_eq(used, unknowns[i].used, "%s", unknowns[i].hex);
            if (unknowns[i].want == 0)
                cr_assert_eq(f.kind, buf[0]);
        }
    }
}

Test(wire, unknown_kinds_are_not_encoded)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        struct sp_frame f = {.kind = (uint8_t)kind, .u = {{0}}};
        uint8_t buf[SP_DATAGRAM_MAX];
        size_t len = 0;
        if (sp_kinds_get((uint8_t)kind)->name == NULL)
            cr_assert_eq(sp_wire_encode(&f, buf, sizeof buf, &len), SP_EINVAL, "0x%02x", kind);
    }
}

/* ---- whole datagrams ---- */

struct datagram_case {
    const char *hex;
    int want;
    uint8_t cause;
};
static const struct datagram_case datagrams[] = {
    {"-", 0, 0},
    {"02", 0, 0},
    {"02 00 00 02", 0, 0},
    {"02 80 0001 ff 1e 0102030405060708", 0, 0},
    {"02 18 00000001", SP_EMALFORMED, 0x18},
    {"02 1e 01020304050607", SP_EMALFORMED, 0x1e},
    {"1e 0000000000000000 02", SP_EMALFORMED, 0x1e},
    {"02 02 7f", SP_EMALFORMED, 0x7f},
    {"02 90 0005 01", SP_EMALFORMED, 0x90},
    {"02 01", SP_EMALFORMED, 0x01},
    {"08 02", SP_EMALFORMED, 0x08},
};

Test(wire, a_datagram_parses_to_its_end_or_not_at_all)
{
    for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
        uint8_t buf[64];
        uint8_t cause = 0;
        size_t n = sp_hex_read(datagrams[i].hex, buf, sizeof buf);
        uint8_t *exact = sp_hex_exact(buf, n);
        cr_assert_eq(sp_wire_check((struct sp_view){.p = exact, .n = n}, SP_DIR_UP, &cause),
                     datagrams[i].want, "%s", datagrams[i].hex);
        cr_assert_eq(cause, datagrams[i].cause, "%s", datagrams[i].hex);
        free(exact);
    }
}

/* ---- random frames ---- */

struct maker {
    struct sp_rng r;
    uint8_t bytes[SP_PART_MAX];
    struct sp_frame f;
};

static uint32_t below(struct maker *m, uint32_t bound)
{
    return (uint32_t)sp_rng_below(&m->r, bound);
}

static struct sp_view some(struct maker *m, size_t least, size_t most)
{
    return (struct sp_view){.p = m->bytes, .n = least + (size_t)sp_rng_below(&m->r, most - least + 1)};
}

static struct sp_msgid some_msgid(struct maker *m)
{
    return (struct sp_msgid){.v = sp_rng_below(&m->r, UINT64_MAX) + 1};
}

static uint8_t some_state(struct maker *m, uint32_t least)
{
    return (uint8_t)(below(m, 4) == 0 ? 9 + below(m, 200) : least + below(m, 5 - least));
}

static uint8_t some_held(struct maker *m, uint32_t above, struct sp_range *held)
{
    uint8_t n = (uint8_t)below(m, SP_HELD_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        held[i].lo = above + 1 + below(m, 1000);
        held[i].hi = above = held[i].lo + below(m, 1000);
    }
    return n;
}

/* Index, count and body of a whole message or a part. */
static struct sp_view some_part(struct maker *m, uint8_t flags, uint8_t *index, uint8_t *count)
{
    *index = *count = 0;
    if ((flags & SP_MSG_FRAG) == 0)
        return some(m, 0, SP_PART_MAX);
    *count = (uint8_t)(2 + below(m, 65));
    *index = (uint8_t)below(m, *count);
    return *index + 1 == *count ? some(m, 1, SP_PART_MAX) : some(m, SP_PART_MAX, SP_PART_MAX);
}

static void make_ack(struct maker *m)
{
    struct sp_frame_ack *a = &m->f.u.ack;
    sp_rng_bytes(&m->r, (uint8_t *)&a->largest, sizeof a->largest);
    a->delay = (uint8_t)below(m, 256);
    a->loss = (uint8_t)below(m, 256);
    a->first = (uint8_t)below(m, 256);
    a->n = (uint8_t)below(m, 8);
    for (size_t i = 0; i < a->n; i++) {
        a->gaps[i].gap = (uint8_t)(1 + below(m, 255));
        a->gaps[i].len = (uint8_t)(1 + below(m, 255));
    }
}

static void make_msg_r(struct maker *m)
{
    struct sp_frame_msg_r *q = &m->f.u.msg_r;
    q->flags = (uint8_t)(below(m, 32) | below(m, 3) << SP_MSG_CLASS_SHIFT);
    q->msgid = (struct sp_msgid){.v = sp_rng_below(&m->r, UINT64_MAX - 1) + 2};
    q->after = (struct sp_msgid){.v = sp_rng_below(&m->r, q->msgid.v - 1) + 1};
    q->ttl_s = 1 + below(m, UINT32_MAX);
    q->to = some(m, 1, SP_USER_MAX);
    q->body = some_part(m, q->flags, &q->index, &q->count);
}

static void make_msg_n(struct maker *m)
{
    static const uint8_t known = SP_MSG_FOUR | SP_MSG_GROUP | SP_MSG_FRAG;
    struct sp_frame_msg_n *q = &m->f.u.msg_n;
    q->flags = (uint8_t)((below(m, 32) & known) | below(m, 3) << SP_MSG_CLASS_SHIFT);
    q->seq.v = 1 + below(m, UINT32_MAX);
    q->msgid = some_msgid(m);
    q->device = below(m, UINT32_MAX);
    q->at_ms = sp_rng_below(&m->r, (uint64_t)1 << 48);
    q->from = some(m, 1, SP_USER_MAX);
    q->group = some(m, 1, SP_USER_MAX);
    q->body = some_part(m, q->flags, &q->index, &q->count);
}

static void make_msg_a(struct maker *m)
{
    struct sp_frame_msg_a *a = &m->f.u.msg_a;
    a->msgid = some_msgid(m);
    a->retry = (uint16_t)below(m, 65536);
    a->code = (uint8_t)below(m, 13);
    if (a->code == 0) {
        a->state = some_state(m, 1);
        a->seq.v = below(m, UINT32_MAX);
    }
}

static void make_acks(struct maker *m)
{
    uint32_t a = below(m, 1000000);
    uint32_t b = below(m, a + 1);
    uint32_t c = below(m, b + 1);
    switch (m->f.kind) {
    case SP_KIND_ACK_R:
        m->f.u.ack_r.kind = (uint8_t)((1 + below(m, 2)) | below(m, 2) << 7);
        m->f.u.ack_r.id = (uint16_t)(1 + below(m, 65535));
        m->f.u.ack_r.cursor.v = a;
        m->f.u.ack_r.n = some_held(m, a, m->f.u.ack_r.held);
        break;
    case SP_KIND_ACK_A:
        m->f.u.ack_a = (struct sp_frame_ack_a){(uint16_t)(1 + below(m, 65535)), (uint8_t)below(m, 256), {a}};
        break;
    case SP_KIND_ACK_N:
        m->f.u.ack_n = (struct sp_frame_ack_n){some_msgid(m), some_state(m, 1)};
        break;
    default:
        m->f.u.ack_n_group =
            (struct sp_frame_ack_n_group){some_msgid(m), (uint8_t)below(m, 2), a, b, c, c / 2};
        break;
    }
}

static void make_pull_a(struct maker *m)
{
    struct sp_frame_pull_a *p = &m->f.u.pull_a;
    uint32_t above = below(m, 1000);
    p->code = (uint8_t)below(m, 256);
    p->id = (uint16_t)(1 + below(m, 65535));
    p->epoch.v = sp_rng_below(&m->r, UINT64_MAX);
    p->n = (uint8_t)below(m, SP_SKIPPED_MAX + 1);
    for (size_t i = 0; i < p->n; i++) {
        p->skipped[i].lo = above + 1 + below(m, 50);
        p->skipped[i].hi = above = p->skipped[i].lo + below(m, 50);
        p->skipped[i].why = (uint8_t)(1 + below(m, 255));
    }
    p->to.v = above + below(m, 10);
    p->svr_seq.v = p->to.v + below(m, 100);
    p->confirmed.v = below(m, p->svr_seq.v + 1);
}

static void make_pulls(struct maker *m)
{
    if (m->f.kind == SP_KIND_PULL_A) {
        make_pull_a(m);
    } else if (m->f.kind == SP_KIND_PULL_R) {
        struct sp_frame_pull_r *p = &m->f.u.pull_r;
        p->flags = (uint8_t)below(m, 2);
        p->id = (uint16_t)(1 + below(m, 65535));
        p->max = (uint16_t)below(m, 65536);
        p->cursor.v = below(m, 1000000);
        p->epoch.v = sp_rng_below(&m->r, UINT64_MAX);
        p->n = some_held(m, p->cursor.v, p->held);
    } else {
        uint32_t lo = below(m, 1000000);
        m->f.u.resync = (struct sp_frame_resync){(uint8_t)(1 + below(m, 2)),
                                                 (uint16_t)below(m, 65536),
                                                 {some_msgid(m).v},
                                                 {lo},
                                                 {lo + below(m, 9)}};
    }
}

static void make_status(struct maker *m)
{
    uint16_t id = (uint16_t)(1 + below(m, 65535));
    uint8_t n = (uint8_t)(1 + below(m, SP_STATUS_MAX));
    if (m->f.kind == SP_KIND_STATUS_R) {
        m->f.u.status_r.id = id;
        m->f.u.status_r.n = n;
        for (size_t i = 0; i < n; i++)
            m->f.u.status_r.msgids[i] = some_msgid(m);
        return;
    }
    m->f.u.status_a.id = id;
    m->f.u.status_a.n = n;
    for (size_t i = 0; i < n; i++) {
        m->f.u.status_a.of[i].state = some_state(m, 0);
        m->f.u.status_a.of[i].seq.v = below(m, UINT32_MAX);
    }
}

static void make_views(struct maker *m)
{
    if (m->f.kind >= SP_KIND_STREAM_OPEN) {
        struct sp_frame_stream *s = &m->f.u.stream;
        s->stream = 1 + below(m, UINT32_MAX);
        s->service = s->code = (uint8_t)below(m, 256);
        s->offset = sp_rng_below(&m->r, (uint64_t)1 << 61);
        s->bytes = some(m, 1, SP_PART_MAX);
        return;
    }
    struct sp_frame_ctrl *c = &m->f.u.ctrl;
    c->op = c->code = (uint8_t)below(m, 256);
    c->id = 1 + sp_rng_below(&m->r, m->f.kind == SP_KIND_CTRL_N ? UINT32_MAX : UINT64_MAX);
    c->map = some(m, 0, SP_CTRL_MAX);
}

/* A valid frame of this kind with random fields. */
static void make(struct maker *m, uint8_t kind)
{
    memset(&m->f, 0, sizeof m->f);
    m->f.kind = kind;
    switch (kind) {
    case SP_KIND_ACK:
        make_ack(m);
        break;
    case SP_KIND_MSG_R:
        make_msg_r(m);
        break;
    case SP_KIND_MSG_A:
        make_msg_a(m);
        break;
    case SP_KIND_MSG_N:
        make_msg_n(m);
        break;
    case SP_KIND_ACK_R:
    case SP_KIND_ACK_A:
    case SP_KIND_ACK_N:
    case SP_KIND_ACK_N_GROUP:
        make_acks(m);
        break;
    case SP_KIND_PULL_R:
    case SP_KIND_PULL_A:
    case SP_KIND_RESYNC:
        make_pulls(m);
        break;
    case SP_KIND_STATUS_R:
    case SP_KIND_STATUS_A:
        make_status(m);
        break;
    case SP_KIND_DONE:
        m->f.u.done.msgid = some_msgid(m);
        break;
    case SP_KIND_TIP:
        m->f.u.tip.svr_seq.v = below(m, UINT32_MAX);
        break;
    default:
        if (kind >= SP_KIND_CTRL_R)
            make_views(m);
        else /* fixed fields without ranges: any bytes */
            sp_rng_bytes(&m->r, (uint8_t *)&m->f.u.ticket, sizeof m->f.u.ticket);
        break;
    }
}

static struct maker maker_of(uint8_t seed)
{
    struct maker m = {.r = random_stream(seed)};
    sp_rng_bytes(&m.r, m.bytes, sizeof m.bytes);
    return m;
}

/* Encodes m->f with no byte of room to spare and checks that one byte less is refused. */
static size_t encode_tightly(struct maker *m, uint8_t buf[SP_DATAGRAM_MAX])
{
    size_t len = 0;
    size_t again = 0;
    cr_assert_eq(sp_wire_encode(&m->f, buf, SP_DATAGRAM_MAX, &len), 0, "kind 0x%02x", m->f.kind);
    uint8_t *tight = sp_hex_exact(buf, len);
    memset(tight, 0, len);
    cr_assert_eq(sp_wire_encode(&m->f, tight, len, &again), 0);
    cr_assert_eq(again, len);
    cr_assert_arr_eq(tight, buf, len);
    free(tight);
    uint8_t *small = sp_hex_exact(buf, len - 1);
    cr_assert_eq(sp_wire_encode(&m->f, small, len - 1, &again), SP_EFULL);
    free(small);
    return len;
}

Test(wire, random_frames_come_back)
{
    struct maker m = maker_of(1);
    for (unsigned round = 0; round < 60 * SP_KIND_STREAM_RESET; round++) {
        uint8_t kind = (uint8_t)(round % (SP_KIND_STREAM_RESET + 1));
        if (sp_kinds_get(kind)->name == NULL)
            continue;
        uint8_t buf[SP_DATAGRAM_MAX];
        struct sp_frame back;
        size_t used = 0;
        make(&m, kind);
        size_t len = encode_tightly(&m, buf);
        cr_assert_eq(sp_wire_decode((struct sp_view){.p = buf, .n = len}, dir_of(kind), &back, &used), 0);
        cr_assert_eq(used, len);
        expect_same_bytes(buf, len, &back);
    }
}

Test(wire, no_proper_prefix_decodes)
{
    struct maker m = maker_of(2);
    for (unsigned round = 0; round < 6 * SP_KIND_STREAM_RESET; round++) {
        uint8_t kind = (uint8_t)(round % (SP_KIND_STREAM_RESET + 1));
        if (sp_kinds_get(kind)->name == NULL)
            continue;
        uint8_t buf[SP_DATAGRAM_MAX];
        size_t len = 0;
        make(&m, kind);
        cr_assert_eq(sp_wire_encode(&m.f, buf, sizeof buf, &len), 0);
        for (size_t n = 0; n < len; n++) {
            struct sp_frame f;
            size_t used = 0;
            cr_assert_eq(decode_exact(buf, n, dir_of(kind), &f, &used), SP_EMALFORMED, "%zu of %zu, 0x%02x",
                         n, len, kind);
        }
    }
}

/* What decodes has one encoding only: the bytes it came from. */
static void decode_any(const uint8_t *p, size_t n, enum sp_dir dir)
{
    struct sp_frame f;
    size_t used = 0;
    uint8_t *exact = sp_hex_exact(p, n);
    if (sp_wire_decode((struct sp_view){.p = exact, .n = n}, dir, &f, &used) == 0) {
        cr_assert(used >= 1 && used <= n);
        if (f.kind < 0x80)
            expect_same_bytes(exact, used, &f);
    }
    free(exact);
}

Test(wire, random_bytes_do_no_harm)
{
    struct maker m = maker_of(3);
    for (int i = 0; i < 60000; i++) {
        uint8_t buf[256];
        size_t n = below(&m, sizeof buf + 1);
        sp_rng_bytes(&m.r, buf, n);
        if (n > 0 && i % 2 == 0)
            buf[0] &= 0x3f; /* mostly known types */
        decode_any(buf, n, i % 4 < 2 ? SP_DIR_UP : SP_DIR_DOWN);
    }
}

Test(wire, mutated_frames_do_no_harm)
{
    struct maker m = maker_of(4);
    for (unsigned round = 0; round < 300 * SP_KIND_STREAM_RESET; round++) {
        uint8_t kind = (uint8_t)(round % (SP_KIND_STREAM_RESET + 1));
        if (sp_kinds_get(kind)->name == NULL)
            continue;
        uint8_t buf[SP_DATAGRAM_MAX];
        size_t len = 0;
        make(&m, kind);
        cr_assert_eq(sp_wire_encode(&m.f, buf, sizeof buf, &len), 0);
        size_t reach = len < 40 ? len : 40; /* the fields stand in front */
        for (uint32_t i = 0, changes = 1 + below(&m, 3); i < changes; i++)
            buf[below(&m, (uint32_t)reach)] = (uint8_t)below(&m, 256);
        size_t cut = below(&m, 3) == 0 ? below(&m, (uint32_t)len + 1) : len;
        decode_any(buf, cut, dir_of(kind));
    }
}
