/* The command line: the table is the specification. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dropargs.h"

#define WORDS_MAX 32

/* Parses a line of words, --listen and --to put before them. */
static int parse(const char *line, struct sp_dropargs *out, struct sp_problem *problem)
{
    static char text[1024];
    char *argv[WORDS_MAX + 1] = {"sampan-drop", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:7400"};
    int argc = 5;
    (void)snprintf(text, sizeof text, "%s", line);
    char *rest = text;
    for (char *word = strsep(&rest, " "); word != NULL && argc < WORDS_MAX; word = strsep(&rest, " "))
        if (*word != 0)
            argv[argc++] = word;
    return sp_dropargs_parse(argc, argv, out, problem);
}

/* The same for a line that is right; the result is good until the next call. */
static const struct sp_dropargs *parsed(const char *line)
{
    static struct sp_dropargs a;
    struct sp_problem problem = {0};
    cr_assert_eq(parse(line, &a, &problem), 0, "%s: %s", line, problem.text);
    return &a;
}

Test(dropargs, rough_water)
{
    const struct sp_dropargs *a =
        parsed("--loss 30% --delay 40ms --jitter 20ms --dup 5% --reorder 5% --corrupt 1%");
    cr_expect_str_eq(a->listen, "127.0.0.1:0");
    cr_expect_str_eq(a->to, "127.0.0.1:7400");
    cr_expect_float_eq(a->model.loss[SP_MODEL_UP], 0.3, 1e-12);
    cr_expect_float_eq(a->model.loss[SP_MODEL_DOWN], 0.3, 1e-12);
    cr_expect(a->model.shared_fade);
    cr_expect_eq(a->model.delay_us, 40000);
    cr_expect_eq(a->model.jitter_us, 20000);
    cr_expect_float_eq(a->model.dup, 0.05, 1e-12);
    cr_expect_float_eq(a->model.reorder, 0.05, 1e-12);
    cr_expect_float_eq(a->model.corrupt, 0.01, 1e-12);
    cr_expect_not(a->seed_given);
    cr_expect_null(a->stats);
}

Test(dropargs, shares)
{
    static const struct {
        const char *text;
        double share;
    } table[] = {{"0", 0},  {"1", 1},     {"0.25", 0.25}, {".5", 0.5},
                 {"1.", 1}, {"20%", 0.2}, {"100%", 1},    {"0.5%", 0.005}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "--loss-up %s", table[i].text);
        const struct sp_dropargs *a = parsed(line);
        cr_expect_float_eq(a->model.loss[SP_MODEL_UP], table[i].share, 1e-12, "%s", table[i].text);
        cr_expect_float_eq(a->model.loss[SP_MODEL_DOWN], 0, 0);
        cr_expect_not(a->model.shared_fade);
    }
}

