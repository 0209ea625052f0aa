/* master.c - start up, the loop, stop. */
#include "master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/key.h"
#include "../ipc/sys.h"
#include "backlog.h"
#include "bell.h"
#include "limit.h"
#include "log.h"
#include "process.h"
#include "spawn.h"
#include "sweep.h"

/* The sweep comes at least this often while jobs are in the table, and this often when there are none. */
#define SWEEP_BUSY_MS 500
#define SWEEP_IDLE_MS 2000
/* ... and never more often than this. */
#define SWEEP_GAP_NS UINT64_C(2000000)

#define GUARDIAN_DELAY_MS 1000

static void notice(void *arg, const char *text)
{
	(void)arg;
	log_line(LOG_WARN, "%s", text);
}

static void tell(const char *text)
{
	log_line(LOG_WARN, "%s", text);
}

static struct board_instance_sh *board(struct master *master)
{
	return &master->instance.board->instance;
}

/* ---- the guardian
 * ---------------------------------------------------------------------------------------------------- */

static void start_guardian(struct master *master);

static void guardian_timer(uv_timer_t *timer)
{
	start_guardian(timer->data);
}

static void guardian_line(void *arg, const char *text, size_t length)
{
	(void)arg;
	log_line(LOG_INFO, "guardian: %.*s", (int)length, text);
}

static void guardian_ended(void *arg, pid_t pid, int status)
{
	struct master *master = arg;
	char how[80];

	spawn_status_text(status, how, sizeof(how));
	master->guardian = NULL;
	if (master->stopping)
		return;
	log_line(LOG_WARN, "the guardian (pid %ld) %s: starting another", (long)pid, how);
	uv_timer_start(&master->guardian_timer, guardian_timer, GUARDIAN_DELAY_MS, 0);
}

static const struct process_events guardian_events = {.line = guardian_line, .ended = guardian_ended};

/* One guardian a generation: the one that a dead master started goes on, and is watched. */
static void start_guardian(struct master *master)
{
	struct ym_registry_sh *reg = master->instance.group.reg;
	pid_t pid = atomic_load(&reg->guardian);
	int pidfd = spawn_open_process(pid, atomic_load(&reg->guardian_started));
	char title[2 * TABLE_NAME_MAX], semid[16];
	char *argv[] = {(char[]){"yardmaster"}, (char[]){"guardian"}, title, semid, NULL};
	struct spawn spawn = {.argv = argv, .brief = -1, .detach = true};
	struct ym_err err;

	snprintf(title, sizeof(title), "%s", master->instance.name);
	snprintf(semid, sizeof(semid), "%d", master->instance.group.semid);
	if (pidfd < 0) {
		pid = spawn_self(&spawn, &pidfd, &err);
		if (pid < 0) {
			log_line(LOG_ERROR, "no guardian: %s: next try in %d ms", err.text, GUARDIAN_DELAY_MS);
			uv_timer_start(&master->guardian_timer, guardian_timer, GUARDIAN_DELAY_MS, 0);
			return;
		}
		atomic_store(&reg->guardian_started, ym_process_started(pid));
		atomic_store(&reg->guardian, pid);
	}
	master->guardian = process_watch(&master->loop, pid, pidfd, -1, &guardian_events, master);
}

/* ---- the sweep
 * ------------------------------------------------------------------------------------------------------- */

static void sweep_timer(uv_timer_t *timer);

static const char *cause_of(void *arg, unsigned slot)
{
	struct master *master = arg;

	return master->causes[slot];
}

static void kill_owner(void *arg, unsigned slot)
{
	struct master *master = arg;

	for (size_t i = 0; i < master->npools; i++) {
		struct child *child = pool_find(&master->pools[i], slot);

		if (child)
			child_kill(child);
	}
}

