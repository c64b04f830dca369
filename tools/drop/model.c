/* The loss model.  Draws are the 64-bit mixer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
 * Number Generators, OOPSLA 2014) applied to key + counter * odd constant, which makes the generator
 * random-access. */
#include "model.h"

#include <string.h>

#define GOLDEN               UINT64_C(0x9e3779b97f4a7c15) /* 2^64 divided by the golden ratio, odd */
#define FADE_BLOCKS_MAX      64                           /* look-back; a longer gap has probability e^-64 */
#define FADE_EVENTS_MAX      9                            /* of one block; more have probability 1e-7 */
#define FADE_EVENTS_PER_HASH 16                           /* counters reserved for a block */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t draw(const struct sp_model *m, enum sp_model_dir dir, enum sp_model_purpose purpose,
                     uint64_t counter)
{
    return mix(m->keys[dir][purpose] + counter * GOLDEN);
}

/* Uniform in [0, 1): the upper 53 bits, exact in a double. */
static double uniform(const struct sp_model *m, enum sp_model_dir dir, enum sp_model_purpose purpose,
                      uint64_t counter)
{
    return (double)(draw(m, dir, purpose, counter) >> 11) * 0x1p-53;
}

static bool happens(const struct sp_model *m, const struct sp_model_packet *p, enum sp_model_purpose purpose,
                    double share)
{
    return share > 0 && uniform(m, p->dir, purpose, p->index) < share;
}

static bool is_share(double v)
{
    return v >= 0 && v <= 1;
}

static bool is_span(int64_t us)
{
    return us >= 0 && us <= SP_MODEL_TIME_MAX_US;
}

static const char *blackhole_problem(const struct sp_model_blackhole *b)
{
    if (!is_span(b->on_us) || !is_span(b->off_us))
        return "blackhole: on and off are from 0 to 86400 s";
    if (b->off_us == 0)
        return "blackhole: off is not to be 0";
    if (!b->dir[SP_MODEL_UP] && !b->dir[SP_MODEL_DOWN])
        return "blackhole: no direction";
    return NULL;
}

static const char *lists_problem(const struct sp_model_config *c)
{
    if (c->blackholes_n > SP_MODEL_BLACKHOLES_MAX)
        return "blackhole: too many schedules";
    for (unsigned i = 0; i < c->blackholes_n; i++) {
        const char *problem = blackhole_problem(&c->blackholes[i]);
        if (problem != NULL)
            return problem;
    }
    if (c->ranges_n > SP_MODEL_RANGES_MAX)
        return "droplist: too many ranges";
    for (unsigned i = 0; i < c->ranges_n; i++)
        if (c->ranges[i].first == 0 || c->ranges[i].last < c->ranges[i].first)
            return "droplist: a range is first-last, counted from 1";
    return NULL;
}

const char *sp_model_problem(const struct sp_model_config *c)
{
    if (!is_share(c->loss[SP_MODEL_UP]) || !is_share(c->loss[SP_MODEL_DOWN]))
        return "loss: a share is from 0 to 1";
    if (!is_share(c->good_loss) || !is_share(c->bad_pass))
        return "burst: a share is from 0 to 1";
    if (!is_share(c->dup) || !is_share(c->reorder) || !is_share(c->corrupt))
        return "dup, reorder, corrupt: a share is from 0 to 1";
    if (!is_span(c->delay_us) || !is_span(c->jitter_us) || !is_span(c->burst_us))
        return "delay, jitter, burst: a time is from 0 to 86400 s";
    if (!(c->rate_kbit >= 0 && c->rate_kbit <= SP_MODEL_RATE_MAX_KBIT))
        return "rate: from 0 to 100000000 kbit/s";
    if (c->burst_us > 0 && c->loss[SP_MODEL_UP] <= 0 && c->loss[SP_MODEL_DOWN] <= 0)
        return "burst: needs a loss, the share of time in the bad state";
    return lists_problem(c);
}

void sp_model_init(struct sp_model *m, const struct sp_model_config *config)
{
    memset(m, 0, sizeof *m);
    m->config = *config;
    for (unsigned dir = 0; dir < SP_MODEL_DIRS; dir++)
        for (unsigned purpose = 0; purpose < SP_MODEL_PURPOSES; purpose++)
            m->keys[dir][purpose] = mix(mix(config->seed + GOLDEN) + (dir * 256 + purpose + 1) * GOLDEN);
}

