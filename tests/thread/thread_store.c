/* The store's threads under ThreadSanitizer: several ports append to few mailboxes, confirm and read at once
 * while the writer commits.  A plain program, because Criterion does not start under TSan.  Exit 0: every
 * request completed once, each mailbox counts without gaps. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define THREADS  4
#define MESSAGES 400
#define BOXES    3
#define WAIT_MS  20000

struct worker {
    struct sp_store *store;
    pthread_t thread;
    unsigned number;
    unsigned ok, wrong;
};

static int64_t wall_us(unsigned i)
{
    return 1700000000000000 + (int64_t)i;
}

/* Polls until one completion came; true if it was OK. */
static bool await_one(struct sp_store_port *p)
{
    struct sp_store_done done;
    size_t n = 0;
    for (int waited = 0; waited < WAIT_MS; waited += 100) {
        (void)sp_store_poll(p, &done, 1, &n, 0);
        if (n == 1)
            break;
        struct pollfd fd = {.fd = sp_store_wake_fd(p), .events = POLLIN};
        (void)poll(&fd, 1, 100);
    }
    if (n == 0)
        return false;
    bool is_ok = done.err == 0;
    sp_store_release(p, &done);
    return is_ok;
}

static void one_message(struct worker *w, struct sp_store_port *p, unsigned i)
{
    char name[16], box[16];
    int name_len = snprintf(name, sizeof name, "sender%u", w->number);
    int box_len = snprintf(box, sizeof box, "box%u", i % BOXES);
    struct sp_user to = {{(const uint8_t *)box, (size_t)box_len}};
    struct sp_store_req append = {.op = SP_STORE_APPEND,
                                  .from = {{{(const uint8_t *)name, (size_t)name_len}}, 1, {i + 1}},
                                  .to = &to,
                                  .to_n = 1,
                                  .body = {(const uint8_t *)"body", 4},
                                  .at_us = wall_us(i)};
    struct sp_store_req range = {.op = SP_STORE_RANGE, .to = &to, .to_n = 1, .max = 8, .at_us = wall_us(i)};
    if (sp_store_submit(p, &append, 1) != 0 || !await_one(p))
        w->wrong++;
    else
        w->ok++;
    if (sp_store_submit(p, &range, 1) != 0 || !await_one(p))
        w->wrong++;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct sp_store_port *p;
    if (sp_store_attach(w->store, &p) != 0) {
        w->wrong++;
        return NULL;
    }
    for (unsigned i = 0; i < MESSAGES; i++)
        one_message(w, p, i);
    return NULL;
}

/* Messages in all mailboxes, by their heads. */
static uint64_t count_all(struct sp_store *store)
{
    struct sp_store_port *p;
    uint64_t sum = 0;
    if (sp_store_attach(store, &p) != 0)
        return 0;
    for (unsigned b = 0; b < BOXES; b++) {
        char box[16];
        int len = snprintf(box, sizeof box, "box%u", b);
        struct sp_user to = {{(const uint8_t *)box, (size_t)len}};
        struct sp_store_req head = {.op = SP_STORE_HEAD, .to = &to, .to_n = 1, .at_us = wall_us(0)};
        struct sp_store_done done;
        size_t n = 0;
        if (sp_store_submit(p, &head, 1) != 0)
            return 0;
        for (int waited = 0; n == 0 && waited < WAIT_MS; waited += 10) {
            struct pollfd fd = {.fd = sp_store_wake_fd(p), .events = POLLIN};
            (void)poll(&fd, 1, 10);
            (void)sp_store_poll(p, &done, 1, &n, 0);
        }
        if (n == 0)
            return 0;
        sum += done.svr_seq.v;
        sp_store_release(p, &done);
    }
    return sum;
}

static int run(const char *dir)
{
    char url[256], reason[256] = "";
    struct sp_store *store = NULL;
    struct sp_store_config cfg = {
        .map_size = UINT64_C(256) << 20, .reason = reason, .reason_cap = sizeof reason};
    struct worker workers[THREADS];
    unsigned ok = 0, wrong = 0;
    (void)snprintf(url, sizeof url, "lmdb:%s/store", dir);
    if (sp_store_open(&store, url, &cfg) != 0) {
        (void)printf("open: %s\n", reason);
        return 1;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.store = store, .number = i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        ok += workers[i].ok;
        wrong += workers[i].wrong;
    }
    uint64_t stored = count_all(store);
    sp_store_close(&store);
    (void)printf("%u appends OK, %u wrong, %" PRIu64 " stored\n", ok, wrong, stored);
    return wrong == 0 && ok == THREADS * MESSAGES && stored == ok ? 0 : 1;
}

int main(void)
{
    char dir[] = "/tmp/sampan-thread-XXXXXX", path[300];
    if (mkdtemp(dir) == NULL)
        return 1;
    int code = run(dir);
    static const char *const names[] = {"store/data.mdb", "store/lock.mdb", "store/ballast", "store", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)remove(path);
    }
    return code;
}
