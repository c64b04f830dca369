/* Random histories: the same requests to the reference model and to the LMDB engine, every answer compared,
 * then the LMDB engine reopened and everything that can be read compared again. */
#include "contract.h"

enum { USERS = 5, DEVICES = 2, MSGIDS = 80, BATCH = 6, STEPS = 700, FENCES = USERS * DEVICES * 2 };

static const char *const names[USERS] = {"ann", "bob", "eve", "joe", "zoe"};

struct world {
    struct kit k[2]; /* the model, the engine under test */
    uint64_t rng;
    uint64_t fence[2][FENCES]; /* of each user and device the newest and the one before; 0: none */
    struct sp_user users[BATCH];
    struct sp_store_span spans[BATCH][3];
    struct sp_msgid ids[BATCH][4];
    uint8_t bodies[BATCH][5000];
    unsigned fence_of[BATCH]; /* index + 1 into fence: the engines give different numbers */
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->rng = w->rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(w->rng >> 33) % below;
}

/* ---- requests ---- */

static struct sp_store_req base(struct world *w, size_t i, enum sp_store_op op)
{
    w->users[i] = kit_user(names[draw(w, USERS)]);
    return (struct sp_store_req){
        .op = op,
        .to = &w->users[i],
        .to_n = 1,
        .from = {kit_user(names[draw(w, USERS)]), draw(w, DEVICES), {1 + draw(w, MSGIDS)}},
        .device = draw(w, DEVICES),
        .at_us = w->k[0].wall_us};
}

static struct sp_store_req random_append(struct world *w, size_t i)
{
    struct sp_store_req r = base(w, i, SP_STORE_APPEND);
    static const uint32_t sizes[] = {1, 1, 1, 20, 200, 5000};
    uint32_t n = draw(w, sizes[draw(w, 6)]);
    memset(w->bodies[i], (int)r.from.msgid.v, n);
    r.body = (struct sp_view){w->bodies[i], n};
    r.hash[0] = (uint8_t)(draw(w, 20) == 0); /* sometimes the id comes back as another message */
    if (draw(w, 3) == 0)
        r.after.v = r.from.msgid.v - 1;
    if (draw(w, 12) == 0)
        r.deny = SP_EFORBIDDEN;
    return r;
}

static struct sp_store_req random_spans(struct world *w, size_t i, enum sp_store_op op)
{
    struct sp_store_req r = base(w, i, op);
    r.spans = w->spans[i];
    r.spans_n = 1 + draw(w, 3);
    for (size_t s = 0; s < r.spans_n; s++) {
        uint32_t lo = 1 + draw(w, 150);
        w->spans[i][s] = (struct sp_store_span){{lo}, {lo + draw(w, 6)}, 2 + (int)draw(w, 3)};
    }
    return r;
}

static size_t fence_at(struct sp_user user, uint32_t device)
{
    size_t u = 0;
    while (memcmp(names[u], user.id.p, user.id.n) != 0)
        u++;
    return (u * DEVICES + device) * 2;
}

/* Mostly the newest or the former fence of the request's own device, sometimes a foreign one. */
static unsigned some_fence(struct world *w, const struct sp_store_req *r)
{
    if (draw(w, 4) == 0)
        return draw(w, FENCES);
    return (unsigned)fence_at(r->to[0], r->device) + draw(w, 2);
}

static struct sp_store_req random_change(struct world *w, size_t i)
{
    struct sp_store_req r;
    switch (draw(w, 16)) {
    case 0:
    case 1:
    case 2:
        r = base(w, i, SP_STORE_CONFIRM);
        r.seq.v = draw(w, 150);
        if (draw(w, 4) == 0)
            w->fence_of[i] = 1 + some_fence(w, &r);
        return r;
    case 3:
        r = base(w, i, SP_STORE_FINISH);
        r.from.msgid.v = 1 + draw(w, MSGIDS / 4);
        return r;
    case 4:
        return random_spans(w, i, SP_STORE_MARK);
    case 5:
        return random_spans(w, i, SP_STORE_TRIM);
    case 6:
        r = base(w, i, SP_STORE_LIMIT);
        r.max = draw(w, 3) ? 0 : 1 + draw(w, 20);
        r.max_bytes = draw(w, 3) ? 0 : 1 + draw(w, 4000);
        r.sub = (int)draw(w, 2);
        return r;
    case 7:
        r = base(w, i, SP_STORE_CLAIM);
        r.holder = 1 + draw(w, 3);
        return r;
    case 8:
        r = base(w, i, SP_STORE_RELEASE);
        w->fence_of[i] = 1 + some_fence(w, &r);
        return r;
    default:
        return random_append(w, i);
    }
}

