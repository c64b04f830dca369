/* The table that forgets behaves as sampan/local.h says, but for durability. */
#include <criterion/criterion.h>
#include <sampan/err.h>
#include <string.h>

#include "local_memory.h"

static struct sp_outgoing message(uint64_t id, const char *body)
{
    return (struct sp_outgoing){
        .msgid = {id}, .to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)body, strlen(body)}};
}

Test(local_memory, remembers_until_dropped)
{
    struct sp_local l;
    struct sp_local_state state;
    struct sp_outgoing m, got;
    uint8_t body[8];
    size_t len = 0;
    cr_assert_eq(sp_local_memory_open(&l), 0);
    cr_assert_eq(l.load(l.self, &state), 0);
    cr_assert_eq(state.install_epoch, 0);
    cr_assert_eq(state.last.v, 0);
    for (uint64_t i = 5; i >= 3; i--) { /* in any order */
        m = message((UINT64_C(77) << 32) + i, "text");
        cr_assert_eq(l.put(l.self, &m), 0);
    }
    uint64_t expected = (UINT64_C(77) << 32) + 3;
    for (got = (struct sp_outgoing){0}; l.next(l.self, got.msgid, &got) == 0; expected++) {
        cr_assert_eq(got.msgid.v, expected);
        cr_assert_eq(got.body.n, 4);
    }
    cr_assert_eq(expected, (UINT64_C(77) << 32) + 6);
    cr_assert_eq(l.read(l.self, m.msgid, body, sizeof body, &len), 0);
    cr_assert(len == 4 && memcmp(body, "text", 4) == 0);
    cr_assert_eq(l.read(l.self, m.msgid, body, 3, &len), SP_EFULL);
    cr_assert_eq(l.drop(l.self, m.msgid), 0);
    cr_assert_eq(l.read(l.self, m.msgid, body, sizeof body, &len), SP_EAGAIN);
    cr_assert_eq(l.load(l.self, &state), 0);
    cr_assert_eq(state.last.v, (UINT64_C(77) << 32) + 5);
    cr_assert_eq(state.install_epoch, 77);
    sp_local_memory_close(&l);
}

Test(local_memory, a_second_put_changes_the_state_and_keeps_the_body)
{
    struct sp_local l;
    struct sp_outgoing m = message(1, "body"), got = {0};
    uint8_t body[8];
    size_t len = 0;
    cr_assert_eq(sp_local_memory_open(&l), 0);
    cr_assert_eq(l.put(l.self, &m), 0);
    m.body = (struct sp_view){NULL, 0};
    m.state = SP_STATE_STORED;
    m.first_s = 42;
    cr_assert_eq(l.put(l.self, &m), 0);
    cr_assert_eq(l.next(l.self, got.msgid, &got), 0);
    cr_assert_eq(got.state, SP_STATE_STORED);
    cr_assert_eq(got.first_s, 42);
    cr_assert_eq(l.read(l.self, m.msgid, body, sizeof body, &len), 0);
    cr_assert_eq(len, 4);
    cr_assert_eq(l.cursor(l.self, (struct sp_epoch){9}, (struct sp_seq){8}), 0);
    struct sp_local_state state;
    cr_assert_eq(l.load(l.self, &state), 0);
    cr_assert(state.epoch.v == 9 && state.cursor.v == 8);
    cr_assert_eq(l.sync(l.self), 0);
    sp_local_memory_close(&l);
}
