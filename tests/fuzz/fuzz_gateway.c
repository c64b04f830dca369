/* The production core of the gateway over the reference store, and three devices of two users with valid
 * tokens and no manners.  A script connects them, sends frames of its own choice behind the crypto, replays,
 * damages, moves addresses, lets time pass, turns the wall clock; the store may delay, refuse and lose
 * answers.
 *
 * Promises: no crash and no endless turn; received = accepted + drops; what gatebook.h promises; an address
 * that never had a session gets no more bytes than it sent; after a drain nothing is left: no session, no
 * request, no slot. */
#include "cheapcrypto.h"
#include "core.h"
#include "framegen.h"
#include "fuzz.h"
#include "gatebook.h"
#include "gateway.h"
#include "handpeer.h"
#include "svc_send.h"

#include <sampan/err.h>

#define UNIX_S   1700000000
#define STRANGER 9 /* third byte of the address of whoever has no token */

enum { STEPS_MAX = 300, TURN_MAX = 3000, DRAIN_MAX = 3000, RING = 8, KEYS = 3, RETRIES_MAX = 2, OUT_MAX = 4 };

struct device {
    uint8_t token[SP_TOKEN_LEN], psk[SP_KEY_LEN];
    struct sp_addr addr;
    struct sp_handshake handshake;
    bool is_waiting; /* an INIT is out */
    unsigned retries, sessions;
    struct handpeer keys[KEYS]; /* of its sessions: session n at n % KEYS */
    uint8_t reset[16];
};
struct letter {
    struct sp_addr from;
    size_t len;
    uint8_t bytes[SP_DATAGRAM_MAX];
};
struct world {
    sp_time now;
    int64_t wall_off_us;
    struct sp_store *store;
    struct sp_store_port *port;
    struct sp_gateway *gateway;
    uint8_t secret[32], public[32], token_key[32];
    struct device devices[GATEBOOK_WHO];
    struct letter ring[RING]; /* datagrams sent last */
    size_t ring_n;
    uint8_t serial; /* makes each handshake another one */
    uint32_t head_start;
    uint64_t stranger_in, stranger_out;
    struct gatebook book;
    uint8_t *rooms[OUT_MAX];
};

static void turn(struct world *w);

/* ---- the world ---- */

static int64_t unix_us(const struct world *w)
{
    return (int64_t)UNIX_S * 1000000 + w->now + w->wall_off_us;
}

static void mint(struct world *w, unsigned who, uint16_t rights)
{
    struct device *d = &w->devices[who];
    const char *user = gatebook_users[gatebook_who[who].user];
    struct sp_token t = {.issued = UNIX_S, .expires = UNIX_S + 86400, .device = gatebook_who[who].device};
    uint8_t nonce[24] = {(uint8_t)(who + 1)};
    memset(d->psk, (int)who + 1, sizeof d->psk);
    memcpy(t.psk, d->psk, sizeof t.psk);
    t.rights = rights;
    t.uid_len = (uint8_t)strlen(user);
    memcpy(t.uid, user, t.uid_len);
    FUZZ_CHECK(sp_token_seal(cheap_crypto(), &t, 0, w->token_key, nonce, w->public, d->token) == 0);
    d->addr = (struct sp_addr){.ip = {10, 1, (uint8_t)who}, .port = 1000, .family = 4};
}

static void open_store(struct world *w, uint8_t how, struct script *s)
{
    struct sp_store_config cfg = {.epoch = 1, .head_start = w->head_start};
    char url[32];
    cfg.mailbox_count = (how & 2) != 0 ? 3 : 0;
    cfg.drop_oldest = (how & 4) != 0;
    cfg.faults = (struct sp_store_faults){.set = true};
    if ((how & 1) != 0) {
        uint8_t odds = script_u8(s);
        cfg.faults.lost = (odds & 1) != 0 ? 100 : 0;
        cfg.faults.failed = (odds & 2) != 0 ? 100 : 0;
        cfg.faults.busy = (odds & 4) != 0 ? 100 : 0;
        cfg.faults.max_delay_us = (odds & 8) != 0 ? 20 * SP_MS : 0;
        (void)snprintf(url, sizeof url, "fault:%u:mem:", odds >> 4);
    }
    FUZZ_CHECK(sp_store_open(&w->store, (how & 1) != 0 ? url : "mem:", &cfg) == 0);
    FUZZ_CHECK(sp_store_attach(w->store, &w->port) == 0);
}

