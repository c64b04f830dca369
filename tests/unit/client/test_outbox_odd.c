/* The outbox and answers that come late or for nobody, rows that cannot be, and storage that fails. */
#include "outbox_rig.h"

/* In a session, with a message to bob on its way. */
static struct rig *open_rig_sent(struct sp_msgid *id)
{
    struct rig *r = open_rig(8);
    up(r);
    *id = submit(r, "bob", "x");
    cr_assert_str_eq(sent(r), "m1");
    return r;
}

Test(outbox_odd, an_answer_without_a_state_means_accepted)
{
    struct sp_msgid id;
    struct rig *r = open_rig_sent(&id);
    cr_expect(answer(r, id, SP_CODE_OK, 0, 0));
    char want[16];
    (void)snprintf(want, sizeof want, "1:s%u", SP_STATE_ACCEPTED);
    cr_expect_str_eq(told(r), want);
    close_rig(r);
}

Test(outbox_odd, a_code_that_no_mark_can_hold_is_bad)
{
    struct sp_msgid id;
    struct rig *r = open_rig_sent(&id);
    cr_expect(answer(r, id, UINT8_MAX, 0, 0));
    (void)sent(r);
    char want[16];
    (void)snprintf(want, sizeof want, "1:f%d", SP_CODE_BAD);
    cr_expect_str_eq(told(r), want);
    close_rig(r);
}

/* What is ended stays ended, whatever comes after it. */
Test(outbox_odd, nothing_follows_an_end)
{
    struct sp_msgid id;
    struct rig *r = open_rig_sent(&id);
    (void)answer(r, id, SP_CODE_QUOTA, 0, 0);
    notice(r, id, SP_STATE_DELIVERED);
    cr_expect_not(answer(r, id, SP_CODE_OK, SP_STATE_DELIVERED, 0));
    cr_expect_not(answer(r, id, SP_CODE_QUOTA, 0, 0));
    (void)sent(r);
    char want[16];
    (void)snprintf(want, sizeof want, "1:f%d", SP_CODE_QUOTA);
    cr_expect_str_eq(told(r), want);
    notice(r, id, SP_STATE_DELIVERED);
    cr_expect_str_eq(told(r), "");
    close_rig(r);
}

/* An answer that says busy for a message which is in the queue again, because its session was lost. */
Test(outbox_odd, busy_of_a_lost_session)
{
    struct sp_msgid id;
    struct rig *r = open_rig_sent(&id);
    sp_outbox_session_lost(&r->box, r->now);
    cr_expect_not(answer(r, id, SP_CODE_BUSY, 0, 600));
    up(r);
    cr_expect_str_eq(sent(r), "m1", "it does not wait");
    close_rig(r);
}

/* READ of messages that are done goes to the app; of too many the oldest give way; of ids never given it is
 * no news. */
Test(outbox_odd, reads_of_messages_that_are_gone)
{
    enum { MANY = SP_OUTBOX_READS_MAX + 3 };
    struct rig *r = open_rig(MANY);
    struct sp_msgid first = {0};
    up(r);
    for (int i = 0; i < MANY; i++) {
        struct sp_msgid id = submit(r, "bob", "x");
        first = i == 0 ? id : first;
        (void)sent(r);
        (void)answer(r, id, SP_CODE_OK, SP_STATE_DELIVERED, 0);
    }
    (void)told(r);
    (void)sent(r);
    (void)told(r);
    notice(r, (struct sp_msgid){0}, SP_STATE_READ);
    notice(r, (struct sp_msgid){first.v + MANY}, SP_STATE_READ);
    notice(r, first, SP_STATE_DELIVERED);
    cr_expect_str_eq(told(r), "");
    for (uint64_t i = 0; i < MANY; i++)
        notice(r, (struct sp_msgid){first.v + i}, SP_STATE_READ);
    const char *text = told(r);
    char last[16];
    (void)snprintf(last, sizeof last, " %d:s%u", MANY, SP_STATE_READ);
    cr_expect_eq(strncmp(text, "4:s", 3), 0, "%s", text);
    cr_expect_not_null(strstr(text, last));
    close_rig(r);
}

/* That a datagram arrived is no news for a message that nobody waits for. */
Test(outbox_odd, link_acks_for_nobody)
{
    struct rig *r = open_rig(8);
    up(r);
    struct sp_msgid id = submit(r, "bob", "x");
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    cr_assert_str_eq(sent(r), "m1");
    sp_outbox_link_acked(&r->box, (struct sp_msgid){id.v + 1}, PTO3, r->now);
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    sp_time due = sp_outbox_deadline(&r->box);
    sp_outbox_link_acked(&r->box, id, PTO3, r->now + SP_MS);
    cr_expect_eq(sp_outbox_deadline(&r->box), due, "the first one counts");
    r->now = due;
    cr_expect_str_eq(sent(r), "s1");
    sp_outbox_link_acked(&r->box, id, PTO3, r->now);
    cr_expect_str_eq(sent(r), "", "it is asked about already");
    close_rig(r);
}

/* A peer that offers no window at all gets one message at a time. */
Test(outbox_odd, a_window_of_nothing_is_one)
{
    struct rig *r = open_rig(8);
    up(r);
    sp_outbox_set_window(&r->box, 0);
    struct sp_msgid id = submit(r, "bob", "x");
    (void)submit(r, "eve", "y");
    cr_expect_str_eq(sent(r), "m1");
    (void)answer(r, id, SP_CODE_OK, SP_STATE_DELIVERED, 0);
    cr_expect_eq(strncmp(sent(r), "m2", 2), 0);
    sp_outbox_set_window(&r->box, UINT16_MAX);
    cr_expect_eq(r->box.flight_max, (unsigned)SP_OUTBOX_FLIGHT_MAX);
    close_rig(r);
}

