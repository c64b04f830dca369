/* Profiles.  Delay, rate and loss of edge, 3g and wifi are those of the README of tylertreat/comcast; the
 * others are our own scenes. */
#include "profile.h"

#include <string.h>

#define MS(n) (INT64_C(1000) * (n))
#define S(n)  (INT64_C(1000000) * (n))
#define BOTH(p)                                                                                              \
    {                                                                                                        \
        (p), (p)                                                                                             \
    }

static const struct sp_profile profiles[] = {
    {"edge",
     "delay 300 ms, 250 kbit/s, loss 1.5 %",
     {.delay_us = MS(300), .rate_kbit = 250, .loss = BOTH(0.015)}},
    {"3g",
     "delay 250 ms, 750 kbit/s, loss 1.5 %",
     {.delay_us = MS(250), .rate_kbit = 750, .loss = BOTH(0.015)}},
    {"wifi",
     "delay 40 ms, 30000 kbit/s, loss 0.2 %",
     {.delay_us = MS(40), .rate_kbit = 30000, .loss = BOTH(0.002)}},
    {"burst",
     "delay 50 ms, fades of 0.4 s on average, 1/11 of the time: 80 % lost in them, 1 % else",
     {.delay_us = MS(50),
      .loss = BOTH(1.0 / 11),
      .burst_us = MS(400),
      .shared_fade = true,
      .good_loss = 0.01,
      .bad_pass = 0.2}},
    {"subway",
     "delay 60 ms, jitter 40 ms, loss 2 %, 2000 kbit/s; 20 s of coverage, 8 s of tunnel",
     {.delay_us = MS(60),
      .jitter_us = MS(40),
      .loss = BOTH(0.02),
      .rate_kbit = 2000,
      .blackholes = {{.on_us = S(20), .off_us = S(8), .dir = {true, true}}},
      .blackholes_n = 1}},
    {"lift",
     "delay 40 ms, jitter 20 ms, loss 1 %; 30 s of coverage, 15 s of none",
     {.delay_us = MS(40),
      .jitter_us = MS(20),
      .loss = BOTH(0.01),
      .blackholes = {{.on_us = S(30), .off_us = S(15), .dir = {true, true}}},
      .blackholes_n = 1}},
    {"crowd",
     "delay 150 ms, jitter 250 ms, fades of 0.3 s, 10 % of the time, all lost; 500 kbit/s, reordered 1 %",
     {.delay_us = MS(150),
      .jitter_us = MS(250),
      .loss = BOTH(0.1),
      .burst_us = MS(300),
      .shared_fade = true,
      .reorder = 0.01,
      .rate_kbit = 500}},
};

const struct sp_profile *sp_profile_get(size_t i)
{
    return i < sizeof profiles / sizeof profiles[0] ? &profiles[i] : NULL;
}

const struct sp_profile *sp_profile_find(const char *name)
{
    const struct sp_profile *p = NULL;
    for (size_t i = 0; (p = sp_profile_get(i)) != NULL; i++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}
