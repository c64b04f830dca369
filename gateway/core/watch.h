/* Messages to a present user that are not confirmed yet.  If the confirmation does not come in time, or the
 * user goes away, their senders get STORED: the answer for an absent recipient (docs/protocol.md,
 * sections 5.1 and 5.3 rule 7). Memory only; a watch that finds no room costs its sender one STATUS:R. */
#ifndef SP_WATCH_H
#define SP_WATCH_H

#include "peers.h"

struct sp_gateway;

struct sp_watch {
    struct sp_hook hook;          /* by (origin, msgid) */
    struct sp_node node;          /* in one of the two lists, by time */
    struct sp_node mine;          /* sp_account.watches */
    struct sp_account *recipient; /* stays while watched */
    struct sp_device *origin;     /* stays while watched (refs) */
    struct sp_msgid msgid;
    sp_time at;
};
struct sp_watch_lists {
    struct sp_pool pool;
    struct sp_table by_id;
    struct sp_list normal, four; /* each with one waiting time, so in order of time */
};

void sp_watch_init(struct sp_gateway *g);
/* Begins to watch a message; one that is watched stays so. */
void sp_watch_add(struct sp_gateway *g, struct sp_device *origin, struct sp_msgid id,
                  struct sp_account *recipient, bool is_four, sp_time now);
bool sp_watch_has(const struct sp_gateway *g, const struct sp_device *origin, struct sp_msgid id);
/* The message came to its end; nothing is told.  The records it held may be gone when this returns. */
void sp_watch_end(struct sp_gateway *g, struct sp_device *origin, struct sp_msgid id);
/* The recipient is absent: every sender gets STORED.  The account may be gone when this returns. */
void sp_watch_absent(struct sp_gateway *g, struct sp_account *recipient, sp_time now);
/* STORED for what was not confirmed in time. */
void sp_watch_step(struct sp_gateway *g, sp_time now);
sp_time sp_watch_deadline(const struct sp_gateway *g);

#endif
