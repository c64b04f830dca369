/* Words to the service manager, caught by a real socket. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

static int listen_at(const char *path, size_t len)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memcpy(sun.sun_path, path, len);
    cr_assert_eq(bind(fd, (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                 0);
    return fd;
}

Test(notify, a_path)
{
    char dir[] = "/tmp/sampan-notify-XXXXXX", path[64], got[32] = "";
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/n", dir);
    int fd = listen_at(path, strlen(path));
    (void)setenv("NOTIFY_SOCKET", path, 1);
    sp_notify_send("READY=1");
    cr_assert_eq(read(fd, got, sizeof got), 7);
    cr_assert_str_eq(got, "READY=1");
    (void)close(fd);
    sp_notify_send("STOPPING=1"); /* nobody there: nothing happens */
    (void)unlink(path);
    (void)rmdir(dir);
}

Test(notify, an_abstract_name)
{
    char name[64], got[32] = "";
    (void)snprintf(name, sizeof name, "@sampan-notify-%d", (int)getpid());
    (void)setenv("NOTIFY_SOCKET", name, 1);
    name[0] = '\0';
    int fd = listen_at(name, 1 + strlen(name + 1));
    sp_notify_send("WATCHDOG=1");
    cr_assert_eq(read(fd, got, sizeof got), 10);
    (void)close(fd);
}

Test(notify, without_or_with_a_bad_variable_nothing_happens)
{
    char text[300];
    memset(text, '/', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)unsetenv("NOTIFY_SOCKET");
    sp_notify_send("READY=1");
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    sp_notify_send("READY=1");
    (void)setenv("NOTIFY_SOCKET", text, 1);
    sp_notify_send("READY=1");
    (void)setenv("NOTIFY_SOCKET", "@", 1);
    sp_notify_send("READY=1");
    cr_assert(true);
}
