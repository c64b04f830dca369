#include "chronicle.h"

#include <string.h>

#include "sys.h"

#define NO_FILE "-"

static bool is_on(const struct sp_chronicle *c)
{
    return c->witness.note != NULL;
}

static uint64_t number_of(const uint8_t hash[8])
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | hash[i];
    return v;
}

static void add(struct sp_chronicle *c, const struct sp_history_event *e)
{
    c->lines++;
    sp_historyfile_add(&c->file, e, sp_sys_unix_us());
}

static void on_event(void *self, const struct sp_witness_event *w)
{
    static const enum sp_history_kind kinds[] = {
        [SP_WITNESS_STORED] = SP_HISTORY_STORED,
        [SP_WITNESS_REFUSED] = SP_HISTORY_REFUSED,
        [SP_WITNESS_CONFIRMED] = SP_HISTORY_CONFIRMED,
        [SP_WITNESS_ENDED] = SP_HISTORY_ENDED,
    };
    add(self, &(struct sp_history_event){.kind = kinds[w->kind],
                                         .user = w->from.user.id,
                                         .device = w->from.device,
                                         .msgid = w->from.msgid.v,
                                         .peer = w->mailbox,
                                         .seq = w->seq.v,
                                         .hi = w->hi.v,
                                         .epoch = w->epoch.v,
                                         .hash = w->hash != NULL ? number_of(w->hash) : 0,
                                         .commit = w->commit,
                                         .state = w->state,
                                         .code = w->code,
                                         .is_repeat = w->is_repeat});
}

int sp_chronicle_open(struct sp_chronicle *c, const char *path, struct sp_log *log, struct sp_trouble *t)
{
    *c = (struct sp_chronicle){.file = {.fd = -1}, .log = log};
    if (strcmp(path, NO_FILE) == 0)
        return 0;
    int error = sp_historyfile_open(&c->file, path);
    if (error != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "history %s: %s", path, strerror(error));
    c->witness = (struct sp_witness){.self = c, .note = on_event};
    add(c, &(struct sp_history_event){.kind = SP_HISTORY_START});
    sp_chronicle_flush(c);
    return 0;
}

const struct sp_witness *sp_chronicle_witness(const struct sp_chronicle *c)
{
    return is_on(c) ? &c->witness : NULL;
}

void sp_chronicle_flush(struct sp_chronicle *c)
{
    if (!is_on(c))
        return;
    (void)sp_historyfile_flush(&c->file);
    if (c->file.lost == 0 || c->is_told)
        return;
    c->is_told = true;
    SP_LOG(c->log, SP_LOG_ERR, "history-incomplete", SP_LOG_S("reason", strerror(c->file.error)));
}

void sp_chronicle_close(struct sp_chronicle *c, bool is_good_end)
{
    if (!is_on(c))
        return;
    if (is_good_end)
        add(c, &(struct sp_history_event){.kind = SP_HISTORY_STOP});
    sp_chronicle_flush(c);
    sp_historyfile_close(&c->file);
    c->witness = (struct sp_witness){.self = NULL};
}
