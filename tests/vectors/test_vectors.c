/* The C code against the frozen vectors of this folder (README.md tells their form).  reader.py, which shares
 * no code with libsampan, checks the same files. */
#include <sampan/err.h>

#include "ackset.h"
#include "cookie.h"
#include "crypto_sodium.h"
#include "handshake.h"
#include "hex.h"
#include "mp.h"
#include "replay.h"
#include "seal.h"
#include "token.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>

#define COLUMNS_MAX 8
#define NAMES_MAX   80
#define BYTES_MAX   2048

/* ---- files ---- */

struct table {
    FILE *file;
    char *line;
    size_t cap;
    char *column[COLUMNS_MAX]; /* of the current line, borrowed from it */
    unsigned lines;
};

static struct table table_open(const char *name)
{
    char path[512];
    struct table t = {0};
    (void)snprintf(path, sizeof path, "%s/%s", SP_VECTORS_DIR, name);
    t.file = fopen(path, "r");
    cr_assert_not_null(t.file, "cannot read %s", path);
    return t;
}

/* Next line, cut into exactly n columns; false at the end, where the table closes. */
static bool table_next(struct table *t, size_t n)
{
    ssize_t len = getline(&t->line, &t->cap, t->file);
    if (len < 0) {
        cr_assert_gt(t->lines, 0, "an empty file of vectors");
        free(t->line);
        (void)fclose(t->file);
        return false;
    }
    t->lines++;
    char *rest = t->line;
    for (size_t i = 0; i < n; i++)
        t->column[i] = strsep(&rest, " \n");
    cr_assert(t->column[n - 1] != NULL && rest != NULL && *rest == '\0', "line %u: not %zu columns", t->lines,
              n);
    return true;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t v = strtoull(text, &end, 10);
    cr_assert(*text != '\0' && *end == '\0', "not a number: %s", text);
    return v;
}

struct bytes {
    uint8_t p[BYTES_MAX];
    size_t n;
};

static struct bytes bytes_of(const char *hex)
{
    struct bytes b;
    b.n = sp_hex_read(hex, b.p, sizeof b.p);
    return b;
}

static struct sp_view view_of(const struct bytes *b)
{
    return (struct sp_view){.p = b->p, .n = b->n};
}

/* A file of `name hex` lines. */
struct names {
    size_t n;
    char name[NAMES_MAX][32];
    struct bytes value[NAMES_MAX];
};

static struct names *names_read(const char *file)
{
    struct names *all = calloc(1, sizeof *all);
    cr_assert_not_null(all);
    struct table t = table_open(file);
    while (table_next(&t, 2)) {
        cr_assert_lt(all->n, NAMES_MAX);
        (void)snprintf(all->name[all->n], sizeof all->name[0], "%s", t.column[0]);
        all->value[all->n++] = bytes_of(t.column[1]);
    }
    return all;
}

static const struct bytes *get(const struct names *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->name[i], name) == 0)
            return &all->value[i];
    }
    cr_assert(false, "no vector %s", name);
    return NULL;
}

/* The bytes of a name that must have exactly n of them. */
static const uint8_t *key(const struct names *all, const char *name, size_t n)
{
    const struct bytes *b = get(all, name);
    cr_assert_eq(b->n, n, "%s has %zu bytes", name, b->n);
    return b->p;
}

static uint64_t integer(const struct names *all, const char *name)
{
    const struct bytes *b = get(all, name);
    uint64_t v = 0;
    cr_assert_leq(b->n, 8);
    for (size_t i = 0; i < b->n; i++)
        v = v << 8 | b->p[i];
    return v;
}

static void same(const struct names *all, const char *name, const uint8_t *p, size_t n)
{
    const struct bytes *b = get(all, name);
    cr_assert_eq(b->n, n, "%s has %zu bytes, not %zu", name, b->n, n);
    cr_assert_arr_eq(p, b->p, n, "%s differs", name);
}

static void same_hash(const struct names *all, const char *name, const uint8_t *p, size_t n)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_view part = {.p = p, .n = n};
    uint8_t hash[32];
    c->sha256(c->self, hash, &part, 1);
    same(all, name, hash, sizeof hash);
}

/* ---- frames ---- */

