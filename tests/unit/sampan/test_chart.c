/* Charts as SVG text: scales, ticks, escapes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"

/* Draws into memory.  The caller frees. */
static char *drawn(enum sp_chart_scale scale, double lo, double hi, void (*draw)(struct sp_chart *c))
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    cr_assert_not_null(f);
    const struct sp_chart_axis x = {SP_CHART_LINEAR, 0, 10, "seconds"}, y = {scale, lo, hi, "a < b"};
    struct sp_chart c;
    sp_chart_begin(&c, f, &x, &y, 200);
    draw(&c);
    sp_chart_end(&c);
    cr_assert_eq(fclose(f), 0);
    return text;
}

static void draw_nothing(struct sp_chart *c)
{
    (void)c;
}

static void draw_ends(struct sp_chart *c)
{
    sp_chart_dot(c, 0, 1, "#123");
    sp_chart_dot(c, 10, 1000, "#123");
    sp_chart_dot(c, -5, 1e9, "#456"); /* outside: moved to the edge */
}

static void draw_marks(struct sp_chart *c)
{
    sp_chart_band(c, 1, 2, "away & back");
    sp_chart_line(c, 9.9, "late");
    sp_chart_bar(c, 1, 2, 0, "#789"); /* of no height: nothing is drawn */
}

Test(chart, titles_are_escaped)
{
    char *text = drawn(SP_CHART_LINEAR, 0, 10, draw_nothing);
    cr_assert_not_null(strstr(text, "a &lt; b"));
    cr_assert_null(strstr(text, "a < b"));
    cr_assert_eq(strncmp(text, "<svg ", 5), 0);
    cr_assert_str_eq(text + strlen(text) - 7, "</svg>\n");
    free(text);
}

Test(chart, log_ticks_are_powers_of_ten)
{
    char *text = drawn(SP_CHART_LOG, 1, 1000, draw_nothing);
    static const char *const ticks[] = {">1</text>", ">10</text>", ">100</text>", ">1000</text>"};
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++)
        cr_assert_not_null(strstr(text, ticks[i]), "no tick %s", ticks[i]);
    free(text);
}

Test(chart, places_are_inside_the_plot)
{
    char *text = drawn(SP_CHART_LOG, 1, 1000, draw_ends);
    cr_assert_not_null(strstr(text, "<circle cx='64.0' cy='160.0' r='2' fill='#123'"));
    cr_assert_not_null(strstr(text, "<circle cx='904.0' cy='14.0' r='2' fill='#123'"));
    cr_assert_not_null(strstr(text, "<circle cx='64.0' cy='14.0' r='2' fill='#456'"));
    free(text);
}

Test(chart, labels_stay_in_the_picture)
{
    char *text = drawn(SP_CHART_LINEAR, 0, 10, draw_marks);
    cr_assert_not_null(strstr(text, "away &amp; back"));
    cr_assert_not_null(strstr(text, "text-anchor='end' x='891.6'"), "%s", text);
    cr_assert_null(strstr(text, "#789"));
    free(text);
}
