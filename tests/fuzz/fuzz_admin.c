/* The admin socket with real clients in the same loop.  A script dials, sends pieces of questions, ends its
 * side, hangs up, and lets the patience of the socket end.
 *
 * Promises: a client gets the answer to its first line and nothing else, or, when it came as the ninth or
 * took too long, nothing; where pieces are cut changes nothing; afterwards the socket serves the next one. */
#include "admin.h"
#include "fuzz.h"
#include "script.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys.h"

#define UNKNOWN "error unknown question; ask: stat\n"

enum { DIALERS = 10, STEPS_MAX = 60, LONG_ANSWER = 12000 };

struct dialer {
    int fd; /* -1: none */
    bool is_refused, is_ended;
    char sent[SP_ADMIN_QUESTION_MAX];
    size_t sent_n;
};

static struct ev_loop *loop;
static struct sp_admin *admin;
static struct sockaddr_un at = {.sun_family = AF_UNIX};

static size_t give(void *self, const char *question, char *dst, size_t cap)
{
    (void)self;
    FUZZ_CHECK(strlen(question) <= SP_ADMIN_QUESTION_MAX);
    FUZZ_CHECK(strpbrk(question, "\r\n") == NULL);
    FUZZ_CHECK(cap >= LONG_ANSWER);
    if (strcmp(question, "stat") == 0)
        return (size_t)snprintf(dst, cap, "turns 5\n");
    if (strcmp(question, "long") != 0)
        return 0;
    memset(dst, 'x', LONG_ANSWER);
    return LONG_ANSWER;
}

static void leave(void)
{
    char folder[sizeof at.sun_path];
    (void)snprintf(folder, sizeof folder, "%s", at.sun_path);
    *strrchr(folder, '/') = '\0';
    sp_admin_close(&admin);
    ev_loop_destroy(loop);
    (void)rmdir(folder);
}

/* Once a process: a socket for all runs, as a gateway has it. */
static void enter(void)
{
    char folder[] = "/tmp/sampan-fuzz-admin-XXXXXX";
    struct sp_trouble t;
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s/admin", folder);
    loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_POLL);
    FUZZ_CHECK(loop != NULL);
    FUZZ_CHECK(sp_admin_open(&admin, at.sun_path, loop, give, NULL, &t) == 0);
    FUZZ_CHECK(atexit(leave) == 0);
}

/* Lets the socket handle what is there. */
static void spin(void)
{
    for (unsigned i = 0; i < 4; i++)
        (void)ev_run(loop, EVRUN_NOWAIT);
}

/* ---- what the socket should do ---- */

static bool is_complete(const struct dialer *d)
{
    return d->is_ended || d->sent_n == SP_ADMIN_QUESTION_MAX || memchr(d->sent, '\n', d->sent_n) != NULL;
}

static unsigned waiting(const struct dialer *all)
{
    unsigned n = 0;
    for (unsigned i = 0; i < DIALERS; i++)
        n += all[i].fd >= 0 && !all[i].is_refused && !is_complete(&all[i]);
    return n;
}

/* The first line, as far as the socket reads. */
static size_t expected(const struct dialer *d, char *dst, size_t cap)
{
    char question[SP_ADMIN_QUESTION_MAX + 1] = "";
    memcpy(question, d->sent, d->sent_n);
    question[strcspn(question, "\r\n")] = '\0';
    size_t n = give(NULL, question, dst, cap);
    return n > 0 ? n : (size_t)snprintf(dst, cap, UNKNOWN);
}

/* Hangs up; what had come by then must be what was due. */
static void hang_up(struct dialer *d)
{
    static char want[SP_ADMIN_ANSWER_MAX], got[SP_ADMIN_ANSWER_MAX + 1];
    size_t n = 0;
    ssize_t more;
    if (d->fd < 0)
        return;
    while ((more = recv(d->fd, got + n, sizeof got - n, MSG_DONTWAIT)) > 0)
        n += (size_t)more;
    fuzz_tell("  sent %zu bytes, got %zu", d->sent_n, n);
    if (d->is_refused) {
        FUZZ_CHECK(n == 0);
        FUZZ_CHECK(more == 0 || errno != EAGAIN);
    } else if (!is_complete(d)) {
        FUZZ_CHECK(n == 0);
        FUZZ_CHECK(more < 0 && errno == EAGAIN);
    } else {
        size_t want_n = expected(d, want, sizeof want);
        FUZZ_CHECK(n == want_n);
        FUZZ_CHECK(memcmp(got, want, n) == 0);
        FUZZ_CHECK(more == 0 || errno == ECONNRESET);
    }
    (void)close(d->fd);
    *d = (struct dialer){.fd = -1};
    spin();
}

/* ---- steps of the script ---- */

static void dial(struct dialer *all, struct dialer *d)
{
    hang_up(d);
    bool is_ninth = waiting(all) == SP_ADMIN_CLIENTS_MAX;
    d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(d->fd >= 0);
    FUZZ_CHECK(connect(d->fd, (const struct sockaddr *)&at, sizeof at) == 0);
    spin();
    d->is_refused = is_ninth;
}

static void say(struct dialer *d, struct sp_view piece)
{
    if (d->fd < 0 || d->is_ended || d->is_refused || is_complete(d) || piece.n == 0)
        return;
    FUZZ_CHECK(send(d->fd, piece.p, piece.n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)piece.n);
    size_t room = sizeof d->sent - d->sent_n, n = piece.n < room ? piece.n : room;
    memcpy(d->sent + d->sent_n, piece.p, n);
    d->sent_n += n;
    spin();
}

static void step(struct dialer *all, struct script *s)
{
    static const char *const questions[] = {"stat\n", "long\n", "stat\r\n", "sta",
                                            "t\n",    "\n",     "stat",     "lon"};
    uint8_t b = script_u8(s);
    struct dialer *d = &all[(b >> 4) % DIALERS];
    fuzz_tell("step %02x", b);
    switch (b & 7) {
    case 0:
    case 1:
        dial(all, d);
        break;
    case 2:
    case 3: {
        const char *text = questions[script_u8(s) & 7];
        say(d, (struct sp_view){(const uint8_t *)text, strlen(text)});
        break;
    }
    case 4:
        say(d, script_view(s, script_u8(s)));
        break;
    case 5:
        hang_up(d);
        break;
    case 6:
        if (d->fd >= 0 && !d->is_refused && !is_complete(d)) {
            FUZZ_CHECK(shutdown(d->fd, SHUT_WR) == 0);
            d->is_ended = true;
            spin();
        }
        break;
    default:
        sp_admin_tick(admin, sp_sys_now() + 6 * SP_SECOND);
        for (unsigned i = 0; i < DIALERS; i++)
            all[i].is_refused |= all[i].fd >= 0 && !is_complete(&all[i]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_open;
    struct dialer all[DIALERS];
    struct script s = {data, size};
    if (!is_open)
        enter();
    is_open = true;
    for (unsigned i = 0; i < DIALERS; i++)
        all[i] = (struct dialer){.fd = -1};
    for (unsigned n = 0; n < STEPS_MAX && script_has_more(&s); n++)
        step(all, &s);
    for (unsigned i = 0; i < DIALERS; i++)
        hang_up(&all[i]);
    dial(all, &all[0]);
    say(&all[0], (struct sp_view){(const uint8_t *)"stat\n", 5});
    hang_up(&all[0]);
    return 0;
}
