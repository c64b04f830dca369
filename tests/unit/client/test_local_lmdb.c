/* The shipped local storage on real files: what is durable when, who may open it, damage, kill -9. */
#include "local_lmdb.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sampan/err.h>

#define EPOCH ((uint64_t)1700000000 << 32)

static char base[64], dir[80];

static void set_up(void)
{
    (void)snprintf(base, sizeof base, "/tmp/sampan-local-XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    (void)snprintf(dir, sizeof dir, "%s/state", base);
}

static void tear_down(void)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
    char path[128];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    (void)rmdir(base);
}

TestSuite(local_lmdb, .init = set_up, .fini = tear_down);

static struct sp_local open_it(void)
{
    struct sp_local l;
    cr_assert_eq(sp_local_lmdb_open(&l, dir, "ann", 5), 0);
    return l;
}

static int put(struct sp_local *l, uint64_t n, const char *body)
{
    struct sp_outgoing m = {.msgid = {EPOCH + n},
                            .to = {(const uint8_t *)"bob", 3},
                            .flags = SP_OUT_FOUR,
                            .expires_s = 99,
                            .first_s = 1234567890123};
    if (body != NULL)
        m.body = (struct sp_view){(const uint8_t *)body, strlen(body)};
    return l->put(l->self, &m);
}

static int put_state(struct sp_local *l, uint64_t n, uint8_t state)
{
    struct sp_outgoing m = {
        .msgid = {EPOCH + n}, .to = {(const uint8_t *)"bob", 3}, .state = state, .first_s = 7};
    return l->put(l->self, &m);
}

/* Counters of the remembered messages, as text. */
static const char *rows(struct sp_local *l)
{
    static char text[4096];
    struct sp_outgoing m = {0};
    size_t n = 0;
    text[0] = '\0';
    while (l->next(l->self, m.msgid, &m) == 0) {
        cr_assert_eq(m.to.n, 3);
        cr_assert_eq(memcmp(m.to.p, "bob", 3), 0);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lu:%u/%zu", n > 0 ? " " : "",
                              (unsigned long)(m.msgid.v - EPOCH), m.state, m.body.n);
    }
    return text;
}

static const char *body_of(struct sp_local *l, uint64_t n)
{
    static char body[SP_BODY_MAX + 1];
    size_t len = 0;
    if (l->read(l->self, (struct sp_msgid){EPOCH + n}, (uint8_t *)body, sizeof body - 1, &len) != 0)
        return "-";
    body[len] = '\0';
    return body;
}

