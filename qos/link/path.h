/* Where the peer is (docs/protocol.md, section 6, rule 15; section 2.3 for the 3x rule): the current address,
 * whether it is proven, what may be sent to it before that, and the way back.  The client's link has one
 * address for life; its path only answers challenges.  Decides addresses; writes no frames, and never sees an
 * unauthenticated datagram. */
#ifndef SP_PATH_H
#define SP_PATH_H

#include <sampan/types.h>

#include "rng.h"

#define SP_PATH_TRIES_MAX 3
#define SP_PATH_MOVE_MIN  (100 * SP_MS) /* at most one move in this time */
#define SP_PATH_ELSEWHERE 0 /* generation of datagrams that went to another address than the current one */

struct sp_path {
    struct sp_addr peer, old, answer_to;
    bool is_validated, old_is_validated, has_old;
    bool owes_challenge, owes_old_challenge, owes_answer;
    uint8_t generation;      /* 1..255: raised with each move */
    uint8_t tries;           /* challenges sent to the current address */
    uint32_t sent, received; /* bytes at the current address since it came; counted until it is validated */
    uint8_t challenge[8], old_challenge[8], answer[8];
    sp_time moved_at, old_until, challenge_at; /* challenge_at: next try; SP_NEVER: none */
};

enum sp_path_news {
    SP_PATH_SAME,  /* as before */
    SP_PATH_MOVED, /* the current address is another one now */
};

/* One PATH_* frame that is due. */
struct sp_path_note {
    bool is_answer;    /* PATH_RESPONSE, else PATH_CHALLENGE */
    bool is_elsewhere; /* to another address than the current one */
    struct sp_addr to;
    uint8_t data[8];
};

bool sp_path_is_same(const struct sp_addr *a, const struct sp_addr *b);
/* Whether replies must never go to `to` while the peer is at `current`: port 0, unspecified, multicast,
 * broadcast, or loopback from elsewhere, in IPv6 also when written as an IPv4 address. */
bool sp_path_is_refused(const struct sp_addr *to, const struct sp_addr *current);

/* The address of the handshake.  Unvalidated: `received` bytes came from it and as many count as sent. */
void sp_path_init(struct sp_path *p, const struct sp_addr *peer, bool is_validated, uint32_t received);
/* An authenticated datagram came; is_newest: its number is the highest so far.  MOVED: the peer is at `from`
 * now, to be proven; challenges to it and to the last proven address are due.  pto: how long the old one is
 * kept. */
enum sp_path_news sp_path_note_heard(struct sp_path *p, const struct sp_addr *from, size_t len,
                                     bool is_newest, sp_time pto, sp_time now);
/* Bytes that may go to the current address now; SIZE_MAX when it is validated. */
size_t sp_path_room(const struct sp_path *p);
void sp_path_note_sent(struct sp_path *p, size_t len);
/* The current address is proven: an ACK of a packet sent there, or the first packet of a session. */
void sp_path_prove(struct sp_path *p);
/* PATH_CHALLENGE came from `from`: the answer goes there, unless replies to it are refused; a later one takes
 * its place. */
void sp_path_note_challenged(struct sp_path *p, const struct sp_addr *from, const uint8_t data[8]);
/* PATH_RESPONSE came.  Proves the current address, or moves back to the old one (MOVED) while that is kept.
 */
enum sp_path_news sp_path_note_answered(struct sp_path *p, const struct sp_addr *from, const uint8_t data[8],
                                        sp_time now);
/* Whether sp_path_next has a frame, to whatever address. */
static inline bool sp_path_owes(const struct sp_path *p)
{
    return p->owes_challenge || p->owes_answer || p->owes_old_challenge;
}
/* Whether sp_path_tick may have something to do, now or later. */
static inline bool sp_path_is_ticking(const struct sp_path *p)
{
    return p->has_old || p->challenge_at != SP_NEVER;
}
/* Timers: the next try, or after the last one back to a proven old address (MOVED). */
enum sp_path_news sp_path_tick(struct sp_path *p, sp_time pto, sp_time now);
/* Next PATH_* frame to send; it counts as sent.  `is_here` asks for one to the current address, else
 * elsewhere.  A challenge gets fresh random data.  false: none. */
bool sp_path_next(struct sp_path *p, bool is_here, struct sp_rng *rng, struct sp_path_note *out);
sp_time sp_path_deadline(const struct sp_path *p);

#endif
