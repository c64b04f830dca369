/* The contract of docs/store-format.md, answers and requests at their limits: more entries than one answer
 * holds, ids at the ends of their ranges, rows that age has taken.  Every row runs on every engine. */
#include "contract.h"

enum { MANY = SP_STORE_ENTRIES_MAX + 10 };

/* Messages first..first + n - 1 of `from` to `to`, all at once. */
static void send_many(struct kit *k, const char *from, uint64_t first, size_t n, const char *to)
{
    static struct sp_store_req r[MANY];
    static struct sp_store_done d[MANY];
    for (size_t i = 0; i < n; i++)
        r[i] = kit_append(k, from, first + i, to, "x");
    kit_many(k, r, n, d);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(d[i].err, 0);
    kit_free_many(k, d, n);
}

static void start(struct kit *k)
{
    struct sp_store_config cfg = {.share_percent = 100};
    kit_start(k, &cfg);
}

static struct sp_store_req on_spans(struct kit *k, enum sp_store_op op, const struct sp_store_span *s,
                                    size_t n)
{
    struct sp_store_req r = kit_on(k, op, "b", 0);
    r.spans = s;
    r.spans_n = n;
    return r;
}

/* The first answer is full and says so, the second has the rest; each seq once, in order. */
static void check_in_two(struct kit *k, struct sp_store_req r, int state)
{
    uint32_t seq = 0;
    for (int part = 0; part < 2; part++) {
        struct sp_store_done d = kit_call(k, r);
        cr_assert_eq(d.err, 0);
        cr_assert_eq(d.more, part == 0);
        cr_assert_eq(d.entries_n, part == 0 ? (size_t)SP_STORE_ENTRIES_MAX : MANY - SP_STORE_ENTRIES_MAX);
        for (size_t i = 0; i < d.entries_n; i++) {
            cr_assert_eq(d.entries[i].seq.v, ++seq);
            cr_assert_eq(d.entries[i].state, state);
        }
        kit_free(k, &d);
    }
    struct sp_store_done d = kit_call(k, r);
    cr_assert_eq(d.entries_n, 0U);
    cr_assert_not(d.more);
    kit_free(k, &d);
}

ROW(a_trim_of_more_than_an_answer_holds)
{
    static const struct sp_store_span spans[] = {{{1}, {700}, 4}, {{500}, {UINT32_MAX}, 3}};
    start(k);
    send_many(k, "a", 1, MANY, "b");
    check_in_two(k, on_spans(k, SP_STORE_TRIM, spans, 2), SP_STATE_ENDED);
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 0U);
    cr_assert_eq(d.skips_n, 2U);
    cr_assert_eq(d.skips[0].hi.v, 700U, "the first span that names a seq says why");
    cr_assert_eq(d.skips[0].why, 4);
    cr_assert_eq(d.skips[1].why, 3);
    kit_free(k, &d);
    cr_assert_eq(kit_head(k, "b").count, 0U);
}

ROW(a_mark_of_more_than_an_answer_holds)
{
    static const struct sp_store_span spans[] = {{{1}, {5}, 0}, {{1}, {UINT32_MAX}, 0}};
    start(k);
    send_many(k, "a", 1, MANY, "b");
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", SP_STORE_ENTRIES_MAX), 0);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", MANY), 0);
    check_in_two(k, on_spans(k, SP_STORE_MARK, spans, 2), SP_STATE_READ);
    cr_assert_eq(kit_state(k, "a", MANY), SP_STATE_READ);
}

ROW(a_status_of_more_than_an_answer_holds)
{
    start(k);
    send_many(k, "a", 1, MANY, "b");
    struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", 0));
    cr_assert_eq(d.entries_n, (size_t)SP_STORE_ENTRIES_MAX);
    cr_assert(d.more);
    cr_assert_eq(d.last.v, (uint64_t)SP_STORE_ENTRIES_MAX);
    kit_free(k, &d);
    d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", SP_STORE_ENTRIES_MAX));
    cr_assert_eq(d.entries_n, MANY - (size_t)SP_STORE_ENTRIES_MAX);
    cr_assert_not(d.more);
    kit_free(k, &d);
}

