/* The judge. */
#include "crash_check.h"

#include "crash_log.h"
#include "crash_rng.h"

#include <stdio.h>
#include <string.h>

#define SEQ_END   (2 * CRASH_IDS + 8) /* above every seq that a check can meet */
#define NEWEST    12U
#define DRAWN     12U
#define WRITES    (CRASH_IDS + CRASH_BOXES + 8)
#define TOMBSTONE 0x8000U

/* What each request of the check was about. */
struct asked {
    enum sp_store_op op;
    unsigned box, device;
    size_t id; /* APPEND: identity; CRASH_IDS and above: a new one of the check's own */
};

struct box_seen {
    uint32_t head, confirmed, count;
    uint64_t bytes;
    uint32_t next;        /* seq that a new message must get */
    uint16_t at[SEQ_END]; /* by seq: identity plus 1, or TOMBSTONE | why */
    uint32_t open, shown; /* messages that RANGE showed */
    uint64_t shown_bytes;
};

struct judge {
    const struct crash_model *m;
    struct crash_verdict *v;
    struct crash_rng rng;
    bool full;
    struct sp_store *store;
    struct sp_store_port *port;
    struct box_seen box[CRASH_BOXES + 1];
    uint32_t seen_seq[CRASH_IDS]; /* by identity: seq under which RANGE showed it */
    struct asked asked[WRITES];
    size_t asked_n;
    bool full_store; /* SP_ENOSPACE was met */
    struct crash_look look;
};

#define FOUND(j, kind, ...) crash_found((j)->v, CRASH_##kind, __VA_ARGS__)
/* What must never be, however damaged the file is. */
#define WRONG(j, ...) ((j)->look.wrong = true, FOUND(j, CORRUPT, __VA_ARGS__))

/* ---- asking ---- */

static void ask(struct judge *j, struct sp_store_req *r, struct asked about)
{
    if (j->asked_n == WRITES) {
        FOUND(j, CORRUPT, "the answers of box %u have no end", about.box);
        return;
    }
    r->cookie = j->asked_n;
    j->asked[j->asked_n++] = about;
    if (sp_store_submit(j->port, r, 1))
        crash_die("the port takes no request");
}

static bool is_damage(int err)
{
    return err == SP_ECORRUPT || err == SP_EFAILED || err == SP_EUNKNOWN;
}

typedef void answer_fn(struct judge *j, const struct asked *about, const struct sp_store_done *d);

/* Polls, and steps when that gives nothing, until everything is answered.  So reads see the image as it is,
 * before the writer's first step. */
static void hear(struct judge *j, answer_fn *each)
{
    struct sp_store_done done[64];
    for (unsigned idle = 0; sp_store_pending(j->port) > 0 && idle < 10; idle++) {
        size_t n = 0;
        (void)sp_store_poll(j->port, done, 64, &n, 0);
        if (n == 0)
            (void)sp_store_step(j->store);
        for (size_t i = 0; i < n; i++) {
            struct asked about = j->asked[done[i].cookie];
            j->look.noticed = j->look.noticed || is_damage(done[i].err);
            each(j, &about, &done[i]);
            sp_store_release(j->port, &done[i]);
        }
        if (n > 0)
            idle = 0;
    }
    if (sp_store_pending(j->port) > 0)
        FOUND(j, CORRUPT, "a request is never answered");
    j->asked_n = 0;
}

static void ask_device(struct judge *j, enum sp_store_op op, unsigned box, unsigned device, uint32_t seq)
{
    struct sp_store_req r = {.op = op,
                             .to = crash_model_user(box),
                             .to_n = 1,
                             .device = device,
                             .holder = 1,
                             .seq = {seq},
                             .at_us = j->m->clock_us};
    ask(j, &r, (struct asked){.op = op, .box = box, .device = device});
}

static void ask_box(struct judge *j, enum sp_store_op op, unsigned box, uint32_t seq)
{
    ask_device(j, op, box, 1, seq);
}

