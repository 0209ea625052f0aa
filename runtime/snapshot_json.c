/* snapshot_json.c - a snapshot as JSON: docs/json.md names all members. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "health.h"
#include "life.h"
#include "published.h"
#include "snapshot.h"
#include "view.h"

/* Time from one start to the next that the pool's own rate wants; 0: it has none, or the table may not be read. */
static uint64_t pool_rate_ns(const struct instance *instance, unsigned pool)
{
	return instance->table ? atomic_load(&instance->table->pools[pool].rate.interval_ns) : 0;
}

static double seconds_since(const struct snapshot *snapshot, uint64_t then)
{
	return (double)snapshot_since(snapshot, then) / 1e9;
}

static void put_counters(struct json *json, const uint64_t counters[BOARD_COUNTERS])
{
	for (int i = 0; i < BOARD_COUNTERS; i++)
		json_put_uint(json, board_counter_word((enum board_counter)i), counters[i]);
}

static void put_pool_workers(struct json *json, const struct board_pool_sh *row)
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

/* Of those, what is only in the store. */
static void put_stored(struct json *json, const struct table_pool_sh *row)
{
	json_open(json, "stored", '{');
	json_put_uint(json, "waiting", atomic_load(&row->stored_waiting));
	json_put_uint(json, "delayed", atomic_load(&row->stored_delayed));
	json_put_uint(json, "buried", atomic_load(&row->stored_buried));
	json_close(json, '}');
}

static void put_span(struct json *json, const char *key, uint64_t ns, bool null)
{
	if (null)
		json_put_null(json, key);
	else
		json_put_float(json, key, (double)ns / 1e9);
}

/* `null_if_none`: of none at all there are no percentiles. */
static void put_histogram(struct json *json, const char *key, const struct histogram *histogram, bool null_if_none)
{
	static const struct {
		const char *key;
		double share;
	} shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
	bool null = null_if_none && histogram->n == 0;

	json_open(json, key, '{');
	json_put_uint(json, "count", histogram->n);
	put_span(json, "mean", histogram_mean(histogram), null);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		put_span(json, shares[i].key, histogram_at(histogram, shares[i].share), null);
	json_close(json, '}');
}

static void put_recent(struct json *json, enum recent_span span, const struct recent *recent)
{
	json_open(json, recent_key(span), '{');
	json_put_real(json, "seconds", (double)recent->ns / 1e9);
	json_put_uint(json, "ended", recent->run.n);
	put_histogram(json, "wait", &recent->wait, true);
	put_histogram(json, "run", &recent->run, true);
	json_close(json, '}');
}

static void put_times(struct json *json, const struct snapshot *snapshot, unsigned pool)
{
	struct histogram wait, run;

	snapshot_times(snapshot, pool, &wait, &run);
	for (enum recent_span span = 0; span < RECENT_SPANS; span++) {
		struct recent recent;

		snapshot_recent(snapshot, pool, span, &wait, &run, &recent);
		put_recent(json, span, &recent);
	}
	json_open(json, "times", '{');
	put_histogram(json, "wait", &wait, false);
	put_histogram(json, "run", &run, false);
	json_close(json, '}');
}

