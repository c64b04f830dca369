/* Keys: one byte of kind, then the msgid (8 bytes, big-endian) for messages.  Values: CRC32C (4) over key and
 * rest, version (1), fields in network order.  Kinds: 'i' identity: device:4 user          's' state: last:8
 * epoch:8 cursor:4       'k' the app's mark 'm' message: flags:4 expires:4 state:1 first:8 to 'b' its body A
 * message that is safe keeps no body. */
#include "local_lmdb.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sampan/err.h>

#define VERSION      1
#define HEAD_LEN     5  /* CRC, version */
#define KEY_MAX      9  /* kind, msgid */
#define ROW_LEN      17 /* fixed part of a message */
#define STATE_LEN    20
#define VALUE_MAX    (HEAD_LEN + SP_BODY_MAX)
#define MAP_LEN      ((size_t)256 << 20) /* address space, not disk: 65,536 messages need 90 MiB */
#define BATCH_MAX    ((size_t)8 << 20)   /* bytes gathered before they are written in any case */
#define PATH_MAX_LEN 4096

/* One write that waits for sync, newest last. */
struct op {
    struct op *next, *prev;
    size_t key_len, len;
    bool is_drop;
    uint8_t key[KEY_MAX];
    uint8_t value[]; /* as stored, with CRC */
};

struct local {
    MDB_env *env;
    MDB_dbi dbi;
    int lock_fd;
    struct op *first, *last;
    size_t batch_len;
    struct sp_local_state state;
    bool is_state_dirty;
    bool has_mark;
    uint8_t mark[SP_LOCAL_LMDB_MARK_MAX]; /* waits for the next cursor */
    size_t mark_len;
    uint8_t to[SP_USER_MAX]; /* lent by next */
    uint8_t value[VALUE_MAX];
};

/* ---- Values ---- */

/* CRC-32C (Castagnoli), reflected, four bits at a step. */
static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    static const uint32_t steps[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc = crc >> 4 ^ steps[(crc ^ p[i]) & 15];
        crc = crc >> 4 ^ steps[(crc ^ p[i] >> 4) & 15];
    }
    return ~crc;
}

static void put_uint(uint8_t *dst, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static uint64_t get_uint(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static uint32_t checksum(const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
    return crc32c(crc32c(0, key, key_len), value + 4, len - 4);
}

static size_t message_key(uint8_t kind, struct sp_msgid id, uint8_t key[KEY_MAX])
{
    key[0] = kind;
    put_uint(key + 1, id.v, 8);
    return KEY_MAX;
}

/* ---- The batch ---- */

static void append(struct local *l, struct op *op)
{
    op->prev = l->last;
    op->next = NULL;
    if (l->last != NULL)
        l->last->next = op;
    else
        l->first = op;
    l->last = op;
    l->batch_len += sizeof *op + op->len;
}

static void forget_batch(struct local *l)
{
    struct op *op = l->first;
    while (op != NULL) {
        struct op *next = op->next;
        free(op);
        op = next;
    }
    l->first = l->last = NULL;
    l->batch_len = 0;
}

static struct op *new_op(const uint8_t *key, size_t key_len, size_t len)
{
    struct op *op = malloc(sizeof *op + HEAD_LEN + len);
    if (op == NULL)
        return NULL;
    op->key_len = key_len;
    memcpy(op->key, key, key_len);
    op->len = HEAD_LEN + len;
    op->is_drop = false;
    return op;
}

static uint8_t *fields(struct op *op)
{
    return op->value + HEAD_LEN;
}

static void seal(struct op *op)
{
    op->value[4] = VERSION;
    put_uint(op->value, checksum(op->key, op->key_len, op->value, op->len), 4);
}

static struct op *new_drop(const uint8_t *key, size_t key_len)
{
    struct op *op = new_op(key, key_len, 0);
    if (op != NULL)
        op->is_drop = true;
    return op;
}

/* The newest write of this key that waits, or NULL. */
static const struct op *find_op(const struct local *l, const uint8_t *key, size_t key_len)
{
    const struct op *op = l->last;
    while (op != NULL && (op->key_len != key_len || memcmp(op->key, key, key_len) != 0))
        op = op->prev;
    return op;
}

/* ---- Reading ---- */

static int check(const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
    if (len < HEAD_LEN || get_uint(value, 4) != checksum(key, key_len, value, len))
        return SP_ECORRUPT;
    return value[4] == VERSION ? 0 : SP_EVERSION;
}

static int of_mdb(int rc)
{
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return SP_EAGAIN;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return SP_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return SP_EVERSION;
    default:
        return SP_EIO;
    }
}

/* Copies the fields of a stored value into l->value.  SP_EAGAIN: no such key. */
static int copy_value(struct local *l, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len,
                      size_t *out)
{
    if (len > VALUE_MAX)
        return SP_ECORRUPT;
    int rc = check(key, key_len, value, len);
    if (rc != 0)
        return rc;
    *out = len - HEAD_LEN;
    memcpy(l->value, value + HEAD_LEN, *out);
    return 0;
}

static int get(struct local *l, const uint8_t *key, size_t key_len, size_t *len)
{
    const struct op *op = find_op(l, key, key_len);
    if (op != NULL)
        return op->is_drop ? SP_EAGAIN : copy_value(l, key, key_len, op->value, op->len, len);
    MDB_txn *txn;
    int rc = of_mdb(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn));
    if (rc != 0)
        return rc;
    uint8_t name[KEY_MAX];
    memcpy(name, key, key_len);
    MDB_val k = {key_len, name}, v;
    rc = of_mdb(mdb_get(txn, l->dbi, &k, &v));
    if (rc == 0)
        rc = copy_value(l, key, key_len, v.mv_data, v.mv_size, len);
    mdb_txn_abort(txn);
    return rc;
}

