/* The relay loop: sockets in, transit, sockets out. */
#include "relay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "eventlog.h"
#include "flow.h"
#include "pcap.h"
#include "transit.h"
#include "udpsock.h"

#define EVENTS_MAX  64  /* sockets per turn */
#define READS_MAX   4   /* batches per socket and turn */
#define SENDS_MAX   256 /* datagrams between two looks at the sockets */
#define DESCRIPTORS (SP_FLOW_MAX + 64)
#define NICENESS    (-10)

/* What an epoll event is about; from ABOUT_FLOW on it is a client's place in the table. */
enum about { ABOUT_LISTEN, ABOUT_TIMER, ABOUT_SIGNAL, ABOUT_FLOW };

struct sp_relay {
    struct sp_relay_config config;
    struct sp_endpoint bound;
    int epoll_fd, timer_fd, signal_fd, listen_fd;
    uint32_t listen_lost; /* the socket's loss count when last read */
    struct sp_flow_table *flows;
    struct sp_udpsock_batch *batch;
    struct sp_eventlog *events;
    struct sp_pcap *pcap;
    struct sp_transit transit;
    int64_t wall_offset_us;     /* wall clock at the start minus monotonic clock */
    int64_t tick_us, rebind_us; /* next times */
    int64_t armed_us;           /* what the timer is set to */
    bool stats_failed, stop;
};

static int watch(const struct sp_relay *r, int fd, uint64_t about)
{
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = about}};
    return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

/* A new upstream socket for a client; the old one is closed.  0, or -1 and the old one stays. */
static int connect_flow(struct sp_relay *r, struct sp_flow *flow)
{
    struct sp_endpoint local;
    int fd = sp_udpsock_connect(&r->config.to, &local);
    if (fd < 0)
        return -1;
    if (watch(r, fd, ABOUT_FLOW + (uint64_t)(flow - r->flows->flows)) != 0) {
        (void)close(fd);
        return -1;
    }
    if (flow->fd >= 0)
        (void)close(flow->fd);
    flow->fd = fd;
    flow->local = local;
    flow->kernel_lost = 0;
    return 0;
}

static void forget_flow(struct sp_relay *r, struct sp_flow *flow)
{
    if (flow->fd >= 0)
        (void)close(flow->fd);
    flow->fd = -1;
    sp_flow_remove(r->flows, flow);
}

/* The client that a datagram came from, new or known, or NULL and the reason is counted. */
static struct sp_flow *flow_of(struct sp_relay *r, const struct sp_udpsock_datagram *d)
{
    struct sp_tally *tally = &r->transit.tally;
    struct sp_flow *flow = sp_flow_find(r->flows, &d->from);
    if (flow != NULL)
        return flow;
    flow = sp_flow_add(r->flows, &d->from, d->arrived_us);
    if (flow == NULL) {
        sp_tally_add(tally, SP_MODEL_UP, SP_TALLY_NO_CLIENT, 1);
        return NULL;
    }
    if (connect_flow(r, flow) != 0) {
        sp_tally_add(tally, SP_MODEL_UP, SP_TALLY_NO_SOCKET, 1);
        forget_flow(r, flow);
        return NULL;
    }
    tally->clients_seen++;
    return flow;
}

static void record(struct sp_relay *r, const struct sp_endpoint *from, const struct sp_endpoint *to,
                   const struct sp_udpsock_datagram *d)
{
    struct sp_pcap_datagram entry = {.from = from,
                                     .to = to,
                                     .unix_us = d->arrived_us + r->wall_offset_us,
                                     .bytes = d->bytes,
                                     .len = d->len};
    sp_pcap_add(r->pcap, &entry);
}

static void take(struct sp_relay *r, struct sp_flow *flow, enum sp_model_dir dir,
                 const struct sp_udpsock_datagram *d)
{
    struct sp_transit_datagram datagram = {.bytes = d->bytes, .len = d->len, .arrived_us = d->arrived_us};
    flow->used_us = d->arrived_us;
    sp_transit_take(&r->transit, flow, dir, &datagram);
}

static void note_received(struct sp_relay *r, enum sp_model_dir dir, const struct sp_udpsock_datagram *d)
{
    sp_tally_add(&r->transit.tally, dir, SP_TALLY_RECEIVED, 1);
    sp_tally_add(&r->transit.tally, dir, SP_TALLY_RECEIVED_BYTES, d->len);
}

