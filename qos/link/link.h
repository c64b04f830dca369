/* One established link: frames of the delivery layer in, encrypted datagrams out, and back, with loss
 * repaired (docs/protocol.md, sections 3 and 6).  It starts where the handshake ends (connect.c on the
 * client, admit.c in the gateway) and knows no users, no seq, no mailboxes, no sockets.  Both ends run this
 * same code.
 *
 * Flow per turn: receive each datagram, next until SP_EAGAIN after each, poll events until SP_EAGAIN, submit,
 * transmit until SP_EAGAIN, sleep until deadline.  Single-threaded; time never goes back. */
#ifndef SP_LINK_H
#define SP_LINK_H

#include <sampan/crypto.h>
#include <sampan/err.h>

#include "ackset.h"
#include "congestion.h"
#include "inflight.h"
#include "list.h"
#include "loss.h"
#include "pacer.h"
#include "path.h"
#include "pool.h"
#include "queue.h"
#include "recovery.h"
#include "replay.h"
#include "rng.h"
#include "rtt.h"
#include "seal.h"
#include "wire.h"

#define SP_LINK_SKIPPED_MAX                                                                                  \
    16 /* skipped numbers remembered: an ACK reaches back 4,087 numbers, skips are 257 apart */

#define SP_LINK_DUE_UNKNOWN INT64_MIN

enum sp_link_role { SP_LINK_CLIENT, SP_LINK_GATEWAY };

/* Slots that all links of one owner share: queued frames (small and large), sent packets, copies of frames in
 * packets. Made once; a link takes slots as it needs them, up to its own frames_max. */
struct sp_link_memory {
    struct sp_pool small;   /* frames of up to SP_QUEUE_SMALL bytes */
    struct sp_pool large;   /* frames of up to one datagram */
    struct sp_pool packets; /* sent and not yet judged packets */
    struct sp_pool copies;  /* (frame, packet) pairs */
};
struct sp_link_memory_config {
    size_t small_max, large_max, packets_max, copies_max;
};
/* Bytes that sp_link_memory_init needs, aligned as max_align_t. */
size_t sp_link_memory_footprint(const struct sp_link_memory_config *cfg);
void sp_link_memory_init(struct sp_link_memory *m, void *mem, const struct sp_link_memory_config *cfg);

struct sp_link_config {
    enum sp_link_role role;
    const struct sp_crypto *crypto; /* borrowed for the link's life, as the next two */
    struct sp_link_memory *memory;
    struct sp_rng *rng;
    struct sp_session_keys_view {
        const uint8_t *up, *down; /* SP_KEY_LEN each, copied */
    } keys;
    uint8_t cid[8];
    struct sp_addr peer; /* where datagrams go first; the client's link never changes it */
    bool is_validated;   /* gateway: a cookie proved the address; else the 3x rule holds until confirmed */
    uint32_t received_bytes; /* gateway: bytes of the INIT, for the 3x rule */
    bool early;              /* packet 0 up counts as received (gateway) or acknowledged (client) */
    uint16_t frames_max;     /* frames queued or in flight, at most */
    uint8_t ackdelay_ms;     /* ours: client 10, gateway 5 */
    uint16_t keepalive_s;    /* client: PING after so much silence; gateway: taken from the peer's OPTIONS */
    uint16_t inbox;          /* told in our OPTIONS */
    uint16_t option_flags;   /* told in our OPTIONS */
};

enum sp_link_event_kind {
    SP_LINK_UP,   /* gateway: the session is confirmed (first valid DATA up); client: first DATA down heard */
    SP_LINK_DARK, /* rule 5: probes unanswered */
    SP_LINK_HEARD,   /* heard again after DARK */
    SP_LINK_MOVED,   /* gateway: the peer's address changed; `peer` is the new one */
    SP_LINK_OPTIONS, /* the peer's newest OPTIONS, in `options` */
    SP_LINK_CLOSED,  /* by the peer (is_local false) or by us; last event, nothing is sent after the CLOSE
                        repeats */
    SP_LINK_ACKED,   /* the frame with `ref` reached the peer's link */
    SP_LINK_DROPPED, /* the frame with `ref` was given up: the link closed, or a newer value took its place */
};
struct sp_link_event {
    enum sp_link_event_kind kind;
    bool is_local;
    uint64_t ref;
    struct sp_frame_close close;
    struct sp_frame_options options;
    struct sp_addr peer;
};

