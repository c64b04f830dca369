/* Two real links joined by a simulated wire in virtual time, for the tests of this folder.  The wire loses,
 * delays, doubles, reorders and damages datagrams from a seed; everything else is the production code. */
#ifndef SP_TEST_LINK_RIG_H
#define SP_TEST_LINK_RIG_H

#include <criterion/criterion.h>

#include <sampan/err.h>
#include <stdlib.h>

#include "crypto_sodium.h"
#include "link.h"

#define RIG_FRAMES_MAX 65536 /* frames of one direction in one test */
#define RIG_WIRE_MAX   16384 /* datagrams on the way */
#define CLIENT         0
#define GATEWAY        1

struct rig_flight {
    sp_time at;
    uint64_t order; /* ties keep the order of sending */
    int to;
    struct sp_addr from, dest;
    size_t len;
    uint8_t bytes[SP_DATAGRAM_MAX];
};

/* What one side has seen. */
struct rig_side {
    struct sp_link link;
    struct sp_link_memory memory;
    void *block;
    struct sp_rng rng;
    sp_time now_sent; /* last datagram given to the wire */
    uint32_t submitted;
    uint16_t arrived[RIG_FRAMES_MAX];       /* how often frame i arrived here (sent by the other side) */
    uint16_t acked[RIG_FRAMES_MAX];         /* ACKED events for ref i + 1 */
    uint32_t arrived_n, acked_n, dropped_n; /* distinct frames, events */
    sp_time submitted_at[RIG_FRAMES_MAX],
        arrived_at[RIG_FRAMES_MAX]; /* arrived_at: of frames of the other side */
    uint32_t events[SP_LINK_DROPPED + 1];
    struct sp_link_event closed, moved;
    struct sp_frame_options options;
    uint32_t datagrams;   /* sent */
    uint32_t refused[64]; /* by -error of receive */
    uint32_t cwnd_min;
};

struct rig {
    sp_time now;
    uint64_t random;
    /* The wire, the same both ways: shares in per mille. */
    unsigned loss, dup, reorder, corrupt;
    sp_time delay, jitter; /* one way; jitter is uniform on top */
    bool is_dead[2];       /* nothing sent by this side arrives */
    sp_time rate_us;       /* time a datagram takes on the bottleneck up; 0: none */
    sp_time busy_until;
    struct sp_addr client_addr, gateway_addr;
    struct rig_flight *heap[RIG_WIRE_MAX];
    size_t heap_n;
    uint64_t order;
    struct rig_side side[2];
    /* Sees each datagram that arrives at `to`; may be NULL. */
    void (*tap)(struct rig *r, int to, struct rig_flight *f);
};

