/* metrics.c - families and samples. */
#include "metrics.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../../ipc/sys.h"
#include "../life.h"
#include "../view.h"
#include "accept.h"
#include "feed.h"

/* Bounds of histogram buckets are powers of two in ns, where the board's own have bounds, too: 1 us to 5 hours. */
#define BOUND_FIRST 10
#define BOUND_LAST  44

/* ---- formats --------------------------------------------------------------------------------- */

static const struct {
	const char *media, *version, *type;
} formats[] = {
#define X(format, media, version) [format] = {media, version, media "; version=" version "; charset=utf-8"},
    METRICS_FORMAT_MAP(X)
#undef X
};

enum metrics_format metrics_wanted(struct slice accept)
{
	/* What nobody has to ask for. */
	enum metrics_format best = METRICS_TEXT;
	unsigned most = 0;

	for (int format = 0; format < METRICS_FORMATS; format++) {
		unsigned quality = accept_quality(accept, formats[format].media, formats[format].version);

		if (quality > most) {
			most = quality;
			best = (enum metrics_format)format;
		}
	}
	return best;
}

const char *metrics_type(enum metrics_format format)
{
	return formats[format].type;
}

/* Types of families: what each format calls them, what their samples have behind the name. */
#define KIND_MAP(X)                                                                                                    \
	X(KIND_GAUGE, "gauge", "gauge", "")                                                                            \
	X(KIND_COUNTER, "counter", "counter", "_total")                                                                \
	X(KIND_HISTOGRAM, "histogram", "histogram", "")                                                                \
	X(KIND_INFO, "info", "gauge", "_info")

enum kind {
#define X(kind, word, text, suffix) kind,
	KIND_MAP(X)
#undef X
};

static const struct {
	const char *words[METRICS_FORMATS], *suffix;
} kinds[] = {
#define X(kind, word, text, suffix) [kind] = {{[METRICS_OPENMETRICS] = (word), [METRICS_TEXT] = (text)}, suffix},
    KIND_MAP(X)
#undef X
};

/* ---- lines ----------------------------------------------------------------------------------- */

struct sheet {
	FILE *to;
	enum metrics_format format;
	const char *name, *suffix; /* of the samples that follow */
};

