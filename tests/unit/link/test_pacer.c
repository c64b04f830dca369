/* Spacing of bursts: rule 13 of docs/protocol.md, section 6. */
#include <criterion/criterion.h>

#include "pacer.h"

#define D    SP_DATAGRAM_MAX
#define CWND (40 * D)
#define SRTT (100 * SP_MS)

/* Sends as many full datagrams as are allowed now. */
static int burst(struct sp_pacer *p, sp_time now)
{
    int n = 0;
    while (n < 1000 && sp_pacer_allows(p, CWND, SRTT, now)) {
        sp_pacer_note_sent(p, D);
        n++;
    }
    return n;
}

Test(pacer, lets_a_burst_of_ten_pass_and_then_spaces)
{
    struct sp_pacer p;
    sp_pacer_init(&p, 0);
    int first = burst(&p, 0);
    cr_assert(first >= 10 && first <= 11, "%d", first);
    sp_time next = sp_pacer_next(&p, CWND, SRTT);
    cr_assert(next > 0 && next <= 3 * SP_MS, "40 windows of one datagram at 1.25: 2 ms each");
    struct sp_pacer early = p;
    cr_assert_not(sp_pacer_allows(&early, CWND, SRTT, next - 1));
    cr_assert(sp_pacer_allows(&p, CWND, SRTT, next));
}

Test(pacer, rate_is_a_quarter_above_the_window)
{
    struct sp_pacer p;
    sp_pacer_init(&p, 0);
    burst(&p, 0);
    int sent = 0;
    for (sp_time now = 0; now < SP_SECOND; now = sp_pacer_next(&p, CWND, SRTT))
        sent += burst(&p, now);
    cr_assert(sent >= 490 && sent <= 510, "%d of 500", sent);
}

Test(pacer, idle_time_saves_up_one_burst_only)
{
    struct sp_pacer p;
    sp_pacer_init(&p, 0);
    burst(&p, 0);
    int n = burst(&p, 3600 * SP_SECOND);
    cr_assert(n >= 10 && n <= 11, "%d", n);
}

Test(pacer, tiny_steps_of_time_are_not_lost)
{
    struct sp_pacer p;
    sp_pacer_init(&p, 0);
    while (sp_pacer_allows(&p, 2 * D, SP_SECOND, 0))
        sp_pacer_note_sent(&p, D);
    int sent = 0;
    for (sp_time now = 0; now < 10 * SP_SECOND; now += 100) { /* 0.3 bytes each */
        if (sp_pacer_allows(&p, 2 * D, SP_SECOND, now)) {
            sp_pacer_note_sent(&p, D);
            sent++;
        }
    }
    cr_assert(sent >= 24 && sent <= 26, "%d of 25", sent);
}

Test(pacer, a_debt_longer_than_a_second_is_paid_by_one_wait)
{
    struct sp_pacer p;
    sp_pacer_init(&p, 0);
    for (int i = 0; i < 20; i++) /* probes pass without being asked for */
        sp_pacer_note_sent(&p, D);
    sp_time next = sp_pacer_next(&p, 2 * D, 10 * SP_SECOND);
    cr_assert_gt(next, 30 * SP_SECOND);
    struct sp_pacer early = p;
    cr_assert_not(sp_pacer_allows(&early, 2 * D, 10 * SP_SECOND, next - SP_SECOND));
    cr_assert(sp_pacer_allows(&p, 2 * D, 10 * SP_SECOND, next));
}
