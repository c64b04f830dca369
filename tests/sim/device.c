/* The app keeps its own rows of what it was handed, as docs/client.md tells it to, and ignores what it has.
 */
#include "device.h"

#include "clientnote.h"
#include "ensure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOB_MAX      1024
#define STOP_US       SP_SECOND
#define KEEP_AGAIN    (300 * SP_MS)
#define DAY_S         86400
#define CODE_REPLACED 1
#define WHO(d)        (d)->name

static sp_time now_of(const struct sim_device *d)
{
    return sp_rig_now(d->scene->rig);
}

/* ---- its history ---- */

/* An event of this device. */
static struct sp_history_event begin(const struct sim_device *d, enum sp_history_kind kind)
{
    return (struct sp_history_event){.kind = kind, .user = d->me, .device = d->id};
}

static void note(const struct sim_device *d, struct sp_history_event *e)
{
    e->at_us = sp_rig_unix_s(d->scene->rig) * 1000000 + now_of(d) % SP_SECOND;
    sim_record_note(d->scene->record, d->number, e);
}

static void note_run(const struct sim_device *d)
{
    const struct sp_local_state *s = &d->local.state;
    struct sp_history_event e = begin(d, SP_HISTORY_RUN);
    e.epoch = s->epoch.v;
    e.seq = s->cursor.v;
    e.msgid = s->last.v;
    e.install = d->number + 1;
    note(d, &e);
}

static void note_sent(const struct sim_device *d, const struct sp_outgoing *m, struct sp_msgid id)
{
    struct sp_history_event e = begin(d, SP_HISTORY_SEND);
    e.msgid = id.v;
    e.peer = m->to;
    e.hash = sp_history_hash(sp_rig_crypto(d->scene->rig), m->to, m->body);
    e.len = (uint32_t)m->body.n;
    e.flags = m->flags;
    note(d, &e);
}

/* What the client tells the app. */
static void note_event(const struct sim_device *d, const struct sp_client_event *ev)
{
    struct sp_history_event e = begin(d, SP_HISTORY_NONE);
    if (sp_clientnote_make(ev, d->local.state.epoch.v, sp_rig_crypto(d->scene->rig), &e))
        note(d, &e);
}

static void note_kept(const struct sim_device *d, uint32_t upto)
{
    struct sp_history_event e = begin(d, SP_HISTORY_KEPT);
    e.seq = upto;
    e.epoch = d->local.state.epoch.v;
    note(d, &e);
}

static void note_end(const struct sim_device *d)
{
    struct sp_history_event e = begin(d, SP_HISTORY_END);
    note(d, &e);
}

struct sp_view sim_device_user(uint32_t user, char name[SIM_NAME_MAX])
{
    char digits[SIM_NAME_MAX];
    size_t n = 0, at = 0;
    do
        digits[n++] = (char)('0' + user % 10);
    while ((user /= 10) > 0);
    name[at++] = 'u';
    while (n > 0)
        name[at++] = digits[--n];
    name[at] = '\0';
    return (struct sp_view){(const uint8_t *)name, at};
}

/* ---- messages of its own ---- */

static void add_open(struct sim_device *d, struct sim_message *m)
{
    if (d->open_n == d->open_cap) {
        d->open_cap = d->open_cap == 0 ? 32 : 2 * d->open_cap;
        d->open = realloc(d->open, d->open_cap * sizeof(struct sim_message *));
        SP_ENSURE(d->open != NULL);
    }
    d->open[d->open_n++] = m;
}

static void remove_open(struct sim_device *d, const struct sim_message *m)
{
    for (size_t i = 0; i < d->open_n; i++) {
        if (d->open[i] == m) {
            d->open[i] = d->open[--d->open_n];
            return;
        }
    }
}

