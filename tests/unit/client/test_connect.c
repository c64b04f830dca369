/* Getting a session: the timers of docs/protocol.md, section 5.5, RETRY, time, tokens and tickets. */
#include "connect.h"

#include "mint.h"

#include <sampan/err.h>

#define UNIX 1700000000
#define LIFE 600

struct rig {
    struct mint mint;
    struct sp_rng rng;
    struct sp_connect c;
    uint8_t buf[SP_DATAGRAM_MAX];
    struct sp_datagram out;
    sp_time now;
};

static struct rig *open_rig_at(int64_t unix_s, size_t addrs_n)
{
    static struct rig r;
    uint8_t seed[32] = {1}, blob[SP_BLOB_MAX];
    r = (struct rig){.now = 10 * SP_SECOND};
    mint_init(&r.mint);
    sp_rng_init(&r.rng, r.mint.crypto, seed);
    size_t len = mint_blob(&r.mint, "ann", UNIX, LIFE, addrs_n, blob, sizeof blob);
    cr_assert_eq(sp_connect_init(&r.c, r.mint.crypto, &r.rng, (struct sp_view){blob, len}, unix_s, r.now), 0);
    return &r;
}

static struct rig *open_rig(void)
{
    return open_rig_at(UNIX + 1, 3);
}

/* Sends if something is due now. */
static bool send(struct rig *r)
{
    r->out = (struct sp_datagram){.p = r->buf, .cap = sizeof r->buf};
    return sp_connect_transmit(&r->c, &r->out, r->now) == 0;
}

/* Waits for the next INIT and sends it. */
static void wait_init(struct rig *r)
{
    do {
        sp_time due = sp_connect_deadline(&r->c);
        cr_assert_neq(due, SP_NEVER);
        if (due > r->now)
            r->now = due;
    } while (!send(r));
}

/* Asks for a session, and opens the INIT as a gateway at now_s. */
static void ask(struct rig *r, uint32_t now_s, struct mint_visit *v)
{
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_assert_eq(mint_open(&r->mint, r->buf, r->out.len, now_s, v), 0);
}

/* Gets a session from a gateway at now_s, whose ACCEPT says said_s.  Returns the time that the INIT said. */
static uint32_t get_session(struct rig *r, uint32_t now_s, uint32_t said_s)
{
    struct mint_visit v;
    struct sp_accept said;
    struct sp_session_keys keys;
    struct sp_connect_session got;
    uint8_t accept[SP_DATAGRAM_MAX];
    ask(r, now_s, &v);
    size_t len = mint_accept(&r->mint, &v, said_s, accept, &said, &keys);
    cr_assert_eq(sp_connect_accept(&r->c, accept, len, &got, r->now), 0);
    return v.init.time_s;
}

static bool is_near(sp_time got, sp_time want, int percent)
{
    return got >= want - want * percent / 100 && got <= want + want * percent / 100;
}

Test(connect, copies_and_back_off)
{
    static const sp_time copies[] = {0, 400 * SP_MS, SP_SECOND, 2 * SP_SECOND};
    static const sp_time attempts[] = {4 * SP_SECOND, 8 * SP_SECOND, 15 * SP_SECOND, 15 * SP_SECOND};
    struct rig *r = open_rig();
    uint8_t before[SP_DATAGRAM_MAX] = {0};
    cr_expect_not(send(r), "nothing is wanted");
    cr_expect_eq(sp_connect_deadline(&r->c), SP_NEVER);
    sp_connect_start(&r->c, 0, r->now);
    for (size_t a = 0; a < 4; a++) {
        sp_time started = 0;
        uint8_t first[SP_DATAGRAM_MAX];
        for (size_t k = 0; k < 4; k++) {
            wait_init(r);
            cr_expect_eq(r->out.len, SP_DATAGRAM_MAX, "padded");
            cr_expect_eq(r->out.peer.ip[3], 1 + a % 3, "the next address each time");
            if (k == 0) {
                started = r->now;
                memcpy(first, r->buf, sizeof first);
                cr_expect_neq(memcmp(first + 2, before + 2, 32), 0, "a new e");
            }
            cr_expect_eq(memcmp(first, r->buf, sizeof first), 0, "copies are byte-identical");
            cr_expect(is_near(r->now - started, copies[k], 10), "copy %zu after %ld", k,
                      (long)(r->now - started));
        }
        cr_expect_not(send(r));
        cr_expect(is_near(sp_connect_deadline(&r->c) - started, attempts[a], 20), "attempt %zu", a);
        memcpy(before, first, sizeof before);
    }
}

