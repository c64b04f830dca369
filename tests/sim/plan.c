/* Ranges: tests/sim is to reach what a phone meets in a tunnel, on a train and in a bad week. */
#include "plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE       (60 * SP_SECOND)
#define TOKEN_S      (3 * 86400)
#define ROGUES_DRAWN 2
#define ROGUE_US     (2 * SP_SECOND)

/* Mean time between two of a kind: none at all in most worlds. */
static sp_time draw_every(struct sp_dice *d, unsigned percent, sp_time lo, sp_time hi)
{
    uint64_t every = sp_dice_scale(d, (uint64_t)lo, (uint64_t)hi);
    return sp_dice_chance(d, percent) ? (sp_time)every : 0;
}

static void draw_size(struct sim_plan *p, struct sp_dice *d)
{
    uint64_t roll = sp_dice_below(d, 100);
    p->users = (unsigned)(roll < 50   ? sp_dice_between(d, 1, 4)
                          : roll < 90 ? sp_dice_between(d, 2, 12)
                          : roll < 99 ? sp_dice_between(d, 10, 50)
                                      : sp_dice_between(d, 50, SIM_USERS_MAX));
    p->devices_max = sp_dice_chance(d, 50) ? 1 : (unsigned)sp_dice_between(d, 2, SIM_DEVICES_MAX);
    p->starts_one = sp_dice_chance(d, 50);
    p->active_us = (sp_time)sp_dice_scale(d, 20, 600) * SP_SECOND;
    if (p->users > 50)
        p->active_us = (sp_time)sp_dice_between(d, 20, 60) * SP_SECOND;
}

static void draw_store(struct sim_plan *p, struct sp_dice *d)
{
    p->engine = sp_dice_chance(d, 10) ? SIM_LMDB : SIM_MEM;
    p->has_faults = sp_dice_chance(d, 40);
    p->faults = (struct sp_store_faults){
        .set = true,
        .lost = sp_dice_chance(d, 50) ? (unsigned)sp_dice_below(d, 150) : 0,
        .failed = sp_dice_chance(d, 50) ? (unsigned)sp_dice_below(d, 150) : 0,
        .busy = sp_dice_chance(d, 50) ? (unsigned)sp_dice_below(d, 150) : 0,
        .max_delay_us = sp_dice_chance(d, 70) ? (int64_t)sp_dice_scale(d, 1000, 1000000) : 0};
    p->map_size = sp_dice_chance(d, 30) ? sp_dice_between(d, 1, 4) << 20 : SIM_MAP_ROOMY;
    p->mailbox_count = sp_dice_chance(d, 15) ? (uint32_t)sp_dice_between(d, 2, 60) : 0;
    p->refuse = sp_dice_chance(d, 10) ? (unsigned)sp_dice_between(d, 1, 30) : 0;
}

static void draw_people(struct sim_plan *p, struct sp_dice *d)
{
    uint64_t devices = (uint64_t)p->users * p->devices_max;
    /* All of them together send at most 20 a second, and 3,000 in a run. */
    uint64_t least = 50000 * devices, fewer = (uint64_t)p->active_us * devices / 3000;
    least = least > fewer ? least : fewer;
    uint64_t every = sp_dice_scale(d, 100000, 30000000);
    p->send_every_us = (sp_time)(every > least ? every : least);
    static const unsigned bodies[] = {0, 8, 40, 200, 1000};
    p->body_max = bodies[sp_dice_below(d, 5)];
    p->four_percent = sp_dice_chance(d, 50) ? 0 : (unsigned)sp_dice_between(d, 1, 100);
    p->contacts = (unsigned)sp_dice_scale(d, 1, SIM_USERS_MAX);
    p->outbox_max = sp_dice_chance(d, 20) ? (unsigned)sp_dice_between(d, 1, 32) : 1024;
    p->inbox_max = sp_dice_chance(d, 30) ? (unsigned)sp_dice_between(d, 1, 32) : 64;
    p->keeping = (enum sim_keeping)sp_dice_below(d, SIM_KEEPINGS);
    p->keep_after_us = (sp_time)sp_dice_scale(d, 1000, 3000000);
    p->ask_percent = sp_dice_chance(d, 20) ? (unsigned)sp_dice_between(d, 1, 30) : 0;
    p->forget_percent = sp_dice_chance(d, 5) ? (unsigned)sp_dice_between(d, 1, 20) : 0;
}

