/* The contract behind the fault engine: whoever submits the same again until the answer is definite loses
 * nothing and stores nothing twice, whatever was delayed, refused or lost on the way. */
#include "contract.h"

enum { N = 400, IN_FLIGHT = 20 };

struct tally {
    unsigned unknown, busy, repeats, overtaken;
    uint32_t seq[N + 1];
};

static void start(struct kit *k, const char *url_format, uint64_t seed, const struct sp_store_faults *odds)
{
    *k = (struct kit){.engine = KIT_FAULT, .wall_us = KIT_T0};
    kit_folder(k);
    k->cfg = (struct sp_store_config){.map_size = KIT_MAP, .epoch = 7, .share_percent = 100, .faults = *odds};
    int n = snprintf(k->url, sizeof(k->url), "fault:%llu:%s", (unsigned long long)seed, url_format);
    if (strcmp(url_format, "lmdb:") == 0)
        (void)snprintf(k->url + n, sizeof(k->url) - (size_t)n, "%s", k->dir);
    kit_open(k);
}

static void stop(struct kit *k)
{
    sp_store_close(&k->st);
    (void)nftw(k->dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* Counts the answer; true: it is definite. */
static bool judge(struct tally *t, const struct sp_store_done *d)
{
    if (d->err == SP_EUNKNOWN)
        t->unknown++;
    else if (d->err == SP_EBUSY)
        t->busy++;
    else
        return true;
    return false;
}

static void submit_one(struct kit *k, uint64_t id)
{
    struct sp_store_req r = kit_append(k, "a", id, id % 3 ? "b" : "c", "body");
    r.cookie = id;
    cr_assert_eq(sp_store_submit(k->port[0], &r, 1), 0);
}

/* Sends messages 1..N, at most IN_FLIGHT at a time, each until its answer is definite. */
static void send_all(struct kit *k, struct tally *t)
{
    uint64_t next = 1;
    uint64_t last = 0;
    for (size_t open = 0; open > 0 || next <= N;) {
        while (open < IN_FLIGHT && next <= N) {
            submit_one(k, next++);
            open++;
        }
        struct sp_store_done d = kit_next(k, 0);
        t->overtaken += d.cookie < last;
        last = d.cookie;
        if (judge(t, &d)) {
            cr_assert_eq(d.err, 0);
            cr_assert_eq(t->seq[d.cookie], 0U);
            t->seq[d.cookie] = d.seq.v;
            t->repeats += d.repeat;
            open--;
        } else {
            submit_one(k, d.cookie);
        }
        kit_free(k, &d);
    }
}

/* The same request until the answer is definite; the caller releases it. */
static struct sp_store_done insist(struct kit *k, struct tally *t, struct sp_store_req r)
{
    for (;;) {
        struct sp_store_done d = kit_call(k, r);
        if (judge(t, &d))
            return d;
        kit_free(k, &d);
    }
}

static void check_box(struct kit *k, struct tally *t, const char *to, uint32_t want)
{
    struct sp_store_done d = insist(k, t, kit_on(k, SP_STORE_RANGE, to, 0));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, want);
    cr_assert_eq(d.skips_n, 0U);
    for (size_t i = 0; i < d.entries_n; i++) {
        cr_assert_eq(d.entries[i].seq.v, i + 1);
        cr_assert_eq(t->seq[d.entries[i].from.msgid.v], i + 1);
    }
    kit_free(k, &d);
    d = insist(k, t, kit_on(k, SP_STORE_CONFIRM, to, want));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.confirmed.v, want);
    kit_free(k, &d);
}

static void check_delivered(struct kit *k, struct tally *t)
{
    struct sp_msgid ids[N];
    for (uint64_t i = 0; i < N; i++)
        ids[i].v = i + 1;
    struct sp_store_req r = kit_by(k, SP_STORE_STATUS, "a", 0);
    r.msgids = ids;
    r.msgids_n = N;
    struct sp_store_done d = insist(k, t, r);
    cr_assert_eq(d.entries_n, (size_t)N);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(d.entries[i].state, SP_STATE_DELIVERED);
    kit_free(k, &d);
}

