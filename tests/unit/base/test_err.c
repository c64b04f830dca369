/* err.c: every error has a name, a text and a number of its own. */
#include <sampan/err.h>

#include <criterion/criterion.h>

#include <string.h>

struct err_row {
    int err, number;
    const char *name, *text;
};
#define ROW(name, number, text) {SP_##name, number, "SP_" #name, text},
static const struct err_row rows[] = {SP_ERRORS(ROW)};
#define ROWS_N (sizeof rows / sizeof rows[0])

Test(err, names_and_texts_follow_the_table)
{
    for (size_t i = 0; i < ROWS_N; i++) {
        cr_assert_eq(rows[i].err, -rows[i].number);
        cr_assert_str_eq(sp_err_name(rows[i].err), rows[i].name);
        cr_assert_str_eq(sp_err_text(rows[i].err), rows[i].text);
        cr_assert_gt(strlen(rows[i].text), 0);
    }
}

Test(err, numbers_are_dense_and_never_change_meaning)
{
    for (size_t i = 0; i < ROWS_N; i++)
        cr_assert_eq(rows[i].number, (int)i + 1, "%s is out of order: append, never renumber", rows[i].name);
    cr_assert_eq(SP_EAGAIN, -1);
    cr_assert_eq(SP_EMALFORMED, -6);
    cr_assert_eq(SP_EFORBIDDEN, -25);
}

Test(err, success_and_unknown_numbers)
{
    static const int others[] = {1, -(int)ROWS_N - 1, -9999, 12345};
    cr_assert_str_eq(sp_err_name(SP_OK), "SP_OK");
    cr_assert_gt(strlen(sp_err_text(SP_OK)), 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_str_eq(sp_err_name(others[i]), "unknown");
        cr_assert_gt(strlen(sp_err_text(others[i])), 0);
    }
}
