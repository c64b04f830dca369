#include "stage.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keys.h"
#include "sys.h"

#define TOKEN_LIFE_S 3600

void sp_stage_path(const struct sp_stage *s, const char *name, char *dst, size_t cap)
{
    (void)snprintf(dst, cap, "%s/%s", s->dir, name);
}

/* The port at the end of the address that follows `word` in a child's line; 0: none. */
static unsigned port_after(const char *line, const char *word)
{
    const char *at = strstr(line, word);
    if (at == NULL)
        return 0;
    at += strlen(word);
    const char *end = at + strcspn(at, " \n");
    while (end > at && end[-1] != ':')
        end--;
    return (unsigned)strtoul(end, NULL, 10);
}

int sp_stage_start_gateway(struct sp_stage *s, struct sp_trouble *t)
{
    char listen[64], store[SP_CHILD_PATH_MAX], keys[SP_CHILD_PATH_MAX], admin[SP_CHILD_PATH_MAX],
        log[SP_CHILD_PATH_MAX], line[512], name[32];
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", s->gateway_port);
    (void)snprintf(store, sizeof store, "lmdb:%s/store", s->dir);
    (void)snprintf(name, sizeof name, "gateway%u.log", ++s->gateway_starts);
    sp_stage_path(s, "keys", keys, sizeof keys);
    sp_stage_path(s, "admin", admin, sizeof admin);
    sp_stage_path(s, name, log, sizeof log);
    const char *const args[] = {"--listen", listen,    "--store", store,   "--keys",
                                keys,       "--admin", admin,     "--set", "store.map_size=1GiB",
                                NULL};
    if (sp_child_start(&s->gateway, "sampand", args, log, t) != 0 ||
        sp_child_wait_line(&s->gateway, "ready ", line, sizeof line, t) != 0)
        return -1;
    unsigned port = port_after(line, "listen=");
    if (port == 0)
        return sp_trouble_set(t, SP_EXIT_FAILED, "no port in: %s", line);
    s->gateway_port = port;
    return 0;
}

void sp_stage_kill_gateway(struct sp_stage *s)
{
    sp_child_end(&s->gateway, SIGKILL);
}

/* The relay of the senders (0) or of the receivers (1); *port is where it listens. */
static int start_relay(struct sp_stage *s, unsigned role, unsigned *port, struct sp_trouble *t)
{
    char to[64], loss[32], delay[32], jitter[32], seed[32], events[SP_CHILD_PATH_MAX],
        stats[SP_CHILD_PATH_MAX], log[SP_CHILD_PATH_MAX], line[512], name[32];
    (void)snprintf(to, sizeof to, "127.0.0.1:%u", s->gateway_port);
    (void)snprintf(loss, sizeof loss, "%g", s->cfg.loss);
    (void)snprintf(delay, sizeof delay, "%ums", s->cfg.delay_ms);
    (void)snprintf(jitter, sizeof jitter, "%ums", s->cfg.jitter_ms);
    (void)snprintf(seed, sizeof seed, "%" PRIu64, s->cfg.seed * 2 + role);
    (void)snprintf(name, sizeof name, "drop.%c.events", "ab"[role]);
    sp_stage_path(s, name, events, sizeof events);
    (void)snprintf(name, sizeof name, "drop.%c.stats", "ab"[role]);
    sp_stage_path(s, name, stats, sizeof stats);
    (void)snprintf(name, sizeof name, "drop.%c.log", "ab"[role]);
    sp_stage_path(s, name, log, sizeof log);
    const char *const args[] = {"--listen", "127.0.0.1:0", "--to",        to,         "--loss",
                                loss,       "--delay",     delay,         "--jitter", jitter,
                                "--seed",   seed,          "--event-log", events,     NULL};
    if (sp_child_start(&s->relays[role], "sampan-drop", args, log, t) != 0 ||
        sp_child_wait_line(&s->relays[role], "listen ", line, sizeof line, t) != 0)
        return -1;
    *port = port_after(line, "listen ");
    return *port != 0 ? 0 : sp_trouble_set(t, SP_EXIT_FAILED, "no port in: %s", line);
}

void sp_stage_user_name(unsigned user, char dst[16])
{
    if (user < 2)
        (void)snprintf(dst, 16, "%c", "ab"[user]);
    else
        (void)snprintf(dst, 16, "%c%u", "ab"[user % 2], user / 2 % SP_STAGE_PAIRS_MAX);
}

