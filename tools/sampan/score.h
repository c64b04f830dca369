/* What became of each message of a demo run: four times and a count per message, and the figures drawn from
 * them.  The judge of "lost, duplicated, out of order"; it trusts only what the recipient's application was
 * handed. */
#ifndef SP_SCORE_H
#define SP_SCORE_H

#include <sampan/types.h>

#define SP_SCORE_MAX 200000 /* messages of a demo run */

enum sp_score_mark {
    SP_SCORE_SENT,      /* when it was due, by the schedule */
    SP_SCORE_ACCEPTED,  /* the sender knows that it is stored durably */
    SP_SCORE_DELIVERED, /* the recipient's application has it */
    SP_SCORE_KNOWN,     /* the sender knows that */
    SP_SCORE_MARKS
};
struct sp_score_row {
    sp_time at[SP_SCORE_MARKS]; /* 0: not yet */
    uint32_t received;          /* times that the recipient's application got it */
    bool was_stored;            /* STORED was told */
};
struct sp_score {
    struct sp_score_row *rows;
    size_t n, cap;
    size_t highest; /* index + 1 of the highest message received */
    size_t counts[SP_SCORE_MARKS];
    size_t duplicated, disordered, strange;
};
struct sp_score_figures {
    size_t n;
    sp_time p50, p95, p99, max;
};

/* Room for cap messages.  false: no memory. */
bool sp_score_init(struct sp_score *l, size_t cap);
void sp_score_wipe(struct sp_score *l);
/* A new message, due at `at`; returns its index.  The caller checks n < cap. */
size_t sp_score_send(struct sp_score *l, sp_time at);
/* The sender learned a mark of message i; later repeats of it change nothing. */
void sp_score_note(struct sp_score *l, size_t i, enum sp_score_mark mark, sp_time now);
/* The recipient's application was handed message i. */
void sp_score_receive(struct sp_score *l, size_t i, sp_time now);
/* Messages accepted and never received. */
size_t sp_score_lost(const struct sp_score *l);
/* Time from the schedule to a mark over all messages that have it. */
struct sp_score_figures sp_score_figures(const struct sp_score *l, enum sp_score_mark mark);
/* Those times in rising order into dst (cap >= l->n).  Returns how many. */
size_t sp_score_sorted(const struct sp_score *l, enum sp_score_mark mark, sp_time *dst);

#endif
