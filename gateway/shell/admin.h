/* The admin socket: a UNIX stream socket of mode 0600 that answers one question a connection and closes. Only
 * our own user and root may ask.  Eight clients at once, five seconds each; never waits for one.  The
 * questions are its owner's. */
#ifndef SP_ADMIN_H
#define SP_ADMIN_H

#include <ev.h>
#include <sampan/types.h>

#include "trouble.h"

#define SP_ADMIN_CLIENTS_MAX  8
#define SP_ADMIN_QUESTION_MAX 64    /* bytes, line feed included */
#define SP_ADMIN_ANSWER_MAX   16384 /* bytes */

struct sp_admin;

/* Writes the answer to a question (without its line feed) into dst, at most cap bytes; returns its length, 0
 * for a question it does not know. */
typedef size_t (*sp_admin_answer)(void *self, const char *question, char *dst, size_t cap);

/* Listens at `path`, in `loop`, which it borrows.  A socket that nobody answers at is replaced; its folder is
 * made. SP_EXIT_UNKNOWN: another process answers there; SP_EXIT_CONFIG: path too long; SP_EXIT_REFUSED,
 * SP_EXIT_IO. */
int sp_admin_open(struct sp_admin **out, const char *path, struct ev_loop *loop, sp_admin_answer answer,
                  void *self, struct sp_trouble *t);

/* Ends clients that are too slow.  Call it about once a second. */
void sp_admin_tick(struct sp_admin *a, sp_time now);

/* Closes and removes the socket.  *a may be NULL. */
void sp_admin_close(struct sp_admin **a);

#endif
