/* A whole server in a child process: real sockets, a real store, real signals. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addr.h"
#include "keys.h"
#include "server.h"
#include "sys.h"

#define PATIENCE_MS 10000

static char dir[] = "/tmp/sampan-server-XXXXXX";
static char keys_dir[64], admin_path[64], store_url[64];

struct child {
    pid_t pid;
    int err; /* its stderr */
    struct sp_addr at;
    char said[8192];
    size_t said_len;
};

static void setup(void)
{
    struct sp_trouble t;
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(keys_dir, sizeof keys_dir, "%s/keys", dir);
    (void)snprintf(admin_path, sizeof admin_path, "%s/admin", dir);
    (void)snprintf(store_url, sizeof store_url, "lmdb:%s/store", dir);
    cr_assert_eq(sp_keys_create(keys_dir, &t), 0);
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(server, .init = setup, .fini = teardown);

static void set(struct sp_config *c, const char *name, const char *value)
{
    struct sp_config_problems p = {.n = 0};
    sp_config_set(c, name, value, SP_CONFIG_FLAG, "test", &p);
    cr_assert_eq(p.n, 0, "%s", p.text[0]);
}

/* A configuration for this test's folder. */
static void configure(struct sp_config *c)
{
    static const struct sp_config_places nowhere;
    sp_config_init(c, &nowhere);
    set(c, "listen", "127.0.0.1:0");
    set(c, "store", store_url);
    set(c, "store.map_size", "64MiB");
    set(c, "keys", keys_dir);
    set(c, "admin.socket", admin_path);
    set(c, "session.max", "100");
    set(c, "drain", "5s");
}

/* What SIGHUP finds: the third time a change, before that a mistake. */
struct plan {
    struct sp_config base;
    unsigned reads;
};

static bool reread(void *self, struct sp_config *out, struct sp_config_problems *p)
{
    struct plan *plan = self;
    *out = plan->base;
    if (++plan->reads == 1) {
        sp_config_note(p, "s.yaml:1:1", "volume", "unknown key");
        return false;
    }
    sp_config_set(out, "drain", "7s", SP_CONFIG_FLAG, "test", p);
    sp_config_set(out, "mailbox.count", "9", SP_CONFIG_FLAG, "test", p);
    return true;
}

static int serve(const struct sp_config *c)
{
    static struct sp_server s;
    static struct plan plan;
    struct sp_trouble t;
    int code = 0;
    s.config = plan.base = *c;
    s.reread = reread;
    s.reread_self = &plan;
    if (sp_server_open(&s, &t) != 0)
        return sp_trouble_print(&t, "test");
    code = sp_server_run(&s);
    sp_server_close(&s);
    return code;
}

/* Reads its stderr until `word` is in it. */
static void await(struct child *c, const char *word)
{
    struct pollfd p = {.fd = c->err, .events = POLLIN};
    while (strstr(c->said, word) == NULL) {
        ssize_t n = 0;
        cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "no '%s' in: %s", word, c->said);
        n = read(c->err, c->said + c->said_len, sizeof c->said - 1 - c->said_len);
        cr_assert_gt(n, 0, "ended without '%s': %s", word, c->said);
        c->said_len += (size_t)n;
        c->said[c->said_len] = '\0';
    }
}

static struct child start(const struct sp_config *config)
{
    struct child c = {.said = ""};
    int ends[2];
    char text[SP_ADDR_TEXT_MAX] = "";
    cr_assert_eq(pipe(ends), 0);
    c.pid = fork();
    cr_assert_geq(c.pid, 0);
    if (c.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        (void)dup2(ends[1], 2);
        (void)close(ends[0]);
        (void)close(ends[1]);
        _exit(serve(config));
    }
    (void)close(ends[1]);
    c.err = ends[0];
    await(&c, "version=");
    const char *ready = strstr(c.said, "ready listen=");
    cr_assert_not_null(ready, "%s", c.said);
    cr_assert_eq(sscanf(ready, "ready listen=%63s", text), 1, "%s", c.said);
    cr_assert(sp_addr_parse(text, &c.at));
    return c;
}

