/* Loss averages: p of docs/protocol.md, section 6, and the loss byte of ACK. */
#include <criterion/criterion.h>

#include "loss.h"

static unsigned percent(uint32_t share)
{
    return (share * 100 + SP_LOSS_ONE / 2) / SP_LOSS_ONE;
}

Test(loss, starts_at_5_percent)
{
    struct sp_loss l;
    sp_loss_init(&l, 0);
    cr_assert_eq(percent(sp_loss_p(&l)), 5);
    cr_assert_eq(sp_loss_inbound(&l), 0);
    cr_assert_not(sp_loss_is_risen(&l));
}

Test(loss, follows_with_a_32nd_up_and_a_128th_down)
{
    struct sp_loss l;
    sp_loss_init(&l, 0);
    for (int i = 0; i < 22; i++)
        sp_loss_note_resolved(&l, true, 0);
    cr_assert(percent(sp_loss_p(&l)) >= 50 && percent(sp_loss_p(&l)) <= 54, "half way after 22 of 32 ln 2");
    for (int i = 0; i < 2000; i++)
        sp_loss_note_resolved(&l, true, 0);
    cr_assert_geq(percent(sp_loss_p(&l)), 99);
    for (int i = 0; i < 89; i++)
        sp_loss_note_resolved(&l, false, 0);
    cr_assert(percent(sp_loss_p(&l)) >= 48 && percent(sp_loss_p(&l)) <= 52,
              "the slower average rules downwards");
    for (int i = 0; i < 5000; i++)
        sp_loss_note_resolved(&l, false, 0);
    cr_assert_eq(percent(sp_loss_p(&l)), 0);
}

/* Feeds n packets, 10 ms apart, of which every k-th is lost. */
static sp_time feed(struct sp_loss *l, int n, int k, sp_time now)
{
    for (int i = 0; i < n; i++) {
        now += 10 * SP_MS;
        sp_loss_note_resolved(l, i % k == 0, now);
    }
    return now;
}

Test(loss, constant_loss_is_no_rise)
{
    static const int every[] = {1000, 20, 10, 5, 3, 2};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        struct sp_loss l;
        sp_loss_init(&l, 0);
        sp_time now = 0;
        for (int k = 0; k < 100; k++) {
            now = feed(&l, 60, every[i], now);
            cr_assert_not(sp_loss_is_risen(&l), "one of %d lost", every[i]);
        }
    }
}

Test(loss, a_rise_counts_until_the_baseline_has_followed)
{
    struct sp_loss l;
    sp_loss_init(&l, 0);
    sp_time now = feed(&l, 3000, 100, 0);
    cr_assert_not(sp_loss_is_risen(&l));
    now = feed(&l, 150, 4, now);
    cr_assert(sp_loss_is_risen(&l));
    now = feed(&l, 3000, 4, now);
    cr_assert_not(sp_loss_is_risen(&l));
    for (int i = 0; i < 20; i++) /* small steps of time move the baseline as well */
        now = feed(&l, 1, 1, now);
    cr_assert_gt(l.baseline, SP_LOSS_ONE / 6);
}

Test(loss, inbound_counts_missing_numbers)
{
    static const struct {
        unsigned keep, of; /* numbers that come */
        uint8_t least, most;
    } rows[] = {{1, 1, 0, 0}, {9, 10, 22, 30}, {3, 4, 60, 68}, {1, 2, 122, 130}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_loss l;
        sp_loss_init(&l, 0);
        for (uint64_t pn = 1; pn < 4000; pn++) {
            if (pn % rows[i].of < rows[i].keep)
                sp_loss_note_received(&l, pn);
        }
        uint8_t in = sp_loss_inbound(&l);
        cr_assert(in >= rows[i].least && in <= rows[i].most, "row %zu: %u", i, in);
    }
}

Test(loss, reordering_is_no_inbound_loss)
{
    struct sp_loss l;
    sp_loss_init(&l, 0);
    for (uint64_t pn = 1; pn < 4000; pn += 4) {
        sp_loss_note_received(&l, pn + 3);
        sp_loss_note_received(&l, pn + 1);
        sp_loss_note_received(&l, pn);
        sp_loss_note_received(&l, pn + 2);
    }
    cr_assert_leq(sp_loss_inbound(&l), 6);
}

Test(loss, a_jump_of_numbers_stays_bounded)
{
    struct sp_loss l;
    sp_loss_init(&l, 0);
    sp_loss_note_received(&l, 1);
    sp_loss_note_received(&l, (uint64_t)1 << 61);
    cr_assert_leq(sp_loss_inbound(&l), 128);
    sp_loss_note_moved(&l);
    cr_assert_leq(percent(sp_loss_p(&l)), 3);
}
