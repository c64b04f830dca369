/* Mishaps on demand: the linker puts these functions before the calls that the code under test makes
 * (sp_mishaps in tests/CMakeLists.txt), and a chosen one of them fails.  Calls inside of LMDB and of the C
 * library are not touched.  For one program: include it once. */
#ifndef SP_TEST_MISHAP_H
#define SP_TEST_MISHAP_H

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum mishap_kind {
    MISHAP_NONE,
    MISHAP_MEMORY, /* malloc, calloc, realloc give NULL */
    MISHAP_LMDB,   /* a call of LMDB fails with mishap.error and has done nothing */
    MISHAP_WRITE,  /* the same, of mdb_put, mdb_del and mdb_txn_commit alone */
    MISHAP_LOOK,   /* mdb_env_info, mdb_env_stat, mdb_env_get_fd, fstatvfs: questions about size */
    MISHAP_ROOM,   /* fallocate fails with mishap.error */
    MISHAP_ROW,    /* a row that LMDB found has its last byte changed */
    MISHAP_ABSENT, /* a row that is there is not found */
    MISHAP_SYSTEM, /* a call of the system fails with mishap.error and has done nothing */
};

static struct {
    enum mishap_kind kind;
    unsigned after; /* calls that still work */
    bool goes_on;   /* all later calls fail as well */
    int error;
    unsigned hits;
    char row[4096];
} mishap;

/* The call number `after` of this kind fails. */
static inline void mishap_arm(enum mishap_kind kind, int error, unsigned after)
{
    mishap.kind = kind;
    mishap.error = error;
    mishap.after = after;
    mishap.goes_on = false;
    mishap.hits = 0;
}

/* True if the chosen call was reached. */
static inline bool mishap_disarm(void)
{
    mishap.kind = MISHAP_NONE;
    return mishap.hits > 0;
}

static inline bool mishap_strikes(enum mishap_kind kind)
{
    if (mishap.kind != kind || (mishap.hits > 0 && !mishap.goes_on))
        return false;
    if (mishap.after > 0) {
        mishap.after--;
        return false;
    }
    mishap.hits++;
    errno = mishap.error;
    return true;
}

static inline bool mishap_strikes_write(void)
{
    return mishap_strikes(MISHAP_LMDB) || mishap_strikes(MISHAP_WRITE);
}

/* A found row, as the mishap wants it. */
static inline int mishap_row(int rc, MDB_val *v)
{
    if (rc != 0)
        return rc;
    if (mishap_strikes(MISHAP_ABSENT))
        return MDB_NOTFOUND;
    if (v->mv_size > 0 && v->mv_size <= sizeof(mishap.row) && mishap_strikes(MISHAP_ROW)) {
        memcpy(mishap.row, v->mv_data, v->mv_size);
        mishap.row[v->mv_size - 1] ^= 1;
        v->mv_data = mishap.row;
    }
    return 0;
}

#define MISHAP(kind, type, name, params, args, result)                                                       \
    type __real_##name params;                                                                               \
    type __wrap_##name params;                                                                               \
    type __wrap_##name params                                                                                \
    {                                                                                                        \
        return mishap_strikes(kind) ? (result) : __real_##name args;                                         \
    }

/* The linker asks for these names.  NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
 */
MISHAP(MISHAP_MEMORY, void *, malloc, (size_t n), (n), NULL)
MISHAP(MISHAP_MEMORY, void *, calloc, (size_t n, size_t size), (n, size), NULL)
MISHAP(MISHAP_MEMORY, void *, realloc, (void *p, size_t n), (p, n), NULL)

MISHAP(MISHAP_LMDB, int, mdb_env_create, (MDB_env * *env), (env), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_env_set_maxdbs, (MDB_env * env, MDB_dbi n), (env, n), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_env_set_maxreaders, (MDB_env * env, unsigned n), (env, n), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_env_set_mapsize, (MDB_env * env, size_t n), (env, n), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode),
       (env, path, flags, mode), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_env_sync, (MDB_env * env, int force), (env, force), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_reader_check, (MDB_env * env, int *dead), (env, dead), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
       (env, parent, flags, txn), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_txn_renew, (MDB_txn * txn), (txn), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
       (txn, name, flags, dbi), mishap.error)
MISHAP(MISHAP_LMDB, int, mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **c), (txn, dbi, c),
       mishap.error)

int __real_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags)
{
    return mishap_strikes_write() ? mishap.error : __real_mdb_put(txn, dbi, k, v, flags);
}

int __real_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v)
{
    return mishap_strikes_write() ? mishap.error : __real_mdb_del(txn, dbi, k, v);
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    if (!mishap_strikes_write())
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn); /* a commit that fails has freed its transaction */
    return mishap.error;
}

int __real_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v)
{
    if (mishap_strikes(MISHAP_LMDB))
        return mishap.error;
    return mishap_row(__real_mdb_get(txn, dbi, k, v), v);
}

int __real_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
    if (mishap_strikes(MISHAP_LMDB))
        return mishap.error;
    return mishap_row(__real_mdb_cursor_get(c, k, v, op), v);
}

MISHAP(MISHAP_LOOK, int, mdb_env_info, (MDB_env * env, MDB_envinfo *info), (env, info), mishap.error)
MISHAP(MISHAP_LOOK, int, mdb_env_stat, (MDB_env * env, MDB_stat *st), (env, st), mishap.error)
MISHAP(MISHAP_LOOK, int, mdb_env_get_fd, (MDB_env * env, mdb_filehandle_t *fd), (env, fd), mishap.error)
MISHAP(MISHAP_LOOK, int, fstatvfs, (int fd, struct statvfs *fs), (fd, fs), -1)

MISHAP(MISHAP_ROOM, int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), -1)

MISHAP(MISHAP_SYSTEM, int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
MISHAP(MISHAP_SYSTEM, int, fstat, (int fd, struct stat *st), (fd, st), -1)
MISHAP(MISHAP_SYSTEM, int, flock, (int fd, int op), (fd, op), -1)
MISHAP(MISHAP_SYSTEM, int, fsync, (int fd), (fd), -1)
MISHAP(MISHAP_SYSTEM, int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1)
MISHAP(MISHAP_SYSTEM, ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), -1)
MISHAP(MISHAP_SYSTEM, int, eventfd, (unsigned n, int flags), (n, flags), -1)
MISHAP(MISHAP_SYSTEM, int, pthread_create,
       (pthread_t * id, const pthread_attr_t *attr, void *(*run)(void *), void *arg), (id, attr, run, arg),
       mishap.error)

/* The third argument is there whether the caller gives it or not; without O_CREAT nobody reads it. */
int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, mode_t mode)
{
    return mishap_strikes(MISHAP_SYSTEM) ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
    return mishap_strikes(MISHAP_SYSTEM) ? -1 : __real_openat(dir, path, flags, mode);
}
/* NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming) */

#endif
