/* The contract of docs/store-format.md, sender's side: APPEND, FINISH, STATUS.  Every row runs on every
 * engine. */
#include "contract.h"

ROW(first_append_has_seq_1)
{
    kit_start(k, NULL);
    struct sp_store_done d = kit_call(k, kit_append(k, "a", 1, "b", "hello"));
    cr_assert_eq(d.err, 0);
    cr_assert_eq(d.op, SP_STORE_APPEND);
    cr_assert_eq(d.seq.v, 1U);
    cr_assert_eq(d.svr_seq.v, 1U);
    cr_assert_eq(d.confirmed.v, 0U);
    cr_assert_eq(d.epoch.v, 7777U);
    cr_assert_eq(d.state, SP_STATE_ACCEPTED);
    cr_assert_not(d.repeat);
    cr_assert_gt(d.commit, 0U);
    cr_assert_eq(d.entries_n, 1U);
    cr_assert(kit_same(d.entries[0].to.id, "b"));
    cr_assert_eq(d.entries[0].seq.v, 1U);
    cr_assert_eq(d.entries[0].fence, 0U);
    kit_free(k, &d);
    cr_assert_null(d.entries);
}

ROW(two_ports_leave_no_gap)
{
    kit_start(k, NULL);
    bool seen[41] = {false};
    for (uint64_t id = 1; id <= 20; id++) {
        struct sp_store_req r = kit_append(k, "a", id, "b", "x");
        struct sp_store_req s = kit_append(k, "c", id, "b", "y");
        cr_assert_eq(sp_store_submit(k->port[0], &r, 1), 0);
        cr_assert_eq(sp_store_submit(k->port[1], &s, 1), 0);
    }
    for (size_t i = 0; i < 40; i++) {
        struct sp_store_done d = kit_next(k, i % 2);
        cr_assert_eq(d.err, 0);
        cr_assert(d.seq.v >= 1 && d.seq.v <= 40);
        cr_assert_not(seen[d.seq.v]);
        seen[d.seq.v] = true;
        kit_free(k, &d);
    }
    cr_assert_eq(kit_count(k, 0, "b", 0), 40U);
}

ROW(nothing_is_readable_before_its_ok)
{
    struct sp_store_config cfg = {.manual = true};
    kit_start(k, &cfg);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "hello");
    cr_assert_eq(sp_store_submit(k->port[0], &r, 1), 0);
    cr_assert_eq(kit_count(k, 1, "b", 0), 0U);
    cr_assert_eq(sp_store_pending(k->port[0]), 1U);
    struct sp_store_done d = kit_next(k, 0);
    cr_assert_eq(d.err, 0);
    cr_assert_eq(kit_count(k, 1, "b", 0), 1U);
    kit_free(k, &d);
}

ROW(after_ok_every_port_reads_it)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 50; id++) {
        kit_send(k, "a", id, "b", "hello");
        cr_assert_eq(kit_count(k, 1, "b", 0), id);
    }
}

ROW(repeat_has_the_same_seq)
{
    kit_start(k, NULL);
    kit_send(k, "x", 9, "b", "first");
    cr_assert_eq(kit_send(k, "a", 1, "b", "hello"), 2U);
    kit_send(k, "x", 10, "b", "third");
    struct sp_store_done d = kit_call(k, kit_append(k, "a", 1, "b", "hello"));
    cr_assert_eq(d.err, 0);
    cr_assert(d.repeat);
    cr_assert_eq(d.seq.v, 2U);
    cr_assert_eq(d.svr_seq.v, 3U);
    cr_assert_eq(d.state, SP_STATE_ACCEPTED);
    cr_assert_gt(d.commit, 0U);
    cr_assert_eq(d.entries_n, 1U);
    cr_assert_eq(d.entries[0].seq.v, 2U);
    kit_free(k, &d);
    cr_assert_eq(kit_count(k, 0, "b", 0), 3U);
}

ROW(repeat_in_one_batch)
{
    kit_start(k, NULL);
    struct sp_store_req r[3] = {kit_append(k, "a", 1, "b", "hello"), kit_append(k, "a", 1, "b", "hello"),
                                kit_append(k, "a", 2, "b", "other")};
    struct sp_store_done d[3];
    kit_many(k, r, 3, d);
    cr_assert_eq(d[0].err, 0);
    cr_assert_eq(d[1].err, 0);
    cr_assert_eq(d[0].seq.v, 1U);
    cr_assert_eq(d[1].seq.v, 1U);
    cr_assert_neq(d[0].repeat, d[1].repeat);
    cr_assert_gt(d[1].commit, 0U);
    cr_assert_eq(d[2].seq.v, 2U);
    kit_free_many(k, d, 3);
}

