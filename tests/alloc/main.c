/* Allocation failure at the n-th call: every script once for each allocation that it makes, with that one
 * failing. No crash, no leak, no false answer (the script judges), and the same works afterwards.
 *
 *   alloc_fail [SCRIPT [N]]    all scripts, one, or one with the N-th call failing */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "script.h"

enum { CALLS_MAX = 20000 };

/* The sanitizer's search for blocks that nothing points to; not there in other builds. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak)); // NOLINT

static const struct script *current;
static unsigned failing, armed_calls;
static bool is_armed_inside;
static char dir[64];

void script_broken(const char *cond, const char *file, int line)
{
    (void)fail_disarm();
    (void)fprintf(stderr, "%s:%d: broken promise: %s\nrepeat with: alloc_fail %s %u\n", file, line, cond,
                  current->name, failing);
    abort();
}

const char *script_dir(void)
{
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void script_remove(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

unsigned script_failing(void)
{
    return failing;
}

void script_arm(void)
{
    is_armed_inside = true;
    fail_arm(failing);
}

void script_disarm(void)
{
    armed_calls = fail_disarm();
}

/* One run with the n-th call failing.  Returns how many calls there were; *ok as the script says. */
static unsigned run(unsigned n, bool *ok)
{
    long before = fail_live();
    failing = n;
    is_armed_inside = false;
    fail_arm(n);
    bool went_well = current->run();
    unsigned calls = fail_disarm();
    MUST(fail_live() == before);
    *ok = went_well;
    return is_armed_inside ? armed_calls : calls;
}

static unsigned count_calls(void)
{
    bool ok = false;
    unsigned calls = 0;
    if (current->prepare != NULL)
        current->prepare();
    (void)current->run(); /* what libraries set up once */
    calls = run(0, &ok);
    MUST(ok);
    MUST(calls > 0 && calls < CALLS_MAX);
    return calls;
}

/* only: that call alone fails; 0: each.  Returns how many failed. */
static unsigned run_all(const struct script *s, unsigned only)
{
    unsigned refused = 0;
    current = s;
    unsigned calls = count_calls();
    unsigned first = only > 0 ? only : 1, last = only > 0 && only < calls ? only : calls;
    for (unsigned n = first; n <= last; n++) {
        bool ok = false;
        MUST(run(n, &ok) >= n); /* that call was made, so it failed */
        refused += !ok;
        (void)run(0, &ok); /* the same works again */
        MUST(ok);
    }
    if (__lsan_do_recoverable_leak_check != NULL)
        MUST(__lsan_do_recoverable_leak_check() == 0);
    (void)printf("%-24s %5u calls, %5u refused\n", s->name, calls, refused);
    return first <= last ? last - first + 1 : 0;
}

int main(int argc, char **argv)
{
    const struct script *lists[] = {script_store, script_shell, script_rig};
    const unsigned sizes[] = {script_store_n, script_shell_n, script_rig_n};
    unsigned scripts = 0, failed = 0, only = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)snprintf(dir, sizeof dir, "%s/sampan-alloc-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(dir) == NULL)
        return 2;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < sizes[i]; j++) {
            if (argc > 1 && strcmp(argv[1], lists[i][j].name) != 0)
                continue;
            failed += run_all(&lists[i][j], only);
            scripts++;
        }
    }
    script_remove(dir);
    (void)printf("%u scripts, %u allocations failed, each once\n", scripts, failed);
    return failed > 0 ? 0 : 1;
}
