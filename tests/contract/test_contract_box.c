/* The contract of docs/store-format.md, recipient's side: RANGE, CONFIRM, MARK, TRIM, CLAIM, RELEASE.  Every
 * row runs on every engine. */
#include "contract.h"

static struct sp_store_req spanned(struct kit *k, enum sp_store_op op, const char *to,
                                   struct sp_store_span *span)
{
    struct sp_store_req r = kit_on(k, op, to, 0);
    r.spans = span;
    r.spans_n = 1;
    return r;
}

static void send_n(struct kit *k, const char *from, const char *to, uint64_t n)
{
    for (uint64_t id = 1; id <= n; id++)
        kit_send(k, from, id, to, "body");
}

static void assert_skip(const struct sp_store_done *d, size_t i, uint32_t lo, uint32_t hi, int why)
{
    cr_assert_lt(i, d->skips_n);
    cr_assert_eq(d->skips[i].lo.v, lo);
    cr_assert_eq(d->skips[i].hi.v, hi);
    cr_assert_eq(d->skips[i].why, why);
}

ROW(range_returns_what_was_sent)
{
    kit_start(k, NULL);
    struct sp_store_req r = kit_append(k, "alice", 77, "b", "hello");
    r.from.device = 5;
    r.expires_us = KIT_T0 + KIT_DAY;
    kit_want(k, r, 0);
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.skips_n, 0U);
    cr_assert_eq(d.to.v, 1U);
    cr_assert_eq(d.svr_seq.v, 1U);
    cr_assert_eq(d.confirmed.v, 0U);
    cr_assert_eq(d.floor.v, 0U);
    cr_assert_not(d.more);
    const struct sp_store_entry *e = &d.entries[0];
    cr_assert(kit_same(e->to.id, "b"));
    cr_assert(kit_same(e->from.user.id, "alice"));
    cr_assert_eq(e->from.device, 5U);
    cr_assert_eq(e->from.msgid.v, 77U);
    cr_assert_eq(e->seq.v, 1U);
    cr_assert_eq(e->state, SP_STATE_ACCEPTED);
    cr_assert_eq(e->at_us, KIT_T0);
    cr_assert_eq(e->expires_us, KIT_T0 + KIT_DAY);
    cr_assert(kit_same(e->body, "hello"));
    kit_free(k, &d);
}

ROW(range_above_the_head_is_high)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 3);
    struct sp_store_done d = kit_want(k, kit_on(k, SP_STORE_RANGE, "b", 4), SP_EHIGH);
    cr_assert_eq(d.svr_seq.v, 3U);
    cr_assert_eq(d.epoch.v, 7777U);
    d = kit_want(k, kit_on(k, SP_STORE_RANGE, "b", 3), 0);
    cr_assert_eq(d.to.v, 3U);
    kit_want(k, kit_on(k, SP_STORE_RANGE, "nobody", 1), SP_EHIGH);
    kit_want(k, kit_on(k, SP_STORE_RANGE, "nobody", 0), 0);
}

ROW(user_mode_skips_what_another_device_confirmed)
{
    struct sp_store_config cfg = {.share_percent = 100};
    kit_start(k, &cfg);
    send_n(k, "a", "b", 200);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 150), 0);
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 120));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.confirmed.v, 150U);
    cr_assert_eq(d.floor.v, 150U);
    cr_assert_eq(d.skips_n, 1U);
    assert_skip(&d, 0, 121, 150, SP_STORE_WHY_CONFIRMED);
    cr_assert_eq(d.entries_n, 50U);
    cr_assert_eq(d.entries[0].seq.v, 151U);
    cr_assert_eq(d.entries[49].seq.v, 200U);
    kit_free(k, &d);
}

