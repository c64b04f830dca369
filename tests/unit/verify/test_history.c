/* Events to lines and back, and lines that are none. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <sampan/err.h>

#include "crypto_sodium.h"
#include "historyread.h"

static struct sp_view view(const char *text)
{
    return (struct sp_view){(const uint8_t *)text, strlen(text)};
}

static int decode(const char *line, struct sp_history_event *e, struct sp_historyread_names *names)
{
    const char *reason = NULL;
    int rc = sp_historyread_line(line, strlen(line), e, names, &reason);
    cr_assert_not_null(reason);
    cr_assert_eq(rc == 0, reason[0] == '\0', "%s: %d, '%s'", line, rc, reason);
    return rc;
}

Test(history, a_line)
{
    char line[SP_HISTORY_LINE_MAX];
    const struct sp_history_event e = {.kind = SP_HISTORY_HANDED,
                                       .at_us = 12,
                                       .user = view("b"),
                                       .device = 2,
                                       .peer = view("a \"q\\"),
                                       .peer_device = 1,
                                       .msgid = 0x6b01bf2000000001,
                                       .seq = 7,
                                       .hash = 0xff,
                                       .len = 3};
    size_t n = sp_history_encode(&e, line, sizeof line);
    const char *expected =
        "{\"e\":\"handed\",\"user\":\"b\",\"device\":2,\"peer\":\"a \\u0022q\\u005c\",\"peer_device\":1,"
        "\"msgid\":\"6b01bf2000000001\",\"seq\":7,\"hash\":\"00000000000000ff\",\"len\":3,\"t\":12}\n";
    cr_assert_eq(n, strlen(expected));
    cr_assert_eq(memcmp(line, expected, n), 0, "%.*s", (int)n, line);
}

/* The longest event fits, and every byte of an id comes back. */
Test(history, there_and_back)
{
    uint8_t id[2][SP_USER_MAX];
    char line[SP_HISTORY_LINE_MAX];
    struct sp_history_event back;
    struct sp_historyread_names names;
    const char *reason;
    for (int start = 0; start < 256; start += SP_USER_MAX) {
        for (int i = 0; i < SP_USER_MAX; i++)
            id[0][i] = id[1][SP_USER_MAX - 1 - i] = (uint8_t)(start + i);
        for (int k = 1; k < SP_HISTORY_KINDS; k++) {
            const struct sp_history_event e = {.kind = (enum sp_history_kind)k,
                                               .at_us = INT64_MAX,
                                               .user = {id[0], SP_USER_MAX},
                                               .device = UINT32_MAX,
                                               .peer = {id[1], SP_USER_MAX},
                                               .peer_device = UINT32_MAX - 1,
                                               .msgid = UINT64_MAX,
                                               .install = UINT64_MAX - 1,
                                               .epoch = UINT64_MAX - 2,
                                               .commit = INT64_MAX - 3,
                                               .hash = UINT64_MAX - 4,
                                               .len = UINT32_MAX - 2,
                                               .flags = UINT32_MAX - 3,
                                               .seq = UINT32_MAX - 5,
                                               .hi = UINT32_MAX - 4,
                                               .state = 255,
                                               .code = 254,
                                               .is_repeat = true};
            size_t n = sp_history_encode(&e, line, sizeof line);
            cr_assert(n > 0 && n <= SP_HISTORY_LINE_MAX && line[n - 1] == '\n');
            cr_assert_eq(sp_historyread_line(line, n - 1, &back, &names, &reason), 0, "%s", reason);
            cr_assert_eq(back.user.n, SP_USER_MAX);
            cr_assert_eq(memcmp(back.user.p, id[0], SP_USER_MAX), 0);
            cr_assert_eq(memcmp(back.peer.p, id[1], SP_USER_MAX), 0);
            back.user = e.user;
            back.peer = e.peer;
            cr_assert(back.kind == e.kind && back.at_us == e.at_us && back.device == e.device &&
                      back.peer_device == e.peer_device && back.msgid == e.msgid &&
                      back.install == e.install && back.epoch == e.epoch && back.commit == e.commit &&
                      back.hash == e.hash && back.len == e.len && back.flags == e.flags &&
                      back.seq == e.seq && back.hi == e.hi && back.state == e.state && back.code == e.code &&
                      back.is_repeat);
        }
    }
}

