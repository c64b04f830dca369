/* Makes the disk of a real gateway fail: a library that is loaded before LMDB (LD_PRELOAD) and replaces the
 * calls by which LMDB writes data.mdb.  DISK_FAULT="KIND N": the N-th call (from 0) on data.mdb meets KIND:
 *   eio    it and all later ones fail with EIO
 *   sync   the first fdatasync from there on fails with EIO, and no other call
 *   nospc  it and all later ones fail with ENOSPC, as if the disk's free blocks were a lie; but not those of
 *          meta pages, which overwrite blocks that the file has had from its beginning
 *   short  it writes half
 * When the first one fails, a line "disk fault" goes to stderr. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static char kind[8];
static unsigned long first;
static atomic_ulong calls;
static atomic_bool hit;

__attribute__((constructor)) static void read_plan(void)
{
    const char *plan = getenv("DISK_FAULT");
    if (!plan || sscanf(plan, "%7s %lu", kind, &first) != 2) {
        fprintf(stderr, "DISK_FAULT is missing\n");
        _exit(2);
    }
}

static bool is_data(int fd)
{
    char link[40];
    char path[400];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 9)
        return false;
    path[n] = '\0';
    return strcmp(path + n - 9, "/data.mdb") == 0;
}

/* Less than a page is written to meta pages alone. */
static bool is_spared(size_t n)
{
    return n < 4096 && strcmp(kind, "nospc") == 0;
}

static bool springs(int fd, bool is_sync)
{
    if (!is_data(fd) || atomic_fetch_add(&calls, 1) < first)
        return false;
    bool is_lasting = strcmp(kind, "eio") == 0 || strcmp(kind, "nospc") == 0;
    if (strcmp(kind, "sync") == 0 && !is_sync)
        return false;
    bool was_hit = atomic_exchange(&hit, true);
    if (was_hit && !is_lasting)
        return false;
    if (!was_hit)
        (void)!write(STDERR_FILENO, "disk fault\n", 11);
    errno = strcmp(kind, "nospc") == 0 ? ENOSPC : EIO;
    return true;
}

#define REAL(name) ((name##_fn *)(uintptr_t)dlsym(RTLD_NEXT, #name))

typedef ssize_t pwrite_fn(int fd, const void *p, size_t n, off_t at);
typedef ssize_t writev_fn(int fd, const struct iovec *iov, int n);
typedef ssize_t pwritev_fn(int fd, const struct iovec *iov, int n, off_t at);
typedef int fdatasync_fn(int fd);

static bool is_short(void)
{
    return strcmp(kind, "short") == 0;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (is_spared(n) || !springs(fd, false))
        return REAL(pwrite)(fd, p, n, at);
    return is_short() ? REAL(pwrite)(fd, p, n / 2, at) : -1;
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    if (!springs(fd, false))
        return REAL(writev)(fd, iov, n);
    return is_short() ? REAL(pwrite)(fd, iov[0].iov_base, iov[0].iov_len / 2, lseek(fd, 0, SEEK_CUR)) : -1;
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    if (!springs(fd, false))
        return REAL(pwritev)(fd, iov, n, at);
    return is_short() ? REAL(pwrite)(fd, iov[0].iov_base, iov[0].iov_len / 2, at) : -1;
}

int fdatasync(int fd)
{
    return springs(fd, true) ? -1 : REAL(fdatasync)(fd);
}