/* One batch of the listening socket.  The number of datagrams. */
static size_t read_clients(struct sp_relay *r)
{
    uint32_t lost = r->listen_lost;
    size_t n = sp_udpsock_read(r->batch, r->listen_fd, &lost);
    sp_tally_add(&r->transit.tally, SP_MODEL_UP, SP_TALLY_KERNEL_LOST, lost - r->listen_lost);
    r->listen_lost = lost;
    for (size_t i = 0; i < n; i++) {
        const struct sp_udpsock_datagram *d = sp_udpsock_get(r->batch, i);
        note_received(r, SP_MODEL_UP, d);
        record(r, &d->from, &r->bound, d);
        struct sp_flow *flow = flow_of(r, d);
        if (flow != NULL)
            take(r, flow, SP_MODEL_UP, d);
    }
    return n;
}

/* One batch of a client's upstream socket.  The number of datagrams. */
static size_t read_server(struct sp_relay *r, struct sp_flow *flow)
{
    uint32_t lost = flow->kernel_lost;
    size_t n = sp_udpsock_read(r->batch, flow->fd, &lost);
    sp_tally_add(&r->transit.tally, SP_MODEL_DOWN, SP_TALLY_KERNEL_LOST, lost - flow->kernel_lost);
    flow->kernel_lost = lost;
    for (size_t i = 0; i < n; i++) {
        const struct sp_udpsock_datagram *d = sp_udpsock_get(r->batch, i);
        note_received(r, SP_MODEL_DOWN, d);
        record(r, &r->config.to, &flow->local, d);
        take(r, flow, SP_MODEL_DOWN, d);
    }
    return n;
}

static ssize_t send_once(const struct sp_relay *r, const struct sp_packet *p)
{
    if (p->dir == SP_MODEL_UP)
        return send(p->flow->fd, p->bytes, p->len, MSG_DONTWAIT);
    const struct sp_endpoint *to = &p->flow->client;
    return sendto(r->listen_fd, p->bytes, p->len, MSG_DONTWAIT, &to->a.any, sp_endpoint_size(to));
}

/* A connected socket reports "refused" of an earlier datagram in place of sending this one, so that is tried
 * again. */
static void send_packet(struct sp_relay *r, const struct sp_packet *p)
{
    struct sp_tally *tally = &r->transit.tally;
    ssize_t sent = send_once(r, p);
    if (sent < 0 && (errno == ECONNREFUSED || errno == EINTR))
        sent = send_once(r, p);
    if (sent < 0) {
        sp_tally_add(tally, p->dir, SP_TALLY_SEND_ERROR, 1);
        return;
    }
    sp_tally_add(tally, p->dir, SP_TALLY_SENT, 1);
    sp_tally_add(tally, p->dir, SP_TALLY_SENT_BYTES, p->len);
}

/* Sends what is due, SENDS_MAX at most. */
static void send_due(struct sp_relay *r)
{
    int64_t now_us = sp_udpsock_now_us();
    for (unsigned i = 0; i < SENDS_MAX; i++) {
        struct sp_packet *p = sp_transit_next(&r->transit, now_us);
        if (p == NULL)
            return;
        send_packet(r, p);
        now_us = sp_udpsock_now_us();
        sp_tally_note_late(&r->transit.tally, now_us - p->node.due_us);
        free(p);
    }
}

/* Gives every client a new port, as a NAT does that lost its table.  What the old socket had received still
 * counts. */
static void rebind_all(struct sp_relay *r, int64_t now_us)
{
    for (size_t i = 0; i < SP_FLOW_MAX; i++) {
        struct sp_flow *flow = &r->flows->flows[i];
        if (!flow->live)
            continue;
        for (unsigned k = 0; k < READS_MAX && read_server(r, flow) > 0; k++)
            ;
        if (connect_flow(r, flow) == 0)
            sp_eventlog_add(r->events, now_us, SP_MODEL_UP, "rebind", ++r->transit.tally.rebinds);
    }
}

