/* Who may have a session: INIT, RETRY, ACCEPT, RESET (docs/protocol.md, section 2.3).  Work goes from cheap
 * to dear, and nothing unauthenticated leaves anything behind but a number in a fixed array. */
#ifndef SP_ADMIT_H
#define SP_ADMIT_H

#include "cookie.h"
#include "limit.h"
#include "register.h"

struct sp_gateway;
struct sp_session;

struct sp_admit {
    uint8_t key[16];         /* of the hashes below */
    struct sp_limit sources; /* INITs by address, IPv6 by /64 */
    struct sp_limit devices; /* handshakes by (user, device) */
    struct sp_limit resets;  /* RESETs by address */
    struct sp_register seen; /* e of INITs */
    struct sp_cookie_keys cookies;
    sp_time cookies_until; /* then the secret changes */
    int64_t started_s;     /* wall time of the start */
};

void sp_admit_init(struct sp_gateway *g, sp_time now);
/* Takes one datagram whose first byte says INIT; counts it as accepted or dropped. */
void sp_admit_receive(struct sp_gateway *g, struct sp_datagram *in, sp_time now);
/* A DATA of at least 27 bytes for a connection id that we do not know: RESET if the id is one of ours. */
void sp_admit_reset(struct sp_gateway *g, const struct sp_datagram *in, sp_time now);
/* Ends half-open sessions that were not confirmed in time. */
void sp_admit_step(struct sp_gateway *g, sp_time now);
sp_time sp_admit_deadline(const struct sp_gateway *g);

#endif
