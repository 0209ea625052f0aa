/* metrics.c - families and samples. */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../../ipc/sys.h"
#include "../life.h"
#include "../view.h"

/* Bounds of histogram buckets are powers of two in ns, where the board's own have bounds, too: 1 us to 5 hours. */
#define BOUND_FIRST 10
#define BOUND_LAST  44

/* ---- lines ----------------------------------------------------------------------------------- */

static void family(FILE *to, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(to, "# TYPE yardmaster_%s %s\n", name, type);
	if (unit)
		fprintf(to, "# UNIT yardmaster_%s %s\n", name, unit);
	fprintf(to, "# HELP yardmaster_%s %s\n", name, help);
}

/* What is not UTF-8 cannot stand here; names of a configuration always are. */
static void label(FILE *to, const char *name, const char *value)
{
	fprintf(to, "%s=\"", name);
	for (const char *at = value; *at; at++) {
		if (*at == '\\' || *at == '"')
			fputc('\\', to);
		if (*at == '\n')
			fputs("\\n", to);
		else
			fputc((unsigned char)*at < 0x80 ? *at : '?', to);
	}
	fputc('"', to);
}

/* A sample of one or (`second` not NULL) two labels, up to its value. */
static void sample(FILE *to, const char *name, const char *first, const char *value, const char *second,
                   const char *value2)
{
	fprintf(to, "yardmaster_%s{", name);
	label(to, first, value);
	if (second) {
		fputc(',', to);
		label(to, second, value2);
	}
	fputs("} ", to);
}

static void plain_uint(FILE *to, const char *name, uint64_t value)
{
	fprintf(to, "yardmaster_%s %" PRIu64 "\n", name, value);
}

static void plain_seconds(FILE *to, const char *name, double value)
{
	fprintf(to, "yardmaster_%s %.9g\n", name, value);
}

/* ---- pools ----------------------------------------------------------------------------------- */

#define EACH_POOL(board, i)                                                                                            \
	for (unsigned i = 0; i < TABLE_POOLS; i++)                                                                     \
		if (atomic_load(&(board)->pools[i].used))

/* Families that are one number of each pool: name, of the sample, type, help, number. */
#define POOL_MAP(X)                                                                                                    \
	X("pool_workers", "pool_workers", "gauge", "Workers that live", atomic_load(&row->actual))                     \
	X("pool_workers_wanted", "pool_workers_wanted", "gauge", "Workers that there should be",                       \
	  atomic_load(&row->wanted))                                                                                   \
	X("pool_paused", "pool_paused", "gauge", "1: no job is started",                                               \
	  (snapshot_mode(instance, i) & POOL_PAUSED) != 0)                                                             \
	X("pool_draining", "pool_draining", "gauge", "1: no job is accepted",                                          \
	  (snapshot_mode(instance, i) & POOL_DRAINING) != 0)                                                           \
	X("worker_crashes", "worker_crashes_total", "counter", "Workers that died", atomic_load(&row->crashes))        \
	X("workers_recycled", "workers_recycled_total", "counter", "Workers replaced for jobs, age or memory",         \
	  atomic_load(&row->recycled))

static void pool_numbers(FILE *to, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;

#define X(family_name, sampled, type, help, number)                                                                    \
	family(to, family_name, type, NULL, help);                                                                     \
	EACH_POOL(instance->board, i)                                                                                  \
	{                                                                                                              \
		const struct board_pool_sh *row = &instance->board->pools[i];                                          \
                                                                                                                       \
		sample(to, sampled, "pool", row->name, NULL, NULL);                                                    \
		fprintf(to, "%" PRIu64 "\n", (uint64_t)(number));                                                      \
	}
	POOL_MAP(X)
#undef X
}

/* Jobs that are not over, by state; those that are, by their end. */
static void pool_jobs(FILE *to, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;

	family(to, "pool_jobs", "gauge", NULL, "Jobs that are not over, by state");
	EACH_POOL(board, i)
	{
		const struct snapshot_pool *pool = &snapshot->pools[i];
		const struct {
			const char *state;
			uint64_t jobs;
		} rows[] = {{"waiting", pool->waiting},
		            {"running", pool->running},
		            {"delayed", pool->delayed},
		            {"buried", pool->buried}};

		for (size_t state = 0; state < sizeof(rows) / sizeof(rows[0]); state++) {
			sample(to, "pool_jobs", "pool", board->pools[i].name, "state", rows[state].state);
			fprintf(to, "%" PRIu64 "\n", rows[state].jobs);
		}
	}
	family(to, "jobs", "counter", NULL, "Attempts that are over, by their end");
	EACH_POOL(board, i)
	for (int counter = 0; counter < BOARD_COUNTERS; counter++) {
		sample(to, "jobs_total", "pool", board->pools[i].name, "end",
		       board_counter_word((enum board_counter)counter));
		fprintf(to, "%" PRIu64 "\n", snapshot->pools[i].counters[counter]);
	}
}

