/* A table for sampan/local.h that forgets: outbox and cursor in memory.  For benchmarks that measure the
 * gateway and not the disk of the machine that plays the phones.  Never for a client whose promises matter.
 */
#ifndef SP_LOCAL_MEMORY_H
#define SP_LOCAL_MEMORY_H

#include <sampan/local.h>

/* Fills *out; SP_EIO: no memory. */
int sp_local_memory_open(struct sp_local *out);
void sp_local_memory_close(struct sp_local *l);

#endif
