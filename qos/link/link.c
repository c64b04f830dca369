/* Composition of one link: submit, poll, timers, end.  Datagrams come in by intake.c and leave by build.c;
 * what goes again is in recovery.c, where it goes in path.c.  Rule numbers are those of docs/protocol.md,
 * section 6. */
#include "link.h"

#include <sampan/err.h>

#include "bug.h"
#include "build.h"
#include "intake.h"
#include "kinds.h"

#include <string.h>

#define KEEPALIVE_S     25 /* until OPTIONS say otherwise (ruling 43), as the two delays and the inbox */
#define DELAY_CLIENT    (10 * SP_MS)
#define DELAY_GATEWAY   (5 * SP_MS)
#define CONTROL_RESERVE 8 /* one slot in so many is kept from messages, for answers */
#define IDLE_EXTRA_S    10
#define PING_KEY        ((uint64_t)SP_KIND_PING << 32) /* one PING waits or is on its way, never more */

size_t sp_link_memory_footprint(const struct sp_link_memory_config *cfg)
{
    return sp_pool_footprint(sp_queue_small_len(), cfg->small_max) +
           sp_pool_footprint(sp_queue_large_len(), cfg->large_max) +
           sp_pool_footprint(sizeof(struct sp_inflight_packet), cfg->packets_max) +
           sp_pool_footprint(sizeof(struct sp_inflight_copy), cfg->copies_max);
}

/* Lays one pool at *mem and moves *mem behind it. */
static void lay(struct sp_pool *pool, uint8_t **mem, size_t slot_len, size_t slots_max)
{
    sp_pool_init(pool, *mem, slot_len, slots_max);
    *mem += sp_pool_footprint(slot_len, slots_max);
}

void sp_link_memory_init(struct sp_link_memory *m, void *mem, const struct sp_link_memory_config *cfg)
{
    uint8_t *at = mem;
    lay(&m->small, &at, sp_queue_small_len(), cfg->small_max);
    lay(&m->large, &at, sp_queue_large_len(), cfg->large_max);
    lay(&m->packets, &at, sizeof(struct sp_inflight_packet), cfg->packets_max);
    lay(&m->copies, &at, sizeof(struct sp_inflight_copy), cfg->copies_max);
}

void sp_link_note_event(struct sp_link *l, enum sp_link_event_kind kind)
{
    uint32_t heard = 1u << SP_LINK_HEARD;
    if (kind == SP_LINK_DARK && (l->events & heard) != 0) {
        l->events &= ~heard; /* the owner still knows it as dark */
        return;
    }
    l->events |= 1u << kind;
}

/* Encodes a frame and queues it.  SP_EFULL: no slot; SP_EINVAL. */
static int put(struct sp_link *l, const struct sp_frame *f, uint64_t ref, uint64_t key)
{
    uint8_t bytes[SP_QUEUE_LARGE];
    size_t cap = l->cfg.role == SP_LINK_CLIENT ? SP_QUEUE_LARGE - (SP_FRAMES_DOWN_MAX - SP_FRAMES_UP_MAX)
                                               : SP_QUEUE_LARGE;
    size_t len = 0;
    if (sp_wire_encode(f, bytes, cap, &len) != 0)
        return SP_EINVAL; /* a frame that never fits is as wrong as one that cannot be written */
    struct sp_queue_frame *old = key == 0 ? NULL : sp_queue_find_key(&l->queue, key);
    struct sp_queue_entry e = {
        .bytes = {.p = bytes, .n = len}, .key = key, .ref = ref, .class = (uint8_t)sp_kinds_priority(f)};
    struct sp_queue_frame *mine = sp_queue_put(&l->queue, &e);
    if (mine == NULL)
        return SP_EFULL;
    l->is_stirred = true;
    if (old == NULL)
        return 0;
    if (old->state == SP_QUEUE_WAITING)
        sp_queue_take_place(&l->queue, mine, old);
    if (old->ref == ref)
        sp_recovery_withdraw(l, old);
    else
        sp_recovery_finish(l, old, SP_QUEUE_DROPPED);
    return 0;
}

static void put_options(struct sp_link *l)
{
    bool is_client = l->cfg.role == SP_LINK_CLIENT;
    struct sp_frame f = {.kind = SP_KIND_OPTIONS,
                         .u.options = {.rev = l->own_rev,
                                       .ackdelay_ms = l->cfg.ackdelay_ms,
                                       .keepalive_s = is_client ? l->cfg.keepalive_s : 0, /* section 4.2 */
                                       .datagram = SP_DATAGRAM_MAX,
                                       .inbox = l->cfg.inbox,
                                       .flags = l->cfg.option_flags}};
    l->owes_options = put(l, &f, 0, sp_kinds_key(&f)) != 0;
}

