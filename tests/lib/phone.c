/* The client library on the rig. */
#include "phone.h"

#include "ensure.h"

#include <stdlib.h>
#include <string.h>

#define BLOB_MAX    1024
#define CONNECT_MAX (10 * SP_SECOND)
#define CLOSE_MAX   SP_SECOND

static void *grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    *cap = *cap == 0 ? 64 : 2 * *cap;
    array = realloc(array, *cap * size);
    SP_ENSURE(array != NULL);
    return array;
}

static struct sp_phone_sent *sent_of(struct sp_phone *p, struct sp_msgid id)
{
    for (size_t i = p->sent_n; i > 0; i--) {
        if (p->sent[i - 1].msgid.v == id.v)
            return &p->sent[i - 1];
    }
    SP_ENSURE_SAY(false, "%s hears of a message that it never sent", p->user);
    return NULL;
}

static void receipt(struct sp_phone *p, const struct sp_client_event *ev, sp_time now)
{
    struct sp_phone_sent *s = sent_of(p, ev->msgid);
    SP_ENSURE_SAY(ev->state > s->state, "%s: a receipt goes from %u to %u", p->user, s->state, ev->state);
    s->state = ev->state;
    if (s->accepted_at == 0)
        s->accepted_at = now;
    if (ev->state == SP_STATE_DELIVERED)
        s->delivered_at = now;
}

static void check_new(const struct sp_phone *p, const struct sp_phone_message *m)
{
    for (size_t i = 0; i < p->got_n; i++) {
        const struct sp_phone_message *old = &p->got[i];
        SP_ENSURE_SAY(
            !(old->msgid.v == m->msgid.v && old->device == m->device && strcmp(old->from, m->from) == 0),
            "%s gets seq %u twice", p->user, m->seq.v);
    }
}

static void message(struct sp_phone *p, const struct sp_client_event *ev, sp_time now)
{
    p->got = grow(p->got, p->got_n, &p->got_cap, sizeof *p->got);
    struct sp_phone_message *m = &p->got[p->got_n];
    memset(m, 0, sizeof *m);
    m->seq = ev->seq;
    m->msgid = ev->msgid;
    m->device = ev->device;
    m->at = now;
    memcpy(m->from, ev->from.id.p, ev->from.id.n);
    if (ev->body.n > 0)
        memcpy(m->body, ev->body.p, ev->body.n);
    check_new(p, m);
    SP_ENSURE_SAY(p->resyncs > 0 || m->seq.v > p->kept.v, "%s gets seq %u after %u", p->user, m->seq.v,
                  p->kept.v);
    p->got_n++;
}

static void skipped(struct sp_phone *p, const struct sp_client_event *ev)
{
    p->skips = grow(p->skips, p->skips_n, &p->skips_cap, sizeof *p->skips);
    p->skips[p->skips_n++] = (struct sp_phone_skip){ev->lo.v, ev->hi.v, ev->why};
}

static void keep(struct sp_phone *p, struct sp_seq upto, sp_time now)
{
    p->kept = upto;
    if (!p->keeps_nothing)
        SP_ENSURE(sp_client_keep(p->client, upto, now) == 0);
}

static void handle(struct sp_phone *p, const struct sp_client_event *ev, sp_time now)
{
    switch (ev->kind) {
    case SP_CLIENT_ONLINE:
        p->online++;
        break;
    case SP_CLIENT_OFFLINE:
        p->offline++;
        p->last_offline = ev->code;
        break;
    case SP_CLIENT_TOKEN:
        p->tokens++;
        break;
    case SP_CLIENT_RECEIPT:
        receipt(p, ev, now);
        break;
    case SP_CLIENT_FAILED:
        sent_of(p, ev->msgid)->failed = ev->code;
        break;
    case SP_CLIENT_UNKNOWN:
        sent_of(p, ev->msgid)->is_unknown = true;
        break;
    case SP_CLIENT_MESSAGE:
        message(p, ev, now);
        keep(p, p->got[p->got_n - 1].seq, now);
        break;
    case SP_CLIENT_SKIPPED: {
        struct sp_seq hi = ev->hi;
        skipped(p, ev);
        keep(p, hi, now);
        break;
    }
    case SP_CLIENT_RESYNC:
        p->resyncs++;
        p->kept = ev->lo;
        break;
    case SP_CLIENT_STATUS:
        p->status = *ev;
        break;
    case SP_CLIENT_ERROR:
        break;
    }
}

static void receive(void *self, struct sp_datagram *in, sp_time now)
{
    struct sp_phone *p = self;
    if (p->client != NULL)
        (void)sp_client_receive(p->client, in->p, in->len, now);
}

static bool transmit(void *self, struct sp_datagram *out, sp_time now)
{
    struct sp_phone *p = self;
    return p->client != NULL && sp_client_transmit(p->client, out, now) == 0;
}

static sp_time deadline(void *self)
{
    const struct sp_phone *p = self;
    return p->client == NULL ? SP_NEVER : sp_client_deadline(p->client);
}

static void after(void *self, sp_time now)
{
    struct sp_phone *p = self;
    struct sp_client_event ev;
    while (p->client != NULL && sp_client_poll(p->client, &ev, now) == 0)
        handle(p, &ev, now);
}

static const struct sp_rig_ops ops = {receive, transmit, deadline, after};

struct sp_phone *sp_phone_create(struct sp_rig *r, const char *user, uint32_t device, bool receives)
{
    struct sp_phone *p = calloc(1, sizeof *p);
    SP_ENSURE(p != NULL);
    SP_ENSURE(strlen(user) <= (size_t)SP_USER_MAX);
    p->rig = r;
    p->endpoint = sp_rig_add(r, &ops, p);
    memcpy(p->user, user, strlen(user));
    p->device = device;
    p->receives = receives;
    p->rights = SP_RIGHT_SEND | SP_RIGHT_RECEIVE;
    sp_memlocal_init(&p->local);
    sp_rig_trace_name(r, p->endpoint, user);
    return p;
}

