/* A full map and a full disk.  Both must refuse new messages by name and nothing else, and recover without a
 * restart. */
#include "crash_check.h"
#include "crash_errors.h"
#include "crash_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEEDS     6U
#define ROUNDS    8U
#define FILL_MAX  2000U
#define FILL_IDS  140U /* no fill takes more identities */
#define MAP       (2U << 20)
#define DISK_LOW  (3U << 20) /* bytes of the small disk */
#define DISK_STEP (1U << 20)
#define DISK_HIGH (64U << 20)
#define RESERVE   (256U << 10)

struct room {
    struct crash_errors *all;
    char dir[CRASH_PATH];
    const char *name;
    bool is_plain;
    bool tight; /* no reserve: SP_EBUSY is a fair answer then */
    struct crash_model model;
    struct crash_log log;
    struct crash_load load;
    struct crash_verdict verdict;
};

#define FOUND(r, ...) crash_found(&(r)->verdict, CRASH_CORRUPT, __VA_ARGS__)

/* The next message, of thousands of bytes, to a random mailbox. */
static int append(struct room *r, size_t *id)
{
    struct crash_rng *rng = &r->load.rng;
    struct crash_req q = {.op = SP_STORE_APPEND,
                          .box = crash_below(rng, CRASH_BOXES),
                          .device = 1 + crash_below(rng, CRASH_DEVICES),
                          .at_us = r->model.clock_us};
    if (*id == CRASH_IDS && !crash_model_new(&r->model, q.box, q.device, id))
        crash_die("the table of identities is too small");
    struct crash_id *m = &r->model.ids[*id];
    if (!m->sent) {
        m->to = (uint8_t)crash_below(rng, CRASH_BOXES);
        m->body_n = r->tight ? 3000 + crash_below(rng, 17000) : 20000 + crash_below(rng, 40000);
    }
    q.box = m->sender;
    q.device = m->device;
    q.id = *id;
    return crash_load_one(&r->load, &q);
}

/* Appends until the store says that it is full; *refused is the identity that was. */
static unsigned fill(struct room *r, size_t *refused)
{
    for (unsigned n = 0; n < FILL_MAX; n++) {
        size_t id = *refused;
        int err = append(r, &id);
        *refused = CRASH_IDS;
        if (err == SP_ENOSPACE) {
            *refused = id;
            return n;
        }
        if (err) {
            FOUND(r, "%s: a message while it fills: err %d", r->name, err);
            return n;
        }
    }
    FOUND(r, "%s: it is never full", r->name);
    return 0;
}

static void want(struct room *r, struct crash_req q, const char *what)
{
    q.device = 1;
    q.at_us = r->model.clock_us;
    int err = crash_load_one(&r->load, &q);
    if (err && !(r->tight && err == SP_EBUSY))
        FOUND(r, "%s: %s in a full store: err %d", r->name, what, err);
}

/* Everything but new messages goes on. */
static void use_full(struct room *r)
{
    unsigned b = crash_below(&r->load.rng, CRASH_BOXES);
    const struct crash_box *box = &r->model.box[b];
    uint32_t half = box->confirmed_min + (box->head_min - box->confirmed_min) / 2;
    want(r, (struct crash_req){.op = SP_STORE_RANGE, .box = b}, "RANGE");
    want(r, (struct crash_req){.op = SP_STORE_HEAD, .box = b}, "HEAD");
    want(r, (struct crash_req){.op = SP_STORE_STATUS, .box = b}, "STATUS");
    want(r, (struct crash_req){.op = SP_STORE_CLAIM, .box = b}, "CLAIM");
    want(r, (struct crash_req){.op = SP_STORE_LIMIT, .box = b}, "LIMIT");
    want(r, (struct crash_req){.op = SP_STORE_CONFIRM, .box = b, .hi = half}, "CONFIRM");
    want(r, (struct crash_req){.op = SP_STORE_MARK, .box = b, .lo = 1, .hi = 1 + half}, "MARK");
    want(r,
         (struct crash_req){
             .op = SP_STORE_TRIM, .box = b, .lo = half + 1, .hi = half + 3, .why = SP_STORE_WHY_DELETED},
         "TRIM");
    want(r, (struct crash_req){.op = SP_STORE_FINISH, .box = b, .msgid = r->model.device[b][0].next - 9},
         "FINISH");
}

