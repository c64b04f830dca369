/* Records of the LMDB engine.  First byte: one record as it comes from the disk, or a store of which a script
 * damages rows before it is opened and used.
 *
 * Promises of a record: it is corrupt, of another version, or exactly what its encoder writes.  Promises of
 * the store: it opens, unless a row of `meta` was damaged; what it serves is what was sent; a mailbox is told
 * without gaps and twice nothing; one identity has one seq, whatever the damage; it never latches as failed.
 * Rows with a right checksum over other data are no damage that a disk makes: with them it must only not
 * crash. */
#include "fuzz.h"
#include "rawstore.h"
#include "script.h"
#include "store.h"

#include <sampan/err.h>

#define T0  (INT64_C(1700000000) * 1000000)
#define DAY (INT64_C(86400) * 1000000)

enum { USERS = 3, IDS = 16, STEPS_MAX = 60, DAMAGES_MAX = 12, BODY_MAX = 4000, WAIT_MAX = 100 };

static const char *const names[USERS] = {"ann", "bob", "carla"};

struct world {
    struct rawstore raw;
    struct sp_store *store;
    struct sp_store_port *port;
    int64_t wall_us;
    bool is_forged; /* rows were sealed that no encoder wrote */
    bool is_meta_damaged;
    uint32_t seq[USERS][IDS];   /* of (sender, msgid), once it was told */
    uint32_t first[USERS][IDS]; /* the same when the store was kept */
};

/* ---- one record ---- */

static void check_again(struct sp_view data, const struct sp_lmdb_value *v)
{
    FUZZ_CHECK(v->n == SP_LMDB_HEAD_LEN + data.n);
    FUZZ_CHECK(memcmp(v->b + SP_LMDB_HEAD_LEN, data.p, data.n) == 0);
}

/* What a decoder takes is what its encoder writes. */
static void check_data(enum sp_lmdb_tree tree, struct sp_view data)
{
    union {
        uint64_t number;
        struct sp_lmdb_usr usr;
        struct sp_lmdb_dev dev;
        struct sp_lmdb_dedup dedup;
        struct sp_lmdb_msg msg;
        struct sp_lmdb_tomb tomb;
        struct sp_lmdb_share share;
    } row;
    struct sp_lmdb_value v = {.n = 0};
    int err = SP_ECORRUPT;
    switch (tree) {
#define DECODE(TREE, name)                                                                                   \
    case SP_LMDB_##TREE:                                                                                     \
        err = sp_lmdb_data_##name(data, &row.name);                                                          \
        if (err == 0)                                                                                        \
            sp_lmdb_value_##name(&v, &row.name);                                                             \
        break;
        DECODE(USR, usr)
        DECODE(DEV, dev)
        DECODE(DEDUP, dedup)
        DECODE(BOX, msg)
        DECODE(TOMB, tomb)
        DECODE(SHARE, share)
#undef DECODE
    default:
        err = sp_lmdb_data_number(data, &row.number);
        if (err == 0)
            sp_lmdb_value_number(&v, row.number);
        break;
    }
    fuzz_tell("tree %d, %zu bytes: %d", (int)tree, data.n, err);
    FUZZ_CHECK(err == 0 || err == SP_ECORRUPT);
    if (err == 0)
        check_again(data, &v);
}

static void check_record(struct script *s)
{
    enum sp_lmdb_tree tree = (enum sp_lmdb_tree)script_pick(s, SP_LMDB_TREES);
    uint8_t how = script_u8(s);
    struct sp_view key = script_view(s, 1 + how % 32), raw = {s->p, s->n}, data;
    struct sp_lmdb_value v = {.n = SP_LMDB_HEAD_LEN};
    int err = sp_lmdb_value_open(tree, key, raw, &data);
    FUZZ_CHECK(err == 0 || err == SP_ECORRUPT || err == SP_EVERSION);
    if (err == 0)
        check_data(tree, data);
    size_t n = raw.n < SP_LMDB_PART_MAX ? raw.n : SP_LMDB_PART_MAX;
    if (n > 0)
        memcpy(v.b + v.n, raw.p, n);
    v.n += n;
    sp_lmdb_value_seal(&v, tree, key);
    uint8_t *exact = fuzz_copy(v.b, v.n);
    FUZZ_CHECK(sp_lmdb_value_open(tree, key, (struct sp_view){exact, v.n}, &data) == 0);
    FUZZ_CHECK(data.p == exact + SP_LMDB_HEAD_LEN && data.n == n);
    check_data(tree, data);
    exact[(size_t)how * 7 % v.n] ^= (uint8_t)(1U << (how & 7));
    FUZZ_CHECK(sp_lmdb_value_open(tree, key, (struct sp_view){exact, v.n}, &data) == SP_ECORRUPT);
    free(exact);
}

/* ---- messages: everything follows from (sender, msgid) ---- */

