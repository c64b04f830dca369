/* One case per kind of event. */
#include "clientnote.h"

static void describe_message(const struct sp_client_event *ev, const struct sp_crypto *crypto,
                             struct sp_history_event *e)
{
    e->kind = SP_HISTORY_HANDED;
    e->peer = ev->from.id;
    e->peer_device = ev->device;
    e->seq = ev->seq.v;
    e->len = (uint32_t)ev->body.n;
    if (ev->group.n == 0)
        e->hash = sp_history_hash(crypto, e->user, ev->body);
}

/* The answer to a question, so no news. */
static void describe_status(const struct sp_client_event *ev, struct sp_history_event *e)
{
    e->kind = SP_HISTORY_TOLD;
    e->state = ev->state;
    e->seq = ev->seq.v;
    e->is_repeat = true;
}

static void describe_skip(const struct sp_client_event *ev, struct sp_history_event *e)
{
    e->kind = SP_HISTORY_SKIPPED;
    e->seq = ev->lo.v;
    e->hi = ev->hi.v;
    e->code = ev->why;
}

bool sp_clientnote_make(const struct sp_client_event *ev, uint64_t epoch, const struct sp_crypto *crypto,
                        struct sp_history_event *e)
{
    e->msgid = ev->msgid.v;
    switch (ev->kind) {
    case SP_CLIENT_STATUS:
        describe_status(ev, e);
        return ev->state != SP_STATE_UNKNOWN;
    case SP_CLIENT_RECEIPT:
        e->kind = SP_HISTORY_TOLD;
        e->state = ev->state;
        return true;
    case SP_CLIENT_FAILED:
        e->kind = SP_HISTORY_FAILED;
        e->code = ev->code;
        return true;
    case SP_CLIENT_UNKNOWN:
        e->kind = SP_HISTORY_GAVEUP;
        return true;
    case SP_CLIENT_MESSAGE:
        e->epoch = epoch;
        describe_message(ev, crypto, e);
        return true;
    case SP_CLIENT_SKIPPED:
        e->epoch = epoch;
        describe_skip(ev, e);
        return true;
    case SP_CLIENT_RESYNC:
        e->kind = SP_HISTORY_RESYNC;
        e->epoch = epoch;
        e->seq = ev->lo.v;
        return true;
    default: /* the connection's business */
        return false;
    }
}
