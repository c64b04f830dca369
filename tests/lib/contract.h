/* What the store's contract tests share: a store of any engine in a folder of its own, requests in one line,
 * waiting for completions.  A row is written once and runs on every engine. */
#ifndef SP_TEST_CONTRACT_H
#define SP_TEST_CONTRACT_H

#include "store.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kit_engine { KIT_MEM, KIT_LMDB, KIT_FAULT };

#define KIT_PORTS 2
#define KIT_MAP   (256ULL << 20)
#define KIT_DAY   (86400LL * 1000000)
#define KIT_T0    (1700000000LL * 1000000) /* wall time at which every test begins */

struct kit {
    enum kit_engine engine;
    struct sp_store_config cfg;
    struct sp_store *st;
    struct sp_store_port *port[KIT_PORTS];
    char dir[64], url[160], reason[200];
    sp_time now;
    int64_t wall_us;
};

/* A row of the contract: `static void row_NAME(struct kit *k)` follows the macro and runs on each engine. */
#define ROW(name)                                                                                            \
    static void row_##name(struct kit *k);                                                                   \
    Test(mem, name)                                                                                          \
    {                                                                                                        \
        kit_run(KIT_MEM, row_##name);                                                                        \
    }                                                                                                        \
    Test(lmdb, name)                                                                                         \
    {                                                                                                        \
        kit_run(KIT_LMDB, row_##name);                                                                       \
    }                                                                                                        \
    Test(fault, name)                                                                                        \
    {                                                                                                        \
        kit_run(KIT_FAULT, row_##name);                                                                      \
    }                                                                                                        \
    static void row_##name(struct kit *k)

/* ---- life ---- */

static inline int kit_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void kit_folder(struct kit *k)
{
    (void)snprintf(k->dir, sizeof(k->dir), "/tmp/sampan-contract-XXXXXX");
    cr_assert_not_null(mkdtemp(k->dir));
}

static inline void kit_open(struct kit *k)
{
    k->cfg.reason = k->reason;
    k->cfg.reason_cap = sizeof(k->reason);
    k->reason[0] = '\0';
    int err = sp_store_open(&k->st, k->url, &k->cfg);
    cr_assert_eq(err, 0, "open %s: %d %s", k->url, err, k->reason);
    for (size_t i = 0; i < KIT_PORTS; i++)
        cr_assert_eq(sp_store_attach(k->st, &k->port[i]), 0);
}

/* Opens the kit's engine with cfg (NULL: defaults of the tests). */
static inline void kit_start(struct kit *k, const struct sp_store_config *cfg)
{
    if (cfg)
        k->cfg = *cfg;
    if (k->cfg.map_size == 0)
        k->cfg.map_size = KIT_MAP;
    if (k->cfg.epoch == 0)
        k->cfg.epoch = 7777;
    if (!k->cfg.faults.set)
        k->cfg.faults = (struct sp_store_faults){.set = true};
    if (k->engine == KIT_MEM)
        (void)snprintf(k->url, sizeof(k->url), "mem:");
    else
        (void)snprintf(k->url, sizeof(k->url), k->engine == KIT_LMDB ? "lmdb:%s" : "fault:1:lmdb:%s", k->dir);
    kit_open(k);
}

/* Closes and opens again; an engine that forgets is left alone. */
static inline void kit_reopen(struct kit *k)
{
    if (k->engine == KIT_MEM)
        return;
    sp_store_close(&k->st);
    kit_open(k);
}

static inline void kit_run(enum kit_engine engine, void (*row)(struct kit *k))
{
    struct kit k = {.engine = engine, .wall_us = KIT_T0};
    kit_folder(&k);
    row(&k);
    sp_store_close(&k.st);
    (void)nftw(k.dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- requests ---- */

static inline struct sp_user kit_user(const char *name)
{
    return (struct sp_user){{(const uint8_t *)name, strlen(name)}};
}

static inline struct sp_view kit_text(const char *text)
{
    return (struct sp_view){(const uint8_t *)text, strlen(text)};
}

/* A hash for tests: differs when recipient or body differ. */
static inline void kit_hash(struct sp_store_req *r)
{
    uint64_t h = 1469598103934665603ULL;
    for (size_t i = 0; i < r->to[0].id.n; i++)
        h = (h ^ r->to[0].id.p[i]) * 1099511628211ULL;
    for (size_t i = 0; i < r->body.n; i++)
        h = (h ^ r->body.p[i]) * 1099511628211ULL;
    memcpy(r->hash, &h, sizeof(r->hash));
}

/* Recipients of requests must outlive the submit: a small table of them, by name. */
static inline const struct sp_user *kit_to(const char *name)
{
    static struct sp_user users[64];
    static size_t n;
    for (size_t i = 0; i < n && i < 64; i++) {
        if ((const char *)users[i].id.p == name)
            return &users[i];
    }
    users[n % 64] = kit_user(name);
    return &users[n++ % 64];
}

static inline struct sp_store_req kit_append(struct kit *k, const char *from, uint64_t msgid, const char *to,
                                             const char *body)
{
    struct sp_store_req r = {.op = SP_STORE_APPEND,
                             .from = {kit_user(from), 1, {msgid}},
                             .to = kit_to(to),
                             .to_n = 1,
                             .body = kit_text(body),
                             .at_us = k->wall_us};
    kit_hash(&r);
    return r;
}

/* A request on mailbox `to`. */
static inline struct sp_store_req kit_on(struct kit *k, enum sp_store_op op, const char *to, uint32_t seq)
{
    return (struct sp_store_req){
        .op = op, .to = kit_to(to), .to_n = 1, .device = 1, .seq = {seq}, .at_us = k->wall_us};
}

/* A request of sender `from`. */
static inline struct sp_store_req kit_by(struct kit *k, enum sp_store_op op, const char *from, uint64_t msgid)
{
    return (struct sp_store_req){.op = op, .from = {kit_user(from), 1, {msgid}}, .at_us = k->wall_us};
}

/* ---- waiting ---- */

static inline void kit_wait(struct kit *k, struct sp_store_port *p)
{
    int fd = sp_store_wake_fd(p);
    sp_time due = sp_store_deadline(p);
    if (due != SP_NEVER && due > k->now)
        k->now = due;
    if (due != SP_NEVER || fd < 0)
        return;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&pfd, 1, 20000), 1, "no completion in 20 s");
}

/* One completion; the caller releases it. */
static inline struct sp_store_done kit_next(struct kit *k, size_t port)
{
    struct sp_store_done done;
    size_t n = 0;
    for (;;) {
        cr_assert_eq(sp_store_poll(k->port[port], &done, 1, &n, k->now), 0);
        if (n == 1)
            return done;
        cr_assert_gt(sp_store_pending(k->port[port]), 0U, "nothing can complete");
        if (k->cfg.manual && sp_store_step(k->st) > 0)
            continue;
        kit_wait(k, k->port[port]);
    }
}

static inline struct sp_store_done kit_call_on(struct kit *k, size_t port, struct sp_store_req req)
{
    cr_assert_eq(sp_store_submit(k->port[port], &req, 1), 0);
    return kit_next(k, port);
}

static inline struct sp_store_done kit_call(struct kit *k, struct sp_store_req req)
{
    return kit_call_on(k, 0, req);
}

static inline void kit_free(struct kit *k, struct sp_store_done *done)
{
    sp_store_release(k->port[0], done);
}

/* Submits all at once; done[i] answers reqs[i]. */
static inline void kit_many(struct kit *k, struct sp_store_req *reqs, size_t n, struct sp_store_done *done)
{
    for (size_t i = 0; i < n; i++)
        reqs[i].cookie = i;
    cr_assert_eq(sp_store_submit(k->port[0], reqs, n), 0);
    for (size_t i = 0; i < n; i++) {
        struct sp_store_done d = kit_next(k, 0);
        cr_assert_lt(d.cookie, n);
        done[d.cookie] = d;
    }
}

static inline void kit_free_many(struct kit *k, struct sp_store_done *done, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kit_free(k, &done[i]);
}

/* ---- the usual calls, judged ---- */

/* Calls, compares err, releases; the returned completion has no entries any more. */
static inline struct sp_store_done kit_want(struct kit *k, struct sp_store_req req, int err)
{
    struct sp_store_done d = kit_call(k, req);
    cr_assert_eq(d.err, err, "op %d: err %d, not %d", (int)req.op, d.err, err);
    kit_free(k, &d);
    return d;
}

static inline uint32_t kit_send(struct kit *k, const char *from, uint64_t msgid, const char *to,
                                const char *body)
{
    struct sp_store_done d = kit_want(k, kit_append(k, from, msgid, to, body), 0);
    cr_assert_gt(d.commit, 0U);
    cr_assert_not(d.repeat);
    return d.seq.v;
}

static inline struct sp_store_done kit_head(struct kit *k, const char *to)
{
    return kit_want(k, kit_on(k, SP_STORE_HEAD, to, 0), 0);
}

/* Messages of a RANGE above seq; the rest of the answer is released. */
static inline size_t kit_count(struct kit *k, size_t port, const char *to, uint32_t seq)
{
    struct sp_store_done d = kit_call_on(k, port, kit_on(k, SP_STORE_RANGE, to, seq));
    cr_assert_eq(d.err, 0);
    size_t n = d.entries_n;
    kit_free(k, &d);
    return n;
}

static inline int kit_state(struct kit *k, const char *from, uint64_t msgid)
{
    struct sp_msgid id = {msgid};
    struct sp_store_req r = kit_by(k, SP_STORE_STATUS, from, 0);
    r.msgids = &id;
    r.msgids_n = 1;
    struct sp_store_done d = kit_call(k, r);
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].from.msgid.v, msgid);
    int state = d.entries[0].state;
    kit_free(k, &d);
    return state;
}

static inline bool kit_same(struct sp_view a, const char *text)
{
    return a.n == strlen(text) && (a.n == 0 || memcmp(a.p, text, a.n) == 0);
}

#endif
