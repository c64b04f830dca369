/* wire_rules.c: the range of every field, from both sides: as bytes that the decoder refuses or takes, and as
 * a frame that the encoder refuses. */
#include "wire_rules.h"

#include <sampan/err.h>

#include "hex.h"

#include <stdio.h>

/* ---- what arrives ---- */

struct bytes_case {
    const char *rule, *hex;
    int want;
    char dir; /* u or d */
};
#define BAD SP_EMALFORMED
#define ID8 "0102030405060708"

static const struct bytes_case incoming[] = {
    {"ACK n 7", "01 000000ff 00 00 07 00 0101 0101 0101 0101 0101 0101 0101", 0, 'u'},
    {"ACK n 8", "01 000000ff 00 00 08 00 0101 0101 0101 0101 0101 0101 0101 0101", BAD, 'u'},
    {"ACK n 255", "01 000000ff 00 00 ff 00 0101", BAD, 'u'},
    {"ACK gap 0", "01 000000ff 00 00 01 00 0001", BAD, 'u'},
    {"ACK len 0", "01 000000ff 00 00 01 00 0100", BAD, 'u'},
    {"ACK second gap 0", "01 000000ff 00 00 02 00 0101 0001", BAD, 'u'},

    {"CLOSE of any code", "05 ff ff ffff", 0, 'u'},
    {"OPTIONS with unknown flags", "06 ff ff ffff ffff ffff ffff", 0, 'u'},

    {"msg:R flag 128", "10 80 " ID8 " 01 62 0000", BAD, 'u'},
    {"msg:R class 3", "10 60 " ID8 " 01 62 0000", BAD, 'u'},
    {"msg:R class 2", "10 40 " ID8 " 01 62 0000", 0, 'u'},
    {"msg:R msgid 0", "10 00 0000000000000000 01 62 0000", BAD, 'u'},
    {"msg:R tlen 0", "10 00 " ID8 " 00 0000", BAD, 'u'},
    {"msg:R after 0", "10 02 " ID8 " 0000000000000000 01 62 0000", BAD, 'u'},
    {"msg:R after itself", "10 02 " ID8 " " ID8 " 01 62 0000", BAD, 'u'},
    {"msg:R after a later one", "10 02 " ID8 " 0102030405060709 01 62 0000", BAD, 'u'},
    {"msg:R after the one before", "10 02 " ID8 " 0102030405060707 01 62 0000", 0, 'u'},
    {"msg:R ttl 0", "10 04 " ID8 " 00000000 01 62 0000", BAD, 'u'},
    {"msg:R ttl 1", "10 04 " ID8 " 00000001 01 62 0000", 0, 'u'},
    {"msg:R part 0 of 0", "10 10 " ID8 " 00 00 01 62 0001 78", BAD, 'u'},
    {"msg:R part 0 of 1", "10 10 " ID8 " 00 01 01 62 0001 78", BAD, 'u'},
    {"msg:R part 1 of 2", "10 10 " ID8 " 01 02 0001 78", 0, 'u'},
    {"msg:R part 2 of 2", "10 10 " ID8 " 02 02 0001 78", BAD, 'u'},
    {"msg:R part 65 of 66", "10 10 " ID8 " 41 42 0001 78", 0, 'u'},
    {"msg:R part 66 of 67", "10 10 " ID8 " 42 43 0001 78", BAD, 'u'},
    {"msg:R first part not full", "10 10 " ID8 " 00 02 01 62 0001 78", BAD, 'u'},
    {"msg:R middle part not full", "10 10 " ID8 " 01 03 0001 78", BAD, 'u'},
    {"msg:R last part empty", "10 10 " ID8 " 01 02 0000", BAD, 'u'},
    {"msg:R later part, class 3", "10 70 " ID8 " 01 02 0001 78", BAD, 'u'},
    {"msg:R later part, presence bits", "10 16 " ID8 " 01 02 0001 78", 0, 'u'},

    {"msg:A OK, state 0", "11 00 " ID8 " 00000001 00 0000", BAD, 'd'},
    {"msg:A OK, state 5", "11 00 " ID8 " 00000001 05 0000", BAD, 'd'},
    {"msg:A OK, state 8", "11 00 " ID8 " 00000001 08 0000", BAD, 'd'},
    {"msg:A OK, state 9", "11 00 " ID8 " 00000001 09 0000", 0, 'd'},
    {"msg:A OK, unknown final state", "11 00 " ID8 " 00000001 ff 0000", 0, 'd'},
    {"msg:A of a group message", "11 00 " ID8 " 00000000 01 0000", 0, 'd'},
    {"msg:A error with seq", "11 05 " ID8 " 00000001 00 0000", BAD, 'd'},
    {"msg:A error with state", "11 05 " ID8 " 00000000 01 0000", BAD, 'd'},
    {"msg:A error", "11 05 " ID8 " 00000000 00 0000", 0, 'd'},
    {"msg:A unknown error", "11 fe " ID8 " 00000000 00 0000", 0, 'd'},
    {"msg:A msgid 0", "11 00 0000000000000000 00000001 01 0000", BAD, 'd'},

    {"msg:N seq 0", "12 00 00000000 " ID8 " 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N seq 1", "12 00 00000001 " ID8 " 00000005 000000000001 01 61 0000", 0, 'd'},
    {"msg:N msgid 0", "12 00 00000001 0000000000000000 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N flag 128", "12 80 00000001 " ID8 " 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N flag AFTER", "12 02 00000001 " ID8 " 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N flag TTL", "12 04 00000001 " ID8 " 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N class 3", "12 60 00000001 " ID8 " 00000005 000000000001 01 61 0000", BAD, 'd'},
    {"msg:N flen 0", "12 00 00000001 " ID8 " 00000005 000000000001 00 0000", BAD, 'd'},
    {"msg:N glen 0", "12 08 00000001 " ID8 " 00000005 000000000001 01 61 00 0000", BAD, 'd'},
    {"msg:N glen 1", "12 08 00000001 " ID8 " 00000005 000000000001 01 61 01 67 0000", 0, 'd'},
    {"msg:N later part, seq 0", "12 10 00000000 01 02 0001 78", BAD, 'd'},
    {"msg:N later part, AFTER", "12 12 00000001 01 02 0001 78", BAD, 'd'},
    {"msg:N later part", "12 10 00000001 01 02 0001 78", 0, 'd'},
    {"msg:N part 2 of 2", "12 10 00000001 02 02 0001 78", BAD, 'd'},

    {"ack:R kind 0", "13 00 0001 00000005 00", BAD, 'u'},
    {"ack:R kind 1", "13 01 0001 00000005 00", 0, 'u'},
    {"ack:R kind 2", "13 02 0001 00000005 00", 0, 'u'},
    {"ack:R kind 3", "13 03 0001 00000005 00", BAD, 'u'},
    {"ack:R kind 128", "13 80 0001 00000005 00", BAD, 'u'},
    {"ack:R kind 130", "13 82 0001 00000005 00", 0, 'u'},
    {"ack:R kind 65", "13 41 0001 00000005 00", BAD, 'u'},
    {"ack:R id 0", "13 01 0000 00000005 00", BAD, 'u'},
    {"ack:R n 9", "13 01 0001 00000005 09 0000000600000006", BAD, 'u'},
    {"ack:R range at the cursor", "13 01 0001 00000005 01 0000000500000006", BAD, 'u'},
    {"ack:R range from 0", "13 01 0001 00000000 01 0000000000000006", BAD, 'u'},
    {"ack:R range above the cursor", "13 01 0001 00000005 01 0000000600000006", 0, 'u'},
    {"ack:R range backwards", "13 01 0001 00000005 01 0000000800000007", BAD, 'u'},
    {"ack:R ranges overlap", "13 01 0001 00000005 02 0000000700000009 000000090000000a", BAD, 'u'},
    {"ack:R ranges fall", "13 01 0001 00000005 02 0000000900000009 0000000700000007", BAD, 'u'},
    {"ack:R ranges rise", "13 01 0001 00000005 02 0000000700000007 0000000900000009", 0, 'u'},
    {"ack:R range to the last seq", "13 01 0001 fffffffe 01 ffffffffffffffff", 0, 'u'},
    {"ack:R range above the last seq", "13 01 0001 ffffffff 01 ffffffffffffffff", BAD, 'u'},

    {"ack:A id 0", "14 0000 00 00000001", BAD, 'd'},
    {"ack:A id 1", "14 0001 00 00000001", 0, 'd'},
    {"ack:N msgid 0", "15 0000000000000000 03", BAD, 'd'},
    {"ack:N state 0", "15 " ID8 " 00", BAD, 'd'},
    {"ack:N state 4", "15 " ID8 " 04", 0, 'd'},
    {"ack:N state 5", "15 " ID8 " 05", BAD, 'd'},
    {"ack:N state 12", "15 " ID8 " 0c", 0, 'd'},
    {"ack:N group all equal", "16 " ID8 " 01 00000002 00000002 00000002 00000002", 0, 'd'},
    {"ack:N group stored > total", "16 " ID8 " 00 00000002 00000003 00000002 00000002", BAD, 'd'},
    {"ack:N group delivered > stored", "16 " ID8 " 00 00000004 00000002 00000003 00000002", BAD, 'd'},
    {"ack:N group read > delivered", "16 " ID8 " 00 00000004 00000003 00000001 00000002", BAD, 'd'},
    {"ack:N group final 2", "16 " ID8 " 02 00000002 00000002 00000002 00000002", BAD, 'd'},
    {"ack:N group msgid 0", "16 0000000000000000 00 00000002 00000002 00000002 00000002", BAD, 'd'},

    {"PULL:R flag 2", "19 02 0001 00000005 " ID8 " 01f4 00", BAD, 'u'},
    {"PULL:R flag 128", "19 80 0001 00000005 " ID8 " 01f4 00", BAD, 'u'},
    {"PULL:R id 0", "19 01 0000 00000005 " ID8 " 01f4 00", BAD, 'u'},
    {"PULL:R max 0", "19 01 0001 00000005 " ID8 " 0000 00", 0, 'u'},
    {"PULL:R max 65535", "19 01 0001 00000005 " ID8 " ffff 00", 0, 'u'},
    {"PULL:R epoch 0", "19 00 0001 00000000 0000000000000000 01f4 00", 0, 'u'},
    {"PULL:R n 9", "19 01 0001 00000005 " ID8 " 01f4 09 0000000600000006", BAD, 'u'},
    {"PULL:R range at the cursor", "19 01 0001 00000005 " ID8 " 01f4 01 0000000500000005", BAD, 'u'},
    {"PULL:R range above the cursor", "19 01 0001 00000005 " ID8 " 01f4 01 0000000600000007", 0, 'u'},
    {"PULL:R ranges overlap", "19 01 0001 00000005 " ID8 " 01f4 02 0000000600000008 0000000800000009", BAD,
     'u'},

    {"PULL:A id 0", "1a 00 0000 " ID8 " 00000003 00000009 00000001 00", BAD, 'd'},
    {"PULL:A to = svr_seq", "1a 00 0001 " ID8 " 00000009 00000009 00000009 00", 0, 'd'},
    {"PULL:A to > svr_seq", "1a 00 0001 " ID8 " 0000000a 00000009 00000001 00", BAD, 'd'},
    {"PULL:A confirmed > svr_seq", "1a 00 0001 " ID8 " 00000003 00000009 0000000a 00", BAD, 'd'},
    {"PULL:A n 65", "1a 00 0001 " ID8 " 00000003 00000009 00000001 41 000000010000000101", BAD, 'd'},
    {"PULL:A why 0", "1a 00 0001 " ID8 " 00000003 00000009 00000001 01 000000020000000300", BAD, 'd'},
    {"PULL:A unknown why", "1a 00 0001 " ID8 " 00000003 00000009 00000001 01 0000000200000003ff", 0, 'd'},
    {"PULL:A skipped from 0", "1a 00 0001 " ID8 " 00000003 00000009 00000001 01 000000000000000301", BAD,
     'd'},
    {"PULL:A skipped backwards", "1a 00 0001 " ID8 " 00000003 00000009 00000001 01 000000030000000201", BAD,
     'd'},
    {"PULL:A skipped above to", "1a 00 0001 " ID8 " 00000003 00000009 00000001 01 000000020000000401", BAD,
     'd'},
    {"PULL:A skipped overlap",
     "1a 00 0001 " ID8 " 00000009 00000009 00000001 02 000000020000000401 000000040000000501", BAD, 'd'},
    {"PULL:A skipped touch",
     "1a 00 0001 " ID8 " 00000009 00000009 00000001 02 000000020000000401 000000050000000502", 0, 'd'},

    {"RESYNC why 0", "1b 00 0001 " ID8 " 00000001 00000002", BAD, 'd'},
    {"RESYNC id 0", "1b 01 0000 " ID8 " 00000001 00000002", 0, 'd'},
    {"RESYNC epoch 0", "1b 01 0001 0000000000000000 00000001 00000002", BAD, 'd'},
    {"RESYNC lo > hi", "1b 01 0001 " ID8 " 00000003 00000002", BAD, 'd'},
    {"RESYNC empty mailbox", "1b 01 0001 " ID8 " 00000000 00000000", 0, 'd'},

    {"STATUS:R n 0", "1c 0001 00", BAD, 'u'},
    {"STATUS:R n 33", "1c 0001 21 " ID8, BAD, 'u'},
    {"STATUS:R id 0", "1c 0000 01 " ID8, BAD, 'u'},
    {"STATUS:R msgid 0", "1c 0001 02 " ID8 " 0000000000000000", BAD, 'u'},
    {"STATUS:R", "1c 0001 01 " ID8, 0, 'u'},
    {"STATUS:A n 0", "1d 0001 00", BAD, 'd'},
    {"STATUS:A n 33", "1d 0001 21 0100000001", BAD, 'd'},
    {"STATUS:A id 0", "1d 0000 01 0100000001", BAD, 'd'},
    {"STATUS:A state 0", "1d 0001 01 0000000000", 0, 'd'},
    {"STATUS:A state 6", "1d 0001 01 0600000001", BAD, 'd'},
    {"DONE msgid 0", "1e 0000000000000000", BAD, 'u'},

    {"CTRL:R id 0", "20 01 0000000000000000 0001 80", BAD, 'u'},
    {"CTRL:R empty", "20 01 " ID8 " 0000", 0, 'u'},
    {"CTRL:A id 0", "21 01 0000000000000000 0001 80", BAD, 'd'},
    {"CTRL:N id 0", "22 01 00000000 0001 80", 0, 'd'},

    {"STREAM_OPEN 0", "30 00000000 01", BAD, 'u'},
    {"STREAM_DATA 0", "31 00000000 0000000000000000 0001 78", BAD, 'u'},
    {"STREAM_DATA empty", "31 00000001 0000000000000000 0000", BAD, 'u'},
    {"STREAM_DATA to the end", "31 00000001 3ffffffffffffffe 0001 78", 0, 'u'},
    {"STREAM_DATA past the end", "31 00000001 3fffffffffffffff 0001 78", BAD, 'u'},
    {"STREAM_DATA offset too large", "31 00000001 ffffffffffffffff 0001 78", BAD, 'u'},
    {"STREAM_WINDOW 0", "32 00000000 0000000000000000", 0, 'u'},
    {"STREAM_CLOSE 0", "33 00000000 0000000000000000", BAD, 'u'},
    {"STREAM_RESET 0", "34 00000000 00", BAD, 'u'},
};