static enum sp_dir other(enum sp_dir dir)
{
    return dir == SP_DIR_UP ? SP_DIR_DOWN : SP_DIR_UP;
}

/* Decodes a block of exactly these bytes, so that a sanitizer sees a read past the end. */
static int check_exact(struct sp_view in, enum sp_dir dir)
{
    uint8_t cause = 0;
    uint8_t *exact = sp_hex_exact(in.p, in.n);
    int rc = sp_wire_check((struct sp_view){.p = exact, .n = in.n}, dir, &cause);
    free(exact);
    return rc;
}

static void decode_and_encode(const char *name, struct sp_view in, enum sp_dir dir, bool is_ok)
{
    while (in.n > 0) {
        struct sp_frame f;
        size_t used = 0;
        cr_assert_eq(sp_wire_decode(in, dir, &f, &used), 0, "%s", name);
        cr_assert(used > 0 && used <= in.n, "%s", name);
        if (is_ok) {
            uint8_t again[SP_DATAGRAM_MAX];
            size_t len = 0;
            cr_assert_eq(sp_wire_encode(&f, again, sizeof again, &len), 0, "%s", name);
            cr_assert_eq(len, used, "%s", name);
            cr_assert_arr_eq(again, in.p, len, "%s", name);
        }
        in.p += used;
        in.n -= used;
    }
}

static void check_frames(const char *name, enum sp_dir dir, const char *verdict, struct sp_view in)
{
    if (strcmp(verdict, "protocol") == 0) {
        cr_assert_eq(check_exact(in, dir), SP_EMALFORMED, "%s was taken", name);
        return;
    }
    bool is_ok = strcmp(verdict, "ok") == 0;
    cr_assert(is_ok || strcmp(verdict, "skip") == 0, "%s: %s", name, verdict);
    cr_assert_eq(check_exact(in, dir), 0, "%s was refused", name);
    decode_and_encode(name, in, dir, is_ok);
    for (size_t n = 0; n < in.n; n++) /* whatever the verdict: no read past the end */
        (void)check_exact((struct sp_view){.p = in.p, .n = n}, dir);
}

Test(vectors, frames)
{
    struct table t = table_open("frames.txt");
    while (table_next(&t, 4)) {
        const char *dir = t.column[1];
        struct bytes b = bytes_of(t.column[3]);
        bool is_both = strcmp(dir, "both") == 0;
        if (is_both || strcmp(dir, "up") == 0)
            check_frames(t.column[0], SP_DIR_UP, t.column[2], view_of(&b));
        if (is_both || strcmp(dir, "down") == 0)
            check_frames(t.column[0], SP_DIR_DOWN, t.column[2], view_of(&b));
        enum sp_dir way = strcmp(dir, "up") == 0 ? SP_DIR_UP : SP_DIR_DOWN;
        if (!is_both && strcmp(t.column[2], "ok") == 0)
            cr_assert_eq(check_exact(view_of(&b), other(way)), SP_EMALFORMED, "%s the wrong way",
                         t.column[0]);
    }
}

/* Which frames of an INIT are taken is the gateway's choice; here: whether they parse. */
Test(vectors, early)
{
    struct table t = table_open("early.txt");
    while (table_next(&t, 3)) {
        struct bytes b = bytes_of(t.column[2]);
        bool is_silent = strcmp(t.column[1], "silent") == 0;
        cr_assert_eq(check_exact(view_of(&b), SP_DIR_UP), is_silent ? SP_EMALFORMED : 0, "%s", t.column[0]);
    }
}

/* ---- numbers ---- */

/* Whether a range names one of the numbers of a list such as "14,20" or "-". */
static bool names_one_of(const struct sp_ackset_range *r, size_t n, char *list)
{
    for (char *item = strsep(&list, ","); item != NULL && strcmp(item, "-") != 0; item = strsep(&list, ",")) {
        uint64_t never = number(item);
        for (size_t i = 0; i < n; i++) {
            if (r[i].lo <= never && never <= r[i].hi)
                return true;
        }
    }
    return false;
}

static void same_ranges(const char *name, const struct sp_ackset_range *r, size_t n, const char *want)
{
    char got[512] = "";
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%" PRIu64 "-%" PRIu64, i > 0 ? "," : "", r[i].lo,
                       r[i].hi);
    }
    cr_assert_str_eq(got, want, "%s: %s, not %s", name, got, want);
}

