/* An IPv4 or IPv6 address with a port. */
#ifndef SP_ENDPOINT_H
#define SP_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "problem.h"

#define SP_ENDPOINT_TEXT_MAX 80 /* "[address%interface]:port" and its end */

/* An all-zero endpoint has no family. */
struct sp_endpoint {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;
};

/* "HOST:PORT" or "[IPv6]:PORT", names resolved now; a name with several addresses gives its first IPv4 one,
 * else its first.  0, or -1 with a problem: SP_PROBLEM_USAGE for a bad text, SP_PROBLEM_UNREACHABLE for an
 * unknown name. */
int sp_endpoint_resolve(const char *text, struct sp_endpoint *out, struct sp_problem *problem);

/* Size of the socket address for the system, 0 without a family. */
socklen_t sp_endpoint_size(const struct sp_endpoint *e);

/* Port in host order. */
uint16_t sp_endpoint_port(const struct sp_endpoint *e);

bool sp_endpoint_is_equal(const struct sp_endpoint *a, const struct sp_endpoint *b);

/* A hash of address and port for tables; equal endpoints have equal hashes. */
uint64_t sp_endpoint_hash(const struct sp_endpoint *e);

/* Writes "127.0.0.1:7400" or "[::1]:7400", always ended by NUL.  `cap` should be SP_ENDPOINT_TEXT_MAX. */
void sp_endpoint_print(const struct sp_endpoint *e, char *dst, size_t cap);

#endif
