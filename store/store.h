/* The store: mailboxes, dedup rows, receipts and cursors behind one asynchronous interface.  It knows users,
 * devices, message ids and bytes; it refuses to know sessions, frames, routes or clocks, and it never calls
 * back.
 *
 * One struct sp_store per process, one struct sp_store_port per worker thread.  A worker submits requests,
 * sleeps until sp_store_wake_fd is readable or sp_store_deadline is reached, polls completions, releases
 * each.  Nothing ever waits but sp_store_open and sp_store_close.
 *
 * Promises (docs/store-format.md has them all):
 *   - An APPEND is OK only after message, seq and dedup row are flushed in one transaction.
 *   - Nothing is readable before it is durable; after the OK every RANGE on every port sees it.
 *   - Each accepted request completes exactly once: OK; a definite error, and then nothing changed; or
 *     SP_EUNKNOWN: submit the same again, which is always safe and tells the outcome.
 *   - One identity (user, device, msgid) gets one seq, ever.  A mailbox counts 1, 2, 3... without gaps.
 *   - One bad request never touches its neighbors.
 *   - Requests in flight have no order among each other, except that `after` is honored.
 *
 * Threads: a port belongs to one thread.  Open, attach, step, stats: see there. */
#ifndef SP_STORE_H
#define SP_STORE_H

#include <sampan/err.h>
#include <sampan/types.h>

/* Limits. */
#define SP_STORE_ID_MAX      160                        /* bytes of a mailbox or sender id, at least 1 */
#define SP_STORE_APPENDS_MAX 8192                       /* per port in flight: APPENDs ... */
#define SP_STORE_BYTES_MAX   ((size_t)32 * 1024 * 1024) /* ... and bytes of their bodies */
#define SP_STORE_SMALLS_MAX  65536                      /* per port in flight: all other ops but RANGE */
#define SP_STORE_RANGES_MAX  1024                       /* per port in flight: RANGEs */
#define SP_STORE_ENTRIES_MAX 1024                       /* entries of one completion */
#define SP_STORE_SKIPS_MAX   64   /* skips of one RANGE completion: what one PULL:A carries */
#define SP_STORE_MSGIDS_MAX  1024 /* msgids of one STATUS */
#define SP_STORE_SPANS_MAX   256  /* spans of one MARK or TRIM */
#define SP_STORE_PORTS_MAX   256  /* ports of one store */

/* Why a seq is no message (docs/protocol.md, PULL:A). */
enum sp_store_why {
    SP_STORE_WHY_CONFIRMED = 1,
    SP_STORE_WHY_EXPIRED = 2,
    SP_STORE_WHY_DROPPED = 3,
    SP_STORE_WHY_DELETED = 4,
    SP_STORE_WHY_CORRUPT = 5,
};

/* Bits of `sub` in a LIMIT.  DROP_OLDEST: a full mailbox ends its oldest messages (why 3) instead of
 * SP_EQUOTA; the sender's share then does not count. */
#define SP_STORE_LIMIT_DROP_OLDEST 1

/* Request fields read by every op: op, cookie, at_us.  The others are named per op; fields not named are
 * ignored.  Completion fields set by every op: op, cookie, err; all others are 0 or NULL unless named here.
 *
 * Errors that every op can have:
 *   SP_EBAD      an argument is outside its limits; nothing changed
 *   SP_EBUSY     overloaded; nothing changed; try later
 *   SP_EUNKNOWN  a commit failed or a completion was lost; submit the same again
 *   SP_EFAILED   latched after the first I/O error: this store answers nothing else any more; end the process
 *   SP_ECORRUPT  the row that this request needs is damaged; nothing changed */
enum sp_store_op {
    /* Stores one message.
     *
     * Reads: from (user, device, msgid > 0), to with to_n == 1, body (0..SP_BODY_MAX bytes), hash, deny,
     * after, expires_us (0: never).
     *
     * Judged in this order:
     *   1. msgid at or below the FINISHed floor: SP_EEXPIRED.
     *   2. Identity known: same hash and recipient: OK with `repeat`; else SP_EREUSED.
     *   3. msgid at or below the aged floor: SP_EEXPIRED.
     *   4. `after` names an id of this (user, device) that is neither stored nor at or below a floor:
     *      SP_EAGAIN.  A predecessor earlier in the same submit suffices; one later in it does not.
     *   5. deny: returned as err.
     *   6. Store full: SP_ENOSPACE.
     *   7. The mailbox has used seq 2^32-1: SP_ESEQ.
     *   8. Mailbox or sender's share full: SP_EQUOTA.
     *
     * OK sets: seq (of this message, the same at each repeat), repeat, state (of the message now: ACCEPTED
     * while open, DELIVERED, READ or ENDED), commit (> 0: the flushed transaction that covers it), epoch,
     * svr_seq, confirmed (of the recipient), entries.  entries[0] names the recipient: to, seq, state, holder
     * and fence of its newest CLAIM (0: none).  With drop-oldest, [1..] name the messages that this one
     * pushed out: to, from, seq, state ENDED; at most SP_STORE_ENTRIES_MAX - 1, else SP_EQUOTA.
     *
     * SP_EQUOTA, SP_ESEQ set epoch, svr_seq, confirmed.  Also SP_EBIG: body over SP_BODY_MAX. */
    SP_STORE_APPEND,

