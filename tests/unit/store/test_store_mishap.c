/* Every request of every engine, with a mishap at each call that it makes: no memory, an error of LMDB, a
 * damaged row, an error of the system.  A failed request has changed nothing: made again without the mishap
 * it has the answer, and leaves the store, that it would have had at once. */
#include "mishap_rig.h"

/* The same request once more has the answer it should have had. */
static void ask_again(struct trial *t, unsigned call)
{
    struct answer a = ask(&t->k, t->scene);
    cr_assert_eq(a.err, t->want.err, "%s, call %u: %d", t->scene->name, call, a.err);
    cr_assert_eq(a.digest, t->want.digest, "%s, call %u: the answer differs", t->scene->name, call);
}

typedef void judge_fn(struct trial *t, const struct answer *a, unsigned call);

/* One mishap at each call of each scene; the number of those that were met. */
static unsigned run(enum kit_engine engine, enum mishap_kind kind, int error, judge_fn *judge)
{
    static struct trial t;
    unsigned hits = 0;
    prepare(&t, engine);
    for (size_t i = 0; i < SCENES; i++) {
        choose(&t, &scenes[i]);
        bool hit = true;
        for (unsigned call = 0; hit; call++) {
            open_copy(&t);
            mishap_arm(kind, error, call);
            struct answer a = ask(&t.k, t.scene);
            hit = mishap_disarm();
            hits += hit;
            if (hit)
                judge(&t, &a, call);
            else
                cr_assert_eq(a.digest, t.want.digest);
            cr_assert_lt(call, CALLS_MAX);
            sp_store_close(&t.k.st);
        }
    }
    end(&t.k);
    end(&t.model);
    return hits;
}

/* No memory is no reason to stop: refused, or unknown in a transaction, and all goes on. */
static void judge_memory(struct trial *t, const struct answer *a, unsigned call)
{
    bool refused = !a->accepted || a->err == SP_EBUSY || a->err == SP_EUNKNOWN;
    cr_assert(refused || a->digest == t->want.digest, "%s, call %u: %d", t->scene->name, call, a->err);
    cr_assert_not(stats(&t->k).failed);
    if (refused)
        ask_again(t, call);
    cr_assert_eq(contents(&t->k), t->left, "%s, call %u", t->scene->name, call);
}

Test(store_mishap, no_memory_in_the_model)
{
    cr_assert_gt(run(KIT_MEM, MISHAP_MEMORY, 0, judge_memory), SCENES);
}

Test(store_mishap, no_memory_in_lmdb)
{
    cr_assert_gt(run(KIT_LMDB, MISHAP_MEMORY, 0, judge_memory), SCENES);
}

/* After an error of LMDB nothing is answered any more; the next start has all that was promised.  Only what
 * is asked about free pages may fail without a word. */
static void judge_error(struct trial *t, const struct answer *a, unsigned call)
{
    if (a->digest == t->want.digest) {
        cr_assert_not(stats(&t->k).failed);
        kit_reopen(&t->k);
        cr_assert_eq(contents(&t->k), t->left, "%s, call %u", t->scene->name, call);
        return;
    }
    cr_assert(a->err == SP_EUNKNOWN || a->err == SP_EFAILED, "%s, call %u: %d", t->scene->name, call, a->err);
    cr_assert(stats(&t->k).failed);
    kit_want(&t->k, kit_on(&t->k, SP_STORE_HEAD, "b", 0), SP_EFAILED);
    kit_want(&t->k, make_claim(&t->k), SP_EFAILED);
    kit_reopen(&t->k);
    ask_again(t, call);
    cr_assert_eq(contents(&t->k), t->left, "%s, call %u", t->scene->name, call);
}

Test(store_mishap, an_error_at_every_call_of_lmdb)
{
    cr_assert_gt(run(KIT_LMDB, MISHAP_LMDB, EIO, judge_error), 10 * SCENES);
}

/* What cannot be asked about space is taken for enough. */
static void judge_look(struct trial *t, const struct answer *a, unsigned call)
{
    cr_assert_eq(a->digest, t->want.digest, "%s, call %u", t->scene->name, call);
    cr_assert_eq(contents(&t->k), t->left);
}

Test(store_mishap, no_figures_of_space)
{
    cr_assert_gt(run(KIT_LMDB, MISHAP_LOOK, EIO, judge_look), SCENES / 2);
}

/* A damaged row is counted, or was not needed; nothing of it is served (check_bodies), nothing fails. */
static void judge_row(struct trial *t, const struct answer *a, unsigned call)
{
    struct sp_store_stats s = stats(&t->k);
    cr_assert(s.corrupt > 0 || a->digest == t->want.digest, "%s, call %u", t->scene->name, call);
    cr_assert(a->err == t->want.err || a->err == SP_ECORRUPT, "%s, call %u: %d", t->scene->name, call,
              a->err);
    cr_assert_not(s.failed);
    (void)contents(&t->k);
}

