/* Runs many seeds, each in a process of its own, so that a trap or a sanitizer's end is the failure of one
 * seed.  It adds up what they bring back. */
#ifndef SIM_CREW_H
#define SIM_CREW_H

#include "world.h"

struct sim_crew_job {
    uint64_t seed;
    sp_time active_us; /* 0: drawn */
};
struct sim_crew_config {
    const struct sim_crew_job *jobs;
    size_t jobs_n;
    unsigned at_once;
    sp_time limit_us;   /* of real time, after which no further job is begun; 0: all of them are */
    bool is_twice;      /* each seed again: its hash must be the same */
    const char *dir;    /* folder for stores; each process gets one of its own in it */
    const char *commit; /* for the line that names a failure */
};
struct sim_crew_sums {
    size_t seeds, failures;
    uint64_t hash; /* of all hashes, in whatever order they came */
    sp_time virtual_us, healed_max_us;
    uint64_t healed_max_seed;
    uint64_t datagrams, crashes, processes, messages, delivered, failed, lost, foreign;
    sp_time know_max_us;
};

/* Prints a line per failure. */
void sim_crew_run(const struct sim_crew_config *cfg, struct sim_crew_sums *out);
/* Removes a folder with all that is in it. */
void sim_crew_remove_tree(const char *dir);
/* One seed in this process, with its story.  Does not return when it fails. */
void sim_crew_show(const struct sim_plan *plan, const struct sim_world_config *world, struct sim_result *out);

#endif