    /* The recipient's device has all up to seq: the cursor rises, never falls; DELIVERED follows.
     *
     * Reads: to[0], device, seq, fence (0: unchecked).
     *
     * OK sets: epoch, svr_seq, confirmed (as it is now), commit, entries: each message that this request
     * delivered, exactly once ever: to, from, seq, state DELIVERED, at_us.  `more`: the cursor stopped at
     * `confirmed` because entries are full; submit again.  seq <= confirmed: OK, no change, no entries.
     *
     * SP_EHIGH: seq above svr_seq, nothing moved; epoch, svr_seq, confirmed are set.
     * SP_EFENCED: fence is not that of the live CLAIM of (to[0], device); nothing moved. */
    SP_STORE_CONFIRM,

    /* The sender is done with all its msgids up to from.msgid: their dedup rows may go.
     *
     * Reads: from (msgid > 0).
     *
     * OK sets: finished (the floor now), last, commit.  Below the present floor: OK, no change. */
    SP_STORE_FINISH,

    /* Marks messages as READ.  Only what is DELIVERED can be read: seqs above the cursor are left alone.
     *
     * Reads: to[0], spans (lo, hi; why ignored), spans_n 1..SP_STORE_SPANS_MAX.
     *
     * OK sets: epoch, svr_seq, confirmed, commit, entries: each message that became READ by this request: to,
     * from, seq, state READ.  `more`: entries are full; submit again. */
    SP_STORE_MARK,

    /* Ends open messages: each seq of the spans above the cursor that holds a message becomes a tombstone.
     *
     * Reads: to[0], spans (lo, hi, why 2..4), spans_n 1..SP_STORE_SPANS_MAX.
     *
     * OK sets: epoch, svr_seq, confirmed, commit, entries: each message ended: to, from, seq, state ENDED.
     * `more`: entries are full; submit again. */
    SP_STORE_TRIM,

    /* Reads a mailbox from seq on.
     *
     * Reads: to[0], seq (exclusive), max (entries, 1..SP_STORE_ENTRIES_MAX; 0: the maximum), max_bytes (of
     * bodies, up to 1 MiB; 0: 1 MiB).  One message is always returned, however large.
     *
     * OK sets: epoch, svr_seq, confirmed, floor, to, entries (messages: to, from, seq, state, at_us,
     * expires_us, body) and skips (lo, hi, why), both by rising seq.  Each seq of (seq, to] is in exactly one
     * entry or one skip: at or below the cursor why 1, else why 2..5.  `to` is svr_seq unless max, max_bytes
     * or SP_STORE_SKIPS_MAX ended the answer earlier; `more` says so.  A message past its expires_us is
     * returned until a TRIM or the store's own sweep ends it.
     *
     * SP_EHIGH: seq above svr_seq; epoch, svr_seq, confirmed, floor are set. */
    SP_STORE_RANGE,

    /* Numbers of a mailbox, and of (to[0], device) as a sender.
     *
     * Reads: to[0], device.
     *
     * OK sets: epoch, svr_seq, confirmed, floor, count and bytes (open messages), last (highest msgid ever
     * stored from this device), finished (its dedup floor), holder and fence (newest CLAIM of to[0]).  A
     * mailbox that never got a message has svr_seq 0. */
    SP_STORE_HEAD,

    /* How far messages of a sender got.
     *
     * Reads: from (user, device), msgids, msgids_n (0..SP_STORE_MSGIDS_MAX).  With msgids_n 0: the open ones
     * (neither DELIVERED, READ nor ENDED) above from.msgid, by rising msgid.
     *
     * OK sets: last, finished, entries: one per msgid in the order given: to, from, seq, state; state
     * UNKNOWN, seq 0 and no `to` if the id is unseen, forgotten or at or below the FINISHed floor.  Without
     * msgids: `more` says that some may be left; continue above `last`, which then is the last examined. */
    SP_STORE_STATUS,

