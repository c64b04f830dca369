/* The event log. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eventlog.h"

static char folder[] = "/tmp/eventlog.XXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/log", folder);
}

static void teardown(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

TestSuite(eventlog, .init = setup, .fini = teardown);

static size_t contents(char *text, size_t cap)
{
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    size_t n = fread(text, 1, cap - 1, in);
    text[n] = 0;
    (void)fclose(in);
    return n;
}

Test(eventlog, lines_are_visible_after_a_flush)
{
    struct sp_eventlog *log = NULL;
    char text[256];
    cr_assert_eq(sp_eventlog_open(&log, path, SP_EVENTLOG_BYTES_MAX), 0);
    sp_eventlog_add(log, 1234567, SP_MODEL_UP, "loss", 1);
    sp_eventlog_add(log, 1234568, SP_MODEL_DOWN, "dup", UINT64_MAX);
    sp_eventlog_flush(log);
    (void)contents(text, sizeof text);
    cr_expect_str_eq(text, "1234567 up loss 1\n1234568 down dup 18446744073709551615\n");
    cr_expect_eq(sp_eventlog_close(&log), 0);
    cr_expect_null(log);
}

Test(eventlog, is_bounded)
{
    struct sp_eventlog *log = NULL;
    struct stat st;
    cr_assert_eq(sp_eventlog_open(&log, path, 1000), 0);
    for (unsigned i = 0; i < 1000; i++)
        sp_eventlog_add(log, INT64_MIN, SP_MODEL_DOWN, "blackhole", UINT64_MAX);
    uint64_t skipped = sp_eventlog_skipped(log);
    cr_expect_eq(sp_eventlog_close(&log), 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_leq(st.st_size, 1000);
    const uint64_t line = sizeof "-9223372036854775808 down blackhole 18446744073709551615\n" - 1;
    cr_expect_eq((uint64_t)st.st_size, (1000 - skipped) * line);
    cr_expect_gt(skipped, 0);
}

Test(eventlog, none_is_allowed)
{
    struct sp_eventlog *log = NULL;
    sp_eventlog_add(log, 1, SP_MODEL_UP, "loss", 1);
    sp_eventlog_flush(log);
    cr_expect_eq(sp_eventlog_skipped(log), 0);
    cr_expect_eq(sp_eventlog_close(&log), 0);
}

Test(eventlog, failures_are_told)
{
    struct sp_eventlog *log = NULL;
    cr_expect_eq(sp_eventlog_open(&log, "/nonexistent/log", 1000), -1);
    cr_expect_eq(errno, ENOENT);
    cr_expect_null(log);
    if (access("/dev/full", W_OK) == 0) {
        cr_assert_eq(sp_eventlog_open(&log, "/dev/full", 1000), 0);
        sp_eventlog_add(log, 1, SP_MODEL_UP, "loss", 1);
        cr_expect_eq(sp_eventlog_close(&log), -1);
    }
}