static void forget_idle(struct sp_relay *r, int64_t now_us)
{
    for (size_t i = 0; i < SP_FLOW_MAX; i++) {
        if (sp_flow_is_idle(&r->flows->flows[i], now_us)) {
            forget_flow(r, &r->flows->flows[i]);
            r->transit.tally.clients_evicted++;
        }
    }
}

const struct sp_tally *sp_relay_tally(struct sp_relay *r, struct sp_tally_run *run)
{
    run->seed = r->config.model.seed;
    run->started_us = r->transit.start_us;
    run->uptime_us = sp_udpsock_now_us() - r->transit.start_us;
    r->transit.tally.clients = r->flows->count;
    r->transit.tally.pcap_skipped = sp_pcap_skipped(r->pcap);
    r->transit.tally.events_skipped = sp_eventlog_skipped(r->events);
    return &r->transit.tally;
}

static void save_stats(struct sp_relay *r)
{
    struct sp_tally_run run;
    const struct sp_tally *tally = sp_relay_tally(r, &run);
    if (r->config.stats_path != NULL)
        r->stats_failed = sp_tally_save(tally, &run, r->config.stats_path) != 0;
}

static void flush_all(struct sp_relay *r)
{
    save_stats(r);
    sp_eventlog_flush(r->events);
    sp_pcap_flush(r->pcap);
}

/* What happens by the clock, apart from packets. */
static void run_clockwork(struct sp_relay *r)
{
    int64_t now_us = sp_udpsock_now_us();
    if (now_us >= r->rebind_us) {
        rebind_all(r, now_us);
        /* On the grid of the start, also after a long pause. */
        int64_t rounds = (now_us - r->transit.start_us) / r->config.rebind_us;
        r->rebind_us = r->transit.start_us + (rounds + 1) * r->config.rebind_us;
    }
    if (now_us >= r->tick_us) {
        r->tick_us = now_us + SP_RELAY_TICK_US;
        forget_idle(r, now_us);
        flush_all(r);
    }
}

static int64_t next_deadline(const struct sp_relay *r)
{
    int64_t at_us = sp_transit_deadline(&r->transit);
    if (r->tick_us < at_us)
        at_us = r->tick_us;
    return r->rebind_us < at_us ? r->rebind_us : at_us;
}

/* Arms the timer, whose resolution is finer than that of epoll's own timeout. */
static void arm(struct sp_relay *r)
{
    int64_t at_us = next_deadline(r);
    if (at_us == r->armed_us)
        return;
    r->armed_us = at_us;
    if (at_us < 1)
        at_us = 1;
    struct itimerspec spec = {.it_value = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000}};
    (void)timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void read_timer(struct sp_relay *r)
{
    uint64_t fired = 0;
    if (read(r->timer_fd, &fired, sizeof fired) > 0)
        r->armed_us = 0;
}

static void read_signals(struct sp_relay *r)
{
    struct signalfd_siginfo info;
    while (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGUSR1)
            flush_all(r);
        else
            r->stop = true;
    }
}

static void handle(struct sp_relay *r, uint64_t about)
{
    if (about == ABOUT_TIMER) {
        read_timer(r);
    } else if (about == ABOUT_SIGNAL) {
        read_signals(r);
    } else if (about == ABOUT_LISTEN) {
        for (unsigned i = 0; i < READS_MAX && read_clients(r) == SP_UDPSOCK_BATCH; i++)
            ;
    } else {
        /* The event may be older than the client's end or its new socket; reading is harmless then. */
        struct sp_flow *flow = &r->flows->flows[about - ABOUT_FLOW];
        for (unsigned i = 0; i < READS_MAX && flow->live && read_server(r, flow) == SP_UDPSOCK_BATCH; i++)
            ;
    }
}

int sp_relay_run(struct sp_relay *r, struct sp_problem *problem)
{
    struct epoll_event events[EVENTS_MAX];
    while (!r->stop) {
        arm(r);
        int n = epoll_wait(r->epoll_fd, events, EVENTS_MAX, -1);
        if (n < 0 && errno != EINTR)
            return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            handle(r, events[i].data.u64);
            send_due(r);
        }
        run_clockwork(r);
    }
    return 0;
}

const struct sp_endpoint *sp_relay_bound(const struct sp_relay *r)
{
    return &r->bound;
}

