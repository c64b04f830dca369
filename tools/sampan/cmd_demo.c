/* sampan demo: messages from a to b through a gateway and a bad network, an absence, a killed gateway; live
 * figures, a verdict, a report. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adminask.h"
#include "args.h"
#include "cmd.h"
#include "report.h"
#include "score.h"
#include "stage.h"
#include "sys.h"

#define RATE      25               /* messages a second */
#define QUIET_S   6                /* at the end of the run nothing new is sent */
#define PATIENCE  (40 * SP_SECOND) /* how long the end waits for the last receipts */
#define SAMPLE    (100 * SP_MS)
#define LOOK      (20 * SP_MS)
#define FOR_MIN_S 12

struct options {
    const char *report;
    double loss;
    uint64_t for_s, seed;
    bool has_seed;
};

struct demo {
    struct options opt;
    struct sp_stage stage;
    struct sp_score score;
    struct sp_report report;
    sp_time start, next_send, next_sample, next_show, stop_sending, end;
    uint64_t gateway_resent_before, gateway_resent, client_resent_before, removed_before, stored_told;
    uint64_t datagrams_before;
    bool is_terminal, has_been_absent, has_been_killed;
    char command[256], logs[2][SP_CHILD_PATH_MAX]; /* what the report points to */
};

static sp_time part(const struct demo *d, uint64_t numerator, uint64_t denominator)
{
    return d->start + (sp_time)(d->opt.for_s * numerator * (uint64_t)SP_SECOND / denominator);
}

/* --- what happens on stage ---------------------------------------------------------------------------------
 */

static int send_due(struct demo *d, sp_time now, struct sp_trouble *t)
{
    while (d->next_send <= now && d->next_send < d->stop_sending && d->score.n < d->score.cap) {
        char body[64];
        int len = snprintf(body, sizeof body, "message %zu of a demo run", d->score.n);
        struct sp_outgoing m = {.to = {(const uint8_t *)"b", 1},
                                .body = {(const uint8_t *)body, (size_t)len}};
        struct sp_msgid id;
        int rc = sp_client_submit(d->stage.users[SP_STAGE_A].client, &m, &id, now);
        if (rc != 0)
            return sp_trouble_set(t, SP_EXIT_FAILED, "submit: %s", sp_err_text(rc));
        (void)sp_score_send(&d->score, d->next_send);
        d->next_send += SP_SECOND / RATE;
    }
    return 0;
}

/* The state folder is new, so the counter of a msgid begins with 1. */
static size_t index_of(struct sp_msgid id)
{
    return (size_t)((id.v & 0xffffffff) - 1);
}

static int on_sender_event(struct demo *d, const struct sp_client_event *ev, sp_time now,
                           struct sp_trouble *t)
{
    size_t i = index_of(ev->msgid);
    if (ev->kind == SP_CLIENT_FAILED || ev->kind == SP_CLIENT_UNKNOWN)
        return sp_trouble_set(t, SP_EXIT_FAILED, "message %zu: %s", i, sp_runner_code_name(ev->code));
    if (ev->kind != SP_CLIENT_RECEIPT)
        return sp_runner_verdict(ev, t);
    sp_score_note(&d->score, i, SP_SCORE_ACCEPTED, now);
    if (ev->state == SP_STATE_STORED)
        d->stored_told++;
    if (ev->state == SP_STATE_DELIVERED || ev->state == SP_STATE_READ)
        sp_score_note(&d->score, i, SP_SCORE_KNOWN, now);
    return 0;
}

static int take_sender_events(struct demo *d, struct sp_trouble *t)
{
    struct sp_client_event ev;
    while (sp_client_poll(d->stage.users[SP_STAGE_A].client, &ev, sp_sys_now()) == 0)
        if (on_sender_event(d, &ev, sp_sys_now(), t) != 0)
            return -1;
    return 0;
}

