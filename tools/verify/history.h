/* What happened, as one event: an app's client or a gateway says it at the moment at which it happens.  Also
 * the line of text that an event is in a history file (docs/history.md); historyread.h reads it again.  No
 * files here, and no judgment: that is verify.h.
 *
 * A cause (SEND, KEPT, STORED, REFUSED, CONFIRMED, ENDED) is noted before anything that follows from it can
 * leave the process; an effect (TOLD, FAILED, HANDED...) as soon as it is seen.  So the order of two events
 * of one file is the order in which they happened. */
#ifndef SP_HISTORY_H
#define SP_HISTORY_H

#include <sampan/crypto.h>
#include <sampan/types.h>

/* Fields that an event does not need are 0.  "me" is (user, device), whose process notes the event. */
enum sp_history_kind {
    SP_HISTORY_NONE,

    /* ---- noted by an app's client ---- */
    SP_HISTORY_RUN,  /* A client of me starts.  epoch, seq: of its durable cursor; msgid: the highest that is
                        durable there, so that sends above it never happened; install: names the store.
                        Of a new store: epoch, seq and msgid 0 */
    SP_HISTORY_SEND, /* The app hands a message to the client.  msgid, peer (recipient), hash, len, flags;
                        state: up to where its sender waits (0: DELIVERED) */
    SP_HISTORY_TOLD, /* The app is told that msgid reached `state` (1 and above).  seq: if told, else 0.
                        is_repeat: remembered from an earlier run, not news */
    SP_HISTORY_FAILED,  /* The app is told that msgid is refused for good.  code */
    SP_HISTORY_GAVEUP,  /* The app is told that the fate of msgid is unknown and stays so */
    SP_HISTORY_HANDED,  /* The app is handed a message.  peer, peer_device, msgid, seq, hash, len; epoch if
                           known */
    SP_HISTORY_SKIPPED, /* The app is told that seqs seq..hi do not come.  code: the reason (PULL:A, `why`);
                           epoch if known */
    SP_HISTORY_KEPT,    /* The app has persisted all up to seq.  It may be rolled back by a kill until the
                           next RUN says how far it is durable */
    SP_HISTORY_RESYNC,  /* The mailbox began anew.  epoch (0: not known), seq: the cursor in it */
    SP_HISTORY_END,     /* The client of me ends in good order */

    /* ---- noted by a gateway; user, device: the sender where there is one ---- */
    SP_HISTORY_START,     /* A gateway starts.  epoch of its store, 0: not known */
    SP_HISTORY_STORED,    /* A message is durable and its sender will be told OK.  user, device, msgid, peer
                             (recipient), seq, epoch, hash, commit; state: as told; is_repeat: not by this commit
                           */
    SP_HISTORY_REFUSED,   /* A definite error is about to be told.  user, device, msgid, code */
    SP_HISTORY_CONFIRMED, /* A device's cursor is durable.  user, device, seq: up to here; hi: the cursor of
                             the mailbox by that; epoch, commit */
    SP_HISTORY_ENDED, /* A message will not be delivered.  user, device, msgid, peer (recipient), seq, epoch;
                         state: 9 and above */
    SP_HISTORY_HEAD,  /* Somebody read the numbers of a mailbox.  user, seq: confirmed, hi: highest, epoch */
    SP_HISTORY_STOP,  /* A gateway ends in good order */

    SP_HISTORY_KINDS /* number of kinds */
};

struct sp_history_event {
    enum sp_history_kind kind;
    int64_t at_us;       /* wall time, for reports only */
    struct sp_view user; /* 1..SP_USER_MAX bytes; empty in START and STOP; borrowed for the call, as peer */
    uint32_t device;
    struct sp_view peer;
    uint32_t peer_device;
    uint64_t msgid;
    uint64_t install; /* RUN: any number that another store of the same device does not have */
    uint64_t epoch;
    uint64_t commit;
    uint64_t hash; /* body hash of docs/protocol.md, section 1, read big-endian; 0: not known */
    uint32_t len;  /* bytes of the body */
    uint32_t flags;
    uint32_t seq, hi;
    int state; /* enum sp_state */
    int code;  /* FAILED, REFUSED: codes of section 4; SKIPPED: why */
    bool is_repeat;
};

/* Numbers of docs/protocol.md, section 4, that have a meaning of their own for the checker. */
enum sp_history_number {
    SP_HISTORY_WHY_CONFIRMED = 1, /* by another device */
    SP_HISTORY_WHY_CORRUPT = 5,
    SP_HISTORY_CODE_DUP_EXPIRED = 6, /* whether it was ever stored is not known */
    SP_HISTORY_CODE_ID_REUSED = 7
};

#define SP_HISTORY_LINE_MAX 1536 /* bytes of a line with its line feed; an encoded event always fits */

/* Writes the event as one line, ended by a line feed, into dst (cap >= SP_HISTORY_LINE_MAX); returns its
 * length.  The event must be of a known kind, with user and peer of at most SP_USER_MAX bytes; a commit above
 * INT64_MAX is written, but refused by readers. */
size_t sp_history_encode(const struct sp_history_event *e, char *dst, size_t cap);

/* The hash of an event: the body hash of a message that is not to a group. */
uint64_t sp_history_hash(const struct sp_crypto *crypto, struct sp_view to, struct sp_view body);

/* "send", "handed"...: the word of a kind in a line. */
const char *sp_history_kind_name(enum sp_history_kind kind);

#endif
