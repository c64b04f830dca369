/* Stories 3, 4, 14, 15, 16, 17 of docs/protocol.md, section 8: pulls, device switch, ends of the numbers. */
#include "phone.h"
#include "puppet.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_rig *rig;

static void start(const struct sp_store_config *limits)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}};
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

static struct sp_puppet *connected(const char *user, uint32_t device)
{
    struct sp_puppet *p = sp_puppet_create(rig, user, device, 3);
    sp_puppet_connect(p);
    return p;
}

static void fill(struct sp_puppet *p, const char *to, uint64_t from, size_t n)
{
    size_t before = sp_puppet_note(p, SP_KIND_MSG_A);
    for (size_t i = 0; i < n; i++) {
        sp_puppet_send_message(p, from + i, 0, to, "x");
        if (i % 100 == 99 || i + 1 == n)
            (void)sp_puppet_wait(p, SP_KIND_MSG_A, before + i + 1);
    }
}

/* The seqs that came as msg:N are exactly lo..hi. */
static void check_got(const struct sp_puppet *p, uint32_t lo, uint32_t hi)
{
    size_t n = 0;
    for (size_t i = 0; i < p->frames_n; i++) {
        const struct sp_frame *f = &p->frames[i]->frame;
        if (f->kind != SP_KIND_MSG_N)
            continue;
        cr_assert(f->u.msg_n.seq.v >= lo && f->u.msg_n.seq.v <= hi, "seq %u", f->u.msg_n.seq.v);
        n++;
    }
    cr_assert_eq(n, (size_t)hi - lo + 1);
}

static const struct sp_frame_pull_a *pull(struct sp_puppet *p, uint16_t id, uint32_t cursor)
{
    size_t before = sp_puppet_note(p, SP_KIND_PULL_A);
    sp_puppet_send_pull(p, id, cursor, 1, 500, true);
    const struct sp_frame_pull_a *a = &sp_puppet_wait(p, SP_KIND_PULL_A, before + 1)->u.pull_a;
    sp_rig_run(rig, SP_SECOND);
    return a;
}

static void check_skipped(const struct sp_frame_pull_a *a, uint32_t lo, uint32_t hi)
{
    cr_assert_eq(a->n, 1);
    cr_assert_eq(a->skipped[0].lo, lo);
    cr_assert_eq(a->skipped[0].hi, hi);
    cr_assert_eq(a->skipped[0].why, SP_WHY_CONFIRMED);
}

/* All that goes down to one endpoint is lost. */
static bool lose_down(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self && p->dir == SP_DIR_DOWN;
}

/* The numbers of the design's source: cli 100, svr 150, and the device that asks with an older number. */
Test(story, s03_device_switch, .fini = end)
{
    start(NULL);
    struct sp_puppet *writer = connected("w", 1), *a = connected("b", 1);
    fill(writer, "b", 1, 150);
    const struct sp_frame_pull_a *f = pull(a, 1, 100);
    cr_assert_eq(f->to.v, 150U);
    cr_assert_eq(f->confirmed.v, 100U);
    check_got(a, 101, 150);
    sp_puppet_close(a);
    sp_rig_run(rig, SP_SECOND);
    fill(writer, "b", 1000, 50);
    sp_puppet_destroy(&a);
    a = connected("b", 1);
    sp_rig_set_filter(rig, lose_down, &a->endpoint);
    sp_puppet_send_pull(a, 1, 150, 1, 500, true);
    sp_rig_run(rig, SP_SECOND); /* the answer is lost */
    sp_rig_set_filter(rig, NULL, NULL);
    struct sp_puppet *phone_b = connected("b", 2);
    f = pull(phone_b, 1, 120);
    cr_assert_eq(f->to.v, 200U);
    cr_assert_eq(f->confirmed.v, 150U);
    check_skipped(f, 121, 150);
    check_got(phone_b, 151, 200);
    sp_puppet_destroy(&writer);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&phone_b);
}

Test(story, s04_device_switch_while_an_answer_is_lost, .fini = end)
{
    start(NULL);
    struct sp_puppet *writer = connected("w", 1), *a = connected("b", 1);
    fill(writer, "b", 1, 200);
    cr_assert_eq(pull(a, 1, 100)->to.v, 200U);
    check_got(a, 101, 200);
    sp_rig_set_filter(rig, lose_down, &a->endpoint);
    fill(writer, "b", 1000, 60);
    sp_puppet_send_pull(a, 2, 200, 1, 500, true);
    sp_rig_run(rig, SP_SECOND);
    struct sp_puppet *phone_b = connected("b", 2);
    const struct sp_frame_pull_a *f = pull(phone_b, 1, 140);
    cr_assert_eq(f->to.v, 260U);
    check_skipped(f, 141, 200);
    check_got(phone_b, 201, 260);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_rig_run(rig, 5 * SP_SECOND);
    check_got(a, 101, 260); /* later also to A: nothing above 200 is confirmed */
    sp_puppet_destroy(&writer);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&phone_b);
}