/* ---- The table ---- */

static int table_load(void *self, struct sp_local_state *out)
{
    const struct local *l = self;
    *out = l->state;
    return 0;
}

/* The first message key above `after`: SP_EAGAIN when there is none. */
static int next_key(struct local *l, struct sp_msgid after, struct sp_msgid *id)
{
    uint8_t start[KEY_MAX];
    size_t len = message_key('m', (struct sp_msgid){after.v + 1}, start);
    MDB_txn *txn;
    MDB_cursor *cursor;
    int rc = of_mdb(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn));
    if (rc != 0)
        return rc;
    rc = of_mdb(mdb_cursor_open(txn, l->dbi, &cursor));
    if (rc == 0) {
        MDB_val k = {len, start}, v;
        rc = of_mdb(mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE));
        const uint8_t *found = k.mv_data;
        if (rc == 0 && (k.mv_size != KEY_MAX || found[0] != 'm'))
            rc = SP_EAGAIN;
        if (rc == 0)
            id->v = get_uint(found + 1, 8);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return rc;
}

static int table_sync(void *self);

static int table_next(void *self, struct sp_msgid after, struct sp_outgoing *out)
{
    struct local *l = self;
    struct sp_msgid id;
    size_t len = 0;
    uint8_t key[KEY_MAX];
    int rc = after.v == UINT64_MAX ? SP_EAGAIN : table_sync(l); /* so that one place has all rows */
    if (rc == 0)
        rc = next_key(l, after, &id);
    if (rc == 0) {
        rc = get(l, key, message_key('b', id, key), &len);
        rc = rc == SP_EAGAIN ? 0 : rc;
    }
    size_t body_len = len;
    if (rc == 0)
        rc = get(l, key, message_key('m', id, key), &len);
    if (rc != 0)
        return rc;
    if (len <= ROW_LEN || len > ROW_LEN + SP_USER_MAX)
        return SP_ECORRUPT;
    const uint8_t *p = l->value;
    memcpy(l->to, p + ROW_LEN, len - ROW_LEN);
    *out = (struct sp_outgoing){.msgid = id,
                                .to = {l->to, len - ROW_LEN},
                                .body = {NULL, body_len},
                                .flags = (uint32_t)get_uint(p, 4),
                                .expires_s = (uint32_t)get_uint(p + 4, 4),
                                .state = p[8],
                                .first_s = (int64_t)get_uint(p + 9, 8)};
    return 0;
}

