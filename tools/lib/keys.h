/* The key folder: the gateway's key pair, its one or two live token keys, and the keys of its connection ids.
 * Its files are text, as docs/operating.md has it under "Key folder".  Not a store of tokens, and no way to
 * get a lost key back. */
#ifndef SP_KEYS_H
#define SP_KEYS_H

#include "cookie.h"
#include "token.h"

#include "files.h"

struct sp_keys {
    uint8_t secret[SP_KEY_LEN], public[SP_KEY_LEN];
    struct sp_token_keys tokens; /* of[0] is the newest: seal with it, open with all */
    struct sp_cid_keys cids;
};

/* Makes the folder (0700) if needed and all files (0600) with new keys.  Never overwrites: SP_EXIT_REFUSED
 * when any of the files exists, and nothing is changed.  SP_EXIT_IO. */
int sp_keys_create(const char *dir, struct sp_trouble *t);

/* Adds a token key with the next kid in place of the older one, so that two stay live: tokens of the newest
 * key before it still open.  Errors as sp_keys_load, SP_EXIT_IO. */
int sp_keys_rotate(const char *dir, struct sp_trouble *t);

/* Reads the folder.  SP_EXIT_UNREACHABLE: no folder or file; SP_EXIT_REFUSED: a file that others can read,
 * that is foreign or a symbolic link; SP_EXIT_CONFIG: bad content, or gateway.pub is not the public key of
 * gateway.key.  *out is wiped on error.  The memory is locked against swapping when the system permits. */
int sp_keys_load(const char *dir, struct sp_keys *out, struct sp_trouble *t);

/* True when the folder has a gateway.key. */
bool sp_keys_is_there(const char *dir);

/* Zeroes the keys. */
void sp_keys_wipe(struct sp_keys *k);

#endif
