/*
 * settle.h - after the killing: everything must come to its end, and nothing may be left.
 */
#ifndef YM_TESTS_SETTLE_H
#define YM_TESTS_SETTLE_H

#include <stdbool.h>

#include "events.h"

/* What was seen of the jobs before they were forgotten: by number, how many workers a buried one had killed; 0: not buried. */
struct settled {
	unsigned char *crashes;
	unsigned jobs;
};

/* With everything at peace: wait until all jobs are over, look at limits, take buried jobs out. `events`: as of now. */
void settle(struct settled *settled, struct events *events);

/* Stop in order; then there must be nothing. */
void settle_and_leave(void);

#endif
