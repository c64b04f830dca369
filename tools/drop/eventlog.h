/* A text file with a line for each packet that did not simply pass: "TIME_US DIR FATE INDEX".  TIME_US is
 * CLOCK_MONOTONIC, so a reader on the same machine can lay it beside its own times.  It has a maximum and
 * then only counts. */
#ifndef SP_EVENTLOG_H
#define SP_EVENTLOG_H

#include <stdint.h>

#include "model.h"

#define SP_EVENTLOG_BYTES_MAX (UINT64_C(64) << 20) /* of --event-log */

struct sp_eventlog;

/* Creates or empties the file, which is to stay within `bytes_max`.  0, or -1 with errno and *out unchanged.
 */
int sp_eventlog_open(struct sp_eventlog **out, const char *path, uint64_t bytes_max);

/* Writes what is buffered, closes, sets *log to NULL.  NULL inside is allowed.  0, or -1 if anything was not
 * written. */
int sp_eventlog_close(struct sp_eventlog **log);

/* Adds a line, or counts it as skipped once the file is near its maximum.  `log` may be NULL. */
void sp_eventlog_add(struct sp_eventlog *log, int64_t time_us, enum sp_model_dir dir, const char *fate,
                     uint64_t index);

/* Makes what was added visible to readers. */
void sp_eventlog_flush(struct sp_eventlog *log);

/* Lines that found no room. */
uint64_t sp_eventlog_skipped(const struct sp_eventlog *log);

#endif
