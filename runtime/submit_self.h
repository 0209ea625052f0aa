/*
 * submit_self.h - submission from inside: slots that are filled, and what came of them.
 */
#ifndef YM_RUNTIME_SUBMIT_SELF_H
#define YM_RUNTIME_SUBMIT_SELF_H

#include "submit.h"

enum submit_verdict {
	SUBMIT_NOT_TRIED,
	SUBMIT_STAGED, /* with a store: handed to the clerk */
	SUBMIT_ACCEPTED,
	SUBMIT_EXISTS, /* a live job has its key */
	SUBMIT_FAILED, /* the store does not have it */
	SUBMIT_DRAINING,
	SUBMIT_LOADING,
	SUBMIT_TAKEN_AWAY, /* the slot is not ours any more */
};

struct submit_filled {
	uint32_t slot, taken; /* of the job; that was filled: another one if the job existed */
	uint64_t word, taken_word;
	uint64_t id;
	enum submit_verdict verdict;
};

/* Is the pool in this mode, and does that concern the job? One of a backlog was accepted before. */
bool submit_refuses(const struct instance *instance, const struct job_request *request, uint32_t modes);

/* READY, DELAYED, or what a job of a backlog was. */
enum job_state submit_first_state(const struct job_request *request);

/* Flags of a job that are asked for. */
unsigned submit_flags(const struct job_request *request);

/* Under the index lock: hand one that is filled to the clerk. */
enum submit_verdict submit_stage(struct instance *instance, const struct job_request *request,
                                 struct submit_filled *one);

/* Fill and stage one. */
int submit_stage_one(struct instance *instance, const struct job_request *request, struct submit_filled *one,
                     struct ym_err *err);

/*
 * Wait for what came of `n` that were staged, and ring first: ACCEPTED, EXISTS or FAILED; nothing of them is ours
 * afterwards. err says why the first one of those failed.
 */
void submit_await(struct instance *instance, struct submit_filled *filled, size_t n, uint64_t deadline,
                  struct ym_err *err);

#endif