static void run(const char *url, uint64_t seed, const struct sp_store_faults *odds, struct tally *t)
{
    struct kit k;
    *t = (struct tally){0};
    start(&k, url, seed, odds);
    send_all(&k, t);
    check_box(&k, t, "b", N - N / 3);
    check_box(&k, t, "c", N / 3);
    check_delivered(&k, t);
    stop(&k);
}

static const struct sp_store_faults rough = {
    .set = true, .lost = 200, .failed = 200, .busy = 100, .max_delay_us = 30000};

Test(faults, nothing_lost_nothing_twice_in_memory)
{
    struct tally t;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        run("mem:", seed, &rough, &t);
        cr_assert_gt(t.unknown, 50U);
        cr_assert_gt(t.busy, 10U);
        cr_assert_gt(t.repeats, 20U, "a lost completion shows as a repeat");
        cr_assert_gt(t.overtaken, 50U, "delays reorder");
    }
}

Test(faults, nothing_lost_nothing_twice_on_disk)
{
    struct tally t;
    run("lmdb:", 1, &rough, &t);
    cr_assert_gt(t.unknown, 50U);
    cr_assert_gt(t.busy, 10U);
    cr_assert_gt(t.repeats, 20U);
}

Test(faults, every_completion_lost)
{
    static const struct sp_store_faults always_lost = {
        .set = true, .lost = 1000, .failed = 0, .busy = 0, .max_delay_us = 0};
    struct kit k;
    start(&k, "mem:", 1, &always_lost);
    for (uint64_t id = 1; id <= 3; id++) {
        kit_want(&k, kit_append(&k, "a", id, "b", "x"), SP_EUNKNOWN);
        kit_want(&k, kit_append(&k, "a", id, "b", "x"), SP_EUNKNOWN);
    }
    struct sp_store_stats s;
    sp_store_stats(k.st, &s);
    cr_assert_eq(s.appends, 3U);
    cr_assert_eq(s.repeats, 3U);
    stop(&k);
}

Test(faults, every_request_failed_or_busy_changes_nothing)
{
    static const struct sp_store_faults odds[] = {
        {.set = true, .lost = 0, .failed = 1000, .busy = 0, .max_delay_us = 0},
        {.set = true, .lost = 0, .failed = 0, .busy = 1000, .max_delay_us = 0}};
    static const int errs[] = {SP_EUNKNOWN, SP_EBUSY};
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        start(&k, "mem:", 1, &odds[i]);
        kit_want(&k, kit_append(&k, "a", 1, "b", "x"), errs[i]);
        kit_want(&k, kit_on(&k, SP_STORE_RANGE, "b", 0), errs[i]);
        struct sp_store_stats s;
        sp_store_stats(k.st, &s);
        cr_assert_eq(s.appends, 0U);
        stop(&k);
    }
}

Test(faults, same_seed_same_faults)
{
    struct tally a;
    struct tally b;
    struct tally c;
    run("mem:", 42, &rough, &a);
    run("mem:", 42, &rough, &b);
    run("mem:", 43, &rough, &c);
    cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
    cr_assert_neq(memcmp(&a, &c, sizeof(a)), 0);
}

Test(faults, a_bad_request_keeps_its_error)
{
    struct kit k;
    static const struct sp_store_faults delay = {
        .set = true, .lost = 0, .failed = 0, .busy = 0, .max_delay_us = 1000};
    start(&k, "mem:", 5, &delay);
    struct sp_store_req r = kit_append(&k, "a", 0, "b", "x");
    kit_want(&k, r, SP_EBAD);
    stop(&k);
}

Test(faults, urls)
{
    struct sp_store *st = NULL;
    static const char *const bad[] = {"fault:", "fault:x:mem:", "fault:1", "fault:1:", "fault:1:pg:",
                                      "mem:x",  "lmdb:",        "",        "nothing",  "fault:1:fault:2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char reason[100] = "";
        struct sp_store_config cfg = {.reason = reason, .reason_cap = sizeof(reason)};
        cr_assert_eq(sp_store_open(&st, bad[i], &cfg), SP_EINVAL, "%s", bad[i]);
        cr_assert_null(st);
        cr_assert_neq(reason[0], '\0', "%s", bad[i]);
    }
    cr_assert_eq(sp_store_open(&st, "fault:1:fault:2:mem:", NULL), 0);
    sp_store_close(&st);
    cr_assert_null(st);
    sp_store_close(&st);
}
