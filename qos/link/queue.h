/* The frames of one link that are not done: waiting for a packet, sent and not yet acknowledged, or finished
 * with an event to tell.  Each is an encoded copy in a slot of shared memory.  Keeps order and finds frames;
 * never decides when a frame goes or goes again, and knows no packets but by the list that it lends them. */
#ifndef SP_QUEUE_H
#define SP_QUEUE_H

#include <sampan/types.h>

#include "list.h"
#include "pool.h"

#define SP_QUEUE_SMALL 128 /* encoded bytes of a frame in a small slot */
#define SP_QUEUE_LARGE                                                                                       \
    1158 /* in a large one: the largest frame that leaves room for the longest ACK, downwards */
#define SP_QUEUE_CLASSES 3 /* enum sp_priority */
#define SP_QUEUE_BUCKETS 32

enum sp_queue_state {
    SP_QUEUE_WAITING,
    SP_QUEUE_SENT,    /* some packet carries it */
    SP_QUEUE_ACKED,   /* done; kept until its event is polled */
    SP_QUEUE_DROPPED, /* given up; kept until its event is polled */
};

struct sp_queue_frame {
    struct sp_node node;                        /* in the list of its state */
    struct sp_list copies;                      /* struct sp_inflight_copy by of_frame, oldest first */
    struct sp_queue_frame *next_key, *next_ref; /* hash chains */
    uint64_t key, ref;
    uint64_t last_pn;    /* number of the packet with the latest copy */
    sp_time sent_at;     /* when that left */
    uint16_t len, sends; /* encoded bytes; copies sent so far */
    uint8_t class, state, is_large, is_again;
    uint8_t bytes[];
};

struct sp_queue {
    struct sp_pool *small, *large;
    /* Per class: frames that go again, in the order in which they were missed, before frames that never went.
     */
    struct sp_list again[SP_QUEUE_CLASSES], fresh[SP_QUEUE_CLASSES];
    struct sp_list sent; /* ordered by sent_at */
    struct sp_list acked, dropped;
    struct sp_queue_frame *by_key[SP_QUEUE_BUCKETS], *by_ref[SP_QUEUE_BUCKETS];
    uint32_t frames, waiting, news; /* slots held; of them waiting, of them finished */
};

/* What sp_queue_put needs to know about a frame. */
struct sp_queue_entry {
    struct sp_view bytes; /* encoded, 1..SP_QUEUE_LARGE, copied */
    uint64_t key, ref;    /* 0: none */
    uint8_t class;
};

/* Bytes of a slot. */
size_t sp_queue_small_len(void);
size_t sp_queue_large_len(void);

/* Borrows the two pools for the life of the queue. */
void sp_queue_init(struct sp_queue *q, struct sp_pool *small, struct sp_pool *large);
/* Gives every slot back.  No frame may have copies. */
void sp_queue_wipe(struct sp_queue *q);
/* Appends a frame to its class.  NULL: no slot left. */
struct sp_queue_frame *sp_queue_put(struct sp_queue *q, const struct sp_queue_entry *e);
/* A frame that is waiting or sent, by key or by ref (neither 0), or NULL. */
struct sp_queue_frame *sp_queue_find_key(const struct sp_queue *q, uint64_t key);
struct sp_queue_frame *sp_queue_find_ref(const struct sp_queue *q, uint64_t ref);
/* First frame of the list that a packet with `room` bytes can take, in the order of rule 11; NULL: none fits.
 */
struct sp_queue_frame *sp_queue_next(const struct sp_queue *q, size_t room);
/* The sent frame whose latest copy is oldest, or NULL. */
static inline struct sp_queue_frame *sp_queue_oldest(const struct sp_queue *q)
{
    struct sp_node *n = sp_list_first(&q->sent);
    return n == NULL ? NULL : SP_LIST_ITEM(n, struct sp_queue_frame, node);
}
/* A waiting frame went with packet pn. */
void sp_queue_note_sent(struct sp_queue *q, struct sp_queue_frame *f, uint64_t pn, sp_time now);
/* A sent frame shall go again, after those that were missed earlier. */
void sp_queue_again(struct sp_queue *q, struct sp_queue_frame *f);
/* `f`, which waits, shall take the place of the waiting `old`. */
void sp_queue_take_place(struct sp_queue *q, struct sp_queue_frame *f, const struct sp_queue_frame *old);
/* A frame without copies is done: SP_QUEUE_ACKED or SP_QUEUE_DROPPED.  Without ref its slot is given back at
 * once. */
void sp_queue_finish(struct sp_queue *q, struct sp_queue_frame *f, enum sp_queue_state outcome);
/* Gives back the slot of a frame without copies; no event. */
void sp_queue_release(struct sp_queue *q, struct sp_queue_frame *f);
/* Any frame that is waiting or sent, or NULL: for emptying the queue. */
struct sp_queue_frame *sp_queue_any(const struct sp_queue *q);
/* Ref and outcome of the next finished frame, whose slot is given back.  SP_EAGAIN: none. */
int sp_queue_poll(struct sp_queue *q, uint64_t *ref, enum sp_queue_state *outcome);
/* Whether sp_queue_poll has something. */
static inline bool sp_queue_has_news(const struct sp_queue *q)
{
    return q->news > 0;
}

#endif
