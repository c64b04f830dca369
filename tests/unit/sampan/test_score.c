/* The judge of a demo run. */
#include <criterion/criterion.h>

#include "score.h"

Test(score, a_clean_run)
{
    struct sp_score s;
    cr_assert(sp_score_init(&s, 10));
    for (int i = 0; i < 10; i++) {
        size_t at = sp_score_send(&s, 1000 * i + 1);
        sp_score_note(&s, at, SP_SCORE_ACCEPTED, 1000 * i + 5);
        sp_score_receive(&s, at, 1000 * i + 1 + 10 * (i + 1));
    }
    cr_assert_eq(sp_score_lost(&s), 0);
    cr_assert_eq(s.duplicated + s.disordered + s.strange, 0);
    struct sp_score_figures f = sp_score_figures(&s, SP_SCORE_DELIVERED);
    cr_assert_eq(f.n, 10);
    cr_assert_eq(f.p50, 60);
    cr_assert_eq(f.max, 100);
    sp_score_wipe(&s);
}

Test(score, each_wrong_is_counted)
{
    struct sp_score s;
    cr_assert(sp_score_init(&s, 4));
    for (int i = 0; i < 4; i++)
        sp_score_note(&s, sp_score_send(&s, 1 + i), SP_SCORE_ACCEPTED, 10);
    sp_score_receive(&s, 1, 20);
    sp_score_receive(&s, 0, 21);  /* out of order */
    sp_score_receive(&s, 1, 22);  /* twice */
    sp_score_receive(&s, 99, 23); /* never sent */
    cr_assert_eq(sp_score_lost(&s), 2);
    cr_assert_eq(s.disordered, 1);
    cr_assert_eq(s.duplicated, 1);
    cr_assert_eq(s.strange, 1);
    cr_assert_eq(s.rows[1].at[SP_SCORE_DELIVERED], 20, "the first time counts");
    sp_score_wipe(&s);
}

Test(score, what_was_not_accepted_is_not_lost)
{
    struct sp_score s;
    cr_assert(sp_score_init(&s, 1));
    (void)sp_score_send(&s, 1);
    cr_assert_eq(sp_score_lost(&s), 0);
    cr_assert_eq(sp_score_figures(&s, SP_SCORE_ACCEPTED).n, 0);
    sp_score_wipe(&s);
}
