#include "keys.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto_sodium.h"
#include "sys.h"
#include "text.h"

#define TEXT_MAX  160                  /* bytes of a key file, end included */
#define KEY_TEXT  (2 * SP_KEY_LEN + 1) /* a key as text, end included */
#define KID_FIRST 0

enum { SECRET, PUBLIC, CIDS, TOKEN_A, TOKEN_B, FILES_N };
static const char *const file_names[FILES_N] = {"gateway.key", "gateway.pub", "cid.key", "token.0",
                                                "token.1"};

/* One file as lines of text. */
struct file {
    char path[SP_FILES_PATH_MAX];
    char text[TEXT_MAX];
};

static int locate(struct file *f, const char *dir, int which, struct sp_trouble *t)
{
    return sp_files_join(f->path, sizeof f->path, dir, file_names[which], t);
}

static const struct sp_crypto *crypto(struct sp_trouble *t)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    if (c == NULL)
        (void)sp_trouble_set(t, SP_EXIT_IO, "libsodium cannot be initialized");
    return c;
}

/* "kid key" of a new token key. */
static void draw_token_key(unsigned kid, char *dst, size_t cap)
{
    uint8_t key[SP_KEY_LEN];
    char hex[KEY_TEXT];
    sp_sys_random(key, sizeof key);
    sp_text_hex_encode(key, sizeof key, hex);
    (void)snprintf(dst, cap, "%u %s\n", kid, hex);
    sodium_memzero(key, sizeof key);
    sodium_memzero(hex, sizeof hex);
}

/* The text of a new file; `pair` is the gateway's secret, then its public key. */
static void draw(int which, const uint8_t pair[2][SP_KEY_LEN], char *dst, size_t cap)
{
    char hex[KEY_TEXT], more[KEY_TEXT];
    struct sp_cid_keys cids;
    switch (which) {
    case SECRET:
    case PUBLIC:
        sp_text_hex_encode(pair[which == PUBLIC], SP_KEY_LEN, hex);
        (void)snprintf(dst, cap, "%s\n", hex);
        break;
    case CIDS:
        sp_sys_random(&cids, sizeof cids);
        sp_text_hex_encode(cids.check, sizeof cids.check, hex);
        sp_text_hex_encode(cids.reset, sizeof cids.reset, more);
        (void)snprintf(dst, cap, "%s %s\n", hex, more);
        break;
    default:
        draw_token_key(KID_FIRST, dst, cap);
    }
    sodium_memzero(hex, sizeof hex);
    sodium_memzero(more, sizeof more);
    sodium_memzero(&cids, sizeof cids);
}

/* gateway.key comes last, because it is what makes a folder count as complete (sp_keys_is_there). */
static int create_files(const char *dir, const uint8_t pair[2][SP_KEY_LEN], struct sp_trouble *t)
{
    static const int order[] = {TOKEN_A, CIDS, PUBLIC, SECRET};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct file f;
        int result = locate(&f, dir, order[i], t);
        if (result == 0) {
            draw(order[i], pair, f.text, sizeof f.text);
            result = sp_files_create_private(f.path, f.text, strlen(f.text), t);
            sodium_memzero(&f, sizeof f);
        }
        if (result != 0)
            return -1;
    }
    return 0;
}

static int refuse_existing(const char *dir, struct sp_trouble *t)
{
    for (int i = 0; i < FILES_N; i++) {
        struct file f;
        if (locate(&f, dir, i, t) != 0)
            return -1;
        if (sp_files_is_there(f.path))
            return sp_trouble_set(t, SP_EXIT_REFUSED, "%s: exists already; nothing is overwritten", f.path);
    }
    return 0;
}

int sp_keys_create(const char *dir, struct sp_trouble *t)
{
    uint8_t pair[2][SP_KEY_LEN];
    const struct sp_crypto *c = crypto(t);
    int result = -1;
    if (c == NULL || sp_files_make_dir(dir, t) != 0 || sp_files_check_dir(dir, t) != 0 ||
        refuse_existing(dir, t) != 0)
        return -1;
    sp_sys_random(pair[0], SP_KEY_LEN);
    c->x25519_base(c->self, pair[1], pair[0]);
    result = create_files(dir, (const uint8_t(*)[SP_KEY_LEN])pair, t);
    sodium_memzero(pair, sizeof pair);
    return result;
}

/* Reads a file as one line of text without its line feed. */
static int read_line(struct file *f, const char *dir, int which, struct sp_trouble *t)
{
    size_t len = 0;
    if (locate(f, dir, which, t) != 0 ||
        sp_files_read_private(f->path, (uint8_t *)f->text, sizeof f->text - 1, &len, t) != 0)
        return -1;
    if (len > 0 && f->text[len - 1] == '\n')
        len--;
    f->text[len] = '\0';
    return 0;
}

static int bad(const struct file *f, const char *want, struct sp_trouble *t)
{
    return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: is not %s", f->path, want);
}

/* Splits a line at its one blank.  The second half, or NULL. */
static char *halve(char *text)
{
    char *blank = strchr(text, ' ');
    if (blank == NULL)
        return NULL;
    *blank = '\0';
    return blank + 1;
}

