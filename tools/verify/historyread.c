/* jansson knows JSON; here is what a history allows of it. */
#include "historyread.h"

#include "historyfield.h"

#include <jansson.h>
#include <sampan/err.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (1U << 20) /* more than the longest line */

/* ---- a line: functions return NULL, or why it is none ---- */

static const char *read_kind(struct sp_history_event *e, const json_t *value)
{
    const char *word = json_string_value(value);
    size_t n = json_string_length(value); /* a text may hold NUL */
    for (int k = 1; n > 0 && k < SP_HISTORY_KINDS; k++) {
        const char *name = sp_history_kind_name((enum sp_history_kind)k);
        if (strlen(name) == n && memcmp(name, word, n) == 0) {
            e->kind = (enum sp_history_kind)k;
            return NULL;
        }
    }
    return "an unknown event";
}

/* Characters are bytes.  jansson gives UTF-8 without faults, where those of 0x80..0xff are two bytes that
 * begin with 0xc2 or 0xc3. */
static const char *read_name(struct sp_view *name, uint8_t dst[SP_USER_MAX], const json_t *value)
{
    const char *text = json_string_value(value);
    size_t end = json_string_length(value), n = 0;
    if (text == NULL)
        return "a text in quotes is missing";
    for (size_t i = 0; i < end; i++, n++) {
        uint8_t c = (uint8_t)text[i];
        if (c > 0xc3)
            return "a character above \\u00ff";
        if (n == SP_USER_MAX)
            return "a user id has 1 to 64 bytes";
        if (c >= 0x80)
            c = (uint8_t)((c & 3) << 6 | (text[++i] & 0x3f));
        dst[n] = c;
    }
    *name = (struct sp_view){dst, n};
    return n > 0 ? NULL : "a user id has 1 to 64 bytes";
}

static const char *read_number(uint64_t *out, uint64_t max, const json_t *value)
{
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value))
        return "a whole number is missing";
    if (v < 0 || (uint64_t)v > max)
        return "a number out of range";
    *out = (uint64_t)v;
    return NULL;
}

static const char *read_hex(uint64_t *out, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (n < 1 || n > 16 || strspn(text, "0123456789abcdefABCDEF") != n)
        return "1 to 16 hexadecimal digits are needed";
    *out = strtoull(text, NULL, 16);
    return NULL;
}

static const char *read_truth(uint64_t *out, const json_t *value)
{
    *out = json_is_true(value);
    return json_is_boolean(value) ? NULL : "true or false is missing";
}

static void set(struct sp_history_event *e, const struct sp_history_field *f, uint64_t v)
{
    void *at = (char *)e + f->at;
    if (f->shape == SP_HISTORY_TRUE)
        *(bool *)at = v != 0;
    else if (f->size == sizeof(uint32_t))
        *(uint32_t *)at = (uint32_t)v;
    else
        *(uint64_t *)at = v;
}

static const char *read_pair(struct sp_history_event *e, struct sp_historyread_names *names, const char *key,
                             const json_t *value)
{
    const struct sp_history_field *f = sp_history_field(key);
    const char *why = NULL;
    uint64_t v = 0;
    if (json_is_object(value) || json_is_array(value))
        return "a value that is neither text, number nor truth";
    if (strcmp(key, "e") == 0)
        return read_kind(e, value);
    if (f == NULL)
        return NULL;
    if (f->shape == SP_HISTORY_TEXT && f->at == offsetof(struct sp_history_event, user))
        return read_name(&e->user, names->user, value);
    if (f->shape == SP_HISTORY_TEXT)
        return read_name(&e->peer, names->peer, value);
    if (f->shape == SP_HISTORY_NUMBER)
        why = read_number(&v, f->max, value);
    else if (f->shape == SP_HISTORY_HEX)
        why = read_hex(&v, value);
    else
        why = read_truth(&v, value);
    set(e, f, v);
    return why;
}

