/* Life of a session: half open, live, closing, gone. */
#include "session.h"

#include "bug.h"
#include "core.h"
#include "svc_notify.h"
#include "svc_pull.h"
#include "svc_receipt.h"
#include "svc_status.h"

#include <string.h>

#define OPTION_TIPS_ONLY 2 /* flag of OPTIONS: docs/protocol.md, section 4 */

static sp_time end_of(struct sp_gateway *g, sp_time now)
{
    sp_time life = (sp_time)g->cfg.session_life_s * SP_SECOND; /* -10..0 %: docs/protocol.md, section 5.5 */
    return now + life - (sp_time)sp_rng_below(&g->rng, (uint64_t)(life / 10) + 1);
}

static void init_link(struct sp_gateway *g, struct sp_session *s, const struct sp_session_opening *o,
                      sp_time now)
{
    struct sp_link_config cfg = {.role = SP_LINK_GATEWAY,
                                 .crypto = g->crypto,
                                 .memory = &g->link_memory,
                                 .rng = &g->rng,
                                 .keys = {o->keys->up, o->keys->down},
                                 .peer = o->peer,
                                 .is_validated = o->is_validated,
                                 .received_bytes = (uint32_t)o->received_bytes,
                                 .early = o->early,
                                 .frames_max = SP_CONF_LINK_FRAMES,
                                 .ackdelay_ms = SP_CONF_ACKDELAY_MS,
                                 .keepalive_s = SP_CONF_KEEPALIVE_S,
                                 .inbox = SP_CONF_INBOX};
    memcpy(cfg.cid, o->cid, sizeof cfg.cid);
    sp_link_init(&s->link, &cfg, now);
}

struct sp_session *sp_session_open(struct sp_gateway *g, const struct sp_session_opening *o, sp_time now)
{
    struct sp_session *s = sp_pool_take(&g->sessions);
    if (s == NULL)
        return NULL;
    memcpy(s->cid, o->cid, sizeof s->cid);
    s->state = SP_SESSION_HALF_OPEN;
    s->device = o->device;
    s->opened_at = now;
    s->ends_at = end_of(g, now);
    s->rights = o->rights;
    s->user_len = o->device->account->id_len;
    memcpy(s->user, o->device->account->id, s->user_len);
    s->accept_left = SP_CONF_ACCEPT_REPEATS;
    s->accept_peer = o->peer;
    s->inbox = SP_CONF_CLIENT_INBOX;
    sp_dedup_init(&s->refused, &g->refusals);
    sp_list_init(&s->statuses);
    init_link(g, s, o, now);
    sp_peers_add_cid(&g->peers, s);
    struct sp_session **half = o->device->half;
    SP_ASSERT(half[SP_CONF_HALF_OPEN_DEVICE - 1] == NULL);
    size_t i = 0;
    while (half[i] != NULL)
        i++;
    half[i] = s;
    sp_list_append(&g->half_open, &s->node);
    g->half_open_n++;
    return s;
}

static void leave_half_open(struct sp_gateway *g, struct sp_session *s)
{
    struct sp_session **half = s->device->half;
    size_t to = 0;
    for (size_t i = 0; i < SP_CONF_HALF_OPEN_DEVICE; i++) {
        if (half[i] != s)
            half[to++] = half[i];
    }
    SP_ASSERT(to == SP_CONF_HALF_OPEN_DEVICE - 1);
    half[to] = NULL;
    sp_list_remove(&s->node);
    g->half_open_n--;
}

static bool is_busy(const struct sp_session *s)
{
    return s->pull.ask.is_out || s->acks.ask.is_out || s->statuses_n > 0;
}

/* Gives the slot back. */
static void forget(struct sp_gateway *g, struct sp_session *s)
{
    struct sp_link_stats stats;
    SP_ASSERT(!is_busy(s));
    sp_link_read_stats(&s->link, &stats);
    g->stats.packets_lost += stats.packets_lost;
    g->stats.frames_resent += stats.frames_resent;
    sp_dedup_wipe(&s->refused);
    sp_link_wipe(&s->link);
    sp_due_set(&g->due, &s->due, SP_NEVER);
    sp_list_remove(&s->dirty);
    sp_list_remove(&s->node);
    sp_peers_remove_cid(&g->peers, s);
    sp_pool_give(&g->sessions, s);
}

