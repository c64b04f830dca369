/* Command lines. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "args.h"

#define WORDS_MAX 12

struct seen {
    bool flag;
    const char *text;
    uint64_t number;
    unsigned each;
};

static int note_each(void *self, const char *value)
{
    struct seen *s = self;
    s->each++;
    return strcmp(value, "bad") == 0 ? -1 : 0;
}

/* Parses `words` (blanks between) with a table of one option of each kind. */
static int parse(const char *words, struct seen *s, size_t *rest_n, char *first_rest)
{
    char buffer[256];
    char *argv[WORDS_MAX] = {(char *)"prog"};
    int argc = 1, code = 0;
    const struct sp_args_opt opts[] = {
        {.name = "-f", .flag = &s->flag, .help = "a flag"},
        {.name = "--text", .value = "WORD", .text = &s->text, .help = "a text"},
        {.name = "--number", .value = "N", .number = &s->number, .min = 1, .max = 9, .help = "a number"},
        {.name = "--each", .value = "X", .each = note_each, .self = s, .help = "again and again"},
        {.name = "--must", .value = "X", .each = note_each, .self = s, .help = "needed", .required = true},
    };
    const struct sp_args args = {.program = "prog verb",
                                 .version = "1.2.3",
                                 .about = "About it.",
                                 .rest = "FILE...",
                                 .rest_min = 0,
                                 .rest_max = 2,
                                 .opts = opts,
                                 .opts_n = sizeof opts / sizeof opts[0]};
    (void)snprintf(buffer, sizeof buffer, "%s", words);
    for (char *p = buffer; *p != '\0' && argc < WORDS_MAX;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p == ' ')
            *p++ = '\0';
    }
    *s = (struct seen){.number = 77};
    code = sp_args_parse(&args, argc, argv, rest_n);
    if (first_rest != NULL)
        (void)snprintf(first_rest, 32, "%s", code < 0 && *rest_n > 0 ? argv[1] : "");
    return code;
}

TestSuite(args, .init = cr_redirect_stderr);

Test(args, values_in_both_forms_and_words_between)
{
    struct seen s;
    size_t n = 0;
    char word[32];
    cr_assert_eq(parse("one --number 3 -f --each=a --each b --must=x two", &s, &n, word), -1);
    cr_expect(s.flag);
    cr_expect_eq(s.number, 3);
    cr_expect_eq(s.each, 3);
    cr_expect_eq(n, 2);
    cr_expect_str_eq(word, "one");
}

Test(args, a_value_may_look_like_an_option_and_a_word_after_two_dashes)
{
    struct seen s;
    size_t n = 0;
    char word[32];
    cr_assert_eq(parse("--must -f -- --text", &s, &n, word), -1);
    cr_expect_not(s.flag);
    cr_expect_eq(n, 1);
    cr_expect_str_eq(word, "--text");
    cr_assert_eq(parse("--must x -", &s, &n, word), -1, "a lone dash is a word");
    cr_expect_str_eq(word, "-");
}

Test(args, mistakes)
{
    static const char *const rows[] = {
        "--must x --nubmer 3",
        "--must x --number 0",
        "--must x --number 10",
        "--must x --number 3x",
        "--must x --number",
        "--must x -f=1",
        "--must x --text a --text b",
        "--must x -f -f",
        "--must bad",
        "",
        "--must x a b c",
        "--must x -x",
        "--must x --num 3",
        "--must x -ff",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        size_t n = 0;
        cr_expect_eq(parse(rows[i], &s, &n, NULL), 2, "%s", rows[i]);
    }
}

Test(args, a_mistake_is_told_with_the_likely_word)
{
    struct seen s;
    size_t n = 0;
    cr_assert_eq(parse("--must x --nubmer 3", &s, &n, NULL), 2);
    (void)fflush(stderr);
    cr_assert_stderr_eq_str(
        "prog verb: unknown option '--nubmer'; did you mean '--number'?\nTry 'prog verb --help'.\n");
}

Test(args, help, .init = cr_redirect_stdout)
{
    struct seen s;
    size_t n = 0;
    cr_assert_eq(parse("--help", &s, &n, NULL), 0);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("usage: prog verb [OPTION]... FILE...\n\nAbout it.\n\n"
                            "  -f                       a flag\n"
                            "  --text WORD              a text\n"
                            "  --number N               a number\n"
                            "  --each X                 again and again\n"
                            "  --must X                 needed (required)\n"
                            "  --help                   this text\n"
                            "  --version                the version\n");
}

Test(args, version, .init = cr_redirect_stdout)
{
    struct seen s;
    size_t n = 0;
    cr_assert_eq(parse("--version --nonsense", &s, &n, NULL), 0);
    (void)fflush(stdout);
    cr_assert_stdout_eq_str("prog verb 1.2.3\n");
}
