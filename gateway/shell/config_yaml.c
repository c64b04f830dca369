#include "config_yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define WHAT_MAX 160

/* A name that was read, to find it when it comes again. */
struct seen {
    char path[SP_CONFIG_YAML_PATH_MAX];
    struct sp_config_mark at;
};

struct reader {
    const struct sp_config_yaml_sink *sink;
    char path[SP_CONFIG_YAML_PATH_MAX];            /* of the key whose value comes next, or of the open map */
    size_t path_len[SP_CONFIG_YAML_DEPTH_MAX + 1]; /* of each open map's own path; [0]: none, 0 */
    size_t depth;                                  /* open maps */
    size_t skip;                                   /* open maps and lists whose content is left out */
    bool has_key, ignore_value;                    /* a value comes next; it is left out */
    bool over;                                     /* nothing more is worth reading */
    size_t documents;
    struct sp_config_mark key_at;
    struct seen seen[SP_CONFIG_YAML_KEYS_MAX];
    size_t seen_n;
};

static struct sp_config_mark mark_of(yaml_mark_t m)
{
    return (struct sp_config_mark){(unsigned)m.line + 1, (unsigned)m.column + 1};
}

static void wrong(struct reader *r, struct sp_config_mark at, const char *what)
{
    r->sink->wrong(r->sink->self, r->path[0] != '\0' ? r->path : NULL, at, what);
}

/* Wrong, and what follows cannot be understood. */
static void give_up(struct reader *r, struct sp_config_mark at, const char *what)
{
    wrong(r, at, what);
    r->over = true;
}

/* Anchors and tags would make a value mean more than it says. */
static void check_extras(struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag,
                         struct sp_config_mark at)
{
    if (anchor != NULL)
        wrong(r, at, "anchors are not taken here");
    if (tag != NULL)
        wrong(r, at, "tags are not taken here");
}

/* The value for the present key is done: back to the path of the map around it. */
static void end_value(struct reader *r)
{
    r->has_key = r->ignore_value = false;
    r->path[r->path_len[r->depth]] = '\0';
}

/* Looks the present path up among those read before, and remembers it. */
static void remember(struct reader *r)
{
    char what[WHAT_MAX];
    for (size_t i = 0; i < r->seen_n; i++) {
        if (strcmp(r->seen[i].path, r->path) != 0)
            continue;
        (void)snprintf(what, sizeof what, "is given twice; first in line %u", r->seen[i].at.line);
        wrong(r, r->key_at, what);
        r->ignore_value = true;
        return;
    }
    if (r->seen_n == SP_CONFIG_YAML_KEYS_MAX) {
        give_up(r, r->key_at, "too many keys");
        return;
    }
    memcpy(r->seen[r->seen_n].path, r->path, sizeof r->path);
    r->seen[r->seen_n++].at = r->key_at;
}

/* A scalar where a key belongs: its name is added to the path of the open map. */
static void take_key(struct reader *r, const char *text, size_t len, struct sp_config_mark at)
{
    size_t base = r->path_len[r->depth], dot = base > 0 ? 1 : 0;
    if (len == 0 || base + dot + len >= sizeof r->path) {
        give_up(r, at, len == 0 ? "an empty key" : "a key that is too long");
        return;
    }
    if (dot > 0)
        r->path[base] = '.';
    memcpy(r->path + base + dot, text, len);
    r->path[base + dot + len] = '\0';
    r->has_key = true;
    r->key_at = at;
    remember(r);
}

static void on_scalar(struct reader *r, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    struct sp_config_mark at = mark_of(e->start_mark);
    if (r->depth > 0 || len > 0)
        check_extras(r, e->data.scalar.anchor, e->data.scalar.tag, at);
    if (memchr(text, '\0', len) != NULL) {
        give_up(r, at, "a zero byte");
    } else if (r->depth == 0) {
        if (len > 0) /* an empty document is one empty scalar */
            give_up(r, at, "the file must be a map of keys and values");
    } else if (!r->has_key) {
        take_key(r, text, len, at);
    } else {
        if (!r->ignore_value)
            r->sink->value(r->sink->self, r->path, r->key_at, text, at);
        end_value(r);
    }
}

