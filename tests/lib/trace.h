/* A timed story as text: one line per frame of the delivery layer, each frame once however often it travels,
 * message ids as m1, m2... in the order of their appearance.  So a test compares what happened with what
 * should. */
#ifndef SP_TRACE_H
#define SP_TRACE_H

#include "wire.h"

struct sp_trace;

struct sp_trace *sp_trace_create(void);
void sp_trace_destroy(struct sp_trace **t);
/* Notes the frames of one packet that an endpoint sends (SP_DIR_UP) or gets (SP_DIR_DOWN). */
void sp_trace_note(struct sp_trace *t, const char *endpoint, int dir, struct sp_view frames, sp_time now);
/* All lines.  Borrowed until the next call. */
const char *sp_trace_text(const struct sp_trace *t);

#endif
