/* Stories 18 (without 0-RTT), 24 (small), 25, 26, 29 of docs/protocol.md, section 8: those who do not play by
 * the rules. */
#include "phone.h"
#include "puppet.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_rig *rig;

static void setup(void)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

static void end(void)
{
    (void)sp_rig_stats(rig);
    sp_rig_destroy(&rig);
}

static struct sp_addr stranger(uint8_t i)
{
    return (struct sp_addr){.ip = {192, 0, 2, i}, .port = 99, .family = 4};
}

static void replay(const struct sp_puppet *p, size_t datagrams, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct sp_addr from = i % 4 == 3 ? sp_rig_addr(rig, p->endpoint) : stranger((uint8_t)(i % 4));
        for (size_t k = 0; k < datagrams; k++)
            sp_rig_inject(rig, &from, (struct sp_view){p->sent[k].bytes, p->sent[k].len});
        sp_rig_run(rig, 10 * SP_MS);
    }
}

static void check_bytes(void)
{
    for (uint8_t i = 0; i < 3; i++) {
        struct sp_addr addr = stranger(i);
        uint64_t to, from;
        sp_rig_note_bytes(rig, &addr, &to, &from);
        cr_assert_gt(from, 0U);
        cr_assert_leq(to, from);
    }
}

Test(story, s18_a_captured_first_flight, .init = setup, .fini = end)
{
    struct sp_puppet *p = sp_puppet_create(rig, "a", 1, 3), *w = sp_puppet_create(rig, "w", 1, 3);
    sp_puppet_connect(w);
    sp_puppet_send_message(w, 1, 0, "a", "x");
    (void)sp_puppet_wait(w, SP_KIND_MSG_A, 1);
    sp_puppet_connect(p);
    sp_puppet_send_message(p, 1, 0, "b", "x");
    sp_puppet_send_pull(p, 1, 1, 1, 10, true);
    (void)sp_puppet_wait(p, SP_KIND_PULL_A, 1);
    sp_rig_run(rig, SP_SECOND);
    struct sp_stats before = sp_rig_stats(rig);
    size_t flight = p->sent_n < 6 ? p->sent_n : 6;
    replay(p, flight, 1000);
    struct sp_stats after = sp_rig_stats(rig);
    cr_assert_eq(after.handshakes_accepted, before.handshakes_accepted);
    cr_assert_eq(after.messages_received, before.messages_received);
    cr_assert_eq(after.pulls, before.pulls);
    cr_assert_eq(after.sessions_moved, 0U);
    cr_assert_eq(after.datagrams_received - before.datagrams_received, flight * 1000U);
    check_bytes();

    sp_rig_kill_gateway(rig);
    sp_rig_start_gateway(rig, false);
    replay(p, flight, 1000);
    sp_rig_run(rig,
               31 * SP_SECOND); /* old enough to take INITs without a cookie, but this one is stale by now */
    replay(p, flight, 100);
    after = sp_rig_stats(rig);
    cr_assert_eq(after.handshakes_accepted, 0U);
    cr_assert_eq(after.messages_received, 0U);
    cr_assert_eq(after.pulls, 0U);
    check_bytes();
    sp_puppet_destroy(&p);
    sp_puppet_destroy(&w);
}

