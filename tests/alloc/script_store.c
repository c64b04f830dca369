/* Scripts over the store engines and the client's shipped storage. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local_lmdb.h"
#include "script.h"
#include "store.h"

#include <sampan/err.h>

enum { MESSAGES = 3, WAIT_MAX = 1000, PATH = 160 };

#define MAP (4U << 20)

struct kit {
    struct sp_store *store;
    struct sp_store_port *port;
    unsigned retries; /* one allocation fails, so one request may have to be repeated */
    sp_time now;
};

/* A path below the program's folder. */
static const char *place(const char *name, char *dst)
{
    int n = snprintf(dst, PATH, "%s/%s", script_dir(), name);
    MUST(n > 0 && n < PATH);
    return dst;
}

static void clear(const char *name)
{
    char path[PATH];
    script_disarm();
    script_remove(place(name, path));
    script_arm();
}

/* ---- store ---- */

static bool open_kit(struct kit *k, const char *url)
{
    struct sp_store_config cfg = {.map_size = MAP, .reserve_bytes = 65536, .manual = true, .epoch = 7};
    cfg.faults.set = true;
    *k = (struct kit){0};
    int err = sp_store_open(&k->store, url, &cfg);
    MUST(err == 0 || (err == SP_EIO && script_failing() > 0));
    if (err == 0)
        err = sp_store_attach(k->store, &k->port);
    MUST(err == 0 || (err == SP_EIO && script_failing() > 0));
    if (err != 0)
        sp_store_close(&k->store);
    return err == 0;
}

/* The answer to a request that is repeated as long as its outcome is not definite. */
static struct sp_store_done call(struct kit *k, const struct sp_store_req *r)
{
    struct sp_store_done d;
    for (;;) {
        size_t n = 0;
        int err = sp_store_submit(k->port, r, 1);
        for (unsigned i = 0; err == 0 && n == 0; i++) {
            MUST(i < WAIT_MAX);
            (void)sp_store_step(k->store);
            MUST(sp_store_poll(k->port, &d, 1, &n, k->now) == 0);
            k->now += SP_SECOND;
        }
        if (err == 0 && d.err == 0)
            return d;
        /* Nothing was taken, nothing changed, or the outcome is unknown: never a definite refusal. */
        int said = err != 0 ? err : d.err;
        MUST(said == SP_EFULL || said == SP_EBUSY || said == SP_EUNKNOWN || said == SP_EIO);
        if (err == 0)
            sp_store_release(k->port, &d);
        k->retries++;
        MUST(script_failing() > 0 && k->retries == 1);
    }
}

static const struct sp_user ann = {{(const uint8_t *)"ann", 3}}, bob = {{(const uint8_t *)"bob", 3}};

static struct sp_view body_of(unsigned i)
{
    static const uint8_t bytes[4000];
    return (struct sp_view){bytes, 1000U * i + 5};
}

static void send_all(struct kit *k)
{
    for (unsigned i = 1; i <= MESSAGES; i++) {
        struct sp_store_req r = {.op = SP_STORE_APPEND,
                                 .from = {ann, 1, {i}},
                                 .to = &bob,
                                 .to_n = 1,
                                 .body = body_of(i),
                                 .at_us = SP_SECOND};
        struct sp_store_done d = call(k, &r);
        MUST(d.seq.v == i);
        sp_store_release(k->port, &d);
    }
}

/* Bob has exactly what was sent, once each. */
static void read_all(struct kit *k)
{
    struct sp_store_req r = {.op = SP_STORE_RANGE, .to = &bob, .to_n = 1, .at_us = SP_SECOND};
    struct sp_store_done d = call(k, &r);
    MUST(d.svr_seq.v == MESSAGES);
    MUST(d.entries_n == MESSAGES && d.skips_n == 0);
    for (unsigned i = 1; i <= MESSAGES; i++) {
        const struct sp_store_entry *e = &d.entries[i - 1];
        MUST(e->seq.v == i && e->from.msgid.v == i);
        MUST(e->body.n == body_of(i).n && memcmp(e->body.p, body_of(i).p, e->body.n) == 0);
    }
    sp_store_release(k->port, &d);
}

static void ask(struct kit *k, enum sp_store_op op, uint32_t seq)
{
    static const struct sp_store_span span = {{3}, {3}, SP_STORE_WHY_DELETED};
    struct sp_store_req r = {.op = op,
                             .from = {ann, 1, {2}},
                             .to = &bob,
                             .to_n = 1,
                             .device = 1,
                             .seq = {seq},
                             .spans = &span,
                             .spans_n = 1,
                             .holder = 1,
                             .at_us = SP_SECOND};
    struct sp_store_done d = call(k, &r);
    sp_store_release(k->port, &d);
}