static void open_gateway(struct world *w, uint8_t how)
{
    struct sp_gateway_config cfg = {.crypto = cheap_crypto(), .unix_us = unix_us(w), .seed = {how}};
    memcpy(cfg.keys.secret, w->secret, sizeof w->secret);
    memcpy(cfg.keys.public, w->public, sizeof w->public);
    cfg.keys.tokens.n = 1;
    memcpy(cfg.keys.tokens.of[0].key, w->token_key, sizeof w->token_key);
    cfg.sessions_max = (how & 8) != 0 ? 2 : 8;
    cfg.half_open_max = (how & 8) != 0 ? 1 : 4;
    cfg.frames_max = (how & 16) != 0 ? 12 : 256;
    cfg.session_life_s = (how & 32) != 0 ? 60 : 0;
    FUZZ_CHECK(sp_gateway_create(&w->gateway, &cfg, w->port, w->now) == 0);
}

static void open_world(struct world *w, struct script *s)
{
    static const uint16_t rights[4] = {SP_RIGHT_SEND | SP_RIGHT_RECEIVE, SP_RIGHT_SEND | SP_RIGHT_RECEIVE,
                                       SP_RIGHT_SEND, SP_RIGHT_RECEIVE};
    uint8_t how = script_u8(s), more = script_u8(s);
    memset(w, 0, sizeof *w);
    w->now = 1000 * SP_SECOND;
    memset(w->secret, 7, sizeof w->secret);
    memset(w->token_key, 9, sizeof w->token_key);
    cheap_base(NULL, w->public, w->secret);
    w->head_start = (more & 1) != 0 ? UINT32_MAX - 3 : 0;
    for (size_t i = 0; i < OUT_MAX; i++)
        w->rooms[i] = fuzz_block(SP_DATAGRAM_MAX);
    open_store(w, how, s);
    open_gateway(w, how);
    for (unsigned i = 0; i < GATEBOOK_WHO; i++)
        mint(w, i, rights[more >> (2 * i + 1) & 3]);
    w->now += 60 * SP_SECOND; /* INITs of before the start are refused */
}

/* ---- to the gateway ---- */

static void deliver(struct world *w, const struct sp_addr *from, const uint8_t *p, size_t len)
{
    uint8_t *exact = fuzz_copy(p, len);
    struct sp_datagram d = {.peer = *from, .p = exact, .len = len, .cap = len};
    if (from->ip[2] == STRANGER)
        w->stranger_in += len;
    sp_gateway_receive(w->gateway, &d, 1, w->now);
    free(exact);
}

/* The same, and remembers it for replays. */
static void send(struct world *w, const struct sp_addr *from, const uint8_t *p, size_t len)
{
    struct letter *l = &w->ring[w->ring_n++ % RING];
    l->from = *from;
    l->len = len;
    memcpy(l->bytes, p, len);
    deliver(w, from, p, len);
}

static void send_init(struct world *w, unsigned who, struct sp_view frames, struct sp_view cookie)
{
    struct device *d = &w->devices[who];
    uint8_t e[32], init[SP_DATAGRAM_MAX];
    size_t len = 0;
    memset(e, ++w->serial, sizeof e);
    struct sp_init_fields f = {.e_secret = e,
                               .gateway_pk = w->public,
                               .psk = d->psk,
                               .token = d->token,
                               .time_s = (uint32_t)(unix_us(w) / 1000000),
                               .cookie = cookie,
                               .frames = frames};
    if (frames.n + cookie.n > SP_INIT_FRAMES_MAX)
        f.frames.n = SP_INIT_FRAMES_MAX - cookie.n;
    FUZZ_CHECK(sp_handshake_init(&d->handshake, cheap_crypto(), &f, init, sizeof init, &len) == 0);
    d->is_waiting = true;
    gatebook_sent(&w->book, who, d->sessions + 1, f.frames);
    send(w, &d->addr, init, len);
}

