/* Records of users, devices and connection ids. */
#include "peers.h"

#include "crypto_sodium.h"
#include "session.h"

#include <criterion/criterion.h>
#include <string.h>

#define SESSIONS 4

static struct sp_peers peers;
static struct sp_arena arena;

static void setup(void)
{
    uint8_t key[16] = {7};
    sp_peers_init(&peers, &arena, sp_crypto_sodium(), key, SESSIONS);
    cr_assert_not(arena.has_failed);
}

static void teardown(void)
{
    sp_arena_free(&arena);
}

static struct sp_view user(const char *name)
{
    return (struct sp_view){(const uint8_t *)name, strlen(name)};
}

Test(peers, devices_of_a_user_share_the_account, .init = setup, .fini = teardown)
{
    struct sp_device *one = sp_peers_get_device(&peers, user("a"), 1),
                     *two = sp_peers_get_device(&peers, user("a"), 2);
    cr_assert(one != NULL && two != NULL && one != two);
    cr_assert_eq(one->account, two->account);
    cr_assert_eq(sp_peers_get_device(&peers, user("a"), 1), one);
    cr_assert_eq(sp_peers_find_account(&peers, user("a")), one->account);
    cr_assert_null(sp_peers_find_device(&peers, user("a"), 3));
    cr_assert_null(sp_peers_find_account(&peers, user("ab")));
    cr_assert_null(sp_peers_find_account(&peers, user("")));
}

Test(peers, records_go_when_nothing_refers_to_them, .init = setup, .fini = teardown)
{
    for (int round = 0; round < 100; round++) {
        struct sp_device *one = sp_peers_get_device(&peers, user("a"), 1),
                         *two = sp_peers_get_device(&peers, user("a"), 2);
        one->refs = 1;
        sp_peers_release(&peers, one);
        sp_peers_release(&peers, two);
        cr_assert_null(sp_peers_find_device(&peers, user("a"), 2));
        cr_assert_eq(sp_peers_find_device(&peers, user("a"), 1), one);
        one->refs = 0;
        sp_peers_release(&peers, one);
        cr_assert_null(sp_peers_find_account(&peers, user("a")));
    }
    cr_assert_eq(peers.devices_pool.used, (size_t)0);
    cr_assert_eq(peers.accounts_pool.used, (size_t)0);
}

Test(peers, each_holder_keeps_the_device, .init = setup, .fini = teardown)
{
    struct sp_device *d = sp_peers_get_device(&peers, user("a"), 1);
    unsigned *counts[] = {&d->sends_n, &d->owed_n, &d->refs};
    struct sp_session *s = (struct sp_session *)(void *)&arena; /* any address: it is not looked into */
    for (size_t i = 0; i < 3; i++) {
        *counts[i] = 1;
        sp_peers_release(&peers, d);
        cr_assert_eq(sp_peers_find_device(&peers, user("a"), 1), d);
        *counts[i] = 0;
    }
    d->session = s;
    sp_peers_release(&peers, d);
    d->session = NULL;
    d->half[0] = s;
    sp_peers_release(&peers, d);
    d->half[0] = NULL;
    d->finish.is_out = true;
    sp_peers_release(&peers, d);
    cr_assert_eq(sp_peers_find_device(&peers, user("a"), 1), d);
    d->finish.is_out = false;
    sp_peers_release(&peers, d);
    cr_assert_null(sp_peers_find_device(&peers, user("a"), 1));
}

Test(peers, full_is_full, .init = setup, .fini = teardown)
{
    char name[2] = "a";
    for (int i = 0; i < 2 * SESSIONS; i++) {
        cr_assert_not_null(sp_peers_get_device(&peers, user(name), 1));
        name[0]++;
    }
    cr_assert_null(sp_peers_get_device(&peers, user(name), 1));
    cr_assert_null(sp_peers_get_device(&peers, user("a"), 2), "a known user, but no room for a device");
    cr_assert_eq(peers.accounts_pool.used, (size_t)2 * SESSIONS);
}

Test(peers, numbers_only_rise_within_an_epoch, .init = setup, .fini = teardown)
{
    struct sp_account *a = sp_peers_get_device(&peers, user("a"), 1)->account;
    static const struct {
        uint64_t epoch;
        uint32_t svr_seq, confirmed, expect_svr, expect_confirmed;
    } steps[] = {
        {5, 10, 4, 10, 4},
        {5, 9, 6, 10, 6},
        {0, 99, 99, 10, 6},
        {6, 3, 1, 3, 1},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct sp_store_done done = {
            .epoch = {steps[i].epoch}, .svr_seq = {steps[i].svr_seq}, .confirmed = {steps[i].confirmed}};
        sp_peers_note_numbers(a, &done);
        cr_assert_eq(a->svr_seq, steps[i].expect_svr, "step %zu", i);
        cr_assert_eq(a->confirmed, steps[i].expect_confirmed, "step %zu", i);
    }
}

Test(peers, sessions_by_cid, .init = setup, .fini = teardown)
{
    static struct sp_session one = {.cid = {1}}, two = {.cid = {2}};
    sp_peers_add_cid(&peers, &one);
    sp_peers_add_cid(&peers, &two);
    cr_assert_eq(sp_peers_find_cid(&peers, (const uint8_t[8]){2}), &two);
    sp_peers_remove_cid(&peers, &two);
    cr_assert_null(sp_peers_find_cid(&peers, (const uint8_t[8]){2}));
    cr_assert_eq(sp_peers_find_cid(&peers, (const uint8_t[8]){1}), &one);
}
