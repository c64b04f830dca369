/* The volatile disk. */
#include "crash_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- durable and pending ---- */

void crash_disk_wipe(struct crash_disk *d)
{
    free(d->durable);
    free(d->pending);
    free(d->old);
    *d = (struct crash_disk){0};
}

static void put(struct crash_disk *d, uint64_t at, const uint8_t *p, size_t n)
{
    size_t end = (size_t)at + n;
    if (n == 0)
        return;
    if (end > d->durable_cap) {
        d->durable_cap = end * 2;
        d->durable = crash_grow(d->durable, d->durable_cap);
    }
    if (end > d->durable_n) {
        memset(d->durable + d->durable_n, 0, end - d->durable_n);
        d->durable_n = end;
    }
    memcpy(d->durable + at, p, n);
}

static void add_pending(struct crash_disk *d, const struct crash_event *e)
{
    if (d->pending_n == d->pending_cap) {
        d->pending_cap = d->pending_cap ? 2 * d->pending_cap : 64;
        d->pending = crash_grow(d->pending, d->pending_cap * sizeof(*d->pending));
    }
    d->pending[d->pending_n++] = (struct crash_pending){e->at, e->n, e->bytes};
}

static void sync_all(struct crash_disk *d)
{
    for (size_t i = 0; i < d->pending_n; i++)
        put(d, d->pending[i].at, d->pending[i].bytes, d->pending[i].n);
    d->pending_n = 0;
    d->version++;
}

void crash_disk_settle(struct crash_disk *d)
{
    if (d->ignores_flush)
        return;
    const struct crash_pending *p = &d->pending[--d->pending_n];
    put(d, p->at, p->bytes, p->n);
    d->version++;
}

/* The engine removes only a file in which nothing was ever stored; until the folder is synced it may be back.
 */
static void unlinked(struct crash_disk *d)
{
    if (d->pending_n > 0)
        crash_die("data.mdb is removed while writes to it are open, which the crash proof does not model");
    free(d->old);
    d->old = NULL;
    if (d->file_there) {
        d->old = d->durable;
        d->old_n = d->durable_n;
        d->durable = NULL;
        d->durable_cap = 0;
    }
    d->durable_n = 0;
    d->created = false;
    d->file_there = false;
    d->version++;
}

void crash_disk_note(struct crash_disk *d, const struct crash_event *e)
{
    switch (e->io) {
    case CRASH_IO_WRITE:
        add_pending(d, e);
        break;
    case CRASH_IO_SYNC:
        if (!d->ignores_flush)
            sync_all(d);
        break;
    case CRASH_IO_CREATE:
        d->created = true;
        break;
    case CRASH_IO_UNLINK:
        unlinked(d);
        break;
    case CRASH_IO_SYNC_FOLDER:
        d->file_there = d->created;
        free(d->old);
        d->old = NULL;
        break;
    case CRASH_IO_SYNC_PARENT:
        d->folder_there = true;
        break;
    }
}

/* ---- cuts ---- */

/* A stretch of a pending write that reached the disk. */
struct piece {
    size_t from, n;
};

static bool keeps_sector(const struct crash_plan *plan, size_t call, uint64_t sector)
{
    uint64_t page = sector / (CRASH_PAGE / CRASH_SECTOR);
    uint64_t seed = crash_mix(plan->seed, call);
    uint64_t odds = 1 + plan->seed % 7; /* of 8 */
    switch (plan->cut) {
    case CRASH_CUT_NONE:
        return false;
    case CRASH_CUT_ALL:
        return true;
    case CRASH_CUT_CALLS:
        return crash_mix(seed, 0) % 8 < odds;
    case CRASH_CUT_PAGES:
        return crash_mix(seed, page) % 8 < odds;
    case CRASH_CUT_SECTORS:
    case CRASH_CUT_BYTES:
        return crash_mix(seed, sector) % 8 < odds;
    case CRASH_CUT_TORN:
        return crash_mix(seed, page) % 4 > 0 || crash_mix(seed ^ 1, sector) % 2 > 0;
    }
    return false;
}

/* Some bytes of the first or the last sector stay away. */
static void tear(struct piece *piece, uint64_t draw)
{
    size_t max = piece->n < CRASH_SECTOR ? piece->n : CRASH_SECTOR;
    size_t away = max > 0 ? draw / 2 % max : 0;
    piece->n -= away;
    if (draw % 2)
        piece->from += away;
}

/* The next stretch of kept sectors of pending write number `call` from byte `from` of it on.  False: none. */
static bool next_piece(const struct crash_disk *d, const struct crash_plan *plan, size_t call, size_t from,
                       struct piece *out)
{
    const struct crash_pending *p = &d->pending[call];
    out->from = from;
    out->n = 0;
    while (from < p->n) {
        uint64_t sector = (p->at + from) / CRASH_SECTOR;
        size_t next = (size_t)((sector + 1) * CRASH_SECTOR - p->at);
        next = next < p->n ? next : p->n;
        if (keeps_sector(plan, call, sector))
            out->n = next - out->from;
        else if (out->n > 0)
            break;
        else
            out->from = next;
        from = next;
    }
    if (plan->cut == CRASH_CUT_BYTES)
        tear(out, crash_mix(plan->seed, p->at + out->from));
    return out->n > 0;
}

