/*
 * child.h - one place for a worker in a pool: started, watched, started again, stopped.
 *
 *   STOPPED --start--> RUNNING --ended--> (RUNNING | BACKOFF) --time--> RUNNING
 *                         |                   |
 *                       stop                stop
 *                         v                   v
 *                     STOPPING --ended--> STOPPED
 *
 * A worker that died over a job, or lived for `startsecs`, is replaced at once: what a job does to it counts against
 * the job. One that did not get that far is started again after `restart_delay`, doubled each time, at most
 * `restart_max_delay`. To stop: finish the job within `stopwaitsecs`, then SIGTERM (the
 * task is asked to give up, the job goes back), and KILL_AFTER_MS later SIGKILL.
 */
#ifndef YM_RUNTIME_CHILD_H
#define YM_RUNTIME_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "process.h"
#include "story.h"

struct pool;

#define CHILD_STATE_MAP(X)                                                                                             \
	X(STOPPED, "stopped")                                                                                          \
	X(RUNNING, "running")                                                                                          \
	X(BACKOFF, "backoff")                                                                                          \
	X(STOPPING, "stopping")

enum child_state {
#define X(name, word) CHILD_##name,
	CHILD_STATE_MAP(X)
#undef X
};

struct child {
	struct pool *pool;
	enum child_state state;
	unsigned row; /* of the board */
	bool extra;   /* adopted above the pool's size: not replaced */
	struct process *process;
	uint64_t started;
	unsigned failing;  /* starts in a row that failed */
	unsigned pressed;  /* while STOPPING: how far we went */
	bool killed;       /* by us, because it did not stop: its job is not to blame */
	uint64_t tail_job; /* during which job `tail` was printed, and which attempt */
	unsigned tail_attempt;
	char tail[STORY_OUTPUT_MAX]; /* last lines of its worker, for the story of a job that kills it */
	uv_timer_t timer;
};

void child_init(struct child *child, struct pool *pool, unsigned row);
void child_start(struct child *child);
/* Take over the living worker of a dead master in the child's row. It retires when its job is over. */
bool child_adopt(struct child *child);
void child_stop(struct child *child);
/* The next step of a stop, now: SIGTERM, then SIGKILL. */
void child_press(struct child *child);
/* Its job has no more time. */
void child_signal(struct child *child, int signo);

/* If its worker has ended and nobody has heard of it yet: keep the reason for the sweep. */
void child_note_death(struct child *child);

/* Starts in a row that failed: 0 as soon as a worker is ready for jobs. */
unsigned child_failing(const struct child *child);

#endif
