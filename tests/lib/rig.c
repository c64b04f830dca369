/* One heap of events: datagrams that arrive, and endpoints that wake. */
#include "rig.h"

#include "crypto_sodium.h"
#include "ensure.h"
#include "seal.h"
#include "trace.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATEWAY      (-1)
#define SPINS_MAX    20000 /* turns at one instant before the test is ended as spinning */
#define NAME_MAX_LEN 16
#define HOLD_US      (100 * SP_MS) /* a reordered datagram waits no longer than this */
#define TALLIES_MAX  256

struct letter { /* a datagram on the wire */
    struct sp_addr from, to;
    size_t len;
    uint8_t bytes[];
};
struct event {
    sp_time at;
    uint64_t order;        /* events of one instant keep the order in which they were made */
    int endpoint;          /* GATEWAY or a number */
    struct letter *letter; /* NULL: a wake-up */
};
struct held { /* a reordered datagram: behind so many later ones */
    struct letter *letter;
    unsigned behind;
    sp_time until;
};
struct frames { /* of one packet, in the clear */
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t n;
};
struct endpoint {
    struct sp_rig *rig;
    int number;
    bool is_on;
    const struct sp_rig_ops *ops;
    void *self;
    struct sp_addr addr;
    struct sp_model model;
    uint64_t packets[3]; /* by direction: into the wire */
    uint64_t judged[SP_MODEL_DIRS];
    struct held held[SP_MODEL_DIRS];
    struct sp_glass glass;
    struct frames sealed; /* of the packet sealed last */
    sp_time wake_at;
    char name[NAME_MAX_LEN];
};
struct tally { /* bytes of an address */
    struct sp_addr addr;
    uint64_t to, from;
};
struct sp_rig {
    struct sp_rig_config cfg;
    uint64_t random;
    sp_time now;
    struct event *heap;
    size_t heap_n, heap_cap;
    uint64_t order;
    struct endpoint **endpoints;
    int endpoints_n;
    struct sp_store *store;
    struct sp_store_port *port;
    struct sp_gateway *gateway;
    struct sp_glass glass;
    struct frames sealed; /* of the packet that the gateway sealed last */
    bool is_hanging;
    sp_time gateway_wake;
    struct sp_rig_filter_slot {
        sp_rig_filter *filter;
        void *self;
    } filter;
    struct tally tallies[TALLIES_MAX];
    size_t tallies_n;
    struct sp_trace *trace;
    sp_time trace_from;
    unsigned spins;
    sp_time spin_at;
};

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

static void draw_bytes(struct sp_rig *r, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(sp_rig_draw(r) >> 56);
}

/* ---- the heap ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sp_rig *r, sp_time at, int endpoint, struct letter *letter)
{
    if (r->heap_n == r->heap_cap) {
        r->heap_cap = r->heap_cap == 0 ? 1024 : 2 * r->heap_cap;
        r->heap = realloc(r->heap, r->heap_cap * sizeof *r->heap);
        SP_ENSURE(r->heap != NULL);
    }
    struct event e = {
        .at = at > r->now ? at : r->now, .order = r->order++, .endpoint = endpoint, .letter = letter};
    size_t i = r->heap_n++;
    while (i > 0 && is_before(&e, &r->heap[(i - 1) / 2])) {
        r->heap[i] = r->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    r->heap[i] = e;
}

static struct event pop(struct sp_rig *r)
{
    struct event first = r->heap[0], last = r->heap[--r->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap_n)
            break;
        if (child + 1 < r->heap_n && is_before(&r->heap[child + 1], &r->heap[child]))
            child++;
        if (!is_before(&r->heap[child], &last))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    if (r->heap_n > 0)
        r->heap[i] = last;
    return first;
}

/* ---- the wire ---- */

static struct letter *write_letter(const struct sp_addr *from, const struct sp_addr *to, const uint8_t *p,
                                   size_t n)
{
    struct letter *l = malloc(sizeof *l + n);
    SP_ENSURE(l != NULL);
    l->from = *from;
    l->to = *to;
    l->len = n;
    if (n > 0)
        memcpy(l->bytes, p, n);
    return l;
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
}

