/*
 * limit.h - the limits a worker takes before it runs a job.
 *
 * A limit is a PHP-compatible semaphore (ipc/sem.h), so scripts take units of the same limit by its key. A worker takes
 * all limits of its pool without waiting, in the order of their keys, or none. A unit comes back by itself when its
 * holder dies (SEM_UNDO).
 */
#ifndef YM_RUNTIME_LIMIT_H
#define YM_RUNTIME_LIMIT_H

#include "../ipc/sem.h"
#include "table.h"

struct limit_set {
	struct ym_sem sems[TABLE_POOL_LIMITS];
	unsigned index[TABLE_POOL_LIMITS]; /* in the table */
	unsigned count;
};

/* Attach to the limits of a pool / detach. */
int limit_set_open(struct limit_set *set, struct table_sh *table, unsigned pool, struct ym_err *err);
void limit_set_close(struct limit_set *set);

/* Take a unit of each: 0, or 1 with *lacking = table index of the limit that had none, or -1. */
int limit_set_take(struct limit_set *set, unsigned *lacking, struct ym_err *err);
void limit_set_give(struct limit_set *set);

/* Free units of a limit now, -1 if it cannot be asked. */
int limit_free(const struct table_limit_sh *limit);

#endif
