#include "crowd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

#define MESSAGES_MAX 4000000
#define BODY_MAX     1000

struct pair {
    size_t *index; /* global number of each message, by the counter of its msgid */
    size_t n, cap;
    size_t highest, on_way;
    sp_time next;
};
struct crowd {
    const struct sp_crowd_plan *plan;
    struct sp_crowd_result *result;
    struct sp_stage stage;
    struct sp_score score;
    struct pair pairs[SP_STAGE_PAIRS_MAX];
    size_t open, delivered_in_time;
    sp_time start, stop;
};

static bool remember(struct pair *p, size_t number)
{
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 1024 : 2 * p->cap;
        size_t *bigger = realloc(p->index, cap * sizeof *bigger);
        if (bigger == NULL)
            return false;
        p->index = bigger;
        p->cap = cap;
    }
    p->index[p->n++] = number;
    return true;
}

static struct sp_runner *sender(struct crowd *c, size_t pair)
{
    return &c->stage.users[2 * pair + SP_STAGE_A];
}

static struct sp_runner *receiver(struct crowd *c, size_t pair)
{
    return &c->stage.users[2 * pair + SP_STAGE_B];
}

static int send_one(struct crowd *c, unsigned i, sp_time due, sp_time now, struct sp_trouble *t)
{
    uint8_t body[BODY_MAX] = {0};
    char to[16];
    struct pair *p = &c->pairs[i];
    struct sp_msgid id;
    if (c->score.n == c->score.cap)
        return sp_trouble_set(t, SP_EXIT_FAILED, "more than %zu messages in a run", c->score.cap);
    uint64_t number = c->score.n;
    memcpy(body, &number, sizeof number);
    sp_stage_user_name(2 * i + SP_STAGE_B, to);
    const struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)}, .body = {body, c->plan->size}};
    int rc = sp_client_submit(sender(c, i)->client, &m, &id, now);
    if (rc == SP_EFULL)
        return 1;
    if (rc != 0)
        return sp_trouble_set(t, SP_EXIT_FAILED, "submit: %s", sp_err_text(rc));
    if (!remember(p, sp_score_send(&c->score, due)))
        return sp_trouble_set(t, SP_EXIT_IO, "no memory");
    c->result->late_sends += now - due > SP_MS;
    c->open++;
    p->on_way++;
    return 0;
}

/* Everything that is due now in pair i. */
static int send_due(struct crowd *c, unsigned i, sp_time now, struct sp_trouble *t)
{
    struct pair *p = &c->pairs[i];
    int rc = 0;
    if (c->plan->window > 0) {
        while (rc == 0 && now < c->stop && p->on_way < c->plan->window)
            rc = send_one(c, i, now, now, t);
        return rc < 0 ? -1 : 0;
    }
    sp_time step = (sp_time)(1e6 / c->plan->rate);
    while (p->next <= now && p->next < c->stop) {
        rc = send_one(c, i, p->next, now, t);
        if (rc < 0)
            return -1;
        if (rc > 0)
            return 0; /* no room: it stays due, and its latency grows */
        p->next += step;
    }
    return 0;
}

static int take_sender(struct crowd *c, unsigned i, struct sp_trouble *t)
{
    struct sp_client_event ev;
    struct pair *p = &c->pairs[i];
    while (sp_client_poll(sender(c, i)->client, &ev, sp_sys_now()) == 0) {
        if (ev.kind == SP_CLIENT_FAILED || ev.kind == SP_CLIENT_UNKNOWN)
            return sp_trouble_set(t, SP_EXIT_FAILED, "a message was refused: %s",
                                  sp_runner_code_name(ev.code));
        if (ev.kind != SP_CLIENT_RECEIPT) {
            if (sp_runner_verdict(&ev, t) != 0)
                return -1;
            continue;
        }
        size_t counter = (size_t)((ev.msgid.v & 0xffffffff) - 1);
        if (ev.state >= SP_STATE_DELIVERED && counter < p->n &&
            c->score.rows[p->index[counter]].at[SP_SCORE_KNOWN] == 0) {
            sp_score_note(&c->score, p->index[counter], SP_SCORE_KNOWN, sp_sys_now());
            c->open--;
            p->on_way--;
        }
    }
    return 0;
}

