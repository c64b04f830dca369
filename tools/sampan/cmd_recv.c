/* sampan recv: writes each message for us to standard output in seq order, exactly once for each state
 * folder. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "cmd.h"
#include "output.h"
#include "runner.h"
#include "sys.h"

#define LINGER      (5 * SP_SECOND) /* how long the end waits for the gateway to confirm the last cursor */
#define RECORD_MAX  (SP_BODY_MAX * 2 + 1024)
#define BATCH_BYTES (SP_OUTPUT_MAX - RECORD_MAX) /* written at the latest when so much is gathered */

struct options {
    const char *token, *state, *history;
    uint64_t count, for_s;
    bool is_nul, is_json;
};

struct receiving {
    struct options opt;
    struct sp_runner runner;
    struct sp_output out;
    uint64_t received;
    struct sp_seq upto; /* handed up and not kept yet; 0: none */
};

static bool has_enough(const struct receiving *r)
{
    return r->opt.count > 0 && r->received >= r->opt.count;
}

/* base64 (RFC 4648, section 4).  dst takes 4 * ((n + 2) / 3) bytes.  Returns how many. */
static size_t base64(const uint8_t *in, size_t n, char *dst)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t out = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v =
            (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
        for (int k = 0; k < 4; k++)
            dst[out++] = (char)(i + (size_t)k <= n ? digits[v >> (18 - 6 * k) & 63] : '=');
    }
    return out;
}

/* A user id as a JSON string: printable ASCII as it is, all else as \u00XX (ids are opaque bytes). */
static size_t json_id(struct sp_view id, char *dst, size_t cap)
{
    size_t at = 0;
    for (size_t i = 0; i < id.n && at + 7 < cap; i++) {
        uint8_t c = id.p[i];
        bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        at += (size_t)snprintf(dst + at, cap - at, is_plain ? "%c" : "\\u%04x", c);
    }
    return at;
}

static void add_json(struct receiving *r, const struct sp_client_event *ev)
{
    static char line[RECORD_MAX];
    char from[SP_USER_MAX * 6 + 8], group[SP_USER_MAX * 6 + 8], msgid[17];
    from[json_id(ev->from.id, from, sizeof from)] = '\0';
    group[json_id(ev->group, group, sizeof group)] = '\0';
    sp_runner_msgid_print(ev->msgid, msgid);
    size_t at = (size_t)snprintf(
        line, sizeof line,
        "{\"seq\":%lu,\"from\":\"%s\",\"device\":%lu,\"msgid\":\"%s\",\"group\":%s%s%s,"
        "\"time_ms\":%lld,\"body\":\"",
        (unsigned long)ev->seq.v, from, (unsigned long)ev->device, msgid, ev->group.n > 0 ? "\"" : "",
        ev->group.n > 0 ? group : "null", ev->group.n > 0 ? "\"" : "", (long long)ev->at_ms);
    at += base64(ev->body.p, ev->body.n, line + at);
    static const char end[3] = {'"', '}', '\n'};
    (void)sp_output_add(&r->out, line, at);
    (void)sp_output_add(&r->out, end, sizeof end);
}

static void add_message(struct receiving *r, const struct sp_client_event *ev)
{
    if (r->opt.is_json) {
        add_json(r, ev);
    } else {
        (void)sp_output_add(&r->out, ev->body.p, ev->body.n);
        (void)sp_output_add(&r->out, r->opt.is_nul ? "" : "\n", 1);
    }
    r->received++;
    r->upto = ev->seq;
}

/* Written first, then kept: a message is confirmed only when its bytes are out of our hands. */
static int keep(struct receiving *r, struct sp_trouble *t)
{
    if (r->upto.v == 0)
        return 0;
    if (sp_output_flush(&r->out, t) != 0)
        return -1;
    int rc = sp_runner_keep(&r->runner, r->upto);
    if (rc != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "state: %s", sp_err_text(rc));
    r->upto.v = 0;
    return 0;
}

