/* What the store has promised so far, as its callers know it, and what they asked for.  It is told of each
 * request when it is submitted and of each answer when it is polled; from these alone it says what must be
 * there after a crash, and what may be.  It knows no engine and no file. */
#ifndef SP_CRASH_MODEL_H
#define SP_CRASH_MODEL_H

#include "store.h"

#define CRASH_BOXES   6 /* mailboxes, which are the senders too */
#define CRASH_DEVICES 2 /* sending devices of each */
#define CRASH_IDS     640
#define CRASH_PROBE   CRASH_BOXES /* number of a mailbox that only checks write to */
#define CRASH_EPOCH   77
#define CRASH_KEEP_US (60 * (int64_t)1000000) /* dedup_keep_us */
#define CRASH_T0      (1700000000 * (int64_t)1000000)

/* One message identity. */
struct crash_id {
    uint8_t sender, device, to;
    uint8_t state; /* highest state that was promised */
    bool sent, stored, maybe, told;
    uint16_t open; /* submissions without an answer yet */
    uint32_t seq;  /* promised */
    uint32_t body_at, body_n;
    uint64_t msgid;
    int64_t at_us; /* of the earliest submission */
    int64_t expires_us;
};

struct crash_box {
    uint32_t head_min, confirmed_min, confirmed_max;
    bool limited, may_drop;
    uint16_t owner[CRASH_IDS + 2];  /* by seq: number of the identity that has it, plus 1 */
    uint8_t may_end[CRASH_IDS + 2]; /* by seq: a TRIM named it */
};

#define CRASH_MSGIDS 1024
#define CRASH_MSGID  ((uint64_t)1700000000 << 32) /* as real ones: install epoch in the high half */

struct crash_device {
    uint64_t next, hole;       /* msgids: the next one; one that was left out, or 0 */
    uint16_t id[CRASH_MSGIDS]; /* by msgid above CRASH_MSGID: number of its identity plus 1 */
    uint64_t finished_min, finished_max;
};

struct crash_model {
    uint64_t map_size, reserve;
    int64_t clock_us, clock_max;
    uint64_t fence_min;
    size_t ids_n;
    struct crash_id ids[CRASH_IDS];
    struct crash_box box[CRASH_BOXES];
    struct crash_device device[CRASH_BOXES][CRASH_DEVICES];
};

/* What a request was about; kept until its answer. */
struct crash_req {
    enum sp_store_op op;
    unsigned box, device; /* device: 1..CRASH_DEVICES */
    size_t id;            /* APPEND */
    size_t after;         /* APPEND: identity plus 1; 0: none */
    bool other_hash;      /* APPEND of a stored identity with another body: must be SP_EREUSED */
    int deny;
    uint32_t lo, hi; /* seqs; CONFIRM: hi; RANGE: lo */
    int why;
    uint64_t msgid; /* FINISH */
    unsigned max, max_bytes;
    int sub;
    int64_t at_us;
};

/* One line of an answer. */
struct crash_line {
    size_t id; /* CRASH_IDS: an identity that nobody ever sent */
    uint32_t seq;
    int state;
    bool body_is_right;
};

struct crash_answer {
    size_t req; /* number of its request */
    int err;
    bool repeat;
    int state;
    uint32_t seq, svr_seq, confirmed;
    uint64_t fence, epoch;
    size_t lines_n;
    struct crash_line *lines;
};

enum crash_kind { CRASH_FINE, CRASH_LOST, CRASH_CORRUPT };

struct crash_verdict {
    enum crash_kind kind;
    char text[240];
};
/* Notes the first finding; later ones are not needed. */
void crash_found(struct crash_verdict *v, enum crash_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void crash_model_init(struct crash_model *m, uint64_t seed);
void crash_model_config(const struct crash_model *m, struct sp_store_config *cfg);

/* A new identity of that sender and device (1..), not yet sent.  False: the table is full. */
bool crash_model_new(struct crash_model *m, unsigned sender, unsigned device, size_t *id);
/* The identity of an entry; CRASH_IDS: unknown. */
size_t crash_model_find(const struct crash_model *m, const struct sp_origin *from);
/* Number of a mailbox by name; CRASH_BOXES + 1: unknown. */
unsigned crash_model_box(struct sp_view id);
/* The name of a mailbox, also of CRASH_PROBE; static. */
const struct sp_user *crash_model_user(unsigned box);
/* The body of an identity; static bytes. */
struct sp_view crash_model_body(const struct crash_id *id);

/* The APPEND of an identity as it must be submitted each time. */
struct sp_store_req crash_model_append(const struct crash_model *m, size_t id);
/* The store's request for a description; msgids: room for SP_STORE_MSGIDS_MAX, span: for one. */
struct sp_store_req crash_model_request(const struct crash_model *m, const struct crash_req *q,
                                        struct sp_store_span *span, struct sp_msgid *msgids);

void crash_model_submit(struct crash_model *m, const struct crash_req *q);
/* Raises the promises, and compares the answer with the earlier ones. */
void crash_model_answer(struct crash_model *m, const struct crash_req *q, const struct crash_answer *a,
                        struct crash_verdict *v);
/* The process ended: what was open may have happened. */
void crash_model_crash(struct crash_model *m);

/* True if the dedup row of id may have gone by FINISH or age; now_us: the latest time the store was told. */
bool crash_model_may_forget(const struct crash_model *m, const struct crash_id *id, int64_t now_us);
/* True if id, when it is not known to be stored, may lie below its device's floor; now_us as above. */
bool crash_model_may_expire(const struct crash_model *m, const struct crash_id *id, int64_t now_us);
/* True if id may be stored although nobody was told. */
bool crash_model_may_exist(const struct crash_id *id);
/* True if `now` is no step back from `promised`. */
bool crash_model_state_holds(int promised, int now);

#endif
