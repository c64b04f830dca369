/* Local storage as the client uses it: what is durable, and how often a broken one is asked. */
#include "ledger.h"

#include "fakelocal.h"

#include <criterion/criterion.h>

static struct fakelocal fake;
static struct sp_ledger l;

static void set_up(void)
{
    fakelocal_init(&fake);
    sp_ledger_init(&l, &fake.table);
}

static void tear_down(void)
{
    fakelocal_wipe(&fake);
}

TestSuite(ledger, .init = set_up, .fini = tear_down);

static const struct sp_outgoing row = {
    .msgid = {1}, .to = {(const uint8_t *)"b", 1}, .body = {(const uint8_t *)"x", 1}};

Test(ledger, writes_are_durable_after_sync)
{
    cr_expect(sp_ledger_is_durable(&l));
    cr_expect_eq(sp_ledger_sync(&l, 0), 0);
    cr_expect_eq(fake.syncs, 0, "nothing to do");
    cr_expect_eq(sp_ledger_put(&l, &row, 5), 0);
    cr_expect_not(sp_ledger_is_durable(&l));
    cr_expect_eq(sp_ledger_sync(&l, 5), 0);
    cr_expect(sp_ledger_is_durable(&l));
    cr_expect_eq(sp_ledger_drop(&l, row.msgid, 6), 0);
    cr_expect_not(sp_ledger_is_durable(&l));
    cr_expect_eq(sp_ledger_sync(&l, 6), 0);
    cr_expect_eq(sp_ledger_cursor(&l, (struct sp_epoch){1}, (struct sp_seq){2}, 7), 0);
    cr_expect_not(sp_ledger_is_durable(&l));
    cr_expect_eq(sp_ledger_sync(&l, 7), 0);
    cr_expect_eq(fake.syncs, 3);
}

Test(ledger, rows_that_nobody_waits_for_linger_a_second)
{
    cr_expect_eq(sp_ledger_deadline(&l), SP_NEVER);
    cr_expect_not(sp_ledger_is_stale(&l, 100 * SP_SECOND));
    cr_assert_eq(sp_ledger_put(&l, &row, 5 * SP_SECOND), 0);
    cr_assert_eq(sp_ledger_drop(&l, row.msgid, 5500 * SP_MS), 0);
    cr_expect_eq(sp_ledger_deadline(&l), 6 * SP_SECOND, "counted from the first");
    cr_expect_not(sp_ledger_is_stale(&l, 6 * SP_SECOND - 1));
    cr_expect(sp_ledger_is_stale(&l, 6 * SP_SECOND));
}

Test(ledger, a_failure_is_told_once_and_rests_a_second)
{
    sp_time now = 10 * SP_SECOND;
    cr_assert_eq(sp_ledger_put(&l, &row, now), 0);
    fake.is_broken = true;
    cr_expect_eq(sp_ledger_sync(&l, now), SP_EIO);
    cr_expect_eq(sp_ledger_take_error(&l), SP_EIO);
    cr_expect_eq(sp_ledger_take_error(&l), 0);
    unsigned calls = fake.calls;
    uint8_t dst[4];
    size_t len;
    cr_expect(sp_ledger_is_resting(&l, now + SP_SECOND - 1));
    cr_expect_eq(sp_ledger_sync(&l, now + SP_SECOND - 1), SP_EIO);
    cr_expect_eq(sp_ledger_put(&l, &row, now), SP_EIO);
    cr_expect_eq(sp_ledger_drop(&l, row.msgid, now), SP_EIO);
    cr_expect_eq(sp_ledger_cursor(&l, (struct sp_epoch){1}, (struct sp_seq){1}, now), SP_EIO);
    cr_expect_eq(sp_ledger_read(&l, row.msgid, dst, sizeof dst, &len, now), SP_EIO);
    cr_expect_eq(fake.calls, calls, "not asked");
    cr_expect_eq(sp_ledger_retry_at(&l), now + SP_SECOND);
    cr_expect_eq(sp_ledger_deadline(&l), now + SP_SECOND);
    now += SP_SECOND;
    cr_expect_not(sp_ledger_is_resting(&l, now));
    cr_expect_eq(sp_ledger_sync(&l, now), SP_EIO, "asked again, still broken");
    cr_expect_eq(sp_ledger_take_error(&l), 0, "the same failure");
    now += SP_SECOND;
    fake.is_broken = false;
    cr_expect_eq(sp_ledger_put(&l, &row, now), 0);
    cr_expect_eq(sp_ledger_retry_at(&l), SP_NEVER);
    cr_expect_eq(sp_ledger_sync(&l, now), 0);
    fake.is_broken = true;
    cr_expect_eq(sp_ledger_put(&l, &row, now), SP_EIO);
    cr_expect_eq(sp_ledger_take_error(&l), SP_EIO, "another failure");
}

Test(ledger, a_body_that_is_gone_is_no_failure)
{
    uint8_t dst[4];
    size_t len;
    cr_expect_eq(sp_ledger_read(&l, row.msgid, dst, sizeof dst, &len, 0), SP_EAGAIN);
    cr_expect_eq(sp_ledger_take_error(&l), 0);
    cr_assert_eq(sp_ledger_put(&l, &row, 0), 0);
    cr_expect_eq(sp_ledger_read(&l, row.msgid, dst, sizeof dst, &len, 0), 0);
    cr_expect_eq(len, 1);
    cr_expect_eq(dst[0], 'x');
}