static void take_message(struct crowd *c, struct pair *p, const struct sp_client_event *ev)
{
    uint64_t number = UINT64_MAX;
    sp_time now = sp_sys_now();
    if (ev->body.n >= sizeof number)
        memcpy(&number, ev->body.p, sizeof number);
    if (number >= c->score.n || c->score.rows[number].received > 0 || number + 1 <= p->highest) {
        c->result->wrong++;
        return;
    }
    p->highest = (size_t)number + 1;
    sp_score_receive(&c->score, (size_t)number, now);
    c->delivered_in_time += now < c->stop;
}

static int take_receiver(struct crowd *c, unsigned i, struct sp_trouble *t)
{
    struct sp_client *client = receiver(c, i)->client;
    struct sp_client_event ev;
    struct sp_seq upto = {0};
    while (sp_client_poll(client, &ev, sp_sys_now()) == 0) {
        if (ev.kind == SP_CLIENT_MESSAGE) {
            take_message(c, &c->pairs[i], &ev);
            upto = ev.seq;
        } else if (sp_runner_verdict(&ev, t) != 0) {
            return -1;
        }
    }
    int rc = upto.v == 0 ? 0 : sp_client_keep(client, upto, sp_sys_now());
    return rc == 0 ? 0 : sp_trouble_set(t, SP_EXIT_IO, "keep: %s", sp_err_text(rc));
}

/* Waits until any client has something to do. */
static int await(struct crowd *c, struct sp_trouble *t)
{
    struct pollfd fds[SP_STAGE_USERS_MAX];
    unsigned n = 2 * c->plan->stage.pairs;
    sp_time now = sp_sys_now(), until = now + 50 * SP_MS;
    for (unsigned u = 0; u < n; u++) {
        sp_time d = sp_client_deadline(c->stage.users[u].client);
        until = d < until ? d : until;
        fds[u] = (struct pollfd){.fd = c->stage.users[u].fd, .events = POLLIN};
    }
    for (unsigned i = 0; c->plan->window == 0 && now < c->stop && i < c->plan->stage.pairs; i++)
        until = c->pairs[i].next < until ? c->pairs[i].next : until;
    sp_time wait = until > now ? until - now : 0;
    const struct timespec ts = {.tv_sec = wait / SP_SECOND, .tv_nsec = (long)(wait % SP_SECOND) * 1000};
    if (ppoll(fds, n, &ts, NULL) < 0 && errno != EINTR)
        return sp_trouble_set(t, SP_EXIT_IO, "poll: %s", strerror(errno));
    return 0;
}

static int turn(struct crowd *c, struct sp_trouble *t)
{
    unsigned n = c->plan->stage.pairs;
    if (await(c, t) != 0)
        return -1;
    for (unsigned i = 0; i < n; i++) {
        sp_runner_take(sender(c, i));
        sp_runner_take(receiver(c, i));
        if (take_sender(c, i, t) != 0 || take_receiver(c, i, t) != 0 ||
            send_due(c, i, sp_sys_now(), t) != 0 || sp_runner_flush(sender(c, i), t) != 0 ||
            sp_runner_flush(receiver(c, i), t) != 0)
            return -1;
    }
    return 0;
}

/* Sessions of all clients are up before the clock starts. */
static int go_online(struct crowd *c, struct sp_trouble *t)
{
    sp_time until = sp_sys_now() + SP_CROWD_PATIENCE;
    for (;;) {
        unsigned online = 0;
        for (unsigned u = 0; u < 2 * c->plan->stage.pairs; u++) {
            struct sp_client_stats st;
            sp_client_read_stats(c->stage.users[u].client, &st);
            online += st.is_online && (u % 2 == SP_STAGE_A || st.pulls > 0);
        }
        if (online == 2 * c->plan->stage.pairs)
            return 0;
        if (sp_sys_now() > until)
            return sp_trouble_set(t, SP_EXIT_UNREACHABLE, "only %u clients came online", online);
        c->stop = 0; /* nothing is due yet */
        if (turn(c, t) != 0)
            return -1;
    }
}

/* The n-th field of a line of words, n from 0; NULL if there are fewer. */
static const char *field(const char *line, unsigned n)
{
    for (; n > 0 && *line != '\0'; n--) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return *line != '\0' ? line : NULL;
}

/* CPU seconds of the gateway so far: utime and stime are the 12th and 13th field behind the name (proc(5)).
 */
