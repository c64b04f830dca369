/* The contract of docs/store-format.md, limits: quotas, sizes, numbers, port limits, batches, life of
 * answers.  Every row runs on every engine. */
#include "contract.h"

ROW(count_quota_at_the_edge)
{
    struct sp_store_config cfg = {.mailbox_count = 3, .share_percent = 100};
    kit_start(k, &cfg);
    for (uint64_t id = 1; id <= 3; id++)
        kit_send(k, "a", id, "b", "x");
    struct sp_store_done d = kit_want(k, kit_append(k, "z", 1, "b", "x"), SP_EQUOTA);
    cr_assert_eq(d.svr_seq.v, 3U);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 1), 0);
    cr_assert_eq(kit_send(k, "z", 1, "b", "x"), 4U);
    kit_want(k, kit_append(k, "a", 4, "b", "x"), SP_EQUOTA);
    kit_send(k, "a", 4, "c", "other mailboxes are not full");
}

ROW(byte_quota_at_the_edge)
{
    struct sp_store_config cfg = {.mailbox_bytes = 10, .share_percent = 100};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "12345");
    kit_want(k, kit_append(k, "a", 2, "b", "123456"), SP_EQUOTA);
    kit_send(k, "a", 3, "b", "12345");
    kit_send(k, "a", 4, "b", "");
    kit_want(k, kit_append(k, "a", 5, "b", "1"), SP_EQUOTA);
    cr_assert_eq(kit_head(k, "b").bytes, 10U);
    cr_assert_eq(kit_head(k, "b").count, 3U);
}

ROW(share_of_one_sender_at_the_edge)
{
    struct sp_store_config cfg = {.mailbox_count = 10};
    kit_start(k, &cfg);
    for (uint64_t id = 1; id <= 5; id++)
        kit_send(k, "a", id, "b", "x");
    kit_want(k, kit_append(k, "a", 6, "b", "x"), SP_EQUOTA);
    struct sp_store_req other = kit_append(k, "a", 6, "b", "x");
    other.from.device = 2;
    kit_want(k, other, SP_EQUOTA);
    for (uint64_t id = 1; id <= 5; id++)
        kit_send(k, "z", id, "b", "x");
    kit_want(k, kit_append(k, "y", 1, "b", "x"), SP_EQUOTA);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 1), 0);
    kit_want(k, kit_append(k, "z", 6, "b", "x"), SP_EQUOTA);
    kit_send(k, "a", 6, "b", "x");
    kit_reopen(k);
    kit_want(k, kit_append(k, "a", 7, "b", "x"), SP_EQUOTA);
}

ROW(limit_of_one_mailbox)
{
    kit_start(k, NULL);
    struct sp_store_req r = kit_on(k, SP_STORE_LIMIT, "b", 0);
    r.max = 2;
    cr_assert_gt(kit_want(k, r, 0).commit, 0U);
    kit_send(k, "a", 1, "b", "x");
    kit_send(k, "z", 1, "b", "x");
    kit_reopen(k);
    kit_want(k, kit_append(k, "y", 1, "b", "x"), SP_EQUOTA);
    r.max = 0;
    kit_want(k, r, 0);
    kit_send(k, "y", 1, "b", "x");
    r.sub = 2;
    kit_want(k, r, SP_EBAD);
}

ROW(drop_oldest_makes_room)
{
    kit_start(k, NULL);
    struct sp_store_req limit = kit_on(k, SP_STORE_LIMIT, "b", 0);
    limit.max = 3;
    limit.max_bytes = 100;
    limit.sub = SP_STORE_LIMIT_DROP_OLDEST;
    kit_want(k, limit, 0);
    for (uint64_t id = 1; id <= 3; id++)
        kit_send(k, "a", id, "b", "12345678901234567890");
    struct sp_store_done d = kit_call(k, kit_append(k, "z", 1, "b", "x"));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.seq.v, 4U);
    cr_assert_eq(d.entries_n, 2U);
    cr_assert_eq(d.entries[1].seq.v, 1U);
    cr_assert_eq(d.entries[1].state, SP_STATE_ENDED);
    cr_assert_eq(d.entries[1].from.msgid.v, 1U);
    kit_free(k, &d);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_ENDED);
    char big[91];
    memset(big, 'x', 90);
    big[90] = '\0';
    d = kit_call(k, kit_append(k, "z", 2, "b", big));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.entries_n, 3U, "two of 20 bytes must go, one of 1 may stay");
    kit_free(k, &d);
    d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    cr_assert_eq(d.entries_n, 2U);
    cr_assert_eq(d.skips_n, 1U);
    cr_assert_eq(d.skips[0].why, SP_STORE_WHY_DROPPED);
    cr_assert_eq(d.skips[0].hi.v, 3U);
    kit_free(k, &d);
}

