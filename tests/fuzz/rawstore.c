#include "rawstore.h"

#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const trees[SP_LMDB_TREES] = {"meta", "usr", "dev", "dedup", "box", "tomb", "share"};
static const struct rawstore *last;

static void path_of(const struct rawstore *r, const char *name, char *dst, size_t cap)
{
    int n = snprintf(dst, cap, "%s/%s", r->dir, name);
    FUZZ_CHECK(n > 0 && (size_t)n < cap);
}

static void leave(void)
{
    char path[96];
    path_of(last, "data.mdb", path, sizeof path);
    (void)unlink(path);
    path_of(last, "lock.mdb", path, sizeof path);
    (void)unlink(path);
    (void)rmdir(last->dir);
    free(last->file);
}

void rawstore_init(struct rawstore *r)
{
    bool has_memory = access("/dev/shm", W_OK) == 0;
    *r = (struct rawstore){0};
    (void)snprintf(r->dir, sizeof r->dir, "%s/sampan-fuzz-store-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(r->dir) != NULL);
    (void)snprintf(r->url, sizeof r->url, "lmdb:%s", r->dir);
    last = r;
    FUZZ_CHECK(atexit(leave) == 0);
}

void rawstore_keep(struct rawstore *r)
{
    char path[96];
    path_of(r, "data.mdb", path, sizeof path);
    FILE *f = fopen(path, "rb");
    FUZZ_CHECK(f != NULL);
    r->file = fuzz_block(RAWSTORE_MAP);
    r->file_len = fread(r->file, 1, RAWSTORE_MAP, f);
    FUZZ_CHECK(r->file_len > 0);
    (void)fclose(f);
}

void rawstore_restore(const struct rawstore *r)
{
    char path[96];
    path_of(r, "lock.mdb", path, sizeof path);
    (void)unlink(path);
    path_of(r, "data.mdb", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, r->file, r->file_len) == (ssize_t)r->file_len);
    FUZZ_CHECK(close(fd) == 0);
}

void rawstore_begin(const struct rawstore *r, struct rawstore_edit *e)
{
    FUZZ_CHECK(mdb_env_create(&e->env) == 0);
    FUZZ_CHECK(mdb_env_set_maxdbs(e->env, SP_LMDB_TREES) == 0);
    FUZZ_CHECK(mdb_env_set_mapsize(e->env, RAWSTORE_MAP) == 0);
    FUZZ_CHECK(mdb_env_open(e->env, r->dir, MDB_NOTLS, 0600) == 0);
    FUZZ_CHECK(mdb_txn_begin(e->env, NULL, 0, &e->txn) == 0);
    for (size_t i = 0; i < SP_LMDB_TREES; i++)
        FUZZ_CHECK(mdb_dbi_open(e->txn, trees[i], 0, &e->dbi[i]) == 0);
}

bool rawstore_row(struct rawstore_edit *e, enum sp_lmdb_tree tree, size_t n, struct sp_lmdb_key *key,
                  struct sp_lmdb_value *value)
{
    MDB_stat stat;
    MDB_cursor *cursor;
    MDB_val k, v;
    FUZZ_CHECK(mdb_stat(e->txn, e->dbi[tree], &stat) == 0);
    if (stat.ms_entries == 0)
        return false;
    FUZZ_CHECK(mdb_cursor_open(e->txn, e->dbi[tree], &cursor) == 0);
    FUZZ_CHECK(mdb_cursor_get(cursor, &k, &v, MDB_FIRST) == 0);
    for (size_t i = n % stat.ms_entries; i > 0; i--)
        FUZZ_CHECK(mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0);
    FUZZ_CHECK(k.mv_size <= sizeof key->b && v.mv_size <= sizeof value->b);
    memcpy(key->b, k.mv_data, key->n = k.mv_size);
    memcpy(value->b, v.mv_data, value->n = v.mv_size);
    mdb_cursor_close(cursor);
    return true;
}

void rawstore_put(struct rawstore_edit *e, enum sp_lmdb_tree tree, const struct sp_lmdb_key *key,
                  const struct sp_lmdb_value *value)
{
    struct sp_lmdb_key k = *key;
    struct sp_lmdb_value v = *value;
    MDB_val mk = {k.n, k.b}, mv = {v.n, v.b};
    int rc =
        value->n > 0 ? mdb_put(e->txn, e->dbi[tree], &mk, &mv, 0) : mdb_del(e->txn, e->dbi[tree], &mk, NULL);
    FUZZ_CHECK(rc == 0 || (value->n == 0 && rc == MDB_NOTFOUND));
}

void rawstore_commit(struct rawstore_edit *e)
{
    FUZZ_CHECK(mdb_txn_commit(e->txn) == 0);
    mdb_env_close(e->env);
}
