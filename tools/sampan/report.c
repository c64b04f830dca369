#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"

#define BUCKET       (250 * SP_MS) /* width of a bar on the timeline */
#define BUCKETS      8192
#define LOG_LINE_MAX 256

#define COLOR_ACCEPTED  "#2b6cb0"
#define COLOR_DELIVERED "#2f855a"
#define COLOR_KNOWN     "#b7791f"
#define COLOR_DROP      "#c53030"
#define COLOR_RESENT    "#6b46c1"

static const char head[] =
    "<!doctype html>\n<html lang='en'><meta charset='utf-8'><title>Sampan demo</title>\n"
    "<meta name='viewport' content='width=device-width'>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:2em auto;padding:0 1em;color:#1a202c;"
    "background:#fff}\nsvg{width:100%;height:auto}\n.f{fill:#f7fafc;stroke:#cbd5e0}\n.g{stroke:#e2e8f0}\n"
    ".t{font:12px "
    "system-ui,sans-serif;fill:#4a5568}\n.b{font-weight:600}\n.k{stroke:#c53030;stroke-dasharray:4 3}\n"
    ".band{fill:#fefcbf;fill-opacity:.8}\ntable{border-collapse:collapse}\ntd,th{padding:.2em "
    ".9em;text-align:right;"
    "border-bottom:1px solid #e2e8f0}\ntd:first-child,th:first-child{text-align:left}\n"
    ".verdict{font-size:1.3em;font-weight:600}\n.good{color:#2f855a}\n.bad{color:#c53030}\n"
    "code{background:#edf2f7;padding:.1em .3em}\n.key{display:inline-block;width:.8em;height:.8em;margin:0 "
    ".3em 0 1em}\n"
    "</style>\n";

static double seconds(const struct sp_report *r, sp_time at)
{
    return (double)(at - r->start) / 1e6;
}

static void write_key(FILE *f, const char *color, const char *name)
{
    (void)fprintf(f, "<span class='key' style='background:%s'></span>%s", color, name);
}

static void write_row(FILE *f, const struct sp_score *l, enum sp_score_mark mark, const char *name)
{
    struct sp_score_figures g = sp_score_figures(l, mark);
    (void)fprintf(f, "<tr><td>%s<td>%zu<td>%.1f<td>%.1f<td>%.1f<td>%.1f\n", name, g.n, (double)g.p50 / 1e3,
                  (double)g.p95 / 1e3, (double)g.p99 / 1e3, (double)g.max / 1e3);
}

static void write_summary(FILE *f, const struct sp_report *r)
{
    const struct sp_score *l = r->score;
    (void)fprintf(
        f,
        "<h1>A message crosses rough water</h1>\n"
        "<p>Two users and a gateway, %.0f&nbsp;%% of all datagrams lost each way on both legs; the recipient "
        "was absent for a while, and the gateway was ended by kill -9 and started again.</p>\n"
        "<p class='verdict %s'>lost %zu &middot; duplicated %zu &middot; out of order %zu</p>\n",
        r->loss * 100, r->is_good ? "good" : "bad", sp_score_lost(l), l->duplicated, l->disordered);
    (void)fprintf(f, "<table><tr><th>%zu messages<th>count<th>p50 ms<th>p95 ms<th>p99 ms<th>max ms\n", l->n);
    write_row(f, l, SP_SCORE_ACCEPTED, "accepted: durable in the gateway, the sender knows");
    write_row(f, l, SP_SCORE_DELIVERED, "delivered: the recipient's app has it");
    write_row(f, l, SP_SCORE_KNOWN, "known: the sender knows that");
    (void)fprintf(f,
                  "</table>\n<p>%" PRIu64 " datagrams entered the two relays, %" PRIu64
                  " were lost there, %" PRIu64 " frames were sent again, %" PRIu64
                  " duplicates were removed.</p>\n",
                  r->datagrams, r->dropped, r->resent, r->removed);
}

static void write_curve(struct sp_chart *c, const struct sp_score *l, enum sp_score_mark mark,
                        const char *color)
{
    sp_time *all = malloc((l->n + 1) * sizeof *all);
    size_t n = all != NULL ? sp_score_sorted(l, mark, all) : 0;
    sp_chart_curve_begin(c, color);
    for (size_t i = 0; i < n; i++)
        sp_chart_curve_add(c, (double)n / (double)(n - i), (double)all[i] / 1e3);
    sp_chart_curve_end(c);
    free(all);
}

