/* Stories 1, 2, 6, 7, 8, 9, 21 of docs/protocol.md, section 8: the reports of one message. */
#include "phone.h"
#include "puppet.h"

#include <criterion/criterion.h>

static struct sp_rig *rig;
static struct sp_phone *a, *b;

/* Two phones, 20 ms from the gateway, online for a second; the trace begins now. */
static void two_phones(void)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
    a = sp_phone_create(rig, "a", 1, true);
    b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_run(rig, SP_SECOND);
    sp_rig_trace_begin(rig);
}

static void end(void)
{
    (void)sp_rig_stats(rig);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    sp_rig_destroy(&rig);
}

static void check_trace(const char *expected)
{
    cr_assert_str_eq(sp_rig_trace(rig), expected, "the story went so:\n%s\nand should have gone so:\n%s",
                     sp_rig_trace(rig), expected);
}

Test(story, s01_six_reports, .init = two_phones, .fini = end)
{
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_rig_run(rig, 5 * SP_SECOND);
    check_trace("    0 a > msg:R m1 to b \"hi\"\n"
                "   40 b < msg:N 1 m1 from a \"hi\"\n"
                "   40 a < msg:A m1 OK seq 1 ACCEPTED\n"
                "   60 b > ack:R 1\n"
                "  100 b < ack:A OK confirmed 1\n"
                "  100 a < ack:N m1 DELIVERED\n"
                "  100 a > DONE m1\n");
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_DELIVERED);
    cr_assert_eq(b->got_n, (size_t)1);
    cr_assert_str_eq(b->got[0].body, "hi");
}

Test(story, s02_four_reports, .init = two_phones, .fini = end)
{
    struct sp_msgid m = sp_phone_send_four(a, "b", "hi");
    sp_rig_run(rig, 5 * SP_SECOND);
    check_trace("    0 a > msg:R m1 to b four \"hi\"\n"
                "   40 b < msg:N 1 m1 from a four \"hi\"\n"
                "   60 b > ack:R 1 silent\n"
                "  100 a < ack:N m1 DELIVERED\n"
                "  100 a > DONE m1\n");
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_DELIVERED);
}

struct loss {
    int endpoint, dir;
    uint8_t kind;
    unsigned left; /* packets still to lose */
};

static bool lose(void *self, const struct sp_rig_packet *p)
{
    struct loss *l = self;
    struct sp_frame f;
    if (l->left == 0 || p->endpoint != l->endpoint || p->dir != l->dir ||
        !sp_rig_packet_find(p, l->kind, 1, &f))
        return false;
    l->left--;
    return true;
}

Test(story, s06_lost_notices_are_repaired_by_the_gateway)
{
    for (unsigned times = 1; times <= 5; times++) {
        two_phones();
        struct loss l = {b->endpoint, SP_DIR_DOWN, SP_KIND_MSG_N, times};
        sp_rig_set_filter(rig, lose, &l);
        struct sp_msgid m = sp_phone_send(a, "b", "hi");
        sp_phone_wait_state(a, m, SP_STATE_DELIVERED, 20 * SP_SECOND);
        sp_rig_run(rig, 5 * SP_SECOND);
        cr_assert_eq(l.left, 0U);
        cr_assert_eq(b->got_n, (size_t)1);
        cr_assert_eq(sp_rig_stats(rig).messages_received, 1U, "A resends no body");
        end();
    }
}

/* All packets down to one endpoint that carry ack:N. */
static bool lose_receipts(void *self, const struct sp_rig_packet *p)
{
    struct sp_frame f;
    return p->endpoint == *(const int *)self && p->dir == SP_DIR_DOWN &&
           sp_rig_packet_find(p, SP_KIND_ACK_N, 1, &f);
}

Test(story, s07_a_lost_receipt_comes_with_the_next_session, .init = two_phones, .fini = end)
{
    sp_rig_set_filter(rig, lose_receipts, &a->endpoint);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_phone_wait_got(b, 1, SP_SECOND);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_ACCEPTED);
    sp_phone_kill(a);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_rig_run(rig, SP_SECOND);
    sp_phone_connect(a);
    sp_phone_wait_state(a, m, SP_STATE_DELIVERED, 2 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)1);
}

