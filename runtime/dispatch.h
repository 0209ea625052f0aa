/*
 * dispatch.h - jobs from the submitter to the worker and back, without the master.
 *
 * A submitter fills a slot of the table and sends a token (8 bytes: slot, generation) to the pool's queue. A worker
 * sleeps in msgrcv, gets the token and claims the job with one compare-and-swap. The token is a hint: a stale or
 * doubled one fails its swap, a lost one is sent again by the sweep (sweep.h). See docs/protocol.md.
 */
#ifndef YM_RUNTIME_DISPATCH_H
#define YM_RUNTIME_DISPATCH_H

#include "feed.h"
#include "park.h"

struct job_ref {
	uint64_t id;
	uint32_t slot;
	uint32_t gen;
};

struct job_request {
	unsigned pool; /* index, table_pool() */
	const void *payload;
	size_t size;
	const char *tag;   /* NULL: none; longer ones are refused */
	bool keep;         /* keep the result for result_ttl whatever happens */
	uint64_t deadline; /* how long to wait for a free slot (ym_deadline()); 0: not at all */
	int64_t delay_ms;  /* not before this has passed */
	/*
	 * A job that comes back from a backlog: its id (0: a new one), attempts made and allowed (0: as the pool says),
	 * workers it has killed.
	 */
	uint64_t id;
	unsigned attempt, attempts, crashes;
	const char *failed; /* it is over: enter it as failed for this reason */
};

/* Submit. 0 with *ref: accepted. -1: YM_ERR_FULL, YM_ERR_USAGE (too large, tag too long), ...: nothing is left. */
int dispatch_submit(struct instance *instance, const struct job_request *request, struct job_ref *ref,
                    struct ym_err *err);

/* ---- worker side */

/*
 * Sleep for a token of the pool, or find that there is something to feed. 0 with *token; 1 after a signal;
 * -1 with YM_ERR_GONE when the queue was removed, or another error.
 */
int dispatch_receive(struct instance *instance, unsigned pool, struct dispatch_token *token, struct ym_err *err);

/* Claim the job of a token: true with its word, false when the token is stale. */
bool dispatch_claim(struct instance *instance, struct dispatch_token token, uint64_t *word);

/* Give a claimed job back: it was not tried (the attempt does not count) and is ready again for anybody. */
void dispatch_return(struct instance *instance, uint32_t slot, uint64_t word);

/* How an attempt ended. */
struct job_report {
	enum job_state state; /* DONE, FAILED, CANCELLED, or DELAYED: try again */
	const char *error;    /* NULL: none */
	const void *result;
	size_t result_size;
	uint64_t done, total; /* last progress */
	const char *unit;
};

/*
 * Report. True with *state = what became of the job (DELAYED turns into FAILED when no attempt is left),
 * false when the claim had been revoked: then nothing was written.
 */
bool dispatch_finish(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                     enum job_state *state);

/* ---- anybody */

/* Cancel: 0 cancelled or asked to stop, 1 it is over already, -1 no such job. */
int dispatch_cancel(struct instance *instance, struct job_ref ref, struct ym_err *err);

/*
 * Wait until a job is over. 0 with its word; 1 the deadline passed; -1 YM_ERR_GONE: its slot has been used again.
 */
int dispatch_wait(struct instance *instance, struct job_ref ref, uint64_t deadline, uint64_t *word, struct ym_err *err);

/* The result was fetched: its slot may be used again at once. */
void dispatch_forget(struct instance *instance, struct job_ref ref);

/* Milliseconds to wait before attempt number `attempt` + 1: backoff, doubled for each attempt, at most an hour. */
int64_t dispatch_backoff_ms(int64_t backoff_ms, unsigned attempt);

#endif
