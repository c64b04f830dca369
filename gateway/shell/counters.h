/* The numbers of a running server as text, for the admin socket and for the log. */
#ifndef SP_COUNTERS_H
#define SP_COUNTERS_H

#include "server.h"

/* Lines "name value".  Returns the length; what does not fit in cap bytes is left out, by whole lines. */
size_t sp_counters_print(const struct sp_server *s, char *dst, size_t cap);
/* One log line with the most telling ones. */
void sp_counters_log(struct sp_server *s);

#endif
