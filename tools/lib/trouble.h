/* Why a program cannot do what it was asked: an exit code and one sentence for stderr.  Not a log. */
#ifndef SP_TROUBLE_H
#define SP_TROUBLE_H

#include "exit.h"

#define SP_TROUBLE_TEXT_MAX 512

struct sp_trouble {
    enum sp_exit code;
    char text[SP_TROUBLE_TEXT_MAX];
};

/* Fills in a trouble; a text that is too long is cut.  Always returns -1, so that a function can end with it.
 */
__attribute__((format(printf, 3, 4))) int sp_trouble_set(struct sp_trouble *t, enum sp_exit code,
                                                         const char *format, ...);

/* Writes "program: text" and a line feed to stderr.  Returns the exit code, for `return
 * sp_trouble_print(...)`. */
int sp_trouble_print(const struct sp_trouble *t, const char *program);

#endif
