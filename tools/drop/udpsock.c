/* Sockets and batches. */
#include "udpsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES   (8 << 20) /* asked for; the system gives what it allows */
#define ARRIVAL_MAX_US 1000000   /* a stamp older than this is a step of the wall clock */
#define CONTROL_BYTES  (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)))

struct sp_udpsock_batch {
    struct sp_udpsock_datagram datagrams[SP_UDPSOCK_BATCH];
    struct mmsghdr heads[SP_UDPSOCK_BATCH];
    struct iovec vecs[SP_UDPSOCK_BATCH];
    /* Aligned for struct cmsghdr. */
    _Alignas(max_align_t) uint8_t control[SP_UDPSOCK_BATCH][CONTROL_BYTES];
    uint8_t bytes[SP_UDPSOCK_BATCH][SP_UDPSOCK_BYTES_MAX];
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;
    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t sp_udpsock_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t sp_udpsock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

/* None of these options is needed for relaying: without them times are coarser, losses of the kernel
 * uncounted. */
static void set_options(int fd)
{
    const int on = 1;
    const int bytes = BUFFER_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

static int close_keeping_errno(int fd)
{
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static int own_address(int fd, struct sp_endpoint *out)
{
    struct sp_endpoint found;
    socklen_t size = sizeof found.a;
    memset(&found, 0, sizeof found);
    if (getsockname(fd, &found.a.any, &size) != 0)
        return -1;
    *out = found;
    return 0;
}

int sp_udpsock_listen(const struct sp_endpoint *at, struct sp_endpoint *bound, struct sp_problem *problem)
{
    char text[SP_ENDPOINT_TEXT_MAX];
    sp_endpoint_print(at, text, sizeof text);
    int fd = socket(at->a.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_UNREACHABLE, "no socket for %s: %s", text, strerror(errno));
    set_options(fd);
    if (bind(fd, &at->a.any, sp_endpoint_size(at)) != 0 || own_address(fd, bound) != 0) {
        enum sp_problem_code code = errno == EACCES ? SP_PROBLEM_REFUSED : SP_PROBLEM_UNREACHABLE;
        (void)SP_PROBLEM_SET(problem, code, "cannot listen on %s: %s", text, strerror(errno));
        return close_keeping_errno(fd);
    }
    return fd;
}

int sp_udpsock_connect(const struct sp_endpoint *to, struct sp_endpoint *local)
{
    int fd = socket(to->a.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_options(fd);
    if (connect(fd, &to->a.any, sp_endpoint_size(to)) != 0 || own_address(fd, local) != 0)
        return close_keeping_errno(fd);
    return fd;
}

struct sp_udpsock_batch *sp_udpsock_create(void)
{
    return calloc(1, sizeof(struct sp_udpsock_batch));
}

void sp_udpsock_destroy(struct sp_udpsock_batch **b)
{
    free(*b);
    *b = NULL;
}

static void prepare(struct sp_udpsock_batch *b)
{
    for (size_t i = 0; i < SP_UDPSOCK_BATCH; i++) {
        b->vecs[i].iov_base = b->bytes[i];
        b->vecs[i].iov_len = SP_UDPSOCK_BYTES_MAX;
        memset(&b->datagrams[i].from, 0, sizeof b->datagrams[i].from);
        b->heads[i].msg_hdr = (struct msghdr){.msg_name = &b->datagrams[i].from.a,
                                              .msg_namelen = sizeof b->datagrams[i].from.a,
                                              .msg_iov = &b->vecs[i],
                                              .msg_iovlen = 1,
                                              .msg_control = b->control[i],
                                              .msg_controllen = CONTROL_BYTES};
    }
}

/* The monotonic time that belongs to a stamp of the wall clock; never after now. */
static int64_t arrival(const struct timespec *stamp, int64_t now_us, int64_t wall_us)
{
    int64_t age_us = wall_us - ((int64_t)stamp->tv_sec * 1000000 + stamp->tv_nsec / 1000);
    return age_us < 0 || age_us > ARRIVAL_MAX_US ? now_us : now_us - age_us;
}

static void read_control(struct sp_udpsock_datagram *d, struct msghdr *head, int64_t wall_us,
                         uint32_t *kernel_lost)
{
    int64_t now_us = d->arrived_us;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c != NULL; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SO_TIMESTAMPNS && c->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            d->arrived_us = arrival(&stamp, now_us, wall_us);
        } else if (c->cmsg_type == SO_RXQ_OVFL && c->cmsg_len >= CMSG_LEN(sizeof(uint32_t))) {
            memcpy(kernel_lost, CMSG_DATA(c), sizeof *kernel_lost);
        }
    }
}

size_t sp_udpsock_read(struct sp_udpsock_batch *b, int fd, uint32_t *kernel_lost)
{
    prepare(b);
    int n = recvmmsg(fd, b->heads, SP_UDPSOCK_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    int64_t now_us = sp_udpsock_now_us();
    int64_t wall_us = sp_udpsock_wall_us();
    for (size_t i = 0; i < (size_t)n; i++) {
        struct sp_udpsock_datagram *d = &b->datagrams[i];
        d->bytes = b->bytes[i];
        d->len = b->heads[i].msg_len;
        d->arrived_us = now_us;
        read_control(d, &b->heads[i].msg_hdr, wall_us, kernel_lost);
    }
    return (size_t)n;
}

const struct sp_udpsock_datagram *sp_udpsock_get(const struct sp_udpsock_batch *b, size_t i)
{
    return &b->datagrams[i];
}