static void send_data(struct world *w, unsigned who, struct sp_view frames)
{
    struct device *d = &w->devices[who];
    uint8_t datagram[SP_DATAGRAM_MAX];
    size_t most = frames.n < SP_FRAMES_UP_MAX ? frames.n : SP_FRAMES_UP_MAX;
    if (d->sessions == 0)
        return;
    frames.n = most;
    gatebook_sent(&w->book, who, d->sessions, frames);
    size_t len = handpeer_seal(&d->keys[d->sessions % KEYS], frames, datagram);
    send(w, &d->addr, datagram, len);
}

/* ---- from the gateway ---- */

static void hear_accept(struct world *w, unsigned who, uint8_t *p, size_t len)
{
    struct device *d = &w->devices[who];
    struct sp_accept a;
    struct sp_session_keys keys;
    if (!d->is_waiting || sp_handshake_finish(&d->handshake, p, len, &a, &keys) != 0)
        return; /* of an earlier INIT */
    d->is_waiting = false;
    d->retries = 0;
    d->sessions++;
    memcpy(d->reset, a.reset, sizeof d->reset);
    handpeer_init(&d->keys[d->sessions % KEYS], cheap_crypto(), &keys, SP_DIR_UP, a.cid, w->now);
    fuzz_tell("    %u has session %u", who, d->sessions);
}

static void hear_retry(struct world *w, unsigned who, const uint8_t *p, size_t len)
{
    struct device *d = &w->devices[who];
    uint8_t cookie[SP_COOKIE_LEN];
    FUZZ_CHECK(len == SP_RETRY_LEN);
    if (!d->is_waiting || d->retries == RETRIES_MAX)
        return;
    d->retries++;
    memcpy(cookie, p + 9, sizeof cookie);
    send_init(w, who, (struct sp_view){0}, (struct sp_view){cookie, sizeof cookie});
}

/* DATA of one of the device's last sessions. */
static void hear_data(struct world *w, unsigned who, const uint8_t *p, size_t len)
{
    struct device *d = &w->devices[who];
    for (unsigned i = 0; i < KEYS && i < d->sessions; i++) {
        unsigned session = d->sessions - i;
        uint8_t *exact = fuzz_copy(p, len);
        struct sp_view frames;
        uint8_t cause;
        bool is_mine = handpeer_open(&d->keys[session % KEYS], exact, len, w->now, &frames);
        if (is_mine) {
            FUZZ_CHECK(sp_wire_check(frames, SP_DIR_DOWN, &cause) == 0);
            gatebook_heard(&w->book, who, session, frames);
        }
        free(exact);
        if (is_mine)
            return;
    }
    FUZZ_CHECK(d->sessions >= KEYS); /* a session that is forgotten here */
}

static void hear(struct world *w, const struct sp_datagram *out)
{
    unsigned who = out->peer.ip[2];
    FUZZ_CHECK(out->len > 0);
    FUZZ_CHECK(out->len <= SP_DATAGRAM_MAX);
    fuzz_tell("  out to %u: %02x, %zu bytes", who, out->p[0], out->len);
    if (who == STRANGER) {
        w->stranger_out += out->len;
        FUZZ_CHECK(w->stranger_out <= w->stranger_in);
        return;
    }
    FUZZ_CHECK(who < GATEBOOK_WHO);
    switch (out->p[0]) {
    case SP_FIRST_ACCEPT:
        hear_accept(w, who, out->p, out->len);
        break;
    case SP_FIRST_RETRY:
        hear_retry(w, who, out->p, out->len);
        break;
    case SP_FIRST_RESET:
        FUZZ_CHECK(out->len == SP_RESET_LEN);
        break;
    default:
        FUZZ_CHECK((out->p[0] & 0xfe) == SP_FIRST_DATA);
        hear_data(w, who, out->p, out->len);
        break;
    }
}

