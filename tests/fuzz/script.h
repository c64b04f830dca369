/* The input of a stateful target, read as a script: bytes choose steps, and further bytes their values.  A
 * script that has ended gives zeros, so every input is a script. */
#ifndef SP_FUZZ_SCRIPT_H
#define SP_FUZZ_SCRIPT_H

#include <sampan/types.h>

struct script {
    const uint8_t *p;
    size_t n;
};

static inline bool script_has_more(const struct script *s)
{
    return s->n > 0;
}

static inline uint8_t script_u8(struct script *s)
{
    if (s->n == 0)
        return 0;
    s->n--;
    return *s->p++;
}

static inline uint16_t script_u16(struct script *s)
{
    unsigned high = script_u8(s);
    return (uint16_t)(high << 8 | script_u8(s));
}

static inline uint32_t script_u32(struct script *s)
{
    uint32_t high = script_u16(s);
    return high << 16 | script_u16(s);
}

static inline uint64_t script_u64(struct script *s)
{
    uint64_t high = script_u32(s);
    return high << 32 | script_u32(s);
}

/* One of n. */
static inline size_t script_pick(struct script *s, size_t n)
{
    return script_u8(s) % n;
}

/* The next n bytes, or what is left of them; borrowed from the input. */
static inline struct sp_view script_view(struct script *s, size_t n)
{
    struct sp_view v = {s->p, n < s->n ? n : s->n};
    s->p += v.n;
    s->n -= v.n;
    return v;
}

/* A span of time: those in which something happens, from none to an hour. */
static inline sp_time script_span(struct script *s)
{
    static const sp_time spans[16] = {
        0,
        100,
        1 * SP_MS,
        2 * SP_MS,
        5 * SP_MS,
        20 * SP_MS,
        60 * SP_MS,
        150 * SP_MS,
        400 * SP_MS,
        1 * SP_SECOND,
        2 * SP_SECOND,
        5 * SP_SECOND,
        10 * SP_SECOND,
        30 * SP_SECOND,
        100 * SP_SECOND,
        3600 * SP_SECOND,
    };
    return spans[script_u8(s) & 15];
}

#endif
