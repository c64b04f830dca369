/* The waiting-ack queue: our messages from submit until the app was told their end (docs/protocol.md,
 * section 5.2).  Every row is durable before a frame made from it is handed out, bodies stay in local
 * storage, and no msgid is used twice. Refuses to know links: it hands out frames and takes answers. */
#ifndef SP_OUTBOX_H
#define SP_OUTBOX_H

#include "ask.h"
#include "conversation.h"
#include "ledger.h"
#include "list.h"

#define SP_OUTBOX_MAX        65536
#define SP_OUTBOX_FLIGHT_MAX 256 /* unanswered msg:R with the gateway */
#define SP_OUTBOX_LEVELS     8   /* waits of a safe message: T2 and its doublings */
#define SP_OUTBOX_READS_MAX  32  /* READ receipts of messages that are gone, not told yet */

/* Marks of sp_outgoing.state for a message whose end the app may not know yet: it must never be sent again.
 */
#define SP_OUTBOX_MARK_FAILED  128 /* plus the code */
#define SP_OUTBOX_MARK_UNKNOWN 255

enum sp_outbox_phase {
    SP_OUTBOX_QUEUED,
    SP_OUTBOX_READY, /* chosen to be sent: waits for local storage or for room in the link */
    SP_OUTBOX_SENT,
    SP_OUTBOX_SAFE,
    SP_OUTBOX_ENDED, /* the app is to be told */
    SP_OUTBOX_TOLD,  /* only its row is left to drop */
};

struct sp_outbox_entry {
    struct sp_node in_order; /* all entries by msgid */
    struct sp_node
        in_phase; /* QUEUED: conversation; READY, SENT, SAFE (by level), TOLD: lists of the outbox */
    struct sp_node in_talk; /* unanswered ones of the conversation */
    struct sp_node in_news; /* the app is to be told something */
    struct sp_outbox_entry *hash_next;
    struct sp_conversation *talk;
    struct sp_msgid msgid;
    int64_t first_s;    /* unix time of the first sending; 0: none */
    sp_time not_before; /* QUEUED: after BUSY */
    struct sp_pending wait;
    uint32_t flags, expires_s; /* as in struct sp_outgoing */
    uint8_t phase;             /* enum sp_outbox_phase */
    uint8_t state;             /* enum sp_state, as known here */
    uint8_t mark;              /* ENDED without a receipt: SP_OUTBOX_MARK_*; else 0 */
    bool is_marked;            /* the mark was written */
    bool is_asked;             /* a STATUS:R without an answer names it */
    uint8_t misses;            /* SAFE: answers in a row that did not know it */
};

struct sp_outbox {
    struct sp_ledger *ledger;
    struct sp_rng *rng;
    struct sp_pool entries;
    struct sp_outbox_entry **buckets;
    size_t mask, max;
    struct sp_conversations talks;
    struct sp_list order, news, told;
    struct sp_list active, resting; /* conversations with queued messages: may send; must wait */
    struct sp_list ready, sent, asked, safe[SP_OUTBOX_LEVELS];
    size_t safe_n; /* levels used so far */
    struct sp_ask ask;

    int64_t unix_s; /* wall time at unix_at */
    sp_time unix_at;
    struct sp_msgid last; /* highest given */
    bool is_up;           /* there is a session */
    unsigned flight, flight_max;
    sp_time rest_due, sent_due; /* not later than the first event of those lists */
    sp_time expiry_at;          /* next look for messages that waited for days */
    struct sp_msgid done;       /* highest told by DONE in this session */
    sp_time done_at;            /* the next DONE may go */
    size_t reads_n;
    struct {
        struct sp_msgid msgid;
        uint8_t state;
    } reads[SP_OUTBOX_READS_MAX];
    uint8_t body[SP_PART_MAX];
    uint64_t statuses;
};

struct sp_outbox_config {
    struct sp_ledger *ledger; /* borrowed, as rng */
    struct sp_rng *rng;
    size_t max; /* 1..SP_OUTBOX_MAX */
    int64_t unix_s;
};

