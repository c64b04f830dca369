/* kinds.c against the table of docs/protocol.md, section 4. */
#include "kinds.h"

#include <criterion/criterion.h>

#include <string.h>

struct kind_row {
    const char *name;
    const char *resent; /* as printed there */
    uint8_t kind;
    char dir; /* u, d or b(oth) */
    bool cwnd;
};
static const struct kind_row rows[] = {
    {"PAD", "no", 0x00, 'b', false},
    {"ACK", "no", 0x01, 'b', false},
    {"PING", "no", 0x02, 'b', true},
    {"PATH_CHALLENGE", "fresh", 0x03, 'b', true},
    {"PATH_RESPONSE", "no", 0x04, 'b', true},
    {"CLOSE", "no", 0x05, 'b', false},
    {"OPTIONS", "newest", 0x06, 'b', true},
    {"TICKET", "yes", 0x07, 'd', true},
    {"msg:R", "yes", 0x10, 'u', true},
    {"msg:A", "yes", 0x11, 'd', true},
    {"msg:N", "yes", 0x12, 'd', true},
    {"ack:R", "newest", 0x13, 'u', true},
    {"ack:A", "newest", 0x14, 'd', true},
    {"ack:N", "newest", 0x15, 'd', true},
    {"ack:N group", "newest", 0x16, 'd', true},
    {"TIP", "newest", 0x18, 'd', true},
    {"PULL:R", "yes", 0x19, 'u', true},
    {"PULL:A", "yes", 0x1a, 'd', true},
    {"RESYNC", "yes", 0x1b, 'd', true},
    {"STATUS:R", "yes", 0x1c, 'u', true},
    {"STATUS:A", "yes", 0x1d, 'd', true},
    {"DONE", "newest", 0x1e, 'u', true},
    {"CTRL:R", "yes", 0x20, 'u', true},
    {"CTRL:A", "yes", 0x21, 'd', true},
    {"CTRL:N", "yes", 0x22, 'd', true},
    {"STREAM_OPEN", "yes", 0x30, 'u', true},
    {"STREAM_DATA", "yes", 0x31, 'b', true},
    {"STREAM_WINDOW", "newest", 0x32, 'b', true},
    {"STREAM_CLOSE", "yes", 0x33, 'b', true},
    {"STREAM_RESET", "yes", 0x34, 'b', true},
};
#define ROWS_N (sizeof rows / sizeof rows[0])

static enum sp_resend resend_of(const char *text)
{
    if (strcmp(text, "yes") == 0)
        return SP_RESEND_YES;
    if (strcmp(text, "newest") == 0)
        return SP_RESEND_NEWEST;
    return strcmp(text, "fresh") == 0 ? SP_RESEND_FRESH : SP_RESEND_NO;
}

static const struct kind_row *find(unsigned kind)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        if (rows[i].kind == kind)
            return &rows[i];
    }
    return NULL;
}

Test(kinds, table_is_the_specification)
{
    for (unsigned kind = 0; kind < 256; kind++) {
        const struct kind_row *row = find(kind);
        const struct sp_kind_facts *facts = sp_kinds_get((uint8_t)kind);
        cr_assert_not_null(facts);
        if (row == NULL) {
            cr_assert_null(facts->name, "0x%02x", kind);
            cr_assert_eq(facts->dirs, 0, "0x%02x", kind);
            continue;
        }
        cr_assert_str_eq(facts->name, row->name);
        cr_assert_eq((facts->dirs & SP_DIR_UP) != 0, row->dir != 'd', "%s", row->name);
        cr_assert_eq((facts->dirs & SP_DIR_DOWN) != 0, row->dir != 'u', "%s", row->name);
        cr_assert_eq(facts->resend, resend_of(row->resent), "%s", row->name);
        cr_assert_eq(facts->elicits, row->cwnd, "%s", row->name);
        cr_assert_eq(facts->is_link, kind <= SP_KIND_OPTIONS, "%s", row->name);
    }
}

