/* sampan token: makes the token file of one user's device (tools/lib/tokenfile.h) on standard output. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "cmd.h"
#include "sys.h"
#include "tokenfile.h"

#define PROGRAM "sampan token"
#define LIFE_S  86400U

static const struct right {
    const char *name;
    uint16_t bit;
} rights_known[] = {{"send", SP_RIGHT_SEND},
                    {"receive", SP_RIGHT_RECEIVE},
                    {"streams", SP_RIGHT_STREAMS},
                    {"groups", SP_RIGHT_GROUPS}};

/* One word of the list.  0, or -1: unknown. */
static int add_right(const char *word, size_t len, uint16_t *rights)
{
    for (size_t i = 0; i < sizeof rights_known / sizeof rights_known[0]; i++)
        if (strlen(rights_known[i].name) == len && memcmp(rights_known[i].name, word, len) == 0) {
            *rights |= rights_known[i].bit;
            return 0;
        }
    return -1;
}

/* "send,receive". */
static int parse_rights(void *self, const char *value)
{
    uint16_t rights = 0;
    for (const char *word = value;;) {
        size_t len = strcspn(word, ",");
        if (add_right(word, len, &rights) != 0)
            return -1;
        if (word[len] == '\0')
            break;
        word += len + 1;
    }
    *(uint16_t *)self = rights;
    return 0;
}

/* Writes the line; a regular file becomes private first, because the shell that opened it made it 0644. */
static int emit(const char *line, struct sp_trouble *t)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "standard output is not open");
    if (S_ISREG(st.st_mode) && fchmod(STDOUT_FILENO, 0600) != 0)
        return sp_trouble_set(t, SP_EXIT_REFUSED, "cannot make standard output private");
    if (fputs(line, stdout) == EOF || fflush(stdout) != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "cannot write to standard output");
    return 0;
}

static int make(const char *dir, const struct sp_tokenfile_order *order, struct sp_trouble *t)
{
    struct sp_keys keys;
    char line[SP_TOKENFILE_MAX];
    int result = -1;
    if (sp_keys_load(dir, &keys, t) != 0)
        return -1;
    result = sp_tokenfile_make(&keys, order, (uint32_t)(sp_sys_unix_us() / SP_SECOND), line, sizeof line, t);
    sp_keys_wipe(&keys);
    if (result == 0)
        result = emit(line, t);
    sodium_memzero(line, sizeof line);
    return result;
}

/* Addresses of the gateway that a client could send to. */
static int find_gateway(const char *text, struct sp_addr *addrs, size_t *n, struct sp_trouble *t)
{
    if (sp_addr_resolve(text, addrs, SP_BLOB_ADDRS_MAX, n, t) != 0)
        return -1;
    if (addrs[0].port == 0 || sp_addr_is_any(&addrs[0]))
        return sp_trouble_set(t, SP_EXIT_USAGE, "--gateway '%s': clients cannot send to that address", text);
    return 0;
}

int sp_cmd_token(int argc, char **argv)
{
    const char *dir = NULL, *gateway = NULL, *user = NULL;
    uint64_t device = 0, life = LIFE_S;
    uint16_t rights = SP_RIGHT_SEND | SP_RIGHT_RECEIVE;
    struct sp_addr addrs[SP_BLOB_ADDRS_MAX];
    size_t addrs_n = 0;
    struct sp_trouble t = {.code = SP_EXIT_OK};
    const struct sp_args_opt opts[] = {
        {.name = "--keys",
         .value = "DIR",
         .text = &dir,
         .help = "key folder of the gateway",
         .required = true},
        {.name = "--user",
         .value = "NAME",
         .text = &user,
         .help = "user id, 1 to 64 bytes",
         .required = true},
        {.name = "--device",
         .value = "N",
         .number = &device,
         .max = UINT32_MAX,
         .help = "device number, one per install",
         .required = true},
        {.name = "--ttl",
         .value = "SEC",
         .number = &life,
         .min = 1,
         .max = UINT32_MAX,
         .help = "life of the token, default 86400"},
        {.name = "--rights",
         .value = "LIST",
         .each = parse_rights,
         .self = &rights,
         .help = "of send,receive,streams,groups; default send,receive"},
        {.name = "--gateway",
         .value = "HOST:PORT",
         .text = &gateway,
         .help = "where the gateway listens; HOST is resolved now",
         .required = true},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about = "Writes a token file to standard output: one line that lets this device connect.\n"
                 "A regular file there gets mode 0600.",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    if (find_gateway(gateway, addrs, &addrs_n, &t) != 0)
        return sp_trouble_print(&t, PROGRAM);
    const struct sp_tokenfile_order order = {.user = user,
                                             .device = (uint32_t)device,
                                             .life_s = (uint32_t)life,
                                             .rights = rights,
                                             .addrs = addrs,
                                             .addrs_n = addrs_n};
    return make(dir, &order, &t) == 0 ? SP_EXIT_OK : sp_trouble_print(&t, PROGRAM);
}
