#include "diary.h"

#include <stdio.h>
#include <string.h>

#include "clientnote.h"
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
    e.hash = sp_history_hash(sp_crypto_sodium(), m->to, m->body);
    e.len = (uint32_t)m->body.n;
    e.flags = m->flags;
    e.state = d->want;
    note(d, &e);
}

void sp_diary_event(struct sp_diary *d, const struct sp_client_event *ev)
{
    if (!is_on(d))
        return;
    struct sp_history_event e = begin(d, SP_HISTORY_NONE);
    if (sp_clientnote_make(ev, epoch_of(d), sp_crypto_sodium(), &e))
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
