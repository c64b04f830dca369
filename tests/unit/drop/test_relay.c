/* The whole tool in a process of its own, with real sockets on loopback: what it relays is compared with the
 * model, with its statistics and with its capture. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drop.h"
#include "endpoint.h"
#include "model.h"
#include "udpsock.h"

#define WAIT_MS   10000 /* longest wait for an event that must come */
#define WORDS_MAX 40
#define BYTES     64 /* of each datagram */
#define NO_REPLY  UINT32_MAX
#define DAMAGED   (UINT32_MAX - 1)

static char folder[] = "/tmp/relay.XXXXXX";
static char stats_path[64], pcap_path[64], events_path[64];

struct rig {
    pid_t pid;
    int err_fd;               /* the tool's stderr */
    struct sp_endpoint relay; /* where it listens */
    struct sp_endpoint server_at;
    int server;
};

static struct rig rig = {.pid = -1, .err_fd = -1, .server = -1};

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(stats_path, sizeof stats_path, "%s/stats", folder);
    (void)snprintf(pcap_path, sizeof pcap_path, "%s/pcap", folder);
    (void)snprintf(events_path, sizeof events_path, "%s/events", folder);
}

static void teardown(void)
{
    if (rig.pid > 0)
        (void)kill(rig.pid, SIGKILL);
    (void)unlink(stats_path);
    (void)unlink(pcap_path);
    (void)unlink(events_path);
    (void)rmdir(folder);
}

TestSuite(relay, .init = setup, .fini = teardown, .timeout = 60);

static struct sp_endpoint endpoint(const char *text)
{
    struct sp_endpoint e;
    struct sp_problem problem = {0};
    cr_assert_eq(sp_endpoint_resolve(text, &e, &problem), 0, "%s", problem.text);
    return e;
}

static void open_server(const char *at)
{
    struct sp_problem problem = {0};
    struct sp_endpoint e = endpoint(at);
    rig.server = sp_udpsock_listen(&e, &rig.server_at, &problem);
    cr_assert_geq(rig.server, 0, "%s", problem.text);
}

/* Runs the tool in a child.  `line` is split at spaces. */
static void launch(const char *line)
{
    char text[1024];
    char *argv[WORDS_MAX + 1] = {"sampan-drop"};
    int argc = 1;
    int pipe_fds[2];
    (void)snprintf(text, sizeof text, "%s", line);
    char *rest = text;
    for (char *word = strsep(&rest, " "); word != NULL && argc < WORDS_MAX; word = strsep(&rest, " "))
        argv[argc++] = word;
    cr_assert_eq(pipe(pipe_fds), 0);
    rig.pid = fork();
    cr_assert_geq(rig.pid, 0);
    if (rig.pid == 0) {
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
        (void)close(rig.server);
        _exit(sp_drop_run(argc, argv));
    }
    (void)close(pipe_fds[1]);
    rig.err_fd = pipe_fds[0];
}

