/* What each of them does is drawn at each of its moments. */
#include "hostile.h"

#include "ensure.h"
#include "puppet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX      128
#define DAMAGE_ONE_IN 16
#define FLOOD_MAX     500
#define FIRST_ID      (((uint64_t)SP_RIG_UNIX_S << 32) + 1)

struct kept {
    int dir, endpoint;
    size_t len;
    uint8_t bytes[SP_DATAGRAM_MAX];
};
/* Which kinds of datagrams an endpoint has seen in this state. */
struct state {
    uint8_t seen[3]; /* by direction: a bit per kind */
};
struct rogue {
    struct sim_hostile *h;
    struct sp_puppet *puppet;
    uint64_t msgid;
    uint16_t id;
};
struct sim_hostile {
    struct sim_scene *scene;
    struct sp_dice dice;
    struct kept *kept;
    size_t kept_n;
    int endpoints; /* those of honest people are below it */
    struct rogue *rogues;
    struct state *states; /* of each endpoint, if the plan damages */
};

static sp_time later(struct sim_hostile *h, sp_time mean)
{
    return sp_rig_now(h->scene->rig) + 1 + sp_dice_wait(&h->dice, mean);
}

static struct sp_addr some_addr(struct sim_hostile *h)
{
    struct sp_addr from = {.ip = {192, 0, 2, (uint8_t)sp_dice_throw(&h->dice)}, .family = 4};
    from.port = (uint16_t)sp_dice_between(&h->dice, 1, UINT16_MAX);
    if (sp_dice_chance(&h->dice, 50))
        from = sp_rig_addr(h->scene->rig, (int)sp_dice_below(&h->dice, (uint64_t)h->endpoints));
    return from;
}

static void throw_in(struct sim_hostile *h, int dir, int endpoint, struct sp_view bytes)
{
    struct sp_addr gateway = sp_rig_gateway_addr();
    struct sp_addr from = sp_rig_addr(h->scene->rig, endpoint);
    if (sp_dice_chance(&h->dice, 30))
        from = some_addr(h);
    if (dir == SP_DIR_DOWN)
        sp_rig_inject_down(h->scene->rig, endpoint, &gateway, bytes);
    else
        sp_rig_inject(h->scene->rig, &from, bytes);
}

/* ---- on the path ---- */

void sim_hostile_see(struct sim_hostile *h, const struct sp_rig_packet *p)
{
    if (h->kept == NULL)
        return;
    /* The first ones, then each later one with a chance that leaves old and new ones there. */
    size_t at = h->kept_n < KEPT_MAX ? h->kept_n++ : sp_dice_below(&h->dice, KEPT_MAX);
    struct kept *k = &h->kept[at];
    k->dir = p->dir;
    k->endpoint = p->endpoint;
    k->len = p->len;
    memcpy(k->bytes, p->p, p->len);
}

static uint8_t kind_of(const struct sp_rig_packet *p)
{
    bool is_data = (p->p[0] & 0xfe) == SP_FIRST_DATA;
    return (uint8_t)(is_data ? 1U : 1U << (p->p[0] & 7));
}

/* A handshake begins a new state of both directions. */
static bool is_first(struct state *s, const struct sp_rig_packet *p)
{
    if (p->p[0] == SP_FIRST_INIT)
        s->seen[SP_DIR_DOWN] = 0;
    if (p->p[0] == SP_FIRST_ACCEPT)
        s->seen[SP_DIR_UP] = 0;
    bool was_seen = (s->seen[p->dir] & kind_of(p)) != 0;
    s->seen[p->dir] |= kind_of(p);
    return !was_seen;
}

bool sim_hostile_damage(struct sim_hostile *h, const struct sp_rig_packet *p)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    if (h->states == NULL || h->scene->is_calm || p->len == 0)
        return false;
    if (!is_first(&h->states[p->endpoint], p) && sp_dice_below(&h->dice, DAMAGE_ONE_IN) != 0)
        return false;
    memcpy(bytes, p->p, p->len);
    bytes[sp_dice_below(&h->dice, p->len)] ^= (uint8_t)(1u << sp_dice_below(&h->dice, 8));
    struct sp_addr gateway = sp_rig_gateway_addr(), from = sp_rig_addr(h->scene->rig, p->endpoint);
    if (p->dir == SP_DIR_DOWN)
        sp_rig_inject_down(h->scene->rig, p->endpoint, &gateway, (struct sp_view){bytes, p->len});
    else
        sp_rig_inject(h->scene->rig, &from, (struct sp_view){bytes, p->len});
    return true;
}

