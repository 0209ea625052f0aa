/*
 * ready.h - jobs that wait for a worker, workers that wait for a job, and how they find each other.
 *
 * A ready job stands in a list of the index; who puts it there sends a token (8 bytes) to the pool's queue if a worker
 * sleeps. A worker takes jobs from the lists as long as there are any, without a system call; then it says that it
 * sleeps, looks once more, and sleeps in msgrcv. A token means "look at the lists", no more: one too many does no harm,
 * one that is lost with its receiver is made up for by the sweep.
 *
 *   `sleeping` of the pool   +1 by a worker before its second look; -1 by who sends it a token, and by the worker when
 *                            no token woke it. So it is the number of sleepers less that of tokens, and below 0 while a
 *                            token is there for nobody. One that is killed asleep leaves it too high: then tokens are
 *                            sent for nothing, until the sweep puts it right.
 *
 * A worker that ends passes on what it may have been woken for.
 */
#ifndef YM_RUNTIME_READY_H
#define YM_RUNTIME_READY_H

#include "instance.h"

#define READY_TOKEN_BYTES 8

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

/* For the sweep: wake a worker, also if none seems to sleep (a token was lost with its sender or its receiver). */
void ready_nudge(struct instance *instance, unsigned pool);

/*
 * For the sweep: no more than `workers` of the pool can be asleep. `seen` is what `sleeping` was before they were counted: a
 * worker that came since would not be among them.
 */
void ready_cap(struct instance *instance, unsigned pool, int32_t seen, int32_t workers);

#endif