/* `unit`: with which the name ends, or NULL. */
static void family(struct sheet *sheet, const char *name, enum kind kind, const char *unit, const char *help)
{
	bool text = sheet->format == METRICS_TEXT;
	/* There it has the name of its samples. */
	const char *behind = text ? kinds[kind].suffix : "";

	sheet->name = name;
	sheet->suffix = kinds[kind].suffix;
	fprintf(sheet->to, "# TYPE yardmaster_%s%s %s\n", name, behind, kinds[kind].words[sheet->format]);
	if (unit && !text)
		fprintf(sheet->to, "# UNIT yardmaster_%s %s\n", name, unit);
	fprintf(sheet->to, "# HELP yardmaster_%s%s %s\n", name, behind, help);
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
static void sample(struct sheet *sheet, const char *first, const char *value, const char *second, const char *value2)
{
	fprintf(sheet->to, "yardmaster_%s%s{", sheet->name, sheet->suffix);
	label(sheet->to, first, value);
	if (second) {
		fputc(',', sheet->to);
		label(sheet->to, second, value2);
	}
	fputs("} ", sheet->to);
}

/* One without labels. */
static void plain(struct sheet *sheet)
{
	fprintf(sheet->to, "yardmaster_%s%s ", sheet->name, sheet->suffix);
}

static void plain_uint(struct sheet *sheet, uint64_t value)
{
	plain(sheet);
	fprintf(sheet->to, "%" PRIu64 "\n", value);
}

static void plain_seconds(struct sheet *sheet, double value)
{
	plain(sheet);
	fprintf(sheet->to, "%.9g\n", value);
}

/* ---- pools ----------------------------------------------------------------------------------- */

#define EACH_POOL(board, i)                                                                                            \
	for (unsigned i = 0; i < TABLE_POOLS; i++)                                                                     \
		if (atomic_load(&(board)->pools[i].used))

/* Families that are one number of each pool: name, kind, help, number. */
#define POOL_MAP(X)                                                                                                    \
	X("pool_workers", KIND_GAUGE, "Workers that live", atomic_load(&row->actual))                                  \
	X("pool_workers_wanted", KIND_GAUGE, "Workers that there should be", atomic_load(&row->wanted))                \
	X("pool_paused", KIND_GAUGE, "1: no job is started", (snapshot_mode(instance, i) & POOL_PAUSED) != 0)          \
	X("pool_draining", KIND_GAUGE, "1: no job is accepted", (snapshot_mode(instance, i) & POOL_DRAINING) != 0)     \
	X("worker_crashes", KIND_COUNTER, "Workers that died", atomic_load(&row->crashes))                             \
	X("workers_recycled", KIND_COUNTER, "Workers replaced for jobs, age or memory", atomic_load(&row->recycled))

static void pool_numbers(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;

#define X(title, kind, help, number)                                                                                   \
	family(sheet, title, kind, NULL, help);                                                                        \
	EACH_POOL(instance->board, i)                                                                                  \
	{                                                                                                              \
		const struct board_pool_sh *row = &instance->board->pools[i];                                          \
                                                                                                                       \
		sample(sheet, "pool", row->name, NULL, NULL);                                                          \
		fprintf(sheet->to, "%" PRIu64 "\n", (uint64_t)(number));                                               \
	}
	POOL_MAP(X)
#undef X
}

/* Jobs that are not over, by state; those that are, by their end. */
static void pool_jobs(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;

	family(sheet, "pool_jobs", KIND_GAUGE, NULL, "Jobs that are not over, by state");
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
			sample(sheet, "pool", board->pools[i].name, "state", rows[state].state);
			fprintf(sheet->to, "%" PRIu64 "\n", rows[state].jobs);
		}
	}
	family(sheet, "jobs", KIND_COUNTER, NULL, "Attempts that are over, by their end");
	EACH_POOL(board, i)
	for (int counter = 0; counter < BOARD_COUNTERS; counter++) {
		sample(sheet, "pool", board->pools[i].name, "end", board_counter_word((enum board_counter)counter));
		fprintf(sheet->to, "%" PRIu64 "\n", snapshot->pools[i].counters[counter]);
	}
}

static void histogram(struct sheet *sheet, const char *pool, const struct histogram *from)
{
	uint64_t below = 0;
	unsigned bucket = 0;
	char bound[32];

	sheet->suffix = "_bucket";
	for (unsigned octave = BOUND_FIRST; octave <= BOUND_LAST; octave++) {
		uint64_t end = UINT64_C(1) << octave;

		for (; bucket < histogram_bucket(end); bucket++)
			below += from->counts[bucket];
		snprintf(bound, sizeof(bound), "%.9g", (double)end / 1e9);
		sample(sheet, "pool", pool, "le", bound);
		fprintf(sheet->to, "%" PRIu64 "\n", below);
	}
	/* Of what was added while it was summed up, all parts shall tell the same. */
	for (; bucket < HISTOGRAM_BUCKETS; bucket++)
		below += from->counts[bucket];
	sample(sheet, "pool", pool, "le", "+Inf");
	fprintf(sheet->to, "%" PRIu64 "\n", below);
	sheet->suffix = "_count";
	sample(sheet, "pool", pool, NULL, NULL);
	fprintf(sheet->to, "%" PRIu64 "\n", below);
	sheet->suffix = "_sum";
	sample(sheet, "pool", pool, NULL, NULL);
	fprintf(sheet->to, "%.9g\n", (double)from->sum_ns / 1e9);
}

