/* sp_local in memory: what one install remembers, kept over the death of its client.  Every write is durable
 * at once. */
#ifndef SP_MEMLOCAL_H
#define SP_MEMLOCAL_H

#include <sampan/local.h>

#define SP_MEMLOCAL_ROWS_MAX 4096

struct sp_memlocal {
    struct sp_local table; /* what the client gets */
    struct sp_local_state state;
    struct sp_memlocal_row {
        struct sp_outgoing m; /* its views point to the bytes here */
        uint8_t to[SP_USER_MAX], body[SP_PART_MAX];
        bool has_body;
    } * rows[SP_MEMLOCAL_ROWS_MAX]; /* by rising msgid */
    size_t rows_n;
    unsigned puts, syncs;
};

void sp_memlocal_init(struct sp_memlocal *l);
/* Frees the rows. */
void sp_memlocal_wipe(struct sp_memlocal *l);

#endif
