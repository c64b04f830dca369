#include "udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"

#define BUFFER_LEN   2048              /* more than SP_DATAGRAM_MAX, so that the core sees what is too long */
#define SOCKET_QUEUE (4 * 1024 * 1024) /* bytes asked of the kernel each way; it may give less */

/* One direction: what the system calls need for a batch. */
struct side {
    struct mmsghdr headers[SP_UDP_BATCH];
    struct iovec vectors[SP_UDP_BATCH];
    struct sockaddr_storage peers[SP_UDP_BATCH];
    struct sp_datagram datagrams[SP_UDP_BATCH];
    uint8_t bytes[SP_UDP_BATCH][BUFFER_LEN];
};

struct sp_udp {
    int fd;
    struct sp_addr at;
    struct sp_udp_stats stats;
    struct side in, out;
};

static void wire(struct side *s, size_t cap)
{
    for (size_t i = 0; i < SP_UDP_BATCH; i++) {
        s->vectors[i] = (struct iovec){.iov_base = s->bytes[i], .iov_len = cap};
        s->headers[i].msg_hdr = (struct msghdr){.msg_name = &s->peers[i],
                                                .msg_namelen = sizeof s->peers[i],
                                                .msg_iov = &s->vectors[i],
                                                .msg_iovlen = 1};
        s->datagrams[i].p = s->bytes[i];
        s->datagrams[i].cap = cap;
    }
}

static void ask(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Options that make the socket better but not possible: what the system refuses is left.  PMTUDISC_PROBE sets
 * don't-fragment and pays no heed to ICMP, which anybody can forge. */
static void tune(int fd, const struct sp_addr *at)
{
    ask(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_QUEUE);
    ask(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_QUEUE);
    ask(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    if (at->family == 6) {
        ask(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        ask(fd, IPPROTO_IPV6, IPV6_V6ONLY, sp_addr_is_any(at) ? 0 : 1);
    }
}

static int refuse(const struct sp_addr *at, int err, struct sp_trouble *t)
{
    char text[SP_ADDR_TEXT_MAX];
    enum sp_exit code = SP_EXIT_IO;
    sp_addr_print(at, text, sizeof text);
    if (err == EADDRNOTAVAIL || err == EAFNOSUPPORT)
        code = SP_EXIT_UNREACHABLE;
    else if (err == EACCES || err == EPERM)
        code = SP_EXIT_REFUSED;
    return sp_trouble_set(t, code, "cannot listen on %s: %s", text, strerror(err));
}

/* Binds and learns the actual port.  0, or -1 with errno. */
static int bind_to(struct sp_udp *u, const struct sp_addr *at)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sp_addr_to_sock(at, &ss);
    struct sp_addr bound = {0};
    if (bind(u->fd, (const struct sockaddr *)&ss, len) != 0)
        return -1;
    len = sizeof ss;
    if (getsockname(u->fd, (struct sockaddr *)&ss, &len) != 0)
        return -1;
    u->at = *at;
    if (sp_addr_from_sock(&ss, &bound))
        u->at.port = bound.port;
    return 0;
}

int sp_udp_open(struct sp_udp **out, const struct sp_addr *at, struct sp_trouble *t)
{
    struct sp_udp *u = calloc(1, sizeof *u);
    if (u == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "no memory for the socket's buffers");
    u->fd = socket(at->family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0) {
        (void)refuse(at, errno, t);
        free(u);
        return -1;
    }
    tune(u->fd, at);
    if (bind_to(u, at) != 0) {
        (void)refuse(at, errno, t);
        sp_udp_close(&u);
        return -1;
    }
    wire(&u->in, BUFFER_LEN);
    wire(&u->out, SP_DATAGRAM_MAX);
    *out = u;
    return 0;
}

void sp_udp_close(struct sp_udp **u)
{
    if (*u == NULL)
        return;
    (void)close((*u)->fd);
    free(*u);
    *u = NULL;
}

int sp_udp_fd(const struct sp_udp *u)
{
    return u->fd;
}

struct sp_addr sp_udp_at(const struct sp_udp *u)
{
    return u->at;
}

size_t sp_udp_receive(struct sp_udp *u, struct sp_datagram **out)
{
    struct side *s = &u->in;
    size_t n = 0;
    int got = 0;
    for (size_t i = 0; i < SP_UDP_BATCH; i++)
        s->headers[i].msg_hdr.msg_namelen = sizeof s->peers[i];
    got = recvmmsg(u->fd, s->headers, SP_UDP_BATCH, MSG_DONTWAIT, NULL);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            u->stats.receive_errors++;
        return 0;
    }
    for (n = 0; n < (size_t)got; n++) {
        s->datagrams[n].len = s->headers[n].msg_len;
        s->datagrams[n].peer = (struct sp_addr){.family = 0};
        (void)sp_addr_from_sock(&s->peers[n], &s->datagrams[n].peer);
    }
    *out = s->datagrams;
    return n;
}

struct sp_datagram *sp_udp_buffers(struct sp_udp *u)
{
    return u->out.datagrams;
}

/* Socket address of a peer in the family of our socket: IPv4 through an IPv6 socket is mapped (RFC
 * 4291, 2.5.5.2). */
static socklen_t write_peer(const struct sp_udp *u, const struct sp_addr *peer, struct sockaddr_storage *out)
{
    struct sp_addr mapped = {.port = peer->port, .family = 6, .ip = {[10] = 0xff, [11] = 0xff}};
    if (u->at.family != 6 || peer->family != 4)
        return sp_addr_to_sock(peer, out);
    memcpy(mapped.ip + 12, peer->ip, 4);
    return sp_addr_to_sock(&mapped, out);
}

bool sp_udp_send(struct sp_udp *u, size_t n)
{
    struct side *s = &u->out;
    for (size_t i = 0; i < n; i++) {
        s->headers[i].msg_hdr.msg_namelen = write_peer(u, &s->datagrams[i].peer, &s->peers[i]);
        s->vectors[i].iov_len = s->datagrams[i].len;
    }
    for (size_t at = 0; at < n;) {
        int sent = sendmmsg(u->fd, s->headers + at, (unsigned)(n - at), MSG_DONTWAIT);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            u->stats.send_blocked += n - at;
            return errno != EAGAIN;
        } else if (errno != EINTR) { /* this one cannot go; the next may */
            u->stats.send_errors++;
            at++;
        }
    }
    return true;
}

struct sp_udp_stats sp_udp_stats(const struct sp_udp *u)
{
    return u->stats;
}
