/* The production client library in the hands of a gateway that has the keys and no manners: it answers INITs
 * as it likes, sends frames of a script's choice behind the crypto, forgets, repeats, lies.  The app submits,
 * keeps, asks, is killed and starts again; its storage fails.
 *
 * Promises: no crash, no endless turn; what clientbook.h promises; keep of what was handed up never fails
 * while storage works, and keep of more always does. */
#include "cheapcrypto.h"
#include "clientbook.h"
#include "framegen.h"
#include "fuzz.h"
#include "handpeer.h"

#define UNIX_S 1700000000
#define DAY    (86400 * SP_SECOND)

enum {
    STEPS_MAX = 300,
    TURN_MAX = 3000,
    QUIET_MAX = 50,
    KEYS = 3,
    PSKS = 5,
    LIVES_MAX = 6,
    OUTBOX = 12,
    INBOX = 5
};

struct world {
    sp_time now;
    struct tinylocal local;
    struct clientbook book;
    struct sp_client *client;
    void *memory; /* of the client; kept from life to life and run to run, because fresh pages cost more than
                     a run */
    size_t memory_len;
    unsigned lives;
    bool is_closed; /* the app said goodbye */
    uint8_t secret[32], public[32];
    uint8_t flags; /* of the script */
    /* The gateway. */
    uint8_t init[SP_DATAGRAM_MAX]; /* the last INIT; length 0: none */
    size_t init_len;
    unsigned sessions;
    struct handpeer keys[KEYS]; /* of session n at n % KEYS */
    uint8_t reset[16];
    uint8_t *room;
};

static const char *const users[] = {"ann", "bob"};

/* ---- the app's process ---- */

static size_t write_blob(struct world *w, uint8_t which, uint8_t *dst, size_t cap)
{
    struct sp_blob b = {
        .issued = UNIX_S - 10, .expires = UNIX_S + ((which & 1) != 0 ? 20 : 86400), .addrs_n = 1};
    size_t len = 0;
    memcpy(b.gateway_pk, w->public, sizeof b.gateway_pk);
    memset(b.psk, PSKS - 1, sizeof b.psk);
    b.addrs[0] = (struct sp_addr){.ip = {10, 0, 0, 1}, .port = 7400, .family = 4};
    if ((which & 2) != 0)
        b.addrs[b.addrs_n++] = (struct sp_addr){.ip = {10, 0, 0, 2}, .port = 7400, .family = 4};
    FUZZ_CHECK(sp_token_blob_encode(&b, dst, cap, &len) == 0);
    return len;
}

static void start(struct world *w)
{
    uint8_t blob[SP_BLOB_MAX];
    struct sp_client_config cfg = {.crypto = cheap_crypto(),
                                   .local = &w->local.table,
                                   .seed = {(uint8_t)(++w->lives)},
                                   .user = {{(const uint8_t *)"ann", 3}},
                                   .device = 5,
                                   .unix_s = UNIX_S + (w->now - 1000 * SP_SECOND) / SP_SECOND,
                                   .receives = (w->flags & 1) == 0,
                                   .outbox_max = OUTBOX,
                                   .inbox_max = INBOX};
    cfg.blob = (struct sp_view){blob, write_blob(w, w->flags >> 1, blob, sizeof blob)};
    size_t len = sp_client_footprint(&cfg);
    FUZZ_CHECK(len > 0);
    if (len != w->memory_len) {
        free(w->memory);
        w->memory = fuzz_block(len);
        w->memory_len = len;
    }
    memset(w->memory, 0xa5, len);
    clientbook_start(&w->book, &w->local);
    FUZZ_CHECK(sp_client_init(&w->client, w->memory, len, &cfg, w->now) == 0);
    w->is_closed = false;
}

static void stop(struct world *w, bool wipes)
{
    if (wipes)
        sp_client_wipe(w->client);
    w->client = NULL;
}

/* ---- what the client sends ---- */

/* The key behind the token of an INIT: of the blob, or of one of the tickets that framegen writes. */
static bool find_psk(const struct sp_init *in, uint8_t psk[32])
{
    for (int v = PSKS - 1; v >= 0; v--) {
        memset(psk, v, 32);
        if (sp_handshake_prove(cheap_crypto(), in, psk) == 0)
            return true;
    }
    return false;
}