static void on_map(struct reader *r, const yaml_event_t *e)
{
    struct sp_config_mark at = mark_of(e->start_mark);
    check_extras(r, e->data.mapping_start.anchor, e->data.mapping_start.tag, at);
    if (r->depth > 0 && !r->has_key) {
        give_up(r, at, "a key must be a word");
    } else if (r->depth > 0 && (r->ignore_value || !r->sink->group(r->sink->self, r->path, r->key_at))) {
        r->skip = 1;
    } else if (r->depth == SP_CONFIG_YAML_DEPTH_MAX) {
        give_up(r, at, "maps too deep");
    } else {
        r->path_len[++r->depth] = strlen(r->path);
        r->has_key = false;
    }
}

static void on_list(struct reader *r, const yaml_event_t *e)
{
    struct sp_config_mark at = mark_of(e->start_mark);
    check_extras(r, e->data.sequence_start.anchor, e->data.sequence_start.tag, at);
    if (r->depth == 0 || !r->has_key) {
        give_up(r, at, r->depth == 0 ? "the file must be a map of keys and values" : "a key must be a word");
        return;
    }
    if (!r->ignore_value)
        wrong(r, at, "a list is not taken here");
    r->skip = 1;
}

static void on_alias(struct reader *r, const yaml_event_t *e)
{
    if (r->has_key) {
        wrong(r, mark_of(e->start_mark), "aliases are not taken here");
        end_value(r);
    } else {
        give_up(r, mark_of(e->start_mark), "a key must be a word");
    }
}

static void on_document(struct reader *r, const yaml_event_t *e)
{
    struct sp_config_mark at = mark_of(e->start_mark);
    if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        wrong(r, at, "tags are not taken here");
    if (++r->documents > 1)
        give_up(r, at, "a second document; one file is one document");
}

/* Inside of something that is left out: only its end matters. */
static void skip_event(struct reader *r, yaml_event_type_t type)
{
    if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
        r->skip++;
    else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
        r->skip--;
    if (r->skip == 0)
        end_value(r);
}

static void take_event(struct reader *r, const yaml_event_t *e)
{
    if (r->skip > 0) {
        skip_event(r, e->type);
        return;
    }
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        on_document(r, e);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(r, e);
        break;
    case YAML_MAPPING_START_EVENT:
        on_map(r, e);
        break;
    case YAML_MAPPING_END_EVENT:
        r->depth -= r->depth > 0; /* libyaml ends only what began; a bound all the same */
        end_value(r);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_list(r, e);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(r, e);
        break;
    case YAML_STREAM_END_EVENT:
        r->over = true;
        break;
    default:
        break;
    }
}

/* What the parser itself complains about. */
static void syntax_error(struct reader *r, const yaml_parser_t *parser)
{
    char what[WHAT_MAX];
    (void)snprintf(what, sizeof what, "not YAML: %s",
                   parser->problem != NULL ? parser->problem : "no memory to read it");
    r->path[0] = '\0';
    give_up(r, mark_of(parser->problem_mark), what);
}

void sp_config_yaml_read(const char *bytes, size_t len, const struct sp_config_yaml_sink *sink)
{
    struct reader r = {.sink = sink};
    yaml_parser_t parser;
    if (len > SP_CONFIG_YAML_BYTES_MAX) {
        give_up(&r, (struct sp_config_mark){1, 1}, "longer than 1 MiB");
        return;
    }
    if (yaml_parser_initialize(&parser) == 0) {
        give_up(&r, (struct sp_config_mark){1, 1}, "no memory to read it");
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    while (!r.over) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            syntax_error(&r, &parser);
            break;
        }
        take_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}
