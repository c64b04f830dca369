/* Handshake and link of a hand-driven client. */
#include "puppet.h"

#include "ensure.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX  2048
#define CONNECT_MAX (5 * SP_SECOND)

static void write_init(struct sp_puppet *p, struct sp_view cookie)
{
    uint8_t e[32];
    sp_rng_bytes(&p->rng, e, sizeof e);
    struct sp_init_fields f = {.e_secret = e,
                               .gateway_pk = sp_rig_keys(p->rig)->public,
                               .psk = p->psk,
                               .token = p->token,
                               .time_s = (uint32_t)(sp_rig_unix_s(p->rig) + p->clock_off_s),
                               .cookie = cookie,
                               .frames = p->early_frames};
    int err = sp_handshake_init(&p->handshake, sp_rig_glass(p->rig, p->endpoint), &f, p->init, sizeof p->init,
                                &p->init_len);
    SP_ENSURE(err == 0);
    p->wants_init = true;
}

static void start_link(struct sp_puppet *p, sp_time now)
{
    struct sp_link_config cfg = {.role = SP_LINK_CLIENT,
                                 .crypto = sp_rig_glass(p->rig, p->endpoint),
                                 .memory = &p->pools,
                                 .rng = &p->rng,
                                 .keys = {p->keys.up, p->keys.down},
                                 .peer = sp_rig_gateway_addr(),
                                 .is_validated = true,
                                 .early = p->accept.early,
                                 .frames_max = FRAMES_MAX,
                                 .ackdelay_ms = 10,
                                 .keepalive_s = 25,
                                 .inbox = 64};
    memcpy(cfg.cid, p->accept.cid, sizeof cfg.cid);
    sp_link_init(&p->link, &cfg, now);
    p->is_on = true;
}

static void take_accept(struct sp_puppet *p, struct sp_datagram *in, sp_time now)
{
    if (!p->is_waiting || sp_handshake_finish(&p->handshake, in->p, in->len, &p->accept, &p->keys) != 0)
        return;
    p->accepts++;
    p->is_waiting = false;
    if (p->is_on)
        sp_link_wipe(&p->link);
    p->is_closed = false;
    start_link(p, now);
}

static void keep_frame(struct sp_puppet *p, const struct sp_frame *f, sp_time now)
{
    uint8_t bytes[SP_DATAGRAM_MAX];
    size_t len = 0, used = 0;
    SP_ENSURE(sp_wire_encode(f, bytes, sizeof bytes, &len) == 0);
    if (p->frames_n == p->frames_cap) {
        p->frames_cap = p->frames_cap == 0 ? 64 : 2 * p->frames_cap;
        p->frames = realloc(p->frames, p->frames_cap * sizeof(struct sp_puppet_frame *));
        SP_ENSURE(p->frames != NULL);
    }
    struct sp_puppet_frame *kept = calloc(1, sizeof *kept);
    SP_ENSURE(kept != NULL);
    p->frames[p->frames_n++] = kept;
    kept->bytes = malloc(len);
    SP_ENSURE(kept->bytes != NULL);
    memcpy(kept->bytes, bytes, len);
    kept->at = now;
    SP_ENSURE(sp_wire_decode((struct sp_view){kept->bytes, len}, SP_DIR_DOWN, &kept->frame, &used) == 0);
}

static void take_data(struct sp_puppet *p, struct sp_datagram *in, sp_time now)
{
    struct sp_frame f;
    if (!p->is_on || sp_link_receive(&p->link, in, now) != 0)
        return;
    while (sp_link_next(&p->link, &f) == 0)
        keep_frame(p, &f, now);
}

static void receive(void *self, struct sp_datagram *in, sp_time now)
{
    struct sp_puppet *p = self;
    switch (in->p[0]) {
    case SP_FIRST_RETRY:
        p->retries++;
        if (p->is_waiting && !p->cookieless)
            write_init(p, (struct sp_view){in->p + 9, SP_COOKIE_LEN});
        break;
    case SP_FIRST_ACCEPT:
        take_accept(p, in, now);
        break;
    case SP_FIRST_RESET:
        p->resets++;
        break;
    default:
        take_data(p, in, now);
        break;
    }
}

static void keep_sent(struct sp_puppet *p, const struct sp_datagram *d)
{
    if (p->sent_n == SP_PUPPET_SENT_MAX)
        return;
    memcpy(p->sent[p->sent_n].bytes, d->p, d->len);
    p->sent[p->sent_n++].len = d->len;
}

static bool transmit(void *self, struct sp_datagram *out, sp_time now)
{
    struct sp_puppet *p = self;
    if (p->wants_init) {
        p->wants_init = false;
        p->is_waiting = true;
        out->peer = sp_rig_gateway_addr();
        out->len = p->init_len;
        memcpy(out->p, p->init, p->init_len);
        keep_sent(p, out);
        return true;
    }
    if (!p->is_on || sp_link_transmit(&p->link, out, now) != 0)
        return false;
    keep_sent(p, out);
    return true;
}

static sp_time deadline(void *self)
{
    const struct sp_puppet *p = self;
    if (p->wants_init)
        return 0;
    return p->is_on ? sp_link_deadline(&p->link) : SP_NEVER;
}

static void after(void *self, sp_time now)
{
    struct sp_puppet *p = self;
    struct sp_link_event ev;
    (void)now;
    while (p->is_on && sp_link_poll(&p->link, &ev) == 0) {
        if (ev.kind == SP_LINK_CLOSED) {
            p->is_closed = true;
            p->close = ev.close;
        }
    }
}

static const struct sp_rig_ops ops = {receive, transmit, deadline, after};