static void hear_init(struct world *w, const uint8_t *p, size_t len)
{
    struct sp_init in;
    uint8_t psk[32];
    FUZZ_CHECK(sp_handshake_parse((struct sp_view){p, len}, &in) == 0);
    memcpy(w->init, p, len);
    w->init_len = find_psk(&in, psk) ? len : 0; /* else it uses a ticket that the script wrote byte by byte */
    fuzz_tell("    INIT");
}

static void hear_data(struct world *w, const uint8_t *p, size_t len)
{
    for (unsigned i = 0; i < KEYS && i < w->sessions; i++) {
        uint8_t *exact = fuzz_copy(p, len);
        struct sp_view frames;
        bool is_mine = handpeer_open(&w->keys[(w->sessions - i) % KEYS], exact, len, w->now, &frames);
        if (is_mine)
            clientbook_frames(&w->book, frames);
        free(exact);
        if (is_mine)
            return;
    }
    FUZZ_CHECK(w->sessions >= KEYS);
}

static void hear(struct world *w, const struct sp_datagram *out)
{
    FUZZ_CHECK(out->len > 0);
    FUZZ_CHECK(out->len <= SP_DATAGRAM_MAX);
    FUZZ_CHECK(out->peer.family == 4);
    fuzz_tell("  up %02x, %zu bytes", out->p[0], out->len);
    if (out->p[0] == SP_FIRST_INIT) {
        hear_init(w, out->p, out->len);
        return;
    }
    FUZZ_CHECK((out->p[0] & 0xfe) == SP_FIRST_DATA);
    hear_data(w, out->p, out->len);
}

static void transmit_all(struct world *w)
{
    struct sp_datagram out = {.p = w->room, .cap = SP_DATAGRAM_MAX};
    for (unsigned n = 0;; n++) {
        unsigned failures = w->local.failures;
        int err = sp_client_transmit(w->client, &out, w->now);
        FUZZ_CHECK(n < TURN_MAX);
        FUZZ_CHECK(err == 0 || err == SP_EAGAIN || (err == SP_EIO && w->local.failures > failures));
        if (err != 0)
            return;
        hear(w, &out);
    }
}

static void poll_all(struct world *w)
{
    struct sp_client_event ev;
    for (unsigned n = 0; sp_client_poll(w->client, &ev, w->now) == 0; n++) {
        FUZZ_CHECK(n < TURN_MAX);
        clientbook_event(&w->book, &ev);
    }
}

/* The app acts until the client rests: afterwards its deadline lies ahead. */
static void turn(struct world *w)
{
    for (unsigned n = 0;; n++) {
        FUZZ_CHECK(n < QUIET_MAX);
        transmit_all(w);
        clientbook_look(&w->book);
        poll_all(w);
        if (sp_client_deadline(w->client) > w->now)
            break;
    }
    struct sp_client_stats st;
    sp_client_read_stats(w->client, &st);
    FUZZ_CHECK(st.outbox <= OUTBOX);
    FUZZ_CHECK(st.outbox == sp_client_waiting(w->client));
    FUZZ_CHECK(st.inbox <= INBOX);
    (void)sp_client_is_settled(w->client);
}

/* ---- what the gateway does ---- */

static void deliver(struct world *w, const uint8_t *p, size_t len)
{
    uint8_t *exact = fuzz_copy(p, len);
    (void)sp_client_receive(w->client, exact, len, w->now);
    free(exact);
}

static size_t choose_frames(struct world *w, struct script *s, bool has_ack, uint8_t *dst, size_t cap)
{
    const struct sp_local_state *state = &w->local.now.state;
    struct framegen g = {.dir = SP_DIR_DOWN,
                         .users = users,
                         .users_n = 2,
                         .msgid_base = state->last.v & ~(uint64_t)UINT32_MAX,
                         .epoch = state->epoch.v != 0 ? state->epoch.v : 5,
                         .seq_base = w->book.last_seq > 16 ? w->book.last_seq - 16 : 0,
                         .pull_id = w->book.pull_id,
                         .ack_id = w->book.ack_id,
                         .status_id = w->book.status_id,
                         .status_n = w->book.status_n};
    const struct handpeer *p = &w->keys[w->sessions % KEYS];
    uint32_t counter = (uint32_t)state->last.v;
    g.msgid_base += counter > 32 ? counter - 32 : 0;
    g.acked_near = (uint32_t)p->largest;
    size_t n = has_ack ? handpeer_ack(p, dst, cap, w->now) : 0;
    return n + framegen_frames(s, &g, dst + n, cap - n);
}

