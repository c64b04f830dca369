/* The client library: one user's device.  Sans-IO: the app owns socket, clock, event loop and storage; this
 * is one block of memory and the functions below.  It keeps the waiting-ack queue (messages until the gateway
 * or the recipient answered for them) and the cursor (what the app has persisted), reconnects by itself, and
 * never loses or doubles.
 *
 * Per turn: receive every datagram, transmit until SP_EAGAIN, poll until SP_EAGAIN, arm one timer at
 * deadline. Not thread-safe.  docs/client.md has an example. */
#ifndef SAMPAN_CLIENT_H
#define SAMPAN_CLIENT_H

#include <sampan/crypto.h>
#include <sampan/err.h>
#include <sampan/local.h>
#include <sampan/types.h>

struct sp_client;

struct sp_client_config {
    const struct sp_crypto *crypto; /* borrowed for the client's life, as local */
    const struct sp_local *local;
    uint8_t seed[32];    /* fresh from the system's random source */
    struct sp_user user; /* copied */
    uint32_t device;
    struct sp_view blob;  /* connect blob, binary (decoded from base64url); copied */
    int64_t unix_s;       /* wall time at init; the library counts on from it by the monotonic clock */
    bool receives;        /* false: never pulls, gets no messages (a sender only) */
    uint16_t keepalive_s; /* 0: 25 */
    uint32_t outbox_max;  /* messages remembered at once; 0: 1024; at most 65,536 */
    uint16_t inbox_max;   /* messages held back behind a hole or unread, each up to SP_PART_MAX; 0: 256 */
};

enum sp_client_event_kind {
    SP_CLIENT_ONLINE,  /* a session is confirmed */
    SP_CLIENT_OFFLINE, /* dark or closed: `code` is an enum sp_close of the wire, or -1 for silence */
    SP_CLIENT_TOKEN,   /* the blob has expired or is not accepted: call sp_client_token with a new one */
    SP_CLIENT_RECEIPT, /* msgid reached `state`; rises, may skip */
    SP_CLIENT_FAILED,  /* msgid is refused for good: `code` is a code of section 4 (QUOTA, TOO_BIG, ...) */
    SP_CLIENT_UNKNOWN, /* msgid: whether it was stored is not known and it will not be sent again */
    SP_CLIENT_MESSAGE, /* the next message for us, in seq order */
    SP_CLIENT_SKIPPED, /* seqs lo..hi will not come, because of `why` (docs/protocol.md) */
    SP_CLIENT_RESYNC,  /* the mailbox began anew (restore): the cursor is now `lo` of a new epoch */
    SP_CLIENT_STATUS,  /* answer to sp_client_status: state and seq of msgid; state 0: not known */
    SP_CLIENT_ERROR,   /* local storage failed: `code` is an SP_E*; the client goes on when it works again */
};
struct sp_client_event {
    enum sp_client_event_kind kind;
    int code;
    struct sp_msgid msgid;
    uint8_t state; /* enum sp_state */
    struct sp_seq seq, lo, hi;
    uint8_t why;
    struct sp_user from; /* MESSAGE: borrowed until the next call on the client, as group and body */
    uint32_t device;
    struct sp_view group, body;
    int64_t at_ms; /* MESSAGE: unix milliseconds of acceptance by the gateway */
};

struct sp_client_stats {
    uint64_t handshakes, packets_sent, packets_received, bytes_sent, bytes_received;
    uint64_t frames_sent, frames_resent, packets_lost, probes;
    uint64_t duplicates;    /* messages that came again and were removed here */
    uint64_t datagrams_bad; /* datagrams that were dropped, of whatever reason */
    uint64_t pulls, statuses;
    int64_t srtt_us;
    uint32_t outbox, inbox;
    bool is_online;
};

/* Bytes of the block for this configuration, aligned as max_align_t; 0 when cfg is outside its limits. */
size_t sp_client_footprint(const struct sp_client_config *cfg);
/* Makes a client in mem (len >= footprint), which it borrows for its life, and loads outbox and cursor.
 * SP_EINVAL: cfg or len; SP_EMALFORMED, SP_EVERSION: blob; SP_EFULL: more remembered messages than
 * outbox_max; an error of local->load or next. */
int sp_client_init(struct sp_client **out, void *mem, size_t len, const struct sp_client_config *cfg,
                   sp_time now);
/* Zeroes the keys; mem is the caller's again. */
void sp_client_wipe(struct sp_client *c);

/* Takes a message (copied to local storage, durable before its first datagram leaves).  *id: its msgid.
 * SP_EFULL: outbox_max; SP_EBIG: body over SP_PART_MAX; SP_EINVAL: `to` not 1..64 bytes; SP_EIO; SP_ECLOSED:
 * after sp_client_close. */
int sp_client_submit(struct sp_client *c, const struct sp_outgoing *m, struct sp_msgid *id, sp_time now);
/* Asks the gateway for the state of a message of this device; the answer is a STATUS event.  SP_EFULL: 32 are
 * asked. */
int sp_client_status(struct sp_client *c, struct sp_msgid id, sp_time now);
/* Takes one datagram, changed in place.  0, or why it was dropped (SP_EMALFORMED, SP_EAUTH, SP_EREPLAY); both
 * are fine to ignore. */
int sp_client_receive(struct sp_client *c, uint8_t *datagram, size_t len, sp_time now);
/* Writes one datagram into dst (cap >= SP_DATAGRAM_MAX) and says where to send it.  SP_EAGAIN: nothing now;
 * SP_EINVAL: cap; SP_EIO: local storage could not sync just now, and nothing that depends on it leaves before
 * it can (retried once a second; also an ERROR event).  Later calls send the rest. */
int sp_client_transmit(struct sp_client *c, struct sp_datagram *out, sp_time now);
sp_time sp_client_deadline(const struct sp_client *c);
/* Next event.  SP_EAGAIN: none. */
int sp_client_poll(struct sp_client *c, struct sp_client_event *ev, sp_time now);
/* The app has persisted every message and skip up to `upto`; the cursor is written, then it travels.
 * SP_EINVAL: above what was handed up; SP_EIO: nothing was kept, call again later. */
int sp_client_keep(struct sp_client *c, struct sp_seq upto, sp_time now);
/* A new connect blob.  SP_EMALFORMED, SP_EVERSION. */
int sp_client_token(struct sp_client *c, struct sp_view blob, sp_time now);
/* The phone's network changed (any new number): the link probes at once. */
void sp_client_network(struct sp_client *c, uint64_t network_id, sp_time now);
/* Says goodbye: CLOSE leaves with the next transmits; nothing is sent afterwards. */
void sp_client_close(struct sp_client *c, sp_time now);
/* Messages not yet at a final state. */
size_t sp_client_waiting(const struct sp_client *c);
/* The app does not want to hear more about a message that the gateway has taken (state 1 or 2): it leaves the
 * outbox and local storage, and makes room.  SP_EAGAIN: no such message, or not taken yet; SP_EIO. */
int sp_client_forget(struct sp_client *c, struct sp_msgid id, sp_time now);
/* Whether the gateway has confirmed everything that the app kept: an app about to end may close now. */
bool sp_client_is_settled(const struct sp_client *c);
void sp_client_read_stats(const struct sp_client *c, struct sp_client_stats *out);

#endif
