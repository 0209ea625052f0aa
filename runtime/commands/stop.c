/* stop.c - `yardmaster stop`: end an instance in order, with or without a master; or only what is named. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../place.h"
#include "../spawn.h"
#include "../view.h"
#include "control.h"

#define GONE_MS      500
#define GONE_LOOK_NS 5000000

/* True when it ended before the deadline. */
static bool await_end(int pidfd, uint64_t deadline)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	for (;;) {
		uint64_t now = ym_now_ns();
		int ms = deadline == YM_NEVER ? -1 : now >= deadline ? 0 : (int)((deadline - now) / 1000000u) + 1;
		int n = poll(&ended, 1, ms);

		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static int stop_master(const struct instance *instance, pid_t pid, bool now, uint64_t deadline)
{
	int pidfd = spawn_open_process(pid, ym_process_started(pid));
	struct ym_group_look look;

	/* Asked again after the open: from here on the pid cannot become another process unnoticed. */
	if (pidfd < 0 || ym_group_look(instance->directory, &look, NULL) < 0 || look.leader != pid) {
		if (pidfd >= 0)
			close(pidfd);
		return 0;
	}
	printf("stopping instance %s (master pid %ld)\n", instance->name, (long)pid);
	fflush(stdout);
	spawn_signal(pidfd, SIGTERM);
	/* The second signal means: do not wait for running jobs. The master must have seen the first one by then. */
	if (now && !await_end(pidfd, ym_deadline(100)))
		spawn_signal(pidfd, SIGINT);
	if (!await_end(pidfd, deadline)) {
		fprintf(stderr,
		        "yardmaster: the master (pid %ld) is still waiting for running jobs: try again with --now\n",
		        (long)pid);
		close(pidfd);
		return ym_err_exit_code(YM_ERR_TIMEOUT);
	}
	close(pidfd);
	/* Had the master been killed meanwhile, its guardian would need a moment. */
	deadline = ym_deadline(GONE_MS);
	while (ym_group_look(instance->directory, &look, NULL) == 0 && look.usage == 0 && ym_now_ns() < deadline)
		ym_nap(GONE_LOOK_NS);
	if (ym_group_look(instance->directory, &look, NULL) == 0 && look.usage == 0) {
		fprintf(stderr,
		        "yardmaster: the master has ended, but the IPC objects are still there: its log says why\n");
		return ym_err_exit_code(YM_ERR_SYSTEM);
	}
	return 0;
}

/* Tell the worker of a board row to end when its job is over; its pidfd, or -1 if there is none. */
static int tell_worker(struct instance *instance, unsigned row, bool now)
{
	struct board_work work;
	int pidfd;

	if (!place_row_alive(instance, row, &work))
		return -1;
	pidfd = spawn_open_process(work.pid, work.process_started);
	if (pidfd < 0)
		return -1;
	if (board_retire(&instance->board->workers[row]) || now)
		spawn_signal(pidfd, now ? SIGTERM : SIGUSR1);
	return pidfd;
}

/* The master was killed and its workers go on: all are told, then waited for. */
static int stop_orphans(struct instance *instance, bool now, uint64_t deadline)
{
	int pidfds[YM_GROUP_CAPACITY_MAX], told = 0, left = 0;
	struct ym_err err;

	if (instance_join(instance, "stop", NULL, &err) < 0)
		return command_fail(&err);
	for (unsigned row = 0; row < instance->board->instance.rows; row++) {
		pidfds[told] = tell_worker(instance, row, now);
		told += pidfds[told] >= 0;
	}
	printf("instance %s has no master; %d workers told to end\n", instance->name, told);
	fflush(stdout);
	for (int i = 0; i < told; i++) {
		left += !await_end(pidfds[i], deadline);
		close(pidfds[i]);
	}
	if (instance_leave(instance, NULL, &err) < 0)
		return command_fail(&err);
	if (left == 0)
		return 0;
	fprintf(stderr, "yardmaster: %d workers still have a job: try again with --now\n", left);
	return ym_err_exit_code(YM_ERR_TIMEOUT);
}

static int stop(const struct args *args)
{
	struct instance instance;
	struct ym_group_look look;
	struct ym_err err;
	int64_t timeout;
	uint64_t deadline;

	if (args->nrest > 0 || args_flag(args, "all"))
		return control_run_named(args);
	if (args_instance(args, &instance, &err) < 0 || args_duration(args, "timeout", -1, &timeout, &err) < 0 ||
	    ym_group_look(instance.directory, &look, &err) < 0)
		return command_fail(&err);
	deadline = ym_deadline(timeout);
	if (look.leader)
		return stop_master(&instance, look.leader, args_flag(args, "now"), deadline);
	return stop_orphans(&instance, args_flag(args, "now"), deadline);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    ALL_OPTION,
    {"now", 0, NULL, "do not wait: jobs are asked to give up and run again later, programs are killed"},
    {"wait", 'w', NULL, "with NAME or --all: wait until they have ended; an instance is always waited for"},
    {"timeout", 0, "TIME", "do not wait longer than this for the end (exit code 1)"},
    {0},
};

const struct command command_stop = {
    .verb = "stop",
    .usage = "[NAME ... | --all] [OPTIONS]",
    .summary = "stop an instance: running jobs finish, waiting ones are kept for the next start",
    .text =
	"NAME: only these pools and programs, until `yardmaster start`. Jobs of a stopped pool wait.\n"
	"--all: all of them, but the master stays: it goes on taking jobs and requests, and `yardmaster start --all`\n"
	"starts them again. Without NAME and --all the instance ends, master and all.",
    .options = options,
    .most = -1,
    .run = stop,
};
