/* One attempt = one address turn: an INIT, its byte-identical copies, at most three RETRYs.  Rulings 15, 16,
 * 24 and 49 of docs/protocol.md. */
#include "connect.h"

#include "bug.h"
#include <sampan/err.h>

#include <string.h>

#define COPIES_MAX    4 /* an INIT and its three copies */
#define RETRIES_MAX   3
#define TICKET_TRIES  2
#define WAIT_JITTER   20
#define COPY_JITTER   10
#define SPARE_LEVELS  4 /* 5, 10, 20, 40 s, then the cap */
#define SPARE_CAP_US  (60 * SP_SECOND)
#define SPARE_WAIT_US (5 * SP_SECOND)

static const sp_time copy_after_us[COPIES_MAX] = {0, 400 * SP_MS, 1 * SP_SECOND, 2 * SP_SECOND};
static const sp_time backoff_us[] = {4 * SP_SECOND, 8 * SP_SECOND, 15 * SP_SECOND};

static int64_t gateway_time(const struct sp_connect *c, sp_time now)
{
    return c->time_s + (now - c->time_at) / SP_SECOND;
}

static void forget_init(struct sp_connect *c)
{
    c->crypto->wipe(c->crypto->self, &c->handshake, sizeof c->handshake);
    c->init_len = 0;
    c->copy_at = SP_NEVER;
}

int sp_connect_init(struct sp_connect *c, const struct sp_crypto *crypto, struct sp_rng *rng,
                    struct sp_view blob, int64_t unix_s, sp_time now)
{
    memset(c, 0, sizeof *c);
    int rc = sp_token_blob_decode(blob, &c->blob);
    if (rc != 0)
        return rc;
    c->crypto = crypto;
    c->rng = rng;
    c->copy_at = c->next_at = SP_NEVER;
    /* A clock that runs behind is caught by `issued`; one that runs ahead costs a RETRY (section 2.3, step
     * 7). */
    c->time_s = unix_s > (int64_t)c->blob.issued ? unix_s : (int64_t)c->blob.issued;
    c->time_at = now;
    return 0;
}

void sp_connect_wipe(struct sp_connect *c)
{
    const struct sp_crypto *crypto = c->crypto;
    crypto->wipe(crypto->self, c, sizeof *c);
}

int sp_connect_token(struct sp_connect *c, struct sp_view blob, sp_time now)
{
    struct sp_blob fresh;
    int rc = sp_token_blob_decode(blob, &fresh);
    if (rc != 0)
        return rc;
    forget_init(c);
    c->blob = fresh;
    c->ticket.is_held = false;
    c->addr = 0;
    c->is_token_told = c->wants_token = false;
    c->is_fresh = true;
    /* Whoever issued it knows the time: if it seems to have expired already, it is our time that is wrong. */
    c->is_time_told &= (int64_t)fresh.expires > gateway_time(c, now);
    if (!c->is_time_told && gateway_time(c, now) < (int64_t)fresh.issued) {
        c->time_s = (int64_t)fresh.issued;
        c->time_at = now;
    }
    return 0;
}

void sp_connect_ticket(struct sp_connect *c, const struct sp_frame_ticket *t, sp_time now)
{
    c->ticket.is_held = true;
    c->ticket.unanswered = 0;
    c->ticket.expires_s = gateway_time(c, now) + t->life_s;
    memcpy(c->ticket.bytes, t->ticket, sizeof c->ticket.bytes);
    memcpy(c->ticket.psk, t->psk, sizeof c->ticket.psk);
}

static sp_time backoff(struct sp_connect *c)
{
    const size_t last = sizeof backoff_us / sizeof backoff_us[0] - 1;
    return sp_rng_jitter(c->rng, backoff_us[c->level < last ? c->level : last], WAIT_JITTER);
}

static sp_time spare_wait(struct sp_connect *c)
{
    sp_time wait = c->level < SPARE_LEVELS ? SPARE_WAIT_US << c->level : SPARE_CAP_US;
    return sp_rng_jitter(c->rng, wait, WAIT_JITTER);
}

static void wait_until(struct sp_connect *c, sp_time at)
{
    forget_init(c);
    c->phase = SP_CONNECT_WAIT;
    c->is_spare = false;
    c->next_at = at;
}

void sp_connect_start(struct sp_connect *c, sp_time wait_us, sp_time now)
{
    sp_time least = c->level > 0 && !c->is_spare ? backoff(c) : 0;
    wait_until(c, now + (wait_us > least ? wait_us : least));
}

void sp_connect_later(struct sp_connect *c, sp_time now)
{
    wait_until(c, now + backoff(c));
    c->level++;
}

void sp_connect_spare(struct sp_connect *c, sp_time now)
{
    c->level = 0;
    wait_until(c, now + spare_wait(c));
    c->is_spare = true;
}

void sp_connect_stop(struct sp_connect *c)
{
    forget_init(c);
    c->phase = SP_CONNECT_OFF;
    c->is_spare = false;
    c->next_at = SP_NEVER;
}

void sp_connect_note_confirmed(struct sp_connect *c)
{
    c->level = 0;
}

