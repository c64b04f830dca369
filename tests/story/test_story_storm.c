/* Storms: four users write to each other over bad networks, with moving ports, killed processes and a store
 * whose answers are late, lost or failed.  Then the weather clears, and the promises are checked: every
 * message was shown once, in the order of its conversation, and its sender knows it.  One seed is one storm;
 * a failure names it. */
#include "phone.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS    4
#define MESSAGES 200
#define BODY_MAX 32

/* What a storm may bring. */
struct weather {
    bool bad_store;
    const char *store; /* NULL: mem: behind the fault engine */
    sp_time heal_us;   /* how long all may take to become known after the storm */
};

struct storm {
    struct sp_rig *rig;
    const struct weather *weather;
    uint64_t seed;
    struct sp_phone *phones[USERS];
    int sent[USERS][USERS];
    double rebind, kill, death; /* chances per message */
    bool is_up;                 /* the gateway */
};

/* Uniform in [0, 1). */
static double fraction(struct storm *s)
{
    return (double)(sp_rig_draw(s->rig) >> 11) / 9007199254740992.0; /* 2^53 */
}

static bool chance(struct storm *s, double p)
{
    return fraction(s) < p;
}

/* A kind of trouble that half of the storms do not have. */
static double maybe(struct storm *s, double p)
{
    return chance(s, 0.5) ? p : 0.0;
}

static struct sp_model_config draw_net(struct storm *s)
{
    struct sp_model_config net = {.delay_us = (int64_t)(fraction(s) * 200000),
                                  .jitter_us = (int64_t)(fraction(s) * fraction(s) * 300000),
                                  .loss = {fraction(s) * 0.5, fraction(s) * 0.5},
                                  .dup = fraction(s) * fraction(s),
                                  .reorder = fraction(s) * 0.3,
                                  .corrupt = fraction(s) * 0.05};
    if (chance(s, 0.3))
        net.burst_us = 1000 + (int64_t)(fraction(s) * 2000000);
    return net;
}

static void begin(struct storm *s)
{
    char url[64] = "", name[] = "u0";
    (void)snprintf(url, sizeof url, "fault:%u:mem:", (unsigned)s->seed);
    unsigned evil = s->weather->bad_store ? 50 : 0;
    struct sp_rig_config cfg = {
        .seed = s->seed,
        .store = s->weather->store != NULL ? s->weather->store : url,
        .limits = {.map_size = 64U << 20,
                   .faults = {.set = true,
                              .lost = evil,
                              .failed = evil,
                              .busy = evil / 2,
                              .max_delay_us = s->weather->bad_store ? 50 * SP_MS : 5 * SP_MS}}};
    s->rig = sp_rig_create(&cfg);
    s->is_up = true;
    struct sp_model_config net = draw_net(s);
    s->rebind = maybe(s, 0.02);
    s->kill = maybe(s, 0.01);
    s->death = maybe(s, 0.01);
    for (int i = 0; i < USERS; i++) {
        name[1] = (char)('0' + i);
        s->phones[i] = sp_phone_create(s->rig, name, 1, true);
        sp_rig_set_net(s->rig, s->phones[i]->endpoint, &net);
        sp_phone_start(s->phones[i]);
    }
}

static void turn_gateway(struct storm *s)
{
    if (s->is_up)
        sp_rig_kill_gateway(s->rig);
    else
        sp_rig_start_gateway(s->rig, s->weather->store != NULL);
    s->is_up = !s->is_up;
}

static void send_one(struct storm *s)
{
    int from = (int)(sp_rig_draw(s->rig) % USERS), to = (int)(sp_rig_draw(s->rig) % USERS);
    struct sp_phone *p = s->phones[from];
    char body[BODY_MAX];
    if (p->client == NULL)
        sp_phone_start(p);
    (void)snprintf(body, sizeof body, "%d %d", from, s->sent[from][to]++);
    if (chance(s, 0.2))
        (void)sp_phone_send_four(p, s->phones[to]->user, body);
    else
        (void)sp_phone_send(p, s->phones[to]->user, body);
    if (chance(s, s->rebind))
        sp_rig_rebind(s->rig, p->endpoint);
    if (chance(s, s->kill))
        turn_gateway(s);
    if (chance(s, s->death))
        sp_phone_kill(s->phones[to]);
    sp_rig_run(s->rig, 1 + sp_rig_draw_time(s->rig, 100 * SP_MS));
}

static void clear_up(struct storm *s)
{
    struct sp_model_config calm = {.delay_us = 30000};
    if (!s->is_up)
        turn_gateway(s);
    for (int i = 0; i < USERS; i++) {
        sp_rig_set_net(s->rig, s->phones[i]->endpoint, &calm);
        if (s->phones[i]->client == NULL)
            sp_phone_start(s->phones[i]);
    }
}

static bool is_all_known(void *self)
{
    const struct storm *s = self;
    for (int i = 0; i < USERS; i++) {
        for (size_t m = 0; m < s->phones[i]->sent_n; m++) {
            if (s->phones[i]->sent[m].state < SP_STATE_DELIVERED)
                return false;
        }
    }
    return true;
}

/* The phones themselves check that no message is shown twice. */
static void check_order(const struct storm *s)
{
    size_t total = 0;
    for (int to = 0; to < USERS; to++) {
        int next[USERS] = {0};
        for (size_t m = 0; m < s->phones[to]->got_n; m++) {
            char expected[BODY_MAX];
            int from = s->phones[to]->got[m].body[0] - '0';
            (void)snprintf(expected, sizeof expected, "%d %d", from, next[from]++);
            cr_assert_str_eq(s->phones[to]->got[m].body, expected, "seed %u: out of order",
                             (unsigned)s->seed);
            total++;
        }
    }
    cr_assert_eq(total, (size_t)MESSAGES, "seed %u: %zu messages were shown", (unsigned)s->seed, total);
}

static void ride(uint64_t seed, const struct weather *w)
{
    struct storm s = {.weather = w, .seed = seed};
    begin(&s);
    for (int i = 0; i < MESSAGES; i++)
        send_one(&s);
    clear_up(&s);
    cr_assert(sp_rig_run_until(s.rig, is_all_known, &s, w->heal_us), "seed %u: a sender does not know",
              (unsigned)seed);
    check_order(&s);
    cr_assert_eq(sp_rig_stats(s.rig).frames_unfit, 0U, "seed %u", (unsigned)seed);
    for (int i = 0; i < USERS; i++)
        sp_phone_destroy(&s.phones[i]);
    sp_rig_destroy(&s.rig);
}

Test(storm, of_the_network)
{
    static const struct weather w = {.heal_us = 120 * SP_SECOND};
    for (uint64_t seed = 1; seed <= 40; seed++)
        ride(seed, &w);
}

/* A lost answer to a CONFIRM leaves it to STATUS:R after T2, which backs off: that may take a while. */
Test(storm, of_the_store)
{
    static const struct weather w = {.bad_store = true, .heal_us = 600 * SP_SECOND};
    for (uint64_t seed = 1; seed <= 40; seed++)
        ride(seed, &w);
}

Test(storm, over_a_real_store_that_is_reopened)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char folder[] = "/tmp/sampan-storm-XXXXXX", url[64], command[64];
        cr_assert_not_null(mkdtemp(folder));
        (void)snprintf(url, sizeof url, "lmdb:%s", folder);
        struct weather w = {.store = url, .heal_us = 120 * SP_SECOND};
        ride(seed, &w);
        (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
        cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c) */
    }
}
