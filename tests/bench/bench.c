/*
 * bench.c - what things cost, each beside the raw system calls that do the same in the same run.
 *
 *     bench YARDMASTER NOOP_PLUGIN
 *
 * Run it in an IPC namespace of its own on a quiet machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../../runtime/dispatch.h"
#include "../../runtime/view.h"
#include "figures.h"

#define JOBS       200000
#define WINDOW     128
#define PINGS      20000
#define UPDATES    20000000
#define UP_WORKERS 100

static const char *program, *plugin;
static char dir[PATH_MAX], ini[PATH_MAX + 8];
static pid_t master;

/* ---- the instance ---------------------------------------------------------------------------- */

static void locate(struct instance *instance)
{
	struct ym_err err;

	if (instance_locate(instance, "bench", dir, &err) < 0)
		die(err.text);
}

static unsigned idle_workers(void)
{
	struct instance instance;
	unsigned n = 0;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0)
		return 0;
	for (uint32_t i = 0; i < instance.board->instance.rows; i++) {
		struct board_work work;

		n += atomic_load(&instance.board->workers[i].used) &&
		     board_read_work(&instance.board->workers[i], &work) && work.state == BOARD_WORKER_IDLE;
	}
	instance_unview(&instance);
	return n;
}

static void start(unsigned workers)
{
	FILE *file = fopen(ini, "w");

	if (!file)
		die(ini);
	fprintf(file,
	        "[yardmaster]\ninstance = bench\ndirectory = %s\nlog_level = error\n[pool:noop]\nplugin = %s\nworkers "
	        "= %u\n"
	        "startsecs = 0\n",
	        dir, plugin, workers);
	fclose(file);
	master = fork();
	if (master == 0) {
		execl(program, program, "run", ini, (char *)NULL);
		_exit(127);
	}
	while (idle_workers() < workers)
		if (waitpid(master, NULL, WNOHANG) == master)
			die("the master ended");
}

static void stop(void)
{
	kill(master, SIGTERM);
	waitpid(master, NULL, 0);
}

static void join(struct instance *instance)
{
	struct ym_err err;

	locate(instance);
	if (instance_join(instance, "client", NULL, &err) < 0)
		die(err.text);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static uint64_t jobs_done(const struct instance *instance)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < instance->board->instance.rows; i++)
		n += atomic_load_explicit(&instance->board->workers[i].done, memory_order_relaxed);
	return n;
}

static double noop_jobs(void)
{
	struct instance instance;
	struct job_request request = {0};
	struct job_ref ref;
	struct ym_err err;
	uint64_t begin, before;
	double rate;

	join(&instance);
	before = jobs_done(&instance);
	begin = ym_now_ns();
	for (int i = 0; i < JOBS; i++) {
		request.deadline = YM_NEVER;
		if (dispatch_submit(&instance, &request, &ref, &err) < 0)
			die(err.text);
	}
	while (jobs_done(&instance) - before < JOBS)
		;
	rate = JOBS / seconds(begin);
	instance_leave(&instance, NULL, NULL);
	return rate / 1000;
}

static double submit_to_done(void)
{
	static double times[PINGS];
	struct instance instance;
	struct job_request request = {0};
	struct job_ref ref;
	struct ym_err err;
	uint64_t word;

	join(&instance);
	for (int i = 0; i < PINGS; i++) {
		uint64_t begin = ym_now_ns();

		if (dispatch_submit(&instance, &request, &ref, &err) < 0 ||
		    dispatch_wait(&instance, ref, YM_NEVER, &word, &err) < 0)
			die(err.text);
		times[i] = (double)(ym_now_ns() - begin) / 1000;
	}
	instance_leave(&instance, NULL, NULL);
	return median(times, PINGS);
}

/* ---- the same with bare queues --------------------------------------------------------------- */

struct message {
	long type;
	uint64_t number;
};

static pid_t echo_process(int from, int to)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct message message;

		while (msgrcv(from, &message, sizeof(message.number), 0, 0) >= 0)
			if (msgsnd(to, &message, sizeof(message.number), 0) < 0)
				break;
		_exit(0);
	}
	return pid;
}