/* ---- mailboxes ---- */

static void saw_skip(struct judge *j, unsigned box, const struct sp_store_span *s)
{
    struct box_seen *b = &j->box[box];
    if (s->why == SP_STORE_WHY_CORRUPT)
        FOUND(j, CORRUPT, "box %u: seqs %u..%u are corrupt", box, s->lo.v, s->hi.v);
    j->look.noticed = j->look.noticed || s->why == SP_STORE_WHY_CORRUPT;
    bool confirmed = s->hi.v <= b->confirmed;
    if ((s->why == SP_STORE_WHY_CONFIRMED) != confirmed)
        FOUND(j, CORRUPT, "box %u: seqs %u..%u have reason %d", box, s->lo.v, s->hi.v, s->why);
    for (uint32_t seq = s->lo.v; seq <= s->hi.v && seq < SEQ_END; seq++) {
        if (b->at[seq])
            FOUND(j, CORRUPT, "box %u: seq %u is named twice", box, seq);
        b->at[seq] = (uint16_t)(TOMBSTONE | (unsigned)s->why);
    }
}

static void saw_message(struct judge *j, unsigned box, const struct sp_store_entry *e)
{
    struct box_seen *b = &j->box[box];
    size_t n = crash_model_find(j->m, &e->from);
    if (n == CRASH_IDS || e->seq.v >= SEQ_END) {
        WRONG(j, "box %u: seq %u is a message that nobody sent", box, e->seq.v);
        return;
    }
    const struct crash_id *id = &j->m->ids[n];
    struct sp_view body = crash_model_body(id);
    if (id->to != box || !crash_model_may_exist(id))
        WRONG(j, "box %u: seq %u is identity %zu, %s", box, e->seq.v, n,
              id->to == box ? "which was refused" : "which was for another");
    if (body.n != e->body.n || memcmp(body.p, e->body.p, body.n) != 0)
        WRONG(j, "box %u: seq %u has a wrong body", box, e->seq.v);
    if (j->seen_seq[n] || b->at[e->seq.v])
        WRONG(j, "identity %zu is at seq %u and %u", n, j->seen_seq[n], e->seq.v);
    if (id->stored && id->seq != e->seq.v)
        WRONG(j, "identity %zu had seq %u and is at %u", n, id->seq, e->seq.v);
    j->seen_seq[n] = e->seq.v;
    b->at[e->seq.v] = (uint16_t)(n + 1);
    b->shown++;
    b->shown_bytes += e->body.n;
}

static void saw_range(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    struct box_seen *b = &j->box[about->box];
    b->head = d->svr_seq.v;
    b->confirmed = d->confirmed.v;
    for (size_t i = 0; i < d->skips_n; i++)
        saw_skip(j, about->box, &d->skips[i]);
    for (size_t i = 0; i < d->entries_n; i++)
        saw_message(j, about->box, &d->entries[i]);
    if (d->more && d->to.v < d->svr_seq.v)
        ask_box(j, SP_STORE_RANGE, about->box, d->to.v);
    else if (d->to.v != d->svr_seq.v)
        FOUND(j, CORRUPT, "box %u: RANGE ends at %u of %u", about->box, d->to.v, d->svr_seq.v);
}

/* Numbers of the mailbox, and of one of its devices as a sender. */
static void saw_head(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    uint64_t stored = 0;
    uint64_t maybe = 0;
    j->box[about->box].count = d->count;
    j->box[about->box].bytes = d->bytes;
    if (about->box == CRASH_PROBE)
        return;
    for (size_t n = 0; n < j->m->ids_n; n++) {
        const struct crash_id *id = &j->m->ids[n];
        if (id->sender != about->box || id->device != about->device || !crash_model_may_exist(id))
            continue;
        maybe = maybe > id->msgid ? maybe : id->msgid;
        if (id->stored)
            stored = stored > id->msgid ? stored : id->msgid;
    }
    const struct crash_device *dev = &j->m->device[about->box][about->device - 1];
    if (d->last.v < stored || d->finished.v < dev->finished_min)
        FOUND(j, LOST, "box %u, device %u: last or finished msgid fell", about->box, about->device);
    if (d->last.v > maybe)
        FOUND(j, CORRUPT, "box %u, device %u: last msgid was never stored", about->box, about->device);
}

