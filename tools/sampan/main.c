/* sampan: the command-line client and operator's tool.  Chooses the verb; each verb is a file of its own
 * (cmd.h). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "exit.h"
#include "text.h"

struct verb {
    const char *name, *help;
    int (*run)(int argc, char **argv);
};

#define VERB(name, help) {#name, help, sp_cmd_##name},
static const struct verb verbs[] = {SP_CMDS(VERB)};
#undef VERB
#define VERBS_N (sizeof verbs / sizeof verbs[0])

static void print_help(FILE *to)
{
    (void)fprintf(to, "usage: sampan VERB [OPTION]...\n\n");
    for (size_t i = 0; i < VERBS_N; i++)
        (void)fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
    (void)fprintf(to, "\n'sampan VERB --help' shows the options of a verb.\n");
}

static int refuse(const char *word)
{
    const char *names[VERBS_N];
    const char *near = NULL;
    for (size_t i = 0; i < VERBS_N; i++)
        names[i] = verbs[i].name;
    near = sp_text_nearest(word, names, VERBS_N);
    (void)fprintf(stderr, "sampan: unknown verb '%s'", word);
    if (near != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?", near);
    (void)fprintf(stderr, "\nTry 'sampan --help'.\n");
    return SP_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    (void)umask(077); /* what a verb writes is nobody else's */
    if (argc < 2) {
        print_help(stderr);
        return SP_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return SP_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("sampan %s\n", SAMPAN_VERSION);
        return SP_EXIT_OK;
    }
    for (size_t i = 0; i < VERBS_N; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return refuse(argv[1]);
}
