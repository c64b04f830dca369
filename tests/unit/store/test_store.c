/* store.c: what no engine sees.  The contract suite has the rest. */
#include "contract.h"

Test(store, options_outside_their_limits)
{
    static const struct sp_store_config bad[] = {
        {.map_size = 4096},
        {.share_percent = 101},
        {.dedup_keep_us = -1},
        {.faults = {.set = true, .lost = 1001}},
        {.faults = {.set = true, .failed = 1001}},
        {.faults = {.set = true, .busy = 1001}},
        {.faults = {.set = true, .lost = 500, .failed = 400, .busy = 101}},
        {.faults = {.set = true, .max_delay_us = -1}},
    };
    struct sp_store *st = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(sp_store_open(&st, "mem:", &bad[i]), SP_EINVAL, "%zu", i);
    cr_assert_null(st);
}

Test(store, ports_have_a_limit)
{
    struct sp_store *st;
    struct sp_store_port *p;
    cr_assert_eq(sp_store_open(&st, "mem:", NULL), 0);
    for (size_t i = 0; i < SP_STORE_PORTS_MAX; i++)
        cr_assert_eq(sp_store_attach(st, &p), 0);
    cr_assert_eq(sp_store_attach(st, &p), SP_EFULL);
    sp_store_close(&st);
}

Test(store, a_port_tells_when_to_poll)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    cr_assert_eq(sp_store_wake_fd(k.port[0]), -1);
    cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    struct sp_store_req r = kit_append(&k, "a", 1, "b", "x");
    cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    cr_assert_lt(sp_store_deadline(k.port[0]), 0);
    cr_assert_eq(sp_store_deadline(k.port[1]), SP_NEVER);
    cr_assert_eq(sp_store_pending(k.port[0]), 1U);
    struct sp_store_done d = kit_next(&k, 0);
    kit_free(&k, &d);
    cr_assert_eq(sp_store_deadline(k.port[0]), SP_NEVER);
    cr_assert_eq(sp_store_step(k.st), 0U);
    sp_store_close(&k.st);
}

Test(store, poll_gives_no_more_than_asked)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    struct sp_store_done d[8];
    size_t n;
    for (uint64_t id = 1; id <= 5; id++) {
        struct sp_store_req r = kit_append(&k, "a", id, "b", "x");
        cr_assert_eq(sp_store_submit(k.port[0], &r, 1), 0);
    }
    static const size_t caps[] = {0, 2, 1, 8};
    static const size_t want[] = {0, 2, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(sp_store_poll(k.port[0], d, caps[i], &n, 0), 0);
        cr_assert_eq(n, want[i]);
        kit_free_many(&k, d, n);
    }
    cr_assert_eq(sp_store_pending(k.port[0]), 0U);
    sp_store_close(&k.st);
}

Test(store, counters)
{
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    kit_send(&k, "a", 1, "b", "x");
    kit_want(&k, kit_append(&k, "a", 1, "b", "x"), 0);
    kit_want(&k, kit_append(&k, "a", 1, "b", "y"), SP_EREUSED);
    struct sp_store_stats s;
    sp_store_stats(k.st, &s);
    cr_assert_eq(s.appends, 1U);
    cr_assert_eq(s.repeats, 1U);
    cr_assert_eq(s.refused, 1U);
    cr_assert_not(s.failed);
    sp_store_close(&k.st);
}

/* ---- arguments ---- */

static const struct sp_store_span good_span = {{1}, {2}, SP_STORE_WHY_DELETED};

static void no_op(struct sp_store_req *r)
{
    r->op = SP_STORE_OPS;
}
static void negative_op(struct sp_store_req *r)
{
    r->op = (enum sp_store_op) - 1;
}
static void no_time(struct sp_store_req *r)
{
    r->at_us = -1;
}
static void no_recipient(struct sp_store_req *r)
{
    r->to = NULL;
}
static void two_recipients(struct sp_store_req *r)
{
    r->to_n = 2;
}
static void no_id(struct sp_store_req *r)
{
    static const struct sp_user nobody = {{NULL, 3}};
    r->to = &nobody;
}
static void empty_sender(struct sp_store_req *r)
{
    r->from.user.id.n = 0;
}
static void long_sender(struct sp_store_req *r)
{
    static const uint8_t id[SP_STORE_ID_MAX + 1];
    r->from.user.id = (struct sp_view){id, sizeof(id)};
}
static void no_msgid(struct sp_store_req *r)
{
    r->from.msgid.v = 0;
}
static void positive_deny(struct sp_store_req *r)
{
    r->deny = 1;
}
static void negative_expiry(struct sp_store_req *r)
{
    r->expires_us = -1;
}
static void no_body(struct sp_store_req *r)
{
    r->body = (struct sp_view){NULL, 1};
}
static void big_body(struct sp_store_req *r)
{
    static const uint8_t body[SP_BODY_MAX + 1];
    r->body = (struct sp_view){body, sizeof(body)};
}
static void no_spans(struct sp_store_req *r)
{
    r->spans = NULL;
}
static void zero_spans(struct sp_store_req *r)
{
    r->spans_n = 0;
}
static void many_spans(struct sp_store_req *r)
{
    static struct sp_store_span spans[SP_STORE_SPANS_MAX + 1];
    for (size_t i = 0; i <= SP_STORE_SPANS_MAX; i++)
        spans[i] = good_span;
    r->spans = spans;
    r->spans_n = SP_STORE_SPANS_MAX + 1;
}
static void span_from_zero(struct sp_store_req *r)
{
    static const struct sp_store_span s = {{0}, {2}, SP_STORE_WHY_DELETED};
    r->spans = &s;
}
static void span_backwards(struct sp_store_req *r)
{
    static const struct sp_store_span s = {{3}, {2}, SP_STORE_WHY_DELETED};
    r->spans = &s;
}
static void span_confirmed(struct sp_store_req *r)
{
    static const struct sp_store_span s = {{1}, {2}, SP_STORE_WHY_CONFIRMED};
    r->spans = &s;
}
static void span_corrupt(struct sp_store_req *r)
{
    static const struct sp_store_span s = {{1}, {2}, SP_STORE_WHY_CORRUPT};
    r->spans = &s;
}
static void many_msgids(struct sp_store_req *r)
{
    static const struct sp_msgid ids[SP_STORE_MSGIDS_MAX + 1];
    r->msgids = ids;
    r->msgids_n = SP_STORE_MSGIDS_MAX + 1;
}
static void no_msgids(struct sp_store_req *r)
{
    r->msgids_n = 1;
}
static void many_entries(struct sp_store_req *r)
{
    r->max = SP_STORE_ENTRIES_MAX + 1;
}
static void no_holder(struct sp_store_req *r)
{
    r->holder = 0;
}
static void unknown_limit(struct sp_store_req *r)
{
    r->sub = 2;
}

