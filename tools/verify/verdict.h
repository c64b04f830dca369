/* Counts broken promises, and reports the first ones of each rule. */
#ifndef SP_VERDICT_H
#define SP_VERDICT_H

#include "facts.h"

/* About a message; seq and mailbox: of its first slot, if it has one. */
void sp_verdict_message(struct sp_verify *v, enum sp_verify_rule rule, const char *text, uint32_t message,
                        struct sp_verify_place at, struct sp_verify_place against);
/* A seq of a mailbox as one device sees it, or, with device SP_ROWS_NONE, as the gateway does. */
struct sp_verdict_spot {
    uint32_t device, mailbox, seq;
    struct sp_verify_place at, against; /* against: line 0: none */
};
void sp_verdict_seq(struct sp_verify *v, enum sp_verify_rule rule, const char *text,
                    const struct sp_verdict_spot *s);

#endif