static struct op *row_op(const struct sp_outgoing *m)
{
    uint8_t key[KEY_MAX];
    size_t key_len = message_key('m', m->msgid, key);
    struct op *op = new_op(key, key_len, ROW_LEN + m->to.n);
    if (op == NULL)
        return NULL;
    uint8_t *p = fields(op);
    put_uint(p, m->flags, 4);
    put_uint(p + 4, m->expires_s, 4);
    p[8] = m->state;
    put_uint(p + 9, (uint64_t)m->first_s, 8);
    memcpy(p + ROW_LEN, m->to.p, m->to.n);
    seal(op);
    return op;
}

/* What happens to the body: written when given, let go when the message is safe.  *wanted: whether there is
 * an op. */
static struct op *body_op(const struct sp_outgoing *m, bool *wanted)
{
    uint8_t key[KEY_MAX];
    size_t key_len = message_key('b', m->msgid, key);
    bool lets_go = m->state != SP_STATE_UNKNOWN;
    *wanted = lets_go || m->body.p != NULL;
    if (!*wanted)
        return NULL;
    if (lets_go)
        return new_drop(key, key_len);
    struct op *op = new_op(key, key_len, m->body.n);
    if (op == NULL)
        return NULL;
    memcpy(fields(op), m->body.p, m->body.n);
    seal(op);
    return op;
}

static int table_put(void *self, const struct sp_outgoing *m)
{
    struct local *l = self;
    if (m->to.n < 1 || m->to.n > SP_USER_MAX || m->body.n > SP_BODY_MAX || m->msgid.v == 0)
        return SP_EINVAL;
    if (l->batch_len > BATCH_MAX && table_sync(l) != 0)
        return SP_EIO;
    bool wants_body;
    struct op *row = row_op(m);
    struct op *body = body_op(m, &wants_body);
    if (row == NULL || (wants_body && body == NULL)) {
        free(row);
        free(body);
        return SP_EIO;
    }
    append(l, row);
    if (body != NULL)
        append(l, body);
    if (l->state.last.v < m->msgid.v) {
        l->state.last = m->msgid;
        l->state.install_epoch = (uint32_t)(m->msgid.v >> 32);
        l->is_state_dirty = true;
    }
    return 0;
}

static int table_read(void *self, struct sp_msgid id, uint8_t *dst, size_t cap, size_t *len)
{
    struct local *l = self;
    uint8_t key[KEY_MAX];
    size_t n = 0;
    int rc = get(l, key, message_key('b', id, key), &n);
    if (rc != 0)
        return rc;
    if (n > cap)
        return SP_EFULL;
    if (n > 0)
        memcpy(dst, l->value, n);
    *len = n;
    return 0;
}

static int table_drop(void *self, struct sp_msgid id)
{
    struct local *l = self;
    uint8_t row_key[KEY_MAX], body_key[KEY_MAX];
    size_t key_len = message_key('m', id, row_key);
    (void)message_key('b', id, body_key);
    struct op *row = new_drop(row_key, key_len);
    struct op *body = new_drop(body_key, key_len);
    if (row == NULL || body == NULL) {
        free(row);
        free(body);
        return SP_EIO;
    }
    append(l, row);
    append(l, body);
    return 0;
}

static int table_cursor(void *self, struct sp_epoch epoch, struct sp_seq upto)
{
    struct local *l = self;
    if (l->has_mark) {
        const uint8_t key[1] = {'k'};
        struct op *op = new_op(key, 1, l->mark_len);
        if (op == NULL)
            return SP_EIO;
        memcpy(fields(op), l->mark, l->mark_len);
        seal(op);
        append(l, op);
        l->has_mark = false;
    }
    l->state.epoch = epoch;
    l->state.cursor = upto;
    l->is_state_dirty = true;
    return 0;
}

