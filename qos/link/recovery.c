/* Loss detection and probes.  Rule numbers are those of docs/protocol.md, section 6.
 *
 * Frames are repaired, packets are only judged.  A frame goes again when the packet with its latest copy is
 * held for lost (rule 6), or when that copy is a PTO old (rule 4); whichever comes first.  All frames share
 * one back-off, so the list of sent frames, which is ordered by their latest copy, is also ordered by when
 * they are due: its front is the timer.
 *
 * Expired frames come in rounds: a round begins with a frame whose latest copy left after the last round
 * began.  Rounds count for back-off and dark, so that a burst that expires together counts once. */
#include "recovery.h"

#include <sampan/err.h>

#include "bug.h"
#include "link.h"

#include <string.h>

#define BACKOFF_MAX   6 /* last factor of rule 4 */
#define PROBES_MAX    8 /* rule 5 says three; see is_dark_due */
#define DARK_TRIES    4 /* PINGs in the dark with the same wait, at most */
#define PROBE_PACKETS 2 /* datagrams of one round that the window never blocks */
#define SILENT_BYTES  (PROBE_PACKETS * SP_DATAGRAM_MAX)
#define LOST_KEPT_PTO 4 /* a packet later than this was not late but lost */
#define DARK_WAIT_MIN                                                                                        \
    (100 * SP_MS) /* keeps a dark link with a tiny RTT to the 16 probes a minute of story 28 */

void sp_recovery_init(struct sp_recovery *r, sp_time now)
{
    memset(r, 0, sizeof *r);
    r->heard_at = now;
    r->round_at = INT64_MIN / 2;
    r->loss_at = r->dark_at = SP_NEVER;
}

void sp_recovery_finish(struct sp_link *l, struct sp_queue_frame *f, enum sp_queue_state outcome)
{
    sp_inflight_forget(&l->inflight, f);
    sp_queue_finish(&l->queue, f, outcome);
}

void sp_recovery_withdraw(struct sp_link *l, struct sp_queue_frame *f)
{
    sp_inflight_forget(&l->inflight, f);
    sp_queue_release(&l->queue, f);
}

/* Rule 6.  Judges every packet that was sent before the largest acknowledged one and is old enough; its
 * frames go again unless a later copy is under way.  (Rule 7 will give a lost frame more than one copy here.)
 */
static void judge(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    r->loss_at = SP_NEVER;
    for (;;) {
        struct sp_inflight_packet *p = sp_inflight_oldest(&l->inflight);
        if (p == NULL || p->pn >= r->largest_acked)
            return;
        sp_time age = sp_rtt_lost_after(&l->rtt);
        if (now - p->sent_at < age) {
            r->loss_at = p->sent_at + age;
            return;
        }
        struct sp_node *n;
        SP_LIST_FOREACH (n, &p->copies) {
            struct sp_queue_frame *f = SP_LIST_ITEM(n, struct sp_inflight_copy, of_packet)->frame;
            if (f->state == SP_QUEUE_SENT && f->last_pn == p->pn)
                sp_queue_again(&l->queue, f);
        }
        if (p->elicits) {
            l->stats.packets_lost++;
            sp_loss_note_resolved(&l->loss, true, now);
        }
        sp_inflight_lose(&l->inflight, p);
    }
}

/* Whether an ACK names a number that we skipped, or number 0 up without `early` (rulings 3 and 4). */
static bool names_unsent(const struct sp_link *l, const struct sp_ackset_range *ranges, size_t n)
{
    bool is_zero_sent = l->cfg.role == SP_LINK_GATEWAY || l->cfg.early;
    if (ranges[n - 1].lo == 0 && !is_zero_sent)
        return true;
    for (size_t i = 0; i < l->skipped_n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (l->skipped[i] - (uint32_t)ranges[k].lo <= (uint32_t)(ranges[k].hi - ranges[k].lo))
                return true;
        }
    }
    return false;
}

/* One acknowledged packet: what it tells about the path, and the end of its frames.  Returns the bytes that
 * it took of the window. */
static uint32_t settle(struct sp_link *l, struct sp_inflight_packet *p, sp_time now)
{
    uint32_t bytes = p->elicits ? p->len : 0;
    if (p->was_lost) {
        l->stats.packets_spurious++;
        sp_rtt_note_spurious(&l->rtt, now);
    } else if (p->elicits) {
        sp_loss_note_resolved(&l->loss, false, now);
    }
    if (p->path == l->path.generation)
        sp_path_prove(&l->path);
    while (!sp_list_is_empty(&p->copies)) {
        struct sp_node *n = sp_list_first(&p->copies);
        sp_recovery_finish(l, SP_LIST_ITEM(n, struct sp_inflight_copy, of_packet)->frame, SP_QUEUE_ACKED);
    }
    sp_inflight_release(&l->inflight, p);
    return bytes;
}

/* Rule 3: the time of the largest number that the ACK names, if the ACK is the first to name it and something
 * in it asked for an answer.  Every packet has a number of its own, so there is no doubt which sending is
 * meant. */
