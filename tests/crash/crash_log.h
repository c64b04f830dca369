/* What happened in one life of a store process, in order: requests, answers, writes, syncs.  It owns copies
 * of all bytes. */
#ifndef SP_CRASH_LOG_H
#define SP_CRASH_LOG_H

#include "crash_model.h"
#include "crash_trap.h"

enum crash_event_kind { CRASH_EVENT_IO, CRASH_EVENT_SUBMIT, CRASH_EVENT_ANSWER };

struct crash_event {
    enum crash_event_kind kind;
    /* IO */
    enum crash_io_kind io;
    bool dsync;
    uint64_t at;
    size_t n;
    uint8_t *bytes;
    /* SUBMIT: number in reqs */
    size_t req;
    /* ANSWER */
    struct crash_answer answer;
};

struct crash_log {
    struct crash_event *events;
    size_t n, cap;
    struct crash_req *reqs;
    size_t reqs_n, reqs_cap;
};

void crash_log_wipe(struct crash_log *l);
/* A crash_sink: self is the log. */
void crash_log_io(void *self, const struct crash_io *io);
/* Copies *q and notes its submission; the number of the request. */
size_t crash_log_submit(struct crash_log *l, const struct crash_req *q);
/* Copies *a with its lines; it stands before event number `at` (l->n: at the end). */
void crash_log_answer(struct crash_log *l, const struct crash_answer *a, size_t at);

/* Memory or the end of the program. */
void *crash_grow(void *p, size_t n);

#endif
