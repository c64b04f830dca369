/* A mailbox read seq by seq: every seq of a stretch is a message, a tombstone or corrupt, never nothing. Also
 * what happens to single messages.  It knows no requests; errors as in lmdb_row.h. */
#ifndef SP_LMDB_WALK_H
#define SP_LMDB_WALK_H

#include "lmdb_row.h"

/* A message without its body; the bytes of the sender's id are a copy. */
struct sp_lmdb_walk_msg {
    uint32_t seq;
    struct sp_lmdb_msg row;
    uint8_t id[SP_STORE_ID_MAX];
};

/* One stretch of equal seqs; a message is a stretch of one. */
struct sp_lmdb_walk_seg {
    uint32_t lo, hi;
    int why; /* 0: msg is valid; else enum sp_store_why */
    struct sp_lmdb_walk_msg msg;
};

struct sp_lmdb_walk {
    struct sp_lmdb_mkey m;
    uint64_t next, end; /* 64 bits, so that the end of the numbers is no special case */
    uint64_t tomb_lo, tomb_hi;
    int tomb_why;
};

/* All seqs of lo..hi, which may be empty (lo > hi). */
void sp_lmdb_walk_init(struct sp_lmdb_walk *w, const struct sp_lmdb_mkey *m, uint64_t lo, uint64_t hi);
/* The next stretch.  SP_EAGAIN: the end. */
int sp_lmdb_walk_next(struct sp_lmdb_txn *t, struct sp_lmdb_walk *w, struct sp_lmdb_walk_seg *seg);

/* The first good message with lo <= seq <= hi.  SP_EAGAIN: none. */
int sp_lmdb_walk_message(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint64_t lo, uint64_t hi,
                         struct sp_lmdb_walk_msg *msg);
/* Reads the body of msg->row.body_n bytes to dst, or with dst NULL only checks it.  SP_ECORRUPT: damaged or
 * missing. */
int sp_lmdb_walk_body(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_walk_msg *msg,
                      uint8_t *dst);
/* Deletes the body; the receipt stays. */
int sp_lmdb_walk_cut(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, const struct sp_lmdb_walk_msg *msg);
/* Deletes the receipt. */
int sp_lmdb_walk_forget(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t seq);
/* Counts an open message out of its mailbox and its sender's share. */
int sp_lmdb_walk_uncount(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                         const struct sp_lmdb_walk_msg *msg);
/* The open message becomes a tombstone, its dedup row ENDED, and it counts no more. */
int sp_lmdb_walk_end(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, struct sp_lmdb_usr *u,
                     const struct sp_lmdb_walk_msg *msg, int why);
/* Sets the state in the message's dedup row, if that still lives. */
int sp_lmdb_walk_set_state(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m,
                           const struct sp_lmdb_walk_msg *msg, int state);
/* lo..hi become a tombstone, joined to its neighbors. */
int sp_lmdb_walk_bury(struct sp_lmdb_txn *t, const struct sp_lmdb_mkey *m, uint32_t lo, uint32_t hi, int why);

/* State of the message that a dedup row names.  *to: its mailbox, NULL when that row is damaged. */
int sp_lmdb_walk_state(struct sp_lmdb_txn *t, const struct sp_lmdb_dedup *row, int *state,
                       const struct sp_lmdb_usr **to);

/* Names a message in the answer: to, from, seq, state, times.  0, or SP_EIO with t->fatal: no memory. */
int sp_lmdb_walk_entry(struct sp_lmdb_txn *t, struct sp_job *job, const struct sp_lmdb_walk_msg *msg,
                       int state);
/* Sets epoch, svr_seq, confirmed; u NULL: a mailbox that does not exist. */
void sp_lmdb_walk_numbers(const struct sp_lmdb_txn *t, const struct sp_lmdb_usr *u,
                          struct sp_store_done *done);

#endif
