/* A quiet world for tests of the services: no loss, one way 1 ms, a gateway that takes INITs without a
 * cookie, and puppets that are connected at once. */
#ifndef SP_TEST_WORLD_H
#define SP_TEST_WORLD_H

#include "conf.h"
#include "puppet.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_rig *rig;

static inline void start_world(const char *store, const struct sp_store_config *limits)
{
    struct sp_rig_config cfg = {.seed = 3, .store = store, .net = {.delay_us = 1000}};
    if (limits != NULL)
        cfg.limits = *limits;
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

static inline void setup(void)
{
    start_world("mem:", NULL);
}

static inline void teardown(void)
{
    struct sp_stats st = sp_rig_stats(rig); /* asserts its sums */
    cr_assert_eq(st.frames_unfit, 0U);
    sp_rig_destroy(&rig);
}

static inline struct sp_puppet *connected(const char *user, uint32_t device)
{
    struct sp_puppet *p = sp_puppet_create(rig, user, device, SP_RIGHT_SEND | SP_RIGHT_RECEIVE);
    sp_puppet_connect(p);
    return p;
}

/* Connected and bound, with everything up to `cursor`. */
static inline struct sp_puppet *bound(const char *user, uint32_t device, uint32_t cursor)
{
    struct sp_puppet *p = connected(user, device);
    sp_puppet_send_pull(p, 1, cursor, 1, 500, true);
    (void)sp_puppet_wait(p, SP_KIND_PULL_A, 1);
    return p;
}

/* Sends n messages with msgids from..from+n-1 and waits for their answers. */
static inline void fill(struct sp_puppet *p, const char *to, uint64_t from, size_t n)
{
    size_t before = sp_puppet_note(p, SP_KIND_MSG_A);
    for (size_t i = 0; i < n; i++) {
        sp_puppet_send_message(p, from + i, 0, to, "x");
        if (i % 100 == 99 || i + 1 == n)
            (void)sp_puppet_wait(p, SP_KIND_MSG_A, before + i + 1);
    }
}

static inline const struct sp_frame_msg_a *answer(struct sp_puppet *p, size_t n)
{
    return &sp_puppet_wait(p, SP_KIND_MSG_A, n)->u.msg_a;
}

#endif