Test(dropargs, times)
{
    static const struct {
        const char *line;
        int64_t delay_us, rebind_us;
    } table[] = {
        {"--delay 40", 40000, 0},
        {"--delay 40ms", 40000, 0},
        {"--delay 0.5ms", 500, 0},
        {"--delay=1.5s", 1500000, 0},
        {"--delay 0", 0, 0},
        {"--rebind-every 2", 0, 2000000},
        {"--rebind-every 0.25s", 0, 250000},
        {"--rebind-every 250ms", 0, 250000},
        {"--delay 86400s", 86400000000, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct sp_dropargs *a = parsed(table[i].line);
        cr_expect_eq(a->model.delay_us, table[i].delay_us, "%s", table[i].line);
        cr_expect_eq(a->rebind_us, table[i].rebind_us, "%s", table[i].line);
    }
}

Test(dropargs, everything_else)
{
    const struct sp_dropargs *a =
        parsed("--loss-up 0.1 --loss-down 20% --burst-ms 300 --rate 250.5 --seed 18446744073709551615 "
               "--pcap p --stats=s --event-log e");
    cr_expect_float_eq(a->model.loss[SP_MODEL_DOWN], 0.2, 1e-12);
    cr_expect_not(a->model.shared_fade);
    cr_expect_eq(a->model.burst_us, 300000);
    cr_expect_float_eq(a->model.rate_kbit, 250.5, 1e-12);
    cr_expect(a->seed_given);
    cr_expect_eq(a->model.seed, UINT64_MAX);
    cr_expect_str_eq(a->pcap, "p");
    cr_expect_str_eq(a->stats, "s");
    cr_expect_str_eq(a->events, "e");
}

Test(dropargs, blackholes)
{
    const struct sp_dropargs *a = parsed("--blackhole on=10,off=4s,dir=up,repeat=3 --blackhole off=0.5,on=0");
    cr_assert_eq(a->model.blackholes_n, 2);
    const struct sp_model_blackhole *b = a->model.blackholes;
    cr_expect_eq(b[0].on_us, 10000000);
    cr_expect_eq(b[0].off_us, 4000000);
    cr_expect_eq(b[0].repeat, 3);
    cr_expect(b[0].dir[SP_MODEL_UP]);
    cr_expect_not(b[0].dir[SP_MODEL_DOWN]);
    cr_expect_eq(b[1].on_us, 0);
    cr_expect_eq(b[1].off_us, 500000);
    cr_expect_eq(b[1].repeat, 0);
    cr_expect(b[1].dir[SP_MODEL_UP]);
    cr_expect(b[1].dir[SP_MODEL_DOWN]);
    a = parsed("--blackhole on=1,off=1,dir=down");
    cr_expect_not(a->model.blackholes[0].dir[SP_MODEL_UP]);
    cr_expect(a->model.blackholes[0].dir[SP_MODEL_DOWN]);
}

Test(dropargs, droplists)
{
    const struct sp_dropargs *a = parsed("--droplist up:1,3-5 --droplist down:7");
    cr_assert_eq(a->model.ranges_n, 3);
    const struct sp_model_range *r = a->model.ranges;
    cr_expect(r[0].dir == SP_MODEL_UP && r[0].first == 1 && r[0].last == 1);
    cr_expect(r[1].dir == SP_MODEL_UP && r[1].first == 3 && r[1].last == 5);
    cr_expect(r[2].dir == SP_MODEL_DOWN && r[2].first == 7 && r[2].last == 7);
}

Test(dropargs, profiles_come_first)
{
    const struct sp_dropargs *a = parsed("--delay 10 --seed 5 --profile edge --loss-up 0");
    cr_expect_eq(a->model.delay_us, 10000);
    cr_expect_eq(a->model.seed, 5);
    cr_expect_float_eq(a->model.rate_kbit, 250, 0);
    cr_expect_float_eq(a->model.loss[SP_MODEL_UP], 0, 0);
    cr_expect_float_eq(a->model.loss[SP_MODEL_DOWN], 0.015, 1e-12);
    a = parsed("--blackhole on=1,off=2 --profile subway");
    cr_assert_eq(a->model.blackholes_n, 1);
    cr_expect_eq(a->model.blackholes[0].off_us, 2000000);
    cr_expect_eq(a->model.delay_us, 60000);
}

Test(dropargs, refuses)
{
    static const struct {
        const char *line, *says;
    } table[] = {
        {"--loss", "--loss: wants P"},
        {"--loss 30", "--loss 30: not a share"},
        {"--loss 101%", "not a share"},
        {"--loss -0.1", "not a share"},
        {"--loss nan", "not a share"},
        {"--loss 1e-1", "not a share"},
        {"--loss 0x1", "not a share"},
        {"--loss 1%%", "not a share"},
        {"--loss .", "not a share"},
        {"--loss 0.1.2", "not a share"},
        {"--loss= --dup 1", "not a share"},
        {"--loss 10% --loss 20%", "--loss: given twice"},
        {"--loss 10% --loss-up 20%", "--loss is both directions"},
        {"--delay 40us", "not a time"},
        {"--delay -1", "not a time"},
        {"--delay 86401s", "not a time"},
        {"--delay 9999999999999999999999999", "not a time"},
        {"--jitter x", "not a time"},
        {"--burst-ms 0 --loss 1%", "at least 1 ms"},
        {"--burst-ms 100", "burst: needs a loss"},
        {"--rate 0", "not a rate"},
        {"--rate 100kbit", "not a rate"},
        {"--rate 100000001", "not a rate"},
        {"--rebind-every 0", "at most every"},
        {"--rebind-every x", "not a time"},
        {"--blackhole on=1", "not a blackhole"},
        {"--blackhole off=1", "not a blackhole"},
        {"--blackhole on=1,off=0", "not a blackhole"},
        {"--blackhole on=1,off=1,dir=left", "not a blackhole"},
        {"--blackhole on=1,off=1,often=3", "not a blackhole"},
        {"--blackhole on=1,off=1,repeat=x", "not a blackhole"},
        {"--blackhole on,off", "not a blackhole"},
        {"--droplist 1,2", "not a list"},
        {"--droplist up:", "not a list"},
        {"--droplist up:0", "not a list"},
        {"--droplist up:5-3", "not a list"},
        {"--droplist up:1,", "not a list"},
        {"--droplist left:1", "not a list"},
        {"--droplist up:99999999999999999999999", "not a list"},
        {"--profile 5g", "no such profile"},
        {"--seed 18446744073709551616", "not a seed"},
        {"--seed -1", "not a seed"},
        {"--seed 0x10", "not a seed"},
        {"--stats=", "is empty"},
        {"--trace-up f", "--trace-up: unknown option"},
        {"--los 1%", "--los: unknown option"},
        {"--", "--: unknown option"},
        {"link", "link: not an option"},
        {"-h", "-h: not an option"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sp_dropargs a;
        struct sp_problem problem = {0};
        cr_assert_eq(parse(table[i].line, &a, &problem), -1, "%s", table[i].line);
        cr_expect_eq(problem.code, SP_PROBLEM_USAGE);
        cr_expect_not_null(strstr(problem.text, table[i].says), "%s: %s", table[i].line, problem.text);
    }
}

Test(dropargs, lists_are_bounded)
{
    struct sp_dropargs a;
    struct sp_problem problem = {0};
    char line[1024] = "";
    for (unsigned i = 0; i <= SP_MODEL_BLACKHOLES_MAX; i++)
        (void)strncat(line, "--blackhole on=1,off=1 ", sizeof line - strlen(line) - 1);
    cr_expect_eq(parse(line, &a, &problem), -1);
    cr_expect_not_null(strstr(problem.text, "too many schedules"), "%s", problem.text);
    (void)snprintf(line, sizeof line, "--droplist up:1");
    for (unsigned i = 0; i < SP_MODEL_RANGES_MAX; i++)
        (void)strncat(line, ",1", sizeof line - strlen(line) - 1);
    cr_expect_eq(parse(line, &a, &problem), -1);
    cr_expect_not_null(strstr(problem.text, "too many ranges"), "%s", problem.text);
    for (unsigned i = 0; i < 300; i++)
        (void)strncat(line, ",1", sizeof line - strlen(line) - 1);
    cr_expect_eq(parse(line, &a, &problem), -1);
    cr_expect_not_null(strstr(problem.text, "not a list"), "%s", problem.text);
}

Test(dropargs, needs_both_addresses)
{
    char *only[] = {"sampan-drop", "--listen", "127.0.0.1:1", NULL};
    char *none[] = {"sampan-drop", NULL};
    struct sp_dropargs a;
    struct sp_problem problem = {0};
    cr_expect_eq(sp_dropargs_parse(3, only, &a, &problem), -1);
    cr_expect_str_eq(problem.text, "--listen and --to are needed");
    cr_expect_eq(sp_dropargs_parse(1, none, &a, &problem), -1);
}

Test(dropargs, help_and_version_win)
{
    cr_expect(parsed("--help")->help);
    cr_expect(parsed("--version")->version);
    char *alone[] = {"sampan-drop", "--version", NULL};
    struct sp_dropargs a;
    struct sp_problem problem = {0};
    cr_expect_eq(sp_dropargs_parse(2, alone, &a, &problem), 0);
    cr_expect(a.version);
}

/* What is not offered is not in the help. */
Test(dropargs, help_names_the_options)
{
    static const char *const there[] = {"--listen",    "--loss-up",  "--burst-ms",
                                        "--event-log", "--droplist", "subway"};
    static const char *const absent[] = {"--trace-up", "--trace-down", "link "};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    cr_assert_not_null(out);
    sp_dropargs_help(out);
    (void)fclose(out);
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        cr_expect_not_null(strstr(text, there[i]), "%s", there[i]);
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        cr_expect_null(strstr(text, absent[i]), "%s", absent[i]);
    free(text);
}