static void draw_net(struct sim_plan *p, struct sp_dice *d)
{
    struct sp_model_config *n = &p->net;
    double loss = (double)sp_dice_below(d, 61) / 100;
    if (sp_dice_chance(d, 70)) {
        n->loss[SP_MODEL_UP] = loss;
        n->loss[SP_MODEL_DOWN] = sp_dice_chance(d, 70) ? loss : (double)sp_dice_below(d, 61) / 100;
        if (loss > 0 && sp_dice_chance(d, 40)) {
            n->loss[SP_MODEL_DOWN] = loss;
            n->burst_us = (int64_t)sp_dice_scale(d, 10000, 10000000);
            n->shared_fade = sp_dice_chance(d, 50);
        }
    }
    n->delay_us = (int64_t)sp_dice_scale(d, 1000, 800000);
    n->jitter_us = sp_dice_chance(d, 50) ? (int64_t)sp_dice_scale(d, 1000, 400000) : 0;
    n->dup = sp_dice_chance(d, 40) ? (double)sp_dice_below(d, 51) / 100 : 0;
    n->reorder = sp_dice_chance(d, 40) ? (double)sp_dice_below(d, 51) / 100 : 0;
    n->corrupt = sp_dice_chance(d, 30) ? (double)sp_dice_below(d, 51) / 1000 : 0;
    n->rate_kbit = sp_dice_chance(d, 10) ? (double)sp_dice_scale(d, 16, 1024) : 0;
    p->is_uneven = sp_dice_chance(d, 50);
}

static void draw_troubles(struct sim_plan *p, struct sp_dice *d)
{
    p->offline_us = draw_every(d, 40, 5 * SP_SECOND, 3 * MINUTE);
    p->offline_for_us = (sp_time)sp_dice_scale(d, 1000000, 120000000);
    p->kill_us = draw_every(d, 40, 3 * SP_SECOND, 3 * MINUTE);
    p->stop_us = draw_every(d, 30, 5 * SP_SECOND, 3 * MINUTE);
    p->dead_for_us = (sp_time)sp_dice_scale(d, 10000, 60000000);
    p->rebind_us = draw_every(d, 30, SP_SECOND, MINUTE);
    p->network_us = draw_every(d, 15, 2 * SP_SECOND, MINUTE);
    p->hole_us = draw_every(d, 30, 5 * SP_SECOND, 3 * MINUTE);
    p->hole_for_us = (sp_time)sp_dice_scale(d, 1000000, 120000000);
    p->pause_us = draw_every(d, 20, 5 * SP_SECOND, 2 * MINUTE);
    p->pause_for_us = (sp_time)sp_dice_scale(d, 100000, 30000000);
    p->slow_us = draw_every(d, 20, 5 * SP_SECOND, 2 * MINUTE);
    p->slow_for_us = (sp_time)sp_dice_scale(d, 100000, 60000000);
    p->crash_us = draw_every(d, 40, SP_SECOND, MINUTE);
    p->down_for_us = (sp_time)sp_dice_scale(d, 1000, 30000000);
    p->gateway_pause_us = draw_every(d, 15, 5 * SP_SECOND, 2 * MINUTE);
    p->wall_us = draw_every(d, 15, 5 * SP_SECOND, 3 * MINUTE);
    p->wrong_clocks = sp_dice_chance(d, 30);
    p->local_fail = sp_dice_chance(d, 20) ? (unsigned)sp_dice_scale(d, 1, 200) : 0;
}

static void draw_hostile(struct sim_plan *p, struct sp_dice *d)
{
    p->replay_us = draw_every(d, 25, 20 * SP_MS, 5 * SP_SECOND);
    p->garbage_us = draw_every(d, 25, 20 * SP_MS, 5 * SP_SECOND);
    p->twist_us = draw_every(d, 25, 20 * SP_MS, 5 * SP_SECOND);
    p->rogues = sp_dice_chance(d, 20) ? (unsigned)sp_dice_between(d, 1, ROGUES_DRAWN) : 0;
    p->rogue_us = (sp_time)sp_dice_scale(d, 20000, 2000000);
}

/* What came later has a stream of its own, so that kept seeds stay what they were. */
static void draw_more(struct sim_plan *p, struct sp_dice *d)
{
    p->drain_us = draw_every(d, 15, 5 * SP_SECOND, 2 * MINUTE);
    p->ttl_s = sp_dice_chance(d, 10) ? (uint32_t)sp_dice_scale(d, 5, 300) : 0;
    p->token_s = sp_dice_chance(d, 15) ? (uint32_t)sp_dice_scale(d, 20, 300) : TOKEN_S;
    p->late = sp_dice_chance(d, 20) ? (unsigned)sp_dice_between(d, 1, 500) : 0;
    p->late_us = (sp_time)sp_dice_scale(d, 50000, 10000000);
    p->damages = sp_dice_chance(d, 10);
    p->flood_us = draw_every(d, 10, 200 * SP_MS, 20 * SP_SECOND);
}