static void step_frames(struct world *w, struct script *s, bool has_ack)
{
    uint8_t frames[SP_FRAMES_DOWN_MAX], datagram[SP_DATAGRAM_MAX];
    if (w->sessions == 0)
        return;
    size_t n = choose_frames(w, s, has_ack, frames, sizeof frames);
    size_t len = handpeer_seal(&w->keys[w->sessions % KEYS], (struct sp_view){frames, n}, datagram);
    fuzz_tell("  down %zu bytes of frames", n);
    deliver(w, datagram, len);
}

/* ACCEPT of the last INIT. */
static void accept(struct world *w, struct script *s)
{
    uint8_t frames[SP_DATAGRAM_MAX], bytes[SP_DATAGRAM_MAX], psk[32], e[32], opened[SP_DATAGRAM_MAX],
        how = script_u8(s);
    struct sp_init in;
    struct sp_handshake h;
    struct sp_session_keys keys;
    size_t n = 0, len = 0;
    if (w->init_len == 0 || sp_handshake_parse((struct sp_view){w->init, w->init_len}, &in) != 0 ||
        !find_psk(&in, psk))
        return;
    FUZZ_CHECK(sp_handshake_open(&h, cheap_crypto(), &in, w->secret, w->public, psk, opened, sizeof opened,
                                 &n) == 0);
    struct sp_accept a = {
        .cid = {0, how}, .early = (how & 1) != 0, .time_s = (uint32_t)(UNIX_S + w->now / SP_SECOND)};
    if ((how & 2) != 0)
        a.time_s = script_u32(s);
    if ((how & 4) != 0)
        a.frames = (struct sp_view){frames, choose_frames(w, s, false, frames, 1000)};
    memset(a.reset, how, sizeof a.reset);
    memset(e, how, sizeof e);
    FUZZ_CHECK(sp_handshake_accept(&h, e, &a, bytes, sizeof bytes, &len, &keys) == 0);
    if ((how & 0xf0) == 0xf0)
        bytes[script_u16(s) % len] ^= script_u8(s);
    w->sessions++;
    handpeer_init(&w->keys[w->sessions % KEYS], cheap_crypto(), &keys, SP_DIR_DOWN, a.cid, w->now);
    memcpy(w->reset, a.reset, sizeof w->reset);
    fuzz_tell("  ACCEPT %u", w->sessions);
    deliver(w, bytes, len);
}

static void step_greet(struct world *w, struct script *s)
{
    uint8_t how = script_u8(s), bytes[SP_RETRY_LEN] = {0};
    if (how < 0xa0) {
        accept(w, s);
    } else if (how < 0xd0) {
        bytes[0] = SP_FIRST_RETRY;
        if (w->init_len > 0)
            memcpy(bytes + 1, w->init + 2, 8);
        memset(bytes + 9, how, SP_COOKIE_LEN);
        bytes[script_u8(s) % SP_RETRY_LEN] ^= (how & 1) != 0 ? script_u8(s) : 0;
        deliver(w, bytes, SP_RETRY_LEN);
    } else if (how < 0xf0) {
        bytes[0] = SP_FIRST_RESET;
        memcpy(bytes + 1, w->reset, sizeof w->reset);
        bytes[1] ^= how & 1;
        deliver(w, bytes, SP_RESET_LEN);
    } else {
        struct sp_view raw = script_view(s, script_u8(s));
        deliver(w, raw.p, raw.n);
    }
}

/* ---- what the app does ---- */

static void step_submit(struct world *w, struct script *s)
{
    static const uint8_t zeros[SP_PART_MAX + 1];
    uint8_t how = script_u8(s);
    const char *to = users[how & 1];
    struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                            .flags = (how & 2) != 0 ? SP_OUT_FOUR : 0};
    struct sp_msgid id = {0};
    m.body = (how & 0x80) != 0 ? (struct sp_view){zeros, SP_PART_MAX + (how >> 6 & 1)}
                               : script_view(s, how >> 2 & 15);
    m.expires_s = (how & 0x40) != 0 ? 60 : 0;
    if (w->book.ids_n == CLIENTBOOK_IDS)
        return;
    int err = sp_client_submit(w->client, &m, &id, w->now);
    fuzz_tell("  submit %llx: %d", (unsigned long long)id.v, err);
    FUZZ_CHECK(err == 0 || err == SP_EFULL || err == SP_EBIG || err == SP_ECLOSED || err == SP_EIO);
    FUZZ_CHECK(err != SP_EIO || w->local.failures > 0);
    FUZZ_CHECK((err == SP_EBIG) == (m.body.n > SP_PART_MAX && err != SP_ECLOSED));
    if (err == 0)
        clientbook_submitted(&w->book, &m, id);
}

