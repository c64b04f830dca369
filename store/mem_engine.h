/* The reference model from inside: what its files share.  mem.c is the engine, mem_send.c judges the sender's
 * requests, mem_box.c the recipient's, mem_model.c has the nouns. */
#ifndef SP_MEM_ENGINE_H
#define SP_MEM_ENGINE_H

#include "claim.h"
#include "engine.h"
#include "mem_model.h"

#include <pthread.h>

struct sp_mem {
    struct sp_engine base;
    pthread_mutex_t lock; /* of everything below, but for a port's jobs */
    struct sp_store_config cfg;
    struct sp_mem_model model;
    struct sp_claim_table *claims;
    struct sp_mem_port *ports;
    int64_t clock_us, sweep_at_us;
    struct sp_store_stats stats;
};

/* Each answers on job and returns 0 or the definite error. */
int sp_mem_send_append(struct sp_mem *m, struct sp_job *job);
int sp_mem_send_finish(struct sp_mem *m, struct sp_job *job);
int sp_mem_send_status(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_confirm(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_mark(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_trim(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_limit(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_head(struct sp_mem *m, struct sp_job *job);
int sp_mem_box_range(struct sp_mem *m, struct sp_job *job);

/* State of the message that a dedup row names. */
int sp_mem_state(const struct sp_mem_row *row);
/* Sets epoch, svr_seq, confirmed; u NULL: a mailbox that does not exist. */
void sp_mem_numbers(const struct sp_mem *m, const struct sp_mem_user *u, struct sp_store_done *d);
/* Names message `seq` of u, which is there, in the answer.  0, or SP_EBUSY. */
int sp_mem_add_message(struct sp_job *job, const struct sp_mem_user *u, uint32_t seq, int state);
/* An open message loses its body and counts no more. */
void sp_mem_close(struct sp_mem_user *u, struct sp_mem_msg *msg);
/* Sets the state in the message's dedup row, if that still lives. */
void sp_mem_set_state(const struct sp_mem_msg *msg, const struct sp_mem_user *to, uint32_t seq, int state);
/* The open message `seq` of u becomes a tombstone. */
void sp_mem_end(struct sp_mem_user *u, uint32_t seq, int why);

#endif