ROW(drop_oldest_cannot_make_room_for_too_much)
{
    struct sp_store_config cfg = {.mailbox_bytes = 10, .drop_oldest = true};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "12345");
    kit_want(k, kit_append(k, "a", 2, "b", "12345678901"), SP_EQUOTA);
    cr_assert_eq(kit_count(k, 0, "b", 0), 1U);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_ACCEPTED);
}

ROW(the_last_seq)
{
    struct sp_store_config cfg = {.head_start = UINT32_MAX - 1};
    kit_start(k, &cfg);
    cr_assert_eq(kit_send(k, "a", 1, "b", "x"), UINT32_MAX);
    struct sp_store_done d = kit_want(k, kit_append(k, "a", 2, "b", "x"), SP_ESEQ);
    cr_assert_eq(d.svr_seq.v, UINT32_MAX);
    cr_assert(kit_want(k, kit_append(k, "a", 1, "b", "x"), 0).repeat);
    cr_assert_eq(kit_count(k, 0, "b", UINT32_MAX - 1), 1U);
    struct sp_store_span span = {{1}, {UINT32_MAX}, SP_STORE_WHY_EXPIRED};
    struct sp_store_req r = kit_on(k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(k, r, 0);
    d = kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", UINT32_MAX), 0);
    cr_assert_eq(d.confirmed.v, UINT32_MAX);
    r.op = SP_STORE_MARK;
    kit_want(k, r, 0);
    kit_want(k, kit_append(k, "a", 2, "b", "x"), SP_ESEQ);
}

static uint8_t blob[SP_BODY_MAX + 1];

ROW(bodies_of_all_sizes)
{
    kit_start(k, NULL);
    static const size_t sizes[] = {0, 1, 1000, 1891, 1892, 1893, 1900, 3784, 3785, 65535, 65536};
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t i = 0; i < 11; i++) {
        struct sp_store_req r = kit_append(k, "a", i + 1, "b", "");
        r.body = (struct sp_view){blob + (i ? 1 : 0), sizes[i]};
        if (sizes[i] == SP_BODY_MAX)
            r.body.p = blob;
        kit_hash(&r);
        kit_want(k, r, 0);
    }
    struct sp_store_req big = kit_append(k, "a", 99, "b", "");
    big.body = (struct sp_view){blob, SP_BODY_MAX + 1};
    kit_want(k, big, SP_EBIG);
    for (int round = 0; round < 2; round++) {
        struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
        cr_assert_eq(d.entries_n, 11U);
        for (size_t i = 0; i < 11; i++) {
            const uint8_t *want = blob + (i && sizes[i] != SP_BODY_MAX ? 1 : 0);
            cr_assert_eq(d.entries[i].body.n, sizes[i]);
            cr_assert(sizes[i] == 0 || memcmp(d.entries[i].body.p, want, sizes[i]) == 0, "size %zu",
                      sizes[i]);
        }
        kit_free(k, &d);
        kit_reopen(k);
    }
    struct sp_store_done d = kit_call(k, kit_on(k, SP_STORE_CONFIRM, "b", 11));
    cr_assert_eq(d.entries_n, 11U);
    kit_free(k, &d);
}

