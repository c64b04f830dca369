/* list.h: order, removal, removal of what is in no list. */
#include "list.h"

#include <criterion/criterion.h>

#include <string.h>

struct item {
    char name;
    struct sp_node node;
};

static const char *text_of(const struct sp_list *l)
{
    static char text[16];
    size_t n = 0;
    struct sp_node *at;
    SP_LIST_FOREACH (at, l) {
        cr_assert_lt(n, sizeof text - 1);
        cr_assert_eq(at->next->prev, at);
        text[n++] = SP_LIST_ITEM(at, struct item, node)->name;
    }
    text[n] = '\0';
    return text;
}

Test(list, keeps_order_and_lets_go)
{
    struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
    struct sp_list l;
    sp_list_init(&l);
    cr_assert(sp_list_is_empty(&l));
    cr_assert_null(sp_list_first(&l));

    sp_list_append(&l, &b.node);
    sp_list_append(&l, &d.node);
    sp_list_prepend(&l, &a.node);
    sp_list_insert(&d.node, &c.node);
    cr_assert_str_eq(text_of(&l), "abcd");
    cr_assert_eq(sp_list_first(&l), &a.node);
    cr_assert(sp_list_has(&c.node));

    sp_list_remove(&c.node);
    cr_assert_not(sp_list_has(&c.node));
    sp_list_remove(&c.node); /* without effect */
    cr_assert_str_eq(text_of(&l), "abd");
    sp_list_remove(&a.node);
    sp_list_remove(&d.node);
    cr_assert_str_eq(text_of(&l), "b");
    sp_list_append(&l, &a.node);
    cr_assert_str_eq(text_of(&l), "ba");
    sp_list_remove(&b.node);
    sp_list_remove(&a.node);
    cr_assert(sp_list_is_empty(&l));
}
