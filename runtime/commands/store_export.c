/* store_export.c - `yardmaster store export`: jobs as lines of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../backlog.h"
#include "../payload.h"
#include "../wall.h"
#include "job_line.h"
#include "stock.h"
#include "store.h"

#define IN(state)   (1u << JOB_##state)
#define STATES_LIVE (IN(READY) | IN(DELAYED) | IN(CLAIMED) | IN(BURIED))

struct exporting {
	FILE *to;
	struct stored *stories; /* of a store: a connection of its own, for a list is running on the other */
	struct stock *stock;    /* of a table */
	uint64_t count;
	int result;
	struct ym_err *err;
};

static int cannot_write(struct ym_err *err)
{
	return ym_fail(err, YM_ERR_SYSTEM, "write() of the export: %s", errno ? strerror(errno) : "error");
}

static int write_line(struct exporting *exporting, const struct store_job *job, const struct store_story *story)
{
	errno = 0;
	if (job_line_write(exporting->to, job, story, exporting->err) < 0)
		return -1;
	exporting->count++;
	return ferror(exporting->to) ? cannot_write(exporting->err) : 0;
}

static int write_job(void *arg, const struct store_job *job)
{
	struct exporting *exporting = arg;
	struct stored *stories = exporting->stories;
	struct store_story story = {0};

	/* 1: it has just been deleted, and is as it was a moment ago. */
	if (stories && stories->driver->story(stories->store, job->id, &story, exporting->err) < 0)
		exporting->result = -1;
	else
		exporting->result = write_line(exporting, job, &story);
	store_story_free(&story);
	return exporting->result;
}

/* ---- of a store ------------------------------------------------------------------------------ */

static int export_store(const struct args *args, struct stored *stored, struct exporting *exporting)
{
	const struct store_filter filter = {
	    .states = args_flag(args, "history") ? 0 : STATES_LIVE, .level = -1, .bytes = true};
	struct stored second;
	int result;

	if (stored_read(stored, exporting->err) < 0)
		return -1;
	result = store_meant(&second, args, false, exporting->err);
	if (result == 0)
		result = stored_read(&second, exporting->err);
	exporting->stories = &second; // cppcheck-suppress autoVariables // until the end of this function
	if (result == 0)
		result = stored->driver->list(stored->store, &filter, write_job, exporting, exporting->err);
	exporting->stories = NULL;
	stored_close(&second);
	return result < 0 ? -1 : exporting->result;
}

/* ---- of a table ------------------------------------------------------------------------------ */

/* Where it stands in the order of its pool. */
static int64_t rank_of(const struct instance *instance, const struct job_sh *job)
{
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(job)];

	return store_rank(job->level, (int64_t)(atomic_load(&pool->ageing_ns) / 1000000u), wall_of(job->ready));
}

static struct store_job from_table(const struct instance *instance, const struct listed *listed,
                                   const struct job_sh *job, uint64_t word)
{
	const struct view_job *view = &listed->job;
	struct store_job out = {
	    .id = view->id,
	    .state = view_running(view) ? JOB_CLAIMED : view->state,
	    .keep = word_flags(word) & JOB_KEEP,
	    .level = (uint8_t)view->level,
	    .attempt = (uint8_t)view->attempt,
	    .attempts = (uint8_t)view->attempts,
	    .crashes = (uint8_t)view->crashes,
	    .rank = rank_of(instance, job),
	    .submitted_ms = listed->submitted_ms,
	    .due_ms = listed->due_ms,
	    .started_ms = listed->started_ms,
	    .finished_ms = job_state_over(view->state) ? listed->finished_ms : 0,
	    .timeout_ms = view->timeout_ms,
	    .done = view->done,
	    .total = view->total,
	    .reply_type = job->reply_type,
	    .reply_key = job->reply_key,
	    .reply_form = job->reply_form,
	};

	memcpy(out.pool, view->pool, sizeof(out.pool));
	memcpy(out.unit, view->unit, sizeof(out.unit));
	memcpy(out.tag, view->tag, sizeof(out.tag));
	memcpy(out.unique, view->unique, sizeof(out.unique));
	memcpy(out.error, view->error, sizeof(out.error));
	return out;
}

