/* sampan send: each record of standard input becomes a message; one line per message says how far it got. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "lines.h"
#include "runner.h"
#include "sys.h"
#include "waiting.h"
#include "wire.h"

#define OUTBOX_MAX  65536
#define ENDED       128   /* states from here on: docs of sampan/local.h */
#define FORGET_FROM 60000 /* messages remembered, from which on those already printed are let go */

struct options {
    const char *token, *state, *to, *wait, *history;
    uint64_t rate; /* messages per second; 0: as fast as they go */
    bool is_nul;
};

struct sending {
    struct options opt;
    struct sp_runner runner;
    struct sp_waiting waiting;
    struct sp_lines lines;
    uint8_t awaited; /* enum sp_state */
    bool is_stdin_end, is_outbox_full;
    bool is_drained; /* no whole record is left of what was read */
    bool has_failed; /* a message ended otherwise than awaited */
    sp_time next_at; /* --rate: when the next message may go */
    sp_time started;
    struct sp_msgid forget_next; /* printed messages below this one were let go */
};

static void print_line(struct sp_msgid id, const char *state, sp_time since)
{
    char text[17];
    sp_runner_msgid_print(id, text);
    (void)printf("%lu\t%s\t%s\t%lld\n", (unsigned long)(id.v & 0xffffffff), text, state,
                 (long long)((sp_sys_now() - since) / SP_MS));
}

/* Prints and closes the entry of a message that came to its end, good or bad. */
static void settle(struct sending *s, struct sp_msgid id, const char *state, bool is_good)
{
    struct sp_waiting_entry *e = sp_waiting_find(&s->waiting, id);
    if (e == NULL)
        return;
    print_line(id, state, e->since);
    s->has_failed |= !is_good;
    sp_waiting_close(&s->waiting, e);
}

static void on_receipt(struct sending *s, struct sp_msgid id, uint8_t state)
{
    bool is_over = state >= SP_STATE_ENDED;
    if (state < s->awaited && !is_over)
        return;
    /* HANDED_OVER is no failure: the back end's connection cannot confirm (docs/protocol.md, section 1). */
    settle(s, id, sp_runner_state_name(state), !is_over || state == SP_STATE_HANDED_OVER);
}

static int on_event(struct sending *s, const struct sp_client_event *ev, struct sp_trouble *t)
{
    char text[32];
    switch (ev->kind) {
    case SP_CLIENT_RECEIPT:
        on_receipt(s, ev->msgid, ev->state);
        return 0;
    case SP_CLIENT_FAILED:
        (void)snprintf(text, sizeof text, "error:%s", sp_runner_code_name(ev->code));
        settle(s, ev->msgid, text, false);
        return 0;
    case SP_CLIENT_UNKNOWN:
        settle(s, ev->msgid, "unknown", false);
        return 0;
    default:
        return sp_runner_verdict(ev, t);
    }
}

/* Messages of earlier runs go first, and are reported like new ones. */
static void on_remembered(void *self, const struct sp_outgoing *m)
{
    struct sending *s = self;
    if (!sp_waiting_add(&s->waiting, m->msgid, s->started))
        return;
    if (m->state != SP_STATE_UNKNOWN && m->state < ENDED) /* an ended one has its event still to come */
        on_receipt(s, m->msgid, m->state);
}

/* With thousands of messages that an absent recipient has not fetched, room is made by letting go of the
 * oldest whose line was printed: nobody waits for more. */
static void make_room(struct sending *s)
{
    if (sp_client_waiting(s->runner.client) < FORGET_FROM)
        return;
    const struct sp_waiting_entry *oldest = sp_waiting_oldest(&s->waiting);
    uint64_t stop = oldest != NULL ? oldest->msgid.v : UINT64_MAX;
    for (int i = 0; i < 1024 && s->forget_next.v < stop; i++, s->forget_next.v++)
        (void)sp_client_forget(s->runner.client, s->forget_next, sp_sys_now());
}

/* Submits one record.  false: the outbox is full, offer it again. */
static bool submit(struct sending *s, const uint8_t *record, size_t len)
{
    sp_time now = sp_sys_now();
    struct sp_outgoing m = {.to = {(const uint8_t *)s->opt.to, strlen(s->opt.to)}, .body = {record, len}};
    struct sp_msgid id;
    make_room(s);
    int rc = sp_runner_submit(&s->runner, &m, &id);
    if (rc == SP_EFULL)
        return false;
    if (rc != 0) {
        (void)printf("-\t-\terror:%s\t0\n", rc == SP_EBIG ? "TOO_BIG" : sp_err_name(rc));
        s->has_failed = true;
        return true;
    }
    if (s->forget_next.v == 0)
        s->forget_next = id;
    if (!sp_waiting_add(&s->waiting, id, now)) {
        print_line(id, "unknown", now);
        s->has_failed = true;
    }
    if (s->opt.rate > 0)
        s->next_at = (s->next_at > now - SP_SECOND ? s->next_at : now) + SP_SECOND / (sp_time)s->opt.rate;
    return true;
}

/* Submits whole records while there is room, and reads more when told that standard input has some. */
static int take_input(struct sending *s, bool is_readable, struct sp_trouble *t)
{
    if (is_readable && sp_lines_fill(&s->lines) != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "standard input: %s", strerror(errno));
    s->is_drained = false;
    while (!s->is_stdin_end && (s->opt.rate == 0 || s->next_at <= sp_sys_now())) {
        size_t before = s->lines.start;
        const uint8_t *record;
        size_t len;
        switch (sp_lines_next(&s->lines, &record, &len)) {
        case SP_LINES_RECORD:
            s->is_outbox_full = !submit(s, record, len);
            if (s->is_outbox_full) {
                s->lines.start = before;
                return 0;
            }
            break;
        case SP_LINES_TOO_LONG:
            (void)printf("-\t-\terror:TOO_BIG\t0\n");
            s->has_failed = true;
            break;
        case SP_LINES_MORE:
            s->is_drained = true;
            return 0;
        case SP_LINES_END:
            s->is_stdin_end = true;
            break;
        }
    }
    return 0;
}

