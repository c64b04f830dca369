/* Opening a store, with a mishap at each call that it makes: the error has its name, nothing is held after
 * it, and the next opening finds all that was there. */
#include "mishap_rig.h"

static int open_error_of(enum mishap_kind kind, int error)
{
    if (kind != MISHAP_LMDB)
        return SP_EIO;
    switch (error) {
    case MDB_VERSION_MISMATCH:
        return SP_EVERSION;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return SP_ECORRUPT;
    default:
        return SP_EIO;
    }
}

/* Opens and attaches; the error of either. */
static int try_open(struct kit *k)
{
    struct sp_store *st = NULL;
    struct sp_store_port *p = NULL;
    k->reason[0] = '\0';
    int err = sp_store_open(&st, k->url, &k->cfg);
    cr_assert_eq(err != 0, st == NULL, "on error *out is untouched");
    if (!err) {
        err = sp_store_attach(st, &p);
        cr_assert_eq(err != 0, p == NULL);
    }
    sp_store_close(&st);
    return err;
}

typedef bool allows_fn(int err, int usual);

/* A mishap at each call of an opening; the next opening finds all that was there. */
static unsigned run_open(const char *url, bool is_new, enum mishap_kind kind, int error, allows_fn *allows)
{
    static struct trial t;
    unsigned call = 0;
    prepare(&t, KIT_LMDB);
    open_copy(&t);
    uint64_t left = contents(&t.k);
    sp_store_close(&t.k.st);
    t.k.cfg.manual = false;
    for (bool hit = true; hit; call++) {
        char path[96];
        path_of(&t.k, path);
        if (is_new)
            (void)remove(path);
        else
            copy_store(&t.model, &t.k);
        (void)snprintf(t.k.url, sizeof(t.k.url), url, t.k.dir);
        mishap_arm(kind, error, call);
        int err = try_open(&t.k);
        hit = mishap_disarm();
        cr_assert(err == 0 || hit);
        /* An attach knows SP_EIO alone, and no reason. */
        bool by_attach = err == SP_EIO && t.k.reason[0] == '\0';
        cr_assert(err == 0 || by_attach || allows(err, open_error_of(kind, error)), "call %u: %d %s", call,
                  err, t.k.reason);
        kit_open(&t.k);
        if (!is_new && strstr(url, "lmdb") != NULL)
            cr_assert_eq(contents(&t.k), left, "call %u", call);
        kit_send(&t.k, "new", call + 1, "n", "x");
        sp_store_close(&t.k.st);
    }
    end(&t.k);
    end(&t.model);
    return call - 1;
}

static bool allows_usual(int err, int usual)
{
    return err == usual;
}

Test(open_mishap, opening_with_an_error_of_lmdb)
{
    static const int errors[] = {EIO,         MDB_VERSION_MISMATCH, MDB_CORRUPTED,
                                 MDB_INVALID, MDB_PAGE_NOTFOUND,    MDB_PANIC};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        cr_assert_gt(run_open("lmdb:%s", true, MISHAP_LMDB, errors[i], allows_usual), 10U);
        cr_assert_gt(run_open("lmdb:%s", false, MISHAP_LMDB, errors[i], allows_usual), 10U);
    }
}

Test(open_mishap, opening_without_memory)
{
    cr_assert_gt(run_open("lmdb:%s", false, MISHAP_MEMORY, ENOMEM, allows_usual), 4U);
    cr_assert_gt(run_open("mem:", false, MISHAP_MEMORY, ENOMEM, allows_usual), 4U);
    cr_assert_gt(run_open("fault:1:mem:", false, MISHAP_MEMORY, ENOMEM, allows_usual), 6U);
}

/* A lock that cannot be taken is taken for another process, a page that cannot be read for a damaged one. */
static bool allows_system(int err, int usual)
{
    return err == usual || err == SP_EBUSY || err == SP_ECORRUPT;
}

Test(open_mishap, opening_with_an_error_of_the_system)
{
    cr_assert_gt(run_open("lmdb:%s", true, MISHAP_SYSTEM, EIO, allows_system), 5U);
    cr_assert_gt(run_open("lmdb:%s", false, MISHAP_SYSTEM, EIO, allows_system), 5U);
}

/* Blocks that cannot be had ahead: for want of room, by this file system, or because the disk fails. */
Test(open_mishap, opening_without_blocks_ahead)
{
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG, EOPNOTSUPP, ENOSYS, EINVAL, EIO};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        cr_assert_gt(run_open("lmdb:%s", i % 2 == 0, MISHAP_ROOM, errors[i], allows_usual), 0U);
}

/* Rows of the meta tree. */
static bool allows_corrupt(int err, int usual)
{
    (void)usual;
    return err == SP_ECORRUPT;
}

Test(open_mishap, opening_with_a_damaged_or_absent_row)
{
    cr_assert_gt(run_open("lmdb:%s", false, MISHAP_ROW, 0, allows_corrupt), 3U);
    cr_assert_gt(run_open("lmdb:%s", false, MISHAP_ABSENT, 0, allows_corrupt), 3U);
}

/* A tree that is not there is a file of another program. */
Test(open_mishap, opening_without_a_tree)
{
    static struct trial t;
    prepare(&t, KIT_LMDB);
    open_copy(&t);
    sp_store_close(&t.k.st);
    unsigned versions = 0;
    bool hit = true;
    for (unsigned call = 0; hit; call++) {
        mishap_arm(MISHAP_LMDB, MDB_NOTFOUND, call);
        versions += try_open(&t.k) == SP_EVERSION;
        hit = mishap_disarm();
    }
    cr_assert_eq(versions, 7U, "seven trees");
    end(&t.k);
    end(&t.model);
}

/* What a creation left that a power cut ended: it is removed, or the store says that it cannot be. */
Test(open_mishap, an_unborn_file_that_stays)
{
    struct kit k;
    char path[96];
    static const char zeros[8192];
    bool hit = true;
    unsigned refused = 0;
    begin(&k, KIT_LMDB);
    path_of(&k, path);
    (void)snprintf(k.url, sizeof(k.url), "lmdb:%s", k.dir);
    for (unsigned call = 0; hit; call++) {
        FILE *f = fopen(path, "wb");
        cr_assert_eq(fwrite(zeros, 1, sizeof(zeros), f), sizeof(zeros));
        cr_assert_eq(fclose(f), 0);
        mishap_arm(MISHAP_SYSTEM, EACCES, call);
        int err = try_open(&k);
        hit = mishap_disarm();
        cr_assert(err == 0 || err == SP_EIO || err == SP_EBUSY || err == SP_ECORRUPT);
        refused += err != 0;
    }
    cr_assert_gt(refused, 4U);
    end(&k);
}