static void pool_times(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;
	struct histogram wait, run;

	family(sheet, "job_wait_seconds", KIND_HISTOGRAM, "seconds", "From ready to start, of each attempt");
	EACH_POOL(board, i)
	{
		snapshot_times(snapshot, i, &wait, &run);
		histogram(sheet, board->pools[i].name, &wait);
	}
	family(sheet, "job_run_seconds", KIND_HISTOGRAM, "seconds", "From start to end, of each attempt");
	EACH_POOL(board, i)
	{
		snapshot_times(snapshot, i, &wait, &run);
		histogram(sheet, board->pools[i].name, &run);
	}
}

/* ---- the rest of the instance ---------------------------------------------------------------- */

static void workers(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct board_sh *board = snapshot->instance->board;
	unsigned counts[TABLE_POOLS][BOARD_WORKER_STATES] = {0};

	for (size_t i = 0; i < snapshot->nworkers; i++) {
		const struct board_work *work = &snapshot->workers[i].work;

		if (work->state < BOARD_WORKER_STATES)
			counts[work->pool % TABLE_POOLS][work->state]++;
	}
	family(sheet, "workers", KIND_GAUGE, NULL,
	       "Workers by what the board says of them; the dead ones until they are replaced");
	EACH_POOL(board, i)
	for (unsigned state = BOARD_WORKER_STARTING; state < BOARD_WORKER_STATES; state++) {
		sample(sheet, "pool", board->pools[i].name, "state", board_worker_word(state));
		fprintf(sheet->to, "%u\n", counts[i][state]);
	}
}

#define EACH_LIMIT(board, i)                                                                                           \
	for (unsigned i = 0; i < TABLE_LIMITS; i++)                                                                    \
		if (atomic_load(&(board)->limits[i].used))

static void limits(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct instance *instance = snapshot->instance;
	const struct board_sh *board = instance->board;

	family(sheet, "limit_units", KIND_GAUGE, NULL,
	       "Units that may be in use at a time; none of a limit that is only a rate");
	EACH_LIMIT(board, i)
	{
		sample(sheet, "limit", board->limits[i].name, NULL, NULL);
		fprintf(sheet->to, "%d\n", snapshot_units(instance, i));
	}
	family(sheet, "limit_units_used", KIND_GAUGE, NULL, "Units in use");
	EACH_LIMIT(board, i)
	{
		int units = snapshot_units(instance, i);

		sample(sheet, "limit", board->limits[i].name, NULL, NULL);
		fprintf(sheet->to, "%d\n", units > 0 ? units - snapshot_free_units(instance, i) : 0);
	}
	family(sheet, "limit_held_jobs", KIND_GAUGE, NULL, "Jobs that wait because the limit is used up");
	EACH_LIMIT(board, i)
	{
		sample(sheet, "limit", board->limits[i].name, NULL, NULL);
		fprintf(sheet->to, "%" PRIu64 "\n", snapshot_held(snapshot, i));
	}
}

#define EACH_PROGRAM(board, row)                                                                                       \
	for (const struct board_program_sh *row = (board)->programs; row < (board)->programs + BOARD_PROGRAMS; row++)  \
		if (atomic_load(&row->used))

static void programs(struct sheet *sheet, const struct board_sh *board)
{
	family(sheet, "program_running", KIND_GAUGE, NULL, "1: the process runs");
	EACH_PROGRAM(board, row)
	{
		sample(sheet, "program", row->program, "process", row->name);
		fprintf(sheet->to, "%d\n", atomic_load(&row->state) == LIFE_RUNNING);
	}
	family(sheet, "program_starts", KIND_COUNTER, NULL, "How often the process was started");
	EACH_PROGRAM(board, row)
	{
		sample(sheet, "program", row->program, "process", row->name);
		fprintf(sheet->to, "%u\n", atomic_load(&row->starts));
	}
}

/* Counters of the store: name, member, help. */
#define STORE_MAP(X)                                                                                                   \
	X("store_commits", commits, "Transactions")                                                                    \
	X("store_submitted", submitted, "Jobs accepted")                                                               \
	X("store_recorded", recorded, "Changes of jobs written")                                                       \
	X("store_fetched", fetched, "Jobs brought into the table")                                                     \
	X("store_refused", refused, "Submissions that could not be stored")

