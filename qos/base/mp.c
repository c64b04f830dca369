#include "mp.h"

#include "bug.h"

#include <sampan/err.h>

/* ---- one item ---- */

/* What the first bytes 0xc0..0xdf stand for: how many bytes of a number follow, and from which value on this
 * is the shortest form.  SP_MP_INT: from which complement on. */
static const struct form {
    enum sp_mp_type type;
    uint8_t width;
    uint64_t least;
} forms[32] = {
    [0x00] = {SP_MP_NIL, 0, 0},         [0x02] = {SP_MP_BOOL, 0, 0},
    [0x03] = {SP_MP_BOOL, 0, 0},        [0x04] = {SP_MP_BIN, 1, 0},
    [0x05] = {SP_MP_BIN, 2, 0x100},     [0x06] = {SP_MP_BIN, 4, 0x10000},
    [0x0a] = {SP_MP_FLOAT32, 4, 0},     [0x0b] = {SP_MP_FLOAT64, 8, 0},
    [0x0c] = {SP_MP_UINT, 1, 0x80},     [0x0d] = {SP_MP_UINT, 2, 0x100},
    [0x0e] = {SP_MP_UINT, 4, 0x10000},  [0x0f] = {SP_MP_UINT, 8, 0x100000000},
    [0x10] = {SP_MP_INT, 1, 0x20},      [0x11] = {SP_MP_INT, 2, 0x80},
    [0x12] = {SP_MP_INT, 4, 0x8000},    [0x13] = {SP_MP_INT, 8, 0x80000000},
    [0x19] = {SP_MP_STR, 1, 0x20},      [0x1a] = {SP_MP_STR, 2, 0x100},
    [0x1b] = {SP_MP_STR, 4, 0x10000},   [0x1c] = {SP_MP_ARRAY, 2, 0x10},
    [0x1d] = {SP_MP_ARRAY, 4, 0x10000}, [0x1e] = {SP_MP_MAP, 2, 0x10},
    [0x1f] = {SP_MP_MAP, 4, 0x10000},
};

/* The first bytes that hold a small number themselves; else SP_MP_NONE. */
static struct sp_mp_item small(uint8_t first)
{
    if (first <= 0x7f)
        return (struct sp_mp_item){.type = SP_MP_UINT, .number = first};
    if (first <= 0x8f)
        return (struct sp_mp_item){.type = SP_MP_MAP, .number = first & 0x0f};
    if (first <= 0x9f)
        return (struct sp_mp_item){.type = SP_MP_ARRAY, .number = first & 0x0f};
    if (first <= 0xbf)
        return (struct sp_mp_item){.type = SP_MP_STR, .number = first & 0x1f};
    if (first >= 0xe0)
        return (struct sp_mp_item){.type = SP_MP_INT, .number = ~(uint64_t)0xff | first};
    return (struct sp_mp_item){.type = SP_MP_NONE};
}

/* The others.  SP_MP_NONE when they stand for nothing or the number has a shorter form. */
static struct sp_mp_item large(uint8_t first, struct sp_reader *r)
{
    const struct form *f = &forms[first & 0x1f];
    uint64_t number = f->type == SP_MP_BOOL ? first & 1 : sp_bytes_uint(r, f->width);
    bool is_short = number >= f->least;
    if (f->type == SP_MP_INT) {
        unsigned unused = 64 - 8U * f->width;
        uint64_t complement = ~(number << unused) >> unused;
        is_short = complement >= f->least && (number >> (8U * f->width - 1)) == 1;
        number = ~complement;
    }
    return (struct sp_mp_item){.type = is_short ? f->type : SP_MP_NONE, .number = number};
}

/* Items that follow the head of an array or map. */
static uint64_t items_in(const struct sp_mp_item *item)
{
    if (item->type == SP_MP_MAP)
        return 2 * item->number;
    return item->type == SP_MP_ARRAY ? item->number : 0;
}

