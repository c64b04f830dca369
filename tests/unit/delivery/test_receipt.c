/* The order of receipt states as a matrix: docs/protocol.md, section 1, and ruling 12. */
#include "receipt.h"

#include <criterion/criterion.h>

enum { ROWS = 14 };

/* rises[from][to]: is `to` news for one who knows `from`?  Columns 0 1 2 3 4, 5 (no state), 8 (no
 * state), 9..13, 200, 255. */
static const uint8_t states[ROWS] = {0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 200, 255};
static const struct {
    uint8_t from;
    const char *news; /* one character per column: Y or . */
} rows[] = {
    {0, ".YYYY..YYYYYYY"},  {1, "..YYY..YYYYYYY"},   {2, "...YY..YYYYYYY"},  {3, "....Y........."},
    {4, ".............."},  {9, ".............."},   {10, ".............."}, {11, ".............."},
    {12, ".............."}, {255, ".............."},
};

Test(receipt, rises_as_the_matrix_says)
{
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        for (size_t c = 0; c < ROWS; c++)
            cr_expect_eq(sp_receipt_rises(rows[r].from, states[c]), rows[r].news[c] == 'Y', "%u -> %u",
                         rows[r].from, states[c]);
}

Test(receipt, never_goes_down_on_any_path)
{
    /* Whatever arrives in whatever order: a final state is never left but for DELIVERED -> READ. */
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            bool rises = sp_receipt_rises((uint8_t)a, (uint8_t)b);
            if (rises && sp_receipt_is_final((uint8_t)a))
                cr_expect(a == SP_STATE_DELIVERED && b == SP_STATE_READ, "%u -> %u", a, b);
            if (rises)
                cr_expect_not(sp_receipt_rises((uint8_t)b, (uint8_t)a), "%u <-> %u", a, b);
        }
}

Test(receipt, safe_and_final)
{
    static const struct {
        uint8_t state;
        bool safe, final;
    } t[] = {{0, false, false}, {1, true, false},  {2, true, false}, {3, true, true}, {4, true, true},
             {5, false, false}, {8, false, false}, {9, true, true},  {12, true, true}};
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        cr_expect_eq(sp_receipt_is_safe(t[i].state), t[i].safe, "%u", t[i].state);
        cr_expect_eq(sp_receipt_is_final(t[i].state), t[i].final, "%u", t[i].state);
    }
}