static double slowest_ms(const struct sp_score *l)
{
    double top = 1000;
    for (int m = SP_SCORE_ACCEPTED; m < SP_SCORE_MARKS; m++) {
        double ms = (double)sp_score_figures(l, (enum sp_score_mark)m).max / 1e3;
        top = ms > top ? ms : top;
    }
    return top * 2; /* room for the labels */
}

static void write_latency(FILE *f, const struct sp_report *r)
{
    static const struct {
        double x;
        const char *label;
    } ticks[] = {{1, "0 %"}, {2, "50 %"}, {10, "90 %"}, {20, "95 %"}, {100, "99 %"}, {1000, "99.9 %"}};
    const struct sp_chart_axis x = {SP_CHART_LOG, 1, r->score->n > 2 ? (double)r->score->n : 2,
                                    "of all messages"};
    const struct sp_chart_axis y = {SP_CHART_LOG, 10, slowest_ms(r->score), "milliseconds"};
    struct sp_chart c;
    (void)fputs("<h2>Latency</h2>\n<p>Time from the moment a message was due; how many messages were at "
                "least so fast.",
                f);
    write_key(f, COLOR_ACCEPTED, "accepted");
    write_key(f, COLOR_DELIVERED, "delivered");
    write_key(f, COLOR_KNOWN, "known to the sender");
    (void)fputs("</p>\n", f);
    sp_chart_begin(&c, f, &x, &y, 340);
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++)
        if (ticks[i].x <= x.hi)
            sp_chart_tick_x(&c, ticks[i].x, ticks[i].label);
    write_curve(&c, r->score, SP_SCORE_ACCEPTED, COLOR_ACCEPTED);
    write_curve(&c, r->score, SP_SCORE_DELIVERED, COLOR_DELIVERED);
    write_curve(&c, r->score, SP_SCORE_KNOWN, COLOR_KNOWN);
    sp_chart_end(&c);
}

/* Ticks, the absence and the kill, as every chart over time has them. */
static void write_time_marks(struct sp_chart *c, const struct sp_report *r, double last)
{
    char text[32];
    int step = last > 120 ? 20 : last > 40 ? 5 : 2;
    for (int s = 0; s <= (int)last; s += step) {
        (void)snprintf(text, sizeof text, "%d", s);
        sp_chart_tick_x(c, s, text);
    }
    if (r->absent_to > r->absent_from)
        sp_chart_band(c, seconds(r, r->absent_from), seconds(r, r->absent_to), "recipient absent");
    if (r->killed_at != 0)
        sp_chart_line(c, seconds(r, r->killed_at), "gateway killed");
}

static void write_messages(FILE *f, const struct sp_report *r, double last)
{
    const struct sp_chart_axis x = {SP_CHART_LINEAR, 0, last, "seconds"};
    const struct sp_chart_axis y = {SP_CHART_LOG, 10, slowest_ms(r->score), "ms until delivered"};
    struct sp_chart c;
    (void)fputs("<h2>Timeline</h2>\n<p>Each dot is a message: when it was due, and how long until the "
                "recipient's app "
                "had it.</p>\n",
                f);
    sp_chart_begin(&c, f, &x, &y, 300);
    write_time_marks(&c, r, last);
    for (size_t i = 0; i < r->score->n; i++) {
        const struct sp_score_row *row = &r->score->rows[i];
        sp_time at = row->at[SP_SCORE_DELIVERED];
        if (at != 0)
            sp_chart_dot(&c, seconds(r, row->at[SP_SCORE_SENT]), (double)(at - row->at[SP_SCORE_SENT]) / 1e3,
                         COLOR_DELIVERED);
    }
    sp_chart_end(&c);
}

/* One line "TIME_US DIR FATE INDEX" of an event log: the time of a dropped packet, or -1 for any other line.
 */
static int64_t dropped_at(const char *line)
{
    static const char *const lost[] = {"loss", "burst", "blackhole", "rate", "listed", "overflow"};
    char *dir;
    int64_t at = strtoll(line, &dir, 10);
    const char *fate = *dir == ' ' ? strchr(dir + 1, ' ') : NULL;
    for (size_t i = 0; fate != NULL && i < sizeof lost / sizeof lost[0]; i++) {
        size_t len = strlen(lost[i]);
        if (strncmp(fate + 1, lost[i], len) == 0 && fate[1 + len] == ' ')
            return at;
    }
    return -1;
}

