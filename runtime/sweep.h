/*
 * sweep.h - what the master does for the jobs: one pass over the table. All it finds, it finds in shared memory.
 *
 *   found                                        done
 *   job of a dead participant                    running: ready again at once (or failed when no attempt is left);
 *                                                being filled: the slot is free again
 *   running job past its deadline                asked to stop; past the grace: revoked, and its worker is to be killed
 *   delayed job that is due                      ready
 *   parked job whose limit has free units        ready, oldest first
 *   ready job whose token must be lost           token sent again
 *   ready job without a token                    the backlog is fed
 *   job that is over, kept too long              may be forgotten
 *
 * A pass over 16384 slots takes some 10 us. All of it may be done twice or stop half-way without harm.
 */
#ifndef YM_RUNTIME_SWEEP_H
#define YM_RUNTIME_SWEEP_H

#include "instance.h"

struct sweep_counts {
	uint64_t waiting, running, parked, delayed;
};

/* Kept for each slot of the table: when which attempt was asked to stop. */
struct sweep_asked {
	uint64_t at; /* 0: never */
	uint32_t gen, attempt;
};

struct sweep {
	/*
	 * in: why a participant died, for the job's error; NULL or "" if not known. *blameless (false before): it was
	 * killed for a reason that has nothing to do with its job, so the attempt does not count.
	 */
	const char *(*cause)(void *arg, unsigned slot, bool *blameless);
	/* in: this participant holds a job whose time is up for good and must be killed */
	void (*kill)(void *arg, unsigned slot);
	/* in: this participant is cleared up, its slot will be another's */
	void (*buried)(void *arg, unsigned slot);
	void *arg;
	/* kept by the caller from pass to pass: who held the feeder's mark of each pool (0 nobody) */
	uint32_t feeder[TABLE_POOLS];
	struct sweep_asked *asked; /* made by the first pass, freed by sweep_free() */
	/* out */
	struct sweep_counts pools[TABLE_POOLS];
	uint32_t parked_on[TABLE_LIMITS];
	uint64_t live;      /* jobs that are not over */
	uint64_t next;      /* ym_now_ns() of the next thing that is due, YM_NEVER if none */
	unsigned recovered; /* jobs taken back from dead participants */
	unsigned resent;    /* lost tokens */
};

/* One pass. 0, or -1: YM_ERR_GONE when the group was removed under us, YM_ERR_LIMIT without memory (try again). */
int sweep_run(struct instance *instance, struct sweep *sweep, struct ym_err *err);
void sweep_free(struct sweep *sweep);

#endif
