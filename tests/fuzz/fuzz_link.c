/* Two production links and the wire between them, driven by a script: submit, transmit, deliver, lose,
 * double, damage, move the address, let time pass, and inject datagrams that a peer with the keys could have
 * written.
 *
 * Promises: no crash and no endless loop; each ref returns exactly once, a withdrawn one never; nothing is
 * ACKED that has not arrived; after a turn the deadline lies ahead; a datagram against the protocol closes
 * the link and hands out nothing; an address that proved nothing gets at most three times its bytes; when the
 * wire heals every ref returns; after wipe every slot is back. */
#include "cheapcrypto.h"
#include "framegen.h"
#include "fuzz.h"
#include "handpeer.h"
#include "kinds.h"
#include "link.h"

enum { CLIENT, GATEWAY, ENDS };
enum { WIRE_MAX = 24, REFS_MAX = 200, STEPS_MAX = 400, TURN_MAX = 4000, ROUNDS_MAX = 2000, ADDRS = 4 };

enum ref_state { REF_NONE, REF_OUT, REF_ACKED, REF_DROPPED, REF_WITHDRAWN };

struct flight {
    size_t len;
    uint8_t bytes[SP_DATAGRAM_MAX];
};
struct end {
    struct sp_link link;
    struct sp_link_memory memory;
    struct sp_rng rng;
    struct handpeer forger; /* holds the keys of the other end */
    struct flight slots[WIRE_MAX];
    uint8_t wire[WIRE_MAX]; /* slots: the first wire_n on their way to here, oldest first; the others free */
    size_t wire_n;
    unsigned refs_n;
    uint8_t refs[REFS_MAX + 1];    /* enum ref_state */
    bool is_tracked[REFS_MAX + 1]; /* its arrival can be seen: a message with this ref as its id */
    bool arrived[REFS_MAX + 1];    /* frames of the other end, by their ref there */
    bool is_closed;                /* CLOSED was told */
};
struct world {
    sp_time now;
    struct end end[ENDS];
    bool is_forged; /* something was injected: acknowledgements may lie */
    size_t from;    /* address of the client at present */
    uint64_t in[ADDRS], out[ADDRS];
    bool is_proven[ADDRS];
    uint8_t *room; /* of a datagram that is written: exactly SP_DATAGRAM_MAX bytes */
};

static const struct sp_addr addrs[ADDRS] = {
    {.ip = {192, 0, 2, 7}, .port = 40000, .family = 4},
    {.ip = {192, 0, 2, 7}, .port = 40001, .family = 4},
    {.ip = {198, 51, 100, 9}, .port = 5, .family = 4},
    {.ip = {127, 0, 0, 1}, .port = 99, .family = 4},
};
static const struct sp_addr gateway_addr = {.ip = {192, 0, 2, 1}, .port = 7000, .family = 4};
static const char *const users[] = {"a", "b"};

/* ---- the world ---- */

static void open_end(struct world *w, int who, struct script *s, bool is_validated)
{
    static const struct sp_link_memory_config sizes[] = {
        {64, 64, 128, 256}, {8, 4, 12, 16}, {16, 16, 16, 64}, {600, 600, 1024, 4096}};
    static void *blocks[ENDS][4]; /* kept from run to run: fresh pages cost more than a run */
    struct end *e = &w->end[who];
    struct sp_session_keys keys = {.up = {1}, .down = {2}};
    size_t which = script_pick(s, 4);
    const struct sp_link_memory_config *size = &sizes[which];
    uint8_t seed[32] = {(uint8_t)who, script_u8(s)}, flags = script_u8(s);
    sp_rng_init(&e->rng, cheap_crypto(), seed);
    if (blocks[who][which] == NULL)
        blocks[who][which] = fuzz_block(sp_link_memory_footprint(size));
    sp_link_memory_init(&e->memory, blocks[who][which], size);
    for (uint8_t i = 0; i < WIRE_MAX; i++)
        e->wire[i] = i;
    struct sp_link_config cfg = {.role = who == CLIENT ? SP_LINK_CLIENT : SP_LINK_GATEWAY,
                                 .crypto = cheap_crypto(),
                                 .memory = &e->memory,
                                 .rng = &e->rng,
                                 .keys = {keys.up, keys.down},
                                 .cid = {0, 1, 2, 3, 4, 5, 6, 7},
                                 .peer = who == CLIENT ? gateway_addr : addrs[0],
                                 .is_validated = is_validated,
                                 .received_bytes = SP_DATAGRAM_MAX,
                                 .early = (flags & 1) != 0,
                                 .frames_max = (flags & 2) != 0 ? 12 : 200,
                                 .ackdelay_ms = who == CLIENT ? 10 : 5,
                                 .keepalive_s = 25,
                                 .inbox = 64};
    sp_link_init(&e->link, &cfg, w->now);
    handpeer_init(&e->forger, cheap_crypto(), &keys, who == CLIENT ? SP_DIR_DOWN : SP_DIR_UP, cfg.cid,
                  w->now);
}