static int load_pair(const char *dir, struct sp_keys *k, struct sp_trouble *t)
{
    struct file f;
    uint8_t stated[SP_KEY_LEN];
    const struct sp_crypto *c = crypto(t);
    int result = -1;
    if (c == NULL || read_line(&f, dir, SECRET, t) != 0)
        return -1;
    if (!sp_text_hex_decode(f.text, k->secret, sizeof k->secret)) {
        result = bad(&f, "64 hexadecimal digits", t);
    } else if (read_line(&f, dir, PUBLIC, t) == 0) {
        c->x25519_base(c->self, k->public, k->secret);
        if (!sp_text_hex_decode(f.text, stated, sizeof stated) ||
            memcmp(stated, k->public, sizeof stated) != 0)
            result = bad(&f, "the public key of gateway.key beside it", t);
        else
            result = 0;
    }
    sodium_memzero(&f, sizeof f);
    return result;
}

static int load_cids(const char *dir, struct sp_keys *k, struct sp_trouble *t)
{
    struct file f;
    char *reset = NULL;
    int result = -1;
    if (read_line(&f, dir, CIDS, t) != 0)
        return -1;
    reset = halve(f.text);
    if (reset != NULL && sp_text_hex_decode(f.text, k->cids.check, sizeof k->cids.check) &&
        sp_text_hex_decode(reset, k->cids.reset, sizeof k->cids.reset))
        result = 0;
    else
        result = bad(&f, "32 and 64 hexadecimal digits with a blank between", t);
    sodium_memzero(&f, sizeof f);
    return result;
}

static int load_token(const char *dir, int which, uint8_t *kid, uint8_t key[SP_KEY_LEN], struct sp_trouble *t)
{
    struct file f;
    char *hex = NULL;
    uint64_t number = 0;
    int result = -1;
    if (read_line(&f, dir, which, t) != 0)
        return -1;
    hex = halve(f.text);
    if (hex != NULL && sp_text_number(f.text, 0, 255, &number) && sp_text_hex_decode(hex, key, SP_KEY_LEN)) {
        *kid = (uint8_t)number;
        result = 0;
    } else {
        result = bad(&f, "a number 0..255, a blank and 64 hexadecimal digits", t);
    }
    sodium_memzero(&f, sizeof f);
    return result;
}

/* Whether kid a was given after kid b; they count modulo 256 and are neighbors. */
static bool is_newer(uint8_t a, uint8_t b)
{
    return (uint8_t)(a - b) < 128;
}

/* Loads one or two token keys, newest first.  *older: the file that the next rotation replaces. */
static int load_tokens(const char *dir, struct sp_token_keys *keys, int *older, struct sp_trouble *t)
{
    struct file second;
    int first_at = 0;
    if (locate(&second, dir, TOKEN_B, t) != 0)
        return -1;
    keys->n = sp_files_is_there(second.path) ? 2 : 1;
    *older = TOKEN_B;
    if (load_token(dir, TOKEN_A, &keys->of[0].kid, keys->of[0].key, t) != 0)
        return -1;
    if (keys->n == 1)
        return 0;
    if (load_token(dir, TOKEN_B, &keys->of[1].kid, keys->of[1].key, t) != 0)
        return -1;
    if (keys->of[0].kid == keys->of[1].kid)
        return sp_trouble_set(t, SP_EXIT_CONFIG, "%s: has the same number as token.0", second.path);
    first_at = is_newer(keys->of[0].kid, keys->of[1].kid) ? 0 : 1;
    if (first_at == 0)
        return 0;
    struct sp_token_keys swapped = {.of = {keys->of[1], keys->of[0]}, .n = 2};
    *keys = swapped;
    *older = TOKEN_A;
    sodium_memzero(&swapped, sizeof swapped);
    return 0;
}

int sp_keys_load(const char *dir, struct sp_keys *out, struct sp_trouble *t)
{
    int older = 0;
    memset(out, 0, sizeof *out);
    (void)sodium_mlock(out, sizeof *out); /* refused without permission: the keys work all the same */
    if (sp_files_check_dir(dir, t) == 0 && load_pair(dir, out, t) == 0 && load_cids(dir, out, t) == 0 &&
        load_tokens(dir, &out->tokens, &older, t) == 0)
        return 0;
    sp_keys_wipe(out);
    return -1;
}

int sp_keys_rotate(const char *dir, struct sp_trouble *t)
{
    struct sp_token_keys keys = {.n = 0};
    struct file f = {.path = ""};
    int older = 0, result = -1;
    if (sp_files_check_dir(dir, t) == 0 && load_tokens(dir, &keys, &older, t) == 0 &&
        locate(&f, dir, older, t) == 0) {
        draw_token_key((keys.of[0].kid + 1U) & 255U, f.text, sizeof f.text);
        result = sp_files_replace_private(f.path, f.text, strlen(f.text), t);
    }
    sodium_memzero(&keys, sizeof keys);
    sodium_memzero(&f, sizeof f);
    return result;
}

bool sp_keys_is_there(const char *dir)
{
    struct sp_trouble t;
    struct file f;
    return locate(&f, dir, SECRET, &t) == 0 && sp_files_is_there(f.path);
}

void sp_keys_wipe(struct sp_keys *k)
{
    (void)sodium_munlock(k, sizeof *k); /* zeroes first */
    sodium_memzero(k, sizeof *k);
}
