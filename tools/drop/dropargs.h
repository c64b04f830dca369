/* The command line of sampan-drop as a structure.  It resolves no names and opens nothing. */
#ifndef SP_DROPARGS_H
#define SP_DROPARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "model.h"
#include "problem.h"

/* Strings are borrowed from argv. */
struct sp_dropargs {
    bool help, version;      /* if one is set, nothing else counts */
    const char *listen, *to; /* HOST:PORT, not yet looked at */
    struct sp_model_config model;
    bool seed_given;
    int64_t rebind_us;
    const char *stats, *pcap, *events;
};

/* Reads a command line; argv[0] is skipped.  Options are "--name VALUE" or "--name=VALUE"; a profile comes
 * first, wherever it stands, and the others change it.  0, or -1 with SP_PROBLEM_USAGE and *out undefined. */
int sp_dropargs_parse(int argc, char **argv, struct sp_dropargs *out, struct sp_problem *problem);

/* The text of --help. */
void sp_dropargs_help(FILE *out);

#endif