/* Reads all of a mailbox in steps and checks that every seq is named once. */
static size_t read_all(struct kit *k, const char *to, unsigned max, unsigned max_bytes)
{
    uint32_t seq = 0;
    size_t messages = 0;
    for (bool more = true; more;) {
        struct sp_store_req r = kit_on(k, SP_STORE_RANGE, to, seq);
        r.max = max;
        r.max_bytes = max_bytes;
        struct sp_store_done d = kit_call(k, r);
        cr_assert_eq(d.err, 0);
        uint32_t next = seq + 1;
        size_t e = 0;
        size_t s = 0;
        while (next <= d.to.v) {
            if (e < d.entries_n && d.entries[e].seq.v == next) {
                e++;
                next++;
            } else {
                cr_assert_lt(s, d.skips_n, "seq %u is named by nobody", next);
                cr_assert_eq(d.skips[s].lo.v, next);
                next = d.skips[s++].hi.v + 1;
            }
        }
        cr_assert_eq(e, d.entries_n);
        cr_assert_eq(s, d.skips_n);
        cr_assert(!max || d.entries_n <= max);
        cr_assert(!d.more || d.to.v > seq, "no progress");
        messages += e;
        more = d.more;
        cr_assert(more || d.to.v == d.svr_seq.v);
        seq = d.to.v;
        kit_free(k, &d);
    }
    return messages;
}

ROW(range_by_max_and_bytes_returns_at_least_one)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 100); /* 4 bytes each */
    cr_assert_eq(read_all(k, "b", 7, 0), 100U);
    cr_assert_eq(read_all(k, "b", 0, 9), 100U);
    cr_assert_eq(read_all(k, "b", 0, 1), 100U);
    struct sp_store_req r = kit_on(k, SP_STORE_RANGE, "b", 0);
    r.max_bytes = 9;
    struct sp_store_done d = kit_want(k, r, 0);
    cr_assert_eq(d.to.v, 2U);
    cr_assert(d.more);
    r.max_bytes = 1;
    d = kit_want(k, r, 0);
    cr_assert_eq(d.to.v, 1U);
    r.max_bytes = 0;
    r.max = 100;
    cr_assert_not(kit_want(k, r, 0).more);
}

ROW(ranges_of_1000_mailboxes)
{
    kit_start(k, NULL);
    enum { N = 1000 };
    static char names[N][8];
    static struct sp_user users[N];
    static struct sp_store_req r[N];
    static struct sp_store_done d[N];
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "u%zu", i);
        users[i] = kit_user(names[i]);
        r[i] = kit_append(k, "a", i + 1, "b", "hi");
        r[i].to = &users[i];
    }
    kit_many(k, r, N, d);
    kit_free_many(k, d, N);
    for (size_t i = 0; i < N; i++)
        r[i] = (struct sp_store_req){.op = SP_STORE_RANGE, .to = &users[i], .to_n = 1, .at_us = k->wall_us};
    kit_many(k, r, N, d);
    for (size_t i = 0; i < N; i++) {
        cr_assert_eq(d[i].err, 0);
        cr_assert_eq(d[i].entries_n, 1U);
        cr_assert(kit_same(d[i].entries[0].to.id, names[i]));
        cr_assert_eq(d[i].entries[0].from.msgid.v, i + 1);
    }
    kit_free_many(k, d, N);
}

ROW(many_skips_end_the_answer_early)
{
    struct sp_store_config cfg = {.share_percent = 100};
    kit_start(k, &cfg);
    enum { N = 300 };
    send_n(k, "a", "b", N);
    struct sp_store_span spans[N / 2];
    for (uint32_t i = 0; i < N / 2; i++)
        spans[i] = (struct sp_store_span){{2 * i + 1}, {2 * i + 1}, SP_STORE_WHY_EXPIRED};
    struct sp_store_req r = spanned(k, SP_STORE_TRIM, "b", spans);
    r.spans_n = N / 2;
    kit_want(k, r, 0);
    struct sp_store_done d = kit_want(k, kit_on(k, SP_STORE_RANGE, "b", 0), 0);
    cr_assert(d.more);
    cr_assert_eq(d.to.v, 2U * SP_STORE_SKIPS_MAX);
    cr_assert_eq(read_all(k, "b", 0, 0), (size_t)N / 2);
}

