/* Troubles. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#include "trouble.h"

Test(trouble, a_long_text_is_cut)
{
    struct sp_trouble t;
    char text[2 * SP_TROUBLE_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cr_assert_eq(sp_trouble_set(&t, SP_EXIT_IO, "%s", text), -1);
    cr_assert_eq(strlen(t.text), SP_TROUBLE_TEXT_MAX - 1);
    cr_assert_eq(t.code, SP_EXIT_IO);
}

Test(trouble, print, .init = cr_redirect_stderr)
{
    struct sp_trouble t;
    (void)sp_trouble_set(&t, SP_EXIT_REFUSED, "no %s", "way");
    cr_assert_eq(sp_trouble_print(&t, "prog"), 77);
    (void)fflush(stderr);
    cr_assert_stderr_eq_str("prog: no way\n");
}