Test(wire_rules, incoming_fields_keep_their_ranges)
{
    for (size_t i = 0; i < sizeof incoming / sizeof incoming[0]; i++) {
        const struct bytes_case *c = &incoming[i];
        uint8_t buf[256];
        struct sp_frame f;
        size_t used = 0;
        size_t n = sp_hex_read(c->hex, buf, sizeof buf);
        uint8_t *exact = sp_hex_exact(buf, n);
        enum sp_dir dir = c->dir == 'u' ? SP_DIR_UP : SP_DIR_DOWN;
        cr_assert_eq(sp_wire_decode((struct sp_view){.p = exact, .n = n}, dir, &f, &used), c->want, "%s",
                     c->rule);
        if (c->want == 0)
            cr_assert_eq(used, n, "%s", c->rule);
        free(exact);
    }
}

/* ---- lengths that are tedious to write in hexadecimal ---- */

struct length_case {
    const char *rule;
    size_t id_len, body_len;
    int want;
    uint8_t kind, index, count; /* count 0: no FRAG */
};
static const struct length_case lengths[] = {
    {"user of 64", 64, 1, 0, SP_KIND_MSG_R, 0, 0},
    {"user of 65", 65, 1, BAD, SP_KIND_MSG_R, 0, 0},
    {"user of 255", 255, 1, BAD, SP_KIND_MSG_R, 0, 0},
    {"body of 1000", 1, 1000, 0, SP_KIND_MSG_R, 0, 0},
    {"body of 1001", 1, 1001, BAD, SP_KIND_MSG_R, 0, 0},
    {"first part of 1000", 1, 1000, 0, SP_KIND_MSG_R, 0, 2},
    {"first part of 999", 1, 999, BAD, SP_KIND_MSG_R, 0, 2},
    {"last part of 1000", 1, 1000, 0, SP_KIND_MSG_R, 1, 2},
    {"last part of 1001", 1, 1001, BAD, SP_KIND_MSG_R, 1, 2},
    {"middle part of 1000", 1, 1000, 0, SP_KIND_MSG_R, 1, 3},
    {"middle part of 999", 1, 999, BAD, SP_KIND_MSG_R, 1, 3},
    {"sender of 64", 64, 1, 0, SP_KIND_MSG_N, 0, 0},
    {"sender of 65", 65, 1, BAD, SP_KIND_MSG_N, 0, 0},
    {"body down of 1000", 1, 1000, 0, SP_KIND_MSG_N, 0, 0},
    {"body down of 1001", 1, 1001, BAD, SP_KIND_MSG_N, 0, 0},
    {"map of 1000", 0, 1000, 0, SP_KIND_CTRL_R, 0, 0},
    {"map of 1001", 0, 1001, BAD, SP_KIND_CTRL_R, 0, 0},
    {"map down of 1000", 0, 1000, 0, SP_KIND_CTRL_A, 0, 0},
    {"map down of 1001", 0, 1001, BAD, SP_KIND_CTRL_A, 0, 0},
    {"map of a notice of 1000", 0, 1000, 0, SP_KIND_CTRL_N, 0, 0},
    {"map of a notice of 1001", 0, 1001, BAD, SP_KIND_CTRL_N, 0, 0},
};

