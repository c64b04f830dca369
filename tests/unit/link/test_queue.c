/* Frames that are not done: order, lookup, states, slots. */
#include <criterion/criterion.h>

#include <sampan/err.h>
#include <stdlib.h>

#include "queue.h"

#define SMALL 8
#define LARGE 4

static struct sp_pool small, large;
static struct sp_queue q;
static void *blocks[2];

static void setup(void)
{
    blocks[0] = malloc(sp_pool_footprint(sp_queue_small_len(), SMALL));
    blocks[1] = malloc(sp_pool_footprint(sp_queue_large_len(), LARGE));
    sp_pool_init(&small, blocks[0], sp_queue_small_len(), SMALL);
    sp_pool_init(&large, blocks[1], sp_queue_large_len(), LARGE);
    sp_queue_init(&q, &small, &large);
}

static void teardown(void)
{
    sp_queue_wipe(&q);
    cr_assert_eq(small.used, 0);
    cr_assert_eq(large.used, 0);
    free(blocks[0]);
    free(blocks[1]);
}

TestSuite(queue, .init = setup, .fini = teardown);

static struct sp_queue_frame *put(uint8_t class, uint64_t ref, uint64_t key, size_t len)
{
    static const uint8_t bytes[SP_QUEUE_LARGE] = {0x2a};
    struct sp_queue_entry e = {.bytes = {bytes, len}, .key = key, .ref = ref, .class = class};
    return sp_queue_put(&q, &e);
}

/* Sends the next frame and returns its ref. */
static uint64_t send_next(size_t room, sp_time now)
{
    struct sp_queue_frame *f = sp_queue_next(&q, room);
    if (f == NULL)
        return 0;
    sp_queue_note_sent(&q, f, 7, now);
    return f->ref;
}

Test(queue, serves_classes_in_order_and_missed_frames_before_fresh_ones)
{
    put(2, 1, 0, 10);
    put(1, 2, 0, 10);
    put(0, 3, 0, 10);
    put(1, 4, 0, 10);
    cr_assert_eq(q.waiting, 4);
    static const uint64_t order[] = {3, 2, 4, 1};
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(send_next(100, (sp_time)i), order[i]);
    cr_assert_eq(send_next(100, 9), 0);
    cr_assert_eq(q.waiting, 0);

    put(1, 5, 0, 10);
    sp_queue_again(&q, sp_queue_find_ref(&q, 2));
    sp_queue_again(&q, sp_queue_find_ref(&q, 4));
    sp_queue_again(&q, sp_queue_find_ref(&q, 3));
    static const uint64_t again[] = {3, 2, 4, 5};
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(send_next(100, 20), again[i], "place %zu", i);
}

Test(queue, a_frame_that_does_not_fit_lets_others_pass)
{
    put(1, 1, 0, 500);
    put(2, 2, 0, 20);
    cr_assert_eq(send_next(100, 0), 2);
    cr_assert_eq(send_next(499, 0), 0);
    cr_assert_eq(send_next(500, 0), 1);
}

Test(queue, oldest_is_the_one_sent_longest_ago)
{
    struct sp_queue_frame *a = put(0, 1, 0, 10);
    struct sp_queue_frame *b = put(0, 2, 0, 10);
    send_next(100, 100);
    send_next(100, 200);
    cr_assert_eq(sp_queue_oldest(&q), a);
    sp_queue_again(&q, a);
    cr_assert_eq(sp_queue_oldest(&q), b);
    send_next(100, 300);
    cr_assert_eq(sp_queue_oldest(&q), b);
    cr_assert_eq(a->sent_at, 300);
    cr_assert_eq(a->sends, 2);
    cr_assert_eq(a->last_pn, 7);
}