/* Its exit code, or 1000 + the signal that ended it. */
static int end(struct child *c)
{
    int status = 0;
    cr_assert_eq(waitpid(c->pid, &status, 0), c->pid);
    (void)close(c->err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int stop(struct child *c)
{
    cr_assert_eq(kill(c->pid, SIGTERM), 0);
    return end(c);
}

/* Asks for the counters. */
static void ask(char *dst, size_t cap)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t len = 0;
    ssize_t n = 0;
    (void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", admin_path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    cr_assert_eq(write(fd, "stat\n", 5), 5);
    while ((n = read(fd, dst + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    dst[len] = '\0';
    (void)close(fd);
}

/* A counter's value, or -1. */
static long long counter(const char *name)
{
    char text[16384], line[80];
    long long v = -1;
    ask(text, sizeof text);
    (void)snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    return at != NULL && sscanf(at + strlen(line), "%lld", &v) == 1 ? v : -1;
}

Test(server, starts_answers_and_stops)
{
    struct sp_config config;
    configure(&config);
    struct child c = start(&config);
    char want[256];
    (void)snprintf(want, sizeof want, " admin=%s store=%s keys=%s version=", admin_path, store_url, keys_dir);
    cr_expect_not_null(strstr(c.said, want), "%s", c.said);
    cr_expect_eq(counter("sessions"), 0);
    cr_expect_geq(counter("turns"), 1);
    cr_expect_eq(counter("store_map_bytes"), 67108864);
    cr_expect_eq(stop(&c), 0);
    cr_expect_eq(access(admin_path, F_OK), -1);
}

Test(server, int_stops_as_well)
{
    struct sp_config config;
    configure(&config);
    struct child c = start(&config);
    cr_assert_eq(kill(c.pid, SIGINT), 0);
    await(&c, "event=stopped code=0");
    cr_expect_eq(end(&c), 0);
}

Test(server, after_kill_it_starts_again_on_the_same_store_and_port)
{
    struct sp_config config;
    char text[SP_ADDR_TEXT_MAX];
    configure(&config);
    struct child c = start(&config);
    sp_addr_print(&c.at, text, sizeof text);
    set(&config, "listen", text);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(kill(c.pid, SIGKILL), 0);
        cr_assert_eq(end(&c), 1000 + SIGKILL);
        c = start(&config);
        cr_expect_eq(counter("sessions"), 0);
    }
    cr_expect_eq(stop(&c), 0);
}

Test(server, noise_is_counted_and_not_answered)
{
    struct sp_config config;
    configure(&config);
    struct child c = start(&config);
    struct sockaddr_storage ss = {0};
    socklen_t len = sp_addr_to_sock(&c.at, &ss);
    char noise[1500] = "noise", answer[64];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(sendto(fd, noise, 5, 0, (struct sockaddr *)&ss, len), 5);
    cr_assert_eq(sendto(fd, noise, sizeof noise, 0, (struct sockaddr *)&ss, len), (ssize_t)sizeof noise);
    cr_assert_eq(sendto(fd, noise, 0, 0, (struct sockaddr *)&ss, len), 0);
    struct pollfd p = {.fd = -1};
    for (int i = 0; i < 100 && counter("datagrams_received") < 3; i++)
        (void)poll(&p, 1, 20);
    cr_expect_eq(counter("datagrams_received"), 3);
    cr_expect_eq(counter("drop_kind"), 1);
    cr_expect_eq(counter("drop_long"), 1);
    cr_expect_eq(counter("drop_empty"), 1);
    cr_expect_eq(counter("datagrams_sent"), 0);
    cr_expect_eq(recv(fd, answer, sizeof answer, 0), -1);
    (void)close(fd);
    cr_expect_eq(stop(&c), 0);
}

Test(server, usr1_logs_a_summary_and_hup_reloads_or_keeps_the_old)
{
    struct sp_config config;
    configure(&config);
    struct child c = start(&config);
    cr_assert_eq(kill(c.pid, SIGUSR1), 0);
    await(&c, "event=summary uptime_s=");
    cr_assert_eq(kill(c.pid, SIGHUP), 0);
    await(&c, "event=not-reloaded reason=\"s.yaml:1:1: volume: unknown key\" more=0\n");
    cr_assert_eq(kill(c.pid, SIGHUP), 0);
    await(&c, "event=needs-restart key=mailbox.count value=9\n");
    await(&c, "event=reloaded changed=1 token_keys=1\n");
    cr_expect_eq(stop(&c), 0);
}

Test(server, hup_reads_the_token_keys_again_or_keeps_the_old)
{
    struct sp_config config;
    struct sp_trouble t;
    char path[128], other[128], command[256];
    configure(&config);
    struct child c = start(&config);
    cr_assert_eq(kill(c.pid, SIGHUP), 0); /* the mistake of reread */
    await(&c, "volume");
    cr_assert_eq(sp_keys_rotate(keys_dir, &t), 0);
    cr_assert_eq(kill(c.pid, SIGHUP), 0);
    await(&c, " token_keys=2\n");
    (void)snprintf(path, sizeof path, "%s/token.0", keys_dir);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(kill(c.pid, SIGHUP), 0);
    await(&c, "others have access (mode 0644)");
    cr_assert_eq(chmod(path, 0600), 0);
    (void)snprintf(other, sizeof other, "%s/other", dir);
    cr_assert_eq(sp_keys_create(other, &t), 0);
    (void)snprintf(command, sizeof command, "cp -p %s/gateway.* %s/", other, keys_dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(kill(c.pid, SIGHUP), 0);
    await(&c, "event=not-reloaded reason=\"gateway.key is another one; restart\"\n");
    cr_expect_eq(stop(&c), 0);
}

Test(server, a_second_one_on_a_default_admin_place_goes_without)
{
    struct sp_config config;
    static const struct sp_config_places places = {.store = "mem:"};
    configure(&config);
    struct child first = start(&config), second;
    struct sp_config other;
    struct sp_config_places here = places;
    (void)snprintf(here.admin, sizeof here.admin, "%s", admin_path);
    sp_config_init(&other, &here);
    set(&other, "listen", "127.0.0.1:0");
    set(&other, "keys", keys_dir);
    second = start(&other);
    cr_expect_not_null(strstr(second.said, "event=no-admin"), "%s", second.said);
    cr_expect_not_null(strstr(second.said, " admin=- "), "%s", second.said);
    cr_expect_eq(stop(&second), 0);
    cr_expect_eq(counter("sessions"), 0, "the first one still answers");
    cr_expect_eq(stop(&first), 0);
}

/* What open says to a configuration that cannot work. */
static enum sp_exit refuse(const struct sp_config *c, const char *word)
{
    struct sp_server *s = calloc(1, sizeof *s);
    struct sp_trouble t = {.code = SP_EXIT_OK};
    cr_assert_not_null(s);
    s->config = *c;
    cr_expect_eq(sp_server_open(s, &t), -1);
    cr_expect_not_null(strstr(t.text, word), "%s", t.text);
    free(s);
    return t.code;
}

Test(server, what_cannot_work_is_refused_with_its_code)
{
    static const struct {
        const char *name, *value, *word;
        enum sp_exit code;
    } rows[] = {
        {"listen", "127.0.0.1", "is not HOST:PORT", SP_EXIT_CONFIG},
        {"listen", "nowhere.invalid:1", "nowhere.invalid", SP_EXIT_CONFIG},
        {"listen", "192.0.2.1:1", "cannot listen on 192.0.2.1:1", SP_EXIT_UNREACHABLE},
        {"keys", "/tmp/sampan-absent", "/tmp/sampan-absent", SP_EXIT_UNREACHABLE},
        {"store", "redis:x", "store redis:x", SP_EXIT_CONFIG},
        {"store", "lmdb:/tmp/sampan-absent/a/b", "store lmdb:", SP_EXIT_IO},
        {"admin.socket", "/dev/null", "no socket", SP_EXIT_CONFIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sp_config config;
        configure(&config);
        set(&config, rows[i].name, rows[i].value);
        cr_expect_eq(refuse(&config, rows[i].word), rows[i].code, "%s", rows[i].value);
    }
}

Test(server, a_taken_port_a_taken_store_and_open_keys_are_refused)
{
    struct sp_config config, other;
    char text[SP_ADDR_TEXT_MAX], path[128];
    configure(&config);
    struct child c = start(&config);
    other = config;
    sp_addr_print(&c.at, text, sizeof text);
    set(&other, "listen", text);
    cr_expect_eq(refuse(&other, "cannot listen"), SP_EXIT_IO);
    cr_expect_eq(refuse(&config, "store lmdb:"), SP_EXIT_UNKNOWN);
    other = config;
    set(&other, "store", "mem:");
    cr_expect_eq(refuse(&other, "another gateway answers"), SP_EXIT_UNKNOWN);
    (void)snprintf(path, sizeof path, "%s/token.0", keys_dir);
    cr_assert_eq(chmod(path, 0640), 0);
    cr_expect_eq(refuse(&other, "chmod 600"), SP_EXIT_REFUSED);
    cr_expect_eq(stop(&c), 0);
}

Test(server, a_public_address_wants_chosen_keys)
{
    static const char *const addresses[] = {"0.0.0.0:7400", "[::]:7400", "192.0.2.1:7400"};
    struct sp_config_places places = {.store = "mem:", .admin = "/a"};
    (void)snprintf(places.keys, sizeof places.keys, "%s", keys_dir);
    for (size_t i = 0; i < 3; i++) {
        struct sp_config config;
        struct sp_addr at;
        struct sp_trouble t;
        sp_config_init(&config, &places);
        set(&config, "listen", addresses[i]);
        cr_expect_eq(sp_server_resolve(&config, &at, &t), -1);
        cr_expect_eq(t.code, SP_EXIT_CONFIG);
        set(&config, "keys", keys_dir);
        cr_expect_eq(sp_server_resolve(&config, &at, &t), 0);
        set(&config, "listen", "127.0.0.1:7400");
    }
    struct sp_config config;
    struct sp_addr at;
    struct sp_trouble t;
    sp_config_init(&config, &places);
    cr_expect_eq(sp_server_resolve(&config, &at, &t), 0, "the default address is loopback");
}

Test(server, keys_are_made_in_the_default_place_only)
{
    struct sp_config_places places = {.store = "mem:"};
    struct sp_config config;
    (void)setenv("XDG_STATE_HOME", dir, 1);
    (void)snprintf(places.keys, sizeof places.keys, "%s/sampan/keys", dir);
    (void)snprintf(places.admin, sizeof places.admin, "%s", admin_path);
    sp_config_init(&config, &places);
    set(&config, "listen", "127.0.0.1:0");
    struct child c = start(&config);
    cr_expect(sp_keys_is_there(places.keys));
    cr_expect_eq(stop(&c), 0);
    struct child again = start(&config);
    cr_expect_eq(stop(&again), 0, "and kept");
}