/* A token file for one user, whose gateway is at `port`. */
static int write_token(struct sp_stage *s, unsigned user, const struct sp_keys *keys, unsigned port,
                       struct sp_trouble *t)
{
    char text[SP_TOKENFILE_MAX], path[SP_CHILD_PATH_MAX], name[32], who[16];
    const struct sp_addr addr = {.ip = {127, 0, 0, 1}, .port = (uint16_t)port, .family = 4};
    const struct sp_tokenfile_order order = {.user = who,
                                             .device = user + 1,
                                             .life_s = TOKEN_LIFE_S,
                                             .rights = SP_RIGHT_SEND | SP_RIGHT_RECEIVE,
                                             .addrs = &addr,
                                             .addrs_n = 1};
    sp_stage_user_name(user, who);
    if (sp_tokenfile_make(keys, &order, (uint32_t)(sp_sys_unix_us() / 1000000), text, sizeof text, t) != 0)
        return -1;
    (void)snprintf(name, sizeof name, "%s.token", who);
    sp_stage_path(s, name, path, sizeof path);
    return sp_files_create_private(path, text, strlen(text), t);
}

int sp_stage_enter(struct sp_stage *s, unsigned user, struct sp_trouble *t)
{
    char token[SP_CHILD_PATH_MAX], state[SP_CHILD_PATH_MAX], name[32], who[16];
    sp_stage_user_name(user, who);
    (void)snprintf(name, sizeof name, "%s.token", who);
    sp_stage_path(s, name, token, sizeof token);
    (void)snprintf(name, sizeof name, "%s.state", who);
    sp_stage_path(s, name, state, sizeof state);
    const struct sp_runner_config cfg = {.token_path = token,
                                         .state_path = state,
                                         .receives = user % 2 == SP_STAGE_B,
                                         .is_volatile = s->cfg.is_volatile,
                                         .outbox_max = 65536};
    if (sp_runner_open(&s->users[user], &cfg, t) != 0)
        return -1;
    s->is_open[user] = true;
    return 0;
}

void sp_stage_leave(struct sp_stage *s, unsigned user)
{
    if (s->is_open[user])
        sp_runner_close(&s->users[user]);
    s->is_open[user] = false;
}

static int build(struct sp_stage *s, struct sp_trouble *t)
{
    char keys_dir[SP_CHILD_PATH_MAX];
    struct sp_keys keys;
    unsigned ports[2];
    sp_stage_path(s, "keys", keys_dir, sizeof keys_dir);
    if (sp_keys_create(keys_dir, t) != 0 || sp_keys_load(keys_dir, &keys, t) != 0)
        return -1;
    int rc = sp_stage_start_gateway(s, t);
    for (unsigned role = 0; rc == 0 && role < 2; role++) {
        ports[role] = s->gateway_port;
        if (!s->cfg.is_direct)
            rc = start_relay(s, role, &ports[role], t);
    }
    for (unsigned u = 0; rc == 0 && u < 2 * s->cfg.pairs; u++) {
        rc = write_token(s, u, &keys, ports[u % 2], t);
        if (rc == 0)
            rc = sp_stage_enter(s, u, t);
    }
    sp_keys_wipe(&keys);
    return rc;
}

int sp_stage_open(struct sp_stage *s, const struct sp_stage_config *cfg, struct sp_trouble *t)
{
    *s = (struct sp_stage){.cfg = *cfg};
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(s->dir, sizeof s->dir, "%s/sampan-demo-XXXXXX",
                   tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    if (mkdtemp(s->dir) == NULL) {
        s->dir[0] = '\0';
        return sp_trouble_set(t, SP_EXIT_IO, "temporary folder: %s", strerror(errno));
    }
    if (build(s, t) == 0)
        return 0;
    sp_stage_close(s);
    return -1;
}

void sp_stage_end_relays(struct sp_stage *s)
{
    for (unsigned role = 0; role < 2; role++)
        sp_child_end(&s->relays[role], SIGTERM);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void sp_stage_close(struct sp_stage *s)
{
    for (unsigned u = 0; u < SP_STAGE_USERS_MAX; u++)
        sp_stage_leave(s, u);
    sp_stage_end_relays(s);
    sp_child_end(&s->gateway, SIGKILL);
    if (s->dir[0] != '\0')
        (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    s->dir[0] = '\0';
}
