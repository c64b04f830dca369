/* STATUS:R and its answers. */
#include "ask.h"

#include "crypto_sodium.h"

#include <criterion/criterion.h>
#include <sampan/err.h>

static struct sp_rng rng;
static struct sp_ask a;

static void set_up(void)
{
    uint8_t seed[32] = {3};
    sp_rng_init(&rng, sp_crypto_sodium(), seed);
    sp_ask_init(&a, &rng);
}

TestSuite(ask, .init = set_up);

/* Sends the next question; its id, 0: none. */
static uint16_t send(sp_time now)
{
    struct sp_frame f;
    if (sp_ask_frame(&a, &f, now) != 0)
        return 0;
    cr_assert_eq(f.kind, SP_KIND_STATUS_R);
    cr_assert_geq(f.u.status_r.n, 1);
    sp_ask_note_sent(&a, &f, 0, now);
    return f.u.status_r.id;
}

static struct sp_ask_request *open_with(uint64_t id)
{
    struct sp_ask_request *r = sp_ask_open(&a);
    cr_assert_not_null(r);
    cr_assert_lt(r->frame.n, SP_STATUS_MAX);
    r->frame.msgids[r->frame.n++].v = id;
    return r;
}

Test(ask, four_at_once)
{
    uint16_t ids[SP_ASK_REQUESTS_MAX];
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++) {
        cr_expect(sp_ask_has_room(&a));
        (void)open_with(100 + i);
    }
    cr_expect_not(sp_ask_has_room(&a));
    cr_expect_null(sp_ask_open(&a));
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++) {
        ids[i] = send(0);
        cr_expect_neq(ids[i], 0);
        for (size_t k = 0; k < i; k++)
            cr_expect_neq(ids[i], ids[k]);
    }
    cr_expect_eq(send(0), 0, "each once");
    struct sp_frame_status_a f = {.id = ids[2], .n = 1, .of = {{.state = 3}}};
    struct sp_ask_request r;
    cr_expect_eq(sp_ask_answer(&a, &f, &r), 0);
    cr_expect_eq(r.frame.msgids[0].v, 102);
    cr_expect_eq(sp_ask_answer(&a, &f, &r), SP_EAGAIN, "the same answer again");
    cr_expect(sp_ask_has_room(&a));
}

Test(ask, answers_that_do_not_fit)
{
    struct sp_ask_request r;
    struct sp_frame_status_a f = {.id = 1, .n = 1};
    cr_expect_eq(sp_ask_answer(&a, &f, &r), SP_EAGAIN, "nothing was asked");
    (void)open_with(7);
    f.id = a.last_id;
    cr_expect_eq(sp_ask_answer(&a, &f, &r), SP_EAGAIN, "not sent yet");
    f.id = send(0);
    f.n = 2;
    cr_expect_eq(sp_ask_answer(&a, &f, &r), SP_EAGAIN, "another number of states");
    f.n = 1;
    cr_expect_eq(sp_ask_answer(&a, &f, &r), 0);
}

Test(ask, repeats_until_answered)
{
    (void)open_with(7);
    uint16_t id = send(0);
    sp_time due = sp_ask_deadline(&a);
    cr_expect_gt(due, 9 * SP_SECOND, "a message in flight may be answered after 10 s");
    cr_expect_eq(send(due - 1), 0);
    cr_expect_eq(send(due), id);
    cr_expect_gt(sp_ask_deadline(&a), due + 18 * SP_SECOND);
}

Test(ask, of_the_app)
{
    struct sp_client_event ev;
    struct sp_ask_request r;
    cr_expect_not(sp_ask_is_wanted(&a));
    cr_expect_eq(sp_ask_app(&a, (struct sp_msgid){5}), 0);
    cr_expect_eq(sp_ask_app(&a, (struct sp_msgid){6}), 0);
    cr_expect(sp_ask_is_wanted(&a));
    (void)open_with(7);
    cr_expect_not(sp_ask_is_wanted(&a));
    struct sp_frame_status_a f = {.id = send(0), .n = 3};
    f.of[0].state = 2;
    f.of[1].state = 3;
    f.of[1].seq.v = 9;
    cr_expect_eq(sp_ask_poll(&a, &ev), SP_EAGAIN);
    cr_expect_eq(sp_ask_answer(&a, &f, &r), 0);
    cr_expect(sp_ask_has_event(&a));
    cr_expect_eq(sp_ask_poll(&a, &ev), 0);
    cr_expect_eq(ev.kind, SP_CLIENT_STATUS);
    cr_expect_eq(ev.msgid.v, 5);
    cr_expect_eq(ev.state, 2);
    cr_expect_eq(sp_ask_poll(&a, &ev), 0);
    cr_expect_eq(ev.msgid.v, 6);
    cr_expect_eq(ev.seq.v, 9);
    cr_expect_eq(sp_ask_poll(&a, &ev), SP_EAGAIN);
    cr_expect_not(sp_ask_has_event(&a));
}

Test(ask, reset_keeps_what_the_app_wants)
{
    cr_assert_eq(sp_ask_app(&a, (struct sp_msgid){5}), 0);
    (void)open_with(7);
    uint16_t before = send(0);
    sp_ask_reset(&a);
    cr_expect_eq(sp_ask_deadline(&a), SP_NEVER);
    cr_expect(sp_ask_is_wanted(&a));
    struct sp_ask_request *r = sp_ask_open(&a);
    cr_expect_eq(r->frame.n, 1);
    cr_expect_neq(r->frame.id, before);
}

Test(ask, ids_go_around_without_0)
{
    for (int i = 0; i < 70000; i++) {
        struct sp_ask_request *r = sp_ask_open(&a);
        cr_assert_neq(r->frame.id, 0);
        sp_ask_cancel(&a, r);
    }
}
