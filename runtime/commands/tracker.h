/*
 * tracker.h - jobs watched over time: which ones, what changed, how fast they go.
 */
#ifndef YM_RUNTIME_COMMANDS_TRACKER_H
#define YM_RUNTIME_COMMANDS_TRACKER_H

#include "../pace.h"
#include "stock.h"

struct tracked {
	struct listed listed; /* as last seen; job.state FREE: not yet */
	bool seen;            /* in the last look */
	bool changed;         /* state or attempt differ from the look before */
	struct pace pace;
	uint64_t told; /* ym_now_ns() of the last line about it (plain output) */
	uint64_t told_done;
};

struct tracker {
	struct tracked *list; /* by id */
	size_t count, room;
	bool all;             /* follow every unfinished job, also new ones; else only those listed from the start */
	bool ended;           /* the first look takes those that are over, too */
	struct filter filter; /* of them, those that it wants */
	uint64_t store_look;  /* when the store is to be asked again */
};

/* Follow one job by id. */
int tracker_add(struct tracker *tracker, uint64_t id, struct ym_err *err);

/* Look again: at the table each time, into the store behind it now and then. */
int tracker_look(struct tracker *tracker, struct stock *stock, struct ym_err *err);

/* Units a second, 0: not known yet. */
double tracked_rate(const struct tracked *tracked);
/* Nanoseconds until it will be done at its present speed, YM_NEVER if that cannot be said. */
uint64_t tracked_eta(const struct tracked *tracked);

/* It is over, but nobody knows any more how it ended. */
bool tracked_lost(const struct tracked *tracked);

/* Jobs that are not over; jobs that ended otherwise than done, or, of those that were named, nobody knows how. */
size_t tracker_open(const struct tracker *tracker);
size_t tracker_bad(const struct tracker *tracker);

void tracker_free(struct tracker *tracker);

#endif