Test(outbox_odd, forget_that_storage_refuses)
{
    struct sp_msgid id;
    struct rig *r = open_rig_sent(&id);
    (void)answer(r, id, SP_CODE_OK, SP_STATE_STORED, 0);
    (void)told(r);
    (void)sent(r);
    r->local.is_broken = true;
    cr_expect_eq(sp_outbox_forget(&r->box, id, r->now), SP_EIO);
    cr_expect_eq(sp_outbox_count(&r->box), 1U, "it is still there");
    r->local.is_broken = false;
    r->now += 60 * SP_SECOND;
    cr_expect_eq(sp_outbox_forget(&r->box, id, r->now), 0);
    cr_expect_eq(sp_outbox_count(&r->box), 0U);
    close_rig(r);
}

/* ---- starting from a store ---- */

/* What the store of a test says instead of its rows. */
static struct sp_outgoing odd;
static int odd_rc;

static int odd_next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    (void)self;
    (void)after;
    *out = odd;
    return odd_rc;
}

Test(outbox_odd, rows_that_cannot_be)
{
    static const uint8_t user[SP_USER_MAX + 1];
    static const struct sp_outgoing rows[] = {
        {.msgid = {0}, .to = {user, 3}},
        {.msgid = {1}, .to = {user, 0}},
        {.msgid = {1}, .to = {user, SP_USER_MAX + 1}},
        {.msgid = {1}, .to = {user, 3}, .body = {NULL, SP_PART_MAX + 1}},
        {.msgid = {1}, .to = {user, 3}, .state = SP_STATE_STORED + 1},
        {.msgid = {1}, .to = {user, 3}}, /* good once; the second time it has not risen */
    };
    struct rig *r = open_rig(8);
    r->local.table.next = odd_next;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        odd = rows[i];
        odd_rc = 0;
        cr_expect_eq(start(r), SP_ECORRUPT, "row %zu", i);
    }
    odd_rc = SP_EIO;
    cr_expect_eq(start(r), SP_EIO);
    odd_rc = SP_EAGAIN;
    cr_expect_eq(start(r), 0);
    close_rig(r);
}

/* Msgids rise above everything that the store ever named. */
Test(outbox_odd, ids_rise_above_state_and_rows)
{
    static const uint8_t user[3] = {'b', 'o', 'b'};
    struct rig *r = open_rig(8);
    struct sp_outgoing row = {.msgid = {((uint64_t)9 << 32) + 40}, .to = {user, 3}};
    cr_assert_eq(r->local.table.put(r->local.table.self, &row), 0);
    r->local.now->state.last.v = ((uint64_t)9 << 32) + 4;
    cr_assert_eq(start(r), 0);
    cr_expect_eq(submit(r, "bob", "x").v, ((uint64_t)9 << 32) + 41);
    close_rig(r);

    r = open_rig(8);
    r->local.now->state = (struct sp_local_state){.install_epoch = 77};
    cr_assert_eq(start(r), 0);
    cr_expect_eq(submit(r, "bob", "x").v, ((uint64_t)77 << 32) + 1);
    close_rig(r);

    r = open_rig(8);
    r->local.now->state = (struct sp_local_state){0};
    r->unix_s = 0;
    cr_assert_eq(start(r), 0);
    cr_expect_eq(submit(r, "bob", "x").v, ((uint64_t)1 << 32) + 1, "an id is never below an epoch of 1");
    close_rig(r);
}

/* The body is gone when it is to be sent: the message ends as unknown, and the next one goes. */
Test(outbox_odd, a_body_that_is_gone)
{
    struct rig *r = open_rig(8);
    (void)submit(r, "bob", "x");
    (void)submit(r, "eve", "y");
    (void)sent(r);
    for (size_t i = 0; i < FAKELOCAL_ROWS; i++) {
        struct fakelocal_row *row = &r->local.now->rows[i];
        if (row->is_used && row->body[0] == 'x')
            row->has_body = false;
    }
    up(r);
    cr_expect_str_eq(sent(r), "");
    r->now += SP_SECOND;
    cr_expect_str_eq(sent(r), "m2");
    cr_expect_str_eq(told(r), "1:u");
    close_rig(r);
}

/* Storage that fails is asked again when its rest is over, but not for a message that may not go yet: such a
 * deadline would stay in the past. */
Test(outbox_odd, failing_storage_is_not_asked_for_what_may_not_go)
{
    struct rig *r = open_rig(8);
    up(r);
    sp_outbox_set_window(&r->box, 1);
    (void)submit(r, "bob", "1");
    (void)submit(r, "eve", "2");
    cr_expect_str_eq(sent(r), "m1");
    r->local.is_broken = true;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"3", 1}};
    struct sp_msgid id;
    cr_assert_eq(sp_outbox_submit(&r->box, &m, &id, r->now), SP_EIO);
    r->now = sp_ledger_retry_at(&r->ledger);
    cr_expect_str_eq(sent(r), "");
    cr_expect_gt(sp_outbox_deadline(&r->box), r->now);
    close_rig(r);
}
