/* status.c - `yardmaster status`: the board at one moment, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../json.h"
#include "../text.h"
#include "../view.h"
#include "command.h"

struct totals {
	uint64_t done, failed, retried, cancelled;
	uint64_t waiting, running, parked, delayed, buried;
};

/* From the table if it may be read: what the board says of them is as old as the master's last sweep. */
static void count_jobs(const struct instance *instance, unsigned pool, struct totals *totals)
{
	const struct board_pool_sh *row = &instance->board->pools[pool];
	const struct table_sh *table = instance->table;

	if (!table) {
		totals->waiting = atomic_load(&row->waiting);
		totals->running = atomic_load(&row->running);
		totals->delayed = atomic_load(&row->delayed);
		totals->buried = atomic_load(&row->buried);
		return;
	}
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		enum job_state state = word_state(atomic_load(&table->words[slot]));

		if ((job_state_over(state) && state != JOB_BURIED) || job_pool(table_job_const(table, slot)) != pool)
			continue;
		totals->waiting += state == JOB_READY;
		totals->running += state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
		totals->delayed += state == JOB_DELAYED;
		totals->buried += state == JOB_BURIED;
	}
}

static struct totals pool_totals(const struct instance *instance, unsigned pool)
{
	const struct board_sh *board = instance->board;
	struct totals totals = {0};

	for (uint32_t i = 0; i < board->instance.rows; i++) {
		const struct board_worker_sh *row = &board->workers[i];
		struct board_work work;

		if (!atomic_load(&row->used) || !board_read_work(row, &work) || work.pool != pool)
			continue;
		totals.done += atomic_load(&row->done);
		totals.failed += atomic_load(&row->failed);
		totals.retried += atomic_load(&row->retried);
		totals.cancelled += atomic_load(&row->cancelled);
	}
	count_jobs(instance, pool, &totals);
	if (board_held(board, pool) >= 0) {
		totals.parked = totals.waiting;
		totals.waiting = 0;
	}
	return totals;
}

/* A row whose process is gone shows its last record: say so. */
static const char *worker_state(const struct board_work *work)
{
	bool over = work->state == BOARD_WORKER_ENDED || work->state == BOARD_WORKER_FAILED;

	if (!over && ym_process_started(work->pid) != work->process_started)
		return "killed";
	return board_worker_word(work->state);
}

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

static void print_pools(const struct instance *instance)
{
	const struct board_sh *board = instance->board;

	printf("\n%-16s %8s %8s %8s %8s %8s %9s %8s %8s\n", "POOL", "WORKERS", "WAITING", "RUNNING", "PARKED",
	       "DELAYED", "DONE", "FAILED", "CRASHES");
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		struct totals totals = pool_totals(instance, i);
		char workers[32];

		if (!atomic_load(&row->used))
			continue;
		snprintf(workers, sizeof(workers), "%u/%u", atomic_load(&row->actual), atomic_load(&row->wanted));
		printf("%-16s %8s %8llu %8llu %8llu %8llu %9llu %8llu %8llu%s\n", row->name, workers,
		       (unsigned long long)totals.waiting, (unsigned long long)totals.running,
		       (unsigned long long)totals.parked, (unsigned long long)totals.delayed,
		       (unsigned long long)totals.done, (unsigned long long)totals.failed,
		       (unsigned long long)atomic_load(&row->crashes),
		       atomic_load(&row->failing) ? "  (workers do not stay up: see the log)" : "");
	}
}

/* Jobs that wait because a worker of their pool waits for this limit. */
static uint64_t parked_on(const struct instance *instance, unsigned limit)
{
	uint64_t parked = 0;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++)
		if (atomic_load(&instance->board->pools[pool].used) && board_held(instance->board, pool) == (int)limit)
			parked += pool_totals(instance, pool).parked;
	return parked;
}

static void print_limits(const struct instance *instance)
{
	const struct board_sh *board = instance->board;
	bool head = false;

	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct board_limit_sh *row = &board->limits[i];
		int max = atomic_load(&row->max), free_units = atomic_load(&row->free);

		if (!atomic_load(&row->used))
			continue;
		if (!head)
			printf("\n%-16s %8s %8s %8s  %s\n", "LIMIT", "USED", "MAX", "PARKED", "KEY");
		head = true;
		printf("%-16s %8d %8d %8llu  0x%08x\n", row->name, max - free_units, max,
		       (unsigned long long)parked_on(instance, i), (unsigned)row->key);
	}
}

static void print_progress(const struct board_worker_sh *row, const struct board_work *work)
{
	struct board_progress progress;
	char done[TEXT_MAX], total[TEXT_MAX], note[BOARD_NOTE_MAX];
	bool bytes;

	if (work->job == 0 || !board_read_progress(row, &progress) || progress.job != work->job) {
		printf("\n");
		return;
	}
	bytes = strncmp(progress.unit, "bytes", sizeof(progress.unit)) == 0;
	text_cell(note, sizeof(note), progress.note, 40, false);
	text_amount((double)progress.done, bytes, done);
	if (progress.total)
		printf("  %3.0f%% %s of %s  %s\n", 100.0 * (double)progress.done / (double)progress.total, done,
		       text_amount((double)progress.total, bytes, total), note);
	else if (progress.done)
		printf("  %s  %s\n", done, note);
	else
		printf("  %s\n", note);
}

