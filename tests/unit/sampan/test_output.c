/* Standard output of `recv` as a file, with kills between write and mark. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local_lmdb.h"
#include "output.h"

static char dir[40];
static struct sp_local local;
static struct sp_output out;
static struct sp_trouble t;

static void path_of(const char *name, char *dst)
{
    (void)snprintf(dst, 64, "%s/%s", dir, name);
}

/* Standard output becomes the file, appended to, as with >> in a shell. */
static void redirect(const char *name)
{
    char path[64];
    path_of(name, path);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
    cr_assert(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
    (void)close(fd);
}

static void open_state(void)
{
    char path[64];
    path_of("state", path);
    cr_assert_eq(sp_local_lmdb_open(&local, path, "b", 1), 0);
    cr_assert_eq(sp_output_open(&out, &local, &t), 0);
}

/* What the client does at keep. */
static void keep(uint32_t seq)
{
    cr_assert_eq(local.cursor(local.self, (struct sp_epoch){1}, (struct sp_seq){seq}), 0);
    cr_assert_eq(local.sync(local.self), 0);
}

static void expect_file(const char *name, const char *text)
{
    char path[64], got[256];
    path_of(name, path);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, got, sizeof got - 1);
    (void)close(fd);
    cr_assert(n >= 0);
    got[n] = '\0';
    cr_assert_str_eq(got, text);
}

static void enter(void)
{
    memcpy(dir, "/tmp/sampan-output-XXXXXX", 26);
    cr_assert_not_null(mkdtemp(dir));
    redirect("out");
}

TestSuite(output, .init = enter);

Test(output, what_was_written_after_the_mark_is_cut_off)
{
    open_state();
    cr_assert(sp_output_add(&out, "one\n", 4));
    cr_assert_eq(sp_output_flush(&out, &t), 0);
    keep(1);
    cr_assert(sp_output_add(&out, "two\n", 4));
    cr_assert_eq(sp_output_flush(&out, &t), 0);
    expect_file("out", "one\ntwo\n");
    sp_local_lmdb_close(&local); /* without keep: as if killed */
    open_state();
    expect_file("out", "one\n");
    cr_assert(sp_output_add(&out, "two\n", 4));
    cr_assert_eq(sp_output_flush(&out, &t), 0);
    keep(2);
    expect_file("out", "one\ntwo\n");
    sp_local_lmdb_close(&local);
}

Test(output, another_file_is_left_alone)
{
    open_state();
    cr_assert(sp_output_add(&out, "one\n", 4));
    cr_assert_eq(sp_output_flush(&out, &t), 0);
    keep(1);
    sp_local_lmdb_close(&local);
    redirect("other");
    cr_assert_eq(write(STDOUT_FILENO, "not ours\n", 9), 9);
    open_state();
    expect_file("other", "not ours\n");
    sp_local_lmdb_close(&local);
}

Test(output, a_full_buffer_takes_nothing)
{
    static char big[SP_OUTPUT_MAX];
    open_state();
    cr_assert(sp_output_add(&out, big, sizeof big));
    cr_assert_not(sp_output_add(&out, "x", 1));
    cr_assert_eq(out.len, sizeof big);
    sp_local_lmdb_close(&local);
}

Test(output, a_full_disk_is_an_io_error)
{
    int fd = open("/dev/full", O_WRONLY);
    open_state();
    cr_assert(fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO);
    cr_assert(sp_output_add(&out, "x", 1));
    cr_assert_eq(sp_output_flush(&out, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_IO);
    sp_local_lmdb_close(&local);
}
