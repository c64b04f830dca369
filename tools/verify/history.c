/* Lines are flat JSON objects.  One table of fields serves both directions. */
#include "historyfield.h"

#include <stddef.h>
#include <string.h>

enum field {
    USER,
    DEVICE,
    PEER,
    PEER_DEVICE,
    MSGID,
    INSTALL,
    EPOCH,
    SEQ,
    HI,
    HASH,
    LEN,
    FLAGS,
    STATE,
    CODE,
    COMMIT,
    REPEAT,
    AT,
    FIELDS
};
#define BIT(f) (1U << (f))

#define FIELD(name, shape, max, member)                                                                      \
    {                                                                                                        \
        name, shape, max, offsetof(struct sp_history_event, member),                                         \
            sizeof(((struct sp_history_event *)NULL)->member)                                                \
    }
static const struct sp_history_field fields[FIELDS] = {
    [USER] = FIELD("user", SP_HISTORY_TEXT, 0, user),
    [DEVICE] = FIELD("device", SP_HISTORY_NUMBER, UINT32_MAX, device),
    [PEER] = FIELD("peer", SP_HISTORY_TEXT, 0, peer),
    [PEER_DEVICE] = FIELD("peer_device", SP_HISTORY_NUMBER, UINT32_MAX, peer_device),
    [MSGID] = FIELD("msgid", SP_HISTORY_HEX, 0, msgid),
    [INSTALL] = FIELD("install", SP_HISTORY_HEX, 0, install),
    [EPOCH] = FIELD("epoch", SP_HISTORY_HEX, 0, epoch),
    [SEQ] = FIELD("seq", SP_HISTORY_NUMBER, UINT32_MAX, seq),
    [HI] = FIELD("hi", SP_HISTORY_NUMBER, UINT32_MAX, hi),
    [HASH] = FIELD("hash", SP_HISTORY_HEX, 0, hash),
    [LEN] = FIELD("len", SP_HISTORY_NUMBER, UINT32_MAX, len),
    [FLAGS] = FIELD("flags", SP_HISTORY_NUMBER, UINT32_MAX, flags),
    [STATE] = FIELD("state", SP_HISTORY_NUMBER, 255, state),
    [CODE] = FIELD("code", SP_HISTORY_NUMBER, 255, code),
    [COMMIT] = FIELD("commit", SP_HISTORY_NUMBER, INT64_MAX, commit),
    [REPEAT] = FIELD("repeat", SP_HISTORY_TRUE, 0, is_repeat),
    [AT] = FIELD("t", SP_HISTORY_NUMBER, INT64_MAX, at_us),
};

/* The words, and the fields that must not be 0. */
static const struct {
    const char *name;
    unsigned needs;
} kinds[SP_HISTORY_KINDS] = {
    [SP_HISTORY_NONE] = {"", 0},
    [SP_HISTORY_RUN] = {"run", BIT(USER)},
    [SP_HISTORY_SEND] = {"send", BIT(USER) | BIT(MSGID) | BIT(PEER)},
    [SP_HISTORY_TOLD] = {"told", BIT(USER) | BIT(MSGID) | BIT(STATE)},
    [SP_HISTORY_FAILED] = {"failed", BIT(USER) | BIT(MSGID) | BIT(CODE)},
    [SP_HISTORY_GAVEUP] = {"gaveup", BIT(USER) | BIT(MSGID)},
    [SP_HISTORY_HANDED] = {"handed", BIT(USER) | BIT(PEER) | BIT(MSGID) | BIT(SEQ)},
    [SP_HISTORY_SKIPPED] = {"skipped", BIT(USER) | BIT(SEQ) | BIT(HI) | BIT(CODE)},
    [SP_HISTORY_KEPT] = {"kept", BIT(USER) | BIT(SEQ)},
    [SP_HISTORY_RESYNC] = {"resync", BIT(USER)},
    [SP_HISTORY_END] = {"end", BIT(USER)},
    [SP_HISTORY_START] = {"start", 0},
    [SP_HISTORY_STORED] = {"stored", BIT(USER) | BIT(MSGID) | BIT(PEER)},
    [SP_HISTORY_REFUSED] = {"refused", BIT(USER) | BIT(MSGID) | BIT(CODE)},
    [SP_HISTORY_CONFIRMED] = {"confirmed", BIT(USER) | BIT(SEQ) | BIT(EPOCH)},
    [SP_HISTORY_ENDED] = {"ended", BIT(USER) | BIT(MSGID) | BIT(PEER) | BIT(STATE)},
    [SP_HISTORY_HEAD] = {"head", BIT(USER) | BIT(EPOCH)},
    [SP_HISTORY_STOP] = {"stop", 0},
};

