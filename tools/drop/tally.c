/* Counters and lateness. */
#include "tally.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#define FINE_BITS 5 /* 32 buckets for each doubling */
#define FINE      (UINT64_C(1) << FINE_BITS)

void sp_tally_add(struct sp_tally *t, enum sp_model_dir dir, enum sp_tally_count count, uint64_t n)
{
    t->counts[dir][count] += n;
}

enum sp_tally_count sp_tally_of_verdict(enum sp_model_verdict verdict)
{
    switch (verdict) {
    case SP_MODEL_LISTED:
        return SP_TALLY_LISTED;
    case SP_MODEL_BLACKHOLE:
        return SP_TALLY_BLACKHOLE;
    case SP_MODEL_BURST:
        return SP_TALLY_BURST;
    case SP_MODEL_RATE:
        return SP_TALLY_RATE;
    case SP_MODEL_LOSS:
    case SP_MODEL_PASS:
    case SP_MODEL_VERDICTS:
        break;
    }
    return SP_TALLY_LOSS;
}

/* Values below FINE have a bucket each; above, a bucket is 1/FINE of a doubling. */
static unsigned bucket_of(uint64_t value)
{
    unsigned shift = 0;
    while (value >> shift >= 2 * FINE)
        shift++;
    return (unsigned)(shift * FINE + (value >> shift));
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    uint64_t shift = bucket < 2 * FINE ? 0 : bucket / FINE - 1;
    uint64_t mantissa = bucket - shift * FINE;
    return ((mantissa + 1) << shift) - 1;
}

void sp_tally_note_late(struct sp_tally *t, int64_t late_us)
{
    uint64_t value = late_us > 0 ? (uint64_t)late_us : 0;
    t->late[bucket_of(value)]++;
    t->late_n++;
    if (late_us > t->late_max_us)
        t->late_max_us = late_us;
}

int64_t sp_tally_late_us(const struct sp_tally *t, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < SP_TALLY_BUCKETS; i++) {
        seen += t->late[i];
        if (t->late[i] > 0 && (double)seen >= share * (double)t->late_n) {
            int64_t top = (int64_t)bucket_top(i);
            return top < t->late_max_us ? top : t->late_max_us;
        }
    }
    return 0;
}

static void print_dir(const struct sp_tally *t, enum sp_model_dir dir, FILE *out)
{
#define COUNT_NAME(name, text) text,
    static const char *const names[SP_TALLY_COUNTS] = {SP_TALLY_TABLE(COUNT_NAME)};
#undef COUNT_NAME
    for (unsigned i = 0; i < SP_TALLY_COUNTS; i++)
        (void)fprintf(out, ",\n\"%s_%s\": %" PRIu64, sp_model_dir_name(dir), names[i], t->counts[dir][i]);
}

void sp_tally_print(const struct sp_tally *t, const struct sp_tally_run *run, FILE *out)
{
    (void)fprintf(out, "{\n\"seed\": %" PRIu64, run->seed);
    (void)fprintf(out, ",\n\"started_us\": %" PRId64 ",\n\"uptime_us\": %" PRId64, run->started_us,
                  run->uptime_us);
    (void)fprintf(out, ",\n\"clients\": %" PRIu64 ",\n\"clients_seen\": %" PRIu64, t->clients,
                  t->clients_seen);
    (void)fprintf(out, ",\n\"clients_evicted\": %" PRIu64 ",\n\"rebinds\": %" PRIu64, t->clients_evicted,
                  t->rebinds);
    (void)fprintf(out, ",\n\"late_p50_us\": %" PRId64 ",\n\"late_p99_us\": %" PRId64,
                  sp_tally_late_us(t, 0.5), sp_tally_late_us(t, 0.99));
    (void)fprintf(out, ",\n\"late_max_us\": %" PRId64, t->late_max_us);
    (void)fprintf(out, ",\n\"pcap_skipped\": %" PRIu64 ",\n\"events_skipped\": %" PRIu64, t->pcap_skipped,
                  t->events_skipped);
    print_dir(t, SP_MODEL_UP, out);
    print_dir(t, SP_MODEL_DOWN, out);
    (void)fprintf(out, "\n}\n");
}

int sp_tally_save(const struct sp_tally *t, const struct sp_tally_run *run, const char *path)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    FILE *out = fopen(temporary, "we");
    if (out == NULL)
        return -1;
    sp_tally_print(t, run, out);
    int bad = ferror(out);
    if (fclose(out) != 0 || bad != 0 || rename(temporary, path) != 0) {
        int error = errno;
        (void)unlink(temporary);
        errno = error;
        return -1;
    }
    return 0;
}