void sp_phone_destroy(struct sp_phone **phone)
{
    struct sp_phone *p = *phone;
    sp_phone_kill(p);
    sp_rig_remove(p->rig, p->endpoint);
    sp_memlocal_wipe(&p->local);
    free(p->got);
    free(p->sent);
    free(p->skips);
    free(p);
    *phone = NULL;
}

void sp_phone_start(struct sp_phone *p)
{
    uint8_t blob[BLOB_MAX];
    SP_ENSURE(p->client == NULL);
    size_t len = sp_rig_blob(p->rig, p->user, p->device, p->rights, blob, sizeof blob);
    struct sp_client_config cfg = {.crypto = sp_rig_glass(p->rig, p->endpoint),
                                   .local = &p->local.table,
                                   .user = {{(const uint8_t *)p->user, strlen(p->user)}},
                                   .device = p->device,
                                   .blob = {blob, len},
                                   .unix_s = sp_rig_unix_s(p->rig) + p->clock_off_s,
                                   .receives = p->receives};
    for (size_t i = 0; i < sizeof cfg.seed; i++)
        cfg.seed[i] = (uint8_t)sp_rig_draw(p->rig);
    size_t need = sp_client_footprint(&cfg);
    SP_ENSURE(need > (size_t)0);
    p->memory = calloc(1, need);
    SP_ENSURE(p->memory != NULL);
    int err = sp_client_init(&p->client, p->memory, need, &cfg, sp_rig_now(p->rig));
    SP_ENSURE_SAY(err == 0, "%s does not start: %d", p->user, err);
    sp_rig_poke(p->rig, p->endpoint);
}

void sp_phone_kill(struct sp_phone *p)
{
    if (p->client == NULL)
        return;
    sp_client_wipe(p->client);
    p->client = NULL;
    free(p->memory);
    p->memory = NULL;
    sp_rig_poke(p->rig, p->endpoint);
}

void sp_phone_stop(struct sp_phone *p)
{
    sp_client_close(p->client, sp_rig_now(p->rig));
    sp_rig_poke(p->rig, p->endpoint);
    sp_rig_run(p->rig, CLOSE_MAX);
    sp_phone_kill(p);
}

static bool is_online(void *self)
{
    const struct sp_phone *p = self;
    return sp_phone_stats(p).is_online;
}

void sp_phone_connect(struct sp_phone *p)
{
    sp_phone_start(p);
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, is_online, p, CONNECT_MAX), "%s does not come online", p->user);
}

static struct sp_msgid submit(struct sp_phone *p, const char *to, const char *body, uint32_t flags)
{
    struct sp_outgoing m = {.to = {(const uint8_t *)to, strlen(to)},
                            .body = {(const uint8_t *)body, strlen(body)},
                            .flags = flags};
    struct sp_msgid id = {0};
    int err = sp_client_submit(p->client, &m, &id, sp_rig_now(p->rig));
    SP_ENSURE_SAY(err == 0, "%s cannot submit: %d", p->user, err);
    p->sent = grow(p->sent, p->sent_n, &p->sent_cap, sizeof *p->sent);
    p->sent[p->sent_n++] = (struct sp_phone_sent){.msgid = id, .sent_at = sp_rig_now(p->rig)};
    sp_rig_poke(p->rig, p->endpoint);
    return id;
}

struct sp_msgid sp_phone_send(struct sp_phone *p, const char *to, const char *body)
{
    return submit(p, to, body, 0);
}

struct sp_msgid sp_phone_send_four(struct sp_phone *p, const char *to, const char *body)
{
    return submit(p, to, body, SP_OUT_FOUR);
}

const struct sp_phone_sent *sp_phone_sent(const struct sp_phone *p, struct sp_msgid id)
{
    for (size_t i = 0; i < p->sent_n; i++) {
        if (p->sent[i].msgid.v == id.v)
            return &p->sent[i];
    }
    return NULL;
}

struct wish {
    const struct sp_phone *p;
    struct sp_msgid id;
    uint8_t state;
    size_t n;
};

static bool has_state(void *self)
{
    const struct wish *w = self;
    return sp_phone_sent(w->p, w->id)->state >= w->state;
}

void sp_phone_wait_state(struct sp_phone *p, struct sp_msgid id, uint8_t state, sp_time limit_us)
{
    struct wish w = {.p = p, .id = id, .state = state};
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, has_state, &w, limit_us), "%s: state %u instead of %u", p->user,
                  sp_phone_sent(p, id)->state, state);
}

static bool all_have_state(void *self)
{
    const struct wish *w = self;
    for (size_t i = 0; i < w->p->sent_n; i++) {
        if (w->p->sent[i].state < w->state)
            return false;
    }
    return true;
}

void sp_phone_wait_all(struct sp_phone *p, uint8_t state, sp_time limit_us)
{
    struct wish w = {.p = p, .state = state};
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, all_have_state, &w, limit_us), "%s: not all reach state %u",
                  p->user, state);
}

static bool has_got(void *self)
{
    const struct wish *w = self;
    return w->p->got_n >= w->n;
}

void sp_phone_wait_got(struct sp_phone *p, size_t n, sp_time limit_us)
{
    struct wish w = {.p = p, .n = n};
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, has_got, &w, limit_us), "%s: %zu messages instead of %zu", p->user,
                  p->got_n, n);
}

struct sp_client_stats sp_phone_stats(const struct sp_phone *p)
{
    struct sp_client_stats st = {0};
    if (p->client != NULL)
        sp_client_read_stats(p->client, &st);
    return st;
}
