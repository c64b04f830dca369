#include "args.h"

#include <stdio.h>
#include <string.h>

#include "bug.h"
#include "exit.h"
#include "text.h"

#define OPTS_MAX                                                                                             \
    64 /* options of one command line that are watched for repetition and offered as a correction */

/* The option that `word` names, up to '='.  NULL: none. */
static const struct sp_args_opt *find(const struct sp_args *a, const char *word, const char **value)
{
    const char *equal = strchr(word, '=');
    size_t len = equal != NULL ? (size_t)(equal - word) : strlen(word);
    *value = equal != NULL ? equal + 1 : NULL;
    for (size_t i = 0; i < a->opts_n; i++)
        if (strlen(a->opts[i].name) == len && memcmp(a->opts[i].name, word, len) == 0)
            return &a->opts[i];
    return NULL;
}

static int unknown(const struct sp_args *a, const char *word)
{
    const char *names[OPTS_MAX];
    size_t n = 0;
    const char *near = NULL;
    for (; n < a->opts_n && n < OPTS_MAX; n++)
        names[n] = a->opts[n].name;
    near = sp_text_nearest(word, names, n);
    (void)fprintf(stderr, "%s: unknown option '%s'", a->program, word);
    if (near != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?", near);
    (void)fprintf(stderr, "\nTry '%s --help'.\n", a->program);
    return SP_EXIT_USAGE;
}

static int mistake(const struct sp_args *a, const char *what, const char *option)
{
    (void)fprintf(stderr, "%s: %s %s\nTry '%s --help'.\n", a->program, option, what, a->program);
    return SP_EXIT_USAGE;
}

/* Puts a value where the table says.  -1: done; else the exit code. */
static int store(const struct sp_args *a, const struct sp_args_opt *o, const char *value)
{
    if (o->text != NULL) {
        *o->text = value;
    } else if (o->number != NULL && !sp_text_number(value, o->min, o->max, o->number)) {
        (void)fprintf(stderr, "%s: %s wants a number from %llu to %llu, not '%s'\n", a->program, o->name,
                      (unsigned long long)o->min, (unsigned long long)o->max, value);
        return SP_EXIT_USAGE;
    } else if (o->each != NULL && o->each(o->self, value) != 0) {
        (void)fprintf(stderr, "%s: %s: cannot use '%s'\n", a->program, o->name, value);
        return SP_EXIT_USAGE;
    }
    return -1;
}

/* One option at argv[*i], whose value may be argv[*i + 1].  -1: go on; else the exit code. */
static int take(const struct sp_args *a, int argc, char **argv, int *i, bool *seen)
{
    const char *value = NULL;
    const struct sp_args_opt *o = find(a, argv[*i], &value);
    size_t at = 0;
    if (o == NULL)
        return unknown(a, argv[*i]);
    at = (size_t)(o - a->opts);
    if (seen[at] && o->each == NULL)
        return mistake(a, "is given twice", o->name);
    seen[at] = true;
    if (o->flag != NULL) {
        if (value != NULL)
            return mistake(a, "takes no value", o->name);
        *o->flag = true;
        return -1;
    }
    if (value == NULL) {
        if (*i + 1 >= argc)
            return mistake(a, "needs a value", o->name);
        value = argv[++*i];
    }
    return store(a, o, value);
}

static void print_opts(const struct sp_args *a)
{
    for (size_t i = 0; i < a->opts_n; i++) {
        const struct sp_args_opt *o = &a->opts[i];
        char left[64];
        (void)snprintf(left, sizeof left, "%s%s%s", o->name, o->flag != NULL ? "" : " ",
                       o->flag != NULL ? "" : o->value);
        (void)printf("  %-24s %s%s\n", left, o->help, o->required ? " (required)" : "");
    }
    (void)printf("  %-24s %s\n  %-24s %s\n", "--help", "this text", "--version", "the version");
}

static int help(const struct sp_args *a)
{
    (void)printf("usage: %s%s%s%s\n\n%s\n\n", a->program, a->opts_n > 0 ? " [OPTION]..." : "",
                 a->rest != NULL ? " " : "", a->rest != NULL ? a->rest : "", a->about);
    print_opts(a);
    return SP_EXIT_OK;
}

/* What only shows at the end.  -1: fine. */
static int check(const struct sp_args *a, const bool *seen, size_t rest_n)
{
    for (size_t i = 0; i < a->opts_n; i++)
        if (a->opts[i].required && !seen[i])
            return mistake(a, "is missing", a->opts[i].name);
    if (rest_n < a->rest_min)
        return mistake(a, "is missing", a->rest);
    if (rest_n > a->rest_max) {
        (void)fprintf(stderr, "%s: too many words\nTry '%s --help'.\n", a->program, a->program);
        return SP_EXIT_USAGE;
    }
    return -1;
}

int sp_args_parse(const struct sp_args *a, int argc, char **argv, size_t *rest_n)
{
    bool seen[OPTS_MAX] = {false};
    size_t n = 0;
    int code = -1;
    bool only_words = false;
    SP_ASSERT(a->opts_n <= OPTS_MAX);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (only_words || word[0] != '-' || word[1] == '\0') {
            argv[1 + n++] = argv[i];
        } else if (strcmp(word, "--") == 0) {
            only_words = true;
        } else if (strcmp(word, "--help") == 0) {
            return help(a);
        } else if (strcmp(word, "--version") == 0) {
            (void)printf("%s %s\n", a->program, a->version);
            return SP_EXIT_OK;
        } else {
            code = take(a, argc, argv, &i, seen);
            if (code >= 0)
                return code;
        }
    }
    if (rest_n != NULL)
        *rest_n = n;
    return check(a, seen, n);
}
