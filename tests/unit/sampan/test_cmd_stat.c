/* The verb stat, called as main.c calls it, against a small server of this test. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

static char top[] = "/tmp/sampan-cmdstat-XXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(top));
    (void)snprintf(path, sizeof path, "%s/admin", top);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    (void)unlink(path);
    (void)rmdir(top);
}

TestSuite(cmd_stat, .init = setup, .fini = teardown);

static int call(const char *option)
{
    char *argv[] = {(char *)"stat", (char *)"--admin", path, (char *)option, NULL};
    return sp_cmd_stat(option != NULL ? 4 : 3, argv);
}

/* Answers one connection in a child process. */
static void serve(const char *answer)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    cr_assert_eq(listen(fd, 1), 0);
    if (fork() == 0) {
        char question[8] = "";
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int client = accept(fd, NULL, NULL);
        if (read(client, question, 5) == 5 && strcmp(question, "stat\n") == 0)
            (void)!write(client, answer, strlen(answer));
        _exit(0);
    }
    (void)close(fd);
}

Test(cmd_stat, lines)
{
    serve("turns 5\nstalls 0\n");
    cr_assert_eq(call(NULL), 0);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("turns 5\nstalls 0\n");
}

Test(cmd_stat, json)
{
    serve("turns 5\nstalls 0\n");
    cr_assert_eq(call("--json"), 0);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("{\"turns\":5,\"stalls\":0}\n");
}

Test(cmd_stat, an_error_is_told)
{
    serve("error unknown question; ask: stat\n");
    cr_assert_eq(call(NULL), 77);
    (void)fflush(stderr);
    cr_assert_stderr_eq_str("sampan stat: unknown question; ask: stat\n");
}

Test(cmd_stat, silence_and_absence)
{
    cr_assert_eq(call(NULL), 69);
    serve("");
    cr_assert_eq(call(NULL), 69);
    cr_assert_eq(call("--volume"), 2);
}
