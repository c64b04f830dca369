/* The table of clients. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "flow.h"

static struct sp_endpoint client(unsigned i)
{
    struct sp_endpoint e;
    memset(&e, 0, sizeof e);
    e.a.v4.sin_family = AF_INET;
    e.a.v4.sin_addr.s_addr = htonl(0x0a000000U + i / 50000);
    e.a.v4.sin_port = htons((uint16_t)(1024 + i % 50000));
    return e;
}

Test(flow, finds_what_was_added)
{
    struct sp_flow_table *t = sp_flow_create();
    cr_assert_not_null(t);
    struct sp_endpoint a = client(1);
    struct sp_endpoint b = client(2);
    cr_expect_null(sp_flow_find(t, &a));
    struct sp_flow *flow = sp_flow_add(t, &a, 5);
    cr_assert_not_null(flow);
    cr_expect_eq(flow->fd, -1);
    cr_expect_eq(flow->used_us, 5);
    cr_expect_eq(sp_flow_find(t, &a), flow);
    cr_expect_null(sp_flow_find(t, &b));
    sp_flow_remove(t, flow);
    cr_expect_null(sp_flow_find(t, &a));
    cr_expect_eq(t->count, 0);
    sp_flow_destroy(&t);
    cr_expect_null(t);
}

Test(flow, is_bounded_and_takes_again_after_removal)
{
    struct sp_flow_table *t = sp_flow_create();
    cr_assert_not_null(t);
    for (unsigned i = 0; i < SP_FLOW_MAX; i++) {
        struct sp_endpoint e = client(i);
        cr_assert_not_null(sp_flow_add(t, &e, 0));
    }
    struct sp_endpoint extra = client(SP_FLOW_MAX);
    cr_expect_null(sp_flow_add(t, &extra, 0));
    for (unsigned i = 0; i < SP_FLOW_MAX; i += 3) {
        struct sp_endpoint e = client(i);
        sp_flow_remove(t, sp_flow_find(t, &e));
    }
    for (unsigned i = 0; i < SP_FLOW_MAX; i++) {
        struct sp_endpoint e = client(i);
        cr_assert_eq(sp_flow_find(t, &e) != NULL, i % 3 != 0, "client %u", i);
    }
    cr_expect_not_null(sp_flow_add(t, &extra, 0));
    sp_flow_destroy(&t);
}

Test(flow, only_silent_clients_without_packets_are_idle)
{
    struct sp_flow_table *t = sp_flow_create();
    cr_assert_not_null(t);
    struct sp_endpoint e = client(1);
    struct sp_flow *flow = sp_flow_add(t, &e, 1000);
    cr_expect_not(sp_flow_is_idle(flow, 1000 + SP_FLOW_IDLE_US - 1));
    cr_expect(sp_flow_is_idle(flow, 1000 + SP_FLOW_IDLE_US));
    flow->pending = 1;
    cr_expect_not(sp_flow_is_idle(flow, 1000 + SP_FLOW_IDLE_US));
    flow->pending = 0;
    sp_flow_remove(t, flow);
    cr_expect_not(sp_flow_is_idle(flow, 1000 + SP_FLOW_IDLE_US));
    sp_flow_destroy(&t);
}
