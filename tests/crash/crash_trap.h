/* The system calls by which LMDB reaches the disk, replaced in this program (LMDB is a shared library, so a
 * symbol of the executable wins).  Calls on one watched store folder are reported, counted and can be made to
 * fail; all others pass.  It knows files, not stores.
 *
 * What 0.9.24 does without MDB_WRITEMAP, as seen here and by strace: pages by pwrite, or lseek and writev;
 * one fdatasync; then the 120 bytes of a meta page by pwrite through a second descriptor opened with O_DSYNC.
 * The map is read-only.  A writable map, an msync or an unknown file in the folder ends the program: the
 * proof would not see what they write. */
#ifndef SP_CRASH_TRAP_H
#define SP_CRASH_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum crash_io_kind {
    CRASH_IO_WRITE,       /* data.mdb: at, iov, iov_n, dsync */
    CRASH_IO_SYNC,        /* data.mdb: all writes before it are durable */
    CRASH_IO_CREATE,      /* data.mdb is a new file; reported with its first write */
    CRASH_IO_UNLINK,      /* data.mdb is removed */
    CRASH_IO_SYNC_FOLDER, /* the name data.mdb is durable */
    CRASH_IO_SYNC_PARENT, /* the folder's name is durable */
};

struct crash_io {
    enum crash_io_kind kind;
    uint64_t at;
    const struct iovec *iov;
    int iov_n;
    bool dsync; /* the descriptor has O_DSYNC: durable when the call returns */
};

typedef void crash_sink(void *self, const struct crash_io *io);

/* Reports calls on DIR/data.mdb, DIR and its parent, each after it succeeded.  NULL: reports nothing and
 * watches nothing. */
void crash_trap_watch(const char *dir, crash_sink *sink, void *self);

enum crash_fault {
    CRASH_FAULT_NONE,
    CRASH_FAULT_EIO,        /* the call and all later ones fail */
    CRASH_FAULT_EIO_ONCE,   /* this call alone fails */
    CRASH_FAULT_SHORT_ONCE, /* this write writes half; a sync fails with EIO */
    CRASH_FAULT_ENOSPC,     /* from here on the disk is full: no new blocks; a write is cut where they end */
};

/* The n-th watched call from now (0: the next) meets the fault.  Restarts the counters. */
void crash_trap_fail(enum crash_fault fault, uint64_t n);
uint64_t crash_trap_calls(void); /* watched calls since then */
uint64_t crash_trap_hits(void);  /* calls that failed since then */

/* The disk has that many bytes for data.mdb, and fstatvfs says so.  0: the real disk. */
void crash_trap_capacity(uint64_t bytes);

/* This disk cannot allocate blocks ahead of writes, as some file systems. */
void crash_trap_plain(bool is_plain);

/* Flags added to each mdb_env_open. */
void crash_trap_env_flags(unsigned flags);

/* Calls of this program's own that nobody sees.  False: the system said no. */
bool crash_raw_write(int fd, const void *p, size_t n, uint64_t at);
bool crash_raw_resize(int fd, uint64_t n);

#define CRASH_PATH 256
/* "DIR<between>NAME" in out; a path that is too long ends the program. */
void crash_path(char out[CRASH_PATH], const char *dir, const char *between, const char *name);

/* Prints the sentence and ends the program with 2. */
void crash_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
