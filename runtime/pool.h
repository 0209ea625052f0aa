/*
 * pool.h - a pool of the configuration: its row in the table, its queue, its brief, its inbox, its log, its crew.
 */
#ifndef YM_RUNTIME_POOL_H
#define YM_RUNTIME_POOL_H

#include <stdbool.h>

#include "child_log.h"
#include "crew.h"
#include "inbox_keeper.h"
#include "outfit.h"
#include "unit.h"
#include "yard.h"

struct pool {
	struct unit unit;
	struct yard *yard;
	const struct cfg_pool *config;
	unsigned index;                    /* in table and board */
	struct outfit outfit;              /* what its workers are started with */
	struct child_log *output, *errors; /* errors NULL: with the output */
	struct inbox_keeper inbox;
	struct crew crew;
	struct course_writer course;
	bool removed; /* not configured any more: goes when its last worker has gone */
};

/* Enter the pool into table and board, with its queue and limits (callers hold the group's LOCK), write its brief. */
int pool_enter(struct pool *pool, struct yard *yard, const struct cfg_pool *config, struct ym_err *err);

/* The same for a pool that is entered, with another configuration. `roll`: its workers are to be replaced. */
int pool_apply(struct pool *pool, const struct cfg_pool *config, bool roll, struct ym_err *err);

/* Its configuration lies elsewhere in memory, but says the same. */
void pool_point(struct pool *pool, const struct cfg_pool *config);

/* Has it the configuration that lies in this one? */
bool pool_is_of(const struct pool *pool, const struct config *config);

/* Enter what a crash leads to: when all pools are entered, for it may name one of them. */
void pool_enter_crash_rule(struct pool *pool);

/* It is not in the configuration any more: no new jobs, its workers end when theirs are over. */
void pool_remove(struct pool *pool);

/* Make the pool's queue again if somebody has removed it by hand. */
void pool_check_queue(struct pool *pool);

/* After its last worker has gone: let go of everything but the row. The memory of `pool` is the caller's. */
void pool_free(struct pool *pool);

#endif
