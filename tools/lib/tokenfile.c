#include "tokenfile.h"

#include <sampan/err.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto_sodium.h"
#include "sys.h"
#include "text.h"

/* What is wrong with an order, or NULL. */
static const char *objection(const struct sp_tokenfile_order *o, uint32_t now_s)
{
    size_t len = strlen(o->user);
    if (len < 1 || len > SP_USER_MAX)
        return "a user id has 1 to 64 bytes";
    if (strchr(o->user, '\n') != NULL)
        return "a user id in a token file has no line feed";
    if (o->life_s < 1 || o->life_s > UINT32_MAX - now_s)
        return "the life of a token is at least a second and ends before the year 2106";
    if ((o->rights & (SP_RIGHT_SEND | SP_RIGHT_RECEIVE)) == 0)
        return "a token without the right to send or receive opens no session";
    if (o->addrs_n < 1 || o->addrs_n > SP_BLOB_ADDRS_MAX)
        return "a token names 1 to 8 gateway addresses";
    return NULL;
}

/* Token and blob of an order that holds.  Draws psk, token id and nonce. */
static int seal(const struct sp_keys *keys, const struct sp_tokenfile_order *o, uint32_t now_s,
                struct sp_blob *blob)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_token token = {.issued = now_s,
                             .expires = now_s + o->life_s,
                             .device = o->device,
                             .rights = o->rights,
                             .uid_len = (uint8_t)strlen(o->user)};
    uint8_t nonce[24];
    int err = 0;
    if (c == NULL)
        return SP_EIO;
    memcpy(token.uid, o->user, token.uid_len);
    sp_sys_random(token.psk, sizeof token.psk);
    sp_sys_random(token.token_id, sizeof token.token_id);
    sp_sys_random(nonce, sizeof nonce);
    err = sp_token_seal(c, &token, keys->tokens.of[0].kid, keys->tokens.of[0].key, nonce, keys->public,
                        blob->token);
    memcpy(blob->psk, token.psk, sizeof blob->psk);
    memcpy(blob->gateway_pk, keys->public, sizeof blob->gateway_pk);
    blob->issued = token.issued;
    blob->expires = token.expires;
    blob->addrs_n = o->addrs_n;
    memcpy(blob->addrs, o->addrs, o->addrs_n * sizeof blob->addrs[0]);
    sodium_memzero(&token, sizeof token);
    return err;
}

int sp_tokenfile_make(const struct sp_keys *keys, const struct sp_tokenfile_order *order, uint32_t now_s,
                      char *dst, size_t cap, struct sp_trouble *t)
{
    struct sp_blob blob = {.addrs_n = 0};
    uint8_t bytes[SP_BLOB_MAX];
    size_t len = 0, used = 0;
    int err = 0, n = 0;
    const char *why = objection(order, now_s);
    if (why != NULL)
        return sp_trouble_set(t, SP_EXIT_USAGE, "%s", why);
    err = seal(keys, order, now_s, &blob);
    if (err == 0)
        err = sp_token_blob_encode(&blob, bytes, sizeof bytes, &len);
    if (err == 0)
        err = sp_token_text_encode((struct sp_view){bytes, len}, dst, cap);
    sodium_memzero(&blob, sizeof blob);
    sodium_memzero(bytes, sizeof bytes);
    if (err != 0)
        return sp_trouble_set(t, SP_EXIT_IO, "cannot make the token: %s", sp_err_text(err));
    used = strlen(dst);
    n = snprintf(dst + used, cap - used, " %u %s\n", order->device, order->user);
    if (n < 0 || (size_t)n >= cap - used)
        return sp_trouble_set(t, SP_EXIT_IO, "cannot make the token: no room for its text");
    return 0;
}

/* "BLOB DEVICE USER" of `len` bytes, line feed taken off.  False: not of that shape. */
static bool split(const char *text, size_t len, struct sp_tokenfile *out, struct sp_view *blob)
{
    char number[12];
    uint64_t device = 0;
    const char *end = text + len;
    const char *first = memchr(text, ' ', len);
    const char *second = first != NULL ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;
    size_t number_len = 0, user_len = 0;
    if (second == NULL)
        return false;
    number_len = (size_t)(second - first - 1);
    user_len = (size_t)(end - second - 1);
    if (number_len >= sizeof number || user_len < 1 || user_len > SP_USER_MAX)
        return false;
    memcpy(number, first + 1, number_len);
    number[number_len] = '\0';
    if (!sp_text_number(number, 0, UINT32_MAX, &device))
        return false;
    *blob = (struct sp_view){(const uint8_t *)text, (size_t)(first - text)};
    out->device = (uint32_t)device;
    out->user_len = user_len;
    memcpy(out->user, second + 1, user_len);
    return true;
}

int sp_tokenfile_parse(const char *text, size_t len, struct sp_tokenfile *out, struct sp_trouble *t)
{
    struct sp_view blob = {NULL, 0};
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (memchr(text, '\n', len) != NULL)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "more than one line");
    if (!split(text, len, out, &blob))
        return sp_trouble_set(t, SP_EXIT_CONFIG,
                              "not a connect blob, a device number and a user id, with blanks between");
    if (sp_token_text_decode(blob, out->blob, sizeof out->blob, &out->blob_len) != 0)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "its connect blob is not base64url");
    if (sp_token_blob_decode((struct sp_view){out->blob, out->blob_len}, &out->parsed) != 0)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "its connect blob is damaged or of an unknown version");
    return 0;
}

int sp_tokenfile_read(const char *path, struct sp_tokenfile *out, struct sp_trouble *t)
{
    char text[SP_TOKENFILE_MAX];
    size_t len = 0;
    struct sp_trouble inner;
    if (sp_files_read_private(path, (uint8_t *)text, sizeof text, &len, t) != 0)
        return -1;
    int result = sp_tokenfile_parse(text, len, out, &inner);
    if (result != 0)
        (void)sp_trouble_set(t, inner.code, "%s: is no token file: %s", path, inner.text);
    sodium_memzero(text, sizeof text);
    return result;
}