static struct sp_store_req random_read(struct world *w, size_t i)
{
    struct sp_store_req r;
    switch (draw(w, 3)) {
    case 0:
        r = base(w, i, SP_STORE_RANGE);
        r.seq.v = draw(w, 120);
        r.max = draw(w, 10);
        r.max_bytes = draw(w, 2) ? 0 : draw(w, 6000);
        return r;
    case 1:
        return base(w, i, SP_STORE_HEAD);
    default:
        r = base(w, i, SP_STORE_STATUS);
        r.msgids = w->ids[i];
        r.msgids_n = draw(w, 5);
        for (size_t n = 0; n < r.msgids_n; n++)
            w->ids[i][n].v = 1 + draw(w, MSGIDS);
        return r;
    }
}

/* ---- comparing ---- */

static void same_view(struct sp_view a, struct sp_view b)
{
    cr_assert_eq(a.n, b.n);
    cr_assert(a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void same_entry(const struct sp_store_entry *a, const struct sp_store_entry *b)
{
    same_view(a->to.id, b->to.id);
    same_view(a->from.user.id, b->from.user.id);
    same_view(a->body, b->body);
    cr_assert_eq(a->from.device, b->from.device);
    cr_assert_eq(a->from.msgid.v, b->from.msgid.v);
    cr_assert_eq(a->seq.v, b->seq.v);
    cr_assert_eq(a->state, b->state, "state %d, engine %d", a->state, b->state);
    cr_assert_eq(a->at_us, b->at_us);
    cr_assert_eq(a->expires_us, b->expires_us);
    cr_assert_eq(a->holder, b->holder);
    cr_assert_eq(a->fence == 0, b->fence == 0);
}

static void same_numbers(const struct sp_store_done *a, const struct sp_store_done *b)
{
    cr_assert_eq(a->epoch.v, b->epoch.v);
    cr_assert_eq(a->seq.v, b->seq.v);
    cr_assert_eq(a->svr_seq.v, b->svr_seq.v);
    cr_assert_eq(a->confirmed.v, b->confirmed.v);
    cr_assert_eq(a->floor.v, b->floor.v);
    cr_assert_eq(a->to.v, b->to.v);
    cr_assert_eq(a->last.v, b->last.v);
    cr_assert_eq(a->finished.v, b->finished.v);
    cr_assert_eq(a->bytes, b->bytes);
    cr_assert_eq(a->count, b->count);
    cr_assert_eq(a->holder, b->holder);
    cr_assert_eq(a->fence == 0, b->fence == 0);
    cr_assert_eq(a->commit == 0, b->commit == 0);
}

static void same_done(const struct sp_store_done *a, const struct sp_store_done *b)
{
    cr_assert_eq(a->op, b->op);
    cr_assert_eq(a->err, b->err, "op %d: model %d, engine %d", (int)a->op, a->err, b->err);
    cr_assert_eq(a->repeat, b->repeat);
    cr_assert_eq(a->more, b->more);
    cr_assert_eq(a->state, b->state);
    same_numbers(a, b);
    cr_assert_eq(a->entries_n, b->entries_n, "op %d: model %zu entries, engine %zu", (int)a->op, a->entries_n,
                 b->entries_n);
    for (size_t i = 0; i < a->entries_n; i++)
        same_entry(&a->entries[i], &b->entries[i]);
    cr_assert_eq(a->skips_n, b->skips_n);
    for (size_t i = 0; i < a->skips_n; i++) {
        cr_assert_eq(a->skips[i].lo.v, b->skips[i].lo.v);
        cr_assert_eq(a->skips[i].hi.v, b->skips[i].hi.v);
        cr_assert_eq(a->skips[i].why, b->skips[i].why);
    }
}

static void keep_fence(struct world *w, size_t engine, const struct sp_store_req *r,
                       const struct sp_store_done *d)
{
    if (d->op != SP_STORE_CLAIM || d->err)
        return;
    uint64_t *f = &w->fence[engine][fence_at(r->to[0], r->device)];
    f[1] = f[0];
    f[0] = d->fence;
}

/* One batch to both. */
static void both(struct world *w, struct sp_store_req *r, size_t n)
{
    struct sp_store_done done[2][BATCH];
    for (size_t e = 0; e < 2; e++) {
        for (size_t i = 0; i < n; i++)
            r[i].fence = w->fence_of[i] ? w->fence[e][w->fence_of[i] - 1] : 0;
        kit_many(&w->k[e], r, n, done[e]);
    }
    for (size_t i = 0; i < n; i++) {
        same_done(&done[0][i], &done[1][i]);
        keep_fence(w, 0, &r[i], &done[0][i]);
        keep_fence(w, 1, &r[i], &done[1][i]);
        w->fence_of[i] = 0;
    }
    for (size_t e = 0; e < 2; e++)
        kit_free_many(&w->k[e], done[e], n);
}

static void compare_all(struct world *w)
{
    for (size_t u = 0; u < USERS; u++) {
        struct sp_user user = kit_user(names[u]);
        for (uint32_t device = 0; device < DEVICES; device++) {
            struct sp_msgid ids[MSGIDS];
            for (uint64_t i = 0; i < MSGIDS; i++)
                ids[i].v = i + 1;
            struct sp_store_req r[4];
            for (size_t i = 0; i < 4; i++)
                r[i] = (struct sp_store_req){.to = &user,
                                             .to_n = 1,
                                             .device = device,
                                             .from = {user, device, {0}},
                                             .at_us = w->k[0].wall_us};
            r[0].op = SP_STORE_RANGE;
            r[1].op = SP_STORE_HEAD;
            r[2].op = SP_STORE_STATUS;
            r[3].op = SP_STORE_STATUS;
            r[3].msgids = ids;
            r[3].msgids_n = MSGIDS;
            both(w, r, 4);
        }
    }
}

/* Claims live in memory: after a reopening the engine has none, so the model gives its up too. */
static void forget_claims(struct world *w)
{
    for (size_t u = 0; u < USERS; u++) {
        for (uint32_t device = 0; device < DEVICES; device++) {
            struct sp_store_req r = kit_on(&w->k[0], SP_STORE_RELEASE, names[u], 0);
            r.device = device;
            r.fence = w->fence[0][fence_at(kit_user(names[u]), device)];
            struct sp_store_done d = kit_call(&w->k[0], r);
            kit_free(&w->k[0], &d);
        }
        cr_assert_eq(kit_head(&w->k[0], names[u]).holder, 0U);
    }
    memset(w->fence, 0, sizeof(w->fence));
}

static void run_history(uint64_t seed)
{
    static struct world world;
    struct world *w = &world;
    struct sp_store_config cfg = {.mailbox_count = 60, .mailbox_bytes = 20000, .share_percent = 60};
    *w = (struct world){.rng = seed};
    for (size_t e = 0; e < 2; e++) {
        w->k[e].engine = e ? KIT_LMDB : KIT_MEM;
        w->k[e].wall_us = KIT_T0;
        kit_folder(&w->k[e]);
        kit_start(&w->k[e], &cfg);
    }
    for (int step = 0; step < STEPS; step++) {
        struct sp_store_req r[BATCH];
        size_t n = 1 + draw(w, BATCH);
        bool change = draw(w, 4) != 0;
        for (size_t i = 0; i < n; i++)
            r[i] = change ? random_change(w, i) : random_read(w, i);
        both(w, r, n);
        w->k[0].wall_us += draw(w, 1000000);
        w->k[1].wall_us = w->k[0].wall_us;
        if (step % 250 == 249) {
            compare_all(w);
            forget_claims(w);
            kit_reopen(&w->k[1]);
            compare_all(w);
        }
    }
    for (size_t e = 0; e < 2; e++) {
        sp_store_close(&w->k[e].st);
        (void)nftw(w->k[e].dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
    }
}

#define HISTORY(n)                                                                                           \
    Test(history, seed_##n)                                                                                  \
    {                                                                                                        \
        run_history(n);                                                                                      \
    }

HISTORY(1)
HISTORY(2)
HISTORY(3)
HISTORY(4)
HISTORY(5)
HISTORY(6)
HISTORY(7)
HISTORY(8)
