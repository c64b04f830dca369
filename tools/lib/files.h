/* Files that hold secrets, and folders for them: made private, refused when they are not (docs/operating.md,
 * "Key folder").  Paths are the caller's; no globbing, no following of symbolic links in the last part. */
#ifndef SP_FILES_H
#define SP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trouble.h"

#define SP_FILES_PATH_MAX 1024 /* bytes of a path, end included */

/* dst = dir "/" name.  -1 with SP_EXIT_CONFIG when it does not fit. */
int sp_files_join(char *dst, size_t cap, const char *dir, const char *name, struct sp_trouble *t);

/* Makes a folder and its missing parents, mode 0700.  An existing folder is left as it is.  SP_EXIT_IO, or
 * SP_EXIT_REFUSED without permission. */
int sp_files_make_dir(const char *path, struct sp_trouble *t);

/* Refuses a folder that is a symbolic link, is not owned by the caller (or root), or can be written by
 * others. SP_EXIT_UNREACHABLE: not there; SP_EXIT_REFUSED. */
int sp_files_check_dir(const char *path, struct sp_trouble *t);

/* Reads a private file of at most cap bytes.  It must be a regular file, no symbolic link, owned by the
 * caller (or root), and closed to group and others.  SP_EXIT_UNREACHABLE: not there; SP_EXIT_REFUSED: one of
 * those rules; SP_EXIT_CONFIG: longer than cap; SP_EXIT_IO. */
int sp_files_read_private(const char *path, uint8_t *dst, size_t cap, size_t *len, struct sp_trouble *t);

/* Makes a new file of mode 0600 with these bytes, durable (file and folder) when it returns 0.
 * SP_EXIT_REFUSED: it exists, nothing is changed; SP_EXIT_IO: then no half file is left under that name. */
int sp_files_create_private(const char *path, const void *data, size_t len, struct sp_trouble *t);

/* Puts these bytes in place of a file's, as one step (a new file, then rename), mode 0600, durable.
 * SP_EXIT_IO. */
int sp_files_replace_private(const char *path, const void *data, size_t len, struct sp_trouble *t);

/* True when something, of whatever kind, is at that path. */
bool sp_files_is_there(const char *path);

#endif
