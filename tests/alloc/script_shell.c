/* Scripts over the parts of sampand, and over the core's and the client's start. */
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <sampan/client.h>
#include <sampan/err.h>

#include "crypto_sodium.h"
#include "fail.h"
#include "gateway.h"
#include "keys.h"
#include "local_memory.h"
#include "script.h"
#include "server.h"
#include "store.h"
#include "token.h"

enum { PATH = 100 };

static const char *place(const char *name)
{
    static char path[PATH];
    int n = snprintf(path, sizeof path, "%s/%s", script_dir(), name);
    MUST(n > 0 && n < PATH);
    return path;
}

/* ---- configuration ---- */

static const struct sp_config_places places = {.store = "mem:", .keys = "/keys", .admin = "/admin"};

/* All of the file, or a complaint. */
static bool config_file(void)
{
    static struct sp_config c;
    static struct sp_config_problems p;
    static const char file[] = "mailbox: {count: 7, bytes: 1MiB}\ndrain: \"5s\"\nkeys: 'a b'\n";
    memset(&p, 0, sizeof p);
    sp_config_init(&c, &places);
    sp_config_take_file(&c, "file", file, sizeof file - 1, &p);
    bool is_whole = c.of[SP_CONFIG_MAILBOX_COUNT].number == 7 &&
                    strcmp(c.of[SP_CONFIG_KEYS].text, "a b") == 0 &&
                    c.of[SP_CONFIG_DRAIN].number == 5 * SP_SECOND;
    MUST(is_whole ? p.n == 0 : p.n > 0 && script_failing() > 0);
    return is_whole;
}

/* ---- admin socket ---- */

static size_t give(void *self, const char *question, char *dst, size_t cap)
{
    (void)self;
    return strcmp(question, "stat") == 0 ? (size_t)snprintf(dst, cap, "turns 5\n") : 0;
}

/* libev ends the process when it gets no memory, as it says: its own memory does not fail here. */
static void *ev_memory(void *p, long n)
{
    return spare_realloc(p, (size_t)n);
}

static void use_ev(void)
{
    ev_set_allocator(ev_memory);
}

static bool admin_ask(void)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_POLL);
    struct sp_admin *admin = NULL;
    struct sp_trouble t;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char answer[64] = "";
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", place("admin"));
    int err = sp_admin_open(&admin, at.sun_path, loop, give, NULL, &t);
    MUST(err == 0 || (script_failing() > 0 && t.code == SP_EXIT_IO));
    if (err == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(connect(fd, (const struct sockaddr *)&at, sizeof at) == 0);
        MUST(send(fd, "stat\n", 5, MSG_NOSIGNAL) == 5);
        for (unsigned i = 0; i < 5; i++)
            (void)ev_run(loop, EVRUN_NOWAIT);
        MUST(recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT) == 8);
        (void)close(fd);
    }
    sp_admin_close(&admin);
    ev_loop_destroy(loop);
    return err == 0;
}

/* ---- a whole server ---- */

static void make_keys(void)
{
    struct sp_trouble t;
    MUST(sp_keys_create(place("keys"), &t) == 0);
    use_ev();
}

static bool same(void *self, struct sp_config *out, struct sp_config_problems *p)
{
    (void)self;
    (void)out;
    (void)p;
    return false;
}

static void set(struct sp_config *c, const char *name, const char *value)
{
    static struct sp_config_problems p;
    sp_config_set(c, name, value, SP_CONFIG_FLAG, "test", &p);
    MUST(p.n == 0);
}

static bool server_open(void)
{
    static struct sp_server s;
    struct sp_trouble t = {.code = 0};
    memset(&s, 0, sizeof s);
    sp_config_init(&s.config, &places);
    set(&s.config, "listen", "127.0.0.1:0");
    set(&s.config, "store", "mem:");
    set(&s.config, "session.max", "20");
    set(&s.config, "keys", place("keys"));
    set(&s.config, "admin.socket", place("server-admin"));
    set(&s.config, "log.level", "err");
    s.reread = same;
    int log = dup(STDERR_FILENO), nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(nothing, STDERR_FILENO); /* its greeting, many times */
    int err = sp_server_open(&s, &t);
    (void)dup2(log, STDERR_FILENO);
    (void)close(log);
    (void)close(nothing);
    MUST(err == 0 || (script_failing() > 0 && t.code == SP_EXIT_IO));
    if (err == 0)
        sp_server_close(&s);
    return err == 0;
}

