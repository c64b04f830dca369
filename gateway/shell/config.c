#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "config_yaml.h"
#include "text.h"

#define NAME_MAX_LEN 64 /* bytes of a key's name, end included */
#define PREFIX       "SAMPAN_"

#define MINUTE (UINT64_C(60) * 1000000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define MIB    (UINT64_C(1) << 20)

/* In the order of enum sp_config_key. */
static const struct sp_config_option options[SP_CONFIG_N] = {
    {.name = "listen",
     .fallback = "127.0.0.1:7400",
     .doc = "UDP address that clients send to, HOST:PORT or [IPv6]:PORT"},
    {.name = "store", .doc = "where messages are kept: lmdb:DIR, or mem: for a trial"},
    {.name = "store.map_size",
     .type = SP_CONFIG_SIZE,
     .min = 64 * MIB,
     .max = MIB << 20,
     .fallback = "16GiB",
     .doc = "address space of the store; its file never grows beyond"},
    {.name = "admin.socket", .doc = "UNIX socket that answers sampan stat"},
    {.name = "session.max",
     .type = SP_CONFIG_COUNT,
     .min = 1,
     .max = 10000000,
     .fallback = "100000",
     .doc = "sessions at once"},
    {.name = "keys", .doc = "key folder made by sampan keygen; HUP reads its token keys again"},
    {.name = "drain",
     .type = SP_CONFIG_DURATION,
     .max = 10 * MINUTE,
     .fallback = "30s",
     .reload = true,
     .doc = "time that a stop gives sessions to go elsewhere"},
    {.name = "session.life",
     .type = SP_CONFIG_DURATION,
     .min = HOUR,
     .max = 24 * HOUR,
     .fallback = "24h",
     .reload = true,
     .doc = "life of a session; its client opens the next one by itself"},
    {.name = "message.ttl",
     .type = SP_CONFIG_DURATION,
     .min = MINUTE,
     .max = 365 * DAY,
     .fallback = "7d",
     .reload = true,
     .doc = "how long an undelivered message is kept"},
    {.name = "mailbox.count",
     .type = SP_CONFIG_COUNT,
     .min = 1,
     .max = 1000000,
     .fallback = "10000",
     .doc = "messages in one mailbox"},
    {.name = "mailbox.bytes",
     .type = SP_CONFIG_SIZE,
     .min = MIB / 16,
     .max = 4095 * MIB,
     .fallback = "64MiB",
     .doc = "bytes of their bodies"},
    {.name = "dedup.keep",
     .type = SP_CONFIG_DURATION,
     .min = MINUTE,
     .max = 365 * DAY,
     .fallback = "7d",
     .doc = "how long a message id is remembered, at least message.ttl"},
    {.name = "log.level",
     .type = SP_CONFIG_CHOICE,
     .fallback = "info",
     .choices = "err warn info debug",
     .reload = true,
     .doc = "least important line that is logged"},
    {.name = "history", .fallback = "-", .doc = "file that sampan verify reads, appended to; -: none"},
};

const struct sp_config_option *sp_config_option(enum sp_config_key key)
{
    return &options[key];
}

void sp_config_note(struct sp_config_problems *p, const char *origin, const char *name, const char *format,
                    ...)
{
    va_list args;
    size_t used = 0;
    char *dst = NULL;
    if (p->n == SP_CONFIG_PROBLEMS_MAX) {
        p->more++;
        return;
    }
    dst = p->text[p->n++];
    (void)snprintf(dst, SP_CONFIG_PROBLEM_LEN, "%s: %s%s", origin, name != NULL ? name : "",
                   name != NULL ? ": " : "");
    used = strlen(dst);
    va_start(args, format);
    (void)vsnprintf(dst + used, SP_CONFIG_PROBLEM_LEN - used, format, args);
    va_end(args);
}