void sim_plan_draw(struct sim_plan *p, uint64_t seed, sp_time active_us)
{
    struct sp_dice size = sp_dice_of(seed, 1), store = sp_dice_of(seed, 2), people = sp_dice_of(seed, 3);
    struct sp_dice net = sp_dice_of(seed, 4), trouble = sp_dice_of(seed, 5), hostile = sp_dice_of(seed, 6);
    struct sp_dice more = sp_dice_of(seed, 13);
    memset(p, 0, sizeof *p);
    p->seed = seed;
    draw_size(p, &size);
    draw_store(p, &store);
    draw_people(p, &people);
    draw_net(p, &net);
    draw_troubles(p, &trouble);
    draw_hostile(p, &hostile);
    draw_more(p, &more);
    p->sessions_max = (size_t)p->users * p->devices_max * 4 + 64;
    if (active_us > 0)
        p->active_us = active_us;
}

void sim_plan_calm(struct sim_plan *p, uint64_t seed, unsigned users, unsigned per_second, sp_time active_us)
{
    memset(p, 0, sizeof *p);
    p->seed = seed;
    p->active_us = active_us;
    p->users = users;
    p->devices_max = 1;
    p->map_size = SIM_MAP_ROOMY;
    p->token_s = TOKEN_S;
    p->sessions_max = 256;
    p->send_every_us = (sp_time)users * SP_SECOND / (sp_time)per_second;
    p->body_max = 200;
    p->contacts = users;
    p->outbox_max = 1024;
    p->inbox_max = 64;
    p->net.delay_us = 20000;
}

void sim_plan_harm(struct sim_plan *p, unsigned rogues)
{
    p->rogues = rogues;
    p->rogue_us = ROGUE_US;
    p->sessions_max += rogues * 2;
}

static void print_every(const char *name, sp_time every)
{
    if (every > 0)
        printf(" %s %.1fs", name, (double)every / 1e6);
}

void sim_plan_print(const struct sim_plan *p)
{
    const struct sp_model_config *n = &p->net;
    printf("plan: seed %" PRIu64
           ", %.0f s, %u users with up to %u devices, %s%s, sends every %.1f s, body %u, four %u%%, "
           "loss %.2f/%.2f burst %.2f s, delay %.0f+%.0f ms, dup %.2f reorder %.2f corrupt %.3f rate %.0f",
           p->seed, (double)p->active_us / 1e6, p->users, p->devices_max,
           p->engine == SIM_LMDB ? "lmdb" : "mem", p->has_faults ? " with faults" : "",
           (double)p->send_every_us / 1e6, p->body_max, p->four_percent, n->loss[0], n->loss[1],
           (double)n->burst_us / 1e6, (double)n->delay_us / 1e3, (double)n->jitter_us / 1e3, n->dup,
           n->reorder, n->corrupt, n->rate_kbit);
    if (p->has_faults)
        printf(" faults %u/%u/%u %.0f ms", p->faults.lost, p->faults.failed, p->faults.busy,
               (double)p->faults.max_delay_us / 1e3);
    print_every("offline", p->offline_us);
    print_every("kill", p->kill_us);
    print_every("stop", p->stop_us);
    print_every("rebind", p->rebind_us);
    print_every("network", p->network_us);
    print_every("hole", p->hole_us);
    print_every("pause", p->pause_us);
    print_every("slow", p->slow_us);
    print_every("crash", p->crash_us);
    print_every("drain", p->drain_us);
    print_every("gateway-pause", p->gateway_pause_us);
    print_every("wall", p->wall_us);
    print_every("replay", p->replay_us);
    print_every("garbage", p->garbage_us);
    print_every("twist", p->twist_us);
    print_every("flood", p->flood_us);
    if (p->late > 0)
        printf(" late %.3f by %.1fs", (double)p->late / 1000, (double)p->late_us / 1e6);
    if (p->damages)
        printf(" damages");
    printf(" outbox %u inbox %u keeping %d mailbox %u local-fail %u refuse %u rogues %u ttl %u token %u\n",
           p->outbox_max, p->inbox_max, (int)p->keeping, p->mailbox_count, p->local_fail, p->refuse,
           p->rogues, p->ttl_s, p->token_s);
}