struct sp_puppet *sp_puppet_create(struct sp_rig *r, const char *user, uint32_t device, uint16_t rights)
{
    struct sp_link_memory_config cfg = {FRAMES_MAX, FRAMES_MAX, FRAMES_MAX, 4 * FRAMES_MAX};
    struct sp_puppet *p = calloc(1, sizeof *p);
    SP_ENSURE(p != NULL);
    p->rig = r;
    p->endpoint = sp_rig_add(r, &ops, p);
    p->sent = calloc(SP_PUPPET_SENT_MAX, sizeof *p->sent);
    p->memory = calloc(1, sp_link_memory_footprint(&cfg));
    SP_ENSURE(p->sent != NULL && p->memory != NULL);
    sp_link_memory_init(&p->pools, p->memory, &cfg);
    uint8_t seed[32];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)sp_rig_draw(r);
    sp_rng_init(&p->rng, sp_rig_crypto(r), seed);
    sp_rig_token(r, user, device, rights, p->token, p->psk);
    sp_rig_trace_name(r, p->endpoint, user);
    return p;
}

void sp_puppet_destroy(struct sp_puppet **puppet)
{
    struct sp_puppet *p = *puppet;
    sp_rig_remove(p->rig, p->endpoint);
    if (p->is_on)
        sp_link_wipe(&p->link);
    for (size_t i = 0; i < p->frames_n; i++) {
        free(p->frames[i]->bytes);
        free(p->frames[i]);
    }
    free(p->frames);
    free(p->sent);
    free(p->memory);
    free(p);
    *puppet = NULL;
}

void sp_puppet_init(struct sp_puppet *p)
{
    write_init(p, (struct sp_view){NULL, 0});
    sp_rig_poke(p->rig, p->endpoint);
}

static bool is_confirmed(void *self)
{
    const struct sp_puppet *p = self;
    struct sp_link_stats st;
    if (!p->is_on || p->is_waiting)
        return false;
    sp_link_read_stats(&p->link, &st);
    return st.packets_received > 0;
}

void sp_puppet_connect(struct sp_puppet *p)
{
    sp_puppet_init(p);
    p->is_waiting = true; /* an older link must not look like the new one */
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, is_confirmed, p, CONNECT_MAX), "no session");
}

void sp_puppet_send(struct sp_puppet *p, const struct sp_frame *f)
{
    SP_ENSURE(sp_link_submit(&p->link, f, 0, sp_rig_now(p->rig)) == 0);
    sp_rig_poke(p->rig, p->endpoint);
}

void sp_puppet_close(struct sp_puppet *p)
{
    sp_link_close(&p->link, SP_CLOSE_BYE, 0, sp_rig_now(p->rig));
    sp_rig_poke(p->rig, p->endpoint);
}

const struct sp_frame *sp_puppet_find(const struct sp_puppet *p, uint8_t kind, size_t n)
{
    for (size_t i = 0; i < p->frames_n; i++) {
        if (p->frames[i]->frame.kind == kind && --n == 0)
            return &p->frames[i]->frame;
    }
    return NULL;
}

size_t sp_puppet_note(const struct sp_puppet *p, uint8_t kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->frames_n; i++)
        n += p->frames[i]->frame.kind == kind;
    return n;
}

struct wish {
    const struct sp_puppet *p;
    uint8_t kind;
    size_t n;
};

static bool is_there(void *self)
{
    const struct wish *w = self;
    return sp_puppet_find(w->p, w->kind, w->n) != NULL;
}

const struct sp_frame *sp_puppet_wait(struct sp_puppet *p, uint8_t kind, size_t n)
{
    struct wish w = {p, kind, n};
    SP_ENSURE_SAY(sp_rig_run_until(p->rig, is_there, &w, CONNECT_MAX),
                  "frame %02x, number %zu, does not come", kind, n);
    return sp_puppet_find(p, kind, n);
}

static struct sp_view view_of(const char *text)
{
    return (struct sp_view){(const uint8_t *)text, strlen(text)};
}

void sp_puppet_send_message(struct sp_puppet *p, uint64_t msgid, uint64_t after_id, const char *to,
                            const char *body)
{
    struct sp_frame f = {.kind = SP_KIND_MSG_R};
    f.u.msg_r.flags = after_id != 0 ? SP_MSG_AFTER : 0;
    f.u.msg_r.msgid.v = msgid;
    f.u.msg_r.after.v = after_id;
    f.u.msg_r.to = view_of(to);
    f.u.msg_r.body = view_of(body);
    sp_puppet_send(p, &f);
}

void sp_puppet_send_pull(struct sp_puppet *p, uint16_t id, uint32_t cursor, uint64_t epoch, uint16_t max,
                         bool confirms)
{
    struct sp_frame f = {.kind = SP_KIND_PULL_R};
    f.u.pull_r = (struct sp_frame_pull_r){
        .flags = confirms ? SP_PULL_CONFIRMS : 0, .id = id, .max = max, .cursor = {cursor}, .epoch = {epoch}};
    sp_puppet_send(p, &f);
}

void sp_puppet_send_ack(struct sp_puppet *p, uint16_t id, uint32_t cursor)
{
    struct sp_frame f = {.kind = SP_KIND_ACK_R};
    f.u.ack_r = (struct sp_frame_ack_r){.kind = SP_ACK_R_DELIVERED, .id = id, .cursor = {cursor}};
    sp_puppet_send(p, &f);
}

void sp_puppet_send_status(struct sp_puppet *p, uint16_t id, uint64_t msgid)
{
    struct sp_frame f = {.kind = SP_KIND_STATUS_R};
    f.u.status_r.id = id;
    f.u.status_r.n = 1;
    f.u.status_r.msgids[0].v = msgid;
    sp_puppet_send(p, &f);
}
