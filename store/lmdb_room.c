/* Blocks allocated ahead, and free pages counted. */
#include "lmdb_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FREE_DBI      0U           /* LMDB's own tree of free pages */
#define REQUEST_BYTES 262144U      /* what the pages of one request may take, and the smallest ballast */
#define DISK_PERCENT  10U          /* of the disk is left to others ... */
#define DISK_LEFT_MAX (1ULL << 30) /* ... at most this */
#define BLOCK         512U         /* unit of st_blocks */
#define LOOK_EVERY    64U          /* plain: commits between two looks at the disk */
#define LOOK_SHARE    8U           /* plain: of the ballast; after so much growth too */

/* ---- free pages ---- */

/* A line of LMDB's table of readers: process, thread, transaction ("-": none). */
static int note_reader(const char *line, void *oldest)
{
    uint64_t *min = oldest;
    const char *last = strrchr(line, ' ');
    if (last) {
        char *end;
        uint64_t id = strtoull(last + 1, &end, 10);
        if (end > last + 1 && id < *min)
            *min = id;
    }
    return 0;
}

/* Rows of the free tree are named by the transaction that freed their pages: a count and so many numbers. */
static void count_rows(MDB_cursor *c, uint64_t oldest, uint64_t page_size, struct sp_lmdb_room_free *out)
{
    MDB_val k;
    MDB_val v;
    for (int rc = mdb_cursor_get(c, &k, &v, MDB_FIRST); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        size_t id = 0;
        size_t count = 0;
        if (k.mv_size >= sizeof(id) && v.mv_size >= sizeof(count)) {
            memcpy(&id, k.mv_data, sizeof(id));
            memcpy(&count, v.mv_data, sizeof(count));
        }
        out->all += count * page_size;
        if (id < oldest)
            out->usable += count * page_size;
    }
}

struct sp_lmdb_room_free sp_lmdb_room_count(MDB_env *env)
{
    struct sp_lmdb_room_free out = {0};
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn;
    MDB_cursor *c;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0)
        return out;
    uint64_t oldest = info.me_last_txnid;
    (void)mdb_reader_list(env, note_reader, &oldest);
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return out;
    if (mdb_cursor_open(txn, FREE_DBI, &c) == 0) {
        count_rows(c, oldest, stat.ms_psize, &out);
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    return out;
}

/* ---- the disk ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void sp_lmdb_room_init(struct sp_lmdb_room *r, uint64_t reserve)
{
    *r = (struct sp_lmdb_room){.ballast = most(reserve, REQUEST_BYTES)};
}

void sp_lmdb_room_note_full(struct sp_lmdb_room *r)
{
    r->checks = 0;
    r->shy = 0;
}

/* Free bytes of the disk, and how many of them are for others. */
static bool look_at_disk(int fd, uint64_t *unused, uint64_t *others)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0)
        return false;
    *unused = (uint64_t)fs.f_bavail * fs.f_frsize;
    *others = least(DISK_LEFT_MAX, (uint64_t)fs.f_blocks * fs.f_frsize / 100 * DISK_PERCENT);
    return true;
}

static bool means_full(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static bool means_cannot(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

/* Allocates the blocks up to `to`.  The file keeps its length.  0 or errno. */
static int allocate(struct sp_lmdb_room *r, int fd, uint64_t to)
{
    int rc;
    do {
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)r->end, (off_t)(to - r->end));
    } while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return errno;
    r->end = to;
    return 0;
}

struct span {
    uint64_t used;       /* bytes of the file that pages may lie in */
    uint64_t need, nice; /* where it should end: at least, and better */
};

/* How far the disk allows.  The ballast may take its last byte; more is only taken while enough is left for
 * others. */
static uint64_t allowed(const struct span *s, int fd, uint64_t have, uint64_t *unused)
{
    uint64_t others;
    if (!look_at_disk(fd, unused, &others))
        return s->nice;
    uint64_t polite = have + (*unused > others ? *unused - others : 0);
    uint64_t all = have + *unused;
    return most(least(s->nice, polite), least(s->need, all));
}

static int extend(struct sp_lmdb_room *r, int fd, const struct span *s)
{
    uint64_t unused = 0;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return SP_EIO;
    uint64_t have = (uint64_t)st.st_blocks * BLOCK;
    if (r->end == 0 && have >= s->used + r->ballast)
        r->end = s->used; /* an earlier process allocated: no page lies in a hole, and the walk is saved */
    uint64_t to = allowed(s, fd, most(have, r->end), &unused);
    bool is_crumb = to < s->need && to < r->end + REQUEST_BYTES;
    if (to <= r->end || (is_crumb && r->end > 0) || (r->shy && r->shy == unused))
        return 0;
    int error = allocate(r, fd, to);
    r->shy = means_full(error) ? unused : 0;
    if (r->shy && r->end == 0)
        r->end = s->used; /* taken as allocated: it was written, but for pages that are free since ever */
    r->is_plain = means_cannot(error);
    return error == 0 || r->shy || r->is_plain ? 0 : SP_EIO;
}

/* Without blocks ahead: the ballast is what the disk must have left. */
static void look_plain(struct sp_lmdb_room *r, int fd, uint64_t used)
{
    uint64_t unused;
    uint64_t others;
    bool grown = used >= r->looked + r->ballast / LOOK_SHARE;
    r->budget = UINT64_MAX;
    if (!r->full && !grown && r->checks++ % LOOK_EVERY != 0)
        return;
    r->looked = used;
    if (look_at_disk(fd, &unused, &others))
        r->full = unused < most(r->ballast, others);
}

/* What is left of the blocks, and of the pages inside: enough for ballast and one request? */
static void judge(struct sp_lmdb_room *r, MDB_env *env, uint64_t ahead)
{
    struct sp_lmdb_room_free unused = {0};
    r->full = r->is_low = r->is_stuck = false;
    if (ahead < r->ballast + REQUEST_BYTES) {
        unused = sp_lmdb_room_count(env);
        r->is_stuck = ahead + unused.usable < REQUEST_BYTES && unused.all > unused.usable;
        r->full = r->is_stuck || ahead + unused.all < r->ballast + REQUEST_BYTES;
    }
    r->is_low = r->full && ahead + unused.all < r->ballast / 2;
    uint64_t usable = ahead + unused.usable;
    r->budget = !r->full && usable > r->ballast ? usable - r->ballast : usable / 4;
}

bool sp_lmdb_room_is_enough(const struct sp_lmdb_room *r)
{
    return !r->is_low;
}

int sp_lmdb_room_look(struct sp_lmdb_room *r, MDB_env *env, uint64_t want)
{
    MDB_envinfo info;
    MDB_stat stat;
    int fd;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0 || mdb_env_get_fd(env, &fd) != 0)
        return 0;
    uint64_t map = info.me_mapsize;
    struct span s = {.used = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize};
    uint64_t base = s.used + r->ballast + REQUEST_BYTES;
    uint64_t low = least(map, base + most(want, r->ballast / 2));
    s.need = least(map, base);
    s.nice = least(map, base + most(want, r->ballast));
    int err = !r->is_plain && r->end < low ? extend(r, fd, &s) : 0;
    if (r->is_plain) {
        look_plain(r, fd, s.used);
    } else if (r->end >= map) {
        r->full = r->is_low = r->is_stuck = false; /* the map ends before the disk */
        r->budget = UINT64_MAX;
    } else {
        judge(r, env, r->end > s.used ? r->end - s.used : 0);
    }
    return err;
}