/* Rule 14; section 5.5: -20..0 %. */
static void draw_keepalive(struct sp_link *l)
{
    sp_time base = l->cfg.keepalive_s * SP_SECOND;
    l->keepalive_us = base - (sp_time)sp_rng_below(l->cfg.rng, (uint64_t)base / 5 + 1);
}

void sp_link_note_declared(struct sp_link *l)
{
    uint16_t declared = l->cfg.keepalive_s;
    if (l->cfg.role == SP_LINK_GATEWAY)
        declared = l->has_peer_options && l->peer_options.keepalive_s > 0 ? l->peer_options.keepalive_s
                                                                          : KEEPALIVE_S;
    l->idle_s = 3U * declared + IDLE_EXTRA_S;
}

static void start_numbers(struct sp_link *l, sp_time now)
{
    l->next_pn = 1; /* 0 was the handshake's (section 2.3, step 4) */
    l->skip_pn = sp_build_next_skip(l, 0);
    /* The client has the ACCEPT and may always name 0; the gateway only if it took the frames of the INIT
     * (ruling 3). */
    sp_replay_mark(&l->replay, 0);
    if (l->cfg.role == SP_LINK_CLIENT || l->cfg.early)
        sp_ackset_add(&l->ackset, 0, now);
}

void sp_link_init(struct sp_link *l, const struct sp_link_config *cfg, sp_time now)
{
    bool is_client = cfg->role == SP_LINK_CLIENT;
    memset(l, 0, sizeof *l);
    l->cfg = *cfg;
    if (l->cfg.keepalive_s == 0)
        l->cfg.keepalive_s = KEEPALIVE_S;
    sp_seal_init(&l->seal, cfg->crypto, is_client ? cfg->keys.up : cfg->keys.down,
                 is_client ? SP_DIR_UP : SP_DIR_DOWN, now);
    sp_seal_init(&l->unseal, cfg->crypto, is_client ? cfg->keys.down : cfg->keys.up,
                 is_client ? SP_DIR_DOWN : SP_DIR_UP, now);
    l->cfg.keys = (struct sp_session_keys_view){0}; /* borrowed for this call only */
    sp_replay_init(&l->replay);
    sp_ackset_init(&l->ackset);
    sp_rtt_init(&l->rtt, is_client ? DELAY_GATEWAY : DELAY_CLIENT, now);
    sp_loss_init(&l->loss, now);
    sp_congestion_init(&l->congestion, now);
    sp_pacer_init(&l->pacer, now);
    sp_inflight_init(&l->inflight, &cfg->memory->packets, &cfg->memory->copies);
    sp_queue_init(&l->queue, &cfg->memory->small, &cfg->memory->large);
    sp_path_init(&l->path, &cfg->peer, is_client || cfg->is_validated, cfg->received_bytes);
    sp_recovery_init(&l->recovery, now);
    l->ack_at = l->pacer_at = l->retry_at = l->close_until = SP_NEVER;
    l->ack_changed_at = l->arrivals_at = l->sent_at = now;
    start_numbers(l, now);
    sp_link_note_declared(l);
    draw_keepalive(l);
    l->keepalive_at = now + l->keepalive_us;
    l->own_rev = 1;
    l->due = SP_LINK_DUE_UNKNOWN;
    l->is_stirred = true;
    put_options(l);
}

void sp_link_wipe(struct sp_link *l)
{
    sp_inflight_wipe(&l->inflight);
    sp_queue_wipe(&l->queue);
    sp_seal_wipe(&l->seal);
    sp_seal_wipe(&l->unseal);
    l->is_closed = l->is_over = true;
    l->due = SP_LINK_DUE_UNKNOWN;
    l->events = 0;
    l->frames = (struct sp_view){0};
}

/* ---- end ---- */

void sp_link_shut(struct sp_link *l, const struct sp_frame_close *close, bool is_local, sp_time now)
{
    if (l->is_closed)
        return;
    l->is_closed = l->is_stirred = true;
    l->close = *close;
    l->close_is_local = l->close_due = is_local;
    l->is_over = !is_local; /* CLOSE is never answered (ruling 25) */
    sp_time pto =
        sp_rtt_pto(&l->rtt); /* as long as any wait, at most: a late ACK must not hold the slot for minutes */
    l->close_until = now + 3 * (pto < SP_RTT_WAIT_MAX ? pto : SP_RTT_WAIT_MAX);
    for (struct sp_queue_frame *f = sp_queue_any(&l->queue); f != NULL; f = sp_queue_any(&l->queue))
        sp_recovery_finish(l, f, SP_QUEUE_DROPPED);
    sp_inflight_wipe(&l->inflight);
    if (is_local)
        l->frames = (struct sp_view){0};
    sp_link_note_event(l, SP_LINK_CLOSED);
}

