/* One sentence, then the end. */
#include "ensure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sp_ensure_handler *handle;
static void *handle_self;

void sp_ensure_set_handler(sp_ensure_handler *handler, void *self)
{
    handle = handler;
    handle_self = self;
}

void sp_ensure_fail(const char *file, int line, const char *cond, const char *format, ...)
{
    static char sentence[1024];
    char why[640];
    const char *base = strrchr(file, '/');
    va_list args;
    va_start(args, format);
    int n = vsnprintf(why, sizeof why, format, args);
    va_end(args);
    (void)snprintf(sentence, sizeof sentence, "%s (%s:%d: %.160s)", n > 0 ? why : "",
                   base == NULL ? file : base + 1, line, cond);
    if (handle != NULL)
        handle(handle_self, sentence);
    (void)fprintf(stderr, "%s\n", sentence);
    abort();
}
