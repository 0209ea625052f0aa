/*
 * place.h - the place of one worker in a pool: its board row, its process, the last words of its jobs.
 *
 * To stop: finish the job within `stopwaitsecs`, then SIGTERM (the task is asked to give up, the job goes back), and
 * PLACE_KILL_AFTER_MS later SIGKILL. A worker that died over a job is replaced at once: what a job does to it counts
 * against the job.
 */
#ifndef YM_RUNTIME_PLACE_H
#define YM_RUNTIME_PLACE_H

#include "child.h"

struct handed;
struct pool;

struct place {
	struct child child;
	struct pool *pool;
	unsigned row;       /* of the board */
	uint32_t build;     /* of its worker */
	bool old;           /* to be replaced */
	uint64_t too_large; /* it is killed for its memory, which was this many bytes */
	uint64_t ending;    /* since when its worker is seen to be about to end; 0: it is not */
	uint64_t oldest;    /* its worker is recycled then; YM_NEVER */
	uint64_t tail_job;  /* during which job `tail` was printed, and which attempt */
	unsigned tail_attempt;
	char tail[STORY_OUTPUT_MAX]; /* last lines of its worker, for the story of a job that kills it */
};

/* A place on a board row. NULL without memory. */
struct place *place_make(struct pool *pool, unsigned row);
/* Let go of the loop and of the row, and free it then. */
void place_free(struct place *place);

/* Take over the living worker of its row from a dead master. False: it cannot be watched. */
bool place_adopt(struct place *place, const struct board_work *work);

/* To (false: no memory) and from the image of this program after an upgrade. */
bool place_hand_over(const struct place *place, struct handed *handed);
/* False: it cannot be watched; the descriptors are the caller's still. */
bool place_resume(struct place *place, struct handed *handed);

/* Its worker has joined, loaded its task and waits for jobs, or works. */
bool place_is_ready(const struct place *place);
/* Does a living worker hold this board row, whosever it is? *work is its record. */
bool place_row_alive(const struct instance *instance, unsigned row, struct board_work *work);
/* Its worker's record on the board, if that is its worker's. */
bool place_work(const struct place *place, struct board_work *work);

/* Is its worker too old, or too large? Then it is recycled or killed. */
void place_look(struct place *place);
/* Its worker, who is no member any more, is about to end. */
bool place_is_ending(struct place *place);
/* If its worker has ended and nobody has heard of it yet: keep the reason for the sweep. */
void place_note_death(struct place *place);
/* Likewise of a worker that died over a job while there was no master, as far as the board knows of it. */
void place_note_lost(struct pool *pool, unsigned row);

#endif
