/* Clocks and random bytes. */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "sys.h"

Test(sys, clocks)
{
    sp_time a = sp_sys_now(), b = sp_sys_now();
    cr_assert_leq(a, b);
    cr_assert_leq(sp_sys_unix_us() / SP_SECOND - (int64_t)time(NULL), 1);
    cr_assert_geq(sp_sys_unix_us() / SP_SECOND - (int64_t)time(NULL), -1);
}

Test(sys, random_bytes_differ)
{
    unsigned char a[700] = {0}, b[700] = {0};
    sp_sys_random(a, sizeof a);
    sp_sys_random(b, sizeof b);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
    cr_assert_neq(memcmp(a, a + 350, 350), 0);
}
