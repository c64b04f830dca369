/* Failing disks: the calls that LMDB writes with are replaced here, and fail at a chosen one.  After an I/O
 * error nothing is OK any more; after a full disk all goes on; and whatever was OK is there at the next
 * start. */
#include "contract.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { MODE_OFF, MODE_ERROR, MODE_SHORT };

static struct {
    enum mode mode;
    int error;      /* errno of the failing call */
    unsigned after; /* calls that still work */
    bool only_one;  /* later calls work again */
    unsigned hits;
    unsigned dirty; /* writes since the last fdatasync */
    unsigned early; /* meta pages written while pages before them were not flushed */
    unsigned metas;
} trap;

/* Follows the order that durability needs: pages, fdatasync, then the meta page by a descriptor that waits.
 */
static void note_write(int fd)
{
    if (fcntl(fd, F_GETFL) & O_DSYNC) {
        trap.metas++;
        trap.early += trap.dirty > 0;
    } else {
        trap.dirty++;
    }
}

/* True: this call fails. */
static bool springs(void)
{
    if (trap.mode == MODE_OFF)
        return false;
    if (trap.after > 0) {
        trap.after--;
        return false;
    }
    if (trap.only_one && trap.hits > 0)
        return false;
    trap.hits++;
    return true;
}

#define REAL(name) real_##name = (name##_fn *)(uintptr_t)dlsym(RTLD_NEXT, #name)

typedef ssize_t pwrite_fn(int fd, const void *p, size_t n, off_t at);
typedef ssize_t writev_fn(int fd, const struct iovec *iov, int n);
typedef int fdatasync_fn(int fd);

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    static pwrite_fn *real_pwrite;
    if (!real_pwrite)
        REAL(pwrite);
    note_write(fd);
    if (!springs())
        return real_pwrite(fd, p, n, at);
    if (trap.mode == MODE_SHORT)
        return real_pwrite(fd, p, n / 2, at);
    errno = trap.error;
    return -1;
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    static writev_fn *real_writev;
    if (!real_writev)
        REAL(writev);
    note_write(fd);
    if (!springs())
        return real_writev(fd, iov, n);
    if (trap.mode == MODE_SHORT)
        return real_writev(fd, iov, 1);
    errno = trap.error;
    return -1;
}

int fdatasync(int fd)
{
    static fdatasync_fn *real_fdatasync;
    if (!real_fdatasync)
        REAL(fdatasync);
    if (!springs()) {
        trap.dirty = 0;
        return real_fdatasync(fd);
    }
    errno = trap.error ? trap.error : EIO;
    return -1;
}

/* ---- the tests ---- */

enum { MESSAGES = 12 };

struct run {
    struct kit k;
    int err[MESSAGES + 1];
    uint32_t seq[MESSAGES + 1];
};

static void start(struct run *r)
{
    *r = (struct run){.k = {.engine = KIT_LMDB, .wall_us = KIT_T0}};
    struct sp_store_config cfg = {.manual = true};
    kit_folder(&r->k);
    kit_start(&r->k, &cfg);
    kit_send(&r->k, "old", 1, "b", "before all");
}

static void stop(struct run *r)
{
    trap.mode = MODE_OFF;
    sp_store_close(&r->k.st);
    (void)nftw(r->k.dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static void arm(enum mode mode, int error, unsigned after, bool only_one)
{
    trap.mode = mode;
    trap.error = error;
    trap.after = after;
    trap.only_one = only_one;
    trap.hits = 0;
}

static void send_all(struct run *r)
{
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        struct sp_store_done d = kit_call(&r->k, kit_append(&r->k, "a", id, id % 2 ? "b" : "c", "body"));
        r->err[id] = d.err;
        r->seq[id] = d.seq.v;
        kit_free(&r->k, &d);
    }
}

/* Every OK is there, every other one can be submitted again, no seq is left out. */
static void check_after_restart(struct run *r)
{
    trap.mode = MODE_OFF;
    kit_reopen(&r->k);
    uint32_t last[2] = {0, 1}; /* c, b: one message was there before */
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        struct sp_store_done d = kit_want(&r->k, kit_append(&r->k, "a", id, id % 2 ? "b" : "c", "body"), 0);
        if (r->err[id] == 0) {
            cr_assert(d.repeat);
            cr_assert_eq(d.seq.v, r->seq[id]);
        }
        cr_assert_eq(d.seq.v, ++last[id % 2]);
    }
    cr_assert_eq(kit_count(&r->k, 0, "b", 0), 1U + MESSAGES / 2);
    cr_assert_eq(kit_count(&r->k, 0, "c", 0), (size_t)MESSAGES / 2);
}

