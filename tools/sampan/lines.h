/* Records of a descriptor: bytes ended by one delimiter, read without waiting beyond what the caller polled
 * for.  A record over the limit is reported as too long and passed over; a last one without delimiter counts.
 */
#ifndef SP_LINES_H
#define SP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_LINES_MAX 65536 /* bytes of a record */

struct sp_lines {
    int fd;
    uint8_t delimiter;
    bool is_ended, is_skipping; /* end of input seen; inside a record that is too long */
    size_t start, end;          /* unread bytes of buf */
    uint8_t buf[SP_LINES_MAX + 1];
};

enum sp_lines_result {
    SP_LINES_RECORD, /* *record, borrowed until the next fill */
    SP_LINES_TOO_LONG,
    SP_LINES_MORE, /* fill first */
    SP_LINES_END,
};

void sp_lines_init(struct sp_lines *l, int fd, uint8_t delimiter);
/* One read(2).  0, or -1 with errno set by read (EINTR and EAGAIN count as nothing read). */
int sp_lines_fill(struct sp_lines *l);
/* The next whole record. */
enum sp_lines_result sp_lines_next(struct sp_lines *l, const uint8_t **record, size_t *len);

#endif
