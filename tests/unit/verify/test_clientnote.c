/* What a client tells its app, as an event: each kind with its fields, and nothing for what is no history. */
#include <criterion/criterion.h>
#include <string.h>

#include "clientnote.h"
#include "crypto_sodium.h"

#define EPOCH 77

static const struct sp_view me = {(const uint8_t *)"b", 1};
static const struct sp_view you = {(const uint8_t *)"a", 1};
static const struct sp_view body = {(const uint8_t *)"hello", 5};

static bool make(const struct sp_client_event *ev, struct sp_history_event *e)
{
    *e = (struct sp_history_event){.user = me, .device = 2};
    bool is_one = sp_clientnote_make(ev, EPOCH, sp_crypto_sodium(), e);
    cr_assert(e->user.p == me.p && e->device == 2 && e->at_us == 0);
    return is_one;
}

Test(clientnote, a_receipt_is_news_and_a_status_is_not)
{
    struct sp_history_event e;
    cr_assert(make(&(struct sp_client_event){.kind = SP_CLIENT_RECEIPT, .msgid = {9}, .state = 3}, &e));
    cr_assert(e.kind == SP_HISTORY_TOLD && e.msgid == 9 && e.state == 3 && e.seq == 0 && !e.is_repeat);
    cr_assert(
        make(&(struct sp_client_event){.kind = SP_CLIENT_STATUS, .msgid = {9}, .state = 2, .seq = {5}}, &e));
    cr_assert(e.kind == SP_HISTORY_TOLD && e.msgid == 9 && e.state == 2 && e.seq == 5 && e.is_repeat);
    cr_assert_eq(e.epoch, 0);
}

Test(clientnote, a_status_that_knows_nothing_is_no_event)
{
    struct sp_history_event e;
    cr_assert_not(make(
        &(struct sp_client_event){.kind = SP_CLIENT_STATUS, .msgid = {9}, .state = SP_STATE_UNKNOWN}, &e));
}

Test(clientnote, bad_ends)
{
    struct sp_history_event e;
    cr_assert(make(&(struct sp_client_event){.kind = SP_CLIENT_FAILED, .msgid = {9}, .code = 4}, &e));
    cr_assert(e.kind == SP_HISTORY_FAILED && e.msgid == 9 && e.code == 4);
    cr_assert(make(&(struct sp_client_event){.kind = SP_CLIENT_UNKNOWN, .msgid = {8}}, &e));
    cr_assert(e.kind == SP_HISTORY_GAVEUP && e.msgid == 8);
}

Test(clientnote, a_message)
{
    struct sp_history_event e;
    struct sp_client_event ev = {
        .kind = SP_CLIENT_MESSAGE, .msgid = {9}, .seq = {5}, .from = {you}, .device = 3, .body = body};
    cr_assert(make(&ev, &e));
    cr_assert(e.kind == SP_HISTORY_HANDED && e.msgid == 9 && e.seq == 5 && e.epoch == EPOCH && e.len == 5);
    cr_assert(e.peer.p == you.p && e.peer.n == 1 && e.peer_device == 3);
    cr_assert_eq(e.hash, sp_history_hash(sp_crypto_sodium(), me, body), "the recipient is me");
    ev.group = you;
    cr_assert(make(&ev, &e));
    cr_assert_eq(e.hash, 0, "the hash of a message to a group has another form");
}

Test(clientnote, what_does_not_come)
{
    struct sp_history_event e;
    cr_assert(make(&(struct sp_client_event){.kind = SP_CLIENT_SKIPPED, .lo = {5}, .hi = {8}, .why = 2}, &e));
    cr_assert(e.kind == SP_HISTORY_SKIPPED && e.seq == 5 && e.hi == 8 && e.code == 2 && e.epoch == EPOCH);
    cr_assert(make(&(struct sp_client_event){.kind = SP_CLIENT_RESYNC, .lo = {4}}, &e));
    cr_assert(e.kind == SP_HISTORY_RESYNC && e.seq == 4 && e.epoch == EPOCH && e.msgid == 0);
}

Test(clientnote, the_connection_is_no_history)
{
    static const enum sp_client_event_kind kinds[] = {SP_CLIENT_ONLINE, SP_CLIENT_OFFLINE, SP_CLIENT_TOKEN,
                                                      SP_CLIENT_ERROR};
    struct sp_history_event e;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        cr_assert_not(make(&(struct sp_client_event){.kind = kinds[i]}, &e));
}
