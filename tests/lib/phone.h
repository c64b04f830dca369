/* An endpoint with the production client library and the simplest app: it keeps every message at once,
 * remembers all it was handed and told, and checks the library's promises while it does (seq order, nothing
 * twice). */
#ifndef SP_PHONE_H
#define SP_PHONE_H

#include "memlocal.h"
#include "rig.h"

#include <sampan/client.h>

struct sp_phone_message {
    struct sp_seq seq;
    struct sp_msgid msgid;
    uint32_t device;
    sp_time at;
    char from[SP_USER_MAX + 1];
    char body[SP_PART_MAX + 1];
};
struct sp_phone_sent { /* what the app knows of a message of its own */
    struct sp_msgid msgid;
    uint8_t state;
    int failed; /* code of FAILED; 0: not failed */
    bool is_unknown;
    sp_time sent_at, accepted_at, delivered_at;
};

struct sp_phone {
    struct sp_rig *rig;
    int endpoint;
    char user[SP_USER_MAX + 1];
    uint32_t device;
    bool receives;
    uint16_t rights;
    int64_t clock_off_s;
    bool keeps_nothing; /* the app is slow: nothing is confirmed */
    struct sp_memlocal local;
    void *memory;
    struct sp_client *client; /* NULL: the process is dead */
    struct sp_phone_message *got;
    size_t got_n, got_cap;
    struct sp_phone_sent *sent;
    size_t sent_n, sent_cap;
    struct sp_phone_skip {
        uint32_t lo, hi;
        uint8_t why;
    } * skips;
    size_t skips_n, skips_cap;
    unsigned online, offline, tokens, resyncs;
    int last_offline; /* code of the last OFFLINE */
    struct sp_seq kept;
    struct sp_client_event status; /* the last STATUS */
};

/* A phone that is off. */
struct sp_phone *sp_phone_create(struct sp_rig *r, const char *user, uint32_t device, bool receives);
void sp_phone_destroy(struct sp_phone **p);
/* Starts the process: the library loads what the install remembers. */
void sp_phone_start(struct sp_phone *p);
/* kill -9. */
void sp_phone_kill(struct sp_phone *p);
/* Says goodbye, waits until that is through, ends the process. */
void sp_phone_stop(struct sp_phone *p);
/* Starts and runs the world until it is online; the test fails after 10 s. */
void sp_phone_connect(struct sp_phone *p);
/* Submits; returns the msgid. */
struct sp_msgid sp_phone_send(struct sp_phone *p, const char *to, const char *body);
struct sp_msgid sp_phone_send_four(struct sp_phone *p, const char *to, const char *body);
/* What the app knows of a message of its own. */
const struct sp_phone_sent *sp_phone_sent(const struct sp_phone *p, struct sp_msgid id);
/* Runs the world until a message has reached a state (or more), or so many have arrived; the test fails at
 * the limit. */
void sp_phone_wait_state(struct sp_phone *p, struct sp_msgid id, uint8_t state, sp_time limit_us);
void sp_phone_wait_all(struct sp_phone *p, uint8_t state, sp_time limit_us);
void sp_phone_wait_got(struct sp_phone *p, size_t n, sp_time limit_us);
struct sp_client_stats sp_phone_stats(const struct sp_phone *p);

#endif
