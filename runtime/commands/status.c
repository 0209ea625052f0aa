/* status.c - `yardmaster status`: the board at one moment, as a table or as JSON. */
#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../health.h"
#include "../life.h"
#include "../snapshot.h"
#include "../text.h"
#include "../view.h"
#include "cluster.h"
#include "command.h"
#include "remarks.h"
#include "status_publish.h"
#include "status_store.h"
#include "top_text.h"

/* How wide the names of pools and limits are. */
#define NAME_COLUMNS 12

/* ---- text ------------------------------------------------------------------------------------ */

static void print_head(const struct instance *instance, pid_t master)
{
	const struct board_instance_sh *row = &instance->board->instance;
	char up[TEXT_MAX];

	if (master)
		printf("instance %s: %s, up %s, master pid %ld, %s\n", row->name,
		       board_master_word(atomic_load(&row->master_state)),
		       text_duration(ym_now_ns() - atomic_load(&row->master_since), up), (long)master,
		       instance->directory);
	else
		printf("instance %s: NO MASTER (workers go on; start it again with `yardmaster run`), %s\n", row->name,
		       instance->directory);
}

/* Columns of the longest name in the first column. */
static int name_columns(const struct board_sh *board)
{
	size_t most = NAME_COLUMNS;

	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&board->pools[i].used) && strlen(board->pools[i].name) > most)
			most = strlen(board->pools[i].name);
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&board->limits[i].used) && strlen(board->limits[i].name) > most)
			most = strlen(board->limits[i].name);
	return (int)most;
}

static bool has_pools(const struct board_sh *board)
{
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&board->pools[i].used))
			return true;
	return false;
}

static void print_pools(const struct snapshot *snapshot, int columns)
{
	const struct board_sh *board = snapshot->instance->board;

	printf("\n%-*s %7s %7s %7s %7s %7s %9s %7s %7s\n", columns, "POOL", "WORKERS", "WAITING", "RUNNING", "DELAYED",
	       "BURIED", "DONE", "FAILED", "CRASHES");
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		const struct snapshot_pool *pool = &snapshot->pools[i];
		char workers[32], remarks[REMARKS_MAX];

		if (!atomic_load(&row->used))
			continue;
		snprintf(workers, sizeof(workers), "%u/%u", atomic_load(&row->actual), atomic_load(&row->wanted));
		printf("%-*s %7s %7llu %7llu %7llu %7llu %9llu %7llu %7llu", columns, row->name, workers,
		       (unsigned long long)pool->waiting, (unsigned long long)pool->running,
		       (unsigned long long)pool->delayed, (unsigned long long)pool->buried,
		       (unsigned long long)pool->counters[BOARD_DONE], (unsigned long long)pool->counters[BOARD_FAILED],
		       (unsigned long long)atomic_load(&row->crashes));
		remarks_pool(snapshot->instance, i, pool->held, remarks);
		printf("%s%s\n", remarks[0] ? "  " : "", remarks);
	}
}

/* The columns of one kind of times. */
static void print_times(const struct histogram *times)
{
	char p50[TEXT_MAX], p90[TEXT_MAX], p99[TEXT_MAX];

	printf(" %8s %6s %6s", top_span(histogram_at(times, 0.5), p50), top_span(histogram_at(times, 0.9), p90),
	       top_span(histogram_at(times, 0.99), p99));
}

/* How long jobs that ended in the last minute waited and ran; of the pools in which any ended. */
static void print_recent(const struct snapshot *snapshot, int columns)
{
	const struct board_sh *board = snapshot->instance->board;
	bool head = false;

	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		struct histogram wait, run;
		struct recent recent;

		if (!atomic_load(&board->pools[i].used))
			continue;
		snapshot_times(snapshot, i, &wait, &run);
		snapshot_recent(snapshot, i, RECENT_MINUTE, &wait, &run, &recent);
		if (recent.run.n == 0)
			continue;
		if (!head)
			printf("\n%-*s %7s %8s %6s %6s %8s %6s %6s\n", columns, "LAST MINUTE", "ENDED", "WAIT 50%",
			       "90%", "99%", "RUN 50%", "90%", "99%");
		head = true;
		printf("%-*s %7llu", columns, board->pools[i].name, (unsigned long long)recent.run.n);
		print_times(&recent.wait);
		print_times(&recent.run);
		printf("\n");
	}
}

/* ---- programs -------------------------------------------------------------------------------- */

