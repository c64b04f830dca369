/* Transmit side of a link.  Rule numbers are those of docs/protocol.md, section 6. */
#include "build.h"

#include <sampan/err.h>

#include "bug.h"
#include "kinds.h"
#include "link.h"

#include <string.h>

#define AHEAD_MAX   16384 /* numbers a sender stays within of its largest acknowledged one (section 3) */
#define SKIP_MIN    256
#define SKIP_MAX    1024
#define QUIET_MAX   255          /* after so many packets that elicit no ACK the next one does (section 3) */
#define ACK_REPEATS 4            /* rule 1: each range, and three times more */
#define PATH_LEN    9            /* bytes of a PATH_* frame */
#define RETRY_US    (10 * SP_MS) /* shared slots were used up: other links give some back soon */

/* A datagram being built. */
struct draft {
    uint8_t *frames; /* where they start in the datagram */
    size_t len, cap;
    struct sp_inflight_packet
        *packet; /* NULL: no record left; such a packet may carry nothing that needs one */
    uint64_t pn;
    uint8_t generation;
    bool elicits, has_ack;
};

uint64_t sp_build_next_skip(struct sp_link *l, uint64_t pn)
{
    return pn + SKIP_MIN + sp_rng_below(l->cfg.rng, SKIP_MAX - SKIP_MIN + 1);
}

/* The number of the next packet.  Skipped numbers are kept: whoever acknowledges one has not seen our
 * packets. */
static uint64_t pick_number(struct sp_link *l)
{
    if (l->next_pn == l->skip_pn) {
        l->skipped[l->skipped_i] = (uint32_t)l->skip_pn;
        l->skipped_i = (uint8_t)((l->skipped_i + 1) % SP_LINK_SKIPPED_MAX);
        if (l->skipped_n < SP_LINK_SKIPPED_MAX)
            l->skipped_n++;
        l->next_pn++;
        l->skip_pn = sp_build_next_skip(l, l->skip_pn);
    }
    return l->next_pn;
}

static size_t overhead(const struct sp_link *l)
{
    return l->seal.dir == SP_DIR_UP ? SP_DATA_UP_OVERHEAD : SP_DATA_DOWN_OVERHEAD;
}

/* Starts a datagram of at most `room` bytes.  SP_EAGAIN: nothing fits, or too many numbers are not
 * acknowledged. */
static int begin(struct sp_link *l, struct draft *d, struct sp_datagram *out, size_t room)
{
    SP_ASSERT(out->cap >= SP_DATAGRAM_MAX);
    size_t most = room < SP_DATAGRAM_MAX ? room : SP_DATAGRAM_MAX;
    if (most <= overhead(l) || l->next_pn - l->recovery.largest_acked >= AHEAD_MAX)
        return SP_EAGAIN;
    memset(d, 0, sizeof *d);
    d->frames = out->p + sp_seal_header(l->seal.dir);
    d->cap = most - overhead(l);
    d->pn = pick_number(l);
    out->peer = l->path.peer;
    d->generation = l->path.generation;
    d->packet = sp_inflight_open(&l->inflight, d->pn);
    return 0;
}

static void abandon(struct sp_link *l, struct draft *d)
{
    if (d->packet != NULL)
        sp_inflight_release(&l->inflight, d->packet);
}

/* Adds a frame if it fits. */
static bool add(struct draft *d, const struct sp_frame *f)
{
    size_t n = 0;
    if (sp_wire_encode(f, d->frames + d->len, d->cap - d->len, &n) != 0)
        return false;
    d->len += n;
    d->elicits |= sp_kinds_get(f->kind)->elicits;
    return true;
}

static void add_ping(struct draft *d)
{
    struct sp_frame f = {.kind = SP_KIND_PING};
    (void)add(d, &f); /* one byte; if not even that fits, the datagram is full of frames that elicit an ACK */
}

/* Rule 1: every datagram carries an ACK that changed within the last round trip, or that was not repeated
 * enough. */
static bool is_ack_fresh(const struct sp_link *l, sp_time now)
{
    return l->ack_now || l->acks_owed > 0 || l->ack_repeats < ACK_REPEATS ||
           now - l->ack_changed_at <= l->rtt.srtt;
}

static void add_ack(const struct sp_link *l, struct draft *d, sp_time now)
{
    struct sp_frame f;
    if (sp_ackset_frame(&l->ackset, sp_loss_inbound(&l->loss), now, &f) == 0)
        d->has_ack = add(d, &f);
}

static void note_ack_sent(struct sp_link *l)
{
    l->acks_owed = 0;
    l->ack_now = false;
    l->ack_at = SP_NEVER;
    if (l->ack_repeats < ACK_REPEATS)
        l->ack_repeats++;
}

static void add_path(struct draft *d, const struct sp_path_note *note)
{
    struct sp_frame f = {.kind = note->is_answer ? SP_KIND_PATH_RESPONSE : SP_KIND_PATH_CHALLENGE};
    memcpy(f.u.path.data, note->data, sizeof f.u.path.data);
    bool fits = add(d, &f);
    SP_ASSERT(fits);
}

/* Frames in the order of rule 11, as many as fit.  (Rule 9 will fill what is left with earlier ones.) Returns
 * their number. */
static unsigned add_frames(struct sp_link *l, struct draft *d, sp_time now)
{
    unsigned n = 0;
    if (d->packet == NULL) {
        l->retry_at = now + RETRY_US;
        return 0;
    }
    for (;;) {
        struct sp_queue_frame *f = sp_queue_next(&l->queue, d->cap - d->len);
        if (f == NULL)
            return n;
        if (!sp_inflight_carry(&l->inflight, d->packet, f)) {
            l->retry_at = now + RETRY_US;
            return n;
        }
        memcpy(d->frames + d->len, f->bytes, f->len);
        d->len += f->len;
        d->elicits = true; /* every frame that is resent elicits an ACK (section 4) */
        sp_queue_note_sent(&l->queue, f, d->pn, now);
        l->stats.frames_sent++;
        if (f->sends > 1)
            l->stats.frames_resent++;
        n++;
    }
}