Test(connect, accept_gives_both_ends_the_same_keys)
{
    struct rig *r = open_rig();
    struct mint_visit v;
    struct sp_accept said;
    struct sp_session_keys theirs;
    struct sp_connect_session got;
    uint8_t accept[SP_DATAGRAM_MAX], bad[SP_DATAGRAM_MAX];
    ask(r, UNIX, &v);
    cr_expect_eq(v.init.time_s, UNIX + 1);
    cr_expect_eq(v.token.uid_len, 3);
    size_t len = mint_accept(&r->mint, &v, UNIX + 50, accept, &said, &theirs);
    for (size_t i = 0; i < len; i += 7) {
        memcpy(bad, accept, len);
        bad[i] ^= 1;
        if (i > 0)
            cr_expect_neq(sp_connect_accept(&r->c, bad, len, &got, r->now), 0, "byte %zu", i);
    }
    cr_expect_neq(sp_connect_accept(&r->c, accept, 10, &got, r->now), 0);
    cr_assert_eq(sp_connect_accept(&r->c, accept, len, &got, r->now), 0, "forgeries did no harm");
    cr_expect_eq(memcmp(&theirs, &got.keys, sizeof theirs), 0);
    cr_expect_eq(memcmp(got.accept.cid, said.cid, 8), 0);
    cr_expect_eq(memcmp(got.accept.reset, said.reset, 16), 0);
    cr_expect(got.accept.early);
    cr_expect_eq(got.peer.ip[3], 1);
    cr_expect_eq(sp_connect_deadline(&r->c), SP_NEVER);
    cr_expect_eq(sp_connect_accept(&r->c, accept, len, &got, r->now), SP_EAUTH, "no INIT is out");
}

Test(connect, accept_tells_the_time)
{
    struct rig *r = open_rig_at(UNIX - 86400, 1); /* a clock a day behind: `issued` is better */
    struct mint_visit v;
    cr_expect_eq(get_session(r, UNIX + 200, UNIX + 200), UNIX);
    sp_connect_note_confirmed(&r->c);
    r->now += 30 * SP_SECOND;
    ask(r, UNIX + 230, &v);
    cr_expect_eq(v.init.time_s, UNIX + 230);
}

Test(connect, retry_gets_its_cookie_back_at_once)
{
    struct rig *r = open_rig();
    struct mint_visit v;
    uint8_t cookie[SP_COOKIE_LEN], retry[64], first[SP_DATAGRAM_MAX];
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    memcpy(first, r->buf, sizeof first);
    memset(cookie, 5, sizeof cookie);
    size_t len = mint_retry(r->buf, cookie, retry);
    cr_expect_eq(sp_connect_retry(&r->c, retry, len - 1, r->now), SP_EMALFORMED);
    retry[1] ^= 1;
    cr_expect_eq(sp_connect_retry(&r->c, retry, len, r->now), SP_EAUTH, "the wrong echo");
    cr_expect_not(send(r));
    retry[1] ^= 1;
    cr_expect_eq(sp_connect_retry(&r->c, retry, len, r->now), 0);
    cr_assert(send(r), "at once");
    cr_expect_lt(r->out.len, SP_DATAGRAM_MAX, "a cookie needs no padding");
    cr_expect_eq(r->out.peer.ip[3], 1, "to the same address");
    cr_expect_neq(memcmp(first + 2, r->buf + 2, 32), 0, "a changed INIT has a new e");
    cr_assert_eq(mint_open(&r->mint, r->buf, r->out.len, UNIX, &v), 0);
    cr_expect_eq(v.init.cookie.n, SP_COOKIE_LEN);
    cr_expect_eq(memcmp(v.init.cookie.p, cookie, SP_COOKIE_LEN), 0);
    sp_time since = r->now;
    wait_init(r);
    cr_expect(is_near(r->now - since, 400 * SP_MS, 10), "the copies start anew");
    cr_expect_eq(sp_connect_retry(&r->c, retry, len, r->now), SP_EAUTH, "the same RETRY again");
}

