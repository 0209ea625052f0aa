/*
 * bench_store.c - what a durable job costs with `store = sqlite:`, beside the disk and beside SQLite alone in the same run.
 *
 *     bench_store YARDMASTER NOOP_PLUGIN [WAITING]
 *
 * WAITING: how many jobs wait in the second half, 10 million if not said: some minutes, and 3 GB of disk. Run it in an IPC
 * namespace of its own on a quiet machine, with TMPDIR on the disk that is to be measured.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "../../runtime/dispatch.h"
#include "../../runtime/submit.h"
#include "stand.h"

#define JOBS       300000
#define SUBMITTERS 2
#define BATCH      256
#define SINGLE     2000
#define ROWS       300000
#define ROWS_BATCH 500
#define FEW        10000
#define MEASURED   200000

static char payload[100];

/* ---- SQLite alone ------------------------------------------------------------------------------ */

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

static void step(sqlite3 *db, sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE)
		die(sqlite3_errmsg(db));
	sqlite3_reset(statement);
}

/* Each row written once and changed once, in transactions that are on the disk: thousands of rows a second. */
static double bare_rows(void)
{
	char path[PATH_MAX + 16];
	sqlite3_stmt *insert, *update;
	uint64_t begin;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/bare.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path);
	run_sql(db, "PRAGMA journal_mode = wal; PRAGMA synchronous = full;"
	            "CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, state INTEGER, payload BLOB);"
	            "DELETE FROM job");
	sqlite3_prepare_v2(db, "INSERT INTO job VALUES (?, 2, ?)", -1, &insert, NULL);
	sqlite3_prepare_v2(db, "UPDATE job SET state = 8 WHERE id = ?", -1, &update, NULL);
	begin = ym_now_ns();
	for (int i = 0; i < ROWS; i += ROWS_BATCH) {
		run_sql(db, "BEGIN");
		for (int j = i; j < i + ROWS_BATCH; j++) {
			sqlite3_bind_int(insert, 1, j + 1);
			sqlite3_bind_blob(insert, 2, payload, sizeof(payload), SQLITE_STATIC);
			step(db, insert);
		}
		run_sql(db, "COMMIT; BEGIN");
		for (int j = i; j < i + ROWS_BATCH; j++) {
			sqlite3_bind_int(update, 1, j + 1);
			step(db, update);
		}
		run_sql(db, "COMMIT");
	}
	begin = ym_now_ns() - begin;
	sqlite3_finalize(insert);
	sqlite3_finalize(update);
	sqlite3_close(db);
	return ROWS / ((double)begin / 1e9) / 1000;
}

/* Microseconds of one write of a page and fdatasync. */
static double bare_sync(void)
{
	static char page[4096];
	double times[SINGLE];
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/bare.sync", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(path);
	for (int i = 0; i < SINGLE; i++) {
		uint64_t begin = ym_now_ns();

		page[0]++;
		if (pwrite(fd, page, sizeof(page), (off_t)(i % 256) * 4096) != sizeof(page) || fdatasync(fd) < 0)
			die(path);
		times[i] = seconds(begin) * 1e6;
	}
	close(fd);
	return median(times, SINGLE);
}

/* ---- through the program ----------------------------------------------------------------------- */

static struct job_request request(void)
{
	return (struct job_request){JOB_REQUEST_INIT, .payload = {.data = payload, .size = sizeof(payload)},
	                            .deadline = YM_NEVER};
}

static void submit_many(struct instance *instance, size_t n)
{
	static struct job_request requests[BATCH];
	static struct job_ref refs[BATCH];
	struct ym_err err;

	for (size_t i = 0; i < BATCH; i++)
		requests[i] = request();
	for (size_t sent = 0, some; sent < n; sent += some) {
		some = n - sent < BATCH ? n - sent : BATCH;
		if (submit_jobs(instance, requests, some, refs, NULL, &err) < some)
			die(err.text);
	}
}

static pid_t submitter(size_t n)
{
	struct instance instance;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	join(&instance);
	submit_many(&instance, n);
	instance_leave(&instance, NULL, NULL);
	_exit(0);
}

static uint64_t jobs_done(const struct instance *instance)
{
	uint64_t counters[TABLE_POOLS][BOARD_COUNTERS];

	board_count(instance->board, counters);
	return counters[0][BOARD_DONE];
}

static uint64_t recorded(const struct instance *instance)
{
	return atomic_load(&instance->board->store.recorded);
}

