#include "server.h"

#include <sampan/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "counters.h"
#include "crypto_sodium.h"
#include "keys.h"
#include "notify.h"
#include "paths.h"
#include "sys.h"
#include "text.h"

#define ADDRS_MAX  8
#define REASON_MAX 256

static const struct sp_config_value *value(const struct sp_server *s, enum sp_config_key key)
{
    return &s->config.of[key];
}

static uint32_t whole_seconds(const struct sp_config_value *v)
{
    return (uint32_t)(v->number / (uint64_t)SP_SECOND);
}

/* --- opening
 * ------------------------------------------------------------------------------------------------- */

int sp_server_resolve(const struct sp_config *c, struct sp_addr *out, struct sp_trouble *t)
{
    const struct sp_config_value *listen = &c->of[SP_CONFIG_LISTEN];
    struct sp_addr addrs[ADDRS_MAX];
    size_t n = 0, at = 0;
    if (sp_addr_resolve(listen->text, addrs, ADDRS_MAX, &n, t) != 0) {
        t->code = SP_EXIT_CONFIG;
        return -1;
    }
    for (size_t i = n; i-- > 0;) /* the first IPv4 one, as sampan-drop does; else the first */
        if (addrs[i].family == 4)
            at = i;
    if (c->of[SP_CONFIG_KEYS].source == SP_CONFIG_DEFAULT && !sp_addr_is_loopback(&addrs[at]))
        return sp_trouble_set(
            t, SP_EXIT_CONFIG,
            "%s: listen: %s is not a loopback address, so --keys DIR must name a key folder made by "
            "'sampan keygen DIR'",
            listen->origin, listen->text);
    *out = addrs[at];
    return 0;
}

/* The folder that default places are in. */
static int make_state_dir(struct sp_trouble *t)
{
    char dir[SP_FILES_PATH_MAX];
    return sp_paths_state(dir, sizeof dir, t) == 0 ? sp_files_make_dir(dir, t) : -1;
}

/* Reads the keys; in the default place they are made when there are none. */
static int load_keys(const struct sp_server *s, struct sp_keys *out, struct sp_trouble *t)
{
    const struct sp_config_value *dir = value(s, SP_CONFIG_KEYS);
    if (dir->source == SP_CONFIG_DEFAULT && !sp_keys_is_there(dir->text) &&
        (make_state_dir(t) != 0 || sp_keys_create(dir->text, t) != 0))
        return -1;
    return sp_keys_load(dir->text, out, t);
}

static enum sp_exit store_exit(int err)
{
    switch (err) {
    case SP_EINVAL:
        return SP_EXIT_CONFIG;
    case SP_EBUSY:
        return SP_EXIT_UNKNOWN;
    case SP_EVERSION:
    case SP_ECORRUPT:
        return SP_EXIT_DAMAGED;
    default:
        return SP_EXIT_IO;
    }
}

static int open_store(struct sp_server *s, struct sp_trouble *t)
{
    const struct sp_config_value *url = value(s, SP_CONFIG_STORE);
    char reason[REASON_MAX] = "";
    const struct sp_store_config cfg = {
        .map_size = value(s, SP_CONFIG_MAP_SIZE)->number,
        .mailbox_count = (uint32_t)value(s, SP_CONFIG_MAILBOX_COUNT)->number,
        .mailbox_bytes = value(s, SP_CONFIG_MAILBOX_BYTES)->number,
        .dedup_keep_us = (int64_t)value(s, SP_CONFIG_DEDUP_KEEP)->number,
        .reason = reason,
        .reason_cap = sizeof reason,
    };
    int err = 0;
    if (url->source == SP_CONFIG_DEFAULT && make_state_dir(t) != 0)
        return -1;
    err = sp_store_open(&s->store, url->text, &cfg);
    if (err == 0)
        err = sp_store_attach(s->store, &s->port);
    if (err != 0)
        return sp_trouble_set(t, store_exit(err), "store %s: %s%s%s", url->text, sp_err_text(err),
                              reason[0] != '\0' ? ": " : "", reason);
    return 0;
}