Test(connect, three_retries_per_attempt)
{
    struct rig *r = open_rig();
    uint8_t cookie[SP_COOKIE_LEN] = {0}, retry[64];
    sp_connect_start(&r->c, 0, r->now);
    for (int attempt = 0; attempt < 2; attempt++) {
        wait_init(r);
        cr_expect_eq(r->out.len, SP_DATAGRAM_MAX, "the next attempt has no cookie (ruling 16)");
        for (int i = 0; i < 3; i++) {
            size_t len = mint_retry(r->buf, cookie, retry);
            cr_expect_eq(sp_connect_retry(&r->c, retry, len, r->now), 0);
            cr_assert(send(r));
        }
        size_t len = mint_retry(r->buf, cookie, retry);
        cr_expect_eq(sp_connect_retry(&r->c, retry, len, r->now), SP_EAUTH, "the fourth");
        for (int i = 0; i < 3; i++)
            wait_init(r);
    }
}

Test(connect, beside_a_dark_session)
{
    static const sp_time waits[] = {5, 10, 20, 40, 60, 60};
    struct rig *r = open_rig();
    sp_connect_spare(&r->c, r->now);
    cr_expect_not(send(r));
    for (size_t i = 0; i < 6; i++) {
        sp_time since = r->now;
        wait_init(r);
        cr_expect(is_near(r->now - since, waits[i] * SP_SECOND, 20), "%zu: %ld", i, (long)(r->now - since));
        cr_expect_not(send(r));
    }
    sp_connect_stop(&r->c);
    cr_expect_eq(sp_connect_deadline(&r->c), SP_NEVER);
    sp_connect_note_confirmed(&r->c);
    sp_connect_start(&r->c, 0, r->now);
    cr_expect(send(r));
}

Test(connect, sessions_that_are_never_confirmed_back_off)
{
    struct rig *r = open_rig();
    (void)get_session(r, UNIX, UNIX);
    sp_connect_start(&r->c, 0, r->now);
    cr_expect_geq(sp_connect_deadline(&r->c), r->now + 4 * SP_SECOND,
                  "no storm against a gateway that resets");
    sp_connect_note_confirmed(&r->c);
    sp_connect_start(&r->c, 0, r->now);
    cr_expect_leq(sp_connect_deadline(&r->c), r->now);
    sp_connect_later(&r->c, r->now);
    cr_expect(is_near(sp_connect_deadline(&r->c) - r->now, 4 * SP_SECOND, 20));
    sp_connect_later(&r->c, r->now);
    cr_expect(is_near(sp_connect_deadline(&r->c) - r->now, 8 * SP_SECOND, 20));
}

Test(connect, an_expired_blob_is_told_once_and_tried_on_a_guessed_time)
{
    struct rig *r = open_rig_at(UNIX + 86400, 1); /* is the blob old, or the clock wrong? */
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_expect(sp_connect_take_wants_token(&r->c));
    for (int i = 0; i < 4; i++)
        wait_init(r);
    cr_expect_not(sp_connect_take_wants_token(&r->c));
    uint8_t blob[SP_BLOB_MAX];
    size_t len = mint_blob(&r->mint, "ann", UNIX + 86400 * 2, LIFE, 1, blob, sizeof blob);
    cr_expect_eq(sp_connect_token(&r->c, (struct sp_view){blob, len - 1}, r->now), SP_EMALFORMED);
    cr_assert_eq(sp_connect_token(&r->c, (struct sp_view){blob, len}, r->now), 0);
    sp_connect_note_confirmed(&r->c); /* a new blob ends the back-off */
    struct mint_visit v;
    ask(r, UNIX + 86400 * 2, &v);
    cr_expect_eq(v.init.time_s, UNIX + 86400 * 2, "its time of issue is no guess about the past");
    cr_expect_not(sp_connect_take_wants_token(&r->c));
}

Test(connect, an_expired_blob_stops_when_the_gateway_told_the_time)
{
    struct rig *r = open_rig();
    (void)get_session(r, UNIX, UNIX);
    sp_connect_note_confirmed(&r->c);
    r->now += LIFE * SP_SECOND;
    sp_connect_start(&r->c, 0, r->now);
    cr_expect_not(send(r));
    cr_expect_eq(sp_connect_deadline(&r->c), SP_NEVER);
    cr_expect(sp_connect_take_wants_token(&r->c));
}

