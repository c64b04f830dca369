/* sampand: reads the command line, gathers the configuration from all its places, and runs a server. Start-up
 * problems are told here, all at once, with the exit code. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "config_yaml.h"
#include "hints.h"
#include "keys.h"
#include "paths.h"
#include "server.h"

#define PROGRAM  "sampand"
#define SETS_MAX 64

/* The command line: places of the configuration, kept for a reload. */
struct command {
    const char *file, *listen, *store, *keys, *admin, *history;
    const char *sets[SETS_MAX];
    size_t sets_n;
    bool test_only, dump;
};

static int take_set(void *self, const char *text)
{
    struct command *c = self;
    if (c->sets_n == SETS_MAX || strchr(text, '=') == NULL)
        return -1;
    c->sets[c->sets_n++] = text;
    return 0;
}

/* Default places.  Without a home they are unknown, and that is a problem only where one is needed. */
static void find_places(struct sp_config_places *p)
{
    char state[SP_FILES_PATH_MAX], dir[SP_FILES_PATH_MAX];
    struct sp_trouble t;
    *p = (struct sp_config_places){.store = ""};
    if (sp_paths_admin(p->admin, sizeof p->admin, &t) != 0)
        p->admin[0] = '\0';
    if (sp_paths_state(state, sizeof state, &t) != 0)
        return;
    if (sp_files_join(p->keys, sizeof p->keys, state, "keys", &t) != 0)
        p->keys[0] = '\0';
    if (sp_files_join(dir, sizeof dir, state, "store", &t) != 0 ||
        snprintf(p->store, sizeof p->store, "lmdb:%s", dir) >= (int)sizeof p->store)
        p->store[0] = '\0';
}

/* Reads the whole file into a new block.  NULL: told in p. */
static char *read_file(const char *path, size_t *len, struct sp_config_problems *p)
{
    char *bytes = malloc(SP_CONFIG_YAML_BYTES_MAX + 1);
    FILE *f = bytes != NULL ? fopen(path, "re") : NULL;
    if (f == NULL) {
        sp_config_note(p, path, NULL, "%s", strerror(errno));
        free(bytes);
        return NULL;
    }
    *len = fread(bytes, 1, SP_CONFIG_YAML_BYTES_MAX + 1, f);
    if (ferror(f) != 0) {
        sp_config_note(p, path, NULL, "cannot be read");
        free(bytes);
        bytes = NULL;
    }
    (void)fclose(f);
    return bytes;
}

static void take_flags(const struct command *c, struct sp_config *out, struct sp_config_problems *p)
{
    const struct {
        const char *value, *name, *flag;
    } flags[] = {{c->listen, "listen", "--listen"},
                 {c->store, "store", "--store"},
                 {c->keys, "keys", "--keys"},
                 {c->admin, "admin.socket", "--admin"},
                 {c->history, "history", "--history"}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].value != NULL)
            sp_config_set(out, flags[i].name, flags[i].value, SP_CONFIG_FLAG, flags[i].flag, p);
    for (size_t i = 0; i < c->sets_n; i++) {
        char name[SP_CONFIG_YAML_PATH_MAX];
        size_t len = strcspn(c->sets[i], "=");
        (void)snprintf(name, sizeof name, "%.*s", (int)len, c->sets[i]);
        sp_config_set(out, name, c->sets[i] + len + 1, SP_CONFIG_FLAG, "--set", p);
    }
}

/* All places, weakest first. */
static bool gather(void *self, struct sp_config *out, struct sp_config_problems *p)
{
    const struct command *c = self;
    struct sp_config_places places;
    find_places(&places);
    sp_config_init(out, &places);
    if (c->file != NULL) {
        size_t len = 0;
        char *bytes = read_file(c->file, &len, p);
        if (bytes != NULL)
            sp_config_take_file(out, c->file, bytes, len, p);
        free(bytes);
    }
    sp_config_take_environment(out, environ, p);
    take_flags(c, out, p);
    sp_config_check(out, p);
    return p->n == 0;
}

static int tell_problems(const struct sp_config_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        (void)fprintf(stderr, "%s\n", p->text[i]);
    if (p->more > 0)
        (void)fprintf(stderr, "and %zu more\n", p->more);
    return SP_EXIT_CONFIG;
}