/* Place of `word` in a list of words with blanks between, or -1. */
static int place_of(const char *word, const char *choices)
{
    size_t len = strlen(word);
    int place = 0;
    for (const char *p = choices; *p != '\0'; place++) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, word, len) == 0)
            return place;
        p += n + (p[n] == ' ');
    }
    return -1;
}

/* Whether YAML can say it, so that a dump can be read: UTF-8 without the code points that YAML does not
 * allow. ASCII is always fine, because the dump escapes what needs it. */
static bool is_text(const char *text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        size_t more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3, left = more;
        uint32_t code = more == 0 ? *p : *p & (0x3fU >> more);
        if (*p >= 0xf8 || (*p & 0xc0) == 0x80)
            return false;
        for (p++; left > 0 && (*p & 0xc0) == 0x80; left--)
            code = code << 6 | (*p++ & 0x3fU);
        if (left > 0 || code < least[more] || (code >= 0x80 && code < 0xa0) ||
            (code > 0xd7ff && code < 0xe000) || code == 0xfeff || (code > 0xfffd && code < 0x10000) ||
            code > 0x10ffff)
            return false;
    }
    return true;
}

/* Reads a value by its type, without looking at its range. */
static bool parse(const struct sp_config_option *o, const char *text, uint64_t *number)
{
    int64_t us = 0;
    int place = 0;
    switch (o->type) {
    case SP_CONFIG_TEXT:
        *number = 0;
        return is_text(text);
    case SP_CONFIG_COUNT:
        return sp_text_number(text, 0, UINT64_MAX, number);
    case SP_CONFIG_SIZE:
        return sp_text_size(text, number);
    case SP_CONFIG_DURATION:
        if (!sp_text_duration(text, &us))
            return false;
        *number = (uint64_t)us;
        return true;
    default:
        place = place_of(text, o->choices);
        *number = place >= 0 ? (uint64_t)place : 0;
        return place >= 0;
    }
}

static void print_number(const struct sp_config_option *o, uint64_t number, char *dst, size_t cap)
{
    if (o->type == SP_CONFIG_SIZE)
        sp_text_print_size(number, dst, cap);
    else if (o->type == SP_CONFIG_DURATION)
        sp_text_print_duration((int64_t)number, dst, cap);
    else
        (void)snprintf(dst, cap, "%" PRIu64, number);
}

/* Whether the text is a value of this option; tells what is wrong. */
static bool accept(const struct sp_config_option *o, const char *text, uint64_t *number, const char *origin,
                   struct sp_config_problems *p)
{
    static const char *const expected[] = {"UTF-8 text", "a number such as 10000", "a size such as 64MiB",
                                           "a duration such as 30s, 10min or 7d", "one of"};
    char low[SP_TEXT_VALUE_MAX], high[SP_TEXT_VALUE_MAX];
    if (text[0] == '\0')
        sp_config_note(p, origin, o->name, "is empty");
    else if (strlen(text) >= SP_FILES_PATH_MAX)
        sp_config_note(p, origin, o->name, "longer than %d bytes", SP_FILES_PATH_MAX - 1);
    else if (!parse(o, text, number))
        sp_config_note(p, origin, o->name, "'%.40s' is not %s%s%s", text, expected[o->type],
                       o->choices != NULL ? " " : "", o->choices != NULL ? o->choices : "");
    else if (o->max > 0 && (*number < o->min || *number > o->max)) {
        print_number(o, o->min, low, sizeof low);
        print_number(o, o->max, high, sizeof high);
        sp_config_note(p, origin, o->name, "%s is outside %s..%s", text, low, high);
    } else {
        return true;
    }
    return false;
}

static void put(struct sp_config *c, size_t key, const char *text, uint64_t number,
                enum sp_config_source source, const char *origin)
{
    struct sp_config_value *v = &c->of[key];
    if (source < v->source)
        return;
    (void)snprintf(v->text, sizeof v->text, "%s", text);
    (void)snprintf(v->origin, sizeof v->origin, "%s", origin);
    v->number = number;
    v->source = source;
}

