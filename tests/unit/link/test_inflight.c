/* Records of sent packets: what an ACK finds, what counts against the window, slots. */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "inflight.h"

#define FRAMES  8
#define PACKETS (SP_INFLIGHT_PACKETS_MAX + 8)
#define COPIES  16

static struct sp_pool small, large, packets, copies;
static struct sp_queue q;
static struct sp_inflight in;
static void *blocks[3];

static void setup(void)
{
    blocks[0] = malloc(sp_pool_footprint(sp_queue_small_len(), FRAMES));
    blocks[1] = malloc(sp_pool_footprint(sizeof(struct sp_inflight_packet), PACKETS));
    blocks[2] = malloc(sp_pool_footprint(sizeof(struct sp_inflight_copy), COPIES));
    sp_pool_init(&small, blocks[0], sp_queue_small_len(), FRAMES);
    sp_pool_init(&large, NULL, sp_queue_large_len(), 0);
    sp_pool_init(&packets, blocks[1], sizeof(struct sp_inflight_packet), PACKETS);
    sp_pool_init(&copies, blocks[2], sizeof(struct sp_inflight_copy), COPIES);
    sp_queue_init(&q, &small, &large);
    sp_inflight_init(&in, &packets, &copies);
}

static void teardown(void)
{
    sp_inflight_wipe(&in);
    sp_queue_wipe(&q);
    cr_assert_eq(packets.used, 0);
    cr_assert_eq(copies.used, 0);
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
}

TestSuite(inflight, .init = setup, .fini = teardown);

static struct sp_inflight_packet *send(uint64_t pn, bool elicits, sp_time now)
{
    struct sp_inflight_packet *p = sp_inflight_open(&in, pn);
    cr_assert_not_null(p);
    p->elicits = elicits;
    sp_inflight_note_sent(&in, p, 100, now);
    return p;
}

static struct sp_queue_frame *frame(void)
{
    static const uint8_t bytes[4];
    struct sp_queue_entry e = {.bytes = {bytes, 4}};
    return sp_queue_put(&q, &e);
}

/* Collects by ranges, writes the numbers found and releases them. */
static size_t ack(const struct sp_ackset_range *ranges, size_t n, uint64_t found[32])
{
    struct sp_list out;
    size_t k = 0;
    sp_list_init(&out);
    sp_inflight_collect(&in, ranges, n, &out);
    while (!sp_list_is_empty(&out)) {
        struct sp_inflight_packet *p = SP_LIST_ITEM(sp_list_first(&out), struct sp_inflight_packet, node);
        cr_assert_eq(p->state, SP_INFLIGHT_TAKEN);
        found[k++] = p->pn;
        sp_inflight_release(&in, p);
    }
    return k;
}

Test(inflight, counts_only_what_elicits_an_ack)
{
    send(1, true, 0);
    send(2, false, 0);
    send(3, true, 0);
    cr_assert(in.bytes == 200 && in.counted == 2 && in.records == 3);
    sp_inflight_release(&in, sp_inflight_oldest(&in));
    cr_assert(in.bytes == 100 && in.counted == 1);
}

Test(inflight, collect_finds_exactly_the_named_numbers)
{
    static const struct {
        struct sp_ackset_range ranges[3];
        size_t n;
        uint64_t found[8];
        size_t found_n;
    } rows[] = {
        {{{5, 5}}, 1, {5}, 1},
        {{{1, 10}}, 1, {1, 2, 3, 5, 6, 8, 9}, 7},
        {{{9, 20}, {4, 6}, {1, 1}}, 3, {1, 5, 6, 9}, 4},
        {{{4, 4}}, 1, {0}, 0},
        {{{7, 7}, {0, 0}}, 2, {0}, 0},
        {{{100, 200}}, 1, {0}, 0},
    };
    static const uint64_t sent[] = {1, 2, 3, 5, 6, 8, 9};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        for (size_t i = 0; i < 7; i++)
            send(sent[i], true, (sp_time)i);
        uint64_t found[32];
        size_t n = ack(rows[r].ranges, rows[r].n, found);
        cr_assert_eq(n, rows[r].found_n, "row %zu: %zu found", r, n);
        for (size_t i = 0; i < n; i++)
            cr_assert_eq(found[i], rows[r].found[i], "row %zu", r);
        cr_assert_eq(in.counted, 7 - n);
        sp_inflight_wipe(&in);
    }
}