/* The names after a cut: the folder, and in it the new file, the older one or none. */
struct names {
    bool folder, file, old;
};

static struct names names_after(const struct crash_disk *d, const struct crash_plan *plan)
{
    uint64_t draw = crash_mix(plan->seed, 77);
    bool all = plan->cut == CRASH_CUT_ALL;
    bool none = plan->cut == CRASH_CUT_NONE;
    struct names s = {.folder = d->folder_there || all || (!none && draw % 8 > 0)};
    s.file = s.folder && d->created && (d->file_there || all || (!none && draw / 8 % 4 > 0));
    s.old = s.folder && !s.file && d->old && (none || draw / 32 % 2);
    return s;
}

static size_t end_of_pending(const struct crash_disk *d)
{
    size_t end = 0;
    for (size_t i = 0; i < d->pending_n; i++) {
        size_t e = (size_t)d->pending[i].at + d->pending[i].n;
        end = end > e ? end : e;
    }
    return end;
}

/* One random cut in four has the new length, although bytes are missing. */
static bool has_length(const struct crash_plan *plan)
{
    return plan->cut >= CRASH_CUT_CALLS && crash_mix(plan->seed, 78) % 4 == 0;
}

uint64_t crash_disk_print(const struct crash_disk *d, const struct crash_plan *plan)
{
    struct names s = names_after(d, plan);
    uint64_t h = crash_mix(d->version, (uint64_t)s.folder * 4 + (uint64_t)s.file * 2 + s.old);
    if (!s.file)
        return h;
    size_t end = d->durable_n;
    for (size_t i = 0; i < d->pending_n; i++) {
        struct piece piece;
        for (size_t at = 0; next_piece(d, plan, i, at, &piece); at = piece.from + piece.n) {
            size_t e = (size_t)d->pending[i].at + piece.from + piece.n;
            end = end > e ? end : e;
            h = crash_mix(h, crash_mix(i, piece.from ^ piece.n << 32));
        }
    }
    size_t length = has_length(plan) ? end_of_pending(d) : 0;
    return crash_mix(h, end > length ? end : length);
}

void crash_disk_cut(const struct crash_disk *d, const struct crash_plan *plan, struct crash_disk *out)
{
    struct names s = names_after(d, plan);
    *out = (struct crash_disk){.folder_there = s.folder,
                               .file_there = s.file || s.old,
                               .created = s.file || s.old,
                               .ignores_flush = d->ignores_flush,
                               .version = 1};
    if (!s.file) {
        put(out, 0, d->old, s.old ? d->old_n : 0);
        return;
    }
    put(out, 0, d->durable, d->durable_n);
    for (size_t i = 0; i < d->pending_n; i++) {
        struct piece piece;
        for (size_t at = 0; next_piece(d, plan, i, at, &piece); at = piece.from + piece.n)
            put(out, d->pending[i].at + piece.from, d->pending[i].bytes + piece.from, piece.n);
    }
    size_t end = end_of_pending(d);
    if (has_length(plan) && end > out->durable_n)
        put(out, end - 1, &(uint8_t){0}, 1);
}

void crash_disk_store(const struct crash_disk *d, const char *dir)
{
    char path[CRASH_PATH];
    if (!d->folder_there)
        return;
    if (mkdir(dir, 0700) != 0)
        crash_die("cannot create '%s': %s", dir, strerror(errno));
    if (!d->file_there)
        return;
    crash_path(path, dir, "/", "data.mdb");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !crash_raw_write(fd, d->durable, d->durable_n, 0))
        crash_die("cannot write '%s': %s", path, strerror(errno));
    (void)close(fd);
}

void crash_disk_load(struct crash_disk *d, const char *dir)
{
    char path[CRASH_PATH];
    struct stat st;
    crash_path(path, dir, "/", "data.mdb");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        crash_die("cannot read '%s': %s", path, strerror(errno));
    size_t n = (size_t)st.st_size;
    *d = (struct crash_disk){.folder_there = true, .file_there = true, .created = true, .version = 1};
    d->durable = crash_grow(NULL, n);
    d->durable_n = d->durable_cap = n;
    if (pread(fd, d->durable, n, 0) != (ssize_t)n)
        crash_die("cannot read '%s': %s", path, strerror(errno));
    (void)close(fd);
}

/* ---- the image folder ---- */

void crash_remove(const char *dir)
{
    char path[CRASH_PATH];
    crash_path(path, dir, "/", "data.mdb");
    (void)unlink(path);
    crash_path(path, dir, "/", "lock.mdb");
    (void)unlink(path);
    (void)rmdir(dir);
}

