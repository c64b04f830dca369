/* Records of a descriptor, fed through a real pipe in pieces. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

struct feed {
    int write_fd;
    struct sp_lines *lines;
};

static struct feed start(uint8_t delimiter)
{
    int fds[2];
    struct feed f = {.lines = malloc(sizeof *f.lines)};
    cr_assert(f.lines != NULL && pipe(fds) == 0);
    f.write_fd = fds[1];
    sp_lines_init(f.lines, fds[0], delimiter);
    return f;
}

static void feed(struct feed *f, const char *bytes, size_t n)
{
    cr_assert_eq(write(f->write_fd, bytes, n), (ssize_t)n);
    cr_assert_eq(sp_lines_fill(f->lines), 0);
}

static void expect(struct feed *f, const char *text)
{
    const uint8_t *record;
    size_t len;
    cr_assert_eq(sp_lines_next(f->lines, &record, &len), SP_LINES_RECORD);
    cr_assert_eq(len, strlen(text));
    cr_assert_arr_eq(record, text, len);
}

static void expect_result(struct feed *f, enum sp_lines_result wanted)
{
    const uint8_t *record;
    size_t len;
    cr_assert_eq(sp_lines_next(f->lines, &record, &len), wanted);
}

Test(lines, records_come_whole)
{
    struct feed f = start('\n');
    feed(&f, "one\ntw", 6);
    expect(&f, "one");
    expect_result(&f, SP_LINES_MORE);
    feed(&f, "o\n\nlast", 7);
    expect(&f, "two");
    expect(&f, "");
    expect_result(&f, SP_LINES_MORE);
    cr_assert_eq(close(f.write_fd), 0);
    cr_assert_eq(sp_lines_fill(f.lines), 0);
    expect(&f, "last");
    expect_result(&f, SP_LINES_END);
    expect_result(&f, SP_LINES_END);
    free(f.lines);
}

Test(lines, nul_ends_records_and_line_feeds_stay)
{
    struct feed f = start('\0');
    feed(&f, "a\nb\0c", 5);
    expect(&f, "a\nb");
    expect_result(&f, SP_LINES_MORE);
    free(f.lines);
}

Test(lines, empty_input_ends)
{
    struct feed f = start('\n');
    cr_assert_eq(close(f.write_fd), 0);
    cr_assert_eq(sp_lines_fill(f.lines), 0);
    expect_result(&f, SP_LINES_END);
    free(f.lines);
}

Test(lines, a_record_over_the_limit_is_told_once_and_passed_over)
{
    struct feed f = start('\n');
    static char long_one[3000];
    memset(long_one, 'x', sizeof long_one);
    int told = 0;
    for (int i = 0; i < 50; i++) { /* 150,000 bytes without a line feed */
        const uint8_t *record;
        size_t len;
        feed(&f, long_one, sizeof long_one);
        enum sp_lines_result r = sp_lines_next(f.lines, &record, &len);
        cr_assert(r == SP_LINES_MORE || r == SP_LINES_TOO_LONG);
        told += r == SP_LINES_TOO_LONG;
    }
    cr_assert_eq(told, 1);
    feed(&f, "end of it\nnext\n", 15);
    expect(&f, "next");
    cr_assert_eq(close(f.write_fd), 0);
    cr_assert_eq(sp_lines_fill(f.lines), 0);
    expect_result(&f, SP_LINES_END);
    free(f.lines);
}

Test(lines, the_longest_record_fits)
{
    struct feed f = start('\n');
    static char part[SP_LINES_MAX / 16];
    memset(part, 'y', sizeof part);
    const uint8_t *record;
    size_t len;
    for (int i = 0; i < 16; i++)
        feed(&f, part, sizeof part);
    feed(&f, "\n", 1);
    cr_assert_eq(sp_lines_next(f.lines, &record, &len), SP_LINES_RECORD);
    cr_assert_eq(len, SP_LINES_MAX);
    free(f.lines);
}