static const char *read_object(struct sp_history_event *e, struct sp_historyread_names *names, json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const char *why = read_pair(e, names, key, value);
        if (why != NULL)
            return why;
    }
    if (e->kind == SP_HISTORY_NONE)
        return "the event (\"e\") is missing";
    if (!sp_history_has_all(e))
        return "a field is missing that this event needs";
    if (e->kind == SP_HISTORY_SKIPPED && e->hi < e->seq)
        return "a range that ends before it begins";
    return NULL;
}

static const char *why_no_json(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
        return "a text that is not UTF-8";
    case json_error_duplicate_key:
        return "a field that is there twice";
    case json_error_numeric_overflow:
        return "a number out of range";
    default:
        return "not a JSON object";
    }
}

int sp_historyread_line(const char *line, size_t len, struct sp_history_event *e,
                        struct sp_historyread_names *names, const char **reason)
{
    json_error_t error;
    *e = (struct sp_history_event){0};
    errno = 0; /* jansson has no other way to say that malloc failed */
    json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        bool is_full = errno == ENOMEM;
        *reason = is_full ? "no memory" : why_no_json(&error);
        return is_full ? SP_EFULL : SP_EMALFORMED;
    }
    const char *why = json_is_object(root) ? read_object(e, names, root) : "not a JSON object";
    json_decref(root);
    *reason = why != NULL ? why : "";
    return why == NULL ? 0 : SP_EMALFORMED;
}

/* ---- a file ---- */

struct source {
    int fd;
    char *buf;
    size_t len; /* bytes in buf that were not taken yet */
    int (*take)(void *self, const struct sp_history_event *e, uint32_t line);
    void *self;
    struct sp_historyread_result *out;
};

static int take_line(struct source *s, const char *line, size_t len)
{
    struct sp_history_event e;
    struct sp_historyread_names names;
    s->out->lines++;
    int rc = sp_historyread_line(line, len, &e, &names, &s->out->reason);
    if (rc == SP_EMALFORMED)
        s->out->bad_line = s->out->lines;
    return rc != 0 ? rc : s->take(s->self, &e, s->out->lines);
}

/* Takes every whole line of the buffer and moves the rest to its front. */
static int take_lines(struct source *s)
{
    size_t at = 0;
    int rc = 0;
    while (rc == 0) {
        const char *end = memchr(s->buf + at, '\n', s->len - at);
        if (end == NULL)
            break;
        rc = take_line(s, s->buf + at, (size_t)(end - (s->buf + at)));
        at = (size_t)(end - s->buf) + 1;
    }
    memmove(s->buf, s->buf + at, s->len - at);
    s->len -= at;
    if (rc == 0 && s->len == READ_BYTES) {
        s->out->bad_line = s->out->lines + 1;
        s->out->reason = "a line that is too long";
        rc = SP_EMALFORMED;
    }
    return rc;
}

static int read_lines(struct source *s)
{
    for (;;) {
        ssize_t n = read(s->fd, s->buf + s->len, READ_BYTES - s->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            s->out->error = errno;
            return SP_EIO;
        }
        if (n == 0) {
            s->out->is_torn = s->len > 0;
            return 0;
        }
        s->len += (size_t)n;
        int rc = take_lines(s);
        if (rc != 0)
            return rc;
    }
}

int sp_historyread_file(const char *path,
                        int (*take)(void *self, const struct sp_history_event *e, uint32_t line), void *self,
                        struct sp_historyread_result *out)
{
    *out = (struct sp_historyread_result){.reason = ""};
    struct source s = {.fd = open(path, O_RDONLY | O_CLOEXEC), .take = take, .self = self, .out = out};
    if (s.fd < 0) {
        out->error = errno;
        return SP_EIO;
    }
    int rc = SP_EIO;
    s.buf = malloc(READ_BYTES);
    if (s.buf != NULL)
        rc = read_lines(&s);
    else
        out->error = ENOMEM;
    free(s.buf);
    (void)close(s.fd);
    return rc;
}
