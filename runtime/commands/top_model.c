/* top_model.c - look at the instance again and again. */
#include "top_model.h"

#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../view.h"

/* How often to ask whether the instance and its master are there. */
#define LOOK_NS UINT64_C(500000000)
#define SLOW_NS UINT64_C(1000000000)

/* To add histograms up may take this part of the time. */
#define TIMES_PART 250

/* Until a rate has been measured, it is that of so many seconds past. */
#define RATE_SAMPLES 5
/* A pool in which no job has ended for so many seconds pauses. */
#define SILENT 2

/* ---- is it there? ------------------------------------------------------------------------------ */

static void lose(struct model *model)
{
	if (!model->there)
		return;
	instance_unview(&model->instance);
	model->there = false;
	model->lost_ms = ym_unix_ms();
	model->semid = -1;
	model->master = 0;
}

static int make_room(struct model *model, size_t rows, struct ym_err *err)
{
	struct pace *paces = calloc(rows, sizeof(*paces));
	struct model_process *processes = calloc(rows, sizeof(*processes));

	if (!paces || !processes) {
		free(paces);
		free(processes);
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for %zu workers", rows);
	}
	free(model->paces);
	free(model->processes);
	model->paces = paces;
	model->processes = processes;
	model->rows = rows;
	return 0;
}

static int attach(struct model *model, struct ym_err *err)
{
	struct ym_group_look group;
	size_t rows;

	if (instance_view(&model->instance, err) < 0)
		return -1;
	rows = model->instance.board->instance.rows;
	if (rows != model->rows && make_room(model, rows, err) < 0) {
		instance_unview(&model->instance);
		return -1;
	}
	model->there = true;
	model->generation++;
	model->semid = ym_group_look(model->instance.directory, &group, NULL) == 0 ? group.semid : -1;
	model->crashes_seen = UINT64_MAX;
	model->slow_due = model->times_due = 0;
	return 0;
}

/*
 * What is removed while it is attached stays readable, and shows nothing new. The group of another user may not be asked, so
 * while it has no master, its board is attached anew each time.
 */
static void look_around(struct model *model)
{
	struct ym_group_look group;
	struct ym_err err;
	int result = ym_group_look(model->instance.directory, &group, &err);

	if (result == 0 ? model->semid >= 0 && group.semid != model->semid
	                : err.class == YM_ERR_NOT_RUNNING || model->master == 0)
		lose(model);
	if (!model->there && attach(model, &err) < 0)
		return;
	model->master = view_master(&model->instance);
}

int model_open(struct model *model, struct ym_err *err)
{
	model->semid = -1;
	if (attach(model, err) < 0)
		return -1;
	model->master = view_master(&model->instance);
	return 0;
}

void model_close(struct model *model)
{
	if (model->there)
		instance_unview(&model->instance);
	snapshot_free(&model->snapshot);
	free(model->paces);
	free(model->processes);
	model->paces = NULL;
	model->processes = NULL;
	model->there = false;
}

/* ---- what there is ----------------------------------------------------------------------------- */

static uint64_t ended(const struct snapshot_pool *pool)
{
	uint64_t n = 0;

	for (int i = 0; i < BOARD_COUNTERS; i++)
		n += pool->counters[i];
	return n;
}

static void note_paces(struct model *model)
{
	const struct snapshot *snapshot = &model->snapshot;

	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&model->instance.board->pools[i].used))
			pace_note(&model->pool_paces[i], 0, ended(&snapshot->pools[i]), snapshot->at);
	memset(model->by_row, 0, sizeof(model->by_row));
	memset(model->by_slot, 0, sizeof(model->by_slot));
	for (size_t i = 0; i < snapshot->nworkers; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];
		struct pace *pace = &model->paces[worker->row];

		model->by_row[worker->row] = (uint16_t)(i + 1);
		if (worker->work.job)
			model->by_slot[worker->work.slot % YM_GROUP_CAPACITY_MAX] = (uint16_t)(i + 1);
		if (worker->work.job == 0 || worker->progress.job == 0) {
			pace->at = 0;
			continue;
		}
		/* Attempts of two jobs must not look like one. */
		pace_note(pace, (unsigned)(worker->work.job << 8) + worker->work.attempt, worker->progress.done,
		          snapshot->at);
	}
}

static void read_courses(struct model *model)
{
	const struct board_sh *board = model->instance.board;
	uint32_t samples[COURSE_SAMPLES][COURSE_VALUES];

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		if (!atomic_load(&board->pools[pool].used))
			continue;
		course_read(&board->courses[pool], COURSE_SECONDS, model->now, COURSE_SAMPLES, samples);
		for (unsigned i = 0; i < COURSE_SAMPLES; i++) {
			model->ended[pool][i] = samples[i][COURSE_ENDED];
			model->failed[pool][i] = samples[i][COURSE_FAILED];
		}
	}
}

