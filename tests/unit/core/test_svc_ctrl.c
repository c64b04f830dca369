/* Requests that this gateway does not serve get a definite answer. */
#include "world.h"

/* What a fresh session gets for a CTRL:R: the code of its CTRL:A. */
static uint8_t ask(uint32_t device, uint16_t rights, uint8_t op, struct sp_view map)
{
    struct sp_puppet *p = sp_puppet_create(rig, "a", device, rights);
    struct sp_frame f = {.kind = SP_KIND_CTRL_R, .u.ctrl = {.op = op, .id = 5, .map = map}};
    sp_puppet_connect(p);
    sp_puppet_send(p, &f);
    struct sp_frame_ctrl a = sp_puppet_wait(p, SP_KIND_CTRL_A, 1)->u.ctrl;
    cr_assert_eq(a.id, 5U);
    cr_assert_eq(a.map.n, 0, "an error has no map");
    sp_puppet_destroy(&p);
    return a.code;
}

Test(svc_ctrl, groups_and_settings, .init = setup, .fini = teardown)
{
    static const struct {
        uint8_t op;
        uint16_t rights;
        uint8_t code;
    } rows[] = {
        {1, 3, SP_CODE_BAD},       {2, 3, SP_CODE_BAD}, {3, 3, SP_CODE_FORBIDDEN}, {4, 3, SP_CODE_FORBIDDEN},
        {5, 3, SP_CODE_FORBIDDEN}, {6, 3, SP_CODE_BAD}, {9, 3, SP_CODE_FORBIDDEN}, {3, 11, SP_CODE_BAD},
    };
    static const uint8_t map[] = {0x81, 0x01, 0xc4, 0x01, 'g'};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t code = ask((uint32_t)i, rows[i].rights, rows[i].op, (struct sp_view){map, sizeof map});
        cr_assert_eq(code, rows[i].code, "row %zu", i);
    }
    cr_assert_eq(sp_rig_stats(rig).ctrl_refused, sizeof rows / sizeof rows[0]);
}

/* Story 30 first: a list of 2^32 - 1 elements.  A map that fails the scan is BAD whatever the rights are. */
Test(svc_ctrl, bytes_that_are_no_map, .init = setup, .fini = teardown)
{
    static const struct {
        uint8_t map[8];
        size_t n;
    } rows[] = {
        {{0xdd, 0xff, 0xff, 0xff, 0xff}, 5},
        {{0xdf, 0xff, 0xff, 0xff, 0xff}, 5},
        {{0}, 0},
        {{0x81, 0x01, 0x02, 0x00}, 4},
        {{0x82, 1, 1, 1, 1}, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t code = ask((uint32_t)i, 3, 3, (struct sp_view){rows[i].map, rows[i].n});
        cr_assert_eq(code, SP_CODE_BAD, "row %zu", i);
    }
}

Test(svc_ctrl, streams, .init = setup, .fini = teardown)
{
    static const struct {
        uint16_t rights;
        uint8_t code;
    } rows[] = {{3, 1}, {7, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_puppet *p = sp_puppet_create(rig, "a", (uint32_t)i, rows[i].rights);
        sp_puppet_connect(p);
        struct sp_frame f = {.kind = SP_KIND_STREAM_OPEN, .u.stream = {.stream = 1}};
        sp_puppet_send(p, &f);
        const struct sp_frame_stream *a = &sp_puppet_wait(p, SP_KIND_STREAM_RESET, 1)->u.stream;
        cr_assert_eq(a->stream, 1U);
        cr_assert_eq(a->code, rows[i].code);
        sp_puppet_destroy(&p);
    }
    cr_assert_eq(sp_rig_stats(rig).streams_refused, 2U);
}