static int write_with_bytes(struct exporting *exporting, struct stock *stock, const struct listed *listed,
                            const struct job_sh *copy, uint64_t word)
{
	const char *directory = stock->instance->directory;
	struct store_job job = from_table(stock->instance, listed, copy, word);
	struct payload payload, result = {.fd = -1};
	struct store_story story;
	int good = payload_open(directory, copy, listed->job.slot, &payload, exporting->err);

	if (good == 0 && job.state == JOB_DONE)
		good = payload_open_result(directory, copy, listed->job.slot, &result, exporting->err);
	if (good == 0) {
		job.payload = (struct payload_source){.data = payload.data, .size = payload.size, .fd = -1};
		job.result = (struct payload_source){.data = result.data, .size = result.size, .fd = -1};
		good = stock_story(stock, listed, &story, exporting->err);
	}
	if (good == 0) {
		good = write_line(exporting, &job, &story);
		store_story_free(&story);
	}
	payload_close(&payload);
	payload_close(&result);
	return good;
}

static int write_listed(void *arg, const struct listed *listed)
{
	struct exporting *exporting = arg;
	struct job_sh copy;
	uint64_t word;

	/* It has ended meanwhile, and its slot is another one's. */
	if (!stock_copy(exporting->stock, &listed->job, &copy, &word))
		return 0;
	exporting->result = write_with_bytes(exporting, exporting->stock, listed, &copy, word);
	return exporting->result;
}

/* One that is in the table again and could not be marked in the file. */
static int write_backlog(void *arg, const struct store_job *job)
{
	struct exporting *exporting = arg;

	return stock_in_table(exporting->stock, job->id) ? 0 : write_job(arg, job);
}

static int export_table(const struct args *args, struct exporting *exporting)
{
	const struct filter all = {.state = -1, .level = -1, .first = 1, .last = FILTER_ID_MAX};
	const struct stock_query query = {
	    .filter = &all, .states = args_flag(args, "history") ? 0 : STATES_LIVE | IN(FINISHING) | IN(FIXING)};
	struct stock stock = {0};
	int result = stock_open(&stock, args, exporting->err);

	exporting->stock = &stock; // cppcheck-suppress autoVariables // likewise
	/* A backlog is there when the instance is not. */
	if (result < 0 && exporting->err->class == YM_ERR_NOT_RUNNING)
		result = 0;
	if (result == 0)
		result = stock_look(&stock, exporting->err);
	if (result == 0)
		result = stock_each(&stock, &query, write_listed, exporting, exporting->err);
	if (result == 0 && exporting->result == 0)
		result = backlog_each(stock.instance->directory, write_backlog, exporting, exporting->err);
	exporting->stock = NULL;
	stock_close(&stock, 0);
	return result < 0 ? -1 : exporting->result;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int open_output(const char *path, FILE **to, struct ym_err *err)
{
	int fd;

	*to = stdout;
	if (!path)
		return 0;
	/* Payloads are nobody else's business. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	*to = fd < 0 ? NULL : fdopen(fd, "w");
	if (*to)
		return 0;
	ym_fail_sys(err, errno, "open(\"%s\") for the export", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* It is there only if it is on the disk: what it was made from may be thrown away next. */
static int close_output(FILE *to, int result, struct ym_err *err)
{
	bool good;

	if (!to || result < 0)
		return result;
	errno = 0;
	good = fflush(to) == 0 && (to == stdout || fsync(fileno(to)) == 0);
	if (to != stdout)
		good = fclose(to) == 0 && good;
	return good ? 0 : cannot_write(err);
}

static int export_jobs(const struct args *args)
{
	struct ym_err err;
	struct exporting exporting = {.err = &err};
	struct stored stored;
	int result = store_meant(&stored, args, true, &err);

	if (result == 0)
		result = open_output(args_value(args, "output"), &exporting.to, &err);
	if (result == 0)
		result = stored.driver ? export_store(args, &stored, &exporting) : export_table(args, &exporting);
	result = close_output(exporting.to, result, &err);
	if (result == 0)
		fprintf(stderr, "%llu job%s of %s\n", (unsigned long long)exporting.count,
		        exporting.count == 1 ? "" : "s", stored.shown);
	return store_done(&stored, result, 0, &err);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"output", 'o', "FILE", "write there, not to standard output"},
    {"history", 0, NULL, "also jobs that are over, with their results"},
    {0},
};

const struct command command_store_export = {
    .verb = "export",
    .usage = STORE_USAGE,
    .summary = "write jobs as lines of JSON, with all that is known of them",
    .text = "Jobs that are not over, or are buried; with --history all. Works beside a master, but a job that runs\n"
	    "meanwhile may be done when it is imported elsewhere: to move jobs, stop the instance first. Of an\n"
	    "instance without a store, the jobs in its table and those that were kept when it was stopped.",
    .options = options,
    .most = 1,
    .run = export_jobs,
};
