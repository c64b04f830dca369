/* INIT by INIT: what each one costs, counts and gets (docs/protocol.md, section 2.3). */
#include "puppet.h"

#include "conf.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_rig *rig;

/* A world in which the gateway is old enough to take INITs without a cookie. */
static void setup(void)
{
    struct sp_rig_config cfg = {.seed = 7, .net = {.delay_us = 1000}, .gateway = {.sessions_max = 16}};
    rig = sp_rig_create(&cfg);
    sp_rig_run(rig, 60 * SP_SECOND);
}

static void teardown(void)
{
    sp_rig_destroy(&rig);
}

static const struct sp_addr stranger = {.ip = {192, 0, 2, 1}, .port = 9, .family = 4};

/* A valid INIT of a fresh user, as bytes; nothing is sent. */
static size_t make_init(struct sp_puppet **p, uint8_t *dst)
{
    *p = sp_puppet_create(rig, "u", 1, 3);
    sp_puppet_init(*p);
    memcpy(dst, (*p)->init, (*p)->init_len);
    (*p)->wants_init = false;
    return (*p)->init_len;
}

static void inject(const uint8_t *bytes, size_t n)
{
    sp_rig_inject(rig, &stranger, (struct sp_view){bytes, n});
    sp_rig_run(rig, SP_MS);
}

static uint64_t answered(void)
{
    uint64_t to, from;
    sp_rig_note_bytes(rig, &stranger, &to, &from);
    return to;
}

Test(admit, accepts_a_valid_init_and_confirms, .init = setup, .fini = teardown)
{
    struct sp_puppet *p = sp_puppet_create(rig, "u", 1, 3);
    sp_puppet_connect(p);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.handshakes_accepted, 1U);
    cr_assert_eq(st.sessions_confirmed, 1U);
    cr_assert_eq(p->retries, 0U);
    cr_assert(p->accept.early, "PAD only");
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)1);
    sp_puppet_destroy(&p);
}

/* Each row spoils one thing; the counter says which, and not a byte comes back. */
enum spoil { LENGTH, VERSION, CLEN, UNPADDED, TOKEN, PROOF, SEALED, KIND, EMPTY, LONG };

static void spoil(enum spoil what, uint8_t *init, size_t *n)
{
    switch (what) {
    case LENGTH:
        *n = SP_INIT_MIN - 1;
        break;
    case VERSION:
        init[1] = 2;
        break;
    case CLEN:
        init[38] = 7;
        break;
    case UNPADDED:
        *n = 1199;
        break;
    case TOKEN:
        init[39 + 100] ^= 1;
        break;
    case PROOF:
        init[*n - 1] ^= 1;
        break;
    case SEALED: /* below the proof: only a sender with the psk could do it, so it is a wrong proof as well */
        init[*n - 40] ^= 1;
        break;
    case KIND:
        init[0] = SP_FIRST_ACCEPT;
        break;
    case EMPTY:
        *n = 0;
        break;
    case LONG:
        *n = 1201;
        break;
    }
}

Test(admit, drops_with_one_counter_and_no_answer, .init = setup, .fini = teardown)
{
    static const struct {
        enum spoil what;
        size_t counter;
    } rows[] = {
        {LENGTH, offsetof(struct sp_stats, drop_short)},
        {VERSION, offsetof(struct sp_stats, drop_init_version)},
        {CLEN, offsetof(struct sp_stats, drop_init_version)},
        {UNPADDED, offsetof(struct sp_stats, drop_init_unpadded)},
        {TOKEN, offsetof(struct sp_stats, drop_init_token)},
        {PROOF, offsetof(struct sp_stats, drop_init_proof)},
        {SEALED, offsetof(struct sp_stats, drop_init_proof)},
        {KIND, offsetof(struct sp_stats, drop_kind)},
        {EMPTY, offsetof(struct sp_stats, drop_empty)},
        {LONG, offsetof(struct sp_stats, drop_long)},
    };
    struct sp_puppet *p;
    uint8_t good[SP_DATAGRAM_MAX + 1] = {0}, bad[SP_DATAGRAM_MAX + 1];
    size_t len = make_init(&p, good);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = len;
        uint64_t before, after;
        struct sp_stats st = sp_rig_stats(rig);
        memcpy(&before, (char *)&st + rows[i].counter, sizeof before);
        memcpy(bad, good, sizeof bad);
        spoil(rows[i].what, bad, &n);
        inject(bad, n);
        st = sp_rig_stats(rig);
        memcpy(&after, (char *)&st + rows[i].counter, sizeof after);
        cr_assert_eq(after, before + 1, "row %zu", i);
    }
    cr_assert_eq(answered(), 0U);
    cr_assert_eq(sp_rig_stats(rig).handshakes_accepted, 0U);
    sp_puppet_destroy(&p);
}