Test(local_lmdb, a_new_store)
{
    struct sp_local l = open_it();
    struct sp_local_state s;
    struct stat st;
    cr_assert_eq(stat(dir, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);
    cr_assert_eq(l.load(l.self, &s), 0);
    cr_expect_eq(s.install_epoch, 0);
    cr_expect_eq(s.last.v, 0);
    cr_expect_eq(s.epoch.v, 0);
    cr_expect_eq(s.cursor.v, 0);
    cr_expect_str_eq(rows(&l), "");
    cr_expect_eq(l.sync(l.self), 0);
    sp_local_lmdb_close(&l);
    cr_expect_null(l.self);
    sp_local_lmdb_close(&l);
}

Test(local_lmdb, remembers)
{
    struct sp_local l = open_it();
    struct sp_outgoing m;
    struct sp_local_state s;
    cr_assert_eq(put(&l, 1, "one"), 0);
    cr_assert_eq(put(&l, 2, ""), 0);
    cr_assert_eq(put(&l, 300, "three"), 0);
    cr_expect_str_eq(body_of(&l, 1), "one", "before sync too");
    cr_assert_eq(l.cursor(l.self, (struct sp_epoch){0xfedcba9876543210}, (struct sp_seq){4000000000}), 0);
    cr_assert_eq(l.sync(l.self), 0);
    sp_local_lmdb_close(&l);
    l = open_it();
    cr_expect_str_eq(rows(&l), "1:0/3 2:0/0 300:0/5");
    cr_expect_str_eq(body_of(&l, 1), "one");
    cr_expect_str_eq(body_of(&l, 2), "", "an empty body is one");
    cr_expect_str_eq(body_of(&l, 3), "-");
    cr_assert_eq(l.next(l.self, (struct sp_msgid){EPOCH + 2}, &m), 0);
    cr_expect_eq(m.msgid.v, EPOCH + 300);
    cr_expect_eq(m.flags, SP_OUT_FOUR);
    cr_expect_eq(m.expires_s, 99);
    cr_expect_eq(m.first_s, 1234567890123);
    cr_expect_eq(l.next(l.self, (struct sp_msgid){UINT64_MAX}, &m), SP_EAGAIN);
    cr_assert_eq(l.load(l.self, &s), 0);
    cr_expect_eq(s.install_epoch, 1700000000);
    cr_expect_eq(s.last.v, EPOCH + 300);
    cr_expect_eq(s.epoch.v, 0xfedcba9876543210);
    cr_expect_eq(s.cursor.v, 4000000000);
    sp_local_lmdb_close(&l);
}

Test(local_lmdb, state_changes_drops_and_last)
{
    struct sp_local l = open_it();
    struct sp_local_state s;
    uint8_t small[2];
    size_t len = 0;
    for (uint64_t n = 1; n <= 4; n++)
        cr_assert_eq(put(&l, n, "body"), 0);
    cr_expect_eq(l.read(l.self, (struct sp_msgid){EPOCH + 1}, small, sizeof small, &len), SP_EFULL);
    cr_assert_eq(l.sync(l.self), 0);
    cr_assert_eq(put(&l, 1, NULL), 0);
    cr_expect_str_eq(body_of(&l, 1), "body", "a changed row keeps its body");
    cr_assert_eq(put_state(&l, 2, SP_STATE_STORED), 0);
    cr_expect_str_eq(body_of(&l, 2), "-", "what is safe needs no body");
    cr_assert_eq(l.drop(l.self, (struct sp_msgid){EPOCH + 4}), 0);
    cr_assert_eq(l.drop(l.self, (struct sp_msgid){EPOCH + 77}), 0, "nothing to forget");
    cr_expect_str_eq(rows(&l), "1:0/4 2:2/0 3:0/4");
    sp_local_lmdb_close(&l);
    l = open_it();
    cr_expect_str_eq(rows(&l), "1:0/4 2:2/0 3:0/4");
    cr_assert_eq(l.load(l.self, &s), 0);
    cr_expect_eq(s.last.v, EPOCH + 4, "`last` stays after drop");
    sp_local_lmdb_close(&l);
}

Test(local_lmdb, one_at_a_time)
{
    struct sp_local l = open_it(), other;
    cr_expect_eq(sp_local_lmdb_open(&other, dir, "ann", 5), SP_EBUSY);
    cr_expect_null(other.self);
    pid_t pid = fork();
    if (pid == 0)
        _exit(sp_local_lmdb_open(&other, dir, "ann", 5) == SP_EBUSY ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect_eq(status, 0);
    sp_local_lmdb_close(&l);
    l = open_it();
    sp_local_lmdb_close(&l);
}

Test(local_lmdb, belongs_to_one_user_and_device)
{
    static const struct {
        const char *user;
        uint32_t device;
        int rc;
    } t[] = {{"ann", 5, 0},
             {"ann", 6, SP_EFORBIDDEN},
             {"bob", 5, SP_EFORBIDDEN},
             {"an", 5, SP_EFORBIDDEN},
             {"anne", 5, SP_EFORBIDDEN},
             {"", 5, SP_EINVAL}};
    struct sp_local l = open_it();
    sp_local_lmdb_close(&l);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        cr_expect_eq(sp_local_lmdb_open(&l, dir, t[i].user, t[i].device), t[i].rc, "row %zu", i);
        sp_local_lmdb_close(&l);
    }
    char long_name[SP_USER_MAX + 2] = {0};
    memset(long_name, 'x', SP_USER_MAX + 1);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, long_name, 5), SP_EINVAL);
}

Test(local_lmdb, no_such_place)
{
    struct sp_local l;
    cr_expect_eq(sp_local_lmdb_open(&l, "/tmp/sampan-no-such-folder/state", "ann", 5), SP_EIO);
    cr_expect_null(l.self);
}

