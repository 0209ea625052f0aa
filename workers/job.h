/*
 * job.h - the job a worker is running: what stands behind the functions of <yardmaster/plugin.h>.
 */
#ifndef YM_WORKERS_JOB_H
#define YM_WORKERS_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "../runtime/dispatch.h"
#include "../runtime/payload.h"
#include "plugin.h"

#define JOB_OUTPUT_MAX STORY_OUTPUT_MAX

struct ym_job {
	struct instance *instance;
	struct board_worker_sh *row;
	const volatile sig_atomic_t *stop; /* set when the worker was told to end at once */
	uint32_t slot;
	uint64_t word; /* as claimed */
	uint64_t id;
	uint64_t ready, started; /* ym_now_ns() */
	unsigned attempts;
	char tag[JOB_TAG_MAX];
	struct payload payload;
	void *result; /* owned */
	size_t result_size;
	struct board_progress progress;
	unsigned told;           /* copies on the board that have its unit, note and attempt: up to 2 */
	struct board_work *work; /* what the board says of the worker; NULL: nothing does */
	bool ended, crashed;     /* the command */
	bool printed;            /* `process.output` is set */
	/* Behind this, nothing is cleared at the start of a job. */
	char error[YM_ERROR_MAX];
	struct story_process process; /* how the command ended: only what the flags above say */
};

/* Prepare for a claimed job: copies what the task may ask for, opens the payload. End it in any case. */
int job_begin(struct ym_job *job, struct instance *instance, struct board_worker_sh *row,
              const volatile sig_atomic_t *stop, uint32_t slot, uint64_t word, struct ym_err *err);

/* What to report for an outcome of the task; points into the job. *give_back: the attempt does not count (the worker
 * was told to stop). */
void job_report(struct ym_job *job, int outcome, struct job_report *report, bool *give_back);

void job_end(struct ym_job *job);

/* ---- for the built-in task of commands ------------------------------------------------------- */

/* Where the payload lies as a file; NULL if it does not. */
const char *job_payload_path(const struct ym_job *job);

/* The process group of the command that runs for it, 0: none. On the board, so that the master can kill what is left. */
void job_group(struct ym_job *job, pid_t group);

/* How the command ended: by itself or at our request, or in a way that counts as a crash. */
void job_ended(struct ym_job *job, int wait_status, const struct rusage *usage);
void job_crashed(struct ym_job *job, int wait_status, const struct rusage *usage);

/* The last lines it wrote, kept with the attempt. */
void job_output(struct ym_job *job, const char *text, size_t size);

#endif