static int create_gateway(struct sp_server *s, const struct sp_keys *keys, struct sp_trouble *t)
{
    struct sp_gateway_config cfg = {
        .crypto = sp_crypto_sodium(),
        .witness = sp_chronicle_witness(&s->chronicle),
        .unix_us = sp_sys_unix_us(),
        .sessions_max = (size_t)value(s, SP_CONFIG_SESSIONS)->number,
        .message_ttl_s = whole_seconds(value(s, SP_CONFIG_MESSAGE_TTL)),
        .mailbox_count = (uint32_t)value(s, SP_CONFIG_MAILBOX_COUNT)->number,
        .mailbox_bytes = (uint32_t)value(s, SP_CONFIG_MAILBOX_BYTES)->number,
        .session_life_s = whole_seconds(value(s, SP_CONFIG_SESSION_LIFE)),
    };
    int err = 0;
    memcpy(cfg.keys.secret, keys->secret, sizeof cfg.keys.secret);
    memcpy(cfg.keys.public, keys->public, sizeof cfg.keys.public);
    memcpy(s->public, keys->public, sizeof s->public);
    cfg.keys.tokens = keys->tokens;
    cfg.keys.cids = keys->cids;
    sp_sys_random(cfg.seed, sizeof cfg.seed);
    err = sp_gateway_create(&s->gateway, &cfg, s->port, sp_sys_now());
    cfg.crypto->wipe(cfg.crypto->self, &cfg.keys, sizeof cfg.keys);
    cfg.crypto->wipe(cfg.crypto->self, cfg.seed, sizeof cfg.seed);
    if (err == SP_EFULL)
        return sp_trouble_set(t, SP_EXIT_IO, "no memory for session.max = %s sessions",
                              value(s, SP_CONFIG_SESSIONS)->text);
    if (err != 0)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "the gateway refuses its configuration: %s",
                              sp_err_text(err));
    return 0;
}

static size_t answer(void *self, const char *question, char *dst, size_t cap)
{
    const struct sp_server *s = self;
    return strcmp(question, "stat") == 0 ? sp_counters_print(s, dst, cap) : 0;
}

/* Two gateways of one user without --admin must not fight for the default place: the second goes without. */
static int open_admin(struct sp_server *s, struct sp_trouble *t)
{
    const struct sp_config_value *path = value(s, SP_CONFIG_ADMIN);
    if (sp_admin_open(&s->admin, path->text, s->ev, answer, s, t) == 0)
        return 0;
    if (path->source != SP_CONFIG_DEFAULT)
        return -1;
    SP_LOG(&s->log, SP_LOG_WARN, "no-admin", SP_LOG_S("reason", t->text),
           SP_LOG_S("hint", "give --admin SOCKET"));
    return 0;
}

static int open_parts(struct sp_server *s, struct sp_trouble *t)
{
    struct sp_addr at;
    struct sp_keys keys;
    int result = -1;
    if (sp_crypto_sodium() == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "libsodium cannot be initialized");
    if (sp_server_resolve(&s->config, &at, t) != 0 || sp_udp_open(&s->udp, &at, t) != 0 ||
        load_keys(s, &keys, t) != 0)
        return -1;
    if (open_store(s, t) == 0 &&
        sp_chronicle_open(&s->chronicle, value(s, SP_CONFIG_HISTORY)->text, &s->log, t) == 0)
        result = create_gateway(s, &keys, t);
    sp_keys_wipe(&keys);
    if (result != 0)
        return -1;
    /* NOENV: no variable may choose another way of waiting than the one that is tested. */
    s->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (s->ev == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "epoll is not available");
    return open_admin(s, t);
}

/* --- running
 * ------------------------------------------------------------------------------------------------- */

static void end(struct sp_server *s, int code)
{
    if (s->code == SP_EXIT_OK)
        s->code = code;
    ev_break(s->ev, EVBREAK_ALL);
}

/* First: drain.  Again: commit, which closing the store does, and go. */
static void on_stop(struct ev_loop *ev, ev_signal *w, int events)
{
    struct sp_server *s = w->data;
    uint32_t drain_s = whole_seconds(value(s, SP_CONFIG_DRAIN));
    (void)ev;
    (void)events;
    if (s->loop.is_draining) {
        SP_LOG(&s->log, SP_LOG_INFO, "stop-now", SP_LOG_N("sessions", sp_gateway_sessions(s->gateway)));
        end(s, SP_EXIT_OK);
        return;
    }
    SP_LOG(&s->log, SP_LOG_INFO, "drain", SP_LOG_N("sessions", sp_gateway_sessions(s->gateway)),
           SP_LOG_N("within_s", drain_s));
    sp_notify_send("STOPPING=1");
    sp_loop_drain(&s->loop, drain_s);
}

