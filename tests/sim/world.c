/* Four parts: troubles, healing, farewell, and what must be left then: nothing. */
#include "world.h"

#include "core.h"
#include "device.h"
#include "ensure.h"
#include "fastcrypto.h"
#include "gatenote.h"
#include "hostile.h"
#include "refuse.h"
#include "svc_receipt.h"
#include "trouble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US     (10 * SP_SECOND) /* between two looks at every mailbox */
#define HEAL_LOOK   (100 * SP_MS)
#define FAREWELL_US (150 * SP_SECOND) /* idle expiry at the gateway is 85 s */
#define FLIGHT_US   (11 * SP_SECOND)  /* longer than a datagram is on its way */
#define QUIET_US    (40 * SP_SECOND)  /* a phone behind a new port is heard again with its keep-alive */
#define URL_MAX     512

struct world {
    struct sim_scene scene;
    struct sim_device **devices;
    size_t devices_n;
    struct sim_trouble *trouble;
    struct sim_hostile *hostile;
    struct sp_store_port *port; /* of the auditor */
    struct sp_dice dice;        /* of the wire */
    struct sp_witness witness;
    uint64_t datagrams;
    sp_time began_at;
    bool has_forgotten; /* the gateway: receipts, because there were too many */
};

/* ---- the wire ---- */

static const char *fate_of(const struct sim_device *d, const struct sp_rig_packet *p)
{
    if (d->is_offline)
        return "no network";
    return d->hole_until[p->dir == SP_DIR_UP ? 0 : 1] > p->now ? "into a hole" : "";
}

/* A datagram that took another way. */
struct straggler {
    struct world *w;
    struct sp_addr from;
    int dir, endpoint;
    size_t len;
    uint8_t bytes[SP_DATAGRAM_MAX];
};

static void arrive_late(void *self)
{
    struct straggler *s = self;
    struct sp_view bytes = {s->bytes, s->len};
    if (s->dir == SP_DIR_UP)
        sp_rig_inject(s->w->scene.rig, &s->from, bytes);
    else
        sp_rig_inject_down(s->w->scene.rig, s->endpoint, &s->from, bytes);
    free(s);
}

/* Whether it comes late, behind all that is sent meanwhile. */
static bool is_late(struct world *w, const struct sp_rig_packet *p)
{
    if (w->scene.is_calm || sp_dice_below(&w->dice, 1000) >= w->scene.plan.late)
        return false;
    struct straggler *s = malloc(sizeof *s);
    SP_ENSURE(s != NULL && p->len <= sizeof s->bytes);
    *s = (struct straggler){.w = w, .dir = p->dir, .endpoint = p->endpoint, .len = p->len};
    s->from = p->dir == SP_DIR_UP ? sp_rig_addr(w->scene.rig, p->endpoint) : sp_rig_gateway_addr();
    memcpy(s->bytes, p->p, p->len);
    sp_time after = 1 + (sp_time)sp_dice_below(&w->dice, (uint64_t)w->scene.plan.late_us);
    sp_rig_at(w->scene.rig, p->now + after, arrive_late, s);
    return true;
}

static const char *judge(struct world *w, const struct sp_rig_packet *p)
{
    const char *fate = fate_of(w->devices[p->endpoint], p);
    if (*fate != '\0')
        return fate;
    if (w->scene.plan.damages && sim_hostile_damage(w->hostile, p))
        return "damaged";
    return w->scene.plan.late > 0 && is_late(w, p) ? "late" : "";
}

static bool filter(void *self, const struct sp_rig_packet *p)
{
    struct world *w = self;
    bool is_device = (size_t)p->endpoint < w->devices_n;
    const char *fate = is_device ? judge(w, p) : "";
    w->datagrams++;
    sim_note_packet(&w->scene.note, is_device ? w->devices[p->endpoint]->name : "rogue", p, fate);
    if (is_device && *fate == '\0')
        sim_hostile_see(w->hostile, p);
    return *fate != '\0';
}

/* An endpoint's share of the plan's net. */
static void spread_net(struct world *w, int endpoint, struct sp_dice *d)
{
    struct sp_model_config net = w->scene.plan.net;
    double share = (double)sp_dice_below(d, 101) / 100;
    if (w->scene.plan.is_uneven) {
        net.loss[0] *= share;
        net.loss[1] *= share;
        net.dup *= share;
        net.reorder *= share;
        net.corrupt *= share;
        net.delay_us = (int64_t)sp_dice_scale(d, 1000, (uint64_t)net.delay_us);
        if (net.loss[0] <= 0 && net.loss[1] <= 0)
            net.burst_us = 0;
    }
    sp_rig_set_net(w->scene.rig, endpoint, &net);
}

