/* Folder, file and space of the LMDB engine. */
#include "lmdb_guard.h"

#include "engine.h"
#include "lmdb_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FULL_PERCENT   90U
#define DATA_NAME      "data.mdb"
#define LOCK_NAME      "lock.mdb"
#define LOCK_BYTES     32768 /* more than SP_LMDB_READERS_MAX slots of 64 bytes and their head */
#define LMDB_MAGIC     0xBEEFC0DEU
#define LMDB_VERSION   1U
#define META_BYTES_MAX 256U
#define SECTOR         512U
#define UNBORN_MAX     ((uint64_t)2 * 65536) /* two meta pages of the largest size */

/* ---- the two meta pages, as LMDB 0.9 lays them out on 64-bit machines of the byte order that wrote them
 * ---- */

enum meta_offset {
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_FREE_ROOT = 80,
    META_LAST_PAGE = 136,
    META_TXN = 144,
};

struct meta {
    uint32_t magic, version, page_size;
    uint64_t free_root, last_page, txn;
};

static uint32_t u32_at(const uint8_t *p, size_t at)
{
    uint32_t v;
    memcpy(&v, p + at, sizeof(v));
    return v;
}

static uint64_t u64_at(const uint8_t *p, size_t at)
{
    uint64_t v;
    memcpy(&v, p + at, sizeof(v));
    return v;
}

static int read_meta(int fd, uint64_t at, struct meta *m)
{
    uint8_t b[META_BYTES_MAX];
    if (pread(fd, b, sizeof(b), (off_t)at) != (ssize_t)sizeof(b))
        return SP_ECORRUPT;
    *m = (struct meta){.magic = u32_at(b, META_MAGIC),
                       .version = u32_at(b, META_VERSION),
                       .page_size = u32_at(b, META_PAGE_SIZE),
                       .free_root = u64_at(b, META_FREE_ROOT),
                       .last_page = u64_at(b, META_LAST_PAGE),
                       .txn = u64_at(b, META_TXN)};
    return 0;
}

static bool page_size_is_valid(uint32_t n)
{
    return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

static int check_meta(const struct meta *m, const struct sp_store_config *cfg)
{
    if (m->magic != LMDB_MAGIC || !page_size_is_valid(m->page_size)) {
        sp_engine_reason(cfg, "data.mdb has a damaged meta page");
        return SP_ECORRUPT;
    }
    if (m->version != LMDB_VERSION) {
        sp_engine_reason(cfg, "data.mdb has LMDB format %u; this program knows %u", m->version, LMDB_VERSION);
        return SP_EVERSION;
    }
    return 0;
}

/* LMDB opens a file that is shorter than its pages, and dies by SIGBUS at the first missing one.  Only free
 * pages may be missing at the end. */
static bool is_whole(int fd, uint64_t size, const struct meta *m)
{
    if (m->last_page >= UINT64_MAX / m->page_size)
        return false;
    struct sp_lmdb_tail tail = {.fd = fd,
                                .page_size = m->page_size,
                                .size = size,
                                .last_page = m->last_page,
                                .free_root = m->free_root};
    return sp_lmdb_tail_is_free(&tail);
}

static int check_data(int fd, uint64_t size, const struct sp_store_config *cfg)
{
    struct meta first;
    struct meta second;
    if (read_meta(fd, 0, &first)) {
        sp_engine_reason(cfg, "data.mdb is shorter than a meta page");
        return SP_ECORRUPT;
    }
    int err = check_meta(&first, cfg);
    if (err)
        return err;
    if (read_meta(fd, first.page_size, &second)) {
        sp_engine_reason(cfg, "data.mdb is shorter than its meta pages");
        return SP_ECORRUPT;
    }
    err = check_meta(&second, cfg);
    if (err)
        return err;
    const struct meta *newest = second.txn > first.txn ? &second : &first;
    if (!is_whole(fd, size, newest)) {
        sp_engine_reason(cfg, "data.mdb is shorter than its last page");
        return SP_ECORRUPT;
    }
    return 0;
}

/* A meta page that no commit has written: absent, zeros, or what LMDB makes a new file with. */
static bool is_blank_meta(int fd, uint64_t at)
{
    static const uint8_t zeros[META_BYTES_MAX];
    uint8_t b[META_BYTES_MAX] = {0};
    if (pread(fd, b, sizeof(b), (off_t)at) < 0)
        return false;
    if (memcmp(b, zeros, sizeof(b)) == 0)
        return true;
    return u32_at(b, META_MAGIC) == LMDB_MAGIC && u32_at(b, META_VERSION) == LMDB_VERSION &&
           u64_at(b, META_TXN) == 0;
}

/* A creation that a power cut stopped leaves any of the sectors of its first two pages and of its first
 * commit, but no meta page that names a commit: nothing was ever stored. */
static bool is_unborn(int fd, uint64_t size)
{
    struct meta first;
    uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
    if (size > UNBORN_MAX || size % SECTOR != 0)
        return false;
    if (read_meta(fd, 0, &first) == 0 && first.magic == LMDB_MAGIC && page_size_is_valid(first.page_size))
        page_size = first.page_size;
    return is_blank_meta(fd, 0) && is_blank_meta(fd, page_size);
}

static int check_file(int dir_fd, const struct sp_store_config *cfg, bool *fresh)
{
    int fd = openat(dir_fd, DATA_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        *fresh = errno == ENOENT;
        if (!*fresh)
            sp_engine_reason(cfg, "cannot open data.mdb: %s", strerror(errno));
        return *fresh ? 0 : SP_EIO;
    }
    struct stat st;
    int err = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        sp_engine_reason(cfg, "data.mdb is not a regular file");
        err = SP_EIO;
    } else {
        *fresh = is_unborn(fd, (uint64_t)st.st_size);
        if (!*fresh)
            err = check_data(fd, (uint64_t)st.st_size, cfg);
        else if (unlinkat(dir_fd, DATA_NAME, 0) != 0)
            err = SP_EIO;
    }
    (void)close(fd);
    return err;
}

