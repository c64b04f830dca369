/* The commands for a first message. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "addr.h"
#include "hints.h"

Test(hints, golden)
{
    char *text = NULL;
    size_t len = 0;
    struct sp_addr at;
    FILE *to = open_memstream(&text, &len);
    cr_assert(sp_addr_parse("127.0.0.1:7400", &at));
    sp_hints_print(to, "/it's here/keys", &at);
    (void)fclose(to);
    cr_assert_str_eq(
        text,
        "Keys are in /it's here/keys.  A first message from a to b, in another terminal:\n\n"
        "  sampan token --keys '/it'\\''s here/keys' --user a --device 1 --gateway 127.0.0.1:7400 > a.token\n"
        "  sampan token --keys '/it'\\''s here/keys' --user b --device 1 --gateway 127.0.0.1:7400 > b.token\n"
        "  echo hello | sampan send --token a.token --state a.state --to b\n"
        "  sampan recv --token b.token --state b.state --count 1\n\n");
    free(text);
}
