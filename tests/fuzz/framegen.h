/* Frames chosen by a script: mostly well-formed ones whose numbers lie near those that mean something, some
 * damaged, some raw.  It writes what a hostile peer with the keys could write; it never judges. */
#ifndef SP_FUZZ_FRAMEGEN_H
#define SP_FUZZ_FRAMEGEN_H

#include "script.h"
#include "wire.h"

struct framegen {
    enum sp_dir dir;
    const char *const *users;
    size_t users_n;
    uint64_t msgid_base;                 /* ids lie above it */
    uint64_t epoch;                      /* of the mailboxes */
    uint32_t seq_base;                   /* seqs lie above it */
    uint32_t acked_near;                 /* numbers that an ACK names lie near it */
    uint16_t pull_id, ack_id, status_id; /* what was asked last, for answers */
    uint8_t status_n;
};

/* One frame; its views are borrowed from the script or static. */
void framegen_frame(struct script *s, const struct framegen *g, struct sp_frame *f);
/* The frames of one datagram.  Returns their bytes. */
size_t framegen_frames(struct script *s, const struct framegen *g, uint8_t *dst, size_t cap);

#endif