ROW(repeat_on_two_ports_at_once)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 20; id++) {
        struct sp_store_req r = kit_append(k, "a", id, "b", "hello");
        cr_assert_eq(sp_store_submit(k->port[0], &r, 1), 0);
        cr_assert_eq(sp_store_submit(k->port[1], &r, 1), 0);
        struct sp_store_done x = kit_next(k, 0);
        struct sp_store_done y = kit_next(k, 1);
        cr_assert_eq(x.err, 0);
        cr_assert_eq(y.err, 0);
        cr_assert_eq(x.seq.v, id);
        cr_assert_eq(y.seq.v, id);
        cr_assert_neq(x.repeat, y.repeat);
        kit_free(k, &x);
        kit_free(k, &y);
    }
}

ROW(repeat_after_confirm_and_reopening)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "one");
    kit_send(k, "a", 2, "b", "two");
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 1), 0);
    for (int round = 0; round < 2; round++) {
        struct sp_store_done d = kit_want(k, kit_append(k, "a", 1, "b", "one"), 0);
        cr_assert(d.repeat);
        cr_assert_eq(d.seq.v, 1U);
        cr_assert_eq(d.state, SP_STATE_DELIVERED);
        d = kit_want(k, kit_append(k, "a", 2, "b", "two"), 0);
        cr_assert(d.repeat);
        cr_assert_eq(d.seq.v, 2U);
        cr_assert_eq(d.state, SP_STATE_ACCEPTED);
        kit_reopen(k);
    }
    cr_assert_eq(kit_send(k, "a", 3, "b", "three"), 3U);
}

ROW(other_hash_or_recipient_is_reused)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "hello");
    kit_want(k, kit_append(k, "a", 1, "b", "other"), SP_EREUSED);
    struct sp_store_req r = kit_append(k, "a", 1, "c", "hello");
    struct sp_store_req same = kit_append(k, "a", 1, "b", "hello");
    memcpy(r.hash, same.hash, sizeof(r.hash));
    kit_want(k, r, SP_EREUSED);
    cr_assert_eq(kit_head(k, "b").svr_seq.v, 1U);
    cr_assert_eq(kit_head(k, "c").svr_seq.v, 0U);
}

ROW(same_msgid_of_other_user_or_device_is_new)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "hello");
    cr_assert_eq(kit_send(k, "z", 1, "b", "hello"), 2U);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "hello");
    r.from.device = 2;
    struct sp_store_done d = kit_want(k, r, 0);
    cr_assert_not(d.repeat);
    cr_assert_eq(d.seq.v, 3U);
}

ROW(unseen_msgid_below_last_is_new)
{
    kit_start(k, NULL);
    kit_send(k, "a", 10, "b", "ten");
    cr_assert_eq(kit_send(k, "a", 5, "b", "five"), 2U);
    cr_assert_eq(kit_head(k, "a").last.v, 10U);
}

ROW(finish_then_repeat_is_expired)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "one");
    kit_send(k, "a", 2, "b", "two");
    struct sp_store_done d = kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 1), 0);
    cr_assert_eq(d.finished.v, 1U);
    cr_assert_eq(d.last.v, 2U);
    cr_assert_gt(d.commit, 0U);
    kit_want(k, kit_append(k, "a", 1, "b", "one"), SP_EEXPIRED);
    cr_assert(kit_want(k, kit_append(k, "a", 2, "b", "two"), 0).repeat);
    kit_reopen(k);
    kit_want(k, kit_append(k, "a", 1, "b", "one"), SP_EEXPIRED);
    d = kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 1), 0);
    cr_assert_eq(d.finished.v, 1U);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_UNKNOWN);
    cr_assert_eq(kit_state(k, "a", 2), SP_STATE_ACCEPTED);
    cr_assert_eq(kit_count(k, 0, "b", 0), 2U);
}

ROW(finish_over_a_hole_refuses_the_late_copy)
{
    kit_start(k, NULL);
    kit_send(k, "a", 1, "b", "one");
    kit_send(k, "a", 3, "b", "three");
    kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 3), 0);
    kit_want(k, kit_append(k, "a", 2, "b", "two"), SP_EEXPIRED);
    struct sp_store_req other = kit_append(k, "a", 2, "b", "two");
    other.from.device = 2;
    kit_want(k, other, 0);
}

ROW(finish_of_many_rows)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 700; id++)
        kit_want(k, kit_append(k, "a", id, id % 2 ? "b" : "c", "x"), 0);
    kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 690), 0);
    for (uint64_t id = 1; id <= 690; id += 53) {
        kit_want(k, kit_append(k, "a", id, id % 2 ? "b" : "c", "x"), SP_EEXPIRED);
        cr_assert_eq(kit_state(k, "a", id), SP_STATE_UNKNOWN);
    }
    cr_assert(kit_want(k, kit_append(k, "a", 691, "b", "x"), 0).repeat);
    struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", 0));
    cr_assert_eq(d.entries_n, 10U);
    cr_assert_eq(d.entries[0].from.msgid.v, 691U);
    kit_free(k, &d);
}