/* A descriptor per client; the usual soft limit is 1024.  Where it cannot be raised, no_socket counts. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The wire is not to wait behind the programs that it connects.  Needs a privilege; without it all goes on.
 */
static void raise_priority(void)
{
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
}

static int open_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int open_loop(struct sp_relay *r, struct sp_problem *problem)
{
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    r->signal_fd = open_signals();
    r->flows = sp_flow_create();
    r->batch = sp_udpsock_create();
    if (r->epoll_fd < 0 || r->timer_fd < 0 || r->signal_fd < 0 || r->flows == NULL || r->batch == NULL)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "cannot set up: %s", strerror(errno));
    if (watch(r, r->listen_fd, ABOUT_LISTEN) != 0 || watch(r, r->timer_fd, ABOUT_TIMER) != 0 ||
        watch(r, r->signal_fd, ABOUT_SIGNAL) != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "cannot set up: %s", strerror(errno));
    return 0;
}

static int open_files(struct sp_relay *r, struct sp_problem *problem)
{
    const struct sp_relay_config *c = &r->config;
    if (c->pcap_path != NULL && sp_pcap_open(&r->pcap, c->pcap_path, SP_PCAP_BYTES_MAX) != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: %s", c->pcap_path, strerror(errno));
    if (c->events_path != NULL && sp_eventlog_open(&r->events, c->events_path, SP_EVENTLOG_BYTES_MAX) != 0)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: %s", c->events_path, strerror(errno));
    return 0;
}

static int open_all(struct sp_relay *r, struct sp_problem *problem)
{
    raise_descriptor_limit();
    raise_priority();
    r->listen_fd = sp_udpsock_listen(&r->config.listen, &r->bound, problem);
    if (r->listen_fd < 0)
        return -1;
    if (sp_endpoint_is_equal(&r->bound, &r->config.to))
        return SP_PROBLEM_SET(problem, SP_PROBLEM_USAGE, "--to is the relay itself");
    if (open_loop(r, problem) != 0 || open_files(r, problem) != 0)
        return -1;
    int64_t now_us = sp_udpsock_now_us();
    sp_transit_init(&r->transit, &r->config.model, now_us, r->events);
    r->wall_offset_us = sp_udpsock_wall_us() - now_us;
    r->tick_us = now_us + SP_RELAY_TICK_US;
    r->rebind_us = r->config.rebind_us > 0 ? now_us + r->config.rebind_us : SP_TRANSIT_NEVER;
    save_stats(r);
    if (r->stats_failed)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: %s", r->config.stats_path, strerror(errno));
    return 0;
}

int sp_relay_open(struct sp_relay **out, const struct sp_relay_config *config, struct sp_problem *problem)
{
    struct sp_relay *r = calloc(1, sizeof *r);
    if (r == NULL)
        return SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "no memory");
    r->config = *config;
    r->epoll_fd = r->timer_fd = r->signal_fd = r->listen_fd = -1;
    if (open_all(r, problem) != 0) {
        struct sp_problem second;
        (void)sp_relay_close(&r, &second);
        return -1;
    }
    *out = r;
    return 0;
}

static void close_sockets(struct sp_relay *r)
{
    for (size_t i = 0; r->flows != NULL && i < SP_FLOW_MAX; i++)
        if (r->flows->flows[i].live)
            forget_flow(r, &r->flows->flows[i]);
    const int fds[] = {r->epoll_fd, r->timer_fd, r->signal_fd, r->listen_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

int sp_relay_close(struct sp_relay **relay, struct sp_problem *problem)
{
    struct sp_relay *r = *relay;
    if (r == NULL)
        return 0;
    if (r->flows != NULL)
        save_stats(r);
    int result = 0;
    if (r->stats_failed)
        result = SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: could not be written", r->config.stats_path);
    if (sp_pcap_close(&r->pcap) != 0)
        result = SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: could not be written", r->config.pcap_path);
    if (sp_eventlog_close(&r->events) != 0)
        result = SP_PROBLEM_SET(problem, SP_PROBLEM_IO, "%s: could not be written", r->config.events_path);
    sp_transit_wipe(&r->transit);
    close_sockets(r);
    sp_flow_destroy(&r->flows);
    sp_udpsock_destroy(&r->batch);
    free(r);
    *relay = NULL;
    return result;
}
