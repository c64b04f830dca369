/* Address changes, the 3x rule, challenges: rule 15 of docs/protocol.md, section 6. */
#include <criterion/criterion.h>

#include "crypto_sodium.h"
#include "path.h"

#define PTO (130 * SP_MS)

static struct sp_rng rng;

static void setup(void)
{
    static const uint8_t seed[32] = {9};
    sp_rng_init(&rng, sp_crypto_sodium(), seed);
}

TestSuite(path, .init = setup);

static struct sp_addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct sp_addr){.ip = {a, b, c, d}, .port = port, .family = 4};
}

static const struct sp_addr home = {.ip = {192, 0, 2, 7}, .port = 4000, .family = 4};
static const struct sp_addr away = {.ip = {198, 51, 100, 9}, .port = 5000, .family = 4};
static const struct sp_addr third = {.ip = {203, 0, 113, 3}, .port = 6000, .family = 4};

static struct sp_path at_home(void)
{
    struct sp_path p;
    sp_path_init(&p, &home, true, 0);
    return p;
}

static enum sp_path_news hear(struct sp_path *p, const struct sp_addr *from, sp_time now)
{
    return sp_path_note_heard(p, from, 40, true, PTO, now);
}

Test(path, refuses_addresses_that_no_peer_has)
{
    struct row {
        struct sp_addr to, current;
        bool refused;
    };
    struct sp_addr ip6 = {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .port = 5, .family = 6};
    struct sp_addr ip6_loop = {.ip = {[15] = 1}, .port = 5, .family = 6};
    const struct row rows[] = {
        {ip4(198, 51, 100, 1, 5), home, false},
        {ip6, home, false},
        {home, ip6, false},
        {ip4(198, 51, 100, 1, 0), home, true},
        {ip4(0, 0, 0, 0, 5), home, true},
        {ip4(224, 0, 0, 1, 5), home, true},
        {ip4(239, 255, 255, 255, 5), home, true},
        {ip4(255, 255, 255, 255, 5), home, true},
        {ip4(127, 0, 0, 1, 5), home, true},
        {ip4(127, 9, 9, 9, 5), home, true},
        {ip4(127, 0, 0, 1, 6), ip4(127, 0, 0, 1, 5), false},
        {ip4(127, 0, 0, 1, 6), ip6_loop, false},
        {ip6_loop, home, true},
        {ip6_loop, ip6, true},
        {ip6_loop, ip4(127, 0, 0, 1, 5), false},
        {{.ip = {0xff, 0x02, [15] = 1}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {0}, .port = 5, .family = 6}, ip6, true},
        /* IPv4 written as IPv6: mapped, compatible, NAT64 */
        {{.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {[10] = 0xff, 0xff, 224, 0, 0, 1}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {[10] = 0xff, 0xff, 0, 0, 0, 0}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {[10] = 0xff, 0xff, 198, 51, 100, 1}, .port = 5, .family = 6}, ip6, false},
        {{.ip = {[12] = 127, 0, 0, 1}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {0x00, 0x64, 0xff, 0x9b, [12] = 127, 0, 0, 1}, .port = 5, .family = 6}, ip6, true},
        {{.ip = {0x00, 0x64, 0xff, 0x9b, [12] = 198, 51, 100, 1}, .port = 5, .family = 6}, ip6, false},
        {{.ip = {1, 2, 3, 4}, .port = 5, .family = 0}, home, true},
        {{.ip = {1, 2, 3, 4}, .port = 5, .family = 7}, home, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(sp_path_is_refused(&rows[i].to, &rows[i].current), rows[i].refused, "row %zu", i);
}

Test(path, only_the_newest_packet_moves_it)
{
    struct sp_path p = at_home();
    cr_assert_eq(sp_path_note_heard(&p, &away, 40, false, PTO, SP_SECOND), SP_PATH_SAME);
    cr_assert(sp_path_is_same(&p.peer, &home));
    cr_assert_eq(hear(&p, &home, SP_SECOND), SP_PATH_SAME);
    cr_assert_eq(hear(&p, &away, SP_SECOND), SP_PATH_MOVED);
    cr_assert(sp_path_is_same(&p.peer, &away));
    cr_assert_not(p.is_validated);
}

Test(path, a_port_is_part_of_the_address)
{
    struct sp_path p = at_home();
    struct sp_addr other = home;
    other.port++;
    cr_assert_eq(hear(&p, &other, SP_SECOND), SP_PATH_MOVED);
}

Test(path, never_moves_to_a_refused_address)
{
    struct sp_path p = at_home();
    struct sp_addr bad = ip4(127, 0, 0, 1, 7000);
    cr_assert_eq(hear(&p, &bad, SP_SECOND), SP_PATH_SAME);
    cr_assert(sp_path_is_same(&p.peer, &home));
}

Test(path, at_most_one_move_in_100_ms)
{
    struct sp_path p = at_home();
    cr_assert_eq(hear(&p, &away, SP_SECOND), SP_PATH_MOVED);
    cr_assert_eq(hear(&p, &third, SP_SECOND + 99 * SP_MS), SP_PATH_SAME);
    cr_assert_eq(hear(&p, &third, SP_SECOND + 100 * SP_MS), SP_PATH_MOVED);
}

Test(path, the_newest_packet_from_the_proven_address_returns_at_once)
{
    struct sp_path p = at_home();
    hear(&p, &away, SP_SECOND); /* a copier was faster than the peer itself */
    cr_assert_eq(hear(&p, &home, SP_SECOND + SP_MS), SP_PATH_MOVED);
    cr_assert(sp_path_is_same(&p.peer, &home));
    cr_assert(p.is_validated);
    cr_assert_not(p.owes_challenge || p.owes_old_challenge);
    cr_assert_eq(hear(&p, &away, SP_SECOND + 50 * SP_MS), SP_PATH_SAME, "and the copier has to wait");
}

Test(path, three_bytes_for_one_until_proven)
{
    struct sp_path p = at_home();
    cr_assert_eq(sp_path_room(&p), SIZE_MAX);
    hear(&p, &away, SP_SECOND);
    cr_assert_eq(sp_path_room(&p), 120);
    sp_path_note_sent(&p, 100);
    cr_assert_eq(sp_path_room(&p), 20);
    sp_path_note_sent(&p, 100);
    cr_assert_eq(sp_path_room(&p), 0);
    hear(&p, &away, SP_SECOND + 1);
    cr_assert_eq(sp_path_room(&p), 40);
    sp_path_note_heard(&p, &home, 1000, false, PTO, SP_SECOND + 2);
    cr_assert_eq(sp_path_room(&p), 40, "bytes from elsewhere earn nothing");
    sp_path_prove(&p);
    cr_assert_eq(sp_path_room(&p), SIZE_MAX);
}

Test(path, an_unproven_handshake_counts_its_init_and_accept)
{
    struct sp_path p;
    sp_path_init(&p, &home, false, 1200);
    cr_assert_eq(sp_path_room(&p), 2400, "the ACCEPT took up to 1200 of 3600");
}

Test(path, challenges_go_to_the_new_and_to_the_old_address)
{
    struct sp_path p = at_home();
    struct sp_path_note here, there;
    cr_assert_not(sp_path_next(&p, true, &rng, &here));
    hear(&p, &away, SP_SECOND);
    cr_assert(sp_path_next(&p, true, &rng, &here));
    cr_assert(!here.is_answer && !here.is_elsewhere && sp_path_is_same(&here.to, &away));
    cr_assert(sp_path_next(&p, false, &rng, &there));
    cr_assert(!there.is_answer && there.is_elsewhere && sp_path_is_same(&there.to, &home));
    cr_assert_neq(memcmp(here.data, there.data, 8), 0);
    cr_assert_not(sp_path_next(&p, true, &rng, &here));
    cr_assert_not(sp_path_next(&p, false, &rng, &there));
}

Test(path, the_right_answer_from_the_right_place_proves)
{
    struct sp_path p = at_home();
    struct sp_path_note n;
    hear(&p, &away, SP_SECOND);
    sp_path_next(&p, true, &rng, &n);
    uint8_t wrong[8];
    memcpy(wrong, n.data, 8);
    wrong[3] ^= 1;
    sp_path_note_answered(&p, &away, wrong, SP_SECOND);
    cr_assert_not(p.is_validated);
    sp_path_note_answered(&p, &third, n.data, SP_SECOND);
    cr_assert_not(p.is_validated);
    wrong[3] ^= 1;
    wrong[7] ^= 1; /* the second try, which was not sent yet */
    sp_path_note_answered(&p, &away, wrong, SP_SECOND);
    cr_assert_not(p.is_validated);
    sp_path_note_answered(&p, &away, n.data, SP_SECOND);
    cr_assert(p.is_validated);
    cr_assert_eq(sp_path_deadline(&p), SP_NEVER);
}

Test(path, the_old_address_answers_and_gets_the_session_back)
{
    struct sp_path p = at_home();
    struct sp_path_note n;
    hear(&p, &away, SP_SECOND);
    sp_path_next(&p, false, &rng, &n);
    cr_assert_eq(sp_path_note_answered(&p, &third, n.data, SP_SECOND + SP_MS), SP_PATH_SAME);
    cr_assert_eq(sp_path_note_answered(&p, &home, n.data, SP_SECOND + SP_MS), SP_PATH_MOVED);
    cr_assert(sp_path_is_same(&p.peer, &home) && p.is_validated);
}

Test(path, three_tries_then_back_to_the_old_address)
{
    struct sp_path p = at_home();
    struct sp_path_note n;
    uint8_t seen[3][8];
    sp_time now = SP_SECOND;
    hear(&p, &away, now);
    for (int i = 0; i < 3; i++) {
        cr_assert(sp_path_next(&p, true, &rng, &n), "try %d", i);
        memcpy(seen[i], n.data, 8);
        cr_assert(i == 0 || memcmp(seen[i], seen[i - 1], 8) != 0, "fresh data each time");
        now = sp_path_deadline(&p);
        cr_assert_eq(now, SP_SECOND + (i + 1) * PTO);
        enum sp_path_news news = sp_path_tick(&p, PTO, now);
        cr_assert_eq(news, i < 2 ? SP_PATH_SAME : SP_PATH_MOVED);
    }
    cr_assert(sp_path_is_same(&p.peer, &home) && p.is_validated);
    cr_assert_eq(sp_path_deadline(&p), SP_NEVER);
}

Test(path, the_answer_to_an_earlier_try_still_counts)
{
    struct sp_path p = at_home();
    struct sp_path_note first, second;
    hear(&p, &away, SP_SECOND);
    sp_path_next(&p, true, &rng, &first);
    sp_path_tick(&p, PTO, SP_SECOND + PTO);
    cr_assert(sp_path_next(&p, true, &rng, &second));
    sp_path_note_answered(&p, &away, first.data, SP_SECOND + 2 * PTO);
    cr_assert(p.is_validated);
}

Test(path, without_a_proven_old_address_it_stays)
{
    struct sp_path p;
    struct sp_path_note n;
    sp_path_init(&p, &home, false, 300);
    hear(&p, &away, SP_SECOND);
    cr_assert_not(sp_path_next(&p, false, &rng, &n), "nothing to an address that never proved itself");
    for (int i = 1; i < 6; i++) {
        sp_path_next(&p, true, &rng, &n);
        cr_assert_eq(sp_path_tick(&p, PTO, SP_SECOND + i * PTO), SP_PATH_SAME);
    }
    cr_assert(sp_path_is_same(&p.peer, &away));
    cr_assert_eq(sp_path_deadline(&p), SP_NEVER);
}

Test(path, two_unproven_moves_lead_back_to_the_proven_one)
{
    struct sp_path p = at_home();
    hear(&p, &away, SP_SECOND);
    hear(&p, &third, 2 * SP_SECOND);
    cr_assert(sp_path_is_same(&p.peer, &third));
    cr_assert(sp_path_is_same(&p.old, &home));
}

Test(path, the_old_address_is_forgotten_after_a_pto)
{
    struct sp_path p = at_home();
    struct sp_path_note n;
    hear(&p, &away, SP_SECOND);
    sp_path_next(&p, true, &rng, &n);
    sp_path_prove(&p);
    sp_path_tick(&p, PTO, SP_SECOND + PTO - 1);
    cr_assert(p.has_old);
    sp_path_tick(&p, PTO, SP_SECOND + PTO);
    cr_assert_not(p.has_old);
}

Test(path, an_answer_goes_where_the_challenge_came_from_and_only_the_latest)
{
    static const uint8_t one[8] = {1}, two[8] = {2};
    struct sp_path p = at_home();
    struct sp_path_note n;
    sp_path_note_challenged(&p, &third, one);
    sp_path_note_challenged(&p, &third, two);
    cr_assert_not(sp_path_next(&p, true, &rng, &n));
    cr_assert(sp_path_next(&p, false, &rng, &n));
    cr_assert(n.is_answer && n.data[0] == 2 && sp_path_is_same(&n.to, &third));
    cr_assert_not(sp_path_next(&p, false, &rng, &n));
    sp_path_note_challenged(&p, &home, one);
    cr_assert(sp_path_next(&p, true, &rng, &n));
    cr_assert(n.is_answer && !n.is_elsewhere && n.data[0] == 1);
}

Test(path, a_challenge_from_where_replies_never_go_gets_no_answer)
{
    static const uint8_t data[8] = {1};
    struct sp_addr loopback = {.ip = {127, 0, 0, 1}, .port = 99, .family = 4};
    struct sp_path p = at_home();
    struct sp_path_note n;
    sp_path_note_challenged(&p, &loopback, data);
    cr_assert_not(sp_path_next(&p, false, &rng, &n));
    cr_assert_not(sp_path_next(&p, true, &rng, &n));
}

Test(path, generations_tell_addresses_apart)
{
    struct sp_path p = at_home();
    sp_time now = SP_SECOND;
    for (int i = 0; i < 600; i++) {
        uint8_t before = p.generation;
        now += SP_SECOND;
        hear(&p, i % 2 ? &third : &away, now);
        sp_path_prove(&p);
        cr_assert_neq(p.generation, before);
        cr_assert_neq(p.generation, SP_PATH_ELSEWHERE);
    }
}