/* Every cut of a good line is a bad one: a torn line is never taken for another event. */
Test(history, every_cut_is_noticed)
{
    static const char line[] =
        "{\"e\":\"handed\",\"user\":\"b\",\"device\":2,\"peer\":\"a\",\"peer_device\":1,\"msgid\":\"01\","
        "\"seq\":7,\"extra\":\"\\u0041\",\"more\":-1.5e3,\"yes\":null}";
    struct sp_history_event e;
    struct sp_historyread_names names;
    const char *reason;
    cr_assert_eq(decode(line, &e, &names), 0);
    for (size_t n = 0; n < sizeof line - 1; n++)
        cr_assert_eq(sp_historyread_line(line, n, &e, &names, &reason), SP_EMALFORMED, "%zu bytes", n);
}

/* Every byte of a line changed to every other: another event or none, never harm. */
Test(history, every_changed_byte)
{
    static const char line[] =
        "{\"e\":\"skipped\",\"user\":\"b\\u0041\",\"seq\":7,\"hi\":9,\"code\":2,\"x\":true}";
    struct sp_history_event e;
    struct sp_historyread_names names;
    const char *reason;
    for (size_t i = 0; i < sizeof line - 1; i++) {
        for (int c = 0; c < 256; c++) {
            char copy[sizeof line - 1]; /* no terminator, so that a reader beyond the end is seen */
            memcpy(copy, line, sizeof copy);
            copy[i] = (char)c;
            if (sp_historyread_line(copy, sizeof copy, &e, &names, &reason) == 0)
                cr_assert(e.kind != SP_HISTORY_NONE && e.user.n >= 1 && e.user.n <= SP_USER_MAX);
        }
    }
}

Test(history, other_writers)
{
    struct sp_history_event e;
    struct sp_historyread_names names;
    cr_assert_eq(decode(" { \"seq\" : 3 , \"user\":\"\\n\\u00e9\" ,\"e\":\"kept\"} \r", &e, &names), 0);
    cr_assert_eq(e.kind, SP_HISTORY_KEPT);
    cr_assert_eq(e.seq, 3);
    cr_assert_eq(e.user.n, 2);
    cr_assert_eq(e.user.p[0], '\n');
    cr_assert_eq(e.user.p[1], 0xe9);
    cr_assert_eq(decode("{\"e\":\"kept\",\"user\":\"\xc3\xa9\\u0000\",\"seq\":1}", &e, &names), 0);
    cr_assert_eq(e.user.n, 2, "a character is one byte, however it is written");
    cr_assert_eq(e.user.p[0], 0xe9);
    cr_assert_eq(e.user.p[1], 0);
}

Test(history, what_is_no_line)
{
    static const char *const bad[] = {
        "",
        "x",
        "{}",
        "[]",
        "{\"e\":\"dance\"}",
        "{\"e\":\"kept\",\"user\":\"b\"}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":0}",
        "{\"e\":\"kept\",\"user\":\"\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":4294967296}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":99999999999999999999}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":-1}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":\"1\"}",
        "{\"e\":\"kept\",\"user\":\"\\u0100\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"\\q\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1} x",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,\"z\":{}}",
        "{\"e\":\"kept\",\"user\":\"b\" \"seq\":1}",
        "{\"e\":\"gaveup\",\"user\":\"b\",\"msgid\":\"xyz\"}",
        "{\"e\":\"gaveup\",\"user\":\"b\",\"msgid\":\"\"}",
        "{\"e\":\"gaveup\",\"user\":\"b\",\"msgid\":\"00000000000000001\"}",
        "{\"e\":\"skipped\",\"user\":\"b\",\"seq\":5,\"hi\":4,\"code\":1}",
        "{\"e\":\"told\",\"user\":\"b\",\"msgid\":\"1\",\"state\":256}",
        "{\"e\":\"told\",\"user\":\"b\",\"msgid\":\"1\",\"state\":1,\"repeat\":1}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1.0}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":01}",
        "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,\"z\":[]}",
        "{\"e\":\"kept\\u0000\",\"user\":\"b\",\"seq\":1}",
        "{\"e\":7,\"user\":\"b\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":7,\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"\n\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"\xe2\x82\xac\",\"seq\":1}",
        "{\"e\":\"kept\",\"user\":\"\\ud83d\\ude00\",\"seq\":1}",
        "{\"e\":\"gaveup\",\"user\":\"b\",\"msgid\":\"1\\u0000\"}",
        "{\"e\":\"gaveup\",\"user\":\"b\",\"msgid\":1}",
        ("{\"e\":\"kept\",\"seq\":1,\"user\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
    };
    struct sp_history_event e;
    struct sp_historyread_names names;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(decode(bad[i], &e, &names), SP_EMALFORMED, "%s", bad[i]);
}

