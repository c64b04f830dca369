/* Composition of connect, link, outbox, inbox and ledger.  The parts hand out frames and take answers; this
 * file carries them between the parts, and decides what the end of a session means (ruling 25 of
 * docs/protocol.md). */
#include <sampan/client.h>

#include "bug.h"
#include "connect.h"
#include "inbox.h"
#include "ledger.h"
#include "link.h"
#include "outbox.h"
#include <sampan/err.h>

#include <string.h>

#define OUTBOX_DEFAULT  1024
#define INBOX_DEFAULT   256
#define INBOX_MAX       4096
#define KEEPALIVE_MIN   15 /* section 6, rule 14 */
#define KEEPALIVE_MAX   600
#define ACKDELAY_MS     10
#define EVENTS_MAX      16
#define RETRY_UNIT_US   (100 * SP_MS)
#define RETRY_DEFAULT   10 /* units, when CLOSE names none */
#define RESET_SPREAD_US SP_SECOND
#define NO_CODE         (-1)
#define NOT_KNOWN       INT64_MIN

/* Slots of the link: every unanswered msg:R and the frames beside them. */
#define FRAMES_MAX  320
#define SMALL_MAX   128
#define LARGE_MAX   256
#define PACKETS_MAX 1024
#define COPIES_MAX  2048
SP_STATIC_ASSERT(SMALL_MAX + LARGE_MAX >= FRAMES_MAX, "each frame finds a slot");
SP_STATIC_ASSERT(FRAMES_MAX - FRAMES_MAX / 8 >= SP_OUTBOX_FLIGHT_MAX,
                 "a full flight fits beside what the link reserves");

static const struct sp_link_memory_config link_slots = {
    .small_max = SMALL_MAX, .large_max = LARGE_MAX, .packets_max = PACKETS_MAX, .copies_max = COPIES_MAX};

struct sp_client {
    const struct sp_crypto *crypto;
    struct sp_rng rng;
    struct sp_ledger ledger;
    struct sp_connect connect;
    struct sp_link_memory memory;
    struct sp_link link;
    struct sp_outbox outbox;
    struct sp_inbox inbox;
    bool receives;
    uint16_t keepalive_s, inbox_max;

    bool has_link;    /* link is live or has a CLOSE to repeat */
    bool has_session; /* link is live: its frames count */
    bool is_online;
    bool is_ended;   /* REPLACED, REVOKED: no session before a new blob */
    bool is_closing; /* the app said goodbye */
    bool is_stirred; /* something may be ready to send */
    bool is_full;    /* the link took no control frame: nothing is due before it is heard again */
    bool has_news;   /* events came up outside of receive */
    uint8_t reset[16];
    uint64_t network_id;
    sp_time now;     /* the latest that was told */
    sp_time pump_at; /* when pump has something to do without new input; NOT_KNOWN: to be worked out */

    size_t events_n;
    struct {
        enum sp_client_event_kind kind;
        int code;
    } events[EVENTS_MAX];

    struct sp_client_stats stats; /* of links before this one, and what is counted here */
};

/* ---- Memory ---- */

static size_t aligned(size_t n)
{
    const size_t align = _Alignof(max_align_t);
    return (n + align - 1) / align * align;
}

static size_t outbox_max(const struct sp_client_config *cfg)
{
    return cfg->outbox_max != 0 ? cfg->outbox_max : OUTBOX_DEFAULT;
}

static uint16_t inbox_max(const struct sp_client_config *cfg)
{
    return cfg->inbox_max != 0 ? cfg->inbox_max : INBOX_DEFAULT;
}

