/* draft */
#include "phone.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(story, one_loss)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 40000, .loss={.3,.3}, .jitter_us=20000,.dup=.05,.reorder=.05,.corrupt=.01}};
    struct sp_rig *r = sp_rig_create(&cfg);
    struct sp_phone *a = sp_phone_create(r, "a", 1, true), *b = sp_phone_create(r, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    for (int i = 0; i < 500; i++) {
        sp_phone_send(a, "b", "hi");
        sp_rig_run(r, 10000);
    }
    sp_phone_wait_all(a, 3, 60000000);
    sp_phone_wait_got(b, 500, 60000000);
    sp_time worst=0; for (size_t i=0;i<500;i++) { sp_time d=b->got[i].at-a->sent[i].sent_at; if (d>worst) worst=d; if (i%25==0) printf("%zu sent %ld acc %ld got %ld del %ld\n", i, (long)(a->sent[i].sent_at/1000), (long)(a->sent[i].accepted_at-a->sent[i].sent_at)/1000, (long)d/1000, (long)(a->sent[i].delivered_at-a->sent[i].sent_at)/1000);} printf("worst %ld\n",(long)worst/1000);
    struct sp_stats st = sp_rig_stats(r);
#define P(name, help) if (st.name) printf("%s %lu\n", #name, (unsigned long)st.name);
    SP_STATS(P)
    printf("%ld ms\n", (long)(sp_rig_now(r)/1000));
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    sp_rig_destroy(&r);
}
Test(story, one)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 10000}};
    struct sp_rig *r = sp_rig_create(&cfg);
    struct sp_phone *a = sp_phone_create(r, "a", 1, true), *b = sp_phone_create(r, "b", 1, true);
    sp_rig_trace_begin(r);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_run(r, SP_SECOND);
    struct sp_msgid id = sp_phone_send(a, "b", "hi");
    sp_rig_run(r, 2*SP_SECOND);
    puts(sp_rig_trace(r));
    sp_phone_wait_state(a, id, 3, SP_SECOND);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    sp_rig_destroy(&r);
}