int sp_mp_next(struct sp_reader *r, struct sp_mp_item *item)
{
    uint8_t first = sp_bytes_u8(r);
    struct sp_mp_item i = small(first);
    if (i.type == SP_MP_NONE)
        i = large(first, r);
    if (i.type == SP_MP_STR || i.type == SP_MP_BIN)
        i.bytes = sp_bytes_take(r, i.number);
    r->is_bad |= i.type == SP_MP_NONE || items_in(&i) > r->left;
    if (r->is_bad)
        return SP_EMALFORMED;
    *item = i;
    return 0;
}

int sp_mp_skip(struct sp_reader *r)
{
    uint64_t items = 1; /* each head adds no more than the bytes that are left */
    for (; items > 0; items--) {
        struct sp_mp_item i;
        if (sp_mp_next(r, &i) != 0)
            return SP_EMALFORMED;
        items += items_in(&i);
    }
    return 0;
}

/* ---- scan ---- */

struct level { /* an array or map that is not complete */
    uint64_t left;
    unsigned keys_at; /* where its keys begin */
    bool is_map, is_rising;
    uint16_t key_at; /* where the key that is being read begins */
};
struct key { /* in the input, which has at most 2^16 bytes, one of them the head of a map */
    uint16_t at, n;
};
struct scan {
    struct sp_view in;
    struct sp_reader r;
    unsigned objects, objects_max;
    uint64_t counts;
    unsigned depth; /* levels in use */
    struct level levels[SP_MP_DEPTH_MAX];
    unsigned keys_n;
    /* Of the maps that are not complete.  Each key but those that are open on a level has its value. */
    struct key keys[SP_MP_OBJECTS_MAX / 2 + SP_MP_DEPTH_MAX];
};

static size_t place(const struct scan *s)
{
    return s->in.n - s->r.left;
}

/* Any total order.  Equal only if all bytes are: no encoding begins with another one. */
static int compare(const struct scan *s, struct key a, struct key b)
{
    return memcmp(s->in.p + a.at, s->in.p + b.at, a.n < b.n ? a.n : b.n);
}

/* Lets keys[at] sink in a heap of n whose largest is on top. */
static void sink(const struct scan *s, struct key *keys, unsigned n, unsigned at)
{
    struct key key = keys[at];
    for (unsigned child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && compare(s, keys[child], keys[child + 1]) < 0)
            child++;
        if (compare(s, key, keys[child]) >= 0)
            break;
        keys[at] = keys[child];
        at = child;
    }
    keys[at] = key;
}

/* Sorts by a heap, whose worst case no sender can make quadratic, and looks for neighbors that are equal. */
static bool are_unique(const struct scan *s, struct key *keys, unsigned n)
{
    for (unsigned i = n / 2; i-- > 0;)
        sink(s, keys, n, i);
    for (unsigned i = n; i-- > 1;) {
        struct key largest = keys[0];
        keys[0] = keys[i];
        keys[i] = largest;
        sink(s, keys, i, 0);
    }
    for (unsigned i = 1; i < n; i++)
        if (compare(s, keys[i - 1], keys[i]) == 0)
            return false;
    return true;
}

static void add_key(struct scan *s, struct level *l)
{
    struct key k = {.at = l->key_at, .n = (uint16_t)(place(s) - l->key_at)};
    SP_ASSERT(s->keys_n < sizeof s->keys / sizeof s->keys[0]);
    if (s->keys_n > l->keys_at && compare(s, s->keys[s->keys_n - 1], k) >= 0)
        l->is_rising = false;
    s->keys[s->keys_n++] = k;
}

static bool is_at_key(const struct level *l)
{
    return l->is_map && l->left % 2 == 0;
}

/* An object is complete, and with it perhaps those around it. */
static int complete(struct scan *s)
{
    while (s->depth > 0) {
        struct level *l = &s->levels[s->depth - 1];
        if (is_at_key(l))
            add_key(s, l);
        if (--l->left > 0)
            return 0;
        if (!l->is_rising && !are_unique(s, s->keys + l->keys_at, s->keys_n - l->keys_at))
            return SP_EMALFORMED;
        s->keys_n = l->keys_at;
        s->depth--;
    }
    return 0;
}

