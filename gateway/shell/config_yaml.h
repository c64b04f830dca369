/* A YAML file as a list of keys with values: maps inside maps become names with dots.  Knows YAML, no option
 * table. What YAML has beyond maps of plain values is told as wrong: lists, anchors, aliases, tags,
 * directives, second documents, keys that come twice, keys that are no words.  Bounded: 1 MiB, 8 maps deep,
 * 256 keys. */
#ifndef SP_CONFIG_YAML_H
#define SP_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>

#define SP_CONFIG_YAML_BYTES_MAX ((size_t)1024 * 1024)
#define SP_CONFIG_YAML_DEPTH_MAX 8
#define SP_CONFIG_YAML_KEYS_MAX  256
#define SP_CONFIG_YAML_PATH_MAX  96 /* bytes of a name with its dots, end included */

/* A place in the file, counted from 1. */
struct sp_config_mark {
    unsigned line, column;
};

struct sp_config_yaml_sink {
    void *self;
    /* A value.  All text, whatever its style: `no` and `010` are two letters and three digits. */
    void (*value)(void *self, const char *path, struct sp_config_mark key_at, const char *text,
                  struct sp_config_mark text_at);
    /* A map begins under this name.  False: leave out what is in it. */
    bool (*group)(void *self, const char *path, struct sp_config_mark at);
    /* Something that is wrong; path may be NULL.  Reading goes on when it can. */
    void (*wrong)(void *self, const char *path, struct sp_config_mark at, const char *what);
};

/* Reads len bytes; everything it finds goes to the sink, in the order of the file. */
void sp_config_yaml_read(const char *bytes, size_t len, const struct sp_config_yaml_sink *sink);

#endif
