/* show.c - `yardmaster show JOB`: everything about one job, with the story of its attempts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../config/values.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "../wall.h"
#include "client.h"
#include "describe.h"

/* ---- for people ------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void row(const char *name, const char *fmt, ...)
{
	va_list list;

	printf("  %-12s", name);
	va_start(list, fmt);
	vprintf(fmt, list);
	va_end(list);
	printf("\n");
}

/* Texts of tasks may have control characters, which a terminal would obey. */
static void text_row(const char *name, const char *text)
{
	char clean[4 * JOB_ERROR_MAX];

	if (!text[0])
		return;
	text_cell(clean, sizeof(clean), text, sizeof(clean), false);
	row(name, "%s", clean);
}

static void moment_row(const char *name, uint64_t moment)
{
	char wall[WALL_MAX], ago[TEXT_MAX];
	uint64_t now = ym_now_ns();

	row(name, "%s (%s ago)", wall_text(wall_of(moment), wall), text_duration(now > moment ? now - moment : 0, ago));
}

static void bytes_row(const char *name, uint64_t bytes)
{
	char amount[TEXT_MAX];

	row(name, "%s", text_amount((double)bytes, true, amount));
}

/* "5/10 parts", "5 parts"; "" without progress. */
static const char *progress_text(uint64_t done, uint64_t total, const char *unit, char out[2 * TEXT_MAX])
{
	bool bytes = strcmp(unit, "bytes") == 0;
	char amount[TEXT_MAX];

	out[0] = '\0';
	if (done || total)
		snprintf(out, 2 * (size_t)TEXT_MAX, "%s%s%s",
		         total ? text_fraction(done, total, bytes, amount) : text_amount((double)done, bytes, amount),
		         bytes || !unit[0] ? "" : " ", bytes ? "" : unit);
	return out;
}

static void print_times(const struct view_job *job)
{
	char wall[WALL_MAX], text[TEXT_MAX];

	moment_row("submitted", job->submitted);
	if (job->started && (view_running(job) || job_state_over(job->state)))
		moment_row("started", job->started);
	if (job_state_over(job->state))
		moment_row("finished", job->finished);
	if (describe_run(job))
		row("ran", "%s", text_duration(describe_run(job), text));
	if (describe_due(job))
		row("not before", "%s", wall_text(describe_due(job), wall));
	if (job->timeout_ms)
		row("time limit", "%s an attempt", text_duration((uint64_t)job->timeout_ms * 1000000u, text));
}

static void print_job(const struct view_job *job)
{
	char progress[2 * TEXT_MAX], crashes[64] = "";

	printf("job %llu: %s\n", (unsigned long long)job->id, job_state_word(job->state));
	row("pool", "%s", job->pool);
	text_row("tag", job->tag);
	text_row("unique", job->unique);
	row("priority", "%u (%s)", job->level, cfg_level_word(job->level));
	bytes_row("payload", job->payload_size);
	if (job->state == JOB_DONE)
		bytes_row("result", job->result_size);
	print_times(job);
	if (job->crashes)
		snprintf(crashes, sizeof(crashes), "; %u killed the worker or the command", job->crashes);
	row("attempts", "%u of %u%s", job->attempt, job->attempts, crashes);
	if (job->pid)
		row("worker", "pid %ld", (long)job->pid);
	if (job->paused)
		row("waits for", "its pool is paused (yardmaster resume %s)", job->pool);
	if (job->held_by[0])
		row("waits for", "%s", job->held_by);
	if (job->done || job->total)
		row("progress", "%s", progress_text(job->done, job->total, job->unit, progress));
	text_row("note", job->note);
	text_row("error", job->error);
}

static void print_process(const struct story_attempt *attempt)
{
	char rss[TEXT_MAX] = "", status[96] = "";

	if (attempt->status >= 0 && WIFSIGNALED(attempt->status))
		snprintf(status, sizeof(status), "killed by signal %d (%s), ", WTERMSIG(attempt->status),
		         strsignal(WTERMSIG(attempt->status)));
	else if (attempt->status >= 0 && WIFEXITED(attempt->status))
		snprintf(status, sizeof(status), "exit code %d, ", WEXITSTATUS(attempt->status));
	if (status[0] || attempt->rss_kib)
		row("", "%sCPU %.2fs user, %.2fs system; %s of memory", status, attempt->user_ms / 1e3,
		    attempt->system_ms / 1e3, text_amount(attempt->rss_kib * 1024.0, true, rss));
}

