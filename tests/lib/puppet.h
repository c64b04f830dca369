/* A client without a will of its own: it does the handshake and runs the production link; every frame of the
 * delivery layer is the test's.  For stories about clients that do not behave as the library does. */
#ifndef SP_PUPPET_H
#define SP_PUPPET_H

#include "handshake.h"
#include "link.h"
#include "rig.h"

#define SP_PUPPET_SENT_MAX 64 /* datagrams remembered, the first ones */

struct sp_puppet {
    struct sp_rig *rig;
    int endpoint;
    uint8_t token[SP_TOKEN_LEN], psk[SP_KEY_LEN];
    int64_t clock_off_s;         /* how wrong the phone's clock is */
    struct sp_view early_frames; /* frames of the next INIT; n = 0: PAD only */
    bool cookieless;             /* ignores RETRY */
    struct sp_rng rng;
    struct sp_handshake handshake;
    uint8_t init[SP_DATAGRAM_MAX];
    size_t init_len;
    bool wants_init, is_waiting, is_on; /* INIT to send; sent; ACCEPT came */
    unsigned retries, resets, accepts;
    bool is_closed;
    struct sp_frame_close close;
    struct sp_accept accept;
    struct sp_session_keys keys;
    void *memory;
    struct sp_link_memory pools;
    struct sp_link link;
    struct sp_puppet_frame {
        uint8_t *bytes;
        struct sp_frame frame;
        sp_time at;
    } * *frames; /* each stays in place until the puppet goes */
    size_t frames_n, frames_cap;
    struct sp_puppet_sent {
        uint8_t bytes[SP_DATAGRAM_MAX];
        size_t len;
    } * sent;
    size_t sent_n;
};

/* A puppet of this user and device, with a token of its own; not yet connected. */
struct sp_puppet *sp_puppet_create(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights);
void sp_puppet_destroy(struct sp_puppet **p);
/* Sends one INIT; RETRY is followed once more. */
void sp_puppet_init(struct sp_puppet *p);
/* INIT, and runs the world until the session is confirmed; the test fails if that takes over 5 s. */
void sp_puppet_connect(struct sp_puppet *p);
/* Submits a frame; the test fails if the link has no room. */
void sp_puppet_send(struct sp_puppet *p, const struct sp_frame *f);
void sp_puppet_close(struct sp_puppet *p);
/* The n-th received frame of this kind, from 1 on, or NULL. */
const struct sp_frame *sp_puppet_find(const struct sp_puppet *p, uint8_t kind, size_t n);
size_t sp_puppet_note(const struct sp_puppet *p, uint8_t kind);
/* Runs the world until the n-th frame of this kind is there; the test fails after 5 s. */
const struct sp_frame *sp_puppet_wait(struct sp_puppet *p, uint8_t kind, size_t n);

/* Often used frames. */
void sp_puppet_send_message(struct sp_puppet *p, uint64_t msgid, uint64_t after, const char *to,
                            const char *body);
void sp_puppet_send_pull(struct sp_puppet *p, uint16_t id, uint32_t cursor, uint64_t epoch, uint16_t max,
                         bool confirms);
void sp_puppet_send_ack(struct sp_puppet *p, uint16_t id, uint32_t cursor);
void sp_puppet_send_status(struct sp_puppet *p, uint16_t id, uint64_t msgid);

#endif
