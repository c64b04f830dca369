/* The table of frame kinds: docs/protocol.md, section 4 (name, direction, resending, what elicits an ACK). */
#include "kinds.h"

#define UP   SP_DIR_UP
#define DOWN SP_DIR_DOWN
#define BOTH (SP_DIR_UP | SP_DIR_DOWN)

const struct sp_kind_facts sp_kinds[SP_KINDS_MAX + 1] = {
    /* name, directions, resending, elicits, is_link */
    [SP_KIND_PAD] = {"PAD", BOTH, SP_RESEND_NO, false, true},
    [SP_KIND_ACK] = {"ACK", BOTH, SP_RESEND_NO, false, true},
    [SP_KIND_PING] = {"PING", BOTH, SP_RESEND_NO, true, true},
    [SP_KIND_PATH_CHALLENGE] = {"PATH_CHALLENGE", BOTH, SP_RESEND_FRESH, true, true},
    [SP_KIND_PATH_RESPONSE] = {"PATH_RESPONSE", BOTH, SP_RESEND_NO, true, true},
    [SP_KIND_CLOSE] = {"CLOSE", BOTH, SP_RESEND_NO, false, true},
    [SP_KIND_OPTIONS] = {"OPTIONS", BOTH, SP_RESEND_NEWEST, true, true},
    [SP_KIND_TICKET] = {"TICKET", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_MSG_R] = {"msg:R", UP, SP_RESEND_YES, true, false},
    [SP_KIND_MSG_A] = {"msg:A", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_MSG_N] = {"msg:N", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_ACK_R] = {"ack:R", UP, SP_RESEND_NEWEST, true, false},
    [SP_KIND_ACK_A] = {"ack:A", DOWN, SP_RESEND_NEWEST, true, false},
    [SP_KIND_ACK_N] = {"ack:N", DOWN, SP_RESEND_NEWEST, true, false},
    [SP_KIND_ACK_N_GROUP] = {"ack:N group", DOWN, SP_RESEND_NEWEST, true, false},
    [SP_KIND_TIP] = {"TIP", DOWN, SP_RESEND_NEWEST, true, false},
    [SP_KIND_PULL_R] = {"PULL:R", UP, SP_RESEND_YES, true, false},
    [SP_KIND_PULL_A] = {"PULL:A", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_RESYNC] = {"RESYNC", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_STATUS_R] = {"STATUS:R", UP, SP_RESEND_YES, true, false},
    [SP_KIND_STATUS_A] = {"STATUS:A", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_DONE] = {"DONE", UP, SP_RESEND_NEWEST, true, false},
    [SP_KIND_CTRL_R] = {"CTRL:R", UP, SP_RESEND_YES, true, false},
    [SP_KIND_CTRL_A] = {"CTRL:A", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_CTRL_N] = {"CTRL:N", DOWN, SP_RESEND_YES, true, false},
    [SP_KIND_STREAM_OPEN] = {"STREAM_OPEN", UP, SP_RESEND_YES, true, false},
    [SP_KIND_STREAM_DATA] = {"STREAM_DATA", BOTH, SP_RESEND_YES, true, false},
    [SP_KIND_STREAM_WINDOW] = {"STREAM_WINDOW", BOTH, SP_RESEND_NEWEST, true, false},
    [SP_KIND_STREAM_CLOSE] = {"STREAM_CLOSE", BOTH, SP_RESEND_YES, true, false},
    [SP_KIND_STREAM_RESET] = {"STREAM_RESET", BOTH, SP_RESEND_YES, true, false},
};

static enum sp_priority of_flags(uint8_t flags)
{
    return flags >> SP_MSG_CLASS_SHIFT == 0 ? SP_PRIORITY_INTERACTIVE : SP_PRIORITY_BULK;
}

enum sp_priority sp_kinds_priority(const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        return of_flags(f->u.msg_r.flags);
    case SP_KIND_MSG_N:
        return of_flags(f->u.msg_n.flags);
    case SP_KIND_STREAM_DATA:
        return SP_PRIORITY_BULK;
    default:
        return SP_PRIORITY_CONTROL;
    }
}

/* Keys made of the kind and at most 32 bits stay below 2^40.  A msgid lies above, since its high half counts
 * seconds since 1970; a client that makes one up harms no session but its own. */
static uint64_t small_key(uint8_t kind, uint32_t which)
{
    return (uint64_t)kind << 32 | which;
}

uint64_t sp_kinds_key(const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_OPTIONS:
    case SP_KIND_TIP:
    case SP_KIND_DONE:
        return small_key(f->kind, 0);
    case SP_KIND_ACK_R: /* per kind without "no answer wanted" */
        return small_key(f->kind, f->u.ack_r.kind & (uint8_t)~SP_ACK_R_SILENT);
    case SP_KIND_ACK_A: /* the frame names the id that it answers, not the kind; see kinds.h */
        return small_key(f->kind, f->u.ack_a.id);
    case SP_KIND_STREAM_WINDOW:
        return small_key(f->kind, f->u.stream.stream);
    case SP_KIND_ACK_N: /* a msgid is of one user or of a group, never both */
        return f->u.ack_n.msgid.v;
    case SP_KIND_ACK_N_GROUP:
        return f->u.ack_n_group.msgid.v;
    default:
        return 0;
    }
}