/* Bytes of memory for `max` messages, aligned as max_align_t. */
size_t sp_outbox_footprint(size_t max);
/* Loads what local storage remembers: unanswered messages are queued again, safe ones will be asked about.
 * SP_EFULL: more than max; an error of load or next. */
int sp_outbox_init(struct sp_outbox *o, void *mem, const struct sp_outbox_config *cfg,
                   const struct sp_local_state *state, sp_time now);

/* As sp_client_submit, sp_client_forget. */
int sp_outbox_submit(struct sp_outbox *o, const struct sp_outgoing *m, struct sp_msgid *id, sp_time now);
int sp_outbox_forget(struct sp_outbox *o, struct sp_msgid id, sp_time now);

/* A session is there: frames may go.  Safe messages are asked about anew: their receipts may have been lost
 * with the session before. */
void sp_outbox_session_up(struct sp_outbox *o, sp_time now);
/* It is lost: what was sent and not answered is queued again. */
void sp_outbox_session_lost(struct sp_outbox *o, sp_time now);
/* The gateway takes at most n unanswered messages. */
void sp_outbox_set_window(struct sp_outbox *o, unsigned n);

/* Answers.  true: the link may withdraw all copies of this msg:R. */
bool sp_outbox_msg_a(struct sp_outbox *o, const struct sp_frame_msg_a *f, sp_time now);
bool sp_outbox_ack_n(struct sp_outbox *o, const struct sp_frame_ack_n *f, sp_time now);
void sp_outbox_status_a(struct sp_outbox *o, const struct sp_frame_status_a *f, sp_time now);
/* The msg:R of `id` reached the gateway's link: its answer is due in T1. */
void sp_outbox_link_acked(struct sp_outbox *o, struct sp_msgid id, sp_time three_pto, sp_time now);

/* Timers, and the choice of what is sent next.  true: a frame is due, for which local storage must be
 * durable; those that need no storage are told by sp_ask_is_busy. */
bool sp_outbox_step(struct sp_outbox *o, sp_time now);
/* The next frame (msg:R with its msgid in *ref, STATUS:R, DONE: 0), borrowed until the next call.  Nothing
 * that needs local storage to be durable is handed out before it is.  SP_EAGAIN: none. */
int sp_outbox_frame(struct sp_outbox *o, struct sp_frame *f, uint64_t *ref, sp_time now);
/* That frame was taken by the link. */
void sp_outbox_note_sent(struct sp_outbox *o, const struct sp_frame *f, sp_time three_pto, sp_time now);
sp_time sp_outbox_deadline(const struct sp_outbox *o);

/* Next event for the app.  SP_EAGAIN. */
int sp_outbox_poll(struct sp_outbox *o, struct sp_client_event *ev, sp_time now);
bool sp_outbox_has_event(const struct sp_outbox *o);
/* Whether something waits for its first answer. */
bool sp_outbox_is_waiting(const struct sp_outbox *o);
/* Messages whose end the app was not told. */
size_t sp_outbox_count(const struct sp_outbox *o);

/* For outbox_send.c.  The entry of a msgid, or NULL. */
struct sp_outbox_entry *sp_outbox_find(const struct sp_outbox *o, struct sp_msgid id);
/* Wall time in seconds. */
int64_t sp_outbox_unix(const struct sp_outbox *o, sp_time now);
/* Writes the row of an entry; its body stays as it is.  An error of the ledger. */
int sp_outbox_put_row(struct sp_outbox *o, const struct sp_outbox_entry *e, sp_time now);
/* Finds a conversation's place among those that may send and those that wait, after anything about it
 * changed. */
void sp_outbox_place(struct sp_outbox *o, struct sp_conversation *talk, sp_time now);
/* Ends an unanswered or safe entry without a receipt: mark is SP_OUTBOX_MARK_*. */
void sp_outbox_end(struct sp_outbox *o, struct sp_outbox_entry *e, uint8_t mark, sp_time now);
/* The app knows the end: the row goes, now or when local storage works again. */
void sp_outbox_let_go(struct sp_outbox *o, struct sp_outbox_entry *e, sp_time now);
/* Takes an entry out of every list and gives its slot back. */
void sp_outbox_release(struct sp_outbox *o, struct sp_outbox_entry *e);

#endif
