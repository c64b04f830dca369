/* What one seed draws: how large the world is, what its people do, and which troubles it has, each drawn or
 * left out (swarm testing: Groce and others, ISSTA 2012).  Pure: the same seed gives the same plan; it starts
 * nothing. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "dice.h"
#include "model.h"
#include "store.h"

#define SIM_USERS_MAX   200
#define SIM_DEVICES_MAX 3 /* of a user */
#define SIM_ROGUES_MAX  200

#define SIM_MAP_ROOMY (UINT64_C(64) << 20)

enum sim_engine { SIM_MEM, SIM_LMDB };

/* When an app confirms what it was handed. */
enum sim_keeping { SIM_KEEP_NOW, SIM_KEEP_LATER, SIM_KEEP_TOGETHER, SIM_KEEPINGS };

struct sim_plan {
    uint64_t seed;
    sp_time active_us; /* how long troubles last; healing follows */
    unsigned users, devices_max;

#define SIM_MAP_ROOMY (UINT64_C(64) << 20)

    enum sim_engine engine;
    bool has_faults; /* of the store */
    struct sp_store_faults faults;
    uint64_t map_size;      /* lmdb; 0: roomy */
    uint32_t mailbox_count; /* 0: roomy */
    size_t sessions_max;
    uint32_t ttl_s;   /* of messages; 0: a week */
    uint32_t token_s; /* life of a token */
    unsigned refuse;  /* allocations of the store refused, of 1,000 */

    sp_time send_every_us; /* of one device */
    unsigned body_max, four_percent, contacts;
    unsigned outbox_max, inbox_max;
    enum sim_keeping keeping;
    sp_time keep_after_us;

    struct sp_model_config net; /* the best and the worst of it are spread over the endpoints */
    bool is_uneven;             /* each endpoint has a share of it of its own */

    /* 0: never; else the mean time between two of a kind, of one device or of the gateway. */
    sp_time offline_us, offline_for_us;
    sp_time kill_us, stop_us, dead_for_us;
    sp_time rebind_us, network_us;
    sp_time hole_us, hole_for_us; /* one-way blackholes */
    sp_time pause_us, pause_for_us;
    sp_time slow_us, slow_for_us; /* the app keeps nothing */
    sp_time crash_us, drain_us, down_for_us, gateway_pause_us, wall_us;
    bool starts_one;     /* devices of a user: one at a time, and switches */
    bool wrong_clocks;   /* of the phones, up to a day */
    unsigned local_fail; /* calls of 1,000 to a phone's storage that fail */
    unsigned ask_percent, forget_percent;

    unsigned late;                           /* datagrams of 1,000 that come late, by up to late_us */
    sp_time late_us;                         /* 10 s at most */
    bool damages;                            /* the first datagram of each kind in each state, then 1 in 16 */
    sp_time flood_us;                        /* INITs from forged addresses, hundreds at once */
    sp_time replay_us, garbage_us, twist_us; /* hostile: old datagrams again, noise, changed ones */
    unsigned rogues;                         /* clients that lie */
    sp_time rogue_us;
};

/* active_us: 0 to have it drawn. */
void sim_plan_draw(struct sim_plan *p, uint64_t seed, sp_time active_us);
/* A world without troubles for a figure of speed: this many users, this many messages a second in all. */
void sim_plan_calm(struct sim_plan *p, uint64_t seed, unsigned users, unsigned per_second, sp_time active_us);
/* The same with clients that lie, each of them once in two seconds. */
void sim_plan_harm(struct sim_plan *p, unsigned rogues);
/* One line. */
void sim_plan_print(const struct sim_plan *p);

#endif
