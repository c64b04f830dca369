/* Two clients, a small gateway and a bad wire in virtual time.  The app of each client stores what it is
 * handed at once and for good, then keeps; it checks order and doubles by itself.  Included by one test
 * program each. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "fakelocal.h"
#include "smallgate.h"

#include <sampan/client.h>
#include <stdio.h>

#define WORLD_UNIX 1700000000

enum { PHONES = 2, PACKETS = 8192, APP_GOT = 4096, APP_SENT = 4096 };

struct phone {
    const char *user;
    struct fakelocal local;
    void *mem;
    struct sp_client *client; /* NULL: dead */
    bool receives, is_lazy;   /* lazy: the app takes no events */
    bool keeps_nothing;
    /* The app's own database: survives everything. */
    uint32_t last_seq; /* highest stored */
    size_t got_n;
    struct {
        uint32_t seq;
        char from[8], body[32];
    } got[APP_GOT];
    /* What was seen by this process. */
    struct sp_seq keep;      /* to keep up to; 0: nothing new */
    uint8_t state[APP_SENT]; /* by msgid counter; 100: failed, 101: unknown */
    int fail_code;
    unsigned online, offline, tokens, errors, resyncs, skipped;
    int last_offline, last_error;
    struct sp_client_event status;
    sp_time busy_until; /* to catch a client that asks to be woken for nothing */
    unsigned wakes;
};

struct packet {
    sp_time at;
    uint64_t order;
    bool up;
    size_t phone, len;
    uint8_t p[SP_DATAGRAM_MAX];
};

struct world {
    struct gate gate;
    struct phone phones[PHONES];
    struct packet *packets;
    size_t packets_n;
    uint64_t order, x;
    sp_time now, delay, jitter;
    unsigned loss, dup; /* percent */
    bool is_dark[PHONES], is_gate_down;
    sp_time dark_until[PHONES];
    uint64_t sent_up, sent_down;
};

static inline uint32_t world_draw(struct world *w, uint32_t bound)
{
    w->x = w->x * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((w->x >> 33) % bound);
}

static inline struct sp_client_config world_config(struct world *w, struct phone *p, uint8_t *blob,
                                                   uint32_t life)
{
    size_t cap = SP_BLOB_MAX;
    uint32_t issued = (uint32_t)(WORLD_UNIX + w->now / SP_SECOND);
    struct sp_client_config cfg = {.crypto = w->gate.mint.crypto,
                                   .local = &p->local.table,
                                   .user = {{(const uint8_t *)p->user, strlen(p->user)}},
                                   .device = 5,
                                   .unix_s = issued,
                                   .receives = p->receives};
    cfg.blob = (struct sp_view){blob, mint_blob(&w->gate.mint, p->user, issued, life, 1, blob, cap)};
    for (size_t i = 0; i < sizeof cfg.seed; i++)
        cfg.seed[i] = (uint8_t)world_draw(w, 256);
    return cfg;
}

/* Starts the process of a phone from what its storage remembers. */
static inline void world_start(struct world *w, size_t i)
{
    struct phone *p = &w->phones[i];
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = world_config(w, p, blob, 86400 * 30);
    size_t len = sp_client_footprint(&cfg);
    cr_assert_neq(len, 0);
    p->mem = malloc(len);
    cr_assert_not_null(p->mem);
    memset(p->mem, 0xa5, len);
    cr_assert_eq(sp_client_init(&p->client, p->mem, len, &cfg, w->now), 0);
}

/* kill -9. */
static inline void world_kill(struct world *w, size_t i)
{
    struct phone *p = &w->phones[i];
    free(p->mem);
    p->mem = NULL;
    p->client = NULL;
    memset(p->state, 0, sizeof p->state);
    p->keep.v = 0;
    fakelocal_crash(&p->local);
}

static inline struct world *world_create(void)
{
    static struct world w;
    static const char *const users[PHONES] = {"ann", "bob"};
    memset(&w, 0, sizeof w);
    w.packets = malloc(PACKETS * sizeof *w.packets);
    cr_assert_not_null(w.packets);
    w.x = 1;
    w.now = SP_SECOND;
    w.delay = 50 * SP_MS;
    gate_init(&w.gate);
    w.gate.unix_s = WORLD_UNIX;
    for (size_t i = 0; i < PHONES; i++) {
        w.phones[i].user = users[i];
        w.phones[i].receives = true;
        fakelocal_init(&w.phones[i].local);
    }
    return &w;
}