Test(store_mishap, a_damaged_row_at_every_read)
{
    cr_assert_gt(run(KIT_LMDB, MISHAP_ROW, 0, judge_row), 2 * SCENES);
}

/* ---- a map or a disk that ends within a transaction ---- */

/* A definite refusal or an unknown outcome, never a latch.  (What the sweep gave up waits for a later time.)
 */
static void judge_full(struct trial *t, const struct answer *a, unsigned call)
{
    bool refused = a->err == SP_ENOSPACE || a->err == SP_EBUSY || a->err == SP_EUNKNOWN;
    cr_assert(refused || a->digest == t->want.digest, "%s, call %u: %d", t->scene->name, call, a->err);
    cr_assert_not(stats(&t->k).failed);
    if (refused)
        ask_again(t, call);
    if (t->scene->make != make_late)
        cr_assert_eq(contents(&t->k), t->left, "%s, call %u", t->scene->name, call);
}

Test(store_mishap, no_room_at_every_write)
{
    static const int errors[] = {MDB_MAP_FULL, MDB_TXN_FULL, ENOSPC, EDQUOT};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        cr_assert_gt(run(KIT_LMDB, MISHAP_WRITE, errors[i], judge_full), SCENES);
}

/* Several requests in one transaction that does not fit: halves of it do, and each is answered as alone. */
Test(store_mishap, a_batch_is_halved)
{
    static struct trial t;
    uint64_t left = 0;
    bool hit = true;
    prepare(&t, KIT_LMDB);
    for (unsigned call = 0; hit; call++) {
        open_copy(&t);
        /* The call beyond all others is the run that has no mishap; it comes first. */
        mishap_arm(MISHAP_WRITE, MDB_MAP_FULL, call == 0 ? CALLS_MAX : call - 1);
        struct sp_store_req r[] = {make_claim(&t.k), kit_append(&t.k, "a", 30, "b", "a-30"),
                                   make_release(&t.k), kit_append(&t.k, "a", 31, "b", "a-31"),
                                   make_confirm(&t.k)};
        struct sp_store_done d[5];
        kit_many(&t.k, r, 5, d);
        hit = mishap_disarm() || call == 0;
        for (size_t i = 0; i < 5; i++)
            cr_assert_eq(d[i].err, i == 2 ? SP_EFENCED : 0, "call %u, request %zu: %d", call, i, d[i].err);
        cr_assert_eq(d[1].seq.v, 9U);
        cr_assert_eq(d[3].seq.v, 10U);
        cr_assert_eq(d[4].entries_n, 4U);
        kit_free_many(&t.k, d, 5);
        left = call == 0 ? contents(&t.k) : left;
        cr_assert_eq(contents(&t.k), left, "call %u", call);
        sp_store_close(&t.k.st);
    }
    end(&t.k);
    end(&t.model);
}

/* ---- more than one request ---- */

/* Submit takes all or none. */
Test(store_mishap, no_memory_for_some_of_many)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    for (unsigned call = 0; call < 3; call++) {
        struct sp_store_req r[3];
        for (size_t i = 0; i < 3; i++)
            r[i] = kit_append(&k, "a", i + 1, "b", "x");
        mishap_arm(MISHAP_MEMORY, ENOMEM, call);
        cr_assert_eq(sp_store_submit(k.port[0], r, 3), SP_EFULL);
        cr_assert(mishap_disarm());
        cr_assert_eq(sp_store_pending(k.port[0]), 0U);
        cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    }
    cr_assert_eq(kit_head(&k, "b").svr_seq.v, 0U);
    sp_store_close(&k.st);
}

/* Tables that grow: without memory they stay as they are, which is slower and nothing else. */
Test(store_mishap, no_memory_while_tables_grow)
{
    enum { USERS = 300 };
    static char names[USERS][8];
    static struct sp_user users[USERS];
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    unsigned hits = 0;
    kit_start(&k, NULL);
    for (size_t i = 0; i < USERS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "u%zu", i);
        users[i] = kit_user(names[i]);
        struct sp_store_req r[2] = {kit_append(&k, "a", i + 1, "b", "x"), kit_on(&k, SP_STORE_CLAIM, "b", 0)};
        for (size_t n = 0; n < 2; n++) {
            r[n].to = &users[i];
            r[n].holder = (uint32_t)i + 1;
            mishap_arm(MISHAP_MEMORY, ENOMEM, (unsigned)(2 + i % 3 - n));
            struct sp_store_done d = kit_call(&k, r[n]);
            hits += mishap_disarm();
            cr_assert(d.err == 0 || d.err == SP_EBUSY, "%d", d.err);
            bool again = d.err != 0;
            kit_free(&k, &d);
            if (again)
                kit_want(&k, r[n], 0);
        }
    }
    cr_assert_gt(hits, USERS);
    for (size_t i = 0; i < USERS; i++) {
        struct sp_store_req r = kit_on(&k, SP_STORE_HEAD, "b", 0);
        r.to = &users[i];
        struct sp_store_done d = kit_want(&k, r, 0);
        cr_assert_eq(d.svr_seq.v, 1U);
        cr_assert_eq(d.holder, i + 1);
    }
    sp_store_close(&k.st);
}