Test(local_lmdb, mark_goes_with_the_next_cursor)
{
    struct sp_local l = open_it();
    char got[SP_LOCAL_LMDB_MARK_MAX];
    char big[SP_LOCAL_LMDB_MARK_MAX + 1] = {0};
    size_t len = 0;
    cr_expect_eq(sp_local_lmdb_read_mark(&l, got, sizeof got, &len), SP_EAGAIN);
    cr_expect_eq(sp_local_lmdb_mark(&l, big, sizeof big), SP_EBIG);
    cr_assert_eq(sp_local_lmdb_mark(&l, "first", 5), 0);
    cr_assert_eq(l.sync(l.self), 0);
    cr_expect_eq(sp_local_lmdb_read_mark(&l, got, sizeof got, &len), SP_EAGAIN, "no cursor yet");
    cr_assert_eq(l.cursor(l.self, (struct sp_epoch){1}, (struct sp_seq){1}), 0);
    cr_assert_eq(sp_local_lmdb_mark(&l, "second", 6), 0);
    cr_assert_eq(l.sync(l.self), 0);
    sp_local_lmdb_close(&l);
    l = open_it();
    cr_expect_eq(sp_local_lmdb_read_mark(&l, got, sizeof got, &len), 0);
    cr_expect_eq(len, 5);
    cr_expect_eq(memcmp(got, "first", 5), 0);
    cr_expect_eq(sp_local_lmdb_read_mark(&l, got, 4, &len), SP_EFULL);
    sp_local_lmdb_close(&l);
}

/* Changes one byte of the stored value of `key`, with LMDB itself. */
static void damage(const char *key, size_t key_len, size_t at)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    uint8_t copy[256], name[16];
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, dir, MDB_NOLOCK, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
    memcpy(name, key, key_len);
    MDB_val k = {key_len, name}, v;
    cr_assert_eq(mdb_get(txn, dbi, &k, &v), 0);
    cr_assert_leq(v.mv_size, sizeof copy);
    memcpy(copy, v.mv_data, v.mv_size);
    copy[at % v.mv_size] ^= 0x10;
    MDB_val changed = {v.mv_size, copy};
    cr_assert_eq(mdb_put(txn, dbi, &k, &changed, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

Test(local_lmdb, a_damaged_record_is_reported)
{
    static const char row[9] = {'m', 0x65, 0x53, (char)0xf1, 0, 0, 0, 0, 1};
    static const char body[9] = {'b', 0x65, 0x53, (char)0xf1, 0, 0, 0, 0, 1};
    struct sp_local l = open_it();
    struct sp_outgoing m;
    uint8_t dst[64];
    size_t len;
    cr_assert_eq(put(&l, 1, "one"), 0);
    cr_assert_eq(l.cursor(l.self, (struct sp_epoch){1}, (struct sp_seq){1}), 0);
    cr_assert_eq(sp_local_lmdb_mark(&l, "m", 1), 0);
    cr_assert_eq(l.cursor(l.self, (struct sp_epoch){1}, (struct sp_seq){2}), 0);
    sp_local_lmdb_close(&l);
    for (size_t at = 0; at < 8; at += 7) {
        damage(body, 9, at);
        l = open_it();
        cr_expect_eq(l.next(l.self, (struct sp_msgid){0}, &m), SP_ECORRUPT);
        cr_expect_eq(l.read(l.self, (struct sp_msgid){EPOCH + 1}, dst, sizeof dst, &len), SP_ECORRUPT);
        sp_local_lmdb_close(&l);
        damage(body, 9, at); /* and back */
    }
    damage(row, 9, 20);
    l = open_it();
    cr_expect_eq(l.next(l.self, (struct sp_msgid){0}, &m), SP_ECORRUPT);
    sp_local_lmdb_close(&l);
    damage(row, 9, 20);
    damage("k", 1, 5);
    l = open_it();
    cr_expect_eq(sp_local_lmdb_read_mark(&l, dst, sizeof dst, &len), SP_ECORRUPT);
    cr_expect_str_eq(rows(&l), "1:0/3", "others are not harmed");
    sp_local_lmdb_close(&l);
    damage("s", 1, 6);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, "ann", 5), SP_ECORRUPT);
    damage("s", 1, 6);
    damage("i", 1, 6);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, "ann", 5), SP_ECORRUPT);
    cr_expect_null(l.self);
}

Test(local_lmdb, a_cut_file_is_reported)
{
    char path[128];
    struct stat st;
    struct sp_local l = open_it();
    for (uint64_t n = 1; n <= 200; n++)
        cr_assert_eq(put(&l, n, "a body that takes some room on the pages of the file"), 0);
    sp_local_lmdb_close(&l);
    (void)snprintf(path, sizeof path, "%s/data.mdb", dir);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(truncate(path, st.st_size - 4096), 0);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, "ann", 5), SP_ECORRUPT);
    cr_assert_eq(truncate(path, 100), 0);
    cr_expect_eq(sp_local_lmdb_open(&l, dir, "ann", 5), SP_ECORRUPT);
}

