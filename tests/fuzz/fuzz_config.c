/* The configuration of sampand.  First byte: a file, the environment, or settings of flags; the rest is their
 * text.
 *
 * Promises: no crash; whatever is wrong is told in bounded, printable text; every value that stands
 * afterwards is inside its row of the option table; a dump is read again without a complaint and gives the
 * same values. */
#include "config.h"
#include "fuzz.h"

enum { VARIABLES_MAX = 16, TEXT_MAX = 8192 };

static const struct sp_config_places places = {
    .store = "lmdb:/state/store", .keys = "/state/keys", .admin = "/run/admin"};

static void check_problems(const struct sp_config_problems *p)
{
    FUZZ_CHECK(p->n <= SP_CONFIG_PROBLEMS_MAX);
    FUZZ_CHECK(p->more == 0 || p->n == SP_CONFIG_PROBLEMS_MAX);
    for (size_t i = 0; i < p->n; i++) {
        size_t len = strnlen(p->text[i], SP_CONFIG_PROBLEM_LEN);
        FUZZ_CHECK(len > 0 && len < SP_CONFIG_PROBLEM_LEN);
        fuzz_tell("%s", p->text[i]);
    }
}

static void check_values(const struct sp_config *c)
{
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        const struct sp_config_option *o = sp_config_option((enum sp_config_key)i);
        const struct sp_config_value *v = &c->of[i];
        size_t len = strnlen(v->text, sizeof v->text);
        FUZZ_CHECK(len > 0 && len < sizeof v->text);
        FUZZ_CHECK(strnlen(v->origin, sizeof v->origin) < sizeof v->origin);
        FUZZ_CHECK(v->number >= o->min || o->type == SP_CONFIG_TEXT);
        FUZZ_CHECK(o->max == 0 || v->number <= o->max);
    }
}

/* What is written is what is read. */
static void check_dump(const struct sp_config *c)
{
    static struct sp_config again;
    static struct sp_config_problems none;
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    FUZZ_CHECK(to != NULL);
    sp_config_dump(c, to);
    (void)fclose(to);
    memset(&none, 0, sizeof none);
    sp_config_init(&again, &places);
    fuzz_tell("%.*s", (int)len, text);
    uint8_t *exact = fuzz_copy((const uint8_t *)text, len);
    sp_config_take_file(&again, "dump", (const char *)exact, len, &none);
    check_problems(&none);
    FUZZ_CHECK(none.n == 0);
    for (size_t i = 0; i < SP_CONFIG_N; i++) {
        FUZZ_CHECK(strcmp(again.of[i].text, c->of[i].text) == 0);
        FUZZ_CHECK(again.of[i].number == c->of[i].number);
    }
    free(exact);
    free(text);
}

/* Lines become variables or settings. */
static void take_lines(struct sp_config *c, char *text, bool is_environment, struct sp_config_problems *p)
{
    char *variables[VARIABLES_MAX + 1];
    size_t n = 0;
    char *line;
    while (n < VARIABLES_MAX && (line = strsep(&text, "\n")) != NULL)
        variables[n++] = line;
    variables[n] = NULL;
    if (is_environment)
        sp_config_take_environment(c, variables, p);
    for (size_t i = 0; i < n && !is_environment; i++) {
        char *value = variables[i];
        const char *name = strsep(&value, "=");
        if (value != NULL)
            sp_config_set(c, name, value, SP_CONFIG_FLAG, "--set", p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_config c;
    static struct sp_config_problems p;
    if (size == 0 || size > TEXT_MAX)
        return 0;
    memset(&p, 0, sizeof p);
    sp_config_init(&c, &places);
    if (data[0] % 3 == 0) {
        uint8_t *file = fuzz_copy(data + 1, size - 1);
        sp_config_take_file(&c, "fuzz.yaml", (const char *)file, size - 1, &p);
        free(file);
    } else {
        uint8_t *text = fuzz_block(size);
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        take_lines(&c, (char *)text, data[0] % 3 == 1, &p);
        free(text);
    }
    sp_config_check(&c, &p);
    check_problems(&p);
    check_values(&c);
    check_dump(&c);
    return 0;
}