static void show_limit(struct master *master, unsigned index, uint32_t parked)
{
	struct table_limit_sh *limit = &master->instance.table->limits[index];
	struct board_limit_sh *row = &master->instance.board->limits[index];
	int units = limit_free(limit);
	struct ym_err err;

	/* A script may have removed the semaphore (sem_remove): make it again, as the workers do. */
	if (units < 0 && master->limit_open[index]) {
		ym_sem_close(&master->limits[index]);
		master->limit_open[index] = ym_sem_get(&master->limits[index], limit->key, atomic_load(&limit->max),
		                                       0600, ym_deadline(100), &err) == 0;
		if (master->limit_open[index]) {
			log_line(LOG_WARN, "limit %s: its semaphore had been removed; made again", limit->name);
			atomic_store(&limit->id, master->limits[index].id);
			units = limit_free(limit);
		}
	}
	atomic_store(&row->free, units < 0 ? 0 : units);
	atomic_store(&row->parked, parked);
	atomic_store(&row->id, atomic_load(&limit->id));
}

static void show_counts(struct master *master, const struct sweep *sweep)
{
	for (size_t i = 0; i < master->npools; i++) {
		const struct pool *pool = &master->pools[i];
		struct board_pool_sh *row = &master->instance.board->pools[pool->index];
		const struct sweep_counts *counts = &sweep->pools[pool->index];
		unsigned failing = 0;

		for (size_t c = 0; c < pool->nchildren; c++)
			failing = pool->children[c].failing > failing ? pool->children[c].failing : failing;
		atomic_store(&row->actual, pool_alive(pool));
		atomic_store(&row->failing, failing);
		atomic_store(&row->waiting, counts->waiting);
		atomic_store(&row->running, counts->running);
		atomic_store(&row->parked, counts->parked);
		atomic_store(&row->delayed, counts->delayed);
	}
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&master->instance.table->limits[i].used))
			show_limit(master, i, sweep->parked_on[i]);
	atomic_fetch_add(&board(master)->recovered, sweep->recovered);
	atomic_fetch_add(&board(master)->resent, sweep->resent);
	atomic_store(&board(master)->beat, ym_now_ns());
}

static void begin_stop(struct master *master);

static void load_backlog(struct master *master)
{
	struct backlog_result result;

	backlog_load(&master->instance, &result, tell);
	if (result.loaded)
		log_line(LOG_INFO, "%u unfinished jobs of an earlier run taken in", result.loaded);
	if (result.full && !master->backlog)
		log_line(LOG_INFO, "%u more wait in %s for room in the table", result.full, master->instance.directory);
	if (result.unknown)
		log_line(LOG_WARN, "%u unfinished jobs stay in %s/backlog-*: their pool is not configured",
		         result.unknown, master->instance.directory);
	master->backlog = result.full > 0;
}

static void sweep_now(struct master *master)
{
	struct sweep sweep = {.cause = cause_of, .kill = kill_owner, .arg = master};
	uint64_t now, wait_ms;
	struct ym_err err;

	master->last_sweep = ym_now_ns();
	if (sweep_run(&master->instance, &sweep, &err) < 0) {
		if (!master->lost)
			log_line(LOG_ERROR,
			         "%s: somebody removed our IPC objects (ipcrm, or logind's RemoveIPC=yes at a logout): "
			         "stopping, unfinished "
			         "jobs are kept for the next start",
			         err.text);
		master->lost = true;
		begin_stop(master);
		return;
	}
	if (sweep.recovered)
		log_line(LOG_INFO, "%u jobs of dead workers taken back", sweep.recovered);
	show_counts(master, &sweep);
	if (master->backlog && sweep.live < master->instance.table->slots / 2)
		load_backlog(master);
	now = ym_now_ns();
	wait_ms = sweep.live ? SWEEP_BUSY_MS : SWEEP_IDLE_MS;
	if (sweep.next < now + wait_ms * 1000000u)
		wait_ms = sweep.next <= now ? 1 : (sweep.next - now) / 1000000u + 1;
	uv_timer_start(&master->sweep_timer, sweep_timer, wait_ms, 0);
}

