/* The process-wide switch: the environment variable SEEDED_FAULT names the one fault that is on. */
#include "seeded.h"
#include "seeded_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES (sizeof seeded_names / sizeof seeded_names[0])

int sp_seeded = SP_SEEDED_NONE;

/* Before main, so that no code of the product ever sees the switch move. */
__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("SEEDED_FAULT");
    if (name == NULL)
        return;
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(name, seeded_names[i]) == 0) {
            sp_seeded = (int)i;
            return;
        }
    }
    (void)fprintf(stderr, "no planted fault is called '%s'\n", name);
    _exit(2);
}
