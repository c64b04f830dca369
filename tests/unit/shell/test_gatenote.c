/* What the core witnesses, as an event: every field, and a hash that may be missing. */
#include <criterion/criterion.h>

#include "gatenote.h"

static const uint8_t hash[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct sp_witness_event witnessed(enum sp_witness_kind kind)
{
    return (struct sp_witness_event){.kind = kind,
                                     .from = {{{(const uint8_t *)"a", 1}}, 2, {9}},
                                     .mailbox = {(const uint8_t *)"b", 1},
                                     .seq = {5},
                                     .hi = {6},
                                     .epoch = {7},
                                     .hash = hash,
                                     .commit = 3,
                                     .state = 4,
                                     .code = 8,
                                     .is_repeat = true};
}

Test(gatenote, every_field)
{
    const struct sp_witness_event w = witnessed(SP_WITNESS_STORED);
    const struct sp_history_event e = sp_gatenote_make(&w);
    cr_assert(e.kind == SP_HISTORY_STORED && e.at_us == 0 && e.user.p == w.from.user.id.p && e.user.n == 1);
    cr_assert(e.device == 2 && e.msgid == 9 && e.peer.p == w.mailbox.p && e.peer.n == 1);
    cr_assert(e.seq == 5 && e.hi == 6 && e.epoch == 7 && e.commit == 3 && e.is_repeat);
    cr_assert(e.state == 4 && e.code == 8);
    cr_assert_eq(e.hash, 0x0102030405060708);
}

Test(gatenote, a_hash_may_be_missing)
{
    struct sp_witness_event w = witnessed(SP_WITNESS_ENDED);
    w.hash = NULL;
    w.is_repeat = false;
    const struct sp_history_event e = sp_gatenote_make(&w);
    cr_assert(e.kind == SP_HISTORY_ENDED && e.hash == 0 && !e.is_repeat);
}

Test(gatenote, every_kind)
{
    static const enum sp_history_kind kinds[] = {
        [SP_WITNESS_STORED] = SP_HISTORY_STORED,
        [SP_WITNESS_REFUSED] = SP_HISTORY_REFUSED,
        [SP_WITNESS_CONFIRMED] = SP_HISTORY_CONFIRMED,
        [SP_WITNESS_ENDED] = SP_HISTORY_ENDED,
    };
    for (int kind = SP_WITNESS_STORED; kind <= SP_WITNESS_ENDED; kind++) {
        const struct sp_witness_event w = witnessed((enum sp_witness_kind)kind);
        cr_assert_eq(sp_gatenote_make(&w).kind, kinds[kind]);
    }
}