/* One turn.  0 to go on, -1 with a trouble. */
static int turn(struct sending *s, struct sp_trouble *t)
{
    bool wants_input = !s->is_stdin_end && !s->is_outbox_full && !s->lines.is_ended &&
                       (s->opt.rate == 0 || s->is_drained || s->next_at <= sp_sys_now());
    bool is_paced = s->opt.rate > 0 && !s->is_stdin_end && !s->is_drained && !s->is_outbox_full;
    sp_time until = is_paced ? s->next_at : SP_NEVER;
    if (s->lines.is_ended && !s->is_stdin_end && !s->is_outbox_full && s->opt.rate == 0)
        until = 0; /* the rest of the buffer is waiting */
    bool is_readable;
    if (sp_runner_turn(&s->runner, wants_input ? STDIN_FILENO : -1, until, &is_readable, t) != 0)
        return -1;
    struct sp_client_event ev;
    while (sp_runner_poll(&s->runner, &ev) == 0)
        if (on_event(s, &ev, t) != 0)
            return -1;
    if (take_input(s, is_readable, t) != 0)
        return -1;
    if (fflush(stdout) != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "standard output: %s", strerror(errno));
    return 0;
}

/* Everything that is still open when the program must end: its outcome is not known here. */
static void give_up(struct sending *s)
{
    struct sp_waiting_entry *e;
    while ((e = sp_waiting_oldest(&s->waiting)) != NULL)
        settle(s, e->msgid, "unknown", false);
    (void)fflush(stdout);
}

static int run(struct sending *s)
{
    struct sp_trouble t = {.code = SP_EXIT_OK};
    struct sp_runner_config cfg = {.token_path = s->opt.token,
                                   .state_path = s->opt.state,
                                   .receives = false,
                                   .outbox_max = OUTBOX_MAX,
                                   .history = s->opt.history,
                                   .want = s->awaited,
                                   .remembered = on_remembered,
                                   .self = s};
    if (sp_runner_open(&s->runner, &cfg, &t) != 0)
        return sp_trouble_print(&t, "sampan send");
    int code = SP_EXIT_OK;
    while (code == SP_EXIT_OK && (!s->is_stdin_end || s->waiting.open > 0)) {
        if (sp_runner_is_told_to_end())
            code = SP_EXIT_UNKNOWN;
        else if (turn(s, &t) != 0)
            code = sp_trouble_print(&t, "sampan send");
    }
    give_up(s);
    sp_runner_close(&s->runner);
    if (code == SP_EXIT_OK && s->has_failed)
        code = SP_EXIT_FAILED;
    return code;
}

static int awaited_state(const char *name)
{
    static const struct {
        const char *name;
        int state;
    } names[] = {
        {"accepted", SP_STATE_ACCEPTED}, {"stored", SP_STATE_STORED}, {"delivered", SP_STATE_DELIVERED}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].state;
    return -1;
}

static int parse(struct options *o, int argc, char **argv)
{
    const struct sp_args_opt opts[] = {
        {.name = "--token",
         .value = "FILE",
         .help = "token file of the sender",
         .text = &o->token,
         .required = true},
        {.name = "--state",
         .value = "DIR",
         .help = "folder that remembers unfinished messages",
         .text = &o->state,
         .required = true},
        {.name = "--to", .value = "USER", .help = "the recipient", .text = &o->to, .required = true},
        {.name = "--wait",
         .value = "STATE",
         .help = "accepted, stored (default) or delivered",
         .text = &o->wait},
        {.name = "--rate",
         .value = "N",
         .help = "at most N messages a second",
         .number = &o->rate,
         .min = 1,
         .max = 1000000},
        {.name = "--history",
         .value = "FILE",
         .help = "append what happened, for sampan verify",
         .text = &o->history},
        {.name = "-0", .help = "records end with NUL instead of a line feed", .flag = &o->is_nul},
    };
    const struct sp_args args = {
        .program = "sampan send",
        .version = SAMPAN_VERSION,
        .about = "Sends each line of standard input as a message.  Prints per message, separated by tabs: "
                 "ordinal, "
                 "msgid, state, milliseconds.  Unfinished messages of the state folder go first.",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    return sp_args_parse(&args, argc, argv, NULL);
}

int sp_cmd_send(int argc, char **argv)
{
    static struct sending s; /* large buffers; one per process */
    s.opt.wait = "stored";
    int code = parse(&s.opt, argc, argv);
    if (code >= 0)
        return code;
    int awaited = awaited_state(s.opt.wait);
    size_t to_len = strlen(s.opt.to);
    if (awaited < 0 || to_len == 0 || to_len > SP_USER_MAX) {
        (void)fprintf(stderr, "sampan send: %s\n",
                      awaited < 0 ? "--wait takes accepted, stored or delivered"
                                  : "--to takes 1 to 64 bytes");
        return SP_EXIT_USAGE;
    }
    s.awaited = (uint8_t)awaited;
    s.started = s.next_at = sp_sys_now();
    sp_waiting_init(&s.waiting);
    sp_lines_init(&s.lines, STDIN_FILENO, s.opt.is_nul ? '\0' : '\n');
    sp_runner_signals();
    code = run(&s);
    sp_waiting_wipe(&s.waiting);
    return code;
}