static void submit(struct sim_device *d, sp_time now)
{
    const struct sim_plan *p = &d->scene->plan;
    uint8_t body[SP_PART_MAX];
    char to[SIM_NAME_MAX];
    struct sim_message m = {.device = d->number, .sent_at = now};
    m.serial = sim_book_next_serial(d->scene->book);
    m.to = (d->user + 1 + (uint32_t)sp_dice_below(&d->dice, p->contacts)) % p->users;
    m.len = (uint16_t)sp_dice_below(&d->dice, p->body_max + 1);
    m.is_four = sp_dice_chance(&d->dice, p->four_percent);
    sim_book_body(m.serial, m.len, body);
    struct sp_outgoing out = {
        .to = sim_device_user(m.to, to), .body = {body, m.len}, .flags = m.is_four ? SP_OUT_FOUR : 0};
    int err = sp_client_submit(d->client, &out, &m.msgid, now);
    if (err != 0) {
        sim_note_say(&d->scene->note, now, "%s cannot submit: %d", WHO(d), err);
        return;
    }
    d->submitted++;
    note_sent(d, &out, m.msgid);
    sim_book_sent(d->scene->book, &m);
    add_open(d, sim_book_find(d->scene->book, d->number, m.msgid));
    sim_note_say(&d->scene->note, now, "%s submits message %u (%" PRIx64 ", %u bytes%s) to %s", WHO(d),
                 m.serial, m.msgid.v, m.len, m.is_four ? ", four" : "", to);
}

static struct sim_message *own(struct sim_device *d, struct sp_msgid id)
{
    struct sim_message *m = sim_book_find(d->scene->book, d->number, id);
    SP_ENSURE_SAY(m != NULL && !m->is_lost, "%s hears of msgid %" PRIx64 ", which it never sent", WHO(d),
                  id.v);
    return m;
}

static void take_receipt(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    struct sim_message *m = own(d, ev->msgid);
    bool is_restarted = m->sent_at <= d->started_at;
    sim_note_say(&d->scene->note, now, "%s is told: message %u state %u", WHO(d), m->serial, ev->state);
    sim_book_told(d->scene->book, m, ev->state, is_restarted, now);
    if (ev->state >= SP_STATE_DELIVERED)
        remove_open(d, m);
    else if (sp_dice_chance(&d->dice, d->scene->plan.forget_percent) &&
             sp_client_forget(d->client, ev->msgid, now) == 0) {
        sim_book_forgot(d->scene->book, m);
        remove_open(d, m);
    }
    if (sp_dice_chance(&d->dice, d->scene->plan.ask_percent))
        (void)sp_client_status(d->client, ev->msgid, now);
}

static void take_failure(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    struct sim_message *m = own(d, ev->msgid);
    sim_note_say(&d->scene->note, now, "%s is told: message %u failed, code %d", WHO(d), m->serial, ev->code);
    sim_book_failed(d->scene->book, m, ev->code, now);
    remove_open(d, m);
}

static void take_status(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    const struct sim_message *m = own(d, ev->msgid);
    sim_note_say(&d->scene->note, now, "%s asked: message %u state %u seq %u", WHO(d), m->serial, ev->state,
                 ev->seq.v);
    SP_ENSURE_SAY(ev->state != SP_STATE_DELIVERED || m->is_kept,
                  "message %u: STATUS says DELIVERED, nobody has it", m->serial);
    SP_ENSURE_SAY(ev->seq.v == 0 || m->seq == 0 || ev->seq.v == m->seq,
                  "message %u: STATUS says seq %u instead of %u", m->serial, ev->seq.v, m->seq);
}

/* ---- messages for it ---- */

/* What this process has noted before is still true. */
static void persist(struct sim_device *d, uint32_t upto)
{
    if (upto <= d->noted)
        return;
    note_kept(d, d->noted = upto);
    for (uint32_t seq = d->persisted + 1; seq <= upto; seq++)
        sim_book_kept(d->scene->book, d->user, seq);
    if (d->persisted < upto)
        d->persisted = upto;
}

/* Tells the library, if the app is in the mood. */
static void keep(struct sim_device *d, sp_time now)
{
    d->keep_due = SP_NEVER;
    if (d->is_slow || d->kept >= d->handed)
        return;
    persist(d, d->handed);
    int err = sp_client_keep(d->client, (struct sp_seq){d->handed}, now);
    SP_ENSURE_SAY(err == 0 || err == SP_EIO, "%s cannot keep %u: %d", WHO(d), d->handed, err);
    if (err == 0)
        d->kept = d->handed;
    else
        d->keep_due = now + KEEP_AGAIN;
}

