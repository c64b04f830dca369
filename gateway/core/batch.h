/* What a turn asks of the store: questions gathered in order, submitted together by step, answered by a later
 * step.  An ask is embedded in the object it is for, which therefore lives until the answer; nothing here
 * judges an answer. */
#ifndef SP_BATCH_H
#define SP_BATCH_H

#include "list.h"
#include "store.h"

struct sp_gateway;
struct sp_ask;

/* Called once with the store's answer; an unknown outcome comes only after SP_CONF_STORE_REPEATS
 * repeats.  What `done` points to lives for the call only. */
typedef void sp_batch_answer(struct sp_gateway *g, struct sp_ask *ask, const struct sp_store_done *done,
                             sp_time now);

struct sp_ask {
    struct sp_node node;     /* waiting for the next submit */
    struct sp_store_req req; /* what it points to stays until it is submitted */
    struct sp_user to;       /* req.to may point here */
    sp_batch_answer *answer;
    uint8_t repeats; /* of this question, because its outcome was unknown */
    bool is_out;     /* asked and not yet answered */
};

struct sp_batch {
    struct sp_store_port *port;
    struct sp_list asks;   /* all ops but RANGE */
    struct sp_list ranges; /* RANGEs have a bound of their own in the port */
    size_t out, ranges_out;
    struct sp_store_req *reqs;   /* SP_CONF_BATCH_MAX: the submit being built */
    struct sp_store_done *dones; /* SP_CONF_DONE_MAX */
    sp_time again_at;            /* the port was full: try again then; SP_NEVER: it was not */
};

/* Queues a question.  The caller has filled req (but cookie) and answer; ask->is_out must be false. */
void sp_batch_add(struct sp_batch *b, struct sp_ask *ask);
/* Takes the answers that are there and calls each handler. */
void sp_batch_poll(struct sp_gateway *g, sp_time now);
/* Submits what is queued; what the port has no room for stays queued. */
void sp_batch_submit(struct sp_gateway *g, sp_time now);
/* When poll or submit has something to do; SP_NEVER: nothing without the store's wake-up. */
sp_time sp_batch_deadline(const struct sp_batch *b);
bool sp_batch_is_idle(const struct sp_batch *b);

#endif
