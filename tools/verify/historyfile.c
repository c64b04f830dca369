/* Lines out. */
#include "historyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