static void store(struct sheet *sheet, const struct board_store_sh *row)
{
	uint32_t state = atomic_load(&row->state);

	if (state == BOARD_STORE_NONE)
		return;
	family(sheet, "store_up", KIND_GAUGE, NULL, "1: the store works");
	plain_uint(sheet, state == BOARD_STORE_WORKING);
	family(sheet, "store_last_commit_seconds", KIND_GAUGE, "seconds", "How long the last transaction took");
	plain_seconds(sheet, (double)atomic_load(&row->commit_ns) / 1e9);
#define X(title, member, help)                                                                                         \
	family(sheet, title, KIND_COUNTER, NULL, help);                                                                \
	plain_uint(sheet, atomic_load(&row->member));
	STORE_MAP(X)
#undef X
}

static void instance_numbers(struct sheet *sheet, const struct snapshot *snapshot)
{
	const struct board_instance_sh *row = &snapshot->instance->board->instance;
	char version[sizeof(row->version) + 1] = "";
	uint64_t since = atomic_load(&row->master_since);

	memcpy(version, row->version, sizeof(row->version));
	family(sheet, "instance", KIND_INFO, NULL, "Which instance, and the version of its master");
	sample(sheet, "instance", row->name, "version", version);
	fputs("1\n", sheet->to);
	if (snapshot->master) {
		family(sheet, "master_start_time_seconds", KIND_GAUGE, "seconds",
		       "When the master was started, unix time");
		plain(sheet);
		/* Whole seconds: two clocks are read, and whoever counts changes must see none. */
		fprintf(sheet->to, "%.0f\n", (double)ym_unix_ms() / 1e3 - (double)(snapshot->at - since) / 1e9);
	}
	family(sheet, "jobs_recovered", KIND_COUNTER, NULL, "Jobs taken back from dead workers");
	plain_uint(sheet, atomic_load(&row->recovered));
	family(sheet, "tokens_resent", KIND_COUNTER, NULL, "Jobs and tokens that had been lost on their way");
	plain_uint(sheet, atomic_load(&row->resent));
	family(sheet, "reloads", KIND_COUNTER, NULL, "Configurations that were loaded anew");
	plain_uint(sheet, atomic_load(&row->reloads));
}

/* ---- the server itself ------------------------------------------------------------------------ */

static void server(struct sheet *sheet, const struct feed_counters *counters)
{
	struct timespec cpu = {0};

	family(sheet, "serve_viewers", KIND_GAUGE, NULL, "Pages that are open");
	plain_uint(sheet, counters->viewers);
	family(sheet, "serve_connections", KIND_GAUGE, NULL, "Connections");
	plain_uint(sheet, counters->connections);
#define X(name, help)                                                                                                  \
	family(sheet, "serve_" #name, KIND_COUNTER, NULL, "By this server: " help);                                    \
	plain_uint(sheet, counters->name);
	FEED_COUNTER_MAP(X)
#undef X
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	family(sheet, "serve_cpu_seconds", KIND_COUNTER, "seconds", "Processor time of this server");
	plain_seconds(sheet, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

void metrics_write(FILE *to, enum metrics_format format, const struct snapshot *snapshot,
                   const struct feed_counters *counters)
{
	struct sheet sheet = {.to = to, .format = format};

	family(&sheet, "up", KIND_GAUGE, NULL, "1: the instance has a master");
	plain_uint(&sheet, snapshot && snapshot->master);
	if (snapshot) {
		instance_numbers(&sheet, snapshot);
		pool_numbers(&sheet, snapshot);
		pool_jobs(&sheet, snapshot);
		pool_times(&sheet, snapshot);
		workers(&sheet, snapshot);
		limits(&sheet, snapshot);
		programs(&sheet, snapshot->instance->board);
		store(&sheet, &snapshot->instance->board->store);
	}
	server(&sheet, counters);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", to);
}