static void saw_status(struct judge *j, const struct asked *about, const struct sp_store_done *d);

static void saw_read(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    if (d->err || (d->epoch.v && d->epoch.v != CRASH_EPOCH)) {
        FOUND(j, CORRUPT, "op %d of box %u: err %d, epoch %llu", (int)about->op, about->box, d->err,
              (unsigned long long)d->epoch.v);
        return;
    }
    if (about->op == SP_STORE_RANGE)
        saw_range(j, about, d);
    if (about->op == SP_STORE_HEAD)
        saw_head(j, about, d);
    if (about->op == SP_STORE_STATUS)
        saw_status(j, about, d);
}

/* The judge asks at the time when the life ended, later than what an image was told: rows age meanwhile. */
static int64_t latest(const struct judge *j)
{
    return j->m->clock_max > j->m->clock_us ? j->m->clock_max : j->m->clock_us;
}

/* True if something that was asked for may have ended the message at this seq. */
static bool may_have_ended(const struct judge *j, unsigned box, uint32_t seq)
{
    const struct crash_box *b = &j->m->box[box];
    if (b->may_drop || seq > CRASH_IDS || b->may_end[seq] || !b->owner[seq])
        return true;
    const struct crash_id *id = &j->m->ids[b->owner[seq] - 1];
    return id->expires_us > 0 && id->expires_us <= latest(j);
}

static void judge_seqs(struct judge *j, unsigned box)
{
    const struct crash_box *promised = &j->m->box[box];
    const struct box_seen *b = &j->box[box];
    for (uint32_t seq = 1; seq <= b->head && seq <= CRASH_IDS; seq++) {
        unsigned at = b->at[seq];
        if (at == 0)
            FOUND(j, CORRUPT, "box %u: seq %u of %u is in no answer", box, seq, b->head);
        if (seq <= b->confirmed)
            continue;
        if ((at & TOMBSTONE) && !may_have_ended(j, box, seq))
            FOUND(j, LOST, "box %u: seq %u was OK and is a tombstone", box, seq);
        if (!(at & TOMBSTONE) && promised->owner[seq] && promised->owner[seq] != at)
            FOUND(j, CORRUPT, "box %u: seq %u of identity %d now is that of %u", box, seq,
                  promised->owner[seq] - 1, at - 1);
    }
}

static void judge_box(struct judge *j, unsigned box)
{
    const struct crash_box *promised = &j->m->box[box];
    struct box_seen *b = &j->box[box];
    if (b->head < promised->head_min)
        FOUND(j, LOST, "box %u: head %u, promised %u", box, b->head, promised->head_min);
    if (b->confirmed < promised->confirmed_min)
        FOUND(j, LOST, "box %u: cursor %u, promised %u", box, b->confirmed, promised->confirmed_min);
    if (b->confirmed > promised->confirmed_max || b->confirmed > b->head || b->head > CRASH_IDS)
        FOUND(j, CORRUPT, "box %u: cursor %u, head %u, asked for %u", box, b->confirmed, b->head,
              promised->confirmed_max);
    judge_seqs(j, box);
    if (b->count != b->shown || b->bytes != b->shown_bytes)
        FOUND(j, CORRUPT, "box %u: counts %u messages, %llu bytes; shows %u, %llu", box, b->count,
              (unsigned long long)b->bytes, b->shown, (unsigned long long)b->shown_bytes);
    b->next = b->head;
}

/* ---- dedup rows ---- */