static void close_end(struct end *e)
{
    sp_link_wipe(&e->link);
    FUZZ_CHECK(e->memory.small.used == 0);
    FUZZ_CHECK(e->memory.large.used == 0);
    FUZZ_CHECK(e->memory.packets.used == 0);
    FUZZ_CHECK(e->memory.copies.used == 0);
}

/* ---- hearing ---- */

static void hear_return(struct world *w, int who, const struct sp_link_event *ev)
{
    struct end *e = &w->end[who];
    FUZZ_CHECK(ev->ref >= 1);
    FUZZ_CHECK(ev->ref <= e->refs_n);
    FUZZ_CHECK(e->refs[ev->ref] == REF_OUT);
    e->refs[ev->ref] = ev->kind == SP_LINK_ACKED ? REF_ACKED : REF_DROPPED;
    if (ev->kind == SP_LINK_ACKED && e->is_tracked[ev->ref] && !w->is_forged)
        FUZZ_CHECK(w->end[1 - who].arrived[ev->ref]);
}

static void hear(struct world *w, int who)
{
    struct end *e = &w->end[who];
    struct sp_link_event ev;
    for (unsigned n = 0; sp_link_poll(&e->link, &ev) == 0; n++) {
        FUZZ_CHECK(n < TURN_MAX);
        FUZZ_CHECK(!e->is_closed);
        fuzz_tell("  %d hears %d ref %llu", who, (int)ev.kind, (unsigned long long)ev.ref);
        if (ev.kind == SP_LINK_ACKED || ev.kind == SP_LINK_DROPPED)
            hear_return(w, who, &ev);
        else if (ev.kind == SP_LINK_CLOSED)
            e->is_closed = true;
        else if (ev.kind == SP_LINK_MOVED)
            FUZZ_CHECK(who == GATEWAY);
    }
}

static size_t addr_index(const struct sp_addr *a)
{
    size_t i = 0;
    while (i < ADDRS && !sp_path_is_same(a, &addrs[i]))
        i++;
    FUZZ_CHECK(i < ADDRS); /* else an address that nothing came from */
    return i;
}

static void note_proven(struct world *w)
{
    const struct sp_path *p = &w->end[GATEWAY].link.path;
    if (p->is_validated)
        w->is_proven[addr_index(&p->peer)] = true;
}

/* ---- sending ---- */

static void note_sent(struct world *w, int who, const struct sp_datagram *d)
{
    FUZZ_CHECK(d->len > 0);
    FUZZ_CHECK(d->len <= SP_DATAGRAM_MAX);
    if (who == CLIENT) {
        FUZZ_CHECK(sp_path_is_same(&d->peer, &gateway_addr));
        return;
    }
    size_t i = addr_index(&d->peer);
    FUZZ_CHECK(i != 3); /* loopback, and the peer is not there */
    w->out[i] += d->len;
    FUZZ_CHECK(w->is_proven[i] || w->out[i] <= 3 * w->in[i]);
}

static void put_on_wire(struct world *w, int from, const uint8_t *p, size_t len)
{
    struct end *to = &w->end[1 - from];
    if (to->wire_n == WIRE_MAX)
        return; /* lost */
    struct flight *f = &to->slots[to->wire[to->wire_n++]];
    f->len = len;
    memcpy(f->bytes, p, len);
}

