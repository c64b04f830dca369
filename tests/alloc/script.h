/* A script of the allocation test: it does one thing with the product, from nothing to nothing, while one
 * allocation fails.  It ends the program at a broken promise; whatever the product may say then is fine. */
#ifndef SP_ALLOC_SCRIPT_H
#define SP_ALLOC_SCRIPT_H

#include <stdbool.h>

struct script {
    const char *name;
    /* Before the first run, outside the count; may be NULL. */
    void (*prepare)(void);
    /* One run.  True: all went well.  False: the product refused, with an error that fits; may not happen
     * when no allocation fails. */
    bool (*run)(void);
};

/* Ends the program unless cond. */
#define MUST(cond) ((cond) ? (void)0 : script_broken(#cond, __FILE__, __LINE__))
_Noreturn void script_broken(const char *cond, const char *file, int line);

/* A folder of the program's own, empty at its start and removed at its end. */
const char *script_dir(void);
/* Removes a folder below it with all that it holds. */
void script_remove(const char *path);
/* The number of the call that fails in this run; 0: none. */
unsigned script_failing(void);
/* Starts and stops the failing inside a run that must not begin with it. */
void script_arm(void);
void script_disarm(void);

extern const struct script script_store[], script_shell[], script_rig[];
extern const unsigned script_store_n, script_shell_n, script_rig_n;

#endif
