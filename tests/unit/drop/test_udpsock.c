/* Sockets of the relay, over loopback. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "udpsock.h"

#define WAIT_MS 5000

static struct sp_endpoint endpoint(const char *text)
{
    struct sp_endpoint e;
    struct sp_problem problem = {0};
    cr_assert_eq(sp_endpoint_resolve(text, &e, &problem), 0, "%s", problem.text);
    return e;
}

static void await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, WAIT_MS), 1);
}

Test(udpsock, carries_both_ways_with_addresses_and_times)
{
    struct sp_endpoint at = endpoint("127.0.0.1:0");
    struct sp_endpoint bound;
    struct sp_endpoint local;
    struct sp_problem problem = {0};
    struct sp_udpsock_batch *batch = sp_udpsock_create();
    cr_assert_not_null(batch);
    int server = sp_udpsock_listen(&at, &bound, &problem);
    cr_assert_geq(server, 0, "%s", problem.text);
    cr_expect_neq(sp_endpoint_port(&bound), 0);
    int client = sp_udpsock_connect(&bound, &local);
    cr_assert_geq(client, 0);
    uint32_t lost = 0;
    cr_expect_eq(sp_udpsock_read(batch, server, &lost), 0, "nothing there");

    int64_t before_us = sp_udpsock_now_us();
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(send(client, "abc", i, 0), (ssize_t)i);
    await(server);
    cr_assert_eq(sp_udpsock_read(batch, server, &lost), 3);
    int64_t after_us = sp_udpsock_now_us();
    for (size_t i = 0; i < 3; i++) {
        const struct sp_udpsock_datagram *d = sp_udpsock_get(batch, i);
        cr_expect(sp_endpoint_is_equal(&d->from, &local));
        cr_expect_eq(d->len, i);
        cr_expect_eq(memcmp(d->bytes, "abc", i), 0);
        /* The stamp crosses two clocks that are read one after the other: 10 ms of room. */
        cr_expect(d->arrived_us >= before_us - 10000 && d->arrived_us <= after_us);
    }
    cr_expect_eq(lost, 0);
    sp_udpsock_destroy(&batch);
    cr_expect_null(batch);
    (void)close(client);
    (void)close(server);
}

Test(udpsock, reads_batches_and_large_datagrams)
{
    static uint8_t big[60000];
    struct sp_endpoint at = endpoint("127.0.0.1:0");
    struct sp_endpoint bound;
    struct sp_endpoint local;
    struct sp_problem problem = {0};
    struct sp_udpsock_batch *batch = sp_udpsock_create();
    int server = sp_udpsock_listen(&at, &bound, &problem);
    int client = sp_udpsock_connect(&bound, &local);
    cr_assert(server >= 0 && client >= 0 && batch != NULL);
    uint32_t lost = 0;
    big[59999] = 7;
    cr_assert_eq(send(client, big, sizeof big, 0), (ssize_t)sizeof big);
    await(server);
    cr_assert_eq(sp_udpsock_read(batch, server, &lost), 1);
    cr_expect_eq(sp_udpsock_get(batch, 0)->len, sizeof big);
    cr_expect_eq(memcmp(sp_udpsock_get(batch, 0)->bytes, big, sizeof big), 0);
    for (unsigned i = 0; i < SP_UDPSOCK_BATCH + 3; i++)
        cr_assert_eq(send(client, "x", 1, 0), 1);
    await(server);
    cr_expect_eq(sp_udpsock_read(batch, server, &lost), SP_UDPSOCK_BATCH);
    cr_expect_eq(sp_udpsock_read(batch, server, &lost), 3);
    sp_udpsock_destroy(&batch);
    (void)close(client);
    (void)close(server);
}

Test(udpsock, counts_what_the_kernel_loses)
{
    static uint8_t bytes[20000];
    const int small = 1;
    struct sp_endpoint at = endpoint("127.0.0.1:0");
    struct sp_endpoint bound;
    struct sp_endpoint local;
    struct sp_problem problem = {0};
    struct sp_udpsock_batch *batch = sp_udpsock_create();
    int server = sp_udpsock_listen(&at, &bound, &problem);
    int client = sp_udpsock_connect(&bound, &local);
    cr_assert(server >= 0 && client >= 0 && batch != NULL);
    cr_assert_eq(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    uint32_t lost = 0;
    uint64_t read_n = 0;
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(send(client, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    read_n += sp_udpsock_read(batch, server, &lost);
    /* The count comes with the next datagram that fits. */
    cr_assert_eq(send(client, "x", 1, 0), 1);
    await(server);
    read_n += sp_udpsock_read(batch, server, &lost);
    cr_expect_gt(lost, 0);
    cr_expect_eq(read_n + lost, 21);
    sp_udpsock_destroy(&batch);
    (void)close(client);
    (void)close(server);
}

Test(udpsock, says_why_it_cannot_listen)
{
    struct sp_endpoint at = endpoint("127.0.0.1:0");
    struct sp_endpoint bound;
    struct sp_endpoint again;
    struct sp_problem problem = {0};
    int first = sp_udpsock_listen(&at, &bound, &problem);
    cr_assert_geq(first, 0);
    cr_expect_lt(sp_udpsock_listen(&bound, &again, &problem), 0);
    cr_expect_eq(problem.code, SP_PROBLEM_UNREACHABLE);
    cr_expect_not_null(strstr(problem.text, "cannot listen on 127.0.0.1:"));
    (void)close(first);
}
