/* One end of a link, by hand: it holds the keys, seals whatever frames it is given and opens what the other
 * end sends. No loss repair and no manners: what a hostile peer with a valid token can do. */
#ifndef SP_FUZZ_HANDPEER_H
#define SP_FUZZ_HANDPEER_H

#include "ackset.h"
#include "handshake.h"
#include "seal.h"

struct handpeer {
    struct sp_seal seal, unseal;
    struct sp_ackset heard; /* numbers opened */
    uint64_t next_pn, largest;
    uint8_t cid[8];
};

/* dir: of what it sends. */
void handpeer_init(struct handpeer *p, const struct sp_crypto *c, const struct sp_session_keys *keys,
                   enum sp_dir dir, const uint8_t cid[8], sp_time now);
/* Writes the ACK of all that was opened.  Returns its bytes; 0: nothing was. */
size_t handpeer_ack(const struct handpeer *p, uint8_t *dst, size_t cap, sp_time now);
/* Seals frames, cut to what fits, as its next packet into dst (SP_DATAGRAM_MAX bytes).  Returns the
 * datagram's bytes. */
size_t handpeer_seal(struct handpeer *p, struct sp_view frames, uint8_t *dst);
/* Flips the key phase of what it sends, as after an hour. */
void handpeer_turn(struct handpeer *p, sp_time now);
/* Opens a datagram in place.  False: not of this session. */
bool handpeer_open(struct handpeer *p, uint8_t *datagram, size_t len, sp_time now, struct sp_view *frames);

#endif
