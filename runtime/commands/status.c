/* status.c - `yardmaster status`: the board at one moment, as a table or as JSON. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../json.h"
#include "../life.h"
#include "../limit.h"
#include "../text.h"
#include "../view.h"
#include "command.h"
#include "status_store.h"

struct totals {
	uint64_t counters[BOARD_COUNTERS];
	uint64_t waiting, running, delayed, buried;
};

/* How wide the names of pools and limits are. */
#define NAME_COLUMNS 12

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
		uint64_t word = atomic_load(&table->words[slot]);
		enum job_state state = word_state(word);

		if ((job_state_over(state) && state != JOB_BURIED) || job_pool(table_job_const(table, slot)) != pool)
			continue;
		totals->waiting += state == JOB_READY;
		totals->running += state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
		totals->delayed += state == JOB_DELAYED;
		/* One that the store knows of is counted there. */
		totals->buried += state == JOB_BURIED && (!table_stored(table) || (word_flags(word) & JOB_STORED));
	}
	totals->waiting += atomic_load(&table->pools[pool].stored_waiting);
	totals->delayed += atomic_load(&table->pools[pool].stored_delayed);
	totals->buried += atomic_load(&table->pools[pool].stored_buried);
}

static struct totals pool_totals(const struct instance *instance, unsigned pool)
{
	struct totals totals = {0};

	board_count(instance->board, pool, totals.counters);
	count_jobs(instance, pool, &totals);
	return totals;
}

/* From the table if it may be read, likewise. */
static uint32_t pool_mode(const struct instance *instance, unsigned pool)
{
	return instance->table ? atomic_load(&instance->table->pools[pool].mode)
	                       : atomic_load(&instance->board->pools[pool].mode);
}

/* Free units of a limit: those of this moment if its semaphore may be asked, else those of the last sweep. */
static int free_units(const struct instance *instance, unsigned limit)
{
	int units = instance->table ? limit_free(&instance->table->limits[limit]) : -1;

	return units >= 0 ? units : atomic_load(&instance->board->limits[limit].free);
}