/* ---- Writing ---- */

static int apply(struct local *l, MDB_txn *txn, struct op *op)
{
    MDB_val k = {op->key_len, op->key}, v = {op->len, op->value};
    if (!op->is_drop)
        return of_mdb(mdb_put(txn, l->dbi, &k, &v, 0));
    int rc = of_mdb(mdb_del(txn, l->dbi, &k, NULL));
    return rc == SP_EAGAIN ? 0 : rc;
}

static int apply_state(struct local *l, MDB_txn *txn)
{
    const uint8_t key[1] = {'s'};
    struct op *op = new_op(key, 1, STATE_LEN);
    if (op == NULL)
        return SP_EIO;
    put_uint(fields(op), l->state.last.v, 8);
    put_uint(fields(op) + 8, l->state.epoch.v, 8);
    put_uint(fields(op) + 16, l->state.cursor.v, 4);
    seal(op);
    int rc = apply(l, txn, op);
    free(op);
    return rc;
}

/* The whole batch in one transaction.  When it fails the batch stays, and the next sync writes it again. */
static int table_sync(void *self)
{
    struct local *l = self;
    if (l->first == NULL && !l->is_state_dirty)
        return 0;
    MDB_txn *txn;
    if (mdb_txn_begin(l->env, NULL, 0, &txn) != 0)
        return SP_EIO;
    int rc = 0;
    for (struct op *op = l->first; op != NULL && rc == 0; op = op->next)
        rc = apply(l, txn, op);
    if (rc == 0 && l->is_state_dirty)
        rc = apply_state(l, txn);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return SP_EIO;
    }
    if (mdb_txn_commit(txn) != 0)
        return SP_EIO;
    forget_batch(l);
    l->is_state_dirty = false;
    return 0;
}

/* ---- Opening ---- */

static int join(char path[PATH_MAX_LEN], const char *dir, const char *name)
{
    int n = snprintf(path, PATH_MAX_LEN, "%s/%s", dir, name);
    return n > 0 && n < PATH_MAX_LEN ? 0 : SP_EINVAL;
}

static int lock(struct local *l, const char *dir)
{
    char path[PATH_MAX_LEN];
    if (join(path, dir, "lock") != 0)
        return SP_EINVAL;
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0)
        return SP_EIO;
    return flock(l->lock_fd, LOCK_EX | LOCK_NB) == 0 ? 0 : SP_EBUSY;
}

/* LMDB maps the file: a page beyond its end would be a crash, not an error. */
static int check_size(struct local *l)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    mdb_filehandle_t fd;
    if (mdb_env_info(l->env, &info) != 0 || mdb_env_stat(l->env, &stat) != 0 ||
        mdb_env_get_fd(l->env, &fd) != 0)
        return SP_EIO;
    if (fstat(fd, &st) != 0)
        return SP_EIO;
    return (uint64_t)st.st_size < ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize ? SP_ECORRUPT : 0;
}

/* Our own lock makes LMDB's needless, and no reader of a killed process can stay behind. */
static int open_env(struct local *l, const char *dir)
{
    MDB_txn *txn;
    if (mdb_env_create(&l->env) != 0)
        return SP_EIO;
    int rc = mdb_env_set_mapsize(l->env, MAP_LEN);
    if (rc == 0)
        rc = mdb_env_open(l->env, dir, MDB_NOLOCK, 0600);
    if (rc != 0)
        return of_mdb(rc) == SP_EAGAIN ? SP_EIO : of_mdb(rc);
    rc = check_size(l);
    if (rc != 0)
        return rc;
    if (mdb_txn_begin(l->env, NULL, 0, &txn) != 0)
        return SP_EIO;
    if (mdb_dbi_open(txn, NULL, 0, &l->dbi) != 0) {
        mdb_txn_abort(txn);
        return SP_EIO;
    }
    return of_mdb(mdb_txn_commit(txn));
}

