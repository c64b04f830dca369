/* The report is one file with nothing loaded from elsewhere; its counts come from the logs. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

static char dir[32];

static const char *file(const char *name, const char *text)
{
    static char paths[4][64];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

static void enter(void)
{
    memcpy(dir, "/tmp/sampan-report-XXXXXX", 26);
    cr_assert_not_null(mkdtemp(dir));
}

static void leave(void)
{
    static const char *const names[] = {"events", "stats", "report.html"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

TestSuite(report, .init = enter, .fini = leave);

Test(report, counts_only_what_was_lost)
{
    const char *log = file("events", "100 up loss 1\n200 down burst 2\n300 up dup 3\n400 up corrupt 4\n"
                                     "500 down blackhole 5\n600 up lossy 6\nnonsense\n700 up rate 9\n");
    cr_assert_eq(sp_report_drops(log), 4);
    cr_assert_eq(sp_report_drops("/nonexistent"), 0);
}

Test(report, counts_what_entered)
{
    const char *stats = file("stats", "{\n\"seed\": 5,\n\"up_received\": 40,\n\"up_received_bytes\": 999,\n"
                                      "\"down_received\": 2\n}\n");
    cr_assert_eq(sp_report_entered(stats), 42);
    cr_assert_eq(sp_report_entered("/nonexistent"), 0);
}

Test(report, a_file_that_stands_alone)
{
    static struct sp_report r;
    struct sp_score score;
    struct sp_trouble t;
    char path[64];
    cr_assert(sp_score_init(&score, 100));
    for (int i = 0; i < 100; i++) {
        size_t at = sp_score_send(&score, 1000000 + i * 10000);
        sp_score_note(&score, at, SP_SCORE_ACCEPTED, 1020000 + i * 10000);
        sp_score_receive(&score, at, 1050000 + i * 10000);
    }
    r = (struct sp_report){.score = &score,
                           .start = 1000000,
                           .end = 3000000,
                           .absent_from = 1200000,
                           .absent_to = 1400000,
                           .killed_at = 1500000,
                           .drop_logs = {file("events", "1100000 up loss 1\n"), ""},
                           .command = "tools/demo --seed 1 <&>",
                           .loss = 0.2,
                           .is_good = true};
    (void)snprintf(path, sizeof path, "%s/report.html", dir);
    cr_assert_eq(sp_report_write(&r, path, &t), 0);
    static char text[200000];
    FILE *f = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    cr_assert_not_null(strstr(text, "lost 0 &middot; duplicated 0 &middot; out of order 0"));
    cr_assert_not_null(strstr(text, "recipient absent"));
    cr_assert_not_null(strstr(text, "gateway killed"));
    cr_assert_not_null(strstr(text, "tools/demo --seed 1 &lt;&amp;&gt;"));
    cr_assert_null(strstr(text, "http"));
    cr_assert_null(strstr(text, "nan"));
    sp_score_wipe(&score);
}

Test(report, a_folder_that_is_not_there)
{
    static struct sp_report r;
    struct sp_score score;
    struct sp_trouble t;
    cr_assert(sp_score_init(&score, 1));
    r = (struct sp_report){.score = &score, .drop_logs = {"", ""}, .command = ""};
    cr_assert_eq(sp_report_write(&r, "/nonexistent/report.html", &t), -1);
    cr_assert_eq(t.code, SP_EXIT_IO);
    sp_score_wipe(&score);
}
