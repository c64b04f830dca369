/* The machine's clocks and random source, in the units that libsampan takes. */
#ifndef SP_SYS_H
#define SP_SYS_H

#include <sampan/types.h>

/* CLOCK_MONOTONIC in microseconds. */
sp_time sp_sys_now(void);
/* Wall time, microseconds since 1970. */
int64_t sp_sys_unix_us(void);
/* Fills dst with n bytes of the kernel's random source.  Ends the process when there is none: nothing may go
 * on then. */
void sp_sys_random(void *dst, size_t n);

#endif
