/* One recipient and our messages to it that are not answered yet: who may be sent next, and what AFTER names
 * (docs/protocol.md, section 5.2).  Keeps order within a conversation; conversations never wait for each
 * other. Refuses to know states, timers or bytes of messages. */
#ifndef SP_CONVERSATION_H
#define SP_CONVERSATION_H

#include "list.h"
#include "pool.h"
#include <sampan/types.h>

/* Unanswered messages of one conversation that may be with the gateway: as many as it holds back for AFTER
 * (docs/protocol.md, section 5.3). */
#define SP_CONVERSATION_FLIGHT_MAX 64

struct sp_conversation {
    struct sp_node in_turn; /* in the outbox's list of conversations that may send, or of those that rest */
    struct sp_conversation *hash_next;
    struct sp_list unanswered; /* all its messages without an answer, by msgid */
    struct sp_list queued;     /* those of them that wait to be sent, by msgid */
    unsigned in_flight;        /* the others of them */
    unsigned users;            /* messages that name this conversation */
    uint8_t to_len, to[SP_USER_MAX];
};

struct sp_conversations {
    struct sp_pool pool;
    struct sp_conversation **buckets;
    size_t mask;
};

/* Bytes for up to `max` conversations (a power of two), aligned as max_align_t. */
size_t sp_conversation_footprint(size_t max);
void sp_conversation_init(struct sp_conversations *t, void *mem, size_t max);
/* The conversation with this recipient, with one user more; a new one when there is none.  NULL: `max` are in
 * use. */
struct sp_conversation *sp_conversation_enter(struct sp_conversations *t, struct sp_view to);
/* One user less; the conversation goes with its last one. */
void sp_conversation_leave(struct sp_conversations *t, struct sp_conversation *c);

#endif
