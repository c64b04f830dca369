#include "runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "crypto_sodium.h"
#include "local_lmdb.h"
#include "local_memory.h"
#include "sys.h"
#include "text.h"
#include "wire.h"

#define RECEIVES_PER_TURN 256 /* datagrams taken before due ones are sent again */

static volatile sig_atomic_t told_to_end;

static void on_end(int sig)
{
    (void)sig;
    told_to_end = 1;
}

void sp_runner_signals(void)
{
    struct sigaction sa = {.sa_handler = on_end};
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGINT, &sa, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

bool sp_runner_is_told_to_end(void)
{
    return told_to_end != 0;
}

/* A socket of the address family of the token's first address; the kernel chooses the port. */
static int open_socket(struct sp_runner *r, struct sp_trouble *t)
{
    int family = r->token.parsed.addrs[0].family == 6 ? AF_INET6 : AF_INET;
    r->fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->fd < 0)
        return sp_trouble_set(t, SP_EXIT_IO, "socket: %s", strerror(errno));
    int size = 1 << 20;
    (void)setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return 0;
}

static int open_state(struct sp_runner *r, const struct sp_runner_config *cfg, struct sp_trouble *t)
{
    char user[SP_USER_MAX + 1];
    if (cfg->is_volatile)
        return sp_local_memory_open(&r->local) == 0
                   ? 0
                   : sp_trouble_set(t, SP_EXIT_IO, "no memory for the state");
    memcpy(user, r->token.user, r->token.user_len);
    user[r->token.user_len] = '\0';
    int rc = sp_local_lmdb_open(&r->local, cfg->state_path, user, r->token.device);
    enum sp_exit code = rc == SP_EBUSY        ? SP_EXIT_UNKNOWN
                        : rc == SP_EFORBIDDEN ? SP_EXIT_REFUSED
                        : rc == SP_ECORRUPT   ? SP_EXIT_DAMAGED
                                              : SP_EXIT_IO;
    if (rc != 0)
        return sp_trouble_set(t, code, "state folder %s: %s%s", cfg->state_path,
                              rc == SP_EBUSY        ? "in use by another process"
                              : rc == SP_EFORBIDDEN ? "belongs to another user or device"
                                                    : sp_err_text(rc),
                              rc == SP_EBUSY ? ", try again" : "");
    return 0;
}

/* Begins the history and tells of every message that an earlier run left. */
static int remember(struct sp_runner *r, const struct sp_runner_config *cfg, struct sp_trouble *t)
{
    struct sp_outgoing m = {0};
    if (sp_diary_open(&r->diary, cfg->history, cfg->want, &r->token, &r->local, t) != 0)
        return -1;
    while (cfg->remembered != NULL && r->local.next(r->local.self, m.msgid, &m) == 0) {
        sp_diary_remembered(&r->diary, &m);
        cfg->remembered(cfg->self, &m);
    }
    return 0;
}

static int open_client(struct sp_runner *r, const struct sp_runner_config *cfg, struct sp_trouble *t)
{
    struct sp_client_config c = {.crypto = sp_crypto_sodium(),
                                 .local = &r->local,
                                 .user = {{r->token.user, r->token.user_len}},
                                 .device = r->token.device,
                                 .blob = {r->token.blob, r->token.blob_len},
                                 .unix_s = sp_sys_unix_us() / 1000000,
                                 .receives = cfg->receives,
                                 .outbox_max = cfg->outbox_max};
    if (c.crypto == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "libsodium does not start");
    sp_sys_random(c.seed, sizeof c.seed);
    size_t len = sp_client_footprint(&c);
    r->mem = malloc(len);
    if (len == 0 || r->mem == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "no memory for the client");
    int rc = sp_client_init(&r->client, r->mem, len, &c, sp_sys_now());
    memset(c.seed, 0, sizeof c.seed);
    if (rc != 0)
        return sp_trouble_set(t, rc == SP_ECORRUPT ? SP_EXIT_DAMAGED : SP_EXIT_CONFIG, "client: %s",
                              sp_err_text(rc));
    return 0;
}