/* Everything in front of a body of these lengths. */
static size_t head_of(const struct length_case *c, uint8_t *dst, size_t cap)
{
    char hex[1024];
    char id[2 * 255 + 1] = "";
    char part[8] = "";
    for (size_t i = 0; i < c->id_len; i++)
        memcpy(id + 2 * i, "61", 3);
    if (c->count > 0)
        (void)snprintf(part, sizeof part, "%02x%02x", c->index, c->count);
    unsigned flags = c->count > 0 ? SP_MSG_FRAG : 0;
    if (c->kind == SP_KIND_MSG_R && c->index > 0)
        (void)snprintf(hex, sizeof hex, "10%02x" ID8 "%s", flags, part);
    else if (c->kind == SP_KIND_MSG_R)
        (void)snprintf(hex, sizeof hex, "10%02x" ID8 "%s%02x%s", flags, part, (unsigned)c->id_len, id);
    else if (c->kind == SP_KIND_MSG_N)
        (void)snprintf(hex, sizeof hex, "12%02x00000001" ID8 "00000005000000000001%02x%s", flags,
                       (unsigned)c->id_len, id);
    else
        (void)snprintf(hex, sizeof hex, "%02x01%s", c->kind, c->kind == SP_KIND_CTRL_N ? "00000001" : ID8);
    return sp_hex_read(hex, dst, cap);
}

