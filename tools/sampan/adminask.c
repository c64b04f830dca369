#include "adminask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 5

static int connect_to(const char *path, struct sp_trouble *t)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    if (strlen(path) >= sizeof sun.sun_path)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: longer than a socket path may be", path);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sp_trouble_set(t, SP_EXIT_IO, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&sun, sizeof sun) == 0)
        return fd;
    (void)sp_trouble_set(t, errno == EACCES || errno == EPERM ? SP_EXIT_REFUSED : SP_EXIT_UNREACHABLE,
                         "%s: no gateway answers there: %s", path, strerror(errno));
    (void)close(fd);
    return -1;
}

int sp_adminask(const char *socket_path, const char *question, char *dst, size_t cap, struct sp_trouble *t)
{
    int fd = connect_to(socket_path, t);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t n = send(fd, question, strlen(question), MSG_NOSIGNAL);
    while (n > 0 && len < cap - 1) {
        n = recv(fd, dst + len, cap - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    dst[len] = '\0';
    if (n == 0 && strncmp(dst, "error ", 6) == 0)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%.*s", (int)strcspn(dst + 6, "\n"), dst + 6);
    if (n == 0 && len > 0)
        return 0;
    return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "%s: the gateway did not answer", socket_path);
}

uint64_t sp_adminask_value(const char *answer, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = answer; *line != '\0';) {
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return strtoull(line + len + 1, NULL, 10);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}