static void ask_all(struct kit *k)
{
    ask(k, SP_STORE_CLAIM, 0);
    ask(k, SP_STORE_HEAD, 0);
    ask(k, SP_STORE_STATUS, 0);
    ask(k, SP_STORE_CONFIRM, 2);
    ask(k, SP_STORE_MARK, 0);
    ask(k, SP_STORE_TRIM, 0);
    ask(k, SP_STORE_LIMIT, 0);
    ask(k, SP_STORE_FINISH, 0);
}

static bool open_close(const char *url)
{
    struct kit k;
    if (!open_kit(&k, url))
        return false;
    sp_store_close(&k.store);
    return true;
}

static bool send_read(const char *url)
{
    struct kit k;
    if (!open_kit(&k, url))
        return false;
    send_all(&k);
    read_all(&k);
    sp_store_close(&k.store);
    return true;
}

static bool ask_everything(const char *url)
{
    struct kit k;
    if (!open_kit(&k, url))
        return false;
    send_all(&k);
    ask_all(&k);
    sp_store_close(&k.store);
    return true;
}

static bool mem_open(void)
{
    return open_close("mem:");
}

static bool mem_send(void)
{
    return send_read("mem:");
}

static bool mem_ask(void)
{
    return ask_everything("mem:");
}

static bool fault_send(void)
{
    return send_read("fault:1:mem:");
}

/* In a new folder each time. */
static bool with_lmdb(const char *name, bool (*run)(const char *url))
{
    char path[PATH], url[PATH + 8];
    (void)snprintf(url, sizeof url, "lmdb:%s", place(name, path));
    bool ok = run(url);
    clear(name);
    return ok;
}

static bool lmdb_create(void)
{
    return with_lmdb("create", open_close);
}

static bool lmdb_send(void)
{
    return with_lmdb("send", send_read);
}

static bool lmdb_ask(void)
{
    return with_lmdb("ask", ask_everything);
}

static const char *kept_url(void)
{
    static char url[PATH + 8];
    char path[PATH];
    (void)snprintf(url, sizeof url, "lmdb:%s", place("kept", path));
    return url;
}

static void lmdb_keep(void)
{
    struct kit k;
    MUST(open_kit(&k, kept_url()));
    send_all(&k);
    sp_store_close(&k.store);
}

/* What was stored is there, whatever failed when it was opened before. */
static bool lmdb_reopen(void)
{
    struct kit k;
    if (!open_kit(&k, kept_url()))
        return false;
    send_all(&k); /* repeats */
    read_all(&k);
    sp_store_close(&k.store);
    return true;
}

/* ---- the client's storage ---- */

static bool open_local(struct sp_local *l, const char *path)
{
    int err = sp_local_lmdb_open(l, path, "ann", 5);
    MUST(err == 0 || (err == SP_EIO && script_failing() > 0));
    return err == 0;
}

/* One of two tries works. */
#define TWICE(expression) MUST((expression) == 0 || (script_failing() > 0 && (expression) == 0))

static bool local_use(const char *name)
{
    struct sp_local l;
    struct sp_local_state state;
    char path[PATH];
    uint8_t body[16];
    size_t n = 0;
    struct sp_outgoing m = {.msgid = {(UINT64_C(1700000000) << 32) + 1},
                            .to = {(const uint8_t *)"bob", 3},
                            .body = {(const uint8_t *)"hello", 5}};
    if (!open_local(&l, place(name, path)))
        return false;
    TWICE(l.load(l.self, &state));
    TWICE(l.put(l.self, &m));
    TWICE(l.cursor(l.self, (struct sp_epoch){7}, (struct sp_seq){3}));
    TWICE(l.sync(l.self));
    TWICE(l.read(l.self, m.msgid, body, sizeof body, &n));
    MUST(n == 5 && memcmp(body, "hello", 5) == 0);
    sp_local_lmdb_close(&l);
    if (!open_local(&l, path))
        return false;
    TWICE(l.load(l.self, &state));
    MUST(state.last.v == m.msgid.v && state.cursor.v == 3 && state.epoch.v == 7);
    TWICE(l.drop(l.self, m.msgid));
    TWICE(l.sync(l.self));
    MUST(l.read(l.self, m.msgid, body, sizeof body, &n) != 0);
    sp_local_lmdb_close(&l);
    return true;
}

static bool local_new(void)
{
    bool ok = local_use("local");
    clear("local");
    return ok;
}

static bool local_again(void)
{
    return local_use("local-again");
}

const struct script script_store[] = {
    {"mem-open", NULL, mem_open},       {"mem-send", NULL, mem_send},
    {"mem-ask", NULL, mem_ask},         {"fault-send", NULL, fault_send},
    {"lmdb-create", NULL, lmdb_create}, {"lmdb-send", NULL, lmdb_send},
    {"lmdb-ask", NULL, lmdb_ask},       {"lmdb-reopen", lmdb_keep, lmdb_reopen},
    {"local-new", NULL, local_new},     {"local-again", NULL, local_again},
};
const unsigned script_store_n = sizeof script_store / sizeof script_store[0];
