/* What a gateway has promised: who sent what, what it answered, what it handed to whom.  Its user tells it
 * every frame of the delivery layer that goes to and comes from the gateway; it ends the run at the first
 * promise that is broken (G1, G2...: the names of the promises that the sources use too).  It never looks
 * inside the gateway. */
#ifndef SP_FUZZ_GATEBOOK_H
#define SP_FUZZ_GATEBOOK_H

#include "store.h"
#include "wire.h"

enum {
    GATEBOOK_USERS = 2,
    GATEBOOK_WHO = 3,
    GATEBOOK_ROWS = 256,
    GATEBOOK_SENDS = 512,
    GATEBOOK_NOTICES = 256
};

/* The devices that take part. */
struct gatebook_who {
    unsigned user;
    uint32_t device;
};
extern const char *const gatebook_users[GATEBOOK_USERS];
extern const struct gatebook_who gatebook_who[GATEBOOK_WHO];

struct gatebook_row { /* of (who, msgid) */
    unsigned who;
    uint64_t msgid;
    bool is_ok, is_told_delivered;
    uint32_t seq;
    uint8_t told;               /* state of the last ack:N */
    unsigned refused_in;        /* session in which it got a definite error; 0: none */
    bool is_sent_after_refusal; /* the device broke its side: it sent a refused id in a later session */
};
struct gatebook {
    struct gatebook_row rows[GATEBOOK_ROWS];
    size_t rows_n;
    struct gatebook_send {
        unsigned who;
        uint64_t msgid, to, body; /* the last two: hashes */
    } sends[GATEBOOK_SENDS];
    size_t sends_n;
    struct gatebook_notice {
        unsigned user, who;
        uint32_t seq;
        uint64_t msgid, body;
    } notices[GATEBOOK_NOTICES];
    size_t notices_n;
    uint32_t stated[GATEBOOK_USERS]; /* highest cursor that a device of the user ever stated */
    bool is_full;                    /* a table was too small: origins are no longer checked */
    bool has_aged;                   /* wall time jumped: rows may be gone */
};

/* A datagram's frames leave for the gateway in session `session` (numbers rise from 1). */
void gatebook_sent(struct gatebook *b, unsigned who, unsigned session, struct sp_view frames);
/* A datagram's frames came from the gateway. */
void gatebook_heard(struct gatebook *b, unsigned who, unsigned session, struct sp_view frames);
/* At the end: what was promised is in the store, and nothing else.  head_start: numbers of the mailboxes
 * began there. */
void gatebook_close(struct gatebook *b, uint32_t head_start, struct sp_store_port *port, sp_time now,
                    int64_t unix_us);

#endif