const char *sp_history_kind_name(enum sp_history_kind kind)
{
    return (unsigned)kind < SP_HISTORY_KINDS ? kinds[kind].name : "";
}

const struct sp_history_field *sp_history_field(const char *name)
{
    for (int f = 0; f < FIELDS; f++) {
        if (strcmp(fields[f].name, name) == 0)
            return &fields[f];
    }
    return NULL;
}

/* Of a text, its length. */
static uint64_t value_of(const struct sp_history_event *e, enum field f)
{
    const void *at = (const char *)e + fields[f].at;
    if (fields[f].shape == SP_HISTORY_TEXT)
        return ((const struct sp_view *)at)->n;
    if (fields[f].shape == SP_HISTORY_TRUE)
        return *(const bool *)at;
    return fields[f].size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
}

bool sp_history_has_all(const struct sp_history_event *e)
{
    for (int f = 0; f < FIELDS; f++) {
        if ((kinds[e->kind].needs & BIT(f)) != 0 && value_of(e, (enum field)f) == 0)
            return false;
    }
    return e->kind != SP_HISTORY_NONE;
}

uint64_t sp_history_hash(const struct sp_crypto *crypto, struct sp_view to, struct sp_view body)
{
    uint8_t full[32];
    const uint8_t head[2] = {0, (uint8_t)to.n};
    const struct sp_view parts[3] = {{head, sizeof head}, to, body};
    uint64_t v = 0;
    crypto->blake2b(crypto->self, full, sizeof full, (struct sp_view){NULL, 0}, parts, 3);
    for (int i = 0; i < 8; i++)
        v = v << 8 | full[i];
    return v;
}

/* ---- writing ---- */

struct writer {
    char *p;
    size_t n;
};

static void put(struct writer *w, const char *text, size_t n)
{
    memcpy(w->p + w->n, text, n);
    w->n += n;
}

static void put_name(struct writer *w, const char *name)
{
    w->p[w->n++] = ',';
    w->p[w->n++] = '"';
    put(w, name, strlen(name));
    w->p[w->n++] = '"';
    w->p[w->n++] = ':';
}

static void put_hex(struct writer *w, uint64_t v, int digits)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = digits - 1; i >= 0; i--)
        w->p[w->n++] = hex[v >> (4 * i) & 15];
}

static void put_number(struct writer *w, uint64_t v)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (n > 0)
        w->p[w->n++] = digits[--n];
}

static void put_text(struct writer *w, struct sp_view v)
{
    w->p[w->n++] = '"';
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
            w->p[w->n++] = (char)c;
        } else {
            put(w, "\\u00", 4);
            put_hex(w, c, 2);
        }
    }
    w->p[w->n++] = '"';
}

static void put_field(struct writer *w, const struct sp_history_event *e, enum field f)
{
    uint64_t v = value_of(e, f);
    if (v == 0)
        return;
    put_name(w, fields[f].name);
    if (fields[f].shape == SP_HISTORY_TEXT) {
        put_text(w, f == USER ? e->user : e->peer);
    } else if (fields[f].shape == SP_HISTORY_NUMBER) {
        put_number(w, v);
    } else if (fields[f].shape == SP_HISTORY_TRUE) {
        put(w, "true", 4);
    } else {
        w->p[w->n++] = '"';
        put_hex(w, v, 16);
        w->p[w->n++] = '"';
    }
}

size_t sp_history_encode(const struct sp_history_event *e, char *dst, size_t cap)
{
    struct writer w = {.n = 0};
    const char *name = kinds[e->kind].name;
    if (cap < SP_HISTORY_LINE_MAX || e->user.n > SP_USER_MAX || e->peer.n > SP_USER_MAX)
        return 0;
    w.p = dst;
    put(&w, "{\"e\":\"", 6);
    put(&w, name, strlen(name));
    w.p[w.n++] = '"';
    for (int f = 0; f < FIELDS; f++)
        put_field(&w, e, (enum field)f);
    w.p[w.n++] = '}';
    w.p[w.n++] = '\n';
    return w.n;
}
