/* An allocator that says no: the linker puts it before malloc, calloc and realloc (tests/CMakeLists.txt), and
 * while it is armed some of those that the store makes for a request get no memory.  Nobody else's. */
#ifndef SIM_REFUSE_H
#define SIM_REFUSE_H

#include "dice.h"

/* Of 1,000; 0: never. */
void sim_refuse_arm(unsigned of_1000, struct sp_dice dice);
/* The next requests are somebody's who cannot do without.  Returns what to give to sim_refuse_resume. */
unsigned sim_refuse_pause(void);
void sim_refuse_resume(unsigned of_1000);
/* Refused so far. */
uint64_t sim_refuse_count(void);

#endif