/* The next line of the tool's stderr, without its end; empty at the end of the stream. */
static void read_line(char *line, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap && read(rig.err_fd, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = 0;
}

/* Starts a server and the relay before it, and waits for the line that says where it listens. */
static void start_before(const char *server_text, const char *options)
{
    char server[SP_ENDPOINT_TEXT_MAX];
    char line[1024];
    char said[256];
    char listen[128];
    open_server(server_text);
    sp_endpoint_print(&rig.server_at, server, sizeof server);
    (void)snprintf(line, sizeof line, "--listen 127.0.0.1:0 --to %s --stats %s --seed 7%s%s", server,
                   stats_path, *options != 0 ? " " : "", options);
    launch(line);
    read_line(said, sizeof said);
    char expected[256];
    cr_assert_eq(sscanf(said, "listen %100s to ", listen), 1, "%s", said);
    (void)snprintf(expected, sizeof expected, "listen %s to %s seed 7", listen, server);
    cr_assert_str_eq(said, expected);
    rig.relay = endpoint(listen);
    cr_assert_neq(sp_endpoint_port(&rig.relay), 0);
}

static void start(const char *options)
{
    start_before("127.0.0.1:0", options);
}

/* Ends the relay; it must exit 0. */
static void stop(int signal_number)
{
    int status = 0;
    cr_assert_eq(kill(rig.pid, signal_number), 0);
    cr_assert_eq(waitpid(rig.pid, &status, 0), rig.pid);
    rig.pid = -1;
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
    (void)close(rig.err_fd);
    (void)close(rig.server);
}

/* Runs a command line that ends by itself; its exit code. */
static int run(const char *line)
{
    int status = 0;
    launch(line);
    cr_assert_eq(waitpid(rig.pid, &status, 0), rig.pid);
    rig.pid = -1;
    (void)close(rig.err_fd);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_client(void)
{
    struct sp_endpoint local;
    int fd = sp_udpsock_connect(&rig.relay, &local);
    cr_assert_geq(fd, 0);
    return fd;
}

/* A number and a pattern made of all its bits, so that a flip anywhere shows. */
static void fill(uint8_t bytes[BYTES], uint32_t number)
{
    uint32_t pattern = number * UINT32_C(2654435761);
    memcpy(bytes, &number, sizeof number);
    for (size_t i = sizeof number; i < BYTES; i++)
        bytes[i] = (uint8_t)(pattern >> (i % 4 * 8));
}

static void send_number(int fd, uint32_t number)
{
    uint8_t bytes[BYTES];
    fill(bytes, number);
    cr_assert_eq(send(fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
}

/* The number in the next datagram, NO_REPLY if there is none within the time, DAMAGED if it is not as it was
 * sent. `from` may be NULL. */
static uint32_t receive_number(int fd, int wait_ms, struct sp_endpoint *from)
{
    uint8_t bytes[BYTES + 1];
    uint8_t right[BYTES];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint32_t number = 0;
    struct sp_endpoint sender;
    socklen_t size = sizeof sender.a;
    memset(&sender, 0, sizeof sender);
    if (poll(&p, 1, wait_ms) != 1)
        return NO_REPLY;
    if (recvfrom(fd, bytes, sizeof bytes, 0, &sender.a.any, &size) != BYTES)
        return DAMAGED;
    if (from != NULL)
        *from = sender;
    memcpy(&number, bytes, sizeof number);
    fill(right, number);
    return memcmp(bytes, right, BYTES) == 0 ? number : DAMAGED;
}

static void answer(const struct sp_endpoint *to, uint32_t number)
{
    uint8_t bytes[BYTES];
    fill(bytes, number);
    cr_assert_eq(sendto(rig.server, bytes, sizeof bytes, 0, &to->a.any, sp_endpoint_size(to)),
                 (ssize_t)sizeof bytes);
}

static uint64_t stat_of(const char *name)
{
    static char text[8192];
    char key[64];
    FILE *in = fopen(stats_path, "r");
    cr_assert_not_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    (void)fclose(in);
    (void)snprintf(key, sizeof key, "\n\"%s\": ", name);
    const char *at = strstr(text, key);
    cr_assert_not_null(at, "%s", name);
    return strtoull(at + strlen(key), NULL, 10);
}

/* Asks the running relay for its counters until one has a value. */
static void await_stat(const char *name, uint64_t value)
{
    int64_t end_us = sp_udpsock_now_us() + WAIT_MS * INT64_C(1000);
    const struct timespec pause = {.tv_nsec = 1000000};
    do {
        cr_assert_eq(kill(rig.pid, SIGUSR1), 0);
        (void)nanosleep(&pause, NULL);
    } while (stat_of(name) != value && sp_udpsock_now_us() < end_us);
    cr_assert_eq(stat_of(name), value, "%s", name);
}

Test(relay, a_perfect_wire_carries_everything_in_order)
{
    start("");
    int client = open_client();
    for (uint32_t i = 1; i <= 300; i++) {
        struct sp_endpoint from;
        send_number(client, i);
        cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), i);
        answer(&from, i + 1000);
        cr_assert_eq(receive_number(client, WAIT_MS, NULL), i + 1000);
    }
    stop(SIGTERM);
    cr_expect_eq(stat_of("up_received"), 300);
    cr_expect_eq(stat_of("up_sent"), 300);
    cr_expect_eq(stat_of("down_received"), 300);
    cr_expect_eq(stat_of("down_sent"), 300);
    cr_expect_eq(stat_of("down_sent_bytes"), UINT64_C(300) * BYTES);
    cr_expect_eq(stat_of("clients_seen"), 1);
    cr_expect_eq(stat_of("seed"), 7);
    cr_expect_leq(stat_of("late_p50_us"), stat_of("late_p99_us"));
    cr_expect_leq(stat_of("late_p99_us"), stat_of("late_max_us"));
    (void)close(client);
}

struct prediction {
    uint64_t arrivals, lost, doubled, corrupted;
};

/* What the model says about packets first..last; adds what arrives to `expected`, one counter per number. */
static void predict(struct sp_model *m, uint32_t first, uint32_t last, struct prediction *p,
                    uint8_t *expected)
{
    for (uint32_t i = first; i <= last; i++) {
        struct sp_model_packet packet = {.dir = SP_MODEL_UP, .index = i, .len = BYTES};
        struct sp_model_fate f;
        sp_model_judge(m, &packet, &f);
        p->lost += f.verdict == SP_MODEL_LOSS;
        p->doubled += f.copies == 2;
        p->corrupted += f.corrupt;
        p->arrivals += f.copies;
        expected[i] = (uint8_t)(f.copies - f.corrupt);
    }
}

/* Reads n arrivals at the server and counts them by number; the damaged ones are returned. */
static uint64_t collect(uint64_t n, uint8_t *got, uint32_t last)
{
    uint64_t damaged = 0;
    for (uint64_t k = 0; k < n; k++) {
        uint32_t number = receive_number(rig.server, WAIT_MS, NULL);
        cr_assert_neq(number, NO_REPLY, "fewer datagrams than the model says");
        cr_assert(number == DAMAGED || number <= last);
        if (number == DAMAGED)
            damaged++;
        else
            got[number]++;
    }
    return damaged;
}

static uint64_t lines_of(const char *path)
{
    uint64_t lines = 0;
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    for (int c = getc(in); c != EOF; c = getc(in))
        lines += c == '\n';
    (void)fclose(in);
    return lines;
}

Test(relay, fates_are_those_of_the_model_and_statistics_agree)
{
    enum { PACKETS = 2000, BATCH = 50 };
    static uint8_t expected[PACKETS + 1];
    static uint8_t got[PACKETS + 1];
    const struct sp_model_config config = {
        .seed = 7, .loss = {0.3, 0.3}, .jitter_us = 1000, .dup = 0.05, .corrupt = 0.02};
    struct sp_model m;
    struct prediction sum = {0, 0, 0, 0};
    char options[256];
    uint64_t damaged = 0;
    uint64_t arrived = 0;
    sp_model_init(&m, &config);
    (void)snprintf(options, sizeof options, "--loss 30%% --jitter 1 --dup 5%% --corrupt 2%% --event-log %s",
                   events_path);
    start(options);
    int client = open_client();
    for (uint32_t first = 1; first <= PACKETS; first += BATCH) {
        predict(&m, first, first + BATCH - 1, &sum, expected);
        for (uint32_t i = first; i < first + BATCH; i++)
            send_number(client, i);
        damaged += collect(sum.arrivals - arrived, got, PACKETS);
        arrived = sum.arrivals;
    }
    cr_expect_eq(receive_number(rig.server, 0, NULL), NO_REPLY, "more datagrams than the model says");
    stop(SIGTERM);
    cr_expect_eq(damaged, sum.corrupted);
    cr_expect_arr_eq(got, expected, sizeof got);
    cr_expect_eq(stat_of("up_received"), PACKETS);
    cr_expect_eq(stat_of("up_sent"), sum.arrivals);
    cr_expect_eq(stat_of("up_loss"), sum.lost);
    cr_expect_eq(stat_of("up_duplicated"), sum.doubled);
    cr_expect_eq(stat_of("up_corrupted"), sum.corrupted);
    cr_expect_eq(stat_of("up_waiting"), 0);
    cr_expect_eq(lines_of(events_path), sum.lost + sum.doubled + sum.corrupted);
    (void)close(client);
}

Test(relay, delay_is_kept_in_both_directions)
{
    start("--delay 20ms");
    int client = open_client();
    struct sp_endpoint from;
    int64_t sent_us = sp_udpsock_now_us();
    send_number(client, 1);
    cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), 1);
    int64_t answered_us = sp_udpsock_now_us();
    cr_expect_geq(answered_us - sent_us, 20000);
    answer(&from, 2);
    cr_assert_eq(receive_number(client, WAIT_MS, NULL), 2);
    cr_expect_geq(sp_udpsock_now_us() - answered_us, 20000);
    stop(SIGTERM);
    (void)close(client);
}