ROW(confirm_lists_origins_once)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "x");
    kit_send(k, "z", 8, "b", "y");
    kit_send(k, "a", 2, "b", "z");
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", 2));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.confirmed.v, 2U);
    cr_assert_eq(d.svr_seq.v, 3U);
    cr_assert_gt(d.commit, 0U);
    cr_assert_eq(d.entries_n, 2U);
    cr_assert(kit_same(d.entries[0].from.user.id, "a"));
    cr_assert_eq(d.entries[0].from.msgid.v, 1U);
    cr_assert_eq(d.entries[0].state, SP_STATE_DELIVERED);
    cr_assert_eq(d.entries[0].seq.v, 1U);
    cr_assert(kit_same(d.entries[1].from.user.id, "z"));
    cr_assert_eq(d.entries[1].from.msgid.v, 8U);
    kit_free(k, &d);
    d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", 3));
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].from.msgid.v, 2U);
    kit_free(k, &d);
    cr_assert_eq(kit_head(k, "b").count, 0U);
    cr_assert_eq(kit_head(k, "b").bytes, 0U);
}

ROW(confirm_lower_equal_and_above_the_head)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 5);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 3), 0);
    static const uint32_t lower[] = {0, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", lower[i]));
        cr_assert_eq(d.err, 0);
        cr_assert_eq(d.confirmed.v, 3U);
        cr_assert_eq(d.entries_n, 0U);
        kit_free(k, &d);
    }
    struct sp_store_done d = kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 6), SP_EHIGH);
    cr_assert_eq(d.svr_seq.v, 5U);
    cr_assert_eq(d.confirmed.v, 3U);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "nobody", 1), SP_EHIGH);
    kit_reopen(k);
    cr_assert_eq(kit_head(k, "b").confirmed.v, 3U);
}

ROW(confirm_of_5000_comes_in_pieces)
{
    struct sp_store_config cfg = {.share_percent = 100};
    kit_start(k, &cfg);
    enum { N = 5000 };
    static struct sp_store_req r[N];
    static struct sp_store_done d[N];
    for (uint64_t i = 0; i < N; i++)
        r[i] = kit_append(k, "a", i + 1, "b", "x");
    kit_many(k, r, N, d);
    kit_free_many(k, d, N);
    uint64_t seen = 0;
    unsigned pieces = 0;
    for (bool more = true; more; pieces++) {
        struct sp_store_done c = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", N));
        cr_assert_eq(c.err, 0);
        cr_assert_leq(c.entries_n, (size_t)SP_STORE_ENTRIES_MAX);
        for (size_t i = 0; i < c.entries_n; i++)
            cr_assert_eq(c.entries[i].from.msgid.v, ++seen);
        cr_assert_eq(c.confirmed.v, seen);
        more = c.more;
        kit_free(k, &c);
    }
    cr_assert_eq(seen, (uint64_t)N);
    cr_assert_eq(pieces, 5U);
}

ROW(two_claims_raise_the_fence)
{
    kit_start(k, NULL);
    struct sp_store_req c = kit_on(k, SP_STORE_CLAIM, "b", 0);
    c.holder = 3;
    struct sp_store_done first = kit_want(k, c, 0);
    cr_assert_gt(first.fence, 0U);
    cr_assert_eq(first.holder, 0U);
    c.holder = 4;
    struct sp_store_done second = kit_want(k, c, 0);
    cr_assert_gt(second.fence, first.fence);
    cr_assert_eq(second.holder, 3U);
    struct sp_store_req r = kit_on(k, SP_STORE_RELEASE, "b", 0);
    r.fence = first.fence;
    kit_want(k, r, SP_EFENCED);
    struct sp_store_done d = kit_call(k, kit_append(k, "a", 1, "b", "x"));
    cr_assert_eq(d.entries[0].holder, 4U);
    cr_assert_eq(d.entries[0].fence, second.fence);
    kit_free(k, &d);
    r.fence = second.fence;
    kit_want(k, r, 0);
    cr_assert_eq(kit_head(k, "b").holder, 0U);
    kit_reopen(k);
    if (k->engine != KIT_MEM)
        cr_assert_gt(kit_want(k, c, 0).fence, second.fence);
}