/* One datagram; false: nothing to send. */
static bool transmit(struct world *w, int who)
{
    struct end *e = &w->end[who];
    struct sp_datagram d = {.p = w->room, .cap = SP_DATAGRAM_MAX};
    int err = sp_link_transmit(&e->link, &d, w->now);
    note_proven(w);
    FUZZ_CHECK(err == 0 || err == SP_EAGAIN);
    if (err == 0) {
        fuzz_tell("  %d sends %zu bytes", who, d.len);
        note_sent(w, who, &d);
        put_on_wire(w, who, d.p, d.len);
    }
    hear(w, who);
    return err == 0;
}

static void turn(struct world *w, int who)
{
    unsigned n = 0;
    hear(w, who);
    while (transmit(w, who))
        FUZZ_CHECK(++n < TURN_MAX);
    FUZZ_CHECK(sp_link_deadline(&w->end[who].link) > w->now);
}

/* ---- receiving ---- */

static void read_frame(struct world *w, int who, const struct sp_frame *f, struct sp_view within)
{
    uint64_t id = 0;
    struct sp_view body = {0};
    if (f->kind == SP_KIND_MSG_R) {
        id = f->u.msg_r.msgid.v;
        body = f->u.msg_r.body;
    } else if (f->kind == SP_KIND_MSG_N) {
        id = f->u.msg_n.msgid.v;
        body = f->u.msg_n.body;
    }
    FUZZ_CHECK(body.n == 0 || (body.p >= within.p && body.p + body.n <= within.p + within.n));
    if (id >= 1 && id <= REFS_MAX)
        w->end[who].arrived[id] = true;
}

/* Hands a datagram to an end in a block of exactly its size.  Returns what receive said. */
static int receive(struct world *w, int who, const uint8_t *p, size_t len)
{
    struct end *e = &w->end[who];
    uint8_t *exact = fuzz_copy(p, len);
    struct sp_datagram d = {
        .peer = who == GATEWAY ? addrs[w->from] : gateway_addr, .p = exact, .len = len, .cap = len};
    struct sp_frame f;
    if (who == GATEWAY)
        w->in[w->from] += len;
    int err = sp_link_receive(&e->link, &d, w->now);
    note_proven(w);
    for (unsigned n = 0; err == 0 && sp_link_next(&e->link, &f) == 0; n++) {
        FUZZ_CHECK(n < SP_DATAGRAM_MAX);
        read_frame(w, who, &f, (struct sp_view){exact, len});
    }
    FUZZ_CHECK(err == 0 || sp_link_next(&e->link, &f) == SP_EAGAIN);
    hear(w, who);
    free(exact);
    return err;
}

static void take_off_wire(struct end *e, size_t i)
{
    uint8_t slot = e->wire[i];
    e->wire_n--;
    memmove(&e->wire[i], &e->wire[i + 1], e->wire_n - i);
    e->wire[e->wire_n] = slot;
}

static void deliver(struct world *w, int who, struct script *s)
{
    struct end *e = &w->end[who];
    uint8_t how = script_u8(s);
    if (e->wire_n == 0)
        return;
    size_t i = (how & 0x80) != 0 ? (how & 15) % e->wire_n : 0;
    struct flight f = e->slots[e->wire[i]];
    if ((how & 0x40) == 0) /* else it comes once more later */
        take_off_wire(e, i);
    if ((how & 0x30) == 0x30) {
        uint8_t at = script_u8(s);
        f.bytes[at % f.len] ^= script_u8(s);
    }
    fuzz_tell("  %d gets %zu bytes", who, f.len);
    (void)receive(w, who, f.bytes, f.len);
}

/* ---- steps of the script ---- */