Test(relay, reordering_puts_packets_behind_later_ones)
{
    start("--reorder 20% --delay 5");
    int client = open_client();
    uint32_t highest = 0;
    unsigned late = 0;
    for (uint32_t i = 1; i <= 200; i++)
        send_number(client, i);
    for (uint32_t k = 1; k <= 200; k++) {
        uint32_t number = receive_number(rig.server, WAIT_MS, NULL);
        cr_assert_leq(number, 200);
        if (number < highest)
            late++;
        else
            highest = number;
    }
    stop(SIGTERM);
    cr_expect_eq(stat_of("up_sent"), 200);
    cr_expect_gt(stat_of("up_reordered"), 0);
    cr_expect_gt(late, 10);
    cr_expect_leq(late, stat_of("up_reordered"));
    (void)close(client);
}

Test(relay, a_blackhole_swallows_its_direction)
{
    start("--blackhole on=0,off=3600,dir=down");
    int client = open_client();
    for (uint32_t i = 1; i <= 20; i++) {
        struct sp_endpoint from;
        send_number(client, i);
        cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), i);
        answer(&from, i);
    }
    await_stat("down_blackhole", 20);
    cr_expect_eq(receive_number(client, 0, NULL), NO_REPLY);
    stop(SIGINT);
    cr_expect_eq(stat_of("up_sent"), 20);
    cr_expect_eq(stat_of("down_received"), 20);
    cr_expect_eq(stat_of("down_sent"), 0);
    (void)close(client);
}

