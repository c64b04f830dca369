/* The gateway's UDP socket: batches in, batches out, never waiting.  Knows no protocol.  One socket of one
 * address family; an IPv6 socket on [::] also serves IPv4. */
#ifndef SP_UDP_H
#define SP_UDP_H

#include <sampan/types.h>

#include "trouble.h"

#define SP_UDP_BATCH 64

struct sp_udp;

struct sp_udp_stats {
    uint64_t send_errors;  /* datagrams that the system refused; the link repeats what mattered */
    uint64_t send_blocked; /* datagrams dropped because the socket's queue was full */
    uint64_t receive_errors;
};

/* Opens a socket on `at` (port 0: any).  Don't-fragment is set; buffers of 4 MiB are asked for.
 * SP_EXIT_UNREACHABLE: no such address here; SP_EXIT_REFUSED: the port needs more rights; SP_EXIT_IO: in use,
 * no memory, and the like. */
int sp_udp_open(struct sp_udp **out, const struct sp_addr *at, struct sp_trouble *t);
void sp_udp_close(struct sp_udp **u);

/* For epoll: readable when datagrams wait. */
int sp_udp_fd(const struct sp_udp *u);
/* Where it listens, with the actual port. */
struct sp_addr sp_udp_at(const struct sp_udp *u);

/* Takes up to SP_UDP_BATCH waiting datagrams; *out points to them, borrowed until the next call.  Returns how
 * many. */
size_t sp_udp_receive(struct sp_udp *u, struct sp_datagram **out);

/* SP_UDP_BATCH empty datagrams with buffers of SP_DATAGRAM_MAX bytes, to be filled in and sent. */
struct sp_datagram *sp_udp_buffers(struct sp_udp *u);
/* Sends the first n of them.  What cannot leave is dropped, as a network does, and counted.  False: the
 * socket's queue is full; try again when the descriptor is writable. */
bool sp_udp_send(struct sp_udp *u, size_t n);

struct sp_udp_stats sp_udp_stats(const struct sp_udp *u);

#endif
