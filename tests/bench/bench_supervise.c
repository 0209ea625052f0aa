/*
 * bench_supervise.c - what it costs to keep processes running, beside a bare loop of fork, exec and wait and beside other
 * supervisors.
 *
 *     bench_supervise YARDMASTER NOOP_PLUGIN SLEEPER [worker | workers | rivals]
 *
 * All times are between two clock readings of the processes themselves: how often this program looks does not count. Run
 * it in an IPC namespace of its own on a quiet machine.
 */
#include <dirent.h>
#include <sys/prctl.h>

#include "rivals.h"
#include "stand.h"

#define KILLS        301
#define RIVAL_KILLS  7
#define RIVAL_ROUNDS 3
#define UP_WORKERS   100

static const char *sleeper;

/* ---- memory ---------------------------------------------------------------------------------- */

static double pss_kib(pid_t pid)
{
	char path[64], line[256];
	double kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Pss: %lf", &kib);
	if (file)
		fclose(file);
	return kib;
}

/* Its parent and its name; 0: it has ended. */
static pid_t parent_of(pid_t pid, char name[16])
{
	char path[64];
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d (%15[^)]) %*c %d", name, &parent) != 2)
		parent = 0;
	if (file)
		fclose(file);
	return parent;
}

/* All that came from us but is not `except`: a supervisor with all its helpers. */
static double pss_of_family(const char *except)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	double kib = 0;
	char name[16], other[16];

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), parent = pid > 0 ? parent_of(pid, name) : 0;

		while (parent > 1 && parent != getpid())
			parent = parent_of(parent, other);
		if (parent == getpid() && strcmp(name, except) != 0)
			kib += pss_kib(pid);
	}
	closedir(proc);
	return kib;
}

/* ---- a worker is killed ---------------------------------------------------------------------- */

static double replace_worker(const struct board_sh *board)
{
	struct board_work work, next;
	uint64_t begin;

	if (!board_read_work(&board->workers[0], &work))
		die("the board");
	begin = ym_now_ns();
	kill(work.pid, SIGKILL);
	do {
		ym_nap(200000);
		if (!board_read_work(&board->workers[0], &next))
			die("the board");
	} while (next.pid == work.pid || next.state != BOARD_WORKER_IDLE);
	return (double)(next.since - begin) / 1e6;
}

/* The one that began last. */
static double replace_sleeper(const struct running *running, unsigned victim)
{
	unsigned taken = atomic_load(&running->bed->taken);
	uint64_t begin = ym_now_ns();

	kill(running->bed->rows[victim].pid, SIGKILL);
	return (double)(await_sleepers(running, taken, 1) - begin) / 1e6;
}

static void new_ground(struct running *running, const char *name, unsigned processes)
{
	static unsigned n;

	*running = (struct running){.ground = {.sleeper = sleeper, .yardmaster = program, .processes = processes}};
	snprintf(running->ground.dir, sizeof(running->ground.dir), "%.3000s/%s-%u", dir, name, n++);
}

/* From kill -9 until the next one is ready for jobs in its row; in turns with the bare loop. */
static void worker_replaced(void)
{
	static double ours[KILLS], bare[KILLS];
	struct instance instance;
	struct running running;

	start(noop_task(), 2, 16384);
	new_ground(&running, "kills", 1);
	start_rival(&rivals[0], &running);
	await_sleepers(&running, 0, 1);
	locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		die("the board");
	for (unsigned i = 0; i < KILLS; i++) {
		ours[i] = replace_worker(instance.board);
		ym_nap(3000000);
		bare[i] = replace_sleeper(&running, i);
		ym_nap(3000000);
	}
	instance_unview(&instance);
	kill(running.pid, SIGTERM);
	waitpid(running.pid, NULL, 0);
	end_rival(&running);
	stop();
	figure("worker_replaced", median(ours, KILLS), "ms", median(bare, KILLS));
	figure("worker_replaced_p90", ours[KILLS * 9 / 10], "ms", bare[KILLS * 9 / 10]);
}

/* ---- many workers ---------------------------------------------------------------------------- */

static double bare_start(void)
{
	struct running running;
	double ms;

	new_ground(&running, "start", UP_WORKERS);
	start_rival(&rivals[0], &running);
	ms = (double)(await_sleepers(&running, 0, UP_WORKERS) - running.begun) / 1e6;
	kill(running.pid, SIGTERM);
	waitpid(running.pid, NULL, 0);
	end_rival(&running);
	return ms;
}