static void read_crashes(struct model *model)
{
	uint64_t written = atomic_load(&model->instance.board->instance.crashes);

	if (written == model->crashes_seen)
		return;
	model->ncrashes = board_crashes(model->instance.board, model->crashes, BOARD_CRASHES);
	model->crashes_seen = written;
}

/* Each worker has its own histograms: with thousands of them, megabytes to add up. */
static void read_times(struct model *model)
{
	const struct board_sh *board = model->instance.board;
	uint64_t took;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		struct histogram wait, run;
		struct recent recent;

		if (!atomic_load(&board->pools[pool].used))
			continue;
		snapshot_times(&model->snapshot, pool, &wait, &run);
		snapshot_recent(&model->snapshot, pool, RECENT_MINUTE, &wait, &run, &recent);
		model->times[pool] = (struct model_times){.wait50 = histogram_at(&recent.wait, 0.5),
		                                          .wait99 = histogram_at(&recent.wait, 0.99),
		                                          .run50 = histogram_at(&recent.run, 0.5),
		                                          .run99 = histogram_at(&recent.run, 0.99)};
	}
	took = ym_now_ns() - model->now;
	model->times_due = model->now + (took * TIMES_PART > SLOW_NS ? took * TIMES_PART : SLOW_NS);
}

int model_refresh(struct model *model, struct ym_err *err)
{
	model->now = ym_now_ns();
	if (model->now >= model->look_due) {
		look_around(model);
		model->look_due = model->now + LOOK_NS;
		if (getloadavg(model->load, 3) < 3)
			model->load[0] = -1;
	}
	if (!model->there)
		return 0;
	if (snapshot_take(&model->snapshot, &model->instance, model->master, SNAPSHOT_SWEPT | SNAPSHOT_QUICK, err) < 0)
		return -1;
	note_paces(model);
	read_crashes(model);
	if (model->now >= model->slow_due) {
		read_courses(model);
		health_look(&model->snapshot, HEALTH_PATIENCE_NS, model->problem);
		model->slow_due = model->now + SLOW_NS;
	}
	if (model->times_wanted && model->now >= model->times_due)
		read_times(model);
	return 0;
}

/* ---- about some of it -------------------------------------------------------------------------- */

double model_rate(const struct model *model, unsigned pool)
{
	const struct pace *pace = &model->pool_paces[pool];
	double sum = 0, rate, silent;

	/* The last step was many jobs. If none has ended since, the next one alone is overdue. */
	if (pace->rate > 0) {
		rate = pace_rate(pace, model->now);
		silent = model->now > pace->at ? (double)(model->now - pace->at) / 1e9 : 0;
		return silent > SILENT && rate > 1 / silent ? 1 / silent : rate;
	}
	for (unsigned i = COURSE_SAMPLES - RATE_SAMPLES; i < COURSE_SAMPLES; i++)
		sum += model->ended[pool][i];
	return sum / RATE_SAMPLES;
}

const struct snapshot_worker *model_worker(const struct model *model, unsigned participant, uint64_t job)
{
	unsigned at = model->by_slot[participant % YM_GROUP_CAPACITY_MAX];

	return at && model->snapshot.workers[at - 1].work.job == job ? &model->snapshot.workers[at - 1] : NULL;
}

const struct snapshot_worker *model_row(const struct model *model, size_t row)
{
	return row < model->rows && model->by_row[row] ? &model->snapshot.workers[model->by_row[row] - 1] : NULL;
}

static void look_at(struct model_process *process, pid_t pid, uint64_t now)
{
	struct ym_process_use use;
	bool alive = ym_process_used(pid, &use);
	bool same = alive && process->alive && process->pid == pid && process->started == use.started;

	/* The kernel counts in hundredths of a second: a share may be a little above what is possible. */
	process->cpu = same && now > process->looked_at
	                   ? (double)(use.cpu_ns - process->cpu_ns) / (double)(now - process->looked_at)
	                   : -1;
	process->pid = pid;
	process->alive = alive;
	process->started = use.started;
	process->cpu_ns = use.cpu_ns;
	process->resident = use.resident;
	process->looked_at = now;
}

const struct model_process *model_process(const struct model *model, const struct snapshot_worker *worker)
{
	struct model_process *process = &model->processes[worker->row];
	pid_t pid = worker->work.group ? worker->work.group : worker->work.pid;

	if (process->pid != pid || model->now >= process->looked_at + SLOW_NS)
		look_at(process, pid, model->now);
	return process;
}

const char *model_worker_word(const struct model *model, const struct snapshot_worker *worker, bool look)
{
	const struct board_work *work = &worker->work;
	bool over = work->state == BOARD_WORKER_ENDED || work->state == BOARD_WORKER_FAILED;

	if (look && !over && !work->group) {
		const struct model_process *process = model_process(model, worker);

		if (!process->alive || process->started != work->process_started)
			return "killed";
	}
	return board_worker_word(work->state);
}

int64_t model_unix_ms(const struct model *model, uint64_t ns)
{
	int64_t now = ym_unix_ms();

	return ns && ns < model->now ? now - (int64_t)((model->now - ns) / 1000000u) : now;
}
