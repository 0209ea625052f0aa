/*
 * ground.h - the instance under a master's feet: joined and entered at the start, left at the end, and made anew when
 * somebody has removed its objects.
 */
#ifndef YM_RUNTIME_GROUND_H
#define YM_RUNTIME_GROUND_H

#include "master.h"

/* From a rebuild that failed to the next try. */
#define GROUND_RETRY_MS 2000

/*
 * Join the instance (or make it), become its leader, enter pools and limits, take over living workers, take in the jobs of
 * an earlier run. Everything is undone by ground_leave(); from the join on a guardian sees to it if we are killed.
 */
int ground_enter(struct master *master, struct ym_err *err);

/* The same for the instance that the image of this process before an upgrade has left to us. */
int ground_resume(struct master *master, int semid, unsigned slot, struct ym_err *err);
/*
 * That has failed with YM_ERR_GONE: its objects were removed in that moment. Keep what is in them (`registry`: the id of theirs)
 * and make them anew. Before: our workers have ended.
 */
int ground_return(struct master *master, int semid, int registry, unsigned slot, struct ym_err *err);

/* Enter a pool that a reload has added, and take its jobs in. */
int ground_add_pool(struct master *master, const struct cfg_pool *config, struct ym_err *err);
/* Enter limits, or change them. */
int ground_enter_limits(struct master *master, const struct config *config, struct ym_err *err);

/*
 * Take jobs of the backlog in, as many as the table has room for, or, for so long, as the store takes. Again: what was
 * left, in steps between which the loop goes on.
 */
void ground_load_backlog(struct master *master, int64_t patience_ms);
void ground_backlog_again(struct master *master);

/* The clerk, if there is a store; `lenient`: it may be opened later. Closed with `hand_over` before an execve(). */
int ground_open_store(struct master *master, bool lenient, struct ym_err *err);
void ground_close_store(struct master *master, bool hand_over);

/* Let go of it. Returns the exit code: unfinished jobs that cannot be kept are no success. */
int ground_leave(struct master *master, int code);

/* The objects were removed: nothing can be trusted to them any more. The pools stop, then ground_rebuild() comes. */
void ground_lost(struct master *master, const struct ym_err *err);
/* Nobody of ours is in the old one any more: leave it, keep its jobs, make a new one, start the pools. */
void ground_rebuild(struct master *master);

#endif