/* The number of events of a Poisson process of mean 1, by inversion.  The table is e^-1 * (1/0! + ... +
 * 1/k!). */
static unsigned poisson_of_mean_1(double u)
{
    static const double cumulative[FADE_EVENTS_MAX] = {
        0.36787944117144233, 0.73575888234288467, 0.91969860292860584,
        0.98101184312384626, 0.99634015317265634, 0.99940581518241842,
        0.99991675885071210, 0.99998975080332536, 0.99999887479740203};
    unsigned k = 0;
    while (k < FADE_EVENTS_MAX && u >= cumulative[k])
        k++;
    return k;
}

/* The latest event of a block at or before `limit` (a fraction of the block) as its counter, or 0 if there is
 * none. */
static uint64_t latest_event(const struct sp_model *m, enum sp_model_dir stream, uint64_t block, double limit)
{
    unsigned n = poisson_of_mean_1(uniform(m, stream, SP_MODEL_FOR_FADE_COUNT, block));
    uint64_t found = 0;
    double best = -1;
    for (unsigned k = 1; k <= n; k++) {
        uint64_t counter = block * FADE_EVENTS_PER_HASH + k;
        double at = uniform(m, stream, SP_MODEL_FOR_FADE_TIME, counter);
        if (at <= limit && at > best) {
            best = at;
            found = counter;
        }
    }
    return found;
}

/* Gilbert-Elliott in time: a Markov chain of two states, bad for burst_us on average and a share `loss` of
 * all time (Gilbert: Capacity of a Burst-Noise Channel, 1960).  So that any time can be asked for without
 * walking there, the chain is made by uniformization: a Poisson process of rate 1 / (burst_us * (1 - loss))
 * redraws the state from its stationary distribution.  The chain leaves bad at that rate times (1 - loss) = 1
 * / burst_us, as it must.  Time is cut into blocks of one expected event, whose events are hashes of the
 * block's number. */
bool sp_model_is_faded(const struct sp_model *m, enum sp_model_dir dir, int64_t now_us)
{
    const struct sp_model_config *c = &m->config;
    double share = c->loss[dir];
    if (c->burst_us == 0 || share <= 0)
        return false;
    if (share >= 1)
        return true;
    enum sp_model_dir stream = c->shared_fade ? SP_MODEL_UP : dir;
    double blocks = (double)(now_us > 0 ? now_us : 0) / ((double)c->burst_us * (1 - share));
    /* Counters wrap harmlessly, so a bound that keeps the conversion defined is enough. */
    uint64_t block = blocks < 0x1p62 ? (uint64_t)blocks : UINT64_C(1) << 62;
    double limit = blocks - (double)block;
    uint64_t event = latest_event(m, stream, block, limit);
    for (unsigned back = 1; event == 0 && back <= FADE_BLOCKS_MAX && back <= block; back++)
        event = latest_event(m, stream, block - back, 1);
    return uniform(m, stream, SP_MODEL_FOR_FADE_STATE, event) < share;
}

static bool is_listed(const struct sp_model_config *c, const struct sp_model_packet *p)
{
    for (unsigned i = 0; i < c->ranges_n; i++) {
        const struct sp_model_range *r = &c->ranges[i];
        if (r->dir == p->dir && p->index >= r->first && p->index <= r->last)
            return true;
    }
    return false;
}

static bool is_blackholed(const struct sp_model_config *c, const struct sp_model_packet *p)
{
    for (unsigned i = 0; i < c->blackholes_n; i++) {
        const struct sp_model_blackhole *b = &c->blackholes[i];
        int64_t round_us = b->on_us + b->off_us;
        bool over = b->repeat != 0 && (uint64_t)(p->now_us / round_us) >= b->repeat;
        if (b->dir[p->dir] && !over && p->now_us % round_us >= b->on_us)
            return true;
    }
    return false;
}

