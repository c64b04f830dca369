/* Opens a store folder with the real engine and compares what is there with the promises: the judge of every
 * image.  It then goes on with the store, so that what looks good must also work. */
#ifndef SP_CRASH_CHECK_H
#define SP_CRASH_CHECK_H

#include "crash_model.h"

/* Checks, in this order:
 *   opens; epoch unchanged; each mailbox: head and cursor at least as promised, the cursor not above what was
 *   asked for; each seq above the cursor exactly one message or one tombstone, none corrupt; each message one
 *   that was sent to this mailbox and not refused, with its body, at its promised seq, in one place only;
 * each promised message there, confirmed, or ended by a TRIM, limit or age that was asked for; count and
 * bytes equal to what RANGE shows; STATUS of every identity: dedup row there unless FINISHed or aged, with
 * the promised seq and no state stepping back; then writes: submitting identities again gives `repeat` and
 * the same seq (in full: all of them; otherwise all of unknown outcome, the newest 12 and 12 drawn by seed);
 * a new message in each mailbox gets head + 1; CONFIRM of one mailbox delivers exactly its open messages; a
 * CLAIM's fence is above all earlier ones; what was written is read back.  In full, also after closing and
 * opening once more. The first finding is in *v.  The store is left closed. */
void crash_check(const char *dir, const struct crash_model *m, uint64_t seed, bool full,
                 struct crash_verdict *v);

/* What a look at a damaged store saw. */
struct crash_look {
    bool refused; /* open said no */
    bool noticed; /* an answer or the counter says corrupt or failed */
    bool wrong;   /* something that was never stored, or not there, was served as good */
};

/* The same for a store whose file was changed: goes on after findings.  *v has the first one. */
void crash_check_damaged(const char *dir, const struct crash_model *m, uint64_t seed, struct crash_look *look,
                         struct crash_verdict *v);

#endif