static void take_seqs(struct sim_device *d, uint32_t lo, uint32_t hi, sp_time now)
{
    enum sim_keeping keeping = d->scene->is_calm ? SIM_KEEP_NOW : d->scene->plan.keeping;
    if (d->is_new && lo > d->handed + 1) /* other devices of this user have confirmed what is below */
        sim_book_joined(d->scene->book, d->user, d->handed = d->persisted = lo - 1);
    d->is_new = false;
    SP_ENSURE_SAY(lo == d->handed + 1, "%s is handed seq %u after %u (G10)", WHO(d), lo, d->handed);
    d->handed = hi;
    if (keeping != SIM_KEEP_TOGETHER)
        persist(d, hi);
    if (keeping == SIM_KEEP_NOW)
        keep(d, now);
    else if (d->keep_due == SP_NEVER)
        d->keep_due = now + d->scene->plan.keep_after_us;
}

/* Number in the book of a sender's device, and whether it is one of ours. */
static uint32_t sender_of(const struct sim_device *d, const struct sp_client_event *ev, bool *is_foreign)
{
    const struct sp_view name = ev->from.id;
    uint32_t user = 0;
    for (size_t i = 1; i < name.n && name.p[i] >= '0' && name.p[i] <= '9'; i++)
        user = user * 10 + name.p[i] - '0';
    *is_foreign = name.p[0] != 'u';
    return (*is_foreign ? 1u << 30 : 0) + user * d->scene->devices_of_user + ev->device - 1;
}

static void take_message(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    bool is_foreign;
    uint32_t sender = sender_of(d, ev, &is_foreign);
    const struct sim_message *m = sim_book_handed(d->scene->book, d->user, sender, is_foreign, ev);
    sim_note_say(&d->scene->note, now, "%s is handed seq %u: message %u", WHO(d), ev->seq.v, m->serial);
    take_seqs(d, ev->seq.v, ev->seq.v, now);
}

static void take_skip(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    sim_note_say(&d->scene->note, now, "%s is told: seqs %u to %u will not come, reason %u", WHO(d), ev->lo.v,
                 ev->hi.v, ev->why);
    sim_book_skipped(d->scene->book, d->user, ev);
    take_seqs(d, ev->lo.v, ev->hi.v, now);
}

/* ---- events ---- */

static void give_token(struct sim_device *d, sp_time now)
{
    uint8_t blob[BLOB_MAX];
    size_t len = sp_rig_blob(d->scene->rig, d->user_name, d->id, 3, blob, sizeof blob);
    SP_ENSURE(sp_client_token(d->client, (struct sp_view){blob, len}, now) == 0);
}

static void take_event(struct sim_device *d, const struct sp_client_event *ev, sp_time now)
{
    switch (ev->kind) {
    case SP_CLIENT_ONLINE:
        d->is_online = true;
        sim_note_say(&d->scene->note, now, "%s is online", WHO(d));
        break;
    case SP_CLIENT_OFFLINE:
        d->is_online = false;
        sim_note_say(&d->scene->note, now, "%s is offline, code %d", WHO(d), ev->code);
        SP_ENSURE_SAY(ev->code != CODE_REPLACED, "%s is replaced by itself", WHO(d));
        break;
    case SP_CLIENT_TOKEN:
        sim_note_say(&d->scene->note, now, "%s wants a token", WHO(d));
        give_token(d, now);
        break;
    case SP_CLIENT_RECEIPT:
        take_receipt(d, ev, now);
        break;
    case SP_CLIENT_FAILED:
        take_failure(d, ev, now);
        break;
    case SP_CLIENT_UNKNOWN:
        sim_book_unknown(d->scene->book, own(d, ev->msgid));
        break;
    case SP_CLIENT_MESSAGE:
        take_message(d, ev, now);
        break;
    case SP_CLIENT_SKIPPED:
        take_skip(d, ev, now);
        break;
    case SP_CLIENT_RESYNC:
        SP_ENSURE_SAY(false, "%s is told RESYNC to %u, and the store is the same", WHO(d), ev->lo.v);
        break;
    case SP_CLIENT_STATUS:
        take_status(d, ev, now);
        break;
    case SP_CLIENT_ERROR:
        sim_note_say(&d->scene->note, now, "%s: storage error %d", WHO(d), ev->code);
        break;
    }
}

