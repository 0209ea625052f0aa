/*
 * bench_top.c - what `yardmaster top` costs, and a snapshot.
 *
 *     bench_top YARDMASTER
 *
 * A board of ROWS workers, each at a job whose progress changes twenty times a second, and a table with their jobs: written
 * by this program, in the IPC namespace that it is started in. `top` runs in a terminal of 50 lines of 160 columns, for SECONDS
 * after some that do not count; its processor time is that of the kernel, in nanoseconds.
 *
 * raw of top.*: the workers' rows copied, and as many bytes as `top` wrote written to a terminal, as often as it did.
 * raw of snapshot.rows_1000: memcpy() of as many bytes as a snapshot has.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/snapshot.h"
#include "figures.h"

#define LINES     50
#define COLUMNS   160
#define SECONDS   10
#define WARM_UP   3
#define POOLS     8
#define UPDATE_NS 50000000
#define REFRESHES 10 /* a second */

static const char *program;
static char dir[256];

/* ---- a board --------------------------------------------------------------------------------------- */

static void fill_pool(struct instance *instance, unsigned i, uint32_t workers)
{
	struct board_pool_sh *row = &instance->board->pools[i];

	snprintf(row->name, sizeof(row->name), "pool-%u", i);
	memcpy(instance->table->pools[i].name, row->name, sizeof(row->name));
	atomic_store(&row->actual, workers);
	atomic_store(&row->wanted, workers);
	atomic_store(&row->state, BOARD_POOL_RUNNING);
	atomic_store(&instance->table->pools[i].used, 1);
	atomic_store(&row->used, 1);
}

static void fill_job(struct instance *instance, const struct board_work *work)
{
	struct job_sh *job = table_job(instance->table, work->job_slot);

	job->id = work->job;
	job->pool = (uint16_t)work->pool;
	job->submitted = job->started = work->since;
	job->attempts = 3;
	memcpy(job->tag, work->tag, sizeof(job->tag));
	atomic_store(&instance->table->words[work->job_slot], word_make(1, JOB_CLAIMED, work->slot, 1, 0));
}

static void fill_worker(struct instance *instance, uint32_t row)
{
	struct board_worker_sh *to = &instance->board->workers[row];
	struct board_work work = {.job = row + 1,
	                          .job_started = ym_now_ns(),
	                          .since = ym_now_ns(),
	                          .pid = getpid(),
	                          .process_started = ym_process_started(getpid()),
	                          .state = BOARD_WORKER_BUSY,
	                          .slot = row,
	                          .pool = row % POOLS,
	                          .job_slot = row,
	                          .attempt = 1,
	                          .attempts = 3};

	snprintf(work.tag, sizeof(work.tag), "upload/%u.iso", row);
	board_publish(&to->work, &to->work_version, &work);
	atomic_store(&to->used, 1);
	fill_job(instance, &work);
}

static void make_board(struct instance *instance, uint32_t rows)
{
	const struct instance_sizes sizes = {
	    .slots = rows, .rows = rows, .participants = 16, .payload_max = 1 << 20, .board_mode = 0600};
	struct ym_err err;

	if (instance_locate(instance, "bench", dir, &err) < 0 || instance_prepare(instance, &err) < 0 ||
	    instance_join(instance, "master", &sizes, &err) < 0 ||
	    ym_group_lead(&instance->group, &(pid_t){0}, &err) != 0)
		die(err.text);
	atomic_store(&instance->board->instance.master, getpid());
	atomic_store(&instance->board->instance.master_since, ym_now_ns());
	atomic_store(&instance->board->instance.master_state, BOARD_MASTER_RUNNING);
	for (unsigned i = 0; i < POOLS; i++)
		fill_pool(instance, i, rows / POOLS);
	for (uint32_t i = 0; i < rows; i++)
		fill_worker(instance, i);
}

static void update(struct instance *instance, uint64_t round)
{
	for (uint32_t i = 0; i < instance->board->instance.rows; i++) {
		struct board_worker_sh *row = &instance->board->workers[i];
		struct board_progress progress = {.job = i + 1,
		                                  .attempt = 1,
		                                  .done = (round * (i % 17 + 1) << 20) % (1 << 30),
		                                  .total = 1 << 30,
		                                  .updated = ym_now_ns(),
		                                  .unit = "bytes"};

		snprintf(progress.note, sizeof(progress.note), "piece %llu", (unsigned long long)round);
		board_publish(&row->progress, &row->progress_version, &progress);
		atomic_fetch_add(&row->counters[BOARD_DONE], i % 5 == 0);
	}
}

/* ---- top --------------------------------------------------------------------------------------------- */

static pid_t start_top(const char *view, int *terminal)
{
	const struct winsize size = {.ws_row = LINES, .ws_col = COLUMNS};
	pid_t pid = forkpty(terminal, NULL, NULL, &size);

	if (pid < 0)
		die("forkpty()");
	if (pid == 0) {
		char ini[300];

		setenv("TERM", "xterm-256color", 1);
		setenv("LC_ALL", "C.UTF-8", 1);
		snprintf(ini, sizeof(ini), "%s/ini", dir);
		execl(program, program, "top", "-c", ini, "--view", view, (char *)NULL);
		_exit(127);
	}
	fcntl(*terminal, F_SETFL, O_NONBLOCK);
	return pid;
}

