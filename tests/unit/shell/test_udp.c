/* The UDP socket, with real sockets on loopback. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "udp.h"

static struct sp_udp *open_at(const char *text)
{
    struct sp_udp *u = NULL;
    struct sp_addr at;
    struct sp_trouble t = {.text = ""};
    cr_assert(sp_addr_parse(text, &at));
    cr_assert_eq(sp_udp_open(&u, &at, &t), 0, "%s", t.text);
    return u;
}

static struct sp_addr loopback(const struct sp_udp *u, const char *ip)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_addr a;
    (void)snprintf(text, sizeof text, "%s:%u", ip, sp_udp_at(u).port);
    cr_assert(sp_addr_parse(text, &a));
    return a;
}

static void put(struct sp_udp *u, size_t i, struct sp_addr to, const char *text)
{
    struct sp_datagram *d = &sp_udp_buffers(u)[i];
    d->peer = to;
    d->len = strlen(text);
    memcpy(d->p, text, d->len);
}

/* Waits for something to read, then takes it. */
static size_t take(struct sp_udp *u, struct sp_datagram **out)
{
    struct pollfd p = {.fd = sp_udp_fd(u), .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 5000), 1);
    return sp_udp_receive(u, out);
}

static void ping_pong(const char *at_a, const char *at_b, const char *ip_of_a)
{
    struct sp_udp *a = open_at(at_a), *b = open_at(at_b);
    struct sp_datagram *in = NULL;
    cr_assert_neq(sp_udp_at(a).port, 0);
    put(b, 0, loopback(a, ip_of_a), "one");
    put(b, 1, loopback(a, ip_of_a), "three");
    cr_assert(sp_udp_send(b, 2));
    cr_assert_eq(take(a, &in), 2);
    cr_assert_eq(in[0].len, 3);
    cr_assert_eq(in[1].len, 5);
    cr_assert_arr_eq(in[1].p, "three", 5);
    cr_assert_eq(in[0].peer.port, sp_udp_at(b).port);
    put(a, 0, in[0].peer, "back");
    cr_assert(sp_udp_send(a, 1));
    cr_assert_eq(take(b, &in), 1);
    cr_assert_arr_eq(in[0].p, "back", 4);
    struct sp_addr want = loopback(a, ip_of_a);
    cr_assert(sp_addr_is_equal(&in[0].peer, &want));
    sp_udp_close(&a);
    sp_udp_close(&b);
    cr_assert_null(a);
}

Test(udp, ipv4)
{
    ping_pong("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1");
}

Test(udp, ipv6)
{
    ping_pong("[::1]:0", "[::1]:0", "[::1]");
}

Test(udp, ipv6_on_any_address_serves_ipv4_too)
{
    ping_pong("[::]:0", "127.0.0.1:0", "127.0.0.1");
}

Test(udp, an_empty_socket_gives_nothing)
{
    struct sp_udp *u = open_at("127.0.0.1:0");
    struct sp_datagram *in = NULL;
    cr_assert_eq(sp_udp_receive(u, &in), 0);
    cr_assert_eq(sp_udp_stats(u).receive_errors, 0);
    sp_udp_close(&u);
}

Test(udp, a_batch_is_64_and_the_rest_stays)
{
    struct sp_udp *a = open_at("127.0.0.1:0"), *b = open_at("127.0.0.1:0");
    struct sp_datagram *in = NULL;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < SP_UDP_BATCH; i++)
            put(b, i, loopback(a, "127.0.0.1"), "x");
        cr_assert(sp_udp_send(b, SP_UDP_BATCH));
    }
    cr_assert_eq(take(a, &in), SP_UDP_BATCH);
    cr_assert_eq(take(a, &in), SP_UDP_BATCH);
    cr_assert_eq(sp_udp_receive(a, &in), 0);
    sp_udp_close(&a);
    sp_udp_close(&b);
}

Test(udp, long_and_empty_datagrams_are_shown_as_what_they_are)
{
    struct sp_udp *a = open_at("127.0.0.1:0");
    struct sp_datagram *in = NULL;
    struct sockaddr_storage ss = {0};
    struct sp_addr to = sp_udp_at(a);
    socklen_t len = sp_addr_to_sock(&to, &ss);
    char bytes[9000] = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(sendto(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&ss, len), (ssize_t)sizeof bytes);
    cr_assert_eq(sendto(fd, bytes, 0, 0, (struct sockaddr *)&ss, len), 0);
    cr_assert_eq(take(a, &in), 2);
    cr_expect_gt(in[0].len, SP_DATAGRAM_MAX, "the core counts it as too long");
    cr_expect_eq(in[1].len, 0);
    (void)close(fd);
    sp_udp_close(&a);
}

Test(udp, what_cannot_leave_is_counted_and_the_others_go)
{
    struct sp_udp *a = open_at("127.0.0.1:0"), *b = open_at("127.0.0.1:0");
    struct sp_datagram *in = NULL;
    struct sp_addr none = {.family = 0}, port_zero = loopback(a, "127.0.0.1");
    port_zero.port = 0;
    put(b, 0, loopback(a, "127.0.0.1"), "first");
    put(b, 1, port_zero, "nowhere");
    put(b, 2, none, "nowhere");
    put(b, 3, loopback(a, "127.0.0.1"), "last");
    cr_assert(sp_udp_send(b, 4));
    cr_assert_eq(sp_udp_stats(b).send_errors, 2);
    cr_assert_eq(take(a, &in), 2);
    cr_assert_arr_eq(in[1].p, "last", 4);
    sp_udp_close(&a);
    sp_udp_close(&b);
}

Test(udp, troubles)
{
    static const struct {
        const char *text;
        enum sp_exit code;
    } rows[] = {{"192.0.2.1:0", SP_EXIT_UNREACHABLE}, {"[2001:db8::1]:0", SP_EXIT_UNREACHABLE}};
    struct sp_udp *u = NULL, *first = open_at("127.0.0.1:0");
    struct sp_addr at;
    struct sp_trouble t;
    for (size_t i = 0; i < 2; i++) {
        cr_assert(sp_addr_parse(rows[i].text, &at));
        cr_expect_eq(sp_udp_open(&u, &at, &t), -1);
        cr_expect_eq(t.code, rows[i].code, "%s", t.text);
    }
    at = sp_udp_at(first);
    cr_expect_eq(sp_udp_open(&u, &at, &t), -1, "a port that is taken");
    cr_expect_eq(t.code, SP_EXIT_IO);
    cr_expect_null(u);
    sp_udp_close(&first);
}

Test(udp, dont_fragment_is_set)
{
    struct sp_udp *u = open_at("127.0.0.1:0");
    int value = -1;
    socklen_t len = sizeof value;
    cr_assert_eq(getsockopt(sp_udp_fd(u), IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
    cr_assert_eq(value, IP_PMTUDISC_PROBE);
    sp_udp_close(&u);
}
