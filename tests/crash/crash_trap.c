/* The replaced system calls. */
#include "crash_trap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum place { PLACE_ELSEWHERE, PLACE_DATA, PLACE_LOCK, PLACE_FOLDER, PLACE_PARENT };

static struct {
    char dir[CRASH_PATH], parent[CRASH_PATH], data[CRASH_PATH], lock[CRASH_PATH];
    crash_sink *sink;
    void *self;
    ino_t data_ino; /* 0: none yet */
    enum crash_fault fault;
    uint64_t calls, fail_at, hits, capacity;
    uint64_t allocated; /* bytes of data.mdb whose blocks are allocated, besides those written */
    bool is_plain;      /* this disk cannot allocate ahead */
    unsigned env_flags;
} trap;

void crash_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(NULL);
    _exit(2);
}

void crash_path(char out[CRASH_PATH], const char *dir, const char *between, const char *name)
{
    int n = snprintf(out, CRASH_PATH, "%s%s%s", dir, between, name);
    if (n < 0 || n >= CRASH_PATH)
        crash_die("a path is too long: %s%s%s", dir, between, name);
}

/* ---- what is watched ---- */

void crash_trap_watch(const char *dir, crash_sink *sink, void *self)
{
    trap.dir[0] = '\0';
    trap.sink = sink;
    trap.self = self;
    trap.data_ino = 0;
    trap.allocated = 0;
    if (!dir)
        return;
    crash_path(trap.dir, dir, "", "");
    crash_path(trap.parent, dir, "/", "..");
    crash_path(trap.data, dir, "/", "data.mdb");
    crash_path(trap.lock, dir, "/", "lock.mdb");
    struct stat st;
    if (stat(trap.data, &st) == 0)
        trap.data_ino = st.st_ino;
}

static bool is_file(const struct stat *st, const char *path)
{
    struct stat other;
    return stat(path, &other) == 0 && other.st_ino == st->st_ino && other.st_dev == st->st_dev;
}

static void refuse_unknown(int fd)
{
    char link[40];
    char path[2 * CRASH_PATH];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    size_t len = strlen(trap.dir);
    if (strncmp(path, trap.dir, len) == 0 && path[len] == '/')
        crash_die("the store writes '%s', of which the crash proof knows nothing", path);
}

static enum place place_of(int fd)
{
    struct stat st;
    if (!trap.dir[0] || fstat(fd, &st) != 0)
        return PLACE_ELSEWHERE;
    if (S_ISDIR(st.st_mode)) {
        if (is_file(&st, trap.dir))
            return PLACE_FOLDER;
        return is_file(&st, trap.parent) ? PLACE_PARENT : PLACE_ELSEWHERE;
    }
    if (!S_ISREG(st.st_mode))
        return PLACE_ELSEWHERE;
    if (st.st_ino == trap.data_ino || is_file(&st, trap.data)) /* the number alone saves a call */
        return PLACE_DATA;
    if (is_file(&st, trap.lock))
        return PLACE_LOCK;
    refuse_unknown(fd);
    return PLACE_ELSEWHERE;
}

static void report(const struct crash_io *io)
{
    if (trap.sink)
        trap.sink(trap.self, io);
}

static void report_write(int fd, uint64_t at, const struct iovec *iov, int n)
{
    struct stat st;
    if (!trap.sink)
        return;
    if (fstat(fd, &st) == 0 && st.st_ino != trap.data_ino) {
        trap.data_ino = st.st_ino;
        report(&(struct crash_io){.kind = CRASH_IO_CREATE});
    }
    bool dsync = fcntl(fd, F_GETFL) & O_DSYNC;
    report(&(struct crash_io){.kind = CRASH_IO_WRITE, .at = at, .iov = iov, .iov_n = n, .dsync = dsync});
}

/* ---- faults ---- */

void crash_trap_fail(enum crash_fault fault, uint64_t n)
{
    trap.fault = fault;
    trap.fail_at = n;
    trap.calls = 0;
    trap.hits = 0;
}

uint64_t crash_trap_calls(void)
{
    return trap.calls;
}

uint64_t crash_trap_hits(void)
{
    return trap.hits;
}

void crash_trap_capacity(uint64_t bytes)
{
    trap.capacity = bytes;
}

