/* How a client gets a session: INIT attempts, their copies and back-off, RETRY with its cookie, ACCEPT
 * (docs/protocol.md, sections 2.3 and 5.5).  Begins with a connect blob and ends with keys; refuses to know
 * links, messages or why a session is wanted. */
#ifndef SP_CONNECT_H
#define SP_CONNECT_H

#include "handshake.h"
#include "rng.h"
#include "wire.h"

enum sp_connect_phase {
    SP_CONNECT_OFF,    /* no session is wanted, or one is there */
    SP_CONNECT_WAIT,   /* the next attempt starts at next_at */
    SP_CONNECT_TRYING, /* an INIT is out */
};

struct sp_connect {
    const struct sp_crypto *crypto;
    struct sp_rng *rng;
    struct sp_blob blob;
    struct {
        bool is_held;
        uint8_t bytes[SP_TICKET_LEN], psk[SP_KEY_LEN];
        int64_t expires_s; /* by the estimate of gateway time */
        unsigned unanswered;
    } ticket; /* newer than the blob while it is held */

    int64_t time_s; /* gateway time at time_at, as estimated */
    sp_time time_at;
    bool is_time_told; /* by an ACCEPT, not guessed */

    enum sp_connect_phase phase;
    bool is_spare;      /* a session is there but dark: single INITs */
    bool wants_token;   /* to tell the app, once */
    bool is_token_told; /* for this blob */
    bool is_fresh;      /* the app has just fetched this blob, and no attempt has begun with it */
    unsigned level;     /* attempts since the last confirmed session */
    unsigned retries;   /* RETRYs honored in this attempt */
    unsigned copies;    /* of this INIT sent so far */
    size_t addr;
    sp_time started, copy_at, next_at;

    struct sp_handshake handshake;
    uint8_t cookie[SP_COOKIE_LEN];
    uint8_t init[SP_DATAGRAM_MAX];
    size_t init_len; /* 0: no INIT is out */
};

/* Reads the blob; nothing is wanted yet.  unix_s: wall time now.  SP_EMALFORMED, SP_EVERSION. */
int sp_connect_init(struct sp_connect *c, const struct sp_crypto *crypto, struct sp_rng *rng,
                    struct sp_view blob, int64_t unix_s, sp_time now);
/* Zeroes all secrets. */
void sp_connect_wipe(struct sp_connect *c);
/* A new blob takes the place of the old one and of a ticket; an INIT that is out is forgotten, so call
 * sp_connect_start if a session is wanted.  Errors as above, then nothing changed. */
int sp_connect_token(struct sp_connect *c, struct sp_view blob, sp_time now);
/* A ticket of the gateway: used for the next sessions, until it expires or two attempts with it met silence.
 */
void sp_connect_ticket(struct sp_connect *c, const struct sp_frame_ticket *t, sp_time now);

/* A session is wanted in `wait_us`; later, by the back-off, when the last ones were never confirmed. */
void sp_connect_start(struct sp_connect *c, sp_time wait_us, sp_time now);
/* A session is wanted, but the gateway sent the last one away: back-off. */
void sp_connect_later(struct sp_connect *c, sp_time now);
/* The session is dark: single INITs beside it, the first after 5 s. */
void sp_connect_spare(struct sp_connect *c, sp_time now);
/* No session is wanted any more. */
void sp_connect_stop(struct sp_connect *c);
/* The session was confirmed: the back-off begins anew next time. */
void sp_connect_note_confirmed(struct sp_connect *c);

/* Writes an INIT when one is due (out->cap >= SP_DATAGRAM_MAX).  SP_EAGAIN. */
int sp_connect_transmit(struct sp_connect *c, struct sp_datagram *out, sp_time now);
/* Takes a RETRY: the INIT with its cookie is due at once.  SP_EMALFORMED; SP_EAUTH: not for the INIT that is
 * out, or the fourth of this attempt. */
int sp_connect_retry(struct sp_connect *c, const uint8_t *p, size_t len, sp_time now);
/* A session that an ACCEPT has brought; wipe keys after use. */
struct sp_connect_session {
    struct sp_accept accept;
    struct sp_session_keys keys;
    struct sp_addr peer; /* where it lives */
};
/* Takes an ACCEPT, opened in place, from which out->accept.frames borrows; on success nothing is wanted any
 * more. SP_EMALFORMED, SP_EAUTH. */
int sp_connect_accept(struct sp_connect *c, uint8_t *p, size_t len, struct sp_connect_session *out,
                      sp_time now);
sp_time sp_connect_deadline(const struct sp_connect *c);
/* Whether the app must be asked for a new blob; true once per blob. */
bool sp_connect_take_wants_token(struct sp_connect *c);

#endif
