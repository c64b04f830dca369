/* sampan stat: shows the counters of a running gateway, once or again and again.  Reads the admin socket
 * only. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "paths.h"

#define PROGRAM    "sampan stat"
#define ANSWER_MAX 32768 /* bytes of an answer, end included */
#define ANSWER_S   5     /* seconds to wait for it */

static int connect_to(const char *path, struct sp_trouble *t)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = ANSWER_S};
    int fd = -1;
    if (strlen(path) >= sizeof sun.sun_path)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: longer than a socket path may be", path);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

/* Asks one question and reads the answer to its end. */
static int ask(const char *path, char *dst, size_t cap, struct sp_trouble *t)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = connect_to(path, t);
    if (fd < 0)
        return -1;
    n = send(fd, "stat\n", 5, MSG_NOSIGNAL);
    while (n > 0 && len < cap - 1) {
        n = recv(fd, dst + len, cap - 1 - len, 0);
        if (n > 0)
            len += (size_t)n;
    }
    (void)close(fd);
    dst[len] = '\0';
    if (n == 0 && strncmp(dst, "error ", 6) == 0)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "%.*s", (int)strcspn(dst + 6, "\n"), dst + 6);
    if (n == 0 && len > 0)
        return 0;
    return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "%s: the gateway did not answer", path);
}

/* Lines "name value" as one JSON object; names are plain words, values are digits. */
static void print_json(const char *answer)
{
    const char *separator = "{";
    for (const char *line = answer; *line != '\0';) {
        size_t len = strcspn(line, "\n"), name_len = strcspn(line, " \n");
        if (name_len < len)
            (void)printf("%s\"%.*s\":%.*s", separator, (int)name_len, line, (int)(len - name_len - 1),
                         line + name_len + 1);
        separator = ",";
        line += len + (line[len] == '\n');
    }
    (void)printf("}\n");
}

int sp_cmd_stat(int argc, char **argv)
{
    bool json = false;
    uint64_t watch_s = 0;
    const char *admin = NULL;
    char standard[SP_FILES_PATH_MAX], answer[ANSWER_MAX];
    struct sp_trouble t;
    const struct sp_args_opt opts[] = {
        {.name = "--json", .flag = &json, .help = "one JSON object a line"},
        {.name = "--watch",
         .value = "SEC",
         .number = &watch_s,
         .min = 1,
         .max = 86400,
         .help = "again every SEC seconds"},
        {.name = "--admin", .value = "SOCKET", .text = &admin, .help = "admin socket of the gateway"},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about = "Shows the counters of a running gateway as lines \"name value\".",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    if (admin == NULL && sp_paths_admin(standard, sizeof standard, &t) != 0)
        return sp_trouble_print(&t, PROGRAM);
    for (;;) {
        if (ask(admin != NULL ? admin : standard, answer, sizeof answer, &t) != 0)
            return sp_trouble_print(&t, PROGRAM);
        if (json)
            print_json(answer);
        else
            (void)fputs(answer, stdout);
        if (fflush(stdout) != 0)
            return SP_EXIT_IO;
        if (watch_s == 0)
            return SP_EXIT_OK;
        struct timespec pause = {.tv_sec = (time_t)watch_s};
        (void)nanosleep(&pause, NULL);
        if (!json)
            (void)printf("\n");
    }
}