static sp_time take_sample(struct sp_link *l, const struct sp_list *acked, uint64_t largest, sp_time delay,
                           sp_time now)
{
    bool elicits = false;
    const struct sp_inflight_packet *last = NULL;
    struct sp_node *n;
    SP_LIST_FOREACH (n, acked) {
        last = SP_LIST_ITEM(n, struct sp_inflight_packet, node);
        elicits |= last->elicits;
    }
    if (last == NULL || last->pn != largest || !elicits)
        return 0;
    sp_rtt_sample(&l->rtt, now - last->sent_at, delay, now);
    return l->rtt.latest;
}

/* Moves packets older than a wait out of the window: their ACK is overdue, and a link whose last packets were
 * lost must not wait for them. */
static void age_packets(struct sp_link *l, sp_time wait, sp_time now)
{
    struct sp_inflight_packet *p = sp_inflight_oldest_sent(&l->inflight);
    while (p != NULL && now - p->sent_at >= wait) {
        sp_inflight_age(&l->inflight, p);
        p = sp_inflight_oldest_sent(&l->inflight);
    }
}

int sp_recovery_note_ack(struct sp_link *l, const struct sp_frame_ack *f, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    struct sp_ackset_range ranges[1 + SP_ACK_GAPS_MAX];
    size_t n = 0;
    if (sp_ackset_expand(f, l->last_pn, ranges, &n) != 0 || names_unsent(l, ranges, n))
        return SP_EMALFORMED;

    age_packets(l, sp_rtt_wait(&l->rtt, r->backoff), now); /* no timer did it */
    struct sp_list acked;
    sp_list_init(&acked);
    sp_inflight_collect(&l->inflight, ranges, n, &acked);
    if (ranges[0].hi > r->largest_acked)
        r->largest_acked = ranges[0].hi;
    if (sp_list_is_empty(&acked))
        return 0;

    struct sp_congestion_ack news = {.sample =
                                         take_sample(l, &acked, ranges[0].hi, (sp_time)f->delay * 250, now)};
    while (!sp_list_is_empty(&acked))
        news.bytes += settle(l, SP_LIST_ITEM(sp_list_first(&acked), struct sp_inflight_packet, node), now);
    r->backoff = 0;
    judge(l, now);
    news.srtt = l->rtt.srtt;
    news.rttvar = l->rtt.rttvar;
    news.min_rtt = sp_rtt_min(&l->rtt);
    news.loss_is_risen = sp_loss_is_risen(&l->loss);
    sp_congestion_note_acked(&l->congestion, &news, now);
    return 0;
}

void sp_recovery_note_heard(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    r->heard_at = now;
    r->probes = 0;
    if (!r->is_dark)
        return;
    r->is_dark = r->wants_ping = false;
    r->dark_at = SP_NEVER;
    r->backoff = 0;
    sp_link_note_event(l, SP_LINK_HEARD);
}

/* Probes of which at least one is answered with a probability of 1 - `share`, as far as p tells; 1..most. */
static unsigned tries_for(const struct sp_link *l, uint32_t share, unsigned most)
{
    uint64_t p = sp_loss_p(&l->loss);
    uint64_t answered = (SP_LOSS_ONE - p) * (SP_LOSS_ONE - p) / SP_LOSS_ONE; /* lost neither way */
    uint64_t failed = SP_LOSS_ONE - answered;
    uint64_t all = failed;
    unsigned n = 1;
    while (all > share && n < most) {
        all = all * failed / SP_LOSS_ONE;
        n++;
    }
    return n;
}

/* Rule 5: three probes without anything heard.  At 30 % loss each way these and the first sending fail
 * together once in 15 times, and the long waits of the dark would then hurt more than the loss: so while p is
 * high, as many more probes as make a false alarm as rare as 1 %. */
static bool is_dark_due(const struct sp_link *l)
{
    const struct sp_recovery *r = &l->recovery;
    return r->probes >= SP_RECOVERY_PROBES_MIN &&
           r->probes + 1u >= tries_for(l, SP_LOSS_ONE / 100, PROBES_MAX + 1);
}

/* Sends the next PING of the dark.  It takes along frames that would otherwise wait, oldest first: one
 * datagram leaves in any case, and if it arrives, so do they. */
static void ping_in_dark(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    size_t len = 0;
    struct sp_queue_frame *f = sp_queue_oldest(&l->queue);
    while (f != NULL && f->sent_at < now && len + f->len <= SP_QUEUE_LARGE) {
        len += f->len;
        sp_queue_again(&l->queue, f);
        f = sp_queue_oldest(&l->queue);
    }
    r->wants_ping = true;
    r->dark_at = now + r->dark_wait;
    l->stats.probes++;
}

/* Lost packets are remembered for so long, from their sending. */
static sp_time lost_kept(const struct sp_link *l)
{
    return LOST_KEPT_PTO * sp_rtt_pto(&l->rtt);
}

