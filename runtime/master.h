/*
 * master.h - the control loop: keeps the pools at their size, sweeps the table, takes logs, stops in order.
 *
 * The master is not in the way of jobs. All it knows about them is in shared memory, so a new master goes on where a
 * killed one was.
 */
#ifndef YM_RUNTIME_MASTER_H
#define YM_RUNTIME_MASTER_H

#include <uv.h>

#include "../config/config.h"
#include "guard.h"
#include "instance.h"
#include "limit_keeper.h"
#include "pool.h"
#include "sweep.h"

struct master {
	uv_loop_t loop;
	const struct config *config;
	struct instance instance;
	struct pool *pools;
	size_t npools;
	struct limit_keeper limits;
	struct sweep sweep;         /* the last one */
	struct sweep_death *deaths; /* by participant slot: how its owner died */
	struct guard guard;
	uv_signal_t signals[3];
	uv_timer_t sweep_timer;
	uv_poll_t bell;
	int bell_fd;
	bool stopping;
	bool backlog;           /* a backlog file holds jobs for which the table had no room */
	bool lost;              /* the group was removed under us */
	bool has_timeouts;      /* a pool has a time limit: deadlines must be looked at in time */
	bool segment_missed[2]; /* table, board: told that somebody has removed it */
	uint64_t last_sweep;
};

/* Run until stopped. Returns the exit code of the program. */
int master_run(const struct config *config);

/* Sweep as soon as the loop is free. */
void master_sweep_soon(struct master *master);

/* A child has ended and will not come back: ends the loop when it was the last one of a stopping master. */
void master_child_gone(struct master *master);

#endif