static void deliver(struct sp_rig *r, struct endpoint *e, enum sp_model_dir dir, const struct letter *l)
{
    struct sp_model_packet p = {.dir = dir, .index = ++e->judged[dir], .now_us = r->now, .len = l->len};
    struct sp_model_fate fate;
    sp_model_judge(&e->model, &p, &fate);
    for (unsigned i = 0; i < fate.copies; i++) {
        struct letter *copy = write_letter(&l->from, &l->to, l->bytes, l->len);
        if (i == 0 && fate.corrupt && l->len > 0)
            copy->bytes[fate.flip_bit / 8 % l->len] ^= (uint8_t)(1u << fate.flip_bit % 8);
        if (i == 0 && fate.hold > 0 && e->held[dir].letter == NULL) {
            e->held[dir] = (struct held){copy, fate.hold + 1, r->now + HOLD_US};
            push(r, r->now + HOLD_US, target(e, dir), NULL); /* an instant at which it is looked at again */
            continue;
        }
        push(r, r->now + fate.delay_us[i], target(e, dir), copy);
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
    struct tally *t = tally_of(r, dir == SP_DIR_UP ? &e->addr : &d->peer);
    e->packets[dir]++;
    if (t != NULL)
        *(dir == SP_DIR_UP ? &t->from : &t->to) += d->len;
    if (r->filter.filter != NULL && r->filter.filter(r->filter.self, &packet))
        return;
    struct letter *l = dir == SP_DIR_UP ? write_letter(&e->addr, &gateway, d->p, d->len)
                                        : write_letter(&gateway, &d->peer, d->p, d->len);
    deliver(r, e, dir == SP_DIR_UP ? SP_MODEL_UP : SP_MODEL_DOWN, l);
    free(l);
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
    if (!e->is_on)
        return;
    end_spinning(r, e->name);
    e->ops->after(e->self, r->now);
    for (;;) {
        e->sealed.n = 0;
        if (!e->is_on || !e->ops->transmit(e->self, &d, r->now))
            break;
        send(r, e, SP_DIR_UP, &e->sealed, &d);
    }
    if (!e->is_on)
        return;
    e->wake_at = e->ops->deadline(e->self);
    if (e->wake_at < r->now)
        e->wake_at = r->now;
    if (e->wake_at != SP_NEVER)
        push(r, e->wake_at, e->number, NULL);
}

static bool is_store_awake(const struct sp_rig *r)
{
    int fd = sp_store_wake_fd(r->port);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && poll(&p, 1, 0) > 0)
        return true;
    return sp_store_deadline(r->port) <= r->now;
}

static void transmit_gateway(struct sp_rig *r)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    for (;;) {
        r->sealed.n = 0;
        if (sp_gateway_transmit(r->gateway, &d, 1, r->now) == 0)
            return;
        struct endpoint *e = endpoint_at(r, &d.peer);
        struct tally *t = tally_of(r, &d.peer);
        if (e != NULL)
            send(r, e, SP_DIR_DOWN, &r->sealed, &d);
        else if (t != NULL)
            t->to += d.len;
    }
}

static void turn_gateway(struct sp_rig *r)
{
    if (r->gateway == NULL || r->is_hanging)
        return;
    size_t done;
    do {
        end_spinning(r, "the gateway");
        sp_gateway_step(r->gateway, r->now);
        done = sp_store_step(r->store);
        transmit_gateway(r);
    } while (done > 0 || is_store_awake(r) || sp_gateway_deadline(r->gateway) <= r->now);
    r->gateway_wake = sp_gateway_deadline(r->gateway);
    if (r->gateway_wake != SP_NEVER)
        push(r, r->gateway_wake, GATEWAY, NULL);
}

static void arrive(struct sp_rig *r, struct letter *l, int endpoint)
{
    struct sp_datagram d = {.peer = l->from, .p = l->bytes, .len = l->len, .cap = l->len};
    if (endpoint == GATEWAY) {
        if (r->gateway != NULL)
            sp_gateway_receive(r->gateway, &d, 1, r->now);
        turn_gateway(r);
        return;
    }
    struct endpoint *e = r->endpoints[endpoint];
    if (!e->is_on || !is_same_addr(&l->to, &e->addr)) /* the NAT has forgotten that port */
        return;
    e->ops->receive(e->self, &d, r->now);
    turn_endpoint(r, e);
}

static void look_at_held(struct sp_rig *r, int endpoint)
{
    for (int i = 0; i < r->endpoints_n; i++) {
        struct endpoint *e = r->endpoints[i];
        for (int dir = 0; dir < SP_MODEL_DIRS; dir++) {
            struct held *h = &e->held[dir];
            if (h->letter == NULL || h->until > r->now || target(e, (enum sp_model_dir)dir) != endpoint)
                continue;
            push(r, r->now, endpoint, h->letter);
            h->letter = NULL;
        }
    }
}

