/* Lines out, lines in. */
#include "historyfile.h"

#include <sampan/err.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (1U << 20) /* more than the longest line */

int sp_historyfile_open(struct sp_historyfile *h, const char *path)
{
    *h = (struct sp_historyfile){.fd = -1};
    h->buf = malloc(SP_HISTORYFILE_BUFFER);
    if (h->buf == NULL)
        return ENOMEM;
    h->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (h->fd >= 0)
        return 0;
    int error = errno;
    free(h->buf);
    h->buf = NULL;
    return error;
}

void sp_historyfile_add(struct sp_historyfile *h, const struct sp_history_event *e, int64_t unix_us)
{
    struct sp_history_event timed = *e;
    if (h->fd < 0)
        return;
    if (SP_HISTORYFILE_BUFFER - h->len < SP_HISTORY_LINE_MAX)
        (void)sp_historyfile_flush(h);
    timed.at_us = unix_us;
    h->len += sp_history_encode(&timed, h->buf + h->len, SP_HISTORYFILE_BUFFER - h->len);
    h->held++;
}

/* 0, or the errno; *written bytes are out in any case. */
static int write_all(int fd, const char *p, size_t n, size_t *written)
{
    *written = 0;
    while (*written < n) {
        ssize_t rc = write(fd, p + *written, n - *written);
        if (rc < 0 && errno != EINTR)
            return errno;
        if (rc > 0)
            *written += (size_t)rc;
    }
    return 0;
}

int sp_historyfile_flush(struct sp_historyfile *h)
{
    size_t written = 0;
    if (h->fd < 0 || h->len == 0)
        return 0;
    if (h->has_half_line) { /* ends it, so that it spoils no line but itself */
        int error = write_all(h->fd, "\n", 1, &written);
        h->has_half_line = error != 0;
    }
    int error = h->has_half_line ? h->error : write_all(h->fd, h->buf, h->len, &written);
    if (error != 0) {
        h->lost += h->held; /* or fewer: some may be out */
        h->error = error;
        h->has_half_line = h->has_half_line || (written > 0 && h->buf[written - 1] != '\n');
    }
    h->len = 0;
    h->held = 0;
    return error;
}

void sp_historyfile_close(struct sp_historyfile *h)
{
    (void)sp_historyfile_flush(h);
    if (h->fd >= 0)
        (void)close(h->fd);
    free(h->buf);
    *h = (struct sp_historyfile){.fd = -1, .lost = h->lost, .error = h->error};
}

/* ---- reading ---- */

struct source {
    int fd;
    char *buf;
    size_t len; /* bytes in buf that were not taken yet */
    int (*take)(void *self, const struct sp_history_event *e, uint32_t line);
    void *self;
    struct sp_historyfile_result *out;
};

static int take_line(struct source *s, const char *line, size_t len)
{
    struct sp_history_event e;
    struct sp_history_names names;
    s->out->lines++;
    if (sp_history_decode(line, len, &e, &names, &s->out->reason) != 0) {
        s->out->bad_line = s->out->lines;
        return SP_EMALFORMED;
    }
    return s->take(s->self, &e, s->out->lines);
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

int sp_historyfile_read(const char *path,
                        int (*take)(void *self, const struct sp_history_event *e, uint32_t line), void *self,
                        struct sp_historyfile_result *out)
{
    *out = (struct sp_historyfile_result){.reason = ""};
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