struct sp_link_stats {
    uint64_t packets_sent, packets_received, bytes_sent, bytes_received;
    uint64_t frames_sent, frames_resent; /* copies put into packets: first ones, later ones */
    uint64_t packets_lost, packets_spurious, probes;
    uint64_t violations; /* authenticated datagrams against the protocol */
    int64_t srtt_us, rttvar_us, min_rtt_us;
    uint32_t cwnd, bytes_in_flight, frames_waiting;
};

/* Its fields belong to link.c, intake.c, build.c and recovery.c alone. */
struct sp_link {
    struct sp_link_config cfg;
    struct sp_seal seal, unseal;
    struct sp_replay replay;
    struct sp_ackset ackset;
    struct sp_rtt rtt;
    struct sp_loss loss;
    struct sp_congestion congestion;
    struct sp_pacer pacer;
    struct sp_inflight inflight;
    struct sp_queue queue;
    struct sp_path path;
    struct sp_recovery recovery;
    struct sp_link_stats stats;
    struct sp_view frames; /* rest of the datagram being read by sp_link_next */

    uint64_t next_pn, last_pn, skip_pn;    /* next number to use; last one used; next one to skip */
    uint32_t skipped[SP_LINK_SKIPPED_MAX]; /* low halves of the last skipped ones, to catch false ACKs */
    uint8_t skipped_i, skipped_n;          /* place of the next one; how many there are */
    uint8_t acks_owed;                     /* ack-eliciting packets since our last ACK */
    uint8_t ack_repeats;                   /* ACKs sent since the received set changed */
    uint16_t quiet;                        /* packets sent since the last ack-eliciting one */
    uint16_t arrivals, arrivals_before;    /* ack-eliciting packets in this and the last round trip */
    bool ack_now;                          /* an ACK leaves at once, alone if need be */
    uint32_t idle_s;                       /* so long a silence of the peer ends the link */
    sp_time ack_at, ack_changed_at, arrivals_at;

    struct sp_frame_options peer_options;
    bool has_peer_options, owes_options; /* owes: OPTIONS found no slot yet */
    uint8_t own_rev;
    bool is_up, is_closed, close_is_local, close_due, is_over;
    bool is_stirred;      /* transmit may have something new */
    uint32_t close_heard; /* packets that came after our CLOSE */
    struct sp_frame_close close;
    uint32_t events; /* bit per pending sp_link_event_kind that carries no list */
    sp_time close_until, pacer_at, retry_at, keepalive_at, keepalive_us, sent_at;
    sp_time due; /* first timer as of the last turn; SP_LINK_DUE_UNKNOWN: it may have moved since */
};

/* Makes a link in *l.  Queues OPTIONS as its first frame.  Cannot fail: memory is taken as frames come. */
void sp_link_init(struct sp_link *l, const struct sp_link_config *cfg, sp_time now);
/* Zeroes keys and gives every slot back; pending events are lost. */
void sp_link_wipe(struct sp_link *l);

/* Takes one DATA datagram; decrypts it in place and borrows it until the next receive.  0: accepted, its
 * frames may be read with sp_link_next.  SP_EMALFORMED: too short, over SP_DATAGRAM_MAX, or number 0;
 * SP_EREPLAY: number seen or too old; SP_EAUTH: does not open; SP_ECLOSED: the link is closed (a CLOSE repeat
 * may be due).  On error nothing changed but the CLOSE repeat.  A datagram that opens but breaks section 4
 * closes the link with PROTOCOL: 0 is returned, no frame is handed out, stats.violations counts it and
 * SP_LINK_CLOSED follows. */
int sp_link_receive(struct sp_link *l, struct sp_datagram *in, sp_time now);
/* Next frame of the delivery layer in that datagram, borrowed from it.  SP_EAGAIN: no more. */
int sp_link_next(struct sp_link *l, struct sp_frame *out);
/* The delivery layer found a frame against the protocol (docs/protocol.md names which): closes with PROTOCOL.
 */
void sp_link_violation(struct sp_link *l, uint8_t cause, sp_time now);

/* Queues a copy of the encoded frame.  ref 0: no event wanted; else one ACKED or DROPPED event will name it.
 * A kind whose newest value alone counts replaces the waiting or sent one of the same key.  SP_EFULL:
 * frames_max reached or no slot left, nothing taken; SP_EINVAL: a field outside its range; SP_ECLOSED. */
