/* Addresses. */
#include <criterion/criterion.h>
#include <string.h>

#include "endpoint.h"

Test(endpoint, reads_and_prints)
{
    static const struct {
        const char *text, *printed;
        int family;
        unsigned port;
    } table[] = {
        {"127.0.0.1:7400", "127.0.0.1:7400", AF_INET, 7400},  {"0.0.0.0:0", "0.0.0.0:0", AF_INET, 0},
        {"10.1.2.3:65535", "10.1.2.3:65535", AF_INET, 65535}, {"[::1]:7400", "[::1]:7400", AF_INET6, 7400},
        {"[2001:db8::5]:1", "[2001:db8::5]:1", AF_INET6, 1},  {"localhost:99", "127.0.0.1:99", AF_INET, 99},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sp_endpoint e;
        struct sp_problem problem = {0};
        char text[SP_ENDPOINT_TEXT_MAX];
        cr_assert_eq(sp_endpoint_resolve(table[i].text, &e, &problem), 0, "%s", problem.text);
        cr_expect_eq(e.a.any.sa_family, table[i].family);
        cr_expect_eq(sp_endpoint_port(&e), table[i].port);
        sp_endpoint_print(&e, text, sizeof text);
        cr_expect_str_eq(text, table[i].printed);
    }
}

Test(endpoint, refuses)
{
    static const struct {
        const char *text;
        enum sp_problem_code code;
    } table[] = {
        {"", SP_PROBLEM_USAGE},
        {"127.0.0.1", SP_PROBLEM_USAGE},
        {"127.0.0.1:", SP_PROBLEM_USAGE},
        {":7400", SP_PROBLEM_USAGE},
        {"127.0.0.1:65536", SP_PROBLEM_USAGE},
        {"127.0.0.1:-1", SP_PROBLEM_USAGE},
        {"127.0.0.1:7x", SP_PROBLEM_USAGE},
        {"::1:7400", SP_PROBLEM_USAGE},
        {"[::1:7400", SP_PROBLEM_USAGE},
        {"[]:1", SP_PROBLEM_USAGE},
        {"[:1", SP_PROBLEM_USAGE},
        {"a:123456", SP_PROBLEM_USAGE},
        {"256.1.1.1.invalid:7400", SP_PROBLEM_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sp_endpoint e;
        struct sp_problem problem = {0};
        cr_assert_eq(sp_endpoint_resolve(table[i].text, &e, &problem), -1, "row %zu", i);
        cr_expect_eq(problem.code, table[i].code, "row %zu: %s", i, problem.text);
        cr_expect_gt(strlen(problem.text), 0);
    }
}

Test(endpoint, a_long_host_is_refused)
{
    char text[600];
    memset(text, 'a', sizeof text);
    memcpy(text + 590, ":7400", 6);
    struct sp_endpoint e;
    struct sp_problem problem = {0};
    cr_expect_eq(sp_endpoint_resolve(text, &e, &problem), -1);
    cr_expect_eq(problem.code, SP_PROBLEM_USAGE);
}

Test(endpoint, equality_and_hash)
{
    static const char *const texts[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1",
                                        "[::1]:1",     "[::1]:2",     "[::2]:1"};
    struct sp_endpoint e[6];
    struct sp_problem problem;
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(sp_endpoint_resolve(texts[i], &e[i], &problem), 0);
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            cr_expect_eq(sp_endpoint_is_equal(&e[i], &e[k]), i == k);
            cr_expect_eq(sp_endpoint_hash(&e[i]) == sp_endpoint_hash(&e[k]), i == k);
        }
    }
}

Test(endpoint, nothing_prints_as_a_dash)
{
    struct sp_endpoint e;
    char text[SP_ENDPOINT_TEXT_MAX];
    memset(&e, 0, sizeof e);
    sp_endpoint_print(&e, text, sizeof text);
    cr_expect_str_eq(text, "-");
    cr_expect_eq(sp_endpoint_size(&e), 0);
}
