/* A store with something of everything in it, every request that can be made of it, and answers as numbers:
 * what the tests of mishaps compare.  For one program: include it once. */
#ifndef SP_TEST_MISHAP_RIG_H
#define SP_TEST_MISHAP_RIG_H

#include "contract.h"
#include "mishap.h"

#include <dirent.h>
#include <unistd.h>

#define KEEP_US   (7 * KIT_DAY)
#define LATER_US  (3 * KEEP_US)
#define BIG       5000U /* a body of several parts */
#define BIG_ID    4U
#define CALLS_MAX 3000U

/* ---- a store with something of everything in it ---- */

static inline const char *body_of(const char *from, uint64_t id)
{
    static char text[BIG + 1];
    size_t n = id == BIG_ID ? BIG : (size_t)snprintf(text, sizeof(text), "%s-%lu", from, (unsigned long)id);
    if (id == BIG_ID)
        memset(text, from[0], BIG);
    text[n] = '\0';
    return text;
}

static inline struct sp_store_req message(struct kit *k, const char *from, uint64_t id, const char *to)
{
    static char body[BIG + 1];
    (void)snprintf(body, sizeof(body), "%s", body_of(from, id));
    return kit_append(k, from, id, to, body);
}

static inline struct sp_store_req spans(struct kit *k, enum sp_store_op op, const char *to, uint32_t lo,
                                        uint32_t hi)
{
    static struct sp_store_span span;
    span = (struct sp_store_span){{lo}, {hi}, SP_STORE_WHY_DELETED};
    struct sp_store_req r = kit_on(k, op, to, 0);
    r.spans = &span;
    r.spans_n = 1;
    return r;
}

static inline struct sp_store_req limit(struct kit *k, const char *to, unsigned max)
{
    struct sp_store_req r = kit_on(k, SP_STORE_LIMIT, to, 0);
    r.max = max;
    r.sub = SP_STORE_LIMIT_DROP_OLDEST;
    return r;
}

/* b: 1 read, 2 delivered, 3, 4 (big), 7, 8 open, 5 and 6 ended; d: 2 of 2, the oldest is pushed out; e: one
 * that expires. */
static inline void furnish(struct kit *k)
{
    for (uint64_t id = 1; id <= 7; id++)
        kit_want(k, message(k, "a", id, "b"), 0);
    kit_want(k, message(k, "z", 1, "b"), 0);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 2), 0);
    kit_want(k, spans(k, SP_STORE_MARK, "b", 1, 1), 0);
    kit_want(k, spans(k, SP_STORE_TRIM, "b", 5, 6), 0);
    kit_want(k, limit(k, "d", 2), 0);
    for (uint64_t id = 11; id <= 12; id++)
        kit_want(k, message(k, "a", id, "d"), 0);
    kit_want(k, kit_by(k, SP_STORE_FINISH, "z", 0xffffff), 0);
    struct sp_store_req r = message(k, "a", 13, "e");
    r.expires_us = k->wall_us + KIT_DAY;
    kit_want(k, r, 0);
}

