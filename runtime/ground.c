/* ground.c - join, enter, take over, leave. */
#include "ground.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "backlog.h"
#include "bell.h"
#include "dispatch.h"
#include "log.h"
#include "spawn.h"

#define STARTING_PATIENCE_MS 2000
#define STARTING_LOOK_NS     2000000
#define INHERITED_MS         5000

/* Whoever removes the objects may do so again while they are made anew. */
#define RETURN_TRIES 5

/* How long to wait for a store that takes jobs of a backlog: before the loop begins, and in it. */
#define BACKLOG_START_MS 10000
#define BACKLOG_STEP_MS  100
#define BACKLOG_GAP_MS   1000

static void notice(void *arg, const char *text)
{
	(void)arg;
	log_line(LOG_WARN, "%s", text);
}

static void tell(const char *text)
{
	log_line(LOG_WARN, "%s", text);
}

/* ---- limits and pools ------------------------------------------------------------------------ */

/* Does some pool take more than one unit of the limit for a job? */
static bool takes_several(const struct config *config, const char *limit)
{
	for (size_t i = 0; i < config->npools; i++)
		for (size_t j = 0; j < config->pools[i].nlimits; j++)
			if (config->pools[i].limits[j].units > 1 && strcmp(config->pools[i].limits[j].name, limit) == 0)
				return true;
	return false;
}

int ground_enter_limits(struct master *master, const struct config *config, struct ym_err *err)
{
	for (size_t i = 0; i < config->nlimits; i++)
		if (limit_keeper_enter(&master->limits, &config->limits[i],
		                       takes_several(config, config->limits[i].name), err) < 0)
			return ym_err_prefix(err, "limit %s", config->limits[i].name);
	return 0;
}

static struct pool *enter_pool(struct master *master, const struct cfg_pool *config, struct ym_err *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool || master->npools == TABLE_POOLS) {
		free(pool);
		ym_fail(err, YM_ERR_LIMIT, "no room for pool %s: at most %d pools", config->name, TABLE_POOLS);
		return NULL;
	}
	if (pool_enter(pool, &master->yard, config, err) < 0 ||
	    supervisor_add(&master->supervisor, &pool->unit, err) < 0) {
		pool_free(pool);
		free(pool);
		ym_err_prefix(err, "pool %s", config->name);
		return NULL;
	}
	master->pools[master->npools++] = pool;
	return pool;
}

int ground_add_pool(struct master *master, const struct cfg_pool *config, struct ym_err *err)
{
	struct pool *pool;

	if (ym_group_lock(&master->instance.group, err) < 0)
		return -1;
	pool = enter_pool(master, config, err);
	ym_group_unlock(&master->instance.group);
	if (!pool)
		return -1;
	ground_load_backlog(master, BACKLOG_STEP_MS);
	dispatch_mode(&master->instance, pool->index, 0, POOL_LOADING);
	return 0;
}

/* Callers hold the LOCK. The pools are there already when the ground is made anew. */
static int enter_all(struct master *master, struct ym_err *err)
{
	const struct config *config = master->config;

	if (ground_enter_limits(master, config, err) < 0)
		return -1;
	for (size_t i = 0; i < config->npools; i++)
		if (!enter_pool(master, &config->pools[i], err))
			return -1;
	for (size_t i = 0; i < master->npools; i++) {
		pool_enter_crash_rule(master->pools[i]);
		master->has_timeouts |= master->pools[i]->config->timeout_ms > 0;
	}
	return 0;
}

/* ---- workers of an earlier master ------------------------------------------------------------ */

/* Is this living participant a worker that has no row on the board yet? */
static bool starting(const struct master *master, unsigned slot)
{
	const struct ym_member_sh *member = &master->instance.group.reg->members[slot];
	struct board_work work;

	if (!ym_group_alive(&master->instance.group, slot))
		return false;
	/* Joined, but it has not said yet what it is: its row is its predecessor's. */
	if (ym_sem_pid(master->instance.group.semid, YM_GROUP_ALIVE(slot)) != atomic_load(&member->pid))
		return true;
	if (strncmp(member->role, "worker", sizeof(member->role)) != 0)
		return false;
	for (unsigned row = 0; row < master->instance.board->instance.rows; row++)
		if (place_row_alive(&master->instance, row, &work) && work.slot == slot)
			return false;
	return true;
}

