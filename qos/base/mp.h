/* msgpack as Sampan uses it (docs/protocol.md, section 4.5): a scan that bounds foreign bytes before anything
 * else looks at them, a reader of one item at a time, a writer.  Every value has one encoding, its shortest;
 * there are no extension types.  Not a tree: nothing is allocated, nothing recurses, and floating-point
 * numbers are passed on as their bits. */
#ifndef SP_MP_H
#define SP_MP_H

#include "bytes.h"

enum {
    SP_MP_DEPTH_MAX = 8,          /* the top object has depth 1 */
    SP_MP_CTRL_OBJECTS_MAX = 256, /* objects in the map of a CTRL frame */
    SP_MP_OBJECTS_MAX = 4096,     /* objects in any map: elements, keys and values count, and the top */
    SP_MP_BYTES_MAX = SP_BODY_MAX
};

enum sp_mp_type {
    SP_MP_NONE, /* not msgpack, or an extension type */
    SP_MP_NIL,
    SP_MP_BOOL,    /* number: 0 or 1 */
    SP_MP_UINT,    /* number */
    SP_MP_INT,     /* number: two's complement of a value below 0 */
    SP_MP_FLOAT32, /* number: its bits */
    SP_MP_FLOAT64,
    SP_MP_STR, /* bytes; not checked to be UTF-8 */
    SP_MP_BIN,
    SP_MP_ARRAY, /* number: elements, which follow */
    SP_MP_MAP    /* number: pairs of key and value, which follow */
};
struct sp_mp_item {
    enum sp_mp_type type;
    uint64_t number;
    struct sp_view bytes; /* of STR and BIN: borrowed from the input */
};

/* Whether `in` is exactly one map within all bounds of the protocol, with at most objects_max
 * (1..SP_MP_OBJECTS_MAX) objects.  Time: a small multiple of the bytes if keys rise, n log n in any case;
 * stack: under 10 KiB.  0; SP_EMALFORMED; SP_EBIG: too many bytes or objects, or too deep. */
int sp_mp_scan(struct sp_view in, unsigned objects_max);

/* The next item: a whole value, or the head of an array or map whose items follow.  Never reads past the end,
 * scanned or not.  0; SP_EMALFORMED (r->is_bad is set, *item untouched): cut off, not in its shortest form,
 * an extension type, or more bytes or items promised than bytes are left. */
int sp_mp_next(struct sp_reader *r, struct sp_mp_item *item);
/* Passes over the next item with all that it contains.  0; SP_EMALFORMED as above. */
int sp_mp_skip(struct sp_reader *r);

/* Writes an item in its shortest form; of an array or map the head, and the caller writes the items.
 * w->is_full when it does not fit.  SP_MP_NONE, a SP_MP_INT that is not below 0, and counts, lengths and
 * float bits of more than 32 bits where the form has no more are the caller's bugs. */
void sp_mp_put(struct sp_writer *w, const struct sp_mp_item *item);

static inline void sp_mp_put_uint(struct sp_writer *w, uint64_t number)
{
    sp_mp_put(w, &(struct sp_mp_item){.type = SP_MP_UINT, .number = number});
}
static inline void sp_mp_put_bool(struct sp_writer *w, bool value)
{
    sp_mp_put(w, &(struct sp_mp_item){.type = SP_MP_BOOL, .number = value ? 1 : 0});
}
static inline void sp_mp_put_bin(struct sp_writer *w, struct sp_view bytes)
{
    sp_mp_put(w, &(struct sp_mp_item){.type = SP_MP_BIN, .bytes = bytes});
}
static inline void sp_mp_put_array(struct sp_writer *w, uint32_t elements)
{
    sp_mp_put(w, &(struct sp_mp_item){.type = SP_MP_ARRAY, .number = elements});
}
static inline void sp_mp_put_map(struct sp_writer *w, uint32_t pairs)
{
    sp_mp_put(w, &(struct sp_mp_item){.type = SP_MP_MAP, .number = pairs});
}

#endif