/* Writes a new INIT, with a new e: a changed INIT never repeats an e (section 2.3, step 2). */
static int build(struct sp_connect *c, struct sp_view cookie, sp_time now)
{
    uint8_t secret[SP_KEY_LEN];
    sp_rng_bytes(c->rng, secret, sizeof secret);
    struct sp_init_fields f = {
        .e_secret = secret,
        .gateway_pk = c->blob.gateway_pk,
        .psk = c->ticket.is_held ? c->ticket.psk : c->blob.psk,
        .token = c->ticket.is_held ? c->ticket.bytes : c->blob.token,
        .time_s = (uint32_t)gateway_time(c, now),
        .cookie = cookie,
    };
    int rc = sp_handshake_init(&c->handshake, c->crypto, &f, c->init, sizeof c->init, &c->init_len);
    c->crypto->wipe(c->crypto->self, secret, sizeof secret);
    c->started = c->copy_at = now;
    c->copies = 0;
    if (rc != 0)
        forget_init(c);
    return rc;
}

/* Drops a ticket that met silence or has expired, and asks for a blob when nothing usable is left.  The
 * blob's end is final only if the time is the gateway's own: a wrong clock must not lock a user out, nor ask
 * for blob after blob faster than one can be tried.  false: an attempt is useless. */
static bool choose_credential(struct sp_connect *c, sp_time now)
{
    int64_t time_s = gateway_time(c, now);
    bool was_fresh = c->is_fresh;
    c->is_fresh = false;
    if (c->ticket.is_held && (c->ticket.unanswered >= TICKET_TRIES || c->ticket.expires_s <= time_s))
        c->ticket.is_held = false;
    if (c->ticket.is_held) {
        c->ticket.unanswered++;
        return true;
    }
    if ((int64_t)c->blob.expires > time_s)
        return true;
    c->wants_token |= !c->is_token_told && (c->is_time_told || !was_fresh);
    return !c->is_time_told;
}

static void begin_attempt(struct sp_connect *c, sp_time now)
{
    if (!choose_credential(c, now)) {
        sp_connect_stop(c);
        return;
    }
    if (c->level > 0)
        c->addr = (c->addr + 1) % c->blob.addrs_n;
    c->retries = 0;
    if (build(c, (struct sp_view){0}, now) != 0) {
        /* The gateway key in the blob is no key. */
        c->wants_token |= !c->is_token_told;
        sp_connect_stop(c);
        return;
    }
    c->phase = SP_CONNECT_TRYING;
    if (c->is_spare) {
        c->level++;
        c->next_at = now + spare_wait(c);
    } else {
        c->next_at = now + backoff(c);
        c->level++;
    }
}

int sp_connect_transmit(struct sp_connect *c, struct sp_datagram *out, sp_time now)
{
    SP_ASSERT(out->cap >= SP_DATAGRAM_MAX);
    if (c->phase != SP_CONNECT_OFF && c->next_at <= now)
        begin_attempt(c, now);
    if (c->init_len == 0 || c->copy_at > now)
        return SP_EAGAIN;
    memcpy(out->p, c->init, c->init_len);
    out->len = c->init_len;
    out->peer = c->blob.addrs[c->addr];
    c->copies++;
    if (c->is_spare || c->copies == COPIES_MAX)
        c->copy_at = SP_NEVER;
    else
        c->copy_at = c->started + sp_rng_jitter(c->rng, copy_after_us[c->copies], COPY_JITTER);
    return 0;
}

int sp_connect_retry(struct sp_connect *c, const uint8_t *p, size_t len, sp_time now)
{
    if (len != SP_RETRY_LEN)
        return SP_EMALFORMED;
    if (c->init_len == 0 || c->retries == RETRIES_MAX)
        return SP_EAUTH;
    if (c->crypto->compare(c->crypto->self, p + 1, c->handshake.e_public, 8) != 0)
        return SP_EAUTH;
    memcpy(c->cookie, p + 9, sizeof c->cookie);
    c->retries++;
    int rc = build(c, (struct sp_view){c->cookie, sizeof c->cookie}, now);
    if (rc != 0)
        return rc;
    /* The copies start again, so the attempt gets the time for them. */
    sp_time least = now + backoff_us[0];
    if (c->next_at < least)
        c->next_at = least;
    return 0;
}

int sp_connect_accept(struct sp_connect *c, uint8_t *p, size_t len, struct sp_connect_session *out,
                      sp_time now)
{
    if (c->init_len == 0)
        return SP_EAUTH;
    int rc = sp_handshake_finish(&c->handshake, p, len, &out->accept, &out->keys);
    if (rc != 0)
        return rc;
    out->peer = c->blob.addrs[c->addr];
    c->time_s = out->accept.time_s;
    c->time_at = now;
    c->is_time_told = true;
    c->ticket.unanswered = 0;
    sp_connect_stop(c);
    return 0;
}

sp_time sp_connect_deadline(const struct sp_connect *c)
{
    if (c->phase == SP_CONNECT_OFF)
        return SP_NEVER;
    return c->copy_at < c->next_at ? c->copy_at : c->next_at;
}

bool sp_connect_take_wants_token(struct sp_connect *c)
{
    bool wants = c->wants_token;
    c->is_token_told |= wants;
    c->wants_token = false;
    return wants;
}
