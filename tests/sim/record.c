/* Events go to the checker at once; it reports during add and finish. */
#include "record.h"

#include "ensure.h"
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_LEN     512
#define SENTENCE_MAX 512

struct sim_record {
    struct sim_record_config cfg;
    struct sp_verify *verify;
    uint32_t *lines; /* so far, of each file */
    FILE **out;      /* NULL: no folder */
    char sentence[SENTENCE_MAX];
};

/* Keeps the first that counts. */
static void report(void *self, const struct sp_verify_violation *v)
{
    struct sim_record *w = self;
    bool is_allowed = v->rule == SP_VERIFY_SENDER_ORDER && w->cfg.may_refuse;
    if (w->sentence[0] != '\0' || is_allowed)
        return;
    (void)snprintf(w->sentence, sizeof w->sentence,
                   "%s (%s): %s; %.*s.%u msgid %llx, mailbox %.*s seq %u, lines %u:%u and %u:%u",
                   sp_verify_rule_name(v->rule), sp_verify_rule_guarantee(v->rule), v->text, (int)v->user.n,
                   (const char *)v->user.p, v->device, (unsigned long long)v->msgid, (int)v->mailbox.n,
                   (const char *)v->mailbox.p, v->seq, v->at.file, v->at.line, v->against.file,
                   v->against.line);
}

static void open_files(struct sim_record *w)
{
    w->out = calloc(w->cfg.files, sizeof *w->out);
    SP_ENSURE(w->out != NULL);
    SP_ENSURE_SAY(mkdir(w->cfg.dir, 0777) == 0 || errno == EEXIST, "%s cannot be made", w->cfg.dir);
    for (size_t i = 0; i < w->cfg.files; i++) {
        char path[PATH_LEN];
        int n = snprintf(path, sizeof path, "%s/%s-%03zu.log", w->cfg.dir,
                         i + 1 == w->cfg.files ? "gateway" : "client", i);
        SP_ENSURE(n > 0 && (size_t)n < sizeof path);
        w->out[i] = fopen(path, "we");
        SP_ENSURE_SAY(w->out[i] != NULL, "%s cannot be written", path);
        (void)setvbuf(w->out[i], NULL, _IOLBF, 0); /* a world that fails ends without a warning */
    }
}

struct sim_record *sim_record_create(const struct sim_record_config *cfg)
{
    struct sim_record *w = calloc(1, sizeof *w);
    SP_ENSURE(w != NULL);
    w->cfg = *cfg;
    w->lines = calloc(cfg->files, sizeof *w->lines);
    SP_ENSURE(w->lines != NULL && cfg->files <= SP_VERIFY_FILES_MAX);
    struct sp_verify_config verify = {
        .healed = cfg->is_healed, .complete = cfg->is_alone, .told_max = 1, .report = report, .self = w};
    SP_ENSURE(sp_verify_create(&w->verify, &verify) == 0);
    if (cfg->dir != NULL)
        open_files(w);
    return w;
}

void sim_record_destroy(struct sim_record **record)
{
    struct sim_record *w = *record;
    for (size_t i = 0; w->out != NULL && i < w->cfg.files; i++)
        (void)fclose(w->out[i]);
    sp_verify_destroy(&w->verify);
    free(w->out);
    free(w->lines);
    free(w);
    *record = NULL;
}

static void write_line(struct sim_record *w, uint32_t file, const struct sp_history_event *e)
{
    char line[SP_HISTORY_LINE_MAX];
    size_t n = sp_history_encode(e, line, sizeof line);
    SP_ENSURE(fwrite(line, 1, n, w->out[file]) == n);
}

void sim_record_note(struct sim_record *w, uint32_t file, const struct sp_history_event *e)
{
    SP_ENSURE(file < w->cfg.files);
    if (w->out != NULL)
        write_line(w, file, e);
    struct sp_verify_place at = {.file = file, .line = ++w->lines[file]};
    int err = sp_verify_add(w->verify, e, at);
    SP_ENSURE_SAY(err == 0, "the checker refuses line %u of file %u: %d", at.line, file, err);
    SP_ENSURE_SAY(w->sentence[0] == '\0', "%s", w->sentence);
}

void sim_record_judge(struct sim_record *w)
{
    struct sp_verify_summary sum;
    SP_ENSURE(sp_verify_finish(w->verify, &sum) == 0);
    SP_ENSURE_SAY(w->sentence[0] == '\0', "%s", w->sentence);
    uint64_t allowed = w->cfg.may_refuse ? sum.by_rule[SP_VERIFY_SENDER_ORDER] : 0;
    SP_ENSURE(sum.violations == allowed);
}
