/* wait.c - `yardmaster wait JOB ...`: until jobs that were submitted before are over. */
#include <stdio.h>
#include <stdlib.h>

#include "../../ipc/sys.h"
#include "outcome.h"

struct waited {
	struct job_ref ref;
	bool known, ours; /* it is in the table; nobody else keeps its result */
};

/* The worst exit code of all jobs is the command's. */
static int wait_all(const struct args *args, struct outcome *outcome, struct waited *jobs)
{
	struct ym_err err;
	int code = 0;

	/* First all of them: the result of the last one must not go while the first one runs. */
	for (int i = 0; i < args->nrest; i++) {
		jobs[i].known = client_find_job(outcome->instance, args->rest[i], &jobs[i].ref, &err) == 0;
		if (jobs[i].known)
			jobs[i].ours = outcome_keep(outcome, jobs[i].ref);
		else if (command_fail(&err) > code)
			code = ym_err_exit_code(err.class);
	}
	for (int i = 0; i < args->nrest; i++) {
		int one = jobs[i].known ? outcome_of(outcome, jobs[i].ref) : 0;

		if (jobs[i].ours)
			outcome_let_go(outcome, jobs[i].ref);
		code = one > code ? one : code;
	}
	return code;
}

static int wait_run(const struct args *args)
{
	struct instance instance;
	struct outcome outcome = {.instance = &instance, .quiet = args_flag(args, "quiet"), .several = args->nrest > 1};
	struct waited *jobs;
	struct ym_err err;
	int64_t timeout;
	int code;

	if (args_duration(args, "wait-timeout", -1, &timeout, &err) < 0 || client_join(args, &instance, &err) < 0)
		return command_fail(&err);
	outcome.deadline = ym_deadline(timeout);
	jobs = calloc((size_t)args->nrest, sizeof(*jobs));
	if (jobs) {
		code = wait_all(args, &outcome, jobs);
	} else {
		ym_fail(&err, YM_ERR_LIMIT, "out of memory for %d jobs", args->nrest);
		code = command_fail(&err);
	}
	free(jobs);
	return client_leave(&instance, code);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"wait-timeout", 0, "TIME", "not longer than this for all of them (exit code 1)"},
    {"quiet", 'q', NULL, "print no results"},
    {0},
};

const struct command command_wait = {
    .verb = "wait",
    .usage = "JOB ... [OPTIONS]",
    .summary = "wait until jobs are over; prints their results, or why they failed",
    .text =
	"Results come in the order of the arguments. Those of several jobs each end with a newline. A job that is\n"
	"over already has its result as long as that is kept (submit --keep, and result_ttl). The exit code is 0 if\n"
	"all were done.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = wait_run,
    .group = COMMAND_GROUP_JOBS,
};
