/* Seal, unseal, and the set of numbers heard. */
#include "handpeer.h"

#include <string.h>

#define TURN_AFTER (7200 * SP_SECOND)

void handpeer_init(struct handpeer *p, const struct sp_crypto *c, const struct sp_session_keys *keys,
                   enum sp_dir dir, const uint8_t cid[8], sp_time now)
{
    bool is_up = dir == SP_DIR_UP;
    memset(p, 0, sizeof *p);
    sp_seal_init(&p->seal, c, is_up ? keys->up : keys->down, dir, now);
    sp_seal_init(&p->unseal, c, is_up ? keys->down : keys->up, is_up ? SP_DIR_DOWN : SP_DIR_UP, now);
    sp_ackset_init(&p->heard);
    p->next_pn = 1;
    memcpy(p->cid, cid, sizeof p->cid);
}

size_t handpeer_ack(const struct handpeer *p, uint8_t *dst, size_t cap, sp_time now)
{
    struct sp_frame f;
    size_t n = 0;
    if (sp_ackset_frame(&p->heard, 0, now, &f) != 0 || sp_wire_encode(&f, dst, cap, &n) != 0)
        return 0;
    return n;
}

size_t handpeer_seal(struct handpeer *p, struct sp_view frames, uint8_t *dst)
{
    size_t most = p->seal.dir == SP_DIR_UP ? SP_FRAMES_UP_MAX : SP_FRAMES_DOWN_MAX;
    size_t n = frames.n < most ? frames.n : most;
    if (n > 0)
        memmove(dst + sp_seal_header(p->seal.dir), frames.p, n);
    return sp_seal_packet(&p->seal, p->cid, p->next_pn++, dst, n);
}

void handpeer_turn(struct handpeer *p, sp_time now)
{
    if (p->seal.phase_packets > 0)
        sp_seal_turn(&p->seal, p->seal.phase_first, now + TURN_AFTER);
}

bool handpeer_open(struct handpeer *p, uint8_t *datagram, size_t len, sp_time now, struct sp_view *frames)
{
    size_t header = sp_seal_header(p->unseal.dir);
    if (len < header + SP_TAG_LEN)
        return false;
    uint16_t low = (uint16_t)(datagram[header - 2] << 8 | datagram[header - 1]);
    uint64_t pn = sp_seal_number(p->largest + 1, low);
    if (sp_seal_open(&p->unseal, datagram, len, pn, p->largest, SP_SECOND, now, frames) != 0)
        return false;
    sp_ackset_add(&p->heard, pn, now);
    if (p->largest < pn)
        p->largest = pn;
    return true;
}
