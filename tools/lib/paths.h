/* Where things are when nobody says so: state folder, keys, store, admin socket (XDG Base Directory
 * Specification). */
#ifndef SP_PATHS_H
#define SP_PATHS_H

#include "files.h"

/* $XDG_STATE_HOME/sampan, else $HOME/.local/state/sampan.  A relative XDG_STATE_HOME is ignored, as the
 * specification wants.  SP_EXIT_CONFIG: neither variable is set, or the path is too long. */
int sp_paths_state(char *dst, size_t cap, struct sp_trouble *t);

/* The admin socket: for root /run/sampan/admin; else $XDG_RUNTIME_DIR/sampan/admin; else "admin" in the state
 * folder. */
int sp_paths_admin(char *dst, size_t cap, struct sp_trouble *t);

#endif