/* A new blob, and a session is wanted with it. */
static void give_blob(struct rig *r, uint32_t issued)
{
    uint8_t blob[SP_BLOB_MAX];
    size_t len = mint_blob(&r->mint, "ann", issued, LIFE, 1, blob, sizeof blob);
    cr_assert_eq(sp_connect_token(&r->c, (struct sp_view){blob, len}, r->now), 0);
    sp_connect_start(&r->c, 0, r->now);
}

Test(connect, a_new_blob_is_tried_before_the_next_is_asked_for)
{
    struct rig *r = open_rig_at(UNIX + 86400, 1); /* the clock is a day ahead */
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_expect(sp_connect_take_wants_token(&r->c));
    for (uint32_t i = 1; i < 5; i++) {
        give_blob(r, UNIX + i);
        wait_init(r);
        cr_expect_not(sp_connect_take_wants_token(&r->c), "the first attempt with it");
    }
    while (!sp_connect_take_wants_token(&r->c))
        wait_init(r);
    cr_expect_eq(r->c.copies, 1, "the second");
}

Test(connect, a_new_blob_that_seems_to_have_expired_corrects_the_time)
{
    struct rig *r = open_rig();
    (void)get_session(r, UNIX, UNIX + 86400); /* wrong for that moment */
    give_blob(r, UNIX + 5);
    wait_init(r);
    cr_expect_not(sp_connect_take_wants_token(&r->c));
}

Test(connect, a_blob_that_expires_untried_is_asked_for_again)
{
    struct rig *r = open_rig();
    (void)get_session(r, UNIX, UNIX);
    sp_connect_note_confirmed(&r->c);
    give_blob(r, UNIX);
    sp_connect_stop(&r->c); /* a session is there */
    r->now += LIFE * SP_SECOND;
    sp_connect_start(&r->c, 0, r->now);
    cr_expect_not(send(r));
    cr_expect(sp_connect_take_wants_token(&r->c));
}

/* Gives the client a ticket, which the gateway would open like a token of version 2. */
static void give_ticket(struct rig *r, uint32_t life_s)
{
    struct sp_frame_ticket t = {.life_s = life_s};
    memset(t.psk, 0x33, sizeof t.psk);
    memset(t.ticket, 0x44, sizeof t.ticket);
    sp_connect_ticket(&r->c, &t, r->now);
}

static bool has_ticket(const struct rig *r)
{
    struct sp_init init;
    cr_assert_eq(sp_handshake_parse((struct sp_view){r->buf, r->out.len}, &init), 0);
    return init.token[0] == 0x44;
}

Test(connect, a_ticket_goes_before_an_older_blob_and_after_a_newer_one)
{
    struct rig *r = open_rig();
    uint8_t blob[SP_BLOB_MAX];
    give_ticket(r, 7 * 86400);
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_expect(has_ticket(r));
    size_t len = mint_blob(&r->mint, "ann", UNIX + 5, LIFE, 1, blob, sizeof blob);
    cr_assert_eq(sp_connect_token(&r->c, (struct sp_view){blob, len}, r->now), 0);
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_expect_not(has_ticket(r));
    give_ticket(r, 20);
    r->now += 20 * SP_SECOND;
    sp_connect_note_confirmed(&r->c);
    sp_connect_start(&r->c, 0, r->now);
    wait_init(r);
    cr_expect_not(has_ticket(r), "its life counts from receipt");
}

Test(connect, a_ticket_that_meets_silence_twice_is_dropped)
{
    struct rig *r = open_rig_at(UNIX + 86400, 1);
    give_ticket(r, 7 * 86400);
    sp_connect_start(&r->c, 0, r->now);
    for (int i = 0; i < 8; i++) {
        wait_init(r);
        cr_expect(has_ticket(r), "two attempts of four copies");
    }
    cr_expect_not(sp_connect_take_wants_token(&r->c));
    wait_init(r);
    cr_expect_not(has_ticket(r));
    cr_expect(sp_connect_take_wants_token(&r->c), "the blob has expired: the app is asked");
}

Test(connect, a_key_that_is_none)
{
    struct rig *r = open_rig();
    memset(r->c.blob.gateway_pk, 0, sizeof r->c.blob.gateway_pk);
    sp_connect_start(&r->c, 0, r->now);
    cr_expect_not(send(r));
    cr_expect(sp_connect_take_wants_token(&r->c));
    cr_expect_eq(sp_connect_deadline(&r->c), SP_NEVER);
}