size_t sp_client_footprint(const struct sp_client_config *cfg)
{
    bool is_keepalive =
        cfg->keepalive_s == 0 || (cfg->keepalive_s >= KEEPALIVE_MIN && cfg->keepalive_s <= KEEPALIVE_MAX);
    if (!is_keepalive || cfg->user.id.n < 1 || cfg->user.id.n > SP_USER_MAX)
        return 0;
    if (cfg->outbox_max > SP_OUTBOX_MAX || cfg->inbox_max > INBOX_MAX)
        return 0;
    return aligned(sizeof(struct sp_client)) + aligned(sp_link_memory_footprint(&link_slots)) +
           aligned(sp_outbox_footprint(outbox_max(cfg))) + inbox_max(cfg) * sizeof(struct sp_inbox_slot);
}

static int init_parts(struct sp_client *c, uint8_t *at, const struct sp_client_config *cfg, sp_time now)
{
    struct sp_local_state state = {0};
    int rc = cfg->local->load(cfg->local->self, &state);
    if (rc != 0)
        return rc;
    sp_link_memory_init(&c->memory, at, &link_slots);
    at += aligned(sp_link_memory_footprint(&link_slots));
    void *outbox_mem = at;
    at += aligned(sp_outbox_footprint(outbox_max(cfg)));
    struct sp_inbox_config in = {.ledger = &c->ledger,
                                 .rng = &c->rng,
                                 .slots = (struct sp_inbox_slot *)(void *)at,
                                 .slots_n = c->inbox_max};
    sp_inbox_init(&c->inbox, &in, &state);
    struct sp_outbox_config out = {
        .ledger = &c->ledger, .rng = &c->rng, .max = outbox_max(cfg), .unix_s = cfg->unix_s};
    return sp_outbox_init(&c->outbox, outbox_mem, &out, &state, now);
}

int sp_client_init(struct sp_client **out, void *mem, size_t len, const struct sp_client_config *cfg,
                   sp_time now)
{
    size_t need = sp_client_footprint(cfg);
    if (need == 0 || len < need || cfg->crypto == NULL || cfg->local == NULL)
        return SP_EINVAL;
    struct sp_client *c = mem;
    memset(c, 0, sizeof *c);
    c->crypto = cfg->crypto;
    c->receives = cfg->receives;
    c->keepalive_s = cfg->keepalive_s;
    c->inbox_max = inbox_max(cfg);
    c->now = now;
    c->pump_at = NOT_KNOWN;
    sp_rng_init(&c->rng, cfg->crypto, cfg->seed);
    sp_ledger_init(&c->ledger, cfg->local);
    int rc = sp_connect_init(&c->connect, cfg->crypto, &c->rng, cfg->blob, cfg->unix_s, now);
    if (rc == 0)
        rc = init_parts(c, (uint8_t *)mem + aligned(sizeof *c), cfg, now);
    if (rc != 0) {
        cfg->crypto->wipe(cfg->crypto->self, c, sizeof *c);
        return rc;
    }
    sp_connect_start(&c->connect, 0, now);
    c->is_stirred = true;
    *out = c;
    return 0;
}

void sp_client_wipe(struct sp_client *c)
{
    const struct sp_crypto *crypto = c->crypto;
    if (c->has_link)
        sp_link_wipe(&c->link);
    crypto->wipe(crypto->self, c, sizeof *c);
}

/* A call that may change what is due. */
static void touch(struct sp_client *c, sp_time now)
{
    c->now = now;
    c->pump_at = NOT_KNOWN;
}

/* ---- Events ---- */

/* What concerns the whole client.  An app that leaves sixteen of these unread misses the oldest. */
static void push(struct sp_client *c, enum sp_client_event_kind kind, int code)
{
    if (c->events_n == EVENTS_MAX) {
        c->events_n--;
        memmove(&c->events[0], &c->events[1], c->events_n * sizeof c->events[0]);
    }
    c->events[c->events_n].kind = kind;
    c->events[c->events_n++].code = code;
}

static void go_online(struct sp_client *c)
{
    if (!c->is_online)
        push(c, SP_CLIENT_ONLINE, 0);
    c->is_online = true;
}

static void go_offline(struct sp_client *c, int code)
{
    if (c->is_online || c->is_ended)
        push(c, SP_CLIENT_OFFLINE, code);
    c->is_online = false;
}

