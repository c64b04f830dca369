/* Log lines, through a real pipe. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "sys.h"

/* 2026-11-21T02:45:26.123Z */
#define T0 (INT64_C(1795229126) * SP_SECOND + 123456)

static int ends[2];
static struct sp_log l;

static void setup(void)
{
    cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
    (void)unsetenv("JOURNAL_STREAM");
    sp_log_init(&l, ends[1], SP_LOG_INFO);
}

TestSuite(log, .init = setup);

/* What was written since the last call. */
static const char *written(void)
{
    static char text[4096];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

Test(log, a_pipe_gets_logfmt)
{
    const struct sp_log_field fields[] = {SP_LOG_S("plain", "word"), SP_LOG_N("n", -5),
                                          SP_LOG_S("reason", "two words")};
    sp_log_write(&l, SP_LOG_INFO, T0, "ready", fields, 3);
    cr_assert_str_eq(
        written(),
        "ts=2026-11-21T02:45:26.123Z level=info event=ready plain=word n=-5 reason=\"two words\"\n");
}

Test(log, the_journal_gets_a_priority_and_no_time)
{
    char stream[64];
    struct stat st;
    cr_assert_eq(fstat(ends[1], &st), 0);
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    (void)setenv("JOURNAL_STREAM", stream, 1);
    sp_log_init(&l, ends[1], SP_LOG_INFO);
    const struct sp_log_field field = SP_LOG_N("n", 1);
    sp_log_write(&l, SP_LOG_ERR, T0, "broken", &field, 1);
    cr_assert_str_eq(written(), "<3>broken n=1\n");
    (void)setenv("JOURNAL_STREAM", "1:1", 1);
    sp_log_init(&l, ends[1], SP_LOG_INFO);
    cr_assert_eq(l.format, SP_LOG_LOGFMT, "the journal of somebody else");
}

Test(log, a_terminal_gets_text)
{
    const struct sp_log_field field = SP_LOG_N("n", 1);
    l.format = SP_LOG_TEXT;
    sp_log_write(&l, SP_LOG_WARN, T0, "slow", &field, 1);
    cr_assert_str_eq(written(), "02:45:26.123Z warn  slow n=1\n");
}

Test(log, values_cannot_forge_a_line)
{
    static const struct {
        const char *value, *written;
    } rows[] = {
        {"", "v=\"\""},
        {"a=b", "v=\"a=b\""},
        {"say \"hi\"", "v=\"say \\\"hi\\\"\""},
        {"a\nlevel=err", "v=\"a?level=err\""},
        {"\x1b[31m", "v=?[31m"},
        {"back\\slash", "v=\"back\\\\slash\""},
        {"\xc3\xa9", "v=\xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sp_log_field field = SP_LOG_S("v", rows[i].value);
        char want[128];
        sp_log_write(&l, SP_LOG_INFO, T0, "x", &field, 1);
        (void)snprintf(want, sizeof want, "ts=2026-11-21T02:45:26.123Z level=info event=x %s\n",
                       rows[i].written);
        cr_expect_str_eq(written(), want);
    }
}

Test(log, levels)
{
    const struct sp_log_field field = SP_LOG_N("n", 1);
    sp_log_write(&l, SP_LOG_DEBUG, T0, "x", &field, 1);
    cr_assert_str_eq(written(), "");
    l.level = SP_LOG_ERR;
    sp_log_write(&l, SP_LOG_WARN, T0, "x", &field, 1);
    cr_assert_str_eq(written(), "");
    sp_log_write(&l, SP_LOG_ERR, T0, "x", &field, 1);
    cr_assert_neq(strlen(written()), 0);
}

Test(log, repeats_collapse_to_a_count)
{
    const struct sp_log_field field = SP_LOG_N("n", 1);
    for (int i = 0; i < 42; i++)
        sp_log_write(&l, SP_LOG_WARN, T0 + i * 100 * SP_MS, "slow", &field, 1);
    cr_assert_str_eq(written(), "ts=2026-11-21T02:45:26.123Z level=warn event=slow n=1\n");
    sp_log_tick(&l, T0 + 9 * SP_SECOND);
    cr_assert_str_eq(written(), "");
    sp_log_tick(&l, T0 + 10 * SP_SECOND);
    cr_assert_str_eq(written(), "ts=2026-11-21T02:45:30.223Z level=warn event=slow repeated=41 within_s=5\n");
    sp_log_tick(&l, INT64_MAX);
    cr_assert_str_eq(written(), "", "told once");
    sp_log_write(&l, SP_LOG_WARN, T0 + 20 * SP_SECOND, "slow", &field, 1);
    cr_assert_neq(strlen(written()), 0, "and then it is new again");
}

Test(log, other_events_levels_and_fields_are_no_repeats_and_info_never_is)
{
    const struct sp_log_field field = SP_LOG_N("n", 1), other = SP_LOG_N("n", 2), text = SP_LOG_S("n", "2");
    sp_log_write(&l, SP_LOG_WARN, T0, "a", &other, 1);
    sp_log_write(&l, SP_LOG_WARN, T0, "a", &text, 1);
    sp_log_write(&l, SP_LOG_WARN, T0, "a", &field, 1);
    sp_log_write(&l, SP_LOG_WARN, T0, "b", &field, 1);
    sp_log_write(&l, SP_LOG_ERR, T0, "a", &field, 1);
    sp_log_write(&l, SP_LOG_INFO, T0, "c", &field, 1);
    sp_log_write(&l, SP_LOG_INFO, T0, "c", &field, 1);
    unsigned lines = 0;
    for (const char *p = written(); *p != '\0'; p++)
        lines += *p == '\n';
    cr_assert_eq(lines, 7);
}

Test(log, a_full_table_of_repeats_loses_no_line)
{
    static const char *const events[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                         "j", "k", "l", "m", "n", "o", "p", "q"};
    const struct sp_log_field field = SP_LOG_N("n", 1);
    for (size_t i = 0; i < 17; i++)
        sp_log_write(&l, SP_LOG_WARN, T0, events[i], &field, 1);
    sp_log_write(&l, SP_LOG_WARN, T0, events[16], &field, 1);
    unsigned lines = 0;
    for (const char *p = written(); *p != '\0'; p++)
        lines += *p == '\n';
    cr_assert_eq(lines, 18);
}

Test(log, a_full_pipe_is_not_waited_for)
{
    char fill[4096] = {0};
    const struct sp_log_field field = SP_LOG_N("n", 1);
    while (write(ends[1], fill, sizeof fill) > 0)
        ;
    sp_log_write(&l, SP_LOG_INFO, T0, "x", &field, 1);
    cr_assert_eq(l.lost, 1);
}

Test(log, a_line_is_cut_and_still_ends)
{
    char value[3000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const struct sp_log_field field = SP_LOG_S("v", value);
    sp_log_write(&l, SP_LOG_INFO, T0, "x", &field, 1);
    const char *text = written();
    cr_assert_eq(strlen(text), 1024);
    cr_assert_eq(text[1023], '\n');
}

Test(log, the_macro_takes_the_time_of_now)
{
    SP_LOG(&l, SP_LOG_INFO, "x", SP_LOG_N("n", 1), SP_LOG_S("s", "t"));
    const char *text = written();
    cr_assert_eq(strncmp(text, "ts=20", 5), 0);
    cr_assert_not_null(strstr(text, " level=info event=x n=1 s=t\n"));
}
