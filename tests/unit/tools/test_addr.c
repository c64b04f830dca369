/* Addresses between text, sockets and struct sp_addr. */
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "addr.h"

Test(addr, parse_and_print)
{
    static const struct {
        const char *text;
        bool ok;
        const char *printed;
    } rows[] = {
        {"127.0.0.1:7400", true, "127.0.0.1:7400"},
        {"0.0.0.0:0", true, "0.0.0.0:0"},
        {"255.255.255.255:65535", true, "255.255.255.255:65535"},
        {"[::1]:7400", true, "[::1]:7400"},
        {"[2001:db8:0:0::7]:1", true, "[2001:db8::7]:1"},
        {"[::]:80", true, "[::]:80"},
        {"::1:7400", false, NULL}, /* which colon? */
        {"[127.0.0.1]:7400", false, NULL},
        {"127.0.0.1", false, NULL},
        {"127.0.0.1:", false, NULL},
        {"127.0.0.1:65536", false, NULL},
        {"127.0.0.1:-1", false, NULL},
        {"127.0.0.1:80 ", false, NULL},
        {"127.1:80", false, NULL},
        {"256.0.0.1:80", false, NULL},
        {"localhost:80", false, NULL}, /* numeric only */
        {"[::1]7400", false, NULL},
        {"[::1:7400", false, NULL},
        {"[]:7400", false, NULL},
        {":7400", false, NULL},
        {"", false, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_addr a = {.port = 9};
        char text[SP_ADDR_TEXT_MAX];
        cr_expect_eq(sp_addr_parse(rows[i].text, &a), rows[i].ok, "%s", rows[i].text);
        if (!rows[i].ok) {
            cr_expect_eq(a.port, 9);
            continue;
        }
        sp_addr_print(&a, text, sizeof text);
        cr_expect_str_eq(text, rows[i].printed);
    }
}

Test(addr, an_address_without_family_prints_a_dash)
{
    const struct sp_addr none = {.family = 0};
    struct sockaddr_storage ss;
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_print(&none, text, sizeof text);
    cr_assert_str_eq(text, "-");
    cr_assert_eq(sp_addr_to_sock(&none, &ss), 0);
}

Test(addr, sockets_and_back)
{
    static const char *const texts[] = {"10.1.2.3:7400", "[2001:db8::1]:65535"};
    for (size_t i = 0; i < 2; i++) {
        struct sp_addr a, back = {0};
        struct sockaddr_storage ss = {0};
        cr_assert(sp_addr_parse(texts[i], &a));
        cr_assert_gt(sp_addr_to_sock(&a, &ss), 0);
        cr_assert(sp_addr_from_sock(&ss, &back));
        cr_expect(sp_addr_is_equal(&a, &back));
    }
}

Test(addr, a_mapped_address_is_ipv4)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(7400)};
    struct sockaddr_storage ss = {0};
    struct sp_addr a = {0};
    char text[SP_ADDR_TEXT_MAX];
    v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
    v6.sin6_addr.s6_addr[12] = 10;
    v6.sin6_addr.s6_addr[15] = 9;
    memcpy(&ss, &v6, sizeof v6);
    cr_assert(sp_addr_from_sock(&ss, &a));
    sp_addr_print(&a, text, sizeof text);
    cr_assert_str_eq(text, "10.0.0.9:7400");
}

Test(addr, other_families_are_refused)
{
    struct sockaddr_storage ss = {.ss_family = AF_UNIX};
    struct sp_addr a = {.port = 5};
    cr_assert_not(sp_addr_from_sock(&ss, &a));
    cr_assert_eq(a.port, 5);
}

Test(addr, kinds)
{
    static const struct {
        const char *text;
        bool loopback, any;
    } rows[] = {
        {"127.0.0.1:1", true, false}, {"127.9.9.9:1", true, false},  {"10.0.0.1:1", false, false},
        {"0.0.0.0:1", false, true},   {"[::1]:1", true, false},      {"[::]:1", false, true},
        {"[::2]:1", false, false},    {"128.0.0.1:1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_addr a;
        cr_assert(sp_addr_parse(rows[i].text, &a));
        cr_expect_eq(sp_addr_is_loopback(&a), rows[i].loopback, "%s", rows[i].text);
        cr_expect_eq(sp_addr_is_any(&a), rows[i].any, "%s", rows[i].text);
    }
}

Test(addr, resolve)
{
    struct sp_addr a[4];
    struct sp_trouble t;
    size_t n = 0;
    cr_assert_eq(sp_addr_resolve("127.0.0.1:7400", a, 4, &n, &t), 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(sp_addr_resolve("localhost:7400", a, 4, &n, &t), 0);
    cr_assert_geq(n, 1);
    for (size_t i = 0; i < n; i++) {
        cr_expect(sp_addr_is_loopback(&a[i]));
        cr_expect_eq(a[i].port, 7400);
    }
    cr_assert_eq(sp_addr_resolve("no port", a, 4, &n, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_USAGE);
    cr_assert_str_eq(t.text, "'no port' is not HOST:PORT or [IPv6]:PORT");
    cr_assert_eq(sp_addr_resolve("nowhere.invalid:1", a, 4, &n, &t), -1); /* RFC 2606: never resolves */
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
}