/* Calls `each` with the time of every drop in a log; a log that is not there has none. */
static void walk_drops(const char *log, void (*each)(void *self, int64_t at), void *self)
{
    char line[LOG_LINE_MAX];
    FILE *f = fopen(log, "re");
    if (f == NULL)
        return;
    while (fgets(line, sizeof line, f) != NULL) {
        int64_t at = dropped_at(line);
        if (at >= 0)
            each(self, at);
    }
    (void)fclose(f);
}

static void count_one(void *self, int64_t at)
{
    (void)at;
    ++*(uint64_t *)self;
}

/* The number of a line `"name": number` of a statistics file, if it has this name. */
static uint64_t number_of(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 ? strtoull(line + len, NULL, 10) : 0;
}

uint64_t sp_report_entered(const char *stats)
{
    uint64_t sum = 0;
    char line[LOG_LINE_MAX];
    FILE *f = fopen(stats, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL)
        sum += number_of(line, "\"up_received\": ") + number_of(line, "\"down_received\": ");
    (void)fclose(f);
    return sum;
}

uint64_t sp_report_drops(const char *log)
{
    uint64_t n = 0;
    walk_drops(log, count_one, &n);
    return n;
}

struct buckets {
    sp_time start;
    double n[BUCKETS];
};

static void add_drop(void *self, int64_t at)
{
    struct buckets *b = self;
    if (at >= b->start && (at - b->start) / BUCKET < BUCKETS)
        b->n[(at - b->start) / BUCKET] += 1;
}

static void add_resent(struct buckets *b, const struct sp_report *r)
{
    for (size_t i = 1; i < r->samples_n; i++) {
        const struct sp_report_sample *s = &r->samples[i];
        if (s->resent > s[-1].resent && (s->at - b->start) / BUCKET < BUCKETS)
            b->n[(s->at - b->start) / BUCKET] += (double)(s->resent - s[-1].resent);
    }
}

static void write_bars(FILE *f, const struct sp_report *r, const struct buckets *b, double last,
                       const char *title, const char *color)
{
    double top = 4;
    for (size_t i = 0; i < BUCKETS; i++)
        top = b->n[i] > top ? b->n[i] : top;
    const struct sp_chart_axis x = {SP_CHART_LINEAR, 0, last, "seconds"};
    const struct sp_chart_axis y = {SP_CHART_LINEAR, 0, top, title};
    struct sp_chart c;
    sp_chart_begin(&c, f, &x, &y, 180);
    write_time_marks(&c, r, last);
    for (size_t i = 0; i < BUCKETS && (double)i * 0.25 < last; i++)
        sp_chart_bar(&c, (double)i * 0.25 + 0.02, (double)i * 0.25 + 0.23, b->n[i], color);
    sp_chart_end(&c);
}

static void write_timeline(FILE *f, const struct sp_report *r)
{
    static struct buckets drops, resent; /* too large for the stack */
    double last = seconds(r, r->end);
    drops = (struct buckets){.start = r->start};
    resent = (struct buckets){.start = r->start};
    for (int i = 0; i < 2; i++)
        walk_drops(r->drop_logs[i], add_drop, &drops);
    add_resent(&resent, r);
    write_messages(f, r, last);
    (void)fputs("<p>Datagrams lost on the way, per quarter of a second, both legs and both ways:</p>\n", f);
    write_bars(f, r, &drops, last, "lost", COLOR_DROP);
    (void)fputs("<p>Frames sent again by sender, gateway and recipient, per quarter of a second:</p>\n", f);
    write_bars(f, r, &resent, last, "sent again", COLOR_RESENT);
}

int sp_report_write(const struct sp_report *r, const char *path, struct sp_trouble *t)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return sp_trouble_set(t, SP_EXIT_IO, "%s: %s", path, strerror(errno));
    (void)fputs(head, f);
    write_summary(f, r);
    if (r->score->n > 0) {
        write_latency(f, r);
        write_timeline(f, r);
    }
    (void)fputs("<p>The same losses again: <code>", f);
    sp_chart_text(f, r->command);
    (void)fputs("</code></p>\n</html>\n", f);
    bool is_bad = ferror(f) != 0;
    if (fclose(f) != 0 || is_bad)
        return sp_trouble_set(t, SP_EXIT_IO, "%s: %s", path, strerror(errno));
    return 0;
}