static void submit(struct world *w, int who, struct script *s)
{
    static const uint8_t zeros[SP_PART_MAX];
    struct end *e = &w->end[who];
    struct framegen g = {
        .dir = who == CLIENT ? SP_DIR_UP : SP_DIR_DOWN, .users = users, .users_n = 2, .epoch = 1};
    struct sp_frame f;
    uint8_t how = script_u8(s);
    if (e->refs_n == REFS_MAX)
        return;
    unsigned ref = e->refs_n + 1;
    bool is_message = (how & 0x80) == 0;
    g.msgid_base = (uint64_t)REFS_MAX + 1; /* other frames carry no id that is tracked */
    if (is_message) {
        struct sp_view body = {zeros, (how & 0x40) != 0 ? SP_PART_MAX : how & 0x3f};
        struct sp_view user = {(const uint8_t *)"a", 1};
        memset(&f, 0, sizeof f);
        f.kind = who == CLIENT ? SP_KIND_MSG_R : SP_KIND_MSG_N;
        if (who == CLIENT)
            f.u.msg_r = (struct sp_frame_msg_r){.msgid = {ref}, .to = user, .body = body};
        else
            f.u.msg_n = (struct sp_frame_msg_n){.seq = {ref}, .msgid = {ref}, .from = user, .body = body};
    } else {
        framegen_frame(s, &g, &f);
        if (sp_kinds_get(f.kind)->is_link)
            return; /* only the link itself writes these */
    }
    int err = sp_link_submit(&e->link, &f, ref, w->now);
    fuzz_tell("  %d submits %02x ref %u: %d", who, f.kind, ref, err);
    FUZZ_CHECK(err == 0 || err == SP_EFULL || err == SP_EINVAL || err == SP_ECLOSED);
    FUZZ_CHECK(!is_message || err != SP_EINVAL);
    if (err == 0) {
        e->refs_n = ref;
        e->refs[ref] = REF_OUT;
        e->is_tracked[ref] = is_message;
    }
    hear(w, who);
}

static void withdraw(struct world *w, int who, struct script *s)
{
    struct end *e = &w->end[who];
    unsigned ref = script_u8(s);
    sp_link_cancel(&e->link, ref);
    if (ref >= 1 && ref <= e->refs_n && e->refs[ref] == REF_OUT)
        e->refs[ref] = REF_WITHDRAWN;
    hear(w, who);
}

static void inject(struct world *w, int who, struct script *s)
{
    struct end *e = &w->end[who];
    const struct sp_link *other = &w->end[1 - who].link;
    struct framegen g = {.dir = e->forger.seal.dir,
                         .users = users,
                         .users_n = 2,
                         .msgid_base = (uint64_t)REFS_MAX + 1,
                         .epoch = 1,
                         .acked_near = (uint32_t)e->link.last_pn};
    uint8_t frames[SP_DATAGRAM_MAX], datagram[SP_DATAGRAM_MAX], how = script_u8(s), cause;
    if (e->forger.next_pn < other->next_pn)
        e->forger.next_pn = other->next_pn;
    e->forger.next_pn += (how & 0x80) != 0 ? script_u16(s) : 0;
    if ((how & 0x7f) == 0x7f)
        handpeer_turn(&e->forger, w->now);
    size_t most = g.dir == SP_DIR_UP ? SP_FRAMES_UP_MAX : SP_FRAMES_DOWN_MAX;
    size_t n = framegen_frames(s, &g, frames, most);
    bool is_wrong = sp_wire_check((struct sp_view){frames, n}, g.dir, &cause) != 0;
    bool was_closed = e->link.is_closed;
    size_t len = handpeer_seal(&e->forger, (struct sp_view){frames, n}, datagram);
    w->is_forged = true;
    int err = receive(w, who, datagram, len);
    fuzz_tell("  injected %zu bytes of frames into %d, wrong %d: %d", n, who, is_wrong, err);
    FUZZ_CHECK(!was_closed || err == SP_ECLOSED);
    if (err == 0 && is_wrong) {
        FUZZ_CHECK(e->link.is_closed);
        FUZZ_CHECK(e->link.close_is_local);
        FUZZ_CHECK(e->link.close.code == SP_CLOSE_PROTOCOL);
        FUZZ_CHECK(e->link.close.cause == cause);
    }
}

/* Time goes to the next deadline, `most` at most. */
static void wake(struct world *w, int who, sp_time most)
{
    sp_time at = sp_link_deadline(&w->end[who].link);
    if (at > w->now)
        w->now = at < w->now + most ? at : w->now + most;
}

