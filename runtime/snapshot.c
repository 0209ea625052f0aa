/* snapshot.c - one pass over table and board. */
#include "snapshot.h"

#include <stdlib.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "life.h"
#include "limit.h"
#include "view.h"

/* ---- at this moment ---------------------------------------------------------------------------- */

static void count_job(struct snapshot *snapshot, const struct table_sh *table, uint32_t slot)
{
	uint64_t word = atomic_load(&table->words[slot]);
	struct snapshot_pool *pool = &snapshot->pools[job_pool(table_job_const(table, slot))];

	switch (word_state(word)) {
	case JOB_READY:
		pool->waiting++;
		break;
	case JOB_CLAIMED:
	case JOB_FINISHING:
	case JOB_FIXING:
		pool->running++;
		break;
	case JOB_DELAYED:
		pool->delayed++;
		break;
	case JOB_BURIED:
		/* With a store, what stands here is a copy. */
		pool->buried += !table_stored(table) || (word_flags(word) & JOB_STORED);
		break;
	default:
		break;
	}
}

static void count_jobs(struct snapshot *snapshot)
{
	const struct table_sh *table = snapshot->instance->table;
	bool look = table && !(snapshot->how & SNAPSHOT_SWEPT);

	for (uint32_t slot = 0; look && slot < table->slots; slot++)
		count_job(snapshot, table, slot);
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &snapshot->instance->board->pools[i];
		struct snapshot_pool *pool = &snapshot->pools[i];

		if (!atomic_load(&row->used))
			continue;
		pool->waiting += look ? atomic_load(&table->pools[i].stored_waiting) : atomic_load(&row->waiting);
		pool->delayed += look ? atomic_load(&table->pools[i].stored_delayed) : atomic_load(&row->delayed);
		pool->buried += look ? atomic_load(&table->pools[i].stored_buried) : atomic_load(&row->buried);
		pool->running += look ? 0 : atomic_load(&row->running);
	}
}

/* False: nobody has the row, or never had. */
static bool take_worker(struct snapshot *snapshot, uint32_t row)
{
	const struct board_worker_sh *from = &snapshot->instance->board->workers[row];
	struct snapshot_worker *to = &snapshot->workers[snapshot->nworkers];
	struct snapshot_pool *pool;

	if (!atomic_load(&from->used) || !board_read_work(from, &to->work))
		return false;
	to->work.pool %= TABLE_POOLS;
	pool = &snapshot->pools[to->work.pool];
	to->row = row;
	for (int i = 0; i < BOARD_COUNTERS; i++)
		pool->counters[i] += to->counters[i] = atomic_load_explicit(&from->counters[i], memory_order_relaxed);
	if (to->work.state == BOARD_WORKER_HELD && to->work.limit && pool->held < 0)
		pool->held = to->work.limit - 1;
	if (to->work.job == 0 || !board_read_progress(from, &to->progress) || to->progress.job != to->work.job ||
	    to->progress.attempt != to->work.attempt)
		to->progress = (struct board_progress){0};
	return to->work.pid != 0;
}

static void take_rows(struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;

	snapshot->nworkers = 0;
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		snapshot->pools[i].held = -1;
		for (int counter = 0; counter < BOARD_COUNTERS; counter++)
			snapshot->pools[i].counters[counter] = atomic_load(&board->pools[i].past[counter]);
	}
	for (uint32_t row = 0; row < board->instance.rows; row++)
		snapshot->nworkers += take_worker(snapshot, row);
}

int snapshot_take(struct snapshot *snapshot, const struct instance *instance, pid_t master, unsigned how,
                  struct ym_err *err)
{
	const struct board_sh *board = instance->board;
	uint32_t rows = board->instance.rows;

	if (rows > snapshot->room) {
		struct snapshot_worker *larger = realloc(snapshot->workers, rows * sizeof(*larger));

		if (!larger)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory for %u workers", rows);
		snapshot->workers = larger;
		snapshot->room = rows;
	}
	snapshot->instance = instance;
	snapshot->how = how;
	snapshot->at = ym_now_ns();
	snapshot->master = master;
	memset(snapshot->pools, 0, sizeof(snapshot->pools));
	count_jobs(snapshot);
	for (int try = 0; try < BOARD_FOLD_TRIES; try++) {
		uint64_t folds = atomic_load(&board->instance.folds);

		take_rows(snapshot);
		if (!board_folded(board, folds))
			break;
	}
	return 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->workers);
	*snapshot = (struct snapshot){0};
}