/* No room on the disk: the file may not grow.  A later sync, with room, loses nothing of the batch. */
Test(local_lmdb, a_failed_sync_may_be_repeated)
{
    struct sp_local l = open_it();
    struct rlimit none = {.rlim_cur = 64 * 1024, .rlim_max = RLIM_INFINITY}, room;
    char body[1001];
    memset(body, 'x', 1000);
    body[1000] = '\0';
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &room), 0);
    cr_assert_neq(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    for (uint64_t n = 1; n <= 300; n++)
        cr_assert_eq(put(&l, n, body), 0);
    none.rlim_max = room.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    cr_expect_eq(l.sync(l.self), SP_EIO);
    cr_expect_eq(l.sync(l.self), SP_EIO);
    cr_assert_eq(l.drop(l.self, (struct sp_msgid){EPOCH + 300}), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    cr_expect_eq(l.sync(l.self), 0);
    sp_local_lmdb_close(&l);
    l = open_it();
    for (uint64_t n = 1; n < 300; n++)
        cr_assert_str_eq(body_of(&l, n), body);
    cr_expect_str_eq(body_of(&l, 300), "-");
    sp_local_lmdb_close(&l);
}

Test(local_lmdb, a_large_batch_is_written_by_itself)
{
    struct sp_local l = open_it();
    char body[1001];
    memset(body, 'x', 1000);
    body[1000] = '\0';
    for (uint64_t n = 1; n <= 12000; n++)
        cr_assert_eq(put(&l, n, body), 0);
    cr_expect_str_eq(body_of(&l, 1), body);
    sp_local_lmdb_close(&l);
    l = open_it();
    cr_expect_str_eq(body_of(&l, 12000), body);
    sp_local_lmdb_close(&l);
}

/* A child writes batches and says after each sync how far it is; it is killed at any moment.  Everything it
 * said is there, no batch is there by half, and the mark agrees with the cursor. */
Test(local_lmdb, kill_9_between_put_and_sync)
{
    for (int round = 0; round < 12; round++) {
        int pipe_fd[2];
        struct sp_local l;
        cr_assert_eq(pipe(pipe_fd), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct sp_local c;
            struct sp_local_state s;
            if (sp_local_lmdb_open(&c, dir, "ann", 5) != 0 || c.load(c.self, &s) != 0)
                _exit(1);
            for (uint32_t batch = s.cursor.v + 1;; batch++) {
                for (uint64_t k = 0; k < 3; k++)
                    if (put(&c, batch * 3 + k, "some body") != 0)
                        _exit(1);
                if (batch > 5)
                    (void)c.drop(c.self, (struct sp_msgid){EPOCH + (batch - 5) * 3});
                if (sp_local_lmdb_mark(&c, &batch, sizeof batch) != 0 ||
                    c.cursor(c.self, (struct sp_epoch){9}, (struct sp_seq){batch}) != 0 ||
                    c.sync(c.self) != 0)
                    _exit(1);
                if (write(pipe_fd[1], &batch, sizeof batch) != sizeof batch)
                    _exit(1);
            }
        }
        uint32_t said = 0, last_said = 0;
        int reports = 3 + round * 5;
        for (int i = 0; i < reports; i++) {
            cr_assert_eq(read(pipe_fd[0], &said, sizeof said), sizeof said);
            last_said = said;
        }
        cr_assert_eq(kill(pid, SIGKILL), 0);
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSIGNALED(status), "the child failed by itself");
        (void)close(pipe_fd[1]);
        while (read(pipe_fd[0], &said, sizeof said) == sizeof said)
            last_said = said;
        (void)close(pipe_fd[0]);

        struct sp_local_state s;
        uint32_t mark = 0;
        size_t len = 0;
        l = open_it();
        cr_assert_eq(l.load(l.self, &s), 0);
        cr_expect_geq(s.cursor.v, last_said);
        cr_expect_leq(s.cursor.v, last_said + 1, "one batch may be durable and not yet said");
        cr_expect_eq(sp_local_lmdb_read_mark(&l, &mark, sizeof mark, &len), 0);
        cr_expect_eq(mark, s.cursor.v);
        cr_expect_eq(s.last.v, EPOCH + (uint64_t)s.cursor.v * 3 + 2);
        for (uint64_t k = 0; k < 3; k++)
            cr_expect_str_eq(body_of(&l, (uint64_t)s.cursor.v * 3 + k), "some body");
        cr_expect_str_eq(body_of(&l, ((uint64_t)s.cursor.v + 1) * 3), "-");
        sp_local_lmdb_close(&l);
    }
}
