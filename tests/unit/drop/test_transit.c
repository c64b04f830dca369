/* From arrival to departure, in virtual time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transit.h"

#define START_US INT64_C(1000000000)

static struct sp_transit transit;
static struct sp_flow flow;

static void begin(const struct sp_model_config *config, struct sp_eventlog *events)
{
    cr_assert_null(sp_model_problem(config));
    memset(&flow, 0, sizeof flow);
    sp_transit_init(&transit, config, START_US, events);
}

static void take(enum sp_model_dir dir, const void *bytes, size_t len, int64_t since_start_us)
{
    struct sp_transit_datagram d = {.bytes = bytes, .len = len, .arrived_us = START_US + since_start_us};
    sp_transit_take(&transit, &flow, dir, &d);
}

static uint64_t count(enum sp_model_dir dir, enum sp_tally_count which)
{
    return transit.tally.counts[dir][which];
}

Test(transit, keeps_bytes_and_adds_delay)
{
    const struct sp_model_config config = {.seed = 1, .delay_us = 40000};
    begin(&config, NULL);
    cr_expect_eq(sp_transit_deadline(&transit), SP_TRANSIT_NEVER);
    take(SP_MODEL_DOWN, "abc", 3, 5);
    take(SP_MODEL_DOWN, NULL, 0, 6);
    cr_expect_eq(flow.pending, 2);
    cr_expect_eq(sp_transit_deadline(&transit), START_US + 40005);
    cr_expect_null(sp_transit_next(&transit, START_US + 40004));
    struct sp_packet *p = sp_transit_next(&transit, START_US + 40005);
    cr_assert_not_null(p);
    cr_expect_eq(p->dir, SP_MODEL_DOWN);
    cr_expect_eq(p->flow, &flow);
    cr_expect_eq(p->len, 3);
    cr_expect_eq(memcmp(p->bytes, "abc", 3), 0);
    free(p);
    p = sp_transit_next(&transit, START_US + 99999);
    cr_assert_not_null(p);
    cr_expect_eq(p->len, 0);
    free(p);
    cr_expect_null(sp_transit_next(&transit, START_US + 99999));
    cr_expect_eq(flow.pending, 0);
    sp_transit_wipe(&transit);
}

Test(transit, corrupts_one_copy_in_one_bit)
{
    const struct sp_model_config config = {.seed = 2, .corrupt = 1, .dup = 1};
    static const uint8_t zeros[50];
    begin(&config, NULL);
    take(SP_MODEL_UP, zeros, sizeof zeros, 0);
    unsigned flipped = 0;
    unsigned copies = 0;
    struct sp_packet *p = NULL;
    while ((p = sp_transit_next(&transit, START_US)) != NULL) {
        copies++;
        for (size_t bit = 0; bit < p->len * 8; bit++)
            flipped += (unsigned)p->bytes[bit / 8] >> (bit % 8) & 1U;
        free(p);
    }
    cr_expect_eq(copies, 2);
    cr_expect_eq(flipped, 1);
    cr_expect_eq(count(SP_MODEL_UP, SP_TALLY_DUPLICATED), 1);
    cr_expect_eq(count(SP_MODEL_UP, SP_TALLY_CORRUPTED), 1);
    sp_transit_wipe(&transit);
}

/* Every packet is accounted for, at any time. */
Test(transit, counts_add_up)
{
    const struct sp_model_config config = {
        .seed = 3,
        .loss = {0.3, 0.3},
        .delay_us = 40000,
        .jitter_us = 20000,
        .dup = 0.05,
        .reorder = 0.05,
        .corrupt = 0.01,
        .rate_kbit = 3000,
        .blackholes = {{.on_us = 3000000, .off_us = 500000, .dir = {true, false}}},
        .blackholes_n = 1,
        .ranges = {{SP_MODEL_UP, 10, 19}},
        .ranges_n = 1};
    static const enum sp_tally_count ends[] = {SP_TALLY_LISTED, SP_TALLY_BLACKHOLE, SP_TALLY_LOSS,
                                               SP_TALLY_RATE,   SP_TALLY_OVERFLOW,  SP_TALLY_WAITING};
    uint8_t bytes[300] = {0};
    uint64_t sent[SP_MODEL_DIRS] = {0};
    begin(&config, NULL);
    const uint64_t n = 20000;
    for (uint64_t i = 0; i < n; i++) {
        int64_t now_us = (int64_t)i * 500;
        take(SP_MODEL_UP, bytes, sizeof bytes, now_us);
        take(SP_MODEL_DOWN, bytes, sizeof bytes, now_us);
        struct sp_packet *p = NULL;
        while ((p = sp_transit_next(&transit, START_US + now_us)) != NULL) {
            sent[p->dir]++;
            free(p);
        }
    }
    for (unsigned dir = 0; dir < SP_MODEL_DIRS; dir++) {
        uint64_t sum = sent[dir];
        for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++)
            sum += count((enum sp_model_dir)dir, ends[k]);
        cr_expect_eq(sum, n + count((enum sp_model_dir)dir, SP_TALLY_DUPLICATED), "direction %u", dir);
        cr_expect_gt(count((enum sp_model_dir)dir, SP_TALLY_WAITING), 0);
        cr_expect_gt(count((enum sp_model_dir)dir, SP_TALLY_RATE), 0);
        cr_expect_gt(count((enum sp_model_dir)dir, SP_TALLY_REORDERED), 0);
    }
    cr_expect_eq(count(SP_MODEL_UP, SP_TALLY_LISTED), 10);
    cr_expect_gt(count(SP_MODEL_UP, SP_TALLY_BLACKHOLE), 0);
    cr_expect_eq(count(SP_MODEL_DOWN, SP_TALLY_BLACKHOLE), 0);
    sp_transit_wipe(&transit);
    cr_expect_eq(flow.pending, 0);
    cr_expect_eq(transit.waiting_bytes, 0);
    cr_expect_eq(flow.lanes[SP_MODEL_UP].held_n, 0);
}

