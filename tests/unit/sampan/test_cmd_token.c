/* The verb token, called as main.c calls it, with standard output in a real file. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "cmd.h"
#include "crypto_sodium.h"
#include "sys.h"
#include "tokenfile.h"

static char top[] = "/tmp/sampan-cmdtoken-XXXXXX";
static char keys_dir[64], path[64];

static void setup(void)
{
    struct sp_trouble t;
    cr_assert_not_null(mkdtemp(top));
    (void)snprintf(keys_dir, sizeof keys_dir, "%s/k", top);
    (void)snprintf(path, sizeof path, "%s/token", top);
    cr_assert_eq(sp_keys_create(keys_dir, &t), 0);
    cr_redirect_stderr();
}

static void teardown(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    cr_assert_eq(system(command), 0);
}

TestSuite(cmd_token, .init = setup, .fini = teardown);

/* Calls the verb with the usual words and two more; its output goes to a file of mode 0644. */
static int call(const char *gateway, const char *option, const char *value)
{
    char *argv[] = {(char *)"token", (char *)"--keys",   keys_dir,      (char *)"--user",
                    (char *)"alice", (char *)"--device", (char *)"7",   (char *)"--gateway",
                    (char *)gateway, (char *)option,     (char *)value, NULL};
    int kept = dup(1), code = 0;
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    cr_assert_geq(fd, 0);
    cr_assert_eq(fchmod(fd, 0644), 0);
    (void)fflush(stdout);
    (void)dup2(fd, 1);
    code = sp_cmd_token(option != NULL ? 11 : 9, argv);
    (void)fflush(stdout);
    (void)dup2(kept, 1);
    (void)close(kept);
    (void)close(fd);
    return code;
}

/* What the token in the file says to its gateway. */
static struct sp_token opened(struct sp_tokenfile *f)
{
    struct sp_keys k;
    struct sp_trouble t;
    struct sp_token token;
    uint32_t now_s = (uint32_t)(sp_sys_unix_us() / SP_SECOND);
    cr_assert_eq(sp_tokenfile_read(path, f, &t), 0, "%s", t.text);
    cr_assert_eq(sp_keys_load(keys_dir, &k, &t), 0);
    cr_assert_eq(sp_token_open(sp_crypto_sodium(), &k.tokens, k.public, f->parsed.token, now_s, 0, &token),
                 0);
    sp_keys_wipe(&k);
    return token;
}

Test(cmd_token, the_file_becomes_private_and_its_token_opens)
{
    struct sp_tokenfile f;
    struct stat st;
    struct sp_token token;
    char text[SP_ADDR_TEXT_MAX];
    cr_assert_eq(call("192.0.2.7:7400", NULL, NULL), 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    token = opened(&f);
    cr_expect_eq(token.device, 7);
    cr_expect_eq(token.rights, SP_RIGHT_SEND | SP_RIGHT_RECEIVE);
    cr_expect_eq(token.expires - token.issued, 86400);
    cr_expect_eq(token.uid_len, 5);
    cr_expect_arr_eq(token.uid, "alice", 5);
    cr_expect_eq(f.user_len, 5);
    cr_expect_eq(f.device, 7);
    sp_addr_print(&f.parsed.addrs[0], text, sizeof text);
    cr_expect_str_eq(text, "192.0.2.7:7400");
}

Test(cmd_token, rights_and_life)
{
    struct sp_tokenfile f;
    cr_assert_eq(call("[::1]:7400", "--rights", "groups,receive,streams"), 0);
    cr_expect_eq(opened(&f).rights, SP_RIGHT_GROUPS | SP_RIGHT_RECEIVE | SP_RIGHT_STREAMS);
    cr_assert_eq(call("[::1]:7400", "--ttl", "60"), 0);
    struct sp_token token = opened(&f);
    cr_expect_eq(token.expires - token.issued, 60);
}

Test(cmd_token, mistakes)
{
    static const struct {
        const char *gateway, *option, *value;
        int code;
    } rows[] = {
        {"192.0.2.7:7400", "--rights", "send,fly", 2},
        {"192.0.2.7:7400", "--rights", "", 2},
        {"192.0.2.7:7400", "--rights", "send,", 2},
        {"192.0.2.7:7400", "--rights", "streams", 2},
        {"192.0.2.7:7400", "--ttl", "0", 2},
        {"192.0.2.7:7400", "--ttl", "1d", 2},
        {"192.0.2.7:7400", "--device", "8", 2},
        {"192.0.2.7", NULL, NULL, 2},
        {"192.0.2.7:0", NULL, NULL, 2},
        {"0.0.0.0:7400", NULL, NULL, 2},
        {"nowhere.invalid:7400", NULL, NULL, 69},
    };
    struct stat st;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_eq(call(rows[i].gateway, rows[i].option, rows[i].value), rows[i].code, "row %zu", i);
        cr_assert_eq(stat(path, &st), 0);
        cr_expect_eq(st.st_size, 0, "row %zu", i);
    }
}

Test(cmd_token, keys_that_others_can_read_are_refused)
{
    char key[80];
    (void)snprintf(key, sizeof key, "%s/gateway.key", keys_dir);
    cr_assert_eq(chmod(key, 0640), 0);
    cr_expect_eq(call("192.0.2.7:7400", NULL, NULL), 77);
    cr_assert_eq(unlink(key), 0);
    cr_expect_eq(call("192.0.2.7:7400", NULL, NULL), 69);
}