static void sweep_timer(uv_timer_t *timer)
{
	sweep_now(timer->data);
}

void master_sweep_soon(struct master *master)
{
	uint64_t now = ym_now_ns(), gap = now - master->last_sweep;

	/* Many rings at once make one sweep. */
	uv_timer_start(&master->sweep_timer, sweep_timer, gap >= SWEEP_GAP_NS ? 0 : SWEEP_GAP_NS / 1000000u, 0);
}

static void bell_rang(uv_poll_t *handle, int status, int events)
{
	struct master *master = handle->data;

	(void)status;
	(void)events;
	bell_clear(master->bell_fd);
	master_sweep_soon(master);
}

/* ---- stop
 * ------------------------------------------------------------------------------------------------------------ */

static unsigned children_alive(struct master *master)
{
	unsigned n = 0;

	for (size_t i = 0; i < master->npools; i++)
		n += pool_alive(&master->pools[i]);
	return n;
}

void master_child_gone(struct master *master)
{
	if (!master->stopping || children_alive(master) > 0)
		return;
	/* The last deaths are still to be booked: their jobs are ready again for the next start. */
	if (!master->lost)
		sweep_now(master);
	uv_stop(&master->loop);
}

static void begin_stop(struct master *master)
{
	if (master->stopping)
		return;
	master->stopping = true;
	atomic_store(&board(master)->master_state, BOARD_MASTER_STOPPING);
	log_line(LOG_INFO, "stopping: waiting for running jobs");
	for (size_t i = 0; i < master->npools; i++)
		pool_stop(&master->pools[i]);
	master_child_gone(master);
}

static void signal_came(uv_signal_t *handle, int signo)
{
	struct master *master = handle->data;

	if (signo == SIGHUP) {
		log_line(LOG_WARN, "SIGHUP: this version cannot reload; stop and run again to apply a changed file");
		return;
	}
	log_line(LOG_INFO, "%s: %s", strsignal(signo),
	         master->stopping ? "not waiting any longer" : "stopping in order");
	if (!master->stopping) {
		begin_stop(master);
		return;
	}
	for (size_t i = 0; i < master->npools; i++)
		pool_press(&master->pools[i]);
}

/* ---- start
 * ----------------------------------------------------------------------------------------------------------- */

static int enter_limit(struct master *master, const struct cfg_limit *config, struct ym_err *err)
{
	struct table_sh *table = master->instance.table;
	struct ym_registry_sh *reg = master->instance.group.reg;
	int index = table_limit(table, config->name), before = -1;
	struct table_limit_sh *row;
	struct ym_sem *sem;
	key_t key;

	for (int i = 0; index < 0 && i < TABLE_LIMITS; i++)
		if (!atomic_load(&table->limits[i].used))
			index = i;
	if (index < 0)
		return ym_fail(err, YM_ERR_LIMIT, "no row for limit %s: at most %d limits", config->name, TABLE_LIMITS);
	row = &table->limits[index];
	sem = &master->limits[index];
	if (atomic_load(&row->used))
		before = atomic_load(&row->max);
	if (config->key) {
		if (ym_key_parse(config->key, &key, err) < 0)
			return -1;
	} else {
		char name[YM_OBJECT_NAME_MAX];
		struct ym_entry_sh *entry;

		snprintf(name, sizeof(name), "limit.%s", config->name);
		if (!ym_registry_find(reg, name) &&
		    ym_registry_add(reg, YM_OBJECT_SEMAPHORE, name, (size_t)config->max, 0, 0600, NULL, err) < 0)
			return -1;
		entry = ym_registry_find(reg, name);
		key = entry->key;
	}
	if (ym_sem_get(sem, key, (int)config->max, 0600, ym_deadline(INSTANCE_PATIENCE_MS), err) < 0)
		return -1;
	master->limit_open[index] = true;
	if (!sem->alone && before >= 0 && before != config->max &&
	    ym_sem_resize(sem, (int)config->max - before, ym_deadline(0), err) < 0)
		log_line(LOG_WARN, "limit %s: stays at %d for now: %s", config->name, before, err->text);
	else if (!sem->alone && before < 0)
		log_line(LOG_INFO,
		         "limit %s: key 0x%x is already used by another program: its number of units counts, not `max`",
		         config->name, (unsigned)key);
	memcpy(row->name, config->name, sizeof(row->name));
	row->key = key;
	atomic_store(&row->id, sem->id);
	atomic_store(&row->max, (int32_t)config->max);
	atomic_store(&row->used, 1);
	return 0;
}