Test(queue, slots_by_size_and_never_more_than_there_are)
{
    for (int i = 0; i < SMALL; i++)
        cr_assert_not_null(put(0, 0, 0, SP_QUEUE_SMALL));
    cr_assert_eq(large.used, 0);
    cr_assert_not_null(put(0, 0, 0, SP_QUEUE_SMALL), "a large slot helps out");
    for (int i = 1; i < LARGE; i++)
        cr_assert_not_null(put(0, 0, 0, SP_QUEUE_LARGE));
    cr_assert_null(put(0, 9, 0, 1));
    cr_assert_null(put(0, 9, 0, SP_QUEUE_LARGE));
    cr_assert_null(sp_queue_find_ref(&q, 9));
    cr_assert_eq(q.frames, SMALL + LARGE);
    sp_queue_release(&q, sp_queue_next(&q, 2000));
    cr_assert_not_null(put(0, 9, 0, 1));
}

Test(queue, finds_by_ref_and_key_while_waiting_or_sent)
{
    struct sp_queue_frame *f[6];
    for (uint64_t i = 0; i < 6; i++)
        f[i] = put(0, i + 1, i << 32, 10); /* key 0 for the first: none */
    for (uint64_t i = 0; i < 6; i++) {
        cr_assert_eq(sp_queue_find_ref(&q, i + 1), f[i]);
        if (i > 0)
            cr_assert_eq(sp_queue_find_key(&q, i << 32), f[i]);
    }
    send_next(100, 0);
    cr_assert_eq(sp_queue_find_ref(&q, 1), f[0]);
    sp_queue_finish(&q, f[0], SP_QUEUE_ACKED);
    cr_assert_null(sp_queue_find_ref(&q, 1));
    sp_queue_release(&q, f[3]);
    cr_assert_null(sp_queue_find_key(&q, (uint64_t)3 << 32));
    cr_assert_eq(sp_queue_find_key(&q, (uint64_t)4 << 32), f[4]);
}

Test(queue, the_same_ref_twice_is_found_twice)
{
    put(0, 5, 0, 10);
    put(0, 5, 0, 10);
    sp_queue_release(&q, sp_queue_find_ref(&q, 5));
    sp_queue_release(&q, sp_queue_find_ref(&q, 5));
    cr_assert_null(sp_queue_find_ref(&q, 5));
}

Test(queue, finished_frames_tell_their_ref_once)
{
    uint64_t ref = 0;
    enum sp_queue_state outcome = SP_QUEUE_WAITING;
    cr_assert_eq(sp_queue_poll(&q, &ref, &outcome), SP_EAGAIN);
    struct sp_queue_frame *silent = put(0, 0, 0, 10);
    struct sp_queue_frame *dropped = put(0, 2, 0, 10);
    struct sp_queue_frame *acked = put(0, 3, 0, 10);
    sp_queue_finish(&q, silent, SP_QUEUE_ACKED);
    cr_assert_eq(q.frames, 2, "without ref the slot is back at once");
    sp_queue_finish(&q, dropped, SP_QUEUE_DROPPED);
    sp_queue_finish(&q, acked, SP_QUEUE_ACKED);
    cr_assert(sp_queue_has_news(&q));
    cr_assert_eq(q.waiting, 0);
    cr_assert_eq(sp_queue_poll(&q, &ref, &outcome), 0);
    cr_assert(ref == 3 && outcome == SP_QUEUE_ACKED);
    cr_assert_eq(sp_queue_poll(&q, &ref, &outcome), 0);
    cr_assert(ref == 2 && outcome == SP_QUEUE_DROPPED);
    cr_assert_not(sp_queue_has_news(&q));
    cr_assert_eq(q.frames, 0);
}

Test(queue, a_frame_takes_the_place_of_another)
{
    struct sp_queue_frame *old = put(0, 1, 0, 10);
    put(0, 2, 0, 10);
    struct sp_queue_frame *mine = put(0, 3, 0, 10);
    sp_queue_take_place(&q, mine, old);
    sp_queue_release(&q, old);
    cr_assert_eq(send_next(100, 0), 3);
    cr_assert_eq(send_next(100, 0), 2);
}

Test(queue, wipe_gives_everything_back)
{
    for (uint8_t i = 0; i < 3; i++)
        put(i, i + 1u, 0, 10);
    send_next(100, 0);
    sp_queue_finish(&q, sp_queue_find_ref(&q, 2), SP_QUEUE_ACKED);
    sp_queue_wipe(&q);
    cr_assert_eq(small.used, 0);
}
