/* Sessions end to end over the core: a puppet connects, sends, pulls. */
#include "puppet.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(session, message_to_absent_then_pull)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 10000}};
    struct sp_rig *r = sp_rig_create(&cfg);
    struct sp_puppet *a = sp_puppet_create(r, "a", 1, 3);
    sp_rig_trace_begin(r);
    sp_puppet_connect(a);
    sp_puppet_send_message(a, 1, 0, "b", "hello");
    const struct sp_frame *f = sp_puppet_wait(a, SP_KIND_MSG_A, 1);
    cr_assert_eq(f->u.msg_a.code, SP_CODE_OK);
    struct sp_puppet *b = sp_puppet_create(r, "b", 1, 3);
    sp_puppet_connect(b);
    sp_puppet_send_pull(b, 1, 0, 0, 100, true);
    f = sp_puppet_wait(b, SP_KIND_RESYNC, 1);
    sp_puppet_send_pull(b, 2, f->u.resync.lo.v, f->u.resync.epoch.v, 100, true);
    (void)sp_puppet_wait(b, SP_KIND_MSG_N, 1);
    sp_puppet_send_ack(b, 1, 1);
    (void)sp_puppet_wait(a, SP_KIND_ACK_N, 1);
    sp_rig_run(r, 1000000);
    puts(sp_rig_trace(r));
    struct sp_stats st = sp_rig_stats(r);
#define P(name, help) if (st.name) printf("%s %lu\n", #name, (unsigned long)st.name);
    SP_STATS(P)
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
    sp_rig_destroy(&r);
}
