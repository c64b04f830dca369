/* What one install remembers, in memory, with the two things a hostile world does to it: a kill forgets what
 * was not synced, and calls fail. */
#ifndef SP_FUZZ_TINYLOCAL_H
#define SP_FUZZ_TINYLOCAL_H

#include <sampan/local.h>

enum { TINYLOCAL_ROWS = 20 };

struct tinylocal_row {
    struct sp_outgoing m; /* its views are set when it is read */
    uint8_t to[SP_USER_MAX], body[SP_PART_MAX];
    size_t to_n, body_n;
    bool is_used, has_body;
};
struct tinylocal_image {
    struct sp_local_state state;
    struct tinylocal_row rows[TINYLOCAL_ROWS]; /* in no order */
};
struct tinylocal {
    struct sp_local table;
    struct tinylocal_image now, disk;
    uint32_t cursor_max; /* highest that ever was durable */
    unsigned fail_in;    /* calls until one fails; 0: none does */
    bool is_broken;      /* every call fails */
    unsigned failures;
};

void tinylocal_init(struct tinylocal *l);
/* A kill: what was not synced is gone, and it works again. */
void tinylocal_crash(struct tinylocal *l);
/* The row, or NULL. */
const struct tinylocal_row *tinylocal_find(const struct tinylocal_image *i, struct sp_msgid id);

#endif