void sp_link_close(struct sp_link *l, enum sp_close code, uint16_t retry, sp_time now)
{
    struct sp_frame_close close = {.code = (uint8_t)code, .retry = retry};
    sp_link_shut(l, &close, true, now);
}

void sp_link_violation(struct sp_link *l, uint8_t cause, sp_time now)
{
    struct sp_frame_close close = {.code = SP_CLOSE_PROTOCOL, .cause = cause};
    l->stats.violations++;
    sp_link_shut(l, &close, true, now);
}

bool sp_link_is_finished(const struct sp_link *l, sp_time now)
{
    return l->is_closed && (l->is_over || now >= l->close_until);
}

/* ---- receive ---- */

/* The peer is elsewhere (rule 15). */
void sp_link_note_moved(struct sp_link *l, sp_time now)
{
    sp_rtt_note_moved(&l->rtt, now);
    sp_loss_note_moved(&l->loss);
    sp_congestion_note_moved(&l->congestion, now);
    sp_link_note_event(l, SP_LINK_MOVED);
}

int sp_link_receive(struct sp_link *l, struct sp_datagram *in, sp_time now)
{
    return sp_intake_datagram(l, in, now);
}

int sp_link_next(struct sp_link *l, struct sp_frame *out)
{
    while (l->frames.n > 0) {
        size_t used = 0;
        int err = sp_wire_decode(l->frames, l->unseal.dir, out, &used);
        SP_ASSERT(err == 0); /* checked as a whole when it came */
        l->frames.p += used;
        l->frames.n -= used;
        const struct sp_kind_facts *facts = sp_kinds_get(out->kind);
        if (facts->name != NULL && !facts->is_link)
            return 0;
    }
    return SP_EAGAIN;
}

/* ---- submit and poll ---- */

int sp_link_submit(struct sp_link *l, const struct sp_frame *f, uint64_t ref, sp_time now)
{
    (void)now;
    if (l->is_closed)
        return SP_ECLOSED;
    uint64_t key = sp_kinds_key(f);
    bool replaces = key != 0 && sp_queue_find_key(&l->queue, key) != NULL;
    if (!replaces && l->queue.frames >= l->cfg.frames_max)
        return SP_EFULL;
    return put(l, f, ref, key);
}

void sp_link_cancel(struct sp_link *l, uint64_t ref)
{
    if (ref == 0)
        return;
    l->due = SP_LINK_DUE_UNKNOWN;
    for (struct sp_queue_frame *f = sp_queue_find_ref(&l->queue, ref); f != NULL;
         f = sp_queue_find_ref(&l->queue, ref))
        sp_recovery_withdraw(l, f);
}

size_t sp_link_room(const struct sp_link *l)
{
    uint32_t most = l->cfg.frames_max - (uint32_t)l->cfg.frames_max / CONTROL_RESERVE;
    if (l->is_closed || l->queue.frames >= most)
        return 0;
    return most - l->queue.frames;
}

/* Takes the event from the pending ones. */
static bool take_event(struct sp_link *l, enum sp_link_event_kind kind, struct sp_link_event *ev)
{
    uint32_t bit = 1u << kind;
    if ((l->events & bit) == 0)
        return false;
    l->events &= ~bit;
    memset(ev, 0, sizeof *ev);
    ev->kind = kind;
    ev->peer = l->path.peer;
    if (kind == SP_LINK_OPTIONS)
        ev->options = l->peer_options;
    if (kind == SP_LINK_CLOSED) {
        ev->close = l->close;
        ev->is_local = l->close_is_local;
    }
    return true;
}

int sp_link_take_event(struct sp_link *l, struct sp_link_event *ev)
{
    static const enum sp_link_event_kind order[] = {SP_LINK_UP, SP_LINK_DARK, SP_LINK_HEARD, SP_LINK_MOVED,
                                                    SP_LINK_OPTIONS};
    for (size_t i = 0; l->events != 0 && i < sizeof order / sizeof order[0]; i++) {
        if (take_event(l, order[i], ev))
            return 0;
    }
    uint64_t ref;
    enum sp_queue_state outcome;
    if (sp_queue_poll(&l->queue, &ref, &outcome) == 0) {
        memset(ev, 0, sizeof *ev);
        ev->kind = outcome == SP_QUEUE_ACKED ? SP_LINK_ACKED : SP_LINK_DROPPED;
        ev->ref = ref;
        return 0;
    }
    return take_event(l, SP_LINK_CLOSED, ev) ? 0 : SP_EAGAIN;
}

/* ---- time ---- */

