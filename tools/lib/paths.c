#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The value of a variable that holds an absolute path, else NULL. */
static const char *absolute(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

int sp_paths_state(char *dst, size_t cap, struct sp_trouble *t)
{
    const char *state = absolute("XDG_STATE_HOME"), *home = absolute("HOME");
    if (state != NULL)
        return sp_files_join(dst, cap, state, "sampan", t);
    if (home != NULL)
        return sp_files_join(dst, cap, home, ".local/state/sampan", t);
    return sp_trouble_set(t, SP_EXIT_CONFIG,
                          "neither XDG_STATE_HOME nor HOME is set; say where with --keys and --store");
}

int sp_paths_admin(char *dst, size_t cap, struct sp_trouble *t)
{
    char state[SP_FILES_PATH_MAX];
    const char *runtime = absolute("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        return sp_files_join(dst, cap, "/run/sampan", "admin", t);
    if (runtime != NULL)
        return sp_files_join(dst, cap, runtime, "sampan/admin", t);
    if (sp_paths_state(state, sizeof state, t) != 0)
        return -1;
    return sp_files_join(dst, cap, state, "admin", t);
}