/* ---- the auditor ---- */

static void attach(struct world *w)
{
    SP_ENSURE(sp_store_attach(sp_rig_store(w->scene.rig), &w->port) == 0);
}

/* Asks until the store tells; its faults are for others. */
static void ask_again(struct world *w, const struct sp_store_req *req, struct sp_store_done *done)
{
    for (int tries = 0; tries < 1000; tries++) {
        size_t n = 0;
        SP_ENSURE(sp_store_submit(w->port, req, 1) == 0);
        while (n == 0) {
            (void)sp_store_step(sp_rig_store(w->scene.rig));
            (void)sp_store_poll(w->port, done, 1, &n, sp_rig_now(w->scene.rig));
            if (n == 0)
                (void)sp_store_poll(w->port, done, 1, &n, SP_NEVER / 2);
        }
        if (done->err != SP_EUNKNOWN && done->err != SP_EBUSY)
            return;
        sp_store_release(w->port, done);
    }
    SP_ENSURE_SAY(false, "the store does not answer the auditor");
}

static void ask(struct world *w, const struct sp_store_req *req, struct sp_store_done *done)
{
    unsigned refused = sim_refuse_pause();
    ask_again(w, req, done);
    sim_refuse_resume(refused);
}

static bool look_at_mailboxes(struct world *w)
{
    bool is_empty = true;
    for (unsigned i = 0; i < w->scene.plan.users; i++) {
        char name[SIM_NAME_MAX];
        struct sp_user user = {sim_device_user(i, name)};
        struct sp_store_req req = {.op = SP_STORE_HEAD, .to = &user, .to_n = 1, .device = 1};
        struct sp_store_done done;
        ask(w, &req, &done);
        SP_ENSURE_SAY(done.err == 0, "HEAD of %s: %d", name, done.err);
        sim_book_mailbox(w->scene.book, i, done.svr_seq.v, done.confirmed.v);
        is_empty &= done.svr_seq.v == done.confirmed.v;
        sp_store_release(w->port, &done);
    }
    return is_empty;
}

static bool look(struct world *w)
{
    if (sim_trouble_take_reopened(w->trouble))
        attach(w);
    if (sp_rig_gateway(w->scene.rig) != NULL)
        (void)sp_rig_stats(w->scene.rig);
    return look_at_mailboxes(w);
}

/* ---- what the gateway notes ---- */

static void note_gateway(struct sim_scene *scene, struct sp_history_event *e)
{
    sp_time now = sp_rig_now(scene->rig);
    e->at_us = sp_rig_unix_s(scene->rig) * 1000000 + now % SP_SECOND;
    sim_record_note(scene->record, scene->gateway_file, e);
}

void sim_world_note_start(struct sim_scene *scene)
{
    struct sp_history_event e = {.kind = SP_HISTORY_START};
    note_gateway(scene, &e);
}

static void witness(void *self, const struct sp_witness_event *w)
{
    struct sp_history_event e = sp_gatenote_make(w);
    note_gateway(self, &e);
}

/* ---- making ---- */

static void make_url(const struct sim_plan *p, const char *dir, char url[URL_MAX])
{
    char fault[64] = "";
    if (p->has_faults)
        (void)snprintf(fault, sizeof fault, "fault:%" PRIu64 ":", p->seed % 1000000007);
    int n = snprintf(url, URL_MAX, "%s%s%s", fault,
                     p->engine == SIM_LMDB ? "lmdb:" : "mem:", p->engine == SIM_LMDB ? dir : "");
    SP_ENSURE(n > 0 && n < URL_MAX);
}

static void make_rig(struct world *w, const char *dir)
{
    static char url[URL_MAX];
    const struct sim_plan *p = &w->scene.plan;
    struct sp_rig_config cfg = {.seed = sp_dice_of(p->seed, 10).state,
                                .store = url,
                                .limits = {.map_size = p->map_size,
                                           .mailbox_count = p->mailbox_count,
                                           .epoch = p->seed | 1,
                                           .faults = p->faults},
                                .net = p->net,
                                .gateway = {.witness = &w->witness,
                                            .sessions_max = p->sessions_max,
                                            .mailbox_count = p->mailbox_count,
                                            .message_ttl_s = p->ttl_s},
                                .crypto = sp_fastcrypto(),
                                .token_life_s = p->token_s,
                                .is_quick = w->scene.note.level < 2};
    make_url(p, dir, url);
    cfg.limits.faults.until = SP_RIG_START + p->active_us;
    w->scene.rig = sp_rig_create(&cfg);
    sp_rig_set_filter(w->scene.rig, filter, w);
}