Test(wire_rules, incoming_lengths_keep_their_ranges)
{
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t buf[2048] = {0};
        struct sp_frame f;
        size_t used = 0;
        size_t n = head_of(&lengths[i], buf, sizeof buf);
        buf[n++] = (uint8_t)(lengths[i].body_len >> 8);
        buf[n++] = (uint8_t)lengths[i].body_len;
        n += lengths[i].body_len;
        enum sp_dir dir =
            lengths[i].kind == SP_KIND_MSG_R || lengths[i].kind == SP_KIND_CTRL_R ? SP_DIR_UP : SP_DIR_DOWN;
        uint8_t *exact = sp_hex_exact(buf, n);
        cr_assert_eq(sp_wire_decode((struct sp_view){.p = exact, .n = n}, dir, &f, &used), lengths[i].want,
                     "%s", lengths[i].rule);
        free(exact);
    }
}

/* ---- what we send ---- */

static const uint8_t filler[2000] = {1};
#define BYTES(len)                                                                                           \
    {                                                                                                        \
        .p = filler, .n = (len)                                                                              \
    }
#define M1                                                                                                   \
    {                                                                                                        \
        .v = 7                                                                                               \
    }
#define MSG_R(...)                                                                                           \
    {                                                                                                        \
        SP_KIND_MSG_R, .u.msg_r = {.msgid = M1, .to = BYTES(1), __VA_ARGS__ }                                \
    }