static inline void world_destroy(struct world *w)
{
    for (size_t i = 0; i < PHONES; i++) {
        if (w->phones[i].client != NULL)
            sp_client_wipe(w->phones[i].client);
        free(w->phones[i].mem);
        fakelocal_wipe(&w->phones[i].local);
    }
    gate_restart(&w->gate);
    gate_wipe(&w->gate);
    free(w->packets);
}

/* ---- The wire ---- */

static inline void world_put(struct world *w, bool up, size_t phone, const uint8_t *p, size_t len)
{
    unsigned copies = world_draw(w, 100) < w->dup ? 2 : 1;
    if (w->is_dark[phone] || world_draw(w, 100) < w->loss)
        return;
    for (unsigned i = 0; i < copies; i++) {
        cr_assert_lt(w->packets_n, (size_t)PACKETS, "the wire is full: somebody sends without end");
        struct packet *k = &w->packets[w->packets_n++];
        *k = (struct packet){
            .at = w->now + w->delay, .order = w->order++, .up = up, .phone = phone, .len = len};
        if (w->jitter > 0)
            k->at += (sp_time)world_draw(w, (uint32_t)w->jitter);
        memcpy(k->p, p, len);
    }
}

static inline size_t world_next_packet(const struct world *w)
{
    size_t best = 0;
    for (size_t i = 1; i < w->packets_n; i++)
        if (w->packets[i].at < w->packets[best].at ||
            (w->packets[i].at == w->packets[best].at && w->packets[i].order < w->packets[best].order))
            best = i;
    return best;
}

static inline void world_gate_receive(struct world *w, struct packet *k)
{
    struct sp_addr from = {
        .ip = {10, 1, 0, (uint8_t)k->phone}, .port = (uint16_t)(1000 + k->phone), .family = 4};
    uint8_t reply[SP_DATAGRAM_MAX];
    if (w->is_gate_down)
        return;
    size_t len = gate_receive(&w->gate, k->p, k->len, &from, reply, w->now);
    if (len > 0)
        world_put(w, false, k->phone, reply, len);
}

static inline void world_deliver(struct world *w, size_t i)
{
    struct packet k = w->packets[i];
    w->packets[i] = w->packets[--w->packets_n];
    if (k.up)
        world_gate_receive(w, &k);
    else if (w->phones[k.phone].client != NULL)
        (void)sp_client_receive(w->phones[k.phone].client, k.p, k.len, w->now);
}

/* ---- The app ---- */

static inline void app_message(struct phone *p, const struct sp_client_event *ev)
{
    if (ev->seq.v > p->last_seq) {
        cr_assert_eq(ev->seq.v, p->last_seq + 1, "%s: %u after %u", p->user, ev->seq.v, p->last_seq);
        cr_assert_lt(p->got_n, (size_t)APP_GOT);
        cr_assert_lt(ev->body.n, sizeof p->got[0].body);
        p->got[p->got_n].seq = ev->seq.v;
        memcpy(p->got[p->got_n].from, ev->from.id.p, ev->from.id.n);
        memcpy(p->got[p->got_n].body, ev->body.p, ev->body.n);
        p->got_n++;
        p->last_seq = ev->seq.v;
    }
    if (!p->keeps_nothing)
        p->keep = ev->seq;
}

static inline void app_event(struct phone *p, const struct sp_client_event *ev)
{
    uint32_t n = (uint32_t)ev->msgid.v % APP_SENT;
    switch (ev->kind) {
    case SP_CLIENT_ONLINE:
        p->online++;
        return;
    case SP_CLIENT_OFFLINE:
        p->offline++;
        p->last_offline = ev->code;
        return;
    case SP_CLIENT_TOKEN:
        p->tokens++;
        return;
    case SP_CLIENT_RECEIPT:
        cr_assert_gt(ev->state, p->state[n], "%s: message %u: %u after %u", p->user, n, ev->state,
                     p->state[n]);
        p->state[n] = ev->state;
        return;
    case SP_CLIENT_FAILED:
        p->state[n] = 100;
        p->fail_code = ev->code;
        return;
    case SP_CLIENT_UNKNOWN:
        p->state[n] = 101;
        return;
    case SP_CLIENT_MESSAGE:
        app_message(p, ev);
        return;
    case SP_CLIENT_SKIPPED:
        p->skipped += ev->hi.v - ev->lo.v + 1;
        p->last_seq = ev->hi.v;
        p->keep = ev->hi;
        return;
    case SP_CLIENT_RESYNC:
        p->keep.v = 0;
        p->resyncs++;
        p->last_seq = ev->lo.v;
        return;
    case SP_CLIENT_STATUS:
        p->status = *ev;
        return;
    case SP_CLIENT_ERROR:
        p->errors++;
        p->last_error = ev->code;
        return;
    }
}

