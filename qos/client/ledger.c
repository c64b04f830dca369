/* A dirty flag and a latch: the first failure stops all calls for a second, so that a broken disk is asked
 * once a second and its owner is told once. */
#include "ledger.h"

#include <sampan/err.h>

#define RETRY_US  SP_SECOND
#define LINGER_US SP_SECOND /* rows on which nothing depends become durable after so long */

void sp_ledger_init(struct sp_ledger *l, const struct sp_local *local)
{
    *l = (struct sp_ledger){.local = local};
}

bool sp_ledger_is_resting(const struct sp_ledger *l, sp_time now)
{
    return l->error != 0 && now < l->retry_at;
}

static int note_failure(struct sp_ledger *l, int rc, sp_time now)
{
    if (l->error == 0)
        l->is_error_told = false;
    l->error = rc;
    l->retry_at = now + RETRY_US;
    l->is_failing = true;
    return rc;
}

/* Notes the outcome of a write.  Success ends no failure: only a sync proves that the storage works. */
static int note_write(struct sp_ledger *l, int rc, sp_time now)
{
    if (rc != 0)
        return note_failure(l, rc, now);
    if (!l->is_dirty)
        l->dirty_at = now;
    l->is_dirty = true;
    l->is_failing = false;
    return 0;
}

int sp_ledger_put(struct sp_ledger *l, const struct sp_outgoing *m, sp_time now)
{
    if (sp_ledger_is_resting(l, now))
        return l->error;
    return note_write(l, l->local->put(l->local->self, m), now);
}

int sp_ledger_drop(struct sp_ledger *l, struct sp_msgid id, sp_time now)
{
    if (sp_ledger_is_resting(l, now))
        return l->error;
    return note_write(l, l->local->drop(l->local->self, id), now);
}

int sp_ledger_cursor(struct sp_ledger *l, struct sp_epoch epoch, struct sp_seq upto, sp_time now)
{
    if (sp_ledger_is_resting(l, now))
        return l->error;
    return note_write(l, l->local->cursor(l->local->self, epoch, upto), now);
}

int sp_ledger_read(struct sp_ledger *l, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len,
                   sp_time now)
{
    if (sp_ledger_is_resting(l, now))
        return l->error;
    int rc = l->local->read(l->local->self, id, dst, cap, len);
    if (rc != 0 && rc != SP_EAGAIN)
        return note_failure(l, rc, now);
    l->is_failing = false;
    return rc;
}

int sp_ledger_sync(struct sp_ledger *l, sp_time now)
{
    if (!l->is_dirty)
        return 0;
    if (sp_ledger_is_resting(l, now))
        return l->error;
    int rc = l->local->sync(l->local->self);
    if (rc != 0)
        return note_failure(l, rc, now);
    l->is_dirty = l->is_failing = false;
    l->error = 0;
    return 0;
}

bool sp_ledger_is_durable(const struct sp_ledger *l)
{
    return !l->is_dirty;
}

bool sp_ledger_is_stale(const struct sp_ledger *l, sp_time now)
{
    return sp_ledger_deadline(l) <= now;
}

sp_time sp_ledger_retry_at(const struct sp_ledger *l)
{
    return l->is_failing ? l->retry_at : SP_NEVER;
}

sp_time sp_ledger_deadline(const struct sp_ledger *l)
{
    if (!l->is_dirty)
        return SP_NEVER;
    sp_time at = l->dirty_at + LINGER_US;
    return l->error != 0 && l->retry_at > at ? l->retry_at : at;
}

int sp_ledger_take_error(struct sp_ledger *l)
{
    if (l->error == 0 || l->is_error_told)
        return 0;
    l->is_error_told = true;
    return l->error;
}