static struct sp_user user_of(unsigned who)
{
    return (struct sp_user){{(const uint8_t *)names[who], strlen(names[who])}};
}

static unsigned find_user(struct sp_user u)
{
    unsigned who = 0;
    while (who < USERS && (u.id.n != strlen(names[who]) || memcmp(u.id.p, names[who], u.id.n) != 0))
        who++;
    return who;
}

static unsigned to_of(unsigned from, uint64_t msgid)
{
    return (unsigned)(from + 1 + msgid % 2) % USERS;
}

static struct sp_view body_of(unsigned from, uint64_t msgid)
{
    static uint8_t bytes[BODY_MAX];
    static const size_t lengths[4] = {5, 0, BODY_MAX, 1892};
    size_t n = lengths[msgid % 4];
    memset(bytes, (uint8_t)(16 * from + msgid), n);
    return (struct sp_view){bytes, n};
}

/* ---- the store ---- */

static int open_store(struct world *w)
{
    struct sp_store_config cfg = {
        .map_size = RAWSTORE_MAP, .manual = true, .epoch = 7, .mailbox_count = 8, .reserve_bytes = 65536};
    int err = sp_store_open(&w->store, w->raw.url, &cfg);
    if (err == 0)
        FUZZ_CHECK(sp_store_attach(w->store, &w->port) == 0);
    return err;
}

static struct sp_store_done call(struct world *w, const struct sp_store_req *r)
{
    struct sp_store_done d;
    size_t n = 0;
    FUZZ_CHECK(sp_store_submit(w->port, r, 1) == 0);
    for (unsigned i = 0; n == 0; i++) {
        FUZZ_CHECK(i < WAIT_MAX);
        (void)sp_store_step(w->store);
        FUZZ_CHECK(sp_store_poll(w->port, &d, 1, &n, 0) == 0);
    }
    fuzz_tell("  op %d: %d, svr %u", (int)r->op, d.err, d.svr_seq.v);
    FUZZ_CHECK(d.op == r->op);
    FUZZ_CHECK(d.err != SP_EFAILED);
    FUZZ_CHECK(w->is_forged || d.err != SP_EUNKNOWN);
    return d;
}

static void remember(struct world *w, unsigned from, uint64_t msgid, uint32_t seq)
{
    if (from >= USERS || msgid >= IDS || w->is_forged)
        return;
    FUZZ_CHECK(w->seq[from][msgid] == 0 || w->seq[from][msgid] == seq);
    w->seq[from][msgid] = seq;
}

static void append(struct world *w, unsigned from, uint64_t msgid, uint8_t how)
{
    unsigned to = to_of(from, msgid);
    struct sp_user user = user_of(to);
    struct sp_store_req r = {.op = SP_STORE_APPEND,
                             .from = {user_of(from), 1, {msgid}},
                             .to = &user,
                             .to_n = 1,
                             .body = body_of(from, msgid),
                             .hash = {(uint8_t)msgid},
                             .at_us = w->wall_us};
    r.after.v = (how & 1) != 0 && msgid > 1 ? msgid - 1 : 0;
    r.expires_us = (how & 2) != 0 ? w->wall_us + DAY : 0;
    struct sp_store_done d = call(w, &r);
    if (d.err == 0) {
        FUZZ_CHECK(d.seq.v > 0);
        FUZZ_CHECK(w->is_forged || d.seq.v <= d.svr_seq.v);
        remember(w, from, msgid, d.seq.v);
    }
    sp_store_release(w->port, &d);
}

static void check_entry(struct world *w, unsigned box, const struct sp_store_entry *e)
{
    unsigned from = find_user(e->from.user);
    if (w->is_forged)
        return;
    FUZZ_CHECK(from < USERS);
    FUZZ_CHECK(e->from.device == 1);
    FUZZ_CHECK(e->from.msgid.v > 0 && e->from.msgid.v < IDS);
    FUZZ_CHECK(to_of(from, e->from.msgid.v) == box);
    struct sp_view body = body_of(from, e->from.msgid.v);
    FUZZ_CHECK(e->body.n == body.n);
    FUZZ_CHECK(body.n == 0 || memcmp(e->body.p, body.p, body.n) == 0);
    remember(w, from, e->from.msgid.v, e->seq.v);
}

/* Entries and skips, merged: each seq of (from, to] once. */
static void check_range(struct world *w, unsigned box, uint32_t from, const struct sp_store_done *d)
{
    uint64_t next = (uint64_t)from + 1;
    size_t i = 0, j = 0;
    while (i < d->entries_n || j < d->skips_n) {
        if (i < d->entries_n && d->entries[i].seq.v == next) {
            check_entry(w, box, &d->entries[i++]);
            next++;
            continue;
        }
        FUZZ_CHECK(j < d->skips_n);
        FUZZ_CHECK(d->skips[j].lo.v == next);
        FUZZ_CHECK(d->skips[j].hi.v >= next);
        FUZZ_CHECK(w->is_forged ||
                   (d->skips[j].why >= SP_STORE_WHY_CONFIRMED && d->skips[j].why <= SP_STORE_WHY_CORRUPT));
        next = (uint64_t)d->skips[j++].hi.v + 1;
    }
    FUZZ_CHECK(next == (uint64_t)d->to.v + 1 || d->to.v < from);
}