static bool has_event(const struct sp_client *c)
{
    return c->events_n > 0 || sp_outbox_has_event(&c->outbox) || sp_inbox_has_event(&c->inbox);
}

/* Turns flags of the parts into events. */
static void collect_events(struct sp_client *c)
{
    int error = sp_ledger_take_error(&c->ledger);
    if (error != 0)
        push(c, SP_CLIENT_ERROR, error);
    if (sp_inbox_take_refusal(&c->inbox))
        push(c, SP_CLIENT_ERROR, SP_EFORBIDDEN);
    if (sp_connect_take_wants_token(&c->connect))
        push(c, SP_CLIENT_TOKEN, 0);
}

int sp_client_poll(struct sp_client *c, struct sp_client_event *ev, sp_time now)
{
    c->now = now;
    c->has_news = false;
    collect_events(c);
    if (c->events_n > 0) {
        *ev = (struct sp_client_event){.kind = c->events[0].kind, .code = c->events[0].code};
        c->events_n--;
        memmove(&c->events[0], &c->events[1], c->events_n * sizeof c->events[0]);
        return 0;
    }
    if (!has_event(c))
        return SP_EAGAIN;
    touch(c, now);
    int rc = sp_outbox_poll(&c->outbox, ev, now);
    if (rc != 0)
        rc = sp_inbox_poll(&c->inbox, ev, now);
    if (rc == 0)
        c->is_stirred = true; /* what was told makes room, and DONE may follow */
    return rc;
}

/* ---- Sessions ---- */

static void add_link_stats(struct sp_client_stats *to, const struct sp_link *l)
{
    struct sp_link_stats s;
    sp_link_read_stats(l, &s);
    to->packets_sent += s.packets_sent;
    to->packets_received += s.packets_received;
    to->bytes_sent += s.bytes_sent;
    to->bytes_received += s.bytes_received;
    to->frames_sent += s.frames_sent;
    to->frames_resent += s.frames_resent;
    to->packets_lost += s.packets_lost;
    to->probes += s.probes;
    to->srtt_us = s.srtt_us;
}

static void wipe_link(struct sp_client *c)
{
    if (!c->has_link)
        return;
    add_link_stats(&c->stats, &c->link);
    sp_link_wipe(&c->link);
    c->has_link = false;
}

/* The session carries nothing any more; the link stays while it has a CLOSE to repeat. */
static void lose_session(struct sp_client *c, int code, sp_time now)
{
    if (!c->has_session)
        return;
    c->has_session = c->is_full = false;
    sp_outbox_session_lost(&c->outbox, now);
    sp_inbox_session_lost(&c->inbox);
    go_offline(c, code);
}

static void start_session(struct sp_client *c, const struct sp_connect_session *s, sp_time now)
{
    lose_session(c, NO_CODE, now);
    wipe_link(c);
    struct sp_link_config cfg = {.role = SP_LINK_CLIENT,
                                 .crypto = c->crypto,
                                 .memory = &c->memory,
                                 .rng = &c->rng,
                                 .keys = {s->keys.up, s->keys.down},
                                 .peer = s->peer,
                                 .early = s->accept.early,
                                 .frames_max = FRAMES_MAX,
                                 .ackdelay_ms = ACKDELAY_MS,
                                 .keepalive_s = c->keepalive_s,
                                 .inbox = c->inbox_max};
    memcpy(cfg.cid, s->accept.cid, sizeof cfg.cid);
    sp_link_init(&c->link, &cfg, now);
    memcpy(c->reset, s->accept.reset, sizeof c->reset);
    c->has_link = c->has_session = c->is_stirred = true;
    c->stats.handshakes++;
    sp_outbox_session_up(&c->outbox, now);
    if (c->receives)
        sp_inbox_session_up(&c->inbox, now);
}

