/* Network addresses between text, the system's socket addresses and struct sp_addr (sampan/types.h). */
#ifndef SP_ADDR_H
#define SP_ADDR_H

#include <sampan/types.h>
#include <sys/socket.h>

#include "trouble.h"

#define SP_ADDR_TEXT_MAX 64 /* "[IPv6]:65535" and its end */

/* "IP:PORT" or "[IPv6]:PORT", numeric only, no look-up.  True when the whole text is one.  Port 0 is
 * accepted. */
bool sp_addr_parse(const char *text, struct sp_addr *out);

/* "HOST:PORT" or "[IPv6]:PORT", a name resolved now (this may wait for a name server).  Up to cap addresses,
 * without repetition, in the resolver's order.  0, or -1 with a trouble: SP_EXIT_USAGE for a bad text,
 * SP_EXIT_UNREACHABLE for a name that has no address.  *n >= 1 on success. */
int sp_addr_resolve(const char *text, struct sp_addr *out, size_t cap, size_t *n, struct sp_trouble *t);

/* Writes "127.0.0.1:7400" or "[::1]:7400", or "-" without a family; always ended by NUL.  cap >=
 * SP_ADDR_TEXT_MAX. */
void sp_addr_print(const struct sp_addr *a, char *dst, size_t cap);

/* Socket address of `a`; returns its length, 0 without a family. */
socklen_t sp_addr_to_sock(const struct sp_addr *a, struct sockaddr_storage *out);
/* The reverse; an IPv4-mapped IPv6 address becomes IPv4.  False: neither IPv4 nor IPv6; *out is untouched. */
bool sp_addr_from_sock(const struct sockaddr_storage *ss, struct sp_addr *out);

bool sp_addr_is_equal(const struct sp_addr *a, const struct sp_addr *b);
bool sp_addr_is_loopback(const struct sp_addr *a); /* 127.0.0.0/8 or ::1 */
bool sp_addr_is_any(const struct sp_addr *a);      /* 0.0.0.0 or :: */

#endif
