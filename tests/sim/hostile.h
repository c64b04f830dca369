/* Those who want to do harm: somebody on the path who keeps datagrams and sends them again, changed or not,
 * from whatever address; somebody who sends noise; and clients with a good token that lie. */
#ifndef SIM_HOSTILE_H
#define SIM_HOSTILE_H

#include "device.h"

struct sim_hostile;

struct sim_hostile *sim_hostile_create(struct sim_scene *scene);
/* A datagram passes; it may be remembered. */
void sim_hostile_see(struct sim_hostile *h, const struct sp_rig_packet *p);
/* If the plan damages: true if a damaged one goes in the place of this datagram.  Each new state's first of a
 * kind is damaged, then 1 in 16 (after picoquic's stress test). */
bool sim_hostile_damage(struct sim_hostile *h, const struct sp_rig_packet *p);
/* They leave; their sessions end by themselves. */
void sim_hostile_end(struct sim_hostile *h);
void sim_hostile_destroy(struct sim_hostile **h);

#endif
