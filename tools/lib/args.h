/* Command lines: a table of options gives parsing and --help.  Long options take "--name value" or
 * "--name=value"; no abbreviations, no bundled letters; "--" ends the options.  Global state: none. */
#ifndef SP_ARGS_H
#define SP_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option.  Exactly one of flag, text, number, each is set; with `flag` the option takes no value. */
struct sp_args_opt {
    const char *name;  /* "--listen", "-t" */
    const char *value; /* what --help calls its value, "HOST:PORT"; NULL for a flag */
    const char *help;  /* one line */
    bool *flag;        /* set to true */
    const char **text; /* set to the value, which points into argv */
    uint64_t *number;  /* set to the value: decimal, min..max */
    uint64_t min, max;
    int (*each)(void *self, const char *value); /* called for each occurrence; 0, or -1: the value is bad */
    void *self;
    bool required;
};

struct sp_args {
    const char *program; /* "sampan send": how messages begin and --help shows it */
    const char *version; /* for --version */
    const char *about;   /* a sentence or more for --help, without final line feed */
    const char *rest; /* what the words that are no options are called, "MSGID..."; NULL: there may be none */
    size_t rest_min, rest_max;
    const struct sp_args_opt *opts;
    size_t opts_n;
};

/* Reads argv[1..argc).  Words that are no options are moved to the front, argv[1] on, *rest_n of them (may be
 * NULL). An option other than `each` given twice is an error.  -1: go on.  Else the exit code to leave with:
 * 0 after --help or
 * --version (on stdout), 2 after a mistake (told on stderr). */
int sp_args_parse(const struct sp_args *a, int argc, char **argv, size_t *rest_n);

#endif
