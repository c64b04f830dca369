/* Histories read again: a line, and a file of lines.  Only what reads histories links it, and with it the
 * JSON library jansson; what writes them needs neither. */
#ifndef SP_HISTORYREAD_H
#define SP_HISTORYREAD_H

#include "history.h"

/* The room for the names of an event. */
struct sp_historyread_names {
    uint8_t user[SP_USER_MAX], peer[SP_USER_MAX];
};
/* Reads one line of len bytes, without its line feed.  *e points into *names.  Unknown fields are skipped.
 * SP_EMALFORMED: not a flat JSON object, a field missing that its kind needs or there twice, or a value
 * outside its range; SP_EFULL: no memory.  *reason (never NULL, empty after 0) then says what, as a constant
 * text. */
int sp_historyread_line(const char *line, size_t len, struct sp_history_event *e,
                        struct sp_historyread_names *names, const char **reason);

/* How reading a file went. */
struct sp_historyread_result {
    uint32_t lines;     /* whole lines, damaged one included */
    bool is_torn;       /* something stands behind the last line feed; it was left out */
    uint32_t bad_line;  /* the line that is no event; 0: none */
    const char *reason; /* why */
    int error;          /* errno of open or read */
};
/* Reads a file to its end, or to its first damaged line, or until `take` returns other than 0; *e is borrowed
 * for the call.  0; SP_EMALFORMED: a damaged line; SP_EIO: error is set; SP_EFULL: no memory for a line; else
 * what take returned. */
int sp_historyread_file(const char *path,
                        int (*take)(void *self, const struct sp_history_event *e, uint32_t line), void *self,
                        struct sp_historyread_result *out);

#endif
