/* Counters, lateness, the statistics file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tally.h"

Test(tally, verdicts_have_their_counters)
{
    cr_expect_eq(sp_tally_of_verdict(SP_MODEL_LISTED), SP_TALLY_LISTED);
    cr_expect_eq(sp_tally_of_verdict(SP_MODEL_BLACKHOLE), SP_TALLY_BLACKHOLE);
    cr_expect_eq(sp_tally_of_verdict(SP_MODEL_LOSS), SP_TALLY_LOSS);
    cr_expect_eq(sp_tally_of_verdict(SP_MODEL_BURST), SP_TALLY_BURST);
    cr_expect_eq(sp_tally_of_verdict(SP_MODEL_RATE), SP_TALLY_RATE);
}

Test(tally, lateness_of_nothing_is_zero)
{
    static struct sp_tally t;
    cr_expect_eq(sp_tally_late_us(&t, 0.5), 0);
    cr_expect_eq(sp_tally_late_us(&t, 1), 0);
}

Test(tally, lateness_is_at_most_a_thirtysecond_too_high)
{
    static struct sp_tally t;
    for (int64_t v = 1; v <= 100000; v++)
        sp_tally_note_late(&t, v);
    static const double shares[] = {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double exact = shares[i] * 100000;
        double got = (double)sp_tally_late_us(&t, shares[i]);
        cr_expect(got >= exact && got <= exact * 33 / 32 + 1, "%g: %g", shares[i], got);
    }
    cr_expect_eq(t.late_max_us, 100000);
    cr_expect_eq(sp_tally_late_us(&t, 1), 100000);
}

Test(tally, extreme_lateness_has_a_bucket)
{
    static struct sp_tally t;
    sp_tally_note_late(&t, -5);
    sp_tally_note_late(&t, INT64_MAX);
    cr_expect_eq(sp_tally_late_us(&t, 0.5), 0);
    cr_expect_eq(sp_tally_late_us(&t, 1), INT64_MAX);
}

/* The number that follows a name in the report; each has a line of its own. */
static uint64_t value_of(const char *text, const char *name)
{
    char key[64];
    (void)snprintf(key, sizeof key, "\n\"%s\": ", name);
    const char *at = strstr(text, key);
    cr_assert_not_null(at, "%s", name);
    return strtoull(at + strlen(key), NULL, 10);
}

Test(tally, saves_a_whole_file)
{
    static struct sp_tally t;
    const struct sp_tally_run run = {.seed = UINT64_MAX, .started_us = 5, .uptime_us = 6};
    sp_tally_add(&t, SP_MODEL_UP, SP_TALLY_RECEIVED, 11);
    sp_tally_add(&t, SP_MODEL_DOWN, SP_TALLY_KERNEL_LOST, 12);
    sp_tally_note_late(&t, 7);
    char folder[] = "/tmp/tally.XXXXXX";
    char path[64];
    char temporary[80];
    char text[4096];
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/stats.json", folder);
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
    cr_assert_eq(sp_tally_save(&t, &run, path), 0);
    cr_expect_eq(access(temporary, F_OK), -1, "nothing else is left");
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    (void)fclose(in);
    cr_expect_eq(text[0], '{');
    cr_expect_str_eq(text + strlen(text) - 3, "\n}\n");
    cr_expect_eq(value_of(text, "seed"), UINT64_MAX);
    cr_expect_eq(value_of(text, "started_us"), 5);
    cr_expect_eq(value_of(text, "uptime_us"), 6);
    cr_expect_eq(value_of(text, "up_received"), 11);
    cr_expect_eq(value_of(text, "down_received"), 0);
    cr_expect_eq(value_of(text, "down_kernel_lost"), 12);
    cr_expect_eq(value_of(text, "late_max_us"), 7);
    (void)unlink(path);
    (void)rmdir(folder);
}

Test(tally, says_when_it_cannot_save)
{
    static struct sp_tally t;
    const struct sp_tally_run run = {0};
    char path[5000];
    cr_expect_eq(sp_tally_save(&t, &run, "/nonexistent/stats.json"), -1);
    cr_expect_eq(errno, ENOENT);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    cr_expect_eq(sp_tally_save(&t, &run, path), -1);
    cr_expect_eq(errno, ENAMETOOLONG);
}
