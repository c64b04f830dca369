/* The accidents of a world, as its plan has drawn them: of each phone, of the wire in front of it, of the
 * gateway. They begin while the world is not calm and end by themselves; sim_trouble_end takes back those
 * under way. */
#ifndef SIM_TROUBLE_H
#define SIM_TROUBLE_H

#include "device.h"

struct sim_trouble;

/* Books the first of each kind.  Devices are borrowed. */
struct sim_trouble *sim_trouble_create(struct sim_scene *scene, struct sim_device **devices, size_t n);
/* The world is calm from now on: the gateway runs, clocks are right, wires are whole, every device runs. */
void sim_trouble_end(struct sim_trouble *t);
void sim_trouble_destroy(struct sim_trouble **t);
/* Gateways killed so far. */
unsigned sim_trouble_crashes(const struct sim_trouble *t);
/* Whether the store was opened anew since the last call: ports of before are gone. */
bool sim_trouble_take_reopened(struct sim_trouble *t);

#endif
