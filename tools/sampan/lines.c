#include "lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void sp_lines_init(struct sp_lines *l, int fd, uint8_t delimiter)
{
    l->fd = fd;
    l->delimiter = delimiter;
    l->is_ended = l->is_skipping = false;
    l->start = l->end = 0;
}

int sp_lines_fill(struct sp_lines *l)
{
    if (l->start > 0) {
        memmove(l->buf, l->buf + l->start, l->end - l->start);
        l->end -= l->start;
        l->start = 0;
    }
    if (l->is_ended || l->end == sizeof l->buf)
        return 0;
    ssize_t n = read(l->fd, l->buf + l->end, sizeof l->buf - l->end);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    l->is_ended = n == 0;
    l->end += (size_t)n;
    return 0;
}

/* A buffer full of one record without its end: forget it and wait for the delimiter. */
static enum sp_lines_result too_long(struct sp_lines *l)
{
    bool is_first = !l->is_skipping;
    l->is_skipping = true;
    l->start = l->end = 0;
    return is_first ? SP_LINES_TOO_LONG : SP_LINES_MORE;
}

/* The end of the record that starts at l->start: its delimiter, or the end of the input; NULL if not there
 * yet. */
static const uint8_t *find_end(struct sp_lines *l)
{
    size_t unread = l->end - l->start;
    const uint8_t *at = l->buf + l->start;
    const uint8_t *stop = unread > 0 ? memchr(at, l->delimiter, unread) : NULL;
    if (stop != NULL) {
        l->start += (size_t)(stop - at) + 1;
        return stop;
    }
    if (!l->is_ended || unread == 0)
        return NULL;
    l->start = l->end;
    return at + unread;
}

enum sp_lines_result sp_lines_next(struct sp_lines *l, const uint8_t **record, size_t *len)
{
    for (;;) {
        const uint8_t *at = l->buf + l->start;
        const uint8_t *stop = find_end(l);
        if (stop == NULL && l->is_ended)
            return SP_LINES_END;
        if (stop == NULL)
            return l->end - l->start == sizeof l->buf || l->is_skipping ? too_long(l) : SP_LINES_MORE;
        if (!l->is_skipping) {
            *record = at;
            *len = (size_t)(stop - at);
            return SP_LINES_RECORD;
        }
        l->is_skipping = false; /* the rest of a record that was too long */
    }
}
