/* The table of conversations. */
#include "conversation.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sp_conversations t;
static void *mem;

static void open_table(size_t max)
{
    mem = malloc(sp_conversation_footprint(max));
    cr_assert_not_null(mem);
    memset(mem, 0xa5, sp_conversation_footprint(max));
    sp_conversation_init(&t, mem, max);
}

static struct sp_view name(const char *s)
{
    return (struct sp_view){(const uint8_t *)s, strlen(s)};
}

Test(conversation, one_per_recipient)
{
    open_table(8);
    struct sp_conversation *a = sp_conversation_enter(&t, name("ann"));
    struct sp_conversation *b = sp_conversation_enter(&t, name("an"));
    cr_assert_not_null(a);
    cr_expect_neq(a, b);
    cr_expect_eq(sp_conversation_enter(&t, name("ann")), a);
    cr_expect_eq(a->users, 2);
    cr_expect_eq(a->to_len, 3);
    cr_expect_eq(memcmp(a->to, "ann", 3), 0);
    sp_conversation_leave(&t, a);
    cr_expect_eq(sp_conversation_enter(&t, name("ann")), a, "one user was left");
    sp_conversation_leave(&t, a);
    sp_conversation_leave(&t, a);
    cr_expect_eq(t.pool.used, 1);
    struct sp_conversation *again = sp_conversation_enter(&t, name("ann"));
    cr_expect_eq(again->users, 1);
    cr_expect_eq(again->in_flight, 0);
    free(mem);
}

Test(conversation, bounded)
{
    enum { MAX = 64 };
    struct sp_conversation *all[MAX];
    char text[8];
    open_table(MAX);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MAX; i++) {
            (void)snprintf(text, sizeof text, "u%d", i + round);
            all[i] = sp_conversation_enter(&t, name(text));
            cr_assert_not_null(all[i]);
        }
        cr_expect_null(sp_conversation_enter(&t, name("one more")));
        (void)snprintf(text, sizeof text, "u%d", round);
        cr_expect_eq(sp_conversation_enter(&t, name(text)), all[0], "one that is there needs no place");
        sp_conversation_leave(&t, all[0]);
        for (int i = MAX; i-- > 0;)
            sp_conversation_leave(&t, all[i]);
        cr_expect_eq(t.pool.used, 0);
    }
    free(mem);
}

Test(conversation, longest_name)
{
    uint8_t longest[SP_USER_MAX];
    memset(longest, 0xff, sizeof longest);
    open_table(1);
    struct sp_conversation *c = sp_conversation_enter(&t, (struct sp_view){longest, sizeof longest});
    cr_assert_not_null(c);
    cr_expect_eq(memcmp(c->to, longest, sizeof longest), 0);
    sp_conversation_leave(&t, c);
    free(mem);
}