/* LMDB writes its table of readers through a map, and a file system without room answers that with SIGBUS: so
 * the table's blocks are allocated before. */
static int hold_lock_file(int dir_fd, const struct sp_store_config *cfg)
{
    int fd = openat(dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_BYTES) != 0)
        error = errno;
    if (fd >= 0)
        (void)close(fd);
    if (error == 0 || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL)
        return 0;
    sp_engine_reason(cfg, "cannot write lock.mdb: %s", strerror(error));
    return SP_EIO;
}

/* ---- the folder ---- */

static int open_dir(const char *dir, const struct sp_store_config *cfg)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        sp_engine_reason(cfg, "cannot create folder '%s': %s", dir, strerror(errno));
        return -1;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        sp_engine_reason(cfg, "cannot open folder '%s': %s", dir, strerror(errno));
    return fd;
}

int sp_lmdb_guard_open(struct sp_lmdb_guard *g, const char *dir, const struct sp_store_config *cfg,
                       bool *fresh)
{
    *g = (struct sp_lmdb_guard){.dir_fd = open_dir(dir, cfg), .reserve_bytes = cfg->reserve_bytes};
    sp_lmdb_room_init(&g->room, cfg->reserve_bytes);
    if (g->dir_fd < 0)
        return SP_EIO;
    int err = 0;
    if (flock(g->dir_fd, LOCK_EX | LOCK_NB) != 0) {
        sp_engine_reason(cfg, "store '%s' is in use by another process", dir);
        err = SP_EBUSY;
    } else {
        err = check_file(g->dir_fd, cfg, fresh);
        if (!err)
            err = hold_lock_file(g->dir_fd, cfg);
    }
    if (err)
        sp_lmdb_guard_close(g);
    return err;
}

int sp_lmdb_guard_sync(const struct sp_lmdb_guard *g)
{
    int parent = openat(g->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fsync(g->dir_fd) == 0 && parent >= 0 && fsync(parent) == 0;
    if (parent >= 0)
        (void)close(parent);
    return ok ? 0 : SP_EIO;
}

void sp_lmdb_guard_close(struct sp_lmdb_guard *g)
{
    if (g->dir_fd >= 0)
        (void)close(g->dir_fd);
    g->dir_fd = -1;
}

/* ---- space ---- */

static bool map_is_full(const struct sp_lmdb_guard *g, MDB_env *env, uint64_t map, uint64_t used)
{
    uint64_t by_percent = map / 100 * FULL_PERCENT;
    uint64_t by_reserve = map > g->reserve_bytes ? map - g->reserve_bytes : 0;
    uint64_t limit = by_percent < by_reserve ? by_percent : by_reserve;
    if (used < limit)
        return false; /* the usual case needs no walk of the free tree */
    uint64_t unused = sp_lmdb_room_count(env).all;
    return used > unused && used - unused >= limit;
}

void sp_lmdb_guard_look(struct sp_lmdb_guard *g, MDB_env *env)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0)
        return;
    uint64_t used = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
    g->failed = sp_lmdb_room_look(&g->room, env, g->want) != 0;
    g->full = g->room.full || map_is_full(g, env, info.me_mapsize, used);
}

void sp_lmdb_guard_note_full(struct sp_lmdb_guard *g)
{
    sp_lmdb_room_note_full(&g->room);
}
