/* One row per kind and device; each books its next itself. */
#include "trouble.h"

#include "ensure.h"
#include "world.h"

#include <stdlib.h>

#define CRASHES_MAX 200 /* each needs a port of the store, and those are 256 */
#define POINTS_MAX  300
#define DAY_US      (86400 * SP_SECOND)

struct row {
    struct sim_trouble *t;
    struct sim_device *d; /* NULL: of the gateway */
    void (*act)(struct sim_trouble *t, struct sim_device *d);
    sp_time every_us;
};
struct sim_trouble {
    struct sim_scene *scene;
    struct sim_device **devices;
    size_t devices_n;
    struct sp_dice dice, reopen; /* of its own, so that both engines live the same story */
    struct row *rows;
    size_t rows_n;
    unsigned crashes;
    bool is_reopened, is_draining;
};

static sp_time now_of(const struct sim_trouble *t)
{
    return sp_rig_now(t->scene->rig);
}

/* A time of this mean, at least a moment. */
static sp_time later(struct sim_trouble *t, sp_time mean)
{
    return now_of(t) + 1 + sp_dice_wait(&t->dice, mean);
}

/* ---- the wire ---- */

static void end_offline(void *self)
{
    struct sim_device *d = self;
    d->is_offline = false;
}

static void go_offline(struct sim_trouble *t, struct sim_device *d)
{
    if (d->is_offline)
        return;
    d->is_offline = true;
    sim_note_say(&t->scene->note, now_of(t), "%s has no network", d->name);
    sp_rig_at(t->scene->rig, later(t, t->scene->plan.offline_for_us), end_offline, d);
}

static void dig_hole(struct sim_trouble *t, struct sim_device *d)
{
    unsigned dir = (unsigned)sp_dice_below(&t->dice, 2);
    d->hole_until[dir] = later(t, t->scene->plan.hole_for_us);
    sim_note_say(&t->scene->note, now_of(t), "%s: a hole swallows all that goes %s", d->name,
                 dir == 0 ? "up" : "down");
}

static void rebind(struct sim_trouble *t, struct sim_device *d)
{
    sp_rig_rebind(t->scene->rig, d->endpoint);
    sim_note_say(&t->scene->note, now_of(t), "%s has another port", d->name);
}

static void change_network(struct sim_trouble *t, struct sim_device *d)
{
    rebind(t, d);
    if (d->client == NULL)
        return;
    sp_client_network(d->client, sp_dice_throw(&t->dice), now_of(t));
    sp_rig_poke(t->scene->rig, d->endpoint);
}

/* ---- the process ---- */

/* A device of the user that may start now, or NULL. */
static struct sim_device *pick(struct sim_trouble *t, const struct sim_device *d)
{
    struct sim_device **first = &t->devices[d->user * t->scene->devices_of_user];
    size_t n = t->scene->devices_of_user;
    for (size_t i = 0; i < n && t->scene->plan.starts_one; i++) {
        if (first[i]->client != NULL)
            return NULL;
    }
    return first[t->scene->plan.starts_one ? sp_dice_below(&t->dice, n) : d->id - 1];
}

static void revive(void *self)
{
    struct row *row = self;
    struct sim_device *d = row->t->scene->is_calm ? NULL : pick(row->t, row->d);
    if (d != NULL)
        sim_device_start(d);
}

static struct row *row_of(struct sim_trouble *t, const struct sim_device *d)
{
    for (size_t i = 0; i < t->rows_n; i++) {
        if (t->rows[i].d == d)
            return &t->rows[i];
    }
    return NULL;
}

static void kill_device(struct sim_trouble *t, struct sim_device *d)
{
    if (d->client == NULL)
        return;
    sim_device_kill(d);
    sp_rig_at(t->scene->rig, later(t, t->scene->plan.dead_for_us), revive, row_of(t, d));
}

static void stop_device(struct sim_trouble *t, struct sim_device *d)
{
    if (d->client == NULL)
        return;
    sim_device_stop(d);
    sp_rig_at(t->scene->rig, later(t, t->scene->plan.dead_for_us) + 2 * SP_SECOND, revive, row_of(t, d));
}

static void pause_device(struct sim_trouble *t, struct sim_device *d)
{
    sp_time for_us = later(t, t->scene->plan.pause_for_us) - now_of(t);
    sim_note_say(&t->scene->note, now_of(t), "%s pauses", d->name);
    sp_rig_pause(t->scene->rig, d->endpoint, for_us);
}

static void end_slow(void *self)
{
    sim_device_set_slow(self, false);
}

static void slow_down(struct sim_trouble *t, struct sim_device *d)
{
    if (d->is_slow)
        return;
    sim_device_set_slow(d, true);
    sim_note_say(&t->scene->note, now_of(t), "the app of %s keeps nothing", d->name);
    sp_rig_at(t->scene->rig, later(t, t->scene->plan.slow_for_us), end_slow, d);
}

/* ---- the gateway ---- */

static void start_gateway(void *self)
{
    struct sim_trouble *t = self;
    if (sp_rig_gateway(t->scene->rig) != NULL)
        return;
    bool reopen = t->scene->plan.engine == SIM_LMDB && sp_dice_chance(&t->reopen, 50);
    t->is_reopened |= reopen;
    sim_note_say(&t->scene->note, now_of(t), "the gateway starts");
    sim_world_note_start(t->scene);
    sp_rig_start_gateway(t->scene->rig, reopen);
}

