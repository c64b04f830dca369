/* Encryption of one DATA packet, packet number coding and key phases of one direction (docs/protocol.md,
 * sections 2.4 and 3).  Knows nothing of frames or of what was received before. */
#ifndef SP_SEAL_H
#define SP_SEAL_H

#include <sampan/crypto.h>

#include "wire.h"

#define SP_DATA_UP_OVERHEAD   27 /* flags, cid, pn, tag */
#define SP_DATA_DOWN_OVERHEAD 19

/* Keys of one direction, for the side that seals or the side that opens. */
struct sp_seal {
    const struct sp_crypto *crypto;
    uint8_t key[SP_KEY_LEN]; /* of the current phase */
    uint8_t
        next[SP_KEY_LEN]; /* opener: of the following phase, derived at once so that a flip costs no time */
    uint8_t prev[SP_KEY_LEN]; /* opener: kept until prev_until */
    sp_time prev_until;       /* 0: no previous key */
    uint64_t phase_first;     /* number of the first packet of this phase */
    uint64_t phase_packets;   /* sealer: packets sealed in this phase */
    sp_time phase_since;
    sp_time
        phase_age; /* sealer: how long this phase lasts at most, one hour less up to a tenth (section 5.5) */
    uint8_t phase; /* 0 or 1: the bit */
    enum sp_dir dir;
};

void sp_seal_init(struct sp_seal *s, const struct sp_crypto *c, const uint8_t key[SP_KEY_LEN],
                  enum sp_dir dir, sp_time now);
void sp_seal_wipe(struct sp_seal *s);
/* Sealer: flips the phase when 2^20 packets or its age have passed and `acked` (the largest acknowledged
 * number, 0: none yet) lies in this phase.  Call before sp_seal_packet. */
void sp_seal_turn(struct sp_seal *s, uint64_t acked, sp_time now);
/* Seals frames that already stand in dst at offset sp_seal_header(dir); writes header and tag around them.
 * cid is read only upwards.  Returns the length of the datagram. */
size_t sp_seal_packet(struct sp_seal *s, const uint8_t cid[8], uint64_t pn, uint8_t *dst, size_t frames_len);
/* Bytes before the frames in this direction: 11 up, 3 down. */
size_t sp_seal_header(enum sp_dir dir);
/* The full number of the packet whose low 16 bits are `low`: of all numbers with these bits the one nearest
 * to expected = largest authenticated + 1, without wrapping at 0 and 2^62. */
uint64_t sp_seal_number(uint64_t expected, uint16_t low);
/* Opens the datagram in place; pn is its full number, largest the largest authenticated one so far (0: none
 * yet), old_key_us how long an old phase's key stays after a flip (3 PTO).  *frames borrows from p.
 * SP_EMALFORMED: too short, first byte, or number 0; SP_EAUTH: forged, or the key of its phase is gone; the
 * bytes at p are then unspecified.  A phase change happens only after the packet authenticated. */
int sp_seal_open(struct sp_seal *s, uint8_t *p, size_t len, uint64_t pn, uint64_t largest, sp_time old_key_us,
                 sp_time now, struct sp_view *frames);

#endif