static inline uint64_t rig_random(struct rig *r)
{
    uint64_t z = (r->random += 0x9e3779b97f4a7c15u); /* splitmix64 (Steele, Lea, Flood, OOPSLA 2014) */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline bool rig_chance(struct rig *r, unsigned per_mille)
{
    return rig_random(r) % 1000 < per_mille;
}

static inline struct sp_addr rig_addr(uint8_t last, uint16_t port)
{
    return (struct sp_addr){.ip = {192, 0, 2, last}, .port = port, .family = 4};
}

static inline bool rig_before(const struct rig_flight *a, const struct rig_flight *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static inline void rig_push(struct rig *r, struct rig_flight *f)
{
    cr_assert(r->heap_n < RIG_WIRE_MAX);
    size_t i = r->heap_n++;
    f->order = r->order++;
    while (i > 0 && rig_before(f, r->heap[(i - 1) / 2])) {
        r->heap[i] = r->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    r->heap[i] = f;
}

static inline struct rig_flight *rig_pop(struct rig *r)
{
    struct rig_flight *top = r->heap[0];
    struct rig_flight *last = r->heap[--r->heap_n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= r->heap_n)
            break;
        if (child + 1 < r->heap_n && rig_before(r->heap[child + 1], r->heap[child]))
            child++;
        if (!rig_before(r->heap[child], last))
            break;
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = last;
    return top;
}

static inline void rig_copy_to_wire(struct rig *r, const struct rig_flight *f)
{
    struct rig_flight *c = malloc(sizeof *c);
    *c = *f;
    c->at += r->delay + (r->jitter > 0 ? (sp_time)(rig_random(r) % (uint64_t)r->jitter) : 0);
    if (rig_chance(r, r->reorder))
        c->at += r->delay;
    if (rig_chance(r, r->corrupt))
        c->bytes[rig_random(r) % c->len] ^= (uint8_t)(1u << rig_random(r) % 8);
    rig_push(r, c);
}

/* A datagram of `from` enters the wire. */
static inline void rig_send(struct rig *r, int from, const struct sp_datagram *d)
{
    struct rig_flight f = {.at = r->now, .to = 1 - from, .dest = d->peer, .len = d->len};
    f.from = from == CLIENT ? r->client_addr : r->gateway_addr;
    memcpy(f.bytes, d->p, d->len);
    r->side[from].datagrams++;
    if (r->is_dead[from] || rig_chance(r, r->loss))
        return;
    if (from == CLIENT && r->rate_us > 0) {
        if (r->busy_until > r->now + 400 * SP_MS)
            return; /* the queue of the bottleneck is full */
        r->busy_until = (r->busy_until > r->now ? r->busy_until : r->now) + r->rate_us;
        f.at = r->busy_until;
    }
    rig_copy_to_wire(r, &f);
    if (rig_chance(r, r->dup))
        rig_copy_to_wire(r, &f);
}

/* The frame that carries number i in either direction; `body` bytes long. */
static inline struct sp_frame rig_frame(int from, uint32_t i, size_t body)
{
    static const uint8_t bytes[SP_PART_MAX];
    struct sp_frame f;
    memset(&f, 0, sizeof f);
    if (from == CLIENT) {
        f.kind = SP_KIND_MSG_R;
        f.u.msg_r.msgid.v = i + 1;
        f.u.msg_r.to = (struct sp_view){(const uint8_t *)"b", 1};
        f.u.msg_r.body = (struct sp_view){bytes, body};
    } else {
        f.kind = SP_KIND_MSG_N;
        f.u.msg_n.seq.v = i + 1;
        f.u.msg_n.msgid.v = i + 1;
        f.u.msg_n.from = (struct sp_view){(const uint8_t *)"a", 1};
        f.u.msg_n.body = (struct sp_view){bytes, body};
    }
    return f;
}

/* Submits the next frame of a side with ref = its number + 1. */
static inline int rig_submit(struct rig *r, int from, size_t body)
{
    struct rig_side *s = &r->side[from];
    cr_assert(s->submitted < RIG_FRAMES_MAX);
    struct sp_frame f = rig_frame(from, s->submitted, body);
    int err = sp_link_submit(&s->link, &f, s->submitted + 1, r->now);
    if (err == 0)
        s->submitted_at[s->submitted++] = r->now;
    return err;
}

static inline void rig_read_frames(struct rig *r, int to)
{
    struct rig_side *s = &r->side[to];
    struct sp_frame f;
    while (sp_link_next(&s->link, &f) == 0) {
        uint64_t i;
        if (f.kind == SP_KIND_MSG_R)
            i = f.u.msg_r.msgid.v - 1;
        else if (f.kind == SP_KIND_MSG_N)
            i = f.u.msg_n.seq.v - 1;
        else
            continue;
        cr_assert(i < r->side[1 - to].submitted);
        if (s->arrived[i]++ == 0) {
            s->arrived_n++;
            s->arrived_at[i] = r->now;
        }
    }
}

static inline void rig_poll(struct rig *r, int who)
{
    struct rig_side *s = &r->side[who];
    struct sp_link_event ev;
    while (sp_link_poll(&s->link, &ev) == 0) {
        s->events[ev.kind]++;
        if (ev.kind == SP_LINK_ACKED) {
            s->acked[ev.ref - 1]++;
            s->acked_n++;
        } else if (ev.kind == SP_LINK_DROPPED) {
            s->dropped_n++;
        } else if (ev.kind == SP_LINK_CLOSED) {
            s->closed = ev;
        } else if (ev.kind == SP_LINK_MOVED) {
            s->moved = ev;
        } else if (ev.kind == SP_LINK_OPTIONS) {
            s->options = ev.options;
        }
    }
}

/* Polls and transmits until the side has nothing more to do now. */
static inline void rig_step(struct rig *r, int who)
{
    struct rig_side *s = &r->side[who];
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    for (int i = 0; i < 10000; i++) {
        rig_poll(r, who);
        if (sp_link_transmit(&s->link, &d, r->now) != 0)
            break;
        rig_send(r, who, &d);
        s->now_sent = r->now;
    }
    rig_poll(r, who);
    if (s->link.congestion.cwnd < s->cwnd_min)
        s->cwnd_min = s->link.congestion.cwnd;
    /* No busy loop: after a turn the deadline lies ahead. */
    cr_assert(sp_link_deadline(&s->link) > r->now, "side %d spins at %ld", who, (long)r->now);
}

static inline void rig_deliver(struct rig *r, struct rig_flight *f)
{
    struct rig_side *s = &r->side[f->to];
    const struct sp_addr *mine = f->to == CLIENT ? &r->client_addr : &r->gateway_addr;
    if (!sp_path_is_same(mine, &f->dest))
        return; /* it went to an address that the side has left */
    if (r->tap != NULL)
        r->tap(r, f->to, f);
    struct sp_datagram d = {.peer = f->from, .p = f->bytes, .len = f->len, .cap = sizeof f->bytes};
    int err = sp_link_receive(&s->link, &d, r->now);
    if (err != 0)
        s->refused[-err]++;
    else
        rig_read_frames(r, f->to);
}

static inline sp_time rig_next(const struct rig *r)
{
    sp_time at = r->heap_n > 0 ? r->heap[0]->at : SP_NEVER;
    for (int i = 0; i < 2; i++) {
        sp_time d = sp_link_deadline(&r->side[i].link);
        at = d < at ? d : at;
    }
    return at;
}

/* Runs until `until`, or until nothing can happen any more. */
static inline void rig_run(struct rig *r, sp_time until)
{
    rig_step(r, CLIENT);
    rig_step(r, GATEWAY);
    while (rig_next(r) <= until) {
        sp_time next = rig_next(r);
        r->now = next > r->now ? next : r->now;
        while (r->heap_n > 0 && r->heap[0]->at <= r->now) {
            struct rig_flight *f = rig_pop(r);
            rig_deliver(r, f);
            free(f);
        }
        rig_step(r, CLIENT);
        rig_step(r, GATEWAY);
    }
    if (until > r->now)
        r->now = until;
}

static inline void rig_run_for(struct rig *r, sp_time span)
{
    rig_run(r, r->now + span);
}

static const uint8_t rig_up[SP_KEY_LEN] = {1};
static const uint8_t rig_down[SP_KEY_LEN] = {2};

/* Gives `to` a datagram of these frames with number pn, as a peer that holds the keys could make it. */
static inline int rig_forge(struct rig *r, int to, uint64_t pn, const struct sp_frame *frames, size_t n)
{
    enum sp_dir dir = to == GATEWAY ? SP_DIR_UP : SP_DIR_DOWN;
    static const uint8_t cid[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct sp_seal seal;
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t len = 0;
    sp_seal_init(&seal, sp_crypto_sodium(), dir == SP_DIR_UP ? rig_up : rig_down, dir, r->now);
    for (size_t i = 0; i < n; i++) {
        size_t used = 0;
        cr_assert_eq(sp_wire_encode(&frames[i], bytes + sp_seal_header(dir) + len, 1100 - len, &used), 0);
        len += used;
    }
    struct sp_datagram d = {.peer = to == GATEWAY ? r->client_addr : r->gateway_addr,
                            .p = bytes,
                            .len = sp_seal_packet(&seal, cid, pn, bytes, len),
                            .cap = sizeof bytes};
    int err = sp_link_receive(&r->side[to].link, &d, r->now);
    if (err == 0)
        rig_read_frames(r, to);
    return err;
}

/* Transmits one datagram of `who` and opens it: its number, and its frames in out (at most max).  SP_EAGAIN:
 * none. */
static inline int rig_look(struct rig *r, int who, uint64_t *pn, struct sp_frame *out, size_t max, size_t *n)
{
    static uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    enum sp_dir dir = who == CLIENT ? SP_DIR_UP : SP_DIR_DOWN;
    struct sp_seal seal;
    struct sp_view frames;
    int err = sp_link_transmit(&r->side[who].link, &d, r->now);
    if (err != 0)
        return err;
    size_t header = sp_seal_header(dir);
    *pn = sp_seal_number(r->side[who].link.next_pn, (uint16_t)(bytes[header - 2] << 8 | bytes[header - 1]));
    sp_seal_init(&seal, sp_crypto_sodium(), dir == SP_DIR_UP ? rig_up : rig_down, dir, r->now);
    cr_assert_eq(sp_seal_open(&seal, bytes, d.len, *pn, *pn - 1, 0, r->now, &frames), 0);
    for (*n = 0; frames.n > 0; (*n)++) {
        size_t used = 0;
        cr_assert_lt(*n, max);
        cr_assert_eq(sp_wire_decode(frames, dir, &out[*n], &used), 0);
        frames.p += used;
        frames.n -= used;
    }
    return 0;
}

static inline void rig_open_side(struct rig *r, int who, const struct sp_link_memory_config *mem)
{
    struct rig_side *s = &r->side[who];
    uint8_t seed[32] = {(uint8_t)who, (uint8_t)r->random, (uint8_t)(r->random >> 8)};
    sp_rng_init(&s->rng, sp_crypto_sodium(), seed);
    s->block = aligned_alloc(_Alignof(max_align_t), (sp_link_memory_footprint(mem) + 63) / 64 * 64);
    sp_link_memory_init(&s->memory, s->block, mem);
    struct sp_link_config cfg = {
        .role = who == CLIENT ? SP_LINK_CLIENT : SP_LINK_GATEWAY,
        .crypto = sp_crypto_sodium(),
        .memory = &s->memory,
        .rng = &s->rng,
        .keys = {rig_up, rig_down},
        .cid = {0, 1, 2, 3, 4, 5, 6, 7},
        .peer = who == CLIENT ? r->gateway_addr : r->client_addr,
        .is_validated = true,
        .early = true,
        .frames_max = 512,
        .ackdelay_ms = who == CLIENT ? 10 : 5,
        .keepalive_s = 25,
        .inbox = who == CLIENT ? 64 : 256,
    };
    sp_link_init(&s->link, &cfg, r->now);
    s->cwnd_min = UINT32_MAX;
}

/* A pair of links that have just shaken hands, on a clean wire of 50 ms each way. */
static inline struct rig *rig_open(uint64_t seed)
{
    static const struct sp_link_memory_config mem = {
        .small_max = 600, .large_max = 600, .packets_max = 4096, .copies_max = 16384};
    struct rig *r = calloc(1, sizeof *r);
    r->random = seed;
    r->now = 1000 * SP_SECOND;
    r->delay = 50 * SP_MS;
    r->client_addr = rig_addr(7, 40000);
    r->gateway_addr = rig_addr(1, 7000);
    rig_open_side(r, CLIENT, &mem);
    rig_open_side(r, GATEWAY, &mem);
    return r;
}

/* Wipes both links, proves that no slot leaked, and frees everything. */
static inline void rig_close(struct rig *r)
{
    for (int i = 0; i < 2; i++) {
        struct rig_side *s = &r->side[i];
        sp_link_wipe(&s->link);
        cr_assert_eq(s->memory.small.used, 0);
        cr_assert_eq(s->memory.large.used, 0);
        cr_assert_eq(s->memory.packets.used, 0);
        cr_assert_eq(s->memory.copies.used, 0);
        free(s->block);
    }
    while (r->heap_n > 0)
        free(rig_pop(r));
    free(r);
}

/* Every frame of `from` arrived and was acknowledged, and each event came once. */
static inline void rig_assert_whole(const struct rig *r, int from)
{
    const struct rig_side *s = &r->side[from];
    const struct rig_side *peer = &r->side[1 - from];
    cr_assert_eq(peer->arrived_n, s->submitted, "%u of %u arrived", peer->arrived_n, s->submitted);
    for (uint32_t i = 0; i < s->submitted; i++) {
        cr_assert_geq(peer->arrived[i], 1, "frame %u", i);
        cr_assert_eq(s->acked[i], 1, "frame %u: %u events", i, s->acked[i]);
    }
    cr_assert_eq(s->dropped_n, 0);
}

#define BODY 100

/* Submits n frames from `from`, at most `window` of them unacknowledged, and runs until all are acknowledged.
 */
static inline void transfer(struct rig *r, int from, uint32_t n, uint32_t window, sp_time limit)
{
    struct rig_side *s = &r->side[from];
    uint32_t goal = s->submitted + n;
    sp_time end = r->now + limit;
    while (s->acked_n < goal && r->now < end) {
        while (s->submitted < goal && s->submitted - s->acked_n < window && rig_submit(r, from, BODY) == 0)
            continue;
        rig_run_for(r, 2 * SP_MS);
    }
    cr_assert_eq(s->acked_n, goal, "%u of %u acknowledged", s->acked_n, goal);
}

static inline void both_ways(struct rig *r, uint32_t n, uint32_t window)
{
    sp_time end = r->now + 1200 * SP_SECOND;
    struct rig_side *s = r->side;
    while ((s[0].acked_n < n || s[1].acked_n < n) && r->now < end) {
        for (int i = 0; i < 2; i++) {
            while (s[i].submitted < n && s[i].submitted - s[i].acked_n < window &&
                   rig_submit(r, i, BODY) == 0)
                continue;
        }
        rig_run_for(r, 2 * SP_MS);
    }
    rig_assert_whole(r, CLIENT);
    rig_assert_whole(r, GATEWAY);
}

#endif
