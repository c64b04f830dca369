/* Tells somebody outside what the gateway promises: what is durable, and what it refuses for good.  Each is
 * told before the answer that says so is built, from the same completion of the store.  Decides nothing; one
 * branch when nobody is to be told. */
#ifndef SP_WITNESS_H
#define SP_WITNESS_H

#include "store.h"

struct sp_gateway;
struct sp_device;

enum sp_witness_kind {
    SP_WITNESS_STORED,    /* from, mailbox, seq, epoch, hash, state, commit, is_repeat */
    SP_WITNESS_REFUSED,   /* from, code: a definite one of docs/protocol.md, section 4 */
    SP_WITNESS_CONFIRMED, /* from (user and device who confirmed), seq; hi: the mailbox's cursor; epoch,
                             commit */
    SP_WITNESS_ENDED,     /* from, mailbox, seq, state: 9 and above */
};

struct sp_witness_event {
    enum sp_witness_kind kind;
    struct sp_origin from; /* sender's identity; borrowed for the call, as mailbox and hash */
    struct sp_view mailbox;
    struct sp_seq seq, hi;
    struct sp_epoch epoch; /* 0: not known here */
    const uint8_t *hash;   /* 8 bytes, or NULL */
    uint64_t commit;
    int state;
    uint8_t code;
    bool is_repeat; /* durable by an earlier commit */
};

/* Must not call back. */
struct sp_witness {
    void *self;
    void (*note)(void *self, const struct sp_witness_event *e);
};

/* A durable message: `req` is the APPEND of which `done` is the completion. */
void sp_witness_stored(const struct sp_gateway *g, const struct sp_store_req *req,
                       const struct sp_store_done *done, uint8_t state);
/* A message of this device is about to be refused for good. */
void sp_witness_refused(const struct sp_gateway *g, const struct sp_device *d, struct sp_msgid id,
                        uint8_t code);
/* A CONFIRM of user and device that the store has executed; other requests and errors are passed over. */
void sp_witness_confirmed(const struct sp_gateway *g, const struct sp_store_req *req,
                          const struct sp_store_done *done);
/* Messages as a completion names them: their senders will hear of these states. */
void sp_witness_entries(const struct sp_gateway *g, const struct sp_store_entry *e, size_t n);

#endif
