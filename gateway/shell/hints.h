/* The commands that send a first message through a gateway that was started without options. */
#ifndef SP_HINTS_H
#define SP_HINTS_H

#include <sampan/types.h>
#include <stdio.h>

/* Writes them, ready to be pasted into a shell; `keys` is the key folder, `at` where the gateway listens. */
void sp_hints_print(FILE *to, const char *keys, const struct sp_addr *at);

#endif
