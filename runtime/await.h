/*
 * await.h - wait until a job is over, wherever it is by then, and read what came of it.
 *
 * Who waits for a job of the table sleeps in the kernel until its word changes. Of one that is only in the store nobody is
 * told: the store is asked, ever more seldom, up to four times a second.
 */
#ifndef YM_RUNTIME_AWAIT_H
#define YM_RUNTIME_AWAIT_H

#include "reach.h"

enum await_end {
	AWAIT_FAILED = -1, /* err: the instance is gone, or the result cannot be read */
	AWAIT_OVER,
	AWAIT_LATE,    /* the deadline has passed */
	AWAIT_UNKNOWN, /* nobody knows the job any more; err says so */
};

struct awaited {
	enum job_state state; /* LATE: as last seen, FREE if nobody could say */
	unsigned attempt, crashes;
	char error[JOB_ERROR_MAX];
	struct payload result; /* of one that is DONE; OVER: to be closed */
};

/* `err` must not be NULL. */
enum await_end await_job(struct instance *instance, struct job_ref ref, uint64_t deadline, struct awaited *awaited,
                         struct ym_err *err);

/* Once: what does the store say of this job? LATE: it is not over, or there was no answer within a second. */
enum await_end await_ask(struct instance *instance, uint64_t id, struct awaited *awaited, struct ym_err *err);

/* How long to sleep at once: nobody wakes who sleeps in an instance that was removed by hand. */
uint64_t await_next_look(uint64_t deadline);

/* From one question to the store to the next, at most. */
#define AWAIT_NAP_MAX_NS UINT64_C(250000000)

#endif