#define MSG_N(...)                                                                                           \
    {                                                                                                        \
        SP_KIND_MSG_N, .u.msg_n = {.seq = {1}, .msgid = M1, .from = BYTES(1), .at_ms = 1, __VA_ARGS__ }      \
    }

struct frame_case {
    const char *rule;
    struct sp_frame f;
};
/* Clang warns of fields that a later designator sets again, which is the point of the two macros. */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
static const struct frame_case outgoing[] = {
    {"ACK n", {SP_KIND_ACK, .u.ack = {.n = 8}}},
    {"ACK gap", {SP_KIND_ACK, .u.ack = {.n = 1, .gaps = {{0, 1}}}}},
    {"msg:R flags", MSG_R(.flags = 0x80)},
    {"msg:R msgid", MSG_R(.msgid = {0})},
    {"msg:R to empty", MSG_R(.to = BYTES(0))},
    {"msg:R to long", MSG_R(.to = BYTES(65))},
    {"msg:R to of 257 bytes, 1 in a byte", MSG_R(.to = BYTES(257))},
    {"msg:R body", MSG_R(.body = BYTES(1001))},
    {"msg:R after", MSG_R(.flags = SP_MSG_AFTER, .after = {7})},
    {"msg:R ttl", MSG_R(.flags = SP_MSG_TTL)},
    {"msg:R count", MSG_R(.flags = SP_MSG_FRAG, .count = 1, .body = BYTES(1000))},
    {"msg:R index", MSG_R(.flags = SP_MSG_FRAG, .count = 2, .index = 2, .body = BYTES(1000))},
    {"msg:R part", MSG_R(.flags = SP_MSG_FRAG, .count = 2, .body = BYTES(999))},
    {"msg:A state", {SP_KIND_MSG_A, .u.msg_a = {.msgid = M1, .seq = {1}}}},
    {"msg:A error with seq", {SP_KIND_MSG_A, .u.msg_a = {.code = 5, .msgid = M1, .seq = {1}}}},
    {"msg:N seq", MSG_N(.seq = {0})},
    {"msg:N flags", MSG_N(.flags = SP_MSG_TTL)},
    {"msg:N time of 49 bits", MSG_N(.at_ms = (uint64_t)1 << 48)},
    {"msg:N group", MSG_N(.flags = SP_MSG_GROUP)},
    {"msg:N from", MSG_N(.from = BYTES(65))},
    {"ack:R kind", {SP_KIND_ACK_R, .u.ack_r = {.kind = 3, .id = 1}}},
    {"ack:R id", {SP_KIND_ACK_R, .u.ack_r = {.kind = 1}}},
    {"ack:R n", {SP_KIND_ACK_R, .u.ack_r = {.kind = 1, .id = 1, .n = 9}}},
    {"ack:R ranges",
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 1, .id = 1, .cursor = {5}, .n = 1, .held = {{5, 6}}}}},
    {"ack:A id", {SP_KIND_ACK_A, .u.ack_a = {0}}},
    {"ack:N state", {SP_KIND_ACK_N, .u.ack_n = {M1, 0}}},
    {"ack:N group order", {SP_KIND_ACK_N_GROUP, .u.ack_n_group = {M1, 0, 1, 2, 0, 0}}},
    {"PULL:R flags", {SP_KIND_PULL_R, .u.pull_r = {.flags = 2, .id = 1}}},
    {"PULL:R n", {SP_KIND_PULL_R, .u.pull_r = {.id = 1, .n = 9}}},
    {"PULL:A n", {SP_KIND_PULL_A, .u.pull_a = {.id = 1, .n = 65}}},
    {"PULL:A to", {SP_KIND_PULL_A, .u.pull_a = {.id = 1, .to = {2}, .svr_seq = {1}}}},
    {"RESYNC epoch", {SP_KIND_RESYNC, .u.resync = {.why = 1}}},
    {"STATUS:R n 0", {SP_KIND_STATUS_R, .u.status_r = {.id = 1}}},
    {"STATUS:R n 33", {SP_KIND_STATUS_R, .u.status_r = {.id = 1, .n = 33}}},
    {"STATUS:A n", {SP_KIND_STATUS_A, .u.status_a = {.id = 1, .n = 33}}},
    {"DONE msgid", {SP_KIND_DONE, .u.done = {{0}}}},
    {"CTRL:R map", {SP_KIND_CTRL_R, .u.ctrl = {.id = 1, .map = BYTES(1001)}}},
    {"CTRL:N id of 33 bits", {SP_KIND_CTRL_N, .u.ctrl = {.id = (uint64_t)1 << 32}}},
    {"STREAM_OPEN 0", {SP_KIND_STREAM_OPEN, .u.stream = {0}}},
    {"STREAM_DATA empty", {SP_KIND_STREAM_DATA, .u.stream = {.stream = 1}}},
    {"STREAM_DATA of 65537 bytes", {SP_KIND_STREAM_DATA, .u.stream = {.stream = 1, .bytes = BYTES(65537)}}},
};
#pragma GCC diagnostic pop

