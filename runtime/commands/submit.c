/* submit.c - `yardmaster submit POOL [PAYLOAD|-]`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../ipc/sys.h"
#include "../wall.h"
#include "lines.h"

/* A full table usually has room again soon. */
#define PATIENCE_MS 10000

/* More would not fit into the nanoseconds that the table counts in. */
#define CENTURY_MS (INT64_C(36525) * 24 * 3600 * 1000)

static const char safe[] = "the job is safe; workers that are still there take it, or the next master's do";

/* ---- the payload ----------------------------------------------------------------------------- */

static void put_payload(const struct payload_source *source)
{
	if (source->fd > STDIN_FILENO)
		close(source->fd);
}

/* A descriptor is handed through, to be copied in constant memory. */
static int get_payload(const struct args *args, struct payload_source *source, struct ym_err *err)
{
	const char *file = args_value(args, "file"), *text = args->nrest > 1 ? args->rest[1] : NULL;
	struct stat st;

	*source = (struct payload_source){.size = PAYLOAD_TO_END, .fd = -1};
	if (file)
		source->fd = open(file, O_RDONLY | O_CLOEXEC);
	else if (args_flag(args, "lines") || (text && strcmp(text, "-") == 0))
		source->fd = STDIN_FILENO;
	else
		*source = (struct payload_source){.data = text ? text : "", .size = text ? strlen(text) : 0, .fd = -1};
	if (source->data)
		return 0;
	if (source->fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to read the payload", file);
	/* An error of its own: the kernel's comes from a read() that names no file. */
	if (fstat(source->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		ym_fail(err, YM_ERR_USAGE, "%s is a directory: a payload is the content of one file",
		        file ? file : "stdin");
		put_payload(source);
		return -1;
	}
	return 0;
}

/* ---- options --------------------------------------------------------------------------------- */

struct order {
	struct job_request request;
	int64_t patience_ms;
	int64_t wait_ms; /* -1: as long as it takes */
};

/* What makes no sense together. */
static int check(const struct args *args, struct ym_err *err)
{
	const char *text = args->nrest > 1 ? args->rest[1] : NULL;

	if (args_flag(args, "file") && text)
		return ym_fail(err, YM_ERR_USAGE, "the payload is given twice: as an argument and with --file");
	if (args_flag(args, "lines") && text && strcmp(text, "-") != 0)
		return ym_fail(err, YM_ERR_USAGE, "the payload is given twice: as an argument and with --lines");
	if (args_flag(args, "lines") && args_flag(args, "unique"))
		return ym_fail(err, YM_ERR_USAGE, "--unique and --lines: only the first line would become a job");
	if (args_flag(args, "delay") && args_flag(args, "at"))
		return ym_fail(err, YM_ERR_USAGE, "--delay and --at both say when: give one of them");
	if (args_flag(args, "wait-timeout") && !args_flag(args, "wait"))
		return ym_fail(err, YM_ERR_USAGE,
		               "--wait-timeout goes with --wait; the time limit of the job itself is --timeout");
	return 0;
}

/* A moment that has passed is now. */
static int read_moment(const char *text, struct job_request *request, struct ym_err *err)
{
	int64_t now = ym_unix_ms();
	char why[CFG_WHY_MAX];

	if (wall_parse(text, now, &request->at_ms, why) < 0)
		return ym_fail(err, YM_ERR_USAGE, "--at: %s", why);
	if (request->at_ms > now + CENTURY_MS)
		return ym_fail(err, YM_ERR_USAGE, "--at: \"%.40s\" is more than a century ahead", text);
	if (request->at_ms < now)
		request->at_ms = 0;
	return 0;
}

static int read_options(const struct args *args, struct order *order, struct ym_err *err)
{
	const char *priority = args_value(args, "priority"), *at = args_value(args, "at");
	struct job_request *request = &order->request;
	char why[CFG_WHY_MAX];
	int64_t level;

	*order = (struct order){.request = {JOB_REQUEST_INIT, .tag = args_value(args, "tag"),
	                                    .unique = args_value(args, "unique"), .keep = args_flag(args, "keep")}};
	if (check(args, err) < 0 || args_duration(args, "delay", 0, &request->delay_ms, err) < 0 ||
	    args_duration(args, "timeout", -1, &request->timeout_ms, err) < 0 ||
	    args_duration(args, "wait-timeout", -1, &order->wait_ms, err) < 0 ||
	    args_duration(args, "patience", PATIENCE_MS, &order->patience_ms, err) < 0)
		return -1;
	if (request->delay_ms > CENTURY_MS || request->timeout_ms > CENTURY_MS)
		return ym_fail(err, YM_ERR_USAGE, "--%s: more than 100 years",
		               request->delay_ms > CENTURY_MS ? "delay" : "timeout");
	if (priority && cfg_parse_level(priority, &level, why) < 0)
		return ym_fail(err, YM_ERR_USAGE, "--priority: %s", why);
	if (priority)
		request->level = (int)level;
	if (at && read_moment(at, request, err) < 0)
		return -1;
	if (request->unique && !*request->unique)
		return ym_fail(err, YM_ERR_USAGE, "--unique: the key is empty");
	return 0;
}

/* ---- one job --------------------------------------------------------------------------------- */

/* `existed`: it is another one's with the same key, who may want its result, too. */
static int wait_for(struct outcome *outcome, struct job_ref ref, bool existed, bool keep)
{
	bool ours = existed ? outcome_keep(outcome, ref) : !keep;
	int code = outcome_of(outcome, ref);

	if (ours)
		outcome_let_go(outcome, ref);
	return code;
}

/* Only a master writes to the store. */
static void note_store(struct outcome *outcome)
{
	if (table_stored(outcome->instance->table))
		client_note_master(outcome->instance, "waiting for one, who has to write the job to the store",
		                   &outcome->warned);
}

static int submit_one(const struct args *args, struct outcome *outcome, struct order *order, struct ym_err *err)
{
	struct job_request *request = &order->request;
	bool keep = request->keep, wait = args_flag(args, "wait");
	struct job_ref ref;
	int result;

	request->keep |= wait;
	request->deadline = ym_deadline(order->patience_ms);
	note_store(outcome);
	result = submit_job(outcome->instance, request, &ref, err);
	if (result < 0 || client_confirm(outcome->instance, err) < 0)
		return command_fail(err);
	if (result == 1)
		fprintf(stderr,
		        "yardmaster: job %llu with the unique key \"%s\" is not over yet: nothing was submitted\n",
		        (unsigned long long)ref.id, request->unique);
	client_note_master(outcome->instance, safe, &outcome->warned);
	if (wait)
		return wait_for(outcome, ref, result == 1, keep);
	if (!args_flag(args, "quiet"))
		printf("%llu\n", (unsigned long long)ref.id);
	return 0;
}

static int submit_lines(const struct args *args, struct outcome *outcome, const struct order *order)
{
	const struct lines_order lines = {.request = order->request,
	                                  .patience_ms = order->patience_ms,
	                                  .wait = args_flag(args, "wait"),
	                                  .quiet = args_flag(args, "quiet")};

	outcome->several = true;
	note_store(outcome);
	client_note_master(outcome->instance, safe, &outcome->warned);
	return lines_submit(outcome, &lines, order->request.payload.fd);
}

static int submit_there(const struct args *args, struct instance *instance, struct order *order, struct ym_err *err)
{
	struct outcome outcome = {
	    .instance = instance, .deadline = ym_deadline(order->wait_ms), .quiet = args_flag(args, "quiet")};
	int pool = client_pool(instance, args->rest[0], err), code;

	if (pool < 0 || get_payload(args, &order->request.payload, err) < 0)
		return command_fail(err);
	order->request.pool = (unsigned)pool;
	code = args_flag(args, "lines") ? submit_lines(args, &outcome, order) : submit_one(args, &outcome, order, err);
	put_payload(&order->request.payload);
	return code;
}

static int submit(const struct args *args)
{
	struct instance instance;
	struct order order;
	struct ym_err err;

	if (read_options(args, &order, &err) < 0 || client_join(args, &instance, &err) < 0)
		return command_fail(&err);
	return client_leave(&instance, submit_there(args, &instance, &order, &err));
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"file", 'f', "FILE", "the payload is the content of FILE"},
    {"lines", 'l', NULL, "a job for each line of stdin (or of --file); the ids are printed in their order"},
    {"tag", 't', "TEXT", "a name of your own for the job, at most 47 bytes"},
    {"unique", 'u', "KEY", "unless a job of the pool with this key waits or runs: then print the id of that one"},
    {"priority", 'p', "LEVEL", "0 (first) to 9, or urgent, high, normal, low, idle (default: as the pool says)"},
    {"delay", 0, "TIME", "not before this time has passed"},
    {"at", 0, "MOMENT", "not before: 2026-11-22T10:00, 10:00 (today or tomorrow), @UNIX-SECONDS"},
    {"timeout", 0, "TIME", "the most an attempt may take, 0: no limit (default: as the pool says)"},
    {"wait", 'w', NULL, "wait until the job is over; print its result, or why it failed"},
    {"wait-timeout", 0, "TIME", "with --wait: not longer than this (exit code 1); the job goes on"},
    {"keep", 'k', NULL, "keep the result for result_ttl, for `yardmaster wait`"},
    {"patience", 0, "TIME", "how long to wait for room when the table is full (default 10s, 0: not at all)"},
    {"quiet", 'q', NULL, "print no ids and no results; with --lines only how many jobs were taken in"},
    {0},
};

const struct command command_submit = {
    .verb = "submit",
    .usage = "POOL [PAYLOAD | -] [OPTIONS]",
    .summary = "submit a job, or many; prints its id, or with --wait its result",
    .text = "The payload is the argument, or stdin for \"-\", or a file with --file; without any it is empty.\n"
	    "Once the id is printed, the job will be run at least once, whatever process dies.",
    .options = options,
    .least = 1,
    .most = 2,
    .run = submit,
    .group = COMMAND_GROUP_JOBS,
};
