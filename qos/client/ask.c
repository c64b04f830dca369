/* A few slots for requests, a few for the app's questions, all walked: both are small.  Whether there is
 * anything to walk for is counted, since that is asked at each turn. */
#include "ask.h"

#include <sampan/err.h>

#include <string.h>

void sp_ask_init(struct sp_ask *a, struct sp_rng *rng)
{
    memset(a, 0, sizeof *a);
    a->rng = rng;
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        sp_pending_init(&a->requests[i].answer);
}

int sp_ask_app(struct sp_ask *a, struct sp_msgid id)
{
    for (size_t i = 0; i < SP_ASK_APP_MAX; i++) {
        if (a->app[i].stage != SP_ASK_VACANT)
            continue;
        a->app[i].stage = SP_ASK_WANTED;
        a->app[i].msgid = id;
        a->wanted_n++;
        return 0;
    }
    return SP_EFULL;
}

bool sp_ask_is_wanted(const struct sp_ask *a)
{
    return a->wanted_n > 0;
}

bool sp_ask_has_room(const struct sp_ask *a)
{
    return a->used_n < SP_ASK_REQUESTS_MAX;
}

static void add_wanted(struct sp_ask *a, struct sp_frame_status_r *f)
{
    for (size_t i = 0; a->wanted_n > 0 && i < SP_ASK_APP_MAX && f->n < SP_STATUS_MAX; i++) {
        if (a->app[i].stage != SP_ASK_WANTED)
            continue;
        a->app[i].stage = SP_ASK_ASKED;
        a->wanted_n--;
        f->msgids[f->n++] = a->app[i].msgid;
    }
}

struct sp_ask_request *sp_ask_open(struct sp_ask *a)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++) {
        struct sp_ask_request *r = &a->requests[i];
        if (r->is_used)
            continue;
        a->last_id = a->last_id == UINT16_MAX ? 1 : (uint16_t)(a->last_id + 1);
        r->is_used = true;
        a->used_n++;
        sp_pending_init(&r->answer);
        r->frame.id = a->last_id;
        r->frame.n = 0;
        add_wanted(a, &r->frame);
        return r;
    }
    return NULL;
}

void sp_ask_cancel(struct sp_ask *a, struct sp_ask_request *r)
{
    a->used_n -= r->is_used;
    r->is_used = false;
    sp_pending_stop(&r->answer);
}

static bool is_to_send(const struct sp_ask_request *r, sp_time now)
{
    return r->is_used && (!r->answer.is_waiting || sp_pending_is_due(&r->answer, now));
}

int sp_ask_frame(const struct sp_ask *a, struct sp_frame *out, sp_time now)
{
    for (size_t i = 0; a->used_n > 0 && i < SP_ASK_REQUESTS_MAX; i++) {
        if (!is_to_send(&a->requests[i], now))
            continue;
        out->kind = SP_KIND_STATUS_R;
        out->u.status_r = a->requests[i].frame;
        return 0;
    }
    return SP_EAGAIN;
}

static struct sp_ask_request *find(struct sp_ask *a, uint16_t id)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        if (a->requests[i].is_used && a->requests[i].frame.id == id)
            return &a->requests[i];
    return NULL;
}

void sp_ask_note_sent(struct sp_ask *a, const struct sp_frame *f, sp_time three_pto, sp_time now)
{
    struct sp_ask_request *r = find(a, f->u.status_r.id);
    if (r == NULL)
        return;
    if (r->answer.is_waiting)
        sp_pending_again(&r->answer, three_pto, a->rng, now);
    else
        sp_pending_start(&r->answer, SP_PENDING_STATUS, r->frame.id, three_pto, a->rng, now);
}

static void tell_app(struct sp_ask *a, struct sp_msgid id, uint8_t state, struct sp_seq seq)
{
    for (size_t i = 0; i < SP_ASK_APP_MAX; i++) {
        if (a->app[i].stage != SP_ASK_ASKED || a->app[i].msgid.v != id.v)
            continue;
        a->app[i].stage = SP_ASK_ANSWERED;
        a->answered_n++;
        a->app[i].state = state;
        a->app[i].seq = seq;
    }
}

int sp_ask_answer(struct sp_ask *a, const struct sp_frame_status_a *f, struct sp_ask_request *out)
{
    struct sp_ask_request *r = find(a, f->id);
    if (r == NULL || !r->answer.is_waiting || r->frame.n != f->n)
        return SP_EAGAIN;
    *out = *r;
    sp_ask_cancel(a, r);
    for (size_t i = 0; i < f->n; i++)
        tell_app(a, out->frame.msgids[i], f->of[i].state, f->of[i].seq);
    return 0;
}

void sp_ask_reset(struct sp_ask *a)
{
    for (size_t i = 0; i < SP_ASK_REQUESTS_MAX; i++)
        sp_ask_cancel(a, &a->requests[i]);
    for (size_t i = 0; i < SP_ASK_APP_MAX; i++) {
        if (a->app[i].stage != SP_ASK_ASKED)
            continue;
        a->app[i].stage = SP_ASK_WANTED;
        a->wanted_n++;
    }
}

bool sp_ask_has_event(const struct sp_ask *a)
{
    return a->answered_n > 0;
}

int sp_ask_poll(struct sp_ask *a, struct sp_client_event *ev)
{
    for (size_t i = 0; a->answered_n > 0 && i < SP_ASK_APP_MAX; i++) {
        if (a->app[i].stage != SP_ASK_ANSWERED)
            continue;
        a->app[i].stage = SP_ASK_VACANT;
        a->answered_n--;
        *ev = (struct sp_client_event){.kind = SP_CLIENT_STATUS,
                                       .msgid = a->app[i].msgid,
                                       .state = a->app[i].state,
                                       .seq = a->app[i].seq};
        return 0;
    }
    return SP_EAGAIN;
}

sp_time sp_ask_deadline(const struct sp_ask *a)
{
    sp_time at = SP_NEVER;
    for (size_t i = 0; a->used_n > 0 && i < SP_ASK_REQUESTS_MAX; i++)
        if (a->requests[i].is_used && a->requests[i].answer.is_waiting && a->requests[i].answer.due < at)
            at = a->requests[i].answer.due;
    return at;
}
