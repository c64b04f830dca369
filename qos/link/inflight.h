/* Sent packets of one link and the copies of frames that they carried (docs/protocol.md, section 6).  A
 * record lives from sending until its packet is acknowledged or forgotten.  Finds what an ACK names; never
 * judges when a packet is lost, and never touches a frame but by its list of copies. */
#ifndef SP_INFLIGHT_H
#define SP_INFLIGHT_H

#include "ackset.h"
#include "list.h"
#include "pool.h"
#include "queue.h"

#define SP_INFLIGHT_PACKETS_MAX 1024 /* records of one link */
#define SP_INFLIGHT_LOST_MAX    64   /* lost packets remembered, in case they were only late */

enum sp_inflight_state {
    SP_INFLIGHT_OPEN,  /* being built */
    SP_INFLIGHT_SENT,  /* counts against the window if it elicits an ACK */
    SP_INFLIGHT_AGED,  /* older than its PTO: no longer counted, not yet judged */
    SP_INFLIGHT_LOST,  /* judged lost; a late ACK proves the judgement wrong */
    SP_INFLIGHT_TAKEN, /* named by an ACK, in the hands of the caller of sp_inflight_collect */
};

struct sp_inflight_packet {
    struct sp_node node;   /* in the list of its state, by rising number */
    struct sp_list copies; /* struct sp_inflight_copy by of_packet, in the order of the datagram */
    uint64_t pn;
    sp_time sent_at;
    uint16_t len;
    uint8_t path;  /* generation of the address it went to */
    uint8_t state; /* enum sp_inflight_state */
    bool elicits, was_lost;
};
struct sp_inflight_copy {
    struct sp_node of_frame, of_packet;
    struct sp_queue_frame *frame;
};

struct sp_inflight {
    struct sp_pool *packets, *copies;
    struct sp_list sent, aged, lost;
    uint32_t records, lost_n;
    uint32_t bytes, counted; /* of ack-eliciting packets in state SENT */
};

/* Borrows the two pools for the life of the records. */
void sp_inflight_init(struct sp_inflight *f, struct sp_pool *packets, struct sp_pool *copies);
/* Gives every slot back. */
void sp_inflight_wipe(struct sp_inflight *f);
/* A record for packet pn, to be filled.  At a limit the oldest lost or aged record is forgotten for it. NULL:
 * none left. */
struct sp_inflight_packet *sp_inflight_open(struct sp_inflight *f, uint64_t pn);
/* Notes that the packet carries the frame; lost and aged records may be forgotten for it.  false: no slot
 * left, the packet is unchanged. */
bool sp_inflight_carry(struct sp_inflight *f, struct sp_inflight_packet *p, struct sp_queue_frame *frame);
/* The packet left with `len` bytes. */
void sp_inflight_note_sent(struct sp_inflight *f, struct sp_inflight_packet *p, size_t len, sp_time now);
/* Gives back a record and its copies, in whatever state. */
void sp_inflight_release(struct sp_inflight *f, struct sp_inflight_packet *p);
/* Gives back all copies of a frame; their packets stay. */
void sp_inflight_forget(struct sp_inflight *f, struct sp_queue_frame *frame);
/* Moves the records that the n descending ranges name into `out`, by rising number.  They no longer count;
 * the caller releases each. */
void sp_inflight_collect(struct sp_inflight *f, const struct sp_ackset_range *ranges, size_t n,
                         struct sp_list *out);
/* The oldest packet that is neither acknowledged nor lost, or NULL. */
struct sp_inflight_packet *sp_inflight_oldest(const struct sp_inflight *f);
/* The first packet of a list, or NULL. */
static inline struct sp_inflight_packet *sp_inflight_first(const struct sp_list *list)
{
    struct sp_node *n = sp_list_first(list);
    return n == NULL ? NULL : SP_LIST_ITEM(n, struct sp_inflight_packet, node);
}
/* The oldest lost packet that is still remembered, or NULL. */
static inline struct sp_inflight_packet *sp_inflight_oldest_lost(const struct sp_inflight *f)
{
    return sp_inflight_first(&f->lost);
}
/* The oldest packet in state SENT, or NULL. */
static inline struct sp_inflight_packet *sp_inflight_oldest_sent(const struct sp_inflight *f)
{
    return sp_inflight_first(&f->sent);
}
/* The oldest SENT packet ages: it no longer counts.  One that elicits no ACK is forgotten. */
void sp_inflight_age(struct sp_inflight *f, struct sp_inflight_packet *p);
/* The oldest unjudged packet is lost.  One that elicits no ACK is forgotten. */
void sp_inflight_lose(struct sp_inflight *f, struct sp_inflight_packet *p);

#endif