static void happen(struct sp_rig *r, const struct event *e)
{
    r->now = e->at;
    if (e->letter != NULL) {
        arrive(r, e->letter, e->endpoint);
        free(e->letter);
        return;
    }
    look_at_held(r, e->endpoint);
    if (e->endpoint == GATEWAY) {
        if (r->gateway != NULL && r->gateway_wake == e->at)
            turn_gateway(r);
    } else if (r->endpoints[e->endpoint]->wake_at == e->at) {
        turn_endpoint(r, r->endpoints[e->endpoint]);
    }
}

bool sp_rig_run_until(struct sp_rig *r, bool (*holds)(void *), void *self, sp_time limit_us)
{
    sp_time end = r->now + limit_us;
    for (;;) {
        if (holds != NULL && holds(self))
            return true;
        if (r->heap_n == 0 || r->heap[0].at > end)
            break;
        struct event e = pop(r);
        happen(r, &e);
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
    e->wake_at = SP_NEVER;
    (void)snprintf(e->name, sizeof e->name, "%d", e->number);
    sp_glass_init(&e->glass, sp_crypto_sodium(), see_endpoint, e);
    sp_rig_set_net(r, e->number, &r->cfg.net);
    if (e->number < 64)
        begin_tally(r, &e->addr);
    return e->number;
}

void sp_rig_remove(struct sp_rig *r, int endpoint)
{
    r->endpoints[endpoint]->is_on = false;
}

const struct sp_crypto *sp_rig_glass(struct sp_rig *r, int endpoint)
{
    return &r->endpoints[endpoint]->glass.table;
}

struct sp_addr sp_rig_addr(const struct sp_rig *r, int endpoint)
{
    return r->endpoints[endpoint]->addr;
}

void sp_rig_poke(struct sp_rig *r, int endpoint)
{
    struct endpoint *e = r->endpoints[endpoint];
    e->wake_at = r->now;
    push(r, r->now, endpoint, NULL);
}

void sp_rig_rebind(struct sp_rig *r, int endpoint)
{
    r->endpoints[endpoint]->addr.port++;
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
    begin_tally(r, from);
    struct tally *t = tally_of(r, from);
    if (t != NULL)
        t->from += bytes.n;
    push(r, r->now, GATEWAY, write_letter(from, &to, bytes.p, bytes.n));
}

uint64_t sp_rig_note_packets(const struct sp_rig *r, int endpoint, int dir)
{
    return r->endpoints[endpoint]->packets[dir];
}

/* ---- the gateway ---- */

static void open_store(struct sp_rig *r)
{
    char reason[256] = "";
    struct sp_store_config limits = r->cfg.limits;
    limits.manual = true;
    limits.reason = reason;
    limits.reason_cap = sizeof reason;
    int err = sp_store_open(&r->store, r->cfg.store, &limits);
    SP_ENSURE_SAY(err == 0, "%s: %d %s", r->cfg.store, err, reason);
}

void sp_rig_kill_gateway(struct sp_rig *r)
{
    sp_gateway_destroy(&r->gateway);
    r->gateway_wake = SP_NEVER;
    r->is_hanging = false;
}

void sp_rig_hang_gateway(struct sp_rig *r)
{
    r->is_hanging = true;
}

void sp_rig_set_limits(struct sp_rig *r, const struct sp_store_config *limits)
{
    r->cfg.limits = *limits;
}

unsigned sp_rig_note_x25519(const struct sp_rig *r)
{
    return r->glass.x25519_n;
}

void sp_rig_start_gateway(struct sp_rig *r, bool reopen)
{
    SP_ENSURE(r->gateway == NULL);
    if (reopen) {
        sp_store_close(&r->store);
        open_store(r);
    }
    SP_ENSURE(sp_store_attach(r->store, &r->port) == 0);
    struct sp_gateway_config cfg = r->cfg.gateway;
    cfg.unix_us = sp_rig_unix_s(r) * 1000000 + r->now % SP_SECOND;
    draw_bytes(r, cfg.seed, sizeof cfg.seed);
    SP_ENSURE(sp_gateway_create(&r->gateway, &cfg, r->port, r->now) == 0);
    turn_gateway(r);
}

struct sp_gateway *sp_rig_gateway(struct sp_rig *r)
{
    return r->gateway;
}

struct sp_store_port *sp_rig_port(struct sp_rig *r)
{
    return r->port;
}

static uint64_t drops_of(const struct sp_stats *st)
{
    uint64_t sum = 0;
#define ADD(name, help)                                                                                      \
    if (strncmp(#name, "drop_", 5) == 0)                                                                     \
        sum += st->name;
    SP_STATS(ADD)
#undef ADD
    return sum;
}

struct sp_stats sp_rig_stats(struct sp_rig *r)
{
    struct sp_stats st;
    sp_gateway_read_stats(r->gateway, &st);
    SP_ENSURE_SAY(st.datagrams_received == st.datagrams_accepted + drops_of(&st),
                  "a datagram is not accounted for");
    return st;
}

/* ---- tokens ---- */

void sp_rig_token(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights,
                  uint8_t token[SP_TOKEN_LEN], uint8_t psk[SP_KEY_LEN])
{
    const struct sp_gateway_keys *k = &r->cfg.gateway.keys;
    struct sp_token t = {.issued = (uint32_t)sp_rig_unix_s(r),
                         .expires = (uint32_t)sp_rig_unix_s(r) + 86400,
                         .device = device,
                         .rights = rights,
                         .uid_len = (uint8_t)strlen(user)};
    uint8_t nonce[24];
    draw_bytes(r, nonce, sizeof nonce);
    draw_bytes(r, psk, SP_KEY_LEN);
    draw_bytes(r, t.token_id, sizeof t.token_id);
    memcpy(t.psk, psk, SP_KEY_LEN);
    memcpy(t.uid, user, strlen(user));
    int err = sp_token_seal(sp_crypto_sodium(), &t, k->tokens.of[0].kid, k->tokens.of[0].key, nonce,
                            k->public, token);
    SP_ENSURE(err == 0);
}

size_t sp_rig_blob(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights, uint8_t *dst,
                   size_t cap)
{
    struct sp_blob b = {.issued = (uint32_t)sp_rig_unix_s(r),
                        .expires = (uint32_t)sp_rig_unix_s(r) + 86400,
                        .addrs_n = 1,
                        .addrs = {sp_rig_gateway_addr()}};
    size_t len = 0;
    sp_rig_token(r, user, device, rights, b.token, b.psk);
    memcpy(b.gateway_pk, r->cfg.gateway.keys.public, sizeof b.gateway_pk);
    SP_ENSURE(sp_token_blob_encode(&b, dst, cap, &len) == 0);
    return len;
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
    (void)r;
    return sp_crypto_sodium();
}

const struct sp_gateway_keys *sp_rig_keys(const struct sp_rig *r)
{
    return &r->cfg.gateway.keys;
}

static void fill_gateway_config(struct sp_rig *r)
{
    struct sp_gateway_config *g = &r->cfg.gateway;
    sp_glass_init(&r->glass, sp_crypto_sodium(), see_gateway, r);
    g->crypto = &r->glass.table;
    draw_bytes(r, g->keys.secret, sizeof g->keys.secret);
    g->crypto->x25519_base(g->crypto->self, g->keys.public, g->keys.secret);
    g->keys.tokens.n = 1;
    draw_bytes(r, g->keys.tokens.of[0].key, sizeof g->keys.tokens.of[0].key);
    draw_bytes(r, g->keys.cids.check, sizeof g->keys.cids.check);
    draw_bytes(r, g->keys.cids.reset, sizeof g->keys.cids.reset);
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
    /* Not 0: nothing may depend on where monotonic time begins. */
    r->now = 1000 * SP_SECOND;
    r->spin_at = -1;
    if (r->cfg.store == NULL)
        r->cfg.store = "mem:";
    fill_gateway_config(r);
    open_store(r);
    sp_rig_start_gateway(r, false);
    return r;
}

void sp_rig_destroy(struct sp_rig **rig)
{
    struct sp_rig *r = *rig;
    sp_gateway_destroy(&r->gateway);
    sp_store_close(&r->store);
    while (r->heap_n > 0) {
        struct event e = pop(r);
        free(e.letter);
    }
    for (int i = 0; i < r->endpoints_n; i++) {
        for (int dir = 0; dir < SP_MODEL_DIRS; dir++)
            free(r->endpoints[i]->held[dir].letter);
        free(r->endpoints[i]);
    }
    if (r->trace != NULL)
        sp_trace_destroy(&r->trace);
    free(r->endpoints);
    free(r->heap);
    free(r);
    *rig = NULL;
}