/* Ruling 25: what a CLOSE means for the next session. */
static void follow_close(struct sp_client *c, const struct sp_frame_close *close, sp_time now)
{
    sp_time wait = (close->retry != 0 ? close->retry : RETRY_DEFAULT) * RETRY_UNIT_US;
    switch (close->code) {
    case SP_CLOSE_REPLACED:
    case SP_CLOSE_REVOKED:
        sp_connect_stop(&c->connect);
        return;
    case SP_CLOSE_GOING_AWAY:
    case SP_CLOSE_BUSY:
        sp_connect_start(&c->connect, wait + (sp_time)sp_rng_below(&c->rng, (uint64_t)wait + 1), now);
        return;
    case SP_CLOSE_AGED:
        sp_connect_start(&c->connect, 0, now);
        return;
    default:
        sp_connect_later(&c->connect, now);
        return;
    }
}

static void on_closed(struct sp_client *c, const struct sp_link_event *ev, sp_time now)
{
    if (c->is_closing)
        return;
    bool is_ours = ev->is_local;
    c->is_ended = !is_ours && (ev->close.code == SP_CLOSE_REPLACED || ev->close.code == SP_CLOSE_REVOKED);
    lose_session(c, is_ours && ev->close.code == SP_CLOSE_IDLE ? NO_CODE : ev->close.code, now);
    if (is_ours && ev->close.code == SP_CLOSE_IDLE)
        sp_connect_start(&c->connect, 0, now);
    else
        follow_close(c, &ev->close, now);
    if (!is_ours)
        wipe_link(c); /* CLOSE is never answered */
}

static void on_acked(struct sp_client *c, uint64_t ref, sp_time now)
{
    if (ref > UINT32_MAX)
        sp_outbox_link_acked(&c->outbox, (struct sp_msgid){ref}, 3 * sp_link_pto(&c->link), now);
    else
        sp_inbox_link_acked(&c->inbox, (uint32_t)ref);
}

static void on_link_event(struct sp_client *c, const struct sp_link_event *ev, sp_time now)
{
    touch(c, now);
    switch (ev->kind) {
    case SP_LINK_UP:
        sp_connect_note_confirmed(&c->connect);
        go_online(c);
        return;
    case SP_LINK_DARK:
        go_offline(c, NO_CODE);
        sp_connect_spare(&c->connect, now);
        return;
    case SP_LINK_HEARD:
        sp_connect_stop(&c->connect);
        sp_connect_note_confirmed(&c->connect);
        go_online(c);
        return;
    case SP_LINK_OPTIONS:
        sp_outbox_set_window(&c->outbox, ev->options.inbox);
        return;
    case SP_LINK_ACKED:
        on_acked(c, ev->ref, now);
        return;
    case SP_LINK_CLOSED:
        on_closed(c, ev, now);
        return;
    case SP_LINK_MOVED:
    case SP_LINK_DROPPED:
        return;
    }
}

static bool has_link_event(const struct sp_client *c)
{
    return c->has_link && sp_link_has_event(&c->link);
}

static void take_link_event(struct sp_client *c, sp_time now)
{
    struct sp_link_event ev;
    if (sp_link_take_event(&c->link, &ev) == 0)
        on_link_event(c, &ev, now);
}

/* ---- Receive ---- */

static void on_frame(struct sp_client *c, const struct sp_frame *f, sp_time now)
{
    switch (f->kind) {
    case SP_KIND_TICKET:
        sp_connect_ticket(&c->connect, &f->u.ticket, now);
        return;
    case SP_KIND_MSG_A:
        if (sp_outbox_msg_a(&c->outbox, &f->u.msg_a, now))
            sp_link_cancel(&c->link, f->u.msg_a.msgid.v);
        return;
    case SP_KIND_ACK_N:
        if (sp_outbox_ack_n(&c->outbox, &f->u.ack_n, now))
            sp_link_cancel(&c->link, f->u.ack_n.msgid.v);
        return;
    case SP_KIND_STATUS_A:
        sp_outbox_status_a(&c->outbox, &f->u.status_a, now);
        return;
    case SP_KIND_MSG_N:
        sp_inbox_msg_n(&c->inbox, &f->u.msg_n, now);
        return;
    case SP_KIND_ACK_A:
        sp_inbox_ack_a(&c->inbox, &f->u.ack_a, now);
        return;
    case SP_KIND_TIP:
        sp_inbox_tip(&c->inbox, &f->u.tip);
        return;
    case SP_KIND_PULL_A:
        sp_inbox_pull_a(&c->inbox, &f->u.pull_a, now);
        return;
    case SP_KIND_RESYNC:
        sp_inbox_resync(&c->inbox, &f->u.resync, now);
        return;
    default: /* groups, control and streams are not asked for, so nothing of them needs an answer */
        return;
    }
}