Test(story, s14_a_cursor_above_what_was_sent, .fini = end)
{
    start(NULL);
    struct sp_puppet *writer = connected("w", 1), *b = connected("b", 1);
    fill(writer, "b", 1, 50);
    sp_puppet_send_pull(b, 1, 0, 1, 40, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 40);
    sp_puppet_send_ack(b, 1, 45);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_ACK_TOO_HIGH);
    sp_puppet_send_pull(b, 2, 45, 1, 40, true);
    const struct sp_frame_pull_a *f = &sp_puppet_wait(b, SP_KIND_PULL_A, 2)->u.pull_a;
    cr_assert_eq(f->code, SP_CODE_ACK_TOO_HIGH);
    cr_assert_eq(f->confirmed.v, 0U);
    cr_assert_eq(sp_rig_stats(rig).receipts_delivered, 0U);
    sp_puppet_destroy(&writer);
    sp_puppet_destroy(&b);
}

Test(story, s15_the_last_numbers, .fini = end)
{
    struct sp_store_config limits = {.head_start = UINT32_MAX - 3};
    start(&limits);
    struct sp_puppet *a = connected("a", 1), *b = connected("b", 1);
    for (uint64_t id = 1; id <= 4; id++) {
        sp_puppet_send_message(a, id, 0, "b", "x");
        const struct sp_frame_msg_a *f = &sp_puppet_wait(a, SP_KIND_MSG_A, id)->u.msg_a;
        cr_assert_eq(f->code, id < 4 ? SP_CODE_OK : SP_CODE_SEQ_EXHAUSTED);
        cr_assert_eq(f->seq.v, id < 4 ? UINT32_MAX - 3 + (uint32_t)id : 0U);
    }
    cr_assert_eq(pull(b, 1, UINT32_MAX - 3)->to.v, UINT32_MAX);
    check_got(b, UINT32_MAX - 2, UINT32_MAX);
    sp_puppet_send_ack(b, 1, UINT32_MAX);
    cr_assert_eq(sp_puppet_wait(b, SP_KIND_ACK_A, 1)->u.ack_a.code, SP_CODE_OK);
    sp_puppet_send_message(a, 3, 0, "b", "x");
    cr_assert_eq(sp_puppet_wait(a, SP_KIND_MSG_A, 5)->u.msg_a.state, SP_STATE_DELIVERED,
                 "repeats are answered for ever");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* The mailbox begins anew, as after a restore: the client adopts it and goes on from its first seq. */
Test(story, s16_another_epoch, .fini = end)
{
    start(NULL);
    struct sp_puppet *a = connected("a", 1);
    struct sp_phone *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(b);
    fill(a, "b", 1, 5);
    sp_phone_wait_got(b, 5, SP_SECOND);
    sp_rig_run(rig, SP_SECOND);
    sp_rig_kill_gateway(rig);
    struct sp_store_config limits = {.epoch = 77};
    sp_rig_set_limits(rig, &limits);
    sp_rig_start_gateway(rig, true);
    sp_rig_run(rig, 30 * SP_SECOND);
    sp_puppet_connect(a);
    fill(a, "b", 6, 2);
    sp_phone_wait_got(b, 7, 30 * SP_SECOND);
    sp_rig_run(rig, 10 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)7);
    cr_assert_eq(b->got[5].seq.v, 1U);
    cr_assert_eq(b->resyncs, 1U);
    cr_assert_eq(b->local.state.epoch.v, 77U);
    cr_assert_eq(b->local.state.cursor.v, 2U);
    sp_puppet_destroy(&a);
    sp_phone_destroy(&b);
}

/* Watches what the gateway sends to an address that has not yet proven itself. */
struct proof {
    struct sp_phone *phone;
    bool is_proven;
    unsigned checked;
};

static bool watch_proof(void *self, const struct sp_rig_packet *p)
{
    struct proof *w = self;
    struct sp_addr addr = sp_rig_addr(rig, w->phone->endpoint);
    uint64_t to, from;
    struct sp_frame f;
    if (p->endpoint != w->phone->endpoint || w->is_proven)
        return false;
    if (p->dir == SP_DIR_UP && sp_rig_packet_find(p, SP_KIND_PATH_RESPONSE, 1, &f))
        w->is_proven = true;
    sp_rig_note_bytes(rig, &addr, &to, &from);
    cr_assert_leq(to, 3 * from, "%lu bytes for %lu", (unsigned long)to, (unsigned long)from);
    w->checked++;
    return false;
}

static bool has_200(void *self)
{
    return ((const struct sp_phone *)self)->got_n >= 200;
}

Test(story, s17_the_port_moves_midway, .fini = end)
{
    start(NULL);
    struct sp_puppet *a = connected("a", 1);
    struct sp_phone *b = sp_phone_create(rig, "b", 1, true);
    struct sp_model_config narrow = {.delay_us = 20000, .rate_kbit = 200};
    sp_rig_set_net(rig, b->endpoint, &narrow);
    fill(a, "b", 1, 500);
    sp_phone_start(b);
    cr_assert(sp_rig_run_until(rig, has_200, b, 20 * SP_SECOND));
    uint64_t handshakes = sp_rig_stats(rig).handshakes_accepted;
    struct proof w = {.phone = b};
    sp_rig_rebind(rig, b->endpoint);
    sp_rig_set_filter(rig, watch_proof, &w);
    sp_phone_wait_got(b, 500, 60 * SP_SECOND);
    cr_assert(w.is_proven);
    cr_assert_gt(w.checked, 1U);
    cr_assert_eq(sp_rig_stats(rig).handshakes_accepted, handshakes);
    cr_assert_eq(sp_rig_stats(rig).sessions_moved, 1U);
    cr_assert_eq(b->got_n, (size_t)500);
    sp_puppet_destroy(&a);
    sp_phone_destroy(&b);
}
