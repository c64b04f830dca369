/* Counters as text. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "keys.h"

#define NAME(name, help) #name,
static const char *const names[] = {SP_STATS(NAME)};
#undef NAME

static char dir[] = "/tmp/sampan-counters-XXXXXX";
static struct sp_server *s;

static void setup(void)
{
    struct sp_config_places places = {.store = "mem:"};
    struct sp_config_problems p = {.n = 0};
    struct sp_trouble t;
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(places.keys, sizeof places.keys, "%s/keys", dir);
    (void)snprintf(places.admin, sizeof places.admin, "%s/admin", dir);
    cr_assert_eq(sp_keys_create(places.keys, &t), 0);
    s = calloc(1, sizeof *s);
    cr_assert_not_null(s);
    sp_config_init(&s->config, &places);
    sp_config_set(&s->config, "listen", "127.0.0.1:0", SP_CONFIG_FLAG, "test", &p);
    sp_config_set(&s->config, "session.max", "10", SP_CONFIG_FLAG, "test", &p);
    cr_assert_eq(sp_server_open(s, &t), 0);
}

static void teardown(void)
{
    char command[64];
    sp_server_close(s);
    free(s);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(counters, .init = setup, .fini = teardown);

Test(counters, every_counter_of_the_core_has_a_line)
{
    char text[16384], line[80];
    size_t len = sp_counters_print(s, text, sizeof text - 1);
    text[len] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(line, sizeof line, "\n%s 0\n", names[i]);
        cr_expect_not_null(strstr(text, line), "%s", names[i]);
    }
    cr_expect_not_null(strstr(text, "\nstalls 0\n"));
    cr_expect_not_null(strstr(text, "\nudp_send_errors 0\n"));
    cr_expect_not_null(strstr(text, "\nstore_is_failed 0\n"));
}

Test(counters, what_does_not_fit_is_left_out_by_whole_lines)
{
    char text[201];
    size_t len = sp_counters_print(s, text, 200);
    cr_assert_leq(len, 200);
    cr_assert_gt(len, 150);
    cr_assert_eq(text[len - 1], '\n');
}