static void on_summary(struct ev_loop *ev, ev_signal *w, int events)
{
    (void)ev;
    (void)events;
    sp_counters_log(w->data);
}

/* Whether a reload may apply this value.  Messages must not outlive the store's memory of their ids, which
 * only a restart can lengthen. */
static bool may_change(const struct sp_server *s, size_t key, const struct sp_config_value *fresh)
{
    return sp_config_option((enum sp_config_key)key)->reload &&
           (key != SP_CONFIG_MESSAGE_TTL || fresh->number <= value(s, SP_CONFIG_DEDUP_KEEP)->number);
}

/* Takes over what may change while running and names what may not. */
static unsigned adopt(struct sp_server *s, const struct sp_config *fresh)
{
    unsigned changed = 0;
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        const struct sp_config_value *v = &fresh->of[i];
        if (strcmp(s->config.of[i].text, v->text) == 0)
            continue;
        if (may_change(s, i, v)) {
            s->config.of[i] = *v;
            changed++;
        } else {
            SP_LOG(&s->log, SP_LOG_INFO, "needs-restart",
                   SP_LOG_S("key", sp_config_option((enum sp_config_key)i)->name),
                   SP_LOG_S("value", v->text));
        }
    }
    return changed;
}

/* Everything was read and is fine: one step from the old to the new. */
static void apply(struct sp_server *s, const struct sp_config *fresh, const struct sp_token_keys *tokens)
{
    unsigned changed = adopt(s, fresh);
    struct sp_gateway_change change = {
        .tokens = *tokens,
        .message_ttl_s = whole_seconds(value(s, SP_CONFIG_MESSAGE_TTL)),
        .session_life_s = whole_seconds(value(s, SP_CONFIG_SESSION_LIFE)),
    };
    (void)sp_gateway_change(s->gateway, &change); /* in range: the configuration and the keys were checked */
    sp_crypto_sodium()->wipe(NULL, &change, sizeof change);
    s->log.level = (enum sp_log_level)value(s, SP_CONFIG_LOG_LEVEL)->number;
    SP_LOG(&s->log, SP_LOG_INFO, "reloaded", SP_LOG_N("changed", changed), SP_LOG_N("token_keys", tokens->n));
}

/* The second half of a reload: the token keys in the folder, which must still be that of this gateway. */
static void reload_keys(struct sp_server *s, const struct sp_config *fresh)
{
    struct sp_keys keys;
    struct sp_trouble t;
    if (sp_keys_load(value(s, SP_CONFIG_KEYS)->text, &keys, &t) != 0) {
        SP_LOG(&s->log, SP_LOG_ERR, "not-reloaded", SP_LOG_S("reason", t.text));
        return;
    }
    if (memcmp(keys.public, s->public, sizeof s->public) == 0)
        apply(s, fresh, &keys.tokens);
    else
        SP_LOG(&s->log, SP_LOG_ERR, "not-reloaded",
               SP_LOG_S("reason", "gateway.key is another one; restart"));
    sp_keys_wipe(&keys);
}

static void on_reload(struct ev_loop *ev, ev_signal *w, int events)
{
    struct sp_server *s = w->data;
    struct sp_config *fresh = calloc(1, sizeof *fresh);
    struct sp_config_problems *problems = calloc(1, sizeof *problems);
    (void)ev;
    (void)events;
    if (fresh == NULL || problems == NULL)
        SP_LOG(&s->log, SP_LOG_ERR, "not-reloaded", SP_LOG_S("reason", "no memory"));
    else if (s->reread(s->reread_self, fresh, problems))
        reload_keys(s, fresh);
    else
        SP_LOG(&s->log, SP_LOG_ERR, "not-reloaded", SP_LOG_S("reason", problems->text[0]),
               SP_LOG_N("more", problems->n + problems->more - 1));
    free(fresh);
    free(problems);
}

