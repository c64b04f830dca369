/* Lines go to stdout. */
#include "note.h"

#include "ensure.h"
#include "fastcrypto.h"
#include "kinds.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void print_time(const struct sim_note *n, sp_time now)
{
    printf("%10.3f ", (double)(now - n->zero) / 1e6);
}

void sim_note_mix(struct sim_note *n, uint64_t v)
{
    uint64_t h = (n->hash ^ v) * 0xd1342543de82ef95u;
    n->hash = h ^ h >> 32;
}

static uint64_t hash_text(const char *text)
{
    return sp_fastcrypto_hash(1, (struct sp_view){(const uint8_t *)text, strlen(text)});
}

/* What a conversion takes; size_t, long and long long are 64 bits here. */
enum take { TAKE_TEXT, TAKE_32, TAKE_64 };

static struct sim_note_line read_line(const char *format)
{
    struct sim_note_line line = {.format = format, .hash = hash_text(format)};
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at, '%')) {
        uint8_t take = TAKE_32;
        for (at++; *at == 'l' || *at == 'z'; at++)
            take = TAKE_64;
        SP_ENSURE_SAY(strchr("sduxX", *at) != NULL, "conversion %c in a line of the story", *at);
        SP_ENSURE(line.takes_n < sizeof line.takes);
        line.takes[line.takes_n++] = *at == 's' ? TAKE_TEXT : take;
    }
    return line;
}

/* A line's format and arguments instead of its text: most runs print nothing. */
static void mix_line(struct sim_note *n, const char *format, va_list *args)
{
    struct sim_note_line *line = &n->lines[(uintptr_t)format / 8 % SIM_NOTE_LINES];
    if (line->format != format)
        *line = read_line(format);
    sim_note_mix(n, line->hash);
    for (size_t i = 0; i < line->takes_n; i++) {
        if (line->takes[i] == TAKE_TEXT)
            sim_note_mix(n, hash_text(va_arg(*args, const char *)));
        else if (line->takes[i] == TAKE_32)
            sim_note_mix(n, va_arg(*args, unsigned));
        else
            sim_note_mix(n, va_arg(*args, unsigned long));
    }
}

void sim_note_say(struct sim_note *n, sp_time now, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sim_note_mix(n, (uint64_t)now);
    mix_line(n, format, &args);
    va_end(args);
    if (n->level < 1)
        return;
    print_time(n, now);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

static void print_numbers(const struct sp_frame *f)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        printf(" %" PRIx64 " after %" PRIx64 " to %.*s", f->u.msg_r.msgid.v, f->u.msg_r.after.v,
               (int)f->u.msg_r.to.n, (const char *)f->u.msg_r.to.p);
        break;
    case SP_KIND_MSG_A:
        printf(" %" PRIx64 " code %u seq %u state %u", f->u.msg_a.msgid.v, f->u.msg_a.code, f->u.msg_a.seq.v,
               f->u.msg_a.state);
        break;
    case SP_KIND_MSG_N:
        printf(" seq %u %" PRIx64 " from %.*s", f->u.msg_n.seq.v, f->u.msg_n.msgid.v, (int)f->u.msg_n.from.n,
               (const char *)f->u.msg_n.from.p);
        break;
    case SP_KIND_ACK_R:
        printf(" id %u cursor %u", f->u.ack_r.id, f->u.ack_r.cursor.v);
        break;
    case SP_KIND_ACK_A:
        printf(" id %u code %u confirmed %u", f->u.ack_a.id, f->u.ack_a.code, f->u.ack_a.confirmed.v);
        break;
    case SP_KIND_ACK_N:
        printf(" %" PRIx64 " state %u", f->u.ack_n.msgid.v, f->u.ack_n.state);
        break;
    case SP_KIND_PULL_R:
        printf(" id %u cursor %u max %u flags %u", f->u.pull_r.id, f->u.pull_r.cursor.v, f->u.pull_r.max,
               f->u.pull_r.flags);
        break;
    case SP_KIND_PULL_A:
        printf(" id %u code %u to %u svr_seq %u confirmed %u skips %u", f->u.pull_a.id, f->u.pull_a.code,
               f->u.pull_a.to.v, f->u.pull_a.svr_seq.v, f->u.pull_a.confirmed.v, (unsigned)f->u.pull_a.n);
        break;
    case SP_KIND_DONE:
        printf(" %" PRIx64, f->u.done.msgid.v);
        break;
    case SP_KIND_CLOSE:
        printf(" code %u", f->u.close.code);
        break;
    case SP_KIND_STATUS_R:
        printf(" id %u n %u first %" PRIx64, f->u.status_r.id, (unsigned)f->u.status_r.n,
               f->u.status_r.n > 0 ? f->u.status_r.msgids[0].v : 0);
        break;
    case SP_KIND_STATUS_A:
        printf(" id %u n %u first state %u", f->u.status_a.id, (unsigned)f->u.status_a.n,
               f->u.status_a.n > 0 ? f->u.status_a.of[0].state : 0);
        break;
    default:
        break;
    }
}

static void print_frames(const struct sp_rig_packet *p)
{
    struct sp_view rest = p->frames;
    while (rest.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        if (sp_wire_decode(rest, (enum sp_dir)p->dir, &f, &used) != 0)
            return;
        const struct sp_kind_facts *facts = sp_kinds_get(f.kind);
        printf("; %s", facts->name != NULL ? facts->name : "?");
        print_numbers(&f);
        rest.p += used;
        rest.n -= used;
    }
}

/* The last bytes: of a tag, a proof, a cookie or a token, which stand for all that is before them. */
static uint64_t end_of(const struct sp_rig_packet *p)
{
    uint64_t v = 0;
    if (p->len >= sizeof v)
        memcpy(&v, p->p + p->len - sizeof v, sizeof v);
    else if (p->len > 0)
        memcpy(&v, p->p, p->len);
    return v;
}

void sim_note_packet(struct sim_note *n, const char *who, const struct sp_rig_packet *p, const char *fate)
{
    sim_note_mix(n, (uint64_t)p->now);
    sim_note_mix(n, (uint64_t)p->len << 32 | (uint64_t)p->endpoint << 8 | (uint64_t)p->dir);
    sim_note_mix(n, end_of(p));
    if (n->level < 2)
        return;
    print_time(n, p->now);
    printf("%s %s %02x %zu%s%s", who, p->dir == SP_DIR_UP ? ">" : "<", p->len > 0 ? p->p[0] : 0U, p->len,
           *fate != '\0' ? " " : "", fate);
    print_frames(p);
    (void)putchar('\n');
}
