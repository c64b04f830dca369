/* Where `sampan recv` writes: standard output, with the position kept in the state folder when it is a
 * regular file, so that a killed run leaves nothing twice.  Not a formatter. */
#ifndef SP_OUTPUT_H
#define SP_OUTPUT_H

#include <sampan/err.h>
#include <sampan/local.h>

#include "trouble.h"

#define SP_OUTPUT_MAX (256U * 1024) /* bytes gathered before they must be written */

struct sp_output {
    struct sp_local *local; /* borrowed: remembers the position */
    bool is_file;           /* a regular file: its position is kept */
    uint64_t dev, ino;
    uint64_t offset; /* bytes of the file that belong to confirmed messages */
    size_t len;
    uint8_t buf[SP_OUTPUT_MAX];
};

/* Looks at standard output.  If it is the regular file of the state's last mark, what a killed run wrote
 * after the mark is cut off: those messages come again.  SP_EXIT_IO, SP_EXIT_DAMAGED. */
int sp_output_open(struct sp_output *o, struct sp_local *local, struct sp_trouble *t);
/* Gathers n bytes.  false: no room, flush first (n must not exceed SP_OUTPUT_MAX). */
bool sp_output_add(struct sp_output *o, const void *bytes, size_t n);
/* Writes what was gathered (durably, if a file) and marks the position; the mark becomes durable with the
 * next cursor. SP_EXIT_IO. */
int sp_output_flush(struct sp_output *o, struct sp_trouble *t);

#endif
