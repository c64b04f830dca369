/* The history checker: takes events (history.h) of any number of files and says which guarantees of
 * docs/protocol.md they break.  Pure: no files, no clock, no output; it allocates.
 *
 * Order counts inside one file only.  Without `complete` it reports a violation only if no further log could
 * explain it away. */
#ifndef SP_VERIFY_H
#define SP_VERIFY_H

#include "history.h"

struct sp_verify;

/* The place of an event, for reports: file is the caller's number (0..SP_VERIFY_FILES_MAX - 1); line counts
 * from 1, in rising order within a file.  line 0: no such event. */
struct sp_verify_place {
    uint32_t file;
    uint32_t line;
};
#define SP_VERIFY_FILES_MAX 4096

enum sp_verify_rule {
    SP_VERIFY_LOST_WRITE,      /* G1: told safe, and neither handed nor ended */
    SP_VERIFY_FALSE_ACCEPT,    /* G1: told safe, and no gateway has stored it */
    SP_VERIFY_ABORTED_READ,    /* G2: failed, and yet handed, stored or told safe */
    SP_VERIFY_FOREIGN,         /* G2: handed or stored, and nobody has sent it */
    SP_VERIFY_UNHEALED,        /* G3, G8: at the end an outcome or an end that its sender does not know */
    SP_VERIFY_CHANGED,         /* G4: other body, recipient or meaning under one identity */
    SP_VERIFY_ID_REUSED,       /* G4: a sender gives one msgid to two messages, or goes back */
    SP_VERIFY_RECEIPT_DOWN,    /* G5: told a lower state */
    SP_VERIFY_TWO_ENDS,        /* G5: told two ends that exclude each other */
    SP_VERIFY_FALSE_RECEIPT,   /* G6: told DELIVERED, and no device of the recipient has kept it */
    SP_VERIFY_DUPLICATE_SEQ,   /* G7: one identity at two seqs of one mailbox */
    SP_VERIFY_DUPLICATE,       /* G9: one store of one device is handed an identity twice */
    SP_VERIFY_OFFSET,          /* G10: one seq of one mailbox is two messages */
    SP_VERIFY_OUT_OF_ORDER,    /* G10: a device is handed a seq at or below an earlier one */
    SP_VERIFY_SENDER_ORDER,    /* G11: messages of one device to one recipient change places */
    SP_VERIFY_SKIPPED_POLL,    /* G12: a device is not told what became of a seq */
    SP_VERIFY_PAST_UNSENT,     /* G13: a cursor above what was handed or stored */
    SP_VERIFY_CURSOR_DOWN,     /* G13: a confirmed cursor goes down */
    SP_VERIFY_FALSE_CONFIRMED, /* G14: skipped as confirmed elsewhere, and no device has kept it */
    SP_VERIFY_EPOCH,           /* G15: seqs of another epoch without RESYNC, or above what the epoch has */
    SP_VERIFY_RULES            /* number of rules */
};

/* One broken promise.  Texts and views are borrowed for the call. */
struct sp_verify_violation {
    enum sp_verify_rule rule;
    const char *text;    /* one sentence */
    struct sp_view user; /* of the identity's sender, or of the mailbox or device when msgid is 0 */
    uint32_t device;
    uint64_t msgid;
    struct sp_view mailbox; /* whose mailbox; may be empty */
    uint32_t seq;           /* 0: not known */
    uint64_t epoch;
    struct sp_verify_place at, against; /* the events that prove it; line 0: none */
};

struct sp_verify_config {
    bool healed;   /* all faults are over, and everything had time to reach its end */
    bool complete; /* there is a log of every client, and, if there is one of a gateway, of every run of it */
    bool strangers;    /* users that have no RUN send and receive as well: nothing is said about them */
    unsigned told_max; /* violations reported per rule, the rest is counted; 0: 20 */
    void (*report)(void *self, const struct sp_verify_violation *v); /* during add and finish; may be NULL */
    void *self;
};

struct sp_verify_summary {
    uint64_t events;
    uint64_t sent, ok, failed, unknown; /* messages by outcome; a send that its store lost is in `lost` */
    uint64_t lost;                      /* sends that were never durable at their sender, so never sent */
    uint64_t ended;                     /* OK messages that will not be delivered (state 9 and above) */
    uint64_t handed, again; /* times that an app was handed a message; of them again after a kill */
    uint64_t kept;          /* messages that at least one app has persisted */
    uint64_t skipped;       /* seqs that devices were told do not come */
    uint64_t stored, refused, confirmed; /* of the gateways' logs: messages, identities, events */
    uint64_t users, devices, runs, starts, epochs;
    uint64_t violations;
    uint64_t by_rule[SP_VERIFY_RULES];
    bool is_judged[SP_VERIFY_RULES]; /* false: these logs or options cannot show it */
};

/* 0; SP_EFULL: no memory. */
int sp_verify_create(struct sp_verify **out, const struct sp_verify_config *cfg);
void sp_verify_destroy(struct sp_verify **v);
/* Takes one event; what it points to is copied.  0; SP_EINVAL: kind, names, file or line outside their
 * limits; SP_EFULL: no memory.  After SP_EFULL the verdict is worth nothing. */
int sp_verify_add(struct sp_verify *v, const struct sp_history_event *e, struct sp_verify_place at);
/* Judges what only the whole can show, and fills *out.  Call it once, after the last event.  SP_EFULL. */
int sp_verify_finish(struct sp_verify *v, struct sp_verify_summary *out);

/* "lost write", "G1", and why a rule could not be judged (constant texts). */
const char *sp_verify_rule_name(enum sp_verify_rule rule);
const char *sp_verify_rule_guarantee(enum sp_verify_rule rule);
const char *sp_verify_rule_needs(enum sp_verify_rule rule);

#endif