/* LOSS, BURST or PASS. */
static enum sp_model_verdict loss_verdict(const struct sp_model *m, const struct sp_model_packet *p)
{
    const struct sp_model_config *c = &m->config;
    if (c->burst_us == 0)
        return happens(m, p, SP_MODEL_FOR_LOSS, c->loss[p->dir]) ? SP_MODEL_LOSS : SP_MODEL_PASS;
    if (sp_model_is_faded(m, p->dir, p->now_us))
        return happens(m, p, SP_MODEL_FOR_LOSS, 1 - c->bad_pass) ? SP_MODEL_BURST : SP_MODEL_PASS;
    return happens(m, p, SP_MODEL_FOR_LOSS, c->good_loss) ? SP_MODEL_LOSS : SP_MODEL_PASS;
}

/* Takes a packet into the queue of the rate-limited line: its time until it is sent whole, or false if the
 * queue is longer than SP_MODEL_QUEUE_US. */
static bool line_takes(struct sp_model *m, const struct sp_model_packet *p, int64_t *wait_us)
{
    *wait_us = 0;
    if (m->config.rate_kbit <= 0)
        return true;
    int64_t *free_us = &m->line_free_us[p->dir];
    int64_t start_us = *free_us > p->now_us ? *free_us : p->now_us;
    if (start_us - p->now_us > SP_MODEL_QUEUE_US)
        return false;
    double bits = 8.0 * (double)(p->len + SP_MODEL_HEADER_BYTES);
    *free_us = start_us + (int64_t)(bits * 1000 / m->config.rate_kbit + 0.5);
    *wait_us = *free_us - p->now_us;
    return true;
}

static int64_t jittered(const struct sp_model *m, const struct sp_model_packet *p,
                        enum sp_model_purpose purpose)
{
    if (m->config.jitter_us == 0)
        return m->config.delay_us;
    double span = (double)m->config.jitter_us + 1;
    return m->config.delay_us + (int64_t)(uniform(m, p->dir, purpose, p->index) * span);
}

static void deliver(const struct sp_model *m, const struct sp_model_packet *p, int64_t wait_us,
                    struct sp_model_fate *out)
{
    const struct sp_model_config *c = &m->config;
    out->copies = happens(m, p, SP_MODEL_FOR_DUP, c->dup) ? 2 : 1;
    out->delay_us[0] = wait_us + jittered(m, p, SP_MODEL_FOR_JITTER);
    out->delay_us[1] = wait_us + jittered(m, p, SP_MODEL_FOR_COPY_JITTER);
    if (happens(m, p, SP_MODEL_FOR_REORDER, c->reorder))
        out->hold = 1 + (unsigned)(draw(m, p->dir, SP_MODEL_FOR_HOLD, p->index) % SP_MODEL_HOLD_MAX);
    if (p->len > 0 && happens(m, p, SP_MODEL_FOR_CORRUPT, c->corrupt)) {
        out->corrupt = true;
        out->flip_bit = (size_t)(draw(m, p->dir, SP_MODEL_FOR_BIT, p->index) % (p->len * 8));
    }
}

void sp_model_judge(struct sp_model *m, const struct sp_model_packet *packet, struct sp_model_fate *out)
{
    memset(out, 0, sizeof *out);
    int64_t wait_us = 0;
    if (is_listed(&m->config, packet))
        out->verdict = SP_MODEL_LISTED;
    else if (is_blackholed(&m->config, packet))
        out->verdict = SP_MODEL_BLACKHOLE;
    else
        out->verdict = loss_verdict(m, packet);
    if (out->verdict == SP_MODEL_PASS && !line_takes(m, packet, &wait_us))
        out->verdict = SP_MODEL_RATE;
    if (out->verdict == SP_MODEL_PASS)
        deliver(m, packet, wait_us, out);
}

const char *sp_model_verdict_name(enum sp_model_verdict verdict)
{
#define VERDICT_NAME(name, text) text,
    static const char *const names[] = {SP_MODEL_VERDICT_TABLE(VERDICT_NAME)};
#undef VERDICT_NAME
    return verdict < SP_MODEL_VERDICTS ? names[verdict] : "unknown";
}

const char *sp_model_dir_name(enum sp_model_dir dir)
{
    return dir == SP_MODEL_UP ? "up" : "down";
}
