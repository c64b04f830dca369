/* A question to the admin socket of a running gateway, and its whole answer. */
#ifndef SP_ADMINASK_H
#define SP_ADMINASK_H

#include <stddef.h>
#include <stdint.h>

#include "trouble.h"

#define SP_ADMINASK_ANSWER_MAX 32768 /* bytes of an answer, end included */

/* Sends `question` (with its line feed) and reads the answer to its end; waits at most 5 s for each.  dst is
 * ended by NUL. SP_EXIT_UNREACHABLE, SP_EXIT_REFUSED, SP_EXIT_CONFIG (path too long), SP_EXIT_IO. */
int sp_adminask(const char *socket_path, const char *question, char *dst, size_t cap, struct sp_trouble *t);
/* The value of `name` in an answer of lines "name value"; 0 if it is not there. */
uint64_t sp_adminask_value(const char *answer, const char *name);

#endif
