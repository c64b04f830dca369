/* Why sampan-drop cannot do what it was asked: an exit code and one sentence for stderr. */
#ifndef SP_PROBLEM_H
#define SP_PROBLEM_H

#include <stdio.h>

/* Exit codes of docs/drop.md. */
enum sp_problem_code {
    SP_PROBLEM_USAGE = 2,
    SP_PROBLEM_UNREACHABLE = 69,
    SP_PROBLEM_IO = 74,
    SP_PROBLEM_REFUSED = 77
};

#define SP_PROBLEM_TEXT_MAX 512

struct sp_problem {
    enum sp_problem_code code;
    char text[SP_PROBLEM_TEXT_MAX];
};

/* Fills in *p with a code and a text as by printf, cut if it is too long.  The value is -1, so that a
 * function can end with it.  A macro, because clang-tidy 14 misjudges a va_list when it is given several
 * files at once. */
#define SP_PROBLEM_SET(p, code_, ...)                                                                        \
    ((p)->code = (code_), (void)snprintf((p)->text, sizeof(p)->text, __VA_ARGS__), -1)

#endif
