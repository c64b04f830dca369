/* The gateway's history: written at a flush, complete at the end, harmless when the disk is full. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "chronicle.h"
#include "historyread.h"

static char dir[] = "/tmp/sampan-chronicle-XXXXXX";
static char path[64];
static struct sp_log logger;
static struct sp_chronicle chronicle;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
    cr_redirect_stderr();
    sp_log_init(&logger, 2, SP_LOG_INFO);
}

static void teardown(void)
{
    (void)unlink(path);
    cr_assert_eq(rmdir(dir), 0);
}

TestSuite(chronicle, .init = setup, .fini = teardown);

static unsigned seen[SP_HISTORY_KINDS];

static int take(void *self, const struct sp_history_event *e, uint32_t line)
{
    (void)self;
    (void)line;
    seen[e->kind]++;
    if (e->kind == SP_HISTORY_STORED)
        cr_assert(e->hash == 0x0102030405060708 && e->seq == 5 && e->msgid == 9 && e->commit == 3);
    return 0;
}

static uint32_t read_back(void)
{
    struct sp_historyread_result r;
    memset(seen, 0, sizeof seen);
    cr_assert_eq(sp_historyread_file(path, take, NULL, &r), 0);
    return r.lines;
}

static void witness(enum sp_witness_kind kind)
{
    static const uint8_t hash[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct sp_witness_event e = {.kind = kind,
                                       .from = {{{(const uint8_t *)"a", 1}}, 1, {9}},
                                       .mailbox = {(const uint8_t *)"b", 1},
                                       .seq = {5},
                                       .hi = {6},
                                       .epoch = {7},
                                       .hash = hash,
                                       .commit = 3,
                                       .state = kind == SP_WITNESS_ENDED ? SP_STATE_ENDED : SP_STATE_ACCEPTED,
                                       .code = 5};
    const struct sp_witness *w = sp_chronicle_witness(&chronicle);
    w->note(w->self, &e);
}

Test(chronicle, none_is_wanted)
{
    struct sp_trouble t;
    cr_assert_eq(sp_chronicle_open(&chronicle, "-", &logger, &t), 0);
    cr_assert_null(sp_chronicle_witness(&chronicle));
    sp_chronicle_flush(&chronicle);
    sp_chronicle_close(&chronicle, true);
    cr_assert_neq(access(path, F_OK), 0);
}

Test(chronicle, a_file_that_cannot_be_opened_is_an_error)
{
    struct sp_trouble t;
    cr_assert_eq(sp_chronicle_open(&chronicle, dir, &logger, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_IO);
    cr_assert_null(sp_chronicle_witness(&chronicle));
}

Test(chronicle, lines_leave_at_the_flush)
{
    struct sp_trouble t;
    cr_assert_eq(sp_chronicle_open(&chronicle, path, &logger, &t), 0);
    cr_assert_eq(read_back(), 1);
    cr_assert_eq(seen[SP_HISTORY_START], 1);
    witness(SP_WITNESS_STORED);
    witness(SP_WITNESS_REFUSED);
    witness(SP_WITNESS_CONFIRMED);
    witness(SP_WITNESS_ENDED);
    cr_assert_eq(read_back(), 1, "gathered");
    sp_chronicle_flush(&chronicle);
    cr_assert_eq(read_back(), 5);
    cr_assert(seen[SP_HISTORY_STORED] == 1 && seen[SP_HISTORY_REFUSED] == 1 &&
              seen[SP_HISTORY_CONFIRMED] == 1 && seen[SP_HISTORY_ENDED] == 1);
    sp_chronicle_close(&chronicle, true);
    cr_assert_eq(read_back(), 6);
    cr_assert_eq(seen[SP_HISTORY_STOP], 1);
    cr_assert_eq(chronicle.lines, 6);
    cr_assert_eq(chronicle.file.lost, 0);
}

Test(chronicle, a_full_disk_is_counted_and_told_once)
{
    struct sp_trouble t;
    struct rlimit old, none;
    cr_assert_eq(sp_chronicle_open(&chronicle, path, &logger, &t), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = (struct rlimit){0, old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 3; i++) {
        witness(SP_WITNESS_STORED);
        sp_chronicle_flush(&chronicle);
    }
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    cr_assert_eq(chronicle.file.lost, 3);
    cr_assert(chronicle.is_told);
    sp_chronicle_close(&chronicle, false);
    cr_assert_eq(read_back(), 1);
    char text[1024];
    size_t n = fread(text, 1, sizeof text - 1, cr_get_redirected_stderr());
    text[n] = '\0';
    const char *first = strstr(text, "history-incomplete");
    cr_assert_not_null(first);
    cr_assert_null(strstr(first + 1, "history-incomplete"));
}
