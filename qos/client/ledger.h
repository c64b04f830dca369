/* The app's local storage as the client uses it: what was written but is not yet durable, and when to try
 * again after a failure.  Nothing that depends on a row may leave while sp_ledger_is_durable is false; the
 * rows themselves belong to outbox and inbox. */
#ifndef SP_LEDGER_H
#define SP_LEDGER_H

#include <sampan/local.h>

struct sp_ledger {
    const struct sp_local *local; /* borrowed */
    bool is_dirty;                /* written since the last sync */
    sp_time dirty_at;             /* since when */
    int error;                    /* of the failure that lasts until a sync succeeds; 0: it works */
    bool is_error_told;           /* that failure became an event */
    sp_time retry_at;             /* no call before this while error lasts */
    bool is_failing;              /* the last call failed: somebody waits for retry_at */
};

void sp_ledger_init(struct sp_ledger *l, const struct sp_local *local);
/* The calls of struct sp_local.  0, or the error of the call, which is noted (SP_EAGAIN of a read is none);
 * after one, calls are refused with it until a second has passed. */
int sp_ledger_put(struct sp_ledger *l, const struct sp_outgoing *m, sp_time now);
int sp_ledger_drop(struct sp_ledger *l, struct sp_msgid id, sp_time now);
int sp_ledger_read(struct sp_ledger *l, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len,
                   sp_time now);
int sp_ledger_cursor(struct sp_ledger *l, struct sp_epoch epoch, struct sp_seq upto, sp_time now);
/* Makes everything written durable; 0 at once when it is. */
int sp_ledger_sync(struct sp_ledger *l, sp_time now);
bool sp_ledger_is_durable(const struct sp_ledger *l);
/* Whether calls are refused because of a failure less than a second ago. */
bool sp_ledger_is_resting(const struct sp_ledger *l, sp_time now);
/* Whether rows have waited for a sync for a while although nothing depends on them. */
bool sp_ledger_is_stale(const struct sp_ledger *l, sp_time now);
/* When calls that failed may be made again; SP_NEVER: the last one succeeded. */
sp_time sp_ledger_retry_at(const struct sp_ledger *l);
/* When sp_ledger_sync has something to do without new input; SP_NEVER: nothing. */
sp_time sp_ledger_deadline(const struct sp_ledger *l);
/* The failure to tell the app, once per failure; 0: none. */
int sp_ledger_take_error(struct sp_ledger *l);

#endif
