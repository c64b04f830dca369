/* Frames to lines. */
#include "trace.h"

#include "ensure.h"
#include "kinds.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX  4096
#define SEEN_MAX 65536

struct sp_trace {
    char *text;
    size_t len, cap;
    uint64_t ids[IDS_MAX];
    size_t ids_n;
    uint64_t seen[SEEN_MAX]; /* hashes of frames; open addressing; 0: vacant */
    size_t seen_n;
};

struct sp_trace *sp_trace_create(void)
{
    struct sp_trace *t = calloc(1, sizeof *t);
    SP_ENSURE(t != NULL);
    t->cap = 4096;
    t->text = calloc(1, t->cap);
    SP_ENSURE(t->text != NULL);
    return t;
}

void sp_trace_destroy(struct sp_trace **t)
{
    free((*t)->text);
    free(*t);
    *t = NULL;
}

static void put(struct sp_trace *t, const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    SP_ENSURE(n >= 0 && (size_t)n < sizeof line);
    if (t->len + (size_t)n + 1 > t->cap) {
        t->cap = 2 * t->cap + (size_t)n;
        t->text = realloc(t->text, t->cap);
        SP_ENSURE(t->text != NULL);
    }
    memcpy(t->text + t->len, line, (size_t)n + 1);
    t->len += (size_t)n;
}

static size_t name_of(struct sp_trace *t, struct sp_msgid id)
{
    for (size_t i = 0; i < t->ids_n; i++) {
        if (t->ids[i] == id.v)
            return i + 1;
    }
    SP_ENSURE(t->ids_n < (size_t)IDS_MAX);
    t->ids[t->ids_n++] = id.v;
    return t->ids_n;
}

static uint64_t hash_of(const char *endpoint, int dir, struct sp_view frame)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (const char *c = endpoint; *c != '\0'; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    h = (h ^ (uint8_t)dir) * 0x100000001b3u;
    for (size_t i = 0; i < frame.n; i++)
        h = (h ^ frame.p[i]) * 0x100000001b3u;
    return h == 0 ? 1 : h;
}

static bool is_new(struct sp_trace *t, uint64_t h)
{
    size_t i = h % SEEN_MAX;
    while (t->seen[i] != 0 && t->seen[i] != h)
        i = (i + 1) % SEEN_MAX;
    if (t->seen[i] == h)
        return false;
    SP_ENSURE_SAY(++t->seen_n < (size_t)SEEN_MAX / 2, "the trace is too long");
    t->seen[i] = h;
    return true;
}

static const char *code_name(uint8_t code)
{
    static const char *const names[] = {
        "OK",        "BUSY",          "TOO_BIG", "FORBIDDEN",    "NO_USER",   "QUOTA", "DUP_EXPIRED",
        "ID_REUSED", "SEQ_EXHAUSTED", "BAD",     "ACK_TOO_HIGH", "NOT_BOUND", "FULL"};
    return code < sizeof names / sizeof names[0] ? names[code] : "?";
}

static const char *state_name(uint8_t state)
{
    static const char *const names[] = {"UNKNOWN", "ACCEPTED", "STORED", "DELIVERED", "READ"};
    return state < sizeof names / sizeof names[0] ? names[state] : "ENDED";
}

static void put_body(struct sp_trace *t, struct sp_view body)
{
    if (body.n <= 24)
        put(t, " \"%.*s\"", (int)body.n, (const char *)body.p);
    else
        put(t, " (%zu bytes)", body.n);
}

static void put_ranges(struct sp_trace *t, const struct sp_range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, " held [%u,%u]", r[i].lo, r[i].hi);
}

static void put_msg(struct sp_trace *t, const struct sp_frame *f)
{
    const struct sp_frame_msg_r *r = &f->u.msg_r;
    const struct sp_frame_msg_n *n = &f->u.msg_n;
    if (f->kind == SP_KIND_MSG_R) {
        put(t, " m%zu to %.*s", name_of(t, r->msgid), (int)r->to.n, (const char *)r->to.p);
        if ((r->flags & SP_MSG_AFTER) != 0)
            put(t, " after m%zu", name_of(t, r->after));
        if ((r->flags & SP_MSG_FOUR) != 0)
            put(t, " four");
        put_body(t, r->body);
    } else {
        put(t, " %u m%zu from %.*s", n->seq.v, name_of(t, n->msgid), (int)n->from.n, (const char *)n->from.p);
        if ((n->flags & SP_MSG_FOUR) != 0)
            put(t, " four");
        put_body(t, n->body);
    }
}

