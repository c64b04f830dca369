#include "hints.h"

#include "addr.h"

/* A word for a POSIX shell: in single quotes, where only the single quote itself needs care. */
static void print_word(FILE *to, const char *word)
{
    (void)fputc('\'', to);
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            (void)fputs("'\\''", to);
        else
            (void)fputc(*word, to);
    }
    (void)fputc('\'', to);
}

static void print_token(FILE *to, const char *keys, const char *user, const char *at)
{
    (void)fputs("  sampan token --keys ", to);
    print_word(to, keys);
    (void)fprintf(to, " --user %s --device 1 --gateway %s > %s.token\n", user, at, user);
}

void sp_hints_print(FILE *to, const char *keys, const struct sp_addr *at)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_print(at, text, sizeof text);
    (void)fprintf(to, "Keys are in %s.  A first message from a to b, in another terminal:\n\n", keys);
    print_token(to, keys, "a", text);
    print_token(to, keys, "b", text);
    (void)fprintf(to, "  echo hello | sampan send --token a.token --state a.state --to b\n"
                      "  sampan recv --token b.token --state b.state --count 1\n\n");
    (void)fflush(to);
}
