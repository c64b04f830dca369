/* The option table and its sources.  The golden table: a file, and what is said about it, word for word. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define SAID_MAX 2048

static const struct sp_config_places PLACES = {
    .store = "lmdb:/state/store", .keys = "/state/keys", .admin = "/run/admin"};

struct fixture {
    struct sp_config c;
    struct sp_config_problems p;
};
static struct fixture *f;

static void setup(void)
{
    f = calloc(1, sizeof *f);
    cr_assert_not_null(f);
    sp_config_init(&f->c, &PLACES);
}

static void teardown(void)
{
    free(f);
}

TestSuite(config, .init = setup, .fini = teardown);

/* All problems, a line each. */
static const char *said(void)
{
    static char text[SAID_MAX];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->p.n && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", f->p.text[i]);
    return text;
}

static void take(const char *file)
{
    sp_config_take_file(&f->c, "s.yaml", file, strlen(file), &f->p);
    sp_config_check(&f->c, &f->p);
}

static const struct {
    const char *file, *said;
} GOLDEN[] = {
    {"# trial\nmailbox:\n  cuont: 5\n",
     "s.yaml:3:3: mailbox.cuont: unknown key; did you mean 'mailbox.count'?\n"},
    {"mailbox.cuont: 5\n", "s.yaml:1:1: mailbox.cuont: unknown key; did you mean 'mailbox.count'?\n"},
    {"volume: 11\n", "s.yaml:1:1: volume: unknown key\n"},
    {"mailbx:\n  count: 5\n  bytes: 1MiB\n", "s.yaml:1:1: mailbx: unknown key; did you mean 'mailbox'?\n"},
    {"mailbox: 5\n", "s.yaml:1:1: mailbox: is a group of keys, not one value\n"},
    {"drain:\n  time: 5s\n", "s.yaml:1:1: drain: is one value, not a group of keys\n"},
    {"mailbox:\n  count: many\n", "s.yaml:2:10: mailbox.count: 'many' is not a number such as 10000\n"},
    {"mailbox:\n  count: -1\n", "s.yaml:2:10: mailbox.count: '-1' is not a number such as 10000\n"},
    {"mailbox:\n  count: 0\n", "s.yaml:2:10: mailbox.count: 0 is outside 1..1000000\n"},
    {"session.max: 10000001\n", "s.yaml:1:14: session.max: 10000001 is outside 1..10000000\n"},
    {"session.max: 5000000000000000000000\n",
     "s.yaml:1:14: session.max: '5000000000000000000000' is not a number such as 10000\n"},
    {"mailbox.bytes: 64MB\n", "s.yaml:1:16: mailbox.bytes: '64MB' is not a size such as 64MiB\n"},
    {"mailbox.bytes: 8GiB\n", "s.yaml:1:16: mailbox.bytes: 8GiB is outside 64KiB..4095MiB\n"},
    {"store:\n  map_size: 1MiB\n", "s.yaml:2:13: store.map_size: 1MiB is outside 64MiB..1TiB\n"},
    {"store.map_size: 1MiB\n", "s.yaml:1:17: store.map_size: 1MiB is outside 64MiB..1TiB\n"},
    {"drain: 30\n", "s.yaml:1:8: drain: '30' is not a duration such as 30s, 10min or 7d\n"},
    {"drain: 11min\n", "s.yaml:1:8: drain: 11min is outside 0..10min\n"},
    {"session:\n  life: 30min\n", "s.yaml:2:9: session.life: 30min is outside 1h..1d\n"},
    {"log.level: no\n", "s.yaml:1:12: log.level: 'no' is not one of err warn info debug\n"},
    {"log.level: information\n", "s.yaml:1:12: log.level: 'information' is not one of err warn info debug\n"},
    {"keys:\n", "s.yaml:1:6: keys: is empty\n"},
    {"keys: ''\n", "s.yaml:1:7: keys: is empty\n"},
    {"drain: 5s\nlisten: 127.0.0.1:1\ndrain: 6s\n", "s.yaml:3:1: drain: is given twice; first in line 1\n"},
    {"mailbox:\n  count: 1\n  count: 2\n", "s.yaml:3:3: mailbox.count: is given twice; first in line 2\n"},
    {"mailbox:\n  count: 1\nmailbox.count: 2\n",
     "s.yaml:3:1: mailbox.count: is given twice; first in line 2\n"},
    {"mailbox:\n  count: 1\nmailbox:\n  bytes: x\n",
     "s.yaml:3:1: mailbox: is given twice; first in line 1\n"},
    {"drain: &d 5s\n", "s.yaml:1:8: drain: anchors are not taken here\n"},
    {"drain: *d\nlog.level: loud\n", "s.yaml:1:8: drain: aliases are not taken here\n"
                                     "s.yaml:2:12: log.level: 'loud' is not one of err warn info debug\n"},
    {"mailbox.count: !!int 5\n", "s.yaml:1:16: mailbox.count: tags are not taken here\n"},
    {"mailbox: !x {count: 5}\n", "s.yaml:1:10: mailbox: tags are not taken here\n"},
    {"%TAG ! tag:x,2000:\n---\ndrain: 5s\n", "s.yaml:1:1: tags are not taken here\n"},
    {"drain: 5s\n---\ndrain: 6s\n", "s.yaml:2:1: a second document; one file is one document\n"},
    {"keys: [a, b]\n", "s.yaml:1:7: keys: a list is not taken here\n"},
    {"keys:\n  - a\n  - [b, {c: d}]\nvolume: 1\n",
     "s.yaml:2:3: keys: a list is not taken here\ns.yaml:4:1: volume: unknown key\n"},
    {"- a\n- b\n", "s.yaml:1:1: the file must be a map of keys and values\n"},
    {"just text\n", "s.yaml:1:1: the file must be a map of keys and values\n"},
    {"? [a]\n: 5\n", "s.yaml:1:3: a key must be a word\n"},
    {"? {a: b}\n: 5\n", "s.yaml:1:3: a key must be a word\n"},
    {"'': 5\n", "s.yaml:1:1: an empty key\n"},
    {"drain: \"5\\0s\"\n", "s.yaml:1:8: drain: a zero byte\n"},
    {"drain: 5s\n bad: 1\n", "s.yaml:1:8: drain: '5s bad' is not a duration such as 30s, 10min or 7d\n"
                             "s.yaml:2:5: not YAML: mapping values are not allowed in this context\n"},
    {"drain: [5s\n",
     "s.yaml:1:8: drain: a list is not taken here\ns.yaml:2:1: not YAML: did not find expected ',' or ']'\n"},
    {"drain: \"5s\n", "s.yaml:2:1: not YAML: found unexpected end of stream\n"},
    {"\tdrain: 5s\n", "s.yaml:1:1: not YAML: found character that cannot start any token\n"},
    {"dedup.keep: 6d\n", "s.yaml:1:13: dedup.keep: 6d is less than message.ttl, which is 7d: a late repeat "
                         "would be a new message\n"},
    {"message.ttl: 8d\n", "s.yaml:1:14: dedup.keep: 7d is less than message.ttl, which is 8d: a late repeat "
                          "would be a new message\n"},
    {"lisen: a\ndrian: 5s\nmailbox: {coutn: 1, bites: 2}\n",
     "s.yaml:1:1: lisen: unknown key; did you mean 'listen'?\n"
     "s.yaml:2:1: drian: unknown key; did you mean 'drain'?\n"
     "s.yaml:3:11: mailbox.coutn: unknown key; did you mean 'mailbox.count'?\n"
     "s.yaml:3:21: mailbox.bites: unknown key; did you mean 'mailbox.bytes'?\n"},
    {"a: {b: {c: {d: {e: {f: {g: {h: 1}}}}}}}\n", "s.yaml:1:1: a: unknown key\n"},
};

