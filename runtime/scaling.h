/*
 * scaling.h - how many workers a pool should have now: a decision from numbers, and the reason for it.
 *
 * Three kinds of pools: fixed (least == most), on demand (least 0: no worker without jobs), dynamic (a window of idle
 * workers is kept, between min_spare and max_spare). Growing is quick (as many as jobs wait, or the spare window wants, at
 * most `step` at once); shrinking is slow (one `cooldown` after the last change, only workers that were idle for
 * `idle_timeout`), so a pool does not swing.
 */
#ifndef YM_RUNTIME_SCALING_H
#define YM_RUNTIME_SCALING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scaling {
	/* the rules */
	unsigned least, most;
	unsigned min_spare, max_spare; /* not looked at when least == 0 */
	unsigned step;
	uint64_t cooldown_ns, idle_timeout_ns;
	/* the moment */
	uint64_t now;
	unsigned wanted;    /* workers as decided last */
	unsigned starting;  /* of them, those that are not ready yet */
	unsigned idle;      /* that wait for jobs */
	unsigned idle_long; /* ... for idle_timeout or longer */
	uint64_t waiting;   /* jobs that could start now if there were a worker (not held by a limit, not paused) */
	uint64_t changed;   /* when `wanted` was changed last, 0: never */
};

#define SCALING_REASON_MAX 96

/* The new number. `reason` says why when it is another one, else it is "". */
unsigned scaling_decide(const struct scaling *scaling, char reason[SCALING_REASON_MAX]);

#endif