static inline void world_drive(struct world *w, size_t i)
{
    struct phone *p = &w->phones[i];
    uint8_t buf[SP_DATAGRAM_MAX];
    struct sp_datagram out = {.p = buf, .cap = sizeof buf};
    struct sp_client_event ev;
    if (p->client == NULL)
        return;
    while (sp_client_transmit(p->client, &out, w->now) == 0) {
        w->sent_up++;
        world_put(w, true, i, buf, out.len);
    }
    while (!p->is_lazy && sp_client_poll(p->client, &ev, w->now) == 0)
        app_event(p, &ev);
    if (p->keep.v != 0 && sp_client_keep(p->client, p->keep, w->now) == 0)
        p->keep.v = 0; /* else again next time: its storage may work then */
}

static inline void world_drive_gate(struct world *w)
{
    uint8_t buf[SP_DATAGRAM_MAX];
    struct sp_datagram out = {.p = buf, .cap = sizeof buf};
    while (!w->is_gate_down && gate_transmit(&w->gate, &out, w->now)) {
        w->sent_down++;
        world_put(w, false, (size_t)out.peer.port - 1000, buf, out.len);
    }
}

/* A client may ask to be woken at once now and then, but not again and again while time stands still. */
static inline sp_time world_deadline(struct world *w, struct phone *p)
{
    if (p->client == NULL)
        return SP_NEVER;
    sp_time at = sp_client_deadline(p->client);
    p->wakes = at <= w->now && p->busy_until == w->now ? p->wakes + 1 : 0;
    p->busy_until = w->now;
    cr_assert_lt(p->wakes, 50U, "%s spins", p->user);
    return at;
}

/* One turn: everybody acts, then time goes to the next event, `until` at most. */
static inline void world_turn(struct world *w, sp_time until)
{
    sp_time at = until;
    for (size_t i = 0; i < PHONES; i++)
        world_drive(w, i);
    world_drive_gate(w);
    for (size_t i = 0; i < PHONES; i++) {
        sp_time due = world_deadline(w, &w->phones[i]);
        at = due < at ? due : at;
    }
    sp_time due = w->is_gate_down ? SP_NEVER : gate_deadline(&w->gate);
    at = due < at ? due : at;
    size_t k = 0;
    if (w->packets_n > 0) {
        k = world_next_packet(w);
        at = w->packets[k].at < at ? w->packets[k].at : at;
    }
    w->now = at > w->now ? at : w->now;
    if (w->packets_n > 0 && w->packets[k].at <= w->now)
        world_deliver(w, k);
}

static inline void world_run(struct world *w, sp_time us)
{
    sp_time until = w->now + us;
    while (w->now < until)
        world_turn(w, until);
}

/* Runs until the condition holds; fails after `limit`. */
#define WORLD_UNTIL(w, limit, cond)                                                                          \
    do {                                                                                                     \
        sp_time until_ = (w)->now + (limit);                                                                 \
        while (!(cond) && (w)->now < until_)                                                                 \
            world_turn((w), until_);                                                                         \
        cr_assert(cond, "not within the time");                                                              \
    } while (0)

static inline struct sp_msgid world_send(struct world *w, size_t i, const char *to, const char *body)
{
    struct sp_msgid id = {0};
    struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                            .body = {(const uint8_t *)body, strlen(body)}};
    cr_assert_eq(sp_client_submit(w->phones[i].client, &m, &id, w->now), 0);
    return id;
}

static inline uint8_t world_state(const struct world *w, size_t i, struct sp_msgid id)
{
    return w->phones[i].state[(uint32_t)id.v % APP_SENT];
}

static inline struct sp_client_stats world_stats(const struct world *w, size_t i)
{
    struct sp_client_stats s;
    sp_client_read_stats(w->phones[i].client, &s);
    return s;
}

/* Both phones are on and online. */
static inline struct world *world_online(void)
{
    struct world *w = world_create();
    world_start(w, 0);
    world_start(w, 1);
    WORLD_UNTIL(w, 5 * SP_SECOND, w->phones[0].online > 0 && w->phones[1].online > 0);
    return w;
}

#endif
