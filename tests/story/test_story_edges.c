/* What must not move, be believed or be sent at the edges: numbers above the head, expired tokens, forged
 * packet numbers, late handshakes, addresses that nobody proved, key phases. */
#include "phone.h"
#include "puppet.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_rig *rig;

static void start(uint32_t token_life_s)
{
    struct sp_rig_config cfg = {.seed = 1, .net = {.delay_us = 20000}, .token_life_s = token_life_s};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

static void setup(void)
{
    start(0);
}

static void end(void)
{
    (void)sp_rig_stats(rig);
    sp_rig_destroy(&rig);
}

static struct sp_puppet *connected(const char *user)
{
    struct sp_puppet *p = sp_puppet_create(rig, user, 1, 3);
    sp_puppet_connect(p);
    return p;
}

/* Seals one frame of the puppet under this packet number, without its link knowing.  Returns the length. */
static size_t seal_frame(struct sp_puppet *p, const struct sp_frame *f, uint64_t pn,
                         uint8_t datagram[SP_DATAGRAM_MAX])
{
    size_t len = 0, at = sp_seal_header(SP_DIR_UP);
    cr_assert_eq(sp_wire_encode(f, datagram + at, SP_FRAMES_UP_MAX, &len), 0);
    return sp_seal_packet(&p->link.seal, p->accept.cid, pn, datagram, len);
}

Test(story, a_cursor_above_the_head_is_told, .init = setup, .fini = end)
{
    struct sp_puppet *a = connected("a"), *b = connected("b");
    sp_puppet_send_message(a, 1, 0, "b", "x");
    (void)sp_puppet_wait(a, SP_KIND_MSG_A, 1);
    sp_puppet_send_pull(b, 1, 5, 1, 10, true);
    const struct sp_frame_resync *r = &sp_puppet_wait(b, SP_KIND_RESYNC, 1)->u.resync;
    cr_assert_eq(r->why, SP_RESYNC_CURSOR);
    cr_assert_eq(r->lo.v, 0U);
    cr_assert_eq(r->hi.v, 1U);
    cr_assert_eq(sp_puppet_note(b, SP_KIND_PULL_A), 0U, "never a silent clamp (G15)");
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

Test(story, an_expired_token_meets_silence, .fini = end)
{
    start(100);
    struct sp_puppet *p = sp_puppet_create(rig, "a", 1, 3);
    sp_puppet_connect(p);
    unsigned accepts = p->accepts;
    sp_rig_run(rig, 101 * SP_SECOND);
    sp_puppet_init(p);
    sp_rig_run(rig, 2 * SP_SECOND);
    cr_assert_eq(p->accepts, accepts);
    cr_assert_eq(sp_rig_stats(rig).drop_init_token, 1U);
    sp_puppet_destroy(&p);
}

/* Whoever knows the cid, which is in the clear, can name any packet number. */
Test(story, a_forged_number_takes_no_place, .init = setup, .fini = end)
{
    struct sp_puppet *p = connected("a");
    struct sp_addr addr = sp_rig_addr(rig, p->endpoint);
    uint8_t datagram[SP_DATAGRAM_MAX];
    struct sp_frame ping = {.kind = SP_KIND_PING};
    for (uint64_t pn = p->link.next_pn; pn < p->link.next_pn + 20; pn++) {
        size_t n = seal_frame(p, &ping, pn, datagram);
        datagram[n - 1] ^= 1;
        sp_rig_inject(rig, &addr, (struct sp_view){datagram, n});
    }
    sp_rig_run(rig, 100 * SP_MS);
    struct sp_stats before = sp_rig_stats(rig);
    cr_assert_eq(before.drop_auth, 20U);
    sp_puppet_send_message(p, 1, 0, "b", "x");
    (void)sp_puppet_wait(p, SP_KIND_MSG_A, 1);
    cr_assert_eq(sp_rig_stats(rig).drop_replay, before.drop_replay, "the true packet is none");
    sp_puppet_destroy(&p);
}

/* The link of an earlier handshake, held back on its way. */
struct held {
    const struct sp_puppet *of;
    bool is_on;
};

static bool hold_data(void *self, const struct sp_rig_packet *p)
{
    const struct held *h = self;
    return h->is_on && p->endpoint == h->of->endpoint && p->dir == SP_DIR_UP && p->p[0] != SP_FIRST_INIT;
}

Test(story, a_late_first_packet_replaces_nobody, .init = setup, .fini = end)
{
    struct sp_puppet *old = sp_puppet_create(rig, "a", 1, 3), *b = connected("b");
    struct held h = {.of = old, .is_on = true};
    sp_rig_set_filter(rig, hold_data, &h);
    sp_puppet_init(old);
    sp_rig_run(rig, SP_SECOND);
    cr_assert(old->is_on);
    struct sp_puppet *new = connected("a");
    h.is_on = false;
    sp_rig_run(rig, 3 * SP_SECOND); /* what the old one sends again comes through */
    cr_assert_not(new->is_closed, "the newest session of the device stays");
    sp_puppet_send_message(b, 1, 0, "a", "x");
    (void)sp_puppet_wait(b, SP_KIND_MSG_A, 1);
    sp_puppet_send_pull(new, 1, 0, 1, 10, true);
    (void)sp_puppet_wait(new, SP_KIND_MSG_N, 1);
    sp_rig_set_filter(rig, NULL, NULL);
    sp_puppet_destroy(&old);
    sp_puppet_destroy(&new);
    sp_puppet_destroy(&b);
}

/* A copier on the path sends a packet from another address and hears the answers, but cannot open the
 * challenge. */
Test(story, an_unproven_address_gets_little, .init = setup, .fini = end)
{
    struct sp_puppet *a = connected("a"), *b = connected("b");
    static const char body[] =
        "a message long enough for a few of them to fill a packet, and many of them a window";
    for (uint64_t i = 0; i < 100; i++)
        sp_puppet_send_message(a, i + 1, 0, "b", body);
    (void)sp_puppet_wait(a, SP_KIND_MSG_A, 100);
    struct sp_frame f = {.kind = SP_KIND_PULL_R,
                         .u.pull_r = {.flags = SP_PULL_CONFIRMS, .id = 1, .max = 100, .epoch = {1}}};
    uint8_t datagram[SP_DATAGRAM_MAX];
    size_t n = seal_frame(b, &f, b->link.next_pn + 5, datagram);
    struct sp_addr other = {.ip = {192, 0, 2, 1}, .port = 99, .family = 4};
    sp_rig_inject(rig, &other, (struct sp_view){datagram, n});
    sp_rig_run(rig, 3 * SP_SECOND);
    uint64_t to, from;
    sp_rig_note_bytes(rig, &other, &to, &from);
    cr_assert_eq(from, n);
    cr_assert_gt(to, 0U);
    cr_assert_leq(to, 3 * from, "%lu bytes for %lu (G21)", (unsigned long)to, (unsigned long)from);
    sp_puppet_destroy(&a);
    sp_puppet_destroy(&b);
}

/* Each side turns its keys once an hour; neither may lose the other by it. */
Test(story, a_session_outlives_its_key_phases, .init = setup, .fini = end)
{
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    uint64_t handshakes = sp_rig_stats(rig).handshakes_accepted;
    for (int i = 0; i < 120; i++) { /* four hours */
        (void)sp_phone_send(a, "b", "x");
        sp_rig_run(rig, 120 * SP_SECOND);
    }
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 10 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)120);
    cr_assert_eq(sp_rig_stats(rig).handshakes_accepted, handshakes, "the same sessions (section 2.4)");
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

/* A gateway that cannot read the mailbox says nothing.  Nobody else comes back for the messages. */
Test(story, a_pull_without_an_answer_comes_again, .fini = end)
{
    struct sp_rig_config cfg = {
        .seed = 1,
        .store = "fault:1:mem:",
        .net = {.delay_us = 20000},
        .limits.faults = {.set = true, .failed = 1000, .until = SP_RIG_START + 90 * SP_SECOND}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_run(rig, 40 * SP_SECOND);
    cr_assert_gt(sp_rig_stats(rig).store_unknown, 0U);
    (void)sp_phone_send(a, "b", "x");
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 60 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)1);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}

/* Seven of ten requests to the store fail.  A cursor that wanted no answer and was not noted is stated again,
 * though nothing else comes that could carry it. */
Test(story, a_confirmation_that_was_not_noted_comes_again, .fini = end)
{
    struct sp_rig_config cfg = {.seed = 1,
                                .store = "fault:1:mem:",
                                .net = {.delay_us = 20000},
                                .limits.faults = {.set = true, .failed = 700}};
    rig = sp_rig_create(&cfg);
    struct sp_phone *a = sp_phone_create(rig, "a", 1, true), *b = sp_phone_create(rig, "b", 1, true);
    sp_phone_connect(a);
    sp_phone_connect(b);
    sp_rig_run(rig, 120 * SP_SECOND);
    uint64_t refused = sp_rig_stats(rig).acks_refused;
    for (int i = 0; i < 20; i++)
        sp_phone_wait_state(a, sp_phone_send_four(a, "b", "x"), SP_STATE_DELIVERED, 300 * SP_SECOND);
    cr_assert_eq(b->got_n, (size_t)20);
    cr_assert_gt(sp_rig_stats(rig).acks_refused, refused);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
}