static void end_link(struct world *w, int who, struct script *s)
{
    struct end *e = &w->end[who];
    uint8_t how = script_u8(s);
    if (how < 0x40)
        sp_link_close(&e->link, (enum sp_close)(how & 7), script_u8(s), w->now);
    else if (how < 0x60)
        sp_link_violation(&e->link, how, w->now);
    else if (how < 0xa0)
        sp_link_options(&e->link, script_u8(s), script_u8(s), how & 3, w->now);
    else if (who == CLIENT)
        sp_link_network(&e->link, w->now);
    hear(w, who);
}

static void step(struct world *w, struct script *s)
{
    uint8_t b = script_u8(s);
    int who = b & 1;
    fuzz_tell("%lld us: step %02x", (long long)w->now, b);
    switch (b >> 1 & 15) {
    case 0:
    case 1:
    case 2:
        submit(w, who, s);
        break;
    case 3:
    case 4:
        (void)transmit(w, who);
        break;
    case 5:
    case 6:
        turn(w, who);
        break;
    case 7:
    case 8:
    case 9:
        deliver(w, who, s);
        break;
    case 10:
        w->now += script_span(s);
        break;
    case 11:
        wake(w, who, 3600 * SP_SECOND);
        turn(w, who);
        break;
    case 12:
        inject(w, who, s);
        break;
    case 13:
        if (w->end[who].wire_n > 0)
            take_off_wire(&w->end[who], 0);
        break;
    case 14:
        withdraw(w, who, s);
        break;
    default:
        if ((b & 0xe0) == 0)
            end_link(w, who, s);
        else if ((b & 0xe0) == 0x20)
            w->from = script_pick(s, ADDRS);
        else
            turn(w, who);
        break;
    }
}

static bool is_waiting(const struct end *e)
{
    for (unsigned i = 1; i <= e->refs_n; i++) {
        if (e->refs[i] == REF_OUT)
            return true;
    }
    return false;
}

/* A clean wire, until every ref has returned. */
static void heal(struct world *w)
{
    w->from = w->from == 3 ? 0 : w->from;
    for (unsigned round = 0; is_waiting(&w->end[CLIENT]) || is_waiting(&w->end[GATEWAY]); round++) {
        FUZZ_CHECK(round < ROUNDS_MAX);
        for (int who = 0; who < ENDS; who++) {
            struct end *e = &w->end[who];
            while (e->wire_n > 0) {
                struct flight f = e->slots[e->wire[0]];
                take_off_wire(e, 0);
                (void)receive(w, who, f.bytes, f.len);
            }
            turn(w, who);
        }
        if (w->end[CLIENT].wire_n > 0 || w->end[GATEWAY].wire_n > 0) {
            w->now += 20 * SP_MS;
            continue;
        }
        sp_time a = sp_link_deadline(&w->end[CLIENT].link), b = sp_link_deadline(&w->end[GATEWAY].link);
        bool is_over = !is_waiting(&w->end[CLIENT]) && !is_waiting(&w->end[GATEWAY]);
        FUZZ_CHECK(is_over || a != SP_NEVER || b != SP_NEVER);
        wake(w, a < b ? CLIENT : GATEWAY, 3600 * SP_SECOND);
        fuzz_tell("%lld us: healing", (long long)w->now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct script s = {data, size};
    memset(&w, 0, sizeof w);
    w.now = 1000 * SP_SECOND;
    w.room = fuzz_block(SP_DATAGRAM_MAX);
    bool is_validated = (script_u8(&s) & 1) != 0;
    w.in[0] = SP_DATAGRAM_MAX; /* INIT */
    w.is_proven[0] = is_validated;
    open_end(&w, CLIENT, &s, true);
    open_end(&w, GATEWAY, &s, is_validated);
    for (unsigned n = 0; n < STEPS_MAX && script_has_more(&s); n++)
        step(&w, &s);
    if (!w.is_forged)
        heal(&w);
    close_end(&w.end[CLIENT]);
    close_end(&w.end[GATEWAY]);
    free(w.room);
    return 0;
}
