/* Room on the disk: blocks allocated ahead, free pages counted, the ballast kept.  The disk is replaced here:
 * it has as many bytes as a test says, or cannot allocate at all. */
#include "lmdb_room.h"

#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB     (1ULL << 20)
#define BALLAST (4 * MIB)

static struct {
    bool on;
    uint64_t size, taken; /* bytes of the disk, and of them allocated */
    int error;            /* of each fallocate; 0: as the size says */
    unsigned calls;
} disk;

int fallocate(int fd, int mode, off_t at, off_t n)
{
    (void)fd;
    cr_assert_eq(mode, FALLOC_FL_KEEP_SIZE);
    if (!disk.on)
        return 0;
    uint64_t end = (uint64_t)at + (uint64_t)n;
    disk.calls++;
    errno = disk.error ? disk.error : ENOSPC;
    if (disk.error || end > disk.size)
        return -1;
    disk.taken = end > disk.taken ? end : disk.taken;
    return 0;
}

int fstatvfs(int fd, struct statvfs *out)
{
    (void)fd;
    *out = (struct statvfs){.f_frsize = 1, .f_blocks = disk.size, .f_bavail = disk.size - disk.taken};
    return 0;
}

struct kitchen {
    char dir[64];
    MDB_env *env;
    MDB_dbi dbi;
    struct sp_lmdb_room room;
};

static void start(struct kitchen *k, uint64_t size, uint64_t map)
{
    *k = (struct kitchen){.dir = "/tmp/sampan-room-XXXXXX"};
    cr_assert_not_null(mkdtemp(k->dir));
    cr_assert_eq(mdb_env_create(&k->env), 0);
    cr_assert_eq(mdb_env_set_mapsize(k->env, map), 0);
    cr_assert_eq(mdb_env_open(k->env, k->dir, MDB_NOTLS, 0600), 0);
    sp_lmdb_room_init(&k->room, BALLAST);
    disk.on = true;
    disk.size = size;
    disk.taken = disk.calls = 0;
    disk.error = 0;
}

