/* One heap of events: datagrams that arrive, and endpoints that wake. */
#include "rig_inside.h"

#include "agenda.h"
#include "crypto_sodium.h"
#include "ensure.h"
#include "seal.h"
#include "trace.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers: splitmix64 (Steele, Lea, Flood 2014) ---- */

uint64_t sp_rig_draw(struct sp_rig *r)
{
    uint64_t z = r->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

sp_time sp_rig_draw_time(struct sp_rig *r, sp_time below)
{
    return (sp_time)(sp_rig_draw(r) % (uint64_t)below);
}

void sp_rig_draw_bytes(struct sp_rig *r, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(sp_rig_draw(r) >> 56);
}

/* ---- the agenda ---- */

static void push(struct sp_rig *r, sp_time at, int who, void *what)
{
    sp_agenda_add(&r->agenda, at > r->now ? at : r->now, who, what);
}

/* A wake-up at rest->wake_at, unless one that is early enough is booked: it will look again. */
void sp_rig_book(struct sp_rig *r, struct rest *rest, int who)
{
    if (rest->wake_at >= rest->booked_at)
        return;
    rest->booked_at = rest->wake_at > r->now ? rest->wake_at : r->now;
    push(r, rest->booked_at, who, NULL);
}

void sp_rig_at(struct sp_rig *r, sp_time at, sp_rig_call *fn, void *self)
{
    struct call *c = malloc(sizeof *c);
    SP_ENSURE(c != NULL);
    *c = (struct call){fn, self};
    push(r, at, CALL, c);
}

/* ---- the wire ---- */

static struct letter *write_letter(struct sp_rig *r, const struct sp_addr *from, const struct sp_addr *to,
                                   struct sp_view bytes)
{
    struct letter *l = r->vacant;
    if (l != NULL && bytes.n <= l->cap) {
        r->vacant = l->next;
    } else {
        size_t cap = bytes.n > SP_DATAGRAM_MAX ? bytes.n : SP_DATAGRAM_MAX;
        l = malloc(sizeof *l + cap);
        SP_ENSURE(l != NULL);
        l->cap = cap;
    }
    l->from = *from;
    l->to = *to;
    l->len = bytes.n;
    if (bytes.n > 0)
        memcpy(l->bytes, bytes.p, bytes.n);
    return l;
}

static void end_letter(struct sp_rig *r, struct letter *l)
{
    l->next = r->vacant;
    r->vacant = l;
}

static bool is_same_addr(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static struct tally *tally_of(struct sp_rig *r, const struct sp_addr *addr)
{
    for (size_t i = 0; i < r->tallies_n; i++) {
        if (is_same_addr(&r->tallies[i].addr, addr))
            return &r->tallies[i];
    }
    return NULL;
}

static void begin_tally(struct sp_rig *r, const struct sp_addr *addr)
{
    if (tally_of(r, addr) == NULL && r->tallies_n < TALLIES_MAX)
        r->tallies[r->tallies_n++].addr = *addr;
}

void sp_rig_note_bytes(const struct sp_rig *r, const struct sp_addr *addr, uint64_t *to, uint64_t *from)
{
    *to = *from = 0;
    for (size_t i = 0; i < r->tallies_n; i++) {
        if (is_same_addr(&r->tallies[i].addr, addr)) {
            *to = r->tallies[i].to;
            *from = r->tallies[i].from;
        }
    }
}

static int target(const struct endpoint *e, enum sp_model_dir dir)
{
    return dir == SP_MODEL_UP ? GATEWAY : e->number;
}

/* Lets a held datagram go when enough others have passed it. */
static void pass_held(struct sp_rig *r, struct endpoint *e, enum sp_model_dir dir, sp_time at)
{
    struct held *h = &e->held[dir];
    if (h->letter == NULL || (--h->behind > 0 && r->now < h->until))
        return;
    push(r, at + 1, target(e, dir), h->letter);
    h->letter = NULL;
    r->held_n--;
}

/* Takes the letter. */
static void deliver(struct sp_rig *r, struct endpoint *e, enum sp_model_dir dir, struct letter *l)
{
    struct sp_model_packet p = {.dir = dir, .index = ++e->judged[dir], .now_us = r->now, .len = l->len};
    struct sp_model_fate fate;
    sp_model_judge(&e->model, &p, &fate);
    if (fate.copies > 1)
        push(r, r->now + fate.delay_us[1], target(e, dir),
             write_letter(r, &l->from, &l->to, (struct sp_view){l->bytes, l->len}));
    if (fate.copies > 0 && fate.corrupt && l->len > 0)
        l->bytes[fate.flip_bit / 8 % l->len] ^= (uint8_t)(1u << fate.flip_bit % 8);
    if (fate.copies == 0) {
        end_letter(r, l);
    } else if (fate.hold > 0 && e->held[dir].letter == NULL) {
        e->held[dir] = (struct held){l, fate.hold + 1, r->now + HOLD_US};
        r->held_n++;
        push(r, r->now + HOLD_US, target(e, dir), NULL); /* an instant at which it is looked at again */
    } else {
        push(r, r->now + fate.delay_us[0], target(e, dir), l);
    }
    pass_held(r, e, dir, r->now + fate.delay_us[0]);
}

static void send(struct sp_rig *r, struct endpoint *e, int dir, const struct frames *frames,
                 const struct sp_datagram *d)
{
    struct sp_addr gateway = sp_rig_gateway_addr();
    struct sp_rig_packet packet = {.dir = dir,
                                   .endpoint = e->number,
                                   .frames = {frames->bytes, frames->n},
                                   .p = d->p,
                                   .len = d->len,
                                   .now = r->now};
    if (!r->cfg.is_quick) {
        struct tally *t = tally_of(r, dir == SP_DIR_UP ? &e->addr : &d->peer);
        if (t != NULL)
            *(dir == SP_DIR_UP ? &t->from : &t->to) += d->len;
    }
    if (r->filter.filter != NULL && r->filter.filter(r->filter.self, &packet))
        return;
    const struct sp_addr *from = dir == SP_DIR_UP ? &e->addr : &gateway;
    const struct sp_addr *to = dir == SP_DIR_UP ? &gateway : &d->peer;
    deliver(r, e, dir == SP_DIR_UP ? SP_MODEL_UP : SP_MODEL_DOWN,
            write_letter(r, from, to, (struct sp_view){d->p, d->len}));
}

/* The endpoint whose address this ever was; its number is in the address. */
static struct endpoint *endpoint_at(const struct sp_rig *r, const struct sp_addr *addr)
{
    int number = addr->ip[2] << 8 | addr->ip[3];
    bool is_ours = addr->family == 4 && addr->ip[0] == 10 && addr->ip[1] == 1 && number < r->endpoints_n;
    return is_ours ? r->endpoints[number] : NULL;
}

/* ---- turns ---- */

static void end_spinning(struct sp_rig *r, const char *who)
{
    if (r->spin_at != r->now) {
        r->spin_at = r->now;
        r->spins = 0;
    }
    SP_ENSURE_SAY(++r->spins < (unsigned)SPINS_MAX, "%s spins at %lld us", who, (long long)r->now);
}

static void turn_endpoint(struct sp_rig *r, struct endpoint *e)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    if (!e->is_on || e->rest.paused_until > r->now)
        return;
    end_spinning(r, e->name);
    e->ops->after(e->self, r->now);
    e->sealed.n = 0;
    while (e->is_on && e->ops->transmit(e->self, &d, r->now)) {
        send(r, e, SP_DIR_UP, &e->sealed, &d);
        e->sealed.n = 0;
    }
    if (!e->is_on)
        return;
    e->rest.wake_at = e->ops->deadline(e->self);
    sp_rig_book(r, &e->rest, e->number);
}

static bool is_store_awake(const struct sp_rig *r)
{
    int fd = sp_store_wake_fd(r->port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* One point at which a gateway may die; true: it did. */
static bool pass_point(struct sp_rig *r)
{
    if (r->doom.left == 0 || --r->doom.left > 0)
        return false;
    struct doom doom = r->doom;
    sp_rig_kill_gateway(r);
    doom.fn(doom.self);
    return true;
}

static bool transmit_gateway(struct sp_rig *r)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    for (;;) {
        r->sealed.n = 0;
        if (sp_gateway_transmit(r->gateway, &d, 1, r->now) == 0)
            return true;
        struct endpoint *e = endpoint_at(r, &d.peer);
        struct tally *t = e == NULL ? tally_of(r, &d.peer) : NULL;
        if (e != NULL)
            send(r, e, SP_DIR_DOWN, &r->sealed, &d);
        else if (t != NULL)
            t->to += d.len;
        if (pass_point(r))
            return false;
    }
}

/* One pass of the gateway's loop.  False: it died in it. */
static bool pass_gateway(struct sp_rig *r, size_t *done)
{
    end_spinning(r, "the gateway");
    if (pass_point(r))
        return false;
    sp_gateway_step(r->gateway, r->now);
    if (pass_point(r))
        return false;
    *done = sp_store_step(r->store);
    return !pass_point(r) && transmit_gateway(r);
}

/* When the gateway wants its next pass, if its store did so much in the last one. */
static sp_time next_pass(const struct sp_rig *r, size_t done)
{
    if (done > 0 || is_store_awake(r))
        return r->now;
    sp_time store = sp_store_deadline(r->port), gateway = sp_gateway_deadline(r->gateway);
    return store < gateway ? store : gateway;
}

void sp_rig_turn_gateway(struct sp_rig *r)
{
    size_t done = 0;
    if (r->gateway == NULL || r->is_hanging || r->rest.paused_until > r->now)
        return;
    do {
        if (!pass_gateway(r, &done))
            return;
        r->rest.wake_at = next_pass(r, done);
    } while (r->rest.wake_at <= r->now);
    sp_rig_book(r, &r->rest, GATEWAY);
}

/* Whether the datagram waits in the socket of one who pauses, or was lost because that is full. */
static bool is_queued(struct sp_rig *r, struct rest *rest, struct letter *l, int who)
{
    if (rest->paused_until <= r->now)
        return false;
    if (rest->queued++ < QUEUE_MAX)
        push(r, rest->paused_until, who, l);
    else
        end_letter(r, l);
    return true;
}

static void arrive_at_gateway(struct sp_rig *r, struct letter *l)
{
    struct sp_datagram d = {.peer = l->from, .p = l->bytes, .len = l->len, .cap = l->len};
    if (is_queued(r, &r->rest, l, GATEWAY))
        return;
    if (r->gateway != NULL)
        sp_gateway_receive(r->gateway, &d, 1, r->now);
    end_letter(r, l);
    sp_rig_turn_gateway(r);
}

static void arrive(struct sp_rig *r, struct letter *l, int who)
{
    struct sp_datagram d = {.peer = l->from, .p = l->bytes, .len = l->len, .cap = l->len};
    struct endpoint *e = r->endpoints[who];
    if (!e->is_on || !is_same_addr(&l->to, &e->addr)) { /* the NAT has forgotten that port */
        end_letter(r, l);
        return;
    }
    if (is_queued(r, &e->rest, l, who))
        return;
    e->ops->receive(e->self, &d, r->now);
    end_letter(r, l);
    turn_endpoint(r, e);
}

static void look_at_held(struct sp_rig *r, int endpoint)
{
    for (int i = 0; i < r->endpoints_n && r->held_n > 0; i++) {
        struct endpoint *e = r->endpoints[i];
        for (int dir = 0; dir < SP_MODEL_DIRS; dir++) {
            struct held *h = &e->held[dir];
            if (h->letter == NULL || h->until > r->now || target(e, (enum sp_model_dir)dir) != endpoint)
                continue;
            push(r, r->now, endpoint, h->letter);
            h->letter = NULL;
            r->held_n--;
        }
    }
}

static void wake(struct sp_rig *r, int who)
{
    struct rest *rest = who == GATEWAY ? &r->rest : &r->endpoints[who]->rest;
    if (r->held_n > 0)
        look_at_held(r, who);
    if (rest->booked_at == r->now)
        rest->booked_at = SP_NEVER;
    if (rest->paused_until > r->now)
        return; /* the end of the pause is booked */
    if (rest->wake_at > r->now)
        sp_rig_book(r, rest, who);
    else if (who == GATEWAY)
        sp_rig_turn_gateway(r);
    else
        turn_endpoint(r, r->endpoints[who]);
}

static void happen(struct sp_rig *r, const struct sp_agenda_item *i)
{
    r->now = i->at;
    if (i->who == CALL) {
        struct call call = *(struct call *)i->what;
        free(i->what);
        call.fn(call.self);
    } else if (i->what == NULL) {
        wake(r, i->who);
    } else if (i->who == GATEWAY) {
        arrive_at_gateway(r, i->what);
    } else {
        arrive(r, i->what, i->who);
    }
}

bool sp_rig_run_until(struct sp_rig *r, bool (*holds)(void *), void *self, sp_time limit_us)
{
    sp_time end = r->now + limit_us;
    for (;;) {
        if (holds != NULL && holds(self))
            return true;
        struct sp_agenda_item item;
        if (!sp_agenda_take(&r->agenda, end, &item))
            break;
        happen(r, &item);
    }
    r->now = end;
    return holds == NULL || holds(self);
}

void sp_rig_run(struct sp_rig *r, sp_time for_us)
{
    (void)sp_rig_run_until(r, NULL, NULL, for_us);
}

/* ---- what is seen ---- */

static void keep_frames(struct frames *f, struct sp_view frames)
{
    SP_ENSURE(frames.n <= sizeof f->bytes);
    f->n = frames.n;
    if (frames.n > 0)
        memcpy(f->bytes, frames.p, frames.n);
}

bool sp_rig_packet_find(const struct sp_rig_packet *packet, uint8_t kind, size_t n, struct sp_frame *out)
{
    struct sp_view rest = packet->frames;
    while (rest.n > 0) {
        size_t used = 0;
        if (sp_wire_decode(rest, (enum sp_dir)packet->dir, out, &used) != 0)
            return false;
        if (out->kind == kind && --n == 0)
            return true;
        rest.p += used;
        rest.n -= used;
    }
    return false;
}

static void see_gateway(void *self, int dir, bool is_opened, struct sp_view frames)
{
    struct sp_rig *r = self;
    (void)dir;
    if (!is_opened)
        keep_frames(&r->sealed, frames);
}

static void see_endpoint(void *self, int dir, bool is_opened, struct sp_view frames)
{
    struct endpoint *e = self;
    struct sp_rig *r = e->rig;
    if (!is_opened)
        keep_frames(&e->sealed, frames);
    if (r->trace != NULL)
        sp_trace_note(r->trace, e->name, dir, frames, r->now - r->trace_from);
}

void sp_rig_trace_begin(struct sp_rig *r)
{
    if (r->trace != NULL)
        sp_trace_destroy(&r->trace);
    r->trace = sp_trace_create();
    r->trace_from = r->now;
}

void sp_rig_trace_name(struct sp_rig *r, int endpoint, const char *name)
{
    SP_ENSURE(strlen(name) < (size_t)NAME_MAX_LEN);
    memcpy(r->endpoints[endpoint]->name, name, strlen(name) + 1);
}

const char *sp_rig_trace(struct sp_rig *r)
{
    return r->trace == NULL ? "" : sp_trace_text(r->trace);
}

/* ---- endpoints ---- */

struct sp_addr sp_rig_gateway_addr(void)
{
    return (struct sp_addr){.ip = {10, 0, 0, 1}, .port = 7400, .family = 4};
}

int sp_rig_add(struct sp_rig *r, const struct sp_rig_ops *ops, void *self)
{
    SP_ENSURE(r->endpoints_n < SP_RIG_ENDPOINTS_MAX);
    struct endpoint *e = calloc(1, sizeof *e);
    SP_ENSURE(e != NULL);
    e->rig = r;
    e->number = r->endpoints_n++;
    r->endpoints[e->number] = e;
    e->is_on = true;
    e->ops = ops;
    e->self = self;
    e->addr = (struct sp_addr){
        .ip = {10, 1, (uint8_t)(e->number >> 8), (uint8_t)e->number}, .port = 40000, .family = 4};
    e->rest = (struct rest){.wake_at = SP_NEVER, .booked_at = SP_NEVER};
    (void)snprintf(e->name, sizeof e->name, "%d", e->number);
    sp_glass_init(&e->glass, r->crypto, r->cfg.is_quick ? NULL : see_endpoint, e);
    sp_rig_set_net(r, e->number, &r->cfg.net);
    if (e->number < 64 && !r->cfg.is_quick)
        begin_tally(r, &e->addr);
    return e->number;
}

void sp_rig_remove(struct sp_rig *r, int endpoint)
{
    r->endpoints[endpoint]->is_on = false;
}

const struct sp_crypto *sp_rig_glass(struct sp_rig *r, int endpoint)
{
    return r->cfg.is_quick ? r->crypto : &r->endpoints[endpoint]->glass.table;
}

struct sp_addr sp_rig_addr(const struct sp_rig *r, int endpoint)
{
    return r->endpoints[endpoint]->addr;
}

void sp_rig_poke(struct sp_rig *r, int endpoint)
{
    struct endpoint *e = r->endpoints[endpoint];
    e->rest.wake_at = r->now;
    sp_rig_book(r, &e->rest, endpoint);
}

static void pause(struct sp_rig *r, struct rest *rest, int who, sp_time for_us)
{
    rest->paused_until = rest->wake_at = r->now + for_us;
    rest->queued = 0;
    push(r, rest->paused_until, who, NULL);
}

void sp_rig_pause(struct sp_rig *r, int endpoint, sp_time for_us)
{
    pause(r, &r->endpoints[endpoint]->rest, endpoint, for_us);
}

void sp_rig_resume(struct sp_rig *r, int endpoint)
{
    struct rest *rest = &r->endpoints[endpoint]->rest;
    if (rest->paused_until <= r->now)
        return;
    rest->paused_until = rest->wake_at = r->now;
    sp_agenda_hasten(&r->agenda, endpoint, r->now);
    sp_rig_book(r, rest, endpoint);
}

void sp_rig_pause_gateway(struct sp_rig *r, sp_time for_us)
{
    pause(r, &r->rest, GATEWAY, for_us);
}

void sp_rig_rebind(struct sp_rig *r, int endpoint)
{
    r->endpoints[endpoint]->addr.port++;
    if (!r->cfg.is_quick)
        begin_tally(r, &r->endpoints[endpoint]->addr);
}

void sp_rig_set_net(struct sp_rig *r, int endpoint, const struct sp_model_config *net)
{
    struct sp_model_config cfg = *net;
    cfg.seed = sp_rig_draw(r);
    SP_ENSURE_SAY(sp_model_problem(&cfg) == NULL, "%s", sp_model_problem(&cfg));
    sp_model_init(&r->endpoints[endpoint]->model, &cfg);
}

void sp_rig_set_filter(struct sp_rig *r, sp_rig_filter *filter, void *self)
{
    r->filter.filter = filter;
    r->filter.self = self;
}

void sp_rig_inject(struct sp_rig *r, const struct sp_addr *from, struct sp_view bytes)
{
    struct sp_addr to = sp_rig_gateway_addr();
    if (!r->cfg.is_quick)
        begin_tally(r, from);
    struct tally *t = tally_of(r, from);
    if (t != NULL)
        t->from += bytes.n;
    push(r, r->now, GATEWAY, write_letter(r, from, &to, bytes));
}

void sp_rig_inject_down(struct sp_rig *r, int endpoint, const struct sp_addr *from, struct sp_view bytes)
{
    push(r, r->now, endpoint, write_letter(r, from, &r->endpoints[endpoint]->addr, bytes));
}

/* ---- the world ---- */

sp_time sp_rig_now(const struct sp_rig *r)
{
    return r->now;
}

int64_t sp_rig_unix_s(const struct sp_rig *r)
{
    return SP_RIG_UNIX_S + r->now / SP_SECOND;
}

const struct sp_crypto *sp_rig_crypto(const struct sp_rig *r)
{
    return r->crypto;
}

const struct sp_gateway_keys *sp_rig_keys(const struct sp_rig *r)
{
    return &r->cfg.gateway.keys;
}

static void fill_gateway_config(struct sp_rig *r)
{
    struct sp_gateway_config *g = &r->cfg.gateway;
    sp_glass_init(&r->glass, r->crypto, r->cfg.is_quick ? NULL : see_gateway, r);
    g->crypto = r->cfg.is_quick ? r->crypto : &r->glass.table;
    sp_rig_draw_bytes(r, g->keys.secret, sizeof g->keys.secret);
    g->crypto->x25519_base(g->crypto->self, g->keys.public, g->keys.secret);
    g->keys.tokens.n = 1;
    sp_rig_draw_bytes(r, g->keys.tokens.of[0].key, sizeof g->keys.tokens.of[0].key);
    sp_rig_draw_bytes(r, g->keys.cids.check, sizeof g->keys.cids.check);
    sp_rig_draw_bytes(r, g->keys.cids.reset, sizeof g->keys.cids.reset);
    if (g->sessions_max == 0)
        g->sessions_max = 64;
}

struct sp_rig *sp_rig_create(const struct sp_rig_config *cfg)
{
    struct sp_rig *r = calloc(1, sizeof *r);
    SP_ENSURE(r != NULL);
    r->cfg = *cfg;
    r->random = cfg->seed;
    r->endpoints = calloc(SP_RIG_ENDPOINTS_MAX, sizeof(struct endpoint *));
    SP_ENSURE(r->endpoints != NULL);
    r->now = SP_RIG_START;
    r->spin_at = -1;
    if (r->cfg.store == NULL)
        r->cfg.store = "mem:";
    if (r->cfg.token_life_s == 0)
        r->cfg.token_life_s = 86400;
    r->crypto = cfg->crypto != NULL ? cfg->crypto : sp_crypto_sodium();
    r->rest = (struct rest){.wake_at = SP_NEVER, .booked_at = SP_NEVER};
    fill_gateway_config(r);
    sp_rig_open_store(r);
    sp_rig_start_gateway(r, false);
    return r;
}

void sp_rig_destroy(struct sp_rig **rig)
{
    struct sp_rig *r = *rig;
    sp_gateway_destroy(&r->gateway);
    sp_store_close(&r->store);
    struct sp_agenda_item item;
    while (sp_agenda_take(&r->agenda, SP_NEVER, &item))
        free(item.what);
    sp_agenda_wipe(&r->agenda);
    while (r->vacant != NULL) {
        struct letter *l = r->vacant;
        r->vacant = l->next;
        free(l);
    }
    for (int i = 0; i < r->endpoints_n; i++) {
        for (int dir = 0; dir < SP_MODEL_DIRS; dir++)
            free(r->endpoints[i]->held[dir].letter);
        free(r->endpoints[i]);
    }
    if (r->trace != NULL)
        sp_trace_destroy(&r->trace);
    free(r->endpoints);
    free(r);
    *rig = NULL;
}