static void histogram(FILE *to, const char *name, const char *pool, const struct histogram *from)
{
	uint64_t below = 0;
	unsigned bucket = 0;
	char text[64], bound[32];

	snprintf(text, sizeof(text), "%s_bucket", name);
	for (unsigned octave = BOUND_FIRST; octave <= BOUND_LAST; octave++) {
		uint64_t end = UINT64_C(1) << octave;

		for (; bucket < histogram_bucket(end); bucket++)
			below += from->counts[bucket];
		snprintf(bound, sizeof(bound), "%.9g", (double)end / 1e9);
		sample(to, text, "pool", pool, "le", bound);
		fprintf(to, "%" PRIu64 "\n", below);
	}
	/* Of what was added while it was summed up, all parts shall tell the same. */
	for (; bucket < HISTOGRAM_BUCKETS; bucket++)
		below += from->counts[bucket];
	sample(to, text, "pool", pool, "le", "+Inf");
	fprintf(to, "%" PRIu64 "\n", below);
	snprintf(text, sizeof(text), "%s_count", name);
	sample(to, text, "pool", pool, NULL, NULL);
	fprintf(to, "%" PRIu64 "\n", below);
	snprintf(text, sizeof(text), "%s_sum", name);
	sample(to, text, "pool", pool, NULL, NULL);
	fprintf(to, "%.9g\n", (double)from->sum_ns / 1e9);
}

static void pool_times(FILE *to, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;
	struct histogram wait, run;

	family(to, "job_wait_seconds", "histogram", "seconds", "From ready to start, of each attempt");
	EACH_POOL(board, i)
	{
		snapshot_times(snapshot, i, &wait, &run);
		histogram(to, "job_wait_seconds", board->pools[i].name, &wait);
	}
	family(to, "job_run_seconds", "histogram", "seconds", "From start to end, of each attempt");
	EACH_POOL(board, i)
	{
		snapshot_times(snapshot, i, &wait, &run);
		histogram(to, "job_run_seconds", board->pools[i].name, &run);
	}
}

/* ---- the rest of the instance ---------------------------------------------------------------- */

static void workers(FILE *to, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;
	unsigned counts[TABLE_POOLS][BOARD_WORKER_STATES] = {0};

	for (size_t i = 0; i < snapshot->nworkers; i++) {
		const struct board_work *work = &snapshot->workers[i].work;

		if (work->state < BOARD_WORKER_STATES)
			counts[work->pool % TABLE_POOLS][work->state]++;
	}
	family(to, "workers", "gauge", NULL,
	       "Workers by what the board says of them; the dead ones until they are replaced");
	EACH_POOL(board, i)
	for (unsigned state = BOARD_WORKER_STARTING; state < BOARD_WORKER_STATES; state++) {
		sample(to, "workers", "pool", board->pools[i].name, "state", board_worker_word(state));
		fprintf(to, "%u\n", counts[i][state]);
	}
}

#define EACH_LIMIT(board, i)                                                                                           \
	for (unsigned i = 0; i < TABLE_LIMITS; i++)                                                                    \
		if (atomic_load(&(board)->limits[i].used))

static void limits(FILE *to, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;
	const struct board_sh *board = instance->board;

	family(to, "limit_units", "gauge", NULL,
	       "Units that may be in use at a time; none of a limit that is only a rate");
	EACH_LIMIT(board, i)
	{
		sample(to, "limit_units", "limit", board->limits[i].name, NULL, NULL);
		fprintf(to, "%d\n", snapshot_units(instance, i));
	}
	family(to, "limit_units_used", "gauge", NULL, "Units in use");
	EACH_LIMIT(board, i)
	{
		int units = snapshot_units(instance, i);

		sample(to, "limit_units_used", "limit", board->limits[i].name, NULL, NULL);
		fprintf(to, "%d\n", units > 0 ? units - snapshot_free_units(instance, i) : 0);
	}
	family(to, "limit_held_jobs", "gauge", NULL, "Jobs that wait because the limit is used up");
	EACH_LIMIT(board, i)
	{
		sample(to, "limit_held_jobs", "limit", board->limits[i].name, NULL, NULL);
		fprintf(to, "%" PRIu64 "\n", snapshot_held(snapshot, i));
	}
}

#define EACH_PROGRAM(board, row)                                                                                       \
	for (const struct board_program_sh *row = (board)->programs; row < (board)->programs + BOARD_PROGRAMS; row++)  \
		if (atomic_load(&row->used))

