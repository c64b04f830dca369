/* The gateway of a rig: its store, its deaths and starts, its counters, tokens for it. */
#include "rig_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the gateway ---- */

void sp_rig_open_store(struct sp_rig *r)
{
    char reason[256] = "";
    struct sp_store_config limits = r->cfg.limits;
    limits.manual = true;
    limits.reason = reason;
    limits.reason_cap = sizeof reason;
    int err = sp_store_open(&r->store, r->cfg.store, &limits);
    SP_ENSURE_SAY(err == 0, "%s: %d %s", r->cfg.store, err, reason);
}

static int64_t wall_us(const struct sp_rig *r)
{
    return sp_rig_unix_s(r) * 1000000 + r->now % SP_SECOND + r->wall_off_us;
}

void sp_rig_kill_gateway(struct sp_rig *r)
{
    sp_gateway_destroy(&r->gateway);
    r->rest.wake_at = SP_NEVER;
    r->rest.paused_until = 0;
    r->is_hanging = false;
    r->doom.left = 0;
}

void sp_rig_doom_gateway(struct sp_rig *r, uint64_t points, sp_rig_call *fn, void *self)
{
    r->doom = (struct doom){points + 1, fn, self};
}

void sp_rig_drain_gateway(struct sp_rig *r, unsigned over_s)
{
    sp_gateway_drain(r->gateway, over_s, r->now);
    r->rest.wake_at = r->now;
    sp_rig_book(r, &r->rest, GATEWAY);
}

void sp_rig_save_gateway(struct sp_rig *r)
{
    r->doom.left = 0;
    if (r->rest.paused_until > r->now) {
        r->rest.paused_until = r->rest.wake_at = r->now;
        sp_agenda_hasten(&r->agenda, GATEWAY, r->now); /* what waits in its socket, and what is on its way */
        sp_rig_book(r, &r->rest, GATEWAY);
    }
}

void sp_rig_set_wall(struct sp_rig *r, int64_t off_us)
{
    r->wall_off_us = off_us;
    if (r->gateway != NULL)
        sp_gateway_wall(r->gateway, wall_us(r), r->now);
}

struct sp_store *sp_rig_store(struct sp_rig *r)
{
    return r->store;
}

void sp_rig_hang_gateway(struct sp_rig *r)
{
    r->is_hanging = true;
}

void sp_rig_set_limits(struct sp_rig *r, const struct sp_store_config *limits)
{
    r->cfg.limits = *limits;
}

unsigned sp_rig_note_x25519(const struct sp_rig *r)
{
    return r->glass.x25519_n;
}

void sp_rig_start_gateway(struct sp_rig *r, bool reopen)
{
    SP_ENSURE(r->gateway == NULL);
    if (reopen) {
        sp_store_close(&r->store);
        sp_rig_open_store(r);
    }
    SP_ENSURE(sp_store_attach(r->store, &r->port) == 0);
    struct sp_gateway_config cfg = r->cfg.gateway;
    cfg.unix_us = wall_us(r);
    sp_rig_draw_bytes(r, cfg.seed, sizeof cfg.seed);
    SP_ENSURE(sp_gateway_create(&r->gateway, &cfg, r->port, r->now) == 0);
    sp_rig_turn_gateway(r);
}

struct sp_gateway *sp_rig_gateway(struct sp_rig *r)
{
    return r->gateway;
}

struct sp_store_port *sp_rig_port(struct sp_rig *r)
{
    return r->port;
}

static uint64_t drops_of(const struct sp_stats *st)
{
    uint64_t sum = 0;
#define ADD(name, help)                                                                                      \
    if (strncmp(#name, "drop_", 5) == 0)                                                                     \
        sum += st->name;
    SP_STATS(ADD)
#undef ADD
    return sum;
}

struct sp_stats sp_rig_stats(struct sp_rig *r)
{
    struct sp_stats st;
    sp_gateway_read_stats(r->gateway, &st);
    SP_ENSURE_SAY(st.datagrams_received == st.datagrams_accepted + drops_of(&st),
                  "a datagram is not accounted for");
    return st;
}

/* ---- tokens ---- */

void sp_rig_token(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights,
                  uint8_t token[SP_TOKEN_LEN], uint8_t psk[SP_KEY_LEN])
{
    const struct sp_gateway_keys *k = &r->cfg.gateway.keys;
    struct sp_token t = {.issued = (uint32_t)sp_rig_unix_s(r),
                         .expires = (uint32_t)sp_rig_unix_s(r) + r->cfg.token_life_s,
                         .device = device,
                         .rights = rights,
                         .uid_len = (uint8_t)strlen(user)};
    uint8_t nonce[24];
    sp_rig_draw_bytes(r, nonce, sizeof nonce);
    sp_rig_draw_bytes(r, psk, SP_KEY_LEN);
    sp_rig_draw_bytes(r, t.token_id, sizeof t.token_id);
    memcpy(t.psk, psk, SP_KEY_LEN);
    memcpy(t.uid, user, strlen(user));
    int err = sp_token_seal(r->crypto, &t, k->tokens.of[0].kid, k->tokens.of[0].key, nonce, k->public, token);
    SP_ENSURE(err == 0);
}

size_t sp_rig_blob(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights, uint8_t *dst,
                   size_t cap)
{
    struct sp_blob b = {.issued = (uint32_t)sp_rig_unix_s(r),
                        .expires = (uint32_t)sp_rig_unix_s(r) + r->cfg.token_life_s,
                        .addrs_n = 1,
                        .addrs = {sp_rig_gateway_addr()}};
    size_t len = 0;
    sp_rig_token(r, user, device, rights, b.token, b.psk);
    memcpy(b.gateway_pk, r->cfg.gateway.keys.public, sizeof b.gateway_pk);
    SP_ENSURE(sp_token_blob_encode(&b, dst, cap, &len) == 0);
    return len;
}