static sp_time idle_at(const struct sp_link *l)
{
    return l->recovery.heard_at + l->idle_s * SP_SECOND;
}

/* Rule 14.  The PING is a frame like any other, so that an unanswered one is repeated per PTO and darkens the
 * link (ruling 48); without a slot for it one goes that nobody waits for. */
static void ping(struct sp_link *l)
{
    struct sp_frame f = {.kind = SP_KIND_PING};
    if (put(l, &f, 0, PING_KEY) != 0)
        l->recovery.wants_ping = true;
    l->is_stirred = true;
}

static void tick(struct sp_link *l, sp_time now)
{
    if (l->is_closed) {
        l->is_over |= now >= l->close_until;
        return;
    }
    if (now >= idle_at(l)) {
        sp_link_close(l, SP_CLOSE_IDLE, 0, now);
        return;
    }
    if (l->ack_at <= now) {
        l->ack_now = true;
        l->ack_at = SP_NEVER;
    }
    if (l->pacer_at <= now)
        l->pacer_at = SP_NEVER;
    if (l->retry_at <= now)
        l->retry_at = SP_NEVER;
    if (l->owes_options) {
        put_options(l);
        if (l->owes_options)
            l->retry_at = now + SP_SECOND;
    }
    if (l->cfg.role == SP_LINK_CLIENT && !l->recovery.is_dark && l->keepalive_at <= now) {
        draw_keepalive(l);
        l->keepalive_at = now + l->keepalive_us;
        ping(l);
    }
    sp_recovery_tick(l, now);
    if (sp_path_is_ticking(&l->path) && sp_path_tick(&l->path, sp_rtt_pto(&l->rtt), now) == SP_PATH_MOVED)
        sp_link_note_moved(l, now);
}

static sp_time earlier(sp_time a, sp_time b)
{
    return a < b ? a : b;
}

sp_time sp_link_first_timer(const struct sp_link *l)
{
    if (l->is_closed)
        return l->is_over ? SP_NEVER : l->close_until;
    sp_time at = earlier(idle_at(l), l->ack_at);
    at = earlier(at, earlier(l->pacer_at, l->retry_at));
    at = earlier(at, earlier(sp_recovery_deadline(l), sp_path_deadline(&l->path)));
    if (l->cfg.role == SP_LINK_CLIENT && !l->recovery.is_dark)
        at = earlier(at, l->keepalive_at);
    return at;
}

int sp_link_take_turn(struct sp_link *l, struct sp_datagram *out, bool is_due, sp_time now)
{
    int err = SP_EAGAIN;
    if (is_due)
        tick(l, now);
    if (sp_link_has_work(l) && !l->is_over)
        err = sp_build_datagram(l, out, now);
    if (err != 0 || !sp_link_has_work(l))
        l->is_stirred = false;
    if (!l->is_stirred) /* else the next turn works it out */
        l->due = sp_link_first_timer(l);
    return err;
}

sp_time sp_link_deadline(const struct sp_link *l)
{
    if (l->is_stirred || sp_link_has_event(l))
        return 0;
    return l->due != SP_LINK_DUE_UNKNOWN ? l->due : sp_link_first_timer(l);
}

void sp_link_network(struct sp_link *l, sp_time now)
{
    if (l->is_closed)
        return;
    sp_rtt_init(&l->rtt, l->rtt.peer_delay, now);
    sp_loss_init(&l->loss, now);
    sp_congestion_init(&l->congestion, now);
    sp_pacer_init(&l->pacer, now);
    sp_recovery_note_network(l, now);
    ping(l);
}

void sp_link_options(struct sp_link *l, uint16_t keepalive_s, uint16_t inbox, uint16_t flags, sp_time now)
{
    if (l->is_closed)
        return;
    l->cfg.keepalive_s = keepalive_s == 0 ? KEEPALIVE_S : keepalive_s;
    l->cfg.inbox = inbox;
    l->cfg.option_flags = flags;
    l->own_rev++;
    sp_link_note_declared(l);
    draw_keepalive(l);
    l->keepalive_at = now + l->keepalive_us;
    l->due = SP_LINK_DUE_UNKNOWN;
    put_options(l);
}

sp_time sp_link_pto(const struct sp_link *l)
{
    return sp_rtt_pto(&l->rtt);
}

void sp_link_read_stats(const struct sp_link *l, struct sp_link_stats *out)
{
    *out = l->stats;
    out->srtt_us = l->rtt.srtt;
    out->rttvar_us = l->rtt.rttvar;
    out->min_rtt_us = sp_rtt_min(&l->rtt);
    out->cwnd = l->congestion.cwnd;
    out->bytes_in_flight = l->inflight.bytes;
    out->frames_waiting = l->queue.waiting;
}
