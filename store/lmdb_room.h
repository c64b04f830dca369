/* Room on the disk for the LMDB engine (docs/store-format.md, section 6).  Blocks of data.mdb are allocated
 * behind its last page before a transaction needs them, so that no write of LMDB meets a full disk: it would
 * be cut short, and LMDB reports that like an I/O error.  The last part of them, the ballast, is kept for
 * everything but new messages.  It knows pages, not requests. */
#ifndef SP_LMDB_ROOM_H
#define SP_LMDB_ROOM_H

#include <sampan/err.h>

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

struct sp_lmdb_room {
    uint64_t ballast; /* bytes, kept for all but new messages */
    uint64_t end;     /* up to here all blocks of the file are allocated; 0: not yet looked */
    uint64_t budget;  /* bytes of pages that the next transaction may use */
    uint64_t shy;     /* free bytes of the disk when it refused last; 0: it did not */
    uint64_t looked;  /* plain: bytes of the file when the disk was looked at */
    unsigned checks;
    bool is_plain; /* the file system cannot allocate ahead: its free bytes alone are watched */
    bool full;     /* no new messages */
    bool is_low;   /* more than half of the ballast is used */
    bool is_stuck; /* pages are free, and the next commit makes them usable */
};

/* Bytes of LMDB's free pages: all of them, and those that the next transaction may use, because neither the
 * last commit freed them nor a reader may still look at them. */
struct sp_lmdb_room_free {
    uint64_t all, usable;
};
struct sp_lmdb_room_free sp_lmdb_room_count(MDB_env *env);

/* reserve: bytes of the ballast; a small one is raised to what one request may need. */
void sp_lmdb_room_init(struct sp_lmdb_room *r, uint64_t reserve);

/* Renews full, is_stuck and budget for a transaction that wants that many bytes, and allocates blocks where
 * less than ballast and want are left.  0; SP_EIO: the file system reported something else than that it is
 * full. */
int sp_lmdb_room_look(struct sp_lmdb_room *r, MDB_env *env, uint64_t want);

/* Enough for work that nobody waits for: half of the ballast is not yet used. */
bool sp_lmdb_room_is_enough(const struct sp_lmdb_room *r);

/* Looks again at the disk with the next call. */
void sp_lmdb_room_note_full(struct sp_lmdb_room *r);

#endif
