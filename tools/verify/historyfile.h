/* Histories written to files, by appending (docs/history.md). */
#ifndef SP_HISTORYFILE_H
#define SP_HISTORYFILE_H

#include "history.h"

#define SP_HISTORYFILE_BUFFER ((size_t)256 * 1024) /* bytes that a writer gathers at most */

/* A writer.  What it gathers leaves in one write to a file opened for appending, so lines of several
 * processes do not mix, and what was written survives a kill.  A failed write loses the lines it had, and is
 * counted. */
struct sp_historyfile {
    int fd; /* -1: closed; every call then does nothing */
    char *buf;
    size_t len;
    uint32_t held;      /* lines gathered */
    uint64_t lost;      /* lines that could not be written */
    int error;          /* errno of the last failed write; 0: none */
    bool has_half_line; /* a failed write left one behind */
};

/* Opens or creates the file (mode 0600).  0, or the errno. */
int sp_historyfile_open(struct sp_historyfile *h, const char *path);
/* Gathers one event; at_us is set to the wall time given.  Writes when there is no room. */
void sp_historyfile_add(struct sp_historyfile *h, const struct sp_history_event *e, int64_t unix_us);
/* Writes what was gathered.  0, or the errno: those lines are lost. */
int sp_historyfile_flush(struct sp_historyfile *h);
/* Flushes and closes.  A zeroed or closed writer must have fd -1. */
void sp_historyfile_close(struct sp_historyfile *h);

#endif
