/* The relay: UDP datagrams between clients and one server, each with the fate that the model gives it.  One
 * upstream socket per client address, so the server sees each client on a port of its own.  One thread; it
 * waits in epoll with a timer on the monotonic clock. */
#ifndef SP_RELAY_H
#define SP_RELAY_H

#include <stdint.h>

#include "endpoint.h"
#include "model.h"
#include "problem.h"
#include "tally.h"

#define SP_RELAY_TICK_US       1000000 /* statistics, flushing, forgetting idle clients */
#define SP_RELAY_REBIND_MIN_US 10000

struct sp_relay_config {
    struct sp_endpoint listen, to;
    struct sp_model_config model;
    int64_t rebind_us;      /* each client gets a new upstream port so often; 0: never */
    const char *stats_path; /* borrowed for the relay's life, like the next two; NULL: none */
    const char *pcap_path;
    const char *events_path;
};

struct sp_relay;

/* Opens sockets and files, and blocks SIGTERM, SIGINT and SIGUSR1 for this thread: the relay reads them
 * itself.  0, or -1 with a problem and *out unchanged. */
int sp_relay_open(struct sp_relay **out, const struct sp_relay_config *config, struct sp_problem *problem);

/* Closes everything and sets *r to NULL; NULL inside is allowed.  0, or -1 with a problem if a file could not
 * be written whole. */
int sp_relay_close(struct sp_relay **r, struct sp_problem *problem);

/* Where it listens, with the port that the system gave. */
const struct sp_endpoint *sp_relay_bound(const struct sp_relay *r);

/* Relays until SIGTERM or SIGINT.  0, or -1 with a problem. */
int sp_relay_run(struct sp_relay *r, struct sp_problem *problem);

/* The counters so far, and what belongs to them; borrowed until the next call. */
const struct sp_tally *sp_relay_tally(struct sp_relay *r, struct sp_tally_run *run);

#endif