static void program_name(const struct board_program_sh *row, char out[2 * CFG_PROCESS_NAME_MAX])
{
	bool same = strncmp(row->program, row->name, CFG_LONG_NAME_MAX) == 0;

	snprintf(out, (size_t)2 * CFG_PROCESS_NAME_MAX, "%.*s%s%.*s", CFG_LONG_NAME_MAX, row->program, same ? "" : ":",
	         same ? 0 : CFG_PROCESS_NAME_MAX, row->name);
}

static void print_programs(const struct board_sh *board)
{
	int columns = NAME_COLUMNS;
	bool head = false;

	for (unsigned i = 0; i < BOARD_PROGRAMS; i++) {
		char name[2 * CFG_PROCESS_NAME_MAX];

		if (!atomic_load(&board->programs[i].used))
			continue;
		program_name(&board->programs[i], name);
		columns = (int)strlen(name) > columns ? (int)strlen(name) : columns;
	}
	for (unsigned i = 0; i < BOARD_PROGRAMS; i++) {
		const struct board_program_sh *row = &board->programs[i];
		char name[2 * CFG_PROCESS_NAME_MAX], since[TEXT_MAX], reason[BOARD_REASON_MAX], pid[16] = "-";

		if (!atomic_load(&row->used))
			continue;
		if (!head)
			printf("\n%-*s %-8s %8s %8s %7s\n", columns, "PROGRAM", "STATE", "PID", "SINCE", "STARTS");
		head = true;
		program_name(row, name);
		board_reason_read(row->reason, &row->reason_version, reason);
		if (atomic_load(&row->pid))
			snprintf(pid, sizeof(pid), "%ld", (long)atomic_load(&row->pid));
		printf("%-*s %-8s %8s %8s %7u%s%s\n", columns, name, life_state_word(atomic_load(&row->state)), pid,
		       text_duration(ym_now_ns() - atomic_load(&row->since), since), atomic_load(&row->starts),
		       reason[0] ? "  " : "", reason);
	}
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A limit that is only a rate has no units. */
static void print_limits(const struct snapshot *snapshot, int columns)
{
	const struct board_sh *board = snapshot->instance->board;
	bool head = false;

	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct board_limit_sh *row = &board->limits[i];
		int max = snapshot_units(snapshot->instance, i), whole = atomic_load(&row->whole);
		char used[16] = "-", most[32] = "-", key[16] = "-", rate[TEXT_MAX];

		if (!atomic_load(&row->used))
			continue;
		if (!head)
			printf("\n%-*s %7s %7s %7s %7s  %s\n", columns, "LIMIT", "USED", "MAX", "RATE", "HELD", "KEY");
		head = true;
		if (max > 0 || whole > 0) {
			snprintf(used, sizeof(used), "%d", max - snapshot_free_units(snapshot->instance, i));
			/* Of one that all nodes share: what this one may use of it. */
			if (whole)
				snprintf(most, sizeof(most), "%d/%d", max, whole);
			else
				snprintf(most, sizeof(most), "%d", max);
			snprintf(key, sizeof(key), "0x%08x", (unsigned)row->key);
		}
		printf("%-*s %7s %7s %7s %7llu  %s\n", columns, row->name, used, most,
		       remarks_rate(atomic_load(&row->rate_ns), rate), (unsigned long long)snapshot_held(snapshot, i),
		       key);
	}
}

/* What it is at, behind its row. */
static void print_progress(const struct board_sh *board, const struct snapshot_worker *worker)
{
	const struct board_work *work = &worker->work;
	const struct board_progress *progress = &worker->progress;
	char text[TEXT_PROGRESS_MAX], unit[JOB_UNIT_MAX + 1] = "";

	if (work->state == BOARD_WORKER_HELD && work->limit) {
		printf("  for limit %s\n", view_limit(board, work->limit - 1));
		return;
	}
	if (progress->job == 0) {
		printf(work->group ? "  command %ld\n" : "\n", (long)work->group);
		return;
	}
	memcpy(unit, progress->unit, sizeof(progress->unit));
	printf("  %s\n", text_progress(progress->done, progress->total, unit, progress->note, text));
}

#define CELL_MAX 32

/* Which job, and which attempt of how many. */
static void job_cells(const struct board_work *work, char job[CELL_MAX], char attempt[CELL_MAX])
{
	snprintf(job, CELL_MAX, "-");
	snprintf(attempt, CELL_MAX, "-");
	if (!work->job)
		return;
	snprintf(job, CELL_MAX, "%llu", (unsigned long long)work->job);
	snprintf(attempt, CELL_MAX, "%u/%u", work->attempt, work->attempts);
}

