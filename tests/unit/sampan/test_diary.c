/* What one client notes: the lines of a file, checked by reading them back. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diary.h"
#include "historyread.h"
#include "local_memory.h"

static char dir[] = "/tmp/sampan-diary-XXXXXX";
static char path[64];
static struct sp_local local;
static struct sp_tokenfile token;
static struct sp_diary diary;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/log", dir);
    token.user[0] = 'b';
    token.user_len = 1;
    token.device = 2;
    cr_assert_eq(sp_local_memory_open(&local), 0);
}

static void teardown(void)
{
    char command[64];
    sp_local_memory_close(&local);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(diary, .init = setup, .fini = teardown);

#define EVENTS_MAX 32
static struct sp_history_event events[EVENTS_MAX];
static uint8_t names[EVENTS_MAX];
static size_t events_n;

static int take(void *self, const struct sp_history_event *e, uint32_t line)
{
    (void)self;
    (void)line;
    cr_assert_lt(events_n, EVENTS_MAX);
    cr_assert_eq(e->user.n, 1);
    names[events_n] = e->peer.n > 0 ? e->peer.p[0] : 0;
    events[events_n++] = *e;
    return 0;
}

static void read_back(void)
{
    struct sp_historyread_result r;
    events_n = 0;
    cr_assert_eq(sp_historyread_file(path, take, NULL, &r), 0);
    cr_assert(!r.is_torn);
}

Test(diary, none_is_wanted)
{
    struct sp_trouble t;
    struct sp_client_event ev = {.kind = SP_CLIENT_MESSAGE};
    cr_assert_eq(sp_diary_open(&diary, NULL, 0, &token, &local, &t), 0);
    sp_diary_event(&diary, &ev);
    sp_diary_kept(&diary, (struct sp_seq){1});
    sp_diary_close(&diary);
    cr_assert_eq(sp_historyread_file(path, take, NULL, &(struct sp_historyread_result){0}), SP_EIO);
}

Test(diary, a_file_that_cannot_be_opened_is_an_error)
{
    struct sp_trouble t;
    cr_assert_eq(sp_diary_open(&diary, dir, 0, &token, &local, &t), -1);
    cr_assert_eq(t.code, SP_EXIT_IO);
}

Test(diary, each_event_at_once)
{
    struct sp_trouble t;
    const struct sp_view to = {(const uint8_t *)"c", 1}, body = {(const uint8_t *)"hello", 5};
    const struct sp_outgoing m = {.to = to, .body = body, .flags = SP_OUT_FOUR};
    const struct sp_outgoing old = {.msgid = {4}, .to = to, .state = SP_STATE_STORED};
    const struct sp_outgoing ended = {.msgid = {5}, .to = to, .state = 200};
    const struct sp_client_event heard[] = {
        {.kind = SP_CLIENT_ONLINE},
        {.kind = SP_CLIENT_RECEIPT, .msgid = {6}, .state = SP_STATE_DELIVERED},
        {.kind = SP_CLIENT_FAILED, .msgid = {7}, .code = 5},
        {.kind = SP_CLIENT_UNKNOWN, .msgid = {8}},
        {.kind = SP_CLIENT_MESSAGE, .msgid = {9}, .seq = {3}, .from = {to}, .device = 7, .body = body},
        {.kind = SP_CLIENT_SKIPPED, .lo = {4}, .hi = {6}, .why = 2},
        {.kind = SP_CLIENT_RESYNC, .lo = {2}},
        {.kind = SP_CLIENT_STATUS, .msgid = {6}, .state = SP_STATE_UNKNOWN},
        {.kind = SP_CLIENT_STATUS, .msgid = {6}, .state = SP_STATE_READ, .seq = {11}},
    };
    static const enum sp_history_kind kinds[] = {
        SP_HISTORY_RUN,    SP_HISTORY_TOLD,   SP_HISTORY_SEND,   SP_HISTORY_TOLD,
        SP_HISTORY_FAILED, SP_HISTORY_GAVEUP, SP_HISTORY_HANDED, SP_HISTORY_SKIPPED,
        SP_HISTORY_RESYNC, SP_HISTORY_TOLD,   SP_HISTORY_KEPT,
    };
    cr_assert_eq(local.cursor(local.self, (struct sp_epoch){0xe1}, (struct sp_seq){2}), 0);
    cr_assert_eq(sp_diary_open(&diary, path, SP_STATE_STORED, &token, &local, &t), 0);
    sp_diary_remembered(&diary, &old);
    sp_diary_remembered(&diary, &ended);
    sp_diary_sent(&diary, &m, (struct sp_msgid){6});
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
        sp_diary_event(&diary, &heard[i]);
    sp_diary_kept(&diary, (struct sp_seq){6});
    read_back(); /* while it is open: nothing waits in memory */
    cr_assert_eq(events_n, sizeof kinds / sizeof kinds[0]);
    for (size_t i = 0; i < events_n; i++)
        cr_assert_eq(events[i].kind, kinds[i], "line %zu", i + 1);
    cr_assert(events[0].epoch == 0xe1 && events[0].seq == 2);
    cr_assert(events[1].is_repeat && events[1].msgid == 4 && events[1].state == SP_STATE_STORED);
    cr_assert(events[2].msgid == 6 && names[2] == 'c' && events[2].len == 5 &&
              events[2].flags == SP_OUT_FOUR);
    cr_assert(events[2].state == SP_STATE_STORED && events[2].hash != 0);
    cr_assert(events[6].seq == 3 && names[6] == 'c' && events[6].peer_device == 7 && events[6].epoch == 0xe1);
    cr_assert_neq(events[6].hash, events[2].hash, "the same body to another recipient");
    cr_assert(events[7].seq == 4 && events[7].hi == 6 && events[7].code == 2);
    cr_assert(events[9].seq == 11 && events[9].state == SP_STATE_READ);
    cr_assert_eq(events[10].seq, 6);
    sp_diary_close(&diary);
    sp_diary_close(&diary);
    read_back();
    cr_assert_eq(events[events_n - 1].kind, SP_HISTORY_END);
}