/* ---- the endpoint ---- */

static void receive(void *self, struct sp_datagram *in, sp_time now)
{
    struct sim_device *d = self;
    if (d->client != NULL)
        (void)sp_client_receive(d->client, in->p, in->len, now);
}

static bool transmit(void *self, struct sp_datagram *out, sp_time now)
{
    struct sim_device *d = self;
    return d->client != NULL && sp_client_transmit(d->client, out, now) == 0;
}

static sp_time deadline(void *self)
{
    const struct sim_device *d = self;
    if (d->client == NULL)
        return SP_NEVER;
    sp_time at = sp_client_deadline(d->client);
    if (d->send_due < at)
        at = d->send_due;
    return d->keep_due < at ? d->keep_due : at;
}

static void after(void *self, sp_time now)
{
    struct sim_device *d = self;
    struct sp_client_event ev;
    if (d->client == NULL)
        return;
    if (d->send_due <= now) {
        d->send_due =
            d->scene->is_calm ? SP_NEVER : now + 1 + sp_dice_wait(&d->dice, d->scene->plan.send_every_us);
        if (!d->scene->is_calm)
            submit(d, now);
    }
    while (sp_client_poll(d->client, &ev, now) == 0) {
        note_event(d, &ev);
        take_event(d, &ev, now);
    }
    if (d->keep_due <= now)
        keep(d, now);
}

static const struct sp_rig_ops ops = {receive, transmit, deadline, after};

/* ---- the process ---- */

struct sim_device *sim_device_create(struct sim_scene *scene, uint32_t number, uint32_t user, uint32_t id)
{
    struct sim_device *d = calloc(1, sizeof *d);
    SP_ENSURE(d != NULL);
    d->scene = scene;
    d->number = number;
    d->user = user;
    d->id = id;
    d->me = sim_device_user(user, d->user_name);
    (void)snprintf(d->name, sizeof d->name, "u%u.%u", user, id);
    d->endpoint = sp_rig_add(scene->rig, &ops, d);
    sp_rig_trace_name(scene->rig, d->endpoint, d->name);
    d->is_new = true;
    d->dice = sp_dice_of(scene->plan.seed, 1000 + number);
    sp_losslocal_init(&d->local, sp_dice_of(scene->plan.seed, 5000 + number));
    d->local.fail = scene->plan.local_fail;
    if (scene->plan.wrong_clocks)
        d->clock_off_s = (int64_t)sp_dice_below(&d->dice, 2 * DAY_S + 1) - DAY_S;
    d->send_due = d->keep_due = d->stop_at = SP_NEVER;
    return d;
}

void sim_device_destroy(struct sim_device **device)
{
    struct sim_device *d = *device;
    if (d->client != NULL)
        sp_client_wipe(d->client);
    sp_losslocal_wipe(&d->local);
    free(d->memory);
    free(d->open);
    free(d);
    *device = NULL;
}