/* Takes events until there are none or enough messages came. */
static int take_events(struct receiving *r, struct sp_trouble *t)
{
    struct sp_client_event ev;
    while (!has_enough(r) && sp_runner_poll(&r->runner, &ev) == 0) {
        if (ev.kind == SP_CLIENT_MESSAGE)
            add_message(r, &ev);
        else if (ev.kind == SP_CLIENT_SKIPPED)
            r->upto = ev.hi;
        else if (ev.kind == SP_CLIENT_RESYNC)
            (void)fprintf(stderr, "sampan recv: the mailbox began anew at seq %lu\n", (unsigned long)ev.lo.v);
        else if (sp_runner_verdict(&ev, t) != 0)
            return -1;
        if (r->out.len > BATCH_BYTES && keep(r, t) != 0)
            return -1;
    }
    return keep(r, t);
}

/* Turns until `until`, an end, or enough messages.  0, or -1 with a trouble. */
static int receive(struct receiving *r, sp_time until, struct sp_trouble *t)
{
    bool unused;
    while (!has_enough(r) && !sp_runner_is_told_to_end() && sp_sys_now() < until) {
        if (sp_runner_turn(&r->runner, -1, until, &unused, t) != 0 || take_events(r, t) != 0)
            return -1;
    }
    return 0;
}

/* The last cursor should reach the gateway, so that senders learn DELIVERED; if it does not, the next run
 * repeats it. */
static void linger(struct receiving *r)
{
    struct sp_trouble t;
    bool unused;
    sp_time until = sp_sys_now() + LINGER;
    while (!sp_client_is_settled(r->runner.client) && sp_sys_now() < until)
        if (sp_runner_turn(&r->runner, -1, until, &unused, &t) != 0)
            return;
}

static int run(struct receiving *r)
{
    struct sp_trouble t = {.code = SP_EXIT_OK};
    struct sp_runner_config cfg = {
        .token_path = r->opt.token, .state_path = r->opt.state, .receives = true, .history = r->opt.history};
    if (sp_runner_open(&r->runner, &cfg, &t) != 0)
        return sp_trouble_print(&t, "sampan recv");
    int code = SP_EXIT_OK;
    sp_time until = r->opt.for_s > 0 ? sp_sys_now() + (sp_time)r->opt.for_s * SP_SECOND : SP_NEVER;
    if (sp_output_open(&r->out, &r->runner.local, &t) != 0 || receive(r, until, &t) != 0)
        code = sp_trouble_print(&t, "sampan recv");
    else
        linger(r);
    sp_runner_close(&r->runner);
    if (code == SP_EXIT_OK && r->opt.count > 0 && !has_enough(r))
        code = sp_runner_is_told_to_end() ? SP_EXIT_UNKNOWN : SP_EXIT_FAILED;
    return code;
}

int sp_cmd_recv(int argc, char **argv)
{
    static struct receiving r; /* large buffers; one per process */
    const struct sp_args_opt opts[] = {
        {.name = "--token",
         .value = "FILE",
         .help = "token file of the recipient",
         .text = &r.opt.token,
         .required = true},
        {.name = "--state",
         .value = "DIR",
         .help = "folder that remembers the cursor",
         .text = &r.opt.state,
         .required = true},
        {.name = "--history",
         .value = "FILE",
         .help = "append what happened, for sampan verify",
         .text = &r.opt.history},
        {.name = "--count",
         .value = "N",
         .help = "end after N messages",
         .number = &r.opt.count,
         .min = 1,
         .max = UINT32_MAX},
        {.name = "--for",
         .value = "SEC",
         .help = "end after SEC seconds (1 if --count was not reached)",
         .number = &r.opt.for_s,
         .min = 1,
         .max = 1000000},
        {.name = "-0", .help = "end each body with NUL instead of a line feed", .flag = &r.opt.is_nul},
        {.name = "--json",
         .help = "a JSON object per line: seq, from, device, msgid, group, time_ms, body (base64)",
         .flag = &r.opt.is_json},
    };
    const struct sp_args args = {
        .program = "sampan recv",
        .version = SAMPAN_VERSION,
        .about = "Writes each message to standard output in seq order, exactly once across runs with one "
                 "state folder, "
                 "and confirms it.  Into a regular file nothing is repeated even after kill -9.",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    sp_runner_signals();
    return run(&r);
}
