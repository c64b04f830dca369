/* The nouns of Sampan that every layer shares.  Plain values: nothing here owns memory. */
#ifndef SAMPAN_TYPES_H
#define SAMPAN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Monotonic time in microseconds, from any fixed origin the caller likes.  SP_NEVER: no deadline. */
typedef int64_t sp_time;
#define SP_NEVER  INT64_MAX
#define SP_MS     ((sp_time)1000)
#define SP_SECOND ((sp_time)1000000)

#define SP_USER_MAX     64    /* bytes of a user or group id, at least 1 */
#define SP_BODY_MAX     65536 /* bytes of a message body (docs/protocol.md, section 4) */
#define SP_PART_MAX     1000  /* bytes of a body that travels in one datagram */
#define SP_DATAGRAM_MAX 1200  /* bytes of the largest datagram either side sends or accepts */

/* Borrowed bytes: valid until the next call on the lender, or as its header says. */
struct sp_view {
    const uint8_t *p;
    size_t n;
};

/* A user or group id: 1..SP_USER_MAX opaque bytes. */
struct sp_user {
    struct sp_view id;
};

/* Wrapped integers, so that the compiler tells a msgid from a seq. */
struct sp_msgid {
    uint64_t v; /* install epoch (unix seconds) in the high 32 bits, counter in the low; 0: none */
};
struct sp_seq {
    uint32_t v; /* 1..2^32-1; 0: none */
};
struct sp_epoch {
    uint64_t v; /* 0: none */
};

/* The identity of a message. */
struct sp_origin {
    struct sp_user user;
    uint32_t device;
    struct sp_msgid msgid;
};

/* A network address without any system header. */
struct sp_addr {
    uint8_t ip[16]; /* network order; IPv4 in the first 4 bytes, the rest 0 */
    uint16_t port;  /* host order */
    uint8_t family; /* 4 or 6; 0: none */
};

/* One datagram in a caller's buffer. */
struct sp_datagram {
    struct sp_addr peer;
    uint8_t *p;
    size_t len, cap;
};

/* State of a message as its sender may know it (docs/protocol.md, section 1).  Never goes down; values of
 * SP_STATE_ENDED and above are final and exclude DELIVERED and READ. */
enum sp_state {
    SP_STATE_UNKNOWN = 0,
    SP_STATE_ACCEPTED = 1,
    SP_STATE_STORED = 2,
    SP_STATE_DELIVERED = 3,
    SP_STATE_READ = 4,
    SP_STATE_ENDED = 9, /* expired or dropped */
    SP_STATE_REFUSED = 10,
    SP_STATE_HANDED_OVER = 11,
    SP_STATE_HANDED_UNKNOWN = 12,
};

#endif