static void start(void *self)
{
    sim_device_start(self);
}

static void make_devices(struct world *w)
{
    struct sp_dice dice = sp_dice_of(w->scene.plan.seed, 11);
    w->scene.devices_of_user = w->scene.plan.devices_max;
    w->devices_n = w->scene.plan.users * w->scene.devices_of_user;
    w->devices = calloc(w->devices_n, sizeof(struct sim_device *));
    SP_ENSURE(w->devices != NULL);
    for (uint32_t i = 0; i < w->devices_n; i++) {
        uint32_t id = i % w->scene.devices_of_user + 1;
        w->devices[i] = sim_device_create(&w->scene, i, i / w->scene.devices_of_user, id);
        SP_ENSURE(w->devices[i]->endpoint == (int)i);
        spread_net(w, w->devices[i]->endpoint, &dice);
        if (id == 1 || !w->scene.plan.starts_one)
            sp_rig_at(w->scene.rig, sp_rig_now(w->scene.rig) + sp_dice_wait(&dice, 2 * SP_SECOND), start,
                      w->devices[i]);
    }
}

/* Mailboxes or the map are small. */
static bool may_refuse(const struct sim_plan *p)
{
    return p->mailbox_count > 0 || p->engine == SIM_LMDB;
}

static void make(struct world *w, const struct sim_plan *plan, const struct sim_world_config *cfg)
{
    memset(w, 0, sizeof *w);
    w->scene.plan = *plan;
    w->scene.note.level = cfg->level;
    w->dice = sp_dice_of(plan->seed, 12);
    sim_refuse_arm(plan->refuse, sp_dice_of(plan->seed, 14));
    w->witness = (struct sp_witness){&w->scene, witness};
    w->scene.gateway_file = plan->users * plan->devices_max;
    w->scene.record =
        sim_record_create(&(struct sim_record_config){.files = (size_t)w->scene.gateway_file + 1,
                                                      .dir = cfg->history,
                                                      .is_healed = plan->forget_percent == 0,
                                                      .is_alone = plan->rogues == 0,
                                                      .may_refuse = may_refuse(plan)});
    make_rig(w, cfg->dir);
    sim_world_note_start(&w->scene);
    w->began_at = w->scene.note.zero = sp_rig_now(w->scene.rig);
    w->scene.book = sim_book_create(&(struct sim_book_config){
        .users = plan->users, .may_end = plan->ttl_s > 0, .may_fail = may_refuse(plan)});
    make_devices(w);
    w->hostile = sim_hostile_create(&w->scene);
    w->trouble = sim_trouble_create(&w->scene, w->devices, w->devices_n);
    attach(w);
}

/* ---- the parts of a run ---- */

static void live(struct world *w)
{
    sp_time end = sp_rig_now(w->scene.rig) + w->scene.plan.active_us;
    while (sp_rig_now(w->scene.rig) < end) {
        sp_time left = end - sp_rig_now(w->scene.rig);
        sp_rig_run(w->scene.rig, left < LOOK_US ? left : LOOK_US);
        (void)look(w);
    }
}

static void calm_down(struct world *w)
{
    const struct sp_model_config good = {.delay_us = 20000};
    w->scene.is_calm = true;
    (void)sim_refuse_pause();
    sim_note_say(&w->scene.note, sp_rig_now(w->scene.rig), "the troubles are over");
    sim_hostile_end(w->hostile);
    for (size_t i = 0; i < w->devices_n; i++)
        sp_rig_set_net(w->scene.rig, w->devices[i]->endpoint, &good);
    sim_trouble_end(w->trouble);
}

static bool is_settled(struct world *w)
{
    if (!sim_book_is_settled(w->scene.book))
        return false;
    for (size_t i = 0; i < w->devices_n; i++) {
        if (!sim_device_is_settled(w->devices[i]))
            return false;
    }
    return look(w);
}

static _Noreturn void fail_heal(struct world *w)
{
    const struct sim_message *m = sim_book_unsettled(w->scene.book);
    if (m != NULL)
        SP_ENSURE_SAY(false, "message %u of %s to u%u is still in state %u after the time to heal", m->serial,
                      w->devices[m->device]->name, m->to, m->told);
    for (size_t i = 0; i < w->devices_n; i++) {
        const struct sim_device *d = w->devices[i];
        SP_ENSURE_SAY(sim_device_is_settled(d), "%s (%s, cursor %u, %zu messages) has no peace after %d s",
                      d->name, d->is_online ? "online" : "offline", d->kept, sp_client_waiting(d->client),
                      (int)(SIM_HEAL_US / SP_SECOND));
    }
    SP_ENSURE_SAY(false, "a mailbox is not empty after the time to heal");
    abort();
}

