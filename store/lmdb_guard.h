/* What keeps LMDB out of the situations it does not survive: a folder and file with the right owner, a file
 * that is as long as its pages say, room before it runs out.  It knows no tree and no request. */
#ifndef SP_LMDB_GUARD_H
#define SP_LMDB_GUARD_H

#include "lmdb_room.h"

struct sp_store_config;

struct sp_lmdb_guard {
    int dir_fd;             /* holds the lock that makes us the only process */
    uint64_t reserve_bytes; /* left free on the map */
    struct sp_lmdb_room room;
    uint64_t want; /* bytes of pages that the next transaction may need; the writer's estimate */
    bool full;     /* no new messages */
    bool failed;   /* the file system reported an I/O error */
};

/* Creates the folder (0700) when absent, locks it, and checks data.mdb before LMDB maps it.  *fresh: there is
 * no data yet.  0; SP_EBUSY: another process has it; SP_ECORRUPT; SP_EVERSION; SP_EIO.  On error nothing is
 * left open. */
int sp_lmdb_guard_open(struct sp_lmdb_guard *g, const char *dir, const struct sp_store_config *cfg,
                       bool *fresh);
/* Flushes the folder and its parent: the file names are durable. */
int sp_lmdb_guard_sync(const struct sp_lmdb_guard *g);
void sp_lmdb_guard_close(struct sp_lmdb_guard *g);

/* Renews full and failed, and the room on the disk for what g->want says. */
void sp_lmdb_guard_look(struct sp_lmdb_guard *g, MDB_env *env);
/* A commit met a full disk: look at it again with the next. */
void sp_lmdb_guard_note_full(struct sp_lmdb_guard *g);

#endif
