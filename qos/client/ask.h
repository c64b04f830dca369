/* Questions about messages of ours: STATUS:R and its answers (docs/protocol.md, sections 4 and 5.2).  Carries
 * questions of the outbox and of the app; decides nothing about a message. */
#ifndef SP_ASK_H
#define SP_ASK_H

#include "pending.h"
#include "wire.h"
#include <sampan/client.h>

#define SP_ASK_REQUESTS_MAX 4  /* STATUS:R without an answer at once */
#define SP_ASK_APP_MAX      32 /* questions of the app at once */

struct sp_ask_request {
    struct sp_pending answer; /* not waiting: not sent yet */
    bool is_used;
    struct sp_frame_status_r frame;
};

enum sp_ask_stage { SP_ASK_VACANT, SP_ASK_WANTED, SP_ASK_ASKED, SP_ASK_ANSWERED };

struct sp_ask {
    struct sp_rng *rng;
    uint16_t last_id;
    struct sp_ask_request requests[SP_ASK_REQUESTS_MAX];
    struct {
        enum sp_ask_stage stage;
        struct sp_msgid msgid;
        uint8_t state;
        struct sp_seq seq;
    } app[SP_ASK_APP_MAX];
    size_t used_n;               /* requests in use */
    size_t wanted_n, answered_n; /* of the app's, in these stages */
};

void sp_ask_init(struct sp_ask *a, struct sp_rng *rng);
/* The app asks about `id`.  SP_EFULL. */
int sp_ask_app(struct sp_ask *a, struct sp_msgid id);
/* An empty request to add msgids to, holding those that the app wants to know; NULL: all are in use.  It is
 * sent unless sp_ask_cancel takes it back. */
struct sp_ask_request *sp_ask_open(struct sp_ask *a);
void sp_ask_cancel(struct sp_ask *a, struct sp_ask_request *r);
/* Whether sp_ask_open would give one. */
bool sp_ask_has_room(const struct sp_ask *a);
/* Whether a request waits to be sent or answered. */
static inline bool sp_ask_is_busy(const struct sp_ask *a)
{
    return a->used_n > 0;
}
/* Whether the app wants to know something that no request carries yet. */
bool sp_ask_is_wanted(const struct sp_ask *a);
/* The next STATUS:R to send, new or again.  SP_EAGAIN. */
int sp_ask_frame(const struct sp_ask *a, struct sp_frame *out, sp_time now);
void sp_ask_note_sent(struct sp_ask *a, const struct sp_frame *f, sp_time three_pto, sp_time now);
/* Takes an answer: *out is a copy of the request that it belongs to, which is then over; answers of the app's
 * questions wait for sp_ask_poll.  SP_EAGAIN: an answer nobody waits for. */
int sp_ask_answer(struct sp_ask *a, const struct sp_frame_status_a *f, struct sp_ask_request *out);
/* The session is lost: requests are over, the app's questions wait for the next one. */
void sp_ask_reset(struct sp_ask *a);
/* An answer for the app.  SP_EAGAIN. */
int sp_ask_poll(struct sp_ask *a, struct sp_client_event *ev);
bool sp_ask_has_event(const struct sp_ask *a);
sp_time sp_ask_deadline(const struct sp_ask *a);

#endif
