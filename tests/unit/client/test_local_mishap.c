/* The shipped local storage with a mishap at each call that it makes.  A call that failed has changed
 * nothing, so the same call again brings everything to where it would have been at once. */
#include "local_lmdb.h"
#include "mishap.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include <sampan/err.h>

#define EPOCH     ((uint64_t)1700000000 << 32)
#define CALLS_MAX 1000U
#define TEXT_MAX  1024U
#define USER      "ann"
#define DEVICE    5

static char dir[96];

static void set_up(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(dir, sizeof dir, "%s/sampan-mishap-XXXXXX", base);
    cr_assert_not_null(mkdtemp(dir));
}

static void empty(void)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
}

static void tear_down(void)
{
    empty();
    (void)rmdir(dir);
}

TestSuite(local_mishap, .init = set_up, .fini = tear_down);

/* ---- a history of every call ---- */

static int put(struct sp_local *l, uint64_t n, const char *body, uint8_t state)
{
    struct sp_outgoing m = {
        .msgid = {EPOCH + n}, .to = {(const uint8_t *)"bob", 3}, .state = state, .first_s = 7};
    if (body != NULL)
        m.body = (struct sp_view){(const uint8_t *)body, strlen(body)};
    return l->put(l->self, &m);
}

static int put_one(struct sp_local *l)
{
    return put(l, 1, "one", SP_STATE_UNKNOWN);
}
static int put_two(struct sp_local *l)
{
    return put(l, 2, "two", SP_STATE_UNKNOWN);
}
static int put_two_safe(struct sp_local *l)
{
    return put(l, 2, NULL, SP_STATE_STORED);
}
static int put_three(struct sp_local *l)
{
    return put(l, 3, "", SP_STATE_UNKNOWN);
}
static int sync_all(struct sp_local *l)
{
    return l->sync(l->self);
}
static int drop_three(struct sp_local *l)
{
    return l->drop(l->self, (struct sp_msgid){EPOCH + 3});
}
static int mark(struct sp_local *l)
{
    return sp_local_lmdb_mark(l, "here", 4);
}
static int cursor(struct sp_local *l)
{
    return l->cursor(l->self, (struct sp_epoch){9}, (struct sp_seq){44});
}
static int next_one(struct sp_local *l)
{
    struct sp_outgoing m = {0};
    int rc = l->next(l->self, (struct sp_msgid){0}, &m);
    cr_assert(rc != 0 || (m.msgid.v == EPOCH + 1 && m.body.n == 3));
    return rc;
}
static int read_one(struct sp_local *l)
{
    uint8_t dst[8];
    size_t len = 0;
    int rc = l->read(l->self, (struct sp_msgid){EPOCH + 1}, dst, sizeof dst, &len);
    cr_assert(rc != 0 || (len == 3 && memcmp(dst, "one", 3) == 0));
    return rc;
}
static int read_mark(struct sp_local *l)
{
    char dst[8];
    size_t len = 0;
    int rc = sp_local_lmdb_read_mark(l, dst, sizeof dst, &len);
    cr_assert(rc != 0 || (len == 4 && memcmp(dst, "here", 4) == 0));
    return rc;
}

typedef int step_fn(struct sp_local *l);

static step_fn *const history[] = {put_one,  put_two, put_three, sync_all,     next_one,   read_one,
                                   mark,     cursor,  sync_all,  put_two_safe, drop_three, next_one,
                                   read_one, cursor,  sync_all,  read_mark};
#define STEPS (sizeof history / sizeof history[0])

/* All that the storage tells, as text. */
static void tell(struct sp_local *l, char text[TEXT_MAX])
{
    struct sp_outgoing m = {0};
    struct sp_local_state s;
    size_t n = 0;
    cr_assert_eq(l->load(l->self, &s), 0);
    n += (size_t)snprintf(text + n, TEXT_MAX - n, "last %lu epoch %lu cursor %u", (unsigned long)s.last.v,
                          (unsigned long)s.epoch.v, s.cursor.v);
    while (l->next(l->self, m.msgid, &m) == 0) {
        uint8_t body[16] = {0};
        size_t len = 0;
        int rc = l->read(l->self, m.msgid, body, sizeof body - 1, &len);
        n += (size_t)snprintf(text + n, TEXT_MAX - n, "; %lu state %u to %.*s body %d '%s'",
                              (unsigned long)(m.msgid.v - EPOCH), m.state, (int)m.to.n, (const char *)m.to.p,
                              rc, (const char *)body);
        cr_assert_lt(n, (size_t)TEXT_MAX);
    }
    cr_assert_eq(read_mark(l), 0);
}