Test(vectors, acks)
{
    struct table t = table_open("acks.txt");
    while (table_next(&t, 6)) {
        struct bytes b = bytes_of(t.column[4]);
        struct sp_frame f;
        struct sp_ackset_range r[1 + SP_ACK_GAPS_MAX];
        size_t used = 0;
        size_t n = 0;
        int rc = sp_wire_decode(view_of(&b), SP_DIR_UP, &f, &used);
        if (rc == 0)
            rc = sp_ackset_expand(&f.u.ack, number(t.column[1]), r, &n);
        bool is_ok = rc == 0 && !names_one_of(r, n, t.column[2]);
        cr_assert_eq(is_ok, strcmp(t.column[3], "ok") == 0, "%s", t.column[0]);
        if (is_ok)
            same_ranges(t.column[0], r, n, t.column[5]);
    }
}

Test(vectors, numbers)
{
    struct table t = table_open("numbers.txt");
    while (table_next(&t, 3)) {
        uint64_t got = sp_seal_number(number(t.column[0]) + 1, (uint16_t)number(t.column[1]));
        cr_assert_eq(got, number(t.column[2]), "line %u: %" PRIu64, t.lines, got);
    }
}

Test(vectors, replay)
{
    struct sp_replay window;
    struct table t = table_open("replay.txt");
    sp_replay_init(&window);
    sp_replay_mark(&window, 0);
    while (table_next(&t, 2)) {
        uint64_t pn = number(t.column[0]);
        bool is_fresh = sp_replay_check(&window, pn) == 0;
        cr_assert_eq(is_fresh, strcmp(t.column[1], "fresh") == 0, "line %u", t.lines);
        if (is_fresh)
            sp_replay_mark(&window, pn);
    }
}

Test(vectors, msgpack)
{
    struct table t = table_open("msgpack.txt");
    while (table_next(&t, 3)) {
        struct bytes b = bytes_of(t.column[2]);
        bool is_ok = sp_mp_scan(view_of(&b), SP_MP_CTRL_OBJECTS_MAX) == 0;
        cr_assert_eq(is_ok, strcmp(t.column[1], "ok") == 0, "%s", t.column[0]);
    }
}

/* ---- tokens and blobs ---- */

Test(vectors, tokens)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct table t = table_open("tokens.txt");
    while (table_next(&t, 8)) {
        struct sp_token_keys keys = {.n = 1};
        struct sp_token opened;
        struct bytes secret = bytes_of(t.column[5]);
        struct bytes public = bytes_of(t.column[6]);
        struct bytes token = bytes_of(t.column[7]);
        keys.of[0].kid = (uint8_t)number(t.column[4]);
        memcpy(keys.of[0].key, secret.p, SP_KEY_LEN);
        int rc = token.n != SP_TOKEN_LEN
                     ? SP_EMALFORMED
                     : sp_token_open(c, &keys, public.p, token.p, (uint32_t)number(t.column[2]),
                                     (uint32_t)number(t.column[3]), &opened);
        cr_assert_eq(rc == 0, strcmp(t.column[1], "ok") == 0, "%s: %s", t.column[0], sp_err_name(rc));
    }
}

static int read_blob(const char *text, struct sp_blob *out)
{
    uint8_t raw[SP_BLOB_MAX];
    size_t n = 0;
    struct sp_view in = {.p = (const uint8_t *)text, .n = strlen(text)};
    int rc = sp_token_text_decode(in, raw, sizeof raw, &n);
    return rc != 0 ? rc : sp_token_blob_decode((struct sp_view){.p = raw, .n = n}, out);
}

static void write_blob(const struct sp_blob *b, const char *want)
{
    uint8_t raw[SP_BLOB_MAX];
    char text[SP_BLOB_MAX * 2];
    size_t n = 0;
    cr_assert_eq(sp_token_blob_encode(b, raw, sizeof raw, &n), 0);
    cr_assert_eq(sp_token_text_encode((struct sp_view){.p = raw, .n = n}, text, sizeof text), 0);
    cr_assert_eq(strncmp(text, want, strlen(want)), 0); /* `want` may lack its padding */
}

