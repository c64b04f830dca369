/* The HTML report of a demo run: one self-contained file with inline SVG, nothing loaded from anywhere. */
#ifndef SP_REPORT_H
#define SP_REPORT_H

#include "score.h"
#include "trouble.h"

#define SP_REPORT_SAMPLES_MAX 20000

/* Counters at one moment, cumulative. */
struct sp_report_sample {
    sp_time at;
    uint64_t resent;  /* frames repeated by a, b and the gateway */
    uint64_t waiting; /* messages that a waits for */
};
struct sp_report {
    const struct sp_score *score;
    sp_time start, end, absent_from, absent_to, killed_at, ready_at;
    const char *drop_logs[2]; /* event logs of the two relays, "" for none */
    const char *command;      /* that repeats the run */
    double loss;
    uint64_t seed;
    struct sp_report_sample samples[SP_REPORT_SAMPLES_MAX];
    size_t samples_n;
    uint64_t datagrams, dropped, resent, removed; /* totals shown in the table */
    bool is_good;
};

/* Writes the report to `path`.  SP_EXIT_IO. */
int sp_report_write(const struct sp_report *r, const char *path, struct sp_trouble *t);
/* Lines of an event log that tell of a dropped packet. */
uint64_t sp_report_drops(const char *log);
/* Datagrams that a relay received from both sides, by its statistics file. */
uint64_t sp_report_entered(const char *stats);

#endif