void crash_trap_plain(bool is_plain)
{
    trap.is_plain = is_plain;
}

void crash_trap_env_flags(unsigned flags)
{
    trap.env_flags = flags;
}

static uint64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Bytes of the file that need no more blocks. */
static uint64_t backed(int fd)
{
    uint64_t size = size_of(fd);
    return size > trap.allocated ? size : trap.allocated;
}

/* True: this call meets the fault.  end: where a write would end; 0: no write. */
static bool fails(int fd, uint64_t end)
{
    uint64_t call = trap.calls++;
    bool hit = false;
    switch (trap.fault) {
    case CRASH_FAULT_NONE:
        break;
    case CRASH_FAULT_EIO:
        hit = call >= trap.fail_at;
        break;
    case CRASH_FAULT_EIO_ONCE:
    case CRASH_FAULT_SHORT_ONCE:
        hit = call == trap.fail_at;
        break;
    case CRASH_FAULT_ENOSPC:
        hit = call >= trap.fail_at && end > backed(fd);
        break;
    }
    if (!hit && trap.capacity)
        hit = end > trap.capacity && end > backed(fd);
    trap.hits += hit;
    return hit;
}

static int fault_errno(void)
{
    return trap.fault == CRASH_FAULT_ENOSPC || trap.capacity ? ENOSPC : EIO;
}

/* ---- writes ---- */

bool crash_raw_write(int fd, const void *p, size_t n, uint64_t at)
{
    return syscall(SYS_pwrite64, fd, p, n, at) == (long)n;
}

bool crash_raw_resize(int fd, uint64_t n)
{
    return syscall(SYS_ftruncate, fd, n) == 0;
}

