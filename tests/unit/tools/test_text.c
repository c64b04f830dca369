/* Values as people write them. */
#include <criterion/criterion.h>

#include "text.h"

Test(text, number)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        bool ok;
        uint64_t value;
    } rows[] = {
        {"0", 0, 9, true, 0},
        {"7400", 0, 65535, true, 7400},
        {"010", 0, 100, true, 10}, /* decimal: a leading zero means nothing */
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"99999999999999999999", 0, UINT64_MAX, false, 0},
        {"", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {"-1", 0, 9, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1.5", 0, 9, false, 0},
        {"10", 0, 9, false, 0},
        {"1", 2, 9, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t v = 77;
        cr_expect_eq(sp_text_number(rows[i].text, rows[i].min, rows[i].max, &v), rows[i].ok, "%s",
                     rows[i].text);
        cr_expect_eq(v, rows[i].ok ? rows[i].value : 77, "%s", rows[i].text);
    }
}

Test(text, duration)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t us;
        const char *printed;
    } rows[] = {
        {"10min", true, 600000000, "10min"},
        {"7d", true, INT64_C(604800000000), "7d"},
        {"24h", true, INT64_C(86400000000), "1d"},
        {"90s", true, 90000000, "90s"},
        {"30s", true, 30000000, "30s"},
        {"1500ms", true, 1500000, "1500ms"},
        {"5us", true, 5, "5us"},
        {"0", true, 0, "0"},
        {"0s", true, 0, "0"},
        {"36525d", true, INT64_C(3155760000000000), "36525d"},
        {"36526d", false, 0, NULL},
        {"10", false, 0, NULL},
        {"10 min", false, 0, NULL},
        {"10m", false, 0, NULL},
        {"min", false, 0, NULL},
        {"-1s", false, 0, NULL},
        {"1s1s", false, 0, NULL},
        {"10MIN", false, 0, NULL},
        {"99999999999999999999d", false, 0, NULL},
        {"", false, 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t us = 77;
        char printed[SP_TEXT_VALUE_MAX];
        cr_expect_eq(sp_text_duration(rows[i].text, &us), rows[i].ok, "%s", rows[i].text);
        cr_expect_eq(us, rows[i].ok ? rows[i].us : 77, "%s", rows[i].text);
        if (!rows[i].ok)
            continue;
        sp_text_print_duration(us, printed, sizeof printed);
        cr_expect_str_eq(printed, rows[i].printed);
    }
}

Test(text, size)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t bytes;
        const char *printed;
    } rows[] = {
        {"64MiB", true, UINT64_C(67108864), "64MiB"},
        {"16GiB", true, UINT64_C(17179869184), "16GiB"},
        {"1TiB", true, UINT64_C(1) << 40, "1TiB"},
        {"1024KiB", true, 1048576, "1MiB"},
        {"1000B", true, 1000, "1000B"},
        {"0", true, 0, "0"},
        {"16777215TiB", true, UINT64_C(16777215) << 40, "16777215TiB"},
        {"16777216TiB", false, 0, NULL},
        {"64", false, 0, NULL},
        {"64MB", false, 0, NULL},
        {"64mib", false, 0, NULL},
        {"1.5GiB", false, 0, NULL},
        {"MiB", false, 0, NULL},
        {"5000000000", false, 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t bytes = 77;
        char printed[SP_TEXT_VALUE_MAX];
        cr_expect_eq(sp_text_size(rows[i].text, &bytes), rows[i].ok, "%s", rows[i].text);
        cr_expect_eq(bytes, rows[i].ok ? rows[i].bytes : 77, "%s", rows[i].text);
        if (!rows[i].ok)
            continue;
        sp_text_print_size(bytes, printed, sizeof printed);
        cr_expect_str_eq(printed, rows[i].printed);
    }
}

Test(text, hex)
{
    const uint8_t bytes[3] = {0x00, 0xaf, 0xff};
    uint8_t back[3] = {1, 1, 1};
    char text[7];
    sp_text_hex_encode(bytes, 3, text);
    cr_assert_str_eq(text, "00afff");
    cr_assert(sp_text_hex_decode("00AFfF", back, 3));
    cr_assert_arr_eq(back, bytes, 3);
    static const char *const bad[] = {"", "00aff", "00afff0", "00afg0", " 0afff", "0x00af"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(sp_text_hex_decode(bad[i], back, 3), "%s", bad[i]);
    cr_assert_arr_eq(back, bytes, 3);
}

Test(text, nearest)
{
    static const char *const words[] = {"mailbox.count", "mailbox.bytes", "listen", "drain", "keys"};
    static const struct {
        const char *word, *near;
    } rows[] = {
        {"mailbox.cuont", "mailbox.count"}, /* a swap of neighbors is one change */
        {"mailbox.coun", "mailbox.count"},
        {"mailbox.bites", "mailbox.bytes"},
        {"lisen", "listen"},
        {"listenn", "listen"},
        {"kys", "keys"},
        {"key", "keys"},
        {"drian", "drain"},
        {"listen", "listen"},
        {"volume", NULL},
        {"xx", NULL},
        {"", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123456789", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *near = sp_text_nearest(rows[i].word, words, 5);
        if (rows[i].near == NULL)
            cr_expect_null(near, "%s", rows[i].word);
        else
            cr_expect(near != NULL && strcmp(near, rows[i].near) == 0, "%s", rows[i].word);
    }
}