ROW(binary_ids_of_all_sizes)
{
    kit_start(k, NULL);
    uint8_t id[SP_STORE_ID_MAX + 1];
    static const size_t sizes[] = {1, 2, 64, 160};
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = (uint8_t)(255 - i);
    id[0] = 0;
    for (size_t i = 0; i < 4; i++) {
        struct sp_user u = {{id, sizes[i]}};
        struct sp_store_req r = kit_append(k, "a", i + 1, "b", "x");
        r.to = &u;
        r.from.user = u;
        kit_hash(&r);
        cr_assert_eq(kit_want(k, r, 0).seq.v, 1U);
        struct sp_store_req q = kit_on(k, SP_STORE_RANGE, "b", 0);
        q.to = &u;
        struct sp_store_done d = kit_call(k, q);
        cr_assert_eq(d.entries_n, 1U);
        cr_assert_eq(d.entries[0].from.user.id.n, sizes[i]);
        cr_assert_eq(memcmp(d.entries[0].from.user.id.p, id, sizes[i]), 0);
        cr_assert_eq(memcmp(d.entries[0].to.id.p, id, sizes[i]), 0);
        kit_free(k, &d);
    }
    struct sp_user u = {{id, SP_STORE_ID_MAX + 1}};
    struct sp_store_req r = kit_append(k, "a", 9, "b", "x");
    r.to = &u;
    kit_want(k, r, SP_EBAD);
}

ROW(one_bad_request_among_good_ones)
{
    kit_start(k, NULL);
    enum { N = 12 };
    struct sp_store_req r[N];
    struct sp_store_done d[N];
    for (size_t i = 0; i < N; i++)
        r[i] = kit_append(k, "a", i + 1, "b", "x");
    r[1].to_n = 0;
    r[2].to_n = 2;
    r[3].from.msgid.v = 0;
    r[4].from.user.id.n = 0;
    r[5].deny = 1;
    r[6].at_us = -1;
    r[7].op = SP_STORE_OPS;
    r[8] = kit_on(k, SP_STORE_TRIM, "b", 0);  /* no spans */
    r[9] = kit_on(k, SP_STORE_CLAIM, "b", 0); /* no holder */
    r[10].body = (struct sp_view){NULL, 5};
    kit_many(k, r, N, d);
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(d[i].err, i == 0 || i == N - 1 ? 0 : SP_EBAD, "request %zu: %d", i, d[i].err);
    kit_free_many(k, d, N);
    cr_assert_eq(kit_head(k, "b").svr_seq.v, 2U);
}

ROW(submit_over_a_limit_takes_none)
{
    struct sp_store_config cfg = {.manual = true, .mailbox_count = 20000, .share_percent = 100};
    kit_start(k, &cfg);
    enum { N = SP_STORE_APPENDS_MAX };
    static struct sp_store_req r[N + 1];
    for (uint64_t i = 0; i <= N; i++)
        r[i] = kit_append(k, "a", i + 1, "b", "x");
    cr_assert_eq(sp_store_submit(k->port[0], r, N + 1), SP_EFULL);
    cr_assert_eq(sp_store_pending(k->port[0]), 0U);
    cr_assert_eq(sp_store_submit(k->port[0], r, N), 0);
    cr_assert_eq(sp_store_submit(k->port[0], &r[N], 1), SP_EFULL);
    cr_assert_eq(sp_store_submit(k->port[0], r, 0), 0);
    cr_assert_eq(sp_store_submit(k->port[1], &r[N], 1), 0, "the other port has its own limit");
    struct sp_store_req small = kit_on(k, SP_STORE_HEAD, "b", 0);
    cr_assert_eq(sp_store_submit(k->port[0], &small, 1), 0, "small ones have their own limit");
    for (size_t i = 0; i < N + 1; i++) {
        struct sp_store_done d = kit_next(k, 0);
        cr_assert_eq(d.err, 0);
        kit_free(k, &d);
    }
    cr_assert_eq(sp_store_pending(k->port[0]), 0U);
}