/* A mailbox row that is damaged again right after its repair: the read says so instead of trying for ever. */
Test(store_mishap, a_row_that_stays_damaged)
{
    static struct trial t;
    prepare(&t, KIT_LMDB);
    open_copy(&t);
    mishap_arm(MISHAP_ROW, 0, 0);
    mishap.goes_on = true;
    kit_want(&t.k, make_range(&t.k), SP_ECORRUPT);
    cr_assert(mishap_disarm());
    kit_want(&t.k, make_range(&t.k), 0);
    end(&t.k);
    end(&t.model);
}

/* Sizes that cannot be asked are 0; counters are there. */
Test(store_mishap, no_sizes)
{
    static struct trial t;
    prepare(&t, KIT_LMDB);
    open_copy(&t);
    cr_assert_gt(stats(&t.k).map_bytes, 0U);
    for (unsigned call = 0; call < 2; call++) {
        mishap_arm(MISHAP_LOOK, EIO, call);
        struct sp_store_stats s = stats(&t.k);
        cr_assert(mishap_disarm());
        cr_assert_eq(s.map_bytes, 0U);
        cr_assert_eq(s.used_bytes, 0U);
    }
    end(&t.k);
    end(&t.model);
}

/* ---- blocks ahead ---- */

/* Every later fallocate fails as well. */
static void arm_room(int error)
{
    mishap_arm(MISHAP_ROOM, error, 0);
    mishap.goes_on = true;
}

/* A file system that cannot allocate ahead: the store works as it would elsewhere. */
Test(store_mishap, a_file_system_without_fallocate)
{
    static struct trial t;
    prepare(&t, KIT_LMDB);
    for (size_t i = 0; i < SCENES; i++) {
        choose(&t, &scenes[i]);
        arm_room(EOPNOTSUPP);
        open_copy(&t);
        struct answer a = ask(&t.k, t.scene);
        cr_assert_eq(a.digest, t.want.digest, "%s: %d", t.scene->name, a.err);
        cr_assert_not(stats(&t.k).full);
        cr_assert_eq(contents(&t.k), t.left, "%s", t.scene->name);
        (void)mishap_disarm();
        sp_store_close(&t.k.st);
    }
    end(&t.k);
    end(&t.model);
}

/* A disk that gives no more blocks: new messages are refused by name, everything else is answered, nothing
 * latches, and when there is room again the same store goes on. */
Test(store_mishap, a_disk_without_more_blocks)
{
    enum { FILLERS = 200 };
    static const char other[1U << 20];
    static uint8_t body[SP_BODY_MAX];
    struct kit k;
    char path[128];
    uint64_t id = 100;
    int err = 0;
    begin(&k, KIT_LMDB);
    k.cfg.share_percent = 100;
    kit_start(&k, NULL);
    furnish(&k);
    (void)snprintf(path, sizeof(path), "%s.other", k.dir);
    FILE *f = fopen(path, "wb");
    cr_assert_eq(fwrite(other, 1, sizeof(other), f), sizeof(other));
    cr_assert_eq(fclose(f), 0);
    arm_room(ENOSPC);
    for (; err == 0 && id < 100 + FILLERS; id++) {
        struct sp_store_req r = kit_append(&k, "w", id, "v", "");
        r.body = (struct sp_view){body, sizeof(body)};
        struct sp_store_done d = kit_call(&k, r);
        err = d.err;
        kit_free(&k, &d);
    }
    cr_assert_eq(err, SP_ENOSPACE, "%d", err);
    cr_assert_gt(mishap.hits, 0U, "it asked for blocks");
    cr_assert(stats(&k).full);
    cr_assert_not(stats(&k).failed);
    for (size_t i = 0; i < SCENES; i++) {
        struct answer a = ask(&k, &scenes[i]);
        cr_assert(a.accepted && (a.err == scenes[i].err || a.err == SP_ENOSPACE), "%s: %d", scenes[i].name,
                  a.err);
    }
    (void)mishap_disarm();
    cr_assert_eq(unlink(path), 0); /* the disk has changed */
    kit_want(&k, message(&k, "a", 40, "b"), 0);
    cr_assert_not(stats(&k).full);
    end(&k);
}