int sp_runner_open(struct sp_runner *r, const struct sp_runner_config *cfg, struct sp_trouble *t)
{
    *r = (struct sp_runner){.fd = -1, .is_volatile = cfg->is_volatile};
    if (sp_tokenfile_read(cfg->token_path, &r->token, t) != 0)
        return -1;
    if (open_state(r, cfg, t) != 0 || remember(r, cfg, t) != 0 || open_socket(r, t) != 0 ||
        open_client(r, cfg, t) != 0) {
        sp_runner_close(r);
        return -1;
    }
    return 0;
}

/* Sends everything that is due.  A datagram the system does not take is lost like any other: the client
 * repeats. */
int sp_runner_flush(struct sp_runner *r, struct sp_trouble *t)
{
    uint8_t buf[SP_DATAGRAM_MAX];
    for (;;) {
        struct sp_datagram d = {.p = buf, .cap = sizeof buf};
        int rc = sp_client_transmit(r->client, &d, sp_sys_now());
        if (rc == SP_EAGAIN)
            return 0;
        if (rc != 0)
            return sp_trouble_set(t, SP_EXIT_IO, "state: %s", sp_err_text(rc));
        struct sockaddr_storage ss;
        socklen_t len = sp_addr_to_sock(&d.peer, &ss);
        if (sendto(r->fd, buf, d.len, 0, (const struct sockaddr *)&ss, len) < 0)
            r->send_errors++;
    }
}

void sp_runner_take(struct sp_runner *r)
{
    uint8_t buf[SP_DATAGRAM_MAX + 1];
    for (int i = 0; i < RECEIVES_PER_TURN; i++) {
        ssize_t n = recv(r->fd, buf, sizeof buf, 0);
        if (n < 0)
            return; /* empty, or an ICMP error of an earlier datagram: both mean nothing here */
        (void)sp_client_receive(r->client, buf, (size_t)n, sp_sys_now());
    }
}

static int milliseconds_until(sp_time at, sp_time now)
{
    if (at <= now)
        return 0;
    sp_time ms = (at - now + SP_MS - 1) / SP_MS;
    return ms > 60000 ? 60000 : (int)ms;
}

int sp_runner_turn(struct sp_runner *r, int extra_fd, sp_time until, bool *extra, struct sp_trouble *t)
{
    if (sp_runner_flush(r, t) != 0)
        return -1;
    sp_time deadline = sp_client_deadline(r->client);
    struct pollfd fds[2] = {{.fd = r->fd, .events = POLLIN}, {.fd = extra_fd, .events = POLLIN}};
    int rc = poll(fds, extra_fd >= 0 ? 2 : 1,
                  milliseconds_until(deadline < until ? deadline : until, sp_sys_now()));
    if (rc < 0 && errno != EINTR)
        return sp_trouble_set(t, SP_EXIT_IO, "poll: %s", strerror(errno));
    *extra = rc > 0 && extra_fd >= 0 && fds[1].revents != 0;
    sp_runner_take(r);
    return sp_runner_flush(r, t);
}

int sp_runner_submit(struct sp_runner *r, const struct sp_outgoing *m, struct sp_msgid *id)
{
    int rc = sp_client_submit(r->client, m, id, sp_sys_now());
    if (rc == 0)
        sp_diary_sent(&r->diary, m, *id);
    return rc;
}

int sp_runner_poll(struct sp_runner *r, struct sp_client_event *ev)
{
    int rc = sp_client_poll(r->client, ev, sp_sys_now());
    if (rc == 0)
        sp_diary_event(&r->diary, ev);
    return rc;
}

int sp_runner_keep(struct sp_runner *r, struct sp_seq upto)
{
    int rc = sp_client_keep(r->client, upto, sp_sys_now());
    if (rc == 0)
        sp_diary_kept(&r->diary, upto);
    return rc;
}

