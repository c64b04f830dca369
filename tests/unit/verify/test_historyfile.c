/* Histories in files: what several writers, a full disk and a kill leave, and how it is read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sampan/err.h>

#include "historyfile.h"
#include "historyread.h"

static char dir[] = "/tmp/sampan-history-XXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
}

static void teardown(void)
{
    (void)unlink(path);
    cr_assert_eq(rmdir(dir), 0);
}

TestSuite(historyfile, .init = setup, .fini = teardown);

static struct sp_history_event kept(uint32_t seq)
{
    return (struct sp_history_event){
        .kind = SP_HISTORY_KEPT, .user = {(const uint8_t *)"b", 1}, .device = 2, .seq = seq};
}

static void append(const char *bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    (void)close(fd);
}

static uint64_t sum;
static uint32_t last_line;

static int take(void *self, const struct sp_history_event *e, uint32_t line)
{
    (void)self;
    sum += e->seq;
    last_line = line;
    return e->seq == 77777 ? 42 : 0;
}

static int read_all(struct sp_historyread_result *r)
{
    sum = 0;
    last_line = 0;
    return sp_historyread_file(path, take, NULL, r);
}

Test(historyfile, appends_and_reads)
{
    struct sp_historyfile h;
    struct sp_historyread_result r;
    struct stat st;
    for (uint32_t run = 0; run < 2; run++) {
        cr_assert_eq(sp_historyfile_open(&h, path), 0);
        for (uint32_t i = 1; i <= 5000; i++) {
            struct sp_history_event e = kept(i);
            sp_historyfile_add(&h, &e, 1);
        }
        sp_historyfile_close(&h);
        cr_assert_eq(h.lost, 0);
    }
    cr_assert_eq(read_all(&r), 0);
    cr_assert_eq(r.lines, 10000);
    cr_assert_eq(last_line, 10000);
    cr_assert(!r.is_torn);
    cr_assert_eq(sum, 2 * 5000 * 5001 / 2);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
}

Test(historyfile, closed_ones_do_nothing)
{
    struct sp_historyfile h = {.fd = -1};
    struct sp_history_event e = kept(1);
    sp_historyfile_add(&h, &e, 1);
    cr_assert_eq(sp_historyfile_flush(&h), 0);
    sp_historyfile_close(&h);
    cr_assert_eq(h.fd, -1);
}

Test(historyfile, what_cannot_be_opened)
{
    struct sp_historyfile h;
    struct sp_historyread_result r;
    char sub[80];
    (void)snprintf(sub, sizeof sub, "%s/no/log", dir);
    cr_assert_eq(sp_historyfile_open(&h, sub), ENOENT);
    cr_assert_eq(h.fd, -1);
    cr_assert_eq(read_all(&r), SP_EIO);
    cr_assert_eq(r.error, ENOENT);
}

Test(historyfile, a_torn_last_line_is_left_out)
{
    struct sp_historyread_result r;
    append("{\"e\":\"kept\",\"user\":\"b\",\"seq\":1}\n{\"e\":\"kept\",\"user\":\"b\",\"se");
    cr_assert_eq(read_all(&r), 0);
    cr_assert(r.is_torn);
    cr_assert_eq(r.lines, 1);
    cr_assert_eq(sum, 1);
}

Test(historyfile, a_damaged_line_is_named)
{
    struct sp_historyread_result r;
    append("{\"e\":\"kept\",\"user\":\"b\",\"seq\":1}\n{\"e\":\"kept\",\n{\"e\":\"kept\",\"user\":\"b\","
           "\"seq\":3}\n");
    cr_assert_eq(read_all(&r), SP_EMALFORMED);
    cr_assert_eq(r.bad_line, 2);
    cr_assert_gt(strlen(r.reason), 0);
    cr_assert_eq(sum, 1);
}

Test(historyfile, a_line_without_end_is_damaged)
{
    struct sp_historyread_result r;
    char *bytes = malloc((3U << 20) + 1);
    cr_assert_not_null(bytes);
    memset(bytes, 'x', 3U << 20);
    bytes[3U << 20] = '\0';
    append(bytes);
    free(bytes);
    cr_assert_eq(read_all(&r), SP_EMALFORMED);
    cr_assert_eq(r.bad_line, 1);
}

Test(historyfile, the_taker_can_stop)
{
    struct sp_historyread_result r;
    append("{\"e\":\"kept\",\"user\":\"b\",\"seq\":77777}\n{\"e\":\"kept\",\"user\":\"b\",\"seq\":1}\n");
    cr_assert_eq(read_all(&r), 42);
    cr_assert_eq(r.lines, 1);
}

/* A file that may not grow: lines are lost and counted, the half line spoils nothing but itself. */
Test(historyfile, a_full_disk_loses_lines_and_says_so)
{
    struct sp_historyfile h;
    struct sp_historyread_result r;
    struct rlimit old, small = {60, RLIM_INFINITY};
    struct sp_history_event e = kept(1);
    cr_assert_eq(sp_historyfile_open(&h, path), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 3; i++)
        sp_historyfile_add(&h, &e, 1);
    cr_assert_eq(sp_historyfile_flush(&h), EFBIG);
    cr_assert_eq(h.lost, 3);
    sp_historyfile_add(&h, &e, 1);
    cr_assert_eq(sp_historyfile_flush(&h), EFBIG);
    cr_assert_eq(h.lost, 4);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    e.seq = 7;
    sp_historyfile_add(&h, &e, 1);
    cr_assert_eq(sp_historyfile_flush(&h), 0);
    sp_historyfile_close(&h);
    cr_assert_eq(h.lost, 4);
    cr_assert_eq(read_all(&r), SP_EMALFORMED, "events are missing, so the verdict would be worth nothing");
    cr_assert_eq(r.bad_line, 2);
}

/* Two processes, one killed at any moment: every line is whole. */
Test(historyfile, writers_share_a_file)
{
    struct sp_historyread_result r;
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        cr_assert_geq(pids[i], 0);
        if (pids[i] == 0) {
            struct sp_historyfile h;
            struct sp_history_event e = kept(1);
            if (sp_historyfile_open(&h, path) != 0)
                _exit(1);
            for (int k = 0; k < 5000 || i == 1; k++) {
                sp_historyfile_add(&h, &e, 1);
                if (sp_historyfile_flush(&h) != 0)
                    _exit(1);
            }
            _exit(0);
        }
    }
    int status;
    cr_assert_eq(waitpid(pids[0], &status, 0), pids[0]);
    cr_assert_eq(status, 0);
    cr_assert_eq(kill(pids[1], SIGKILL), 0);
    cr_assert_eq(waitpid(pids[1], &status, 0), pids[1]);
    cr_assert_eq(read_all(&r), 0, "line %u: %s", r.bad_line, r.reason);
    cr_assert_geq(r.lines, 5000);
}
