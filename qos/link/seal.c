/* One packet's encryption.  Layout and packet numbers: docs/protocol.md, section 3; key phases: section 2.4;
 * REKEY: the Noise specification, section 4.2. */
#include "seal.h"

#include <sampan/err.h>

#include "bug.h"
#include "bytes.h"

#include <string.h>

#define CID_LEN           8
#define FIRST_BYTE        0x40
#define PHASE_BIT         1u
#define NUMBER_MAX        (((uint64_t)1 << 62) - 1)
#define NUMBERS_TURN      ((uint64_t)1 << 16) /* distance of two numbers with the same 16 bits on the wire */
#define PHASE_PACKETS_MAX ((uint64_t)1 << 20)
#define PHASE_AGE_MAX     (3600 * SP_SECOND)
#define NUMBER_LEN        2 /* of a packet, on the wire */

SP_STATIC_ASSERT(1 + CID_LEN + NUMBER_LEN + SP_TAG_LEN == SP_DATA_UP_OVERHEAD, "header up");
SP_STATIC_ASSERT(1 + NUMBER_LEN + SP_TAG_LEN == SP_DATA_DOWN_OVERHEAD, "header down");

/* Noise: four zero bytes, then the number in little-endian order. */
static void nonce_of(uint64_t n, uint8_t nonce[SP_NONCE_LEN])
{
    memset(nonce, 0, SP_NONCE_LEN);
    for (size_t i = 4; n != 0; i++, n >>= 8) /* at most eight bytes */
        nonce[i] = (uint8_t)n;
}

/* Noise REKEY: the first 32 bytes of 32 zeros sealed with the largest nonce. */
static void rekey(const struct sp_crypto *c, const uint8_t key[SP_KEY_LEN], uint8_t out[SP_KEY_LEN])
{
    uint8_t nonce[SP_NONCE_LEN];
    uint8_t sealed[SP_KEY_LEN + SP_TAG_LEN] = {0};
    nonce_of(UINT64_MAX, nonce);
    c->seal(c->self, sealed, key, nonce, (struct sp_view){0}, sp_bytes_view(sealed, SP_KEY_LEN));
    memcpy(out, sealed, SP_KEY_LEN);
    c->wipe(c->self, sealed, sizeof sealed);
}

/* An hour less up to a tenth, so that sessions that began together do not turn together.  A hash of the key
 * is as good as a drawn number here and needs no random source. */
static sp_time age_of(const struct sp_crypto *c, const uint8_t key[SP_KEY_LEN])
{
    static const uint8_t label[] = {'s', 'a', 'm', 'p', 'a', 'n', '-', 'p', 'h', 'a', 's', 'e'};
    struct sp_view part = sp_bytes_view(label, sizeof label);
    uint8_t hash[16];
    c->blake2b(c->self, hash, sizeof hash, sp_bytes_view(key, SP_KEY_LEN), &part, 1);
    return PHASE_AGE_MAX - PHASE_AGE_MAX / 10 * hash[0] / 255;
}

static void start_phase(struct sp_seal *s, sp_time now)
{
    rekey(s->crypto, s->key, s->next);
    s->phase_packets = 0;
    s->phase_since = now;
    s->phase_age = age_of(s->crypto, s->key);
}

void sp_seal_init(struct sp_seal *s, const struct sp_crypto *c, const uint8_t key[SP_KEY_LEN],
                  enum sp_dir dir, sp_time now)
{
    memset(s, 0, sizeof *s);
    s->crypto = c;
    s->dir = dir;
    s->phase_first = 1; /* 0 is the handshake's */
    memcpy(s->key, key, SP_KEY_LEN);
    start_phase(s, now);
}

void sp_seal_wipe(struct sp_seal *s)
{
    const struct sp_crypto *c = s->crypto;
    if (c == NULL)
        return;
    c->wipe(c->self, s, sizeof *s);
}

/* Makes the prepared next key the current one. */
static void turn(struct sp_seal *s, sp_time now)
{
    memcpy(s->key, s->next, SP_KEY_LEN);
    s->phase ^= (uint8_t)PHASE_BIT;
    start_phase(s, now);
}