/* Two workers that answer on one queue, at most WINDOW messages on their way. */
static double raw_queues(void)
{
	int to = msgget(IPC_PRIVATE, 0600), back = msgget(IPC_PRIVATE, 0600), sent = 0, received = 0;
	pid_t pids[2] = {echo_process(to, back), echo_process(to, back)};
	struct message message = {.type = 1};
	uint64_t begin = ym_now_ns();
	double rate;

	while (received < JOBS) {
		if (sent < JOBS && sent - received < WINDOW) {
			if (msgsnd(to, &message, sizeof(message.number), 0) < 0)
				die("msgsnd");
			sent++;
		} else if (msgrcv(back, &message, sizeof(message.number), 0, 0) >= 0) {
			received++;
		}
	}
	rate = JOBS / seconds(begin);
	msgctl(to, IPC_RMID, NULL);
	msgctl(back, IPC_RMID, NULL);
	waitpid(pids[0], NULL, 0);
	waitpid(pids[1], NULL, 0);
	return rate / 1000;
}

static double raw_ping(void)
{
	static double times[PINGS];
	int to = msgget(IPC_PRIVATE, 0600), back = msgget(IPC_PRIVATE, 0600);
	pid_t pid = echo_process(to, back);
	struct message message = {.type = 1};

	for (int i = 0; i < PINGS; i++) {
		uint64_t begin = ym_now_ns();

		if (msgsnd(to, &message, sizeof(message.number), 0) < 0 ||
		    msgrcv(back, &message, sizeof(message.number), 0, 0) < 0)
			die("ping");
		times[i] = (double)(ym_now_ns() - begin) / 1000;
	}
	msgctl(to, IPC_RMID, NULL);
	msgctl(back, IPC_RMID, NULL);
	waitpid(pid, NULL, 0);
	return median(times, PINGS);
}

/* ---- progress -------------------------------------------------------------------------------- */

static double progress_update(void)
{
	struct board_worker_sh *row =
	    mmap(NULL, sizeof(*row), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct board_progress progress = {.job = 1, .total = UPDATES};
	uint64_t begin = ym_now_ns();

	for (uint64_t i = 0; i < UPDATES; i++) {
		progress.done = i;
		board_publish(&row->progress, &row->progress_version, &progress);
	}
	munmap(row, sizeof(*row));
	return seconds(begin) * 1e9 / UPDATES;
}

/* ---- processes ------------------------------------------------------------------------------- */

/* From kill -9 of a worker until another one is ready for jobs in its row. */
static double worker_replaced(void)
{
	struct instance instance;
	struct board_work work, next;
	uint64_t begin;

	locate(&instance);
	if (instance_view(&instance, NULL) < 0 || !board_read_work(&instance.board->workers[0], &work))
		die("the board");
	begin = ym_now_ns();
	kill(work.pid, SIGKILL);
	do {
		if (!board_read_work(&instance.board->workers[0], &next))
			die("the board");
	} while (next.pid == work.pid || next.state != BOARD_WORKER_IDLE);
	instance_unview(&instance);
	return seconds(begin) * 1e3;
}

static double workers_up(void)
{
	uint64_t begin = ym_now_ns();
	double ms;

	start(UP_WORKERS);
	ms = seconds(begin) * 1e3;
	stop();
	return ms;
}

static double master_pss(void)
{
	char path[64], line[256];
	double kib = 0;
	FILE *file;

	start(UP_WORKERS);
	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)master);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Pss: %lf", &kib);
	if (file)
		fclose(file);
	stop();
	return kib;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: bench YARDMASTER NOOP_PLUGIN\n");
		return 2;
	}
	program = realpath(argv[1], NULL);
	plugin = realpath(argv[2], NULL);
	snprintf(dir, sizeof(dir), "%s/bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!program || !plugin || !mkdtemp(dir))
		die("set-up");
	snprintf(ini, sizeof(ini), "%s/ini", dir);
	start(2);
	figure("noop_jobs", median_of(noop_jobs), "k/s", median_of(raw_queues));
	figure("submit_to_done_p50", median_of(submit_to_done), "us", median_of(raw_ping));
	figure("worker_replaced", median_of(worker_replaced), "ms", 0);
	stop();
	figure("progress_update", median_of(progress_update), "ns", 0);
	figure("start_100_workers", median_of(workers_up), "ms", 0);
	figure("master_pss_100_workers", master_pss(), "KiB", 0);
	return 0;
}
