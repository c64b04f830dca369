/* The turn of a gateway: receive a batch, step, transmit, sleep (docs/architecture.md, "One loop turn").  The
 * only place that reads the clock for the core.  Knows no option, no signal and no log; its owner decides
 * when it ends. */
#ifndef SP_LOOP_H
#define SP_LOOP_H

#include <ev.h>
#include <sampan/types.h>

#include "gateway.h"
#include "store.h"
#include "udp.h"

#define SP_LOOP_STALL   (5 * SP_MS)   /* a turn longer than this is counted */
#define SP_LOOP_TICK    (500 * SP_MS) /* how often wall time is told and the owner called */
#define SP_LOOP_IN_MAX  4             /* batches received in a turn */
#define SP_LOOP_OUT_MAX 16            /* batches sent in a turn; more wait for the next */

struct sp_loop {
    struct ev_loop *ev; /* borrowed, like what follows */
    struct sp_gateway *gateway;
    struct sp_store_port *port;
    struct sp_udp *udp;
    void (*tick)(void *self, sp_time now); /* every SP_LOOP_TICK, before a turn */
    void (*before_send)(void *self);       /* before datagrams leave, and at the end of a turn; may be NULL */
    void *self;

    ev_io readable, writable, stored;
    ev_timer deadline, ticking;
    ev_prepare before_sleep;
    bool is_due;     /* something happened: a turn before the next sleep */
    bool is_blocked; /* the socket takes no more until it is writable */
    bool is_draining;
    sp_time drain_end;
    uint64_t turns, stalls;
};

/* Starts the watchers.  The caller has set the fields ev to self, everything else is 0. */
void sp_loop_start(struct sp_loop *l);
/* Stops them. */
void sp_loop_stop(struct sp_loop *l);
/* Turns until ev_break: a drain that is done or took drain_s seconds does that, and so may the owner. */
void sp_loop_run(struct sp_loop *l);
/* No new sessions from now on, the present ones are told to go elsewhere. */
void sp_loop_drain(struct sp_loop *l, unsigned drain_s);

#endif
