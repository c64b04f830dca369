/* The YAML reader's bounds and its mercy on arbitrary bytes.  What it says about each construct is in
 * test_config.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_yaml.h"

struct tally {
    unsigned values, groups, wrongs;
    char last[128];
};

static void on_value(void *self, const char *path, struct sp_config_mark key_at, const char *text,
                     struct sp_config_mark text_at)
{
    struct tally *t = self;
    t->values++;
    (void)snprintf(t->last, sizeof t->last, "%s=%s %u:%u %u:%u", path, text, key_at.line, key_at.column,
                   text_at.line, text_at.column);
}

static bool on_group(void *self, const char *path, struct sp_config_mark at)
{
    struct tally *t = self;
    (void)at;
    t->groups++;
    return strcmp(path, "skipped") != 0;
}

static void on_wrong(void *self, const char *path, struct sp_config_mark at, const char *what)
{
    struct tally *t = self;
    (void)path;
    (void)at;
    t->wrongs++;
    (void)snprintf(t->last, sizeof t->last, "%s", what);
}

static struct tally read_bytes(const char *bytes, size_t len)
{
    struct tally t = {.values = 0};
    const struct sp_config_yaml_sink sink = {&t, on_value, on_group, on_wrong};
    sp_config_yaml_read(bytes, len, &sink);
    return t;
}

Test(config_yaml, names_join_and_places_count_from_one)
{
    static const char file[] = "a:\n  b:\n    c: 1\n  d: 2\ne:   3\n";
    struct tally t = read_bytes(file, sizeof file - 1);
    cr_expect_eq(t.values, 3);
    cr_expect_eq(t.groups, 2);
    cr_expect_eq(t.wrongs, 0);
    cr_expect_str_eq(t.last, "e=3 5:1 5:6");
    t = read_bytes(file, 18);
    cr_expect_str_eq(t.last, "a.b.c=1 3:5 3:8");
}

Test(config_yaml, a_refused_group_is_left_out_whole)
{
    static const char file[] = "skipped:\n  a: {b: [c, {d: e}]}\n  f: g\nh: i\n";
    struct tally t = read_bytes(file, sizeof file - 1);
    cr_expect_eq(t.values, 1);
    cr_expect_eq(t.groups, 1);
    cr_expect_str_eq(t.last, "h=i 4:1 4:4");
}

Test(config_yaml, depth_is_bounded)
{
    static const char ok[] = "a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}",
                      deep[] = "a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}";
    struct tally t = read_bytes(ok, sizeof ok - 1);
    cr_expect_eq(t.values, 1);
    cr_expect_eq(t.wrongs, 0);
    t = read_bytes(deep, sizeof deep - 1);
    cr_expect_eq(t.values, 0);
    cr_expect_str_eq(t.last, "maps too deep");
}

Test(config_yaml, keys_and_names_are_bounded)
{
    char file[8 * 300];
    size_t len = 0;
    for (int i = 0; i < 257; i++)
        len += (size_t)snprintf(file + len, sizeof file - len, "k%03d: \n", i);
    struct tally t = read_bytes(file, len);
    cr_expect_eq(t.values, 256);
    cr_expect_str_eq(t.last, "too many keys");
    memset(file, 'n', 200);
    memcpy(file + SP_CONFIG_YAML_PATH_MAX, ": 1", 3);
    t = read_bytes(file, SP_CONFIG_YAML_PATH_MAX + 3);
    cr_expect_str_eq(t.last, "a key that is too long");
    memcpy(file + SP_CONFIG_YAML_PATH_MAX - 1, ": 1", 3);
    t = read_bytes(file, SP_CONFIG_YAML_PATH_MAX + 2);
    cr_expect_eq(t.values, 1);
}

Test(config_yaml, a_file_over_one_mebibyte_is_not_read)
{
    size_t len = SP_CONFIG_YAML_BYTES_MAX + 1;
    char *bytes = malloc(len);
    cr_assert_not_null(bytes);
    memset(bytes, '\n', len);
    struct tally t = read_bytes(bytes, len);
    cr_expect_str_eq(t.last, "longer than 1 MiB");
    t = read_bytes(bytes, len - 1);
    cr_expect_eq(t.wrongs, 0);
    free(bytes);
}

/* Every cut and every single changed byte of a file with all constructs: something is told or not, nothing
 * breaks. */
Test(config_yaml, damage_never_breaks_the_reader)
{
    static const char file[] =
        "%YAML 1.1\n---\na: &x {b: [1, *x, !t 2], 'c': \"d\\x41\"}\n? e\n: |\n  f\n  g\n<<: *x\n---\nh: i\n";
    char copy[sizeof file];
    for (size_t cut = 0; cut < sizeof file; cut++)
        (void)read_bytes(file, cut);
    unsigned told = 0;
    for (size_t at = 0; at < sizeof file - 1; at++)
        for (unsigned v = 0; v < 256; v += 5) {
            memcpy(copy, file, sizeof file);
            copy[at] = (char)v;
            told += read_bytes(copy, sizeof file - 1).wrongs > 0;
        }
    cr_expect_gt(told, 1000);
}