ROW(newest_claim_of_any_device_is_named)
{
    kit_start(k, NULL);
    struct sp_store_req c = kit_on(k, SP_STORE_CLAIM, "b", 0);
    c.holder = 3;
    kit_want(k, c, 0);
    c.device = 2;
    c.holder = 9;
    struct sp_store_done second = kit_want(k, c, 0);
    cr_assert_eq(second.holder, 0U);
    cr_assert_eq(kit_head(k, "b").holder, 9U);
    struct sp_store_req r = kit_on(k, SP_STORE_RELEASE, "b", 0);
    r.device = 2;
    r.fence = second.fence;
    kit_want(k, r, 0);
    cr_assert_eq(kit_head(k, "b").holder, 3U);
}

ROW(old_fence_moves_nothing)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 3);
    struct sp_store_req c = kit_on(k, SP_STORE_CLAIM, "b", 0);
    c.holder = 1;
    uint64_t old = kit_want(k, c, 0).fence;
    uint64_t live = kit_want(k, c, 0).fence;
    struct sp_store_req r = kit_on(k, SP_STORE_CONFIRM, "b", 2);
    r.fence = old;
    kit_want(k, r, SP_EFENCED);
    r.fence = live;
    r.device = 2;
    kit_want(k, r, SP_EFENCED);
    cr_assert_eq(kit_head(k, "b").confirmed.v, 0U);
    r.device = 1;
    cr_assert_eq(kit_want(k, r, 0).confirmed.v, 2U);
    r.fence = 0;
    r.seq.v = 3;
    cr_assert_eq(kit_want(k, r, 0).confirmed.v, 3U);
}

ROW(trim_ends_a_span)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 6);
    struct sp_store_span span = {{2}, {4}, SP_STORE_WHY_DROPPED};
    struct sp_store_done d = kit_call(k, spanned(k, SP_STORE_TRIM, "b", &span));
    cr_assert_eq(d.err, 0);
    cr_assert_gt(d.commit, 0U);
    cr_assert_eq(d.entries_n, 3U);
    cr_assert_eq(d.entries[0].state, SP_STATE_ENDED);
    cr_assert_eq(d.entries[0].from.msgid.v, 2U);
    cr_assert(kit_same(d.entries[0].from.user.id, "a"));
    kit_free(k, &d);
    cr_assert_eq(kit_state(k, "a", 3), SP_STATE_ENDED);
    cr_assert_eq(kit_head(k, "b").count, 3U);
    cr_assert_eq(kit_head(k, "b").bytes, 12U);
    d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 3U);
    cr_assert_eq(d.skips_n, 1U);
    assert_skip(&d, 0, 2, 4, SP_STORE_WHY_DROPPED);
    kit_free(k, &d);
    d = kit_call(k, spanned(k, SP_STORE_TRIM, "b", &span));
    cr_assert_eq(d.entries_n, 0U);
    kit_free(k, &d);
}

ROW(trims_join_and_keep_their_reasons)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 8);
    static const struct sp_store_span order[] = {{{3}, {3}, 2}, {{5}, {5}, 2}, {{4}, {4}, 2}, {{6}, {6}, 3},
                                                 {{2}, {2}, 2}, {{8}, {8}, 4}, {{7}, {7}, 4}};
    for (size_t i = 0; i < 7; i++) {
        struct sp_store_span span = order[i];
        kit_want(k, spanned(k, SP_STORE_TRIM, "b", &span), 0);
    }
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.skips_n, 3U);
    assert_skip(&d, 0, 2, 5, SP_STORE_WHY_EXPIRED);
    assert_skip(&d, 1, 6, 6, SP_STORE_WHY_DROPPED);
    assert_skip(&d, 2, 7, 8, SP_STORE_WHY_DELETED);
    kit_free(k, &d);
}

ROW(trim_under_the_cursor_changes_nothing)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 4);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 2), 0);
    struct sp_store_span span = {{1}, {3}, SP_STORE_WHY_EXPIRED};
    struct sp_store_done d = kit_call(k, spanned(k, SP_STORE_TRIM, "b", &span));
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].seq.v, 3U);
    kit_free(k, &d);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_DELIVERED);
    cr_assert_eq(kit_state(k, "a", 2), SP_STATE_DELIVERED);
    cr_assert_eq(kit_state(k, "a", 3), SP_STATE_ENDED);
}

