/* Sticky-error reader and writer of big-endian integers and byte strings.  Neither ever touches a byte
 * outside its buffer; after the first step that does not fit everything reads as zero or writes nothing, so
 * that a parser asks once, at its end, whether all went well.  Not a serializer: it knows no types above
 * integers. */
#ifndef SP_BYTES_H
#define SP_BYTES_H

#include <sampan/types.h>

#include <string.h>

struct sp_reader {
    const uint8_t *p; /* next byte */
    size_t left;
    bool is_bad; /* some read went past the end, or the parser said so */
};
struct sp_writer {
    uint8_t *dst;
    size_t cap, len; /* room in all; bytes written */
    bool is_full;    /* some write did not fit */
};

static inline struct sp_reader sp_bytes_reader(struct sp_view in)
{
    return (struct sp_reader){.p = in.p, .left = in.n};
}
/* n bytes, borrowed from the input; n = 0 and p = NULL when fewer are left. */
static inline struct sp_view sp_bytes_take(struct sp_reader *r, size_t n)
{
    if (r->is_bad || n > r->left) {
        r->is_bad = true;
        return (struct sp_view){0};
    }
    struct sp_view v = {.p = r->p, .n = n};
    if (n > 0)
        r->p += n;
    r->left -= n;
    return v;
}
/* Copies n bytes out; zeroes dst when fewer are left. */
static inline void sp_bytes_copy(struct sp_reader *r, uint8_t *dst, size_t n)
{
    struct sp_view v = sp_bytes_take(r, n);
    if (v.n == 0)
        memset(dst, 0, n);
    else
        memcpy(dst, v.p, v.n);
}
/* An integer of n <= 8 bytes; 0 when fewer are left. */
static inline uint64_t sp_bytes_uint(struct sp_reader *r, size_t n)
{
    struct sp_view v = sp_bytes_take(r, n);
    uint64_t value = 0;
    for (size_t i = 0; i < v.n; i++)
        value = value << 8 | v.p[i];
    return value;
}
/* The usual widths, written out: compilers make one load of each, but keep a loop as it is. */
static inline uint32_t sp_bytes_from4(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint8_t sp_bytes_u8(struct sp_reader *r)
{
    struct sp_view v = sp_bytes_take(r, 1);
    return v.n == 0 ? 0 : v.p[0];
}
static inline uint16_t sp_bytes_u16(struct sp_reader *r)
{
    struct sp_view v = sp_bytes_take(r, 2);
    if (v.n == 0)
        return 0;
    return (uint16_t)(v.p[0] << 8 | v.p[1]);
}
static inline uint32_t sp_bytes_u32(struct sp_reader *r)
{
    struct sp_view v = sp_bytes_take(r, 4);
    return v.n == 0 ? 0 : sp_bytes_from4(v.p);
}
static inline uint64_t sp_bytes_u48(struct sp_reader *r)
{
    return sp_bytes_uint(r, 6);
}
static inline uint64_t sp_bytes_u64(struct sp_reader *r)
{
    struct sp_view v = sp_bytes_take(r, 8);
    return v.n == 0 ? 0 : (uint64_t)sp_bytes_from4(v.p) << 32 | sp_bytes_from4(v.p + 4);
}

static inline struct sp_writer sp_bytes_writer(uint8_t *dst, size_t cap)
{
    return (struct sp_writer){.dst = dst, .cap = cap};
}
/* Copies the bytes of v in; writes nothing when they do not fit. */
static inline void sp_bytes_put(struct sp_writer *w, struct sp_view v)
{
    if (w->is_full || v.n > w->cap - w->len) {
        w->is_full = true;
        return;
    }
    if (v.n > 0)
        memcpy(w->dst + w->len, v.p, v.n);
    w->len += v.n;
}
/* The low n <= 8 bytes of value; writes nothing when they do not fit. */
static inline void sp_bytes_put_uint(struct sp_writer *w, uint64_t value, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(value >> 8 * (n - 1 - i));
    sp_bytes_put(w, (struct sp_view){.p = b, .n = n});
}
static inline void sp_bytes_put8(struct sp_writer *w, uint8_t value)
{
    sp_bytes_put(w, (struct sp_view){.p = &value, .n = 1});
}
static inline void sp_bytes_put16(struct sp_writer *w, uint16_t value)
{
    uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    sp_bytes_put(w, (struct sp_view){.p = b, .n = sizeof b});
}
static inline void sp_bytes_put32(struct sp_writer *w, uint32_t value)
{
    uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    sp_bytes_put(w, (struct sp_view){.p = b, .n = sizeof b});
}
static inline void sp_bytes_put48(struct sp_writer *w, uint64_t value)
{
    sp_bytes_put_uint(w, value, 6);
}
static inline void sp_bytes_put64(struct sp_writer *w, uint64_t value)
{
    uint8_t b[8] = {(uint8_t)(value >> 56), (uint8_t)(value >> 48), (uint8_t)(value >> 40),
                    (uint8_t)(value >> 32), (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                    (uint8_t)(value >> 8),  (uint8_t)value};
    sp_bytes_put(w, (struct sp_view){.p = b, .n = sizeof b});
}

/* A view of n bytes at p. */
static inline struct sp_view sp_bytes_view(const uint8_t *p, size_t n)
{
    return (struct sp_view){.p = p, .n = n};
}

#endif
