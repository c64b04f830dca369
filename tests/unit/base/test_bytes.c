/* bytes.h: big-endian, sticky errors, never a byte outside. */
#include "bytes.h"

#include "hex.h"

Test(bytes, reads_what_it_writes)
{
    uint8_t buf[64];
    struct sp_writer w = sp_bytes_writer(buf, sizeof buf);
    sp_bytes_put8(&w, 0x01);
    sp_bytes_put16(&w, 0x0203);
    sp_bytes_put32(&w, 0x04050607);
    sp_bytes_put48(&w, 0x08090a0b0c0d);
    sp_bytes_put64(&w, 0x0e0f101112131415);
    sp_bytes_put(&w, sp_bytes_view((const uint8_t *)"\x16\x17", 2));
    cr_assert_not(w.is_full);
    cr_assert_eq(w.len, 23);
    for (size_t i = 0; i < w.len; i++)
        cr_assert_eq(buf[i], i + 1, "byte %zu", i);

    uint8_t *exact = sp_hex_exact(buf, w.len);
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(exact, w.len));
    cr_assert_eq(sp_bytes_u8(&r), 0x01);
    cr_assert_eq(sp_bytes_u16(&r), 0x0203);
    cr_assert_eq(sp_bytes_u32(&r), 0x04050607);
    cr_assert_eq(sp_bytes_u48(&r), 0x08090a0b0c0d);
    cr_assert_eq(sp_bytes_u64(&r), 0x0e0f101112131415);
    cr_assert_eq(sp_bytes_take(&r, 2).p, exact + 21);
    cr_assert_eq(r.left, 0);
    cr_assert_not(r.is_bad);
    free(exact);
}

Test(bytes, every_short_read_sticks)
{
    static const size_t widths[] = {1, 2, 4, 6, 8};
    for (size_t i = 0; i < 5; i++) {
        for (size_t n = 0; n < widths[i]; n++) {
            uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
            uint8_t *exact = sp_hex_exact(ones, n);
            struct sp_reader r = sp_bytes_reader(sp_bytes_view(exact, n));
            cr_assert_eq(sp_bytes_uint(&r, widths[i]), 0);
            cr_assert(r.is_bad);
            cr_assert_eq(r.left, n, "a read that fails takes nothing");
            cr_assert_eq(sp_bytes_take(&r, 0).p, NULL, "nothing works after a failure");
            free(exact);
        }
    }
}

Test(bytes, copy_zeroes_what_is_missing)
{
    uint8_t in[3] = {1, 2, 3};
    uint8_t out[4] = {9, 9, 9, 9};
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(in, 3));
    sp_bytes_copy(&r, out, 4);
    cr_assert(r.is_bad);
    cr_assert_eq(out[0] | out[1] | out[2] | out[3], 0);
    r = sp_bytes_reader(sp_bytes_view(in, 3));
    sp_bytes_copy(&r, out, 3);
    cr_assert_not(r.is_bad);
    cr_assert_arr_eq(out, in, 3);
}

Test(bytes, empty_input_may_be_null)
{
    struct sp_reader r = sp_bytes_reader(sp_bytes_view(NULL, 0));
    uint8_t out[1];
    cr_assert_eq(sp_bytes_take(&r, 0).n, 0);
    sp_bytes_copy(&r, out, 0);
    cr_assert_not(r.is_bad);
    (void)sp_bytes_u8(&r);
    cr_assert(r.is_bad);
}

Test(bytes, writer_stops_at_its_room)
{
    for (size_t cap = 0; cap < 8; cap++) {
        uint8_t *room = sp_hex_exact((const uint8_t *)"\xee\xee\xee\xee\xee\xee\xee", cap);
        struct sp_writer w = sp_bytes_writer(room, cap);
        sp_bytes_put64(&w, UINT64_MAX);
        cr_assert(w.is_full);
        cr_assert_eq(w.len, 0);
        sp_bytes_put8(&w, 1);
        cr_assert_eq(w.len, 0, "nothing is written after a failure");
        for (size_t i = 0; i < cap; i++)
            cr_assert_eq(room[i], 0xee);
        free(room);
    }
}