/* Submitted by several, run by two workers, and their ends on the disk: thousands a second. */
static double durable_jobs(void)
{
	struct instance instance;
	uint64_t begin, before;
	double rate;

	join(&instance);
	before = recorded(&instance);
	begin = ym_now_ns();
	for (int i = 0; i < SUBMITTERS; i++)
		submitter(JOBS / SUBMITTERS);
	while (recorded(&instance) < before + JOBS)
		ym_nap(200000);
	rate = JOBS / seconds(begin);
	for (int i = 0; i < SUBMITTERS; i++)
		wait(NULL);
	instance_leave(&instance, NULL, NULL);
	return rate / 1000;
}

/* Microseconds until one job is acknowledged, with nothing else going on. */
static double one_submit(void)
{
	struct job_request one = request();
	struct instance instance;
	double times[SINGLE];
	struct job_ref ref;
	struct ym_err err;

	join(&instance);
	for (int i = 0; i < SINGLE; i++) {
		uint64_t begin = ym_now_ns(), before = recorded(&instance);

		if (submit_job(&instance, &one, &ref, &err) < 0)
			die(err.text);
		times[i] = seconds(begin) * 1e6;
		/* Not into the commit that records its end. */
		while (recorded(&instance) == before)
			ym_nap(20000);
	}
	instance_leave(&instance, NULL, NULL);
	return median(times, SINGLE);
}

/* ---- many that wait ---------------------------------------------------------------------------- */

static void pause_pool(bool pause)
{
	struct instance instance;

	join(&instance);
	dispatch_mode(&instance, 0, pause ? POOL_PAUSED : 0, pause ? 0 : POOL_PAUSED);
	instance_leave(&instance, NULL, NULL);
}

/* Microseconds a job to submit some, when many wait already. */
static double submit_cost(void)
{
	struct instance instance;
	uint64_t begin;
	double cost;

	join(&instance);
	begin = ym_now_ns();
	submit_many(&instance, MEASURED);
	cost = seconds(begin) * 1e6 / MEASURED;
	instance_leave(&instance, NULL, NULL);
	return cost;
}

/* Microseconds a job to fetch, run and record some of those that wait. */
static double fetch_cost(void)
{
	struct instance instance;
	uint64_t begin, before;
	double cost;

	join(&instance);
	before = jobs_done(&instance);
	begin = ym_now_ns();
	dispatch_mode(&instance, 0, 0, POOL_PAUSED);
	while (jobs_done(&instance) < before + MEASURED)
		ym_nap(200000);
	cost = seconds(begin) * 1e6 / MEASURED;
	dispatch_mode(&instance, 0, POOL_PAUSED, 0);
	instance_leave(&instance, NULL, NULL);
	return cost;
}

/* KiB of the master's own memory. */
static double own_memory(void)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)master);
	file = fopen(path, "re");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	fclose(file);
	return (double)kib;
}

static void fill(size_t n)
{
	struct instance instance;

	join(&instance);
	submit_many(&instance, n);
	instance_leave(&instance, NULL, NULL);
}

static void many_waiting(size_t waiting)
{
	double submit_few, submit_lots, fetch_few, fetch_lots, memory_few;

	pause_pool(true);
	fill(FEW);
	submit_few = submit_cost();
	memory_few = own_memory();
	fetch_few = fetch_cost();
	fill(waiting);
	submit_lots = submit_cost();
	fetch_lots = fetch_cost();
	figure("store.submit_with_millions_waiting", submit_lots, "us", submit_few);
	figure("store.fetch_and_run_with_millions_waiting", fetch_lots, "us", fetch_few);
	figure("store.master_memory_with_millions_waiting", own_memory(), "KiB", memory_few);
}

int main(int argc, char **argv)
{
	size_t waiting = argc > 3 ? strtoull(argv[3], NULL, 10) : 10000000;
	char command[PATH_MAX + 16];
	double rows, sync;

	set_up(argc, argv);
	memset(payload, 'x', sizeof(payload));
	snprintf(stand_extra, sizeof(stand_extra), "store = sqlite:%s/jobs.db", dir);
	start(noop_task(), 2, 16384);
	rows = median_of(bare_rows);
	figure("store.durable_jobs", median_of(durable_jobs), "k/s", rows);
	sync = median_of(bare_sync);
	figure("store.submit_one", median_of(one_submit), "us", sync);
	many_waiting(waiting);
	stop();
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 ? 0 : 1;
}