Test(vectors, blobs)
{
    struct table t = table_open("blobs.txt");
    while (table_next(&t, 3)) {
        struct sp_blob b;
        int rc = read_blob(t.column[2], &b);
        cr_assert_eq(rc == 0, strcmp(t.column[1], "ok") == 0, "%s: %s", t.column[0], sp_err_name(rc));
        if (rc == 0 && b.addrs_n < SP_BLOB_ADDRS_MAX)
            write_blob(&b, t.column[2]);
    }
}

/* ---- handshake, packets ---- */

static struct sp_token token_of(const struct names *v)
{
    struct sp_token t = {.issued = (uint32_t)integer(v, "issued"),
                         .expires = (uint32_t)integer(v, "expires"),
                         .device = (uint32_t)integer(v, "device"),
                         .rights = (uint16_t)integer(v, "rights"),
                         .class = (uint8_t)integer(v, "class"),
                         .uid_len = (uint8_t)get(v, "uid")->n};
    memcpy(t.psk, key(v, "psk", 32), sizeof t.psk);
    memcpy(t.token_id, key(v, "token_id", 8), sizeof t.token_id);
    memcpy(t.uid, get(v, "uid")->p, t.uid_len);
    return t;
}

/* Both sides of one handshake; every byte of it is compared with the vectors. */
struct exchange {
    const struct names *v;
    const uint8_t *token, *psk;
    struct sp_view cookie, frames, accept_frames;
    const char *init, *accept; /* names of the datagrams */
    struct sp_session_keys keys;
    uint8_t gateway_pk[32];
};

static void client_and_gateway(struct exchange *x)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    const struct names *v = x->v;
    struct sp_handshake client;
    struct sp_handshake gateway;
    struct sp_init_fields fields = {.e_secret = key(v, "client_e_secret", 32),
                                    .gateway_pk = x->gateway_pk,
                                    .psk = x->psk,
                                    .token = x->token,
                                    .time_s = (uint32_t)integer(v, "time"),
                                    .cookie = x->cookie,
                                    .frames = x->frames};
    uint8_t datagram[SP_DATAGRAM_MAX];
    size_t len = 0;
    cr_assert_eq(sp_handshake_init(&client, c, &fields, datagram, sizeof datagram, &len), 0);
    same(v, x->init, datagram, len);

    struct sp_init in;
    uint8_t frames[SP_DATAGRAM_MAX];
    size_t frames_len = 0;
    cr_assert_eq(sp_handshake_parse((struct sp_view){.p = datagram, .n = len}, &in), 0);
    cr_assert_eq(sp_handshake_prove(c, &in, x->psk), 0);
    cr_assert_eq(sp_handshake_open(&gateway, c, &in, key(v, "gateway_secret", 32), x->gateway_pk, x->psk,
                                   frames, sizeof frames, &frames_len),
                 0);
    cr_assert_geq(frames_len, x->frames.n);
    if (x->frames.n > 0)
        cr_assert_arr_eq(frames, x->frames.p, x->frames.n);

    struct sp_accept accept = {
        .early = true, .time_s = (uint32_t)integer(v, "accept_time"), .frames = x->accept_frames};
    struct sp_accept got;
    struct sp_session_keys keys;
    memcpy(accept.cid, key(v, "cid", 8), sizeof accept.cid);
    memcpy(accept.reset, key(v, "reset", 16), sizeof accept.reset);
    cr_assert_eq(sp_handshake_accept(&gateway, key(v, "gateway_e_secret", 32), &accept, datagram,
                                     sizeof datagram, &len, &x->keys),
                 0);
    same(v, x->accept, datagram, len);
    cr_assert_eq(sp_handshake_finish(&client, datagram, len, &got, &keys), 0);
    cr_assert_eq(memcmp(&keys, &x->keys, sizeof keys), 0, "the two sides differ");
    cr_assert(got.early && got.time_s == accept.time_s && got.frames.n == accept.frames.n);
    same(v, "k_up", keys.up, 32);
    same(v, "k_down", keys.down, 32);
}

