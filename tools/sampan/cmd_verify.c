/* sampan verify: reads histories and says which promises they break (docs/history.md). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sampan/err.h>

#include "args.h"
#include "cmd.h"
#include "exit.h"
#include "historyread.h"
#include "verify.h"

#define PROGRAM "sampan verify"

struct checking {
    struct sp_verify_config cfg;
    bool is_json;
    char **files;
    uint32_t file; /* the one being read */
    struct sp_verify *verify;
};

/* A user id for people: bytes that are not plain as \xNN. */
static void print_id(struct sp_view id)
{
    for (size_t i = 0; i < id.n; i++) {
        uint8_t c = id.p[i];
        if (c > 0x20 && c < 0x7f && c != '"' && c != '\\')
            (void)putchar(c);
        else
            (void)printf("\\x%02x", c);
    }
}

static void print_json_id(const char *name, struct sp_view id)
{
    (void)printf(",\"%s\":\"", name);
    for (size_t i = 0; i < id.n; i++) {
        uint8_t c = id.p[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            (void)putchar(c);
        else
            (void)printf("\\u%04x", c);
    }
    (void)putchar('"');
}

static void print_place(const struct checking *c, const char *before, struct sp_verify_place at)
{
    if (at.line != 0)
        (void)printf("%s%s:%" PRIu32, before, c->files[at.file], at.line);
}

static void print_json_place(const struct checking *c, const char *name, struct sp_verify_place at)
{
    struct sp_view file = {(const uint8_t *)c->files[at.file], strlen(c->files[at.file])};
    if (at.line == 0)
        return;
    (void)printf(",\"%s\":{\"line\":%" PRIu32, name, at.line);
    print_json_id("file", file);
    (void)putchar('}');
}

static void report_json(const struct checking *c, const struct sp_verify_violation *v)
{
    (void)printf("{\"violation\":\"%s\",\"guarantee\":\"%s\",\"text\":\"%s\"", sp_verify_rule_name(v->rule),
                 sp_verify_rule_guarantee(v->rule), v->text);
    print_json_id("user", v->user);
    (void)printf(",\"device\":%" PRIu32, v->device);
    if (v->msgid != 0)
        (void)printf(",\"msgid\":\"%016" PRIx64 "\"", v->msgid);
    if (v->mailbox.n > 0)
        print_json_id("mailbox", v->mailbox);
    if (v->seq != 0)
        (void)printf(",\"seq\":%" PRIu32, v->seq);
    if (v->epoch != 0)
        (void)printf(",\"epoch\":\"%016" PRIx64 "\"", v->epoch);
    print_json_place(c, "at", v->at);
    print_json_place(c, "against", v->against);
    (void)printf("}\n");
}

static void report(void *self, const struct sp_verify_violation *v)
{
    const struct checking *c = self;
    if (c->is_json) {
        report_json(c, v);
        return;
    }
    (void)printf("%s %s: %s: ", sp_verify_rule_guarantee(v->rule), sp_verify_rule_name(v->rule), v->text);
    print_id(v->user);
    (void)printf("/%" PRIu32, v->device);
    if (v->msgid != 0)
        (void)printf(" %016" PRIx64, v->msgid);
    if (v->mailbox.n > 0) {
        (void)printf(" to ");
        print_id(v->mailbox);
    }
    if (v->seq != 0)
        (void)printf(" seq %" PRIu32, v->seq);
    print_place(c, "  at ", v->at);
    print_place(c, "  against ", v->against);
    (void)putchar('\n');
}

static int take(void *self, const struct sp_history_event *e, uint32_t line)
{
    const struct checking *c = self;
    return sp_verify_add(c->verify, e, (struct sp_verify_place){c->file, line});
}

/* What a file that could not be taken means. */
static int tell_trouble(const char *path, int rc, const struct sp_historyread_result *r)
{
    if (rc == SP_EMALFORMED) {
        (void)fprintf(stderr, PROGRAM ": %s:%" PRIu32 ": damaged: %s\n", path, r->bad_line, r->reason);
        return SP_EXIT_DAMAGED;
    }
    if (rc == SP_EINVAL) {
        (void)fprintf(stderr, PROGRAM ": %s:%" PRIu32 ": damaged: a value out of range\n", path, r->lines);
        return SP_EXIT_DAMAGED;
    }
    if (rc == SP_EFULL) {
        (void)fprintf(stderr, PROGRAM ": no memory\n");
        return SP_EXIT_IO;
    }
    (void)fprintf(stderr, PROGRAM ": %s: %s\n", path, strerror(r->error));
    return r->error == ENOENT ? SP_EXIT_UNREACHABLE : SP_EXIT_IO;
}

static int note_start(void *self, const struct sp_history_event *e, uint32_t line)
{
    bool *is_gateway = self;
    (void)line;
    *is_gateway = e->kind == SP_HISTORY_START;
    return SP_EAGAIN; /* one event is enough */
}

static bool is_gateway(const char *path)
{
    struct sp_historyread_result r;
    bool is = false;
    (void)sp_historyread_file(path, note_start, &is, &r);
    return is;
}

static int read_one(struct checking *c)
{
    struct sp_historyread_result r;
    const char *path = c->files[c->file];
    int rc = sp_historyread_file(path, take, c, &r);
    if (rc != 0)
        return tell_trouble(path, rc, &r);
    if (r.is_torn)
        (void)fprintf(stderr, PROGRAM ": %s:%" PRIu32 ": torn last line, left out\n", path, r.lines + 1);
    return SP_EXIT_OK;
}

/* Clients before gateways: only a client's history tells that a msgid was given to a message that died with
 * its process, and then to another one, which is the one that the gateway knows. */
static int read_all(struct checking *c, size_t n)
{
    for (int pass = 0; pass < 2; pass++) {
        for (c->file = 0; c->file < n; c->file++) {
            if (is_gateway(c->files[c->file]) != (pass == 1))
                continue;
            int code = read_one(c);
            if (code != SP_EXIT_OK)
                return code;
        }
    }
    return SP_EXIT_OK;
}

struct figure {
    const char *name;
    uint64_t value;
};

static size_t figures_of(const struct sp_verify_summary *s, struct figure dst[24])
{
    const struct figure all[] = {{"events", s->events},
                                 {"sent", s->sent},
                                 {"ok", s->ok},
                                 {"failed", s->failed},
                                 {"unknown", s->unknown},
                                 {"lost_at_sender", s->lost},
                                 {"ended", s->ended},
                                 {"handed", s->handed},
                                 {"handed_again", s->again},
                                 {"kept", s->kept},
                                 {"skipped", s->skipped},
                                 {"stored", s->stored},
                                 {"refused", s->refused},
                                 {"confirmed", s->confirmed},
                                 {"users", s->users},
                                 {"devices", s->devices},
                                 {"runs", s->runs},
                                 {"gateway_starts", s->starts},
                                 {"epochs", s->epochs},
                                 {"violations", s->violations}};
    memcpy(dst, all, sizeof all);
    return sizeof all / sizeof all[0];
}

static void print_summary_json(const struct sp_verify_summary *s)
{
    struct figure f[24];
    size_t n = figures_of(s, f);
    (void)printf("{\"summary\":true");
    for (size_t i = 0; i < n; i++)
        (void)printf(",\"%s\":%" PRIu64, f[i].name, f[i].value);
    (void)printf(",\"not_judged\":[");
    const char *comma = "";
    for (int i = 0; i < SP_VERIFY_RULES; i++) {
        if (s->is_judged[i])
            continue;
        (void)printf("%s\"%s\"", comma, sp_verify_rule_name((enum sp_verify_rule)i));
        comma = ",";
    }
    (void)printf("]}\n");
}

static void print_summary(const struct sp_verify_summary *s)
{
    struct figure f[24];
    size_t n = figures_of(s, f);
    for (size_t i = 0; i < n; i++)
        (void)printf("%s=%" PRIu64 "%c", f[i].name, f[i].value, i + 1 < n ? ' ' : '\n');
    (void)printf("judged:");
    for (int i = 0; i < SP_VERIFY_RULES; i++)
        if (s->is_judged[i])
            (void)printf(" %s(%s)%s", sp_verify_rule_guarantee((enum sp_verify_rule)i),
                         sp_verify_rule_name((enum sp_verify_rule)i), i + 1 < SP_VERIFY_RULES ? "," : "");
    (void)putchar('\n');
    for (int i = 0; i < SP_VERIFY_RULES; i++)
        if (!s->is_judged[i])
            (void)printf("not judged: %s(%s): %s\n", sp_verify_rule_guarantee((enum sp_verify_rule)i),
                         sp_verify_rule_name((enum sp_verify_rule)i),
                         sp_verify_rule_needs((enum sp_verify_rule)i));
}

static int run(struct checking *c, size_t n)
{
    struct sp_verify_summary sum;
    c->cfg.report = report;
    c->cfg.self = c;
    if (sp_verify_create(&c->verify, &c->cfg) != 0)
        return tell_trouble("", SP_EFULL, NULL);
    int code = read_all(c, n);
    if (code == SP_EXIT_OK && sp_verify_finish(c->verify, &sum) != 0)
        code = tell_trouble("", SP_EFULL, NULL);
    if (code == SP_EXIT_OK) {
        if (c->is_json)
            print_summary_json(&sum);
        else
            print_summary(&sum);
        code = sum.violations > 0 ? SP_EXIT_FAILED : SP_EXIT_OK;
    }
    sp_verify_destroy(&c->verify);
    return fflush(stdout) == 0 ? code : SP_EXIT_IO;
}

int sp_cmd_verify(int argc, char **argv)
{
    struct checking c = {.cfg = {.healed = false}};
    size_t n = 0;
    const struct sp_args_opt opts[] = {
        {.name = "--healed",
         .flag = &c.cfg.healed,
         .help = "all faults are over and everything had time to reach its end"},
        {.name = "--complete",
         .flag = &c.cfg.complete,
         .help = "the history of every client is here, and of every run of the gateway if of one"},
        {.name = "--json",
         .flag = &c.is_json,
         .help = "one JSON object per violation, then one with figures"},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about =
            "Reads histories (sampan send, sampan recv, sampand --history) and says which promises they\n"
            "break.  The files of one device go in the order in which they were written.\n"
            "Exit 0: none broken; 1: one is; 65: a damaged history.",
        .rest = "LOG...",
        .rest_min = 1,
        .rest_max = SP_VERIFY_FILES_MAX,
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, &n);
    if (code >= 0)
        return code;
    c.files = argv + 1;
    return run(&c, n);
}