#define PASSED 1 /* the mishap was met and no step failed */

/* One run; each call that fails is made once more.  Returns the error of the failed call, PASSED, or 0: the
 * mishap was not met. */
static int run(enum mishap_kind kind, int error, unsigned call, char text[TEXT_MAX])
{
    struct sp_local l;
    int failed = 0;
    empty();
    mishap_arm(kind, error, call);
    int rc = sp_local_lmdb_open(&l, dir, USER, DEVICE);
    if (rc != 0) {
        failed = rc;
        cr_assert_null(l.self);
        cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0, "nothing is held after an error");
    }
    for (size_t i = 0; i < STEPS; i++) {
        rc = history[i](&l);
        if (rc != 0) {
            cr_assert_eq(failed, 0);
            failed = rc;
            rc = history[i](&l);
        }
        cr_assert_eq(rc, 0, "step %zu, call %u: %d", i, call, rc);
    }
    bool hit = mishap_disarm();
    cr_assert(hit || failed == 0);
    sp_local_lmdb_close(&l);
    cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
    tell(&l, text);
    sp_local_lmdb_close(&l);
    return hit ? (failed != 0 ? failed : PASSED) : 0;
}

/* A mishap at each call, which ends as `want` or `other`; how often as `want`. */
static unsigned run_all(enum mishap_kind kind, int error, int want, int other)
{
    static char plain[TEXT_MAX], text[TEXT_MAX];
    unsigned call = 0, wanted = 0;
    cr_assert_eq(run(MISHAP_NONE, 0, 0, plain), 0);
    for (int rc; (rc = run(kind, error, call, text)) != 0; call++) {
        cr_assert(rc == want || rc == other, "call %u: %d", call, rc);
        cr_assert_str_eq(text, plain, "call %u", call);
        cr_assert_lt(call, CALLS_MAX);
        wanted += rc == want;
    }
    return wanted;
}

Test(local_mishap, no_memory)
{
    cr_assert_gt(run_all(MISHAP_MEMORY, ENOMEM, SP_EIO, SP_EIO), 10U);
}

/* Where reading and opening name the error of LMDB, writing says SP_EIO. */
Test(local_mishap, an_error_at_every_call_of_lmdb)
{
    cr_assert_gt(run_all(MISHAP_LMDB, EIO, SP_EIO, SP_EIO), 20U);
    cr_assert_gt(run_all(MISHAP_LMDB, MDB_CORRUPTED, SP_ECORRUPT, SP_EIO), 5U);
    cr_assert_gt(run_all(MISHAP_LMDB, MDB_PAGE_NOTFOUND, SP_ECORRUPT, SP_EIO), 5U);
    cr_assert_gt(run_all(MISHAP_LMDB, MDB_INVALID, SP_ECORRUPT, SP_EIO), 5U);
    cr_assert_gt(run_all(MISHAP_LMDB, MDB_VERSION_MISMATCH, SP_EVERSION, SP_EIO), 5U);
}

Test(local_mishap, no_figures_of_the_file)
{
    cr_assert_eq(run_all(MISHAP_LOOK, EIO, SP_EIO, SP_EIO), 3U);
}

Test(local_mishap, a_damaged_row_at_every_read)
{
    cr_assert_gt(run_all(MISHAP_ROW, 0, SP_ECORRUPT, PASSED), 5U);
}

/* The folder is there already, which is what a failed mkdir usually means; a lock that cannot be taken is
 * another process. */
Test(local_mishap, an_error_of_the_system_at_opening)
{
    static char plain[TEXT_MAX], text[TEXT_MAX];
    unsigned call = 0, busy = 0;
    cr_assert_eq(run(MISHAP_NONE, 0, 0, plain), 0);
    for (int rc; (rc = run(MISHAP_SYSTEM, EIO, call, text)) != 0; call++) {
        cr_assert(rc == SP_EIO || rc == SP_EBUSY || (rc == PASSED && call == 0), "call %u: %d", call, rc);
        cr_assert_str_eq(text, plain, "call %u", call);
        busy += rc == SP_EBUSY;
    }
    cr_assert_eq(busy, 1U);
    cr_assert_gt(call, 5U);
}

