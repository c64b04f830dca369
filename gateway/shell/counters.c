#include "counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

/* Text that grows by whole lines. */
struct page {
    char *dst;
    size_t cap, len;
};

static void add(struct page *p, const char *name, uint64_t value)
{
    char line[96];
    int n = snprintf(line, sizeof line, "%s %" PRIu64 "\n", name, value);
    if (n < 0 || (size_t)n >= sizeof line || p->cap - p->len < (size_t)n)
        return;
    memcpy(p->dst + p->len, line, (size_t)n);
    p->len += (size_t)n;
}

static void add_core(struct page *p, const struct sp_gateway *g)
{
    struct sp_stats core;
    sp_gateway_read_stats(g, &core);
    add(p, "sessions", sp_gateway_sessions(g));
#define ADD(name, help) add(p, #name, core.name);
    SP_STATS(ADD)
#undef ADD
}

static void add_history(struct page *p, const struct sp_chronicle *c)
{
    add(p, "history_lines", c->lines);
    add(p, "history_lost", c->file.lost);
}

static void add_store(struct page *p, struct sp_store *st)
{
    struct sp_store_stats s;
    sp_store_stats(st, &s);
    add(p, "store_appends", s.appends);
    add(p, "store_repeats", s.repeats);
    add(p, "store_refused", s.refused);
    add(p, "store_commits", s.commits);
    add(p, "store_commit_us_last", s.commit_us_last);
    add(p, "store_commit_us_max", s.commit_us_max);
    add(p, "store_batch_last", s.batch_last);
    add(p, "store_batch_max", s.batch_max);
    add(p, "store_corrupt", s.corrupt);
    add(p, "store_swept", s.swept);
    add(p, "store_used_bytes", s.used_bytes);
    add(p, "store_map_bytes", s.map_bytes);
    add(p, "store_is_full", s.full ? 1 : 0);
    add(p, "store_is_failed", s.failed ? 1 : 0);
}

size_t sp_counters_print(const struct sp_server *s, char *dst, size_t cap)
{
    struct page p = {.cap = cap};
    struct sp_udp_stats udp = sp_udp_stats(s->udp);
    p.dst = dst;
    add(&p, "uptime_s", (uint64_t)((sp_sys_now() - s->started) / SP_SECOND));
    add_core(&p, s->gateway);
    add_store(&p, s->store);
    add_history(&p, &s->chronicle);
    add(&p, "udp_send_errors", udp.send_errors);
    add(&p, "udp_send_blocked", udp.send_blocked);
    add(&p, "udp_receive_errors", udp.receive_errors);
    add(&p, "turns", s->loop.turns);
    add(&p, "stalls", s->loop.stalls);
    add(&p, "log_lost", s->log.lost);
    return p.len;
}

void sp_counters_log(struct sp_server *s)
{
    struct sp_stats core;
    struct sp_store_stats store;
    sp_gateway_read_stats(s->gateway, &core);
    sp_store_stats(s->store, &store);
    SP_LOG(&s->log, SP_LOG_INFO, "summary", SP_LOG_N("uptime_s", (sp_sys_now() - s->started) / SP_SECOND),
           SP_LOG_N("sessions", sp_gateway_sessions(s->gateway)),
           SP_LOG_N("datagrams_in", core.datagrams_received), SP_LOG_N("datagrams_out", core.datagrams_sent),
           SP_LOG_N("messages_stored", core.messages_stored),
           SP_LOG_N("receipts_delivered", core.receipts_delivered),
           SP_LOG_N("packets_lost", core.packets_lost), SP_LOG_N("store_used_bytes", store.used_bytes),
           SP_LOG_N("commit_us_max", store.commit_us_max), SP_LOG_N("turns", s->loop.turns),
           SP_LOG_N("stalls", s->loop.stalls));
}