static void range(struct world *w, unsigned box, uint32_t from, uint8_t max)
{
    struct sp_user user = user_of(box);
    struct sp_store_req r = {
        .op = SP_STORE_RANGE, .to = &user, .to_n = 1, .seq = {from}, .max = max, .at_us = w->wall_us};
    struct sp_store_done d = call(w, &r);
    if (d.err == 0)
        check_range(w, box, from, &d);
    sp_store_release(w->port, &d);
}

/* A request about a mailbox or a sender. */
static void ask(struct world *w, enum sp_store_op op, unsigned who, struct script *s)
{
    struct sp_user user = user_of(who);
    struct sp_msgid ids[IDS];
    struct sp_store_span span = {{1 + script_u8(s) % 12U}, {0}, 2 + script_u8(s) % 3};
    uint8_t b = script_u8(s);
    struct sp_store_req r = {.op = op,
                             .from = {user, 1, {b % IDS}},
                             .to = &user,
                             .to_n = 1,
                             .device = 1,
                             .seq = {b % 16U},
                             .spans = &span,
                             .spans_n = 1,
                             .msgids = ids,
                             .at_us = w->wall_us};
    span.hi.v = span.lo.v + (b & 7);
    r.msgids_n = (b & 1) != 0 ? IDS - 1 : 0;
    for (unsigned i = 0; i < IDS; i++)
        ids[i].v = i + 1;
    if (op == SP_STORE_LIMIT) {
        r.max = b & 7;
        r.sub = b >> 7;
    }
    struct sp_store_done d = call(w, &r);
    sp_store_release(w->port, &d);
}

static void step(struct world *w, struct script *s)
{
    static const enum sp_store_op ops[8] = {SP_STORE_CONFIRM, SP_STORE_FINISH, SP_STORE_MARK,
                                            SP_STORE_TRIM,    SP_STORE_HEAD,   SP_STORE_STATUS,
                                            SP_STORE_STATUS,  SP_STORE_LIMIT};
    uint8_t b = script_u8(s);
    unsigned who = (b & 3U) % USERS;
    switch (b >> 2 & 7) {
    case 0:
    case 1:
    case 2: {
        uint8_t id = script_u8(s);
        append(w, who, 1 + id % (IDS - 1), id >> 4);
        break;
    }
    case 3:
        range(w, who, b >> 5, script_u8(s));
        break;
    case 4:
        w->wall_us += (b & 32) != 0 ? 4 * DAY : DAY / 20;
        (void)sp_store_step(w->store);
        break;
    default:
        ask(w, ops[b >> 5], who, s);
        break;
    }
}

/* ---- damage ---- */

static struct sp_lmdb_key choose_key(struct script *s, enum sp_lmdb_tree tree)
{
    struct sp_lmdb_mkey m = sp_lmdb_mkey(user_of((unsigned)script_pick(s, USERS)).id);
    struct sp_lmdb_mkey other = sp_lmdb_mkey(user_of((unsigned)script_pick(s, USERS)).id);
    uint32_t n = script_u8(s);
    if (n >= 0xf0)
        n = UINT32_MAX - (n & 15);
    switch (tree) {
    case SP_LMDB_USR:
        return sp_lmdb_key_usr(&m);
    case SP_LMDB_DEV:
        return sp_lmdb_key_dev(&m, n);
    case SP_LMDB_DEDUP:
        return sp_lmdb_key_dedup(&m, 1, n);
    case SP_LMDB_BOX:
        return sp_lmdb_key_box(&m, n, script_u8(s) % 4);
    case SP_LMDB_TOMB:
        return sp_lmdb_key_tomb(&m, n);
    case SP_LMDB_SHARE:
        return sp_lmdb_key_share(&m, &other);
    default:
        return sp_lmdb_key_meta("resets");
    }
}