/* The recipient's application: its persistent store is the score. */
static int take_recipient_events(struct demo *d, struct sp_trouble *t)
{
    struct sp_client *b = d->stage.users[SP_STAGE_B].client;
    struct sp_client_event ev;
    struct sp_seq upto = {0};
    while (sp_client_poll(b, &ev, sp_sys_now()) == 0) {
        size_t i;
        char text[64];
        if (ev.kind != SP_CLIENT_MESSAGE) {
            if (sp_runner_verdict(&ev, t) != 0)
                return -1;
            continue;
        }
        size_t n = ev.body.n < sizeof text - 1 ? ev.body.n : sizeof text - 1;
        memcpy(text, ev.body.p, n);
        text[n] = '\0';
        i = strncmp(text, "message ", 8) == 0 ? strtoul(text + 8, NULL, 10) : SIZE_MAX;
        sp_score_receive(&d->score, i, sp_sys_now());
        upto = ev.seq;
    }
    if (upto.v == 0)
        return 0;
    int rc = sp_client_keep(b, upto, sp_sys_now());
    return rc == 0 ? 0 : sp_trouble_set(t, SP_EXIT_IO, "keep: %s", sp_err_text(rc));
}

/* Counters of a client that goes away are added up, as those of a gateway that is killed. */
static void leave(struct demo *d, unsigned user)
{
    struct sp_client_stats st;
    sp_client_read_stats(d->stage.users[user].client, &st);
    d->client_resent_before += st.frames_resent;
    d->removed_before += st.duplicates;
    d->datagrams_before += st.packets_sent;
    sp_stage_leave(&d->stage, user);
}

static int follow_plot(struct demo *d, sp_time now, struct sp_trouble *t)
{
    if (!d->has_been_absent && d->stage.is_open[SP_STAGE_B] && now >= part(d, 10, 30)) {
        leave(d, SP_STAGE_B);
        d->report.absent_from = now;
        d->has_been_absent = true;
    }
    if (!d->stage.is_open[SP_STAGE_B] && now >= part(d, 14, 30)) {
        d->report.absent_to = now;
        if (sp_stage_enter(&d->stage, SP_STAGE_B, t) != 0)
            return -1;
    }
    if (!d->has_been_killed && now >= part(d, 18, 30)) {
        d->has_been_killed = true;
        d->report.killed_at = now;
        sp_stage_kill_gateway(&d->stage);
        d->gateway_resent_before += d->gateway_resent;
        d->gateway_resent = 0;
        if (sp_stage_start_gateway(&d->stage, t) != 0)
            return -1;
        d->report.ready_at = sp_sys_now();
    }
    return 0;
}

/* --- figures -----------------------------------------------------------------------------------------------
 */

static void read_totals(struct demo *d, struct sp_report_sample *s)
{
    uint64_t resent = d->client_resent_before, removed = d->removed_before, datagrams = d->datagrams_before;
    for (unsigned u = SP_STAGE_A; u <= SP_STAGE_B; u++) {
        struct sp_client_stats st;
        if (!d->stage.is_open[u])
            continue;
        sp_client_read_stats(d->stage.users[u].client, &st);
        resent += st.frames_resent;
        removed += st.duplicates;
        datagrams += st.packets_sent;
    }
    s->resent = resent + d->gateway_resent_before + d->gateway_resent;
    s->waiting = sp_client_waiting(d->stage.users[SP_STAGE_A].client);
    d->report.resent = s->resent;
    d->report.removed = removed;
    d->report.datagrams = datagrams;
}

static void read_gateway(struct demo *d)
{
    static char answer[SP_ADMINASK_ANSWER_MAX];
    char path[SP_CHILD_PATH_MAX];
    struct sp_trouble unused;
    sp_stage_path(&d->stage, "admin", path, sizeof path);
    if (sp_adminask(path, "stat\n", answer, sizeof answer, &unused) == 0)
        d->gateway_resent = sp_adminask_value(answer, "frames_resent");
}

