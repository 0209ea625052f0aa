/*
 * ready.h - jobs that wait for a worker, workers that wait for a job, and how they find each other.
 *
 * A ready job stands in a list of the index; who puts it there sends a token (8 bytes) to the pool's queue if a worker
 * sleeps. A worker takes jobs from the lists as long as there are any, without a system call; then it says that it
 * sleeps, looks once more, and sleeps in msgrcv. A token means "look at the lists", no more: one too many does no harm,
 * one that is lost with its receiver is made up for by the sweep.
 *
 *   `sleeping` of the pool   +1 by a worker before its second look; -1 by who sends it a token, or by the worker when
 *                            it does not sleep after all. One that is killed asleep leaves it too high, which the next
 *                            sender puts right with a token for nobody.
 */
#ifndef YM_RUNTIME_READY_H
#define YM_RUNTIME_READY_H

#include "instance.h"

/*
 * The word of the slot has just become READY (`word`): link it, at the end of its list or (first) at the start, and
 * wake a worker.
 */
void ready_push(struct instance *instance, uint32_t slot, uint64_t word, bool first);

/* Are there jobs that may be started? */
static inline bool ready_any(const struct instance *instance, unsigned pool)
{
	const struct table_pool_sh *row = &instance->table->pools[pool];

	return atomic_load(&row->ready) != 0 && !(atomic_load(&row->mode) & POOL_PAUSED);
}

/* Take the next job out of the pool's lists and claim it. False: there is none. */
bool ready_take(struct instance *instance, unsigned pool, uint32_t *slot, uint64_t *word);

/*
 * Sleep until there may be a job. 0: look; 1: a signal came; -1 with YM_ERR_GONE when the queue was removed, or another
 * error.
 */
int ready_sleep(struct instance *instance, unsigned pool, struct ym_err *err);

/* Wake up to `n` sleeping workers of the pool. */
void ready_wake(struct instance *instance, unsigned pool, unsigned n);

/* Send a token although nobody seems to sleep: for the sweep. False when the queue is gone. */
bool ready_nudge(struct instance *instance, unsigned pool);

#endif
