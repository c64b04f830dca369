/* A table of ids and a few numbers. */
#include "clientbook.h"

#include "fuzz.h"

/* FNV-1a. */
static uint64_t hash(struct sp_view v)
{
    uint64_t h = 0xcbf29ce484222325U;
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ v.p[i]) * 0x100000001b3U;
    return h;
}

static struct clientbook_id *find(struct clientbook *b, struct sp_msgid id)
{
    for (size_t i = 0; i < b->ids_n; i++) {
        if (b->ids[i].msgid.v == id.v)
            return &b->ids[i];
    }
    return NULL;
}

void clientbook_start(struct clientbook *b, const struct tinylocal *local)
{
    b->local = local;
    b->epoch = local->now.state.epoch.v;
    b->last_seq = local->now.state.cursor.v;
    b->pull_id = b->ack_id = b->status_id = 0;
    b->status_n = 0;
    for (size_t i = 0; i < b->ids_n; i++) {
        b->ids[i].told = 0;
        b->ids[i].asked = 0;
        b->ids[i].is_ended = tinylocal_find(&local->now, b->ids[i].msgid) == NULL;
    }
}

void clientbook_submitted(struct clientbook *b, const struct sp_outgoing *m, struct sp_msgid id)
{
    struct clientbook_id *e = find(b, id);
    /* An id that was never durable may come again after a kill; one that was on the wire never does. */
    FUZZ_CHECK(e == NULL || !e->was_seen);
    if (e == NULL) {
        FUZZ_CHECK(b->ids_n < CLIENTBOOK_IDS);
        e = &b->ids[b->ids_n++];
        e->asked = 0;
    }
    *e = (struct clientbook_id){.msgid = id, .to = hash(m->to), .body = hash(m->body), .asked = e->asked};
}

void clientbook_forgot(struct clientbook *b, struct sp_msgid id)
{
    struct clientbook_id *e = find(b, id);
    FUZZ_CHECK(e != NULL);
    FUZZ_CHECK(!e->is_ended);
    e->is_ended = true;
}

void clientbook_asked(struct clientbook *b, struct sp_msgid id)
{
    struct clientbook_id *e = find(b, id);
    if (e != NULL)
        e->asked++;
}

/* ---- events ---- */

void clientbook_look(struct clientbook *b)
{
    if (b->epoch == 0)
        b->last_seq = b->local->now.state.cursor.v;
    b->epoch = b->local->now.state.epoch.v;
}

static void told_receipt(struct clientbook *b, const struct sp_client_event *ev)
{
    struct clientbook_id *e = find(b, ev->msgid);
    FUZZ_CHECK(ev->state != SP_STATE_UNKNOWN);
    if (ev->state == SP_STATE_READ && (e == NULL || e->is_ended))
        return; /* READ may come after the end, and more than once */
    FUZZ_CHECK(e != NULL);
    FUZZ_CHECK(!e->is_ended);
    FUZZ_CHECK(!e->is_given_up);
    FUZZ_CHECK(ev->state > e->told);
    e->told = ev->state;
    e->is_ended = ev->state >= SP_STATE_DELIVERED;
}

static void told_end(struct clientbook *b, const struct sp_client_event *ev)
{
    struct clientbook_id *e = find(b, ev->msgid);
    FUZZ_CHECK(e != NULL);
    FUZZ_CHECK(!e->is_ended);
    FUZZ_CHECK(ev->kind == SP_CLIENT_UNKNOWN || e->told == 0);
    e->is_ended = e->is_given_up = true;
    const struct tinylocal_row *row = tinylocal_find(&b->local->disk, ev->msgid);
    FUZZ_CHECK(row == NULL || row->m.state >= 128); /* durable that it ended, or that it is gone */
}

/* In seq order, each once. */
static void told_message(struct clientbook *b, const struct sp_client_event *ev)
{
    FUZZ_CHECK(ev->seq.v == b->last_seq + 1);
    FUZZ_CHECK(ev->from.id.n >= 1);
    FUZZ_CHECK(ev->from.id.n <= SP_USER_MAX);
    FUZZ_CHECK(ev->group.n <= SP_USER_MAX);
    FUZZ_CHECK(ev->body.n <= SP_PART_MAX);
    fuzz_tell("    message of %016llx",
              (unsigned long long)(hash(ev->from.id) ^ hash(ev->group) ^ hash(ev->body)));
    b->last_seq = ev->seq.v;
}