Test(config, golden_errors)
{
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        f->p.n = 0;
        sp_config_init(&f->c, &PLACES);
        take(GOLDEN[i].file);
        cr_expect_str_eq(said(), GOLDEN[i].said, "row %zu:\n%s--- got:\n%s--- want:\n%s", i, GOLDEN[i].file,
                         said(), GOLDEN[i].said);
    }
}

Test(config, defaults_are_within_their_own_rules)
{
    sp_config_check(&f->c, &f->p);
    cr_assert_eq(f->p.n, 0);
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        const struct sp_config_option *o = sp_config_option((enum sp_config_key)i);
        if (o->fallback == NULL)
            continue;
        sp_config_set(&f->c, o->name, o->fallback, SP_CONFIG_FLAG, "test", &f->p);
        cr_expect_eq(f->p.n, 0, "%s", o->name);
    }
}

/* docs/operating.md has this table for people. */
Test(config, default_values)
{
    static const struct {
        enum sp_config_key key;
        const char *name;
        uint64_t number;
    } rows[] = {
        {SP_CONFIG_LISTEN, "listen", 0},
        {SP_CONFIG_STORE, "store", 0},
        {SP_CONFIG_MAP_SIZE, "store.map_size", UINT64_C(17179869184)},
        {SP_CONFIG_ADMIN, "admin.socket", 0},
        {SP_CONFIG_SESSIONS, "session.max", 100000},
        {SP_CONFIG_KEYS, "keys", 0},
        {SP_CONFIG_DRAIN, "drain", 30000000},
        {SP_CONFIG_SESSION_LIFE, "session.life", UINT64_C(86400000000)},
        {SP_CONFIG_MESSAGE_TTL, "message.ttl", UINT64_C(604800000000)},
        {SP_CONFIG_MAILBOX_COUNT, "mailbox.count", 10000},
        {SP_CONFIG_MAILBOX_BYTES, "mailbox.bytes", UINT64_C(67108864)},
        {SP_CONFIG_DEDUP_KEEP, "dedup.keep", UINT64_C(604800000000)},
        {SP_CONFIG_LOG_LEVEL, "log.level", 2},
        {SP_CONFIG_HISTORY, "history", 0},
    };
    cr_assert_eq(sizeof rows / sizeof rows[0], SP_CONFIG_N);
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        cr_expect_str_eq(sp_config_option(rows[i].key)->name, rows[i].name);
        cr_expect_eq(f->c.of[rows[i].key].number, rows[i].number, "%s", rows[i].name);
        cr_expect_str_eq(f->c.of[rows[i].key].origin, "default");
    }
    cr_expect_str_eq(f->c.of[SP_CONFIG_LISTEN].text, "127.0.0.1:7400");
    cr_expect_str_eq(f->c.of[SP_CONFIG_STORE].text, "lmdb:/state/store");
}

