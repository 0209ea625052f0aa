/*
 * limit_keeper.h - the limits of an instance as its master keeps them: made, shown on the board, made again when a
 * script has removed one, brought to the configured size.
 */
#ifndef YM_RUNTIME_LIMIT_KEEPER_H
#define YM_RUNTIME_LIMIT_KEEPER_H

#include "../config/config.h"
#include "../ipc/sem.h"
#include "instance.h"

struct limit_keeper {
	struct instance *instance;
	/* Attached as long as the master lives, so that no worker is ever "alone" and sets the number of units. */
	struct ym_sem sems[TABLE_LIMITS], turns[TABLE_LIMITS];
	bool open[TABLE_LIMITS];
	bool has_units[TABLE_LIMITS]; /* not only a rate */
	bool foreign[TABLE_LIMITS];   /* its key is given: another program may have said how many units there are */
	int wanted[TABLE_LIMITS];     /* units as configured, or as granted; the table's `max` is what really applies */
	uint64_t until[TABLE_LIMITS]; /* ... of limits that nodes share: how long that holds */
};

/*
 * Enter a configured limit into table, board and registry (callers hold the group's LOCK), and attach to it. `several`:
 * some pool takes more than one unit of it for a job.
 */
int limit_keeper_enter(struct limit_keeper *keeper, const struct cfg_limit *config, bool several, struct ym_err *err);

/*
 * This node may have so many units of a limit that all nodes share, until then (ym_now_ns()). None at first. While more are
 * in use, no unit is taken.
 */
void limit_keeper_grant(struct limit_keeper *keeper, unsigned index, int units, uint64_t until);

/* Bring the board up to date. Repairs what it finds broken. */
void limit_keeper_show(struct limit_keeper *keeper);

void limit_keeper_close(struct limit_keeper *keeper);

#endif
