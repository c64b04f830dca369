/* Scripts over the whole: the production core, client library and store engine in virtual time
 * (tests/lib/rig.h). Only what the product allocates while it runs can fail; the world around it cannot. */
#include <stdio.h>
#include <string.h>

#include "phone.h"
#include "script.h"

enum { PATH = 160 };

static struct sp_rig *open_rig(const char *store)
{
    struct sp_rig_config cfg = {.seed = 1, .store = store, .net = {.delay_us = 20000}};
    cfg.limits = (struct sp_store_config){.map_size = 4U << 20, .reserve_bytes = 65536, .manual = true};
    cfg.gateway = (struct sp_gateway_config){.sessions_max = 8, .half_open_max = 4, .frames_max = 256};
    struct sp_rig *r = sp_rig_create(&cfg);
    sp_rig_run(r, 60 * SP_SECOND);
    return r;
}

static bool has_got(const struct sp_phone *p, const char *body)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->got_n; i++)
        n += strcmp(p->got[i].body, body) == 0;
    MUST(n <= 1);
    return n == 1;
}

/* A message is delivered, once, and told as delivered; nothing failed. */
static void check_sent(const struct sp_phone *from, struct sp_msgid id)
{
    const struct sp_phone_sent *s = sp_phone_sent(from, id);
    MUST(s->failed == 0);
    MUST(s->state == SP_STATE_DELIVERED);
}

/* Both are online. */
static void talk(struct sp_phone *a, struct sp_phone *b)
{
    sp_phone_connect(a);
    sp_phone_connect(b);
    script_arm();
    struct sp_msgid one = sp_phone_send(a, b->user, "one"), two = sp_phone_send_four(b, a->user, "two");
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 120 * SP_SECOND);
    sp_phone_wait_all(b, SP_STATE_DELIVERED, 120 * SP_SECOND);
    script_disarm();
    check_sent(a, one);
    check_sent(b, two);
    MUST(has_got(b, "one"));
    MUST(has_got(a, "two"));
}

/* The second comes when all is sent, and pulls. */
static void wait_pull(struct sp_phone *a, struct sp_phone *b)
{
    struct sp_msgid id = {0};
    sp_phone_connect(a);
    script_arm();
    for (unsigned i = 0; i < 3; i++) {
        char body[2] = {(char)('0' + i), '\0'};
        id = sp_phone_send(a, b->user, body);
    }
    sp_phone_wait_all(a, SP_STATE_STORED, 120 * SP_SECOND);
    sp_phone_start(b);
    sp_phone_wait_got(b, 3, 120 * SP_SECOND);
    sp_phone_wait_all(a, SP_STATE_DELIVERED, 120 * SP_SECOND);
    script_disarm();
    check_sent(a, id);
    MUST(has_got(b, "0") && has_got(b, "1") && has_got(b, "2"));
}

/* The device comes back and is replaced. */
static void come_and_go(struct sp_phone *a, struct sp_phone *b)
{
    script_arm();
    for (unsigned i = 0; i < 2; i++) {
        sp_phone_connect(a);
        sp_phone_kill(a);
    }
    sp_phone_connect(a);
    sp_phone_connect(b);
    script_disarm();
}

static bool run(const char *store, void (*play)(struct sp_phone *a, struct sp_phone *b))
{
    script_disarm();
    struct sp_rig *r = open_rig(store);
    struct sp_phone *a = sp_phone_create(r, "ann", 1, true), *b = sp_phone_create(r, "bob", 1, true);
    play(a, b);
    sp_phone_destroy(&a);
    sp_phone_destroy(&b);
    sp_rig_destroy(&r);
    return true;
}

static bool run_lmdb(void (*play)(struct sp_phone *a, struct sp_phone *b))
{
    char path[PATH], url[PATH + 8];
    (void)snprintf(path, sizeof path, "%s/rig", script_dir());
    (void)snprintf(url, sizeof url, "lmdb:%s", path);
    bool ok = run(url, play);
    script_remove(path);
    return ok;
}

static bool mem_talk(void)
{
    return run("mem:", talk);
}

static bool mem_pull(void)
{
    return run("mem:", wait_pull);
}

static bool mem_sessions(void)
{
    return run("mem:", come_and_go);
}

static bool lmdb_talk(void)
{
    return run_lmdb(talk);
}

static bool lmdb_pull(void)
{
    return run_lmdb(wait_pull);
}

const struct script script_rig[] = {
    {"rig-mem-talk", NULL, mem_talk},         {"rig-mem-pull", NULL, mem_pull},
    {"rig-mem-sessions", NULL, mem_sessions}, {"rig-lmdb-talk", NULL, lmdb_talk},
    {"rig-lmdb-pull", NULL, lmdb_pull},
};
const unsigned script_rig_n = sizeof script_rig / sizeof script_rig[0];
