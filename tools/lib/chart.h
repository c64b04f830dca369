/* One chart as inline SVG inside an HTML file: axes with labeled ticks, curves, dots, bars, bands.  Knows
 * scales and colors, not what is shown. */
#ifndef SP_CHART_H
#define SP_CHART_H

#include <stdbool.h>
#include <stdio.h>

enum sp_chart_scale {
    SP_CHART_LINEAR,
    SP_CHART_LOG,
};
struct sp_chart_axis {
    enum sp_chart_scale scale;
    double lo, hi; /* lo < hi; above 0 on a log scale */
    const char *title;
};
struct sp_chart {
    FILE *out;
    struct sp_chart_axis x, y;
    double left, top, width, height; /* the plot area inside the picture, in pixels */
};

/* Opens the <svg> and draws frame and y ticks.  `out` is borrowed until sp_chart_end. */
void sp_chart_begin(struct sp_chart *c, FILE *out, const struct sp_chart_axis *x,
                    const struct sp_chart_axis *y, double height);
void sp_chart_end(struct sp_chart *c);
/* A labeled tick on the x axis. */
void sp_chart_tick_x(struct sp_chart *c, double x, const char *label);
/* A curve through points added one by one. */
void sp_chart_curve_begin(struct sp_chart *c, const char *color);
void sp_chart_curve_add(struct sp_chart *c, double x, double y);
void sp_chart_curve_end(struct sp_chart *c);
void sp_chart_dot(struct sp_chart *c, double x, double y, const char *color);
/* A bar from the lower edge up to y. */
void sp_chart_bar(struct sp_chart *c, double x0, double x1, double y, const char *color);
/* A shaded stretch of the x axis with a label, and a vertical line with one. */
void sp_chart_band(struct sp_chart *c, double x0, double x1, const char *label);
void sp_chart_line(struct sp_chart *c, double x, const char *label);
/* Text with the marks of HTML escaped. */
void sp_chart_text(FILE *out, const char *text);

#endif
