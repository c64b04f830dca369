#include "chart.h"

#include <math.h>

#define PICTURE_WIDTH 920.0
#define MARGIN_LEFT   64.0
#define MARGIN_RIGHT  16.0
#define MARGIN_TOP    14.0
#define MARGIN_BOTTOM 40.0
#define TICKS_MAX     12

/* Where v lies on an axis, 0..1; values outside are moved to the edge. */
static double place(const struct sp_chart_axis *a, double v)
{
    double f = a->scale == SP_CHART_LOG
                   ? (log10(v > a->lo ? v : a->lo) - log10(a->lo)) / (log10(a->hi) - log10(a->lo))
                   : (v - a->lo) / (a->hi - a->lo);
    return f < 0 ? 0 : f > 1 ? 1 : f;
}

static double pixel_x(const struct sp_chart *c, double x)
{
    return c->left + place(&c->x, x) * c->width;
}

static double pixel_y(const struct sp_chart *c, double y)
{
    return c->top + (1 - place(&c->y, y)) * c->height;
}

void sp_chart_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        default:
            (void)fputc(*text, out);
        }
    }
}

static void tick_y(struct sp_chart *c, double y)
{
    double at = pixel_y(c, y);
    (void)fprintf(c->out,
                  "<line class='g' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>"
                  "<text class='t' text-anchor='end' x='%.1f' y='%.1f'>%g</text>\n",
                  c->left, at, c->left + c->width, at, c->left - 6, at + 4, y);
}

/* The step 1, 2 or 5 times a power of ten that gives four to eight ticks. */
static double linear_step(double range)
{
    double step = pow(10, floor(log10(range / 4)));
    if (range / step > 20)
        return step * 5;
    return range / step > 8 ? step * 2 : step;
}

static void ticks_y(struct sp_chart *c)
{
    if (c->y.scale == SP_CHART_LOG) {
        double first = pow(10, ceil(log10(c->y.lo) - 1e-9));
        for (int i = 0; i < TICKS_MAX && first * pow(10, i) <= c->y.hi * 1.001; i++)
            tick_y(c, first * pow(10, i));
        return;
    }
    double step = linear_step(c->y.hi - c->y.lo);
    double first = ceil(c->y.lo / step) * step;
    for (int i = 0; i < TICKS_MAX && first + i * step <= c->y.hi * 1.001; i++)
        tick_y(c, first + i * step);
}

void sp_chart_begin(struct sp_chart *c, FILE *out, const struct sp_chart_axis *x,
                    const struct sp_chart_axis *y, double height)
{
    *c = (struct sp_chart){.out = out,
                           .x = *x,
                           .y = *y,
                           .left = MARGIN_LEFT,
                           .top = MARGIN_TOP,
                           .width = PICTURE_WIDTH - MARGIN_LEFT - MARGIN_RIGHT,
                           .height = height - MARGIN_TOP - MARGIN_BOTTOM};
    (void)fprintf(out, "<svg viewBox='0 0 %.0f %.0f' role='img'>\n", PICTURE_WIDTH, height);
    (void)fprintf(out, "<rect class='f' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>\n", c->left, c->top,
                  c->width, c->height);
    ticks_y(c);
    (void)fprintf(out, "<text class='t' x='%.1f' y='%.1f' text-anchor='middle'>", c->left + c->width / 2,
                  height - 6);
    sp_chart_text(out, x->title);
    (void)fprintf(out,
                  "</text><text class='t' text-anchor='middle' transform='translate(13,%.1f) rotate(-90)'>",
                  c->top + c->height / 2);
    sp_chart_text(out, y->title);
    (void)fputs("</text>\n", out);
}

void sp_chart_end(struct sp_chart *c)
{
    (void)fputs("</svg>\n", c->out);
}

void sp_chart_tick_x(struct sp_chart *c, double x, const char *label)
{
    double at = pixel_x(c, x), low = c->top + c->height;
    (void)fprintf(c->out,
                  "<line class='g' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>"
                  "<text class='t' text-anchor='middle' x='%.1f' y='%.1f'>",
                  at, c->top, at, low + 4, at, low + 16);
    sp_chart_text(c->out, label);
    (void)fputs("</text>\n", c->out);
}

void sp_chart_curve_begin(struct sp_chart *c, const char *color)
{
    (void)fprintf(c->out, "<polyline fill='none' stroke='%s' stroke-width='2' points='", color);
}

void sp_chart_curve_add(struct sp_chart *c, double x, double y)
{
    (void)fprintf(c->out, "%.1f,%.1f ", pixel_x(c, x), pixel_y(c, y));
}

void sp_chart_curve_end(struct sp_chart *c)
{
    (void)fputs("'/>\n", c->out);
}

void sp_chart_dot(struct sp_chart *c, double x, double y, const char *color)
{
    (void)fprintf(c->out, "<circle cx='%.1f' cy='%.1f' r='2' fill='%s' fill-opacity='.7'/>\n", pixel_x(c, x),
                  pixel_y(c, y), color);
}

void sp_chart_bar(struct sp_chart *c, double x0, double x1, double y, const char *color)
{
    double left = pixel_x(c, x0), right = pixel_x(c, x1), top = pixel_y(c, y);
    if (y > c->y.lo)
        (void)fprintf(c->out, "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/>\n", left, top,
                      right - left, c->top + c->height - top, color);
}

static void label_top(struct sp_chart *c, double x, const char *label)
{
    bool is_right = x > c->left + c->width * 0.85; /* a label must not leave the picture */
    (void)fprintf(c->out, "<text class='t b' text-anchor='%s' x='%.1f' y='%.1f'>", is_right ? "end" : "start",
                  is_right ? x - 4 : x + 4, c->top + 14);
    sp_chart_text(c->out, label);
    (void)fputs("</text>\n", c->out);
}

void sp_chart_band(struct sp_chart *c, double x0, double x1, const char *label)
{
    double left = pixel_x(c, x0), right = pixel_x(c, x1);
    (void)fprintf(c->out, "<rect class='band' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>\n", left, c->top,
                  right - left, c->height);
    label_top(c, left, label);
}

void sp_chart_line(struct sp_chart *c, double x, const char *label)
{
    double at = pixel_x(c, x);
    (void)fprintf(c->out, "<line class='k' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>\n", at, c->top, at,
                  c->top + c->height);
    label_top(c, at, label);
}
