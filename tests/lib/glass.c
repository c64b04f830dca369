/* Pass-through with one tap. */
#include "glass.h"

#include "seal.h"

static struct sp_glass *of(void *self)
{
    return self;
}

static int x25519(void *self, uint8_t out[32], const uint8_t secret[32], const uint8_t point[32])
{
    of(self)->x25519_n++;
    return of(self)->inner->x25519(of(self)->inner->self, out, secret, point);
}

static void x25519_base(void *self, uint8_t out[32], const uint8_t secret[32])
{
    of(self)->inner->x25519_base(of(self)->inner->self, out, secret);
}

/* Shows the frames if the associated data are the header of a DATA packet. */
static void look(const struct sp_glass *g, struct sp_view ad, bool is_opened, struct sp_view frames)
{
    if (g->eye == NULL || ad.n == 0 || (ad.p[0] & 0xfe) != 0x40)
        return;
    if (ad.n == sp_seal_header(SP_DIR_UP))
        g->eye(g->eye_self, SP_DIR_UP, is_opened, frames);
    if (ad.n == sp_seal_header(SP_DIR_DOWN))
        g->eye(g->eye_self, SP_DIR_DOWN, is_opened, frames);
}

static void seal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                 struct sp_view text)
{
    const struct sp_glass *g = of(self);
    look(g, ad, false, text);
    g->inner->seal(g->inner->self, dst, key, nonce, ad, text);
}

static int open(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[12], struct sp_view ad,
                struct sp_view sealed)
{
    const struct sp_glass *g = of(self);
    int err = g->inner->open(g->inner->self, dst, key, nonce, ad, sealed);
    if (err == 0)
        look(g, ad, true, (struct sp_view){dst, sealed.n - SP_TAG_LEN});
    return err;
}

static void xseal(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                  struct sp_view text)
{
    of(self)->inner->xseal(of(self)->inner->self, dst, key, nonce, ad, text);
}

static int xopen(void *self, uint8_t *dst, const uint8_t key[32], const uint8_t nonce[24], struct sp_view ad,
                 struct sp_view sealed)
{
    return of(self)->inner->xopen(of(self)->inner->self, dst, key, nonce, ad, sealed);
}

static void sha256(void *self, uint8_t out[32], const struct sp_view *parts, size_t n)
{
    of(self)->inner->sha256(of(self)->inner->self, out, parts, n);
}

static void hmac_sha256(void *self, uint8_t out[32], struct sp_view key, const struct sp_view *parts,
                        size_t n)
{
    of(self)->inner->hmac_sha256(of(self)->inner->self, out, key, parts, n);
}

static void blake2b(void *self, uint8_t *out, size_t out_len, struct sp_view key, const struct sp_view *parts,
                    size_t n)
{
    of(self)->inner->blake2b(of(self)->inner->self, out, out_len, key, parts, n);
}

static void siphash(void *self, uint8_t out[8], const uint8_t key[16], struct sp_view in)
{
    of(self)->inner->siphash(of(self)->inner->self, out, key, in);
}

static int compare(void *self, const uint8_t *a, const uint8_t *b, size_t n)
{
    return of(self)->inner->compare(of(self)->inner->self, a, b, n);
}

static void wipe(void *self, void *p, size_t n)
{
    of(self)->inner->wipe(of(self)->inner->self, p, n);
}

void sp_glass_init(struct sp_glass *g, const struct sp_crypto *inner, sp_glass_eye *eye, void *eye_self)
{
    g->inner = inner;
    g->x25519_n = 0;
    g->eye = eye;
    g->eye_self = eye_self;
    g->table = (struct sp_crypto){.self = g,
                                  .x25519 = x25519,
                                  .x25519_base = x25519_base,
                                  .seal = seal,
                                  .open = open,
                                  .xseal = xseal,
                                  .xopen = xopen,
                                  .sha256 = sha256,
                                  .hmac_sha256 = hmac_sha256,
                                  .blake2b = blake2b,
                                  .siphash = siphash,
                                  .compare = compare,
                                  .wipe = wipe};
}
