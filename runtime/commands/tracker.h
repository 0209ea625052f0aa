/*
 * tracker.h - jobs watched over time: which ones, what changed, how fast they go.
 */
#ifndef YM_RUNTIME_COMMANDS_TRACKER_H
#define YM_RUNTIME_COMMANDS_TRACKER_H

#include "filter.h"

struct tracked {
	struct view_job job; /* as last seen */
	bool seen;           /* in the last look */
	bool changed;        /* state or attempt differ from the look before */
	double rate;         /* progress a second, 0: not known yet */
	uint64_t rate_done, rate_at;
	uint64_t told; /* ym_now_ns() of the last line about it (plain output) */
	uint64_t told_done;
};

struct tracker {
	struct tracked *list;
	size_t count, room;
	bool all;             /* follow every unfinished job, also new ones; else only those listed from the start */
	struct filter filter; /* of them, those that it wants */
};

/* Follow one job by id. */
int tracker_add(struct tracker *tracker, uint64_t id, struct ym_err *err);

/* Look at the instance again. */
int tracker_look(struct tracker *tracker, const struct instance *instance, struct ym_err *err);

/* Nanoseconds until it will be done at its present speed, YM_NEVER if that cannot be said. */
uint64_t tracked_eta(const struct tracked *tracked);

/* Jobs that are not over; jobs that ended otherwise than done. */
size_t tracker_open(const struct tracker *tracker);
size_t tracker_bad(const struct tracker *tracker);

void tracker_free(struct tracker *tracker);

#endif