static double gateway_cpu(const struct crowd *c)
{
    char path[64], line[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)c->stage.gateway.pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    const char *got = fgets(line, sizeof line, f);
    (void)fclose(f);
    const char *rest = got != NULL ? strrchr(line, ')') : NULL;
    const char *times = rest != NULL ? field(rest, 12) : NULL;
    if (times == NULL)
        return 0;
    char *end;
    unsigned long ticks = strtoul(times, &end, 10);
    ticks += strtoul(end, NULL, 10);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void read_wire(const struct crowd *c, uint64_t *bytes, uint64_t *sent, uint64_t *resent)
{
    *bytes = *sent = *resent = 0;
    for (unsigned u = 0; u < 2 * c->plan->stage.pairs; u++) {
        struct sp_client_stats st;
        sp_client_read_stats(c->stage.users[u].client, &st);
        *bytes += st.bytes_sent + st.bytes_received;
        *sent += st.frames_sent;
        *resent += st.frames_resent;
    }
}

static int compare(const void *a, const void *b)
{
    sp_time x = *(const sp_time *)a, y = *(const sp_time *)b;
    return (x > y) - (x < y);
}

static int conclude(struct crowd *c, struct sp_trouble *t)
{
    struct sp_crowd_result *r = c->result;
    sp_time *all = malloc((c->score.n + 1) * sizeof *all);
    if (all == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "no memory");
    for (size_t i = 0; i < c->score.n; i++) {
        const struct sp_score_row *row = &c->score.rows[i];
        sp_time at = row->at[SP_SCORE_DELIVERED];
        all[i] = at != 0 ? at - row->at[SP_SCORE_SENT] : SP_CROWD_PATIENCE;
        r->undelivered += at == 0;
    }
    qsort(all, c->score.n, sizeof *all, compare);
    r->sent = c->score.n;
    if (r->sent > 0) {
        r->p50 = all[r->sent / 2];
        r->p99 = all[r->sent * 99 / 100];
        r->p999 = all[r->sent * 999 / 1000];
        r->max = all[r->sent - 1];
    }
    free(all);
    r->messages_per_s = (double)c->delivered_in_time / r->seconds;
    r->payload_bytes = (uint64_t)r->sent * c->plan->size;
    return 0;
}

static int play(struct crowd *c, struct sp_trouble *t)
{
    uint64_t bytes, sent, resent, bytes_0, sent_0, resent_0;
    if (go_online(c, t) != 0)
        return -1;
    double cpu = gateway_cpu(c);
    read_wire(c, &bytes_0, &sent_0, &resent_0);
    c->start = sp_sys_now();
    c->stop = c->start + (sp_time)c->plan->for_s * SP_SECOND;
    for (unsigned i = 0; i < c->plan->stage.pairs;
         i++) /* spread over one period, so that pairs do not beat in step */
        c->pairs[i].next =
            c->start +
            (c->plan->window > 0 ? 0 : (sp_time)(1e6 / c->plan->rate * i / (double)c->plan->stage.pairs));
    while (sp_sys_now() < c->stop)
        if (turn(c, t) != 0)
            return -1;
    c->result->seconds = (double)(sp_sys_now() - c->start) / 1e6;
    c->result->cpu_s = gateway_cpu(c) - cpu;
    while (c->open > 0 && sp_sys_now() < c->stop + SP_CROWD_PATIENCE)
        if (turn(c, t) != 0)
            return -1;
    read_wire(c, &bytes, &sent, &resent);
    c->result->wire_bytes = bytes - bytes_0;
    c->result->frames_sent = sent - sent_0;
    c->result->frames_resent = resent - resent_0;
    return conclude(c, t);
}

int sp_crowd_play(const struct sp_crowd_plan *plan, struct sp_crowd_result *out, struct sp_trouble *t)
{
    static struct crowd c; /* large; one at a time */
    memset(&c, 0, sizeof c);
    *out = (struct sp_crowd_result){0};
    c.plan = plan;
    c.result = out;
    if (!sp_score_init(&c.score, MESSAGES_MAX))
        return sp_trouble_set(t, SP_EXIT_IO, "no memory for the score");
    int rc = sp_stage_open(&c.stage, &plan->stage, t);
    if (rc == 0)
        rc = play(&c, t);
    sp_stage_close(&c.stage);
    for (unsigned i = 0; i < SP_STAGE_PAIRS_MAX; i++)
        free(c.pairs[i].index);
    sp_score_wipe(&c.score);
    return rc;
}