/* ---- rows that are whole and say what no row of ours says ---- */

static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* Writes a sealed value of `len` bytes of 'x' and this version under `key`. */
static void write_row(const char *key, size_t key_len, uint8_t version, size_t len)
{
    static uint8_t sealed[8192], value[8192];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    memset(value, 'x', sizeof value);
    value[4] = version;
    memcpy(sealed, key, key_len);
    memcpy(sealed + key_len, value + 4, 1 + len);
    uint32_t crc = crc32c(sealed, key_len + 1 + len);
    for (int i = 0; i < 4; i++)
        value[i] = (uint8_t)(crc >> (24 - 8 * i));
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, dir, MDB_NOLOCK, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    MDB_val k = {key_len, sealed}, v = {5 + len, value};
    cr_assert_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

Test(local_mishap, rows_of_the_wrong_length_or_version)
{
    static const char key[9] = {'m', 0x65, 0x53, (char)0xf1, 0, 0, 0, 0, 1};
    static const struct {
        uint8_t version;
        size_t len;
        int rc;
    } rows[] = {{1, 17, SP_ECORRUPT},          {1, 18, 0},
                {1, 17 + SP_USER_MAX, 0},      {1, 18 + SP_USER_MAX, SP_ECORRUPT},
                {1, SP_BODY_MAX, SP_ECORRUPT}, {2, 18, SP_EVERSION}};
    struct sp_local l;
    struct sp_outgoing m;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        empty();
        cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
        sp_local_lmdb_close(&l);
        write_row(key, sizeof key, rows[i].version, rows[i].len < 8000 ? rows[i].len : 8000);
        cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
        cr_expect_eq(l.next(l.self, (struct sp_msgid){0}, &m), rows[i].rc, "row %zu", i);
        sp_local_lmdb_close(&l);
    }
    write_row("s", 1, 1, 19);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), SP_ECORRUPT, "the state is 20 bytes");
}

Test(local_mishap, what_no_message_may_be)
{
    static const uint8_t big[SP_BODY_MAX + 1];
    struct sp_local l;
    cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
    const struct sp_outgoing bad[] = {
        {.msgid = {0}, .to = {big, 3}},
        {.msgid = {1}, .to = {big, 0}},
        {.msgid = {1}, .to = {big, SP_USER_MAX + 1}},
        {.msgid = {1}, .to = {big, 3}, .body = {big, SP_BODY_MAX + 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(l.put(l.self, &bad[i]), SP_EINVAL, "row %zu", i);
    struct sp_outgoing m;
    cr_expect_eq(l.next(l.self, (struct sp_msgid){0}, &m), SP_EAGAIN, "nothing was kept");
    sp_local_lmdb_close(&l);
}

/* A path that does not fit is refused, not cut. */
Test(local_mishap, a_path_that_is_too_long)
{
    static char path[5000];
    struct sp_local l;
    memset(path, 'd', sizeof path - 1);
    cr_expect_eq(sp_local_lmdb_open(&l, path, USER, DEVICE), SP_EINVAL);
    cr_expect_null(l.self);
}

/* A batch that has grown large writes itself; when that fails, the message is refused and nothing is lost. */
Test(local_mishap, a_large_batch_that_cannot_be_written)
{
    static char body[SP_BODY_MAX + 1];
    struct sp_local l;
    memset(body, 'x', SP_BODY_MAX);
    cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
    uint64_t n = 1;
    mishap_arm(MISHAP_WRITE, EIO, 0);
    while (put(&l, n, body, SP_STATE_UNKNOWN) == 0 && n < 10000)
        n++;
    cr_assert(mishap_disarm());
    cr_assert_gt(n, 100U);
    cr_assert_eq(put(&l, n, body, SP_STATE_UNKNOWN), 0);
    cr_assert_eq(l.sync(l.self), 0);
    sp_local_lmdb_close(&l);
    cr_assert_eq(sp_local_lmdb_open(&l, dir, USER, DEVICE), 0);
    struct sp_outgoing m = {0};
    uint64_t found = 0;
    while (l.next(l.self, m.msgid, &m) == 0)
        cr_assert_eq(m.msgid.v, EPOCH + ++found);
    cr_assert_eq(found, n);
    sp_local_lmdb_close(&l);
}