Test(relay, a_blackhole_ends)
{
    start("--blackhole on=0,off=0.3,repeat=1");
    int client = open_client();
    int64_t begin_us = sp_udpsock_now_us();
    uint32_t number = 0;
    uint32_t first = NO_REPLY;
    while (first == NO_REPLY && sp_udpsock_now_us() - begin_us < WAIT_MS * INT64_C(1000)) {
        send_number(client, ++number);
        first = receive_number(rig.server, 10, NULL);
    }
    cr_assert_neq(first, NO_REPLY);
    stop(SIGTERM);
    cr_expect_eq(stat_of("up_blackhole"), first - 1, "all before the first that passed");
    cr_expect_geq(stat_of("uptime_us"), 300000);
    (void)close(client);
}

Test(relay, rebinding_takes_new_ports_and_goes_on)
{
    start("--rebind-every 0.02");
    int client = open_client();
    uint16_t ports[3] = {0};
    unsigned changes = 0;
    int64_t begin_us = sp_udpsock_now_us();
    for (uint32_t i = 1; changes < 3 && sp_udpsock_now_us() - begin_us < WAIT_MS * INT64_C(1000); i++) {
        struct sp_endpoint from;
        send_number(client, i);
        cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), i);
        if (changes == 0 || ports[changes - 1] != sp_endpoint_port(&from))
            ports[changes++] = sp_endpoint_port(&from);
        /* The answer may find that the port has changed again, as behind a real NAT; then the next one
         * counts. */
        answer(&from, i + 1000);
        (void)receive_number(client, 5, NULL);
    }
    cr_assert_eq(changes, 3, "the server saw three ports");
    stop(SIGTERM);
    cr_expect_geq(stat_of("rebinds"), 2);
    cr_expect_eq(stat_of("clients_seen"), 1);
    cr_expect_gt(stat_of("down_sent"), 0);
    (void)close(client);
}

