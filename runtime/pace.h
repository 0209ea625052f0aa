/*
 * pace.h - how fast something goes, for who looks at it from time to time.
 *
 * A rate is taken between two looks at least PACE_SPAN_NS apart, and smoothed with the one before. What has stopped going
 * is seen to get slower: a rate of the past holds only as long as the next step is not overdue.
 */
#ifndef YM_RUNTIME_PACE_H
#define YM_RUNTIME_PACE_H

#include <stdint.h>

#include "../ipc/clock.h"

#define PACE_SPAN_NS UINT64_C(400000000)

/* Zeroed: nothing was seen yet. */
struct pace {
	uint64_t at, done; /* the look that the next rate is taken from; at 0: none yet */
	uint64_t step;     /* how far it came between the last two of them */
	unsigned attempt;  /* that this is about */
	double rate;       /* of the last steps; 0: not known yet */
};

/* It is so far now (ym_now_ns()). Another attempt, or fewer than before, begins anew. */
void pace_note(struct pace *pace, unsigned attempt, uint64_t done, uint64_t now);

/* Units a second; 0: not known yet. */
double pace_rate(const struct pace *pace, uint64_t now);

/* Nanoseconds until all is done at this rate, YM_NEVER if that cannot be said (`total` 0: not known how much it is). */
uint64_t pace_eta(const struct pace *pace, uint64_t done, uint64_t total, uint64_t now);

#endif