ROW(ranges_and_bytes_have_limits)
{
    struct sp_store_config cfg = {.manual = true, .mailbox_bytes = 256U << 20, .share_percent = 100};
    kit_start(k, &cfg);
    static struct sp_store_req r[SP_STORE_RANGES_MAX + 1];
    for (size_t i = 0; i <= SP_STORE_RANGES_MAX; i++)
        r[i] = kit_on(k, SP_STORE_RANGE, "b", 0);
    cr_assert_eq(sp_store_submit(k->port[0], r, SP_STORE_RANGES_MAX + 1), SP_EFULL);
    cr_assert_eq(sp_store_submit(k->port[0], r, SP_STORE_RANGES_MAX), 0);
    enum { N = SP_STORE_BYTES_MAX / SP_BODY_MAX };
    for (uint64_t i = 0; i <= N; i++) {
        r[i] = kit_append(k, "a", i + 1, "b", "");
        r[i].body = (struct sp_view){blob, SP_BODY_MAX};
    }
    cr_assert_eq(sp_store_submit(k->port[0], r, N + 1), SP_EFULL);
    cr_assert_eq(sp_store_submit(k->port[0], r, N), 0);
    for (size_t i = 0; i < SP_STORE_RANGES_MAX + N; i++) {
        struct sp_store_done d = kit_next(k, 0);
        cr_assert_eq(d.err, 0, "%d", d.err);
        kit_free(k, &d);
    }
}

ROW(entries_live_until_release)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "the first body");
    struct sp_store_done held = kit_call(k, kit_on(k, SP_STORE_RANGE, "b", 0));
    for (uint64_t id = 2; id <= 300; id++)
        kit_send(k, "a", id, "c", "noise");
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 1), 0);
    cr_assert_eq(kit_count(k, 0, "b", 0), 0U);
    cr_assert(kit_same(held.entries[0].body, "the first body"));
    cr_assert(kit_same(held.entries[0].from.user.id, "a"));
    kit_free(k, &held);
    kit_free(k, &held); /* a second release finds nothing */
}

ROW(each_request_completes_once)
{
    kit_start(k, NULL);
    enum { N = 600 };
    static struct sp_store_req r[N];
    bool seen[N] = {false};
    for (uint64_t i = 0; i < N; i++) {
        r[i] = i % 3 == 0   ? kit_append(k, "a", i + 1, "b", "x")
               : i % 3 == 1 ? kit_on(k, SP_STORE_HEAD, "b", 0)
                            : kit_on(k, SP_STORE_CONFIRM, "b", 0);
        r[i].cookie = 1000 + i;
    }
    cr_assert_eq(sp_store_submit(k->port[0], r, N), 0);
    for (size_t i = 0; i < N; i++) {
        struct sp_store_done d = kit_next(k, 0);
        cr_assert(d.cookie >= 1000 && d.cookie < 1000 + N);
        cr_assert_not(seen[d.cookie - 1000]);
        seen[d.cookie - 1000] = true;
        kit_free(k, &d);
    }
    cr_assert_eq(sp_store_pending(k->port[0]), 0U);
    struct sp_store_done d;
    size_t n = 1;
    cr_assert_eq(sp_store_poll(k->port[0], &d, 1, &n, k->now), 0);
    cr_assert_eq(n, 0U);
}

/* Close executes what was submitted; who did not poll finds it in the store. */
ROW(close_drains)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 200; id++) {
        struct sp_store_req r = kit_append(k, "a", id, "b", "x");
        cr_assert_eq(sp_store_submit(k->port[id % 2], &r, 1), 0);
    }
    if (k->engine == KIT_MEM)
        return; /* it forgets, but must not leak or crash */
    kit_reopen(k);
    cr_assert_eq(kit_head(k, "b").svr_seq.v, 200U);
}

ROW(an_unknown_mailbox_reads_as_empty)
{
    kit_start(k, NULL);
    struct sp_store_done d = kit_want(k, kit_on(k, SP_STORE_HEAD, "nobody", 0), 0);
    cr_assert_eq(d.svr_seq.v, 0U);
    cr_assert_eq(d.epoch.v, 7777U);
    cr_assert_eq(d.last.v, 0U);
    cr_assert_eq(kit_state(k, "nobody", 1), SP_STATE_UNKNOWN);
    struct sp_store_span span = {{1}, {9}, SP_STORE_WHY_EXPIRED};
    struct sp_store_req r = kit_on(k, SP_STORE_TRIM, "nobody", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(k, r, 0);
    r.op = SP_STORE_MARK;
    kit_want(k, r, 0);
}
