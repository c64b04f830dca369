/* States as ranks: a state is news exactly when its rank is higher and the old one has not ended. */
#include "receipt.h"

/* A state that some version of the protocol uses.  Back ends add kinds of ENDED above it (section 1). */
static bool is_known(uint8_t state)
{
    return state <= SP_STATE_READ || state >= SP_STATE_ENDED;
}

bool sp_receipt_rises(uint8_t from, uint8_t to)
{
    if (!is_known(to) || from >= SP_STATE_ENDED)
        return false;
    if (to >= SP_STATE_ENDED)
        return from < SP_STATE_DELIVERED;
    return to > from;
}

bool sp_receipt_is_safe(uint8_t state)
{
    return state != SP_STATE_UNKNOWN && is_known(state);
}

bool sp_receipt_is_final(uint8_t state)
{
    return state >= SP_STATE_DELIVERED && is_known(state);
}
