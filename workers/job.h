/*
 * job.h - the job a worker is running: what stands behind the functions of <yardmaster/plugin.h>.
 */
#ifndef YM_WORKERS_JOB_H
#define YM_WORKERS_JOB_H

#include <signal.h>

#include "../runtime/dispatch.h"
#include "plugin.h"

struct ym_job {
	struct instance *instance;
	struct board_worker_sh *row;
	const volatile sig_atomic_t *stop; /* set when the worker was told to end at once */
	uint32_t slot;
	uint64_t word; /* as claimed */
	uint64_t id;
	unsigned attempts;
	char tag[JOB_TAG_MAX];
	void *payload; /* owned */
	size_t payload_size;
	void *result; /* owned */
	size_t result_size;
	char error[YM_ERROR_MAX];
	struct board_progress progress;
};

/* Prepare for a claimed job: copies what the task may ask for, loads the payload. */
int job_begin(struct ym_job *job, struct instance *instance, struct board_worker_sh *row,
              const volatile sig_atomic_t *stop, uint32_t slot, uint64_t word, struct ym_err *err);

/* What to report for an outcome of the task; points into the job. *give_back: the attempt does not count (the worker
 * was told to stop). */
void job_report(struct ym_job *job, int outcome, struct job_report *report, bool *give_back);

void job_end(struct ym_job *job);

#endif