/* -t: what a start would read, without taking port or store. */
static int test(const struct sp_config *c)
{
    const struct sp_config_value *dir = &c->of[SP_CONFIG_KEYS];
    struct sp_addr at;
    struct sp_keys keys;
    struct sp_trouble t;
    int result = sp_server_resolve(c, &at, &t);
    if (result == 0 && (dir->source != SP_CONFIG_DEFAULT || sp_keys_is_there(dir->text))) {
        result = sp_keys_load(dir->text, &keys, &t);
        if (result == 0)
            sp_keys_wipe(&keys);
    }
    if (result != 0) {
        (void)sp_trouble_print(&t, PROGRAM);
        return SP_EXIT_CONFIG;
    }
    (void)fprintf(stderr, "configuration is fine\n");
    return SP_EXIT_OK;
}

/* What a process that holds keys and faces the network does without: signals for broken pipes and for files
 * that may not grow (both come as errors then), an end by a HUP or USR1 that comes before there is a handler,
 * core files (they would have the keys), and new privileges. */
static void harden(void)
{
    static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGHUP, SIGUSR1};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct rlimit none = {0, 0};
    (void)umask(077);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)sigaction(ignored[i], &ignore, NULL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int serve(struct sp_server *s)
{
    struct sp_trouble t;
    int code = 0;
    harden();
    if (sp_server_open(s, &t) != 0)
        return sp_trouble_print(&t, PROGRAM);
    if (s->config.of[SP_CONFIG_KEYS].source == SP_CONFIG_DEFAULT) {
        struct sp_addr at = sp_udp_at(s->udp);
        sp_hints_print(stdout, s->config.of[SP_CONFIG_KEYS].text, &at);
    }
    code = sp_server_run(s);
    sp_server_close(s);
    return code;
}

/* Parses the command line.  -1: go on; else the exit code. */
static int parse(struct command *c, int argc, char **argv)
{
    const struct sp_args_opt opts[] = {
        {.name = "--listen",
         .value = "HOST:PORT",
         .text = &c->listen,
         .help = "default 127.0.0.1:7400; port 0: any"},
        {.name = "--store", .value = "URL", .text = &c->store, .help = "lmdb:DIR"},
        {.name = "--keys", .value = "DIR", .text = &c->keys, .help = "key folder made by sampan keygen"},
        {.name = "--config",
         .value = "FILE",
         .text = &c->file,
         .help = "YAML file; flags and environment beat it"},
        {.name = "--set",
         .value = "KEY=VALUE",
         .each = take_set,
         .self = c,
         .help = "one option; may be repeated"},
        {.name = "--admin", .value = "SOCKET", .text = &c->admin, .help = "admin socket for sampan stat"},
        {.name = "--history",
         .value = "FILE",
         .text = &c->history,
         .help = "append what happens, for sampan verify"},
        {.name = "-t", .flag = &c->test_only, .help = "check configuration and keys, then exit: 0 or 78"},
        {.name = "--dump-config", .flag = &c->dump, .help = "show all options, their values and sources"},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about = "Runs a gateway.  Without options it listens on 127.0.0.1:7400, keeps keys and store in\n"
                 "$XDG_STATE_HOME/sampan, and shows the commands that send a first message.\n"
                 "Signals: TERM and INT stop after a drain, HUP reloads, USR1 logs a summary.",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    return sp_args_parse(&args, argc, argv, NULL);
}

static int run(struct command *c, struct sp_server *s, struct sp_config_problems *problems)
{
    if (!gather(c, &s->config, problems))
        return tell_problems(problems);
    if (c->dump) {
        sp_config_dump(&s->config, stdout);
        return SP_EXIT_OK;
    }
    if (c->test_only)
        return test(&s->config);
    s->reread = gather;
    s->reread_self = c;
    return serve(s);
}

int main(int argc, char **argv)
{
    struct command command = {.file = NULL};
    int code = parse(&command, argc, argv);
    struct sp_server *s = NULL;
    struct sp_config_problems *problems = NULL;
    if (code >= 0)
        return code;
    s = calloc(1, sizeof *s);
    problems = calloc(1, sizeof *problems);
    if (s != NULL && problems != NULL) {
        code = run(&command, s, problems);
    } else {
        (void)fprintf(stderr, PROGRAM ": no memory\n");
        code = SP_EXIT_IO;
    }
    free(problems);
    free(s);
    return code;
}