static void forget_lost(struct sp_link *l, sp_time now)
{
    struct sp_inflight_packet *p = sp_inflight_oldest_lost(&l->inflight);
    while (p != NULL && now - p->sent_at >= lost_kept(l)) {
        sp_inflight_release(&l->inflight, p);
        p = sp_inflight_oldest_lost(&l->inflight);
    }
}

/* The waits of the dark begin at the shortest. */
static void restart_dark(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    r->dark_wait = 2 * sp_rtt_pto(&l->rtt);
    if (r->dark_wait < DARK_WAIT_MIN)
        r->dark_wait = DARK_WAIT_MIN;
    r->dark_tries = (uint8_t)tries_for(l, SP_LOSS_ONE / 2, DARK_TRIES);
    ping_in_dark(l, now);
}

/* The timer of the dark: the wait doubles after as many PINGs as one of which is likely to be answered,
 * usually one. */
static void tick_dark(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    if (now < r->dark_at)
        return;
    if (--r->dark_tries == 0) {
        r->dark_wait = 2 * r->dark_wait < SP_RECOVERY_DARK_MAX ? 2 * r->dark_wait : SP_RECOVERY_DARK_MAX;
        r->dark_tries = (uint8_t)tries_for(l, SP_LOSS_ONE / 2, DARK_TRIES);
    }
    ping_in_dark(l, now);
}

/* Rule 5.  From now on only PINGs leave, by one timer, until something is heard. */
static void go_dark(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    r->is_dark = true;
    r->loss_at = SP_NEVER;
    r->free_datagrams = 0;
    restart_dark(l, now);
    age_packets(l, 0, now);
    sp_congestion_note_silent(&l->congestion, now);
    sp_link_note_event(l, SP_LINK_DARK);
}

/* A probe round begins.  false: it was one too many, the link is dark. */
static bool begin_round(struct sp_link *l, bool is_silent, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    if (is_silent && is_dark_due(l)) {
        go_dark(l, now);
        return false;
    }
    r->round_at = now;
    r->round_bytes = 0;
    r->free_datagrams = PROBE_PACKETS;
    if (r->backoff < BACKOFF_MAX)
        r->backoff++;
    if (is_silent)
        r->probes++;
    l->stats.probes++;
    return true;
}

/* Nothing was heard since this frame left: the path may be gone, so only a little goes again in each round.
 */
static bool is_silent(const struct sp_link *l, const struct sp_queue_frame *f)
{
    return l->recovery.heard_at <= f->sent_at;
}

/* Whether the frame has to wait for the next round although it is due. */
static bool is_held(const struct sp_link *l, const struct sp_queue_frame *f)
{
    const struct sp_recovery *r = &l->recovery;
    return f->sent_at < r->round_at && is_silent(l, f) && r->round_bytes >= SILENT_BYTES;
}

/* Rule 4. */
static void expire_frames(struct sp_link *l, sp_time wait, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    struct sp_queue_frame *f = sp_queue_oldest(&l->queue);
    while (f != NULL && now - f->sent_at >= wait) {
        bool held = is_held(l, f);
        if (held && now - r->round_at < wait)
            return;
        if ((held || f->sent_at >= r->round_at) && !begin_round(l, is_silent(l, f), now))
            return;
        if (is_silent(l, f))
            r->round_bytes += f->len;
        sp_queue_again(&l->queue, f);
        f = sp_queue_oldest(&l->queue);
    }
}

void sp_recovery_note_network(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    r->backoff = r->probes = 0;
    r->free_datagrams = 1; /* the PING that follows */
    age_packets(l, 0, now);
    if (r->is_dark)
        restart_dark(l, now);
}

void sp_recovery_tick(struct sp_link *l, sp_time now)
{
    struct sp_recovery *r = &l->recovery;
    if (r->is_dark) {
        tick_dark(l, now);
        return;
    }
    sp_time wait = sp_rtt_wait(&l->rtt, r->backoff);
    if (r->loss_at <= now)
        judge(l, now);
    forget_lost(l, now);
    age_packets(l, wait, now);
    expire_frames(l, wait, now);
}

sp_time sp_recovery_deadline(const struct sp_link *l)
{
    const struct sp_recovery *r = &l->recovery;
    if (r->is_dark)
        return r->dark_at;
    sp_time wait = sp_rtt_wait(&l->rtt, r->backoff);
    sp_time at = r->loss_at;
    const struct sp_inflight_packet *p = sp_inflight_oldest_sent(&l->inflight);
    /* Packets age to make room in the window, which concerns nobody while no frame waits for it. */
    if (l->queue.waiting > 0 && p != NULL && p->sent_at + wait < at)
        at = p->sent_at + wait;
    p = sp_inflight_oldest_lost(&l->inflight);
    if (p != NULL && p->sent_at + lost_kept(l) < at)
        at = p->sent_at + lost_kept(l);
    const struct sp_queue_frame *f = sp_queue_oldest(&l->queue);
    if (f != NULL) {
        sp_time from = is_held(l, f) ? r->round_at : f->sent_at;
        if (from + wait < at)
            at = from + wait;
    }
    return at;
}