static void show_limits(struct master *master)
{
	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct table_limit_sh *limit = &master->instance.table->limits[i];
		struct board_limit_sh *row = &master->instance.board->limits[i];

		if (!atomic_load(&limit->used))
			continue;
		memcpy(row->name, limit->name, sizeof(row->name));
		row->key = limit->key;
		atomic_store(&row->max, atomic_load(&limit->max));
		atomic_store(&row->used, 1);
	}
}

static int enter_all(struct master *master, struct ym_err *err)
{
	const struct config *config = master->config;

	for (size_t i = 0; i < config->nlimits; i++)
		if (enter_limit(master, &config->limits[i], err) < 0)
			return ym_err_prefix(err, "limit %s", config->limits[i].name);
	show_limits(master);
	for (size_t i = 0; i < config->npools; i++, master->npools++)
		if (pool_enter(&master->pools[i], master, &config->pools[i], err) < 0)
			return ym_err_prefix(err, "pool %s", config->pools[i].name);
	return 0;
}

static int populate_all(struct master *master, struct ym_err *err)
{
	uint32_t nrows = master->instance.board->instance.rows;
	bool *rows = calloc(nrows, sizeof(*rows));
	struct board_work work;
	int result = rows ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");

	for (size_t i = 0; result == 0 && i < master->npools; i++)
		result = pool_take_over(&master->pools[i], rows, err);
	/* Workers of pools that are no longer configured end by themselves; their rows are left to them. */
	for (unsigned row = 0; result == 0 && row < nrows; row++) {
		if (rows[row] || !pool_row_alive(&master->instance, row, &work))
			continue;
		rows[row] = true;
		atomic_store(&master->instance.board->workers[row].order, BOARD_ORDER_RETIRE);
	}
	for (size_t i = 0; result == 0 && i < master->npools; i++)
		result = pool_populate(&master->pools[i], rows, err);
	free(rows);
	return result;
}

static int join(struct master *master, struct ym_err *err)
{
	const struct config *config = master->config;
	struct instance_sizes sizes = {
	    .slots = (uint32_t)config->instance.jobs,
	    .payload_max = (uint64_t)config->instance.payload_max,
	    .result_ttl_ns = (uint64_t)config->instance.result_ttl_ms * 1000000u,
	    .board_mode = (mode_t)config->instance.board_mode,
	    .notice = notice,
	};
	uint32_t workers = 0;
	pid_t other;
	int led;

	for (size_t i = 0; i < config->npools; i++)
		workers += (uint32_t)config->pools[i].workers;
	/* Twice the workers: those of a dead master may still be there when the new ones start. */
	sizes.rows = 2 * workers + 8;
	sizes.participants = sizes.rows + (uint32_t)config->instance.clients + 8;
	if (instance_locate(&master->instance, config->instance.name, config->instance.directory, err) < 0 ||
	    instance_prepare(&master->instance, err) < 0 || instance_join(&master->instance, "master", &sizes, err) < 0)
		return -1;
	led = ym_group_lead(&master->instance.group, &other, err);
	if (led == 1)
		ym_fail(err, YM_ERR_NO,
		        "instance %s already has a master (pid %ld): stop it first, or use another `instance`",
		        master->instance.name, (long)other);
	return led == 0 ? 0 : -1;
}

