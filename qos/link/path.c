/* Address changes, challenges and the 3x rule. */
#include "path.h"

#include <string.h>

#define AMPLIFICATION 3 /* bytes sent per byte received before the address is proven */

bool sp_path_is_same(const struct sp_addr *a, const struct sp_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

/* The IPv4 address that an IPv6 one stands for: mapped (::ffff:0:0/96) and compatible (::/96) forms of RFC
 * 4291, NAT64 (64:ff9b::/96) of RFC 6052; NULL when it stands for none. */
static const uint8_t *inner_ip4(const struct sp_addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t compatible[12] = {0};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (a->family == 4)
        return a->ip;
    if (memcmp(a->ip, mapped, 12) == 0 || memcmp(a->ip, compatible, 12) == 0 || memcmp(a->ip, nat64, 12) == 0)
        return a->ip + 12;
    return NULL;
}

static bool is_ip6_loopback(const struct sp_addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->family == 6 && memcmp(a->ip, one, sizeof one) == 0;
}

static bool is_loopback(const struct sp_addr *a)
{
    const uint8_t *ip4 = inner_ip4(a);
    return is_ip6_loopback(a) || (ip4 != NULL && ip4[0] == 127);
}

bool sp_path_is_refused(const struct sp_addr *to, const struct sp_addr *current)
{
    if (to->port == 0 || (to->family != 4 && to->family != 6))
        return true;
    if (is_loopback(to))
        return !is_loopback(current);
    if (to->family == 6 && to->ip[0] == 0xff)
        return true;
    const uint8_t *ip4 = inner_ip4(to);
    if (ip4 == NULL)
        return false;
    /* 0/8 holds the unspecified address; 224/4 multicast; 240/4 is reserved and holds the broadcast address.
     */
    return ip4[0] == 0 || ip4[0] >= 224;
}

void sp_path_init(struct sp_path *p, const struct sp_addr *peer, bool is_validated, uint32_t received)
{
    memset(p, 0, sizeof *p);
    p->peer = *peer;
    p->is_validated = is_validated;
    p->generation = 1;
    /* An ACCEPT is at most as long as its INIT (section 2.2); how long it was is not known here. */
    p->sent = p->received = received;
    p->moved_at = p->old_until = INT64_MIN / 2;
    p->challenge_at = SP_NEVER;
}

static void add(uint32_t *sum, size_t len)
{
    *sum = len < UINT32_MAX - *sum ? *sum + (uint32_t)len : UINT32_MAX;
}

/* Makes `to` the current address. */
static void move(struct sp_path *p, const struct sp_addr *to, sp_time now)
{
    p->peer = *to;
    p->generation = p->generation == UINT8_MAX ? 1 : (uint8_t)(p->generation + 1);
    p->sent = p->received = 0;
    p->moved_at = now;
    p->tries = 0;
    p->owes_challenge = false;
    p->challenge_at = SP_NEVER;
}

/* Back to the kept address, which needs no new proof if it had one. */
static void move_back(struct sp_path *p, sp_time now)
{
    bool is_validated = p->old_is_validated;
    move(p, &p->old, now);
    p->is_validated = is_validated;
    p->has_old = p->owes_old_challenge = false;
}

static void move_on(struct sp_path *p, const struct sp_addr *from, sp_time pto, sp_time now)
{
    /* While several moves lack proof, the way back leads to the last proven address. */
    if (!p->has_old || p->is_validated) {
        p->old = p->peer;
        p->old_is_validated = p->is_validated;
        p->has_old = true;
    }
    move(p, from, now);
    p->is_validated = false;
    p->old_until = now + pto;
    p->challenge_at = now + pto;
    p->owes_challenge = true;
    /* To an old address that was never proven nothing is owed: the 3x rule would need counts of its own. */
    p->owes_old_challenge = p->old_is_validated;
}

enum sp_path_news sp_path_note_heard(struct sp_path *p, const struct sp_addr *from, size_t len,
                                     bool is_newest, sp_time pto, sp_time now)
{
    enum sp_path_news news = SP_PATH_SAME;
    if (is_newest && !sp_path_is_same(from, &p->peer) && !sp_path_is_refused(from, &p->peer)) {
        if (p->has_old && !p->is_validated && sp_path_is_same(from, &p->old)) {
            move_back(p, now); /* the newest packet is the proof that the peer never left: no waiting */
            news = SP_PATH_MOVED;
        } else if (now - p->moved_at >= SP_PATH_MOVE_MIN) {
            move_on(p, from, pto, now);
            news = SP_PATH_MOVED;
        }
    }
    if (!p->is_validated && sp_path_is_same(from, &p->peer))
        add(&p->received, len);
    return news;
}

size_t sp_path_room(const struct sp_path *p)
{
    if (p->is_validated)
        return SIZE_MAX;
    uint64_t allowed = (uint64_t)p->received * AMPLIFICATION;
    return allowed > p->sent ? (size_t)(allowed - p->sent) : 0;
}

void sp_path_note_sent(struct sp_path *p, size_t len)
{
    if (!p->is_validated)
        add(&p->sent, len);
}

void sp_path_prove(struct sp_path *p)
{
    p->is_validated = true;
    p->owes_challenge = false;
    p->challenge_at = SP_NEVER;
}

void sp_path_note_challenged(struct sp_path *p, const struct sp_addr *from, const uint8_t data[8])
{
    if (!sp_path_is_same(from, &p->peer) && sp_path_is_refused(from, &p->peer))
        return; /* an answer is a reply as well */
    p->owes_answer = true;
    p->answer_to = *from;
    memcpy(p->answer, data, sizeof p->answer);
}

/* Each try of a challenge differs in its last byte only, so that the answer to an earlier one still counts.
 */
static bool is_answer_to(const uint8_t challenge[8], uint8_t tries, const uint8_t data[8])
{
    uint8_t which = challenge[7] ^ data[7];
    return tries > 0 && memcmp(challenge, data, 7) == 0 && which < tries;
}

enum sp_path_news sp_path_note_answered(struct sp_path *p, const struct sp_addr *from, const uint8_t data[8],
                                        sp_time now)
{
    if (p->has_old && !p->is_validated && sp_path_is_same(from, &p->old) &&
        is_answer_to(p->old_challenge, 1, data)) {
        move_back(p, now);
        return SP_PATH_MOVED;
    }
    if (!p->is_validated && sp_path_is_same(from, &p->peer) && is_answer_to(p->challenge, p->tries, data))
        sp_path_prove(p);
    return SP_PATH_SAME;
}

enum sp_path_news sp_path_tick(struct sp_path *p, sp_time pto, sp_time now)
{
    if (p->has_old && p->is_validated && now >= p->old_until)
        p->has_old = p->owes_old_challenge = false;
    if (p->challenge_at > now)
        return SP_PATH_SAME;
    if (p->tries < SP_PATH_TRIES_MAX) {
        p->owes_challenge = true;
        p->challenge_at = now + pto;
        return SP_PATH_SAME;
    }
    p->challenge_at = SP_NEVER;
    if (!p->has_old || !p->old_is_validated)
        return SP_PATH_SAME;
    move_back(p, now);
    return SP_PATH_MOVED;
}

static void draw(struct sp_rng *rng, uint8_t challenge[8])
{
    sp_rng_bytes(rng, challenge, 8);
}

static bool next_here(struct sp_path *p, struct sp_rng *rng, struct sp_path_note *out)
{
    out->is_elsewhere = false;
    out->to = p->peer;
    if (p->owes_answer && sp_path_is_same(&p->answer_to, &p->peer)) {
        p->owes_answer = false;
        out->is_answer = true;
        memcpy(out->data, p->answer, sizeof out->data);
        return true;
    }
    if (!p->owes_challenge)
        return false;
    if (p->tries == 0)
        draw(rng, p->challenge);
    out->is_answer = false;
    memcpy(out->data, p->challenge, sizeof out->data);
    out->data[7] ^= p->tries;
    p->tries++;
    p->owes_challenge = false;
    return true;
}

static bool next_elsewhere(struct sp_path *p, struct sp_rng *rng, struct sp_path_note *out)
{
    out->is_elsewhere = true;
    if (p->owes_answer && !sp_path_is_same(&p->answer_to, &p->peer)) {
        p->owes_answer = false;
        out->is_answer = true;
        out->to = p->answer_to;
        memcpy(out->data, p->answer, sizeof out->data);
        return true;
    }
    if (!p->owes_old_challenge)
        return false;
    draw(rng, p->old_challenge);
    p->owes_old_challenge = false;
    out->is_answer = false;
    out->to = p->old;
    memcpy(out->data, p->old_challenge, sizeof out->data);
    return true;
}

bool sp_path_next(struct sp_path *p, bool is_here, struct sp_rng *rng, struct sp_path_note *out)
{
    return is_here ? next_here(p, rng, out) : next_elsewhere(p, rng, out);
}

sp_time sp_path_deadline(const struct sp_path *p)
{
    return p->challenge_at;
}