static int receive_data(struct sp_client *c, struct sp_datagram *in, sp_time now)
{
    if (!c->has_link)
        return SP_EAUTH; /* ruling 23: no keys for it */
    int rc = sp_link_receive(&c->link, in, now);
    struct sp_frame f;
    while (rc == 0 && c->has_session && sp_link_next(&c->link, &f) == 0)
        on_frame(c, &f, now);
    while (has_link_event(c))
        take_link_event(c, now);
    return rc;
}

static int receive_accept(struct sp_client *c, uint8_t *datagram, size_t len, sp_time now)
{
    struct sp_connect_session s;
    int rc = sp_connect_accept(&c->connect, datagram, len, &s, now);
    if (rc == 0)
        start_session(c, &s, now);
    c->crypto->wipe(c->crypto->self, &s.keys, sizeof s.keys);
    return rc;
}

/* The gateway does not know our session any more (section 2.4). */
static int receive_reset(struct sp_client *c, const uint8_t *datagram, size_t len, sp_time now)
{
    if (len != SP_RESET_LEN)
        return SP_EMALFORMED;
    if (!c->has_session || c->crypto->compare(c->crypto->self, datagram + 1, c->reset, sizeof c->reset) != 0)
        return SP_EAUTH;
    bool is_urgent = sp_outbox_is_waiting(&c->outbox);
    lose_session(c, NO_CODE, now);
    wipe_link(c);
    if (!c->is_closing)
        sp_connect_start(&c->connect, is_urgent ? 0 : (sp_time)sp_rng_below(&c->rng, RESET_SPREAD_US + 1),
                         now);
    return 0;
}

static int dispatch(struct sp_client *c, uint8_t *datagram, size_t len, sp_time now)
{
    struct sp_datagram in = {.p = datagram, .len = len, .cap = len};
    if (len < 1 || len > SP_DATAGRAM_MAX)
        return SP_EMALFORMED;
    switch (datagram[0]) {
    case SP_FIRST_ACCEPT:
        return receive_accept(c, datagram, len, now);
    case SP_FIRST_RETRY:
        return sp_connect_retry(&c->connect, datagram, len, now);
    case SP_FIRST_RESET:
        return receive_reset(c, datagram, len, now);
    case SP_FIRST_DATA:
    case SP_FIRST_DATA | 1:
        return receive_data(c, &in, now);
    default:
        return SP_EMALFORMED;
    }
}

int sp_client_receive(struct sp_client *c, uint8_t *datagram, size_t len, sp_time now)
{
    touch(c, now);
    bool is_data = len > 0 && (datagram[0] & 0xfe) == SP_FIRST_DATA;
    int rc = dispatch(c, datagram, len, now);
    if (rc != 0) {
        c->stats.datagrams_bad++;
        return rc;
    }
    if (!is_data) { /* the link counts its own */
        c->stats.packets_received++;
        c->stats.bytes_received += len;
    }
    c->is_stirred = true;
    c->is_full = false;
    return 0;
}

/* ---- Transmit ---- */

