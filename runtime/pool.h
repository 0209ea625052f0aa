/*
 * pool.h - a pool of the configuration: its row in the table, its brief, its children.
 */
#ifndef YM_RUNTIME_POOL_H
#define YM_RUNTIME_POOL_H

#include <stdbool.h>

#include "../config/config.h"
#include "board.h"
#include "child.h"
#include "inbox_keeper.h"
#include "instance.h"

struct master;

struct pool {
	struct master *master;
	const struct cfg_pool *config;
	unsigned index; /* in table and board */
	int brief;      /* descriptor, see brief.h */
	struct inbox_keeper inbox;
	struct child *children; /* config->workers of them, then those adopted above that */
	size_t nchildren;
};

/* Enter the pool into table and board, with its queue and limits (callers hold the group's LOCK), write its brief. */
int pool_enter(struct pool *pool, struct master *master, const struct cfg_pool *config, struct ym_err *err);

/* Enter what a crash leads to: when all pools are entered, for it may name one of them. */
void pool_enter_crash_rule(struct pool *pool);

/* Make the pool's queue again if somebody has removed it by hand. */
void pool_check_queue(struct pool *pool);

/* Does a living worker hold this board row? *work is its record. */
bool pool_row_alive(const struct instance *instance, unsigned row, struct board_work *work);

/* Take over living workers that a dead master left, and mark their rows in `rows`. All pools before any populates. */
int pool_take_over(struct pool *pool, bool *rows, struct ym_err *err);

/* Make the places that are still missing, on rows not marked in `rows`. */
int pool_populate(struct pool *pool, bool *rows, struct ym_err *err);

void pool_start(struct pool *pool);
void pool_stop(struct pool *pool);
/* Go one step further with those that have not stopped yet. */
void pool_press(struct pool *pool);
/* Children with a process. */
unsigned pool_alive(const struct pool *pool);
/* The child whose worker holds this participant slot, or NULL. */
struct child *pool_find(struct pool *pool, unsigned slot);
void pool_free(struct pool *pool);

#endif
