/* A token file: what `sampan token` writes and the client verbs read.  One line: the connect blob as
 * base64url (docs/protocol.md, section 2.1), a blank, the device number, a blank, the user id to the end of
 * the line.  The blob itself names neither user nor device, but a client must know whose queue and cursor its
 * state folder holds. */
#ifndef SP_TOKENFILE_H
#define SP_TOKENFILE_H

#include "token.h"

#include "keys.h"

#define SP_TOKENFILE_MAX 6400 /* bytes of the file, end included */

struct sp_tokenfile {
    uint8_t blob[SP_BLOB_MAX]; /* binary, for sp_client_config.blob and sp_client_token */
    size_t blob_len;
    struct sp_blob parsed; /* the same, decoded: addresses, expiry, gateway key */
    uint32_t device;
    uint8_t user[SP_USER_MAX];
    size_t user_len;
};

/* What a token shall say. */
struct sp_tokenfile_order {
    const char *user; /* 1..SP_USER_MAX bytes, no line feed */
    uint32_t device;
    uint32_t life_s;
    uint16_t rights; /* sum of SP_RIGHT_* */
    const struct sp_addr *addrs;
    size_t addrs_n; /* 1..SP_BLOB_ADDRS_MAX */
};

/* Seals a token with the newest token key for the gateway of `keys`, valid from now_s on, and writes the line
 * (line feed and NUL included) to dst, cap >= SP_TOKENFILE_MAX.  SP_EXIT_USAGE: an order outside its limits.
 */
int sp_tokenfile_make(const struct sp_keys *keys, const struct sp_tokenfile_order *order, uint32_t now_s,
                      char *dst, size_t cap, struct sp_trouble *t);

/* Reads a token file under the rules of sp_files_read_private.  Its errors, and SP_EXIT_CONFIG: not a token
 * file. */
int sp_tokenfile_read(const char *path, struct sp_tokenfile *out, struct sp_trouble *t);

/* The same from memory. */
int sp_tokenfile_parse(const char *text, size_t len, struct sp_tokenfile *out, struct sp_trouble *t);

#endif
