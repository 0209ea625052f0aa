/*
 * dispatch.h - the life of a job after its submission (submit.h): reported, given back, cancelled, buried, waited for.
 *
 * Nobody asks the master: every step is a compare-and-swap of the job's word by who takes it. See docs/protocol.md.
 */
#ifndef YM_RUNTIME_DISPATCH_H
#define YM_RUNTIME_DISPATCH_H

#include "ready.h"

/* Names a job for good: the slot may be another job's by then, which the generation tells. */
struct job_ref {
	uint64_t id;
	uint32_t slot;
	uint32_t gen;
};

/* ---- worker side */

/* Give a claimed job back: it was not tried (the attempt does not count) and is ready again for anybody, first in line. */
void dispatch_return(struct instance *instance, uint32_t slot, uint64_t word);

/* How an attempt ended. */
struct job_report {
	enum story_end end; /* DONE, RETRY, FAILED, CRASHED (of a command), TIMED_OUT or CANCELLED */
	const char *error;  /* NULL: none */
	const void *result;
	size_t result_size;
	uint64_t done, total; /* last progress */
	const char *unit;
	const struct story_process *process; /* of a command; NULL: nothing known */
	uint64_t ended;                      /* when; 0: now */
};

/*
 * Report. True with *state = what became of the job (DELAYED: it will be tried again), false when the claim had been
 * revoked: then nothing was written.
 */
bool dispatch_finish(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                     enum job_state *state);

/* ---- who owns a job (FINISHING, FIXING) */

/*
 * What becomes of a job whose attempt number `attempt` ended like this, by the rules of its pool: DONE, CANCELLED,
 * DELAYED (with `due` set), READY, FAILED or BURIED. Counts a crash, moves the job to another pool if that is the rule.
 */
enum job_state dispatch_verdict(struct instance *instance, uint32_t slot, enum story_end end, unsigned attempt);

/* Write down how the attempt ended: error, last progress, story. */
void dispatch_tell(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                   int32_t pid);

/*
 * Leave the job in this state, with all that follows (lists, waiters, the bell), at the moment `now`; READY: `first` in its
 * list or last. False when it was not ours any more.
 */
bool dispatch_settle(struct instance *instance, uint32_t slot, uint64_t *word, enum job_state state, unsigned attempt,
                     bool first, uint64_t now);

/* ---- anybody; with a store behind the table, only what is said in reach.h */

/* Cancel: 0 cancelled or asked to stop, 1 it is over already, -1 no such job. */
int dispatch_cancel(struct instance *instance, struct job_ref ref, struct ym_err *err);

/* Put a waiting job aside, buried. 0, 1 it is running or over, -1 no such job. */
int dispatch_bury(struct instance *instance, struct job_ref ref, struct ym_err *err);

/*
 * Start a buried, failed or cancelled job anew, with all its attempts; a delayed one at once. 0, 1 it waits, runs or is
 * done, -1 no such job, or (YM_ERR_NO) another one has its unique key.
 */
int dispatch_kick(struct instance *instance, struct job_ref ref, struct ym_err *err);

/* Forget a job that is over, buried, or waits (one with an answer still to be sent: after that). 0, 1 it is running, -1 no such job. */
int dispatch_delete(struct instance *instance, struct job_ref ref, struct ym_err *err);

/* Free the slot of a job that nobody works on, if its word is still `word`: false if not. */
bool dispatch_free(struct instance *instance, uint32_t slot, uint64_t word);

/*
 * Wait until a job is over. 0 with its word; 1 the deadline passed; -1 YM_ERR_GONE: its slot has been used again.
 */
int dispatch_wait(struct instance *instance, struct job_ref ref, uint64_t deadline, uint64_t *word, struct ym_err *err);

/* The result was fetched: its slot may be used again at once. */
void dispatch_forget(struct instance *instance, struct job_ref ref);

/* Set and clear bits of enum table_pool_mode; workers that may go on are woken. */
void dispatch_mode(struct instance *instance, unsigned pool, uint32_t set, uint32_t clear);

/* Milliseconds to wait after attempt number `attempt` of a job of this pool. `dice`: any number, for the jitter. */
int64_t dispatch_backoff_ms(const struct table_pool_sh *pool, unsigned attempt, uint64_t dice);

#endif
