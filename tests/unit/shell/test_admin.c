/* The admin socket, with real clients in the same loop. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "sys.h"

static char dir[] = "/tmp/sampan-admin-XXXXXX";
static char path[64];
static struct ev_loop *loop;
static struct sp_admin *admin;

static size_t give(void *self, const char *question, char *dst, size_t cap)
{
    (void)self;
    if (strcmp(question, "stat") == 0)
        return (size_t)snprintf(dst, cap, "turns 5\n");
    if (strcmp(question, "long") == 0) {
        memset(dst, 'x', cap);
        return cap;
    }
    return 0;
}

static void setup(void)
{
    struct sp_trouble t;
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/sub/admin", dir);
    loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    cr_assert_eq(sp_admin_open(&admin, path, loop, give, NULL, &t), 0);
}

static void teardown(void)
{
    char command[64];
    sp_admin_close(&admin);
    ev_loop_destroy(loop);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(admin, .init = setup, .fini = teardown);

static int dial(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    return fd;
}

/* Lets the loop handle what is there. */
static void spin(void)
{
    for (int i = 0; i < 5; i++)
        (void)ev_run(loop, EVRUN_NOWAIT);
}

/* Everything until the server closes; -1 when it has not. */
static ssize_t read_to_end(int fd, char *dst, size_t cap)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, dst + len, cap - len);
        if (n < 0 && errno == EAGAIN)
            return -1;
        if (n < 0)
            return -2;
        if (n == 0)
            return (ssize_t)len;
        len += (size_t)n;
    }
}

Test(admin, the_socket_is_private)
{
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert(S_ISSOCK(st.st_mode));
    cr_assert_eq(st.st_mode & 07777, 0600);
}

