/* Episodes: a store is created, works, crashes or closes, comes back from one of its own crash images, works
 * on.  After each life its log is replayed, and at each operation boundary the images of a power cut are
 * built and judged. */
#ifndef SP_CRASH_REPLAY_H
#define SP_CRASH_REPLAY_H

#include "crash_disk.h"

/* What is wrong with the run on purpose. */
enum crash_mode {
    CRASH_MODE_HONEST,
    CRASH_MODE_NOSYNC,       /* MDB_NOSYNC */
    CRASH_MODE_NOMETASYNC,   /* MDB_NOMETASYNC */
    CRASH_MODE_LYING_DISK,   /* syncs return and do nothing */
    CRASH_MODE_EARLY_ANSWER, /* answers leave before the commit */
    CRASH_MODE_TORN_SECTORS, /* the disk tears inside of sectors */
    CRASH_MODES
};

struct crash_run {
    enum crash_mode mode;
    bool forks;           /* each image is judged in a child, so that a signal is a finding */
    uint64_t only_op;     /* judge images of this operation alone; UINT64_MAX: of all */
    uint64_t images_max;  /* stop after so many */
    uint64_t found_max;   /* and after so many findings */
    char dir[CRASH_PATH]; /* folder for store and images, in memory if possible */
    uint64_t images, operations, lost, corrupt, lives, signals;
    uint64_t log_print; /* the same for the same seeds on every compiler */
};

/* Adds the figures of one episode to run, prints each finding. */
void crash_replay_episode(struct crash_run *run, uint64_t seed);

#endif
