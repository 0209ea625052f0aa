/* jobs.c - `yardmaster jobs`: what is in the job table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../json.h"
#include "../text.h"
#include "../view.h"
#include "command.h"

static void print_job(const struct view_job *job)
{
	char age[TEXT_MAX], attempt[32], why[JOB_ERROR_MAX + TABLE_NAME_MAX + 32] = "", error[JOB_ERROR_MAX];
	uint64_t now = ym_now_ns(), until = job_state_over(job->state) ? job->finished : now;
	char wait[TEXT_MAX];

	snprintf(attempt, sizeof(attempt), "%u/%u", job->attempt, job->attempts);
	text_cell(error, sizeof(error), job->error, sizeof(error), false);
	if (job->held_by[0])
		snprintf(why, sizeof(why), "waits for limit %s", job->held_by);
	else if (job->state == JOB_DELAYED)
		snprintf(why, sizeof(why), "again in %s; %s", text_duration(job->due > now ? job->due - now : 0, wait),
		         error);
	else if (job->state != JOB_DONE)
		snprintf(why, sizeof(why), "%s", error);
	printf("%8llu %-10s %-12s %7s %8s  %-20s %s\n", (unsigned long long)job->id, view_state_word(job), job->pool,
	       attempt, text_duration(until > job->submitted ? until - job->submitted : 0, age), job->tag, why);
}

static void json_job(const struct view_job *job)
{
	struct json json = {.to = stdout};
	uint64_t now = ym_now_ns();
	bool running = job->state == JOB_CLAIMED || job->state == JOB_FINISHING;

	json_open(&json, NULL, '{');
	json_put_uint(&json, "id", job->id);
	json_put_string(&json, "state", view_state_word(job));
	json_put_string(&json, "pool", job->pool);
	json_put_string(&json, "tag", job->tag);
	json_put_uint(&json, "attempt", job->attempt);
	json_put_uint(&json, "attempts", job->attempts);
	json_put_uint(&json, "crashes", job->crashes);
	json_put_real(&json, "age", (double)(now - job->submitted) / 1e9);
	if (job->started && (running || job_state_over(job->state)))
		json_put_real(&json, "run_seconds",
		              (double)((job_state_over(job->state) ? job->finished : now) - job->started) / 1e9);
	if (job->pid)
		json_put_int(&json, "pid", job->pid);
	if (job->done || job->total) {
		json_put_uint(&json, "done", job->done);
		json_put_uint(&json, "total", job->total);
		json_put_string(&json, "unit", job->unit);
	}
	if (job->note[0])
		json_put_string(&json, "note", job->note);
	if (job->held_by[0])
		json_put_string(&json, "waits_for_limit", job->held_by);
	if (job->error[0])
		json_put_string(&json, "error", job->error);
	json_close(&json, '}');
	printf("\n");
}

static bool wanted(const struct args *args, const struct view_job *job)
{
	const char *pool = args_value(args, "pool"), *state = args_value(args, "state"), *tag = args_value(args, "tag");

	return (!pool || strcmp(pool, job->pool) == 0) && (!state || strcmp(state, view_state_word(job)) == 0) &&
	       (!tag || strcmp(tag, job->tag) == 0);
}

static int check_state(const struct args *args, struct ym_err *err)
{
	const char *state = args_value(args, "state");
	char known[256] = "";

	for (int i = JOB_READY; state && i < JOB_STATES; i++) {
		if (strcmp(job_state_word((enum job_state)i), state) == 0)
			return 0;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", known[0] ? ", " : "",
		         job_state_word((enum job_state)i));
	}
	return state ? ym_fail(err, YM_ERR_USAGE, "--state: \"%s\" is no state; there are %s", state, known) : 0;
}

static int jobs(const struct args *args)
{
	struct instance instance;
	struct view_job *list;
	struct ym_err err;
	size_t count;

	if (check_state(args, &err) < 0 || args_instance(args, &instance, &err) < 0 ||
	    instance_view(&instance, &err) < 0)
		return command_fail(&err);
	list = view_jobs(&instance, &count, &err);
	instance_unview(&instance);
	if (!list)
		return command_fail(&err);
	if (!args_flag(args, "json"))
		printf("%8s %-10s %-12s %7s %8s  %-20s %s\n", "JOB", "STATE", "POOL", "ATTEMPT", "TIME", "TAG", "");
	for (size_t i = 0; i < count; i++) {
		if (!wanted(args, &list[i]))
			continue;
		if (args_flag(args, "json"))
			json_job(&list[i]);
		else
			print_job(&list[i]);
	}
	free(list);
	return 0;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"pool", 'p', "NAME", "only jobs of this pool"},
    {"state", 's', "STATE", "only jobs in this state: waiting, running, parked, delayed, done, failed, cancelled"},
    {"tag", 't', "TEXT", "only jobs with this tag"},
    {"json", 0, NULL, "one JSON object a line; times in seconds"},
    {0},
};

const struct command command_jobs = {
    .verb = "jobs",
    .usage = "[OPTIONS]",
    .summary = "list the jobs in the table: waiting, running, and those that ended lately",
    .options = options,
    .run = jobs,
};
