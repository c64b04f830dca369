#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.h"

#define LOG_MAX 8192 /* bytes of a log that are looked at */
#define WAIT    (20 * SP_SECOND)
#define LOOK_MS 10

/* The path of `name` beside the running program. */
static int beside(const char *name, char *dst, size_t cap, struct sp_trouble *t)
{
    ssize_t n = readlink("/proc/self/exe", dst, cap - 1);
    if (n <= 0)
        return sp_trouble_set(t, SP_EXIT_IO, "/proc/self/exe: %s", strerror(errno));
    dst[n] = '\0';
    char *slash = strrchr(dst, '/');
    size_t room = cap - (size_t)(slash + 1 - dst);
    if (strlen(name) >= room)
        return sp_trouble_set(t, SP_EXIT_IO, "path too long");
    memcpy(slash + 1, name, strlen(name) + 1);
    if (access(dst, X_OK) != 0)
        return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "%s: %s", dst, strerror(errno));
    return 0;
}

/* In the child: never returns.  It dies with its parent, so that an interrupted demo leaves nothing behind.
 */
static void become(const char *path, char **argv, int log_fd)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(null_fd, STDOUT_FILENO) >= 0 &&
        dup2(log_fd, STDERR_FILENO) >= 0)
        (void)execv(path, argv);
    _exit(127);
}

int sp_child_start(struct sp_child *c, const char *name, const char *const *args, const char *log,
                   struct sp_trouble *t)
{
    char path[SP_CHILD_PATH_MAX], copies[SP_CHILD_ARGS_MAX][SP_CHILD_PATH_MAX];
    char *argv[SP_CHILD_ARGS_MAX + 1] = {path};
    size_t n = 1;
    if (beside(name, path, sizeof path, t) != 0)
        return -1;
    for (; *args != NULL && n < SP_CHILD_ARGS_MAX; args++, n++) {
        (void)snprintf(copies[n], sizeof copies[n], "%s", *args);
        argv[n] = copies[n];
    }
    (void)snprintf(c->log, sizeof c->log, "%s", log);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return sp_trouble_set(t, SP_EXIT_IO, "%s: %s", log, strerror(errno));
    c->pid = fork();
    if (c->pid == 0)
        become(path, argv, fd);
    (void)close(fd);
    if (c->pid < 0) {
        c->pid = 0;
        return sp_trouble_set(t, SP_EXIT_IO, "fork: %s", strerror(errno));
    }
    return 0;
}

static size_t read_log(const struct sp_child *c, char *dst, size_t cap)
{
    int fd = open(c->log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, dst, cap - 1);
    (void)close(fd);
    dst[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* Copies the whole line around `at`; false while its end is not written yet. */
static bool copy_line(const char *text, const char *at, char *line, size_t cap)
{
    const char *end = strchr(at, '\n');
    if (end == NULL)
        return false;
    while (at > text && at[-1] != '\n')
        at--;
    size_t n = (size_t)(end - at) < cap ? (size_t)(end - at) : cap - 1;
    memcpy(line, at, n);
    line[n] = '\0';
    return true;
}

int sp_child_wait_line(struct sp_child *c, const char *word, char *line, size_t cap, struct sp_trouble *t)
{
    char text[LOG_MAX] = "";
    sp_time until = sp_sys_now() + WAIT;
    while (sp_sys_now() < until) {
        (void)read_log(c, text, sizeof text);
        const char *at = strstr(text, word);
        if (at != NULL && copy_line(text, at, line, cap))
            return 0;
        if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
            c->pid = 0;
            (void)read_log(c, text, sizeof text);
            return sp_trouble_set(t, SP_EXIT_FAILED, "a child ended early: %s", text);
        }
        (void)poll(NULL, 0, LOOK_MS);
    }
    return sp_trouble_set(t, SP_EXIT_FAILED, "a child never said \"%s\": %s", word, text);
}

void sp_child_end(struct sp_child *c, int sig)
{
    if (c->pid <= 0)
        return;
    (void)kill(c->pid, sig);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    c->pid = 0;
}
