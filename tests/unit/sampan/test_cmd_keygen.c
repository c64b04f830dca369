/* The verb keygen, called as main.c calls it. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "keys.h"

static char top[] = "/tmp/sampan-keygen-XXXXXX";
static char dir[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(top));
    (void)snprintf(dir, sizeof dir, "%s/k", top);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

TestSuite(cmd_keygen, .init = setup, .fini = teardown);

static int call(const char *a, const char *b)
{
    char *argv[] = {(char *)"keygen", (char *)a, (char *)b, NULL};
    return sp_cmd_keygen(b != NULL ? 3 : a != NULL ? 2 : 1, argv);
}

Test(cmd_keygen, makes_refuses_and_rotates)
{
    struct sp_keys k;
    struct sp_trouble t;
    cr_expect_eq(call(dir, "--rotate"), 69, "nothing there yet");
    cr_expect_eq(call(dir, NULL), 0);
    cr_expect_eq(call(dir, NULL), 77);
    cr_expect_eq(call("--rotate", dir), 0);
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    cr_expect_eq(k.tokens.n, 2);
    cr_expect_eq(k.tokens.of[0].kid, 1);
    sp_keys_wipe(&k);
}

Test(cmd_keygen, usage)
{
    cr_expect_eq(call(NULL, NULL), 2);
    cr_expect_eq(call("a", "b"), 2);
    cr_expect_eq(call("--force", dir), 2);
}