void crash_image_open(struct crash_image *im, const char *dir, size_t max)
{
    *im = (struct crash_image){.fd = -1, .pages = max / CRASH_PAGE};
    crash_path(im->dir, dir, "", "");
    crash_path(im->data, dir, "/", "data.mdb");
    crash_path(im->lock, dir, "/", "lock.mdb");
    im->dirty = mmap(NULL, im->pages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (im->dirty == MAP_FAILED)
        crash_die("no memory");
}

/* Removes the folder; the image can be built again. */
static void forget_files(struct crash_image *im)
{
    if (im->fd >= 0)
        (void)close(im->fd);
    im->fd = -1;
    crash_remove(im->dir);
}

void crash_image_close(struct crash_image *im)
{
    forget_files(im);
    (void)munmap(im->dirty, im->pages);
    im->dirty = NULL;
}

void crash_image_io(void *self, const struct crash_io *io)
{
    struct crash_image *im = self;
    size_t n = 0;
    for (int i = 0; i < io->iov_n; i++)
        n += io->iov[i].iov_len;
    for (size_t page = (size_t)io->at / CRASH_PAGE; n > 0 && page <= (io->at + n - 1) / CRASH_PAGE; page++) {
        if (page < im->pages)
            im->dirty[page] = 1;
    }
}

/* The data file, also if the engine of the last check removed it. */
static void open_data(struct crash_image *im)
{
    struct stat name;
    struct stat fd;
    if (im->fd >= 0 && stat(im->data, &name) == 0 && fstat(im->fd, &fd) == 0 && name.st_ino == fd.st_ino) {
        im->size = (size_t)fd.st_size;
        return;
    }
    if (im->fd >= 0)
        (void)close(im->fd);
    (void)mkdir(im->dir, 0700);
    im->fd = open(im->data, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (im->fd < 0)
        crash_die("cannot create '%s': %s", im->data, strerror(errno));
    im->size = 0;
    memset(im->dirty, 1, im->pages);
}

static void resize(struct crash_image *im, size_t n)
{
    if (im->size != n && !crash_raw_resize(im->fd, n))
        crash_die("cannot resize '%s': %s", im->data, strerror(errno));
    im->size = n;
}

static void write_at(struct crash_image *im, size_t at, const uint8_t *p, size_t n)
{
    if (!crash_raw_write(im->fd, p, n, at))
        crash_die("cannot write '%s': %s", im->data, strerror(errno));
    im->size = im->size > at + n ? im->size : at + n;
}

/* Back to what is durable. */
static void restore(struct crash_image *im, const struct crash_disk *d)
{
    if (im->version != d->version)
        memset(im->dirty, 1, im->pages);
    im->version = d->version;
    if (im->size > d->durable_n)
        resize(im, d->durable_n);
    for (size_t page = 0; page < im->pages && page * CRASH_PAGE < d->durable_n;) {
        size_t first = page;
        while (page < im->pages && im->dirty[page] && page * CRASH_PAGE < d->durable_n)
            im->dirty[page++] = 0;
        size_t end = page * CRASH_PAGE < d->durable_n ? page * CRASH_PAGE : d->durable_n;
        if (page > first)
            write_at(im, first * CRASH_PAGE, d->durable + first * CRASH_PAGE, end - first * CRASH_PAGE);
        page += page == first;
    }
    resize(im, d->durable_n);
}

/* lock.mdb after a cut is as it was, absent or garbage: LMDB must make it anew each time. */
static void spoil_lock(const struct crash_image *im, uint64_t draw)
{
    uint8_t garbage[2000];
    if (draw % 8 == 0)
        (void)unlink(im->lock);
    if (draw % 8 != 1)
        return;
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (uint8_t)crash_mix(draw, i);
    int fd = open(im->lock, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)crash_raw_write(fd, garbage, draw / 8 % sizeof(garbage), 0);
    (void)close(fd);
}

void crash_image_build(struct crash_image *im, const struct crash_disk *d, const struct crash_plan *plan)
{
    struct names s = names_after(d, plan);
    if (!s.file)
        forget_files(im);
    if (!s.folder)
        return;
    (void)mkdir(im->dir, 0700);
    spoil_lock(im, crash_mix(plan->seed, d->version));
    if (!s.file && !s.old)
        return;
    open_data(im);
    if (!s.file) {
        resize(im, 0);
        write_at(im, 0, d->old, d->old_n);
        im->version = UINT64_MAX; /* none of its pages is of the present file */
        return;
    }
    restore(im, d);
    for (size_t i = 0; i < d->pending_n; i++) {
        const struct crash_pending *p = &d->pending[i];
        struct piece piece;
        for (size_t at = 0; next_piece(d, plan, i, at, &piece); at = piece.from + piece.n) {
            struct iovec iov = {.iov_len = piece.n};
            write_at(im, (size_t)p->at + piece.from, p->bytes + piece.from, piece.n);
            crash_image_io(im, &(struct crash_io){.at = p->at + piece.from, .iov = &iov, .iov_n = 1});
        }
    }
    size_t end = end_of_pending(d);
    if (has_length(plan) && end > im->size)
        resize(im, end);
}