/* The sweep runs beside requests; each HEAD moves the clock a little, so its round ends within a few. */
ROW(after_dedup_keep_row_goes_and_floor_rises)
{
    struct sp_store_config cfg = {.dedup_keep_us = 10 * KIT_DAY};
    kit_start(k, &cfg);
    kit_send(k, "a", 5, "b", "old");
    k->wall_us += 5 * KIT_DAY;
    kit_send(k, "a", 8, "b", "younger");
    cr_assert_eq(kit_head(k, "a").finished.v, 0U);
    cr_assert(kit_want(k, kit_append(k, "a", 5, "b", "old"), 0).repeat);
    k->wall_us += 6 * KIT_DAY;
    for (int i = 0; i < 2000 && kit_head(k, "a").finished.v == 0; i++) {
        kit_want(k, kit_on(k, SP_STORE_LIMIT, "c", 0), 0);
        k->wall_us += 1000;
    }
    cr_assert_eq(kit_head(k, "a").finished.v, 5U);
    kit_want(k, kit_append(k, "a", 5, "b", "old"), SP_EEXPIRED);
    kit_want(k, kit_append(k, "a", 4, "b", "never seen"), SP_EEXPIRED);
    cr_assert(kit_want(k, kit_append(k, "a", 8, "b", "younger"), 0).repeat);
    cr_assert_eq(kit_send(k, "a", 6, "b", "late hole"), 3U);
    cr_assert_eq(kit_count(k, 0, "b", 0), 3U);
}

ROW(repeat_while_denied_or_over_quota_is_ok)
{
    struct sp_store_config cfg = {.mailbox_count = 1, .share_percent = 100};
    kit_start(k, &cfg);
    kit_send(k, "a", 1, "b", "hello");
    kit_want(k, kit_append(k, "a", 2, "b", "too many"), SP_EQUOTA);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "hello");
    cr_assert(kit_want(k, r, 0).repeat);
    r.deny = SP_EFORBIDDEN;
    cr_assert(kit_want(k, r, 0).repeat);
    r.after.v = 99;
    cr_assert(kit_want(k, r, 0).repeat);
}

ROW(deny_stores_nothing)
{
    kit_start(k, NULL);
    struct sp_store_req r = kit_append(k, "a", 1, "b", "hello");
    r.deny = SP_EFORBIDDEN;
    kit_want(k, r, SP_EFORBIDDEN);
    cr_assert_eq(kit_head(k, "b").svr_seq.v, 0U);
    cr_assert_eq(kit_head(k, "a").last.v, 0U);
    cr_assert_eq(kit_state(k, "a", 1), SP_STATE_UNKNOWN);
    cr_assert_eq(kit_send(k, "a", 1, "b", "hello"), 1U);
}

static struct sp_store_req follower(struct kit *k, uint64_t id, uint64_t after)
{
    struct sp_store_req r = kit_append(k, "a", id, "b", "follower");
    r.after.v = after;
    return r;
}

ROW(after_unseen_is_again)
{
    kit_start(k, NULL);
    kit_want(k, follower(k, 2, 1), SP_EAGAIN);
    cr_assert_eq(kit_head(k, "b").svr_seq.v, 0U);
    kit_send(k, "a", 1, "c", "first");
    cr_assert_eq(kit_want(k, follower(k, 2, 1), 0).seq.v, 1U);
}

ROW(after_in_the_batch)
{
    kit_start(k, NULL);
    struct sp_store_req r[2] = {kit_append(k, "a", 1, "b", "first"), follower(k, 2, 1)};
    struct sp_store_done d[2];
    kit_many(k, r, 2, d);
    cr_assert_eq(d[0].err, 0);
    cr_assert_eq(d[1].err, 0);
    cr_assert_lt(d[0].seq.v, d[1].seq.v);
    kit_free_many(k, d, 2);
    /* The other order: the follower may be told to come again, and never overtakes. */
    struct sp_store_req s[2] = {follower(k, 4, 3), kit_append(k, "a", 3, "b", "third")};
    kit_many(k, s, 2, d);
    cr_assert_eq(d[1].err, 0);
    cr_assert(d[0].err == SP_EAGAIN || (d[0].err == 0 && d[0].seq.v > d[1].seq.v));
    kit_free_many(k, d, 2);
}