void sp_config_init(struct sp_config *c, const struct sp_config_places *places)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        const char *text = options[i].fallback;
        uint64_t number = 0;
        if (i == SP_CONFIG_STORE)
            text = places->store;
        else if (i == SP_CONFIG_KEYS)
            text = places->keys;
        else if (i == SP_CONFIG_ADMIN)
            text = places->admin;
        (void)parse(&options[i], text, &number);
        put(c, i, text, number, SP_CONFIG_DEFAULT, "default");
    }
}

static int find(const char *name)
{
    for (size_t i = 0; i < SP_CONFIG_N; i++)
        if (strcmp(options[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* Whether keys begin with this name and a dot. */
static bool is_group(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < SP_CONFIG_N; i++)
        if (strncmp(options[i].name, name, len) == 0 && options[i].name[len] == '.')
            return true;
    return false;
}

/* Tells of a name that is no key, with the key or group that may have been meant. */
static void unknown(const char *name, const char *origin, struct sp_config_problems *p)
{
    const char *names[(size_t)2 * SP_CONFIG_N];
    char groups[SP_CONFIG_N][NAME_MAX_LEN];
    const char *near = NULL;
    if (is_group(name)) {
        sp_config_note(p, origin, name, "is a group of keys, not one value");
        return;
    }
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        (void)snprintf(groups[i], sizeof groups[i], "%.*s", (int)strcspn(options[i].name, "."),
                       options[i].name);
        names[i] = options[i].name;
        names[SP_CONFIG_N + i] = groups[i];
    }
    near = sp_text_nearest(name, names, (size_t)2 * SP_CONFIG_N);
    if (near != NULL)
        sp_config_note(p, origin, name, "unknown key; did you mean '%s'?", near);
    else
        sp_config_note(p, origin, name, "unknown key");
}

void sp_config_set(struct sp_config *c, const char *name, const char *text, enum sp_config_source source,
                   const char *origin, struct sp_config_problems *p)
{
    uint64_t number = 0;
    int key = find(name);
    if (key < 0)
        unknown(name, origin, p);
    else if (accept(&options[key], text, &number, origin, p))
        put(c, (size_t)key, text, number, source, origin);
}

/* --- the file
 * ------------------------------------------------------------------------------------------------ */

struct file_reader {
    struct sp_config *config;
    const char *label;
    struct sp_config_problems *problems;
};

static void print_origin(const struct file_reader *r, struct sp_config_mark at, char *dst)
{
    (void)snprintf(dst, SP_CONFIG_ORIGIN_MAX, "%.120s:%u:%u", r->label, at.line, at.column);
}

static void take_value(void *self, const char *path, struct sp_config_mark key_at, const char *text,
                       struct sp_config_mark text_at)
{
    const struct file_reader *r = self;
    char origin[SP_CONFIG_ORIGIN_MAX];
    print_origin(r, find(path) < 0 ? key_at : text_at, origin);
    sp_config_set(r->config, path, text, SP_CONFIG_FILE, origin, r->problems);
}

static bool enter_group(void *self, const char *path, struct sp_config_mark at)
{
    const struct file_reader *r = self;
    char origin[SP_CONFIG_ORIGIN_MAX];
    if (is_group(path))
        return true;
    print_origin(r, at, origin);
    if (find(path) >= 0)
        sp_config_note(r->problems, origin, path, "is one value, not a group of keys");
    else
        unknown(path, origin, r->problems);
    return false;
}

static void take_wrong(void *self, const char *path, struct sp_config_mark at, const char *what)
{
    const struct file_reader *r = self;
    char origin[SP_CONFIG_ORIGIN_MAX];
    print_origin(r, at, origin);
    sp_config_note(r->problems, origin, path, "%s", what);
}

void sp_config_take_file(struct sp_config *c, const char *label, const char *bytes, size_t len,
                         struct sp_config_problems *p)
{
    struct file_reader r = {c, label, p};
    const struct sp_config_yaml_sink sink = {&r, take_value, enter_group, take_wrong};
    sp_config_yaml_read(bytes, len, &sink);
}

/* --- the environment
 * ----------------------------------------------------------------------------------------- */

/* "mailbox.count" as "SAMPAN_MAILBOX_COUNT". */
static void variable_of(const char *name, char *dst, size_t cap)
{
    size_t n = 0;
    (void)snprintf(dst, cap, PREFIX "%s", name);
    for (n = sizeof PREFIX - 1; dst[n] != '\0'; n++) {
        if (dst[n] == '.')
            dst[n] = '_';
        else if (dst[n] >= 'a' && dst[n] <= 'z')
            dst[n] = (char)(dst[n] - 'a' + 'A');
    }
}

/* One variable that begins as ours do. */
static void take_variable(struct sp_config *c, const char *name, const char *value,
                          struct sp_config_problems *p)
{
    char variables[SP_CONFIG_N][NAME_MAX_LEN];
    const char *words[SP_CONFIG_N];
    const char *near = NULL;
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        variable_of(options[i].name, variables[i], sizeof variables[i]);
        words[i] = variables[i];
        if (strcmp(name, variables[i]) == 0) {
            sp_config_set(c, options[i].name, value, SP_CONFIG_ENVIRONMENT, name, p);
            return;
        }
    }
    near = sp_text_nearest(name, words, SP_CONFIG_N);
    if (near != NULL)
        sp_config_note(p, name, NULL, "unknown variable; did you mean '%s'?", near);
}

void sp_config_take_environment(struct sp_config *c, char *const *environment, struct sp_config_problems *p)
{
    for (size_t i = 0; environment[i] != NULL; i++) {
        char name[NAME_MAX_LEN];
        size_t len = strcspn(environment[i], "=");
        if (strncmp(environment[i], PREFIX, sizeof PREFIX - 1) != 0 || len >= sizeof name ||
            environment[i][len] == '\0')
            continue;
        memcpy(name, environment[i], len);
        name[len] = '\0';
        take_variable(c, name, environment[i] + len + 1, p);
    }
}

/* --- all together
 * -------------------------------------------------------------------------------------------- */

void sp_config_check(const struct sp_config *c, struct sp_config_problems *p)
{
    const struct sp_config_value *keep = &c->of[SP_CONFIG_DEDUP_KEEP], *ttl = &c->of[SP_CONFIG_MESSAGE_TTL];
    if (keep->number < ttl->number)
        sp_config_note(p, keep->source != SP_CONFIG_DEFAULT ? keep->origin : ttl->origin,
                       options[SP_CONFIG_DEDUP_KEEP].name,
                       "%s is less than message.ttl, which is %s: a late repeat would be a new message",
                       keep->text, ttl->text);
    for (size_t i = 0; i < SP_CONFIG_N; i++)
        if (c->of[i].text[0] == '\0')
            sp_config_note(p, "default", options[i].name,
                           "has no default here, because neither XDG_STATE_HOME nor HOME is set");
}

/* A double-quoted YAML scalar. */
static void dump_text(const char *text, FILE *to)
{
    (void)fputc('"', to);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            (void)fprintf(to, "\\x%02x", c);
        else
            (void)fputc(c, to);
    }
    (void)fputc('"', to);
}

void sp_config_dump(const struct sp_config *c, FILE *to)
{
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        (void)fprintf(to, "%s: ", options[i].name);
        if (options[i].type == SP_CONFIG_TEXT)
            dump_text(c->of[i].text, to);
        else
            (void)fputs(c->of[i].text, to);
        (void)fprintf(to, "  # %s; %s; %s\n", c->of[i].origin, options[i].reload ? "reload" : "restart",
                      options[i].doc);
    }
}