/* A new folder gets the identity; an old one must have the same. */
static int bind_identity(struct local *l, const char *user, uint32_t device)
{
    const uint8_t key[1] = {'i'};
    size_t user_len = strlen(user), len = 0;
    struct op *op = new_op(key, 1, 4 + user_len);
    if (op == NULL)
        return SP_EIO;
    put_uint(fields(op), device, 4);
    memcpy(fields(op) + 4, user, user_len);
    seal(op);
    int rc = get(l, key, 1, &len);
    if (rc == SP_EAGAIN) {
        append(l, op);
        return table_sync(l);
    }
    if (rc == 0 && (len != 4 + user_len || memcmp(l->value, fields(op), len) != 0))
        rc = SP_EFORBIDDEN;
    free(op);
    return rc;
}

static int load_state(struct local *l)
{
    const uint8_t key[1] = {'s'};
    size_t len = 0;
    int rc = get(l, key, 1, &len);
    if (rc == SP_EAGAIN)
        return 0;
    if (rc != 0)
        return rc;
    if (len != STATE_LEN)
        return SP_ECORRUPT;
    l->state.last.v = get_uint(l->value, 8);
    l->state.install_epoch = (uint32_t)(l->state.last.v >> 32);
    l->state.epoch.v = get_uint(l->value + 8, 8);
    l->state.cursor.v = (uint32_t)get_uint(l->value + 16, 4);
    return 0;
}

/* Makes the names of new files durable. */
static int sync_names(const char *dir)
{
    static const char *const which[] = {".", ".."};
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
        char path[PATH_MAX_LEN];
        if (join(path, dir, which[i]) != 0)
            return SP_EINVAL;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return SP_EIO;
        int rc = fsync(fd);
        (void)close(fd);
        if (rc != 0)
            return SP_EIO;
    }
    return 0;
}

static void release(struct local *l)
{
    forget_batch(l);
    if (l->env != NULL)
        mdb_env_close(l->env);
    if (l->lock_fd >= 0)
        (void)close(l->lock_fd);
    free(l);
}

int sp_local_lmdb_open(struct sp_local *out, const char *dir, const char *user, uint32_t device)
{
    size_t user_len = strlen(user);
    *out = (struct sp_local){0};
    if (user_len < 1 || user_len > SP_USER_MAX)
        return SP_EINVAL;
    (void)mkdir(dir, 0700); /* what is wrong with it shows when the lock is opened */
    struct local *l = calloc(1, sizeof *l);
    if (l == NULL)
        return SP_EIO;
    l->lock_fd = -1;
    int rc = lock(l, dir);
    if (rc == 0)
        rc = open_env(l, dir);
    if (rc == 0)
        rc = bind_identity(l, user, device);
    if (rc == 0)
        rc = load_state(l);
    if (rc == 0)
        rc = sync_names(dir);
    if (rc != 0) {
        release(l);
        return rc;
    }
    *out = (struct sp_local){.self = l,
                             .load = table_load,
                             .next = table_next,
                             .put = table_put,
                             .read = table_read,
                             .drop = table_drop,
                             .cursor = table_cursor,
                             .sync = table_sync};
    return 0;
}

void sp_local_lmdb_close(struct sp_local *l)
{
    if (l->self != NULL) {
        (void)table_sync(l->self);
        release(l->self);
    }
    *l = (struct sp_local){0};
}

int sp_local_lmdb_mark(struct sp_local *table, const void *data, size_t len)
{
    struct local *l = table->self;
    if (len > SP_LOCAL_LMDB_MARK_MAX)
        return SP_EBIG;
    if (len > 0)
        memcpy(l->mark, data, len);
    l->mark_len = len;
    l->has_mark = true;
    return 0;
}

int sp_local_lmdb_read_mark(struct sp_local *table, void *dst, size_t cap, size_t *len)
{
    struct local *l = table->self;
    const uint8_t key[1] = {'k'};
    size_t n = 0;
    int rc = get(l, key, 1, &n);
    if (rc != 0)
        return rc;
    if (n > cap)
        return SP_EFULL;
    if (n > 0)
        memcpy(dst, l->value, n);
    *len = n;
    return 0;
}
