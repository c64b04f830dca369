/* A disk with a volatile cache under one store folder: what is durable, and which writes are not yet.  From
 * them it makes the images that a power cut may leave.  It knows bytes and names, no database.
 *
 * What a cut may do here: any un-synced write is there or not, independently, in units of whole calls, pages
 * or 512-byte sectors, in every order; the file may have its new length without its new bytes (zeros); a new
 * name may be missing until its folder was synced.  What it may not: tear a sector, or lose what fdatasync,
 * or a write through O_DSYNC, has promised. */
#ifndef SP_CRASH_DISK_H
#define SP_CRASH_DISK_H

#include "crash_log.h"
#include "crash_rng.h"

#define CRASH_PAGE   4096U
#define CRASH_SECTOR 512U

struct crash_pending {
    uint64_t at;
    size_t n;
    const uint8_t *bytes; /* borrowed from the log */
};

struct crash_disk {
    uint8_t *durable; /* contents of the present data.mdb */
    size_t durable_n, durable_cap;
    struct crash_pending *pending;
    size_t pending_n, pending_cap;
    bool folder_there, file_there; /* the names are durable */
    bool created;                  /* data.mdb exists at all, durable or not */
    uint8_t *old;                  /* an unlinked data.mdb that may still be there instead; NULL: none */
    size_t old_n;
    bool ignores_flush; /* syncs do nothing */
    uint64_t version;   /* changes with `durable` */
};

enum crash_cut {
    CRASH_CUT_NONE,    /* nothing un-synced is there */
    CRASH_CUT_ALL,     /* everything is */
    CRASH_CUT_CALLS,   /* each call or not */
    CRASH_CUT_PAGES,   /* each page of each call or not */
    CRASH_CUT_SECTORS, /* each sector of each call or not */
    CRASH_CUT_TORN,    /* most pages whole, some torn at sectors */
    CRASH_CUT_BYTES,   /* as SECTORS, and torn inside of them: what no disk of ours does */
};

struct crash_plan {
    enum crash_cut cut;
    uint64_t seed;
};

/* The image folder and what of it is known, so that the next image costs only what differs. */
struct crash_image {
    char dir[CRASH_PATH], data[CRASH_PATH], lock[CRASH_PATH];
    int fd;
    size_t size;
    uint8_t *dirty; /* shared with children; by page: differs from `durable` */
    size_t pages;
    uint64_t version; /* of the disk when last built */
};

void crash_disk_wipe(struct crash_disk *d);
/* Takes the next event of kind IO.  A write becomes pending; see crash_disk_settle. */
void crash_disk_note(struct crash_disk *d, const struct crash_event *e);
/* The newest pending write was made through O_DSYNC and has returned. */
void crash_disk_settle(struct crash_disk *d);

/* Distinguishes images of one disk state: equal numbers, equal image. */
uint64_t crash_disk_print(const struct crash_disk *d, const struct crash_plan *plan);
/* The disk after this cut, everything durable. */
void crash_disk_cut(const struct crash_disk *d, const struct crash_plan *plan, struct crash_disk *out);
/* Writes a disk without pending writes as folder dir, which must be absent. */
void crash_disk_store(const struct crash_disk *d, const char *dir);

/* Reads folder dir, in which all is durable, into *d. */
void crash_disk_load(struct crash_disk *d, const char *dir);

/* An image folder DIR, for files of up to max bytes. */
void crash_image_open(struct crash_image *im, const char *dir, size_t max);
void crash_image_close(struct crash_image *im);
/* Makes the folder what this cut would leave. */
void crash_image_build(struct crash_image *im, const struct crash_disk *d, const struct crash_plan *plan);
/* A crash_sink for what the engine does to the image: self is the image. */
void crash_image_io(void *self, const struct crash_io *io);
/* Removes DIR with its two files, if it is there. */
void crash_remove(const char *dir);

#endif
