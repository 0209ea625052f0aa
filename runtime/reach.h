/*
 * reach.h - do something to a job wherever it is: in the table, or in the store behind it.
 */
#ifndef YM_RUNTIME_REACH_H
#define YM_RUNTIME_REACH_H

#include "mailbox.h"

/* Of one job. */
enum reach_end {
	REACH_DONE,   /* cancelled, buried, kicked, deleted */
	REACH_ASKED,  /* CANCEL: it runs, and was asked to stop */
	REACH_CANNOT, /* it is in no state for that */
	REACH_NONE,   /* there is no such job (any more) */
	REACH_KEY,    /* KICK: another job with its unique key waits or runs */
	REACH_FAILED, /* it is not known what came of it: err */
};

/*
 * CANCEL, BURY, KICK or DELETE (enum store_ask) of `n` jobs, as many as can be at once. ends[i] for each; err says what was
 * wrong with the last one that FAILED. -1 if one did.
 */
int reach_jobs(struct instance *instance, enum store_ask ask, const uint64_t *ids, size_t n, uint64_t deadline,
               enum reach_end *ends, struct ym_err *err);

/* A cancellation for who must not wait. Begin with the id alone. */
struct reach_cancel {
	uint64_t id;
	struct mailbox_pending question;
	bool asked;
	unsigned tries;
};
/* 0: done, or there was nothing to do; 2: call it again later, at the latest when something was answered; -1: given up. */
int reach_cancel(struct instance *instance, struct reach_cancel *cancel, struct ym_err *err);
/* Whatever comes of it. */
void reach_leave(struct instance *instance, struct reach_cancel *cancel);

/* Where a job is now that was known as *ref: 0 in the table, *ref and *word say where; 1 not there (any more). */
int reach_find(const struct instance *instance, struct job_ref *ref, uint64_t *word);

#endif