static void print_workers(const struct board_sh *board)
{
	printf("\n%-4s %8s %-16s %-8s %8s %8s %-20s %8s\n", "ROW", "PID", "POOL", "STATE", "JOB", "ATTEMPT", "TAG",
	       "SINCE");
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		const struct board_worker_sh *row = &board->workers[i];
		struct board_work work;
		char since[TEXT_MAX], tag[JOB_TAG_MAX], job[32] = "-", attempt[32] = "-";

		if (!atomic_load(&row->used) || !board_read_work(row, &work) || work.pid == 0)
			continue;
		text_cell(tag, sizeof(tag), work.tag, 20, true);
		if (work.job) {
			snprintf(job, sizeof(job), "%llu", (unsigned long long)work.job);
			snprintf(attempt, sizeof(attempt), "%u/%u", work.attempt, work.attempts);
		}
		printf("%-4u %8ld %-16s %-8s %8s %8s %s %8s", i, (long)work.pid,
		       board->pools[work.pool % TABLE_POOLS].name, worker_state(&work), job, attempt, tag,
		       text_duration(ym_now_ns() - work.since, since));
		print_progress(row, &work);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static double seconds_since(uint64_t then)
{
	return then ? (double)(ym_now_ns() - then) / 1e9 : 0;
}

static void json_pools(struct json *json, const struct instance *instance)
{
	const struct board_sh *board = instance->board;

	json_open(json, "pools", '[');
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		struct totals totals = pool_totals(instance, i);

		if (!atomic_load(&row->used))
			continue;
		json_open(json, NULL, '{');
		json_put_string(json, "name", row->name);
		json_put_string(json, "task", row->task);
		json_put_uint(json, "workers_wanted", atomic_load(&row->wanted));
		json_put_uint(json, "workers", atomic_load(&row->actual));
		json_put_uint(json, "waiting", totals.waiting);
		json_put_uint(json, "running", totals.running);
		json_put_uint(json, "parked", totals.parked);
		json_put_uint(json, "delayed", totals.delayed);
		json_put_uint(json, "buried", totals.buried);
		json_put_uint(json, "done", totals.done);
		json_put_uint(json, "failed", totals.failed);
		json_put_uint(json, "retried", totals.retried);
		json_put_uint(json, "cancelled", totals.cancelled);
		json_put_uint(json, "crashes", atomic_load(&row->crashes));
		json_put_uint(json, "failing_starts", atomic_load(&row->failing));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_limits(struct json *json, const struct instance *instance)
{
	const struct board_sh *board = instance->board;

	json_open(json, "limits", '[');
	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct board_limit_sh *row = &board->limits[i];

		if (!atomic_load(&row->used))
			continue;
		json_open(json, NULL, '{');
		json_put_string(json, "name", row->name);
		json_put_int(json, "key", row->key);
		json_put_int(json, "max", atomic_load(&row->max));
		json_put_int(json, "free", atomic_load(&row->free));
		json_put_uint(json, "parked", parked_on(instance, i));
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_worker(struct json *json, const struct board_sh *board, uint32_t i)
{
	const struct board_worker_sh *row = &board->workers[i];
	struct board_progress progress;
	struct board_work work;

	if (!atomic_load(&row->used) || !board_read_work(row, &work) || work.pid == 0)
		return;
	json_open(json, NULL, '{');
	json_put_uint(json, "row", i);
	json_put_int(json, "pid", work.pid);
	json_put_string(json, "pool", board->pools[work.pool % TABLE_POOLS].name);
	json_put_string(json, "state", worker_state(&work));
	json_put_real(json, "since", seconds_since(work.since));
	json_put_uint(json, "done", atomic_load(&row->done));
	json_put_uint(json, "failed", atomic_load(&row->failed));
	if (work.job) {
		json_put_uint(json, "job", work.job);
		json_put_string(json, "tag", work.tag);
		json_put_uint(json, "attempt", work.attempt);
		json_put_real(json, "job_seconds", seconds_since(work.job_started));
	}
	if (work.job && board_read_progress(row, &progress) && progress.job == work.job) {
		json_open(json, "progress", '{');
		json_put_uint(json, "done", progress.done);
		json_put_uint(json, "total", progress.total);
		json_put_string(json, "unit", progress.unit);
		json_put_string(json, "note", progress.note);
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void print_json(const struct instance *instance, pid_t master)
{
	const struct board_instance_sh *row = &instance->board->instance;
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	json_put_string(&json, "instance", row->name);
	json_put_string(&json, "directory", instance->directory);
	json_put_string(&json, "state", master ? board_master_word(atomic_load(&row->master_state)) : "no master");
	json_put_int(&json, "master_pid", master);
	json_put_real(&json, "up", master ? seconds_since(atomic_load(&row->master_since)) : 0);
	json_put_uint(&json, "resent", atomic_load(&row->resent));
	json_put_uint(&json, "jobs_recovered", atomic_load(&row->recovered));
	json_pools(&json, instance);
	json_limits(&json, instance);
	json_open(&json, "workers", '[');
	for (uint32_t i = 0; i < row->rows; i++)
		json_worker(&json, instance->board, i);
	json_close(&json, ']');
	json_close(&json, '}');
	printf("\n");
}

static int status(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	pid_t master;

	if (args_instance(args, &instance, &err) < 0 || instance_view(&instance, &err) < 0)
		return command_fail(&err);
	master = view_master(&instance);
	if (args_flag(args, "json")) {
		print_json(&instance, master);
	} else {
		print_head(&instance, master);
		print_pools(&instance);
		print_limits(&instance);
		print_workers(instance.board);
	}
	instance_unview(&instance);
	return master ? 0 : ym_err_exit_code(YM_ERR_NOT_RUNNING);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"json", 0, NULL, "one JSON object; times in seconds"},
    {0},
};

const struct command command_status = {
    .verb = "status",
    .usage = "[OPTIONS]",
    .summary = "pools, limits and workers right now; exit code 3 when no master runs",
    .options = options,
    .run = status,
};