Test(wire_rules, outgoing_fields_keep_their_ranges)
{
    for (size_t i = 0; i < sizeof outgoing / sizeof outgoing[0]; i++) {
        uint8_t buf[SP_DATAGRAM_MAX];
        size_t len = 77;
        cr_assert_not(sp_wire_rules_hold(&outgoing[i].f), "%s", outgoing[i].rule);
        cr_assert_eq(sp_wire_encode(&outgoing[i].f, buf, sizeof buf, &len), SP_EINVAL, "%s",
                     outgoing[i].rule);
        cr_assert_eq(len, 77);
    }
}

Test(wire_rules, fields_that_flags_leave_out_do_not_matter)
{
    struct sp_frame later = {SP_KIND_MSG_R, .u.msg_r = {.flags = SP_MSG_FRAG | SP_MSG_AFTER | SP_MSG_TTL,
                                                        .msgid = M1,
                                                        .index = 1,
                                                        .count = 2,
                                                        .body = BYTES(1)}};
    struct sp_frame plain = {SP_KIND_MSG_R,
                             .u.msg_r = {.msgid = M1, .after = {9}, .index = 70, .count = 1, .to = BYTES(1)}};
    struct sp_frame down = {SP_KIND_MSG_N,
                            .u.msg_n = {.seq = {1}, .msgid = M1, .from = BYTES(1), .group = BYTES(99)}};
    cr_assert(sp_wire_rules_hold(&later));
    cr_assert(sp_wire_rules_hold(&plain));
    cr_assert(sp_wire_rules_hold(&down));
}
