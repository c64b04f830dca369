/* The verb verify, called as main.c calls it: exit codes and what it prints. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define LINE(e, rest) "{\"e\":\"" e "\",\"user\":\"a\",\"device\":1" rest "}\n"
#define RUN           LINE("run", "")
#define SEND          LINE("send", ",\"msgid\":\"1\",\"peer\":\"b\"")
#define TOLD(state)   LINE("told", ",\"msgid\":\"1\",\"state\":" state)

static char dir[] = "/tmp/sampan-verify-XXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(cmd_verify, .init = setup, .fini = teardown);

static void write_file(const char *name, const char *lines)
{
    FILE *f = fopen(name, "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(lines, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static int verify(const char *lines, const char *option)
{
    char *argv[] = {(char *)"verify", path, (char *)option, NULL};
    write_file(path, lines);
    return sp_cmd_verify(option != NULL ? 3 : 2, argv);
}

/* What was printed contains all of these. */
static void expect_printed(FILE *from, const char *const *parts, size_t n)
{
    char text[8192];
    (void)fflush(stdout);
    (void)fflush(stderr);
    size_t len = fread(text, 1, sizeof text - 1, from);
    text[len] = '\0';
    for (size_t i = 0; i < n; i++)
        cr_assert_not_null(strstr(text, parts[i]), "'%s' is not in: %s", parts[i], text);
}

Test(cmd_verify, clean)
{
    const char *const parts[] = {"events=3 sent=1 ok=1 failed=0 unknown=0", "violations=0",
                                 "not judged: G6(false receipt): needs --complete"};
    cr_assert_eq(verify(RUN SEND TOLD("1"), NULL), 0);
    expect_printed(cr_get_redirected_stdout(), parts, 3);
}

Test(cmd_verify, violated)
{
    const char *const parts[] = {
        "G5 receipt went down: told a lower state than before: a/1 0000000000000001 to b", "/log:4  against ",
        "/log:3\n", "violations=1"};
    cr_assert_eq(verify(RUN SEND TOLD("2") TOLD("1"), NULL), 1);
    expect_printed(cr_get_redirected_stdout(), parts, 4);
}

Test(cmd_verify, json)
{
    const char *const parts[] = {"{\"violation\":\"unhealed\",\"guarantee\":\"G3\",",
                                 "\"user\":\"a\",\"device\":1", "\"msgid\":\"0000000000000001\"",
                                 "\"at\":{\"line\":2,\"file\":\"", "{\"summary\":true,\"events\":2,"};
    char *argv[] = {(char *)"verify", path, (char *)"--json", (char *)"--healed", NULL};
    cr_assert_eq(verify(RUN SEND, NULL), 0);
    cr_assert_eq(sp_cmd_verify(4, argv), 1);
    expect_printed(cr_get_redirected_stdout(), parts, 5);
}

Test(cmd_verify, torn_and_damaged)
{
    const char *const parts[] = {":2: torn last line, left out", ":2: damaged: "};
    cr_assert_eq(verify(RUN "{\"e\":", NULL), 0);
    cr_assert_eq(verify(RUN "{\"e\":\n" SEND, NULL), 65);
    expect_printed(cr_get_redirected_stderr(), parts, 2);
}

Test(cmd_verify, usage_and_missing_files)
{
    char *argv[] = {(char *)"verify", (char *)"/nowhere/log", NULL};
    cr_assert_eq(sp_cmd_verify(2, argv), 69);
    cr_assert_eq(sp_cmd_verify(1, argv), 2);
    cr_assert_eq(verify(RUN, "--halfway"), 2);
    argv[1] = dir;
    cr_assert_eq(sp_cmd_verify(2, argv), 74, "a folder is no history");
}

/* A msgid may be given again when the first message that had it died before it was durable at its sender. The
 * order of the files on the command line must not matter. */
Test(cmd_verify, clients_are_read_before_gateways)
{
    static const char sender[] =
        RUN "{\"e\":\"send\",\"user\":\"a\",\"device\":1,\"msgid\":\"1\",\"peer\":\"b\",\"hash\":\"aa\","
            "\"len\":1}\n" RUN "{\"e\":\"send\",\"user\":\"a\",\"device\":1,\"msgid\":\"1\",\"peer\":\"b\","
            "\"hash\":\"bb\",\"len\":1}\n";
    static const char gateway[] =
        "{\"e\":\"start\",\"epoch\":\"7\"}\n"
        "{\"e\":\"stored\",\"user\":\"a\",\"device\":1,\"msgid\":\"1\",\"peer\":\"b\","
        "\"seq\":1,\"epoch\":\"7\",\"hash\":\"bb\",\"state\":1,\"commit\":1}\n";
    char other[80];
    (void)snprintf(other, sizeof other, "%s.gateway", path);
    write_file(other, gateway);
    write_file(path, sender);
    char *gateway_first[] = {(char *)"verify", other, path, NULL};
    cr_assert_eq(sp_cmd_verify(3, gateway_first), 0);
    char *client_first[] = {(char *)"verify", path, other, NULL};
    cr_assert_eq(sp_cmd_verify(3, client_first), 0);
}