Test(config, a_file_in_all_its_styles)
{
    take("%YAML 1.1\n---\n# comment\nlisten: \"[::1]:7400\"\nstore: 'lmdb:/s'\nkeys: >-\n  /k\n  /l\n"
         "mailbox: {count: 010, \"bytes\": 1MiB}\ndedup:\n    keep: 30d\nmessage.ttl: 30d\nlog:\n  level: "
         "debug\n...\n");
    cr_assert_str_eq(said(), "");
    cr_expect_str_eq(f->c.of[SP_CONFIG_LISTEN].text, "[::1]:7400");
    cr_expect_str_eq(f->c.of[SP_CONFIG_KEYS].text, "/k /l");
    cr_expect_eq(f->c.of[SP_CONFIG_MAILBOX_COUNT].number, 10, "decimal, whatever YAML 1.1 thinks");
    cr_expect_eq(f->c.of[SP_CONFIG_MAILBOX_BYTES].number, 1048576);
    cr_expect_eq(f->c.of[SP_CONFIG_LOG_LEVEL].number, 3);
    cr_expect_str_eq(f->c.of[SP_CONFIG_LOG_LEVEL].origin, "s.yaml:14:10");
}

Test(config, empty_files_are_fine)
{
    static const char *const files[] = {"",           "\n",   "# nothing\n",  "---\n",
                                        "---\n...\n", "{}\n", "mailbox: {}\n"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        take(files[i]);
        cr_expect_str_eq(said(), "", "file %zu", i);
    }
}

Test(config, flag_beats_environment_beats_file_beats_default)
{
    char *const environment[] = {(char *)"SAMPAN_MAILBOX_COUNT=2", (char *)"SAMPAN_DRAIN=2s",
                                 (char *)"HOME=/h", NULL};
    sp_config_set(&f->c, "mailbox.count", "3", SP_CONFIG_FLAG, "--set", &f->p);
    sp_config_take_environment(&f->c, environment, &f->p);
    take("mailbox.count: 1\ndrain: 1s\nlog.level: err\n");
    cr_assert_str_eq(said(), "");
    cr_expect_eq(f->c.of[SP_CONFIG_MAILBOX_COUNT].number, 3);
    cr_expect_str_eq(f->c.of[SP_CONFIG_MAILBOX_COUNT].origin, "--set");
    cr_expect_eq(f->c.of[SP_CONFIG_DRAIN].number, 2000000);
    cr_expect_str_eq(f->c.of[SP_CONFIG_DRAIN].origin, "SAMPAN_DRAIN");
    cr_expect_str_eq(f->c.of[SP_CONFIG_LOG_LEVEL].origin, "s.yaml:3:12");
    cr_expect_str_eq(f->c.of[SP_CONFIG_KEYS].origin, "default");
}

Test(config, a_weaker_source_is_checked_all_the_same)
{
    sp_config_set(&f->c, "mailbox.count", "3", SP_CONFIG_FLAG, "--set", &f->p);
    take("mailbox.count: x\n");
    cr_expect_str_eq(said(), "s.yaml:1:16: mailbox.count: 'x' is not a number such as 10000\n");
}

Test(config, environment_errors)
{
    char *const environment[] = {(char *)"SAMPAN_MAILBOX_CUONT=2",
                                 (char *)"SAMPAN_STORE_MAP_SIZE=big",
                                 (char *)"SAMPAN_KEYS=",
                                 (char *)"SAMPAN_OTHER_THING=1",
                                 (char *)"SAMPAN_NOVALUE",
                                 (char *)"PATH=/bin",
                                 NULL};
    sp_config_take_environment(&f->c, environment, &f->p);
    cr_expect_str_eq(said(), "SAMPAN_MAILBOX_CUONT: unknown variable; did you mean 'SAMPAN_MAILBOX_COUNT'?\n"
                             "SAMPAN_STORE_MAP_SIZE: store.map_size: 'big' is not a size such as 64MiB\n"
                             "SAMPAN_KEYS: keys: is empty\n");
}