Test(transit, memory_is_bounded)
{
    const struct sp_model_config config = {.seed = 1, .delay_us = 60000000};
    static uint8_t bytes[65507];
    begin(&config, NULL);
    const uint64_t fit = SP_TRANSIT_BYTES_MAX / sizeof bytes;
    /* Only the account of bytes is to be seen; the memory of all those packets would slow the test. */
    take(SP_MODEL_UP, bytes, sizeof bytes, 0);
    transit.waiting_bytes += (fit - 2) * sizeof bytes;
    take(SP_MODEL_UP, bytes, sizeof bytes, 0);
    take(SP_MODEL_UP, bytes, sizeof bytes, 0);
    cr_expect_eq(count(SP_MODEL_UP, SP_TALLY_WAITING), 2);
    cr_expect_eq(count(SP_MODEL_UP, SP_TALLY_OVERFLOW), 1);
    transit.waiting_bytes -= (fit - 2) * sizeof bytes;
    sp_transit_wipe(&transit);
}

Test(transit, logs_what_does_not_simply_pass)
{
    const struct sp_model_config config = {
        .seed = 1, .dup = 1, .corrupt = 1, .reorder = 1, .ranges = {{SP_MODEL_UP, 2, 2}}, .ranges_n = 1};
    char path[] = "/tmp/transit.XXXXXX";
    char text[512];
    struct sp_eventlog *events = NULL;
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(sp_eventlog_open(&events, path, SP_EVENTLOG_BYTES_MAX), 0);
    begin(&config, events);
    take(SP_MODEL_UP, "x", 1, 7);
    take(SP_MODEL_UP, "x", 1, 8);
    sp_eventlog_flush(events);
    ssize_t n = read(fd, text, sizeof text - 1);
    cr_assert_gt(n, 0);
    text[n] = 0;
    cr_expect_str_eq(text, "1000000007 up dup 1\n1000000007 up corrupt 1\n1000000007 up reorder 1\n"
                           "1000000008 up listed 2\n");
    sp_transit_wipe(&transit);
    (void)sp_eventlog_close(&events);
    (void)close(fd);
    (void)unlink(path);
}