/* Answers that are lost, and the store's own sweep of what has expired, name nobody, and of more than 256
 * receipts that a device is owed the gateway forgets the rest: senders learn by T2. */
static sp_time heal_bound(struct world *w)
{
    const struct sim_plan *p = &w->scene.plan;
    w->has_forgotten |= sp_rig_stats(w->scene.rig).receipts_forgotten > 0;
    bool has_silent_ends = (p->has_faults && p->faults.lost > 0) || p->ttl_s > 0 || w->has_forgotten;
    return has_silent_ends ? SIM_HEAL_LOST_US : SIM_HEAL_US;
}

static sp_time heal(struct world *w)
{
    sp_time from = sp_rig_now(w->scene.rig);
    calm_down(w);
    if (w->scene.plan.rogues > 0)
        sp_rig_run(w->scene.rig, FLIGHT_US); /* what they have sent may still be stored */
    while (!is_settled(w)) {
        if (sp_rig_now(w->scene.rig) - from >= heal_bound(w))
            fail_heal(w);
        sp_rig_run(w->scene.rig, HEAL_LOOK);
    }
    sim_note_say(&w->scene.note, sp_rig_now(w->scene.rig), "all is settled");
    return sp_rig_now(w->scene.rig) - from;
}

/* Nothing may be left of anybody: each table is a leak detector. */
static void check_empty(struct world *w)
{
    const struct sp_gateway *g = sp_rig_gateway(w->scene.rig);
    const struct {
        const char *name;
        size_t used;
    } tables[] = {
        {"sessions", g->sessions.used},
        {"refused ids", g->refusals.used},
        {"messages held or in the store", g->sends.used},
        {"questions about states", g->statuses.used},
        {"small frames", g->link_memory.small.used},
        {"large frames", g->link_memory.large.used},
        {"packets in flight", g->link_memory.packets.used},
        {"copies of frames", g->link_memory.copies.used},
        {"requests to the store", sp_store_pending(sp_rig_port(w->scene.rig))},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        SP_ENSURE_SAY(tables[i].used == 0, "%zu %s are left when all are gone", tables[i].used,
                      tables[i].name);
}

/* Receipts for our own senders; those who lied and left are owed theirs for ever, and so are apps that
 * forgot. */
static void check_owed(const struct world *w)
{
    const struct sp_gateway *g = sp_rig_gateway(w->scene.rig);
    const struct sp_node *node;
    if (w->scene.plan.forget_percent > 0)
        return;
    SP_LIST_FOREACH (node, &g->owed_all) {
        const struct sp_owed *o = SP_LIST_ITEM(node, const struct sp_owed, all);
        SP_ENSURE_SAY(o->device->account->id[0] != 'u',
                      "a receipt is owed to %.*s.%u, who has no peace of it", (int)o->device->account->id_len,
                      (const char *)o->device->account->id, o->device->number);
    }
}

static void say_farewell(struct world *w)
{
    sp_rig_run(w->scene.rig, QUIET_US);
    check_owed(w);
    for (size_t i = 0; i < w->devices_n; i++)
        sim_device_stop(w->devices[i]);
    sp_rig_run(w->scene.rig, FAREWELL_US);
    SP_ENSURE(look(w));
    sim_book_close(w->scene.book);
    sim_record_judge(w->scene.record);
    check_empty(w);
}

static void destroy(struct world *w)
{
    for (size_t i = 0; i < w->devices_n; i++)
        sim_device_destroy(&w->devices[i]);
    free(w->devices);
    sim_hostile_destroy(&w->hostile);
    sim_trouble_destroy(&w->trouble);
    sim_book_destroy(&w->scene.book);
    sim_record_destroy(&w->scene.record);
    sp_rig_destroy(&w->scene.rig);
}

void sim_world_run(const struct sim_plan *plan, const struct sim_world_config *cfg, struct sim_result *out)
{
    struct world w;
    make(&w, plan, cfg);
    live(&w);
    *out = (struct sim_result){.healed_us = heal(&w)};
    say_farewell(&w);
    out->virtual_us = sp_rig_now(w.scene.rig) - w.began_at;
    out->hash = w.scene.note.hash;
    out->datagrams = w.datagrams;
    out->crashes = sim_trouble_crashes(w.trouble);
    for (size_t i = 0; i < w.devices_n; i++)
        out->processes += w.devices[i]->processes;
    out->sums = sim_book_sums(w.scene.book);
    destroy(&w);
}
