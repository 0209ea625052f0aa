/*
 * sweep_pass.h - one pass of the sweep over the table: what its parts share. sweep.c has the pass itself, the jobs of the
 * dead and those that wait; overtime.c those that take too long.
 */
#ifndef YM_RUNTIME_SWEEP_PASS_H
#define YM_RUNTIME_SWEEP_PASS_H

#include "dispatch.h"
#include "sweep.h"

/* How soon to look again for a worker that was killed, or is about to end. */
#define VICTIM_NS UINT64_C(5000000)

struct pass {
	struct instance *instance;
	struct sweep *out;
	uint64_t now;
	int64_t unix_ms;
	bool *dead;
	uint64_t oldest[TABLE_POOLS]; /* `ready` of the oldest job in a list, YM_NEVER if none */
};

/* Look again at this time at the latest. */
static inline void soon(struct pass *pass, uint64_t at)
{
	if (at < pass->out->next)
		pass->out->next = at;
}

static inline bool is_dead(const struct pass *pass, unsigned slot)
{
	return slot < pass->instance->group.capacity && pass->dead[slot];
}

static inline bool is_ending(const struct pass *pass, unsigned slot)
{
	return pass->out->ending && pass->out->ending(pass->out->arg, slot);
}

/*
 * What was done about the attempt in the slot. Our own memory: in the job it would be written without a fence, perhaps
 * into the next attempt. If another master asked, the grace starts anew.
 */
struct sweep_asked *sweep_asked_of(struct pass *pass, uint32_t slot, uint64_t word);

/* FIXING is ours: write down how the attempt ended, then do what the rules say. */
void sweep_settle(struct pass *pass, uint32_t slot, uint64_t word, enum story_end end, const char *text,
                  const struct sweep_death *death);

/*
 * A process that was clearing up, or kicking the job, died over it. What it had done of that is not known; the attempt
 * was counted before. A job that was buried and is not for certain to run stays buried.
 */
void sweep_clear_up_again(struct pass *pass, uint32_t slot, uint64_t word);

#endif
