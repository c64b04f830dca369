#include "mem_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct sp_user user(const char *s)
{
    return (struct sp_user){{(const uint8_t *)s, strlen(s)}};
}

Test(mem_model, users_are_found_by_their_bytes)
{
    struct sp_mem_model m;
    char id[16];
    cr_assert_eq(sp_mem_model_init(&m, 5), 0);
    struct sp_mem_user *first = sp_mem_model_get(&m, user("u0"));
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof(id), "u%d", i);
        cr_assert_eq(sp_mem_model_find(&m, user(id)) != NULL, i == 0);
        struct sp_mem_user *u = sp_mem_model_get(&m, user(id));
        cr_assert_eq(u->head, 5U);
        cr_assert_eq(u->confirmed, 5U);
        cr_assert_eq(sp_mem_model_get(&m, user(id)), u);
    }
    cr_assert_eq(sp_mem_model_find(&m, user("u0")), first);
    cr_assert_eq(m.users_n, 1000U);
    sp_mem_model_wipe(&m);
}

Test(mem_model, rows_stay_sorted)
{
    struct sp_mem_model m;
    cr_assert_eq(sp_mem_model_init(&m, 0), 0);
    struct sp_mem_device *d = sp_mem_model_device_get(sp_mem_model_get(&m, user("a")), 1);
    static const uint64_t ids[] = {50, 10, 30, 20, 40};
    for (uint32_t i = 0; i < 5; i++) {
        struct sp_mem_row row = {.msgid = {ids[i]}, .seq = i};
        cr_assert_eq(sp_mem_model_row_add(d, &row), 0);
    }
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(d->rows[i].msgid.v, (i + 1) * 10);
    cr_assert_eq(sp_mem_model_row(d, (struct sp_msgid){30})->seq, 2U);
    cr_assert_null(sp_mem_model_row(d, (struct sp_msgid){31}));
    cr_assert_null(sp_mem_model_row(NULL, (struct sp_msgid){30}));
    cr_assert_eq(sp_mem_model_row_at(d, (struct sp_msgid){31}), 3U);
    sp_mem_model_rows_cut(d, 1, 3);
    sp_mem_model_rows_cut(d, 2, 2);
    cr_assert_eq(d->rows_n, 3U);
    cr_assert_eq(d->rows[1].msgid.v, 40U);
    sp_mem_model_wipe(&m);
}

Test(mem_model, slots_follow_the_numbers)
{
    struct sp_mem_model m;
    cr_assert_eq(sp_mem_model_init(&m, UINT32_MAX - 3), 0);
    struct sp_mem_user *u = sp_mem_model_get(&m, user("a"));
    for (uint32_t i = 0; i < 3; i++) {
        struct sp_mem_slot *s = sp_mem_model_slot_next(u);
        struct sp_mem_msg like = {.from = u, .device = i};
        s->msg = sp_mem_model_msg(&like, (struct sp_view){(const uint8_t *)"xyz", i});
        u->head++;
    }
    cr_assert_eq(u->head, UINT32_MAX);
    for (uint32_t i = 0; i < 3; i++) {
        struct sp_mem_slot *s = sp_mem_model_slot(u, UINT32_MAX - 2 + i);
        cr_assert_eq(s->msg->device, i);
        cr_assert_eq(s->msg->body_n, i);
    }
    sp_mem_model_forget(sp_mem_model_slot(u, UINT32_MAX));
    cr_assert_null(sp_mem_model_slot(u, UINT32_MAX)->msg);
    sp_mem_model_wipe(&m);
}