static void put_pull_a(struct sp_trace *t, const struct sp_frame_pull_a *a)
{
    put(t, " %s to %u svr_seq %u confirmed %u", code_name(a->code), a->to.v, a->svr_seq.v, a->confirmed.v);
    for (size_t i = 0; i < a->n; i++)
        put(t, " skipped [%u,%u] why %u", a->skipped[i].lo, a->skipped[i].hi, a->skipped[i].why);
}

static void put_status(struct sp_trace *t, const struct sp_frame *f)
{
    if (f->kind == SP_KIND_STATUS_R) {
        for (size_t i = 0; i < f->u.status_r.n; i++)
            put(t, " m%zu", name_of(t, f->u.status_r.msgids[i]));
        return;
    }
    for (size_t i = 0; i < f->u.status_a.n; i++)
        put(t, " %s seq %u", state_name(f->u.status_a.of[i].state), f->u.status_a.of[i].seq.v);
}

static void put_answer(struct sp_trace *t, const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_MSG_A:
        put(t, " m%zu %s", name_of(t, f->u.msg_a.msgid), code_name(f->u.msg_a.code));
        if (f->u.msg_a.code == SP_CODE_OK)
            put(t, " seq %u %s", f->u.msg_a.seq.v, state_name(f->u.msg_a.state));
        break;
    case SP_KIND_ACK_R:
        put(t, " %u", f->u.ack_r.cursor.v);
        if ((f->u.ack_r.kind & ~(unsigned)SP_ACK_R_SILENT) == SP_ACK_R_READ)
            put(t, " read");
        if ((f->u.ack_r.kind & SP_ACK_R_SILENT) != 0)
            put(t, " silent");
        put_ranges(t, f->u.ack_r.held, f->u.ack_r.n);
        break;
    case SP_KIND_ACK_A:
        put(t, " %s confirmed %u", code_name(f->u.ack_a.code), f->u.ack_a.confirmed.v);
        break;
    case SP_KIND_ACK_N:
        put(t, " m%zu %s", name_of(t, f->u.ack_n.msgid), state_name(f->u.ack_n.state));
        break;
    case SP_KIND_TIP:
        put(t, " %u", f->u.tip.svr_seq.v);
        break;
    case SP_KIND_DONE:
        put(t, " m%zu", name_of(t, f->u.done.msgid));
        break;
    case SP_KIND_RESYNC:
        put(t, " why %u lo %u hi %u", f->u.resync.why, f->u.resync.lo.v, f->u.resync.hi.v);
        break;
    default:
        break;
    }
}

static void put_frame(struct sp_trace *t, const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
    case SP_KIND_MSG_N:
        put_msg(t, f);
        break;
    case SP_KIND_PULL_R:
        put(t, " %u%s", f->u.pull_r.cursor.v, (f->u.pull_r.flags & SP_PULL_CONFIRMS) != 0 ? " confirms" : "");
        put_ranges(t, f->u.pull_r.held, f->u.pull_r.n);
        break;
    case SP_KIND_PULL_A:
        put_pull_a(t, &f->u.pull_a);
        break;
    case SP_KIND_STATUS_R:
    case SP_KIND_STATUS_A:
        put_status(t, f);
        break;
    default:
        put_answer(t, f);
        break;
    }
}

void sp_trace_note(struct sp_trace *t, const char *endpoint, int dir, struct sp_view frames, sp_time now)
{
    while (frames.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        if (sp_wire_decode(frames, (enum sp_dir)dir, &f, &used) != 0)
            return; /* a packet against the protocol, made by a test */
        const struct sp_kind_facts *facts = sp_kinds_get(f.kind);
        struct sp_view bytes = {frames.p, used};
        frames.p += used;
        frames.n -= used;
        if (facts->name == NULL || facts->is_link || !is_new(t, hash_of(endpoint, dir, bytes)))
            continue;
        put(t, "%5lld %s %s %s", (long long)(now / SP_MS), endpoint, dir == SP_DIR_UP ? ">" : "<",
            facts->name);
        put_frame(t, &f);
        put(t, "\n");
    }
}

const char *sp_trace_text(const struct sp_trace *t)
{
    return t->text;
}