static void check_sums(const struct world *w)
{
    static const struct {
        const char *name;
        size_t at;
    } fields[] = {
#define FIELD(field, help) {#field, offsetof(struct sp_stats, field)},
        SP_STATS(FIELD)
#undef FIELD
    };
    struct sp_stats st;
    uint64_t drops = 0;
    sp_gateway_read_stats(w->gateway, &st);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)&st + fields[i].at, sizeof value);
        drops += strncmp(fields[i].name, "drop_", 5) == 0 ? value : 0;
    }
    FUZZ_CHECK(st.datagrams_received == st.datagrams_accepted + drops);
    FUZZ_CHECK(st.frames_unfit == 0);
}

/* The gateway acts until it rests: afterwards its deadline lies ahead. */
static void turn(struct world *w)
{
    unsigned turns = 0;
    do {
        struct sp_datagram out[OUT_MAX];
        FUZZ_CHECK(++turns < TURN_MAX);
        sp_gateway_step(w->gateway, w->now);
        for (size_t i = 0; i < OUT_MAX; i++)
            out[i] = (struct sp_datagram){.p = w->rooms[i], .cap = SP_DATAGRAM_MAX};
        size_t n = sp_gateway_transmit(w->gateway, out, 1 + turns % OUT_MAX, w->now);
        for (size_t i = 0; i < n; i++)
            hear(w, &out[i]);
    } while (sp_gateway_deadline(w->gateway) <= w->now);
    check_sums(w);
}

/* ---- steps of the script ---- */

static size_t choose_frames(struct world *w, unsigned who, struct script *s, bool has_ack, uint8_t *dst,
                            size_t cap)
{
    const struct device *d = &w->devices[who];
    const struct handpeer *p = &d->keys[d->sessions % KEYS];
    struct framegen g = {.dir = SP_DIR_UP,
                         .users = gatebook_users,
                         .users_n = GATEBOOK_USERS,
                         .epoch = 1,
                         .acked_near = (uint32_t)p->largest,
                         .pull_id = (uint16_t)(1 + w->ring_n),
                         .ack_id = (uint16_t)(1 + w->ring_n),
                         .status_id = 1,
                         .seq_base = w->head_start};
    size_t n = has_ack ? handpeer_ack(p, dst, cap, w->now) : 0;
    return n + framegen_frames(s, &g, dst + n, cap - n);
}

static void step_send(struct world *w, unsigned who, struct script *s, bool has_ack)
{
    uint8_t frames[SP_FRAMES_UP_MAX];
    struct device *d = &w->devices[who];
    if (d->sessions == 0)
        return;
    size_t n = choose_frames(w, who, s, has_ack, frames, sizeof frames);
    fuzz_tell("  %u sends %zu bytes of frames", who, n);
    send_data(w, who, (struct sp_view){frames, n});
}

static void step_connect(struct world *w, unsigned who, struct script *s)
{
    uint8_t frames[SP_FRAMES_UP_MAX], how = script_u8(s), cookie[SP_COOKIE_LEN] = {how};
    size_t n = (how & 1) != 0 ? choose_frames(w, who, s, false, frames, sizeof frames) : 0;
    fuzz_tell("  %u connects", who);
    send_init(w, who, (struct sp_view){frames, n}, (struct sp_view){cookie, how >= 0xf0 ? SP_COOKIE_LEN : 0});
    turn(w);
    if ((how & 2) == 0)
        send_data(w, who, (struct sp_view){(const uint8_t[]){SP_KIND_PING}, 1});
}

/* A datagram of before, from the same or another address, as it was or damaged. */
static void step_replay(struct world *w, struct script *s)
{
    uint8_t how = script_u8(s);
    size_t n = w->ring_n < RING ? w->ring_n : RING;
    if (n == 0)
        return;
    struct letter l = w->ring[how % n];
    if ((how & 0x40) != 0) {
        uint16_t at = script_u16(s);
        l.bytes[at % l.len] ^= script_u8(s);
    }
    if ((how & 0x20) != 0)
        l.len -= script_u8(s) % l.len;
    if ((how & 0x80) != 0)
        l.from = (struct sp_addr){.ip = {10, 1, STRANGER}, .port = 7, .family = 4};
    deliver(w, &l.from, l.bytes, l.len);
}

