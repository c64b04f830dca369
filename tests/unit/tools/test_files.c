/* Private files and folders, on a real file system. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

static char dir[] = "/tmp/sampan-files-XXXXXX";

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(files, .init = setup, .fini = teardown);

static const char *in_dir(const char *name)
{
    static char path[4][SP_FILES_PATH_MAX];
    static int turn;
    struct sp_trouble t;
    char *p = path[turn++ % 4];
    cr_assert_eq(sp_files_join(p, SP_FILES_PATH_MAX, dir, name, &t), 0);
    return p;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

Test(files, a_path_that_does_not_fit_is_told)
{
    char dst[8];
    struct sp_trouble t;
    cr_assert_eq(sp_files_join(dst, sizeof dst, "/abc", "de", &t), 0);
    cr_assert_str_eq(dst, "/abc/de");
    cr_assert_eq(sp_files_join(dst, sizeof dst, "/abc", "def", &t), -1);
    cr_assert_eq(t.code, SP_EXIT_CONFIG);
}

Test(files, make_dir_makes_parents_and_leaves_what_is_there)
{
    struct sp_trouble t;
    cr_assert_eq(sp_files_make_dir(in_dir("a/b/c"), &t), 0);
    cr_assert_eq(mode_of(in_dir("a")), 0700);
    cr_assert_eq(mode_of(in_dir("a/b/c")), 0700);
    cr_assert_eq(chmod(in_dir("a/b/c"), 0750), 0);
    cr_assert_eq(sp_files_make_dir(in_dir("a/b/c"), &t), 0);
    cr_assert_eq(mode_of(in_dir("a/b/c")), 0750);
    cr_assert_eq(sp_files_create_private(in_dir("f"), "x", 1, &t), 0);
    cr_assert_eq(sp_files_make_dir(in_dir("f"), &t), -1);
    cr_assert_eq(sp_files_make_dir(in_dir("f/g"), &t), -1);
    cr_assert_eq(sp_files_make_dir("", &t), -1);
}

Test(files, check_dir)
{
    struct sp_trouble t;
    cr_assert_eq(sp_files_make_dir(in_dir("d"), &t), 0);
    cr_assert_eq(sp_files_check_dir(in_dir("d"), &t), 0);
    cr_assert_eq(chmod(in_dir("d"), 0755), 0);
    cr_assert_eq(sp_files_check_dir(in_dir("d"), &t), 0, "others may look, its files are private themselves");
    cr_assert_eq(chmod(in_dir("d"), 0770), 0);
    cr_assert_eq(sp_files_check_dir(in_dir("d"), &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(chmod(in_dir("d"), 0700), 0);
    cr_assert_eq(symlink("d", in_dir("link")), 0);
    cr_assert_eq(sp_files_check_dir(in_dir("link"), &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(sp_files_check_dir(in_dir("absent"), &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
    if (geteuid() == 0) {
        cr_assert_eq(chown(in_dir("d"), 12345, 12345), 0);
        cr_assert_eq(sp_files_check_dir(in_dir("d"), &t), -1);
        cr_assert_eq(t.code, SP_EXIT_REFUSED);
    }
}

Test(files, create_never_overwrites)
{
    struct sp_trouble t;
    uint8_t back[8];
    size_t len = 0;
    cr_assert_eq(sp_files_create_private(in_dir("f"), "first", 5, &t), 0);
    cr_assert_eq(mode_of(in_dir("f")), 0600);
    cr_assert_eq(sp_files_create_private(in_dir("f"), "other", 5, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(sp_files_read_private(in_dir("f"), back, sizeof back, &len, &t), 0);
    cr_assert_eq(len, 5);
    cr_assert_arr_eq(back, "first", 5);
    cr_assert_eq(sp_files_create_private(in_dir("absent/f"), "x", 1, &t), -1);
}

Test(files, create_does_not_follow_a_link)
{
    struct sp_trouble t;
    cr_assert_eq(symlink("target", in_dir("link")), 0);
    cr_assert_eq(sp_files_create_private(in_dir("link"), "x", 1, &t), -1);
    cr_assert_not(sp_files_is_there(in_dir("target")));
    cr_assert(sp_files_is_there(in_dir("link")));
}

Test(files, create_is_private_whatever_the_umask)
{
    struct sp_trouble t;
    (void)umask(0);
    cr_assert_eq(sp_files_create_private(in_dir("f"), "x", 1, &t), 0);
    cr_assert_eq(mode_of(in_dir("f")), 0600);
}

Test(files, replace)
{
    struct sp_trouble t;
    uint8_t back[8];
    size_t len = 0;
    cr_assert_eq(sp_files_create_private(in_dir("f"), "first", 5, &t), 0);
    cr_assert_eq(sp_files_create_private(in_dir("f.new"), "left", 4, &t), 0); /* by a run that was cut off */
    cr_assert_eq(sp_files_replace_private(in_dir("f"), "second", 6, &t), 0);
    cr_assert_eq(sp_files_read_private(in_dir("f"), back, sizeof back, &len, &t), 0);
    cr_assert_eq(len, 6);
    cr_assert_arr_eq(back, "second", 6);
    cr_assert_not(sp_files_is_there(in_dir("f.new")));
    cr_assert_eq(mode_of(in_dir("f")), 0600);
}