Test(admit, token_checks, .init = setup, .fini = teardown)
{
    static const struct {
        int32_t issued, expires; /* from now */
        uint16_t rights;
        uint8_t uid_len;
        bool good;
    } rows[] = {
        {0, 600, 3, 1, true},  {0, 0, 3, 1, false},   {61, 600, 3, 1, false}, {60, 600, 3, 1, true},
        {0, 600, 0, 1, false}, {0, 600, 4, 1, false}, {0, 600, 1, 1, true},   {0, 600, 2, 1, true},
    };
    const struct sp_gateway_keys *k = sp_rig_keys(rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_puppet *p = sp_puppet_create(rig, "u", 1 + (uint32_t)i, 3);
        struct sp_token t = {.issued = (uint32_t)(sp_rig_unix_s(rig) + rows[i].issued),
                             .expires = (uint32_t)(sp_rig_unix_s(rig) + rows[i].expires),
                             .device = 1 + (uint32_t)i,
                             .rights = rows[i].rights,
                             .uid_len = rows[i].uid_len,
                             .uid = "u"};
        memcpy(t.psk, p->psk, sizeof t.psk);
        cr_assert_eq(sp_token_seal(sp_rig_crypto(rig), &t, 0, k->tokens.of[0].key, (const uint8_t[24]){0},
                                   k->public, p->token),
                     0);
        sp_puppet_init(p);
        sp_rig_run(rig, 100 * SP_MS);
        cr_assert_eq(p->accepts, rows[i].good ? 1U : 0U, "row %zu", i);
        sp_puppet_destroy(&p);
    }
    cr_assert_eq(sp_rig_stats(rig).drop_init_token, 4U);
}

Test(admit, repeats_the_accept_three_times_to_the_same_address, .init = setup, .fini = teardown)
{
    struct sp_puppet *p;
    uint8_t init[SP_DATAGRAM_MAX];
    size_t n = make_init(&p, init);
    for (int i = 0; i < 6; i++)
        inject(init, n);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.handshakes_accepted, 1U);
    cr_assert_eq(st.init_repeated, 3U);
    cr_assert_eq(st.drop_init_repeat, 2U);
    cr_assert_eq(answered(), 4U * SP_ACCEPT_MIN);
    struct sp_addr elsewhere = stranger;
    elsewhere.port++;
    sp_rig_inject(rig, &elsewhere, (struct sp_view){init, n});
    sp_rig_run(rig, SP_MS);
    cr_assert_eq(sp_rig_stats(rig).drop_init_repeat, 3U);
    sp_puppet_destroy(&p);
}

Test(admit, half_open_sessions_end_after_five_seconds, .init = setup, .fini = teardown)
{
    struct sp_puppet *p;
    uint8_t init[SP_DATAGRAM_MAX];
    size_t n = make_init(&p, init);
    inject(init, n);
    sp_rig_run(rig, 6 * SP_SECOND);
    inject(init, n);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.drop_init_repeat, 1U, "its key is still known, its session is not");
    cr_assert_eq(st.handshakes_accepted, 1U);
    cr_assert_eq(st.sessions_confirmed, 0U);
    sp_puppet_destroy(&p);
}

Test(admit, a_source_over_its_rate_gets_retry, .init = setup, .fini = teardown)
{
    uint8_t junk[SP_DATAGRAM_MAX] = {SP_FIRST_INIT, 1};
    for (int i = 0; i < SP_CONF_INIT_BURST; i++)
        sp_rig_inject(rig, &stranger, (struct sp_view){junk, sizeof junk});
    sp_rig_run(rig, 0);
    cr_assert_eq(sp_rig_stats(rig).drop_init_token, (uint64_t)SP_CONF_INIT_BURST);
    cr_assert_eq(answered(), 0U);
    inject(junk, sizeof junk);
    cr_assert_eq(sp_rig_stats(rig).drop_init_rate, 1U);
    cr_assert_eq(answered(), (uint64_t)SP_RETRY_LEN);
}

Test(admit, a_cookie_helps_over_the_rate, .init = setup, .fini = teardown)
{
    uint8_t junk[SP_DATAGRAM_MAX] = {SP_FIRST_INIT, 1};
    struct sp_puppet *p = sp_puppet_create(rig, "u", 1, 3);
    struct sp_addr same_source = sp_rig_addr(rig, p->endpoint);
    same_source.port = 1;
    for (int i = 0; i < SP_CONF_INIT_BURST; i++)
        sp_rig_inject(rig, &same_source, (struct sp_view){junk, sizeof junk});
    sp_rig_run(rig, 0);
    sp_puppet_connect(p);
    cr_assert_eq(p->retries, 1U);
    cr_assert_lt(p->init_len, (size_t)SP_DATAGRAM_MAX, "an INIT with cookie needs no padding");
    sp_puppet_destroy(&p);
}