/* Twice a second: a store that has failed ends the process, so that no promise is given that it cannot keep.
 */
static void on_tick(void *self, sp_time now)
{
    struct sp_server *s = self;
    struct sp_store_stats stats;
    sp_store_stats(s->store, &stats);
    if (stats.failed) {
        SP_LOG(&s->log, SP_LOG_ERR, "store-failed", SP_LOG_S("store", value(s, SP_CONFIG_STORE)->text));
        end(s, SP_EXIT_IO);
    }
    if (s->admin != NULL)
        sp_admin_tick(s->admin, now);
    if (s->watch_us > 0)
        sp_notify_send("WATCHDOG=1");
    sp_log_tick(&s->log, sp_sys_unix_us());
}

static void on_before_send(void *self)
{
    struct sp_server *s = self;
    sp_chronicle_flush(&s->chronicle);
}

static void watch(struct sp_server *s, ev_signal *w, int number,
                  void (*call)(struct ev_loop *, ev_signal *, int))
{
    ev_signal_init(w, call, number);
    w->data = s;
    ev_signal_start(s->ev, w);
}

static void start_watching(struct sp_server *s)
{
    const char *watchdog = getenv("WATCHDOG_USEC");
    uint64_t us = 0;
    if (watchdog != NULL && sp_text_number(watchdog, 1, UINT32_MAX, &us))
        s->watch_us = (unsigned)us;
    watch(s, &s->stop_term, SIGTERM, on_stop);
    watch(s, &s->stop_int, SIGINT, on_stop);
    watch(s, &s->reload, SIGHUP, on_reload);
    watch(s, &s->summary, SIGUSR1, on_summary);
    s->loop.ev = s->ev;
    s->loop.gateway = s->gateway;
    s->loop.port = s->port;
    s->loop.udp = s->udp;
    s->loop.tick = on_tick;
    s->loop.before_send = on_before_send;
    s->loop.self = s;
    sp_loop_start(&s->loop);
}

/* The line that scripts wait for: always of this shape, whatever the format of the log. */
static void tell_ready(const struct sp_server *s)
{
    char at[SP_ADDR_TEXT_MAX];
    struct sp_addr listen = sp_udp_at(s->udp);
    sp_addr_print(&listen, at, sizeof at);
    (void)fprintf(stderr, "ready listen=%s admin=%s store=%s keys=%s version=%s\n", at,
                  s->admin != NULL ? value(s, SP_CONFIG_ADMIN)->text : "-", value(s, SP_CONFIG_STORE)->text,
                  value(s, SP_CONFIG_KEYS)->text, SAMPAN_VERSION);
    sp_notify_send("READY=1");
}

int sp_server_open(struct sp_server *s, struct sp_trouble *t)
{
    s->started = sp_sys_now();
    sp_log_init(&s->log, 2, (enum sp_log_level)value(s, SP_CONFIG_LOG_LEVEL)->number);
    if (open_parts(s, t) != 0) {
        sp_server_close(s);
        return -1;
    }
    start_watching(s);
    tell_ready(s);
    return 0;
}

int sp_server_run(struct sp_server *s)
{
    sp_loop_run(&s->loop);
    SP_LOG(&s->log, SP_LOG_INFO, "stopped", SP_LOG_N("code", s->code),
           SP_LOG_N("sessions", sp_gateway_sessions(s->gateway)));
    return s->code;
}

void sp_server_close(struct sp_server *s)
{
    if (s->loop.ev != NULL) {
        sp_loop_stop(&s->loop);
        ev_signal_stop(s->ev, &s->stop_term);
        ev_signal_stop(s->ev, &s->stop_int);
        ev_signal_stop(s->ev, &s->reload);
        ev_signal_stop(s->ev, &s->summary);
    }
    sp_admin_close(&s->admin);
    if (s->gateway != NULL)
        sp_gateway_destroy(&s->gateway);
    sp_chronicle_close(&s->chronicle, s->loop.ev != NULL && s->code == SP_EXIT_OK);
    sp_store_close(&s->store);
    sp_udp_close(&s->udp);
    if (s->ev != NULL)
        ev_loop_destroy(s->ev);
    s->ev = NULL;
    sp_log_tick(&s->log, INT64_MAX);
}
