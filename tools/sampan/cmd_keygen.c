/* sampan keygen: makes a key folder, or adds a token key to it.  Never prints a secret. */
#include <stdio.h>

#include "args.h"
#include "cmd.h"
#include "keys.h"
#include "text.h"

#define PROGRAM "sampan keygen"

int sp_cmd_keygen(int argc, char **argv)
{
    bool rotate = false;
    struct sp_trouble t = {.code = SP_EXIT_OK};
    struct sp_keys keys;
    char public[2 * SP_KEY_LEN + 1];
    const struct sp_args_opt opts[] = {
        {.name = "--rotate", .flag = &rotate, .help = "add a token key; the one before it stays live"},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about = "Makes the keys of a gateway in a folder of mode 0700, each file of mode 0600.\n"
                 "Never overwrites; --rotate wants a folder that is complete.",
        .rest = "DIR",
        .rest_min = 1,
        .rest_max = 1,
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    if ((rotate ? sp_keys_rotate : sp_keys_create)(argv[1], &t) != 0 || sp_keys_load(argv[1], &keys, &t) != 0)
        return sp_trouble_print(&t, PROGRAM);
    sp_text_hex_encode(keys.public, sizeof keys.public, public);
    (void)printf("%s: public key %s, token key %u%s\n", argv[1], public, keys.tokens.of[0].kid,
                 rotate ? "; a running gateway takes it at SIGHUP" : "");
    sp_keys_wipe(&keys);
    return SP_EXIT_OK;
}