Test(admit, a_wrong_clock_costs_one_retry, .init = setup, .fini = teardown)
{
    static const struct {
        int64_t off;
        unsigned retries;
    } rows[] = {{0, 0}, {29, 0}, {-29, 0}, {32, 1}, {-32, 1}, {86400, 1}, {-86400, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_puppet *p = sp_puppet_create(rig, "u", 1 + (uint32_t)i, 3);
        p->clock_off_s = rows[i].off;
        sp_puppet_connect(p);
        cr_assert_eq(p->retries, rows[i].retries, "row %zu", i);
        sp_puppet_destroy(&p);
    }
}

Test(admit, a_young_gateway_wants_cookies)
{
    struct sp_rig_config cfg = {.seed = 8, .net = {.delay_us = 1000}};
    rig = sp_rig_create(&cfg);
    struct sp_puppet *p = sp_puppet_create(rig, "u", 1, 3);
    sp_puppet_connect(p);
    cr_assert_eq(p->retries, 1U);
    sp_puppet_destroy(&p);
    sp_rig_destroy(&rig);
}

Test(admit, a_device_opens_eight_and_then_one_a_second, .init = setup, .fini = teardown)
{
    struct sp_puppet *p = sp_puppet_create(rig, "u", 1, 3);
    for (int i = 0; i < 9; i++) {
        sp_puppet_init(p);
        sp_rig_run(rig, 10 * SP_MS);
    }
    cr_assert_eq(p->accepts, 8U);
    cr_assert_eq(sp_rig_stats(rig).drop_init_device, 1U);
    sp_puppet_destroy(&p);
}

Test(admit, the_oldest_half_open_session_of_a_device_goes, .init = setup, .fini = teardown)
{
    uint8_t init[3][SP_DATAGRAM_MAX];
    struct sp_puppet *p[3];
    for (int i = 0; i < 3; i++) {
        size_t n = make_init(&p[i], init[i]); /* one user and device, three handshakes */
        inject(init[i], n);
    }
    cr_assert_eq(sp_rig_stats(rig).handshakes_accepted, 3U);
    inject(init[0], SP_DATAGRAM_MAX);
    cr_assert_eq(sp_rig_stats(rig).init_repeated, 0U, "the first is gone");
    inject(init[1], SP_DATAGRAM_MAX);
    inject(init[2], SP_DATAGRAM_MAX);
    cr_assert_eq(sp_rig_stats(rig).init_repeated, 2U);
    for (int i = 0; i < 3; i++)
        sp_puppet_destroy(&p[i]);
}

Test(admit, confirmed_sessions_are_not_pushed_out, .init = setup, .fini = teardown)
{
    struct sp_puppet *p[18];
    for (uint32_t i = 0; i < 16; i++) {
        p[i] = sp_puppet_create(rig, "u", i, 3);
        sp_puppet_connect(p[i]);
    }
    for (uint32_t i = 16; i < 18; i++) {
        p[i] = sp_puppet_create(rig, "u", i, 3);
        sp_puppet_init(p[i]);
        sp_rig_run(rig, 100 * SP_MS);
        cr_assert_eq(p[i]->accepts, 0U);
    }
    cr_assert_eq(sp_rig_stats(rig).drop_init_full, 2U);
    cr_assert_eq(sp_gateway_sessions(sp_rig_gateway(rig)), (size_t)16);
    for (uint32_t i = 0; i < 18; i++)
        sp_puppet_destroy(&p[i]);
}

Test(admit, frames_in_an_init_are_not_processed, .init = setup, .fini = teardown)
{
    uint8_t frames[64];
    size_t len = 0;
    struct sp_frame f = {.kind = SP_KIND_STATUS_R, .u.status_r = {.id = 1, .n = 1, .msgids = {{5}}}};
    cr_assert_eq(sp_wire_encode(&f, frames, sizeof frames, &len), 0);
    struct sp_puppet *p = sp_puppet_create(rig, "u", 1, 3);
    p->early_frames = (struct sp_view){frames, len};
    sp_puppet_connect(p);
    cr_assert_not(p->accept.early);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_puppet_note(p, SP_KIND_STATUS_A), (size_t)0);
    frames[0] = SP_KIND_STATUS_A; /* goes down only: does not parse */
    sp_puppet_init(p);
    sp_rig_run(rig, SP_SECOND);
    cr_assert_eq(sp_rig_stats(rig).drop_init_sealed, 1U);
    sp_puppet_destroy(&p);
}

Test(admit, resets_for_ids_of_ours_at_a_bounded_rate, .init = setup, .fini = teardown)
{
    uint8_t data[30] = {SP_FIRST_DATA}, random[5] = {1, 2, 3, 4, 5};
    sp_cookie_cid(sp_rig_crypto(rig), &sp_rig_keys(rig)->cids, 0, random, data + 1);
    for (int i = 0; i < 30; i++)
        sp_rig_inject(rig, &stranger, (struct sp_view){data, sizeof data});
    sp_rig_run(rig, 0);
    struct sp_stats st = sp_rig_stats(rig);
    cr_assert_eq(st.drop_cid, 30U);
    cr_assert_eq(st.resets_sent, (uint64_t)SP_CONF_RESET_BURST);
    cr_assert_eq(answered(), (uint64_t)SP_CONF_RESET_BURST * SP_RESET_LEN);
    inject(data, 26);
    cr_assert_eq(sp_rig_stats(rig).drop_short, 1U);
    sp_rig_run(rig, SP_SECOND);
    data[8] ^= 1; /* not our check */
    inject(data, sizeof data);
    cr_assert_eq(sp_rig_stats(rig).resets_sent, (uint64_t)SP_CONF_RESET_BURST);
    cr_assert_eq(sp_rig_stats(rig).drop_cid, 31U);
}
