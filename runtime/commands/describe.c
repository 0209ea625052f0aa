/* describe.c - a job in words. */
#include "describe.h"

#include <stdio.h>

#include "../../ipc/sys.h"
#include "../text.h"
#include "../wall.h"

uint64_t describe_age(const struct view_job *job)
{
	uint64_t until = job_state_over(job->state) ? job->finished : ym_now_ns();

	return until > job->submitted ? until - job->submitted : 0;
}

uint64_t describe_run(const struct view_job *job)
{
	uint64_t until = view_running(job) ? ym_now_ns() : job->finished;

	if (job->started == 0 || (!view_running(job) && !job_state_over(job->state)))
		return 0;
	return until > job->started ? until - job->started : 0;
}

int64_t describe_due(const struct view_job *job)
{
	int64_t due;

	if (job->state != JOB_DELAYED)
		return 0;
	due = wall_of(job->due);
	return due > job->at_ms ? due : job->at_ms;
}

const char *describe_why(const struct view_job *job, char out[DESCRIBE_MAX])
{
	char error[JOB_ERROR_MAX], wait[TEXT_MAX];
	int64_t left;

	text_cell(error, sizeof(error), job->error, sizeof(error), false);
	out[0] = '\0';
	if (job->paused)
		snprintf(out, DESCRIBE_MAX, "its pool is paused");
	else if (job->held_by[0])
		snprintf(out, DESCRIBE_MAX, "waits for limit %s", job->held_by);
	else if (job->state == JOB_DELAYED) {
		left = describe_due(job) - ym_unix_ms();
		snprintf(out, DESCRIBE_MAX, "%s in %s%s%s", job->attempt ? "again" : "starts",
		         text_duration(left > 0 ? (uint64_t)left * 1000000u : 0, wait), error[0] ? "; " : "", error);
	} else if (job->state != JOB_DONE)
		snprintf(out, DESCRIBE_MAX, "%s", error);
	return out;
}

static void put_seconds(struct json *json, const char *key, int64_t unix_ms)
{
	json_put_real(json, key, (double)unix_ms / 1e3);
}

static void put_times(struct json *json, const struct view_job *job)
{
	uint64_t now = ym_now_ns();

	json_put_real(json, "age", now > job->submitted ? (double)(now - job->submitted) / 1e9 : 0);
	if (describe_run(job))
		json_put_real(json, "run_seconds", (double)describe_run(job) / 1e9);
	put_seconds(json, "submitted", wall_of(job->submitted));
	if (job->started)
		put_seconds(json, "started", wall_of(job->started));
	if (job_state_over(job->state))
		put_seconds(json, "finished", wall_of(job->finished));
	if (describe_due(job))
		put_seconds(json, "due", describe_due(job));
	if (job->timeout_ms)
		put_seconds(json, "timeout", job->timeout_ms);
}

void describe_json(struct json *json, const struct view_job *job)
{
	json_put_uint(json, "id", job->id);
	json_put_string(json, "state", job_state_word(job->state));
	json_put_string(json, "pool", job->pool);
	json_put_string(json, "tag", job->tag);
	json_put_string(json, "unique", job->unique);
	json_put_uint(json, "priority", job->level);
	json_put_uint(json, "attempt", job->attempt);
	json_put_uint(json, "attempts", job->attempts);
	json_put_uint(json, "crashes", job->crashes);
	json_put_uint(json, "payload_bytes", job->payload_size);
	json_put_uint(json, "result_bytes", job->result_size);
	put_times(json, job);
	if (job->pid)
		json_put_int(json, "pid", job->pid);
	if (job->done || job->total) {
		json_put_uint(json, "done", job->done);
		json_put_uint(json, "total", job->total);
		json_put_string(json, "unit", job->unit);
	}
	if (job->note[0])
		json_put_string(json, "note", job->note);
	if (job->held_by[0])
		json_put_string(json, "waits_for_limit", job->held_by);
	if (job->paused)
		json_put_bool(json, "paused", true);
	if (job->error[0])
		json_put_string(json, "error", job->error);
}
