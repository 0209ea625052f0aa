/*
 * master.h - the control loop: keeps pools and programs as they are wanted, sweeps the table, stops in order.
 *
 * The master is not in the way of jobs. All it knows about them is in shared memory, so a new master goes on where a
 * killed one was. Its parts, each of which looks only at those above it:
 *
 *   ground.h     the instance: joined, entered, left, joined anew when somebody has removed it
 *   rounds.h     the look at everything: sweep, supervision, board
 *   reload.h     another configuration
 *   upgrade.h    another program in our place
 *   requests.h   what people ask for through the control socket
 */
#ifndef YM_RUNTIME_MASTER_H
#define YM_RUNTIME_MASTER_H

#include <uv.h>

#include "../config/config.h"
#include "clerk.h"
#include "control.h"
#include "cron_keeper.h"
#include "guard.h"
#include "instance.h"
#include "limit_keeper.h"
#include "orders.h"
#include "pool.h"
#include "program.h"
#include "publish.h"
#include "supervisor.h"
#include "sweep.h"
#include "yard.h"

#define MASTER_SIGNALS 5

struct master {
	uv_loop_t loop;
	struct config *config; /* the one that is in force */
	struct yard yard;
	struct instance instance;
	struct supervisor supervisor;
	struct pool *pools[TABLE_POOLS]; /* those that are configured, and those whose last workers are still there */
	size_t npools;
	struct program **programs; /* likewise */
	size_t nprograms;
	struct roster *roster;
	struct limit_keeper limits;
	struct orders orders; /* while the objects are lost */
	struct cron_keeper *crons;
	struct control *control;
	struct clerk *clerk; /* NULL: no store behind the table */
	struct publish *publish;
	struct sweep sweep; /* the last one */
	struct guard guard;
	uv_signal_t signals[MASTER_SIGNALS];
	uv_timer_t round_timer;
	uv_poll_t bell;
	int bell_fd;
	char *pidfile;         /* NULL: none */
	bool ground;           /* the instance is joined and entered */
	bool backlog;          /* a backlog file holds jobs for which the table had no room */
	uint64_t backlog_next; /* not before this moment */
	bool has_timeouts;     /* a pool has a time limit: deadlines must be looked at in time */
	bool upgrading;        /* another program is to take our place as soon as the loop has come to rest */
	uint64_t last_round;
};

struct master_options {
	const char *pidfile; /* NULL: what the configuration says */
	int resume;          /* descriptor of what the image before us has left (upgrade.h), -1: none */
};

/* Run until stopped; takes the configuration over. Returns the exit code of the program. */
int master_run(struct config *config, const struct master_options *options);

/* Those that a master acts on: they wait, or come. */
void master_block_signals(bool on);

static inline struct board_instance_sh *master_board(struct master *master)
{
	return &master->instance.board->instance;
}

#endif