/*
 * A worker that the last master started just before it died may be about to take its row: it does, or sees that its
 * master is gone and ends, within a moment. Rows are given out only after that.
 */
static void await_starting(struct master *master)
{
	uint64_t deadline = ym_deadline(STARTING_PATIENCE_MS);

	for (unsigned slot = 0; slot < master->instance.group.capacity; slot++)
		while (starting(master, slot) && ym_now_ns() < deadline)
			ym_nap(STARTING_LOOK_NS);
}

/* After an upgrade it is no orphan, and would sleep on. */
static void wake(const struct board_work *work)
{
	int pidfd = spawn_open_process(work->pid, work->process_started);

	if (pidfd < 0)
		return;
	spawn_signal(pidfd, SIGUSR1);
	close(pidfd);
}

static int take_over_all(struct master *master, struct ym_err *err)
{
	struct board_work work;

	if (!master->instance.group.fresh)
		await_starting(master);
	for (size_t i = 0; i < master->npools; i++)
		if (crew_take_over(master->pools[i], err) < 0)
			return -1;
	/* Workers of pools that are no longer configured: orphans look at their orders every second. */
	for (unsigned row = 0; row < master->instance.board->instance.rows; row++) {
		if (master->yard.rows[row] != YARD_ROW_FREE || !place_row_alive(&master->instance, row, &work))
			continue;
		master->yard.rows[row] = YARD_ROW_FOREIGN;
		if (board_retire(&master->instance.board->workers[row]))
			wake(&work);
	}
	return 0;
}

/* ---- the backlog ----------------------------------------------------------------------------- */

void ground_load_backlog(struct master *master, int64_t patience_ms)
{
	struct backlog_result result;

	if (table_stored(master->instance.table) &&
	    atomic_load(&master->instance.board->store.state) != BOARD_STORE_WORKING)
		patience_ms = 0;
	backlog_load(&master->instance, ym_deadline(patience_ms), &result, tell);
	if (result.loaded)
		log_line(LOG_INFO, "%u unfinished job%s of an earlier run taken in", result.loaded,
		         result.loaded == 1 ? "" : "s");
	if (result.full && !master->backlog && table_stored(master->instance.table))
		log_line(LOG_WARN, "%u more wait in %s for the store: %s", result.full, master->instance.directory,
		         result.why.text[0] ? result.why.text : "it does not work yet");
	else if (result.full && !master->backlog)
		log_line(LOG_INFO, "%u more wait in %s for room in the table", result.full, master->instance.directory);
	if (result.unknown)
		log_line(LOG_WARN, "%u unfinished jobs stay in %s/backlog-*: their pool is not configured",
		         result.unknown, master->instance.directory);
	if (result.doubled)
		log_line(
		    LOG_WARN,
		    "%u unfinished jobs stay in %s/backlog-* until the next start: newer jobs have their unique keys",
		    result.doubled, master->instance.directory);
	master->backlog = result.full > 0;
	master->backlog_next = table_stored(master->instance.table) ? ym_deadline(BACKLOG_GAP_MS) : 0;
}

void ground_backlog_again(struct master *master)
{
	const struct table_sh *table = master->instance.table;
	bool ready = table_stored(table) ? atomic_load(&master->instance.board->store.state) == BOARD_STORE_WORKING
	                                 : master->sweep.live < table->slots / 2;

	if (master->backlog && ready && ym_now_ns() >= master->backlog_next)
		ground_load_backlog(master, BACKLOG_STEP_MS);
}

/* ---- enter ----------------------------------------------------------------------------------- */

/* Board rows: those of an earlier master, or of an earlier configuration, may still be there when the new ones start. */
static uint32_t rows_for(const struct config *config)
{
	int64_t workers = 0, room = config->instance.workers_room;

	for (size_t i = 0; i < config->npools; i++)
		workers += config->pools[i].workers_max;
	if (room == 0)
		room = 2 * workers + 32;
	return (uint32_t)(room + workers + 8);
}