static void step_garbage(struct world *w, struct script *s)
{
    struct sp_addr from = {.ip = {10, 1, STRANGER}, .port = 7, .family = 4};
    uint8_t bytes[SP_DATAGRAM_MAX + 8] = {0};
    size_t n = script_u16(s) % (sizeof bytes + 1);
    struct sp_view raw = script_view(s, script_u8(s));
    if (raw.n > 0)
        memcpy(bytes, raw.p, raw.n);
    deliver(w, &from, bytes, n);
}

static void step_wall(struct world *w, struct script *s)
{
    uint8_t how = script_u8(s);
    int64_t span = script_span(s) * ((how & 0x7e) == 0x7e ? 24 * 8 : 1);
    w->wall_off_us += (how & 1) != 0 && w->wall_off_us >= span ? -span : span;
    w->book.has_aged |= w->wall_off_us > 86400 * SP_SECOND;
    sp_gateway_wall(w->gateway, unix_us(w), w->now);
    if ((how & 0x81) != 0x81)
        return;
    struct sp_gateway_change change = {.message_ttl_s = how & 7, .session_life_s = 30 + how};
    change.tokens = w->gateway->cfg.keys.tokens;
    int err = sp_gateway_change(w->gateway, &change);
    FUZZ_CHECK(err == (change.message_ttl_s > 0 ? 0 : SP_EINVAL));
}

static void wake(struct world *w, sp_time most)
{
    sp_time at = sp_gateway_deadline(w->gateway);
    if (at > w->now)
        w->now = at < w->now + most ? at : w->now + most;
}

static void step(struct world *w, struct script *s)
{
    uint8_t b = script_u8(s);
    unsigned who = (b & 3U) % GATEBOOK_WHO;
    fuzz_tell("%lld us: step %02x", (long long)w->now, b);
    switch (b >> 2 & 15) {
    case 8:
        step_connect(w, who, s);
        break;
    case 9:
        step_replay(w, s);
        break;
    case 10:
        step_garbage(w, s);
        break;
    case 11:
        w->now += script_span(s);
        break;
    case 12:
        wake(w, 3600 * SP_SECOND);
        break;
    case 13:
        w->devices[who].addr.port = (uint16_t)(1000 + (script_u8(s) & 3));
        break;
    case 14:
        if (w->devices[who].sessions > 0)
            handpeer_turn(&w->devices[who].keys[w->devices[who].sessions % KEYS], w->now);
        break;
    case 15:
        step_wall(w, s);
        break;
    default:
        step_send(w, who, s, (b & 4) != 0);
        break;
    }
    if (b < 0xc0) /* else what follows is of the same turn */
        turn(w);
}

/* All sessions end, all answers come, all slots return. */
static void drain(struct world *w)
{
    const struct sp_gateway *g = w->gateway;
    turn(w);
    sp_gateway_drain(w->gateway, 5, w->now);
    turn(w);
    for (unsigned n = 0; !sp_gateway_is_drained(g) || g->sends.used > 0; n++) {
        FUZZ_CHECK(n < DRAIN_MAX);
        FUZZ_CHECK(sp_gateway_deadline(g) != SP_NEVER);
        wake(w, 3600 * SP_SECOND);
        turn(w);
    }
    FUZZ_CHECK(g->statuses.used == 0);
    FUZZ_CHECK(g->refusals.used == 0);
    FUZZ_CHECK(g->link_memory.small.used == 0);
    FUZZ_CHECK(g->link_memory.large.used == 0);
    FUZZ_CHECK(g->link_memory.packets.used == 0);
    FUZZ_CHECK(g->link_memory.copies.used == 0);
    FUZZ_CHECK(g->live_n == 0);
    FUZZ_CHECK(g->half_open_n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct script s = {data, size};
    struct script nothing = {0};
    open_world(&w, &s);
    for (unsigned i = 0; i < GATEBOOK_WHO - 1; i++)
        step_connect(&w, i, &nothing);
    for (unsigned n = 0; n < STEPS_MAX && script_has_more(&s); n++)
        step(&w, &s);
    drain(&w);
    sp_gateway_destroy(&w.gateway);
    gatebook_close(&w.book, w.head_start, w.port, w.now, unix_us(&w));
    sp_store_close(&w.store);
    for (size_t i = 0; i < OUT_MAX; i++)
        free(w.rooms[i]);
    return 0;
}
