/* A world in virtual time: one gateway (the production core over a real store engine), any number of
 * endpoints, and a bad network between them.  One heap of events, one seed: the same seed gives the same run.
 * It decides nothing about the protocol; endpoints are made by phone.h (the production client library) and
 * puppet.h (a hand-driven client). */
#ifndef SP_RIG_H
#define SP_RIG_H

#include "gateway.h"
#include "glass.h"
#include "model.h"
#include "store.h"
#include "wire.h"

#include <sampan/types.h>

#define SP_RIG_ENDPOINTS_MAX 4096
#define SP_RIG_START         (1000 * SP_SECOND) /* not 0: nothing may depend on where monotonic time begins */
#define SP_RIG_UNIX_S        1700000000         /* wall time at virtual time 0 */

/* One datagram on its way into the wire. */
struct sp_rig_packet {
    int dir;               /* enum sp_dir */
    int endpoint;          /* the client's number */
    struct sp_view frames; /* of a DATA packet, in the clear; n = 0: none, or no DATA */
    const uint8_t *p;
    size_t len;
    sp_time now;
};
/* The n-th frame of this kind in the packet, from 1 on.  False: there are fewer. */
bool sp_rig_packet_find(const struct sp_rig_packet *packet, uint8_t kind, size_t n, struct sp_frame *out);
/* Called for each datagram before the loss model; true: it is lost. */
typedef bool sp_rig_filter(void *self, const struct sp_rig_packet *packet);

/* What the rig calls of an endpoint.  `self` is the endpoint's. */
struct sp_rig_ops {
    void (*receive)(void *self, struct sp_datagram *in, sp_time now);
    bool (*transmit)(void *self, struct sp_datagram *out, sp_time now); /* false: nothing to send */
    sp_time (*deadline)(void *self);
    void (*after)(void *self, sp_time now); /* once a turn: events, decisions */
};

struct sp_rig_config {
    uint64_t seed;
    const char *store;                /* URL; NULL: mem: */
    struct sp_store_config limits;    /* of the store */
    struct sp_model_config net;       /* of each endpoint; its seed is drawn from the rig's */
    struct sp_gateway_config gateway; /* keys, crypto, seed and time are filled in when crypto is NULL */
    const struct sp_crypto *crypto;   /* of everybody; NULL: libsodium's */
    uint32_t token_life_s;            /* 0: a day */
    bool is_quick; /* no tallies, no frames for filter and trace, no count of X25519: for long runs that look
                      with eyes of their own */
};
/* Called at a time or an event. */
typedef void sp_rig_call(void *self);

struct sp_rig;

/* Makes the world and starts the gateway.  Never returns NULL: a failure ends the test. */
struct sp_rig *sp_rig_create(const struct sp_rig_config *cfg);
void sp_rig_destroy(struct sp_rig **r);

sp_time sp_rig_now(const struct sp_rig *r);
int64_t sp_rig_unix_s(const struct sp_rig *r);
/* A number of this run. */
uint64_t sp_rig_draw(struct sp_rig *r);
/* A time in [0, below). */
sp_time sp_rig_draw_time(struct sp_rig *r, sp_time below);
const struct sp_crypto *sp_rig_crypto(const struct sp_rig *r);
const struct sp_gateway_keys *sp_rig_keys(const struct sp_rig *r);

/* Adds an endpoint; the number names it.  `eye` sees the frames it sends and those that reach it; may be
 * NULL. */
int sp_rig_add(struct sp_rig *r, const struct sp_rig_ops *ops, void *self);
/* Takes it off the wire; its number is not used again. */
void sp_rig_remove(struct sp_rig *r, int endpoint);
/* The crypto table that an endpoint is to use, so that filter and trace see its frames. */
const struct sp_crypto *sp_rig_glass(struct sp_rig *r, int endpoint);
struct sp_addr sp_rig_addr(const struct sp_rig *r, int endpoint);
struct sp_addr sp_rig_gateway_addr(void);
/* The endpoint has something to do now (a test called into it). */
void sp_rig_poke(struct sp_rig *r, int endpoint);
/* The NAT in front of the endpoint takes another port. */
void sp_rig_rebind(struct sp_rig *r, int endpoint);
/* Another network for this endpoint from now on. */
void sp_rig_set_net(struct sp_rig *r, int endpoint, const struct sp_model_config *net);
void sp_rig_set_filter(struct sp_rig *r, sp_rig_filter *filter, void *self);
/* A datagram from any address straight to the gateway. */
void sp_rig_inject(struct sp_rig *r, const struct sp_addr *from, struct sp_view bytes);

