/* What sampan-drop did: counts by direction and fate, and how late it was itself.  Written as one flat JSON
 * object. */
#ifndef SP_TALLY_H
#define SP_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "model.h"

/* X(NAME, name): counters of a direction.
 * received + duplicated = sent + listed + blackhole + loss + burst + rate + overflow + no_client + no_socket
 * + send_error + waiting, at any time. */
#define SP_TALLY_TABLE(X)                                                                                    \
    X(RECEIVED, "received")             /* datagrams read from the direction's sender */                     \
    X(RECEIVED_BYTES, "received_bytes") /* their payload */                                                  \
    X(SENT, "sent")                     /* datagrams handed to the receiver's socket */                      \
    X(SENT_BYTES, "sent_bytes")                                                                              \
    X(LISTED, "listed")           /* lost by --droplist */                                                   \
    X(BLACKHOLE, "blackhole")     /* lost by --blackhole */                                                  \
    X(LOSS, "loss")               /* lost by --loss, or in the good state of a burst profile */              \
    X(BURST, "burst")             /* lost in the bad state */                                                \
    X(RATE, "rate")               /* lost because the queue of --rate was full */                            \
    X(OVERFLOW, "overflow")       /* lost because the delay heap or memory was full */                       \
    X(NO_CLIENT, "no_client")     /* lost because the client table was full */                               \
    X(NO_SOCKET, "no_socket")     /* lost because no upstream socket could be made */                        \
    X(SEND_ERROR, "send_error")   /* lost because the system refused to send */                              \
    X(WAITING, "waiting")         /* in the delay heap now */                                                \
    X(DUPLICATED, "duplicated")   /* extra copies made */                                                    \
    X(CORRUPTED, "corrupted")     /* datagrams with a flipped bit */                                         \
    X(REORDERED, "reordered")     /* datagrams held behind later ones */                                     \
    X(KERNEL_LOST, "kernel_lost") /* lost before us: the socket's buffer was full; not in received */

#define SP_TALLY_ENUM(name, text) SP_TALLY_##name,
enum sp_tally_count { SP_TALLY_TABLE(SP_TALLY_ENUM) SP_TALLY_COUNTS };
#undef SP_TALLY_ENUM

#define SP_TALLY_BUCKETS 2048

/* Memory of the caller; all zero is a start. */
struct sp_tally {
    uint64_t counts[SP_MODEL_DIRS][SP_TALLY_COUNTS];
    uint64_t clients, clients_seen, clients_evicted, rebinds;
    uint64_t pcap_skipped, events_skipped;
    uint64_t late[SP_TALLY_BUCKETS]; /* of each send, by size */
    uint64_t late_n;
    int64_t late_max_us;
};

/* About the run, for the report. */
struct sp_tally_run {
    uint64_t seed;
    int64_t started_us; /* CLOCK_MONOTONIC at the start */
    int64_t uptime_us;
};

/* Adds to a counter of a direction. */
void sp_tally_add(struct sp_tally *t, enum sp_model_dir dir, enum sp_tally_count count, uint64_t n);

/* The counter that belongs to a verdict other than SP_MODEL_PASS. */
enum sp_tally_count sp_tally_of_verdict(enum sp_model_verdict verdict);

/* Notes that a datagram left `late_us` after it was due. */
void sp_tally_note_late(struct sp_tally *t, int64_t late_us);

/* Lateness that a share of all sends did not exceed, in us, at most 1/32 too high; 0 without sends. */
int64_t sp_tally_late_us(const struct sp_tally *t, double share);

/* Writes the JSON object, a name and a number per line.  The caller looks at ferror. */
void sp_tally_print(const struct sp_tally *t, const struct sp_tally_run *run, FILE *out);

/* Writes it to a file that always is whole: to `path` with ".tmp", then renamed.  0 or -1 with errno. */
int sp_tally_save(const struct sp_tally *t, const struct sp_tally_run *run, const char *path);

#endif