/* Packets 1 and 2 of one direction, with the key phase turned between them. */
static void two_packets(const struct names *v, enum sp_dir dir, const char *const frames[2],
                        const char *const packets[2])
{
    const struct sp_crypto *c = sp_crypto_sodium();
    const uint8_t *k = key(v, dir == SP_DIR_UP ? "k_up" : "k_down", 32);
    struct sp_seal out;
    struct sp_seal in;
    sp_seal_init(&out, c, k, dir, 0);
    sp_seal_init(&in, c, k, dir, 0);
    for (uint64_t pn = 1; pn <= 2; pn++) {
        const struct bytes *plain = get(v, frames[pn - 1]);
        uint8_t datagram[SP_DATAGRAM_MAX];
        memcpy(datagram + sp_seal_header(dir), plain->p, plain->n);
        sp_seal_turn(&out, pn - 1, (sp_time)(pn - 1) * 3600 * SP_SECOND);
        size_t len = sp_seal_packet(&out, key(v, "cid", 8), pn, datagram, plain->n);
        same(v, packets[pn - 1], datagram, len);
        struct sp_view opened;
        cr_assert_eq(sp_seal_open(&in, datagram, len, pn, pn - 1, SP_SECOND, 0, &opened), 0);
        cr_assert_eq(opened.n, plain->n);
        cr_assert_arr_eq(opened.p, plain->p, plain->n);
    }
    cr_assert_eq(out.phase, 1);
    same(v, dir == SP_DIR_UP ? "k_up_1" : "k_down_1", out.key, 32);
    same(v, dir == SP_DIR_UP ? "k_up_1" : "k_down_1", in.key, 32);
}

Test(vectors, handshake)
{
    static const char *const up[] = {"up_1_frames", "up_2_frames"};
    static const char *const up_packets[] = {"up_1_packet", "up_2_packet"};
    static const char *const down[] = {"down_1_frames", "down_2_frames"};
    static const char *const down_packets[] = {"down_1_packet", "down_2_packet"};
    const struct sp_crypto *c = sp_crypto_sodium();
    struct names *v = names_read("handshake.txt");
    struct exchange x = {.v = v, .psk = key(v, "psk", 32), .init = "init", .accept = "accept"};
    uint8_t token[SP_TOKEN_LEN];
    struct sp_token t = token_of(v);

    c->x25519_base(c->self, x.gateway_pk, key(v, "gateway_secret", 32));
    same(v, "gateway_public", x.gateway_pk, 32);
    cr_assert_eq(sp_token_seal(c, &t, (uint8_t)integer(v, "kid"), key(v, "token_key", 32),
                               key(v, "token_nonce", 24), x.gateway_pk, token),
                 0);
    same(v, "token", token, sizeof token);
    same_hash(v, "token_sha256", token, sizeof token);
    x.token = token;
    client_and_gateway(&x);
    same_hash(v, "init_sha256", get(v, "init")->p, get(v, "init")->n);
    same_hash(v, "accept_sha256", get(v, "accept")->p, get(v, "accept")->n);
    two_packets(v, SP_DIR_UP, up, up_packets);
    two_packets(v, SP_DIR_DOWN, down, down_packets);
    free(v);
}

static struct sp_addr addr_of(const uint8_t *ip, size_t n, uint16_t port)
{
    struct sp_addr a = {.port = port, .family = n == 4 ? 4 : 6};
    memcpy(a.ip, ip, n);
    return a;
}