void sp_runner_close(struct sp_runner *r)
{
    struct sp_trouble t;
    if (r->client != NULL) {
        sp_client_close(r->client, sp_sys_now());
        (void)sp_runner_flush(r, &t);
        sp_client_wipe(r->client);
    }
    free(r->mem);
    sp_diary_close(&r->diary);
    if (r->local.self != NULL && r->is_volatile)
        sp_local_memory_close(&r->local);
    else if (r->local.self != NULL)
        sp_local_lmdb_close(&r->local);
    if (r->fd >= 0)
        (void)close(r->fd);
    *r = (struct sp_runner){.fd = -1};
}

int sp_runner_verdict(const struct sp_client_event *ev, struct sp_trouble *t)
{
    if (ev->kind == SP_CLIENT_TOKEN)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "the token has expired or is not accepted: make a new one");
    if (ev->kind == SP_CLIENT_ERROR)
        return sp_trouble_set(t, SP_EXIT_IO, "state: %s", sp_err_text(ev->code));
    if (ev->kind == SP_CLIENT_OFFLINE && ev->code == SP_CLOSE_REPLACED)
        return sp_trouble_set(t, SP_EXIT_UNKNOWN, "a newer session of this user and device took over");
    if (ev->kind == SP_CLIENT_OFFLINE && ev->code == SP_CLOSE_REVOKED)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "the token was revoked");
    return 0;
}

const char *sp_runner_state_name(uint8_t state)
{
    static const char *const names[] = {
        [SP_STATE_UNKNOWN] = "unknown",
        [SP_STATE_ACCEPTED] = "accepted",
        [SP_STATE_STORED] = "stored",
        [SP_STATE_DELIVERED] = "delivered",
        [SP_STATE_READ] = "read",
        [SP_STATE_ENDED] = "dropped",
        [SP_STATE_REFUSED] = "refused",
        [SP_STATE_HANDED_OVER] = "handed_over",
        [SP_STATE_HANDED_UNKNOWN] = "handed_unknown",
    };
    if (state >= sizeof names / sizeof names[0] || names[state] == NULL)
        return "unknown";
    return names[state];
}

const char *sp_runner_code_name(int code)
{
    static const char *const names[] = {
        [SP_CODE_OK] = "OK",
        [SP_CODE_BUSY] = "BUSY",
        [SP_CODE_TOO_BIG] = "TOO_BIG",
        [SP_CODE_FORBIDDEN] = "FORBIDDEN",
        [SP_CODE_NO_USER] = "NO_USER",
        [SP_CODE_QUOTA] = "QUOTA",
        [SP_CODE_DUP_EXPIRED] = "DUP_EXPIRED",
        [SP_CODE_ID_REUSED] = "ID_REUSED",
        [SP_CODE_SEQ_EXHAUSTED] = "SEQ_EXHAUSTED",
        [SP_CODE_BAD] = "BAD",
        [SP_CODE_ACK_TOO_HIGH] = "ACK_TOO_HIGH",
        [SP_CODE_NOT_BOUND] = "NOT_BOUND",
        [SP_CODE_FULL] = "FULL",
    };
    return code >= 0 && (size_t)code < sizeof names / sizeof names[0] ? names[code] : "UNKNOWN";
}

void sp_runner_msgid_print(struct sp_msgid id, char *dst)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(id.v >> (56 - 8 * i));
    sp_text_hex_encode(bytes, sizeof bytes, dst);
}

bool sp_runner_msgid_parse(const char *text, struct sp_msgid *out)
{
    uint8_t bytes[8];
    if (!sp_text_hex_decode(text, bytes, sizeof bytes))
        return false;
    out->v = 0;
    for (int i = 0; i < 8; i++)
        out->v = out->v << 8 | bytes[i];
    return out->v != 0;
}
