/* Reordering: a held packet leaves behind the promised number of later ones. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"

#define PACKETS_MAX 64

struct rig {
    struct sp_lane lane;
    struct sp_delay delay;
    struct sp_packet *packets[PACKETS_MAX];
    size_t n;
};

/* Packets are named by the order in which they came: a, b, c... */
static void put(struct rig *r, unsigned hold, int64_t due_us)
{
    struct sp_packet *p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    r->packets[r->n++] = p;
    p->hold = hold;
    cr_assert_eq(sp_lane_put(&r->lane, &r->delay, p, due_us), 0);
}

static void drain(struct rig *r, char out[PACKETS_MAX + 1])
{
    size_t n = 0;
    struct sp_delay_node *first = NULL;
    while ((first = sp_delay_first(&r->delay)) != NULL) {
        struct sp_packet *p = (struct sp_packet *)first;
        sp_delay_remove(&r->delay, first);
        sp_lane_forget(&r->lane, p);
        for (size_t i = 0; i < r->n; i++)
            if (r->packets[i] == p)
                out[n++] = (char)('a' + i);
    }
    out[n] = 0;
    for (size_t i = 0; i < r->n; i++)
        free(r->packets[i]);
    sp_delay_wipe(&r->delay);
    cr_expect_eq(r->lane.held_n, 0);
}

Test(lane, a_held_packet_goes_behind_so_many_later_ones)
{
    static const struct {
        unsigned holds[6];
        const char *order;
    } table[] = {
        {{0, 0, 0, 0, 0, 0}, "abcdef"}, {{1, 0, 0, 0, 0, 0}, "bacdef"}, {{2, 0, 0, 0, 0, 0}, "bcadef"},
        {{3, 0, 0, 0, 0, 0}, "bcdaef"}, {{0, 0, 2, 0, 0, 0}, "abdecf"}, {{0, 0, 0, 0, 0, 1}, "abcdef"},
        {{0, 0, 0, 0, 2, 0}, "abcdfe"}, {{3, 0, 0, 2, 0, 0}, "bceafd"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        static struct rig r;
        char order[PACKETS_MAX + 1];
        memset(&r, 0, sizeof r);
        for (unsigned k = 0; k < 6; k++)
            put(&r, table[i].holds[k], 1000 + (int64_t)k * 100);
        drain(&r, order);
        cr_expect_str_eq(order, table[i].order, "row %zu: %s", i, order);
    }
}

Test(lane, two_held_neighbors_both_wait)
{
    static struct rig r;
    char order[PACKETS_MAX + 1];
    put(&r, 1, 100);
    put(&r, 1, 200);
    put(&r, 0, 300);
    put(&r, 0, 400);
    drain(&r, order);
    cr_expect_eq(order[0], 'c', "%s", order);
    cr_expect_eq(order[3], 'd', "%s", order);
}

Test(lane, jitter_of_a_later_one_counts)
{
    static struct rig r;
    char order[PACKETS_MAX + 1];
    put(&r, 2, 100);
    put(&r, 0, 5000);
    put(&r, 0, 300);
    cr_expect_eq(r.packets[0]->node.due_us, 5000, "behind the latest of the later ones");
    drain(&r, order);
    cr_expect_str_eq(order, "cba");
}

Test(lane, own_delay_is_kept)
{
    static struct rig r;
    char order[PACKETS_MAX + 1];
    put(&r, 1, 9000);
    put(&r, 0, 300);
    cr_expect_eq(r.packets[0]->node.due_us, 9000);
    drain(&r, order);
    cr_expect_str_eq(order, "ba");
}

Test(lane, holding_has_a_time_limit)
{
    static struct rig r;
    char order[PACKETS_MAX + 1];
    put(&r, 3, 100);
    cr_expect_eq(r.packets[0]->node.due_us, 100 + SP_LANE_HOLD_US);
    put(&r, 0, 200);
    cr_expect_eq(r.packets[0]->node.due_us, 100 + SP_LANE_HOLD_US);
    drain(&r, order);
    cr_expect_str_eq(order, "ba");
}

Test(lane, holds_a_bounded_number)
{
    static struct rig r;
    char order[PACKETS_MAX + 1];
    for (unsigned i = 0; i <= SP_LANE_HELD_MAX; i++)
        put(&r, 3, 100);
    cr_expect_eq(r.lane.held_n, SP_LANE_HELD_MAX);
    cr_expect_eq(r.packets[SP_LANE_HELD_MAX]->hold, 0, "one too many is not held");
    cr_expect_eq(r.packets[0]->hold, 2, "and counts as a later one");
    drain(&r, order);
    cr_expect_eq(order[0], 'a' + SP_LANE_HELD_MAX);
}