static void programs(FILE *to, const struct board_sh *board)
{
	family(to, "program_running", "gauge", NULL, "1: the process runs");
	EACH_PROGRAM(board, row)
	{
		sample(to, "program_running", "program", row->program, "process", row->name);
		fprintf(to, "%d\n", atomic_load(&row->state) == LIFE_RUNNING);
	}
	family(to, "program_starts", "counter", NULL, "How often the process was started");
	EACH_PROGRAM(board, row)
	{
		sample(to, "program_starts_total", "program", row->program, "process", row->name);
		fprintf(to, "%u\n", atomic_load(&row->starts));
	}
}

/* Counters of the store: name, member, help. */
#define STORE_MAP(X)                                                                                                   \
	X("store_commits", commits, "Transactions")                                                                    \
	X("store_submitted", submitted, "Jobs accepted")                                                               \
	X("store_recorded", recorded, "Changes of jobs written")                                                       \
	X("store_fetched", fetched, "Jobs brought into the table")                                                     \
	X("store_refused", refused, "Submissions that could not be stored")

static void store(FILE *to, const struct board_store_sh *row)
{
	uint32_t state = atomic_load(&row->state);

	if (state == BOARD_STORE_NONE)
		return;
	family(to, "store_up", "gauge", NULL, "1: the store works");
	plain_uint(to, "store_up", state == BOARD_STORE_WORKING);
	family(to, "store_last_commit_seconds", "gauge", "seconds", "How long the last transaction took");
	plain_seconds(to, "store_last_commit_seconds", (double)atomic_load(&row->commit_ns) / 1e9);
#define X(family_name, member, help)                                                                                   \
	family(to, family_name, "counter", NULL, help);                                                                \
	plain_uint(to, family_name "_total", atomic_load(&row->member));
	STORE_MAP(X)
#undef X
}

static void instance_numbers(FILE *to, const struct snapshot *snapshot)
{
	const struct board_instance_sh *row = &snapshot->instance->board->instance;
	char version[sizeof(row->version) + 1] = "";
	uint64_t since = atomic_load(&row->master_since);

	memcpy(version, row->version, sizeof(row->version));
	family(to, "instance", "info", NULL, "Which instance, and the version of its master");
	sample(to, "instance_info", "instance", row->name, "version", version);
	fputs("1\n", to);
	if (snapshot->master) {
		family(to, "master_start_time_seconds", "gauge", "seconds", "When the master was started, unix time");
		fprintf(to, "yardmaster_master_start_time_seconds %.3f\n",
		        (double)ym_unix_ms() / 1e3 - (double)(snapshot->at - since) / 1e9);
	}
	family(to, "jobs_recovered", "counter", NULL, "Jobs taken back from dead workers");
	plain_uint(to, "jobs_recovered_total", atomic_load(&row->recovered));
	family(to, "tokens_resent", "counter", NULL, "Jobs and tokens that had been lost on their way");
	plain_uint(to, "tokens_resent_total", atomic_load(&row->resent));
	family(to, "reloads", "counter", NULL, "Configurations that were loaded anew");
	plain_uint(to, "reloads_total", atomic_load(&row->reloads));
}

/* ---- the server itself ------------------------------------------------------------------------ */

static void server(FILE *to, const struct feed_counters *counters)
{
	struct timespec cpu = {0};

	family(to, "serve_viewers", "gauge", NULL, "Pages that are open");
	plain_uint(to, "serve_viewers", counters->viewers);
	family(to, "serve_connections", "gauge", NULL, "Connections");
	plain_uint(to, "serve_connections", counters->connections);
#define X(name, help)                                                                                                  \
	family(to, "serve_" #name, "counter", NULL, "By this server: " help);                                          \
	plain_uint(to, "serve_" #name "_total", counters->name);
	FEED_COUNTER_MAP(X)
#undef X
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	family(to, "serve_cpu_seconds", "counter", "seconds", "Processor time of this server");
	plain_seconds(to, "serve_cpu_seconds_total", (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

void metrics_write(FILE *to, const struct snapshot *snapshot, const struct feed_counters *counters)
{
	family(to, "up", "gauge", NULL, "1: the instance has a master");
	plain_uint(to, "up", snapshot && snapshot->master);
	if (snapshot) {
		instance_numbers(to, snapshot);
		pool_numbers(to, snapshot);
		pool_jobs(to, snapshot);
		pool_times(to, snapshot);
		workers(to, snapshot);
		limits(to, snapshot);
		programs(to, snapshot->instance->board);
		store(to, &snapshot->instance->board->store);
	}
	server(to, counters);
	fputs("# EOF\n", to);
}