void sp_seal_turn(struct sp_seal *s, uint64_t acked, sp_time now)
{
    bool is_due = s->phase_packets >= PHASE_PACKETS_MAX || now - s->phase_since >= s->phase_age;
    bool is_heard = s->phase_packets > 0 && acked >= s->phase_first;
    if (is_due && is_heard)
        turn(s, now);
}

size_t sp_seal_header(enum sp_dir dir)
{
    return dir == SP_DIR_UP ? SP_DATA_UP_OVERHEAD - SP_TAG_LEN : SP_DATA_DOWN_OVERHEAD - SP_TAG_LEN;
}

size_t sp_seal_packet(struct sp_seal *s, const uint8_t cid[8], uint64_t pn, uint8_t *dst, size_t frames_len)
{
    SP_ASSERT(pn > 0);
    SP_ASSERT(pn <= NUMBER_MAX);
    size_t header = sp_seal_header(s->dir);
    dst[0] = (uint8_t)(FIRST_BYTE | s->phase);
    if (s->dir == SP_DIR_UP)
        memcpy(dst + 1, cid, CID_LEN);
    dst[header - NUMBER_LEN] = (uint8_t)(pn >> 8);
    dst[header - 1] = (uint8_t)pn;

    if (s->phase_packets == 0)
        s->phase_first = pn;
    s->phase_packets++;
    uint8_t nonce[SP_NONCE_LEN];
    nonce_of(pn, nonce);
    s->crypto->seal(s->crypto->self, dst + header, s->key, nonce, sp_bytes_view(dst, header),
                    sp_bytes_view(dst + header, frames_len));
    return header + frames_len + SP_TAG_LEN;
}

uint64_t sp_seal_number(uint64_t expected, uint16_t low)
{
    const uint64_t half = NUMBERS_TURN / 2;
    uint64_t n = (expected & ~(NUMBERS_TURN - 1)) | low;
    if (n > NUMBER_MAX) /* expected itself is past the last number */
        return n - NUMBERS_TURN;
    /* Of two equally near numbers the higher one, as in RFC 9000, appendix A.3. */
    if (n + half <= expected && n + NUMBERS_TURN <= NUMBER_MAX)
        return n + NUMBERS_TURN;
    if (n > expected + half && n >= NUMBERS_TURN)
        return n - NUMBERS_TURN;
    return n;
}

/* The one key that may open this packet, or NULL: the bit tells the phase, and the side of `largest` on which
 * the number lies tells whether another bit means the next phase or the last one.  Only one is tried, since a
 * failed try may spoil the bytes. */
static const uint8_t *pick_key(const struct sp_seal *s, uint8_t phase, bool is_above, sp_time now)
{
    if (phase == s->phase)
        return s->key;
    if (is_above)
        return s->next;
    return now < s->prev_until ? s->prev : NULL;
}

/* The sender has turned: keep the old key for what is still on its way. */
static void follow(struct sp_seal *s, uint64_t pn, sp_time old_key_us, sp_time now)
{
    memcpy(s->prev, s->key, SP_KEY_LEN);
    s->prev_until = now + old_key_us;
    turn(s, now);
    s->phase_first = pn;
}

/* Eight parameters: a packet and what its receiver knows; a struct would only repeat their names.
 * NOLINTNEXTLINE(readability-function-size) */
int sp_seal_open(struct sp_seal *s, uint8_t *p, size_t len, uint64_t pn, uint64_t largest, sp_time old_key_us,
                 sp_time now, struct sp_view *frames)
{
    size_t header = sp_seal_header(s->dir);
    if (len < header + SP_TAG_LEN || (p[0] & ~PHASE_BIT) != FIRST_BYTE || pn == 0)
        return SP_EMALFORMED;
    bool is_above = pn > largest;
    const uint8_t *key = pick_key(s, p[0] & PHASE_BIT, is_above, now);
    if (key == NULL)
        return SP_EAUTH;
    uint8_t nonce[SP_NONCE_LEN];
    nonce_of(pn, nonce);
    if (s->crypto->open(s->crypto->self, p + header, key, nonce, sp_bytes_view(p, header),
                        sp_bytes_view(p + header, len - header)) != 0)
        return SP_EAUTH;
    if (key == s->next)
        follow(s, pn, old_key_us, now);
    *frames = sp_bytes_view(p + header, len - header - SP_TAG_LEN);
    return 0;
}