static const struct kept *pick(struct sim_hostile *h)
{
    return h->kept_n == 0 ? NULL : &h->kept[sp_dice_below(&h->dice, h->kept_n)];
}

static void replay(void *self)
{
    struct sim_hostile *h = self;
    if (h->scene->is_calm)
        return;
    const struct kept *k = pick(h);
    if (k != NULL)
        throw_in(h, k->dir, k->endpoint, (struct sp_view){k->bytes, k->len});
    sp_rig_at(h->scene->rig, later(h, h->scene->plan.replay_us), replay, h);
}

static void twist(void *self)
{
    struct sim_hostile *h = self;
    uint8_t bytes[SP_DATAGRAM_MAX];
    if (h->scene->is_calm)
        return;
    const struct kept *k = pick(h);
    if (k != NULL && k->len > 0) {
        size_t len = k->len;
        memcpy(bytes, k->bytes, len);
        uint64_t flips = sp_dice_below(&h->dice, 4);
        for (uint64_t i = 0; i < flips; i++)
            bytes[sp_dice_below(&h->dice, len)] ^= (uint8_t)(1u << sp_dice_below(&h->dice, 8));
        if (flips == 0)
            len = sp_dice_below(&h->dice, len);
        throw_in(h, k->dir, k->endpoint, (struct sp_view){bytes, len});
    }
    sp_rig_at(h->scene->rig, later(h, h->scene->plan.twist_us), twist, h);
}

static void make_noise(void *self)
{
    static const uint8_t firsts[] = {SP_FIRST_INIT,  SP_FIRST_ACCEPT, SP_FIRST_RETRY,
                                     SP_FIRST_RESET, SP_FIRST_DATA,   SP_FIRST_DATA | 1};
    struct sim_hostile *h = self;
    uint8_t bytes[SP_DATAGRAM_MAX + 8];
    if (h->scene->is_calm)
        return;
    size_t len =
        sp_dice_chance(&h->dice, 30) ? SP_DATAGRAM_MAX : sp_dice_below(&h->dice, SP_DATAGRAM_MAX + 2);
    for (size_t i = 0; i < SP_DATAGRAM_MAX; i += 8)
        memcpy(bytes + i, &(uint64_t){sp_dice_throw(&h->dice)}, 8);
    if (sp_dice_chance(&h->dice, 80))
        bytes[0] = firsts[sp_dice_below(&h->dice, sizeof firsts)];
    if (bytes[0] == SP_FIRST_INIT) {
        bytes[1] = 1;
        bytes[38] = 0;
    }
    bytes[SP_DATAGRAM_MAX] = 0;
    int dir = sp_dice_chance(&h->dice, 70) ? SP_DIR_UP : SP_DIR_DOWN;
    throw_in(h, dir, (int)sp_dice_below(&h->dice, (uint64_t)h->endpoints), (struct sp_view){bytes, len});
    sp_rig_at(h->scene->rig, later(h, h->scene->plan.garbage_us), make_noise, h);
}

/* Many INITs at once, none from where it says; some with a token that was seen on the wire. */
static void flood(void *self)
{
    struct sim_hostile *h = self;
    uint8_t bytes[SP_DATAGRAM_MAX];
    if (h->scene->is_calm)
        return;
    const struct kept *k = pick(h);
    uint64_t n = sp_dice_scale(&h->dice, 1, FLOOD_MAX);
    for (size_t i = 0; i < sizeof bytes; i += 8)
        memcpy(bytes + i, &(uint64_t){sp_dice_throw(&h->dice)}, 8);
    if (k != NULL && k->bytes[0] == SP_FIRST_INIT)
        memcpy(bytes, k->bytes, k->len);
    bytes[0] = SP_FIRST_INIT;
    bytes[1] = 1;
    for (uint64_t i = 0; i < n; i++) {
        struct sp_addr from = some_addr(h);
        memcpy(bytes + 2, &(uint64_t){sp_dice_throw(&h->dice)}, 8);
        sp_rig_inject(h->scene->rig, &from, (struct sp_view){bytes, sizeof bytes});
    }
    sp_rig_at(h->scene->rig, later(h, h->scene->plan.flood_us), flood, h);
}