Test(inflight, collect_reaches_aged_and_lost_packets_in_order)
{
    for (uint64_t pn = 1; pn <= 6; pn++)
        send(pn, true, 0);
    sp_inflight_age(&in, sp_inflight_oldest_sent(&in));
    sp_inflight_age(&in, sp_inflight_oldest_sent(&in));
    sp_inflight_lose(&in, sp_inflight_oldest(&in));
    cr_assert_eq(sp_inflight_oldest(&in)->pn, 2);
    cr_assert_eq(sp_inflight_oldest_sent(&in)->pn, 3);
    cr_assert(in.bytes == 400 && in.lost_n == 1);

    struct sp_list out;
    sp_list_init(&out);
    struct sp_ackset_range all = {0, 100};
    sp_inflight_collect(&in, &all, 1, &out);
    for (uint64_t pn = 1; pn <= 6; pn++) {
        struct sp_inflight_packet *p = SP_LIST_ITEM(sp_list_first(&out), struct sp_inflight_packet, node);
        cr_assert_eq(p->pn, pn);
        cr_assert_eq(p->was_lost, pn == 1);
        sp_inflight_release(&in, p);
    }
    cr_assert(in.bytes == 0 && in.lost_n == 0 && in.records == 0);
}

Test(inflight, packets_without_demand_are_forgotten_instead_of_judged)
{
    send(1, false, 0);
    send(2, false, 0);
    sp_inflight_age(&in, sp_inflight_oldest_sent(&in));
    sp_inflight_lose(&in, sp_inflight_oldest(&in));
    cr_assert_eq(in.records, 0);
}

Test(inflight, copies_link_frames_and_packets_both_ways)
{
    struct sp_queue_frame *a = frame();
    struct sp_queue_frame *b = frame();
    struct sp_inflight_packet *p1 = send(1, true, 0);
    struct sp_inflight_packet *p2 = send(2, true, 0);
    cr_assert(sp_inflight_carry(&in, p1, a));
    cr_assert(sp_inflight_carry(&in, p1, b));
    cr_assert(sp_inflight_carry(&in, p2, a));
    cr_assert_eq(copies.used, 3);
    sp_inflight_forget(&in, a);
    cr_assert_eq(copies.used, 1);
    cr_assert(sp_list_is_empty(&p2->copies));
    cr_assert_not(sp_list_is_empty(&p1->copies));
    sp_inflight_release(&in, p1);
    cr_assert_eq(copies.used, 0);
    cr_assert(sp_list_is_empty(&b->copies));
}

Test(inflight, carry_fails_cleanly_without_slots)
{
    struct sp_inflight_packet *p = send(1, true, 0);
    struct sp_queue_frame *f = frame();
    for (int i = 0; i < COPIES; i++)
        cr_assert(sp_inflight_carry(&in, p, f));
    cr_assert_not(sp_inflight_carry(&in, p, f));
    sp_inflight_forget(&in, f);
    cr_assert_eq(copies.used, 0);
}

Test(inflight, lost_packets_are_remembered_up_to_a_bound)
{
    for (uint64_t pn = 1; pn <= SP_INFLIGHT_LOST_MAX + 5; pn++)
        send(pn, true, 0);
    for (uint64_t pn = 1; pn <= SP_INFLIGHT_LOST_MAX + 5; pn++)
        sp_inflight_lose(&in, sp_inflight_oldest(&in));
    cr_assert_eq(in.lost_n, SP_INFLIGHT_LOST_MAX);
    uint64_t found[32];
    struct sp_ackset_range first = {1, 6};
    cr_assert_eq(ack(&first, 1, found), 1);
    cr_assert_eq(found[0], 6);
}

Test(inflight, at_the_limit_the_oldest_judged_record_makes_room)
{
    for (uint64_t pn = 1; pn <= SP_INFLIGHT_PACKETS_MAX; pn++)
        send(pn, true, 0);
    cr_assert_null(sp_inflight_open(&in, 5000), "all are in flight");
    sp_inflight_age(&in, sp_inflight_oldest_sent(&in));
    struct sp_inflight_packet *p = sp_inflight_open(&in, 5000);
    cr_assert_not_null(p);
    cr_assert_eq(sp_inflight_oldest(&in)->pn, 2);
    sp_inflight_release(&in, p);
}
