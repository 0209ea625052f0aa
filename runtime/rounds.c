/* rounds.c - look, sweep, show. */
#include "rounds.h"

#include <signal.h>
#include <stdlib.h>

#include "../ipc/sys.h"
#include "answer.h"
#include "backlog.h"
#include "ground.h"
#include "log.h"
#include "notify.h"

/* While jobs are in the table, or workers come and go with them. */
#define ROUNDS_BUSY_MS 500
/* A round comes at least so often when nothing is to be done. */
#define ROUNDS_IDLE_MS 2000
/* While a pool or a job has a time limit. */
#define ROUNDS_TIMEOUTS_MS 100
/* ... and never more often than this. */
#define ROUNDS_GAP_NS UINT64_C(2000000)
/* Behind the time that a worker has to stop: for the kill, and for leaving the instance. */
#define STOP_MARGIN_MS 15000

/* ---- what the sweep asks --------------------------------------------------------------------- */

static struct place *place_of(struct master *master, unsigned slot)
{
	struct place *place = NULL;

	for (size_t i = 0; i < master->npools && !place; i++)
		place = crew_find(master->pools[i], slot);
	return place;
}

static bool is_ending(void *arg, unsigned slot)
{
	struct place *place = place_of(arg, slot);

	return place && place_is_ending(place);
}

/* The sweep may come before the loop has heard of the death. What is noted may be of one that had the number before. */
static const struct sweep_death *death_of(void *arg, unsigned slot)
{
	struct master *master = arg;
	struct place *place = place_of(master, slot);
	const struct sweep_death *death = &master->yard.deaths[slot];

	if (place)
		place_note_death(place);
	return death->pid && death->pid == atomic_load(&master->instance.group.reg->members[slot].pid) ? death : NULL;
}

/* The next owner of the slot dies another death. */
static void buried(void *arg, unsigned slot)
{
	struct master *master = arg;

	master->yard.deaths[slot] = (struct sweep_death){0};
}

static bool signal_owner(void *arg, unsigned slot, int signo, const char *why)
{
	struct place *place = place_of(arg, slot);

	if (!place)
		return false;
	child_signal(&place->child, signo);
	log_line(LOG_WARN, "pool %s: the job of worker %u %s: sent it %s", place->pool->config->name, place->row, why,
	         signo == SIGKILL ? "SIGKILL" : "SIGTERM");
	return true;
}