static inline const char *folder(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static inline void begin(struct kit *k, enum kit_engine engine)
{
    *k = (struct kit){.engine = engine, .wall_us = KIT_T0};
    (void)snprintf(k->dir, sizeof(k->dir), "%s/sampan-mishap-XXXXXX", folder());
    cr_assert_not_null(mkdtemp(k->dir));
    k->cfg = (struct sp_store_config){.manual = true, .dedup_keep_us = KEEP_US, .map_size = 16U << 20};
}

static inline void end(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void path_of(const struct kit *k, char path[96])
{
    (void)snprintf(path, 96, "%s/data.mdb", k->dir);
}

/* k's folder becomes a copy of the closed store `like`. */
static inline void copy_store(const struct kit *like, const struct kit *k)
{
    static char bytes[1U << 22];
    char path[96];
    path_of(like, path);
    FILE *f = fopen(path, "rb");
    size_t n = fread(bytes, 1, sizeof(bytes), f);
    cr_assert(n > 0 && n < sizeof(bytes));
    (void)fclose(f);
    path_of(k, path);
    f = fopen(path, "wb");
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

/* ---- what is asked of it ---- */

static inline struct sp_store_req status(struct kit *k, const char *from, size_t n)
{
    static struct sp_msgid ids[40];
    for (size_t i = 0; i < 40; i++)
        ids[i].v = i + 1;
    struct sp_store_req r = kit_by(k, SP_STORE_STATUS, from, 0);
    r.msgids = ids;
    r.msgids_n = n;
    return r;
}

static inline struct sp_store_req make_new(struct kit *k)
{
    return message(k, "a", 20, "b");
}
static inline struct sp_store_req make_big(struct kit *k)
{
    return message(k, "y", BIG_ID, "n");
}
static inline struct sp_store_req make_repeat(struct kit *k)
{
    return message(k, "a", 3, "b");
}
static inline struct sp_store_req make_repeat_of_delivered(struct kit *k)
{
    return message(k, "a", 2, "b");
}
static inline struct sp_store_req make_after(struct kit *k)
{
    struct sp_store_req r = make_new(k);
    r.after.v = 3;
    return r;
}
static inline struct sp_store_req make_after_unseen(struct kit *k)
{
    struct sp_store_req r = make_new(k);
    r.after.v = 19;
    return r;
}
static inline struct sp_store_req make_push_out(struct kit *k)
{
    return message(k, "a", 20, "d");
}
static inline struct sp_store_req make_push_out_of_another(struct kit *k)
{
    return message(k, "y", 20, "d");
}
static inline struct sp_store_req make_finish_of_nobody(struct kit *k)
{
    return kit_by(k, SP_STORE_FINISH, "w", 3);
}
static inline struct sp_store_req make_limit_of_nobody(struct kit *k)
{
    return limit(k, "w", 50);
}
static inline struct sp_store_req make_confirm(struct kit *k)
{
    return kit_on(k, SP_STORE_CONFIRM, "b", 8);
}
static inline struct sp_store_req make_confirm_again(struct kit *k)
{
    return kit_on(k, SP_STORE_CONFIRM, "b", 1);
}
static inline struct sp_store_req make_confirm_nobody(struct kit *k)
{
    return kit_on(k, SP_STORE_CONFIRM, "q", 0);
}
static inline struct sp_store_req make_finish(struct kit *k)
{
    return kit_by(k, SP_STORE_FINISH, "a", 3);
}
static inline struct sp_store_req make_mark(struct kit *k)
{
    return spans(k, SP_STORE_MARK, "b", 1, 8);
}
static inline struct sp_store_req make_mark_nobody(struct kit *k)
{
    return spans(k, SP_STORE_MARK, "q", 1, 8);
}
static inline struct sp_store_req make_trim(struct kit *k)
{
    return spans(k, SP_STORE_TRIM, "b", 4, 7);
}
static inline struct sp_store_req make_trim_nobody(struct kit *k)
{
    return spans(k, SP_STORE_TRIM, "q", 1, 8);
}
static inline struct sp_store_req make_range(struct kit *k)
{
    return kit_on(k, SP_STORE_RANGE, "b", 0);
}
static inline struct sp_store_req make_range_of_two(struct kit *k)
{
    struct sp_store_req r = kit_on(k, SP_STORE_RANGE, "b", 2);
    r.max = 2;
    return r;
}
static inline struct sp_store_req make_head(struct kit *k)
{
    return kit_on(k, SP_STORE_HEAD, "b", 0);
}
static inline struct sp_store_req make_head_of_nobody(struct kit *k)
{
    return kit_on(k, SP_STORE_HEAD, "q", 0);
}
static inline struct sp_store_req make_status(struct kit *k)
{
    return status(k, "a", 40);
}
static inline struct sp_store_req make_status_open(struct kit *k)
{
    return kit_by(k, SP_STORE_STATUS, "a", 0);
}
static inline struct sp_store_req make_claim(struct kit *k)
{
    struct sp_store_req r = kit_on(k, SP_STORE_CLAIM, "b", 0);
    r.holder = 1;
    return r;
}
static inline struct sp_store_req make_release(struct kit *k)
{
    struct sp_store_req r = kit_on(k, SP_STORE_RELEASE, "q", 0);
    r.fence = 1;
    return r;
}
static inline struct sp_store_req make_limit(struct kit *k)
{
    return limit(k, "b", 50);
}
/* Everything is old: rows, receipts and tombstones go beside a request. */
static inline struct sp_store_req make_late(struct kit *k)
{
    struct sp_store_req r = limit(k, "b", 50);
    r.at_us += LATER_US;
    return r;
}

static const struct scene {
    const char *name;
    struct sp_store_req (*make)(struct kit *k);
    int err;
} scenes[] = {
    {"a new message", make_new, 0},
    {"a big one to a new mailbox", make_big, 0},
    {"a repeat", make_repeat, 0},
    {"a repeat of a delivered one", make_repeat_of_delivered, 0},
    {"a message after another", make_after, 0},
    {"a message after an unseen one", make_after_unseen, SP_EAGAIN},
    {"a message that pushes one out", make_push_out, 0},
    {"a message that pushes another's out", make_push_out_of_another, 0},
    {"finish without a sender", make_finish_of_nobody, 0},
    {"limit without a mailbox", make_limit_of_nobody, 0},
    {"confirm", make_confirm, 0},
    {"confirm again", make_confirm_again, 0},
    {"confirm without a mailbox", make_confirm_nobody, 0},
    {"finish", make_finish, 0},
    {"mark", make_mark, 0},
    {"mark without a mailbox", make_mark_nobody, 0},
    {"trim", make_trim, 0},
    {"trim without a mailbox", make_trim_nobody, 0},
    {"range", make_range, 0},
    {"range of two", make_range_of_two, 0},
    {"head", make_head, 0},
    {"head without a mailbox", make_head_of_nobody, 0},
    {"status", make_status, 0},
    {"status of open ones", make_status_open, 0},
    {"claim", make_claim, 0},
    {"release", make_release, SP_EFENCED},
    {"limit", make_limit, 0},
    {"an old store", make_late, 0},
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

/* ---- answers in numbers ---- */

static inline uint64_t add(uint64_t h, uint64_t v)
{
    return (h ^ v) * 1099511628211ULL;
}

static inline uint64_t add_view(uint64_t h, struct sp_view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = add(h, v.p[i]);
    return add(h, v.n);
}

/* Everything that an answer says but commit and fences, which differ from run to run. */
static inline uint64_t digest(const struct sp_store_done *d)
{
    const uint64_t numbers[] = {(uint64_t)d->op,
                                (uint64_t)(int64_t)d->err,
                                d->repeat,
                                d->more,
                                (uint64_t)d->state,
                                d->epoch.v,
                                d->seq.v,
                                d->svr_seq.v,
                                d->confirmed.v,
                                d->floor.v,
                                d->to.v,
                                d->last.v,
                                d->finished.v,
                                d->bytes,
                                d->count,
                                d->commit > 0};
    uint64_t h = 14695981039346656037ULL;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        h = add(h, numbers[i]);
    for (size_t i = 0; i < d->entries_n; i++) {
        const struct sp_store_entry *e = &d->entries[i];
        h = add_view(add_view(add_view(h, e->to.id), e->from.user.id), e->body);
        h = add(add(add(add(h, e->from.msgid.v), e->seq.v), (uint64_t)e->state), (uint64_t)e->at_us);
    }
    for (size_t i = 0; i < d->skips_n; i++)
        h = add(add(add(h, d->skips[i].lo.v), d->skips[i].hi.v), (uint64_t)d->skips[i].why);
    return h;
}

struct answer {
    bool accepted; /* by submit */
    int err;
    uint64_t digest;
};

/* A body that is served is the one that was stored. */
static inline void check_bodies(const struct sp_store_done *d)
{
    for (size_t i = 0; i < d->entries_n && d->op == SP_STORE_RANGE; i++) {
        const struct sp_store_entry *e = &d->entries[i];
        char from[8] = {0};
        cr_assert(e->from.user.id.n < sizeof(from));
        memcpy(from, e->from.user.id.p, e->from.user.id.n);
        cr_assert(kit_same(e->body, body_of(from, e->from.msgid.v)));
    }
}

static inline struct answer ask(struct kit *k, const struct scene *s)
{
    struct sp_store_req r = s->make(k);
    struct answer a = {.err = sp_store_submit(k->port[0], &r, 1)};
    cr_assert(a.err == 0 || a.err == SP_EFULL);
    if (a.err) {
        cr_assert_eq(sp_store_pending(k->port[0]), 0U);
        return a;
    }
    struct sp_store_done d = kit_next(k, 0);
    check_bodies(&d);
    a = (struct answer){true, d.err, digest(&d)};
    kit_free(k, &d);
    cr_assert_eq(sp_store_pending(k->port[0]), 0U, "exactly one completion");
    return a;
}

/* All that can be read. */
static inline uint64_t contents(struct kit *k)
{
    static const char *const boxes[] = {"a", "b", "d", "e", "n", "q", "y", "z"};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
        struct sp_store_req r[] = {kit_on(k, SP_STORE_RANGE, boxes[i], 0),
                                   kit_on(k, SP_STORE_HEAD, boxes[i], 0), status(k, boxes[i], 40),
                                   status(k, boxes[i], 0)};
        for (size_t n = 0; n < 4; n++) {
            struct sp_store_done d = kit_call(k, r[n]);
            check_bodies(&d);
            h = add(h, digest(&d));
            kit_free(k, &d);
        }
    }
    return h;
}

static inline struct sp_store_stats stats(struct kit *k)
{
    struct sp_store_stats s;
    sp_store_stats(k->st, &s);
    return s;
}

/* ---- the runs ---- */

struct trial {
    struct kit model, k; /* a furnished store, closed; a copy of it at work */
    const struct scene *scene;
    struct answer want; /* without a mishap */
    uint64_t left;      /* contents after it */
};

static inline void open_copy(struct trial *t)
{
    if (t->k.engine == KIT_LMDB)
        copy_store(&t->model, &t->k);
    kit_start(&t->k, NULL);
    if (t->k.engine == KIT_MEM)
        furnish(&t->k);
}

static inline void prepare(struct trial *t, enum kit_engine engine)
{
    begin(&t->model, engine);
    begin(&t->k, engine);
    kit_start(&t->model, NULL);
    furnish(&t->model);
    sp_store_close(&t->model.st);
}

static inline void choose(struct trial *t, const struct scene *s)
{
    t->scene = s;
    open_copy(t);
    t->want = ask(&t->k, s);
    t->left = contents(&t->k);
    sp_store_close(&t->k.st);
    cr_assert(t->want.accepted);
    cr_assert_eq(t->want.err, s->err, "%s: %d", s->name, t->want.err);
}

#endif