    /* The newest session of (to[0], device) is now this one.  In memory: gone at a restart, like sessions.
     *
     * Reads: to[0], device, holder (> 0: worker or node number).
     *
     * OK sets: fence (> 0, higher than every earlier one of this store, also over restarts), holder (the
     * former holder of this device; 0: none), epoch, svr_seq, confirmed. */
    SP_STORE_CLAIM,

    /* That session ended.
     *
     * Reads: to[0], device, fence.
     *
     * OK: the claim is gone.  SP_EFENCED: a newer or no claim holds the device; nothing changed. */
    SP_STORE_RELEASE,

    /* Quota of one mailbox instead of the configured one.
     *
     * Reads: to[0], max (open messages; 0: as configured), max_bytes (0: as configured), sub (bits
     * SP_STORE_LIMIT_*).
     *
     * OK sets: epoch, svr_seq, confirmed, commit. */
    SP_STORE_LIMIT,

    SP_STORE_OPS /* number of ops */
};

/* Seqs lo..hi, both included. */
struct sp_store_span {
    struct sp_seq lo, hi;
    int why; /* enum sp_store_why */
};

/* A request.  Everything it points to is copied by sp_store_submit. */
struct sp_store_req {
    enum sp_store_op op;
    int sub;
    int deny; /* APPEND: refuse a new origin with this negative SP_E*; 0: do not */
    uint32_t device;
    uint64_t cookie;
    struct sp_origin from;
    struct sp_msgid after; /* APPEND: not before this id of the same sender device; 0: none */
    const struct sp_user *to;
    size_t to_n;
    struct sp_view body;
    uint8_t hash[8]; /* APPEND: body hash of docs/protocol.md; compared here, never computed */
    uint64_t fence;
    uint32_t holder;
    struct sp_seq seq;
    unsigned max, max_bytes;
    const struct sp_msgid *msgids;
    size_t msgids_n;
    const struct sp_store_span *spans;
    size_t spans_n;
    int64_t at_us, expires_us; /* wall time, us since 1970, >= 0: the store has no other wall clock */
};

struct sp_store_entry {
    struct sp_user to;
    struct sp_origin from;
    struct sp_seq seq;
    int state; /* enum sp_state */
    int64_t at_us, expires_us;
    uint32_t holder;
    uint64_t fence;
    struct sp_view body;
};

/* A completion.  What it points to lives until sp_store_release. */
struct sp_store_done {
    enum sp_store_op op;
    int err;
    uint64_t cookie, commit;
    bool repeat, more;
    int state; /* enum sp_state */
    struct sp_epoch epoch;
    struct sp_seq seq;                       /* APPEND: the seq given */
    struct sp_seq svr_seq, confirmed, floor; /* head, highest cursor, lowest cursor that counts */
    struct sp_seq to;                        /* RANGE: answered up to here */
    struct sp_msgid last, finished;
    uint64_t fence, bytes;
    uint32_t holder, count;
    const struct sp_store_entry *entries;
    size_t entries_n;
    const struct sp_store_span *skips;
    size_t skips_n;
    void *lease; /* private */
};

/* Chances per 1,000 requests of the fault engine. */
struct sp_store_faults {
    bool set;             /* false: lost 50, failed 50, busy 20, max_delay_us 20,000 */
    unsigned lost;        /* executed, then completed as SP_EUNKNOWN */
    unsigned failed;      /* not executed, completed as SP_EUNKNOWN */
    unsigned busy;        /* not executed, completed as SP_EBUSY */
    int64_t max_delay_us; /* of each completion, drawn evenly: delays reorder */
    sp_time until;        /* a port has no more of them once it was polled at this time; 0: for ever */
};

/* Everything 0 takes the default named last. */
struct sp_store_config {
    uint64_t map_size;      /* lmdb: bytes of address space, fixed while open, at least 1 MiB; 16 GiB */
    uint32_t mailbox_count; /* open messages per mailbox; 10,000 */
    uint64_t mailbox_bytes; /* bytes of their bodies; 64 MiB */
    unsigned share_percent; /* of both, what one sender may use of one mailbox, 1..100; 50 */
    bool drop_oldest;       /* full mailboxes: see SP_STORE_LIMIT_DROP_OLDEST */
    int64_t dedup_keep_us;  /* life of dedup rows without FINISH, and of receipts; 7 days */
    uint64_t reserve_bytes; /* SP_ENOSPACE when less of map or disk is left; 64 MiB, at most map_size / 16 */
    bool manual;            /* no writer thread: the caller loops over sp_store_step */
    uint64_t epoch;         /* epoch of a store that is created now; random (mem: 1) */
    uint32_t head_start;    /* for tests of the end of the numbers: head and cursor of a new mailbox; 0 */
    struct sp_store_faults faults;
    char *reason; /* filled with one sentence when sp_store_open fails; may be NULL */
    size_t reason_cap;
};