static int set_up(struct master *master, struct ym_err *err)
{
	if (join(master, err) < 0)
		return -1;
	master->pools = calloc(master->config->npools, sizeof(*master->pools));
	master->causes = calloc(master->instance.group.capacity, sizeof(*master->causes));
	if (!master->pools || !master->causes)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	master->bell_fd = bell_open(master->instance.directory, err);
	if (master->bell_fd < 0 || ym_group_lock(&master->instance.group, err) < 0)
		return -1;
	/* Everything behind this line is undone by leaving the group. */
	if (enter_all(master, err) < 0) {
		ym_group_unlock(&master->instance.group);
		return -1;
	}
	ym_group_unlock(&master->instance.group);
	atomic_store(&board(master)->master, getpid());
	atomic_store(&board(master)->master_since, ym_now_ns());
	atomic_store(&board(master)->master_state, BOARD_MASTER_RUNNING);
	load_backlog(master);
	return populate_all(master, err);
}

static void start_loop(struct master *master)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		uv_signal_init(&master->loop, &master->signals[i]);
		master->signals[i].data = master;
		uv_signal_start(&master->signals[i], signal_came, signals[i]);
	}
	uv_timer_init(&master->loop, &master->sweep_timer);
	uv_timer_init(&master->loop, &master->guardian_timer);
	master->sweep_timer.data = master->guardian_timer.data = master;
	uv_poll_init(&master->loop, &master->bell, master->bell_fd);
	master->bell.data = master;
	uv_poll_start(&master->bell, UV_READABLE, bell_rang);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int tear_down(struct master *master, int code)
{
	struct ym_err err;
	bool last = false;

	if (master->guardian)
		process_forget(master->guardian);
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		if (master->limit_open[i])
			ym_sem_close(&master->limits[i]);
	if (master->instance.board) {
		if (master->lost)
			backlog_save(master->instance.table, master->instance.directory);
		if (code == 0) {
			atomic_store(&board(master)->master_state, BOARD_MASTER_STOPPED);
			atomic_store(&board(master)->master, 0);
		}
	}
	if (instance_leave(&master->instance, &last, &err) < 0)
		log_line(LOG_ERROR, "%s", err.text);
	else if (code == 0)
		log_line(LOG_INFO, "stopped%s",
		         last ? ": no IPC object is left" : ": other participants still use the IPC objects");
	for (size_t i = 0; i < master->npools; i++)
		pool_free(&master->pools[i]);
	free(master->pools);
	free(master->causes);
	uv_walk(&master->loop, close_handle, NULL);
	uv_run(&master->loop, UV_RUN_DEFAULT);
	uv_loop_close(&master->loop);
	if (master->bell_fd >= 0)
		close(master->bell_fd);
	return code;
}

int master_run(const struct config *config)
{
	struct master master = {.config = config, .bell_fd = -1};
	struct ym_err err;

	log_set_level(config->instance.log_level);
	master.instance.group.semid = -1;
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&master.loop);
	if (set_up(&master, &err) < 0) {
		log_line(LOG_ERROR, "%s", err.text);
		return tear_down(&master, ym_err_exit_code(err.class));
	}
	start_loop(&master);
	start_guardian(&master);
	log_line(LOG_INFO, "instance %s is up (pid %ld, %s): %zu pools%s", master.instance.name, (long)getpid(),
	         master.instance.directory, master.npools,
	         master.instance.group.fresh ? "" : ", taken over from a dead master");
	for (size_t i = 0; i < master.npools; i++)
		pool_start(&master.pools[i]);
	sweep_now(&master);
	uv_run(&master.loop, UV_RUN_DEFAULT);
	return tear_down(&master, master.lost ? ym_err_exit_code(YM_ERR_GONE) : 0);
}
