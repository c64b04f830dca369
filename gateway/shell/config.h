/* The option table of sampand: each key's type, range, default and meaning in one place, and the values that
 * flags, environment and file give them.  Pure but for sp_config_dump; opens no file, reads no variable by
 * itself.
 *
 * A value from a flag beats one from the environment, that one beats the file, and the file beats the
 * default. */
#ifndef SP_CONFIG_H
#define SP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "files.h"

enum sp_config_type {
    SP_CONFIG_TEXT,     /* 1..SP_FILES_PATH_MAX - 1 bytes */
    SP_CONFIG_COUNT,    /* decimal */
    SP_CONFIG_SIZE,     /* bytes: 64MiB */
    SP_CONFIG_DURATION, /* microseconds: 10min */
    SP_CONFIG_CHOICE    /* one word of a list; its number is the word's place */
};

enum sp_config_key {
    SP_CONFIG_LISTEN,
    SP_CONFIG_STORE,
    SP_CONFIG_MAP_SIZE,
    SP_CONFIG_ADMIN,
    SP_CONFIG_SESSIONS,
    SP_CONFIG_KEYS,
    SP_CONFIG_DRAIN,
    SP_CONFIG_SESSION_LIFE,
    SP_CONFIG_MESSAGE_TTL,
    SP_CONFIG_MAILBOX_COUNT,
    SP_CONFIG_MAILBOX_BYTES,
    SP_CONFIG_DEDUP_KEEP,
    SP_CONFIG_LOG_LEVEL,
    SP_CONFIG_HISTORY,
    SP_CONFIG_N
};

/* One row of the table. */
struct sp_config_option {
    const char *name;     /* "mailbox.count" */
    const char *fallback; /* default as text; NULL: a place that sp_config_init is told */
    const char *choices;  /* "err warn info debug" */
    const char *doc;      /* one line */
    uint64_t min, max;    /* of the number; max 0: unbounded */
    enum sp_config_type type;
    bool reload; /* SIGHUP applies a new value; else only a restart does */
};

enum sp_config_source { SP_CONFIG_DEFAULT, SP_CONFIG_FILE, SP_CONFIG_ENVIRONMENT, SP_CONFIG_FLAG };

#define SP_CONFIG_ORIGIN_MAX 160

struct sp_config_value {
    char text[SP_FILES_PATH_MAX]; /* as given; empty: a default place that is not known here */
    uint64_t number;              /* parsed, 0 for texts */
    enum sp_config_source source;
    char origin[SP_CONFIG_ORIGIN_MAX]; /* "default", "sampan.yaml:3:3", "SAMPAN_MAILBOX_COUNT", "--set" */
};

struct sp_config {
    struct sp_config_value of[SP_CONFIG_N];
};

/* Everything that is wrong, collected so that it can be told at once. */
#define SP_CONFIG_PROBLEMS_MAX 64
#define SP_CONFIG_PROBLEM_LEN  256
struct sp_config_problems {
    char text[SP_CONFIG_PROBLEMS_MAX][SP_CONFIG_PROBLEM_LEN];
    size_t n;    /* texts held */
    size_t more; /* problems beyond them */
};

/* Default places; an empty text stands for "not known". */
struct sp_config_places {
    char store[SP_FILES_PATH_MAX], keys[SP_FILES_PATH_MAX], admin[SP_FILES_PATH_MAX];
};

/* The table's row of a key. */
const struct sp_config_option *sp_config_option(enum sp_config_key key);

/* All defaults. */
void sp_config_init(struct sp_config *c, const struct sp_config_places *places);

/* Gives the key called `name` a value from `source`.  Unknown names, bad values and values out of range
 * become problems and change nothing; so does, silently, a value whose source is weaker than that of the
 * present one, after it was checked as well. */
void sp_config_set(struct sp_config *c, const char *name, const char *text, enum sp_config_source source,
                   const char *origin, struct sp_config_problems *p);

/* Takes a YAML file of len bytes; `label` is its name in problems. */
void sp_config_take_file(struct sp_config *c, const char *label, const char *bytes, size_t len,
                         struct sp_config_problems *p);

/* Takes the variables SAMPAN_<KEY> of a NULL-ended "NAME=value" list.  A variable with that beginning that is
 * nearly a key's is a problem; other ones are not ours. */
void sp_config_take_environment(struct sp_config *c, char *const *environment, struct sp_config_problems *p);

/* What only all values together show. */
void sp_config_check(const struct sp_config *c, struct sp_config_problems *p);

/* Writes all values as YAML that sp_config_take_file reads, each with its source as a comment. */
void sp_config_dump(const struct sp_config *c, FILE *to);

/* Adds a problem: "origin: name: text", or "origin: text" with name NULL. */
__attribute__((format(printf, 4, 5))) void sp_config_note(struct sp_config_problems *p, const char *origin,
                                                          const char *name, const char *format, ...);

#endif