/* One run with a failure at call n that stays or passes; false: the run has fewer calls. */
static bool run_error(enum mode mode, int error, unsigned n, bool only_one)
{
    struct run r;
    start(&r);
    arm(mode, error, n, only_one);
    send_all(&r);
    bool hit = trap.hits > 0;
    bool failed = false;
    for (size_t id = 1; id <= MESSAGES; id++) {
        if (failed)
            cr_assert_eq(r.err[id], SP_EFAILED, "no OK after the first error (call %u)", n);
        else
            cr_assert(r.err[id] == 0 || r.err[id] == SP_EUNKNOWN);
        failed = failed || r.err[id] != 0;
    }
    cr_assert_eq(failed, hit);
    if (failed) {
        kit_want(&r.k, kit_on(&r.k, SP_STORE_RANGE, "b", 0), SP_EFAILED);
        struct sp_store_stats s;
        sp_store_stats(r.k.st, &s);
        cr_assert(s.failed);
    }
    check_after_restart(&r);
    stop(&r);
    return hit;
}

static void run_all(enum mode mode, int error, bool only_one)
{
    unsigned n = 0;
    while (run_error(mode, error, n, only_one)) {
        n++;
        cr_assert_lt(n, 2000U);
    }
    cr_assert_gt(n, 2U * MESSAGES, "only %u calls: the replacements are not in place", n);
}

Test(lmdb_io, an_ok_comes_after_pages_flush_and_meta_page)
{
    struct run r;
    start(&r);
    for (uint64_t id = 1; id <= MESSAGES; id++) {
        struct sp_store_req q = kit_append(&r.k, "a", id, "b", "body");
        cr_assert_eq(sp_store_submit(r.k.port[0], &q, 1), 0);
        unsigned metas = trap.metas;
        cr_assert_eq(sp_store_step(r.k.st), 1U);
        cr_assert_eq(trap.metas, metas + 1);
        cr_assert_eq(trap.dirty, 0U);
        cr_assert_eq(trap.early, 0U);
        struct sp_store_done d = kit_next(&r.k, 0);
        cr_assert_eq(d.err, 0);
        kit_free(&r.k, &d);
    }
    stop(&r);
}

Test(lmdb_io, eio_at_every_call)
{
    run_all(MODE_ERROR, EIO, false);
}

Test(lmdb_io, one_eio_at_every_call)
{
    run_all(MODE_ERROR, EIO, true);
}

Test(lmdb_io, a_short_write_at_every_call)
{
    run_all(MODE_SHORT, 0, true);
}

/* A full disk: SP_EUNKNOWN while it lasts, never a wrong OK; when there is room again the same store goes on,
 * unless the failing call was that of the meta page, after which LMDB itself gives up. */
static bool run_enospc(unsigned n, unsigned *went_on)
{
    struct run r;
    start(&r);
    arm(MODE_ERROR, ENOSPC, n, false);
    send_all(&r);
    bool hit = trap.hits > 0;
    trap.mode = MODE_OFF;
    struct sp_store_stats s;
    sp_store_stats(r.k.st, &s);
    for (size_t id = 1; id <= MESSAGES; id++)
        cr_assert(r.err[id] == 0 || r.err[id] == SP_EUNKNOWN || (s.failed && r.err[id] == SP_EFAILED));
    struct sp_store_done d = kit_call(&r.k, kit_append(&r.k, "a", MESSAGES, "c", "body"));
    int err = d.err;
    kit_free(&r.k, &d);
    if (hit && err == 0) {
        (*went_on)++;
        cr_assert_gt(kit_count(&r.k, 0, "b", 0), 0U);
        kit_want(&r.k, kit_on(&r.k, SP_STORE_CONFIRM, "b", 1), 0);
    }
    sp_store_stats(r.k.st, &s);
    cr_assert_eq(err != 0, s.failed);
    if (!s.failed && hit)
        return stop(&r), hit;
    check_after_restart(&r);
    stop(&r);
    return hit;
}

Test(lmdb_io, enospc_at_every_call)
{
    unsigned n = 0;
    unsigned went_on = 0;
    while (run_enospc(n, &went_on)) {
        n++;
        cr_assert_lt(n, 2000U);
    }
    cr_assert_gt(n, 2U * MESSAGES);
    cr_assert_gt(went_on, n / 3, "%u of %u", went_on, n);
}

/* Creation: every failing call is an error of open, and the next open works. */
Test(lmdb_io, creation_with_an_error_at_every_call)
{
    unsigned n = 0;
    for (bool hit = true; hit; n++) {
        struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
        struct sp_store *st = NULL;
        kit_folder(&k);
        (void)snprintf(k.url, sizeof(k.url), "lmdb:%s/new", k.dir);
        k.cfg = (struct sp_store_config){.map_size = KIT_MAP, .manual = true};
        arm(MODE_ERROR, EIO, n, false);
        int err = sp_store_open(&st, k.url, &k.cfg);
        hit = trap.hits > 0;
        trap.mode = MODE_OFF;
        cr_assert_eq(err, hit ? SP_EIO : 0, "call %u: %d", n, err);
        sp_store_close(&st);
        kit_open(&k);
        kit_send(&k, "a", 1, "b", "x");
        sp_store_close(&k.st);
        (void)nftw(k.dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
    }
    cr_assert_gt(n, 3U);
}