/* ---- the core and the client ---- */

static bool gateway_create(void)
{
    struct sp_store *store = NULL;
    struct sp_store_port *port = NULL;
    struct sp_gateway *g = NULL;
    struct sp_gateway_config cfg = {.crypto = sp_crypto_sodium(),
                                    .unix_us = INT64_C(1700000000000000),
                                    .sessions_max = 8,
                                    .half_open_max = 4,
                                    .frames_max = 64};
    cfg.keys.tokens.n = 1;
    cfg.keys.secret[0] = 1;
    sp_crypto_sodium()->x25519_base(NULL, cfg.keys.public, cfg.keys.secret);
    int err = sp_store_open(&store, "mem:", NULL);
    if (err == 0)
        err = sp_store_attach(store, &port);
    if (err == 0)
        err = sp_gateway_create(&g, &cfg, port, SP_SECOND);
    MUST(err == 0 || script_failing() > 0);
    MUST(err == 0 || g == NULL);
    sp_gateway_destroy(&g);
    sp_store_close(&store);
    return err == 0;
}

static size_t write_blob(uint8_t *dst, size_t cap)
{
    struct sp_blob b = {.issued = 1700000000, .expires = 1700086400, .addrs_n = 1};
    size_t len = 0;
    b.gateway_pk[0] = 9;
    b.addrs[0] = (struct sp_addr){.ip = {10, 0, 0, 1}, .port = 7400, .family = 4};
    MUST(sp_token_blob_encode(&b, dst, cap, &len) == 0);
    return len;
}

/* A client with a message in its outbox. */
static bool use_client(const struct sp_client_config *cfg, void *memory, size_t len)
{
    struct sp_client *client = NULL;
    struct sp_outgoing m = {.to = {(const uint8_t *)"bob", 3}, .body = {(const uint8_t *)"hello", 5}};
    struct sp_msgid id;
    int err = sp_client_init(&client, memory, len, cfg, SP_SECOND);
    MUST(err == 0 || script_failing() > 0);
    if (err != 0)
        return false;
    err = sp_client_submit(client, &m, &id, SP_SECOND);
    MUST(err == 0 || (err == SP_EIO && script_failing() > 0));
    if (err != 0) { /* storage is tried again once a second, when the client is asked for datagrams */
        uint8_t room[SP_DATAGRAM_MAX];
        struct sp_datagram out = {.p = room, .cap = sizeof room};
        (void)sp_client_transmit(client, &out, 3 * SP_SECOND);
        MUST(sp_client_submit(client, &m, &id, 3 * SP_SECOND) == 0);
    }
    MUST(sp_client_waiting(client) == 1);
    sp_client_wipe(client);
    return true;
}

static bool client_submit(void)
{
    struct sp_local local;
    uint8_t blob[SP_BLOB_MAX];
    if (sp_local_memory_open(&local) != 0) {
        MUST(script_failing() > 0);
        return false;
    }
    struct sp_client_config cfg = {.crypto = sp_crypto_sodium(),
                                   .local = &local,
                                   .user = {{(const uint8_t *)"ann", 3}},
                                   .device = 5,
                                   .unix_s = 1700000000,
                                   .receives = true};
    cfg.blob = (struct sp_view){blob, write_blob(blob, sizeof blob)};
    size_t len = sp_client_footprint(&cfg);
    void *memory = malloc(len);
    bool ok = memory != NULL && use_client(&cfg, memory, len);
    free(memory);
    sp_local_memory_close(&local);
    return ok;
}

const struct script script_shell[] = {
    {"config-file", NULL, config_file},      {"admin-ask", use_ev, admin_ask},
    {"server-open", make_keys, server_open}, {"gateway-create", NULL, gateway_create},
    {"client-submit", NULL, client_submit},
};
const unsigned script_shell_n = sizeof script_shell / sizeof script_shell[0];