Test(story, s07_status_agrees)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}};
    rig = sp_rig_create(&cfg);
    struct sp_puppet *p = sp_puppet_create(rig, "a", 1, 3);
    b = sp_phone_create(rig, "b", 1, true);
    sp_puppet_connect(p);
    sp_phone_connect(b);
    sp_rig_set_filter(rig, lose_receipts, &p->endpoint);
    sp_puppet_send_message(p, 5, 0, "b", "hi");
    sp_phone_wait_got(b, 1, SP_SECOND);
    sp_rig_run(rig, SP_SECOND);
    sp_puppet_connect(p);
    sp_puppet_send_status(p, 1, 5);
    cr_assert_eq(sp_puppet_wait(p, SP_KIND_STATUS_A, 1)->u.status_a.of[0].state, SP_STATE_DELIVERED);
    cr_assert_eq(sp_puppet_note(p, SP_KIND_ACK_N), (size_t)0);
    sp_puppet_destroy(&p);
    sp_phone_destroy(&b);
    sp_rig_destroy(&rig);
}

Test(story, s08_offline_then_delivered, .init = two_phones, .fini = end)
{
    sp_phone_stop(b);
    sp_rig_trace_begin(rig);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_rig_run(rig, 30 * SP_SECOND);
    check_trace("    0 a > msg:R m1 to b \"hi\"\n"
                "   40 a < msg:A m1 OK seq 1 STORED\n");
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_STORED);
    sp_rig_trace_begin(rig);
    sp_phone_start(b);
    sp_rig_run(rig, 5 * SP_SECOND);
    check_trace("   40 b > PULL:R 0 confirms\n"
                "   80 b < PULL:A OK to 1 svr_seq 1 confirmed 0\n"
                "   80 b < msg:N 1 m1 from a \"hi\"\n"
                "  100 b > ack:R 1\n"
                "  140 b < ack:A OK confirmed 1\n"
                "  140 a < ack:N m1 DELIVERED\n"
                "  140 a > DONE m1\n");
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_DELIVERED);
}

static bool lose_all(void *self, const struct sp_rig_packet *p)
{
    return p->endpoint == *(const int *)self;
}

Test(story, s09_a_half_open_recipient, .init = two_phones, .fini = end)
{
    sp_rig_set_filter(rig, lose_all, &b->endpoint);
    struct sp_msgid m = sp_phone_send(a, "b", "hi");
    sp_phone_wait_state(a, m, SP_STATE_STORED, 8100 * SP_MS);
    sp_rig_run(rig, 20 * SP_SECOND);
    cr_assert_eq(sp_phone_sent(a, m)->state, SP_STATE_STORED);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_phone_wait_state(a, m, SP_STATE_DELIVERED, 60 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)1);
}

/* Loses what carries one message, for a while. */
struct one_message {
    struct sp_msgid msgid;
    sp_time until;
};

static bool lose_message(void *self, const struct sp_rig_packet *p)
{
    const struct one_message *o = self;
    struct sp_frame f;
    for (size_t n = 1; p->now < o->until && sp_rig_packet_find(p, SP_KIND_MSG_R, n, &f); n++) {
        if (f.u.msg_r.msgid.v == o->msgid.v)
            return true;
    }
    return false;
}

Test(story, s21_no_conversation_waits_for_another, .init = two_phones, .fini = end)
{
    struct sp_phone *c = sp_phone_create(rig, "c", 1, true);
    sp_phone_connect(c);
    sp_rig_run(rig, SP_SECOND);
    sp_time start = sp_rig_now(rig);
    struct one_message o = {sp_phone_send(a, "b", "m1"), start + 300 * SP_MS};
    sp_rig_set_filter(rig, lose_message, &o);
    sp_rig_run(rig, 50 * SP_MS); /* m2 and m3 are not to ride in the datagram that is lost */
    (void)sp_phone_send(a, "b", "m2");
    (void)sp_phone_send(a, "c", "m3");
    sp_phone_wait_got(b, 2, 10 * SP_SECOND);
    cr_assert_eq(c->got_n, (size_t)1);
    cr_assert_str_eq(b->got[0].body, "m1");
    cr_assert_str_eq(b->got[1].body, "m2");
    cr_assert_lt(c->got[0].at, b->got[0].at);
    sp_phone_destroy(&c);
}
