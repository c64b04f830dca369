/* The stage of a demo: a folder with keys and store, a gateway and two relays as processes, and two clients
 * in this one. Only sets up, takes down and breaks things; what is sent and measured is the demo's own
 * business. */
#ifndef SP_STAGE_H
#define SP_STAGE_H

#include "child.h"
#include "runner.h"

#define SP_STAGE_PAIRS_MAX 64
#define SP_STAGE_USERS_MAX (2 * SP_STAGE_PAIRS_MAX)

/* Users come in pairs: of pair i, user 2i sends (a, a1, a2...) and user 2i + 1 receives (b, b1, b2...). */
#define SP_STAGE_A 0
#define SP_STAGE_B 1

struct sp_stage_config {
    unsigned pairs;   /* 1..SP_STAGE_PAIRS_MAX */
    bool is_volatile; /* clients keep their state in memory */
    bool is_direct;   /* no relays: the clients talk to the gateway itself */
    double loss;      /* of each relay, each way; the relays of senders and receivers differ in their seed */
    unsigned delay_ms, jitter_ms;
    uint64_t seed;
};

struct sp_stage {
    char dir[SP_CHILD_PATH_MAX - 64]; /* everything below is in it; removed at the end */
    struct sp_stage_config cfg;
    unsigned gateway_port, gateway_starts;
    struct sp_child gateway, relays[2]; /* of the senders, of the receivers */
    struct sp_runner users[SP_STAGE_USERS_MAX];
    bool is_open[SP_STAGE_USERS_MAX];
};

/* Builds the stage: folder, keys, gateway, relays, tokens; opens all clients.  On error everything is taken
 * down. SP_EXIT_IO, SP_EXIT_FAILED, SP_EXIT_UNREACHABLE (a program is missing). */
int sp_stage_open(struct sp_stage *s, const struct sp_stage_config *cfg, struct sp_trouble *t);
void sp_stage_close(struct sp_stage *s);
/* A client comes (back) or goes away; its state folder stays. */
int sp_stage_enter(struct sp_stage *s, unsigned user, struct sp_trouble *t);
void sp_stage_leave(struct sp_stage *s, unsigned user);
/* The name of a user. */
void sp_stage_user_name(unsigned user, char dst[16]);
/* kill -9 of the gateway, and its start on the same port and store. */
void sp_stage_kill_gateway(struct sp_stage *s);
int sp_stage_start_gateway(struct sp_stage *s, struct sp_trouble *t);
/* Ends the relays, so that their logs are whole. */
void sp_stage_end_relays(struct sp_stage *s);
/* DIR/name. */
void sp_stage_path(const struct sp_stage *s, const char *name, char *dst, size_t cap);

#endif