static struct instance_sizes sizes_for(const struct config *config)
{
	struct instance_sizes sizes = {
	    .slots = (uint32_t)config->instance.jobs,
	    .rows = rows_for(config),
	    .payload_max = (uint64_t)config->instance.payload_max,
	    .result_ttl_ns = (uint64_t)config->instance.result_ttl_ms * 1000000u,
	    .store = clerk_store_id(config),
	    .board_mode = (mode_t)config->instance.board_mode,
	    .notice = notice,
	};

	sizes.participants = sizes.rows + (uint32_t)config->instance.clients + 8;
	if (sizes.participants > YM_GROUP_CAPACITY_MAX)
		sizes.participants = YM_GROUP_CAPACITY_MAX;
	return sizes;
}

static int locate(struct master *master, struct ym_err *err)
{
	const struct cfg_instance *config = &master->config->instance;

	if (instance_configured(&master->instance, config, err) < 0 ||
	    instance_share(&master->instance, config->ipc_group, err) < 0)
		return -1;
	master->instance.hasty = true;
	return 0;
}

static int join(struct master *master, struct ym_err *err)
{
	struct instance_sizes sizes = sizes_for(master->config);
	pid_t other;
	int led;

	if (locate(master, err) < 0 || instance_prepare(&master->instance, err) < 0 ||
	    instance_join(&master->instance, "master", &sizes, err) < 0)
		return -1;
	led = ym_group_lead(&master->instance.group, &other, err);
	if (led == 1)
		ym_fail(err, YM_ERR_NO,
		        "instance %s already has a master (pid %ld): stop it first, or use another `instance`",
		        master->instance.name, (long)other);
	return led == 0 ? 0 : -1;
}

static void bell_rang(uv_poll_t *handle, int status, int events)
{
	struct master *master = handle->data;

	(void)status;
	(void)events;
	bell_clear(master->bell_fd);
	yard_soon(&master->yard);
}

static int listen_to_bell(struct master *master, struct ym_err *err)
{
	if (master->bell_fd >= 0)
		return 0;
	master->bell_fd = bell_open(master->instance.directory, err);
	if (master->bell_fd < 0)
		return -1;
	uv_poll_init(&master->loop, &master->bell, master->bell_fd);
	master->bell.data = master;
	uv_poll_start(&master->bell, UV_READABLE, bell_rang);
	return 0;
}

/* What is kept of the participants and rows of this generation. */
static int make_books(struct master *master, struct ym_err *err)
{
	struct yard *yard = &master->yard;

	yard->deaths = calloc(master->instance.group.capacity, sizeof(*yard->deaths));
	yard->rows = calloc(master->instance.board->instance.rows, sizeof(*yard->rows));
	return yard->deaths && yard->rows ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");
}

static int enter(struct master *master, struct ym_err *err)
{
	struct board_instance_sh *board = master_board(master);

	guard_start(&master->guard);
	master->limits = (struct limit_keeper){.instance = &master->instance};
	if (make_books(master, err) < 0 || listen_to_bell(master, err) < 0 ||
	    ym_group_lock(&master->instance.group, err) < 0)
		return -1;
	if (enter_all(master, err) < 0) {
		ym_group_unlock(&master->instance.group);
		return -1;
	}
	ym_group_unlock(&master->instance.group);
	atomic_store(&board->master, getpid());
	atomic_store(&board->master_since, ym_now_ns());
	memcpy(board->version, YM_VERSION, sizeof(YM_VERSION));
	/* What an earlier master has shown of its programs: ours take rows of their own. */
	for (int i = 0; i < BOARD_PROGRAMS; i++)
		if (atomic_load(&master->instance.board->programs[i].used))
			atomic_store(&master->instance.board->programs[i].used, 0);
	return take_over_all(master, err);
}

/* ---- the store ------------------------------------------------------------------------------- */