ROW(trim_then_confirm_over_it_stays_ended)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 4);
    struct sp_store_span span = {{2}, {3}, SP_STORE_WHY_EXPIRED};
    kit_want(k, spanned(k, SP_STORE_TRIM, "b", &span), 0);
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", 4));
    cr_assert_eq(d.entries_n, 2U);
    cr_assert_eq(d.entries[0].seq.v, 1U);
    cr_assert_eq(d.entries[1].seq.v, 4U);
    kit_free(k, &d);
    kit_reopen(k);
    cr_assert_eq(kit_state(k, "a", 2), SP_STATE_ENDED);
    cr_assert_eq(kit_state(k, "a", 3), SP_STATE_ENDED);
    cr_assert_eq(kit_state(k, "a", 4), SP_STATE_DELIVERED);
    struct sp_store_done r = kit_want(k, kit_append(k, "a", 2, "b", "body"), 0);
    cr_assert(r.repeat);
    cr_assert_eq(r.state, SP_STATE_ENDED);
}

ROW(read_only_after_delivered)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 4);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 2), 0);
    struct sp_store_span span = {{2}, {3}, 0};
    struct sp_store_done d = kit_call(k, spanned(k, SP_STORE_MARK, "b", &span));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].seq.v, 2U);
    cr_assert_eq(d.entries[0].state, SP_STATE_READ);
    cr_assert_eq(d.entries[0].from.msgid.v, 2U);
    kit_free(k, &d);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_DELIVERED);
    cr_assert_eq(kit_state(k, "a", 2), SP_STATE_READ);
    cr_assert_eq(kit_state(k, "a", 3), SP_STATE_ACCEPTED);
    d = kit_call(k, spanned(k, SP_STORE_MARK, "b", &span));
    cr_assert_eq(d.entries_n, 0U, "each is listed once");
    kit_free(k, &d);
}

/* docs/protocol.md: DONE frees dedup rows only, READ is still told. */
ROW(read_is_told_after_finish)
{
    kit_start(k, NULL);
    send_n(k, "a", "b", 1);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 1), 0);
    kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 1), 0);
    struct sp_store_span span = {{1}, {1}, 0};
    struct sp_store_done d = kit_call(k, spanned(k, SP_STORE_MARK, "b", &span));
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].from.msgid.v, 1U);
    kit_free(k, &d);
}

ROW(expired_messages_end_by_themselves)
{
    kit_start(k, NULL);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "short life");
    r.expires_us = KIT_T0 + KIT_DAY;
    kit_want(k, r, 0);
    kit_send(k, "a", 2, "b", "long life");
    k->wall_us += 2 * KIT_DAY;
    for (int i = 0; i < 2000 && kit_count(k, 0, "b", 0) == 2; i++) {
        kit_want(k, kit_on(k, SP_STORE_LIMIT, "c", 0), 0);
        k->wall_us += 1000;
    }
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.skips_n, 1U);
    assert_skip(&d, 0, 1, 1, SP_STORE_WHY_EXPIRED);
    kit_free(k, &d);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_ENDED);
}

/* The clock of the store is the latest time it was told; told an earlier one, nothing ends. */
ROW(clock_back_a_day_ends_nothing)
{
    kit_start(k, NULL);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "x");
    r.expires_us = KIT_T0 + KIT_DAY;
    kit_want(k, r, 0);
    k->wall_us -= KIT_DAY;
    for (uint64_t id = 2; id < 100; id++)
        kit_want(k, kit_append(k, "a", id, "c", "x"), 0);
    kit_reopen(k);
    cr_assert_eq(kit_count(k, 0, "b", 0), 1U);
    cr_assert(kit_want(k, kit_append(k, "a", 1, "b", "x"), 0).repeat);
    cr_assert_eq(kit_head(k, "a").finished.v, 0U);
}