/* Gives the packet to recovery, or forgets its record when none is needed. */
static void account(struct sp_link *l, struct draft *d, size_t len, sp_time now)
{
    l->quiet = d->elicits ? 0 : (uint16_t)(l->quiet + 1);
    if (d->has_ack)
        note_ack_sent(l);
    if (d->packet != NULL) {
        d->packet->elicits = d->elicits;
        d->packet->path = d->generation;
        if (d->elicits && l->inflight.counted == 0 && now - l->sent_at >= 10 * SP_SECOND)
            sp_rtt_note_idle(&l->rtt);
        sp_inflight_note_sent(&l->inflight, d->packet, len, now);
    }
    if (l->inflight.bytes >= l->congestion.cwnd / 2)
        sp_congestion_note_full(&l->congestion);
    if (d->elicits)
        sp_pacer_note_sent(&l->pacer, len);
    if (d->generation != SP_PATH_ELSEWHERE)
        sp_path_note_sent(&l->path, len);
    l->sent_at = now;
    l->keepalive_at = now + l->keepalive_us;
    l->stats.packets_sent++;
    l->stats.bytes_sent += len;
}

static void finish(struct sp_link *l, struct draft *d, struct sp_datagram *out, sp_time now)
{
    if (!d->elicits && l->quiet >= QUIET_MAX)
        add_ping(d);
    sp_seal_turn(&l->seal, l->recovery.largest_acked, now);
    out->len = sp_seal_packet(&l->seal, l->cfg.cid, d->pn, out->p, d->len);
    l->last_pn = d->pn;
    l->next_pn = d->pn + 1;
    account(l, d, out->len, now);
}

/* CLOSE and nothing else: what is said after it is not read (section 2.4). */
static bool fill_close(struct sp_link *l, struct draft *d)
{
    struct sp_frame f = {.kind = SP_KIND_CLOSE, .u.close = l->close};
    if (!add(d, &f))
        return false;
    l->close_due = false;
    return true;
}

/* A challenge to the old address or an answer to a third one.  Both are short and rare, so no 3x count is
 * kept for these addresses: the first was proven, the second has just sent a longer datagram. */
static void fill_elsewhere(struct draft *d, const struct sp_path_note *note, struct sp_datagram *out)
{
    out->peer = note->to;
    d->generation = SP_PATH_ELSEWHERE;
    add_path(d, note);
}

/* Whether waiting frames may go: rules 5, 12 and 13.  Probes pass the window and the pacer. */
static bool may_send_frames(struct sp_link *l, sp_time now)
{
    if (l->queue.waiting == 0)
        return false;
    if (l->recovery.is_dark)
        return l->recovery.wants_ping; /* along with the one PING */
    if (l->recovery.free_datagrams > 0)
        return true;
    if (!sp_congestion_has_room(&l->congestion, l->inflight.bytes, l->inflight.counted)) {
        sp_congestion_note_full(&l->congestion);
        return false;
    }
    if (sp_pacer_allows(&l->pacer, l->congestion.cwnd, l->rtt.srtt, now))
        return true;
    l->pacer_at = sp_pacer_next(&l->pacer, l->congestion.cwnd, l->rtt.srtt);
    return false;
}

static bool is_path_due(const struct sp_path *p)
{
    return p->owes_challenge || p->owes_answer;
}

/* All that goes to the current address.  false: it is not worth a datagram. */
static bool fill_here(struct sp_link *l, struct draft *d, bool wants_frames, sp_time now)
{
    bool is_worth = l->ack_now;
    if (is_ack_fresh(l, now))
        add_ack(l, d, now);
    struct sp_path_note note;
    while (is_path_due(&l->path) && d->cap - d->len >= PATH_LEN &&
           sp_path_next(&l->path, true, l->cfg.rng, &note)) {
        add_path(d, &note);
        is_worth = true;
    }
    if (l->recovery.wants_ping) {
        add_ping(d);
        l->recovery.wants_ping = false;
        is_worth = true;
    }
    if (wants_frames && add_frames(l, d, now) > 0) {
        is_worth = true;
        if (l->recovery.free_datagrams > 0)
            l->recovery.free_datagrams--;
    }
    return is_worth && d->len > 0;
}

int sp_build_datagram(struct sp_link *l, struct sp_datagram *out, sp_time now)
{
    struct draft d;
    struct sp_path_note note;
    bool is_elsewhere = !l->is_closed && sp_path_next(&l->path, false, l->cfg.rng, &note);
    bool wants_frames = !l->is_closed && !is_elsewhere && may_send_frames(l, now);
    bool is_wanted = l->is_closed ? l->close_due
                                  : is_elsewhere || wants_frames || l->ack_now || l->recovery.wants_ping ||
                                        is_path_due(&l->path);
    if (!is_wanted || begin(l, &d, out, is_elsewhere ? SP_DATAGRAM_MAX : sp_path_room(&l->path)) != 0)
        return SP_EAGAIN;

    bool is_worth = true;
    if (is_elsewhere)
        fill_elsewhere(&d, &note, out);
    else
        is_worth = l->is_closed ? fill_close(l, &d) : fill_here(l, &d, wants_frames, now);
    if (!is_worth) {
        abandon(l, &d);
        return SP_EAGAIN;
    }
    finish(l, &d, out, now);
    return 0;
}
