/* The agenda of the test library against a plain list: whatever is added, hastened and taken, the same item
 * comes next. */
#include "agenda.h"

#include "dice.h"

#include <criterion/criterion.h>

enum { ITEMS_MAX = 600, STEPS = 20000 };

/* What should be there, in the order of adding. */
static struct sp_agenda_item list[ITEMS_MAX];
static size_t list_n;
static struct sp_agenda agenda;
static sp_time now;
static struct sp_dice dice;

static uint64_t draw(uint64_t n)
{
    return sp_dice_below(&dice, n);
}

/* Times at every distance that the levels tell apart: this instant, a slot, an epoch, far away. */
static sp_time draw_time(void)
{
    static const uint64_t spans[] = {1, 1000, 20000, 1U << 20, 30U << 20, 900U << 20, 3000ULL << 20};
    return now + (sp_time)draw(spans[draw(sizeof spans / sizeof spans[0])]);
}

static void add(void)
{
    static uint8_t things[ITEMS_MAX];
    struct sp_agenda_item i = {.at = draw_time(), .order = agenda.order, .who = (int)draw(3)};
    if (list_n == ITEMS_MAX)
        return;
    i.what = draw(2) == 0 ? &things[list_n] : NULL;
    sp_agenda_add(&agenda, i.at, i.who, i.what);
    list[list_n++] = i;
}

/* The place of the first in the list. */
static size_t first(void)
{
    size_t best = 0;
    for (size_t i = 1; i < list_n; i++)
        if (list[i].at < list[best].at || (list[i].at == list[best].at && list[i].order < list[best].order))
            best = i;
    return best;
}

static void take(sp_time until)
{
    struct sp_agenda_item got;
    size_t want = first();
    bool is_there = list_n > 0 && list[want].at <= until;
    cr_assert_eq(sp_agenda_take(&agenda, until, &got), is_there);
    if (!is_there) {
        now = until != SP_NEVER && until > now ? until : now;
        return;
    }
    cr_assert_eq(got.at, list[want].at);
    cr_assert_eq(got.order, list[want].order);
    cr_assert_eq(got.who, list[want].who);
    cr_assert_eq(got.what, list[want].what);
    now = got.at;
    for (list_n--; want < list_n; want++)
        list[want] = list[want + 1];
}

static void hasten(void)
{
    int who = (int)draw(3);
    sp_agenda_hasten(&agenda, who, now);
    for (size_t i = 0; i < list_n; i++)
        if (list[i].who == who && list[i].what != NULL && list[i].at > now)
            list[i].at = now;
}

Test(agenda, as_a_plain_list)
{
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t what = draw(100);
        if (what < 45)
            add();
        else if (what < 90)
            take(draw(4) == 0 ? SP_NEVER : draw_time());
        else if (what < 91)
            hasten();
        cr_assert_eq(agenda.n, list_n, "step %u", i);
    }
    while (list_n > 0)
        take(SP_NEVER);
    take(SP_NEVER);
    sp_agenda_wipe(&agenda);
}
