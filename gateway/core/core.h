/* The inside of struct sp_gateway, for the files of this folder alone.  Each part belongs to the file that it
 * is named after; the others call that file. */
#ifndef SP_CORE_H
#define SP_CORE_H

#include "admit.h"
#include "arena.h"
#include "batch.h"
#include "conf.h"
#include "due.h"
#include "gateway.h"
#include "peers.h"
#include "reply.h"
#include "session.h"
#include "stats.h"
#include "watch.h"
#include "witness.h"

struct sp_gateway {
    struct sp_gateway_config cfg; /* no field is 0 any more */
    const struct sp_crypto *crypto;
    struct sp_arena arena;
    struct sp_rng rng;
    struct sp_stats stats;
    int64_t unix_us; /* wall time at unix_at */
    sp_time unix_at;
    bool is_draining;

    struct sp_peers peers;
    struct sp_admit admit;
    struct sp_reply reply;
    struct sp_batch batch;
    struct sp_watch_lists watch;
    struct sp_due due;

    struct sp_pool sessions;
    struct sp_list half_open, live, closing; /* sp_session.node; half_open in the order of opening */
    struct sp_list dirty;                    /* sp_session.dirty */
    size_t half_open_n, live_n;

    struct sp_pool refusals; /* struct sp_dedup_row */
    struct sp_pool sends;    /* struct sp_send */
    struct sp_table sends_by_id;
    struct sp_list holds; /* sp_send.hold, in the order of being held */
    struct sp_pool owed;  /* struct sp_owed */
    uint32_t owed_turn;   /* makes every ref a new one */
    struct sp_table owed_by_id;
    struct sp_list owed_all; /* sp_owed.all, oldest first */
    struct sp_pool statuses; /* struct sp_status */

    struct sp_link_memory link_memory;
};

/* Wall time. */
int64_t sp_gateway_unix_us(const struct sp_gateway *g, sp_time now);
/* Key of (device record, msgid) in a table. */
uint64_t sp_gateway_id_hash(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id);
/* The first record of a table by that hash that may be this one's, or NULL.  Most tables are empty most of
 * the time, and then nothing is hashed. */
struct sp_hook *sp_gateway_first_of(const struct sp_gateway *g, const struct sp_table *t,
                                    const struct sp_device *d, struct sp_msgid id);

#endif
