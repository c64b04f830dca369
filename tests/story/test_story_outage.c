/* Stories 27 (small), 28, 31 of docs/protocol.md, section 8, and storms of everything at once: outages and
 * their end. */
#include "phone.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct sp_rig *rig;

static void end(void)
{
    (void)sp_rig_stats(rig);
    sp_rig_destroy(&rig);
}

#define CLIENTS 60

static void start_crowd(void)
{
    struct sp_rig_config cfg = {
        .seed = 1, .net = {.delay_us = 20000, .jitter_us = 5000}, .gateway = {.sessions_max = 2 * CLIENTS}};
    rig = sp_rig_create(&cfg);
}

Test(story, s27_the_gateway_restarts_under_a_crowd, .init = start_crowd, .fini = end)
{
    struct sp_phone *p[CLIENTS];
    char name[CLIENTS][8];
    for (uint32_t i = 0; i < CLIENTS; i++) {
        (void)snprintf(name[i], sizeof name[i], "u%u", i);
        p[i] = sp_phone_create(rig, name[i], 1, true);
        sp_phone_start(p[i]);
    }
    sp_rig_run(rig, 20 * SP_SECOND);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)CLIENTS);
    sp_rig_kill_gateway(rig);
    for (uint32_t i = 0; i < CLIENTS; i++) { /* queued while it is away */
        (void)sp_phone_send(p[i], name[(i + 1) % CLIENTS], "one");
        (void)sp_phone_send(p[i], name[(i + 1) % CLIENTS], "two");
    }
    sp_rig_run(rig, SP_SECOND);
    sp_rig_start_gateway(rig, false);
    for (uint32_t i = 0; i < CLIENTS; i++)
        sp_phone_wait_all(p[i], SP_STATE_DELIVERED, 60 * SP_SECOND);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        cr_assert_eq(p[i]->got_n, (size_t)2);
        cr_assert_str_eq(p[i]->got[0].body, "one");
        cr_assert_str_eq(p[i]->got[1].body, "two");
    }
    cr_assert_gt(sp_rig_stats(rig).resets_sent, 0U);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 2U * CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++)
        sp_phone_destroy(&p[i]);
}

struct hole {
    sp_time from, until;
    unsigned data[3]; /* DATA packets that were lost, by direction */
};

static bool lose_in_hole(void *self, const struct sp_rig_packet *p)
{
    struct hole *h = self;
    if (p->now < h->from || p->now >= h->until)
        return false;
    if ((p->p[0] & 0xfe) == 0x40)
        h->data[p->dir]++;
    return true;
}

static void start_quiet(void)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}};
    rig = sp_rig_create(&cfg);
}

Test(story, s28_a_minute_of_total_loss, .init = start_quiet, .fini = end)
{
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_run(rig, 5 * SP_SECOND);
    sp_phone_kill(b); /* one link is enough */
    sp_rig_run(rig, SP_SECOND);
    struct hole h = {.from = sp_rig_now(rig), .until = sp_rig_now(rig) + 60 * SP_SECOND};
    sp_rig_set_filter(rig, lose_in_hole, &h);
    for (int i = 0; i < 20; i++)
        (void)sp_phone_send(a, "b", "x");
    sp_rig_run(rig, 60 * SP_SECOND);
    cr_assert_gt(h.data[SP_DIR_UP], 3U);
    cr_assert_leq(h.data[SP_DIR_UP], 16U);
    sp_phone_wait_all(a, SP_STATE_STORED, 20 * SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).messages_stored, 20U);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

/* Which key phases were seen in each direction. */
static bool note_phase(void *self, const struct sp_rig_packet *p)
{
    bool(*seen)[2] = self;
    if ((p->p[0] & 0xfe) == 0x40)
        seen[p->dir][p->p[0] & 1] = true;
    return false;
}

Test(story, s31_key_phases_under_loss)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000, .loss = {0.3, 0.3}}};
    rig = sp_rig_create(&cfg);
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    bool seen[3][2] = {{false}};
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_set_filter(rig, note_phase, seen);
    for (int i = 0; i < 300; i++) { /* two hours */
        (void)sp_phone_send(a, "b", "x");
        sp_rig_run(rig, 24 * SP_SECOND);
    }
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 300 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)300);
    cr_assert(seen[SP_DIR_UP][0] && seen[SP_DIR_UP][1]);
    cr_assert(seen[SP_DIR_DOWN][0] && seen[SP_DIR_DOWN][1]);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    end();
}
