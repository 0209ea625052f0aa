/*
 * bench_jobs.c - what jobs cost, each beside the raw system calls that do the same in the same run, or beside a peer.
 *
 *     bench_jobs YARDMASTER NOOP_PLUGIN
 *
 * Run it in an IPC namespace of its own on a quiet machine.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>

#include "../../runtime/submit.h"
#include "stand.h"

#define JOBS        300000
#define BATCH       256
#define WINDOW      128
#define PINGS       20000
#define SMALL       1000
#define LARGE       250000
#define LARGE_TABLE 262144
#define COMMANDS    4000

/* ---- jobs ------------------------------------------------------------------------------------ */

static uint64_t jobs_done(const struct instance *instance)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < instance->board->instance.rows; i++)
		n += atomic_load_explicit(&instance->board->workers[i].counters[BOARD_DONE], memory_order_relaxed);
	return n;
}

/* Submit `n` jobs, at most `batch` with one call. */
static void submit_many(struct instance *instance, size_t n, size_t batch)
{
	static struct job_request requests[BATCH];
	static struct job_ref refs[BATCH];
	struct ym_err err;

	for (size_t i = 0; i < batch; i++)
		requests[i] = (struct job_request){JOB_REQUEST_INIT, .deadline = YM_NEVER};
	for (size_t sent = 0, some; sent < n; sent += some) {
		some = n - sent < batch ? n - sent : batch;
		if (submit_jobs(instance, requests, some, refs, NULL, &err) < some)
			die(err.text);
	}
}

static void await_done(const struct instance *instance, uint64_t wanted)
{
	while (jobs_done(instance) < wanted)
		ym_nap(200000);
}

static double jobs_in_batches(size_t batch)
{
	struct instance instance;
	uint64_t begin, before;
	double rate;

	join(&instance);
	before = jobs_done(&instance);
	begin = ym_now_ns();
	submit_many(&instance, JOBS, batch);
	await_done(&instance, before + JOBS);
	rate = JOBS / seconds(begin);
	instance_leave(&instance, NULL, NULL);
	return rate / 1000;
}

static double noop_jobs(void)
{
	return jobs_in_batches(1);
}

static double noop_batches(void)
{
	return jobs_in_batches(BATCH);
}

static double submit_to_done(void)
{
	static double times[PINGS];
	struct instance instance;
	struct job_request request = {JOB_REQUEST_INIT};
	struct job_ref ref;
	struct ym_err err;
	uint64_t word;

	join(&instance);
	for (int i = 0; i < PINGS; i++) {
		uint64_t begin = ym_now_ns();

		if (submit_job(&instance, &request, &ref, &err) < 0 ||
		    dispatch_wait(&instance, ref, YM_NEVER, &word, &err) < 0)
			die(err.text);
		times[i] = (double)(ym_now_ns() - begin) / 1000;
	}
	instance_leave(&instance, NULL, NULL);
	return median(times, PINGS);
}

/* Nanoseconds a job to run `n` jobs that all wait when the first one is started. */
static double drain(size_t n)
{
	struct instance instance;
	uint64_t begin, before;
	double ns;

	join(&instance);
	before = jobs_done(&instance);
	dispatch_mode(&instance, 0, POOL_PAUSED, 0);
	submit_many(&instance, n, BATCH);
	begin = ym_now_ns();
	dispatch_mode(&instance, 0, 0, POOL_PAUSED);
	await_done(&instance, before + n);
	ns = seconds(begin) * 1e9 / (double)n;
	instance_leave(&instance, NULL, NULL);
	return ns;
}

static double drain_small(void)
{
	double sum = 0;

	for (int i = 0; i < 50; i++)
		sum += drain(SMALL);
	return sum / 50;
}

static double drain_large(void)
{
	return drain(LARGE);
}

/* ---- commands -------------------------------------------------------------------------------- */

static double command_jobs(void)
{
	struct instance instance;
	uint64_t begin, before;
	double rate;

	join(&instance);
	before = jobs_done(&instance);
	begin = ym_now_ns();
	submit_many(&instance, COMMANDS, 1);
	await_done(&instance, before + COMMANDS);
	rate = COMMANDS / seconds(begin);
	instance_leave(&instance, NULL, NULL);
	return rate;
}

static double xargs(void)
{
	char line[128];
	uint64_t begin = ym_now_ns();

	snprintf(line, sizeof(line), "seq %d | xargs -P2 -n1 /bin/true", COMMANDS);
	if (system(line) != 0) /* NOLINT(cert-env33-c): a peer to measure */
		die("xargs");
	return COMMANDS / seconds(begin);
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

int main(int argc, char **argv)
{
	set_up(argc, argv);
	start(noop_task(), 2, 16384);
	figure("noop_jobs", median_of(noop_jobs), "k/s", median_of(raw_queues));
	figure("noop_batches", median_of(noop_batches), "k/s", 0);
	figure("submit_to_done_p50", median_of(submit_to_done), "us", median_of(raw_ping));
	stop();
	start(noop_task(), 2, LARGE_TABLE);
	/* "raw": a backlog of a thousand. */
	figure("job_of_a_large_backlog", median_of(drain_large), "ns", median_of(drain_small));
	stop();
	start("command = /bin/true", 2, 16384);
	/* "raw": xargs -P2 on the same program. */
	figure("command_jobs", median_of(command_jobs), "/s", median_of(xargs));
	stop();
	return 0;
}