/* Calls at a virtual time, once. */
void sp_rig_at(struct sp_rig *r, sp_time at, sp_rig_call *fn, void *self);
/* The endpoint's process, or the gateway's, gets no time for so long; datagrams wait in its socket while that
 * has room. */
void sp_rig_pause(struct sp_rig *r, int endpoint, sp_time for_us);
/* Its pause, if there is one, is over, and what is on its way to it arrives. */
void sp_rig_resume(struct sp_rig *r, int endpoint);
void sp_rig_pause_gateway(struct sp_rig *r, sp_time for_us);
/* A datagram from any address straight to an endpoint. */
void sp_rig_inject_down(struct sp_rig *r, int endpoint, const struct sp_addr *from, struct sp_view bytes);
/* The gateway is killed when its turns have passed so many points: before its step, after it, after the
 * store's, after each datagram.  Then fn is called. */
void sp_rig_doom_gateway(struct sp_rig *r, uint64_t points, sp_rig_call *fn, void *self);
/* The gateway process is told to end: no new sessions, CLOSE to each. */
void sp_rig_drain_gateway(struct sp_rig *r, unsigned over_s);
/* It lives after all, and its pause is over. */
void sp_rig_save_gateway(struct sp_rig *r);
/* The gateway's wall clock is off by so much from now on, also after a start. */
void sp_rig_set_wall(struct sp_rig *r, int64_t off_us);
struct sp_store *sp_rig_store(struct sp_rig *r);

/* Runs until the virtual time, or, with a condition, until that holds.  True: it held (or there was none). */
void sp_rig_run(struct sp_rig *r, sp_time for_us);
bool sp_rig_run_until(struct sp_rig *r, bool (*holds)(void *), void *self, sp_time limit_us);

/* The gateway process ends at once, as by kill -9; the store stays as it is.  Without a gateway datagrams
 * vanish. */
void sp_rig_kill_gateway(struct sp_rig *r);
/* A gateway that hangs takes datagrams and does nothing with them: what it took dies with it. */
void sp_rig_hang_gateway(struct sp_rig *r);
/* The store is another one from the next start with reopen on (a restored backup, for example). */
void sp_rig_set_limits(struct sp_rig *r, const struct sp_store_config *limits);
/* X25519 computations of the gateway so far. */
unsigned sp_rig_note_x25519(const struct sp_rig *r);
/* A new gateway process on the same store.  reopen: the store was closed with it and is opened again (not
 * mem:). */
void sp_rig_start_gateway(struct sp_rig *r, bool reopen);
struct sp_gateway *sp_rig_gateway(struct sp_rig *r);
struct sp_store_port *sp_rig_port(struct sp_rig *r);
/* Counters of the running gateway.  Asserts that received = accepted + drops. */
struct sp_stats sp_rig_stats(struct sp_rig *r);
/* Bytes that went to and came from one address so far. */
void sp_rig_note_bytes(const struct sp_rig *r, const struct sp_addr *addr, uint64_t *to, uint64_t *from);

/* A connect blob (binary) for a user; returns its length. */
size_t sp_rig_blob(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights, uint8_t *dst,
                   size_t cap);
/* The fields of its token, for endpoints that do their own handshake. */
void sp_rig_token(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights,
                  uint8_t token[SP_TOKEN_LEN], uint8_t psk[SP_KEY_LEN]);

/* The trace: one line per frame of the delivery layer, the first time that it is seen leaving or reaching an
 * endpoint, with virtual milliseconds since the trace was begun.  Borrowed until the next call. */
void sp_rig_trace_begin(struct sp_rig *r);
void sp_rig_trace_name(struct sp_rig *r, int endpoint, const char *name);
const char *sp_rig_trace(struct sp_rig *r);

#endif