static void sample(struct demo *d, sp_time now)
{
    if (now < d->next_sample || d->report.samples_n >= SP_REPORT_SAMPLES_MAX)
        return;
    d->next_sample = now + SAMPLE;
    read_gateway(d);
    struct sp_report_sample *s = &d->report.samples[d->report.samples_n++];
    s->at = now;
    read_totals(d, s);
}

static const char *scene(const struct demo *d, sp_time now)
{
    if (!d->stage.is_open[SP_STAGE_B])
        return "b-absent";
    if (d->report.killed_at != 0 && now - d->report.killed_at < 2 * SP_SECOND)
        return "gateway-killed";
    return now >= d->stop_sending ? "finishing" : "sending";
}

static void show_line(const struct demo *d, sp_time now)
{
    struct sp_score_figures f = sp_score_figures(&d->score, SP_SCORE_DELIVERED);
    (void)printf(
        "t=%lld scene=%s sent=%zu accepted=%zu delivered=%zu known=%zu waiting=%zu p50_ms=%lld p99_ms=%lld "
        "resent=%" PRIu64 " duplicates_removed=%" PRIu64 "\n",
        (long long)((now - d->start) / SP_SECOND), scene(d, now), d->score.n,
        d->score.counts[SP_SCORE_ACCEPTED], d->score.counts[SP_SCORE_DELIVERED],
        d->score.counts[SP_SCORE_KNOWN], sp_client_waiting(d->stage.users[SP_STAGE_A].client),
        (long long)(f.p50 / SP_MS), (long long)(f.p99 / SP_MS), d->report.resent, d->report.removed);
}

static void show_row(const struct demo *d, const char *name, enum sp_score_mark mark)
{
    struct sp_score_figures f = sp_score_figures(&d->score, mark);
    (void)printf("\033[K  %-22s %6zu   %8.1f %8.1f %8.1f %8.1f\n", name, f.n, (double)f.p50 / 1e3,
                 (double)f.p95 / 1e3, (double)f.p99 / 1e3, (double)f.max / 1e3);
}

/* Redraws the same lines on a terminal. */
static void show_screen(const struct demo *d, sp_time now)
{
    const char *text = strcmp(scene(d, now), "b-absent") == 0 ? "b is absent: messages are stored"
                       : strcmp(scene(d, now), "gateway-killed") == 0
                           ? "gateway ended by kill -9 and started again"
                       : strcmp(scene(d, now), "finishing") == 0 ? "nothing new is sent; the rest arrives"
                                                                 : "a sends to b";
    (void)printf("\033[K%5.1f s  %s\n\033[K  %-22s %6s   %8s %8s %8s %8s  ms\n",
                 (double)(now - d->start) / 1e6, text, "", "count", "p50", "p95", "p99", "max");
    (void)printf("\033[K  %-22s %6zu\n", "sent", d->score.n);
    show_row(d, "accepted (durable)", SP_SCORE_ACCEPTED);
    show_row(d, "delivered to b's app", SP_SCORE_DELIVERED);
    show_row(d, "known to a", SP_SCORE_KNOWN);
    (void)printf("\033[K  %" PRIu64 " datagrams from a and b, %" PRIu64 " frames sent again, %" PRIu64
                 " duplicates removed, %zu waiting\n\033[8A",
                 d->report.datagrams, d->report.resent, d->report.removed,
                 sp_client_waiting(d->stage.users[SP_STAGE_A].client));
    (void)printf("\n");
}

static void show(struct demo *d, sp_time now)
{
    if (now < d->next_show)
        return;
    d->next_show = now + (d->is_terminal ? 200 * SP_MS : SP_SECOND);
    if (d->is_terminal)
        show_screen(d, now);
    else
        show_line(d, now);
    (void)fflush(stdout);
}

/* --- the run -----------------------------------------------------------------------------------------------
 */