/* Takes presence from a live session: it owns nothing of its user any more. */
static void leave_device(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_device *d = s->device;
    s->device = NULL;
    s->is_bound = false;
    s->pull.is_reading = s->pull.has_next = false;
    s->acks.has_delivered = s->acks.has_read = false;
    sp_svc_status_forget(g, s);
    sp_list_remove(&s->node);
    sp_list_append(&g->closing, &s->node);
    g->live_n--;
    g->stats.sessions_closed++;
    if (d->session == s) {
        d->session = NULL;
        sp_svc_receipt_untell(d);
    }
    d->refs++; /* it must outlive what follows from its absence */
    if (!sp_peers_is_present(d->account))
        sp_watch_absent(g, d->account, now);
    d->refs--;
    sp_peers_release(&g->peers, d);
}

void sp_session_close(struct sp_gateway *g, struct sp_session *s, enum sp_close code, uint16_t retry,
                      sp_time now)
{
    if (s->state == SP_SESSION_CLOSING)
        return;
    if (s->state == SP_SESSION_HALF_OPEN) {
        struct sp_device *d = s->device;
        leave_half_open(g, s);
        forget(g, s);
        sp_peers_release(&g->peers, d);
        return;
    }
    s->state = SP_SESSION_CLOSING;
    sp_link_close(&s->link, code, retry, now);
    leave_device(g, s, now);
    sp_session_touch(g, s);
}

void sp_session_touch(struct sp_gateway *g, struct sp_session *s)
{
    if (!sp_list_has(&s->dirty))
        sp_list_append(&g->dirty, &s->dirty);
}

/* Handshakes of the device that began before this one did belong to a process that is gone: a late first DATA
 * of theirs must not replace this session. */
static void drop_older_halves(struct sp_gateway *g, const struct sp_session *s, sp_time now)
{
    for (;;) {
        struct sp_session *oldest = s->device->half[0];
        if (oldest == NULL || oldest->opened_at > s->opened_at)
            return;
        sp_session_close(g, oldest, SP_CLOSE_REPLACED, 0, now);
    }
}

/* The first DATA came: now it is the session of its device, and an older one ends. */
static void confirm(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    if (s->state != SP_SESSION_HALF_OPEN)
        return;
    leave_half_open(g, s);
    s->state = SP_SESSION_LIVE;
    sp_list_append(&g->live, &s->node);
    g->live_n++;
    g->stats.sessions_confirmed++;
    struct sp_device *d = s->device;
    struct sp_session *older = d->session;
    if (older != NULL) {
        sp_svc_receipt_untell(d);
        d->session = s; /* before the close, so that the device is not absent in between */
        g->stats.sessions_replaced++;
        sp_session_close(g, older, SP_CLOSE_REPLACED, 0, now);
    }
    d->session = s;
    drop_older_halves(g, s, now);
}

static void go_dark(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    if (s->state != SP_SESSION_LIVE || s->is_dark)
        return;
    s->is_dark = true;
    g->stats.sessions_dark++;
    if (!sp_peers_is_present(s->device->account))
        sp_watch_absent(g, s->device->account, now);
}

static void count_close(struct sp_gateway *g, const struct sp_link_event *ev)
{
    if (!ev->is_local)
        return;
    if (ev->close.code == SP_CLOSE_PROTOCOL)
        g->stats.sessions_violated++;
    if (ev->close.code == SP_CLOSE_IDLE)
        g->stats.sessions_idle++;
}

/* The link is closed, by the peer, by silence, or by a violation; closes of our own come here when all is
 * done. */
static void end(struct sp_gateway *g, struct sp_session *s, const struct sp_link_event *ev, sp_time now)
{
    count_close(g, ev);
    if (s->state == SP_SESSION_LIVE) {
        s->state = SP_SESSION_CLOSING;
        leave_device(g, s, now);
    } else if (s->state == SP_SESSION_HALF_OPEN) {
        struct sp_device *d = s->device;
        leave_half_open(g, s);
        s->state = SP_SESSION_CLOSING;
        s->device = NULL;
        sp_list_append(&g->closing, &s->node);
        sp_peers_release(&g->peers, d);
    }
}