void sim_device_start(struct sim_device *d)
{
    uint8_t blob[BLOB_MAX];
    sp_time now = now_of(d);
    if (d->client != NULL)
        return;
    size_t len = sp_rig_blob(d->scene->rig, d->user_name, d->id, 3, blob, sizeof blob);
    struct sp_client_config cfg = {.crypto = sp_rig_glass(d->scene->rig, d->endpoint),
                                   .local = &d->local.table,
                                   .user = {d->me},
                                   .device = d->id,
                                   .blob = {blob, len},
                                   .unix_s = sp_rig_unix_s(d->scene->rig) + d->clock_off_s,
                                   .receives = true,
                                   .outbox_max = d->scene->plan.outbox_max,
                                   .inbox_max = (uint16_t)d->scene->plan.inbox_max};
    for (size_t i = 0; i < sizeof cfg.seed; i++)
        cfg.seed[i] = (uint8_t)sp_dice_throw(&d->dice);
    if (d->memory == NULL) {
        d->memory_len = sp_client_footprint(&cfg);
        d->memory = calloc(1, d->memory_len);
        SP_ENSURE(d->memory != NULL);
    }
    int err = sp_client_init(&d->client, d->memory, d->memory_len, &cfg, now);
    SP_ENSURE_SAY(err == 0, "%s does not start: %d", WHO(d), err);
    d->processes++;
    d->started_at = now;
    note_run(d);
    d->handed = d->kept = d->noted = d->local.state.cursor.v;
    if (d->is_new && d->local.state.epoch.v != 0) {
        sim_book_joined(d->scene->book, d->user, d->handed);
        d->persisted = d->handed;
        d->is_new = false;
    }
    SP_ENSURE_SAY(d->persisted >= d->handed, "%s starts with cursor %u, and its app has %u", WHO(d),
                  d->handed, d->persisted);
    d->keep_due = d->stop_at = SP_NEVER;
    d->send_due = now + sp_dice_wait(&d->dice, d->scene->plan.send_every_us);
    sim_note_say(&d->scene->note, now, "%s starts with cursor %u and %zu messages", WHO(d), d->handed,
                 d->local.rows_n);
    sp_rig_poke(d->scene->rig, d->endpoint);
}

static bool has_row(struct sim_device *d, struct sp_msgid id)
{
    struct sp_outgoing m;
    return d->local.table.next(&d->local, (struct sp_msgid){id.v - 1}, &m) == 0 && m.msgid.v == id.v;
}

static void end(struct sim_device *d)
{
    sp_client_wipe(d->client);
    d->client = NULL;
    d->is_online = false;
    d->send_due = d->keep_due = d->stop_at = SP_NEVER;
    sp_rig_poke(d->scene->rig, d->endpoint);
}

void sim_device_kill(struct sim_device *d)
{
    if (d->client == NULL)
        return;
    end(d);
    sp_losslocal_crash(&d->local);
    size_t kept = 0;
    for (size_t i = 0; i < d->open_n; i++) {
        if (has_row(d, d->open[i]->msgid))
            d->open[kept++] = d->open[i];
        else
            sim_book_lost(d->scene->book, d->open[i]);
    }
    sim_note_say(&d->scene->note, now_of(d), "%s is killed; %zu messages are lost with it", WHO(d),
                 d->open_n - kept);
    d->open_n = kept;
}

static void finish_stop(void *self)
{
    struct sim_device *d = self;
    if (d->client == NULL || d->stop_at != now_of(d))
        return;
    sim_note_say(&d->scene->note, now_of(d), "%s ends", WHO(d));
    unsigned fail = d->local.fail;
    d->local.fail = 0;
    SP_ENSURE(d->local.table.sync(&d->local) == 0);
    d->local.fail = fail;
    note_end(d);
    end(d);
}

void sim_device_stop(struct sim_device *d)
{
    sp_time now = now_of(d);
    if (d->client == NULL || d->stop_at != SP_NEVER)
        return;
    sim_note_say(&d->scene->note, now, "%s says goodbye", WHO(d));
    sp_client_close(d->client, now);
    d->stop_at = now + STOP_US;
    d->send_due = SP_NEVER;
    sp_rig_at(d->scene->rig, d->stop_at, finish_stop, d);
    sp_rig_poke(d->scene->rig, d->endpoint);
}

bool sim_device_is_settled(const struct sim_device *d)
{
    return d->client != NULL && sp_client_waiting(d->client) == 0 && sp_client_is_settled(d->client);
}

void sim_device_set_slow(struct sim_device *d, bool is_slow)
{
    d->is_slow = is_slow;
    if (!is_slow && d->client != NULL) {
        d->keep_due = now_of(d);
        sp_rig_poke(d->scene->rig, d->endpoint);
    }
}