static void empty(struct room *r)
{
    for (unsigned b = 0; b < CRASH_BOXES; b++)
        want(r, (struct crash_req){.op = SP_STORE_CONFIRM, .box = b, .hi = r->model.box[b].head_min},
             "CONFIRM of all");
}

static void rounds(struct room *r, uint64_t disk)
{
    size_t refused = CRASH_IDS;
    for (unsigned i = 0; i < ROUNDS && r->verdict.kind == CRASH_FINE; i++) {
        if (r->model.ids_n + FILL_IDS > CRASH_IDS)
            break;
        crash_trap_capacity(disk);
        if (fill(r, &refused) == 0 && i == 0)
            FOUND(r, "%s: full from the beginning", r->name);
        r->all->fills++;
        for (unsigned k = 0; k < 6; k++)
            use_full(r);
        empty(r);
        /* The pages that were freed are room.  Where blocks cannot be allocated ahead it must be elsewhere:
         * pages may lie in holes of the file. */
        if (disk && r->is_plain)
            crash_trap_capacity(DISK_HIGH);
        int err = append(r, &refused);
        refused = CRASH_IDS;
        if (err && !r->tight)
            FOUND(r, "%s: round %u: no message after all was confirmed: err %d", r->name, i, err);
        disk += disk ? DISK_STEP : 0;
    }
    crash_trap_capacity(0);
}

struct place {
    const char *name;
    uint64_t disk, reserve; /* disk 0: without end */
    bool is_plain;          /* cannot allocate ahead */
};

static void room(struct crash_errors *e, uint64_t seed, const struct place *p)
{
    static struct room r;
    memset(&r, 0, sizeof(r));
    r.all = e;
    r.name = p->name;
    r.is_plain = p->is_plain;
    crash_trap_plain(p->is_plain);
    r.tight = p->reserve < RESERVE;
    crash_path(r.dir, e->dir, "/", "room");
    crash_model_init(&r.model, seed);
    r.model.map_size = p->disk ? DISK_HIGH : r.tight ? MAP / 2 : MAP;
    r.model.reserve = p->reserve;
    r.load = (struct crash_load){.model = &r.model, .log = &r.log, .rng = {.v = seed}, .patient = true};
    crash_trap_watch(r.dir, NULL, NULL);
    int err = crash_load_open(&r.load, r.dir);
    if (err)
        crash_die("%s: does not open: %d %s", p->name, err, r.load.reason);
    rounds(&r, p->disk);
    crash_trap_plain(false);
    if (r.load.unknown || r.load.failed)
        FOUND(&r, "%s: %u unknown, %u failed", p->name, r.load.unknown, r.load.failed);
    if (r.load.verdict.kind != CRASH_FINE)
        r.verdict = r.load.verdict;
    crash_load_close(&r.load);
    crash_trap_watch(NULL, NULL, NULL);
    if (r.verdict.kind == CRASH_FINE)
        crash_check(r.dir, &r.model, seed, true, &r.verdict);
    crash_remove(r.dir);
    crash_log_wipe(&r.log);
    if (r.verdict.kind == CRASH_FINE)
        return;
    e->findings++;
    printf("CORRUPT: %s\n    seed %" PRIu64 "\n", r.verdict.text, seed);
}

void crash_errors_room(struct crash_errors *e)
{
    static const struct place places[] = {{"map", 0, RESERVE, false},
                                          {"map without reserve", 0, 4096, false},
                                          {"disk", DISK_LOW, RESERVE, false},
                                          {"disk that cannot allocate ahead", DISK_LOW, RESERVE, true}};
    for (uint64_t i = 0; i < SEEDS && e->findings < 5; i++) {
        for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++)
            room(e, e->seed + i, &places[k]);
    }
}