/* What jansson refuses is named as well. */
Test(history, the_reason_is_said)
{
    static const struct {
        const char *line, *reason;
    } bad[] = {
        {"{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,\"seq\":1}", "a field that is there twice"},
        {"{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,\"z\":1,\"z\":1}", "a field that is there twice"},
        {"{\"e\":\"start\",\"commit\":9223372036854775808}", "a number out of range"},
        {"{\"e\":\"start\",\"commit\":18446744073709551615}", "a number out of range"},
        {"{\"e\":\"start\",\"commit\":-1}", "a number out of range"},
        {"{\"e\":\"start\",\"t\":9223372036854775808}", "a number out of range"},
        {"{\"e\":\"kept\",\"user\":\"\xe9\",\"seq\":1}", "a text that is not UTF-8"},
        {"{\"e\":\"kept\",\"user\":\"\\u0100\",\"seq\":1}", "a character above \\u00ff"},
        {"{\"e\":\"start\"", "not a JSON object"},
        {"\"start\"", "not a JSON object"},
    };
    struct sp_history_event e;
    struct sp_historyread_names names;
    const char *reason;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(sp_historyread_line(bad[i].line, strlen(bad[i].line), &e, &names, &reason),
                     SP_EMALFORMED, "%s", bad[i].line);
        cr_assert_str_eq(reason, bad[i].reason, "%s", bad[i].line);
    }
    cr_assert_eq(decode("{\"e\":\"start\",\"commit\":9223372036854775807}", &e, &names), 0);
    cr_assert_eq(e.commit, INT64_MAX);
}

static int allocations_left;

static void *scarce(size_t n)
{
    if (--allocations_left >= 0)
        return malloc(n);
    errno = ENOMEM; /* as malloc does */
    return NULL;
}

/* A line for which there is no memory is not called damaged, wherever memory ends. */
Test(history, no_memory_is_no_damage)
{
    static const char line[] =
        "{\"e\":\"handed\",\"user\":\"b\",\"device\":2,\"peer\":\"a\",\"peer_device\":1,"
        "\"msgid\":\"01\",\"seq\":7,\"x\":1.5,\"a name that is longer than most\":true}";
    struct sp_history_event e;
    struct sp_historyread_names names;
    const char *reason;
    int rc = SP_EFULL, n = 0;
    json_set_alloc_funcs(scarce, free);
    while (rc == SP_EFULL && n < 1000) {
        allocations_left = n++;
        rc = sp_historyread_line(line, sizeof line - 1, &e, &names, &reason);
        if (rc == SP_EFULL)
            cr_assert_str_eq(reason, "no memory");
    }
    cr_assert_eq(rc, 0, "%d allocations: %s", n - 1, reason);
    cr_assert_gt(n, 20);
    cr_assert_eq(e.seq, 7);
    cr_assert_eq(e.peer_device, 1);
}

Test(history, a_nul_byte_ends_nothing)
{
    static const char line[] = "{\"e\":\"kept\",\"user\":\"b\",\"seq\":1,\"z\":\0}";
    struct sp_history_event e;
    struct sp_historyread_names names;
    const char *reason;
    cr_assert_eq(sp_historyread_line(line, sizeof line - 1, &e, &names, &reason), SP_EMALFORMED);
}

/* The one of docs/protocol.md: tests/vectors/hashes.txt, body_user. */
Test(history, the_hash_is_the_protocol_s)
{
    cr_assert_eq(sp_history_hash(sp_crypto_sodium(), view("bob"), view("hello")), 0x5fa9ca6e2588a8ed);
}