Test(admin, questions_and_answers)
{
    static const struct {
        const char *question, *answer;
    } rows[] = {
        {"stat\n", "turns 5\n"},
        {"stat\r\n", "turns 5\n"},
        {"stat \n", "error unknown question; ask: stat\n"},
        {"reboot\n", "error unknown question; ask: stat\n"},
        {"\n", "error unknown question; ask: stat\n"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "error unknown question; ask: stat\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char answer[256] = "";
        int fd = dial();
        cr_assert_eq(write(fd, rows[i].question, strlen(rows[i].question)),
                     (ssize_t)strlen(rows[i].question));
        spin();
        cr_expect_geq(read_to_end(fd, answer, sizeof answer - 1), 0);
        cr_expect_str_eq(answer, rows[i].answer);
        (void)close(fd);
    }
}

Test(admin, a_question_may_come_in_pieces_or_end_with_the_stream)
{
    char answer[256] = "";
    int fd = dial();
    cr_assert_eq(write(fd, "st", 2), 2);
    spin();
    cr_assert_eq(read_to_end(fd, answer, sizeof answer), -1, "still waiting");
    cr_assert_eq(write(fd, "at", 2), 2);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    spin();
    cr_assert_eq(read_to_end(fd, answer, sizeof answer), 8);
    (void)close(fd);
}

Test(admin, a_long_answer_waits_for_its_reader)
{
    static char answer[2 * SP_ADMIN_ANSWER_MAX];
    int small = 1, fd = dial();
    size_t len = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    cr_assert_eq(write(fd, "long\n", 5), 5);
    for (int i = 0; i < 100; i++) {
        ssize_t n = 0;
        spin();
        n = read(fd, answer + len, 1000);
        if (n == 0)
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    cr_assert_eq(len, SP_ADMIN_ANSWER_MAX);
    (void)close(fd);
}

Test(admin, the_ninth_client_is_turned_away_and_the_eight_are_served)
{
    char answer[64] = "";
    int fds[SP_ADMIN_CLIENTS_MAX + 1];
    for (size_t i = 0; i <= SP_ADMIN_CLIENTS_MAX; i++) {
        fds[i] = dial();
        spin();
    }
    cr_assert_eq(read_to_end(fds[SP_ADMIN_CLIENTS_MAX], answer, sizeof answer), 0);
    for (size_t i = 0; i < SP_ADMIN_CLIENTS_MAX; i++) {
        cr_assert_eq(write(fds[i], "stat\n", 5), 5);
        spin();
        cr_expect_eq(read_to_end(fds[i], answer, sizeof answer), 8);
        (void)close(fds[i]);
    }
    (void)close(fds[SP_ADMIN_CLIENTS_MAX]);
}

Test(admin, a_silent_client_is_ended_after_five_seconds)
{
    char answer[64];
    int fd = dial();
    spin();
    sp_admin_tick(admin, sp_sys_now() + 4 * SP_SECOND);
    cr_assert_eq(read_to_end(fd, answer, sizeof answer), -1);
    sp_admin_tick(admin, sp_sys_now() + 6 * SP_SECOND);
    cr_assert_eq(read_to_end(fd, answer, sizeof answer), 0);
    (void)close(fd);
}

Test(admin, a_client_that_goes_away_frees_its_place)
{
    for (int i = 0; i < 3 * SP_ADMIN_CLIENTS_MAX; i++) {
        int fd = dial();
        spin();
        (void)close(fd);
        spin();
    }
    char answer[64];
    int fd = dial();
    cr_assert_eq(write(fd, "stat\n", 5), 5);
    spin();
    cr_assert_eq(read_to_end(fd, answer, sizeof answer), 8);
    (void)close(fd);
}

Test(admin, another_user_is_turned_away)
{
    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(chmod(dir, 0755), 0);
    char sub[64];
    (void)snprintf(sub, sizeof sub, "%s/sub", dir);
    cr_assert_eq(chmod(sub, 0755), 0);
    cr_assert_eq(chmod(path, 0666), 0); /* the peer check must hold without the mode */
    cr_assert_eq(seteuid(12345), 0);
    int fd = dial();
    (void)write(fd, "stat\n", 5);
    cr_assert_eq(seteuid(0), 0);
    char answer[64];
    spin();
    cr_assert_leq(read_to_end(fd, answer, sizeof answer), 0);
    (void)close(fd);
}

Test(admin, a_living_socket_stays_and_a_dead_one_is_replaced)
{
    struct sp_admin *second = NULL;
    struct sp_trouble t;
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    cr_assert_eq(sp_admin_open(&second, path, loop, give, NULL, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNKNOWN);
    (void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s/dead", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    (void)close(fd);
    cr_assert_eq(sp_admin_open(&second, sun.sun_path, loop, give, NULL, &t), 0);
    sp_admin_close(&second);
    cr_assert_eq(access(sun.sun_path, F_OK), -1, "removed at the end");
}

Test(admin, close_leaves_the_socket_of_a_successor)
{
    struct sp_admin *second = NULL;
    struct sp_trouble t;
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(sp_admin_open(&second, path, loop, give, NULL, &t), 0);
    sp_admin_close(&admin);
    cr_assert_eq(access(path, F_OK), 0);
    sp_admin_close(&second);
}

Test(admin, bad_paths)
{
    struct sp_admin *a = NULL;
    struct sp_trouble t;
    char file[64], text[200];
    (void)snprintf(file, sizeof file, "%s/file", dir);
    (void)close(open(file, O_CREAT | O_WRONLY, 0600));
    cr_assert_eq(sp_admin_open(&a, file, loop, give, NULL, &t), -1);
    cr_expect_eq(t.code, SP_EXIT_CONFIG, "a file that is no socket is never removed");
    cr_assert_eq(access(file, F_OK), 0);
    memset(text, 'x', sizeof text - 1);
    text[0] = '/';
    text[sizeof text - 1] = '\0';
    cr_assert_eq(sp_admin_open(&a, text, loop, give, NULL, &t), -1);
    cr_expect_eq(t.code, SP_EXIT_CONFIG);
    (void)snprintf(text, sizeof text, "%s/file/admin", dir);
    cr_assert_eq(sp_admin_open(&a, text, loop, give, NULL, &t), -1);
}