static bool answer(void *arg, uint32_t slot, uint64_t word)
{
	struct master *master = arg;

	return answer_send(&master->instance, slot, word);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* For lines that show what has been going on. */
static void note_course(struct master *master)
{
	struct board_sh *board = master->instance.board;
	uint64_t counters[TABLE_POOLS][BOARD_COUNTERS], now = ym_now_ns();

	board_count(board, counters);
	for (size_t i = 0; i < master->npools; i++) {
		struct pool *pool = master->pools[i];
		const struct board_pool_sh *row = &board->pools[pool->index];
		const uint64_t *of = counters[pool->index];
		uint64_t crashes = atomic_load(&row->crashes), failed = of[BOARD_FAILED] + of[BOARD_RETRIED] + crashes;

		course_note(&board->courses[pool->index], &pool->course, now,
		            (uint64_t[COURSE_VALUES]){
				[COURSE_ENDED] = of[BOARD_DONE] + of[BOARD_CANCELLED] + failed,
				[COURSE_FAILED] = failed,
				[COURSE_WAITING] = atomic_load(&row->waiting),
				[COURSE_RUNNING] = atomic_load(&row->running),
			    });
	}
}

/* For how long things took lately: now and then a copy of how long they took in all. */
static void note_recent(struct master *master)
{
	struct board_sh *board = master->instance.board;
	uint8_t owners[YM_GROUP_CAPACITY_MAX];
	uint64_t now = ym_now_ns();
	bool looked = false;

	for (size_t i = 0; i < master->npools; i++) {
		unsigned pool = master->pools[i]->index;
		struct histogram wait, run;

		if (!recent_due(&board->recents[pool], now))
			continue;
		if (!looked)
			board_owners(board, owners);
		looked = true;
		board_sum_times(board, pool, owners, &wait, &run);
		recent_note(&board->recents[pool], now, &wait, &run);
	}
}

static void show_counts(struct master *master)
{
	struct board_instance_sh *board = master_board(master);

	for (size_t i = 0; i < master->npools; i++) {
		const struct pool *pool = master->pools[i];
		struct board_pool_sh *row = &master->instance.board->pools[pool->index];
		const struct sweep_counts *counts = &master->sweep.pools[pool->index];
		const struct table_pool_sh *table = &master->instance.table->pools[pool->index];

		atomic_store(&row->waiting, counts->waiting + atomic_load(&table->stored_waiting));
		atomic_store(&row->running, counts->running);
		atomic_store(&row->delayed, counts->delayed + atomic_load(&table->stored_delayed));
		atomic_store(&row->buried, counts->buried + atomic_load(&table->stored_buried));
		atomic_store(&row->mode, atomic_load(&table->mode));
	}
	limit_keeper_show(&master->limits);
	atomic_fetch_add(&board->recovered, master->sweep.recovered);
	atomic_fetch_add(&board->resent, master->sweep.resent);
	atomic_store(&board->beat, ym_now_ns());
}

/* Who has a segment attached goes on with it, but nobody can come in any more. */
static void check_objects(struct master *master)
{
	const char *missing = instance_missing(&master->instance);
	struct ym_err err;

	if (!missing)
		return;
	ym_fail(&err, YM_ERR_GONE, "the IPC object \"%s\" has gone", missing);
	ground_lost(master, &err);
}

/* True when the numbers in master->sweep are those of this moment. */
static bool sweep(struct master *master)
{
	struct ym_err err;

	if (sweep_run(&master->instance, &master->sweep, &err) < 0) {
		if (err.class == YM_ERR_GONE)
			ground_lost(master, &err);
		else
			log_line(LOG_ERROR, "%s: next try in %d ms", err.text, ROUNDS_BUSY_MS);
		return false;
	}
	if (master->sweep.recovered)
		log_line(LOG_INFO, "%u job%s of dead workers taken back", master->sweep.recovered,
		         master->sweep.recovered == 1 ? "" : "s");
	/* First of all: what is made again when the list of objects has gone would be in no list. */
	check_objects(master);
	if (master->yard.lost)
		return false;
	for (size_t i = 0; i < master->npools; i++) {
		pool_check_queue(master->pools[i]);
		if (!master->pools[i]->unit.up || master->yard.stopping)
			continue;
		inbox_keeper_read(&master->pools[i]->inbox);
		inbox_keeper_retry(&master->pools[i]->inbox);
	}
	show_counts(master);
	note_course(master);
	note_recent(master);
	ground_backlog_again(master);
	publish_look(master->publish);
	return true;
}

/* ---- former configurations ------------------------------------------------------------------ */

static bool is_used(const struct master *master, const struct config *config)
{
	for (size_t i = 0; i < master->npools; i++)
		if (pool_is_of(master->pools[i], config))
			return true;
	for (size_t i = 0; i < master->nprograms; i++)
		if (program_is_of(master->programs[i], config))
			return true;
	return false;
}

/* Former ones that nobody uses any more. */
static void forget_configurations(struct master *master)
{
	struct config **at = &master->config->former;

	while (*at) {
		struct config *config = *at;

		if (is_used(master, config)) {
			at = &config->former;
			continue;
		}
		*at = config->former;
		config_free(config);
		free(config);
	}
}

/* ---- units ----------------------------------------------------------------------------------- */

/* Its jobs, if there are any, are kept: then it is still to be seen. */
static void hide_if_empty(struct master *master, const struct pool *pool)
{
	const struct sweep_counts *counts = &master->sweep.pools[pool->index];

	if (counts->waiting + counts->running + counts->delayed + counts->buried == 0)
		atomic_store(&master->instance.board->pools[pool->index].used, 0);
}

/* Those that were taken out of the configuration go when their last process has gone. */
static void drop_removed(struct master *master)
{
	for (size_t i = master->npools; i-- > 0;) {
		struct pool *pool = master->pools[i];

		if (!pool->removed || pool->unit.up || pool->crew.nplaces > 0)
			continue;
		log_line(LOG_INFO, "pool %s has gone", pool->config->name);
		hide_if_empty(master, pool);
		supervisor_drop(&master->supervisor, &pool->unit);
		pool_free(pool);
		free(pool);
		master->pools[i] = master->pools[--master->npools];
	}
	for (size_t i = master->nprograms; i-- > 0;) {
		struct program *program = master->programs[i];

		if (!program->removed || program->unit.up || program_alive(program) > 0)
			continue;
		log_line(LOG_INFO, "program %s has gone", program->config->name);
		supervisor_drop(&master->supervisor, &program->unit);
		program_free(program);
		master->programs[i] = master->programs[--master->nprograms];
	}
	forget_configurations(master);
}

static void look_at_units(struct master *master, bool counted)
{
	for (size_t i = 0; i < master->npools; i++)
		crew_look(master->pools[i], counted ? &master->sweep.pools[master->pools[i]->index] : NULL);
	for (size_t i = 0; i < master->nprograms; i++)
		program_look(master->programs[i]);
	drop_removed(master);
	supervisor_look(&master->supervisor);
}

void rounds_units(struct master *master)
{
	supervisor_look(&master->supervisor);
	look_at_units(master, false);
}

static unsigned workers_alive(const struct master *master)
{
	unsigned n = 0;

	for (size_t i = 0; i < master->npools; i++)
		n += crew_alive(master->pools[i]);
	return n;
}

/* ---- the service manager --------------------------------------------------------------------- */

static bool all_ready(const struct master *master)
{
	for (size_t i = 0; i < master->supervisor.nunits; i++) {
		const struct unit *unit = master->supervisor.units[i];

		if (unit->wanted && !(unit->up && unit->ops->ready(unit)))
			return false;
	}
	return true;
}

static void tell_service(struct master *master)
{
	uint64_t waiting = 0, running = 0;

	notify_alive();
	if (master->yard.stopping)
		return;
	for (size_t i = 0; i < master->npools; i++) {
		waiting += master->sweep.pools[master->pools[i]->index].waiting;
		running += master->sweep.pools[master->pools[i]->index].running;
	}
	notify_status("%u processes, jobs: %llu running, %llu waiting%s", supervisor_alive(&master->supervisor),
	              (unsigned long long)running, (unsigned long long)waiting,
	              all_ready(master) ? "" : "; not everything is up (yardmaster status)");
}

/* ---- the round ------------------------------------------------------------------------------- */

static void timer_fired(uv_timer_t *timer)
{
	rounds_now(timer->data);
}

/*
 * A pool that may shrink or keeps idle workers in hand, or a worker that is to be watched, is looked at more often than an
 * idle table: nobody rings when a worker is idle no more.
 */
static bool is_watched(const struct pool *pool)
{
	unsigned least, most;

	crew_bounds(pool, &least, &most);
	return (least < most && (pool->crew.wanted > least || least > 0)) || pool->config->max_memory_hard > 0 ||
	       crew_old(pool) > 0;
}

/* When to look again: at what is due next, and now and then. */
static uint64_t next_round_ms(const struct master *master)
{
	uint64_t now = ym_now_ns(), ms = master->sweep.live ? ROUNDS_BUSY_MS : ROUNDS_IDLE_MS;

	for (size_t i = 0; i < master->npools && ms > ROUNDS_BUSY_MS; i++)
		if (is_watched(master->pools[i]))
			ms = ROUNDS_BUSY_MS;
	/* Nobody tells the master that a job with a deadline was claimed. */
	if ((master->has_timeouts || master->sweep.timed) && ms > ROUNDS_TIMEOUTS_MS)
		ms = ROUNDS_TIMEOUTS_MS;
	if (ms > notify_alive_ms())
		ms = notify_alive_ms();
	if (master->sweep.next >= now + ms * 1000000u)
		return ms;
	return master->sweep.next <= now ? 1 : (master->sweep.next - now) / 1000000u + 1;
}

void rounds_now(struct master *master)
{
	bool counted = false;

	master->last_round = ym_now_ns();
	if (master->ground && !master->yard.lost)
		counted = sweep(master);
	look_at_units(master, counted);
	if (master->yard.lost && workers_alive(master) == 0 && !master->yard.stopping)
		ground_rebuild(master);
	if (master->yard.stopping && supervisor_alive(&master->supervisor) == 0) {
		uv_stop(&master->loop);
		return;
	}
	tell_service(master);
	/* What was just done may have asked for another round at once. */
	if (!uv_is_active((uv_handle_t *)&master->round_timer) ||
	    uv_timer_get_due_in(&master->round_timer) > ROUNDS_GAP_NS / 1000000u)
		uv_timer_start(&master->round_timer, timer_fired,
		               counted             ? next_round_ms(master)
		               : master->yard.lost ? GROUND_RETRY_MS
		                                   : ROUNDS_BUSY_MS,
		               0);
}

void rounds_soon(struct master *master)
{
	uint64_t gap = ym_now_ns() - master->last_round;

	uv_timer_start(&master->round_timer, timer_fired, gap >= ROUNDS_GAP_NS ? 0 : ROUNDS_GAP_NS / 1000000u, 0);
}

static void soon(struct yard *yard)
{
	rounds_soon(child_owner(yard, struct master, yard));
}

/* What the service manager has to wait for at most. */
static uint64_t longest_stop_us(const struct master *master)
{
	int64_t ms = 0;

	for (size_t i = 0; i < master->supervisor.nunits; i++)
		if (master->supervisor.units[i]->process->stopwaitsecs_ms > ms)
			ms = master->supervisor.units[i]->process->stopwaitsecs_ms;
	return (uint64_t)(ms + STOP_MARGIN_MS) * 1000u;
}

void rounds_stop(struct master *master)
{
	if (master->yard.stopping)
		return;
	master->yard.stopping = master->guard.off = true;
	if (master->ground)
		atomic_store(&master_board(master)->master_state, BOARD_MASTER_STOPPING);
	log_line(LOG_INFO, "stopping: waiting for running jobs");
	notify_stopping();
	notify_extend(longest_stop_us(master));
	if (master->crons)
		cron_keeper_pause(master->crons);
	supervisor_stop(&master->supervisor);
	rounds_soon(master);
}

void rounds_open(struct master *master)
{
	uv_timer_init(&master->loop, &master->round_timer);
	master->round_timer.data = master;
	master->yard.soon = soon;
	master->sweep = (struct sweep){.death = death_of,
	                               .ending = is_ending,
	                               .signal = signal_owner,
	                               .buried = buried,
	                               .answer = answer,
	                               .arg = master};
}
