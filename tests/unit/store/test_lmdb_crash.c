/* kill -9: a child appends and reports each OK through a pipe; the parent kills it at random moments and
 * looks whether each OK is there, with its seq, and no seq is left out or used twice. */
#include "contract.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20, IN_FLIGHT = 24, IDS_MAX = 20000 };

struct report {
    uint64_t id;
    uint32_t seq, confirmed;
};

static uint32_t ok_seq[IDS_MAX];

static uint32_t draw(uint64_t *rng, uint32_t below)
{
    *rng = *rng * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*rng >> 33) % below;
}

static void say(int fd, const struct report *r)
{
    if (write(fd, r, sizeof(*r)) != (ssize_t)sizeof(*r))
        _exit(1);
}

/* Appends from `id` on, keeps IN_FLIGHT open, confirms now and then, until it is killed. */
static void child(struct kit *k, int fd, uint64_t id)
{
    char body[300];
    memset(body, 'x', sizeof(body));
    body[299] = '\0';
    kit_open(k);
    for (size_t open = 0;;) {
        for (; open < IN_FLIGHT && id < IDS_MAX; open++, id++) {
            struct sp_store_req r = kit_append(k, "a", id, "b", body);
            r.cookie = id;
            if (sp_store_submit(k->port[0], &r, 1))
                _exit(2);
        }
        struct sp_store_done d = kit_next(k, 0);
        struct report r = {d.op == SP_STORE_APPEND ? d.cookie : 0, d.seq.v, d.confirmed.v};
        if (d.err)
            _exit(3);
        say(fd, &r);
        if (d.op != SP_STORE_APPEND)
            continue;
        open--;
        if (d.seq.v % 50 == 0) {
            struct sp_store_req c = kit_on(k, SP_STORE_CONFIRM, "b", d.seq.v - 30);
            if (sp_store_submit(k->port[0], &c, 1))
                _exit(4);
        }
        kit_free(k, &d);
    }
}

/* Reads reports until `kill_after` of them came, kills, reads the rest. */
static void collect(int fd, pid_t pid, uint32_t kill_after, struct report *top)
{
    struct report r;
    for (uint32_t n = 0; read(fd, &r, sizeof(r)) == (ssize_t)sizeof(r); n++) {
        if (r.id) {
            cr_assert(ok_seq[r.id] == 0 || ok_seq[r.id] == r.seq);
            ok_seq[r.id] = r.seq;
        }
        top->id = r.id > top->id ? r.id : top->id;
        top->confirmed = r.confirmed > top->confirmed ? r.confirmed : top->confirmed;
        if (n == kill_after)
            cr_assert_eq(kill(pid, SIGKILL), 0);
    }
}

static void check(struct kit *k, const struct report *top)
{
    kit_open(k);
    struct sp_store_done h = kit_head(k, "b");
    cr_assert_geq(h.confirmed.v, top->confirmed, "a confirmed cursor fell");
    uint32_t seq = 0;
    for (bool more = true; more;) {
        struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", seq));
        cr_assert_eq(d.err, 0);
        for (size_t i = 0; i < d.skips_n; i++)
            cr_assert_eq(d.skips[i].why, SP_STORE_WHY_CONFIRMED);
        for (size_t i = 0; i < d.entries_n; i++) {
            uint64_t id = d.entries[i].from.msgid.v;
            cr_assert(ok_seq[id] == 0 || ok_seq[id] == d.entries[i].seq.v);
        }
        more = d.more;
        seq = d.to.v;
        kit_free(k, &d);
    }
    cr_assert_eq(seq, h.svr_seq.v);
    for (uint64_t id = 1; id <= top->id; id++) {
        if (!ok_seq[id])
            continue;
        struct sp_store_req r = kit_append(k, "a", id, "b", "");
        r.deny = SP_EFORBIDDEN; /* a durable one is OK before that; hash and recipient as the child's */
        char body[300];
        memset(body, 'x', sizeof(body));
        r.body = (struct sp_view){(const uint8_t *)body, 299};
        kit_hash(&r);
        struct sp_store_done d = kit_want(k, r, 0);
        cr_assert(d.repeat);
        cr_assert_eq(d.seq.v, ok_seq[id], "id %d", (int)id);
    }
    sp_store_close(&k->st);
}

Test(lmdb_crash, every_ok_survives_kill_9, .timeout = 120)
{
    struct kit k = {.engine = KIT_LMDB, .wall_us = KIT_T0};
    struct report top = {0};
    uint64_t rng = 20240229;
    kit_folder(&k);
    (void)snprintf(k.url, sizeof(k.url), "lmdb:%s", k.dir);
    k.cfg = (struct sp_store_config){.map_size = KIT_MAP, .mailbox_count = IDS_MAX, .share_percent = 100};
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        cr_assert_eq(pipe(fds), 0);
        /* Some ids come again: those whose answer the last round did not see. */
        uint64_t from = top.id > IN_FLIGHT ? top.id - IN_FLIGHT : 1;
        pid_t pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
            (void)close(fds[0]);
            child(&k, fds[1], from);
        }
        (void)close(fds[1]);
        collect(fds[0], pid, draw(&rng, 250), &top);
        (void)close(fds[0]);
        int status;
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSIGNALED(status), "the child ended by itself: %d", WEXITSTATUS(status));
        check(&k, &top);
    }
    cr_assert_gt(top.id, 200U);
    cr_assert_gt(top.confirmed, 50U);
    (void)nftw(k.dir, kit_unlink, 8, FTW_DEPTH | FTW_PHYS);
}