ROW(after_a_refused_one_in_the_batch)
{
    kit_start(k, NULL);
    struct sp_store_req r[2] = {kit_append(k, "a", 1, "b", "first"), follower(k, 2, 1)};
    struct sp_store_done d[2];
    r[0].deny = SP_EFORBIDDEN;
    kit_many(k, r, 2, d);
    cr_assert_eq(d[0].err, SP_EFORBIDDEN);
    cr_assert_eq(d[1].err, SP_EAGAIN);
    kit_free_many(k, d, 2);
}

ROW(after_at_or_below_the_floor)
{
    kit_start(k, NULL);
    kit_send(k, "a", 3, "b", "three");
    kit_want(k, kit_by(k, SP_STORE_FINISH, "a", 3), 0);
    kit_want(k, follower(k, 4, 2), 0);
    kit_want(k, follower(k, 5, 3), 0);
    kit_want(k, follower(k, 7, 6), SP_EAGAIN);
}

ROW(other_recipients_never_wait)
{
    kit_start(k, NULL);
    struct sp_store_req r[2] = {follower(k, 2, 1), kit_append(k, "a", 3, "c", "free")};
    struct sp_store_done d[2];
    kit_many(k, r, 2, d);
    cr_assert_eq(d[0].err, SP_EAGAIN);
    cr_assert_eq(d[1].err, 0);
    kit_free_many(k, d, 2);
}

ROW(status_names_each_state)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 4; id++)
        kit_send(k, "a", id, "b", "x");
    struct sp_store_span span = {{2}, {2}, SP_STORE_WHY_EXPIRED};
    struct sp_store_req r = kit_on(k, SP_STORE_TRIM, "b", 0);
    r.spans = &span;
    r.spans_n = 1;
    kit_want(k, r, 0);
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 3), 0);
    span = (struct sp_store_span){{3}, {3}, 0};
    r.op = SP_STORE_MARK;
    kit_want(k, r, 0);
    static const struct {
        uint64_t id;
        int state;
        uint32_t seq;
    } want[] = {{4, SP_STATE_ACCEPTED, 4},
                {3, SP_STATE_READ, 3},
                {9, SP_STATE_UNKNOWN, 0},
                {2, SP_STATE_ENDED, 2},
                {1, SP_STATE_DELIVERED, 1}};
    struct sp_msgid ids[5];
    for (size_t i = 0; i < 5; i++)
        ids[i].v = want[i].id;
    for (int round = 0; round < 2; round++) {
        struct sp_store_req s = kit_by(k, SP_STORE_STATUS, "a", 0);
        s.msgids = ids;
        s.msgids_n = 5;
        struct sp_store_done d = kit_call(k, s);
        cr_assert_eq(d.err, 0);
        cr_assert_eq(d.last.v, 4U);
        cr_assert_eq(d.entries_n, 5U);
        for (size_t i = 0; i < 5; i++) {
            cr_assert_eq(d.entries[i].from.msgid.v, want[i].id);
            cr_assert_eq(d.entries[i].state, want[i].state, "id %d", (int)want[i].id);
            cr_assert_eq(d.entries[i].seq.v, want[i].seq);
            cr_assert(kit_same(d.entries[i].to.id, want[i].seq ? "b" : ""));
        }
        kit_free(k, &d);
        kit_reopen(k);
    }
}

ROW(status_without_ids_names_the_open_ones)
{
    kit_start(k, NULL);
    for (uint64_t id = 1; id <= 10; id++)
        kit_send(k, "a", id * 10, id % 2 ? "b" : "c", "x");
    kit_want(k, kit_on(k, SP_STORE_CONFIRM, "b", 3), 0); /* delivers 10, 30, 50 */
    struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", 20));
    static const uint64_t want[] = {40, 60, 70, 80, 90, 100};
    cr_assert_eq(d.err, 0);
    cr_assert_not(d.more);
    cr_assert_eq(d.entries_n, 6U);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(d.entries[i].from.msgid.v, want[i]);
        cr_assert_eq(d.entries[i].state, SP_STATE_ACCEPTED);
    }
    kit_free(k, &d);
}

ROW(status_without_ids_continues)
{
    struct sp_store_config cfg = {.share_percent = 100};
    kit_start(k, &cfg);
    enum { N = 1500 };
    for (uint64_t id = 1; id <= N; id++)
        kit_send(k, "a", id, "b", "x");
    struct sp_msgid above = {0};
    size_t n = 0;
    bool more = true;
    while (more) {
        struct sp_store_done d = kit_call(k, kit_by(k, SP_STORE_STATUS, "a", above.v));
        cr_assert_eq(d.err, 0);
        for (size_t i = 0; i < d.entries_n; i++)
            cr_assert_eq(d.entries[i].from.msgid.v, ++n);
        more = d.more;
        above = d.last;
        kit_free(k, &d);
    }
    cr_assert_eq(n, (size_t)N);
}
