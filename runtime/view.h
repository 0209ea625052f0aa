/*
 * view.h - what an onlooker sees: jobs with their progress, taken from table and board at one moment.
 */
#ifndef YM_RUNTIME_VIEW_H
#define YM_RUNTIME_VIEW_H

#include "instance.h"

struct view_job {
	uint64_t id;
	enum job_state state;
	char pool[TABLE_NAME_MAX];
	char tag[JOB_TAG_MAX];
	char error[JOB_ERROR_MAX];
	char note[BOARD_NOTE_MAX]; /* of a running job */
	char unit[JOB_UNIT_MAX];
	char unique[JOB_UNIQUE_MAX];
	uint32_t slot, gen; /* where in the table: names the job for good (struct job_ref) */
	unsigned attempt, attempts, crashes, level;
	uint64_t done, total;                       /* total 0: unknown */
	uint64_t submitted, due, started, finished; /* ym_now_ns(); `due` only of a delayed one */
	int64_t at_ms;                              /* unix time before which it is not started, 0: none */
	int64_t timeout_ms;                         /* 0: none */
	uint64_t payload_size, result_size;
	uint64_t updated;             /* last progress */
	int32_t pid;                  /* of its worker, 0: none */
	char held_by[TABLE_NAME_MAX]; /* it waits, and its pool waits for this limit, or "rate" */
	bool paused;                  /* it waits, and its pool is paused */
	bool stored;                  /* JOB_STORED */
};

static inline bool view_running(const struct view_job *job)
{
	return job->state == JOB_CLAIMED || job->state == JOB_FINISHING || job->state == JOB_FIXING;
}

/*
 * The job in a slot, without its progress on the board. False: there is none, or it changes all the time.
 */
bool view_read(const struct table_sh *table, uint32_t slot, struct view_job *view);

/*
 * All jobs in the table, oldest first, in one allocation; free() it. NULL with err when the table may not be read.
 * Jobs that changed while they were read are read again; one that changes all the time is left out.
 */
struct view_job *view_jobs(const struct instance *instance, size_t *count, struct ym_err *err);

/* One job by its id: 0; 1 there is none; -1 with err. */
int view_job(const struct instance *instance, uint64_t id, struct view_job *job, struct ym_err *err);

/* What is kept of its attempts, as long as it is still the job that was seen: how many attempts are told. */
struct view_story {
	struct story_attempt attempts[STORY_ATTEMPTS]; /* oldest first */
	char note[STORY_NOTE_MAX];
	char output[STORY_OUTPUT_MAX]; /* last lines of the standard error output */
};
unsigned view_story(const struct instance *instance, const struct view_job *job, struct view_story *story);

/* The name of a limit as board_held() gives it: "rate" is the pool's own rate. */
const char *view_limit(const struct board_sh *board, int limit);

/* Does the instance's master live? Its pid, or 0. */
pid_t view_master(const struct instance *instance);

#endif
