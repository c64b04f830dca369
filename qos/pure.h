/* What qos may use.  Force-included (-include) into every file of qos: it includes the four harmless headers,
 * then poisons the names that a sans-IO library must not know.  A file that includes stdlib.h, stdio.h,
 * time.h or sys/socket.h afterwards does not compile. */
#ifndef SP_PURE_H
#define SP_PURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma GCC poison malloc calloc realloc free aligned_alloc posix_memalign strdup
#pragma GCC poison printf fprintf sprintf snprintf vsnprintf puts fopen fread fwrite
#pragma GCC poison time clock clock_gettime gettimeofday timespec nanosleep sleep usleep
#pragma GCC poison socket sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
#pragma GCC poison rand srand random getrandom getenv errno
#pragma GCC poison strcpy strcat strtok atoi alloca localtime assert

#endif
