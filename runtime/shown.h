/*
 * shown.h - the jobs that are shown to scripts, as the table and the board have them.
 *
 * All jobs of the table that are not over, and those that are, for a while. What has not changed costs a comparison of
 * one word a slot; a look that takes too long goes on at the next one, but for the jobs that run: these come first.
 */
#ifndef YM_RUNTIME_SHOWN_H
#define YM_RUNTIME_SHOWN_H

#include "instance.h"
#include "mirror.h"
#include "pace.h"
#include "php_job.h"

struct shown_job {
	struct mirror_item item; /* first: the mirror knows it by this */
	struct php_job job;
	struct pace pace;
	uint32_t slot;     /* SHOWN_NOWHERE: in no slot of the table */
	uint64_t progress; /* `updated` of the last one seen */
	uint64_t over;     /* ym_now_ns() of its end, or when it was missed; 0: not over */
};
#define SHOWN_NOWHERE UINT32_MAX

struct shown_slot {
	uint64_t word; /* as last seen */
	struct shown_job *job;
};

struct shown {
	const struct instance *instance;
	struct mirror mirror;
	struct shown_slot *slots;
	uint64_t keep_ns;     /* how long a job is shown that is over */
	uint32_t cursor;      /* slot where the next look goes on */
	bool whole;           /* all slots have been looked at */
	unsigned passed_over; /* jobs without room, so far in this round through the slots */
	unsigned left_out;    /* ... in the last whole one */
	bool changed;         /* since the last look began */
};

int shown_open(struct shown *shown, const struct instance *instance, uint64_t keep_ns, struct ym_err *err);
void shown_close(struct shown *shown);

/* What an earlier master has written into the segment: those jobs stay, and go, as if we had. */
void shown_adopt(struct shown *shown, const struct ym_vars *vars);

/* Look at everything, until the deadline. True: something has changed, so the mirror has to be written. */
bool shown_look(struct shown *shown, uint64_t deadline);

/* When the next one goes that is over; YM_NEVER. */
uint64_t shown_next(const struct shown *shown);

#endif
