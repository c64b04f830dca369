/* The nouns of the reference model: users with their mailbox and their sending devices, in plain memory, as
 * simply as they can be said.  mem.c judges requests with them.  Not for speed, not for threads. */
#ifndef SP_MEM_MODEL_H
#define SP_MEM_MODEL_H

#include "store.h"

/* A message in its mailbox.  Confirmed ones lose their body and stay as receipts. */
struct sp_mem_msg {
    struct sp_mem_user *from;
    uint32_t device;
    struct sp_msgid msgid;
    int64_t at_us, expires_us;
    size_t body_n;
    uint8_t *body; /* NULL: none, or confirmed */
};

/* What a mailbox knows about one of its seqs. */
struct sp_mem_slot {
    struct sp_mem_msg *msg;
    int why;    /* > 0: tombstone */
    bool named; /* in the answer that is being made */
};

/* A dedup row. */
struct sp_mem_row {
    struct sp_msgid msgid;
    uint8_t hash[8];
    struct sp_mem_user *to;
    uint32_t seq;
    int64_t at_us;
    int state; /* READ, ENDED, or 0: derived from the cursor */
};

/* A sending device: its rows by rising msgid. */
struct sp_mem_device {
    struct sp_mem_device *next;
    uint32_t device;
    struct sp_msgid last, finished, floor;
    struct sp_mem_row *rows;
    size_t rows_n, rows_cap;
};

struct sp_mem_user {
    struct sp_mem_user *next;
    struct sp_user id;
    uint32_t start; /* head at creation; slots[i] is seq start + 1 + i */
    uint32_t head, confirmed;
    uint32_t count, max_count;
    uint64_t bytes, max_bytes;
    bool drop_oldest;
    struct sp_mem_slot *slots;
    size_t slots_cap;
    struct sp_mem_device *devices;
};

struct sp_mem_model {
    uint32_t head_start;
    size_t users_n, chains_n;
    struct sp_mem_user **chains;
};

/* 0, or SP_EIO: no memory. */
int sp_mem_model_init(struct sp_mem_model *m, uint32_t head_start);
void sp_mem_model_wipe(struct sp_mem_model *m);

/* NULL: never seen. */
struct sp_mem_user *sp_mem_model_find(const struct sp_mem_model *m, struct sp_user id);
/* Created when new.  NULL: no memory. */
struct sp_mem_user *sp_mem_model_get(struct sp_mem_model *m, struct sp_user id);

/* The device of a sender; NULL: never seen.  u may be NULL. */
struct sp_mem_device *sp_mem_model_device(const struct sp_mem_user *u, uint32_t device);
/* Created when new.  NULL: no memory, or u is NULL. */
struct sp_mem_device *sp_mem_model_device_get(struct sp_mem_user *u, uint32_t device);

/* Index of the first row with a msgid of at least `id`. */
size_t sp_mem_model_row_at(const struct sp_mem_device *d, struct sp_msgid id);
/* NULL: no such row.  d may be NULL. */
struct sp_mem_row *sp_mem_model_row(const struct sp_mem_device *d, struct sp_msgid id);
/* Adds a row whose msgid is not there yet.  0, or SP_EBUSY: no memory. */
int sp_mem_model_row_add(struct sp_mem_device *d, const struct sp_mem_row *row);
/* Removes rows [lo, hi) by index. */
void sp_mem_model_rows_cut(struct sp_mem_device *d, size_t lo, size_t hi);

/* The slot of a seq in (start, head]. */
struct sp_mem_slot *sp_mem_model_slot(const struct sp_mem_user *u, uint32_t seq);
/* Appends a slot for seq head + 1, still empty, without raising head.  NULL: no memory. */
struct sp_mem_slot *sp_mem_model_slot_next(struct sp_mem_user *u);
/* A message with a copy of the body.  NULL: no memory. */
struct sp_mem_msg *sp_mem_model_msg(const struct sp_mem_msg *like, struct sp_view body);
/* Frees the message of a slot. */
void sp_mem_model_forget(struct sp_mem_slot *s);

#endif
