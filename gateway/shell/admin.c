#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"
#include "sys.h"

#define PATIENCE (5 * SP_SECOND)

struct client {
    struct sp_admin *owner;
    ev_io io;
    sp_time since;
    bool in_use, is_answering;
    char question[SP_ADMIN_QUESTION_MAX + 1];
    size_t question_len;
    char answer[SP_ADMIN_ANSWER_MAX];
    size_t answer_len, answer_at;
};

struct sp_admin {
    struct ev_loop *loop;
    ev_io accept;
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    dev_t device; /* of the socket's file, so that close removes only our own */
    ino_t inode;
    sp_admin_answer give;
    void *self;
    struct client clients[SP_ADMIN_CLIENTS_MAX];
};

static void drop(struct client *c)
{
    ev_io_stop(c->owner->loop, &c->io);
    (void)close(c->io.fd);
    c->in_use = false;
}

/* Sends what is left; the client is gone when all is sent or it cannot take more. */
static void send_rest(struct client *c)
{
    while (c->answer_at < c->answer_len) {
        ssize_t n = send(c->io.fd, c->answer + c->answer_at, c->answer_len - c->answer_at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            break;
        c->answer_at += (size_t)n;
    }
    drop(c);
}

/* The question is complete: answer it, from now on write. */
static void answer(struct client *c)
{
    struct sp_admin *a = c->owner;
    c->question[c->question_len] = '\0';
    c->question[strcspn(c->question, "\r\n")] = '\0';
    c->answer_len = a->give(a->self, c->question, c->answer, sizeof c->answer);
    if (c->answer_len == 0) {
        int n = snprintf(c->answer, sizeof c->answer, "error unknown question; ask: stat\n");
        c->answer_len = n > 0 ? (size_t)n : 0;
    }
    c->is_answering = true;
    ev_io_stop(a->loop, &c->io);
    ev_io_set(&c->io, c->io.fd, EV_WRITE);
    ev_io_start(a->loop, &c->io);
    send_rest(c);
}

static void read_question(struct client *c)
{
    ssize_t n =
        recv(c->io.fd, c->question + c->question_len, SP_ADMIN_QUESTION_MAX - c->question_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        drop(c);
        return;
    }
    c->question_len += (size_t)n;
    if (n == 0 || c->question_len == SP_ADMIN_QUESTION_MAX ||
        memchr(c->question, '\n', c->question_len) != NULL)
        answer(c);
}

static void on_client(struct ev_loop *loop, ev_io *w, int events)
{
    struct client *c = w->data;
    (void)loop;
    (void)events;
    if (c->is_answering)
        send_rest(c);
    else
        read_question(c);
}

/* Our own user, or root. */
static bool is_permitted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static struct client *find_free(struct sp_admin *a)
{
    for (size_t i = 0; i < SP_ADMIN_CLIENTS_MAX; i++)
        if (!a->clients[i].in_use)
            return &a->clients[i];
    return NULL;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int events)
{
    struct sp_admin *a = w->data;
    struct client *c = find_free(a);
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) /* it would be ready again at once; the next tick tries */
            ev_io_stop(loop, w);
        return;
    }
    if (c == NULL || !is_permitted(fd)) {
        (void)close(fd);
        return;
    }
    c->owner = a;
    c->since = sp_sys_now();
    c->in_use = true;
    c->is_answering = false;
    c->question_len = c->answer_len = c->answer_at = 0;
    ev_io_init(&c->io, on_client, fd, EV_READ);
    c->io.data = c;
    ev_io_start(loop, &c->io);
}

/* Whether somebody answers at this address now. */
static bool is_alive(const struct sockaddr_un *sun)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool alive = false;
    if (fd < 0)
        return false;
    alive = connect(fd, (const struct sockaddr *)sun, sizeof *sun) == 0 || errno == EAGAIN;
    (void)close(fd);
    return alive;
}

/* Makes way: what a gateway that was killed left behind goes, a living one's socket and other files stay. */
static int clear(const struct sockaddr_un *sun, struct sp_trouble *t)
{
    struct stat st;
    if (lstat(sun->sun_path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: is there and no socket", sun->sun_path);
    if (is_alive(sun))
        return sp_trouble_set(t, SP_EXIT_UNKNOWN, "%s: another gateway answers there", sun->sun_path);
    (void)unlink(sun->sun_path);
    return 0;
}

/* Makes the folder of a path, if it is not there. */
static int make_folder(const char *path, struct sp_trouble *t)
{
    char dir[SP_FILES_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return 0;
    (void)snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    return sp_files_make_dir(dir, t);
}

/* A listening descriptor, or -1. */
static int listen_at(const struct sockaddr_un *sun, struct sp_trouble *t)
{
    mode_t old = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int bound = -1;
    if (fd < 0)
        return sp_trouble_set(t, SP_EXIT_IO, "socket: %s", strerror(errno));
    old = umask(0177); /* the file is 0600 from its first moment */
    bound = bind(fd, (const struct sockaddr *)sun, sizeof *sun);
    (void)umask(old);
    if (bound == 0 && listen(fd, SP_ADMIN_CLIENTS_MAX) == 0)
        return fd;
    (void)sp_trouble_set(t, errno == EACCES || errno == EPERM ? SP_EXIT_REFUSED : SP_EXIT_IO,
                         "cannot listen at %s: %s", sun->sun_path, strerror(errno));
    (void)close(fd);
    return -1;
}

int sp_admin_open(struct sp_admin **out, const char *path, struct ev_loop *loop, sp_admin_answer give,
                  void *self, struct sp_trouble *t)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct stat st = {0};
    struct sp_admin *a = NULL;
    int fd = -1;
    if (strlen(path) >= sizeof sun.sun_path)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: longer than a socket path may be (%zu bytes)", path,
                              sizeof sun.sun_path - 1);
    memcpy(sun.sun_path, path, strlen(path) + 1);
    if (make_folder(path, t) != 0 || clear(&sun, t) != 0)
        return -1;
    a = calloc(1, sizeof *a);
    if (a == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "no memory for the admin socket");
    fd = listen_at(&sun, t);
    if (fd < 0) {
        free(a);
        return -1;
    }
    (void)stat(path, &st);
    memcpy(a->path, sun.sun_path, sizeof a->path);
    a->device = st.st_dev;
    a->inode = st.st_ino;
    a->loop = loop;
    a->give = give;
    a->self = self;
    ev_io_init(&a->accept, on_accept, fd, EV_READ);
    a->accept.data = a;
    ev_io_start(loop, &a->accept);
    *out = a;
    return 0;
}

void sp_admin_tick(struct sp_admin *a, sp_time now)
{
    for (size_t i = 0; i < SP_ADMIN_CLIENTS_MAX; i++)
        if (a->clients[i].in_use && now - a->clients[i].since > PATIENCE)
            drop(&a->clients[i]);
    ev_io_start(a->loop, &a->accept); /* without effect unless on_accept stopped it */
}

void sp_admin_close(struct sp_admin **a)
{
    struct sp_admin *old = *a;
    struct stat st;
    if (old == NULL)
        return;
    for (size_t i = 0; i < SP_ADMIN_CLIENTS_MAX; i++)
        if (old->clients[i].in_use)
            drop(&old->clients[i]);
    ev_io_stop(old->loop, &old->accept);
    (void)close(old->accept.fd);
    if (lstat(old->path, &st) == 0 && st.st_dev == old->device && st.st_ino == old->inode)
        (void)unlink(old->path);
    free(old);
    *a = NULL;
}
