/* Every maximum and every time of the gateway core that docs/protocol.md fixes or that bounds a table.
 * Constants only: what an operator may change is in struct sp_gateway_config. */
#ifndef SP_CONF_H
#define SP_CONF_H

#include <sampan/types.h>

/* Handshake: docs/protocol.md, section 2.3. */
#define SP_CONF_INIT_EVERY       (50 * SP_MS) /* source bucket: 20 INITs a second, burst 40 */
#define SP_CONF_INIT_BURST       40
#define SP_CONF_INIT_BUCKETS     16384
#define SP_CONF_DEVICE_EVERY     SP_SECOND /* device bucket: 1 a second, burst 8 */
#define SP_CONF_DEVICE_BURST     8
#define SP_CONF_DEVICE_BUCKETS   16384
#define SP_CONF_RESET_EVERY      (100 * SP_MS) /* 10 RESETs a second and address */
#define SP_CONF_RESET_BURST      10
#define SP_CONF_RESET_BUCKETS    4096
#define SP_CONF_HALF_OPEN_MAX    4096
#define SP_CONF_HALF_OPEN_EASY   256 /* above it every INIT needs a cookie */
#define SP_CONF_HALF_OPEN_DEVICE 2
#define SP_CONF_HALF_OPEN_LIFE   (5 * SP_SECOND)
#define SP_CONF_REGISTER_MAX     65536
#define SP_CONF_REGISTER_LIFE    (60 * SP_SECOND)
#define SP_CONF_COOKIE_LIFE      (120 * SP_SECOND) /* of a cookie secret; two live */
#define SP_CONF_TIME_WINDOW_S    30
#define SP_CONF_ACCEPT_REPEATS   3
#define SP_CONF_REPLIES_MAX      1024 /* ACCEPT, RETRY, RESET waiting for one transmit */

/* Sessions.  Frames queued or in flight of all of them: so many per session, within the two bounds. */
#define SP_CONF_FRAMES_SESSION 4
#define SP_CONF_FRAMES_MIN     4096
#define SP_CONF_FRAMES_MAX     262144
#define SP_CONF_SESSIONS_MAX   10000000
#define SP_CONF_SESSION_LIFE   (24 * 3600) /* seconds */
#define SP_CONF_LINK_FRAMES    512         /* queued or in flight in one link */
#define SP_CONF_LINK_NOTICES   224         /* of them msg:N, so that answers always find room */
#define SP_CONF_INBOX          256         /* unanswered msg:R of one device, told in OPTIONS */
#define SP_CONF_CLIENT_INBOX   64          /* unconfirmed msg:N until a client says more or less */
#define SP_CONF_ACKDELAY_MS    5
#define SP_CONF_KEEPALIVE_S    25
#define SP_CONF_TURN_PACKETS   16 /* datagrams of one session before the next session's turn */
#define SP_CONF_CLOSING_CHECK  SP_SECOND

/* Delivery: docs/protocol.md, sections 5.1 to 5.5. */
#define SP_CONF_SENDS_MAX    8192 /* messages held or in the store: what a store port takes */
#define SP_CONF_HOLD_MAX     64   /* per device: messages that wait for the one named in AFTER */
#define SP_CONF_HOLD_BYTES   65536
#define SP_CONF_HOLD_LIFE    (10 * SP_SECOND)
#define SP_CONF_BUSY_RETRY   10    /* 0.1 s */
#define SP_CONF_REFUSED_MAX  65536 /* refused ids of all sessions; SP_DEDUP_MAX bounds one */
#define SP_CONF_PULL_MAX     500
#define SP_CONF_PULL_BYTES   (256U * 1024)
#define SP_CONF_PULL_CHUNK   8            /* a stalled pull goes on when the link has room for so many */
#define SP_CONF_PULL_IDS     8            /* answered pull ids that a session remembers */
#define SP_CONF_PULL_STALL   (20 * SP_MS) /* a pull without a slot for its next message rests so long */
#define SP_CONF_SPANS        16
#define SP_CONF_STATUS_OPEN  4 /* STATUS:R of one session waiting for their answers */
#define SP_CONF_STATUSES_MAX 4096
#define SP_CONF_WATCHES_MAX  65536 /* messages not confirmed yet whose sender may get STORED */
#define SP_CONF_STORED_AFTER (8 * SP_SECOND)
#define SP_CONF_STORED_FOUR  (2 * SP_SECOND)
#define SP_CONF_OWED_MAX     262144 /* receipts that no sender has acknowledged yet */
#define SP_CONF_OWED_DEVICE  256
#define SP_CONF_TTL_S        (7 * 24 * 3600)

/* The store port. */
#define SP_CONF_BATCH_MAX     1024 /* requests of one submit */
#define SP_CONF_RANGES_MAX    1024 /* RANGEs that a port takes at once */
#define SP_CONF_DONE_MAX      256  /* completions of one poll */
#define SP_CONF_POLLS_MAX     16   /* polls of one step */
#define SP_CONF_STORE_AGAIN   SP_MS
#define SP_CONF_STORE_REPEATS 3 /* of a question whose outcome the store does not know */

#endif
