/* The story of a run: a hash over everything that happened, which a second run of the seed must repeat, and
 * lines for people.  Level 0: the hash alone; 1: what people and processes did; 2: every datagram with its
 * frames. */
#ifndef SIM_NOTE_H
#define SIM_NOTE_H

#include "rig.h"

#define SIM_NOTE_LINES 64 /* formats read at a time */

/* A format as it was read last. */
struct sim_note_line {
    const char *format;
    uint64_t hash;
    uint8_t takes_n, takes[14]; /* what its conversions take */
};
struct sim_note {
    uint64_t hash;
    int level;
    sp_time zero; /* times in lines count from here */
    struct sim_note_line lines[SIM_NOTE_LINES];
};

/* A line of level 1, also part of the hash.  `format` is a literal. */
void sim_note_say(struct sim_note *n, sp_time now, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A datagram that enters the wire; `fate` says what the world does to it before the loss model. */
void sim_note_packet(struct sim_note *n, const char *who, const struct sp_rig_packet *p, const char *fate);
/* Numbers that belong to the hash and to no line. */
void sim_note_mix(struct sim_note *n, uint64_t v);

#endif