/* Story 24 in small: INITs from everywhere, junk of every length; nothing grows, the session goes on. */
Test(story, s24_a_flood_of_noise, .init = setup, .fini = end)
{
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    uint8_t junk[SP_DATAGRAM_MAX];
    sp_phone_connect(a);
    sp_phone_connect(b);
    uint64_t sent = sp_rig_stats(rig).bytes_sent, received = sp_rig_stats(rig).bytes_received;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t draw = sp_rig_draw(rig);
        size_t n = draw % 3 == 0 ? sizeof junk : (draw >> 8) % sizeof junk;
        struct sp_addr from = {
            .ip = {172, (uint8_t)(draw >> 16), (uint8_t)(draw >> 24), (uint8_t)(draw >> 32)},
            .port = (uint16_t)(draw >> 40 | 1),
            .family = 4};
        for (size_t k = 0; k < sizeof junk; k += 8)
            memcpy(junk + k, &(uint64_t){sp_rig_draw(rig)}, 8);
        junk[0] = (uint8_t)(draw % 4 == 0 ? SP_FIRST_INIT : draw % 4 == 1 ? SP_FIRST_DATA : draw >> 56);
        junk[1] = 1;
        junk[38] = 0;
        sp_rig_inject(rig, &from, (struct sp_view){junk, n});
        if (i % 1000 == 0)
            (void)sp_phone_send(a, "b", "still there");
        sp_rig_run(rig, SP_MS / 4);
    }
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 5 * SP_SECOND);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_lt(st.bytes_sent - sent, (st.bytes_received - received) / 2);
    cr_assert_eq(st.handshakes_accepted, 2U);
    cr_assert_eq(b->got_n, (size_t)20);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

Test(story, s25_a_token_without_its_key, .init = setup, .fini = end)
{
    struct sp_puppet *p = sp_puppet_create(rig, "a", 1, 3);
    p->psk[0] ^= 1;
    sp_puppet_init(p);
    sp_rig_run(rig, SP_SECOND);
    uint64_t to, from;
    struct sp_addr addr = sp_rig_addr(rig, p->endpoint);
    sp_rig_note_bytes(rig, &addr, &to, &from);
    cr_assert_eq(to, 0U);
    cr_assert_eq(sp_rig_note_x25519(rig), 0U, "silence before X25519");
    cr_assert_eq(sp_rig_stats(rig).drop_init_proof, 1U);
    p->psk[0] ^= 1;
    sp_puppet_connect(p);
    cr_assert_gt(sp_rig_note_x25519(rig), 0U);
    sp_puppet_destroy(&p);
}

Test(story, s26_a_clock_a_day_off, .init = setup, .fini = end)
{
    static const int64_t off[] = {-86400, 86400};
    for (size_t i = 0; i < 2; i++) {
        struct sp_puppet *p = sp_puppet_create(rig, "a", (uint32_t)i, 3);
        p->clock_off_s = off[i];
        sp_puppet_connect(p);
        cr_assert_eq(p->retries, 1U);
        sp_puppet_destroy(&p);
        uint64_t before = sp_rig_stats(rig).init_retry;
        struct sp_phone *a = sp_phone_create(rig, "a", 10 + (uint32_t)i, true);
        a->clock_off_s = off[i];
        sp_phone_connect(a);
        cr_assert_leq(sp_rig_stats(rig).init_retry - before, 1U,
                      "the library may know the time from its token");
        sp_phone_destroy(&a);
    }
}

Test(story, s29_an_ack_of_a_number_that_was_never_sent, .init = setup, .fini = end)
{
    struct sp_puppet *p = sp_puppet_create(rig, "a", 1, 3);
    sp_puppet_connect(p);
    uint8_t datagram[64];
    struct sp_frame f = {.kind = SP_KIND_ACK, .u.ack = {.largest = 60000}};
    size_t len = 0, at = sp_seal_header(SP_DIR_UP);
    cr_assert_eq(sp_wire_encode(&f, datagram + at, sizeof datagram - at, &len), 0);
    size_t n = sp_seal_packet(&p->link.seal, p->accept.cid, 200, datagram, len);
    struct sp_addr addr = sp_rig_addr(rig, p->endpoint);
    sp_rig_inject(rig, &addr, (struct sp_view){datagram, n});
    sp_rig_run(rig, SP_SECOND);
    cr_assert(p->is_closed);
    cr_assert_eq(p->close.code, SP_CLOSE_PROTOCOL);
    cr_assert_eq(p->close.cause, SP_KIND_ACK, "ruling 25");
    sp_puppet_destroy(&p);
}