static void step_keep(struct world *w, struct script *s)
{
    uint8_t how = script_u8(s);
    uint32_t last = w->book.last_seq;
    if (how >= 0xc0 && last <= UINT32_MAX - 64) {
        FUZZ_CHECK(sp_client_keep(w->client, (struct sp_seq){last + 1 + (how & 63)}, w->now) == SP_EINVAL);
        return;
    }
    uint32_t upto = last - ((how & 63) < last ? how & 63 : 0);
    int err = sp_client_keep(w->client, (struct sp_seq){upto}, w->now);
    FUZZ_CHECK(err == 0 || w->local.failures > 0);
}

static struct sp_msgid pick_id(struct world *w, struct script *s)
{
    uint8_t i = script_u8(s);
    if (w->book.ids_n == 0)
        return (struct sp_msgid){i};
    return w->book.ids[i % w->book.ids_n].msgid;
}

static void step_ask(struct world *w, struct script *s)
{
    struct sp_msgid id = pick_id(w, s);
    if (w->book.ids_n == 0)
        return;
    int err = sp_client_status(w->client, id, w->now);
    FUZZ_CHECK(err == 0 || err == SP_EFULL);
    if (err == 0)
        clientbook_asked(&w->book, id);
}

static void step_app(struct world *w, struct script *s)
{
    uint8_t how = script_u8(s), blob[SP_BLOB_MAX];
    struct sp_msgid id;
    switch (how & 7) {
    case 0:
        id = pick_id(w, s);
        if (sp_client_forget(w->client, id, w->now) == 0)
            clientbook_forgot(&w->book, id);
        break;
    case 1:
        sp_client_network(w->client, how, w->now);
        break;
    case 2:
        FUZZ_CHECK(sp_client_token(w->client,
                                   (struct sp_view){blob, write_blob(w, how >> 3, blob, sizeof blob)},
                                   w->now) == 0);
        break;
    case 3:
        (void)sp_client_token(w->client, script_view(s, script_u8(s)), w->now);
        break;
    case 4:
        w->local.fail_in = how >> 3;
        break;
    case 5:
        w->local.is_broken = (how & 8) != 0;
        break;
    case 6:
        if (how >= 0xe0) {
            sp_client_close(w->client, w->now);
            w->is_closed = true;
        }
        break;
    default:
        if (w->lives == LIVES_MAX)
            break;
        fuzz_tell("  killed");
        stop(w, (how & 8) != 0);
        tinylocal_crash(&w->local);
        start(w);
        break;
    }
}

static void wake(struct world *w)
{
    sp_time at = sp_client_deadline(w->client);
    if (at > w->now)
        w->now = at < w->now + DAY ? at : w->now + DAY;
}

static void step(struct world *w, struct script *s)
{
    uint8_t b = script_u8(s);
    fuzz_tell("%lld us: step %02x", (long long)w->now, b);
    switch (b & 15) {
    case 0:
    case 1:
        step_submit(w, s);
        break;
    case 2:
        step_greet(w, s);
        break;
    case 3:
        step_keep(w, s);
        break;
    case 4:
        step_ask(w, s);
        break;
    case 5:
        step_app(w, s);
        break;
    case 6:
    case 7:
        w->now += script_span(s);
        break;
    case 8:
        wake(w);
        break;
    case 9:
        if (w->sessions > 0)
            handpeer_turn(&w->keys[w->sessions % KEYS], w->now);
        break;
    default:
        step_frames(w, s, (b & 1) != 0);
        break;
    }
    if (b < 0xe0) /* else what follows is of the same turn */
        turn(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct script s = {data, size}, nothing = {0};
    w = (struct world){.memory = w.memory, .memory_len = w.memory_len};
    w.now = 1000 * SP_SECOND;
    w.room = fuzz_block(SP_DATAGRAM_MAX);
    w.flags = script_u8(&s);
    memset(w.secret, 7, sizeof w.secret);
    cheap_base(NULL, w.public, w.secret);
    tinylocal_init(&w.local);
    start(&w);
    turn(&w);
    if ((w.flags & 0x80) == 0) {
        accept(&w, &nothing);
        turn(&w);
    }
    for (unsigned n = 0; n < STEPS_MAX && script_has_more(&s); n++)
        step(&w, &s);
    turn(&w);
    stop(&w, true);
    free(w.room);
    return 0;
}