Test(files, read_refuses_what_others_can_read)
{
    static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0777};
    struct sp_trouble t;
    uint8_t back[8];
    size_t len = 77;
    cr_assert_eq(sp_files_create_private(in_dir("f"), "x", 1, &t), 0);
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        cr_assert_eq(chmod(in_dir("f"), open_modes[i]), 0);
        cr_expect_eq(sp_files_read_private(in_dir("f"), back, sizeof back, &len, &t), -1, "%o",
                     open_modes[i]);
        cr_expect_eq(t.code, SP_EXIT_REFUSED);
    }
    cr_assert_eq(len, 77);
    cr_assert_eq(chmod(in_dir("f"), 0400), 0);
    cr_assert_eq(sp_files_read_private(in_dir("f"), back, sizeof back, &len, &t), 0);
}

Test(files, read_refuses_links_pipes_folders_and_foreign_files)
{
    struct sp_trouble t;
    uint8_t back[8];
    size_t len = 0;
    cr_assert_eq(sp_files_create_private(in_dir("f"), "x", 1, &t), 0);
    cr_assert_eq(symlink("f", in_dir("link")), 0);
    cr_assert_eq(sp_files_read_private(in_dir("link"), back, sizeof back, &len, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(mkfifo(in_dir("pipe"), 0600), 0);
    cr_assert_eq(sp_files_read_private(in_dir("pipe"), back, sizeof back, &len, &t), -1, "and does not wait");
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(sp_files_make_dir(in_dir("d"), &t), 0);
    cr_assert_eq(sp_files_read_private(in_dir("d"), back, sizeof back, &len, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(sp_files_read_private(in_dir("absent"), back, sizeof back, &len, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_UNREACHABLE);
    if (geteuid() == 0) {
        cr_assert_eq(chown(in_dir("f"), 12345, 12345), 0);
        cr_assert_eq(sp_files_read_private(in_dir("f"), back, sizeof back, &len, &t), -1);
        cr_assert_eq(t.code, SP_EXIT_REFUSED);
    }
}

Test(files, read_has_a_limit)
{
    struct sp_trouble t;
    uint8_t back[4];
    size_t len = 0;
    cr_assert_eq(sp_files_create_private(in_dir("four"), "1234", 4, &t), 0);
    cr_assert_eq(sp_files_read_private(in_dir("four"), back, sizeof back, &len, &t), 0);
    cr_assert_eq(len, 4);
    cr_assert_eq(sp_files_create_private(in_dir("five"), "12345", 5, &t), 0);
    cr_assert_eq(sp_files_read_private(in_dir("five"), back, sizeof back, &len, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_CONFIG);
}
