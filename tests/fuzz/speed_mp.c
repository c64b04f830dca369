/* How many maps a core scans in a second (docs/testing.md, "Fuzzers"): a short request, the largest request
 * that CTRL can carry, and the worst that a sender can make of a body.  Prints one line each; judges nothing.
 */
#include "mp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUND = 64, LEAST_MS = 1000 };

static uint8_t bytes[SP_MP_BYTES_MAX];

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void measure(const char *name, size_t n, unsigned objects_max)
{
    double start = now_ms(), took = 0;
    unsigned long scans = 0;
    for (; took < LEAST_MS; took = now_ms() - start) {
        for (unsigned i = 0; i < ROUND; i++) {
            if (sp_mp_scan(sp_bytes_view(bytes, n), objects_max) != 0)
                abort();
        }
        scans += ROUND;
    }
    (void)printf("%-28s %6zu bytes %9.0f scans/s\n", name, n, (double)scans / took * 1e3);
}

/* A group and its new members, ids of 16 bytes. */
static size_t write_request(uint32_t members)
{
    static const uint8_t id[16] = {1};
    struct sp_writer w = sp_bytes_writer(bytes, sizeof bytes);
    sp_mp_put_map(&w, 2);
    sp_mp_put_uint(&w, 1);
    sp_mp_put_bin(&w, sp_bytes_view(id, sizeof id));
    sp_mp_put_uint(&w, 2);
    sp_mp_put_array(&w, members);
    for (uint32_t i = 0; i < members; i++)
        sp_mp_put_bin(&w, sp_bytes_view(id, sizeof id));
    return w.len;
}

/* As many keys as are allowed, falling, and as long as a scattered order leaves equal beginnings. */
static size_t write_worst(void)
{
    static uint8_t key[24];
    struct sp_writer w = sp_bytes_writer(bytes, sizeof bytes);
    sp_mp_put_map(&w, 1);
    sp_mp_put_uint(&w, 1);
    sp_mp_put_map(&w, 2046);
    for (uint32_t i = 0; i < 2046; i++) {
        uint32_t order = i * 40503U & 0xffff;
        key[sizeof key - 2] = (uint8_t)(order >> 8);
        key[sizeof key - 1] = (uint8_t)order;
        sp_mp_put_bin(&w, sp_bytes_view(key, sizeof key));
        sp_mp_put_bool(&w, true);
    }
    return w.len;
}

int main(void)
{
    measure("GROUP_ADD of 1 member", write_request(1), SP_MP_CTRL_OBJECTS_MAX);
    measure("GROUP_ADD of 54 members", write_request(54), SP_MP_CTRL_OBJECTS_MAX);
    measure("a body of 2,046 keys", write_worst(), SP_MP_OBJECTS_MAX);
    return 0;
}
