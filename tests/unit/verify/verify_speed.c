/* verify_speed [EVENTS]: makes a clean history of so many events in memory, once as structs and once as
 * lines, and prints what judging it costs.  Ends with 1 when the checker finds something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "historyread.h"
#include "verify.h"

#define USERS     1000
#define BEHIND    64 /* messages between a send and its DELIVERED */
#define KEEPS     8  /* messages between two keeps of a recipient */
#define DEFAULT_N 10000000

struct run {
    struct sp_verify *verify;
    bool is_lines;
    uint64_t events;
    uint32_t line;
    uint32_t seqs[USERS], kept[USERS]; /* of each mailbox */
    uint64_t sends[USERS];
    char names[USERS][8];
};

/* Processor time: other processes do not count. */
static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void stop(const char *what)
{
    (void)fprintf(stderr, "verify_speed: %s\n", what);
    exit(1);
}

static void add(struct run *r, const struct sp_history_event *e)
{
    struct sp_history_event back = *e;
    struct sp_historyread_names names;
    char line[SP_HISTORY_LINE_MAX];
    const char *reason;
    if (r->is_lines) {
        size_t n = sp_history_encode(e, line, sizeof line);
        if (sp_historyread_line(line, n - 1, &back, &names, &reason) != 0)
            stop(reason);
    }
    if (sp_verify_add(r->verify, &back, (struct sp_verify_place){0, ++r->line}) != 0)
        stop("an event is refused");
    r->events++;
}

static struct sp_view name_of(const struct run *r, unsigned user)
{
    return (struct sp_view){(const uint8_t *)r->names[user], strlen(r->names[user])};
}

struct message {
    unsigned from, to;
    uint64_t msgid;
};

/* One that the recipient keeps, with the ones before it. */
static void keep(struct run *r, unsigned to)
{
    struct sp_history_event e = {
        .kind = SP_HISTORY_KEPT, .user = name_of(r, to), .device = 1, .seq = r->seqs[to]};
    if (r->kept[to] == r->seqs[to])
        return;
    r->kept[to] = r->seqs[to];
    add(r, &e);
    e.kind = SP_HISTORY_CONFIRMED;
    e.hi = e.seq;
    e.epoch = 5;
    add(r, &e);
}

static void deliver(struct run *r, const struct message *m)
{
    keep(r, m->to);
    const struct sp_history_event e = {.kind = SP_HISTORY_TOLD,
                                       .user = name_of(r, m->from),
                                       .device = 1,
                                       .msgid = m->msgid,
                                       .state = SP_STATE_DELIVERED};
    add(r, &e);
}

static void send(struct run *r, const struct message *m)
{
    struct sp_history_event e = {.kind = SP_HISTORY_SEND,
                                 .user = name_of(r, m->from),
                                 .device = 1,
                                 .msgid = m->msgid,
                                 .peer = name_of(r, m->to),
                                 .hash = m->msgid * 77};
    add(r, &e);
    e.kind = SP_HISTORY_STORED;
    e.seq = ++r->seqs[m->to];
    e.epoch = 5;
    e.commit = r->events;
    e.state = SP_STATE_ACCEPTED;
    add(r, &e);
    e.kind = SP_HISTORY_TOLD;
    add(r, &e);
    e = (struct sp_history_event){.kind = SP_HISTORY_HANDED,
                                  .user = name_of(r, m->to),
                                  .device = 1,
                                  .peer = name_of(r, m->from),
                                  .peer_device = 1,
                                  .msgid = m->msgid,
                                  .epoch = 5,
                                  .seq = r->seqs[m->to],
                                  .hash = m->msgid * 77};
    add(r, &e);
    if (r->seqs[m->to] - r->kept[m->to] >= KEEPS)
        keep(r, m->to);
}

static void fill(struct run *r, uint64_t events)
{
    static struct message ring[BEHIND];
    uint32_t dice = 1;
    for (unsigned i = 0; i < USERS; i++) {
        (void)snprintf(r->names[i], sizeof r->names[i], "u%u", i);
        const struct sp_history_event e = {.kind = SP_HISTORY_RUN, .user = name_of(r, i), .device = 1};
        add(r, &e);
    }
    uint64_t n = 0;
    for (; r->events < events; n++) {
        struct message *m = &ring[n % BEHIND];
        if (n >= BEHIND)
            deliver(r, m);
        dice = dice * 1664525U + 1013904223U;
        m->from = (dice >> 8) % USERS;
        dice = dice * 1664525U + 1013904223U;
        m->to = (dice >> 8) % USERS;
        m->msgid = ++r->sends[m->from];
        send(r, m);
    }
    for (uint64_t i = n > BEHIND ? n - BEHIND : 0; i < n; i++)
        deliver(r, &ring[i % BEHIND]);
}

static void measure(uint64_t events, bool is_lines)
{
    static struct run r;
    const struct sp_verify_config cfg = {.healed = true, .complete = true};
    struct sp_verify_summary sum;
    struct rusage usage;
    r = (struct run){.is_lines = is_lines};
    if (sp_verify_create(&r.verify, &cfg) != 0)
        stop("no memory");
    double start = now_s();
    fill(&r, events);
    double filled = now_s();
    if (sp_verify_finish(r.verify, &sum) != 0)
        stop("no memory");
    double end = now_s();
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("%s events=%llu messages=%llu taken_cpu_s=%.2f judged_cpu_s=%.2f events_per_cpu_s=%.0f "
                 "peak_rss_mib=%ld "
                 "violations=%llu\n",
                 is_lines ? "lines  " : "structs", (unsigned long long)sum.events,
                 (unsigned long long)sum.sent, filled - start, end - filled,
                 (double)sum.events / (end - start), usage.ru_maxrss / 1024,
                 (unsigned long long)sum.violations);
    sp_verify_destroy(&r.verify);
    if (sum.violations != 0 || sum.ok != sum.sent || sum.sent == 0)
        stop("the history is clean, the verdict is not");
}

int main(int argc, char **argv)
{
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_N;
    measure(events, false);
    measure(events, true);
    return 0;
}
