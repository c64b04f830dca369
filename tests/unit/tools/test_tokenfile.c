/* Token files: what is made can be read, and the gateway's keys open the token in it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "crypto_sodium.h"
#include "tokenfile.h"

#define NOW_S 1700000000U

static struct sp_keys keys_of(uint8_t kid)
{
    struct sp_keys k = {.tokens.n = 2};
    const struct sp_crypto *c = sp_crypto_sodium();
    memset(k.secret, 7, sizeof k.secret);
    c->x25519_base(c->self, k.public, k.secret);
    k.tokens.of[0].kid = kid;
    k.tokens.of[1].kid = (uint8_t)(kid - 1);
    memset(k.tokens.of[0].key, 1, SP_KEY_LEN);
    memset(k.tokens.of[1].key, 2, SP_KEY_LEN);
    return k;
}

static struct sp_tokenfile_order order_for(const char *user)
{
    static struct sp_addr addrs[2];
    cr_assert(sp_addr_parse("192.0.2.1:7400", &addrs[0]));
    cr_assert(sp_addr_parse("[2001:db8::1]:7401", &addrs[1]));
    return (struct sp_tokenfile_order){.user = user,
                                       .device = 5,
                                       .life_s = 600,
                                       .rights = SP_RIGHT_SEND | SP_RIGHT_RECEIVE,
                                       .addrs = addrs,
                                       .addrs_n = 2};
}

Test(tokenfile, what_is_made_can_be_read_and_opened)
{
    struct sp_keys keys = keys_of(9);
    struct sp_tokenfile_order order = order_for("alice in wonderland");
    struct sp_tokenfile f;
    struct sp_trouble t;
    struct sp_token token;
    char line[SP_TOKENFILE_MAX], text[SP_ADDR_TEXT_MAX];
    cr_assert_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), 0);
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1, "one line");
    cr_assert_eq(sp_tokenfile_parse(line, strlen(line), &f, &t), 0, "%s", t.text);
    cr_assert_eq(f.device, 5);
    cr_assert_eq(f.user_len, 19);
    cr_assert_arr_eq(f.user, "alice in wonderland", 19);
    cr_assert_eq(f.parsed.issued, NOW_S);
    cr_assert_eq(f.parsed.expires, NOW_S + 600);
    cr_assert_eq(f.parsed.addrs_n, 2);
    sp_addr_print(&f.parsed.addrs[1], text, sizeof text);
    cr_assert_str_eq(text, "[2001:db8::1]:7401");
    cr_assert_arr_eq(f.parsed.gateway_pk, keys.public, SP_KEY_LEN);
    cr_assert_eq(
        sp_token_open(sp_crypto_sodium(), &keys.tokens, keys.public, f.parsed.token, NOW_S + 1, 0, &token),
        0);
    cr_assert_eq(token.device, 5);
    cr_assert_eq(token.rights, SP_RIGHT_SEND | SP_RIGHT_RECEIVE);
    cr_assert_eq(token.uid_len, 19);
    cr_assert_arr_eq(token.uid, "alice in wonderland", 19);
    cr_assert_arr_eq(token.psk, f.parsed.psk, SP_KEY_LEN);
}

Test(tokenfile, two_tokens_differ_in_every_secret)
{
    struct sp_keys keys = keys_of(0);
    struct sp_tokenfile_order order = order_for("a");
    struct sp_tokenfile a, b;
    struct sp_trouble t;
    char line[SP_TOKENFILE_MAX];
    cr_assert_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), 0);
    cr_assert_eq(sp_tokenfile_parse(line, strlen(line), &a, &t), 0);
    cr_assert_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), 0);
    cr_assert_eq(sp_tokenfile_parse(line, strlen(line), &b, &t), 0);
    cr_expect_neq(memcmp(a.parsed.psk, b.parsed.psk, SP_KEY_LEN), 0);
    cr_expect_neq(memcmp(a.parsed.token + 2, b.parsed.token + 2, 24), 0, "nonce");
}

Test(tokenfile, orders_outside_their_limits)
{
    static const char long_user[] = "0123456789012345678901234567890123456789012345678901234567890123x";
    struct sp_keys keys = keys_of(0);
    struct sp_trouble t;
    char line[SP_TOKENFILE_MAX];
    for (int row = 0; row < 7; row++) {
        struct sp_tokenfile_order order = order_for("a");
        if (row == 0)
            order.user = "";
        else if (row == 1)
            order.user = long_user;
        else if (row == 2)
            order.user = "a\nb";
        else if (row == 3)
            order.life_s = 0;
        else if (row == 4)
            order.rights = SP_RIGHT_STREAMS;
        else if (row == 5)
            order.addrs_n = 0;
        else
            order.life_s = UINT32_MAX;
        cr_expect_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), -1, "row %d", row);
        cr_expect_eq(t.code, SP_EXIT_USAGE, "row %d", row);
    }
    struct sp_tokenfile_order longest = order_for(long_user + 1);
    cr_expect_eq(sp_tokenfile_make(&keys, &longest, NOW_S, line, sizeof line, &t), 0);
}

Test(tokenfile, what_is_no_token_file)
{
    struct sp_keys keys = keys_of(0);
    struct sp_tokenfile_order order = order_for("a");
    struct sp_tokenfile f;
    struct sp_trouble t;
    char line[SP_TOKENFILE_MAX], blob[SP_TOKENFILE_MAX], text[SP_TOKENFILE_MAX + 64];
    static const char *const tails[] = {"",      " ",     " 5",    " 5 ",         " x a",   " 4294967296 a",
                                        "  5 a", " -5 a", " 5\ta", " 5 a\n5 b\n", " 5 a\nb"};
    cr_assert_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), 0);
    (void)snprintf(blob, sizeof blob, "%.*s", (int)strcspn(line, " "), line);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        (void)snprintf(text, sizeof text, "%s%s", blob, tails[i]);
        cr_expect_eq(sp_tokenfile_parse(text, strlen(text), &f, &t), -1, "'%s'", tails[i]);
        cr_expect_eq(t.code, SP_EXIT_CONFIG);
    }
    (void)snprintf(text, sizeof text, "%.40s 5 a\n", blob);
    cr_expect_eq(sp_tokenfile_parse(text, strlen(text), &f, &t), -1, "a blob cut short");
    (void)snprintf(text, sizeof text, "!%s 5 a\n", blob + 1);
    cr_expect_eq(sp_tokenfile_parse(text, strlen(text), &f, &t), -1, "not base64url");
    cr_expect_eq(sp_tokenfile_parse("", 0, &f, &t), -1);
    (void)snprintf(text, sizeof text, "%s 5 a\r\n", blob);
    cr_expect_eq(sp_tokenfile_parse(text, strlen(text), &f, &t), 0, "a line end of another system");
}

Test(tokenfile, the_file_must_be_private)
{
    struct sp_keys keys = keys_of(0);
    struct sp_tokenfile_order order = order_for("a");
    struct sp_tokenfile f;
    struct sp_trouble t;
    char line[SP_TOKENFILE_MAX], path[] = "/tmp/sampan-token-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(sp_tokenfile_make(&keys, &order, NOW_S, line, sizeof line, &t), 0);
    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    cr_expect_eq(sp_tokenfile_read(path, &f, &t), 0);
    cr_assert_eq(fchmod(fd, 0644), 0);
    cr_expect_eq(sp_tokenfile_read(path, &f, &t), -1);
    cr_expect_eq(t.code, SP_EXIT_REFUSED);
    cr_assert_eq(fchmod(fd, 0600), 0);
    cr_assert_eq(ftruncate(fd, 10), 0);
    cr_expect_eq(sp_tokenfile_read(path, &f, &t), -1);
    cr_expect_eq(t.code, SP_EXIT_CONFIG);
    cr_expect_not_null(strstr(t.text, path));
    (void)close(fd);
    (void)unlink(path);
}
