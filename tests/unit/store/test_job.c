#include "job.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sp_view text(const char *s)
{
    return (struct sp_view){(const uint8_t *)s, strlen(s)};
}

Test(job, copies_all_that_its_op_reads)
{
    char id[] = "bob";
    char from[] = "ann";
    char body[] = "hello";
    struct sp_user to = {text(id)};
    struct sp_store_req r = {.op = SP_STORE_APPEND,
                             .cookie = 9,
                             .to = &to,
                             .to_n = 1,
                             .from = {{text(from)}, 3, {4}},
                             .body = text(body)};
    struct sp_job *job = sp_job_create(&r);
    memset(id, 'x', 3);
    memset(from, 'x', 3);
    memset(body, 'x', 5);
    to.id.n = 0;
    cr_assert_eq(job->req.to[0].id.n, 3U);
    cr_assert_eq(memcmp(job->req.to[0].id.p, "bob", 3), 0);
    cr_assert_eq(memcmp(job->req.from.user.id.p, "ann", 3), 0);
    cr_assert_eq(memcmp(job->req.body.p, "hello", 5), 0);
    cr_assert_eq(job->done.cookie, 9U);
    cr_assert_eq(job->done.op, SP_STORE_APPEND);
    sp_job_destroy(&job);
    cr_assert_null(job);
    sp_job_destroy(&job);
}

Test(job, copies_arrays_of_their_ops_only)
{
    struct sp_msgid ids[3] = {{1}, {2}, {3}};
    struct sp_store_span spans[2] = {{{1}, {2}, 3}, {{4}, {5}, 6}};
    struct sp_store_req r = {.op = SP_STORE_STATUS, .msgids = ids, .msgids_n = 3};
    struct sp_job *job = sp_job_create(&r);
    ids[2].v = 99;
    cr_assert_eq(job->req.msgids[2].v, 3U);
    cr_assert(sp_job_is_read(job));
    sp_job_destroy(&job);
    r = (struct sp_store_req){.op = SP_STORE_TRIM, .spans = spans, .spans_n = 2};
    job = sp_job_create(&r);
    spans[1].hi.v = 99;
    cr_assert_eq(job->req.spans[1].hi.v, 5U);
    cr_assert_not(sp_job_is_read(job));
    sp_job_destroy(&job);
}

Test(job, answers_never_move)
{
    struct sp_store_req r = {.op = SP_STORE_RANGE};
    struct sp_job *job = sp_job_create(&r);
    uint8_t *p[200];
    for (size_t i = 0; i < 200; i++) {
        p[i] = sp_job_bytes(job, i * 50);
        memset(p[i], (int)i, i * 50);
        cr_assert_not_null(sp_job_entry(job));
        job->entries[i].seq.v = (uint32_t)i;
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t n = 0; n < i * 50; n++)
            cr_assert_eq(p[i][n], (uint8_t)i);
        cr_assert_eq(job->entries[i].seq.v, i);
    }
    sp_job_finish(job);
    cr_assert_eq(job->done.entries_n, 200U);
    sp_job_reset(job, SP_EUNKNOWN);
    sp_job_finish(job);
    cr_assert_null(job->done.entries);
    cr_assert_eq(job->done.err, SP_EUNKNOWN);
    sp_job_destroy(&job);
}

Test(job, skips_join_and_have_a_limit)
{
    struct sp_store_req r = {.op = SP_STORE_RANGE};
    struct sp_job *job = sp_job_create(&r);
    cr_assert_eq(sp_job_skip(job, 1, 3, 2), 0);
    cr_assert_eq(sp_job_skip(job, 4, 4, 2), 0);
    cr_assert_eq(job->skips_n, 1U);
    cr_assert_eq(job->skips[0].hi.v, 4U);
    cr_assert_eq(sp_job_skip(job, 5, 5, 3), 0);
    cr_assert_eq(sp_job_skip(job, 7, 7, 3), 0);
    cr_assert_eq(job->skips_n, 3U);
    for (uint32_t i = 3; i < SP_STORE_SKIPS_MAX; i++)
        cr_assert_eq(sp_job_skip(job, 10 * i, 10 * i, 2), 0);
    cr_assert_eq(sp_job_skip(job, 9000, 9000, 2), SP_EFULL);
    cr_assert_eq(sp_job_skip(job, 631, 640, 2), 0, "one that joins still fits");
    cr_assert_eq(job->skips_n, (size_t)SP_STORE_SKIPS_MAX);
    sp_job_destroy(&job);
}

Test(job, lists_are_first_in_first_out)
{
    struct sp_store_req r = {.op = SP_STORE_HEAD};
    struct sp_job_list a = {0};
    struct sp_job_list b = {0};
    for (uint64_t i = 0; i < 6; i++) {
        r.cookie = i;
        sp_job_push(i < 3 ? &a : &b, sp_job_create(&r));
    }
    sp_job_join(&a, &b);
    cr_assert_eq(a.n, 6U);
    cr_assert_null(b.first);
    sp_job_join(&a, &b);
    for (uint64_t i = 0; i < 6; i++) {
        struct sp_job *job = sp_job_pop(&a);
        cr_assert_eq(job->req.cookie, i);
        sp_job_destroy(&job);
    }
    cr_assert_null(sp_job_pop(&a));
    cr_assert_null(a.last);
    cr_assert_eq(a.n, 0U);
}

Test(job, copies_nothing_beyond_the_limits)
{
    static const uint8_t body[SP_BODY_MAX + 1];
    struct sp_user to = {text("bob")};
    struct sp_store_req r = {.op = SP_STORE_APPEND, .to = &to, .to_n = 1, .body = {body, sizeof(body)}};
    struct sp_job *job = sp_job_create(&r);
    cr_assert_eq(job->req.body.n, 0U);
    cr_assert_eq(job->req.to[0].id.n, 3U);
    sp_job_destroy(&job);
    r.to_n = 0;
    r.body.n = SP_BODY_MAX;
    job = sp_job_create(&r);
    cr_assert_eq(job->req.body.n, (size_t)SP_BODY_MAX);
    cr_assert_eq(job->req.to[0].id.n, 0U);
    sp_job_destroy(&job);
}
