/* Field by field; only kind and hash change their shape. */
#include "gatenote.h"

#include <stddef.h>

#define HASH_LEN 8

/* A hash read big-endian; 0: not known. */
static uint64_t number_of(const uint8_t *hash)
{
    uint64_t v = 0;
    for (int i = 0; hash != NULL && i < HASH_LEN; i++)
        v = v << 8 | hash[i];
    return v;
}

struct sp_history_event sp_gatenote_make(const struct sp_witness_event *w)
{
    static const enum sp_history_kind kinds[] = {
        [SP_WITNESS_STORED] = SP_HISTORY_STORED,
        [SP_WITNESS_REFUSED] = SP_HISTORY_REFUSED,
        [SP_WITNESS_CONFIRMED] = SP_HISTORY_CONFIRMED,
        [SP_WITNESS_ENDED] = SP_HISTORY_ENDED,
    };
    return (struct sp_history_event){.kind = kinds[w->kind],
                                     .user = w->from.user.id,
                                     .device = w->from.device,
                                     .peer = w->mailbox,
                                     .msgid = w->from.msgid.v,
                                     .epoch = w->epoch.v,
                                     .commit = w->commit,
                                     .hash = number_of(w->hash),
                                     .seq = w->seq.v,
                                     .hi = w->hi.v,
                                     .state = w->state,
                                     .code = w->code,
                                     .is_repeat = w->is_repeat};
}
