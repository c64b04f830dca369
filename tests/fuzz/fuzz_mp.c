/* msgpack: our scan, reader and writer against msgpack-c.  First byte: bytes as they come, or a script that
 * two writers follow; and how many objects the scan allows.
 *
 * Promises: the scan takes exactly those bytes that msgpack-c takes whole and that keep the rules of
 * protocol.md, section 4.5, judged here from the tree that msgpack-c made; both readers see the same values;
 * msgpack-c needs bounded memory for what the scan took; both writers write the same bytes, and the scan
 * takes them. */
#include "fuzz.h"
#include "mp.h"
#include "script.h"

#include <sampan/err.h>

#include <msgpack.h>

enum { WRITE_MAX = 6000, STACK_MAX = 64 };

/* The sanitizer's count of allocated bytes; not there in other builds. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak)); // NOLINT

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL ? __sanitizer_get_current_allocated_bytes() : 0;
}

/* ---- a walk over the tree that msgpack-c made, in the order of the bytes ---- */

struct walk {
    struct at {
        const msgpack_object *o;
        uint32_t next; /* child */
    } stack[STACK_MAX];
    unsigned depth;
};

static uint32_t children_of(const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_MAP)
        return 2 * o->via.map.size;
    return o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size : 0;
}

static const msgpack_object *child_of(const msgpack_object *o, uint32_t i)
{
    if (o->type == MSGPACK_OBJECT_ARRAY)
        return &o->via.array.ptr[i];
    return i % 2 == 0 ? &o->via.map.ptr[i / 2].key : &o->via.map.ptr[i / 2].val;
}

/* The next object, or NULL at the end.  walk->depth is its depth when it comes. */
static const msgpack_object *walk_next(struct walk *w)
{
    while (w->depth > 0) {
        struct at *a = &w->stack[w->depth - 1];
        if (a->next < children_of(a->o)) {
            const msgpack_object *child = child_of(a->o, a->next++);
            FUZZ_CHECK(w->depth < STACK_MAX);
            w->stack[w->depth++] = (struct at){.o = child};
            return child;
        }
        w->depth--;
    }
    return NULL;
}

static struct walk walk_from(const msgpack_object *o)
{
    return (struct walk){.stack = {{.o = o}}, .depth = 1};
}

/* ---- judged by msgpack-c ---- */

struct packed {
    size_t at, n;
};