static void print_workers(const struct snapshot *snapshot, int columns)
{
	const struct board_sh *board = snapshot->instance->board;

	printf("\n%-4s %8s %-*s %-8s %8s %7s %-20s %8s\n", "ROW", "PID", columns, "POOL", "STATE", "JOB", "ATTEMPT",
	       "TAG", "SINCE");
	for (size_t i = 0; i < snapshot->nworkers; i++) {
		const struct snapshot_worker *worker = &snapshot->workers[i];
		const struct board_work *work = &worker->work;
		char since[TEXT_MAX], tag[JOB_TAG_MAX], job[CELL_MAX], attempt[CELL_MAX];

		text_cell(tag, sizeof(tag), work->tag, 20, true);
		job_cells(work, job, attempt);
		printf("%-4u %8ld %-*s %-8s %8s %7s %s %8s", worker->row, (long)work->pid, columns,
		       board->pools[work->pool].name, snapshot_state(snapshot, work), job, attempt, tag,
		       text_duration(snapshot_since(snapshot, work->since), since));
		print_progress(board, worker);
	}
}

/* ---- the flight recorder --------------------------------------------------------------------- */

/* So many are shown: `top` and --json have more. */
#define CRASHES_SHOWN 5

static void print_crashes(const struct snapshot *snapshot, int columns)
{
	struct board_crash crashes[CRASHES_SHOWN];
	unsigned n = board_crashes(snapshot->instance->board, crashes, CRASHES_SHOWN);

	if (n > 0)
		printf("\n%-8s %8s %-*s %8s %7s %-20s  %s\n", "DIED", "PID", columns, "POOL", "JOB", "ATTEMPT", "TAG",
		       "CAUSE");
	for (unsigned i = 0; i < n; i++) {
		const struct board_work *work = &crashes[i].work;
		char ago[TEXT_MAX], tag[JOB_TAG_MAX], job[CELL_MAX], attempt[CELL_MAX], cause[BOARD_REASON_MAX];

		text_cell(tag, sizeof(tag), work->tag, 20, true);
		/* In it are the last words of the task. */
		text_cell(cause, sizeof(cause), crashes[i].cause, sizeof(cause), false);
		job_cells(work, job, attempt);
		printf("%-8s %8ld %-*s %8s %7s %s  %s\n", text_duration(snapshot_since(snapshot, crashes[i].at), ago),
		       (long)work->pid, columns, crashes[i].pool, job, attempt, tag, cause);
	}
}

void status_print(const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;
	int columns = name_columns(instance->board);

	print_head(instance, snapshot->master);
	status_store_print(instance->board, snapshot->master != 0);
	status_publish_print(instance);
	if (has_pools(instance->board))
		print_pools(snapshot, columns);
	print_recent(snapshot, columns);
	print_programs(instance->board);
	print_limits(snapshot, columns);
	print_crashes(snapshot, columns);
	if (has_pools(instance->board))
		print_workers(snapshot, columns);
}

static int status(const struct args *args)
{
	struct instance instance;
	struct snapshot snapshot = {0};
	struct json json = {.to = stdout};
	char problem[HEALTH_MAX];
	struct ym_err err;
	pid_t master;
	bool good;

	if (args_flag(args, "cluster"))
		return cluster_status(args);
	if (args_instance(args, &instance, &err) < 0 || instance_view(&instance, &err) < 0)
		return command_fail(&err);
	master = view_master(&instance);
	if (snapshot_take(&snapshot, &instance, master, SNAPSHOT_WHOLE, &err) < 0) {
		instance_unview(&instance);
		return command_fail(&err);
	}
	if (args_flag(args, "json")) {
		snapshot_put(&json, &snapshot);
		printf("\n");
	} else {
		status_print(&snapshot);
	}
	good = health_look(&snapshot, 0, problem);
	snapshot_free(&snapshot);
	instance_unview(&instance);
	if (!master)
		return ym_err_exit_code(YM_ERR_NOT_RUNNING);
	if (!good)
		fprintf(stderr, "yardmaster: %s\n", problem);
	return good ? 0 : ym_err_exit_code(YM_ERR_NO);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"cluster", 0, NULL, "all nodes that share the store instead, with their workers"},
    {"json", 0, NULL, "one JSON object; times in seconds"},
    {0},
};

const struct command command_status = {
    .verb = "status",
    .usage = "[OPTIONS]",
    .summary = "pools, programs, limits and workers right now",
    .text =
	"The exit code is 0 only if everything that is wanted runs: 1 if a pool, a program or the store does not (and\n"
	"the reason is said on stderr), 3 if there is no master. Paused or stopped on purpose is no fault.",
    .options = options,
    .run = status,
    .group = COMMAND_GROUP_LOOK,
};