static size_t bytes_of(const struct iovec *iov, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* The first `max` bytes of a write reach the file, at most its first buffer, and the caller is told so. */
static ssize_t write_part(int fd, const struct iovec *iov, size_t max, uint64_t at)
{
    struct iovec part = iov[0];
    part.iov_len = max < part.iov_len ? max : part.iov_len;
    if (!crash_raw_write(fd, part.iov_base, part.iov_len, at))
        crash_die("cannot write: %s", strerror(errno));
    report_write(fd, at, &part, 1);
    return (ssize_t)part.iov_len;
}

/* A write that meets the fault: it fails, or a part of it is done. */
static ssize_t write_failing(int fd, const struct iovec *iov, int n, uint64_t at)
{
    if (trap.fault == CRASH_FAULT_SHORT_ONCE && place_of(fd) == PLACE_DATA)
        return write_part(fd, iov, bytes_of(iov, n) / 2, at);
    uint64_t fits = trap.fault == CRASH_FAULT_ENOSPC || trap.capacity ? backed(fd) : 0;
    if (trap.capacity > fits)
        fits = trap.capacity;
    if (fits > at) /* as file systems do: what fits is written */
        return write_part(fd, iov, (size_t)(fits - at), at);
    errno = fault_errno();
    return -1;
}

/* at: UINT64_MAX writes at the descriptor's own position. */
static ssize_t write_any(int fd, const struct iovec *iov, int n, uint64_t at)
{
    enum place place = place_of(fd);
    bool moves = at == UINT64_MAX;
    if (place != PLACE_ELSEWHERE) {
        uint64_t from = moves ? (uint64_t)lseek(fd, 0, SEEK_CUR) : at;
        if (fails(fd, from + bytes_of(iov, n)))
            return write_failing(fd, iov, n, from);
        long done = moves ? syscall(SYS_writev, fd, iov, n) : syscall(SYS_pwritev, fd, iov, n, at, 0);
        if (done != (long)bytes_of(iov, n))
            crash_die("the disk of the proof itself failed: %s", strerror(errno));
        if (place == PLACE_DATA)
            report_write(fd, from, iov, n);
        return done;
    }
    return moves ? syscall(SYS_writev, fd, iov, n) : syscall(SYS_pwritev, fd, iov, n, at, 0);
}

static struct iovec vec_of(const void *p, size_t n)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return (struct iovec){.iov_base = u.out, .iov_len = n};
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    struct iovec iov = vec_of(p, n);
    return write_any(fd, &iov, 1, (uint64_t)at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    return write_any(fd, iov, n, (uint64_t)at);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t at)
{
    return write_any(fd, iov, n, (uint64_t)at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    struct iovec iov = vec_of(p, n);
    return write_any(fd, &iov, 1, UINT64_MAX);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return write_any(fd, iov, n, UINT64_MAX);
}

/* ---- syncs and the rest ---- */

static int sync_any(int fd)
{
    enum place place = place_of(fd);
    if (place == PLACE_ELSEWHERE)
        return 0; /* nothing else in this program needs the disk */
    if (fails(fd, 0)) {
        errno = EIO;
        return -1;
    }
    static const enum crash_io_kind kinds[] = {[PLACE_DATA] = CRASH_IO_SYNC,
                                               [PLACE_FOLDER] = CRASH_IO_SYNC_FOLDER,
                                               [PLACE_PARENT] = CRASH_IO_SYNC_PARENT};
    if (place != PLACE_LOCK)
        report(&(struct crash_io){.kind = kinds[place]});
    return 0;
}

int fdatasync(int fd)
{
    return sync_any(fd);
}

int fsync(int fd)
{
    return sync_any(fd);
}

/* Blocks are counted, not taken. */
int fallocate(int fd, int mode, off_t at, off_t n)
{
    uint64_t end = (uint64_t)at + (uint64_t)n;
    if (place_of(fd) != PLACE_DATA)
        return (int)syscall(SYS_fallocate, fd, mode, at, n);
    if (mode != FALLOC_FL_KEEP_SIZE)
        crash_die("data.mdb is allocated in a way that the crash proof does not model");
    if (trap.is_plain) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (fails(fd, end)) {
        errno = fault_errno();
        return -1;
    }
    if (end > trap.allocated)
        trap.allocated = end;
    return 0;
}

int fallocate64(int fd, int mode, off_t at, off_t n)
{
    return fallocate(fd, mode, at, n);
}

int ftruncate(int fd, off_t n)
{
    enum place place = place_of(fd);
    if (place == PLACE_DATA)
        crash_die("data.mdb is truncated, which the crash proof does not model");
    if (place != PLACE_ELSEWHERE && fails(fd, (uint64_t)n)) {
        errno = fault_errno();
        return -1;
    }
    return crash_raw_resize(fd, (uint64_t)n) ? 0 : -1;
}

int ftruncate64(int fd, off_t n)
{
    return ftruncate(fd, n);
}

int msync(void *p, size_t n, int flags)
{
    if (trap.dir[0])
        crash_die("msync on a watched store: writes through a map are not seen");
    return (int)syscall(SYS_msync, p, n, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
    struct stat before;
    bool data = trap.dir[0] && fstatat(fd, name, &before, 0) == 0 && is_file(&before, trap.data);
    int rc = (int)syscall(SYS_unlinkat, fd, name, flags);
    if (rc == 0 && data)
        report(&(struct crash_io){.kind = CRASH_IO_UNLINK});
    return rc;
}

typedef int fstatvfs_fn(int fd, struct statvfs *out);
typedef int env_open_fn(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);

/* The replaced function itself. */
union real {
    void *symbol;
    fstatvfs_fn *fstatvfs;
    env_open_fn *env_open;
};

static union real real_of(const char *name)
{
    union real real = {.symbol = dlsym(RTLD_NEXT, name)};
    if (!real.symbol)
        crash_die("no %s to replace: is LMDB linked statically?", name);
    return real;
}

int fstatvfs(int fd, struct statvfs *out)
{
    struct stat st;
    int rc = real_of("fstatvfs").fstatvfs(fd, out);
    if (rc || !trap.dir[0])
        return rc;
    uint64_t used = stat(trap.data, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (used < trap.allocated)
        used = trap.allocated;
    if (trap.fault == CRASH_FAULT_ENOSPC && trap.calls >= trap.fail_at) {
        out->f_bavail = 0;
        trap.hits++;
    } else if (trap.capacity) {
        out->f_bavail = (trap.capacity > used ? trap.capacity - used : 0) / out->f_frsize;
        out->f_blocks = trap.capacity / out->f_frsize;
    }
    return 0;
}

int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    if (flags & MDB_WRITEMAP)
        crash_die("MDB_WRITEMAP: writes through a map are not seen");
    return real_of("mdb_env_open").env_open(env, path, flags | trap.env_flags, mode);
}
