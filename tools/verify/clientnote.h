/* What a client tells its app, as an event of a history (docs/history.md): the one place where the two meet.
 * What the app does of its own (SEND, KEPT, RUN, END) is its owner's to note, and so are file and clock. */
#ifndef SP_CLIENTNOTE_H
#define SP_CLIENTNOTE_H

#include <sampan/client.h>

#include "history.h"

/* Completes *e, in which user and device are set and all else is 0, by what `ev` tells that device.  `epoch`
 * is of the device's cursor (0: not known); crypto makes the hash of a body.  *e borrows the names of `ev`.
 * False: no event of a history, and *e is worth nothing. */
bool sp_clientnote_make(const struct sp_client_event *ev, uint64_t epoch, const struct sp_crypto *crypto,
                        struct sp_history_event *e);

#endif
