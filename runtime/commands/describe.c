/* describe.c - a job in words. */
#include "describe.h"

#include <stdio.h>
#include <sys/wait.h>

#include "../../ipc/sys.h"
#include "../text.h"

int64_t describe_age(const struct listed *listed)
{
	int64_t until = job_state_over(listed->job.state) ? listed->finished_ms : ym_unix_ms();

	return until > listed->submitted_ms ? until - listed->submitted_ms : 0;
}

int64_t describe_run(const struct listed *listed)
{
	const struct view_job *job = &listed->job;
	int64_t until = view_running(job) ? ym_unix_ms() : listed->finished_ms;

	if (listed->started_ms == 0 || (!view_running(job) && !job_state_over(job->state)))
		return -1;
	return until > listed->started_ms ? until - listed->started_ms : 0;
}

const char *describe_why(const struct listed *listed, char out[DESCRIBE_MAX])
{
	const struct view_job *job = &listed->job;
	char error[JOB_ERROR_MAX], wait[TEXT_MAX];
	int64_t left;

	text_cell(error, sizeof(error), job->error, sizeof(error), false);
	out[0] = '\0';
	if (job->paused)
		snprintf(out, DESCRIBE_MAX, "its pool is paused");
	else if (job->held_by[0])
		snprintf(out, DESCRIBE_MAX, "waits for limit %s", job->held_by);
	else if (job->state == JOB_DELAYED) {
		left = listed->due_ms - ym_unix_ms();
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

static void put_times(struct json *json, const struct listed *listed)
{
	int64_t now = ym_unix_ms();

	put_seconds(json, "age", now > listed->submitted_ms ? now - listed->submitted_ms : 0);
	if (describe_run(listed) >= 0)
		put_seconds(json, "run_seconds", describe_run(listed));
	put_seconds(json, "submitted", listed->submitted_ms);
	if (listed->started_ms)
		put_seconds(json, "started", listed->started_ms);
	if (job_state_over(listed->job.state))
		put_seconds(json, "finished", listed->finished_ms);
	if (listed->due_ms)
		put_seconds(json, "due", listed->due_ms);
	if (listed->job.timeout_ms)
		put_seconds(json, "timeout", listed->job.timeout_ms);
}

void describe_json(struct json *json, const struct listed *listed)
{
	const struct view_job *job = &listed->job;

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
	put_times(json, listed);
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
	if (listed->node[0])
		json_put_string(json, "node", listed->node);
	if (listed->in_store)
		json_put_bool(json, "stored", true);
}

static void json_attempt(struct json *json, const struct store_attempt *attempt)
{
	json_open(json, NULL, '{');
	json_put_uint(json, "number", attempt->number);
	json_put_string(json, "end", story_end_word(attempt->end));
	put_seconds(json, "started", attempt->started_ms);
	put_seconds(json, "ended", attempt->ended_ms);
	json_put_int(json, "pid", attempt->pid);
	if (attempt->status >= 0 && WIFSIGNALED(attempt->status))
		json_put_int(json, "signal", WTERMSIG(attempt->status));
	if (attempt->status >= 0 && WIFEXITED(attempt->status))
		json_put_int(json, "exit_code", WEXITSTATUS(attempt->status));
	put_seconds(json, "user_seconds", attempt->user_ms);
	put_seconds(json, "system_seconds", attempt->system_ms);
	json_put_uint(json, "memory_bytes", (uint64_t)attempt->rss_kib * 1024);
	json_put_uint(json, "done", attempt->done);
	json_put_uint(json, "total", attempt->total);
	json_put_string(json, "unit", attempt->unit);
	json_put_string(json, "error", attempt->error);
	if (attempt->node[0])
		json_put_string(json, "node", attempt->node);
	json_close(json, '}');
}

void describe_json_story(struct json *json, const struct store_story *story)
{
	json_open(json, "story", '[');
	for (size_t i = 0; i < story->nattempts; i++)
		json_attempt(json, &story->attempts[i]);
	json_close(json, ']');
	json_put_string(json, "last_note", story->note);
	json_put_string(json, "stderr", story->output);
}