/* Moves frames of the inbox into the link. */
static void submit_inbox(struct sp_client *c, sp_time now)
{
    struct sp_frame f;
    while (!c->is_full && sp_inbox_frame(&c->inbox, &f, now) == 0) {
        uint64_t ref = f.kind == SP_KIND_ACK_R ? f.u.ack_r.cursor.v : 0;
        c->is_full = sp_link_submit(&c->link, &f, ref, now) != 0;
        if (!c->is_full)
            sp_inbox_note_sent(&c->inbox, &f, now);
    }
}

/* Moves frames of the outbox into the link; messages only while it has room for them. */
static void submit_outbox(struct sp_client *c, sp_time now)
{
    struct sp_frame f;
    uint64_t ref;
    while (!c->is_full && sp_outbox_frame(&c->outbox, &f, &ref, now) == 0) {
        if (f.kind == SP_KIND_MSG_R && sp_link_room(&c->link) == 0)
            return;
        c->is_full = sp_link_submit(&c->link, &f, ref, now) != 0;
        if (!c->is_full)
            sp_outbox_note_sent(&c->outbox, &f, 3 * sp_link_pto(&c->link), now);
    }
}

/* Runs the timers of delivery, makes durable what is to be sent, and hands it to the link.  SP_EIO: that
 * failed now. */
static int pump(struct sp_client *c, sp_time now)
{
    touch(c, now);
    c->is_stirred = false;
    bool has_out = sp_outbox_step(&c->outbox, now);
    bool has_in = c->has_session && c->receives && sp_inbox_step(&c->inbox, sp_link_pto(&c->link), now);
    bool needs_sync = has_out || has_in || sp_ledger_is_stale(&c->ledger, now);
    bool is_resting = sp_ledger_is_resting(&c->ledger, now);
    if (needs_sync && sp_ledger_sync(&c->ledger, now) != 0 && !is_resting)
        return SP_EIO;
    if (!c->has_session)
        return 0;
    if (has_in)
        submit_inbox(c, now);
    if (has_out || sp_ask_is_busy(&c->outbox.ask))
        submit_outbox(c, now);
    return 0;
}

static sp_time sooner(sp_time a, sp_time b)
{
    return a < b ? a : b;
}

/* When the parts have something for pump to do. */
static sp_time parts_due(const struct sp_client *c)
{
    if (c->is_full)
        return sp_ledger_deadline(&c->ledger);
    return sooner(sooner(sp_outbox_deadline(&c->outbox), sp_inbox_deadline(&c->inbox)),
                  sp_ledger_deadline(&c->ledger));
}

/* When pump has something to do. */
static sp_time pump_due(const struct sp_client *c)
{
    if (c->is_stirred)
        return c->now;
    return c->pump_at != NOT_KNOWN ? c->pump_at : parts_due(c);
}

static int transmit_link(struct sp_client *c, struct sp_datagram *out, sp_time now)
{
    if (!c->has_link)
        return SP_EAGAIN;
    int rc = sp_link_transmit(&c->link, out, now);
    while (has_link_event(c))
        take_link_event(c, now);
    if (c->has_link && !c->has_session && sp_link_is_finished(&c->link, now))
        wipe_link(c);
    return rc;
}

static int transmit(struct sp_client *c, struct sp_datagram *out, sp_time now)
{
    if (c->is_closing)
        return transmit_link(c, out, now);
    if (pump_due(c) <= now) {
        int rc = pump(c, now);
        if (rc != 0)
            return rc;
    }
    if (sp_connect_transmit(&c->connect, out, now) == 0) {
        c->stats.packets_sent++;
        c->stats.bytes_sent += out->len;
        return 0;
    }
    return transmit_link(c, out, now);
}

int sp_client_transmit(struct sp_client *c, struct sp_datagram *out, sp_time now)
{
    if (out->cap < SP_DATAGRAM_MAX)
        return SP_EINVAL;
    c->now = now;
    bool had_event = has_event(c);
    int rc = transmit(c, out, now);
    collect_events(c);
    if (!had_event && has_event(c))
        c->has_news = true;
    if (c->pump_at == NOT_KNOWN && !c->is_stirred)
        c->pump_at = parts_due(c);
    return rc;
}