Test(config, default_places_that_are_not_known)
{
    static const struct sp_config_places nowhere;
    sp_config_init(&f->c, &nowhere);
    sp_config_set(&f->c, "store", "mem:", SP_CONFIG_FLAG, "--store", &f->p);
    sp_config_check(&f->c, &f->p);
    cr_expect_str_eq(
        said(), "default: admin.socket: has no default here, because neither XDG_STATE_HOME nor HOME is set\n"
                "default: keys: has no default here, because neither XDG_STATE_HOME nor HOME is set\n");
}

Test(config, too_many_problems_are_counted)
{
    char file[100 * 10];
    size_t len = 0;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(file + len, sizeof file - len, "zz%03d: 1\n", i);
    sp_config_take_file(&f->c, "s.yaml", file, len, &f->p);
    cr_expect_eq(f->p.n, SP_CONFIG_PROBLEMS_MAX);
    cr_expect_eq(f->p.more, 36);
}

Test(config, a_text_may_fill_its_place_but_not_more)
{
    char text[SP_FILES_PATH_MAX + 1];
    memset(text, 'x', sizeof text);
    text[SP_FILES_PATH_MAX - 1] = '\0';
    sp_config_set(&f->c, "keys", text, SP_CONFIG_FLAG, "--keys", &f->p);
    cr_expect_eq(f->p.n, 0);
    cr_expect_str_eq(f->c.of[SP_CONFIG_KEYS].text, text);
    text[SP_FILES_PATH_MAX - 1] = 'x';
    text[SP_FILES_PATH_MAX] = '\0';
    sp_config_set(&f->c, "keys", text, SP_CONFIG_FLAG, "--keys", &f->p);
    cr_expect_str_eq(said(), "--keys: keys: longer than 1023 bytes\n");
}

/* What a YAML file cannot say does not come by another way, or a dump could not be read. */
Test(config, a_text_is_utf8)
{
    static const struct {
        const char *text;
        bool is_text;
    } rows[] = {
        {"/\xc3\xa9", true},
        {"/\xe2\x82\xac", true},
        {"/\xf0\x9f\x98\x80", true},
        {"/\xf4\x8f\xbf\xbf", true},
        {"/\x01\x7f", true},
        {"/\xef\xbf\xbd", true},
        {"/\xe9", false},
        {"/\x80", false},
        {"/\xc3", false},
        {"/\xc3/", false},
        {"/\xc1\xbf", false},
        {"/\xe0\x9f\xbf", false},
        {"/\xf0\x8f\xbf\xbf", false},
        {"/\xed\xa0\x80", false},
        {"/\xf4\x90\x80\x80", false},
        {"/\xf8\x88\x80\x80\x80", false},
        {"/\xc2\x9f", false},
        {"/\xef\xbb\xbf", false},
        {"/\xef\xbf\xbe", false},
        {"/\xf0\x9f\x98", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t before = f->p.n;
        sp_config_set(&f->c, "keys", rows[i].text, SP_CONFIG_FLAG, "--keys", &f->p);
        cr_expect_eq(f->p.n == before, rows[i].is_text, "row %zu", i);
        cr_expect_eq(strcmp(f->c.of[SP_CONFIG_KEYS].text, rows[i].text) == 0, rows[i].is_text, "row %zu", i);
    }
    cr_expect_not_null(strstr(said(), "--keys: keys: '/\xe9' is not UTF-8 text\n"));
}

Test(config, the_dump_reads_back_as_the_same_values)
{
    char *dump = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&dump, &len);
    struct fixture *again = calloc(1, sizeof *again);
    cr_assert_not_null(again);
    sp_config_set(&f->c, "keys", "/a \"b\"\\c # d: e\x01\xc3\xa9", SP_CONFIG_FLAG, "--keys", &f->p);
    sp_config_set(&f->c, "mailbox.count", "12", SP_CONFIG_FLAG, "--set", &f->p);
    sp_config_dump(&f->c, to);
    (void)fclose(to);
    sp_config_init(&again->c, &PLACES);
    sp_config_take_file(&again->c, "dump", dump, len, &again->p);
    cr_expect_eq(again->p.n, 0, "%s", again->p.text[0]);
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        cr_expect_str_eq(again->c.of[i].text, f->c.of[i].text);
        cr_expect_eq(again->c.of[i].number, f->c.of[i].number);
    }
    cr_expect_not_null(strstr(dump, "mailbox.count: 12  # --set; restart; messages in one mailbox\n"));
    free(again);
    free(dump);
}