static bool is_over(const struct demo *d, sp_time now)
{
    bool is_done = d->score.counts[SP_SCORE_KNOWN] == d->score.n && d->has_been_absent &&
                   d->has_been_killed && d->stage.is_open[SP_STAGE_B];
    return now >= d->stop_sending && (is_done || now >= d->stop_sending + PATIENCE);
}

static int turn(struct demo *d, struct sp_trouble *t)
{
    sp_time now = sp_sys_now();
    bool unused;
    struct sp_runner *a = &d->stage.users[SP_STAGE_A], *b = &d->stage.users[SP_STAGE_B];
    bool has_b = d->stage.is_open[SP_STAGE_B];
    sp_time until = now + LOOK < d->next_send ? now + LOOK : d->next_send;
    if (has_b && sp_client_deadline(b->client) < until)
        until = sp_client_deadline(b->client);
    if (send_due(d, now, t) != 0 || sp_runner_turn(a, has_b ? b->fd : -1, until, &unused, t) != 0 ||
        take_sender_events(d, t) != 0)
        return -1;
    if (has_b && (sp_runner_turn(b, -1, 0, &unused, t) != 0 || take_recipient_events(d, t) != 0))
        return -1;
    now = sp_sys_now();
    if (follow_plot(d, now, t) != 0)
        return -1;
    sample(d, now);
    show(d, now);
    return 0;
}

static int play(struct demo *d, struct sp_trouble *t)
{
    d->start = d->next_send = d->next_sample = d->next_show = sp_sys_now();
    d->stop_sending = d->start + (sp_time)(d->opt.for_s - QUIET_S) * SP_SECOND;
    d->report.start = d->start;
    while (!is_over(d, sp_sys_now())) {
        if (sp_runner_is_told_to_end())
            return sp_trouble_set(t, SP_EXIT_UNKNOWN, "ended before its end");
        if (turn(d, t) != 0)
            return -1;
    }
    d->report.end = sp_sys_now();
    struct sp_report_sample last;
    read_gateway(d);
    read_totals(d, &last);
    return 0;
}

static int write_report(struct demo *d, struct sp_trouble *t)
{
    char stats[2][SP_CHILD_PATH_MAX];
    sp_stage_end_relays(&d->stage);
    sp_stage_path(&d->stage, "drop.a.stats", stats[0], sizeof stats[0]);
    sp_stage_path(&d->stage, "drop.b.stats", stats[1], sizeof stats[1]);
    sp_stage_path(&d->stage, "drop.a.events", d->logs[0], sizeof d->logs[0]);
    sp_stage_path(&d->stage, "drop.b.events", d->logs[1], sizeof d->logs[1]);
    d->report.drop_logs[0] = d->logs[0];
    d->report.drop_logs[1] = d->logs[1];
    d->report.score = &d->score;
    d->report.command = d->command;
    d->report.loss = d->opt.loss;
    d->report.seed = d->opt.seed;
    d->report.datagrams = sp_report_entered(stats[0]) + sp_report_entered(stats[1]);
    d->report.dropped = sp_report_drops(d->logs[0]) + sp_report_drops(d->logs[1]);
    return sp_report_write(&d->report, d->opt.report, t);
}

/* Prints the verdict.  Every message has a definite OK only if its sender knows of its delivery. */
static int conclude(struct demo *d, struct sp_trouble *t)
{
    size_t lost = sp_score_lost(&d->score), told = d->score.counts[SP_SCORE_KNOWN];
    (void)snprintf(d->command, sizeof d->command, "tools/demo --loss %g --for %" PRIu64 " --seed %" PRIu64,
                   d->opt.loss, d->opt.for_s, d->opt.seed);
    d->report.is_good = lost == 0 && d->score.duplicated == 0 && d->score.disordered == 0 &&
                        d->score.strange == 0 && told == d->score.n;
    int rc = write_report(d, t);
    if (d->is_terminal)
        (void)printf("\033[8B\n");
    show_line(d, sp_sys_now());
    (void)printf("messages %zu, known to be delivered %zu, told STORED %" PRIu64
                 ", datagrams lost on the way %" PRIu64 "\n",
                 d->score.n, told, d->stored_told, d->report.dropped);
    (void)printf("lost %zu duplicated %zu out of order %zu\n", lost, d->score.duplicated,
                 d->score.disordered);
    if (rc == 0)
        (void)printf("report: %s\n", d->opt.report);
    (void)printf("seed %" PRIu64 ": repeat with %s\n", d->opt.seed, d->command);
    if (rc != 0)
        return sp_trouble_print(t, "sampan demo");
    return d->report.is_good ? SP_EXIT_OK : SP_EXIT_FAILED;
}