Test(store, a_bad_request_is_refused_alone)
{
    static const struct {
        enum sp_store_op op;
        void (*spoil)(struct sp_store_req *r);
        int err;
    } rows[] = {
        {SP_STORE_APPEND, no_op, SP_EBAD},          {SP_STORE_APPEND, negative_op, SP_EBAD},
        {SP_STORE_HEAD, no_time, SP_EBAD},          {SP_STORE_APPEND, no_recipient, SP_EBAD},
        {SP_STORE_APPEND, two_recipients, SP_EBAD}, {SP_STORE_HEAD, no_id, SP_EBAD},
        {SP_STORE_APPEND, empty_sender, SP_EBAD},   {SP_STORE_STATUS, long_sender, SP_EBAD},
        {SP_STORE_APPEND, no_msgid, SP_EBAD},       {SP_STORE_FINISH, no_msgid, SP_EBAD},
        {SP_STORE_APPEND, positive_deny, SP_EBAD},  {SP_STORE_APPEND, negative_expiry, SP_EBAD},
        {SP_STORE_APPEND, no_body, SP_EBAD},        {SP_STORE_APPEND, big_body, SP_EBIG},
        {SP_STORE_MARK, no_spans, SP_EBAD},         {SP_STORE_TRIM, zero_spans, SP_EBAD},
        {SP_STORE_MARK, many_spans, SP_EBAD},       {SP_STORE_TRIM, span_from_zero, SP_EBAD},
        {SP_STORE_MARK, span_backwards, SP_EBAD},   {SP_STORE_TRIM, span_confirmed, SP_EBAD},
        {SP_STORE_TRIM, span_corrupt, SP_EBAD},     {SP_STORE_MARK, span_corrupt, 0},
        {SP_STORE_STATUS, many_msgids, SP_EBAD},    {SP_STORE_STATUS, no_msgids, SP_EBAD},
        {SP_STORE_RANGE, many_entries, SP_EBAD},    {SP_STORE_CLAIM, no_holder, SP_EBAD},
        {SP_STORE_LIMIT, unknown_limit, SP_EBAD},
    };
    struct kit k = {.engine = KIT_MEM, .wall_us = KIT_T0};
    kit_start(&k, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sp_store_req r[3] = {kit_append(&k, "a", 2 * i + 1, "b", "x"),
                                    kit_append(&k, "z", i + 1, "y", "x"),
                                    kit_append(&k, "a", 2 * i + 2, "b", "x")};
        struct sp_store_done d[3];
        r[1].op = rows[i].op;
        r[1].spans = &good_span;
        r[1].spans_n = 1;
        r[1].holder = 1;
        rows[i].spoil(&r[1]);
        kit_many(&k, r, 3, d);
        cr_expect_eq(d[1].err, rows[i].err, "row %zu: %d", i, d[1].err);
        cr_assert_eq(d[0].err, 0);
        cr_assert_eq(d[2].err, 0);
        kit_free_many(&k, d, 3);
        cr_assert_eq(kit_head(&k, "y").svr_seq.v, 0U, "row %zu changed something", i);
    }
    cr_assert_eq(kit_head(&k, "b").svr_seq.v, 2U * sizeof(rows) / sizeof(rows[0]));
    sp_store_close(&k.st);
}

Test(store, a_url_names_an_engine)
{
    static const char *const bad[] = {"",      "mem",    "memory:",      "lmdb",        "lmdb:",
                                      "mem:x", "fault:", "fault:x:mem:", "fault:3mem:", "fault:3:none:"};
    char reason[8];
    struct sp_store *st = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sp_store_config cfg = {.reason = reason, .reason_cap = sizeof(reason)};
        reason[0] = '\0';
        cr_expect_eq(sp_store_open(&st, bad[i], &cfg), SP_EINVAL, "%s", bad[i]);
        cr_expect_gt(strlen(reason), 0U, "%s", bad[i]);
        cr_expect_lt(strlen(reason), sizeof(reason), "a long reason is cut");
        cfg.reason_cap = 0;
        reason[0] = 'r';
        cr_expect_eq(sp_store_open(&st, bad[i], &cfg), SP_EINVAL);
        cr_expect_eq(reason[0], 'r', "no room: nothing is written");
    }
    cr_assert_null(st);
    sp_store_close(&st);
}
