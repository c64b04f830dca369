/* What the parts of the simulated world demand of each other and of the product: a check that is always on
 * and ends the run with one sentence.  It needs no test framework, so that the simulator is a plain program;
 * in a Criterion test the abort is a failed test with that sentence on stderr. */
#ifndef SP_ENSURE_H
#define SP_ENSURE_H

#define SP_ENSURE(cond)                                                                                      \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            sp_ensure_fail(__FILE__, __LINE__, #cond, " ");                                                  \
    } while (0)
/* With a sentence of its own, as by printf. */
#define SP_ENSURE_SAY(cond, ...)                                                                             \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            sp_ensure_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                                          \
    } while (0)

/* Must not return. */
typedef void sp_ensure_handler(void *self, const char *sentence);

/* Who ends the run from now on; NULL: the sentence goes to stderr, then abort. */
void sp_ensure_set_handler(sp_ensure_handler *handler, void *self);
_Noreturn void sp_ensure_fail(const char *file, int line, const char *cond, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
