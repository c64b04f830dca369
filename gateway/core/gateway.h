/* The gateway's core: sessions, delivery, mailboxes.  It decides; it makes no system call, never waits, and
 * reads no clock: time, wall time, random seed and datagrams are arguments, the store is a port.  Allocates
 * in create only.
 *
 * One turn: receive the batch, step, transmit until 0, sleep until deadline or the store's wake-up.
 * Single-threaded. */
#ifndef SP_GATEWAY_H
#define SP_GATEWAY_H

#include <sampan/crypto.h>
#include <sampan/types.h>

#include "cookie.h"
#include "stats.h"
#include "token.h"

struct sp_gateway;
struct sp_store_port;
struct sp_witness;

struct sp_gateway_keys {
    uint8_t secret[SP_KEY_LEN], public[SP_KEY_LEN]; /* X25519 of this gateway */
    struct sp_token_keys tokens;
    struct sp_cid_keys cids;
};
struct sp_gateway_config {
    const struct sp_crypto *crypto;   /* borrowed for the gateway's life, as witness */
    const struct sp_witness *witness; /* told what is promised (witness.h); NULL: nobody */
    struct sp_gateway_keys keys;      /* copied */
    uint8_t seed[32];                 /* fresh from the system's random source; copied */
    int64_t unix_us;                  /* wall time now */
    uint8_t worker;                   /* first byte of every connection id */
    size_t sessions_max;              /* 1..10,000,000 */
    size_t half_open_max;             /* 0: 4096 */
    size_t frames_max;      /* queued or in-flight frames of all sessions; 0: derived from sessions_max */
    uint32_t message_ttl_s; /* retention of an undelivered message; 0: 7 days */
    uint32_t mailbox_count, mailbox_bytes; /* quotas per mailbox; 0: 10,000 and 64 MiB */
    uint32_t session_life_s;               /* 0: 24 h */
};

/* Makes a gateway over a store port, which it borrows.  SP_EINVAL: config; SP_EFULL: no memory. */
int sp_gateway_create(struct sp_gateway **out, const struct sp_gateway_config *cfg, struct sp_store_port *p,
                      sp_time now);
/* Takes n datagrams, changed in place and borrowed for the call.  Bad ones are counters, never errors. */
void sp_gateway_receive(struct sp_gateway *g, struct sp_datagram *in, size_t n, sp_time now);
/* Store completions, timers, then one store batch with all requests of the turn. */
void sp_gateway_step(struct sp_gateway *g, sp_time now);
/* Fills up to cap datagrams (each with out[i].p of cap >= SP_DATAGRAM_MAX).  Returns how many; 0: nothing to
 * send. */
size_t sp_gateway_transmit(struct sp_gateway *g, struct sp_datagram *out, size_t cap, sp_time now);
/* When step or transmit has something to do without new input; SP_NEVER: none. */
sp_time sp_gateway_deadline(const struct sp_gateway *g);
/* Wall time, for tokens and retention only.  Call about once a second. */
void sp_gateway_wall(struct sp_gateway *g, int64_t unix_us, sp_time now);
/* What may change while sessions run. */
struct sp_gateway_change {
    struct sp_token_keys tokens;
    uint32_t message_ttl_s, session_life_s;
};
/* Takes it over for INITs, messages and sessions from now on; what exists keeps what it has.  SP_EINVAL: no
 * token key or too many, or a time is 0; nothing has changed. */
int sp_gateway_change(struct sp_gateway *g, const struct sp_gateway_change *change);
/* No new sessions; every session gets CLOSE(GOING_AWAY, retry 0.1 s units spread over drain_s); requests in
 * the store are finished.  Call step and transmit until sp_gateway_is_drained. */
void sp_gateway_drain(struct sp_gateway *g, unsigned drain_s, sp_time now);
bool sp_gateway_is_drained(const struct sp_gateway *g);
void sp_gateway_read_stats(const struct sp_gateway *g, struct sp_stats *out);
size_t sp_gateway_sessions(const struct sp_gateway *g);
/* Frees everything; *g becomes NULL.  The port stays the caller's. */
void sp_gateway_destroy(struct sp_gateway **g);

#endif