/* Whether this type may stand here: the top is a map, its keys are unsigned integers. */
static bool is_in_place(const struct scan *s, enum sp_mp_type type)
{
    if (s->depth == 0)
        return type == SP_MP_MAP;
    return s->depth > 1 || !is_at_key(&s->levels[0]) || type == SP_MP_UINT;
}

static int take(struct scan *s)
{
    struct sp_mp_item i;
    if (s->depth == SP_MP_DEPTH_MAX || s->objects == s->objects_max)
        return s->r.left > 0 ? SP_EBIG : SP_EMALFORMED;
    s->objects++;
    if (s->depth > 0)
        if (is_at_key(&s->levels[s->depth - 1]))
            s->levels[s->depth - 1].key_at = (uint16_t)place(s);
    if (sp_mp_next(&s->r, &i) != 0 || !is_in_place(s, i.type))
        return SP_EMALFORMED;
    s->counts += items_in(&i);
    if (s->counts > s->in.n)
        return SP_EMALFORMED;
    if (items_in(&i) == 0)
        return complete(s);
    s->levels[s->depth++] = (struct level){
        .left = items_in(&i), .keys_at = s->keys_n, .is_map = i.type == SP_MP_MAP, .is_rising = true};
    return 0;
}

int sp_mp_scan(struct sp_view in, unsigned objects_max)
{
    struct scan s; /* its keys and levels are written before they are read */
    SP_ASSERT(objects_max >= 1 && objects_max <= SP_MP_OBJECTS_MAX);
    if (in.n > SP_MP_BYTES_MAX)
        return SP_EBIG;
    s.in = in;
    s.r = sp_bytes_reader(in);
    s.objects = s.depth = s.keys_n = 0;
    s.objects_max = objects_max;
    s.counts = 0;
    do {
        int err = take(&s);
        if (err != 0)
            return err;
    } while (s.depth > 0);
    return s.r.left == 0 ? 0 : SP_EMALFORMED;
}

/* ---- writer ---- */

/* The first byte that holds the number itself; 0xc1, which stands for nothing, when none does. */
static uint8_t small_first(const struct sp_mp_item *item, uint64_t number)
{
    switch (item->type) {
    case SP_MP_UINT:
        return number <= 0x7f ? (uint8_t)number : 0xc1;
    case SP_MP_MAP:
        return number <= 0x0f ? (uint8_t)(0x80 | number) : 0xc1;
    case SP_MP_ARRAY:
        return number <= 0x0f ? (uint8_t)(0x90 | number) : 0xc1;
    case SP_MP_STR:
        return number <= 0x1f ? (uint8_t)(0xa0 | number) : 0xc1;
    case SP_MP_INT:
        return ~number <= 0x1f ? (uint8_t)number : 0xc1;
    case SP_MP_BOOL:
        return number != 0 ? 0xc3 : 0xc2;
    case SP_MP_NIL:
        return 0xc0;
    default:
        return 0xc1;
    }
}

/* The last, that is shortest, row of the table that fits. */
static unsigned find_form(enum sp_mp_type type, uint64_t size)
{
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].type == type && size >= forms[i].least)
            found = i;
    SP_ASSERT(found != 0);
    return found;
}

void sp_mp_put(struct sp_writer *w, const struct sp_mp_item *item)
{
    bool has_bytes = item->type == SP_MP_STR || item->type == SP_MP_BIN;
    uint64_t number = has_bytes ? item->bytes.n : item->number;
    uint8_t first = small_first(item, number);
    SP_ASSERT(item->type != SP_MP_INT || number >> 63 == 1);
    if (first != 0xc1) {
        sp_bytes_put8(w, first);
    } else {
        unsigned i = find_form(item->type, item->type == SP_MP_INT ? ~number : number);
        unsigned width = forms[i].width;
        SP_ASSERT(item->type == SP_MP_INT || width == 8 || number >> (8 * width) == 0);
        sp_bytes_put8(w, (uint8_t)(0xc0 + i));
        sp_bytes_put_uint(w, number, width);
    }
    if (has_bytes)
        sp_bytes_put(w, item->bytes);
}