/* Other bytes in the place of a value; false: as it was. */
static bool change(struct world *w, struct script *s, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                   struct sp_lmdb_value *v)
{
    uint8_t how = script_u8(s);
    struct sp_lmdb_value old = *v;
    struct sp_view raw;
    switch (how & 7) {
    case 0:
        v->n = 1 + script_u16(s) % v->n;
        break;
    case 1: /* only there is a missing row told from one that never was */
        v->n = tree == SP_LMDB_BOX || tree == SP_LMDB_TOMB || tree == SP_LMDB_SHARE ? 0 : v->n;
        break;
    case 2:
        raw = script_view(s, 1 + script_u8(s));
        v->n = raw.n > 0 ? raw.n : v->n;
        if (raw.n > 0)
            memcpy(v->b, raw.p, raw.n);
        break;
    case 3: /* other data with a right checksum */
    case 4: {
        size_t at = SP_LMDB_HEAD_LEN + script_u8(s);
        raw = script_view(s, 1 + (how >> 3));
        if (v->n < SP_LMDB_HEAD_LEN || at + raw.n > v->n || raw.n == 0)
            break;
        memcpy(v->b + at, raw.p, raw.n);
        sp_lmdb_value_seal(v, tree, (struct sp_view){key->b, key->n});
        w->is_forged = true;
        break;
    }
    default:
        v->b[script_u16(s) % v->n] ^= (uint8_t)(1U << (how >> 5));
        break;
    }
    return v->n != old.n || memcmp(v->b, old.b, v->n) != 0;
}

static void damage(struct world *w, struct rawstore_edit *e, struct script *s)
{
    uint8_t b = script_u8(s);
    enum sp_lmdb_tree tree = (enum sp_lmdb_tree)((b & 15) % SP_LMDB_TREES);
    struct sp_lmdb_key key;
    struct sp_lmdb_value v = {.n = 0};
    bool is_there = rawstore_row(e, tree, script_u8(s), &key, &v);
    if ((b & 0xc0) == 0xc0) { /* a value that strayed to another key, or a new one */
        key = choose_key(s, tree);
    } else if (!is_there || !change(w, s, tree, &key, &v)) {
        return;
    }
    if (v.n == 0 && !is_there)
        return;
    fuzz_tell("damage in tree %d: %zu bytes", (int)tree, v.n);
    w->is_meta_damaged |= tree == SP_LMDB_META;
    rawstore_put(e, tree, &key, &v);
}

/* ---- runs ---- */

/* A store in which everything has happened once. */
static void make(struct world *w)
{
    struct script confirm = {(const uint8_t[]){0, 0, 2}, 3}, trim = {(const uint8_t[]){3, 0, 0}, 3},
                  finish = {(const uint8_t[]){0, 0, 1}, 3}, mark = {(const uint8_t[]){0, 0, 0}, 3};
    rawstore_init(&w->raw);
    w->wall_us = T0;
    FUZZ_CHECK(open_store(w) == 0);
    for (uint64_t id = 1; id <= 10; id++)
        append(w, (unsigned)(id % 2), id, id == 9 ? 2 : 0);
    append(w, 2, 3, 0);
    ask(w, SP_STORE_CONFIRM, 1, &confirm);
    ask(w, SP_STORE_TRIM, 2, &trim);
    ask(w, SP_STORE_FINISH, 0, &finish);
    ask(w, SP_STORE_MARK, 1, &mark);
    for (unsigned box = 0; box < USERS; box++)
        range(w, box, 0, 0);
    sp_store_close(&w->store);
    rawstore_keep(&w->raw);
    memcpy(w->first, w->seq, sizeof w->first);
}

static void use(struct world *w, struct script *s)
{
    for (unsigned n = 0; n < STEPS_MAX && script_has_more(s); n++)
        step(w, s);
    for (unsigned box = 0; box < USERS; box++)
        range(w, box, 0, 0);
    struct sp_store_stats st;
    sp_store_stats(w->store, &st);
    FUZZ_CHECK(!st.failed);
}

static void check_store(struct world *w, struct script *s)
{
    struct rawstore_edit e;
    unsigned damages = script_u8(s) % DAMAGES_MAX;
    memcpy(w->seq, w->first, sizeof w->seq);
    w->is_forged = w->is_meta_damaged = false;
    w->wall_us = T0 + DAY;
    rawstore_restore(&w->raw);
    rawstore_begin(&w->raw, &e);
    for (unsigned i = 0; i < damages; i++)
        damage(w, &e, s);
    rawstore_commit(&e);
    int err = open_store(w);
    fuzz_tell("open: %d", err);
    FUZZ_CHECK(err == 0 || (w->is_meta_damaged && (err == SP_ECORRUPT || err == SP_EVERSION)));
    if (err == 0)
        use(w, s);
    if (err == 0 && !w->is_meta_damaged) { /* what was made good stays good */
        sp_store_close(&w->store);
        FUZZ_CHECK(open_store(w) == 0);
        for (unsigned box = 0; box < USERS; box++)
            range(w, box, 0, 0);
    }
    sp_store_close(&w->store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    if (size == 0)
        return 0;
    struct script s = {data + 1, size - 1};
    if ((data[0] & 1) == 0) {
        check_record(&s);
        return 0;
    }
    if (w.raw.file == NULL)
        make(&w);
    check_store(&w, &s);
    return 0;
}
