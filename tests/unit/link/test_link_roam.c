/* Roaming of a link: docs/protocol.md, section 6, rule 15. */
#include "link_rig.h"

#include <stdio.h>

Test(link_roam, follows_a_phone_to_its_new_address)
{
    struct rig *r = rig_open(17);
    for (int i = 0; i < 500; i++)
        rig_submit(r, GATEWAY, SP_PART_MAX);
    rig_run_for(r, 300 * SP_MS);
    cr_assert_lt(r->side[GATEWAY].acked_n, 500, "still under way");
    struct sp_addr old = r->client_addr;
    r->client_addr = rig_addr(99, 1234);
    rig_run_for(r, 60 * SP_SECOND);
    rig_assert_whole(r, GATEWAY);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_MOVED], 1);
    cr_assert(sp_path_is_same(&r->side[GATEWAY].moved.peer, &r->client_addr));
    cr_assert_not(sp_path_is_same(&r->side[GATEWAY].link.path.peer, &old));
    cr_assert(r->side[GATEWAY].link.path.is_validated);
    rig_close(r);
}

Test(link_roam, follows_many_moves_under_loss)
{
    struct rig *r = rig_open(18);
    r->loss = 100;
    for (uint16_t i = 0; i < 60; i++) {
        r->client_addr = rig_addr(50, (uint16_t)(2000 + i));
        for (int k = 0; k < 5; k++) {
            rig_submit(r, CLIENT, BODY);
            rig_submit(r, GATEWAY, BODY);
        }
        rig_run_for(r, SP_SECOND);
    }
    rig_run_for(r, 30 * SP_SECOND);
    rig_assert_whole(r, CLIENT);
    rig_assert_whole(r, GATEWAY);
    rig_close(r);
}

/* The client's next datagram reaches the gateway from another address first.  Returns its length. */
static size_t copy_from_elsewhere(struct rig *r)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    rig_submit(r, CLIENT, BODY);
    cr_assert_eq(sp_link_transmit(&r->side[CLIENT].link, &d, r->now), 0);
    d.peer = rig_addr(66, 666);
    cr_assert_eq(sp_link_receive(&r->side[GATEWAY].link, &d, r->now), 0);
    rig_read_frames(r, GATEWAY);
    return d.len;
}

Test(link_roam, an_unproven_address_gets_three_bytes_for_one)
{
    struct rig *r = rig_open(19);
    rig_run_for(r, SP_SECOND);
    for (int i = 0; i < 400; i++)
        rig_submit(r, GATEWAY, SP_PART_MAX);
    /* A copier sends the client's datagram from elsewhere, faster than the client itself; what the gateway
     * sends there is never answered, since the copier holds no keys. */
    struct sp_addr home = r->client_addr;
    size_t copied = copy_from_elsewhere(r);
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    size_t there = 0, back = 0, back_n = 0;
    while (sp_link_transmit(&r->side[GATEWAY].link, &d, r->now) == 0) {
        if (sp_path_is_same(&d.peer, &home)) {
            back += d.len;
            back_n++;
            rig_send(r, GATEWAY, &d);
        } else {
            there += d.len;
        }
    }
    cr_assert(there > 0 && there <= 3 * copied, "%zu bytes to the copier for %zu", there, copied);
    cr_assert_eq(back_n, 1, "one challenge to the proven address");
    cr_assert_lt(back, 40);
    /* The client answers the challenge, and all comes to it. */
    rig_run_for(r, 60 * SP_SECOND);
    cr_assert(sp_path_is_same(&r->side[GATEWAY].link.path.peer, &home));
    rig_assert_whole(r, GATEWAY);
    rig_close(r);
}

Test(link_roam, an_ack_of_a_packet_sent_there_proves_an_address)
{
    struct rig *r = rig_open(45);
    rig_run_for(r, SP_SECOND);
    copy_from_elsewhere(r);
    struct sp_link *g = &r->side[GATEWAY].link;
    struct sp_frame f = {.kind = SP_KIND_ACK, .u.ack.largest = (uint32_t)g->last_pn};
    r->client_addr = rig_addr(66, 666);
    uint64_t pn = r->side[CLIENT].link.next_pn;
    cr_assert_eq(rig_forge(r, GATEWAY, pn, &f, 1), 0);
    cr_assert_not(g->path.is_validated, "that packet went to the old address");
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    do
        cr_assert_eq(sp_link_transmit(g, &d, r->now), 0);
    while (!sp_path_is_same(&d.peer, &r->client_addr));
    f.u.ack.largest = (uint32_t)g->last_pn;
    cr_assert_eq(rig_forge(r, GATEWAY, pn + 1, &f, 1), 0);
    cr_assert(g->path.is_validated);
    rig_close(r);
}

Test(link_roam, returns_to_the_old_address_when_nothing_answers)
{
    struct rig *r = rig_open(20);
    rig_run_for(r, SP_SECOND);
    struct sp_addr home = r->client_addr;
    copy_from_elsewhere(r);
    r->is_dead[GATEWAY] = true; /* also the challenge to the old address is lost */
    rig_run_for(r, 3 * SP_SECOND);
    cr_assert(sp_path_is_same(&r->side[GATEWAY].link.path.peer, &home));
    cr_assert(r->side[GATEWAY].link.path.is_validated);
    cr_assert_eq(r->side[GATEWAY].events[SP_LINK_MOVED], 2);
    rig_close(r);
}

Test(link_roam, an_unconfirmed_session_is_bound_by_its_init)
{
    struct rig *r = rig_open(21);
    struct rig_side *g = &r->side[GATEWAY];
    sp_link_wipe(&g->link);
    struct sp_link_config cfg = g->link.cfg;
    cfg.keys = (struct sp_session_keys_view){rig_up, rig_down};
    cfg.is_validated = false;
    cfg.received_bytes = 1200;
    sp_link_init(&g->link, &cfg, r->now);
    for (int i = 0; i < 20; i++)
        rig_submit(r, GATEWAY, SP_PART_MAX);
    uint8_t bytes[SP_DATAGRAM_MAX];
    struct sp_datagram d = {.p = bytes, .cap = sizeof bytes};
    size_t sent = 0;
    while (sp_link_transmit(&g->link, &d, r->now) == 0)
        sent += d.len;
    cr_assert(sent > 1000 && sent <= 2400, "%zu", sent);
    rig_run_for(r, 20 * SP_SECOND); /* the client's first DATA confirms */
    cr_assert(g->link.path.is_validated);
    rig_assert_whole(r, GATEWAY);
    rig_close(r);
}
