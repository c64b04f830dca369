/* The book of a run: what every app wrote, was handed, kept and was told, and what the guarantees of
 * docs/protocol.md say about it at each of these moments.  It looks at apps from outside, as their users
 * would, and at the mailbox numbers of the store; it knows nothing of sessions and frames.  A broken promise
 * ends the run with a sentence. */
#ifndef SIM_BOOK_H
#define SIM_BOOK_H

#include <sampan/client.h>

struct sim_message {
    uint32_t serial;     /* its body is made of it */
    uint32_t device, to; /* sender's device and recipient, as numbers of the book */
    struct sp_msgid msgid;
    uint16_t len;
    bool is_four;
    uint8_t told; /* highest state that its sender's app was told */
    int failed;   /* code; 0: not failed */
    bool is_unknown, is_forgotten;
    bool is_lost;    /* the sender died before the message was durable there */
    bool is_kept;    /* by the recipient's app */
    bool is_foreign; /* of a sender that the book does not follow */
    uint32_t seq;    /* in the recipient's mailbox; 0: not handed yet */
    sp_time sent_at, accepted_at, known_at;
};

struct sim_book_config {
    unsigned users;
    bool may_end;  /* messages may expire or be dropped */
    bool may_fail; /* quotas and space are small */
};

struct sim_book;

struct sim_book *sim_book_create(const struct sim_book_config *cfg);
void sim_book_destroy(struct sim_book **b);

/* The body of message `serial`, len bytes. */
void sim_book_body(uint32_t serial, size_t len, uint8_t *dst);
uint32_t sim_book_next_serial(const struct sim_book *b);
/* An app of ours submitted a message; its serial is the next one. */
void sim_book_sent(struct sim_book *b, const struct sim_message *m);
/* Its device died before it was durable there: the msgid may come again. */
void sim_book_lost(struct sim_book *b, struct sim_message *m);
/* The newest message of this identity, or NULL. */
struct sim_message *sim_book_find(struct sim_book *b, uint32_t device, struct sp_msgid id);
/* The library handed a message to an app of user `to`.  device: its sender's; is_foreign: not one of the
 * book's apps. */
struct sim_message *sim_book_handed(struct sim_book *b, uint32_t to, uint32_t device, bool is_foreign,
                                    const struct sp_client_event *ev);
/* An app of user `to` has persisted all up to and including seq. */
void sim_book_kept(struct sim_book *b, uint32_t to, uint32_t seq);
/* A new device of the user begins behind seq, because other devices have confirmed what is below. */
void sim_book_joined(struct sim_book *b, uint32_t to, uint32_t seq);
/* The library says that these seqs will not come. */
void sim_book_skipped(struct sim_book *b, uint32_t to, const struct sp_client_event *ev);
/* A sender's app was told a state.  is_restarted: an earlier process may have been told the same. */
void sim_book_told(struct sim_book *b, struct sim_message *m, uint8_t state, bool is_restarted, sp_time now);
void sim_book_failed(struct sim_book *b, struct sim_message *m, int code, sp_time now);
/* The app does not want to hear of it any more. */
void sim_book_forgot(struct sim_book *b, struct sim_message *m);
void sim_book_unknown(struct sim_book *b, struct sim_message *m);
/* The mailbox of a user as the store tells it. */
void sim_book_mailbox(struct sim_book *b, uint32_t user, uint32_t svr_seq, uint32_t confirmed);

/* Whether every sender knows the end of each message, and each delivered one was kept. */
bool sim_book_is_settled(const struct sim_book *b);
/* The last check, when all is quiet: no message is left without an end, no seq without a reader. */
void sim_book_close(struct sim_book *b);

struct sim_book_sums {
    uint64_t sent, delivered, failed, ended, lost, foreign;
    sp_time accept_max, know_max; /* longest waits for the first answer and for the end */
};
struct sim_book_sums sim_book_sums(const struct sim_book *b);
/* The first message that is not settled, for the sentence of a failure; NULL: none. */
const struct sim_message *sim_book_unsettled(const struct sim_book *b);

#endif