Test(relay, clients_have_their_own_ports_and_answers)
{
    enum { CLIENTS = 200 };
    static int clients[CLIENTS];
    static uint8_t seen[65536];
    start("");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct sp_endpoint from;
        clients[i] = open_client();
        send_number(clients[i], i);
        cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), i);
        cr_expect_eq(seen[sp_endpoint_port(&from)]++, 0, "a port of its own");
        answer(&from, i + 5000);
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        cr_assert_eq(receive_number(clients[i], WAIT_MS, NULL), i + 5000);
        (void)close(clients[i]);
    }
    stop(SIGTERM);
    cr_expect_eq(stat_of("clients"), CLIENTS);
    cr_expect_eq(stat_of("clients_seen"), CLIENTS);
}

/* The address is one that no other test uses, so that the port is still free when the server comes back. */
Test(relay, a_server_that_was_away_loses_nothing_afterwards)
{
    start_before("127.7.7.7:0", "");
    int client = open_client();
    char at[SP_ENDPOINT_TEXT_MAX];
    send_number(client, 1);
    cr_assert_eq(receive_number(rig.server, WAIT_MS, NULL), 1);
    (void)close(rig.server);
    for (uint32_t i = 2; i <= 6; i++)
        send_number(client, i);
    await_stat("up_sent", 6);
    sp_endpoint_print(&rig.server_at, at, sizeof at);
    open_server(at);
    for (uint32_t i = 7; i <= 9; i++) {
        send_number(client, i);
        cr_expect_eq(receive_number(rig.server, WAIT_MS, NULL), i);
    }
    stop(SIGTERM);
    cr_expect_eq(stat_of("up_send_error"), 0);
    (void)close(client);
}

Test(relay, what_waits_at_the_end_is_told)
{
    start("--delay 50s --dup 1");
    int client = open_client();
    for (uint32_t i = 1; i <= 10; i++)
        send_number(client, i);
    await_stat("up_waiting", 20);
    stop(SIGTERM);
    cr_expect_eq(stat_of("up_received"), 10);
    cr_expect_eq(stat_of("up_duplicated"), 10);
    cr_expect_eq(stat_of("up_waiting"), 20);
    cr_expect_eq(stat_of("up_sent"), 0);
    (void)close(client);
}

/* Counts the records of a capture and looks at the ports of each: one side is always the relay's own or its
 * server. */
static uint64_t records_of_capture(void)
{
    static uint8_t bytes[100000];
    FILE *in = fopen(pcap_path, "r");
    cr_assert_not_null(in);
    size_t len = fread(bytes, 1, sizeof bytes, in);
    (void)fclose(in);
    uint64_t records = 0;
    size_t at = 24;
    while (at < len) {
        uint32_t size = 0;
        memcpy(&size, bytes + at + 8, sizeof size);
        cr_assert_eq(size, 20 + 8 + BYTES);
        const uint8_t *udp = bytes + at + 16 + 20;
        unsigned from = (unsigned)udp[0] << 8 | udp[1];
        unsigned to = (unsigned)udp[2] << 8 | udp[3];
        cr_expect(to == sp_endpoint_port(&rig.relay) || from == sp_endpoint_port(&rig.server_at));
        at += 16 + size;
        records++;
    }
    cr_expect_eq(at, len, "no half record");
    return records;
}