sp_time sp_client_deadline(const struct sp_client *c)
{
    sp_time at = c->has_link ? sp_link_deadline(&c->link) : SP_NEVER;
    if (c->has_news)
        return c->now;
    if (c->is_closing)
        return at;
    at = sooner(at, sp_connect_deadline(&c->connect));
    at = sooner(at, pump_due(c));
    sp_time retry = sp_ledger_retry_at(&c->ledger);
    return retry < at && has_event(c) ? retry : at; /* told when local storage works again */
}

/* ---- The app ---- */

int sp_client_submit(struct sp_client *c, const struct sp_outgoing *m, struct sp_msgid *id, sp_time now)
{
    touch(c, now);
    if (c->is_closing)
        return SP_ECLOSED;
    int rc = sp_outbox_submit(&c->outbox, m, id, now);
    c->is_stirred |= rc == 0;
    return rc;
}

int sp_client_status(struct sp_client *c, struct sp_msgid id, sp_time now)
{
    touch(c, now);
    int rc = sp_ask_app(&c->outbox.ask, id);
    c->is_stirred |= rc == 0;
    return rc;
}

int sp_client_forget(struct sp_client *c, struct sp_msgid id, sp_time now)
{
    touch(c, now);
    int rc = sp_outbox_forget(&c->outbox, id, now);
    c->is_stirred |= rc == 0;
    return rc;
}

int sp_client_keep(struct sp_client *c, struct sp_seq upto, sp_time now)
{
    touch(c, now);
    uint32_t before = c->inbox.kept;
    int rc = sp_inbox_keep(&c->inbox, upto.v, now);
    c->is_stirred |= c->inbox.kept != before;
    return rc;
}

int sp_client_token(struct sp_client *c, struct sp_view blob, sp_time now)
{
    touch(c, now);
    int rc = sp_connect_token(&c->connect, blob, now);
    if (rc != 0)
        return rc;
    c->is_ended = false;
    if (!c->has_session && !c->is_closing) {
        sp_connect_note_confirmed(&c->connect);
        sp_connect_start(&c->connect, 0, now);
    }
    return 0;
}

void sp_client_network(struct sp_client *c, uint64_t network_id, sp_time now)
{
    touch(c, now);
    if (network_id == c->network_id || c->is_closing)
        return;
    c->network_id = network_id;
    if (c->has_session) {
        sp_link_network(&c->link, now);
    } else if (c->connect.phase != SP_CONNECT_OFF) {
        sp_connect_note_confirmed(&c->connect);
        sp_connect_start(&c->connect, 0, now);
    }
}

void sp_client_close(struct sp_client *c, sp_time now)
{
    touch(c, now);
    if (c->is_closing)
        return;
    c->is_closing = true;
    sp_connect_stop(&c->connect);
    if (c->has_session) {
        sp_link_close(&c->link, SP_CLOSE_BYE, 0, now);
        lose_session(c, SP_CLOSE_BYE, now);
    }
    (void)sp_ledger_sync(&c->ledger,
                         now); /* a failure is an ERROR event; the rows say what they said before */
}

size_t sp_client_waiting(const struct sp_client *c)
{
    return sp_outbox_count(&c->outbox);
}

bool sp_client_is_settled(const struct sp_client *c)
{
    return !c->receives || sp_inbox_is_settled(&c->inbox);
}

void sp_client_read_stats(const struct sp_client *c, struct sp_client_stats *out)
{
    *out = c->stats;
    if (c->has_link)
        add_link_stats(out, &c->link);
    out->duplicates = c->inbox.duplicates;
    out->pulls = c->inbox.pulls;
    out->statuses = c->outbox.statuses;
    out->outbox = (uint32_t)sp_outbox_count(&c->outbox);
    out->inbox = sp_inbox_held(&c->inbox);
    out->is_online = c->is_online;
}