static bool state_fits(const struct judge *j, const struct crash_id *id, uint32_t seq, int state)
{
    const struct box_seen *b = &j->box[id->to];
    if (seq == 0 || seq > b->head)
        return false;
    if (seq <= b->confirmed)
        return state == SP_STATE_DELIVERED || state == SP_STATE_READ || state == SP_STATE_ENDED;
    return state == (b->at[seq] & TOMBSTONE ? SP_STATE_ENDED : SP_STATE_ACCEPTED);
}

static void saw_row(struct judge *j, size_t n, const struct sp_store_entry *e)
{
    const struct crash_id *id = &j->m->ids[n];
    if (e->state == SP_STATE_UNKNOWN) {
        bool known = id->stored || j->seen_seq[n];
        if (known && !crash_model_may_forget(j->m, id, latest(j)))
            FOUND(j, LOST, "identity %zu is forgotten", n);
        return;
    }
    if (!crash_model_may_exist(id))
        FOUND(j, CORRUPT, "identity %zu was refused and has seq %u", n, e->seq.v);
    uint32_t must = id->stored ? id->seq : j->seen_seq[n];
    if (must && must != e->seq.v)
        FOUND(j, CORRUPT, "identity %zu: dedup row says seq %u, not %u", n, e->seq.v, must);
    if (id->stored && !crash_model_state_holds(id->state, e->state))
        FOUND(j, LOST, "identity %zu: state %d after %d", n, e->state, id->state);
    if (!state_fits(j, id, e->seq.v, e->state))
        FOUND(j, CORRUPT, "identity %zu: state %d at seq %u", n, e->state, e->seq.v);
    if (e->seq.v < SEQ_END && !(j->box[id->to].at[e->seq.v] & TOMBSTONE) &&
        j->box[id->to].at[e->seq.v] != n + 1)
        FOUND(j, CORRUPT, "identity %zu: its seq %u is another's", n, e->seq.v);
}

static void saw_status(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    size_t k = 0;
    for (size_t n = 0; n < j->m->ids_n; n++) {
        const struct crash_id *id = &j->m->ids[n];
        if (id->sender != about->box || id->device != about->device || !id->sent)
            continue;
        if (k == d->entries_n || d->entries[k].from.msgid.v != id->msgid) {
            FOUND(j, CORRUPT, "STATUS of box %u leaves identity %zu out", about->box, n);
            return;
        }
        saw_row(j, n, &d->entries[k++]);
    }
}

static void ask_status(struct judge *j, unsigned box, unsigned device)
{
    struct crash_req q = {.op = SP_STORE_STATUS, .box = box, .device = device, .at_us = j->m->clock_us};
    struct sp_store_span span;
    struct sp_msgid msgids[CRASH_IDS];
    struct sp_store_req r = crash_model_request(j->m, &q, &span, msgids);
    if (r.msgids_n > 0)
        ask(j, &r, (struct asked){.op = q.op, .box = box, .device = device});
}

static void judge_reads(struct judge *j)
{
    for (unsigned b = 0; b <= CRASH_BOXES; b++) {
        ask_box(j, SP_STORE_RANGE, b, 0);
        ask_box(j, SP_STORE_HEAD, b, 0);
    }
    hear(j, saw_read);
    for (unsigned b = 0; b < CRASH_BOXES; b++)
        judge_box(j, b);
    for (unsigned b = 0; b < CRASH_BOXES; b++) {
        for (unsigned d = 1; d <= CRASH_DEVICES; d++) {
            ask_status(j, b, d);
            ask_device(j, SP_STORE_HEAD, b, d, 0);
        }
    }
    hear(j, saw_read);
}

/* ---- writes ---- */

