#include "diary.h"

#include <stdio.h>
#include <string.h>

#include "crypto_sodium.h"
#include "sys.h"

#define ENDED 128 /* remembered states from here on have their event still to come: sampan/local.h */

static bool is_on(const struct sp_diary *d)
{
    return d->token != NULL && d->file.fd >= 0;
}

/* An event of this client. */
static struct sp_history_event begin(const struct sp_diary *d, enum sp_history_kind kind)
{
    return (struct sp_history_event){
        .kind = kind, .user = {d->token->user, d->token->user_len}, .device = d->token->device};
}

static void note(struct sp_diary *d, const struct sp_history_event *e)
{
    sp_historyfile_add(&d->file, e, sp_sys_unix_us());
    int error = sp_historyfile_flush(&d->file);
    if (error == 0 || d->is_told)
        return;
    d->is_told = true;
    (void)fprintf(stderr, "sampan: history: %s; lines are missing\n", strerror(error));
}

static uint64_t epoch_of(const struct sp_diary *d)
{
    struct sp_local_state s;
    return d->local->load(d->local->self, &s) == 0 ? s.epoch.v : 0;
}

static uint64_t hash_of(struct sp_view to, struct sp_view body)
{
    return sp_history_hash(sp_crypto_sodium(), to, body);
}

int sp_diary_open(struct sp_diary *d, const char *path, uint8_t want, const struct sp_tokenfile *token,
                  const struct sp_local *local, struct sp_trouble *t)
{
    struct sp_local_state s;
    *d = (struct sp_diary){.file = {.fd = -1}, .want = want};
    if (path == NULL)
        return 0;
    int error = sp_historyfile_open(&d->file, path);
    if (error != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "history %s: %s", path, strerror(error));
    d->token = token;
    d->local = local;
    struct sp_history_event e = begin(d, SP_HISTORY_RUN);
    if (local->load(local->self, &s) == 0) {
        e.install = s.install_epoch != 0 ? s.install_epoch : s.last.v >> 32;
        e.epoch = s.epoch.v;
        e.seq = s.cursor.v;
        e.msgid = s.last.v;
    }
    note(d, &e);
    return 0;
}

void sp_diary_remembered(struct sp_diary *d, const struct sp_outgoing *m)
{
    if (!is_on(d) || m->state == SP_STATE_UNKNOWN || m->state >= ENDED)
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_TOLD);
    e.msgid = m->msgid.v;
    e.state = m->state;
    e.is_repeat = true;
    note(d, &e);
}

void sp_diary_sent(struct sp_diary *d, const struct sp_outgoing *m, struct sp_msgid id)
{
    if (!is_on(d))
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_SEND);
    e.msgid = id.v;
    e.peer = m->to;
    e.hash = hash_of(m->to, m->body);
    e.len = (uint32_t)m->body.n;
    e.flags = m->flags;
    e.state = d->want;
    note(d, &e);
}

static void describe_message(const struct sp_diary *d, const struct sp_client_event *ev,
                             struct sp_history_event *e)
{
    e->kind = SP_HISTORY_HANDED;
    e->peer = ev->from.id;
    e->peer_device = ev->device;
    e->msgid = ev->msgid.v;
    e->seq = ev->seq.v;
    e->len = (uint32_t)ev->body.n;
    e->epoch = epoch_of(d);
    if (ev->group.n == 0)
        e->hash = hash_of(e->user, ev->body);
}

void sp_diary_event(struct sp_diary *d, const struct sp_client_event *ev)
{
    if (!is_on(d))
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_NONE);
    e.msgid = ev->msgid.v;
    switch (ev->kind) {
    case SP_CLIENT_STATUS:
        e.seq = ev->seq.v; /* and the state, as in a receipt */
        e.kind = SP_HISTORY_TOLD;
        e.state = ev->state;
        e.is_repeat = true;
        if (ev->state == SP_STATE_UNKNOWN)
            return;
        break;
    case SP_CLIENT_RECEIPT:
        e.kind = SP_HISTORY_TOLD;
        e.state = ev->state;
        break;
    case SP_CLIENT_FAILED:
        e.kind = SP_HISTORY_FAILED;
        e.code = ev->code;
        break;
    case SP_CLIENT_UNKNOWN:
        e.kind = SP_HISTORY_GAVEUP;
        break;
    case SP_CLIENT_MESSAGE:
        describe_message(d, ev, &e);
        break;
    case SP_CLIENT_SKIPPED:
        e.kind = SP_HISTORY_SKIPPED;
        e.seq = ev->lo.v;
        e.hi = ev->hi.v;
        e.code = ev->why;
        e.epoch = epoch_of(d);
        break;
    case SP_CLIENT_RESYNC:
        e.kind = SP_HISTORY_RESYNC;
        e.seq = ev->lo.v;
        e.epoch = epoch_of(d);
        break;
    default: /* the connection's business */
        return;
    }
    note(d, &e);
}

void sp_diary_kept(struct sp_diary *d, struct sp_seq upto)
{
    if (!is_on(d))
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_KEPT);
    e.seq = upto.v;
    note(d, &e);
}

void sp_diary_close(struct sp_diary *d)
{
    if (!is_on(d))
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_END);
    note(d, &e);
    sp_historyfile_close(&d->file);
}