static void die(void *self)
{
    struct sim_trouble *t = self;
    t->is_draining = false;
    sim_note_say(&t->scene->note, now_of(t), "the gateway is killed");
    sp_rig_at(t->scene->rig, later(t, t->scene->plan.down_for_us), start_gateway, t);
}

static void crash(struct sim_trouble *t, struct sim_device *d)
{
    (void)d;
    if (sp_rig_gateway(t->scene->rig) == NULL || t->crashes == CRASHES_MAX)
        return;
    t->crashes++;
    sp_rig_doom_gateway(t->scene->rig, sp_dice_below(&t->dice, POINTS_MAX), die, t);
}

static void end_drain(void *self)
{
    struct sim_trouble *t = self;
    if (!t->is_draining)
        return;
    t->is_draining = false;
    sp_rig_kill_gateway(t->scene->rig);
    start_gateway(t);
}

/* A restart as an operator does it. */
static void drain(struct sim_trouble *t, struct sim_device *d)
{
    (void)d;
    if (sp_rig_gateway(t->scene->rig) == NULL || t->is_draining || t->crashes == CRASHES_MAX)
        return;
    t->crashes++;
    t->is_draining = true;
    unsigned over_s = (unsigned)sp_dice_below(&t->dice, 6);
    sim_note_say(&t->scene->note, now_of(t), "the gateway drains within %u s", over_s);
    sp_rig_drain_gateway(t->scene->rig, over_s);
    sp_rig_at(t->scene->rig, later(t, 3 * SP_SECOND), end_drain, t);
}

static void pause_gateway(struct sim_trouble *t, struct sim_device *d)
{
    (void)d;
    sim_note_say(&t->scene->note, now_of(t), "the gateway pauses");
    sp_rig_pause_gateway(t->scene->rig, later(t, t->scene->plan.pause_for_us) - now_of(t));
}

static void move_wall(struct sim_trouble *t, struct sim_device *d)
{
    (void)d;
    int64_t off = (int64_t)sp_dice_below(&t->dice, 2 * DAY_US + 1) - DAY_US;
    if (sp_dice_chance(&t->dice, 40))
        off = 0;
    sim_note_say(&t->scene->note, now_of(t), "the gateway's wall clock is off by %lld s",
                 (long long)(off / SP_SECOND));
    sp_rig_set_wall(t->scene->rig, off);
}

/* ---- all of them ---- */

static void happen(void *self)
{
    struct row *row = self;
    if (row->t->scene->is_calm)
        return;
    row->act(row->t, row->d);
    sp_rig_at(row->t->scene->rig, later(row->t, row->every_us), happen, row);
}

static void add(struct sim_trouble *t, struct sim_device *d, sp_time every_us,
                void (*act)(struct sim_trouble *t, struct sim_device *d))
{
    if (every_us == 0)
        return;
    struct row *row = &t->rows[t->rows_n++];
    *row = (struct row){t, d, act, every_us};
    sp_rig_at(t->scene->rig, later(t, every_us), happen, row);
}

static void add_device(struct sim_trouble *t, struct sim_device *d)
{
    const struct sim_plan *p = &t->scene->plan;
    add(t, d, p->offline_us, go_offline);
    add(t, d, p->hole_us, dig_hole);
    add(t, d, p->rebind_us, rebind);
    add(t, d, p->network_us, change_network);
    add(t, d, p->kill_us, kill_device);
    add(t, d, p->stop_us, stop_device);
    add(t, d, p->pause_us, pause_device);
    add(t, d, p->slow_us, slow_down);
}

#define ROWS_DEVICE  8
#define ROWS_GATEWAY 4

struct sim_trouble *sim_trouble_create(struct sim_scene *scene, struct sim_device **devices, size_t n)
{
    struct sim_trouble *t = calloc(1, sizeof *t);
    SP_ENSURE(t != NULL);
    t->scene = scene;
    t->devices = devices;
    t->devices_n = n;
    t->dice = sp_dice_of(scene->plan.seed, 8);
    t->reopen = sp_dice_of(scene->plan.seed, 15);
    t->rows = calloc(n * ROWS_DEVICE + ROWS_GATEWAY, sizeof *t->rows);
    SP_ENSURE(t->rows != NULL);
    for (size_t i = 0; i < n; i++)
        add_device(t, devices[i]);
    add(t, NULL, scene->plan.crash_us, crash);
    add(t, NULL, scene->plan.drain_us, drain);
    add(t, NULL, scene->plan.gateway_pause_us, pause_gateway);
    add(t, NULL, scene->plan.wall_us, move_wall);
    return t;
}

void sim_trouble_end(struct sim_trouble *t)
{
    end_drain(t);
    sp_rig_save_gateway(t->scene->rig);
    sp_rig_set_wall(t->scene->rig, 0);
    start_gateway(t);
    for (size_t i = 0; i < t->devices_n; i++) {
        struct sim_device *d = t->devices[i];
        d->is_offline = false;
        d->hole_until[0] = d->hole_until[1] = 0;
        d->local.fail = 0;
        sp_rig_resume(t->scene->rig, d->endpoint);
        sim_device_set_slow(d, false);
        if (d->stop_at != SP_NEVER)
            sim_device_kill(d);
        sim_device_start(d);
    }
}

void sim_trouble_destroy(struct sim_trouble **t)
{
    free((*t)->rows);
    free(*t);
    *t = NULL;
}

unsigned sim_trouble_crashes(const struct sim_trouble *t)
{
    return t->crashes;
}

bool sim_trouble_take_reopened(struct sim_trouble *t)
{
    bool was = t->is_reopened;
    t->is_reopened = false;
    return was;
}