/* Time from one start to the next that the pool's own rate wants; 0: it has none, or the table may not be read. */
static uint64_t pool_rate_ns(const struct instance *instance, unsigned pool)
{
	return instance->table ? atomic_load(&instance->table->pools[pool].rate.interval_ns) : 0;
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

/* The remarks about a pool, separated by commas. */
struct remarks {
	const char *between;
};

static void remark(struct remarks *remarks, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void remark(struct remarks *remarks, const char *fmt, ...)
{
	va_list ap;

	printf("%s", remarks->between);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	remarks->between = ", ";
}

/* What a person should know about the pool. */
static void print_remarks(const struct instance *instance, unsigned pool)
{
	const struct board_pool_sh *row = &instance->board->pools[pool];
	const char *held = view_held(instance, pool);
	uint32_t mode = pool_mode(instance, pool), state = atomic_load(&row->state);
	struct remarks remarks = {"  "};
	char reason[BOARD_REASON_MAX];

	board_reason_read(row->reason, &row->reason_version, reason);
	if (state != BOARD_POOL_RUNNING)
		remark(&remarks, "%s", board_pool_word(state));
	if (mode & POOL_PAUSED)
		remark(&remarks, "paused");
	if (mode & POOL_DRAINING)
		remark(&remarks, "draining");
	if (held)
		remark(&remarks, "waits for limit %s", held);
	if (atomic_load(&row->least) != atomic_load(&row->most))
		remark(&remarks, "scales %u..%u", atomic_load(&row->least), atomic_load(&row->most));
	if (atomic_load(&row->rolling))
		remark(&remarks, "%u to be replaced", atomic_load(&row->rolling));
	if (reason[0])
		remark(&remarks, "%s", reason);
	printf("\n");
}

static void print_pools(const struct instance *instance, int columns)
{
	const struct board_sh *board = instance->board;

	printf("\n%-*s %7s %7s %7s %7s %7s %9s %7s %7s\n", columns, "POOL", "WORKERS", "WAITING", "RUNNING", "DELAYED",
	       "BURIED", "DONE", "FAILED", "CRASHES");
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		struct totals totals = pool_totals(instance, i);
		char workers[32];

		if (!atomic_load(&row->used))
			continue;
		snprintf(workers, sizeof(workers), "%u/%u", atomic_load(&row->actual), atomic_load(&row->wanted));
		printf("%-*s %7s %7llu %7llu %7llu %7llu %9llu %7llu %7llu", columns, row->name, workers,
		       (unsigned long long)totals.waiting, (unsigned long long)totals.running,
		       (unsigned long long)totals.delayed, (unsigned long long)totals.buried,
		       (unsigned long long)totals.counters[BOARD_DONE],
		       (unsigned long long)totals.counters[BOARD_FAILED],
		       (unsigned long long)atomic_load(&row->crashes));
		print_remarks(instance, i);
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

static void json_programs(struct json *json, const struct board_sh *board)
{
	json_open(json, "programs", '[');
	for (unsigned i = 0; i < BOARD_PROGRAMS; i++) {
		const struct board_program_sh *row = &board->programs[i];
		char reason[BOARD_REASON_MAX];

		if (!atomic_load(&row->used))
			continue;
		board_reason_read(row->reason, &row->reason_version, reason);
		json_open(json, NULL, '{');
		json_put_string(json, "program", row->program);
		json_put_string(json, "process", row->name);
		json_put_string(json, "state", life_state_word(atomic_load(&row->state)));
		json_put_int(json, "pid", atomic_load(&row->pid));
		json_put_real(json, "since", (double)(ym_now_ns() - atomic_load(&row->since)) / 1e9);
		json_put_uint(json, "starts", atomic_load(&row->starts));
		json_put_int(json, "last_status", atomic_load(&row->status));
		json_put_string(json, "reason", reason);
		json_close(json, '}');
	}
	json_close(json, ']');
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Jobs that wait because a worker of their pool waits for this limit. */
static uint64_t held_by(const struct instance *instance, unsigned limit)
{
	uint64_t held = 0;

	for (unsigned pool = 0; pool < TABLE_POOLS; pool++)
		if (atomic_load(&instance->board->pools[pool].used) && board_held(instance->board, pool) == (int)limit)
			held += pool_totals(instance, pool).waiting;
	return held;
}

/* As one would write it in the INI: in the first unit that gives a whole number, else in the longest one. */
static const char *rate_text(uint64_t interval_ns, char out[TEXT_MAX])
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = {{1, "s"}, {60, "m"}, {3600, "h"}, {86400, "d"}};
	bool whole = false;

	snprintf(out, TEXT_MAX, "-");
	for (size_t i = 0; interval_ns && !whole && i < sizeof(units) / sizeof(units[0]); i++) {
		double rate = units[i].seconds * 1e9 / (double)interval_ns;

		/* The interval is in whole nanoseconds: 90/m comes back as 89.99999996. */
		whole = rate > 0.5 && fabs(rate - rint(rate)) < 1e-4 * rate;
		snprintf(out, TEXT_MAX, "%.6g/%s", whole ? rint(rate) : rate, units[i].name);
	}
	return out;
}

/* A limit that is only a rate has no units. */
static void print_limits(const struct instance *instance, int columns)
{
	const struct board_sh *board = instance->board;
	bool head = false;

	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		const struct board_limit_sh *row = &board->limits[i];
		int max = atomic_load(&row->max);
		char used[16] = "-", most[16] = "-", key[16] = "-", rate[TEXT_MAX];

		if (!atomic_load(&row->used))
			continue;
		if (!head)
			printf("\n%-*s %7s %7s %7s %7s  %s\n", columns, "LIMIT", "USED", "MAX", "RATE", "HELD", "KEY");
		head = true;
		if (max > 0) {
			snprintf(used, sizeof(used), "%d", max - free_units(instance, i));
			snprintf(most, sizeof(most), "%d", max);
			snprintf(key, sizeof(key), "0x%08x", (unsigned)row->key);
		}
		printf("%-*s %7s %7s %7s %7llu  %s\n", columns, row->name, used, most,
		       rate_text(atomic_load(&row->rate_ns), rate), (unsigned long long)held_by(instance, i), key);
	}
}

/* What it is at, behind its row. */
static void print_progress(const struct board_sh *board, const struct board_worker_sh *row,
                           const struct board_work *work)
{
	struct board_progress progress;
	char done[TEXT_MAX], total[TEXT_MAX], note[BOARD_NOTE_MAX];
	bool bytes;

	if (work->state == BOARD_WORKER_HELD && work->limit) {
		printf("  for limit %s\n", view_limit(board, work->limit - 1));
		return;
	}
	if (work->job == 0 || !board_read_progress(row, &progress) || progress.job != work->job) {
		printf(work->group ? "  command %ld\n" : "\n", (long)work->group);
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

static void print_workers(const struct board_sh *board, int columns)
{
	printf("\n%-4s %8s %-*s %-8s %8s %7s %-20s %8s\n", "ROW", "PID", columns, "POOL", "STATE", "JOB", "ATTEMPT",
	       "TAG", "SINCE");
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
		printf("%-4u %8ld %-*s %-8s %8s %7s %s %8s", i, (long)work.pid, columns,
		       board->pools[work.pool % TABLE_POOLS].name, worker_state(&work), job, attempt, tag,
		       text_duration(ym_now_ns() - work.since, since));
		print_progress(board, row, &work);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static double seconds_since(uint64_t then)
{
	return then ? (double)(ym_now_ns() - then) / 1e9 : 0;
}

static void json_counters(struct json *json, const uint64_t counters[BOARD_COUNTERS])
{
	for (int i = 0; i < BOARD_COUNTERS; i++)
		json_put_uint(json, board_counter_word((enum board_counter)i), counters[i]);
}

static void json_pool_workers(struct json *json, const struct board_pool_sh *row)
{
	char reason[BOARD_REASON_MAX];

	board_reason_read(row->reason, &row->reason_version, reason);
	json_put_string(json, "state", board_pool_word(atomic_load(&row->state)));
	json_put_string(json, "reason", reason);
	json_put_uint(json, "workers_least", atomic_load(&row->least));
	json_put_uint(json, "workers_most", atomic_load(&row->most));
	json_put_uint(json, "to_be_replaced", atomic_load(&row->rolling));
	json_put_uint(json, "recycled", atomic_load(&row->recycled));
	json_open(json, "places", '{');
	for (unsigned state = 0; state < LIFE_STATES; state++)
		json_put_uint(json, life_state_word(state), atomic_load(&row->places[state]));
	json_close(json, '}');
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
		json_put_uint(json, "delayed", totals.delayed);
		json_put_uint(json, "buried", totals.buried);
		json_counters(json, totals.counters);
		json_put_uint(json, "crashes", atomic_load(&row->crashes));
		json_put_uint(json, "failing_starts", atomic_load(&row->failing));
		json_pool_workers(json, row);
		json_put_bool(json, "paused", pool_mode(instance, i) & POOL_PAUSED);
		json_put_bool(json, "draining", pool_mode(instance, i) & POOL_DRAINING);
		json_put_string(json, "waits_for_limit", view_held(instance, i) ? view_held(instance, i) : "");
		json_put_float(json, "start_interval", (double)pool_rate_ns(instance, i) / 1e9);
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
		int max = atomic_load(&row->max);

		if (!atomic_load(&row->used))
			continue;
		json_open(json, NULL, '{');
		json_put_string(json, "name", row->name);
		json_put_int(json, "key", row->key);
		json_put_int(json, "max", max);
		json_put_int(json, "free", max > 0 ? free_units(instance, i) : 0);
		json_put_float(json, "start_interval", (double)atomic_load(&row->rate_ns) / 1e9);
		json_put_uint(json, "held", held_by(instance, i));
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
	for (int counter = 0; counter < BOARD_COUNTERS; counter++)
		json_put_uint(json, board_counter_word((enum board_counter)counter),
		              atomic_load(&row->counters[counter]));
	if (work.job) {
		json_put_uint(json, "job", work.job);
		json_put_string(json, "tag", work.tag);
		json_put_uint(json, "attempt", work.attempt);
		json_put_real(json, "job_seconds", seconds_since(work.job_started));
		if (work.group)
			json_put_int(json, "command_group", work.group);
	}
	if (work.state == BOARD_WORKER_HELD && work.limit)
		json_put_string(json, "waits_for_limit", view_limit(board, work.limit - 1));
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
	status_store_json(&json, instance->board);
	json_pools(&json, instance);
	json_programs(&json, instance->board);
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
		int columns = name_columns(instance.board);

		print_head(&instance, master);
		status_store_print(instance.board);
		if (has_pools(instance.board))
			print_pools(&instance, columns);
		print_programs(instance.board);
		print_limits(&instance, columns);
		if (has_pools(instance.board))
			print_workers(instance.board, columns);
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
    .summary = "pools, programs, limits and workers right now; exit code 3 when no master runs",
    .options = options,
    .run = status,
};