static void saw_again(struct judge *j, size_t n, const struct sp_store_done *d)
{
    const struct crash_id *id = &j->m->ids[n];
    const struct crash_device *dev = &j->m->device[id->sender][id->device - 1];
    struct box_seen *b = &j->box[id->to];
    uint32_t must = id->stored ? id->seq : j->seen_seq[n];
    if (id->msgid <= dev->finished_min && d->err != SP_EEXPIRED)
        FOUND(j, LOST, "identity %zu was FINISHed and gives %d", n, d->err);
    else if (d->err == SP_EEXPIRED && !(must ? crash_model_may_forget(j->m, id, latest(j))
                                             : crash_model_may_expire(j->m, id, latest(j))))
        FOUND(j, LOST, "identity %zu is SP_EEXPIRED", n);
    else if (d->err == 0 && must && (!d->repeat || d->seq.v != must))
        FOUND(j, CORRUPT, "identity %zu again: seq %u, repeat %d, not seq %u", n, d->seq.v, d->repeat, must);
    else if (d->err == 0 && !d->repeat && d->seq.v != ++b->next)
        FOUND(j, CORRUPT, "box %u: new seq %u, not %u", id->to, d->seq.v, b->next);
    else if (d->err && d->err != SP_EEXPIRED && must)
        FOUND(j, LOST, "identity %zu again: err %d", n, d->err);
}

/* A refusal of something new that the limits of the run allow. */
static bool may_refuse(struct judge *j, unsigned box, int err)
{
    j->full_store = j->full_store || err == SP_ENOSPACE || err == SP_EBUSY;
    return err == SP_ENOSPACE || err == SP_EBUSY ||
           (err == SP_EQUOTA && box < CRASH_BOXES && j->m->box[box].limited);
}

static void saw_new(struct judge *j, unsigned box, const struct sp_store_done *d)
{
    struct box_seen *b = &j->box[box];
    if (d->err == 0 && (d->repeat || d->commit == 0 || d->seq.v != ++b->next))
        FOUND(j, CORRUPT, "box %u: new message: seq %u, repeat %d, commit %llu, not seq %u", box, d->seq.v,
              d->repeat, (unsigned long long)d->commit, b->next);
    else if (d->err && !may_refuse(j, box, d->err))
        FOUND(j, CORRUPT, "box %u: new message: err %d", box, d->err);
}

static void saw_confirm(struct judge *j, unsigned box, const struct sp_store_done *d)
{
    const struct box_seen *b = &j->box[box];
    if (d->err && may_refuse(j, box, d->err))
        return;
    if (d->err || d->confirmed.v != b->next) {
        FOUND(j, CORRUPT, "box %u: CONFIRM of %u: err %d, cursor %u", box, b->next, d->err, d->confirmed.v);
        return;
    }
    for (size_t i = 0; i < d->entries_n; i++) {
        size_t n = crash_model_find(j->m, &d->entries[i].from);
        if (n < CRASH_IDS && j->m->ids[n].told)
            FOUND(j, CORRUPT, "identity %zu was delivered twice", n);
    }
}

static void saw_write(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    if (about->op == SP_STORE_CLAIM && (d->err || d->fence <= j->m->fence_min))
        FOUND(j, LOST, "CLAIM: err %d, fence %llu after %llu", d->err, (unsigned long long)d->fence,
              (unsigned long long)j->m->fence_min);
    if (about->op == SP_STORE_CONFIRM)
        saw_confirm(j, about->box, d);
    if (about->op != SP_STORE_APPEND)
        return;
    if (about->id < CRASH_IDS)
        saw_again(j, about->id, d);
    else
        saw_new(j, about->box, d);
}

static void ask_again(struct judge *j, size_t n)
{
    struct sp_store_req r = crash_model_append(j->m, n);
    ask(j, &r, (struct asked){.op = SP_STORE_APPEND, .box = j->m->ids[n].to, .id = n});
}

static void ask_new(struct judge *j, unsigned box)
{
    static const uint8_t body[] = "alive";
    struct sp_store_req r = {.op = SP_STORE_APPEND,
                             .from = {*crash_model_user(CRASH_PROBE), 9, {box + 1}},
                             .to = crash_model_user(box),
                             .to_n = 1,
                             .body = {body, sizeof(body)},
                             .at_us = j->m->clock_us};
    ask(j, &r, (struct asked){.op = SP_STORE_APPEND, .box = box, .id = CRASH_IDS});
}