static void answered(void *arg)
{
	struct master *master = arg;

	for (size_t i = 0; i < master->npools; i++)
		inbox_keeper_retry(&master->pools[i]->inbox);
	if (master->crons)
		cron_keeper_look(master->crons);
}

static void look(void *arg)
{
	yard_soon(&((struct master *)arg)->yard);
}

static void granted(void *arg, unsigned limit, int units, uint64_t until)
{
	limit_keeper_grant(&((struct master *)arg)->limits, limit, units, until);
}

int ground_open_store(struct master *master, bool lenient, struct ym_err *err)
{
	const struct clerk_options options = {.instance = &master->instance,
	                                      .loop = &master->loop,
	                                      .config = master->config,
	                                      .answered = answered,
	                                      .look = look,
	                                      .granted = granted,
	                                      .arg = master};

	return clerk_open(&master->clerk, &options, lenient, err);
}

void ground_close_store(struct master *master, bool hand_over)
{
	bool clean = clerk_close(master->clerk, hand_over);

	/* All of ours is answered now: what is a job must not be taken again by who comes after us. */
	for (size_t i = 0; master->clerk && hand_over && i < master->npools; i++)
		inbox_keeper_close(&master->pools[i]->inbox);
	if (master->clerk && master->crons)
		cron_keeper_settle(master->crons);
	if (master->clerk && !clean && !hand_over)
		log_line(LOG_WARN, "store: not everything could be written: what is missing runs again");
	master->clerk = NULL;
}

/* Who is in the instance still may have jobs of another store in the table. */
static int check_store(const struct master *master, struct ym_err *err)
{
	const struct table_sh *table = master->instance.table;

	if (table->store == clerk_store_id(master->config))
		return 0;
	return ym_fail(err, YM_ERR_NO,
	               "instance %s is still in use, with another `store`: end the other participants (yardmaster ipc "
	               "shows them), or start once more with the old one",
	               master->instance.name);
}

/*
 * The first pass of the sweep takes what stands under our number for a dead owner's, if we have inherited it: no pass
 * for that when the clerk works under it, too.
 */
static int clear_up_inherited(struct master *master, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(INHERITED_MS);

	while (master->instance.group.inherited && sweep_run(&master->instance, &master->sweep, err) < 0)
		/* A stopped process has the lock of the lists. */
		if (err->class != YM_ERR_TIMEOUT || ym_now_ns() >= deadline)
			return -1;
	return 0;
}

static int stand(struct master *master, bool lenient, struct ym_err *err)
{
	if (check_store(master, err) < 0 || enter(master, err) < 0 || clear_up_inherited(master, err) < 0 ||
	    ground_open_store(master, lenient, err) < 0)
		return -1;
	ground_load_backlog(master, BACKLOG_START_MS);
	for (size_t i = 0; i < master->npools; i++)
		dispatch_mode(&master->instance, master->pools[i]->index, 0, POOL_LOADING);
	master->publish = publish_open(&master->loop, &master->instance, &master->config->instance);
	atomic_store(&master_board(master)->master_state, BOARD_MASTER_RUNNING);
	master->ground = true;
	return 0;
}

int ground_enter(struct master *master, struct ym_err *err)
{
	return join(master, err) < 0 ? -1 : stand(master, false, err);
}

int ground_resume(struct master *master, int semid, unsigned slot, struct ym_err *err)
{
	struct instance_sizes sizes = sizes_for(master->config);

	if (locate(master, err) < 0 || instance_resume(&master->instance, "master", &sizes, semid, slot, err) < 0)
		return -1;
	return stand(master, true, err);
}

/* ---- leave ----------------------------------------------------------------------------------- */

static void free_pools(struct master *master)
{
	for (size_t i = 0; i < master->npools; i++) {
		supervisor_drop(&master->supervisor, &master->pools[i]->unit);
		pool_free(master->pools[i]);
		free(master->pools[i]);
	}
	master->npools = 0;
}

