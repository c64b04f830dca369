/* Questions to the store: order, bounds, answers once. */
#include "batch.h"

#include "core.h"

#include <criterion/criterion.h>

#define ASKS 3000

static struct sp_gateway g;
static struct sp_ask asks[ASKS];
static struct sp_store_req reqs[SP_CONF_BATCH_MAX];
static struct sp_store_done dones[SP_CONF_DONE_MAX];
static unsigned answers[ASKS], answered_n;

static void count(struct sp_gateway *gateway, struct sp_ask *ask, const struct sp_store_done *done,
                  sp_time now)
{
    cr_assert_eq(gateway, &g);
    cr_assert_eq(now, 7);
    cr_assert_eq(done->err, 0);
    cr_assert_not(ask->is_out, "an answer may ask again");
    answers[ask - asks]++;
    answered_n++;
}

Test(batch, more_ranges_than_the_port_takes_wait_and_hold_up_nothing)
{
    struct sp_store *st = NULL;
    struct sp_user user = {{(const uint8_t *)"b", 1}};
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    cr_assert_eq(sp_store_attach(st, &g.batch.port), 0);
    g.batch.reqs = reqs;
    g.batch.dones = dones;
    g.batch.again_at = SP_NEVER;
    sp_list_init(&g.batch.asks);
    sp_list_init(&g.batch.ranges);
    cr_assert(sp_batch_is_idle(&g.batch));
    for (size_t i = 0; i < ASKS; i++) {
        asks[i].answer = count;
        asks[i].req = (struct sp_store_req){
            .op = i < ASKS - 10 ? SP_STORE_RANGE : SP_STORE_HEAD, .to = &user, .to_n = 1, .at_us = 1};
        sp_batch_add(&g.batch, &asks[i]);
    }
    cr_assert_eq(sp_batch_deadline(&g.batch), INT64_MIN);
    sp_batch_submit(&g, 7);
    cr_assert_eq(g.batch.ranges_out, (size_t)SP_CONF_RANGES_MAX);
    cr_assert_eq(sp_store_pending(g.batch.port), (size_t)SP_CONF_RANGES_MAX + 10);
    for (int round = 0; round < 10; round++) {
        sp_batch_poll(&g, 7);
        if (round == 0)
            cr_assert_eq(answers[ASKS - 1], 1U, "the HEADs came through");
        sp_batch_submit(&g, 7);
    }
    cr_assert_eq(answered_n, (unsigned)ASKS);
    for (size_t i = 0; i < ASKS; i++)
        cr_assert_eq(answers[i], 1U);
    cr_assert(sp_batch_is_idle(&g.batch));
    cr_assert_eq(g.stats.store_full, 0U);
    cr_assert_eq(sp_batch_deadline(&g.batch), SP_NEVER);
    sp_store_close(&st);
}