Test(kinds, priority_follows_the_class)
{
    static const enum sp_priority of_class[] = {SP_PRIORITY_INTERACTIVE, SP_PRIORITY_BULK, SP_PRIORITY_BULK};
    for (uint8_t class = 0; class < 3; class ++) {
        uint8_t flags = (uint8_t)(class << SP_MSG_CLASS_SHIFT | SP_MSG_FOUR | SP_MSG_GROUP | SP_MSG_FRAG);
        struct sp_frame up = {.kind = SP_KIND_MSG_R, .u.msg_r.flags = flags};
        struct sp_frame down = {.kind = SP_KIND_MSG_N, .u.msg_n.flags = flags};
        cr_assert_eq(sp_kinds_priority(&up), of_class[class]);
        cr_assert_eq(sp_kinds_priority(&down), of_class[class]);
    }
    for (size_t i = 0; i < ROWS_N; i++) {
        struct sp_frame f = {.kind = rows[i].kind};
        if (f.kind == SP_KIND_STREAM_DATA)
            cr_assert_eq(sp_kinds_priority(&f), SP_PRIORITY_BULK);
        else if (f.kind != SP_KIND_MSG_R && f.kind != SP_KIND_MSG_N)
            cr_assert_eq(sp_kinds_priority(&f), SP_PRIORITY_CONTROL, "%s", rows[i].name);
    }
}

Test(kinds, only_newest_kinds_have_a_key)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        struct sp_frame f = {.kind = rows[i].kind};
        memset(&f.u, 0x11, sizeof f.u);
        cr_assert_eq(sp_kinds_key(&f) != 0, strcmp(rows[i].resent, "newest") == 0, "%s", rows[i].name);
    }
}

#define MSGID(n)                                                                                             \
    {                                                                                                        \
        .v = 0x6553f10000000000 + (n)                                                                        \
    }

struct key_case {
    const char *what;
    struct sp_frame a, b;
    bool is_same;
};
static const struct key_case keys[] = {
    {"OPTIONS replace each other",
     {SP_KIND_OPTIONS, .u.options = {.rev = 1}},
     {SP_KIND_OPTIONS, .u.options = {.rev = 2}},
     true},
    {"TIP replaces TIP", {SP_KIND_TIP, .u.tip = {{1}}}, {SP_KIND_TIP, .u.tip = {{2}}}, true},
    {"DONE replaces DONE", {SP_KIND_DONE, .u.done = {MSGID(1)}}, {SP_KIND_DONE, .u.done = {MSGID(2)}}, true},
    {"TIP and DONE differ", {SP_KIND_TIP, .u.tip = {{1}}}, {SP_KIND_DONE, .u.done = {MSGID(2)}}, false},
    {"ack:R of one kind",
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 1, .id = 1}},
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 1, .id = 2}},
     true},
    {"ack:R of one kind, answer wanted or not",
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 1}},
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 129}},
     true},
    {"ack:R of two kinds",
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 1}},
     {SP_KIND_ACK_R, .u.ack_r = {.kind = 2}},
     false},
    {"ack:A of two ids", {SP_KIND_ACK_A, .u.ack_a = {.id = 1}}, {SP_KIND_ACK_A, .u.ack_a = {.id = 2}}, false},
    {"ack:A of one id",
     {SP_KIND_ACK_A, .u.ack_a = {.id = 1}},
     {SP_KIND_ACK_A, .u.ack_a = {.id = 1, .code = 10}},
     true},
    {"ack:N of one message",
     {SP_KIND_ACK_N, .u.ack_n = {MSGID(1), 2}},
     {SP_KIND_ACK_N, .u.ack_n = {MSGID(1), 3}},
     true},
    {"ack:N of two messages",
     {SP_KIND_ACK_N, .u.ack_n = {MSGID(1), 2}},
     {SP_KIND_ACK_N, .u.ack_n = {MSGID(2), 2}},
     false},
    {"ack:N group of one message",
     {SP_KIND_ACK_N_GROUP, .u.ack_n_group = {.msgid = MSGID(1)}},
     {SP_KIND_ACK_N_GROUP, .u.ack_n_group = {.msgid = MSGID(1), .final = 1}},
     true},
    {"ack:N and OPTIONS",
     {SP_KIND_ACK_N, .u.ack_n = {MSGID(1), 2}},
     {SP_KIND_OPTIONS, .u.options = {.rev = 1}},
     false},
    {"STREAM_WINDOW of one stream",
     {SP_KIND_STREAM_WINDOW, .u.stream = {.stream = 0, .offset = 1}},
     {SP_KIND_STREAM_WINDOW, .u.stream = {.stream = 0, .offset = 2}},
     true},
    {"STREAM_WINDOW of two streams",
     {SP_KIND_STREAM_WINDOW, .u.stream = {.stream = 0}},
     {SP_KIND_STREAM_WINDOW, .u.stream = {.stream = 1}},
     false},
};

Test(kinds, keys_tell_what_replaces_what)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        cr_assert_eq(sp_kinds_key(&keys[i].a) == sp_kinds_key(&keys[i].b), keys[i].is_same, "%s",
                     keys[i].what);
}