static void acked(struct sp_gateway *g, struct sp_session *s, uint64_t ref)
{
    switch (ref & SP_SESSION_REF_MASK) {
    case SP_SESSION_REF_MSG_N:
        sp_carry_remove(&s->carry, (uint32_t)ref);
        break;
    case SP_SESSION_REF_ACK_N:
        sp_svc_receipt_acked(g, s, ref);
        break;
    default:
        break;
    }
}

static void handle(struct sp_gateway *g, struct sp_session *s, const struct sp_link_event *ev, sp_time now)
{
    switch (ev->kind) {
    case SP_LINK_UP:
        confirm(g, s, now);
        break;
    case SP_LINK_DARK:
        go_dark(g, s, now);
        break;
    case SP_LINK_HEARD:
        s->is_dark = false;
        break;
    case SP_LINK_MOVED:
        g->stats.sessions_moved++;
        break;
    case SP_LINK_OPTIONS:
        s->inbox = ev->options.inbox;
        s->tips_only = (ev->options.flags & OPTION_TIPS_ONLY) != 0;
        break;
    case SP_LINK_CLOSED:
        end(g, s, ev, now);
        break;
    case SP_LINK_ACKED:
        acked(g, s, ev->ref);
        break;
    case SP_LINK_DROPPED: /* only a closed link drops, and then presence is gone already */
        break;
    }
}

bool sp_session_hear(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    struct sp_link_event ev;
    while (sp_link_poll(&s->link, &ev) == 0)
        handle(g, s, &ev, now);
    if (s->state == SP_SESSION_CLOSING && !is_busy(s) && sp_link_is_finished(&s->link, now)) {
        forget(g, s);
        return false;
    }
    return true;
}

bool sp_session_settle_all(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    if (s->state == SP_SESSION_LIVE && s->ends_at <= now)
        sp_session_close(g, s, SP_CLOSE_AGED, 0, now);
    if (!sp_session_hear(g, s, now))
        return false;
    if (s->state == SP_SESSION_LIVE) {
        sp_svc_receipt_flush(g, s->device, now);
        sp_svc_notify_flush(g, s, now);
        sp_svc_pull_pump(g, s, now);
    }
    return true;
}

bool sp_session_send(struct sp_gateway *g, struct sp_session *s, const struct sp_frame *f, uint64_t ref,
                     sp_time now)
{
    if (s->state != SP_SESSION_LIVE)
        return false;
    int err = sp_link_submit(&s->link, f, ref, now);
    if (err != 0) {
        if (err == SP_EFULL)
            g->stats.link_full++;
        if (err == SP_EINVAL)
            g->stats.frames_unfit++;
        return false;
    }
    sp_session_touch(g, s);
    return true;
}

struct sp_view sp_session_user(const struct sp_session *s)
{
    return (struct sp_view){s->user, s->user_len};
}

size_t sp_session_room(const struct sp_session *s)
{
    size_t link = sp_link_room(&s->link);
    size_t own = s->carry.n < SP_CONF_LINK_NOTICES ? SP_CONF_LINK_NOTICES - s->carry.n : 0;
    return link < own ? link : own;
}

void sp_session_rest(struct sp_gateway *g, struct sp_session *s, sp_time now)
{
    if (s->state == SP_SESSION_HALF_OPEN)
        return; /* admit.c ends it; nothing leaves before it is confirmed */
    sp_time at = sp_link_deadline(&s->link), pull = sp_svc_pull_deadline(s, now);
    if (s->state == SP_SESSION_LIVE && pull < at)
        at = pull;
    if (s->state == SP_SESSION_LIVE && s->ends_at < at)
        at = s->ends_at;
    if (s->state == SP_SESSION_CLOSING && at > now + SP_CONF_CLOSING_CHECK)
        at = now + SP_CONF_CLOSING_CHECK;
    sp_due_set(&g->due, &s->due, at > now ? at : now + 1);
}