static int run(struct demo *d)
{
    struct sp_trouble t;
    if (!sp_score_init(&d->score, (size_t)d->opt.for_s * RATE + 1)) {
        (void)fprintf(stderr, "sampan demo: no memory\n");
        return SP_EXIT_IO;
    }
    (void)printf("a sends to b through a gateway, %g %% of all datagrams lost each way, seed %" PRIu64 "\n",
                 d->opt.loss * 100, d->opt.seed);
    (void)fflush(stdout);
    int code;
    const struct sp_stage_config cfg = {
        .pairs = 1, .loss = d->opt.loss, .delay_ms = 20, .jitter_ms = 10, .seed = d->opt.seed};
    if (sp_stage_open(&d->stage, &cfg, &t) != 0)
        return sp_trouble_print(&t, "sampan demo");
    if (play(d, &t) != 0)
        code = sp_trouble_print(&t, "sampan demo");
    else
        code = conclude(d, &t);
    sp_stage_close(&d->stage);
    return code;
}

/* "0.2" or "20%", below 0.9: beyond that nothing is shown but waiting. */
static int read_loss(void *self, const char *value)
{
    char *end;
    double p = strtod(value, &end);
    if (end == value)
        return -1;
    if (strcmp(end, "%") == 0)
        p /= 100;
    else if (*end != '\0')
        return -1;
    if (!(p >= 0 && p <= 0.9))
        return -1;
    *(double *)self = p;
    return 0;
}

static int read_seed(void *self, const char *value)
{
    struct options *o = self;
    char *end;
    o->seed = strtoull(value, &end, 10);
    o->has_seed = true;
    return end != value && *end == '\0' ? 0 : -1;
}

int sp_cmd_demo(int argc, char **argv)
{
    static struct demo d; /* large tables; one per process */
    d.opt = (struct options){.report = "report.html", .loss = 0.2, .for_s = 30};
    const struct sp_args_opt opts[] = {
        {.name = "--loss",
         .value = "P",
         .help = "share of datagrams lost each way, 0.2 or 20% (default)",
         .each = read_loss,
         .self = &d.opt.loss},
        {.name = "--for",
         .value = "SEC",
         .help = "length of the run (30)",
         .number = &d.opt.for_s,
         .min = FOR_MIN_S,
         .max = SP_SCORE_MAX / RATE - 1},
        {.name = "--seed",
         .value = "N",
         .help = "repeat the losses of an earlier run",
         .each = read_seed,
         .self = &d.opt},
        {.name = "--report",
         .value = "FILE",
         .help = "where the report goes (report.html)",
         .text = &d.opt.report},
    };
    const struct sp_args args = {
        .program = "sampan demo",
        .version = SAMPAN_VERSION,
        .about =
            "Sends messages from a to b through a gateway and a bad network; b is absent for a while and the "
            "gateway is killed.  Exit 0 only if nothing was lost, doubled or disordered and a knows it.",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    if (!d.opt.has_seed)
        sp_sys_random(&d.opt.seed, 3); /* three bytes: easy to type again */
    d.is_terminal = isatty(STDOUT_FILENO) == 1;
    sp_runner_signals();
    code = run(&d);
    sp_score_wipe(&d.score);
    return code;
}
