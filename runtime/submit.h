/*
 * submit.h - a new job: its slot filled, accepted, ready.
 *
 * A job is accepted with one compare-and-swap; from then on it is run at least once, whatever dies.
 */
#ifndef YM_RUNTIME_SUBMIT_H
#define YM_RUNTIME_SUBMIT_H

#include "dispatch.h"
#include "payload.h"

#define JOB_LEVEL_DEFAULT (-1) /* as the pool says */

/* Where to send an answer when the job is over (reply.h). */
struct job_reply {
	int32_t key;  /* of the queue; 0: nobody asked for one */
	int64_t type; /* of the message */
	uint8_t form; /* enum reply_form */
};

struct job_request {
	unsigned pool; /* index, table_pool() */
	struct payload_source payload;
	const char *tag;    /* NULL: none; longer ones than JOB_TAG_MAX - 1 are refused */
	const char *unique; /* NULL: none; likewise */
	int level;          /* 0 most urgent .. 9; JOB_LEVEL_DEFAULT */
	bool keep;          /* keep the result for result_ttl whatever happens */
	uint64_t deadline;  /* how long to wait for a free slot (ym_deadline()); 0: not at all */
	int64_t delay_ms;   /* not before this has passed */
	int64_t at_ms;      /* not before this unix time; 0: none */
	int64_t timeout_ms; /* of an attempt; 0: none, -1: as the pool says */
	struct job_reply reply;
	/* Of a job that comes back from a backlog: a drained pool takes it in, too. */
	const struct job_past {
		uint64_t id;
		unsigned attempt, attempts, crashes; /* made, allowed, workers it has killed */
		enum job_state state;                /* READY (or DELAYED), FAILED or BURIED */
		const char *error;
	} * past; /* NULL: a new job */
};

/* What a request asks for when it says nothing else: zeroes, but for the fields whose "nothing" is another value. */
#define JOB_REQUEST_INIT .level = JOB_LEVEL_DEFAULT, .timeout_ms = -1

/*
 * Submit. 0 with *ref: accepted. 1: a live job of the pool has this unique key; *ref names it. -1: YM_ERR_FULL,
 * YM_ERR_USAGE (too large, tag too long), YM_ERR_NO (the pool drains), ...: nothing is left.
 */
int submit_job(struct instance *instance, const struct job_request *request, struct job_ref *ref, struct ym_err *err);

/*
 * Submit many, in this order; far cheaper than one by one. refs[i] names the job of requests[i], also where one with the
 * same unique key was there already: then existed[i] is true (`existed` may be NULL). Returns how many were taken in or
 * existed; with fewer than `n`, err says why the next one was not.
 */
size_t submit_jobs(struct instance *instance, const struct job_request *requests, size_t n, struct job_ref *refs,
                   bool *existed, struct ym_err *err);

/* ---- without waiting for the store */

/* A job on its way. To be copied and forgotten as one likes, but then nobody frees its slot before this process ends. */
struct submit_pending {
	uint64_t id;
	uint64_t word;
	uint32_t slot, gen;
	bool over, existed;
};

/*
 * The same in two steps, for who must not sleep. Begin: 0, -1 as submit_job(); then submit_go(), once for all that were
 * begun. End: 0 or 1 with *ref, 2: not known yet, ask again (not with `give_up`), -1 it is not stored.
 */
int submit_begin(struct instance *instance, const struct job_request *request, struct submit_pending *pending,
                 struct ym_err *err);
void submit_go(struct instance *instance);
int submit_end(struct instance *instance, struct submit_pending *pending, bool give_up, struct job_ref *ref,
               struct ym_err *err);

/* Would submit_end() say 2? */
bool submit_open(const struct instance *instance, const struct submit_pending *pending);

/* Before its end: take it back at once. False: too late, the clerk is about it, or it is answered. */
bool submit_withdraw(struct instance *instance, struct submit_pending *pending);

/* Instead of its end: it is stored as soon as that can be, and what came of it does not matter. */
void submit_leave(struct instance *instance, const struct submit_pending *pending);

#endif
