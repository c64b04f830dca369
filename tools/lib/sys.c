#include "sys.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts = {0};
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * SP_SECOND + ts.tv_nsec / 1000;
}

sp_time sp_sys_now(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t sp_sys_unix_us(void)
{
    return read_us(CLOCK_REALTIME);
}

void sp_sys_random(void *dst, size_t n)
{
    uint8_t *p = dst;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}
