#include "log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_CAP   1024
#define COLLAPSE_S 10

static const char *const level_names[] = {"err", "warn", "info", "debug"};
/* sd-daemon(3): err, warning, info, debug. */
static const int priorities[] = {3, 4, 6, 7};

/* A line being built; what does not fit is left out. */
struct line {
    char text[LINE_CAP];
    size_t len;
};

static void put_char(struct line *l, char c)
{
    if (l->len < LINE_CAP - 1) /* the last byte is the line feed's */
        l->text[l->len++] = c;
}

static void put(struct line *l, const char *text)
{
    for (; *text != '\0'; text++)
        put_char(l, *text);
}

static void put_number(struct line *l, int64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, v);
    put(l, text);
}

/* A value: quoted when it is empty or has a blank, a quote or an equals sign; control bytes become '?'. */
static void put_value(struct line *l, const char *text)
{
    bool quote = text[0] == '\0' || strpbrk(text, " \"=\\") != NULL;
    if (quote)
        put_char(l, '"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            put_char(l, '\\');
        put_char(l, (char)(c < 0x20 || c == 0x7f ? '?' : c));
    }
    if (quote)
        put_char(l, '"');
}

static void put_time(struct line *l, int64_t unix_us, const char *format)
{
    time_t seconds = (time_t)(unix_us / SP_SECOND);
    struct tm tm;
    char text[40];
    if (gmtime_r(&seconds, &tm) == NULL || strftime(text, sizeof text, format, &tm) == 0)
        return;
    put(l, text);
    (void)snprintf(text, sizeof text, ".%03dZ", (int)(unix_us / SP_MS % 1000));
    put(l, text);
}

/* What comes before the fields. */
static void put_head(struct line *out, const struct sp_log *l, enum sp_log_level level, int64_t unix_us,
                     const char *event)
{
    char text[40];
    switch (l->format) {
    case SP_LOG_JOURNAL: /* journald knows the time */
        (void)snprintf(text, sizeof text, "<%d>", priorities[level]);
        put(out, text);
        put(out, event);
        break;
    case SP_LOG_TEXT:
        put_time(out, unix_us, "%H:%M:%S");
        (void)snprintf(text, sizeof text, " %-5s ", level_names[level]);
        put(out, text);
        put(out, event);
        break;
    default:
        put(out, "ts=");
        put_time(out, unix_us, "%Y-%m-%dT%H:%M:%S");
        put(out, " level=");
        put(out, level_names[level]);
        put(out, " event=");
        put(out, event);
    }
}

static void flush(struct sp_log *l, struct line *line)
{
    struct pollfd p = {.fd = l->fd, .events = POLLOUT};
    line->text[line->len++] = '\n';
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0 ||
        write(l->fd, line->text, line->len) != (ssize_t)line->len)
        l->lost++;
}

static void emit(struct sp_log *l, enum sp_log_level level, int64_t unix_us, const char *event,
                 const struct sp_log_field *fields, size_t n)
{
    struct line line = {.len = 0};
    put_head(&line, l, level, unix_us, event);
    for (size_t i = 0; i < n; i++) {
        put_char(&line, ' ');
        put(&line, fields[i].key);
        put_char(&line, '=');
        if (fields[i].text != NULL)
            put_value(&line, fields[i].text);
        else
            put_number(&line, fields[i].number);
    }
    flush(l, &line);
}

/* FNV-1a, 64 bits; only for the table of repeats, where a collision costs a line. */
static uint64_t hash(uint64_t h, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

static uint64_t hash_line(enum sp_log_level level, const char *event, const struct sp_log_field *fields,
                          size_t n)
{
    uint64_t h = hash(UINT64_C(14695981039346656037), &level, sizeof level);
    h = hash(h, event, strlen(event));
    for (size_t i = 0; i < n; i++)
        h = fields[i].text != NULL ? hash(h, fields[i].text, strlen(fields[i].text))
                                   : hash(h, &fields[i].number, sizeof fields[i].number);
    return h;
}

/* Whether this line repeats one of the last ten seconds; a first one is remembered if there is room. */
static bool is_repeat(struct sp_log *l, const struct sp_log_repeat *line)
{
    struct sp_log_repeat *spare = NULL;
    for (size_t i = 0; i < SP_LOG_REPEATS_MAX; i++) {
        struct sp_log_repeat *r = &l->repeats[i];
        if (r->event == NULL) {
            spare = r;
        } else if (r->hash == line->hash) {
            r->count++;
            r->last_us = line->last_us;
            return true;
        }
    }
    if (spare != NULL)
        *spare = *line;
    return false;
}

void sp_log_init(struct sp_log *l, int fd, enum sp_log_level level)
{
    const char *journal = getenv("JOURNAL_STREAM");
    struct stat st;
    char stream[48] = "";
    *l = (struct sp_log){.fd = fd, .level = level, .format = isatty(fd) == 1 ? SP_LOG_TEXT : SP_LOG_LOGFMT};
    if (journal == NULL || fstat(fd, &st) != 0)
        return;
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    if (strcmp(stream, journal) == 0) /* systemd.exec(5): stderr goes to the journal */
        l->format = SP_LOG_JOURNAL;
}

void sp_log_write(struct sp_log *l, enum sp_log_level level, int64_t unix_us, const char *event,
                  const struct sp_log_field *fields, size_t n)
{
    const struct sp_log_repeat line = {.event = event,
                                       .hash = hash_line(level, event, fields, n),
                                       .level = level,
                                       .first_us = unix_us,
                                       .last_us = unix_us};
    if (level > l->level)
        return;
    if (level <= SP_LOG_WARN && is_repeat(l, &line))
        return;
    emit(l, level, unix_us, event, fields, n);
}

void sp_log_tick(struct sp_log *l, int64_t unix_us)
{
    for (size_t i = 0; i < SP_LOG_REPEATS_MAX; i++) {
        struct sp_log_repeat *r = &l->repeats[i];
        if (r->event == NULL || unix_us - r->first_us < COLLAPSE_S * SP_SECOND)
            continue;
        if (r->count > 0) {
            const struct sp_log_field fields[] = {
                {"repeated", NULL, (int64_t)r->count},
                {"within_s", NULL, (r->last_us - r->first_us + SP_SECOND - 1) / SP_SECOND},
            };
            emit(l, r->level, r->last_us, r->event, fields, 2);
        }
        r->event = NULL;
    }
}