Test(vectors, retry)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct names *v = names_read("retry.txt");
    const struct bytes *ip = get(v, "address");
    struct sp_addr peer = addr_of(ip->p, ip->n, (uint16_t)integer(v, "port"));
    struct sp_init first;
    uint8_t retry[SP_RETRY_LEN] = {SP_FIRST_RETRY};
    uint32_t made_s = (uint32_t)integer(v, "cookie_time");
    cr_assert_eq(sp_handshake_parse(view_of(get(v, "init_1")), &first), 0);
    memcpy(retry + 1, first.e, 8);
    sp_cookie_make(c, key(v, "cookie_secret", 32), &peer, first.token + 2, made_s, retry + 9);
    same(v, "cookie", retry + 9, SP_COOKIE_LEN);
    same(v, "retry", retry, sizeof retry);

    struct sp_token_keys keys = {.n = 1};
    struct sp_token opened;
    struct exchange x = {.v = v,
                         .token = key(v, "token", SP_TOKEN_LEN),
                         .psk = opened.psk,
                         .cookie = view_of(get(v, "cookie")),
                         .frames = view_of(get(v, "init_2_frames")),
                         .accept_frames = view_of(get(v, "accept_frames")),
                         .init = "init_2",
                         .accept = "accept"};
    c->x25519_base(c->self, x.gateway_pk, key(v, "gateway_secret", 32));
    keys.of[0].kid = x.token[1];
    memcpy(keys.of[0].key, key(v, "token_key", 32), SP_KEY_LEN);
    cr_assert_eq(sp_token_open(c, &keys, x.gateway_pk, x.token, made_s, 0, &opened), 0);
    client_and_gateway(&x);
    struct sp_cookie_keys secrets;
    memcpy(secrets.now, key(v, "cookie_secret", 32), 32);
    memset(secrets.before, 0, 32);
    cr_assert_eq(sp_cookie_check(c, &secrets, &peer, x.token + 2, (uint32_t)integer(v, "time"), x.cookie.p),
                 0);
    free(v);
}

Test(vectors, reset)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct names *v = names_read("reset.txt");
    struct sp_cid_keys keys;
    uint8_t cid[8];
    uint8_t answer[SP_RESET_LEN] = {SP_FIRST_RESET};
    memcpy(keys.check, key(v, "cid_key", 16), 16);
    memcpy(keys.reset, key(v, "reset_key", 32), 32);
    sp_cookie_cid(c, &keys, (uint8_t)integer(v, "worker"), key(v, "random", 5), cid);
    same(v, "cid", cid, sizeof cid);
    cr_assert(sp_cookie_cid_is_ours(c, &keys, cid));
    sp_cookie_reset(c, &keys, cid, answer + 1);
    same(v, "reset", answer + 1, 16);
    same(v, "answer", answer, sizeof answer);

    const struct bytes *frames = get(v, "frames");
    struct sp_seal s;
    uint8_t datagram[SP_DATAGRAM_MAX];
    sp_seal_init(&s, c, key(v, "k_up", 32), SP_DIR_UP, 0);
    memcpy(datagram + sp_seal_header(SP_DIR_UP), frames->p, frames->n);
    same(v, "data", datagram, sp_seal_packet(&s, cid, integer(v, "number"), datagram, frames->n));
    free(v);
}

/* cookie_X_in is secret:32 address port:2 nonce:24 time:4. */
static void check_cookie(const struct names *v, const char *in_name, const char *name)
{
    const struct bytes *in = get(v, in_name);
    uint8_t cookie[SP_COOKIE_LEN];
    size_t ip_n = in->n - 32 - 2 - 24 - 4;
    const uint8_t *p = in->p + 32 + ip_n;
    struct sp_addr peer = addr_of(in->p + 32, ip_n, (uint16_t)(p[0] << 8 | p[1]));
    uint32_t made_s = (uint32_t)p[26] << 24 | (uint32_t)p[27] << 16 | (uint32_t)p[28] << 8 | p[29];
    sp_cookie_make(sp_crypto_sodium(), in->p, &peer, p + 2, made_s, cookie);
    same(v, name, cookie, sizeof cookie);
}

/* The body hash of section 5 is BLAKE2b-256 over `g tlen to body`, cut to 8 bytes. */
static void check_body(const struct names *v, const char *in_name, const char *name)
{
    const struct sp_crypto *c = sp_crypto_sodium();
    struct sp_view part = view_of(get(v, in_name));
    uint8_t hash[32];
    c->blake2b(c->self, hash, sizeof hash, (struct sp_view){0}, &part, 1);
    same(v, name, hash, 8);
}

Test(vectors, hashes)
{
    struct names *v = names_read("hashes.txt");
    check_cookie(v, "cookie_v4_in", "cookie_v4");
    check_cookie(v, "cookie_v6_in", "cookie_v6");
    check_body(v, "body_user_in", "body_user");
    check_body(v, "body_group_in", "body_group");
    check_body(v, "body_empty_in", "body_empty");
    check_body(v, "body_long_in", "body_long");
    free(v);
}
