#include "lmdb_guard.h"

#include "contract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_store(const char *dir, char *reason)
{
    struct sp_store *st = NULL;
    char url[160];
    struct sp_store_config cfg = {.map_size = KIT_MAP, .reason = reason, .reason_cap = 200};
    (void)snprintf(url, sizeof(url), "lmdb:%s", dir);
    int err = sp_store_open(&st, url, &cfg);
    sp_store_close(&st);
    return err;
}

static void folder(char dir[64])
{
    (void)snprintf(dir, 64, "/tmp/sampan-guard-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_all(const char *dir)
{
    (void)nftw(dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *dir, const void *p, size_t n)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(p, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

/* Changes n bytes of data.mdb at an offset. */
static void patch(const char *dir, long at, const void *p, size_t n)
{
    char path[100];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, at, SEEK_SET), 0);
    cr_assert_eq(fwrite(p, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

static off_t size_of(const char *dir)
{
    char path[100];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    cr_assert_eq(stat(path, &st), 0);
    return st.st_size;
}

Test(lmdb_guard, folder_and_files_belong_to_the_owner_alone)
{
    char dir[64];
    char sub[90];
    char reason[200];
    struct stat st;
    folder(dir);
    (void)umask(0);
    (void)snprintf(sub, sizeof(sub), "%s/store", dir);
    cr_assert_eq(open_store(sub, reason), 0);
    cr_assert_eq(stat(sub, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0700U);
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < 2; i++) {
        char path[110];
        (void)snprintf(path, sizeof(path), "%s/%s", sub, files[i]);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq(st.st_mode & 0777, 0600U, "%s", files[i]);
    }
    remove_all(dir);
}

Test(lmdb_guard, a_parent_that_is_missing_or_a_file)
{
    char reason[200] = "";
    cr_assert_eq(open_store("/tmp/sampan-no-such-folder/store", reason), SP_EIO);
    cr_assert_not_null(strstr(reason, "sampan-no-such-folder"));
    cr_assert_eq(open_store("/dev/null", reason), SP_EIO);
}

Test(lmdb_guard, one_process_alone)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    char reason[200] = "";
    kit_folder(&k);
    kit_start(&k, NULL);
    cr_assert_eq(open_store(k.dir, reason), SP_EBUSY);
    cr_assert_not_null(strstr(reason, "in use"));
    sp_store_close(&k.st);
    cr_assert_eq(open_store(k.dir, reason), 0);
    remove_all(k.dir);
}

Test(lmdb_guard, a_short_file_is_corrupt_not_a_signal)
{
    char dir[64];
    char path[100];
    char reason[200] = "";
    folder(dir);
    cr_assert_eq(open_store(dir, reason), 0);
    off_t full = size_of(dir);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    for (off_t size = full - 1; size > 0; size = size > 4096 ? size - 4096 : size / 2) {
        cr_assert_eq(truncate(path, size), 0);
        cr_assert_eq(open_store(dir, reason), SP_ECORRUPT, "%ld bytes of %ld", (long)size, (long)full);
        cr_assert_neq(reason[0], '\0');
    }
    remove_all(dir);
}

Test(lmdb_guard, damaged_meta_pages)
{
    static const struct {
        long at;
        uint32_t value;
        int err;
    } rows[] = {{16, 0x12345678, SP_ECORRUPT}, {4096 + 16, 0, SP_ECORRUPT}, {20, 2, SP_EVERSION},
                {4096 + 20, 999, SP_EVERSION}, {40, 4095, SP_ECORRUPT},     {40, 1U << 20, SP_ECORRUPT}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char dir[64];
        char reason[200] = "";
        folder(dir);
        cr_assert_eq(open_store(dir, reason), 0);
        patch(dir, rows[i].at, &rows[i].value, 4);
        cr_assert_eq(open_store(dir, reason), rows[i].err, "row %zu", i);
        cr_assert_neq(reason[0], '\0');
        remove_all(dir);
    }
}

Test(lmdb_guard, garbage_is_corrupt)
{
    char dir[64];
    char reason[200];
    uint8_t b[20000];
    folder(dir);
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (uint8_t)(i * 7919 >> 3);
    static const size_t sizes[] = {1, 100, 4096, 8192, 20000};
    for (size_t i = 0; i < 5; i++) {
        write_file(dir, b, sizes[i]);
        cr_assert_eq(open_store(dir, reason), SP_ECORRUPT, "%zu bytes", sizes[i]);
    }
    remove_all(dir);
}

/* A creation that was cut off before its first flush left nothing that was ever answered. */
Test(lmdb_guard, a_small_file_of_zeros_begins_anew)
{
    char dir[64];
    char reason[200];
    static const uint8_t zeros[200000];
    folder(dir);
    static const size_t sizes[] = {0, 512, 4096, 8192};
    for (size_t i = 0; i < 4; i++) {
        write_file(dir, zeros, sizes[i]);
        cr_assert_eq(open_store(dir, reason), 0, "%zu bytes: %s", sizes[i], reason);
    }
    write_file(dir, zeros, sizeof(zeros));
    cr_assert_eq(open_store(dir, reason), SP_ECORRUPT, "too large to be a creation");
    remove_all(dir);
}

Test(lmdb_guard, a_link_in_place_of_the_file_is_refused)
{
    char dir[64];
    char path[100];
    char reason[200];
    folder(dir);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    cr_assert_eq(symlink("/dev/zero", path), 0);
    cr_assert_eq(open_store(dir, reason), SP_EIO);
    remove_all(dir);
}

/* A power cut while the store is created leaves some of the sectors of LMDB's first two pages: nothing was
 * ever stored, so creation begins anew.  With a commit in either meta page it does not. */
Test(lmdb_guard, an_interrupted_creation_begins_anew)
{
    enum { PAGE = 4096 };
    char dir[64];
    char reason[200] = "";
    uint8_t unborn[3 * PAGE] = {0};
    uint32_t head[8] = {0, 0, 0x80000, 0, 0xBEEFC0DE, 1, 0, 0};
    uint32_t page_size = PAGE;
    uint64_t last_page = 1;
    folder(dir);
    for (size_t p = 0; p < 2; p++) {
        head[0] = (uint32_t)p;
        memcpy(unborn + p * PAGE, head, sizeof(head));
        memcpy(unborn + p * PAGE + 40, &page_size, sizeof(page_size));
        memcpy(unborn + p * PAGE + 136, &last_page, sizeof(last_page));
    }
    memset(unborn + 2 * PAGE, 'x', PAGE);
    for (unsigned lost = 0; lost < 4; lost++) {
        uint8_t b[3 * PAGE];
        memcpy(b, unborn, sizeof(b));
        for (size_t p = 0; p < 2; p++) {
            if (lost & 1U << p)
                memset(b + p * PAGE, 0, 512);
        }
        static const size_t sizes[] = {512, PAGE, PAGE + 512, 2 * PAGE, 3 * PAGE};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            write_file(dir, b, sizes[i]);
            cr_assert_eq(open_store(dir, reason), 0, "lost %u, %zu bytes: %s", lost, sizes[i], reason);
        }
    }
    unborn[PAGE + 144] = 1; /* the second meta page names a commit, the first is lost */
    memset(unborn, 0, 512);
    write_file(dir, unborn, sizeof(unborn));
    cr_assert_eq(open_store(dir, reason), SP_ECORRUPT);
    cr_assert_eq(size_of(dir), 3 * PAGE, "the file is left alone");
    remove_all(dir);
}
