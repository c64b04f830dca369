/* Messages whose line was not printed yet. */
#include <criterion/criterion.h>

#include "waiting.h"

static struct sp_msgid id(uint64_t v)
{
    return (struct sp_msgid){(UINT64_C(1700000000) << 32) + v};
}

Test(waiting, finds_what_is_open_and_only_that)
{
    struct sp_waiting w;
    sp_waiting_init(&w);
    for (uint64_t i = 1; i <= 5000; i++)
        cr_assert(sp_waiting_add(&w, id(2 * i), (sp_time)i)); /* gaps: ids of other runs were finished */
    cr_assert_eq(w.open, 5000);
    cr_assert_null(sp_waiting_find(&w, id(3)));
    cr_assert_null(sp_waiting_find(&w, id(0)));
    cr_assert_null(sp_waiting_find(&w, id(10002)));
    for (uint64_t i = 1; i <= 5000; i++) {
        struct sp_waiting_entry *e = sp_waiting_find(&w, id(2 * i));
        cr_assert_not_null(e);
        cr_assert_eq(e->since, (sp_time)i);
        sp_waiting_close(&w, e);
        cr_assert_null(sp_waiting_find(&w, id(2 * i)));
    }
    cr_assert_eq(w.open, 0);
    cr_assert_null(sp_waiting_oldest(&w));
    sp_waiting_wipe(&w);
}

Test(waiting, the_oldest_is_the_lowest_open_one)
{
    struct sp_waiting w;
    sp_waiting_init(&w);
    for (uint64_t i = 1; i <= 3; i++)
        cr_assert(sp_waiting_add(&w, id(i), 0));
    sp_waiting_close(&w, sp_waiting_find(&w, id(2)));
    cr_assert_eq(sp_waiting_oldest(&w)->msgid.v, id(1).v);
    sp_waiting_close(&w, sp_waiting_find(&w, id(1)));
    cr_assert_eq(sp_waiting_oldest(&w)->msgid.v, id(3).v);
    sp_waiting_wipe(&w);
}

Test(waiting, memory_follows_what_is_open)
{
    struct sp_waiting w;
    sp_waiting_init(&w);
    for (uint64_t i = 1; i <= 200000; i++) { /* a long run with at most 100 open */
        cr_assert(sp_waiting_add(&w, id(i), 0));
        if (i > 100)
            sp_waiting_close(&w, sp_waiting_find(&w, id(i - 100)));
    }
    cr_assert_eq(w.open, 100);
    cr_assert_leq(w.cap, 1024);
    sp_waiting_wipe(&w);
}
