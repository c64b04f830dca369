#include "chronicle.h"

#include <string.h>

#include "gatenote.h"
#include "sys.h"

#define NO_FILE "-"

static bool is_on(const struct sp_chronicle *c)
{
    return c->witness.note != NULL;
}

static void add(struct sp_chronicle *c, const struct sp_history_event *e)
{
    c->lines++;
    sp_historyfile_add(&c->file, e, sp_sys_unix_us());
}

static void on_event(void *self, const struct sp_witness_event *w)
{
    const struct sp_history_event e = sp_gatenote_make(w);
    add(self, &e);
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