/* A STATUS looks at a bounded number of rows, also when none of them is open. */
ROW(a_status_over_many_that_are_not_open)
{
    enum { ROUNDS = 5 };
    start(k);
    for (uint64_t i = 0; i < ROUNDS; i++)
        send_many(k, "a", 1 + i * MANY, MANY, "b");
    for (uint32_t seq = 0; seq < ROUNDS * MANY; seq = kit_head(k, "b").confirmed.v)
        kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", ROUNDS * MANY), 0);
    kit_send(k, "a", 1 + ROUNDS * MANY, "b", "the only open one");
    uint64_t above = 0;
    size_t found = 0;
    bool more = true;
    int answers = 0;
    for (; more; answers++) {
        struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", above));
        cr_assert_eq(d.err, 0);
        cr_assert(!d.more || d.last.v > above, "it gets on");
        above = d.last.v;
        more = d.more;
        found += d.entries_n;
        kit_free(k, &d);
    }
    cr_assert_eq(found, 1U);
    cr_assert_eq(answers, 2);
}

ROW(a_status_above_the_last_of_all_ids)
{
    start(k);
    kit_send(k, "a", UINT64_MAX, "b", "x");
    struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", UINT64_MAX));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 0U);
    cr_assert_not(d.more);
    kit_free(k, &d);
    d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", UINT64_MAX - 1));
    cr_assert_eq(d.entries_n, 1U);
    kit_free(k, &d);
    kit_want(k, kit_by(k, SP_STORE_FINISH, "a", UINT64_MAX), 0);
    kit_want(k, kit_append(k, "a", UINT64_MAX, "b", "x"), SP_EEXPIRED);
}

/* No message may push out more others than one answer can name. */
ROW(too_many_to_push_out)
{
    static char body[2 * MANY + 1];
    start(k);
    send_many(k, "a", 1, MANY, "b");
    struct sp_store_req limit = kit_on(k, SP_STORE_LIMIT, "b", 0);
    limit.sub = SP_STORE_LIMIT_DROP_OLDEST;
    limit.max_bytes = 2 * MANY;
    kit_want(k, limit, 0);
    memset(body, 'y', MANY + 1000);
    kit_send(k, "a", MANY + 1, "b", body);
    struct sp_store_done h = kit_head(k, "b");
    cr_assert_eq(h.count, MANY - 1000U + 1);
    limit.max = 1;
    kit_want(k, limit, 0);
    struct sp_store_done d = kit_call(k, kit_append(k, "z", 1, "b", "x"));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 1 + h.count);
    kit_free(k, &d);

    send_many(k, "a", 2 * MANY, MANY, "c");
    limit.to = kit_to("c");
    kit_want(k, limit, 0);
    d = kit_want(k, kit_append(k, "z", 2, "c", "x"), SP_EQUOTA);
    cr_assert_eq(d.svr_seq.v, (uint32_t)MANY);
    cr_assert_eq(kit_head(k, "c").count, (uint32_t)MANY, "and nothing was pushed out");
}

ROW(a_tombstone_counts_for_no_share)
{
    static const struct sp_store_span one = {{1}, {1}, SP_STORE_WHY_DELETED};
    struct sp_store_config cfg = {.mailbox_count = 4};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "x");
    kit_send(k, "a", 2, "b", "x");
    kit_want(k, kit_append(k, "a", 3, "b", "x"), SP_EQUOTA);
    kit_want(k, on_spans(k, SP_STORE_TRIM, &one, 1), 0);
    kit_send(k, "a", 3, "b", "x");
    kit_want(k, kit_append(k, "a", 4, "b", "x"), SP_EQUOTA);
}

ROW(more_bytes_than_an_answer_may_have)
{
    start(k);
    kit_send(k, "a", 1, "b", "x");
    struct sp_store_req r = kit_on(k, SP_STORE_RANGE, "b", 0);
    r.max_bytes = 2U << 20;
    struct sp_store_done d = kit_call(k, r);
    cr_assert_eq(d.entries_n, 1U);
    kit_free(k, &d);
}

