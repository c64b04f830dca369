/* What the lines of a history are made of: the part of history.c that its reader (historyread.c) shares. */
#ifndef SP_HISTORYFIELD_H
#define SP_HISTORYFIELD_H

#include "history.h"

enum sp_history_shape {
    SP_HISTORY_TEXT,   /* a user id: a struct sp_view, in JSON one character per byte */
    SP_HISTORY_NUMBER, /* uint32_t or uint64_t, or of their sizes */
    SP_HISTORY_HEX,    /* uint64_t, in JSON a text of hexadecimal digits */
    SP_HISTORY_TRUE    /* bool */
};

/* A field of a line, and of struct sp_history_event. */
struct sp_history_field {
    const char *name;
    enum sp_history_shape shape;
    uint64_t max;    /* NUMBER: its highest value */
    size_t at, size; /* in the struct */
};

/* The field of that name, or NULL. */
const struct sp_history_field *sp_history_field(const char *name);
/* The event is of a kind, and no field is 0 that its kind needs. */
bool sp_history_has_all(const struct sp_history_event *e);

#endif