/* Time on a processor, in ns. */
static double cpu_ns(pid_t pid)
{
	unsigned long long ns = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/schedstat", (long)pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die(path);
	fclose(file);
	return (double)ns;
}

/* What somebody reads who looks at it; returns the bytes. */
static size_t drain(int terminal)
{
	char bytes[65536];
	size_t all = 0;

	for (ssize_t n; (n = read(terminal, bytes, sizeof(bytes))) > 0;)
		all += (size_t)n;
	return all;
}

/* ns of one refresh without any `top`. */
static double raw_refresh(struct instance *instance, size_t written)
{
	const struct winsize size = {.ws_row = LINES, .ws_col = COLUMNS};
	size_t rows = instance->board->instance.rows * sizeof(struct board_worker_sh);
	char *copy = malloc(rows), *bytes = calloc(1, written + 1);
	int ours = -1, theirs = -1;
	uint64_t start, ns = 0;

	if (!copy || !bytes || openpty(&ours, &theirs, NULL, NULL, &size) < 0)
		die("openpty()");
	fcntl(ours, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100; i++) {
		start = ym_now_ns();
		memcpy(copy, instance->board->workers, rows);
		/* A terminal takes no more at once. */
		for (size_t at = 0; at < written; at += 2048)
			if (write(theirs, bytes + at, written - at < 2048 ? written - at : 2048) < 0)
				die("write() to a terminal");
		ns += ym_now_ns() - start;
		drain(ours);
	}
	close(ours);
	close(theirs);
	free(copy);
	free(bytes);
	return (double)ns / 100;
}

static void measure_top(struct instance *instance, const char *view, const char *name)
{
	uint64_t start = ym_now_ns(), round = 0, counted = 0;
	double before = 0, percent, raw;
	size_t written = 0;
	int terminal;
	pid_t pid = start_top(view, &terminal);

	while (ym_now_ns() - start < (uint64_t)(WARM_UP + SECONDS) * 1000000000u) {
		size_t bytes;

		update(instance, ++round);
		bytes = drain(terminal);
		if (counted == 0 && ym_now_ns() - start > WARM_UP * UINT64_C(1000000000)) {
			counted = ym_now_ns();
			before = cpu_ns(pid);
		}
		written += counted ? bytes : 0;
		ym_nap(UPDATE_NS);
	}
	percent = 100 * (cpu_ns(pid) - before) / (double)(ym_now_ns() - counted);
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		drain(terminal);
		ym_nap(1000000);
	}
	close(terminal);
	raw = raw_refresh(instance, written / (SECONDS * REFRESHES));
	figure(name, percent, "%", 100 * raw * REFRESHES / 1e9);
	fprintf(stderr, "%s: %zu bytes a refresh\n", name, written / (SECONDS * REFRESHES));
}

/* ---- a snapshot -------------------------------------------------------------------------------------- */

static struct instance measured;
static struct snapshot snapshot;

static double take_us(void)
{
	uint64_t start = ym_now_ns();
	struct ym_err err;

	for (int i = 0; i < 200; i++)
		if (snapshot_take(&snapshot, &measured, getpid(), SNAPSHOT_QUICK | SNAPSHOT_SWEPT, &err) < 0)
			die(err.text);
	return seconds(start) * 1e6 / 200;
}

static double copy_us(void)
{
	size_t bytes = snapshot.nworkers * sizeof(*snapshot.workers);
	void *copy = malloc(bytes);
	uint64_t start;

	if (!copy)
		die("malloc()");
	memcpy(copy, snapshot.workers, bytes);
	start = ym_now_ns();
	for (int i = 0; i < 200; i++) {
		memcpy(copy, snapshot.workers, bytes);
		__asm__ volatile("" : : "r"(copy) : "memory");
	}
	free(copy);
	return seconds(start) * 1e6 / 200;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 4000};
	FILE *file;
	char ini[300];

	if (argc != 2) {
		fprintf(stderr, "usage: %s YARDMASTER\n", argv[0]);
		return 2;
	}
	program = realpath(argv[1], NULL);
	snprintf(dir, sizeof(dir), "%s/bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!program || !mkdtemp(dir))
		die("set-up");
	snprintf(ini, sizeof(ini), "%s/ini", dir);
	file = fopen(ini, "w");
	if (!file)
		die(ini);
	fprintf(file, "[yardmaster]\ninstance = bench\ndirectory = %s\n[pool:none]\ncommand = true\n", dir);
	fclose(file);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char name[64];
		struct ym_err err;

		make_board(&measured, sizes[i]);
		update(&measured, 1);
		if (sizes[i] == 1000) {
			double value = median_of(take_us);

			figure("snapshot.rows_1000", value, "us", median_of(copy_us));
		}
		snprintf(name, sizeof(name), "top.rows_%u", sizes[i]);
		measure_top(&measured, "workers", name);
		snprintf(name, sizeof(name), "top.pools_of_%u", sizes[i]);
		measure_top(&measured, "pools", name);
		snprintf(name, sizeof(name), "top.jobs_%u", sizes[i]);
		measure_top(&measured, "jobs", name);
		snapshot_free(&snapshot);
		if (instance_leave(&measured, NULL, &err) < 0)
			die(err.text);
	}
	return 0;
}
