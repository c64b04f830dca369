/* A program of this folder, run as a child whose stderr goes to a file: what `sampan demo` starts and kills.
 * Ends only what it started. */
#ifndef SP_CHILD_H
#define SP_CHILD_H

#include <sys/types.h>

#include "trouble.h"

#define SP_CHILD_ARGS_MAX 24
#define SP_CHILD_PATH_MAX 1024

struct sp_child {
    pid_t pid; /* 0: not running */
    char log[SP_CHILD_PATH_MAX];
};

/* Starts `name` from the folder of this very program with args (NULL-ended, without argv[0]); stderr goes to
 * the file `log`, which is emptied.  SP_EXIT_UNREACHABLE: no such program; SP_EXIT_IO. */
int sp_child_start(struct sp_child *c, const char *name, const char *const *args, const char *log,
                   struct sp_trouble *t);
/* Waits until a line of its log contains `word`, at most 20 s, and copies that line.  SP_EXIT_FAILED: it
 * ended, or never said so; the text then holds the end of its log. */
int sp_child_wait_line(struct sp_child *c, const char *word, char *line, size_t cap, struct sp_trouble *t);
/* Sends a signal and waits for the end.  Without effect on one that does not run. */
void sp_child_end(struct sp_child *c, int sig);

#endif