int sp_link_submit(struct sp_link *l, const struct sp_frame *f, uint64_t ref, sp_time now);
/* Withdraws frames with this ref (not 0): never sent again, no event.  Copies on the wire may still arrive.
 */
void sp_link_cancel(struct sp_link *l, uint64_t ref);
/* Frames of priority BULK or INTERACTIVE that may be submitted before the queue should rest: room for pacing
 * pulls. */
size_t sp_link_room(const struct sp_link *l);

/* Whether there is an event. */
static inline bool sp_link_has_event(const struct sp_link *l)
{
    return l->events != 0 || sp_queue_has_news(&l->queue);
}
/* Next event.  SP_EAGAIN: none, which is the usual case and so decided here. */
int sp_link_take_event(struct sp_link *l, struct sp_link_event *ev);
static inline int sp_link_poll(struct sp_link *l, struct sp_link_event *ev)
{
    return sp_link_has_event(l) ? sp_link_take_event(l, ev) : SP_EAGAIN;
}
/* The part of transmit that does something: runs the timers if one is due, then builds. */
int sp_link_take_turn(struct sp_link *l, struct sp_datagram *out, bool is_due, sp_time now);
/* When the first timer runs out. */
sp_time sp_link_first_timer(const struct sp_link *l);
/* Whether something waits to be sent, allowed or not. */
static inline bool sp_link_has_work(const struct sp_link *l)
{
    if (l->is_closed)
        return l->close_due;
    return l->queue.waiting > 0 || l->ack_now || l->recovery.wants_ping || sp_path_owes(&l->path);
}
/* Writes one datagram to out->p (cap >= SP_DATAGRAM_MAX) and sets out->len, out->peer.  SP_EAGAIN: nothing to
 * send now, and that is decided here when the turn would change nothing, as most would not.  Owed OPTIONS and
 * a kept address have no timer that sp_link_first_timer knows, so with them each turn looks. */
static inline int sp_link_transmit(struct sp_link *l, struct sp_datagram *out, sp_time now)
{
    if (l->is_stirred || l->due == SP_LINK_DUE_UNKNOWN)
        l->due = sp_link_first_timer(l);
    bool is_due = now >= l->due || l->owes_options || l->path.has_old;
    if (is_due || sp_link_has_work(l))
        return sp_link_take_turn(l, out, is_due, now);
    l->is_stirred = false;
    return SP_EAGAIN;
}
/* When transmit (or poll, for DARK and idle CLOSED) has something to do without new input; `past` means now.
 */
sp_time sp_link_deadline(const struct sp_link *l);

/* Closes: CLOSE(code, 0, retry) leaves with the next transmit and again as section 2.4 says, for 3 PTO.
 * Queued frames are dropped.  Without effect on a closed link. */
void sp_link_close(struct sp_link *l, enum sp_close code, uint16_t retry, sp_time now);
/* Whether a closed link has nothing more to repeat: it may be wiped. */
bool sp_link_is_finished(const struct sp_link *l, sp_time now);
/* Client: the phone's network changed.  Estimates start anew and a PING leaves at once, so that the gateway
 * learns the new address. */
void sp_link_network(struct sp_link *l, sp_time now);
/* Sends OPTIONS again with new values. */
void sp_link_options(struct sp_link *l, uint16_t keepalive_s, uint16_t inbox, uint16_t flags, sp_time now);
/* The PTO as of now, without back-off; T1 and its friends of section 5.5 take three of it. */
sp_time sp_link_pto(const struct sp_link *l);
void sp_link_read_stats(const struct sp_link *l, struct sp_link_stats *out);

/* ---- for intake.c and recovery.c alone ---- */

/* An event without a list is pending. */
void sp_link_note_event(struct sp_link *l, enum sp_link_event_kind kind);
/* The interval between two signs of life may have changed, which the client declares in its OPTIONS: works
 * out idle_s. */
void sp_link_note_declared(struct sp_link *l);
/* The peer is at another address (rule 15): estimates are doubted, and MOVED is pending. */
void sp_link_note_moved(struct sp_link *l, sp_time now);
/* Closes: every frame is given up, and only a CLOSE of our own is still sent. */
void sp_link_shut(struct sp_link *l, const struct sp_frame_close *close, bool is_local, sp_time now);

#endif
