/* What a gateway tells its witness, and that it tells it before the answer can leave. */
#include "world.h"

#include "gateway.h"
#include "witness.h"

#define NOTES_MAX 64

static struct sp_witness_event notes[NOTES_MAX];
static size_t notes_n;

static void note(void *self, const struct sp_witness_event *e)
{
    cr_assert_eq(self, notes);
    cr_assert_lt(notes_n, NOTES_MAX);
    notes[notes_n++] = *e;
}

static const struct sp_witness witness = {.self = notes, .note = note};

static void setup_watched(void)
{
    struct sp_rig_config cfg = {
        .seed = 3, .store = "mem:", .net = {.delay_us = 1000}, .gateway = {.witness = &witness}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

/* The n-th note of this kind, from 1 on. */
static const struct sp_witness_event *noted(enum sp_witness_kind kind, size_t n)
{
    for (size_t i = 0; i < notes_n; i++) {
        if (notes[i].kind == kind && --n == 0)
            return &notes[i];
    }
    return NULL;
}

Test(witness, stored_confirmed_and_delivered, .init = setup_watched, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 2, 0);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    cr_assert_eq(answer(a, 1)->code, SP_CODE_OK);
    const struct sp_witness_event *e = noted(SP_WITNESS_STORED, 1);
    cr_assert_not_null(e);
    cr_assert(e->from.msgid.v == 1 && e->from.device == 1 && e->seq.v == 1 && e->epoch.v != 0 &&
              e->commit != 0);
    cr_assert(!e->is_repeat && e->state == SP_STATE_ACCEPTED);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 1);
    sp_puppet_send_ack(b, 4, 1);
    (void)sp_puppet_wait(a, SP_KIND_ACK_N, 1);
    e = noted(SP_WITNESS_CONFIRMED, 1);
    cr_assert_not_null(e);
    cr_assert(e->from.device == 2 && e->seq.v == 1 && e->hi.v == 1 && e->epoch.v != 0);
    e = noted(SP_WITNESS_STORED, 2);
    cr_assert_not_null(e);
    cr_assert(e->state == SP_STATE_DELIVERED && e->is_repeat && e->from.msgid.v == 1);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    cr_assert_eq(answer(a, 2)->code, SP_CODE_OK);
    e = noted(SP_WITNESS_STORED, 3);
    cr_assert_not_null(e);
    cr_assert(e->is_repeat && e->seq.v == 1);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(witness, a_confirming_pull, .init = setup_watched, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1), *b = bound("b", 2, 0);
    fill(a, "b", 1, 2);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 2);
    sp_puppet_send_pull(b, 2, 2, 1, 500, true);
    (void)sp_puppet_wait(b, SP_KIND_PULL_A, 2);
    const struct sp_witness_event *e = noted(SP_WITNESS_CONFIRMED, 1);
    cr_assert_not_null(e);
    cr_assert(e->seq.v == 2 && e->hi.v == 2);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(witness, definite_refusals_only, .init = setup_watched, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 2, 0, "b", "x");
    cr_assert_eq(answer(a, 1)->code, SP_CODE_OK);
    sp_puppet_send_message(a, 2, 0, "b", "y");
    cr_assert_eq(answer(a, 2)->code, SP_CODE_ID_REUSED);
    const struct sp_witness_event *e = noted(SP_WITNESS_REFUSED, 1);
    cr_assert_not_null(e);
    cr_assert(e->code == SP_CODE_ID_REUSED && e->from.msgid.v == 2);
    cr_assert_null(noted(SP_WITNESS_REFUSED, 2));
    sp_puppet_destroy(&a);
}

/* A message whose answer died with the gateway is told of when its sender asks. */
Test(witness, a_status_tells_it_too, .init = setup_watched, .fini = teardown)
{
    struct sp_puppet *a = connected("a", 1);
    sp_puppet_send_message(a, 1, 0, "b", "x");
    cr_assert_eq(answer(a, 1)->code, SP_CODE_OK);
    notes_n = 0;
    struct sp_frame f = {.kind = SP_KIND_STATUS_R, .u.status_r = {.id = 1, .n = 2, .msgids = {{1}, {77}}}};
    sp_puppet_send(a, &f);
    (void)sp_puppet_wait(a, SP_KIND_STATUS_A, 1);
    cr_assert_eq(notes_n, 1);
    cr_assert(notes[0].kind == SP_WITNESS_STORED && notes[0].is_repeat && notes[0].from.msgid.v == 1);
    sp_puppet_destroy(&a);
}
