/* Problems. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "problem.h"

Test(problem, keeps_code_and_text)
{
    struct sp_problem p;
    cr_expect_eq(SP_PROBLEM_SET(&p, SP_PROBLEM_REFUSED, "%s: %d", "port", 7), -1);
    cr_expect_eq(p.code, SP_PROBLEM_REFUSED);
    cr_expect_str_eq(p.text, "port: 7");
}

Test(problem, cuts_what_is_too_long)
{
    char *text = NULL;
    struct sp_problem p;
    cr_assert_geq(asprintf(&text, "%0*d", 2 * SP_PROBLEM_TEXT_MAX, 7), 0);
    cr_expect_eq(SP_PROBLEM_SET(&p, SP_PROBLEM_IO, "%s", text), -1);
    cr_expect_eq(strlen(p.text), SP_PROBLEM_TEXT_MAX - 1);
    free(text);
}
