/* master.c - start up, the loop, stop. */
#include "master.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "answer.h"
#include "backlog.h"
#include "bell.h"
#include "dispatch.h"
#include "log.h"

/* The sweep comes at least this often while jobs are in the table, and this often when there are none. */
#define SWEEP_BUSY_MS 500
#define SWEEP_IDLE_MS 2000
/* While a pool or a job has a time limit. */
#define SWEEP_TIMEOUTS_MS 100
/* ... and never more often than this. */
#define SWEEP_GAP_NS UINT64_C(2000000)

#define STARTING_PATIENCE_MS 2000
#define STARTING_LOOK_NS     2000000

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

/* ---- the sweep ------------------------------------------------------------------------------- */

static void sweep_timer(uv_timer_t *timer);

static struct child *child_of(struct master *master, unsigned slot)
{
	struct child *child = NULL;

	for (size_t i = 0; i < master->npools && !child; i++)
		child = pool_find(&master->pools[i], slot);
	return child;
}

/* The sweep may come before the loop has heard of the death. */
static const struct sweep_death *death_of(void *arg, unsigned slot)
{
	struct master *master = arg;
	struct child *child = child_of(master, slot);

	if (child)
		child_note_death(child);
	return master->deaths[slot].pid ? &master->deaths[slot] : NULL;
}

/* The next owner of the slot dies another death. */
static void buried(void *arg, unsigned slot)
{
	struct master *master = arg;

	master->deaths[slot] = (struct sweep_death){0};
}

static bool signal_owner(void *arg, unsigned slot, int signo)
{
	struct child *child = child_of(arg, slot);

	if (!child)
		return false;
	child_signal(child, signo);
	log_line(LOG_WARN, "pool %s: the job of worker %u has had its time: sent it %s", child->pool->config->name,
	         child->row, signo == SIGKILL ? "SIGKILL" : "SIGTERM");
	return true;
}

static bool answer(void *arg, uint32_t slot, uint64_t word)
{
	struct master *master = arg;

	return answer_send(&master->instance, slot, word);
}

static void show_counts(struct master *master, const struct sweep *sweep)
{
	for (size_t i = 0; i < master->npools; i++) {
		const struct pool *pool = &master->pools[i];
		struct board_pool_sh *row = &master->instance.board->pools[pool->index];
		const struct sweep_counts *counts = &sweep->pools[pool->index];
		unsigned failing = 0;

		for (size_t c = 0; c < pool->nchildren; c++)
			if (child_failing(&pool->children[c]) > failing)
				failing = child_failing(&pool->children[c]);
		atomic_store(&row->actual, pool_alive(pool));
		atomic_store(&row->failing, failing);
		atomic_store(&row->waiting, counts->waiting);
		atomic_store(&row->running, counts->running);
		atomic_store(&row->delayed, counts->delayed);
		atomic_store(&row->buried, counts->buried);
		atomic_store(&row->mode, atomic_load(&master->instance.table->pools[pool->index].mode));
	}
	limit_keeper_show(&master->limits);
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
		log_line(LOG_INFO, "%u unfinished job%s of an earlier run taken in", result.loaded,
		         result.loaded == 1 ? "" : "s");
	if (result.full && !master->backlog)
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
}

static void generation_lost(struct master *master, const struct ym_err *err)
{
	if (!master->lost)
		log_line(
		    LOG_ERROR,
		    "%s: somebody removed our IPC objects (ipcrm, or logind's RemoveIPC=yes at a logout): stopping, "
		    "unfinished jobs are kept for the next start",
		    err->text);
	master->lost = true;
	begin_stop(master);
}

/* Who has a segment attached goes on with it, but nobody can come in any more. */
static void check_segments(struct master *master)
{
	static const char *const names[] = {TABLE_NAME, BOARD_NAME};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ym_entry_sh *entry = ym_registry_find(master->instance.group.reg, names[i]);

		if (!entry || ym_registry_exists(entry) || master->segment_missed[i])
			continue;
		master->segment_missed[i] = true;
		log_line(LOG_ERROR,
		         "the segment \"%s\" was removed by hand (ipcrm): workers go on, but nobody new can attach: "
		         "stop and run again, unfinished jobs are kept",
		         names[i]);
	}
}

