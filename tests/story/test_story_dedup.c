/* Stories 10, 11, 12, 13, 19, 22 of docs/protocol.md, section 8: once, whatever happens. */
#include "phone.h"
#include "puppet.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sp_rig *rig;
static char folder[64], url[80];

static void start(const char *store, const struct sp_store_config *limits)
{
    struct sp_rig_config cfg = {.seed = 1, .store = store, .net = {.delay_us = 20000}};
    if (limits != NULL)
        cfg.limits = *limits;
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

static void end(void)
{
    (void)sp_rig_stats(rig);
    sp_rig_destroy(&rig);
}

static void start_lmdb(void)
{
    struct sp_store_config limits = {.map_size = 64U << 20};
    strcpy(folder, "/tmp/sampan-story-XXXXXX"); /* NOLINT: a constant that fits */
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(url, sizeof url, "lmdb:%s", folder);
    start(url, &limits);
}

static void end_lmdb(void)
{
    char command[128];
    end();
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c) */
}

static bool lose_down(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self && p->dir == SP_DIR_DOWN;
}

Test(story, s10_killed_between_commit_and_answer, .init = start_lmdb, .fini = end_lmdb)
{
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_rig_set_filter(rig, lose_down, &a->endpoint);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_rig_run(rig, 100 * SP_MS);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 1U);
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_UNKNOWN);
    sp_rig_kill_gateway(rig);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_rig_start_gateway(rig, true);
    sp_phone_wait_state(a, m, SP_STATE_STORED, 30 * SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 0U);
    cr_assert_geq(sp_rig_stats(rig).messages_repeated, 1U);
    (void)sp_phone_send(a, "b", "ho");
    sp_phone_connect(b);
    sp_phone_wait_got(b, 2, 5 * SP_SECOND);
    cr_assert_eq(b->got[0].seq.v, 1U);
    cr_assert_eq(b->got[1].seq.v, 2U);
    cr_assert_str_eq(b->got[1].body, "ho");
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

Test(story, s10_killed_before_the_commit, .init = start_lmdb, .fini = end_lmdb)
{
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_rig_hang_gateway(rig);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_rig_run(rig, 100 * SP_MS);
    cr_assert_eq(sp_rig_stats(rig).messages_received, 1U);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 0U);
    sp_rig_kill_gateway(rig);
    sp_rig_start_gateway(rig, true);
    sp_phone_wait_state(a, m, SP_STATE_STORED, 30 * SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 1U);
    sp_phone_connect(b);
    sp_phone_wait_got(b, 1, 5 * SP_SECOND);
    cr_assert_eq(b->got[0].seq.v, 1U);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

Test(story, s11_s12_s22_a_full_mailbox, .fini = end)
{
    struct sp_store_config limits = {.mailbox_count = 3, .share_percent = 100};
    static const struct {
        uint64_t id;
        const char *body;
        uint8_t code;
    } steps[] = {
        {1, "x", SP_CODE_OK},        {2, "x", SP_CODE_OK}, {3, "x", SP_CODE_OK},
        {4, "x", SP_CODE_QUOTA},     {2, "x", SP_CODE_OK}, /* a durable one, although the mailbox is full */
        {2, "y", SP_CODE_ID_REUSED},
    };
    start("mem:", &limits);
    struct sp_puppet *a = sp_puppet_create(rig, "a", 1, 3), *b = sp_puppet_create(rig, "b", 1, 3);
    sp_puppet_connect(a);
    sp_puppet_connect(b);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sp_puppet_send_message(a, steps[i].id, 0, "b", steps[i].body);
        cr_assert_eq(sp_puppet_wait(a, SP_KIND_MSG_A, i + 1)->u.msg_a.code, steps[i].code, "step %zu", i);
    }
    sp_puppet_send_pull(b, 1, 0, 1, 10, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 3);
    sp_puppet_send_ack(b, 1, 3);
    (void)sp_puppet_wait(b, SP_KIND_ACK_A, 1);
    sp_puppet_send_message(a, 4, 0, "b", "x");
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_MSG_A, 7)->u.msg_a.code, SP_CODE_QUOTA,
                 "a late copy of a refused one");
    sp_puppet_send_message(a, 5, 0, "b", "x");
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_MSG_A, 8)->u.msg_a.code, SP_CODE_OK, "a new one");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(story, s13_a_stranger_acknowledges, .fini = end)
{
    start("mem:", NULL);
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    struct sp_puppet *x = sp_puppet_create(rig, "x", 1, 3);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_puppet_connect(x);
    sp_puppet_send_pull(x, 1, 0, 1, 10, true);
    (void)sp_puppet_wait(x, SP_KIND_PULL_A, 1);
    sp_rig_set_filter(rig, lose_down, &b->endpoint);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_rig_run(rig, 200 * SP_MS);
    sp_puppet_send_ack(x, 1, 1);
    cr_assert_eq(sp_puppet_wait(x, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_ACK_TOO_HIGH);
    cr_assert_lt(sp_phone_sent(a, m)->state, SP_STATE_DELIVERED);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_phone_wait_got(b, 1, 5 * SP_SECOND);
    sp_phone_wait_state(a, m, SP_STATE_DELIVERED, 5 * SP_SECOND);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    sp_puppet_destroy(&x);
}

/* What b's app saw of 300 messages from a over this network. */
static size_t history(const struct sp_model_config *net, char *out, size_t cap)
{
    size_t n = 0;
    start("mem:", NULL);
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_set_net(rig, a->endpoint, net);
    sp_rig_set_net(rig, b->endpoint, net);
    for (int i = 0; i < 300; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "%d", i);
        (void)sp_phone_send(a, "b", body);
        sp_rig_run(rig, 3 * SP_MS);
    }
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 120 * SP_SECOND);
    sp_rig_run(rig, 10 * SP_SECOND);
    for (size_t i = 0; i < b->got_n; i++)
        n += (size_t)snprintf(out + n, cap - n, "%u %s\n", b->got[i].seq.v, b->got[i].body);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    end();
    return b == NULL ? n : 0;
}

Test(story, s19_doubled_and_reordered)
{
    static char clean[16384], dirty[16384];
    struct sp_model_config good = {.delay_us = 20000};
    struct sp_model_config bad = {.delay_us = 1000, .jitter_us = 900000, .dup = 1.0};
    cr_assert_gt(history(&good, clean, sizeof clean), (size_t)0);
    cr_assert_gt(history(&bad, dirty, sizeof dirty), (size_t)0);
    cr_assert_str_eq(clean, dirty);
}
