/* show.c - `yardmaster show JOB`: everything about one job, with the story of its attempts. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "../wall.h"
#include "client.h"
#include "describe.h"
#include "stock.h"

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

/* Of a span in ms. */
static const char *span_text(int64_t ms, char out[TEXT_MAX])
{
	return text_duration(ms > 0 ? (uint64_t)ms * 1000000u : 0, out);
}

static void moment_row(const char *name, int64_t unix_ms)
{
	char wall[WALL_MAX], ago[TEXT_MAX];

	row(name, "%s (%s ago)", wall_text(unix_ms, wall), span_text(ym_unix_ms() - unix_ms, ago));
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

static void print_times(const struct listed *listed)
{
	const struct view_job *job = &listed->job;
	char wall[WALL_MAX], text[TEXT_MAX];

	moment_row("submitted", listed->submitted_ms);
	if (listed->started_ms && (view_running(job) || job_state_over(job->state)))
		moment_row("started", listed->started_ms);
	if (job_state_over(job->state))
		moment_row("finished", listed->finished_ms);
	if (describe_run(listed) >= 0)
		row("ran", "%s", span_text(describe_run(listed), text));
	if (listed->due_ms)
		row("not before", "%s", wall_text(listed->due_ms, wall));
	if (job->timeout_ms)
		row("time limit", "%s an attempt", span_text(job->timeout_ms, text));
}

static void print_job(const struct listed *listed)
{
	const struct view_job *job = &listed->job;
	char progress[2 * TEXT_MAX], crashes[64] = "";

	printf("job %llu: %s\n", (unsigned long long)job->id, job_state_word(job->state));
	row("pool", "%s", job->pool);
	text_row("tag", job->tag);
	text_row("unique", job->unique);
	row("priority", "%u (%s)", job->level, cfg_level_word(job->level));
	bytes_row("payload", job->payload_size);
	if (job->state == JOB_DONE)
		bytes_row("result", job->result_size);
	print_times(listed);
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
	text_row("node", listed->node);
	if (listed->in_store)
		row("kept", "%s", job_state_over(job->state) ? "in the store" : "in the store, not in the job table");
}

static void print_process(const struct store_attempt *attempt)
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

static void print_attempt(const struct store_attempt *attempt)
{
	char wall[WALL_MAX], took[TEXT_MAX], progress[2 * TEXT_MAX], name[24];

	snprintf(name, sizeof(name), "attempt %u", attempt->number);
	row(name, "%s after %s, at %s%s%s%s%s", story_end_word(attempt->end),
	    span_text(attempt->ended_ms - attempt->started_ms, took), wall_text(attempt->ended_ms, wall),
	    attempt->done || attempt->total ? ", progress " : "",
	    progress_text(attempt->done, attempt->total, attempt->unit, progress), attempt->node[0] ? ", on " : "",
	    attempt->node);
	text_row("", attempt->error);
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

static void print_story(const struct listed *job, const struct store_story *story, bool another)
{
	if (another)
		printf("\n");
	print_job(job);
	for (size_t i = 0; i < story->nattempts; i++)
		print_attempt(&story->attempts[i]);
	if (story->nattempts > 0) {
		text_row("last note", story->note);
		print_output(story->output);
	}
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void print_json(const struct listed *job, const struct store_story *story)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	describe_json(&json, job);
	describe_json_story(&json, story);
	json_close(&json, '}');
	printf("\n");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int print_one(const struct args *args, struct stock *stock, const struct listed *job, bool another,
                     struct ym_err *err)
{
	struct store_story story = {0};
	int result = 0;

	if (args_flag(args, "payload") && job->in_store && job->job.state == JOB_DONE && job->job.payload_size > 0)
		return ym_fail(err, YM_ERR_NO, "job %llu is done: a store keeps no payload of such a job",
		               (unsigned long long)job->job.id);
	if (args_flag(args, "payload"))
		return stock_write(stock, job, STOCK_PAYLOAD, STDOUT_FILENO, err);
	if (args_flag(args, "result") && job->job.state != JOB_DONE)
		return ym_fail(err, YM_ERR_NO, "job %llu is %s: it has no result", (unsigned long long)job->job.id,
		               job_state_word(job->job.state));
	if (args_flag(args, "result"))
		return stock_write(stock, job, STOCK_RESULT, STDOUT_FILENO, err);
	result = stock_story(stock, job, &story, err);
	if (result == 0 && args_flag(args, "json"))
		print_json(job, &story);
	else if (result == 0)
		print_story(job, &story, another);
	store_story_free(&story);
	return result;
}

static int show_one(const struct args *args, struct stock *stock, const char *text, bool *printed)
{
	struct listed job;
	struct ym_err err;
	uint64_t id;
	int found;

	if (client_id(text, &id, &err) < 0)
		return command_fail(&err);
	found = stock_find(stock, id, &job, &err);
	if (found == 1)
		found = stock_no_job(stock, id, &err);
	if (found < 0 || print_one(args, stock, &job, *printed, &err) < 0)
		return command_fail(&err);
	*printed = true;
	return 0;
}

static int show(const struct args *args)
{
	bool bytes = args_flag(args, "payload") || args_flag(args, "result"), printed = false;
	struct stock stock = {0};
	struct ym_err err;
	int code = 0;

	if (args_flag(args, "payload") + args_flag(args, "result") + args_flag(args, "json") > 1 ||
	    (bytes && args->nrest > 1)) {
		ym_fail(&err, YM_ERR_USAGE, "--payload and --result print the bytes of one job, and nothing else");
		return command_fail(&err);
	}
	if (stock_open(&stock, args, &err) < 0)
		return stock_close(&stock, command_fail(&err));
	for (int i = 0; i < args->nrest; i++) {
		int one = show_one(args, &stock, args->rest[i], &printed);

		code = one > code ? one : code;
	}
	return stock_close(&stock, code);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"json", 0, NULL, "one JSON object a line; moments as unix time, times in seconds"},
    {"payload", 0, NULL, "print its payload, as it is, instead"},
    {"result", 0, NULL, "print its result, as it is, instead"},
    {0},
};

const struct command command_show = {
    .verb = "show",
    .usage = "JOB ... [OPTIONS]",
    .summary = "everything about a job, with the story of its attempts",
    .text = "A job that was done in the first attempt has no story. A store keeps all attempts of a job, the job\n"
	    "table alone the last 5.",
    .options = options,
    .least = 1,
    .most = -1,
    .run = show,
    .group = COMMAND_GROUP_JOBS,
};