static int compare_packed(const void *a, const void *b, void *bytes)
{
    const struct packed *x = a, *y = b;
    const char *p = bytes;
    int order = memcmp(p + x->at, p + y->at, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

/* Whether no two keys are packed to the same bytes. */
static bool has_unique_keys(const msgpack_object_map *map)
{
    static struct packed keys[SP_MP_OBJECTS_MAX];
    msgpack_sbuffer out;
    msgpack_packer packer;
    bool is_unique = true;
    FUZZ_CHECK(map->size <= SP_MP_OBJECTS_MAX);
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
    for (uint32_t i = 0; i < map->size; i++) {
        keys[i].at = out.size;
        FUZZ_CHECK(msgpack_pack_object(&packer, map->ptr[i].key) == 0);
        keys[i].n = out.size - keys[i].at;
    }
    qsort_r(keys, map->size, sizeof keys[0], compare_packed, out.data);
    for (uint32_t i = 1; i < map->size; i++)
        is_unique = is_unique && compare_packed(&keys[i - 1], &keys[i], out.data) != 0;
    msgpack_sbuffer_destroy(&out);
    return is_unique;
}

static bool is_lawful_map(const msgpack_object *o, bool is_top)
{
    if (o->type != MSGPACK_OBJECT_MAP)
        return true;
    for (uint32_t i = 0; is_top && i < o->via.map.size; i++)
        if (o->via.map.ptr[i].key.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return false;
    return o->via.map.size < 2 || has_unique_keys(&o->via.map);
}

/* Depth, number of objects, kinds, keys. */
static bool is_lawful(const msgpack_object *top, unsigned objects_max)
{
    struct walk w = walk_from(top);
    unsigned objects = 0;
    if (top->type != MSGPACK_OBJECT_MAP)
        return false;
    for (const msgpack_object *o = top; o != NULL; o = walk_next(&w)) {
        if (w.depth > SP_MP_DEPTH_MAX || ++objects > objects_max || o->type == MSGPACK_OBJECT_EXT)
            return false;
    }
    w = walk_from(top); /* bounded: each map can be looked at */
    for (const msgpack_object *o = top; o != NULL; o = walk_next(&w))
        if (!is_lawful_map(o, o == top))
            return false;
    return true;
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* A float that became a double: the same number, or not a number either. */
static bool is_that_float(uint32_t bits, double d)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f != f ? d != d : (double)f == d;
}

static void check_item(const struct sp_mp_item *i, const msgpack_object *o)
{
    static const msgpack_object_type types[] = {
        [SP_MP_NIL] = MSGPACK_OBJECT_NIL,
        [SP_MP_BOOL] = MSGPACK_OBJECT_BOOLEAN,
        [SP_MP_UINT] = MSGPACK_OBJECT_POSITIVE_INTEGER,
        [SP_MP_INT] = MSGPACK_OBJECT_NEGATIVE_INTEGER,
        [SP_MP_FLOAT32] = MSGPACK_OBJECT_FLOAT32,
        [SP_MP_FLOAT64] = MSGPACK_OBJECT_FLOAT64,
        [SP_MP_STR] = MSGPACK_OBJECT_STR,
        [SP_MP_BIN] = MSGPACK_OBJECT_BIN,
        [SP_MP_ARRAY] = MSGPACK_OBJECT_ARRAY,
        [SP_MP_MAP] = MSGPACK_OBJECT_MAP,
    };
    FUZZ_CHECK(i->type != SP_MP_NONE);
    FUZZ_CHECK(o->type == types[i->type]);
    switch (i->type) {
    case SP_MP_BOOL:
        FUZZ_CHECK(i->number == (o->via.boolean ? 1 : 0));
        break;
    case SP_MP_UINT:
    case SP_MP_INT:
        FUZZ_CHECK(i->number == o->via.u64);
        break;
    case SP_MP_FLOAT32:
        FUZZ_CHECK(is_that_float((uint32_t)i->number, o->via.f64));
        break;
    case SP_MP_FLOAT64:
        FUZZ_CHECK(i->number == bits_of(o->via.f64));
        break;
    case SP_MP_STR:
    case SP_MP_BIN: /* the two have one layout */
        FUZZ_CHECK(i->bytes.n == o->via.bin.size);
        FUZZ_CHECK(i->bytes.n == 0 || memcmp(i->bytes.p, o->via.bin.ptr, i->bytes.n) == 0);
        break;
    case SP_MP_ARRAY:
        FUZZ_CHECK(i->number == o->via.array.size);
        break;
    case SP_MP_MAP:
        FUZZ_CHECK(i->number == o->via.map.size);
        break;
    default:
        break;
    }
}

/* Our reader sees what msgpack-c saw, and our writer writes the bytes again. */
static void check_values(struct sp_view in, const msgpack_object *top)
{
    struct sp_reader r = sp_bytes_reader(in);
    uint8_t *again = fuzz_block(in.n);
    struct sp_writer writer = sp_bytes_writer(again, in.n);
    struct walk w = walk_from(top);
    for (const msgpack_object *o = top; o != NULL; o = walk_next(&w)) {
        struct sp_mp_item i;
        FUZZ_CHECK(sp_mp_next(&r, &i) == 0);
        check_item(&i, o);
        sp_mp_put(&writer, &i);
    }
    FUZZ_CHECK(r.left == 0);
    FUZZ_CHECK(!writer.is_full);
    FUZZ_CHECK(writer.len == in.n);
    FUZZ_CHECK(memcmp(again, in.p, in.n) == 0);
    free(again);
}

static void check_bytes(struct sp_view in, unsigned objects_max)
{
    bool is_taken = sp_mp_scan(in, objects_max) == 0;
    struct sp_reader r = sp_bytes_reader(in);
    bool is_readable = sp_mp_skip(&r) == 0 && r.left == 0;
    fuzz_tell("%zu bytes: scan %d, skip %d", in.n, is_taken, is_readable);
    if (is_taken)
        FUZZ_CHECK(is_readable);
    if (!is_readable || in.n > SP_MP_BYTES_MAX)
        return; /* msgpack-c might ask for any memory */
    size_t before = allocated(), used = 0;
    msgpack_unpacked u;
    msgpack_unpacked_init(&u);
    msgpack_unpack_return got = msgpack_unpack_next(&u, (const char *)in.p, in.n, &used);
    bool is_whole = got == MSGPACK_UNPACK_SUCCESS && used == in.n;
    if (is_taken) {
        FUZZ_CHECK(is_whole);
        FUZZ_CHECK(allocated() - before <= 32768 + (size_t)2 * objects_max * sizeof(msgpack_object_kv));
        check_values(in, &u.data);
    }
    FUZZ_CHECK(is_taken == (is_whole && is_lawful(&u.data, objects_max)));
    msgpack_unpacked_destroy(&u);
}

/* ---- two writers ---- */

struct writers {
    struct sp_writer ours;
    msgpack_packer theirs;
    struct script *s;
    unsigned objects;
    uint64_t left[SP_MP_DEPTH_MAX]; /* items of the level, a map's keys included */
    bool is_map[SP_MP_DEPTH_MAX];
    uint64_t key[SP_MP_DEPTH_MAX]; /* last one of the level: keys rise */
    unsigned depth;
};

static void put_head(struct writers *w, bool is_map, uint32_t n)
{
    if (is_map) {
        sp_mp_put_map(&w->ours, n);
        FUZZ_CHECK(msgpack_pack_map(&w->theirs, n) == 0);
    } else {
        sp_mp_put_array(&w->ours, n);
        FUZZ_CHECK(msgpack_pack_array(&w->theirs, n) == 0);
    }
    w->objects++;
    if (n == 0)
        return;
    w->is_map[w->depth] = is_map;
    w->key[w->depth] = 0;
    w->left[w->depth++] = is_map ? 2 * (uint64_t)n : n;
}

static void put_integer(struct writers *w, uint64_t number, bool is_below)
{
    if (is_below && number > 0) {
        int64_t value = -(int64_t)(number > INT64_MAX ? INT64_MAX : number);
        sp_mp_put(&w->ours, &(struct sp_mp_item){.type = SP_MP_INT, .number = (uint64_t)value});
        FUZZ_CHECK(msgpack_pack_int64(&w->theirs, value) == 0);
    } else {
        sp_mp_put_uint(&w->ours, number);
        FUZZ_CHECK(msgpack_pack_uint64(&w->theirs, number) == 0);
    }
}

static void put_bytes(struct writers *w, bool is_str, struct sp_view v)
{
    sp_mp_put(&w->ours, &(struct sp_mp_item){.type = is_str ? SP_MP_STR : SP_MP_BIN, .bytes = v});
    if (is_str)
        FUZZ_CHECK(msgpack_pack_str_with_body(&w->theirs, v.p, v.n) == 0);
    else
        FUZZ_CHECK(msgpack_pack_bin_with_body(&w->theirs, v.p, v.n) == 0);
}

/* Numbers near the change of a form. */
static uint64_t choose_number(struct script *s)
{
    unsigned how = script_u8(s);
    uint64_t power = UINT64_C(1) << (how & 63);
    return (how & 64) != 0 ? power - script_u8(s) % 3 : script_u64(s) & (power - 1);
}

static void put_scalar(struct writers *w)
{
    static const uint8_t zeros[400];
    uint8_t how = script_u8(w->s);
    switch (how & 7) {
    case 0:
        sp_mp_put(&w->ours, &(struct sp_mp_item){.type = SP_MP_NIL});
        FUZZ_CHECK(msgpack_pack_nil(&w->theirs) == 0);
        break;
    case 1:
        sp_mp_put_bool(&w->ours, (how & 8) != 0);
        FUZZ_CHECK(((how & 8) != 0 ? msgpack_pack_true(&w->theirs) : msgpack_pack_false(&w->theirs)) == 0);
        break;
    case 2:
    case 3:
        put_bytes(w, (how & 8) != 0, sp_bytes_view(zeros, (how & 16) != 0 ? 250U + how / 32 : how / 16 * 3U));
        break;
    case 4:
        put_bytes(w, (how & 8) != 0, script_view(w->s, how / 16));
        break;
    default:
        put_integer(w, choose_number(w->s), (how & 8) != 0);
        break;
    }
}

/* One item at the place that comes next. */
static void put_one(struct writers *w)
{
    unsigned at = w->depth - 1;
    bool is_key = w->is_map[at] && w->left[at] % 2 == 0;
    w->left[at]--;
    if (is_key) {
        w->key[at] += 1 + script_u8(w->s);
        put_integer(w, w->key[at], false);
        w->objects++;
    } else if (w->depth < SP_MP_DEPTH_MAX - 1 && (script_u8(w->s) & 3) == 0) {
        uint8_t n = script_u8(w->s);
        put_head(w, (n & 1) != 0, (n & 2) != 0 ? n : n / 32);
    } else {
        put_scalar(w);
        w->objects++;
    }
    while (w->depth > 0 && w->left[w->depth - 1] == 0)
        w->depth--;
}

static void check_writers(struct script *s)
{
    uint8_t *room = fuzz_block(SP_MP_BYTES_MAX);
    msgpack_sbuffer theirs;
    struct writers w = {.ours = sp_bytes_writer(room, SP_MP_BYTES_MAX), .s = s};
    msgpack_sbuffer_init(&theirs);
    msgpack_packer_init(&w.theirs, &theirs, msgpack_sbuffer_write);
    put_head(&w, true, script_u8(s));
    while (w.depth > 0 && w.objects < WRITE_MAX)
        put_one(&w);
    fuzz_tell("%u objects, %zu bytes", w.objects, w.ours.len);
    if (!w.ours.is_full) {
        FUZZ_CHECK(w.ours.len == theirs.size);
        FUZZ_CHECK(memcmp(room, theirs.data, theirs.size) == 0);
    }
    if (!w.ours.is_full && w.depth == 0) {
        uint8_t *exact = fuzz_copy(room, w.ours.len);
        if (w.objects <= SP_MP_OBJECTS_MAX)
            FUZZ_CHECK(sp_mp_scan(sp_bytes_view(exact, w.ours.len), SP_MP_OBJECTS_MAX) == 0);
        check_bytes(sp_bytes_view(exact, w.ours.len), SP_MP_CTRL_OBJECTS_MAX);
        free(exact);
    }
    msgpack_sbuffer_destroy(&theirs);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct script s = {data + 1, size - 1};
    if ((data[0] & 1) != 0) {
        check_writers(&s);
    } else {
        uint8_t *exact = fuzz_copy(s.p, s.n);
        check_bytes(sp_bytes_view(exact, s.n),
                    (data[0] & 2) != 0 ? SP_MP_CTRL_OBJECTS_MAX : SP_MP_OBJECTS_MAX);
        free(exact);
    }
    return 0;
}
