/* Questions to an admin socket, answered by a real socket of this test. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adminask.h"

struct server {
    char path[108];
    int fd;
    const char *answer;
    char question[64];
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    ssize_t n = read(fd, s->question, sizeof s->question - 1);
    s->question[n > 0 ? n : 0] = '\0';
    ssize_t written = write(fd, s->answer, strlen(s->answer));
    (void)close(fd);
    return written >= 0 ? s : NULL;
}

static int ask(const char *answer, char *dst, size_t cap, struct sp_trouble *t)
{
    char dir[] = "/tmp/sampan-ask-XXXXXX";
    struct server s = {.answer = answer};
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    pthread_t thread;
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(s.path, sizeof s.path, "%s/admin", dir);
    memcpy(sun.sun_path, s.path, sizeof s.path);
    s.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(s.fd, (struct sockaddr *)&sun, sizeof sun), 0);
    cr_assert_eq(listen(s.fd, 1), 0);
    cr_assert_eq(pthread_create(&thread, NULL, serve, &s), 0);
    int rc = sp_adminask(s.path, "stat\n", dst, cap, t);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_str_eq(s.question, "stat\n");
    (void)close(s.fd);
    (void)unlink(s.path);
    (void)rmdir(dir);
    return rc;
}

Test(adminask, the_whole_answer_and_its_values)
{
    char answer[256];
    struct sp_trouble t;
    cr_assert_eq(ask("pulls 3\npulls_refused 14\nlast 1", answer, sizeof answer, &t), 0);
    cr_assert_eq(sp_adminask_value(answer, "pulls"), 3);
    cr_assert_eq(sp_adminask_value(answer, "pulls_refused"), 14);
    cr_assert_eq(sp_adminask_value(answer, "last"), 1);
    cr_assert_eq(sp_adminask_value(answer, "pull"), 0);
}

Test(adminask, an_error_is_a_refusal)
{
    char answer[256];
    struct sp_trouble t;
    cr_assert_eq(ask("error not for you\n", answer, sizeof answer, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_str_eq(t.text, "not for you");
}

Test(adminask, no_answer_is_told)
{
    char answer[256];
    struct sp_trouble t;
    cr_assert_eq(ask("", answer, sizeof answer, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
    cr_assert_eq(sp_adminask("/nonexistent/admin", "stat\n", answer, sizeof answer, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
}

Test(adminask, a_path_too_long_for_a_socket)
{
    char path[300], answer[16];
    struct sp_trouble t;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    cr_assert_eq(sp_adminask(path, "stat\n", answer, sizeof answer, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_CONFIG);
}