Test(relay, capture_has_all_that_enters)
{
    char options[128];
    (void)snprintf(options, sizeof options, "--loss-down 100%% --pcap %s", pcap_path);
    start(options);
    int client = open_client();
    for (uint32_t i = 1; i <= 25; i++) {
        struct sp_endpoint from;
        send_number(client, i);
        cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), i);
        answer(&from, i);
    }
    await_stat("down_loss", 25);
    stop(SIGTERM);
    cr_expect_eq(records_of_capture(), 50);
    cr_expect_eq(stat_of("pcap_skipped"), 0);
    (void)close(client);
}

Test(relay, says_how_it_ended)
{
    char line[256];
    start("--droplist up:1");
    int client = open_client();
    send_number(client, 1);
    send_number(client, 2);
    cr_assert_eq(receive_number(rig.server, WAIT_MS, NULL), 2);
    int err_fd = dup(rig.err_fd);
    stop(SIGTERM);
    rig.err_fd = err_fd;
    read_line(line, sizeof line);
    cr_expect_str_eq(line, "up received 2 sent 1 lost 1 duplicated 0 corrupted 0 reordered 0");
    read_line(line, sizeof line);
    cr_expect_str_eq(line, "down received 0 sent 0 lost 0 duplicated 0 corrupted 0 reordered 0");
    read_line(line, sizeof line);
    cr_expect_eq(strncmp(line, "late us p50 ", 12), 0, "%s", line);
    (void)close(err_fd);
    (void)close(client);
}

Test(relay, ipv6_clients_of_an_ipv4_server)
{
    struct sp_problem problem = {0};
    struct sp_endpoint at = endpoint("[::1]:0");
    struct sp_endpoint bound;
    char server[SP_ENDPOINT_TEXT_MAX];
    char line[256];
    char listen[128];
    int probe = sp_udpsock_listen(&at, &bound, &problem);
    if (probe < 0)
        cr_skip("no IPv6 here");
    (void)close(probe);
    open_server("127.0.0.1:0");
    sp_endpoint_print(&rig.server_at, server, sizeof server);
    (void)snprintf(line, sizeof line, "--listen [::1]:0 --to %s", server);
    launch(line);
    read_line(line, sizeof line);
    cr_assert_eq(sscanf(line, "listen %100s to ", listen), 1, "%s", line);
    rig.relay = endpoint(listen);
    int client = open_client();
    struct sp_endpoint from;
    send_number(client, 1);
    cr_assert_eq(receive_number(rig.server, WAIT_MS, &from), 1);
    answer(&from, 2);
    cr_assert_eq(receive_number(client, WAIT_MS, NULL), 2);
    stop(SIGTERM);
    (void)close(client);
}

Test(relay, exit_codes_of_a_bad_start)
{
    char busy[SP_ENDPOINT_TEXT_MAX];
    char line[256];
    open_server("127.0.0.1:0");
    sp_endpoint_print(&rig.server_at, busy, sizeof busy);
    cr_expect_eq(run("--loss 30"), 2);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to 127.0.0.1:0"), 2);
    cr_expect_eq(run("--listen 127.0.0.1 --to 127.0.0.1:1"), 2);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to 127.0.0.1:1 --trace-up f"), 2);
    cr_expect_eq(run("link --ns-a a --ns-b b"), 2);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to host.invalid:1"), 69);
    (void)snprintf(line, sizeof line, "--listen %s --to 127.0.0.1:1", busy);
    cr_expect_eq(run(line), 69);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to 127.0.0.1:1 --stats /nonexistent/s"), 74);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to 127.0.0.1:1 --pcap /nonexistent/p"), 74);
    cr_expect_eq(run("--listen 127.0.0.1:0 --to 127.0.0.1:1 --event-log /nonexistent/e"), 74);
    (void)close(rig.server);
    (void)snprintf(line, sizeof line, "--listen %s --to %s", busy, busy);
    cr_expect_eq(run(line), 2, "a relay to itself");
}
