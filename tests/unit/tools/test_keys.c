/* The key folder, on a real file system. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"

static char top[] = "/tmp/sampan-keys-XXXXXX";
static char dir[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(top));
    (void)snprintf(dir, sizeof dir, "%s/keys", top);
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

TestSuite(keys, .init = setup, .fini = teardown);

static const char *path_of(const char *name)
{
    static char path[SP_FILES_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void create(void)
{
    struct sp_trouble t;
    cr_assert_eq(sp_keys_create(dir, &t), 0);
}

/* What a file holds, as text. */
static void slurp(const char *name, char *dst, size_t cap)
{
    FILE *f = fopen(path_of(name), "r");
    cr_assert_not_null(f);
    size_t n = fread(dst, 1, cap - 1, f);
    dst[n] = '\0';
    (void)fclose(f);
}

static void spill(const char *name, const char *text)
{
    struct sp_trouble t;
    cr_assert_eq(sp_files_replace_private(path_of(name), text, strlen(text), &t), 0);
}

Test(keys, create_makes_a_private_folder)
{
    static const char *const names[] = {"gateway.key", "gateway.pub", "cid.key", "token.0"};
    struct stat st;
    cr_assert_not(sp_keys_is_there(dir));
    create();
    cr_assert(sp_keys_is_there(dir));
    cr_assert_eq(stat(dir, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(stat(path_of(names[i]), &st), 0);
        cr_expect_eq(st.st_mode & 07777, 0600, "%s", names[i]);
    }
    cr_assert_not(sp_files_is_there(path_of("token.1")));
}

Test(keys, create_never_overwrites)
{
    static const char *const names[] = {"gateway.key", "gateway.pub", "cid.key", "token.0"};
    char before[4][256], after[256];
    struct sp_trouble t;
    create();
    for (size_t i = 0; i < 4; i++)
        slurp(names[i], before[i], sizeof before[i]);
    cr_assert_eq(sp_keys_create(dir, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    for (size_t i = 0; i < 4; i++) {
        slurp(names[i], after, sizeof after);
        cr_expect_str_eq(after, before[i], "%s", names[i]);
    }
}

Test(keys, create_changes_nothing_when_one_file_exists)
{
    struct sp_trouble t;
    cr_assert_eq(sp_files_make_dir(dir, &t), 0);
    spill("token.1", "x");
    cr_assert_eq(sp_keys_create(dir, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_not(sp_files_is_there(path_of("gateway.key")));
    cr_assert_not(sp_files_is_there(path_of("token.0")));
}

Test(keys, load_gives_what_is_written)
{
    struct sp_keys k;
    struct sp_trouble t;
    char text[256], want[256], hex[65], more[65];
    create();
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    cr_assert_eq(k.tokens.n, 1);
    cr_assert_eq(k.tokens.of[0].kid, 0);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", k.public[i]);
    slurp("gateway.pub", text, sizeof text);
    (void)snprintf(want, sizeof want, "%s\n", hex);
    cr_assert_str_eq(text, want);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", k.tokens.of[0].key[i]);
    slurp("token.0", text, sizeof text);
    (void)snprintf(want, sizeof want, "0 %s\n", hex);
    cr_assert_str_eq(text, want);
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", k.cids.check[i]);
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(more + 2 * i, 3, "%02x", k.cids.reset[i]);
    slurp("cid.key", text, sizeof text);
    (void)snprintf(want, sizeof want, "%s %s\n", hex, more);
    cr_assert_str_eq(text, want);
    sp_keys_wipe(&k);
    static const struct sp_keys zero;
    cr_assert_eq(memcmp(&k, &zero, sizeof k), 0);
}

/* docs/protocol.md, section 9: gateway secret 07 x 32. */
Test(keys, the_public_key_is_that_of_the_protocol_vector)
{
    struct sp_keys k;
    struct sp_trouble t;
    create();
    spill("gateway.key", "0707070707070707070707070707070707070707070707070707070707070707\n");
    cr_assert_eq(sp_keys_load(dir, &k, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_CONFIG);
    spill("gateway.pub",
          "13be4feaeaf204c7fd3358fc9c00721881d174278128227ec674f37f7fe97b6d"); /* no line feed */
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    cr_assert_eq(k.secret[31], 7);
    sp_keys_wipe(&k);
}

Test(keys, two_folders_differ)
{
    struct sp_keys a, b;
    struct sp_trouble t;
    create();
    cr_assert_eq(sp_keys_load(dir, &a, &t), 0);
    (void)snprintf(dir, sizeof dir, "%s/more", top);
    create();
    cr_assert_eq(sp_keys_load(dir, &b, &t), 0);
    cr_expect_neq(memcmp(a.secret, b.secret, 32), 0);
    cr_expect_neq(memcmp(a.tokens.of[0].key, b.tokens.of[0].key, 32), 0);
    cr_expect_neq(memcmp(a.cids.check, b.cids.check, 16), 0);
    cr_expect_neq(memcmp(a.cids.reset, b.cids.reset, 32), 0);
    sp_keys_wipe(&a);
    sp_keys_wipe(&b);
}

Test(keys, rotation_keeps_two_live_newest_first)
{
    struct sp_keys before, after;
    struct sp_trouble t;
    struct stat st;
    create();
    for (unsigned kid = 1; kid <= 300; kid += 23) {
        cr_assert_eq(sp_keys_load(dir, &before, &t), 0);
        cr_assert_eq(sp_keys_rotate(dir, &t), 0);
        cr_assert_eq(sp_keys_load(dir, &after, &t), 0);
        cr_assert_eq(after.tokens.n, 2);
        cr_assert_eq(after.tokens.of[0].kid, (uint8_t)(before.tokens.of[0].kid + 1));
        cr_assert_eq(after.tokens.of[1].kid, before.tokens.of[0].kid);
        cr_assert_arr_eq(after.tokens.of[1].key, before.tokens.of[0].key, 32);
        cr_assert_neq(memcmp(after.tokens.of[0].key, after.tokens.of[1].key, 32), 0);
        cr_assert_arr_eq(after.secret, before.secret, 32);
        cr_assert_arr_eq(after.cids.reset, before.cids.reset, 32);
        sp_keys_wipe(&before);
        sp_keys_wipe(&after);
    }
    cr_assert_eq(stat(path_of("token.1"), &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
}

Test(keys, kids_count_beyond_255)
{
    struct sp_keys k;
    struct sp_trouble t;
    create();
    spill("token.0", "255 1111111111111111111111111111111111111111111111111111111111111111\n");
    cr_assert_eq(sp_keys_rotate(dir, &t), 0);
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    cr_assert_eq(k.tokens.of[0].kid, 0);
    cr_assert_eq(k.tokens.of[1].kid, 255);
    cr_assert_eq(sp_keys_rotate(dir, &t), 0);
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    cr_assert_eq(k.tokens.of[0].kid, 1);
    cr_assert_eq(k.tokens.of[1].kid, 0);
    sp_keys_wipe(&k);
}

Test(keys, rotate_wants_a_folder)
{
    struct sp_trouble t;
    cr_assert_eq(sp_keys_rotate(dir, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
}

Test(keys, damage_and_open_files_are_refused)
{
#define H64 "1111111111111111111111111111111111111111111111111111111111111111"
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"gateway.key", ""},
        {"gateway.key", "abc"},
        {"gateway.key", H64 "\n" H64 "\n"},
        {"gateway.key", H64 " \n"},
        {"gateway.pub", H64 "\n"},
        {"token.0", H64 "\n"},
        {"token.0", "256 " H64 "\n"},
        {"token.0", "-1 " H64 "\n"},
        {"token.0", "0  " H64 "\n"},
        {"token.0", "0 " H64 "11\n"},
        {"token.1", "0 " H64 "\n"}, /* the number of token.0 */
        {"token.1", ""},
        {"cid.key", H64 " " H64 "\n"},
        {"cid.key", "11111111111111111111111111111111\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_keys k;
        struct sp_trouble t = {.code = SP_EXIT_OK};
        (void)snprintf(dir, sizeof dir, "%s/k%zu", top, i);
        create();
        spill(rows[i].name, rows[i].text);
        cr_expect_eq(sp_keys_load(dir, &k, &t), -1, "row %zu", i);
        cr_expect_eq(t.code, SP_EXIT_CONFIG, "row %zu: %s", i, t.text);
        cr_expect_not_null(strstr(t.text, rows[i].name), "row %zu: %s", i, t.text);
    }
}

Test(keys, each_file_must_be_private)
{
    static const char *const names[] = {"gateway.key", "gateway.pub", "cid.key", "token.0", "token.1"};
    struct sp_keys k;
    struct sp_trouble t;
    create();
    cr_assert_eq(sp_keys_rotate(dir, &t), 0);
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(chmod(path_of(names[i]), 0644), 0);
        cr_expect_eq(sp_keys_load(dir, &k, &t), -1, "%s", names[i]);
        cr_expect_eq(t.code, SP_EXIT_REFUSED);
        cr_assert_eq(chmod(path_of(names[i]), 0600), 0);
    }
    cr_assert_eq(sp_keys_load(dir, &k, &t), 0);
    sp_keys_wipe(&k);
    cr_assert_eq(unlink(path_of("cid.key")), 0);
    cr_assert_eq(sp_keys_load(dir, &k, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
}
