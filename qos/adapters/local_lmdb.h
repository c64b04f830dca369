/* The shipped table of sampan/local.h: outbox and cursor in one LMDB environment in a folder of its own.
 * Writes gather in memory and become durable together, in one transaction, at sync; a sync that failed loses
 * nothing and may be repeated. Each record carries a CRC over key and value, and a damaged one is reported,
 * never used.  Outside libsampan: it calls the system.  One thread at a time. */
#ifndef SP_LOCAL_LMDB_H
#define SP_LOCAL_LMDB_H

#include <sampan/local.h>

#define SP_LOCAL_LMDB_MARK_MAX 64

/* Opens the folder `dir`, made with mode 0700 when it is not there (its parent must be), and fills *out.  A
 * new folder is bound to (user, device) for ever. SP_EINVAL: user not 1..SP_USER_MAX bytes; SP_EBUSY: another
 * process, or this one, has it open; SP_EFORBIDDEN: it belongs to another user or device; SP_ECORRUPT:
 * damaged; SP_EVERSION: written by another version; SP_EIO.  On error *out is zeroed and nothing is held. */
int sp_local_lmdb_open(struct sp_local *out, const char *dir, const char *user, uint32_t device);
/* Makes what was written durable as far as that works (call sync first to know), and frees everything; *l is
 * zeroed. */
void sp_local_lmdb_close(struct sp_local *l);

/* Remembers up to SP_LOCAL_LMDB_MARK_MAX bytes of the app's own (copied), durable in one transaction with the
 * next cursor: what the app must know about its own data to agree with the cursor.  SP_EBIG. */
int sp_local_lmdb_mark(struct sp_local *l, const void *data, size_t len);
/* The newest mark that a cursor was written after.  SP_EAGAIN: none; SP_EFULL: cap too small; SP_ECORRUPT;
 * SP_EIO. */
int sp_local_lmdb_read_mark(struct sp_local *l, void *dst, size_t cap, size_t *len);

#endif