/* Counters since open, and sizes. */
struct sp_store_stats {
    uint64_t appends, repeats, refused; /* APPENDs: new and OK, OK again, answered with a definite error */
    uint64_t commits, commit_us_last, commit_us_max;
    uint64_t batch_last, batch_max; /* requests per commit */
    uint64_t corrupt;               /* damaged records met, each time */
    uint64_t swept;                 /* rows removed because of their age */
    uint64_t used_bytes, map_bytes; /* lmdb */
    bool full;                      /* appends are refused with SP_ENOSPACE */
    bool failed;                    /* latched after an I/O error */
};

struct sp_store;
struct sp_store_port;

/* Opens or creates the store named by url:
 *   mem:            the reference model, in memory, no threads, gone at close
 *   lmdb:DIR        one LMDB environment in folder DIR (created 0700 when absent; its parent must exist)
 *   fault:SEED:URL  URL behind a layer that delays, reorders, fails and loses; SEED is decimal
 * cfg may be NULL (all defaults) and is copied.  Waits for the disk.  Any thread.
 * 0; SP_EINVAL: url or cfg; SP_EBUSY: another process has it open; SP_EVERSION: unknown schema or LMDB file
 * version; SP_ECORRUPT: the file is damaged or shorter than it says; SP_EIO: the system said no (folder,
 * file, map, thread, memory).  On error *out is untouched. */
int sp_store_open(struct sp_store **out, const char *url, const struct sp_store_config *cfg);

/* A new port, owned by the store, freed by sp_store_close.  Any thread, also while others work.
 * 0; SP_EFULL: SP_STORE_PORTS_MAX exist; SP_EIO: no memory or descriptors. */
int sp_store_attach(struct sp_store *st, struct sp_store_port **out);

/* A descriptor that is readable while completions may wait, for epoll or poll; sp_store_poll clears it.  -1:
 * this engine has none, watch sp_store_deadline alone.  With a descriptor the deadline counts as well.  Never
 * close it. */
int sp_store_wake_fd(const struct sp_store_port *p);

/* Takes n requests, all or none, without waiting; copies all they point to.  Each is judged alone: a bad one
 * completes with its error.  0 (also for n = 0); SP_EFULL: a port limit would be exceeded, or no memory;
 * nothing was taken. */
int sp_store_submit(struct sp_store_port *p, const struct sp_store_req *reqs, size_t n);

/* Moves up to cap completions to done, *n of them; 0 of them is no error.  now: monotonic time, used by fault
 * delays only.  Reads of the lmdb engine run inside this call, at most 64 of them or 4 MiB.  If more may
 * wait, the wake-up descriptor stays readable, or the deadline is past.  0 always. */
int sp_store_poll(struct sp_store_port *p, struct sp_store_done *done, size_t cap, size_t *n, sp_time now);

/* Ends the life of what *done points to, and clears entries, skips and lease.  Call it once per completion,
 * in the same loop turn, on the port's thread. */
void sp_store_release(struct sp_store_port *p, struct sp_store_done *done);

/* When sp_store_poll has something to give without a wake-up: INT64_MIN for "now", SP_NEVER for "nothing". */
sp_time sp_store_deadline(const struct sp_store_port *p);

/* Requests submitted and not yet polled. */
size_t sp_store_pending(const struct sp_store_port *p);

/* With cfg.manual: one step of the writer on the caller's thread; returns the number of requests it
 * completed, 0 when there was nothing to do.  Otherwise, and for engines without a writer: 0. */
size_t sp_store_step(struct sp_store *st);

/* Copies the counters.  Any thread. */
void sp_store_stats(struct sp_store *st, struct sp_store_stats *out);

/* Executes everything that was submitted, then frees the store and its ports and sets *st to NULL.
 * Completions not yet polled are discarded (their effects stay); who wants them polls until sp_store_pending
 * is 0 first.  No thread may use a port any more, and all completions must have been released.  May wait for
 * the disk.  *st may be NULL. */
void sp_store_close(struct sp_store **st);

#endif