static void print_attempt(const struct story_attempt *attempt)
{
	char wall[WALL_MAX], took[TEXT_MAX], progress[2 * TEXT_MAX], name[24], unit[sizeof(attempt->unit) + 1] = "";
	char error[STORY_ERROR_MAX + 1] = "";

	memcpy(unit, attempt->unit, sizeof(attempt->unit));
	memcpy(error, attempt->error, sizeof(attempt->error));
	snprintf(name, sizeof(name), "attempt %u", attempt->attempt);
	row(name, "%s after %s, at %s%s%s", story_end_word(attempt->end),
	    text_duration(attempt->ended > attempt->started ? attempt->ended - attempt->started : 0, took),
	    wall_text(wall_of(attempt->ended), wall), attempt->done || attempt->total ? ", progress " : "",
	    progress_text(attempt->done, attempt->total, unit, progress));
	text_row("", error);
	print_process(attempt);
}

static void print_output(const char *output)
{
	char line[STORY_OUTPUT_MAX], clean[4 * STORY_OUTPUT_MAX];

	if (!output[0])
		return;
	printf("  last lines of its standard error output:\n");
	for (size_t length; *output; output += length + (output[length] == '\n')) {
		length = strcspn(output, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)length, output);
		text_cell(clean, sizeof(clean), line, sizeof(clean), false);
		printf("    %s\n", clean);
	}
}

static void print_story(const struct view_job *job, const struct view_story *story, unsigned attempts, bool another)
{
	if (another)
		printf("\n");
	print_job(job);
	for (unsigned i = 0; i < attempts; i++)
		print_attempt(&story->attempts[i]);
	if (attempts > 0) {
		text_row("last note", story->note);
		print_output(story->output);
	}
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void json_attempt(struct json *json, const struct story_attempt *attempt)
{
	char unit[sizeof(attempt->unit) + 1] = "", error[STORY_ERROR_MAX + 1] = "";

	memcpy(unit, attempt->unit, sizeof(attempt->unit));
	memcpy(error, attempt->error, sizeof(attempt->error));
	json_open(json, NULL, '{');
	json_put_uint(json, "number", attempt->attempt);
	json_put_string(json, "end", story_end_word(attempt->end));
	json_put_real(json, "started", (double)wall_of(attempt->started) / 1e3);
	json_put_real(json, "ended", (double)wall_of(attempt->ended) / 1e3);
	json_put_int(json, "pid", attempt->pid);
	if (attempt->status >= 0 && WIFSIGNALED(attempt->status))
		json_put_int(json, "signal", WTERMSIG(attempt->status));
	if (attempt->status >= 0 && WIFEXITED(attempt->status))
		json_put_int(json, "exit_code", WEXITSTATUS(attempt->status));
	json_put_real(json, "user_seconds", attempt->user_ms / 1e3);
	json_put_real(json, "system_seconds", attempt->system_ms / 1e3);
	json_put_uint(json, "memory_bytes", (uint64_t)attempt->rss_kib * 1024);
	json_put_uint(json, "done", attempt->done);
	json_put_uint(json, "total", attempt->total);
	json_put_string(json, "unit", unit);
	json_put_string(json, "error", error);
	json_close(json, '}');
}

static void print_json(const struct view_job *job, const struct view_story *story, unsigned attempts)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	describe_json(&json, job);
	json_open(&json, "story", '[');
	for (unsigned i = 0; i < attempts; i++)
		json_attempt(&json, &story->attempts[i]);
	json_close(&json, ']');
	json_put_string(&json, "last_note", attempts ? story->note : "");
	json_put_string(&json, "stderr", attempts ? story->output : "");
	json_close(&json, '}');
	printf("\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int show_one(const struct args *args, const struct instance *instance, const char *text, bool *printed)
{
	struct view_story story;
	struct view_job job;
	struct ym_err err;
	unsigned attempts;
	uint64_t id;
	int found;

	if (client_id(text, &id, &err) < 0)
		return command_fail(&err);
	found = view_job(instance, id, &job, &err);
	if (found == 1)
		found = client_no_job(instance, id, &err);
	if (found < 0)
		return command_fail(&err);
	attempts = view_story(instance, &job, &story);
	if (args_flag(args, "json"))
		print_json(&job, &story, attempts);
	else
		print_story(&job, &story, attempts, *printed);
	*printed = true;
	return 0;
}

static int show(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	bool printed = false;
	int code = 0;

	if (args_instance(args, &instance, &err) < 0 || instance_view(&instance, &err) < 0)
		return command_fail(&err);
	for (int i = 0; i < args->nrest; i++) {
		int one = show_one(args, &instance, args->rest[i], &printed);

		code = one > code ? one : code;
	}
	instance_unview(&instance);
	return code;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"json", 0, NULL, "one JSON object a line; moments as unix time, times in seconds"},
    {0},
};

const struct command command_show = {
    .verb = "show",
    .usage = "JOB ... [OPTIONS]",
    .summary = "everything about a job, with the story of its attempts",
    .text = "A job that was done in the first attempt has no story; of many attempts the last 5 are kept.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = show,
};
