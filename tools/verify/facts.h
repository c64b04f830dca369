/* What the logs say, gathered by user, device, mailbox, message and seq: the inside of struct sp_verify, for
 * the files of this folder.  facts.c finds and makes the rows; senders.c, devices.c and gateways.c take
 * events into them and judge what the order within a file shows; whole.c judges the rest at the end. */
#ifndef SP_FACTS_H
#define SP_FACTS_H

#include "rows.h"
#include "verify.h"

/* A growing list of places of rows. */
struct sp_facts_list {
    uint32_t *of;
    uint32_t n, cap;
};

struct sp_fact_user {
    struct sp_rows_key key; /* hash of the name, its length (or more: another name has both) */
    uint8_t len, name[SP_USER_MAX];
    bool has_run;
    uint32_t epochs;    /* lives of its mailbox that the logs know */
    uint32_t stored_hi; /* of its mailbox, in some epoch */
};

struct sp_fact_device {
    struct sp_rows_key key; /* as of its user, but with the number below the length's 32 bits */
    uint32_t user, runs;
    uint64_t install;
    uint32_t store; /* counts its installed stores */

    uint32_t mailbox; /* of its cursor; SP_ROWS_NONE: not known yet */
    bool has_base;    /* `next` is known */
    uint64_t next;    /* the seq it is to be handed next */
    struct sp_facts_list hands;
    uint32_t hands_kept; /* of them, the first ones are kept */

    struct sp_facts_list sends; /* by rising msgid */
    uint64_t sent_last;

    uint64_t order_last; /* for whole.c: msgid and mailbox of its message that was looked at last */
    uint32_t order_mailbox, order_message;
};

/* One epoch of a user's mailbox. */
struct sp_fact_mailbox {
    struct sp_rows_key key; /* user and `unnamed` above its 32 bits, epoch */
    uint32_t user;
    uint32_t stored_hi, head_hi, head_confirmed; /* of the gateways */
    uint32_t handed_hi, kept_hi;                 /* of any device */
    struct sp_verify_place head_at, handed_at;
    uint32_t confirmed; /* of the event with the highest commit */
    uint64_t commit;
    uint32_t commit_start; /* which start of a gateway numbered it */
    struct sp_verify_place confirmed_at;
    uint32_t skipped_n, placed_n; /* for whole.c */
};

enum sp_fact_bit {
    SP_FACT_SENT = 1,
    SP_FACT_LOST = 2, /* never durable at its sender */
    SP_FACT_FAILED = 4,
    SP_FACT_GAVEUP = 8,
    SP_FACT_STORED = 16,
    SP_FACT_HANDED = 32,
    SP_FACT_ENDED = 64, /* a gateway says so, or a device was told so */
    SP_FACT_REFUSED = 128,
    SP_FACT_KNOWN = 256, /* recipient and hash are set */
    SP_FACT_KEPT = 512,  /* by some device, at some time */
    SP_FACT_REUSED = 1024,
    SP_FACT_OTHER =
        2048, /* sent with another content than the one that others saw; fine if that send was lost */
};
struct sp_fact_message {
    struct sp_rows_key key; /* sender's device, msgid */
    uint32_t device, to;    /* to: a user */
    uint64_t hash;
    uint32_t slots;   /* head of its chain of slots; SP_ROWS_NONE: none */
    uint32_t starts;  /* number of the gateway's start when it was last stored */
    uint32_t seq;     /* as its sender was told; 0: not */
    uint16_t bits;    /* enum sp_fact_bit */
    uint16_t holders; /* devices that have it kept now */
    uint8_t told, end, want;
    struct sp_verify_place sent_at, safe_at, told_at, failed_at, stored_at, handed_at, kept_at;
};

struct sp_fact_slot {
    struct sp_rows_key key; /* mailbox, seq */
    uint32_t message, next; /* next: of the same message */
    bool is_skipped;        /* some device was told that it does not come, and not because it is confirmed */
    struct sp_verify_place at;
};

/* A message in one device. */
struct sp_fact_hand {
    struct sp_rows_key key; /* device, message */
    uint32_t mailbox, seq, store;
    bool is_out; /* a restart did not undo it */
    struct sp_verify_place at;
};

/* A mailbox as one device has it. */
struct sp_fact_view {
    struct sp_rows_key key; /* device, mailbox */
    uint32_t kept_hi, confirmed_hi;
    struct sp_verify_place confirmed_at;
};

/* Seqs that a device was told do not come, or that it began behind (why 1). */
struct sp_fact_span {
    struct sp_rows_key unused;
    uint32_t device, mailbox, lo, hi;
    int why;
    struct sp_verify_place at;
};

struct sp_verify {
    struct sp_verify_config cfg;
    struct sp_verify_summary sum;
    bool is_full; /* memory ran out */
    bool has_gateway;
    uint32_t starts;
    bool is_running, was_killed; /* a gateway started and did not say that it stops; ... and started again */
    uint32_t unnamed;            /* RESYNCs that did not say the epoch */
    struct sp_verify_place last;
    struct sp_rows users, devices, mailboxes, messages, slots, hands, views, spans;
};

/* Rows.  Pointers live until the next call that may add a row of that kind. */
struct sp_fact_user *sp_facts_user_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_device *sp_facts_device_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_mailbox *sp_facts_mailbox_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_message *sp_facts_message_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_slot *sp_facts_slot_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_hand *sp_facts_hand_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_view *sp_facts_view_at(const struct sp_verify *v, uint32_t place);
struct sp_fact_span *sp_facts_span_at(const struct sp_verify *v, uint32_t place);

/* Places of rows, made if absent.  SP_ROWS_NONE and v->is_full: no memory. */
uint32_t sp_facts_user(struct sp_verify *v, struct sp_view name);
uint32_t sp_facts_device(struct sp_verify *v, struct sp_view name, uint32_t number);
/* unnamed: 0, or a number that tells epochs apart which no log names. */
uint32_t sp_facts_mailbox(struct sp_verify *v, uint32_t user, uint64_t epoch, uint32_t unnamed);
uint32_t sp_facts_message(struct sp_verify *v, uint32_t device, uint64_t msgid);
uint32_t sp_facts_view(struct sp_verify *v, uint32_t device, uint32_t mailbox);
uint32_t sp_facts_span(struct sp_verify *v);
bool sp_facts_push(struct sp_verify *v, struct sp_facts_list *list, uint32_t place);

/* The message has this recipient and, unless 0, this hash; says CHANGED when another event said otherwise. */
void sp_facts_content(struct sp_verify *v, uint32_t message, uint32_t to, uint64_t hash,
                      struct sp_verify_place at);
/* This seq of this mailbox is this message; says OFFSET or DUPLICATE_SEQ when another event said otherwise.
 */
void sp_facts_claim(struct sp_verify *v, uint32_t mailbox, uint32_t seq, uint32_t message,
                    struct sp_verify_place at);
/* Whether both are in one file, the first before the second. */
bool sp_facts_is_before(struct sp_verify_place first, struct sp_verify_place second);

#endif
