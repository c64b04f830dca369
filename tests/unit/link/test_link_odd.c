/* The link at its edges: calls after its end, options of nothing, and hardly any memory. */
#include "link_rig.h"

Test(link_odd, calls_after_close)
{
    struct rig *r = rig_open(1);
    struct sp_link *l = &r->side[CLIENT].link;
    transfer(r, CLIENT, 3, 3, 5 * SP_SECOND);
    cr_assert_gt(sp_link_room(l), 0U);
    sp_link_close(l, SP_CLOSE_BYE, 0, r->now);
    cr_expect_eq(sp_link_room(l), 0U);
    struct sp_frame f = rig_frame(CLIENT, 9, BODY);
    cr_expect_eq(sp_link_submit(l, &f, 10, r->now), SP_ECLOSED);
    sp_link_network(l, r->now);
    sp_link_options(l, 5, 7, 0, r->now);
    sp_link_close(l, SP_CLOSE_IDLE, 0, r->now);
    cr_expect_eq(l->cfg.inbox, 64, "nothing was changed");
    rig_run_for(r, 60 * SP_SECOND);
    cr_expect_eq(r->side[GATEWAY].events[SP_LINK_CLOSED], 1U);
    cr_expect_eq(r->side[GATEWAY].closed.close.code, SP_CLOSE_BYE, "the first reason counts");
    cr_expect(sp_link_is_finished(l, r->now));
    cr_expect_eq(sp_link_deadline(l), SP_NEVER);
    rig_close(r);
}

/* 0 means the protocol's own keepalive. */
Test(link_odd, options_of_nothing)
{
    struct rig *r = rig_open(2);
    struct sp_link *l = &r->side[CLIENT].link;
    uint16_t usual = l->cfg.keepalive_s;
    transfer(r, CLIENT, 1, 1, 5 * SP_SECOND);
    sp_link_options(l, 60, 9, 0, r->now);
    rig_run_for(r, 2 * SP_SECOND);
    cr_expect_eq(r->side[GATEWAY].options.keepalive_s, 60);
    cr_expect_eq(r->side[GATEWAY].options.inbox, 9);
    sp_link_options(l, 0, 8, 0, r->now);
    rig_run_for(r, 2 * SP_SECOND);
    cr_expect_eq(l->cfg.keepalive_s, usual);
    cr_expect_eq(r->side[GATEWAY].options.inbox, 8);
    rig_run_for(r, 200 * SP_SECOND);
    cr_expect_eq(r->side[GATEWAY].events[SP_LINK_CLOSED], 0U);
    rig_close(r);
}

/* 0 is the ref of frames that nobody can take back. */
Test(link_odd, cancel_of_nothing)
{
    struct rig *r = rig_open(3);
    struct sp_link *l = &r->side[CLIENT].link;
    cr_assert_eq(rig_submit(r, CLIENT, BODY), 0);
    sp_link_cancel(l, 0);
    sp_link_cancel(l, 4711);
    rig_run_for(r, 5 * SP_SECOND);
    rig_assert_whole(r, CLIENT);
    rig_close(r);
}

static struct rig *open_small(uint64_t seed, const struct sp_link_memory_config *mem)
{
    struct rig *r = rig_open(seed);
    for (int who = 0; who < 2; who++) {
        sp_link_wipe(&r->side[who].link);
        free(r->side[who].block);
        rig_open_side(r, who, mem);
    }
    return r;
}

/* With room for two datagrams in flight, or for hardly any frame, everything still gets through a bad wire.
 */
Test(link_odd, hardly_any_memory)
{
    static const struct sp_link_memory_config mems[] = {
        {.small_max = 600, .large_max = 600, .packets_max = 3, .copies_max = 16384},
        {.small_max = 600, .large_max = 600, .packets_max = 4096, .copies_max = 8},
        {.small_max = 12, .large_max = 8, .packets_max = 64, .copies_max = 64},
    };
    for (size_t i = 0; i < sizeof mems / sizeof mems[0]; i++) {
        struct rig *r = open_small(4 + i, &mems[i]);
        r->loss = 100;
        r->reorder = 50;
        transfer(r, CLIENT, 60, 6, 600 * SP_SECOND);
        rig_assert_whole(r, CLIENT);
        rig_close(r);
    }
}

/* A frame type of a later version is skipped by its length; what stands behind it arrives. */
Test(link_odd, a_frame_type_of_a_later_version)
{
    struct rig *r = rig_open(8);
    transfer(r, CLIENT, 1, 1, 5 * SP_SECOND);
    static const uint8_t cid[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct sp_seal seal;
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t header = sp_seal_header(SP_DIR_UP), used = 0;
    struct sp_frame f = rig_frame(CLIENT, 40, BODY);
    sp_seal_init(&seal, sp_crypto_sodium(), rig_up, SP_DIR_UP, r->now);
    uint8_t *p = bytes + header;
    *p++ = 0xf0;
    *p++ = 0;
    *p++ = 3;
    memset(p, 0x55, 3);
    p += 3;
    cr_assert_eq(sp_wire_encode(&f, p, 1000, &used), 0);
    struct sp_datagram d = {.peer = r->client_addr, .p = bytes, .cap = sizeof bytes};
    d.len = sp_seal_packet(&seal, cid, 5000, bytes, (size_t)(p - bytes) - header + used);
    cr_assert_eq(sp_link_receive(&r->side[GATEWAY].link, &d, r->now), 0);
    r->side[CLIENT].submitted = 41;
    rig_read_frames(r, GATEWAY);
    cr_expect_eq(r->side[GATEWAY].arrived[40], 1);
    rig_close(r);
}