/* Everything that stands on the ground; the instance itself is still joined. */
static void clear(struct master *master)
{
	publish_close(master->publish);
	master->publish = NULL;
	limit_keeper_close(&master->limits);
	free_pools(master);
	ground_close_store(master, false);
	guard_forget(&master->guard);
	free(master->yard.deaths);
	free(master->yard.rows);
	master->yard.deaths = NULL;
	master->yard.rows = NULL;
	sweep_free(&master->sweep);
	master->ground = false;
}

/* In the table at the last sweep; or, when the clerk has ended, all in the store. */
static uint64_t count_unfinished(const struct master *master)
{
	const struct table_sh *table = master->instance.table;
	uint64_t n = 0;

	if (!table || !table_stored(table))
		return master->sweep.live;
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&table->pools[i].used))
			n += atomic_load(&table->pools[i].stored_waiting) +
			     atomic_load(&table->pools[i].stored_delayed) + atomic_load(&table->pools[i].stored_buried);
	return n;
}

int ground_leave(struct master *master, int code)
{
	struct ym_err err;
	uint64_t unfinished;
	bool last = false;

	master->guard.off = true;
	clear(master);
	unfinished = count_unfinished(master);
	if (master->instance.group.semid < 0)
		return code;
	if (code == 0 && master->instance.board) {
		atomic_store(&master_board(master)->master_state, BOARD_MASTER_STOPPED);
		atomic_store(&master_board(master)->master, 0);
	}
	if ((master->yard.lost && ym_group_abandon(&master->instance.group, &err) < 0) ||
	    instance_leave(&master->instance, &last, &err) < 0) {
		log_line(LOG_ERROR, "%s", err.text);
		return code ? code : ym_err_exit_code(err.class);
	}
	if (code == 0)
		log_line(LOG_INFO, "stopped: %s; unfinished jobs kept for the next start: %llu",
		         last ? "no IPC object is left" : "other participants still use the IPC objects",
		         (unsigned long long)unfinished);
	return code;
}

/* ---- lost ------------------------------------------------------------------------------------ */

void ground_lost(struct master *master, const struct ym_err *err)
{
	if (master->yard.lost)
		return;
	master->yard.lost = true;
	log_line(LOG_ERROR,
	         "%s: somebody removed our IPC objects (ipcrm, or logind's RemoveIPC=yes at a logout): the pools stop, "
	         "unfinished jobs are kept, then all is made anew",
	         err->text);
	cron_keeper_pause(master->crons);
	orders_note(&master->orders, master->pools, master->npools);
	for (size_t i = 0; i < master->npools; i++)
		master->pools[i]->unit.wanted = false;
	supervisor_look(&master->supervisor);
}

int ground_return(struct master *master, int semid, int registry, unsigned slot, struct ym_err *err)
{
	struct instance_sizes sizes = sizes_for(master->config);

	/* As far as it got. */
	clear(master);
	if (master->instance.group.semid < 0 &&
	    instance_remains(&master->instance, "master", &sizes, semid, registry, slot, err) < 0)
		return -1;
	for (int tries = 1;
	     instance_rejoin(&master->instance, "master", &sizes, err) < 0 || stand(master, true, err) < 0; tries++) {
		clear(master);
		if (tries == RETURN_TRIES || err->class == YM_ERR_NO)
			return -1;
	}
	log_line(LOG_WARN, "the IPC objects were made anew");
	return 0;
}

void ground_rebuild(struct master *master)
{
	struct instance_sizes sizes = sizes_for(master->config);
	struct ym_err err;

	clear(master);
	if (instance_rejoin(&master->instance, "master", &sizes, &err) < 0 || stand(master, true, &err) < 0) {
		log_line(LOG_ERROR, "the IPC objects cannot be made anew: %s: next try in %d ms", err.text,
		         GROUND_RETRY_MS);
		/* Pools that got as far as the ground must not start on it: the next try waits for their workers. */
		clear(master);
		return;
	}
	orders_give(&master->orders, master->pools, master->npools);
	master->yard.lost = false;
	log_line(LOG_WARN, "the IPC objects were made anew, the pools start again");
	cron_keeper_resume(master->crons);
	yard_soon(&master->yard);
}
