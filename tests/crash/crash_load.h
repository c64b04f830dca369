/* The workload: draws requests from the model's state and a seed, and drives the real engine with them on one
 * thread, step by step.  It writes requests and answers to a log and tells the model. */
#ifndef SP_CRASH_LOAD_H
#define SP_CRASH_LOAD_H

#include "crash_log.h"
#include "crash_rng.h"

struct crash_load {
    struct crash_model *model; /* borrowed */
    struct crash_log *log;     /* borrowed */
    struct crash_rng rng;
    bool early;                   /* answers of writes are logged before the writes of their commit */
    bool patient;                 /* every step ends with all requests answered */
    struct crash_verdict verdict; /* of the live answers */
    struct sp_store *store;
    struct sp_store_port *port;
    size_t step_at; /* log position where the running step began */
    char reason[200];
    /* Answers since open, by kind. */
    unsigned ok, unknown, failed, nospace, busy;
};

/* Opens the store in dir.  0 or the engine's error; reason says more. */
int crash_load_open(struct crash_load *l, const char *dir);
/* Submits a random batch, lets the writer step, polls. */
void crash_load_step(struct crash_load *l);
/* Submits one request of the caller's, steps until it is answered; its error. */
int crash_load_one(struct crash_load *l, const struct crash_req *q);
/* Polls what is left, then closes. */
void crash_load_close(struct crash_load *l);
/* Closes with answers unread. */
void crash_load_drop(struct crash_load *l);

/* A random request of this kind for the model's present state.  False: it has none now. */
bool crash_load_draw(struct crash_load *l, enum sp_store_op op, struct crash_req *q);

/* An answer in the model's words; lines: room for SP_STORE_ENTRIES_MAX. */
void crash_load_translate(const struct crash_model *m, const struct crash_req *q,
                          const struct sp_store_done *d, struct crash_answer *a, struct crash_line *lines);

#endif