/* Which identities are submitted again: all of unknown outcome, and all, or the newest and some. */
static bool is_picked(struct judge *j, size_t n)
{
    const struct crash_id *id = &j->m->ids[n];
    if (!id->sent)
        return false;
    if (j->full || id->maybe || id->open > 0 || n + NEWEST >= j->m->ids_n)
        return true;
    return crash_below(&j->rng, (uint32_t)j->m->ids_n) < DRAWN;
}

static void saw_back(struct judge *j, const struct asked *about, const struct sp_store_done *d)
{
    const struct box_seen *b = &j->box[about->box];
    if (d->err || d->svr_seq.v != b->next)
        FOUND(j, CORRUPT, "box %u: head %u after writing up to %u", about->box, d->svr_seq.v, b->next);
}

static void read_back(struct judge *j)
{
    for (unsigned b = 0; b <= CRASH_BOXES; b++)
        ask_box(j, SP_STORE_HEAD, b, 0);
    hear(j, saw_back);
}

static void judge_writes(struct judge *j)
{
    for (size_t n = 0; n < j->m->ids_n; n++) {
        if (is_picked(j, n))
            ask_again(j, n);
    }
    ask_box(j, SP_STORE_CLAIM, crash_below(&j->rng, CRASH_BOXES), 0);
    hear(j, saw_write);
    for (unsigned b = 0; b <= CRASH_BOXES; b++)
        ask_new(j, b);
    hear(j, saw_write);
    unsigned box = crash_below(&j->rng, CRASH_BOXES);
    ask_box(j, SP_STORE_CONFIRM, box, j->box[box].next);
    hear(j, saw_write);
    read_back(j);
    if (!j->full_store && j->box[CRASH_PROBE].next == j->box[CRASH_PROBE].head)
        FOUND(j, CORRUPT, "no message can be stored");
}

/* ---- the whole ---- */

static bool open_store(struct judge *j, const char *dir)
{
    struct sp_store_config cfg;
    char url[CRASH_PATH];
    char reason[160] = "";
    crash_model_config(j->m, &cfg);
    cfg.reason = reason;
    cfg.reason_cap = sizeof(reason);
    crash_path(url, "lmdb", ":", dir);
    int err = sp_store_open(&j->store, url, &cfg);
    if (!err && (err = sp_store_attach(j->store, &j->port)) != 0)
        sp_store_close(&j->store);
    j->look.refused = err != 0;
    if (err)
        FOUND(j, CORRUPT, "does not open: %d, %s", err, reason);
    return err == 0;
}

static struct judge *start(const struct crash_model *m, uint64_t seed, bool full, struct crash_verdict *v)
{
    static struct judge j;
    memset(&j, 0, sizeof(j));
    j.m = m;
    j.v = v;
    j.full = full;
    j.rng.v = seed;
    return &j;
}

void crash_check(const char *dir, const struct crash_model *m, uint64_t seed, bool full,
                 struct crash_verdict *v)
{
    struct judge *j = start(m, seed, full, v);
    if (!open_store(j, dir))
        return;
    judge_reads(j);
    if (v->kind == CRASH_FINE)
        judge_writes(j);
    sp_store_close(&j->store);
    if (full && v->kind == CRASH_FINE && open_store(j, dir)) {
        read_back(j);
        sp_store_close(&j->store);
    }
}

void crash_check_damaged(const char *dir, const struct crash_model *m, uint64_t seed, struct crash_look *look,
                         struct crash_verdict *v)
{
    struct judge *j = start(m, seed, true, v);
    if (open_store(j, dir)) {
        struct sp_store_stats s;
        judge_reads(j);
        judge_writes(j);
        sp_store_stats(j->store, &s);
        j->look.noticed = j->look.noticed || s.corrupt > 0 || s.failed;
        sp_store_close(&j->store);
    }
    *look = j->look;
}
