/* Memory is taken at the start alone: when any part of it is not there, nothing is made and nothing stays
 * behind (the sanitizer's leak check looks at that). */
#include "conf.h"
#include "core.h"
#include "store.h"

#include "crypto_sodium.h"
#include "mishap.h"

#include <criterion/criterion.h>

#include <sampan/err.h>

Test(gateway_mishap, no_memory_at_the_start)
{
    struct sp_store *st = NULL;
    struct sp_store_port *port = NULL;
    struct sp_gateway_config cfg = {
        .crypto = sp_crypto_sodium(), .keys = {.tokens = {.n = 1}}, .sessions_max = 8, .frames_max = 64};
    unsigned call = 0;
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    cr_assert_eq(sp_store_attach(st, &port), 0);
    for (bool hit = true; hit; call++) {
        struct sp_gateway *g = NULL;
        mishap_arm(MISHAP_MEMORY, ENOMEM, call);
        int err = sp_gateway_create(&g, &cfg, port, 0);
        hit = mishap_disarm();
        cr_assert_eq(err, hit ? SP_EFULL : 0, "call %u: %d", call, err);
        cr_assert_eq(g == NULL, hit);
        sp_gateway_destroy(&g);
        cr_assert_lt(call, 100U);
    }
    cr_assert_gt(call, 15U);
    sp_store_close(&st);
}

/* As many frames as sessions need, and never fewer than a few sessions do. */
Test(gateway_mishap, frames_follow_the_sessions)
{
    struct sp_store *st = NULL;
    struct sp_store_port *port = NULL;
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    cr_assert_eq(sp_store_attach(st, &port), 0);
    static const struct {
        size_t sessions, frames;
    } rows[] = {
        {1, SP_CONF_FRAMES_MIN},
        {SP_CONF_FRAMES_MIN / SP_CONF_FRAMES_SESSION + 1, SP_CONF_FRAMES_MIN + SP_CONF_FRAMES_SESSION}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_gateway *g = NULL;
        struct sp_gateway_config cfg = {
            .crypto = sp_crypto_sodium(), .keys = {.tokens = {.n = 1}}, .sessions_max = rows[i].sessions};
        cr_assert_eq(sp_gateway_create(&g, &cfg, port, 0), 0);
        cr_assert_eq(g->cfg.frames_max, rows[i].frames, "row %zu", i);
        cr_assert_eq(sp_gateway_deadline(g), SP_NEVER);
        sp_gateway_destroy(&g);
    }
    sp_store_close(&st);
}