/* When to look again: at what is due next, and now and then. */
static uint64_t next_sweep_ms(const struct master *master)
{
	uint64_t now = ym_now_ns(), ms = master->sweep.live ? SWEEP_BUSY_MS : SWEEP_IDLE_MS;

	/* Nobody tells the master that a job with a deadline was claimed. */
	if ((master->has_timeouts || master->sweep.timed) && ms > SWEEP_TIMEOUTS_MS)
		ms = SWEEP_TIMEOUTS_MS;
	if (master->sweep.next >= now + ms * 1000000u)
		return ms;
	return master->sweep.next <= now ? 1 : (master->sweep.next - now) / 1000000u + 1;
}

static void sweep_now(struct master *master)
{
	struct sweep *sweep = &master->sweep;
	struct ym_err err;

	master->last_sweep = ym_now_ns();
	if (sweep_run(&master->instance, sweep, &err) < 0) {
		if (err.class == YM_ERR_GONE) {
			generation_lost(master, &err);
			return;
		}
		log_line(LOG_ERROR, "%s: next try in %d ms", err.text, SWEEP_IDLE_MS);
		uv_timer_start(&master->sweep_timer, sweep_timer, SWEEP_IDLE_MS, 0);
		return;
	}
	if (sweep->recovered)
		log_line(LOG_INFO, "%u job%s of dead workers taken back", sweep->recovered,
		         sweep->recovered == 1 ? "" : "s");
	for (size_t i = 0; i < master->npools; i++) {
		pool_check_queue(&master->pools[i]);
		if (master->stopping)
			continue;
		inbox_keeper_read(&master->pools[i].inbox);
		inbox_keeper_retry(&master->pools[i].inbox);
	}
	check_segments(master);
	show_counts(master, sweep);
	if (master->backlog && sweep->live < master->instance.table->slots / 2)
		load_backlog(master);
	uv_timer_start(&master->sweep_timer, sweep_timer, next_sweep_ms(master), 0);
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

/* ---- stop ------------------------------------------------------------------------------------ */

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
	master->stopping = master->guard.off = true;
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

/* ---- start ----------------------------------------------------------------------------------- */

/* Does some pool take more than one unit of the limit for a job? */
static bool takes_several(const struct config *config, const char *limit)
{
	for (size_t i = 0; i < config->npools; i++)
		for (size_t j = 0; j < config->pools[i].nlimits; j++)
			if (config->pools[i].limits[j].units > 1 && strcmp(config->pools[i].limits[j].name, limit) == 0)
				return true;
	return false;
}

static int enter_all(struct master *master, struct ym_err *err)
{
	const struct config *config = master->config;

	for (size_t i = 0; i < config->nlimits; i++)
		if (limit_keeper_enter(&master->limits, &config->limits[i],
		                       takes_several(config, config->limits[i].name), err) < 0)
			return ym_err_prefix(err, "limit %s", config->limits[i].name);
	for (size_t i = 0; i < config->npools; i++, master->npools++)
		if (pool_enter(&master->pools[i], master, &config->pools[i], err) < 0)
			return ym_err_prefix(err, "pool %s", config->pools[i].name);
	for (size_t i = 0; i < master->npools; i++) {
		pool_enter_crash_rule(&master->pools[i]);
		master->has_timeouts |= config->pools[i].timeout_ms > 0;
	}
	return 0;
}

/* Before any old worker is told to retire: are there rows enough for those and the new ones? */
static int check_rows(struct master *master, struct ym_err *err)
{
	uint32_t nrows = master->instance.board->instance.rows;
	int64_t wanted = 0, living = 0;
	struct board_work work;

	for (size_t i = 0; i < master->npools; i++)
		wanted += master->pools[i].config->workers_max;
	for (unsigned row = 0; row < nrows; row++)
		living += pool_row_alive(&master->instance, row, &work);
	if (living + wanted <= nrows)
		return 0;
	return ym_fail(
	    err, YM_ERR_FULL,
	    "the running generation has only %u worker rows, for %lld old and %lld new workers: let the old ones "
	    "end first (yardmaster stop), then start anew",
	    nrows, (long long)living, (long long)wanted);
}

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
		if (pool_row_alive(&master->instance, row, &work) && work.slot == slot)
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

static int populate_all(struct master *master, struct ym_err *err)
{
	uint32_t nrows = master->instance.board->instance.rows;
	bool *rows = calloc(nrows, sizeof(*rows));
	struct board_work work;
	int result = rows ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory");

	if (!master->instance.group.fresh)
		await_starting(master);
	if (result == 0)
		result = check_rows(master, err);
	for (size_t i = 0; result == 0 && i < master->npools; i++)
		result = pool_take_over(&master->pools[i], rows, err);
	/* Workers of pools that are no longer configured: orphans look at their orders every second. Their rows stay theirs. */
	for (unsigned row = 0; result == 0 && row < nrows; row++) {
		if (rows[row] || !pool_row_alive(&master->instance, row, &work))
			continue;
		rows[row] = true;
		board_retire(&master->instance.board->workers[row]);
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
		workers += (uint32_t)config->pools[i].workers_max;
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

/* One that ends in peace saw its set vanish: look at once. */
static void guardian_ended(void *arg)
{
	master_sweep_soon(arg);
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
	master->sweep_timer.data = master;
	guard_init(&master->guard, &master->loop, &master->instance, guardian_ended, master);
}

static int listen_to_bell(struct master *master, struct ym_err *err)
{
	master->bell_fd = bell_open(master->instance.directory, err);
	if (master->bell_fd < 0)
		return -1;
	uv_poll_init(&master->loop, &master->bell, master->bell_fd);
	master->bell.data = master;
	uv_poll_start(&master->bell, UV_READABLE, bell_rang);
	return 0;
}

/* Everything here is undone by leaving the group: from the join on, a guardian sees to it if we are killed. */
static int set_up(struct master *master, struct ym_err *err)
{
	if (join(master, err) < 0)
		return -1;
	guard_start(&master->guard);
	master->limits.instance = &master->instance;
	master->sweep = (struct sweep){
	    .death = death_of, .signal = signal_owner, .buried = buried, .answer = answer, .arg = master};
	master->pools = calloc(master->config->npools, sizeof(*master->pools));
	master->deaths = calloc(master->instance.group.capacity, sizeof(*master->deaths));
	if (!master->pools || !master->deaths)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (listen_to_bell(master, err) < 0 || ym_group_lock(&master->instance.group, err) < 0)
		return -1;
	if (enter_all(master, err) < 0) {
		ym_group_unlock(&master->instance.group);
		return -1;
	}
	ym_group_unlock(&master->instance.group);
	atomic_store(&board(master)->master, getpid());
	atomic_store(&board(master)->master_since, ym_now_ns());
	if (populate_all(master, err) < 0)
		return -1;
	load_backlog(master);
	for (size_t i = 0; i < master->npools; i++)
		dispatch_mode(&master->instance, master->pools[i].index, 0, POOL_LOADING);
	atomic_store(&board(master)->master_state, BOARD_MASTER_RUNNING);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Returns the exit code: unfinished jobs that cannot be kept are no success. */
static int leave(struct master *master, int code)
{
	struct ym_err err;
	bool last = false;

	if (master->instance.group.semid < 0)
		return code;
	if ((master->lost && ym_group_abandon(&master->instance.group, &err) < 0) ||
	    instance_leave(&master->instance, &last, &err) < 0) {
		log_line(LOG_ERROR, "%s", err.text);
		return code ? code : ym_err_exit_code(err.class);
	}
	if (code == 0)
		log_line(LOG_INFO, "stopped: %s; unfinished jobs kept for the next start: %llu",
		         last ? "no IPC object is left" : "other participants still use the IPC objects",
		         (unsigned long long)master->sweep.live);
	return code;
}

static int tear_down(struct master *master, int code)
{
	limit_keeper_close(&master->limits);
	if (master->instance.board && code == 0) {
		atomic_store(&board(master)->master_state, BOARD_MASTER_STOPPED);
		atomic_store(&board(master)->master, 0);
	}
	code = leave(master, code);
	/* Handles live inside pools and processes: those are freed when the loop has let go of them. */
	guard_forget(&master->guard);
	uv_walk(&master->loop, close_handle, NULL);
	uv_run(&master->loop, UV_RUN_DEFAULT);
	uv_loop_close(&master->loop);
	for (size_t i = 0; i < master->npools; i++)
		pool_free(&master->pools[i]);
	free(master->pools);
	free(master->deaths);
	sweep_free(&master->sweep);
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
	start_loop(&master);
	if (set_up(&master, &err) < 0) {
		log_line(LOG_ERROR, "%s", err.text);
		return tear_down(&master, ym_err_exit_code(err.class));
	}
	log_line(LOG_INFO, "instance %s is up (pid %ld, %s): %zu pool%s%s", master.instance.name, (long)getpid(),
	         master.instance.directory, master.npools, master.npools == 1 ? "" : "s",
	         master.instance.group.fresh ? "" : ", going on with what was there");
	for (size_t i = 0; i < master.npools; i++)
		pool_start(&master.pools[i]);
	sweep_now(&master);
	uv_run(&master.loop, UV_RUN_DEFAULT);
	return tear_down(&master, master.lost ? ym_err_exit_code(YM_ERR_GONE) : 0);
}
