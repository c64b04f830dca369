/* A pipe per process: a result, or nothing and a sentence. */
#include "crew.h"

#include "dice.h"
#include "ensure.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX         64
#define SENTENCE_MAX        1024
#define PATH_LEN            512
#define OTHER_ENGINE_ONE_IN 10
#define ALARM_S             300 /* real time of one seed; more is a hang */

struct report {
    bool is_good;
    struct sim_result result;
    char sentence[SENTENCE_MAX];
};
struct worker {
    pid_t pid; /* 0: vacant */
    int fd;
    const struct sim_crew_job *job;
    char dir[PATH_LEN];
};
struct crew {
    const struct sim_crew_config *cfg;
    struct sim_crew_sums *sums;
    struct worker workers[AT_ONCE_MAX];
    size_t started, busy;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void sim_crew_remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- in the process of a seed ---- */

static void send_report(int fd, const struct report *r)
{
    const char *p = (const char *)r;
    size_t left = sizeof *r;
    while (left > 0) {
        ssize_t n = write(fd, p, left);
        if (n <= 0)
            _exit(3);
        p += n;
        left -= (size_t)n;
    }
}

static void report_failure(void *self, const char *sentence)
{
    static struct report r;
    (void)snprintf(r.sentence, sizeof r.sentence, "%s", sentence);
    send_report(*(const int *)self, &r);
    _exit(1);
}

/* One world in ten lives again on the other engine.  Its story may differ, because a batch of requests may
 * come to its ends in another order; the promises are the same. */
static void run_other_engine(const struct sim_plan *plan, const struct sim_world_config *world)
{
    struct sim_plan other = *plan;
    struct sim_result r;
    other.engine = plan->engine == SIM_LMDB ? SIM_MEM : SIM_LMDB;
    sim_world_run(&other, world, &r);
}

static void work(const struct sim_crew_config *cfg, const struct sim_crew_job *job, const char *dir, int fd)
{
    static struct report r;
    struct sim_plan plan;
    sim_plan_draw(&plan, job->seed, job->active_us);
    sp_ensure_set_handler(report_failure, &fd);
    (void)alarm(ALARM_S);
    const struct sim_world_config world = {.dir = dir};
    sim_world_run(&plan, &world, &r.result);
    if (cfg->is_twice) {
        struct sim_result again;
        sim_crew_remove_tree(dir);
        (void)mkdir(dir, 0700);
        sim_world_run(&plan, &world, &again);
        SP_ENSURE_SAY(again.hash == r.result.hash, "the second run differs from the first");
    }
    if (job->seed % OTHER_ENGINE_ONE_IN == 0)
        run_other_engine(&plan, &world);
    r.is_good = true;
    send_report(fd, &r);
}

/* ---- in the first process ---- */

static void start(struct crew *c, struct worker *w)
{
    int ends[2];
    w->job = &c->cfg->jobs[c->started++];
    (void)snprintf(w->dir, sizeof w->dir, "%s/%" PRIu64, c->cfg->dir, w->job->seed);
    if (mkdir(w->dir, 0700) != 0 || pipe(ends) != 0) {
        perror(w->dir);
        exit(2);
    }
    (void)fflush(stdout);
    w->pid = fork();
    if (w->pid < 0) {
        perror("fork");
        exit(2);
    }
    if (w->pid == 0) {
        (void)close(ends[0]);
        work(c->cfg, w->job, w->dir, ends[1]);
        exit(0);
    }
    (void)close(ends[1]);
    w->fd = ends[0];
    c->busy++;
}

static void add(struct crew *c, const struct sim_crew_job *job, const struct sim_result *r)
{
    struct sim_crew_sums *s = c->sums;
    s->hash += sp_dice_mix(r->hash ^ job->seed);
    s->virtual_us += r->virtual_us;
    if (s->healed_max_us < r->healed_us) {
        s->healed_max_us = r->healed_us;
        s->healed_max_seed = job->seed;
    }
    s->datagrams += r->datagrams;
    s->crashes += r->crashes;
    s->processes += r->processes;
    s->messages += r->sums.sent;
    s->delivered += r->sums.delivered;
    s->failed += r->sums.failed;
    s->lost += r->sums.lost;
    s->foreign += r->sums.foreign;
    if (s->know_max_us < r->sums.know_max)
        s->know_max_us = r->sums.know_max;
}

static void take(struct crew *c, struct worker *w, int status)
{
    static struct report r;
    size_t n = 0;
    for (ssize_t got; n < sizeof r && (got = read(w->fd, (char *)&r + n, sizeof r - n)) > 0;)
        n += (size_t)got;
    (void)close(w->fd);
    sim_crew_remove_tree(w->dir);
    bool is_whole = n == sizeof r;
    c->sums->seeds++;
    c->busy--;
    w->pid = 0;
    if (is_whole && r.is_good && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        add(c, w->job, &r.result);
        return;
    }
    c->sums->failures++;
    if (is_whole && !r.is_good)
        printf("FAILED: %s\n", r.sentence);
    else if (WIFSIGNALED(status))
        printf("FAILED: signal %d, %s\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("FAILED: exit %d\n", WEXITSTATUS(status));
    printf("sim --seed %" PRIu64, w->job->seed);
    if (w->job->active_us > 0)
        printf(" --seconds %lld", (long long)(w->job->active_us / SP_SECOND));
    printf(" --commit %s\n", c->cfg->commit);
    (void)fflush(stdout);
}

static sp_time real_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (sp_time)t.tv_sec * SP_SECOND + t.tv_nsec / 1000;
}

void sim_crew_run(const struct sim_crew_config *cfg, struct sim_crew_sums *out)
{
    static struct crew c;
    c = (struct crew){.cfg = cfg, .sums = out};
    sp_time end = cfg->limit_us > 0 ? real_us() + cfg->limit_us : SP_NEVER;
    size_t jobs_n = cfg->jobs_n;
    while (c.started < jobs_n || c.busy > 0) {
        if (real_us() >= end)
            jobs_n = c.started;
        for (unsigned i = 0; i < cfg->at_once && i < AT_ONCE_MAX; i++) {
            if (c.workers[i].pid == 0 && c.started < jobs_n)
                start(&c, &c.workers[i]);
        }
        int status;
        pid_t pid = wait(&status);
        for (unsigned i = 0; i < AT_ONCE_MAX; i++) {
            if (pid > 0 && c.workers[i].pid == pid)
                take(&c, &c.workers[i], status);
        }
    }
}

static void show_failure(void *self, const char *sentence)
{
    (void)self;
    printf("FAILED: %s\n", sentence);
    (void)fflush(stdout);
    abort();
}

void sim_crew_show(const struct sim_plan *plan, const struct sim_world_config *world, struct sim_result *out)
{
    sp_ensure_set_handler(show_failure, NULL);
    sim_plan_print(plan);
    sim_world_run(plan, world, out);
}
