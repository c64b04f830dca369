/* The end of an LMDB 0.9 file.  A transaction may take pages behind the last one and give them back before it
 * commits: they count, lie in the tree of free pages, and are never written.  So a good file can be shorter
 * than its last page says.  This reads the tree of free pages with pread, before anything is mapped; it knows
 * no other tree. */
#ifndef SP_LMDB_TAIL_H
#define SP_LMDB_TAIL_H

#include <stdbool.h>
#include <stdint.h>

struct sp_lmdb_tail {
    int fd;
    uint32_t page_size;
    uint64_t size;      /* bytes of the file */
    uint64_t last_page; /* as the newest meta page says */
    uint64_t free_root; /* page of the root of the tree of free pages */
};

/* True if every page up to the last one that is not wholly in the file is a free one.  False also when that
 * cannot be read, or there is no memory. */
bool sp_lmdb_tail_is_free(const struct sp_lmdb_tail *t);

#endif