uint64_t snapshot_since(const struct snapshot *snapshot, uint64_t then)
{
	return then && then < snapshot->at ? snapshot->at - then : 0;
}

static void sum_times(const struct snapshot *snapshot, unsigned pool, struct histogram *wait, struct histogram *run)
{
	const struct board_sh *board = snapshot->instance->board;

	*wait = *run = (struct histogram){0};
	histogram_sum(wait, &board->past_times[pool].wait);
	histogram_sum(run, &board->past_times[pool].run);
	for (size_t i = 0; i < snapshot->nworkers; i++) {
		const struct board_times_sh *times = board_times_const(board, snapshot->workers[i].row);

		if (snapshot->workers[i].work.pool != pool)
			continue;
		histogram_sum(wait, &times->wait);
		histogram_sum(run, &times->run);
	}
}

void snapshot_times(const struct snapshot *snapshot, unsigned pool, struct histogram *wait, struct histogram *run)
{
	const struct board_sh *board = snapshot->instance->board;

	for (int try = 0; try < BOARD_FOLD_TRIES; try++) {
		uint64_t folds = atomic_load(&board->instance.folds);

		sum_times(snapshot, pool, wait, run);
		if (!board_folded(board, folds))
			break;
	}
}

void snapshot_recent(const struct snapshot *snapshot, unsigned pool, enum recent_span span,
                     const struct histogram *wait, const struct histogram *run, struct recent *recent)
{
	recent_read(&snapshot->instance->board->recents[pool], span, snapshot->at, wait, run, recent);
}

uint32_t snapshot_mode(const struct instance *instance, unsigned pool)
{
	return instance->table ? atomic_load(&instance->table->pools[pool].mode)
	                       : atomic_load(&instance->board->pools[pool].mode);
}

int snapshot_units(const struct instance *instance, unsigned limit)
{
	return instance->table ? atomic_load(&instance->table->limits[limit].max)
	                       : atomic_load(&instance->board->limits[limit].max);
}

int snapshot_free_units(const struct instance *instance, unsigned limit)
{
	int units = instance->table ? limit_free(&instance->table->limits[limit]) : -1;

	return units >= 0 ? units : atomic_load(&instance->board->limits[limit].free);
}

uint64_t snapshot_held(const struct snapshot *snapshot, unsigned limit)
{
	const struct board_sh *board = snapshot->instance->board;
	uint64_t held = 0;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++)
		if (atomic_load(&board->pools[pool].used) && snapshot->pools[pool].held == (int)limit)
			held += snapshot->pools[pool].waiting;
	return held;
}

bool snapshot_killed(const struct snapshot *snapshot, const struct board_work *work)
{
	bool over = work->state == BOARD_WORKER_ENDED || work->state == BOARD_WORKER_FAILED;

	return !over && !(snapshot->how & SNAPSHOT_QUICK) && ym_process_started(work->pid) != work->process_started;
}

const char *snapshot_state(const struct snapshot *snapshot, const struct board_work *work)
{
	return snapshot_killed(snapshot, work) ? "killed" : board_worker_word(work->state);
}

uint64_t snapshot_mark(const struct instance *instance)
{
	const struct board_sh *board = instance->board;
	const struct table_sh *table = instance->table;
	uint64_t mark = atomic_load(&board->store.commits) + atomic_load(&board->instance.reloads);

	/* All of it goes up, but for what changes with the sweep, which is seen a moment later in any case. */
	for (uint32_t i = 0; i < board->instance.rows; i++)
		mark += atomic_load(&board->workers[i].work_version) + atomic_load(&board->workers[i].progress_version);
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		mark = mark * 31 + atomic_load(&table->pools[i].stored_waiting) +
		       atomic_load(&table->pools[i].stored_delayed) + atomic_load(&table->pools[i].stored_buried);
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		mark = mark * 31 + (uint64_t)atomic_load(&table->limits[i].max);
	return mark;
}