static void stop(struct kitchen *k)
{
    disk.on = false;
    mdb_env_close(k->env);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* One transaction: rows first..first+n-1 of 1,500 bytes are written, or removed. */
static void change(struct kitchen *k, uint32_t first, uint32_t n, bool removes)
{
    static char blob[1500];
    MDB_txn *txn;
    cr_assert_eq(mdb_txn_begin(k->env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &k->dbi), 0);
    for (uint32_t i = first; i < first + n; i++) {
        MDB_val key = {sizeof(i), &i};
        MDB_val data = {sizeof(blob), blob};
        cr_assert_eq(removes ? mdb_del(txn, k->dbi, &key, NULL) : mdb_put(txn, k->dbi, &key, &data, 0), 0);
    }
    cr_assert_eq(mdb_txn_commit(txn), 0);
}

static int look(struct kitchen *k, uint64_t want)
{
    return sp_lmdb_room_look(&k->room, k->env, want);
}

Test(lmdb_room, ballast_and_what_is_wanted_are_allocated)
{
    struct kitchen k;
    start(&k, 1024 * MIB, 512 * MIB);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_geq(disk.taken, 2 * BALLAST);
    cr_assert_leq(disk.taken, 3 * BALLAST);
    cr_assert_geq(k.room.budget, BALLAST);
    cr_assert_not(k.room.full);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_eq(disk.calls, 1U, "what is there is not asked for again");
    cr_assert_eq(look(&k, 20 * MIB), 0);
    cr_assert_geq(k.room.budget, 20 * MIB);
    stop(&k);
}

Test(lmdb_room, nothing_is_allocated_behind_the_map)
{
    struct kitchen k;
    start(&k, 1024 * MIB, 6 * MIB);
    cr_assert_eq(look(&k, 100 * MIB), 0);
    cr_assert_eq(disk.taken, 6 * MIB);
    cr_assert_eq(k.room.budget, UINT64_MAX, "the map ends before the disk");
    stop(&k);
}

Test(lmdb_room, the_ballast_is_kept_and_pages_inside_are_room)
{
    struct kitchen k;
    start(&k, 8 * MIB, 512 * MIB);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_not(k.room.full);
    uint32_t n = 0;
    for (; !k.room.full; n += 100) {
        cr_assert_lt(n, 5000U, "never full");
        change(&k, n, 100, false);
        cr_assert_eq(look(&k, 0), 0);
    }
    cr_assert(sp_lmdb_room_is_enough(&k.room));
    cr_assert_gt(k.room.budget, 0U, "confirms go on");
    cr_assert_eq(look(&k, 0), 0);
    cr_assert(k.room.full);
    change(&k, 0, n - 100, true);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_not(k.room.full, "the pages of what was removed");
    stop(&k);
}

Test(lmdb_room, a_used_ballast_is_low)
{
    struct kitchen k;
    start(&k, 8 * MIB, 512 * MIB);
    cr_assert_eq(look(&k, 0), 0);
    change(&k, 0, 2900, false);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert(k.room.full);
    cr_assert_not(sp_lmdb_room_is_enough(&k.room));
    disk.size = 1024 * MIB;
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_not(k.room.full, "a larger disk is room at once");
    cr_assert(sp_lmdb_room_is_enough(&k.room));
    stop(&k);
}

Test(lmdb_room, the_last_tenth_of_the_disk_is_for_others)
{
    struct kitchen k;
    start(&k, 100 * MIB, 512 * MIB);
    cr_assert_eq(look(&k, 200 * MIB), 0);
    cr_assert_geq(disk.taken, 90 * MIB);
    cr_assert_leq(disk.taken, 90 * MIB + 65536, "and the file's own pages, which this disk does not count");
    stop(&k);
}

Test(lmdb_room, pages_of_the_last_commit_and_of_readers_are_not_usable)
{
    struct kitchen k;
    start(&k, 1024 * MIB, 512 * MIB);
    change(&k, 0, 1000, false);
    change(&k, 0, 900, true);
    struct sp_lmdb_room_free f = sp_lmdb_room_count(k.env);
    cr_assert_gt(f.all, MIB);
    cr_assert_lt(f.usable, MIB);
    change(&k, 1000, 1, false);
    f = sp_lmdb_room_count(k.env);
    cr_assert_gt(f.usable, MIB);
    MDB_txn *reader;
    cr_assert_eq(mdb_txn_begin(k.env, NULL, MDB_RDONLY, &reader), 0);
    change(&k, 0, 500, false);
    change(&k, 0, 500, true);
    change(&k, 1001, 1, false);
    uint64_t held = sp_lmdb_room_count(k.env).usable;
    mdb_txn_abort(reader);
    cr_assert_gt(sp_lmdb_room_count(k.env).usable, held + MIB / 2);
    stop(&k);
}

Test(lmdb_room, an_io_error_is_not_a_full_disk)
{
    struct kitchen k;
    start(&k, 1024 * MIB, 512 * MIB);
    disk.error = EIO;
    cr_assert_eq(look(&k, 0), SP_EIO);
    disk.error = EDQUOT;
    cr_assert_eq(look(&k, 0), 0);
    cr_assert(k.room.full);
    unsigned calls = disk.calls;
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_eq(disk.calls, calls, "a disk that refused is not asked again while nothing changed");
    disk.error = 0;
    sp_lmdb_room_note_full(&k.room);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_not(k.room.full);
    stop(&k);
}

Test(lmdb_room, a_disk_that_cannot_allocate_is_watched)
{
    struct kitchen k;
    start(&k, 100 * MIB, 512 * MIB);
    disk.error = EOPNOTSUPP;
    cr_assert_eq(look(&k, 0), 0);
    cr_assert(k.room.is_plain);
    cr_assert_not(k.room.full);
    disk.taken = 95 * MIB;
    sp_lmdb_room_note_full(&k.room);
    cr_assert_eq(look(&k, 0), 0);
    cr_assert(k.room.full);
    disk.taken = 0;
    cr_assert_eq(look(&k, 0), 0);
    cr_assert_not(k.room.full, "a full one is looked at each time");
    cr_assert_eq(disk.calls, 1U);
    stop(&k);
}