void clientbook_event(struct clientbook *b, const struct sp_client_event *ev)
{
    struct clientbook_id *e = find(b, ev->msgid);
    fuzz_tell("    event %d msgid %llx state %u code %d seq %u lo %u hi %u", (int)ev->kind,
              (unsigned long long)ev->msgid.v, ev->state, ev->code, ev->seq.v, ev->lo.v, ev->hi.v);
    switch (ev->kind) {
    case SP_CLIENT_RECEIPT:
        told_receipt(b, ev);
        break;
    case SP_CLIENT_FAILED:
    case SP_CLIENT_UNKNOWN:
        told_end(b, ev);
        break;
    case SP_CLIENT_MESSAGE:
        told_message(b, ev);
        break;
    case SP_CLIENT_SKIPPED:
        FUZZ_CHECK(ev->lo.v == b->last_seq + 1);
        FUZZ_CHECK(ev->hi.v >= ev->lo.v);
        FUZZ_CHECK(ev->why != 0);
        b->last_seq = ev->hi.v;
        break;
    case SP_CLIENT_RESYNC:
        FUZZ_CHECK(ev->lo.v <= ev->hi.v);
        b->last_seq = ev->lo.v;
        break;
    case SP_CLIENT_STATUS:
        FUZZ_CHECK(e != NULL);
        FUZZ_CHECK(e->asked > 0);
        e->asked--;
        break;
    case SP_CLIENT_ERROR:
        FUZZ_CHECK(ev->code == SP_EFORBIDDEN || b->local->failures > 0);
        break;
    default: /* ONLINE, OFFLINE, TOKEN */
        break;
    }
}

/* ---- frames ---- */

static void left_msg_r(struct clientbook *b, const struct sp_frame_msg_r *f)
{
    struct clientbook_id *e = find(b, f->msgid);
    FUZZ_CHECK(e != NULL);
    FUZZ_CHECK(e->to == hash(f->to));
    FUZZ_CHECK(e->body == hash(f->body));
    FUZZ_CHECK(!e->is_given_up);
    FUZZ_CHECK(f->msgid.v > b->done.v ||
               e->is_ended); /* when STATUS told the end, the link may have copies left */
    FUZZ_CHECK(e->was_seen || tinylocal_find(&b->local->disk, f->msgid) != NULL);
    e->was_seen = true;
    if ((f->flags & SP_MSG_AFTER) == 0)
        return;
    e = find(b, f->after);
    FUZZ_CHECK(e != NULL);
    FUZZ_CHECK(e->to == hash(f->to));
}

static void left_frame(struct clientbook *b, const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        left_msg_r(b, &f->u.msg_r);
        break;
    case SP_KIND_PULL_R: /* a cursor leaves when it is durable */
        FUZZ_CHECK((f->u.pull_r.flags & SP_PULL_CONFIRMS) == 0 ||
                   f->u.pull_r.cursor.v <= b->local->cursor_max);
        b->pull_id = f->u.pull_r.id;
        break;
    case SP_KIND_ACK_R:
        FUZZ_CHECK(f->u.ack_r.cursor.v <= b->local->cursor_max);
        b->ack_id = f->u.ack_r.id;
        break;
    case SP_KIND_STATUS_R:
        b->status_id = f->u.status_r.id;
        b->status_n = f->u.status_r.n;
        break;
    case SP_KIND_DONE:
        if (b->done.v < f->u.done.msgid.v)
            b->done = f->u.done.msgid;
        break;
    default:
        FUZZ_CHECK(f->kind < SP_KIND_MSG_R); /* of the link */
        break;
    }
}

void clientbook_frames(struct clientbook *b, struct sp_view frames)
{
    while (frames.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        FUZZ_CHECK(sp_wire_decode(frames, SP_DIR_UP, &f, &used) == 0);
        fuzz_tell("    up %02x", f.kind);
        left_frame(b, &f);
        frames.p += used;
        frames.n -= used;
    }
}