/* ---- clients that lie ---- */

static struct sp_view view_of(const char *text)
{
    return (struct sp_view){(const uint8_t *)text, strlen(text)};
}

static void lie_message(struct rogue *g, struct sp_frame *f)
{
    static char to[16];
    struct sp_dice *d = &g->h->dice;
    (void)snprintf(to, sizeof to, "u%u", (unsigned)sp_dice_below(d, g->h->scene->plan.users));
    f->kind = SP_KIND_MSG_R;
    f->u.msg_r.msgid.v = g->msgid;
    if (sp_dice_chance(d, 60))
        f->u.msg_r.msgid.v = ++g->msgid;
    else if (sp_dice_chance(d, 30))
        f->u.msg_r.msgid.v = FIRST_ID + sp_dice_below(d, g->msgid - FIRST_ID + 1);
    f->u.msg_r.flags = sp_dice_chance(d, 20) ? SP_MSG_FOUR : 0;
    if (sp_dice_chance(d, 30)) {
        f->u.msg_r.flags |= SP_MSG_AFTER;
        f->u.msg_r.after.v = FIRST_ID + sp_dice_below(d, g->msgid - FIRST_ID + 3);
    }
    f->u.msg_r.to = sp_dice_chance(d, 90) ? view_of(to) : view_of("nobody");
    f->u.msg_r.body = view_of(sp_dice_chance(d, 90) ? "a lie" : "another lie");
}

static void lie_pull(struct rogue *g, struct sp_frame *f)
{
    struct sp_dice *d = &g->h->dice;
    f->kind = SP_KIND_PULL_R;
    f->u.pull_r = (struct sp_frame_pull_r){.flags = sp_dice_chance(d, 50) ? SP_PULL_CONFIRMS : 0,
                                           .id = ++g->id,
                                           .max = (uint16_t)sp_dice_between(d, 1, 500),
                                           .cursor = {(uint32_t)sp_dice_scale(d, 1, UINT32_MAX) - 1},
                                           .epoch = {sp_dice_below(d, 3)}};
}

static void lie_ack(struct rogue *g, struct sp_frame *f)
{
    f->kind = SP_KIND_ACK_R;
    f->u.ack_r =
        (struct sp_frame_ack_r){.kind = sp_dice_chance(&g->h->dice, 70) ? SP_ACK_R_DELIVERED : SP_ACK_R_READ,
                                .id = ++g->id,
                                .cursor = {(uint32_t)sp_dice_scale(&g->h->dice, 1, UINT32_MAX)}};
}

/* About messages of others, under whatever ids those may have. */
static void lie_status(struct rogue *g, struct sp_frame *f)
{
    f->kind = SP_KIND_STATUS_R;
    f->u.status_r.id = ++g->id;
    f->u.status_r.n = 3;
    for (size_t i = 0; i < 3; i++)
        f->u.status_r.msgids[i].v = ((uint64_t)SP_RIG_UNIX_S << 32) + sp_dice_below(&g->h->dice, 50);
}

/* A link ACK of numbers that were never sent. */
static void lie_link(struct rogue *g)
{
    struct sp_puppet *p = g->puppet;
    uint8_t datagram[64];
    struct sp_frame f = {.kind = SP_KIND_ACK,
                         .u.ack = {.largest = (uint32_t)sp_dice_scale(&g->h->dice, 1, 100000)}};
    size_t len = 0, at = sp_seal_header(SP_DIR_UP);
    SP_ENSURE(sp_wire_encode(&f, datagram + at, sizeof datagram - at, &len) == 0);
    size_t n = sp_seal_packet(&p->link.seal, p->accept.cid, p->link.next_pn + 1000, datagram, len);
    struct sp_addr from = sp_rig_addr(g->h->scene->rig, p->endpoint);
    sp_rig_inject(g->h->scene->rig, &from, (struct sp_view){datagram, n});
}

