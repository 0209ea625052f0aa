/* park.h - jobs that wait for a unit of a limit, without holding a worker. */
#ifndef YM_RUNTIME_PARK_H
#define YM_RUNTIME_PARK_H

#include "instance.h"

/* Put a claimed job aside until the limit has a free unit. The attempt does not count. */
void dispatch_park(struct instance *instance, uint32_t slot, uint64_t word, unsigned limit);

/* After `units` of a limit were given back: wake as many of the jobs parked on it, oldest first. */
void dispatch_unpark(struct instance *instance, unsigned limit, unsigned units);

#endif
