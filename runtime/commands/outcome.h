/*
 * outcome.h - wait for jobs, and print what became of them.
 *
 * Whoever waits sleeps in the kernel until the job is over; it only looks up now and then to see whether there still is
 * a master.
 */
#ifndef YM_RUNTIME_COMMANDS_OUTCOME_H
#define YM_RUNTIME_COMMANDS_OUTCOME_H

#include "../await.h"
#include "client.h"

struct outcome {
	struct instance *instance;
	uint64_t deadline; /* for all of them */
	bool quiet;        /* print no results */
	bool several;      /* results of several jobs follow each other: each ends with a newline */
	bool warned;       /* that there is no master */
	uint64_t stopped;  /* ym_now_ns() since when the instance is seen stopped, 0: it is not */
	bool unprinted;    /* the last result could not be printed */
};

/*
 * See to it that the result of a job, which somebody else submitted, does not go before it was read. True when it was
 * not kept already: then outcome_let_go() is our business.
 */
bool outcome_keep(const struct outcome *outcome, struct job_ref ref);
/* Not if it could not be printed. */
void outcome_let_go(const struct outcome *outcome, struct job_ref ref);

/*
 * Wait: 0 it is over, *found says how (its result is to be closed); 1 time is up; -1 nobody knows it any more, or the
 * instance was stopped and does not come back.
 */
int outcome_wait(struct outcome *outcome, struct job_ref ref, struct awaited *found, struct ym_err *err);

/* The job is over: print its result on stdout, or on stderr why there is none, and close it. Returns the exit code. */
int outcome_print(struct outcome *outcome, struct job_ref ref, struct awaited *found);

/* Both, with what there is to say when it is not over. Returns the exit code. */
int outcome_of(struct outcome *outcome, struct job_ref ref);

#endif