static void tell_lie(struct rogue *g)
{
    struct sp_frame f = {0};
    switch (sp_dice_below(&g->h->dice, 16)) {
    case 0:
        lie_link(g);
        return;
    case 1:
        sp_puppet_close(g->puppet);
        return;
    case 2:
        f.kind = SP_KIND_DONE;
        f.u.done.msgid.v = FIRST_ID + sp_dice_below(&g->h->dice, g->msgid - FIRST_ID + 2);
        break;
    case 3:
    case 4:
        lie_status(g, &f);
        break;
    case 5:
    case 6:
        lie_ack(g, &f);
        break;
    case 7:
    case 8:
        lie_pull(g, &f);
        break;
    default:
        lie_message(g, &f);
        break;
    }
    if (sp_link_room(&g->puppet->link) > 0)
        (void)sp_link_submit(&g->puppet->link, &f, 0, sp_rig_now(g->h->scene->rig));
    sp_rig_poke(g->h->scene->rig, g->puppet->endpoint);
}

static void act(void *self)
{
    struct rogue *g = self;
    if (g->h->scene->is_calm)
        return;
    bool is_up = g->puppet->is_on && !g->puppet->is_waiting && !g->puppet->is_closed;
    if (is_up)
        tell_lie(g);
    else if (sp_dice_chance(&g->h->dice, 20))
        sp_puppet_init(g->puppet);
    sp_rig_at(g->h->scene->rig, later(g->h, g->h->scene->plan.rogue_us), act, g);
}

/* ---- all of them ---- */

static void book(struct sim_hostile *h, sp_time every_us, sp_rig_call *fn)
{
    if (every_us > 0)
        sp_rig_at(h->scene->rig, later(h, every_us), fn, h);
}

static void add_rogue(struct sim_hostile *h, unsigned i)
{
    char name[16];
    (void)snprintf(name, sizeof name, "r%u", i);
    struct rogue *g = &h->rogues[i];
    g->h = h;
    g->msgid = FIRST_ID;
    g->puppet = sp_puppet_create(h->scene->rig, name, 1, 3);
    sp_puppet_init(g->puppet);
    sp_rig_at(h->scene->rig, later(h, h->scene->plan.rogue_us), act, g);
}

struct sim_hostile *sim_hostile_create(struct sim_scene *scene)
{
    const struct sim_plan *p = &scene->plan;
    struct sim_hostile *h = calloc(1, sizeof *h);
    SP_ENSURE(h != NULL);
    h->scene = scene;
    h->dice = sp_dice_of(p->seed, 9);
    h->endpoints = (int)(p->users * scene->devices_of_user);
    if (p->replay_us > 0 || p->twist_us > 0 || p->flood_us > 0) {
        h->kept = calloc(KEPT_MAX, sizeof *h->kept);
        SP_ENSURE(h->kept != NULL);
    }
    book(h, p->replay_us, replay);
    book(h, p->twist_us, twist);
    book(h, p->garbage_us, make_noise);
    book(h, p->flood_us, flood);
    if (p->damages) {
        h->states = calloc((size_t)h->endpoints, sizeof *h->states);
        SP_ENSURE(h->states != NULL);
    }
    h->rogues = calloc(p->rogues + 1, sizeof *h->rogues);
    SP_ENSURE(h->rogues != NULL);
    for (unsigned i = 0; i < p->rogues; i++)
        add_rogue(h, i);
    return h;
}

void sim_hostile_end(struct sim_hostile *h)
{
    for (unsigned i = 0; i < h->scene->plan.rogues; i++) {
        if (h->rogues[i].puppet != NULL)
            sp_puppet_destroy(&h->rogues[i].puppet);
    }
}

void sim_hostile_destroy(struct sim_hostile **h)
{
    sim_hostile_end(*h);
    free((*h)->kept);
    free((*h)->rogues);
    free((*h)->states);
    free(*h);
    *h = NULL;
}
