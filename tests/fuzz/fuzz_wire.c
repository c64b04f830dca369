/* Frames, both directions.  First byte: the direction; the rest is what a datagram carries.
 *
 * Promises: decoding reads nothing beyond its bytes, and its views lie within them; sp_wire_check says
 * exactly whether decoding frame by frame comes to the end; a decoded frame is encoded to the bytes it came
 * from; cut by one byte it is refused. */
#include "fuzz.h"
#include "wire.h"

#include <sampan/err.h>

#define SKIPPABLE 0x80

static void check_view(struct sp_view v, struct sp_view within)
{
    if (v.n == 0)
        return;
    FUZZ_CHECK(v.p >= within.p);
    FUZZ_CHECK(v.n <= within.n);
    FUZZ_CHECK((size_t)(v.p - within.p) <= within.n - v.n);
}

static void check_views(const struct sp_frame *f, struct sp_view within)
{
    switch (f->kind) {
    case SP_KIND_MSG_R:
        check_view(f->u.msg_r.to, within);
        check_view(f->u.msg_r.body, within);
        break;
    case SP_KIND_MSG_N:
        check_view(f->u.msg_n.from, within);
        check_view(f->u.msg_n.group, within);
        check_view(f->u.msg_n.body, within);
        break;
    case SP_KIND_CTRL_R:
    case SP_KIND_CTRL_A:
    case SP_KIND_CTRL_N:
        check_view(f->u.ctrl.map, within);
        break;
    case SP_KIND_STREAM_DATA:
        check_view(f->u.stream.bytes, within);
        break;
    default:
        break;
    }
}

/* The frame in exactly these bytes. */
static void check_frame(struct sp_view in, enum sp_dir dir)
{
    uint8_t *exact = fuzz_copy(in.p, in.n), *shorter = fuzz_copy(in.p, in.n - 1), *again = fuzz_block(in.n);
    struct sp_frame f, cut;
    size_t used = 0, len = 0;
    FUZZ_CHECK(sp_wire_decode((struct sp_view){exact, in.n}, dir, &f, &used) == 0);
    FUZZ_CHECK(used == in.n);
    check_views(&f, (struct sp_view){exact, in.n});
    FUZZ_CHECK(sp_wire_decode((struct sp_view){shorter, in.n - 1}, dir, &cut, &used) == SP_EMALFORMED);
    if (f.kind < SKIPPABLE) {
        FUZZ_CHECK(sp_wire_encode(&f, again, in.n, &len) == 0);
        FUZZ_CHECK(len == in.n);
        FUZZ_CHECK(memcmp(again, in.p, len) == 0);
        FUZZ_CHECK(sp_wire_encode(&f, again, in.n - 1, &len) == SP_EFULL);
    }
    free(exact);
    free(shorter);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum sp_dir dir = (data[0] & 1) != 0 ? SP_DIR_UP : SP_DIR_DOWN;
    struct sp_view in = {data + 1, size - 1};
    uint8_t cause = 0;
    int whole = sp_wire_check(in, dir, &cause);
    while (in.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        if (sp_wire_decode(in, dir, &f, &used) != 0)
            break;
        FUZZ_CHECK(used > 0);
        FUZZ_CHECK(used <= in.n);
        check_frame((struct sp_view){in.p, used}, dir);
        in.p += used;
        in.n -= used;
    }
    FUZZ_CHECK(whole == (in.n == 0 ? 0 : SP_EMALFORMED));
    if (whole != 0)
        FUZZ_CHECK(cause == in.p[0]);
    return 0;
}