/* From the start of the master until the last one is ready for jobs, and what all that takes of the memory. */
static void many_workers(void)
{
	double up[ROUNDS], bare[ROUNDS], masters[ROUNDS], workers[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin = ym_now_ns(), last = 0;
		struct instance instance;
		double kib = 0;

		start(noop_task(), UP_WORKERS, 16384);
		locate(&instance);
		if (instance_view(&instance, NULL) < 0)
			die("the board");
		for (unsigned i = 0; i < UP_WORKERS; i++) {
			struct board_work work;

			if (!board_read_work(&instance.board->workers[i], &work))
				die("the board");
			if (work.since > last)
				last = work.since;
			kib += pss_kib(work.pid);
		}
		instance_unview(&instance);
		up[round] = (double)(last - begin) / 1e6;
		masters[round] = pss_kib(master);
		workers[round] = kib / UP_WORKERS;
		stop();
		bare[round] = bare_start();
	}
	figure("start_100_workers", median(up, ROUNDS), "ms", median(bare, ROUNDS));
	figure("master_pss_100_workers", median(masters, ROUNDS), "KiB", 0);
	figure("worker_pss", median(workers, ROUNDS), "KiB", 0);
}

/* ---- rivals ---------------------------------------------------------------------------------- */

/* One list: what is measured of each, in what, and the name of its figure. */
#define MEASURES(X)                                                                                                    \
	X(START, "start_100_sleepers", "ms")                                                                           \
	X(PSS, "pss_100_sleepers", "KiB")                                                                              \
	X(REPLACE, "sleeper_replaced", "ms")                                                                           \
	X(STOP, "stop_100_sleepers", "ms")

enum measure {
#define X(id, name, unit) MEASURE_##id,
	MEASURES(X)
#undef X
	    MEASURES_COUNT
};

static const struct {
	const char *name, *unit;
} measures[] = {
#define X(id, name, unit) {name, unit},
    MEASURES(X)
#undef X
};

/* False: it is not there. */
static bool measure_rival(const struct rival *rival, double values[MEASURES_COUNT])
{
	double kills[RIVAL_KILLS];
	struct running running;
	uint64_t begin;

	new_ground(&running, rival->name, PROCESSES_MAX);
	if (!start_rival(rival, &running))
		return false;
	values[MEASURE_START] = (double)(await_sleepers(&running, 0, PROCESSES_MAX) - running.begun) / 1e6;
	/* A child that lived for less than a second is held back by most, ourselves included. */
	ym_nap(1500000000);
	values[MEASURE_PSS] = pss_of_family("sleeper");
	for (unsigned i = 0; i < RIVAL_KILLS; i++) {
		/* Some look once a second: at all times between two looks. */
		ym_nap((long)i * (999999999 / RIVAL_KILLS));
		kills[i] = replace_sleeper(&running, i);
	}
	values[MEASURE_REPLACE] = median(kills, RIVAL_KILLS);
	begin = ym_now_ns();
	kill(running.pid, rival->stop);
	/* With the orphans of a supervisor that does not wait for them. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	values[MEASURE_STOP] = seconds(begin) * 1e3;
	end_rival(&running);
	return true;
}

/* In turns: what else goes on at this machine is the same for all. */
static void compare_rivals(void)
{
	static double values[RIVALS][MEASURES_COUNT][RIVAL_ROUNDS];
	double raw[MEASURES_COUNT];
	bool there[RIVALS];

	for (int round = 0; round < RIVAL_ROUNDS; round++)
		for (size_t r = 0; r < RIVALS; r++) {
			double all[MEASURES_COUNT];

			there[r] = measure_rival(&rivals[r], all);
			for (size_t m = 0; m < MEASURES_COUNT && there[r]; m++)
				values[r][m][round] = all[m];
		}
	for (size_t r = 0; r < RIVALS; r++) {
		if (!there[r])
			fprintf(stderr, "bench: %s is left out: not installed, or it knows no programs\n",
			        rivals[r].name);
		for (size_t m = 0; m < MEASURES_COUNT && there[r]; m++) {
			double value = median(values[r][m], RIVAL_ROUNDS);
			char name[64];

			if (r == 0)
				raw[m] = value;
			snprintf(name, sizeof(name), "%s_%s", rivals[r].name, measures[m].name);
			figure(name, value, measures[m].unit, r == 0 ? 0 : raw[m]);
		}
	}
}

static void clean_up(void)
{
	char *command = text_of("rm -rf '%s'", dir);

	if (system(command) != 0)
		fprintf(stderr, "bench: %s stays\n", dir);
	free(command);
}

static const struct {
	const char *name;
	void (*measure)(void);
} parts[] = {{"worker", worker_replaced}, {"workers", many_workers}, {"rivals", compare_rivals}};

int main(int argc, char **argv)
{
	set_up(argc, argv);
	sleeper = argc > 3 ? realpath(argv[3], NULL) : NULL;
	if (!sleeper)
		die("the sleeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc < 5 || strcmp(argv[4], parts[i].name) == 0)
			parts[i].measure();
	clean_up();
	return 0;
}