static void age(struct kit *k)
{
    kit_send(k, "a", 5, "b", "x");
    k->wall_us += 8 * KIT_DAY;
    for (int i = 0; i < 3; i++)
        kit_want(k, kit_on(k, SP_STORE_LIMIT, "c", 0), 0);
    struct sp_store_done d = kit_want(k, kit_by(k, SP_STORE_STATUS, "a", 0), 0);
    cr_assert_eq(d.finished.v, 5U, "the row is gone and the floor has risen");
}

ROW(a_predecessor_that_age_has_taken)
{
    start(k);
    age(k);
    struct sp_store_req r = kit_append(k, "a", 6, "b", "x");
    r.after.v = 5;
    kit_want(k, r, 0);
    r = kit_append(k, "a", 8, "b", "x");
    r.after.v = 7;
    kit_want(k, r, SP_EAGAIN);
}

ROW(a_finish_below_the_floor_of_age)
{
    start(k);
    age(k);
    cr_assert_eq(kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 3), 0).finished.v, 5U);
    cr_assert_eq(kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 9), 0).finished.v, 9U);
    kit_want(k, kit_append(k, "a", 8, "b", "x"), SP_EEXPIRED);
}

/* Rows of several msgids age in any order; the floor is the highest. */
ROW(rows_that_age_take_the_highest_floor)
{
    struct sp_store_config cfg = {.share_percent = 100, .dedup_keep_us = 8 * KIT_DAY * 8};
    kit_start(k, &cfg);
    kit_send(k, "a", 9, "b", "x");
    kit_send(k, "a", 4, "b", "x");
    kit_send(k, "a", 6, "b", "x");
    k->wall_us += 9 * 8 * KIT_DAY;
    for (int i = 0; i < 3; i++)
        kit_want(k, kit_on(k, SP_STORE_LIMIT, "c", 0), 0);
    cr_assert_eq(kit_want(k, kit_by(k, SP_STORE_STATUS, "a", 0), 0).finished.v, 9U);
    kit_want(k, kit_append(k, "a", 7, "b", "x"), SP_EEXPIRED);
    kit_send(k, "a", 10, "b", "x");
}

ROW(a_span_that_fills_the_answer_before_the_next)
{
    static const struct sp_store_span spans[] = {{{1}, {MANY}, 4}, {{MANY}, {UINT32_MAX}, 3}};
    start(k);
    send_many(k, "a", 1, MANY, "b");
    check_in_two(k, on_spans(k, SP_STORE_TRIM, spans, 2), SP_STATE_ENDED);
}

ROW(share_of_bytes_at_the_edge)
{
    struct sp_store_config cfg = {.mailbox_bytes = 100, .share_percent = 50};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "1234567890123456789012345678901234567890");
    kit_send(k, "a", 2, "b", "1234567890");
    kit_want(k, kit_append(k, "a", 3, "b", "1"), SP_EQUOTA);
    kit_send(k, "a", 4, "b", "");
    kit_send(k, "zz", 1, "b", "1234567890");
    kit_send(k, "zz", 2, "b", "1234567890");
    kit_want(k, kit_append(k, "zz", 3, "b", "1234567890123456789012345678901"), SP_EQUOTA);
}

ROW(ids_of_one_length_are_not_the_same)
{
    start(k);
    kit_send(k, "a", 1, "b", "x");
    kit_want(k, kit_append(k, "a", 1, "c", "x"), SP_EREUSED);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "x");
    r.to = kit_to("c");
    kit_want(k, r, SP_EREUSED);
    r.to = kit_to("bb");
    kit_want(k, r, SP_EREUSED);
}

ROW(a_short_life_of_rows)
{
    struct sp_store_config cfg = {.dedup_keep_us = 8000000};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "x");
    for (int i = 0; i < 12; i++) {
        k->wall_us += 1000000;
        kit_want(k, kit_on(k, SP_STORE_LIMIT, "c", 0), 0);
    }
    kit_want(k, kit_append(k, "a", 1, "b", "x"), SP_EEXPIRED);
    cr_assert_eq(kit_count(k, 0, "b", 0), 1U, "the message itself stays until it is confirmed");
}
