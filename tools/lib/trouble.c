#include "trouble.h"

#include <stdarg.h>
#include <stdio.h>

int sp_trouble_set(struct sp_trouble *t, enum sp_exit code, const char *format, ...)
{
    va_list args;
    t->code = code;
    va_start(args, format);
    (void)vsnprintf(t->text, sizeof t->text, format, args);
    va_end(args);
    return -1;
}

int sp_trouble_print(const struct sp_trouble *t, const char *program)
{
    (void)fprintf(stderr, "%s: %s\n", program, t->text);
    return (int)t->code;
}
