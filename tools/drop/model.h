/* The loss model: what a bad network does to the n-th packet of a direction.
 *
 * It is pure: no clock, no system call, no allocation, no random stream.  Time is an argument, and every draw
 * is a hash of (seed, direction, purpose, index), so the fate of a packet does not depend on the packets
 * before it, on other clients or on the order of calls.  Two parts look at more than that, and say so: bursts
 * are a function of (seed, time), and the rate limit remembers how long its queue is.  It refuses to hold
 * packets or to wait: the caller does.
 */
#ifndef SP_MODEL_H
#define SP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_MODEL_COPIES_MAX     2      /* a packet and its duplicate */
#define SP_MODEL_HOLD_MAX       3      /* a reordered packet goes behind at most so many later ones */
#define SP_MODEL_BLACKHOLES_MAX 8      /* schedules at once */
#define SP_MODEL_RANGES_MAX     64     /* ranges of listed packets */
#define SP_MODEL_QUEUE_US       100000 /* the queue before a rate limit, in time */
#define SP_MODEL_HEADER_BYTES   28     /* IPv4 and UDP headers, counted by the rate limit */
#define SP_MODEL_TIME_MAX_US    (INT64_C(86400) * 1000000) /* longest delay, burst or blackhole */
#define SP_MODEL_RATE_MAX_KBIT  100000000.0

enum sp_model_dir { SP_MODEL_UP, SP_MODEL_DOWN, SP_MODEL_DIRS };

/* X(NAME, name): why a packet does not pass; the first cause in this order counts. */
#define SP_MODEL_VERDICT_TABLE(X)                                                                            \
    X(PASS, "pass")                                                                                          \
    X(LISTED, "listed")                                                                                      \
    X(BLACKHOLE, "blackhole")                                                                                \
    X(LOSS, "loss")                                                                                          \
    X(BURST, "burst")                                                                                        \
    X(RATE, "rate")

#define SP_MODEL_VERDICT_ENUM(name, text) SP_MODEL_##name,
enum sp_model_verdict { SP_MODEL_VERDICT_TABLE(SP_MODEL_VERDICT_ENUM) SP_MODEL_VERDICTS };
#undef SP_MODEL_VERDICT_ENUM

/* Passes for on_us, loses everything for off_us, and so on; after `repeat` rounds it passes for good (0:
 * never). */
struct sp_model_blackhole {
    int64_t on_us, off_us;
    uint64_t repeat;
    bool dir[SP_MODEL_DIRS];
};

/* Packets first..last of one direction are lost.  Indexes begin with 1. */
struct sp_model_range {
    enum sp_model_dir dir;
    uint64_t first, last;
};

/* All zero is a perfect wire.  Shares are 0..1. */
struct sp_model_config {
    uint64_t seed;
    double loss[SP_MODEL_DIRS];   /* share lost; with burst_us the share of time in the bad state */
    int64_t burst_us;             /* mean stay in the bad state; 0: losses are independent */
    bool shared_fade;             /* one bad state for both directions; wants equal loss */
    double good_loss, bad_pass;   /* bursts: share lost in the good state, share that passes in the bad one */
    int64_t delay_us, jitter_us;  /* one way: delay_us plus 0..jitter_us, uniform */
    double dup, reorder, corrupt; /* shares of the packets that pass */
    double rate_kbit;             /* per direction, 1 kbit = 1000 bits; 0: unlimited */
    struct sp_model_blackhole blackholes[SP_MODEL_BLACKHOLES_MAX];
    unsigned blackholes_n;
    struct sp_model_range ranges[SP_MODEL_RANGES_MAX];
    unsigned ranges_n;
};

enum sp_model_purpose {
    SP_MODEL_FOR_LOSS,
    SP_MODEL_FOR_DUP,
    SP_MODEL_FOR_REORDER,
    SP_MODEL_FOR_HOLD,
    SP_MODEL_FOR_CORRUPT,
    SP_MODEL_FOR_BIT,
    SP_MODEL_FOR_JITTER,
    SP_MODEL_FOR_COPY_JITTER,
    SP_MODEL_FOR_FADE_COUNT,
    SP_MODEL_FOR_FADE_TIME,
    SP_MODEL_FOR_FADE_STATE,
    SP_MODEL_PURPOSES
};

/* Memory of the caller; fields are private. */
struct sp_model {
    struct sp_model_config config;
    uint64_t keys[SP_MODEL_DIRS][SP_MODEL_PURPOSES];
    int64_t line_free_us[SP_MODEL_DIRS]; /* when the rate-limited line has sent what it took */
};

struct sp_model_packet {
    enum sp_model_dir dir;
    uint64_t index; /* 1 for the first packet of the direction */
    int64_t now_us; /* since the start of the run, not negative */
    size_t len;     /* payload bytes */
};

struct sp_model_fate {
    enum sp_model_verdict verdict;         /* SP_MODEL_PASS, or why nothing is delivered */
    unsigned copies;                       /* 1 or 2; 0 unless it passes */
    int64_t delay_us[SP_MODEL_COPIES_MAX]; /* of each copy, from now_us */
    unsigned hold;   /* copy 0 waits until so many later packets of the direction went */
    bool corrupt;    /* copy 0 has one bit flipped; copy 1 is intact */
    size_t flip_bit; /* which: byte flip_bit / 8, bit flip_bit % 8 */
};

/* What is wrong with a configuration, as static text that follows the name of the field, or NULL if it is
 * sound. */
const char *sp_model_problem(const struct sp_model_config *config);

/* Begins a run at time 0.  `config` is copied and must be sound. */
void sp_model_init(struct sp_model *m, const struct sp_model_config *config);

/* The fate of one packet.  Only a rate limit makes it depend on earlier calls; then a direction's calls are
 * to come in the order of time. */
void sp_model_judge(struct sp_model *m, const struct sp_model_packet *packet, struct sp_model_fate *out);

/* Whether the burst state of a direction is bad at a time.  False without bursts. */
bool sp_model_is_faded(const struct sp_model *m, enum sp_model_dir dir, int64_t now_us);

/* Static text such as "loss". */
const char *sp_model_verdict_name(enum sp_model_verdict verdict);

/* "up" or "down". */
const char *sp_model_dir_name(enum sp_model_dir dir);

#endif
