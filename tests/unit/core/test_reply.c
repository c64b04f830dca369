/* Small answers: first in, first out, bounded. */
#include "reply.h"

#include <criterion/criterion.h>
#include <string.h>

Test(reply, keeps_order_and_bound)
{
    struct sp_arena a = {0};
    struct sp_reply r;
    uint8_t bytes[SP_REPLY_LEN_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    sp_reply_init(&r, &a, 3);
    for (int round = 0; round < 5; round++) {
        for (uint8_t i = 0; i < 4; i++) {
            struct sp_addr to = {.port = i, .family = 4};
            cr_assert_eq(sp_reply_push(&r, &to, (struct sp_view){&i, 1}), i < 3);
        }
        for (uint8_t i = 0; i < 3; i++) {
            cr_assert(sp_reply_pop(&r, &d));
            cr_assert_eq(d.len, (size_t)1);
            cr_assert_eq(d.p[0], i);
            cr_assert_eq(d.peer.port, i);
        }
        cr_assert_not(sp_reply_pop(&r, &d));
    }
    sp_arena_free(&a);
}