static void put_course(struct json *json, const struct snapshot *snapshot, unsigned pool)
{
	static const char *const keys[COURSE_RINGS] = {[COURSE_SECONDS] = "seconds", [COURSE_MINUTES] = "minutes"};
	uint32_t samples[COURSE_SAMPLES][COURSE_VALUES];

	json_open(json, "course", '{');
	for (enum course_ring ring = 0; ring < COURSE_RINGS; ring++) {
		course_read(&snapshot->instance->board->courses[pool], ring, snapshot->at, COURSE_SAMPLES, samples);
		json_open(json, keys[ring], '{');
		for (enum course_value value = 0; value < COURSE_VALUES; value++) {
			json_open(json, course_word(value), '[');
			for (unsigned i = 0; i < COURSE_SAMPLES; i++)
				json_put_uint(json, NULL, samples[i][value]);
			json_close(json, ']');
		}
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void put_pool(struct json *json, const struct snapshot *snapshot, unsigned i)
{
	const struct instance *instance = snapshot->instance;
	const struct board_pool_sh *row = &instance->board->pools[i];
	const struct snapshot_pool *pool = &snapshot->pools[i];

	json_open(json, NULL, '{');
	json_put_string(json, "name", row->name);
	json_put_string(json, "task", row->task);
	json_put_uint(json, "workers_wanted", atomic_load(&row->wanted));
	json_put_uint(json, "workers", atomic_load(&row->actual));
	json_put_uint(json, "waiting", pool->waiting);
	json_put_uint(json, "running", pool->running);
	json_put_uint(json, "delayed", pool->delayed);
	json_put_uint(json, "buried", pool->buried);
	if (instance->table && table_stored(instance->table))
		put_stored(json, &instance->table->pools[i]);
	put_counters(json, pool->counters);
	json_put_uint(json, "crashes", atomic_load(&row->crashes));
	json_put_uint(json, "failing_starts", atomic_load(&row->failing));
	put_pool_workers(json, row);
	json_put_bool(json, "paused", snapshot_mode(instance, i) & POOL_PAUSED);
	json_put_bool(json, "draining", snapshot_mode(instance, i) & POOL_DRAINING);
	json_put_string(json, "waits_for_limit", pool->held < 0 ? "" : view_limit(instance->board, pool->held));
	json_put_float(json, "start_interval", (double)pool_rate_ns(instance, i) / 1e9);
	if (!(snapshot->how & SNAPSHOT_BRIEF)) {
		put_times(json, snapshot, i);
		put_course(json, snapshot, i);
	}
	json_close(json, '}');
}

static void put_store(struct json *json, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;
	const struct board_store_sh *store = &board->store;
	uint32_t state = atomic_load(&store->state);
	char trouble[BOARD_REASON_MAX];

	if (state == BOARD_STORE_NONE)
		return;
	json_open(json, "store", '{');
	json_put_string(json, "uri", store->shown);
	json_put_string(json, "state", board_store_word(state));
	json_put_real(json, "since", seconds_since(snapshot, atomic_load(&store->since)));
	json_put_string(json, "trouble", board_trouble(board, trouble));
	json_put_uint(json, "commits", atomic_load(&store->commits));
	json_put_real(json, "last_commit", (double)atomic_load(&store->commit_ns) / 1e9);
	json_put_uint(json, "submitted", atomic_load(&store->submitted));
	json_put_uint(json, "recorded", atomic_load(&store->recorded));
	json_put_uint(json, "fetched", atomic_load(&store->fetched));
	json_put_uint(json, "refused", atomic_load(&store->refused));
	json_close(json, '}');
}

/* Where scripts read the progress. */
static void put_published(struct json *json, const struct instance *instance)
{
	struct published published;

	if (!published_read(instance, &published))
		return;
	json_open(json, "publish", '{');
	json_put_int(json, "key", published.key);
	json_put_uint(json, "bytes", published.size);
	json_put_uint(json, "bytes_free", published.free);
	json_put_uint(json, "jobs", published.jobs);
	json_put_uint(json, "left_out", published.left_out);
	json_close(json, '}');
}

static void put_pools(struct json *json, const struct snapshot *snapshot)
{
	json_open(json, "pools", '[');
	for (unsigned i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&snapshot->instance->board->pools[i].used))
			put_pool(json, snapshot, i);
	json_close(json, ']');
}

static void put_programs(struct json *json, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;

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
		json_put_real(json, "since", seconds_since(snapshot, atomic_load(&row->since)));
		json_put_uint(json, "starts", atomic_load(&row->starts));
		json_put_int(json, "last_status", atomic_load(&row->status));
		json_put_string(json, "reason", reason);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_limit(struct json *json, const struct snapshot *snapshot, unsigned i)
{
	const struct board_limit_sh *row = &snapshot->instance->board->limits[i];
	int units = snapshot_units(snapshot->instance, i), whole = atomic_load(&row->whole);

	json_open(json, NULL, '{');
	json_put_string(json, "name", row->name);
	json_put_int(json, "key", row->key);
	json_put_string(json, "scope", whole ? "cluster" : "local");
	json_put_int(json, "max", whole ? whole : units);
	if (whole)
		json_put_int(json, "granted", units);
	json_put_int(json, "free", units > 0 ? snapshot_free_units(snapshot->instance, i) : 0);
	json_put_float(json, "start_interval", (double)atomic_load(&row->rate_ns) / 1e9);
	json_put_uint(json, "held", snapshot_held(snapshot, i));
	json_close(json, '}');
}

static void put_limits(struct json *json, const struct snapshot *snapshot)
{
	json_open(json, "limits", '[');
	for (unsigned i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&snapshot->instance->board->limits[i].used))
			put_limit(json, snapshot, i);
	json_close(json, ']');
}

static void put_progress(struct json *json, const struct snapshot *snapshot, const struct board_progress *progress)
{
	if (progress->job == 0)
		return;
	json_open(json, "progress", '{');
	json_put_uint(json, "done", progress->done);
	json_put_uint(json, "total", progress->total);
	json_put_text(json, "unit", progress->unit, sizeof(progress->unit));
	json_put_text(json, "note", progress->note, sizeof(progress->note));
	json_put_real(json, "since", seconds_since(snapshot, progress->updated));
	json_close(json, '}');
}

/* What it runs, or ran until then. */
static void put_work(struct json *json, const struct snapshot *snapshot, const struct board_work *work,
                     const struct board_progress *progress, uint64_t until)
{
	json_put_uint(json, "job", work->job);
	json_put_text(json, "tag", work->tag, sizeof(work->tag));
	json_put_uint(json, "attempt", work->attempt);
	json_put_uint(json, "attempts", work->attempts);
	json_put_real(json, "job_seconds", until > work->job_started ? (double)(until - work->job_started) / 1e9 : 0);
	if (work->group)
		json_put_int(json, "command_group", work->group);
	put_progress(json, snapshot, progress);
}

static void put_worker(struct json *json, const struct snapshot *snapshot, const struct snapshot_worker *worker)
{
	const struct board_sh *board = snapshot->instance->board;
	const struct board_work *work = &worker->work;

	json_open(json, NULL, '{');
	json_put_uint(json, "row", worker->row);
	json_put_int(json, "pid", work->pid);
	json_put_string(json, "pool", board->pools[work->pool].name);
	json_put_string(json, "state", snapshot_state(snapshot, work));
	json_put_real(json, "since", seconds_since(snapshot, work->since));
	put_counters(json, worker->counters);
	if (work->state == BOARD_WORKER_HELD && work->limit)
		json_put_string(json, "waits_for_limit", view_limit(board, work->limit - 1));
	if (work->job)
		put_work(json, snapshot, work, &worker->progress, snapshot->at);
	json_close(json, '}');
}

/* The flight recorder: workers that died, and what they were at. */
static void put_crashes(struct json *json, const struct snapshot *snapshot)
{
	struct board_crash crashes[BOARD_CRASHES];
	unsigned n = board_crashes(snapshot->instance->board, crashes, BOARD_CRASHES);

	json_open(json, "crashes", '[');
	for (unsigned i = 0; i < n; i++) {
		json_open(json, NULL, '{');
		json_put_real(json, "since", seconds_since(snapshot, crashes[i].at));
		json_put_string(json, "pool", crashes[i].pool);
		json_put_uint(json, "row", crashes[i].row);
		json_put_int(json, "pid", crashes[i].work.pid);
		json_put_string(json, "cause", crashes[i].cause);
		if (crashes[i].status == -1)
			json_put_null(json, "status");
		else
			json_put_int(json, "status", crashes[i].status);
		if (crashes[i].work.job)
			put_work(json, snapshot, &crashes[i].work, &crashes[i].progress, crashes[i].at);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void snapshot_put(struct json *json, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;
	const struct board_instance_sh *row = &instance->board->instance;
	pid_t master = snapshot->master;
	char problem[HEALTH_MAX];

	json_open(json, NULL, '{');
	json_put_uint(json, "schema", SNAPSHOT_SCHEMA);
	json_put_string(json, "instance", row->name);
	json_put_string(json, "directory", instance->directory);
	json_put_string(json, "state", master ? board_master_word(atomic_load(&row->master_state)) : "no master");
	json_put_bool(json, "ok", health_look(snapshot, 0, problem));
	json_put_string(json, "problem", problem);
	json_put_int(json, "master_pid", master);
	json_put_string(json, "version", row->version);
	json_put_real(json, "time", (double)ym_unix_ms() / 1e3);
	json_put_real(json, "up", master ? seconds_since(snapshot, atomic_load(&row->master_since)) : 0);
	json_put_uint(json, "resent", atomic_load(&row->resent));
	json_put_uint(json, "jobs_recovered", atomic_load(&row->recovered));
	put_store(json, snapshot);
	put_published(json, snapshot->instance);
	put_pools(json, snapshot);
	put_programs(json, snapshot);
	put_limits(json, snapshot);
	json_open(json, "workers", '[');
	for (size_t i = 0; i < snapshot->nworkers; i++)
		put_worker(json, snapshot, &snapshot->workers[i]);
	json_close(json, ']');
	if (!(snapshot->how & SNAPSHOT_BRIEF))
		put_crashes(json, snapshot);
	json_close(json, '}');
}

char *snapshot_text(const struct instance *instance)
{
	struct snapshot snapshot = {0};
	struct json json = {0};
	char *text = NULL;
	size_t size;
	bool good;

	json.to = open_memstream(&text, &size);
	if (!json.to)
		return NULL;
	good = snapshot_take(&snapshot, instance, getpid(), SNAPSHOT_QUICK | SNAPSHOT_BRIEF, NULL) == 0;
	if (good)
		snapshot_put(&json, &snapshot);
	snapshot_free(&snapshot);
	good = good && !ferror(json.to);
	if (fclose(json.to) == 0 && good)
		return text;
	free(text);
	return NULL;
}
