/* The inside of struct sp_rig, for rig.c and rig_gateway.c alone. */
#ifndef SP_RIG_INSIDE_H
#define SP_RIG_INSIDE_H

#include "rig.h"

#include "agenda.h"
#include "ensure.h"
#include "trace.h"

#define GATEWAY      (-1) /* who of an item of the agenda; others: an endpoint */
#define CALL         (-2)
#define SPINS_MAX    20000 /* turns at one instant before the test is ended as spinning */
#define NAME_MAX_LEN 16
#define HOLD_US      (100 * SP_MS) /* a reordered datagram waits no longer than this */
#define TALLIES_MAX  256
#define QUEUE_MAX    512 /* datagrams in the socket of one who pauses */

struct letter {          /* a datagram on the wire */
    struct letter *next; /* of those that are vacant */
    struct sp_addr from, to;
    size_t len, cap;
    uint8_t bytes[];
};
struct call { /* somebody wants to be called at a time */
    sp_rig_call *fn;
    void *self;
};
struct rest {          /* of an endpoint or the gateway, between its turns */
    sp_time wake_at;   /* when it wants the next */
    sp_time booked_at; /* the earliest wake-up in the agenda; SP_NEVER: none */
    sp_time paused_until;
    unsigned queued; /* datagrams that wait for the end of the pause */
};
struct held { /* a reordered datagram: behind so many later ones */
    struct letter *letter;
    unsigned behind;
    sp_time until;
};
struct frames { /* of one packet, in the clear */
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t n;
};
struct endpoint {
    struct sp_rig *rig;
    int number;
    bool is_on;
    const struct sp_rig_ops *ops;
    void *self;
    struct sp_addr addr;
    struct sp_model model;
    uint64_t judged[SP_MODEL_DIRS];
    struct held held[SP_MODEL_DIRS];
    struct sp_glass glass;
    struct frames sealed; /* of the packet sealed last */
    struct rest rest;
    char name[NAME_MAX_LEN];
};
struct tally { /* bytes of an address */
    struct sp_addr addr;
    uint64_t to, from;
};
struct sp_rig {
    struct sp_rig_config cfg;
    uint64_t random;
    sp_time now;
    const struct sp_crypto *crypto;
    struct sp_agenda agenda;
    struct letter *vacant; /* letters to be written again */
    unsigned held_n;       /* letters held in all endpoints */
    struct endpoint **endpoints;
    int endpoints_n;
    struct sp_store *store;
    struct sp_store_port *port;
    struct sp_gateway *gateway;
    struct sp_glass glass;
    struct frames sealed; /* of the packet that the gateway sealed last */
    bool is_hanging;
    struct rest rest; /* of the gateway */
    int64_t wall_off_us;
    struct doom {
        uint64_t left; /* points of its turns that the gateway still passes, plus 1; 0: it lives */
        sp_rig_call *fn;
        void *self;
    } doom;
    struct sp_rig_filter_slot {
        sp_rig_filter *filter;
        void *self;
    } filter;
    struct tally tallies[TALLIES_MAX];
    size_t tallies_n;
    struct sp_trace *trace;
    sp_time trace_from;
    unsigned spins;
    sp_time spin_at;
};

void sp_rig_draw_bytes(struct sp_rig *r, uint8_t *dst, size_t n);
/* A wake-up at rest->wake_at, unless one that is early enough is booked: it will look again. */
void sp_rig_book(struct sp_rig *r, struct rest *rest, int who);
/* Passes of the gateway's loop until it rests. */
void sp_rig_turn_gateway(struct sp_rig *r);
void sp_rig_open_store(struct sp_rig *r);

#endif
