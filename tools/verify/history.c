/* Lines are flat JSON objects.  One table of fields serves both directions. */
#include "history.h"

#include <sampan/err.h>

#include <string.h>

enum shape { SHAPE_TEXT, SHAPE_NUMBER, SHAPE_HEX, SHAPE_TRUE };

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

static const struct {
    const char *name;
    enum shape shape;
    uint64_t max;
} fields[FIELDS] = {
    [USER] = {"user", SHAPE_TEXT, SP_USER_MAX},
    [DEVICE] = {"device", SHAPE_NUMBER, UINT32_MAX},
    [PEER] = {"peer", SHAPE_TEXT, SP_USER_MAX},
    [PEER_DEVICE] = {"peer_device", SHAPE_NUMBER, UINT32_MAX},
    [MSGID] = {"msgid", SHAPE_HEX, UINT64_MAX},
    [INSTALL] = {"install", SHAPE_HEX, UINT64_MAX},
    [EPOCH] = {"epoch", SHAPE_HEX, UINT64_MAX},
    [SEQ] = {"seq", SHAPE_NUMBER, UINT32_MAX},
    [HI] = {"hi", SHAPE_NUMBER, UINT32_MAX},
    [HASH] = {"hash", SHAPE_HEX, UINT64_MAX},
    [LEN] = {"len", SHAPE_NUMBER, UINT32_MAX},
    [FLAGS] = {"flags", SHAPE_NUMBER, UINT32_MAX},
    [STATE] = {"state", SHAPE_NUMBER, 255},
    [CODE] = {"code", SHAPE_NUMBER, 255},
    [COMMIT] = {"commit", SHAPE_NUMBER, UINT64_MAX},
    [REPEAT] = {"repeat", SHAPE_TRUE, 1},
    [AT] = {"t", SHAPE_NUMBER, INT64_MAX},
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

static uint64_t number_of(const struct sp_history_event *e, enum field f)
{
    const uint64_t values[FIELDS] = {[DEVICE] = e->device,
                                     [PEER_DEVICE] = e->peer_device,
                                     [MSGID] = e->msgid,
                                     [INSTALL] = e->install,
                                     [EPOCH] = e->epoch,
                                     [SEQ] = e->seq,
                                     [HI] = e->hi,
                                     [HASH] = e->hash,
                                     [LEN] = e->len,
                                     [FLAGS] = e->flags,
                                     [STATE] = (uint64_t)e->state,
                                     [CODE] = (uint64_t)e->code,
                                     [COMMIT] = e->commit,
                                     [REPEAT] = e->is_repeat,
                                     [AT] = (uint64_t)e->at_us};
    return values[f];
}

static void put_field(struct writer *w, const struct sp_history_event *e, enum field f)
{
    struct sp_view text = f == USER ? e->user : e->peer;
    bool is_text = fields[f].shape == SHAPE_TEXT;
    uint64_t v = is_text ? text.n : number_of(e, f);
    if (v == 0)
        return;
    put_name(w, fields[f].name);
    if (is_text) {
        put_text(w, text);
    } else if (fields[f].shape == SHAPE_NUMBER) {
        put_number(w, v);
    } else if (fields[f].shape == SHAPE_TRUE) {
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

/* ---- reading ---- */

struct reader {
    const char *p, *end;
    const char *why; /* NULL: fine so far */
};

static bool fail(struct reader *r, const char *why)
{
    r->why = why;
    return false;
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* What follows a backslash, as one byte. */
static bool read_escape(struct reader *r, uint8_t *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->p >= r->end)
        return fail(r, "a text without an end");
    char c = *r->p++;
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at != NULL) {
        *out = (uint8_t)to[at - from];
        return true;
    }
    if (c != 'u' || r->end - r->p < 4 || r->p[0] != '0' || r->p[1] != '0' || digit_of(r->p[2]) < 0 ||
        digit_of(r->p[3]) < 0)
        return fail(r, "an escape other than \\u0000..\\u00ff");
    *out = (uint8_t)(digit_of(r->p[2]) << 4 | digit_of(r->p[3]));
    r->p += 4;
    return true;
}

/* A text in quotes; what goes beyond cap is counted, not stored. */
static bool read_text(struct reader *r, uint8_t *dst, size_t cap, size_t *n)
{
    *n = 0;
    if (!take(r, '"'))
        return fail(r, "a text in quotes is missing");
    while (r->p < r->end && *r->p != '"') {
        uint8_t c = (uint8_t)*r->p++;
        if (c == '\\' && !read_escape(r, &c))
            return false;
        if (*n < cap)
            dst[*n] = c;
        ++*n;
    }
    if (r->p >= r->end)
        return fail(r, "a text without an end");
    r->p++;
    return true;
}

static bool read_number(struct reader *r, uint64_t max, uint64_t *out)
{
    skip_blanks(r);
    const char *start = r->p;
    uint64_t v = 0;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        unsigned digit = (unsigned)(*r->p++ - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return fail(r, "a number out of range");
        v = v * 10 + digit;
    }
    if (r->p == start)
        return fail(r, "a number is missing");
    if (v > max)
        return fail(r, "a number out of range");
    *out = v;
    return true;
}

static bool read_hex(struct reader *r, uint64_t *out)
{
    uint8_t digits[17];
    size_t n;
    uint64_t v = 0;
    if (!read_text(r, digits, sizeof digits, &n))
        return false;
    if (n < 1 || n > 16)
        return fail(r, "1 to 16 hexadecimal digits are needed");
    for (size_t i = 0; i < n; i++) {
        int digit = digit_of((char)digits[i]);
        if (digit < 0)
            return fail(r, "1 to 16 hexadecimal digits are needed");
        v = v << 4 | (unsigned)digit;
    }
    *out = v;
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(r);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return false;
    r->p += n;
    return true;
}

/* The value of a field that is not ours. */
static bool skip_value(struct reader *r)
{
    uint8_t unused;
    size_t n;
    skip_blanks(r);
    if (r->p < r->end && *r->p == '"')
        return read_text(r, &unused, 0, &n);
    if (read_word(r, "true") || read_word(r, "false") || read_word(r, "null"))
        return true;
    const char *start = r->p;
    while (r->p < r->end && *r->p != '\0' && strchr("+-.eE0123456789", *r->p) != NULL)
        r->p++;
    return r->p > start || fail(r, "a value that is neither text, number nor truth");
}

static void set_number(struct sp_history_event *e, enum field f, uint64_t v)
{
    switch (f) {
    case DEVICE:
        e->device = (uint32_t)v;
        break;
    case PEER_DEVICE:
        e->peer_device = (uint32_t)v;
        break;
    case MSGID:
        e->msgid = v;
        break;
    case INSTALL:
        e->install = v;
        break;
    case EPOCH:
        e->epoch = v;
        break;
    case SEQ:
        e->seq = (uint32_t)v;
        break;
    case HI:
        e->hi = (uint32_t)v;
        break;
    case HASH:
        e->hash = v;
        break;
    case LEN:
        e->len = (uint32_t)v;
        break;
    case FLAGS:
        e->flags = (uint32_t)v;
        break;
    case STATE:
        e->state = (int)v;
        break;
    case CODE:
        e->code = (int)v;
        break;
    case COMMIT:
        e->commit = v;
        break;
    case REPEAT:
        e->is_repeat = v != 0;
        break;
    default:
        e->at_us = (int64_t)v;
        break;
    }
}

static bool read_name(struct reader *r, struct sp_view *out, uint8_t *dst)
{
    size_t n;
    if (!read_text(r, dst, SP_USER_MAX, &n))
        return false;
    if (n < 1 || n > SP_USER_MAX)
        return fail(r, "a user id has 1 to 64 bytes");
    *out = (struct sp_view){dst, n};
    return true;
}

static bool read_field(struct reader *r, enum field f, struct sp_history_event *e,
                       struct sp_history_names *names)
{
    uint64_t v = 0;
    bool is_good = true;
    if (f == USER || f == PEER)
        return f == USER ? read_name(r, &e->user, names->user) : read_name(r, &e->peer, names->peer);
    if (fields[f].shape == SHAPE_NUMBER)
        is_good = read_number(r, fields[f].max, &v);
    else if (fields[f].shape == SHAPE_HEX)
        is_good = read_hex(r, &v);
    else if (read_word(r, "true"))
        v = 1;
    else if (!read_word(r, "false"))
        is_good = fail(r, "true or false is missing");
    if (is_good)
        set_number(e, f, v);
    return is_good;
}

static bool read_kind(struct reader *r, struct sp_history_event *e)
{
    uint8_t word[16];
    size_t n;
    if (!read_text(r, word, sizeof word, &n))
        return false;
    for (int k = 1; k < SP_HISTORY_KINDS; k++) {
        if (strlen(kinds[k].name) == n && n <= sizeof word && memcmp(kinds[k].name, word, n) == 0) {
            e->kind = (enum sp_history_kind)k;
            return true;
        }
    }
    return fail(r, "an unknown event");
}

/* "name": value. */
static bool read_pair(struct reader *r, struct sp_history_event *e, struct sp_history_names *names)
{
    uint8_t name[16] = {0};
    size_t n;
    if (!read_text(r, name, sizeof name, &n))
        return false;
    if (!take(r, ':'))
        return fail(r, "a colon is missing");
    if (n == 1 && name[0] == 'e')
        return read_kind(r, e);
    for (int f = 0; f < FIELDS && n <= sizeof name; f++) {
        if (fields[f].name[0] == (char)name[0] && strlen(fields[f].name) == n &&
            memcmp(fields[f].name, name, n) == 0)
            return read_field(r, (enum field)f, e, names);
    }
    return skip_value(r);
}

static bool has_all(struct reader *r, const struct sp_history_event *e)
{
    unsigned needs = kinds[e->kind].needs;
    if (e->kind == SP_HISTORY_NONE)
        return fail(r, "the event (\"e\") is missing");
    for (int f = 0; f < FIELDS; f++) {
        if ((needs & BIT(f)) == 0)
            continue;
        uint64_t v = f == USER ? e->user.n : f == PEER ? e->peer.n : number_of(e, (enum field)f);
        if (v == 0)
            return fail(r, "a field is missing that this event needs");
    }
    if (e->kind == SP_HISTORY_SKIPPED && e->hi < e->seq)
        return fail(r, "a range that ends before it begins");
    return true;
}

int sp_history_decode(const char *line, size_t len, struct sp_history_event *e,
                      struct sp_history_names *names, const char **reason)
{
    struct reader r = {.p = line, .end = line + len};
    *e = (struct sp_history_event){0};
    bool is_good = take(&r, '{') || fail(&r, "not a JSON object");
    bool is_more = is_good;
    while (is_more) {
        is_good = read_pair(&r, e, names);
        is_more = is_good && take(&r, ',');
    }
    if (is_good)
        is_good = take(&r, '}') || fail(&r, "not a JSON object");
    skip_blanks(&r);
    if (is_good && r.p != r.end)
        is_good = fail(&r, "something behind the object");
    if (is_good)
        is_good = has_all(&r, e);
    *reason = r.why != NULL ? r.why : "";
    return is_good ? 0 : SP_EMALFORMED;
}
