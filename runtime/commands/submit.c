/* submit.c - `yardmaster submit POOL [PAYLOAD|-]`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../config/nearest.h"
#include "../../ipc/sys.h"
#include "../submit.h"
#include "../transfer.h"
#include "../view.h"
#include "command.h"

/* A full table usually has room again soon. */
#define PATIENCE_MS 10000

/* How long a master may take to start. */
#define STARTING_MS      5000
#define STARTING_LOOK_NS 5000000

/* While waiting for a job: how often to see whether there still is a master. */
#define LOOK_MS 2000

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
	if (file && text)
		return ym_fail(err, YM_ERR_USAGE, "the payload is given twice: as an argument and with --file");
	if (file)
		source->fd = open(file, O_RDONLY | O_CLOEXEC);
	else if (text && strcmp(text, "-") == 0)
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

static int find_pool(const struct instance *instance, const char *name, struct ym_err *err)
{
	struct cfg_nearest near = {.word = name};
	int pool = table_pool(instance->table, name);

	if (pool >= 0)
		return pool;
	for (int i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&instance->table->pools[i].used))
			cfg_nearest_offer(&near, instance->table->pools[i].name);
	return ym_fail(err, YM_ERR_USAGE, "instance %s has no pool \"%s\"%s%s%s", instance->name, name,
	               near.best ? ": did you mean \"" : "", near.best ? near.best : "", near.best ? "\"?" : "");
}

/* A master that is just starting has not entered its pools yet. */
static void await_pools(struct instance *instance)
{
	uint64_t deadline = ym_deadline(STARTING_MS);

	while (atomic_load(&instance->board->instance.master_state) == BOARD_MASTER_NONE && view_master(instance) &&
	       ym_now_ns() < deadline)
		ym_nap(STARTING_LOOK_NS);
}

static void warn_without_master(struct instance *instance, bool *warned)
{
	if (*warned || view_master(instance))
		return;
	*warned = true;
	fprintf(stderr,
	        "yardmaster: instance %s has no master right now: the job is safe; workers that are still there take "
	        "it, or the "
	        "next master's do\n",
	        instance->name);
}

static int print_payload(struct payload *result, struct ym_err *err)
{
	uint64_t copied = 0;
	enum transfer_end end;

	if (payload_path(result))
		end = transfer(STDOUT_FILENO, payload_fd(result, err), result->size, &copied);
	else
		end = transfer_write(STDOUT_FILENO, result->data, result->size, &copied);
	if (end != TRANSFER_DONE)
		return ym_fail_sys(err, errno, "%s the result, after %llu of %zu bytes",
		                   end == TRANSFER_NO_READ ? "read() of" : "write() to stdout of",
		                   (unsigned long long)copied, result->size);
	/* A text on a terminal ends with a newline; bytes for another program are left as they are. */
	if (result->size > 0 && ((const char *)result->data)[result->size - 1] != '\n' && isatty(STDOUT_FILENO))
		transfer_write(STDOUT_FILENO, "\n", 1, &copied);
	return 0;
}

static int print_result(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	struct payload result;
	int printed =
	    payload_open_result(instance->directory, table_job(instance->table, ref.slot), ref.slot, &result, err);

	if (printed == 0)
		printed = print_payload(&result, err);
	payload_close(&result);
	return printed;
}

static int wait_for(struct instance *instance, struct job_ref ref, int64_t timeout_ms, bool warned)
{
	uint64_t deadline = ym_deadline(timeout_ms), word;
	struct ym_err err;
	int result;

	do {
		uint64_t look = ym_deadline(LOOK_MS);

		result = dispatch_wait(instance, ref, look < deadline ? look : deadline, &word, &err);
		if (result == 1)
			warn_without_master(instance, &warned);
	} while (result == 1 && ym_now_ns() < deadline);
	if (result < 0)
		return command_fail(&err);
	if (result == 1) {
		fprintf(stderr, "yardmaster: job %llu is not over yet (%s)\n", (unsigned long long)ref.id,
		        job_state_word(word_state(word)));
		return ym_err_exit_code(YM_ERR_TIMEOUT);
	}
	if (word_state(word) == JOB_DONE) {
		result = print_result(instance, ref, &err) < 0 ? command_fail(&err) : 0;
	} else {
		const char *error = table_job(instance->table, ref.slot)->error;

		fprintf(stderr, "yardmaster: job %llu %s%s%.*s\n", (unsigned long long)ref.id,
		        job_state_word(word_state(word)), *error ? ": " : "", JOB_ERROR_MAX, error);
		result = ym_err_exit_code(YM_ERR_NO);
	}
	dispatch_forget(instance, ref);
	return result;
}

static int submit_one(struct instance *instance, const struct args *args, struct ym_err *err)
{
	struct job_request request = {JOB_REQUEST_INIT, .tag = args_value(args, "tag"),
	                              .keep = args_flag(args, "wait")};
	int64_t timeout, patience;
	int pool;
	struct job_ref ref;
	bool warned = false;
	int result;

	await_pools(instance);
	pool = find_pool(instance, args->rest[0], err);
	if (pool < 0 || args_duration(args, "timeout", -1, &timeout, err) < 0 ||
	    args_duration(args, "patience", PATIENCE_MS, &patience, err) < 0)
		return command_fail(err);
	if (get_payload(args, &request.payload, err) < 0)
		return command_fail(err);
	request.pool = (unsigned)pool;
	request.deadline = ym_deadline(patience);
	result = submit_job(instance, &request, &ref, err);
	put_payload(&request.payload);
	if (result < 0)
		return command_fail(err);
	warn_without_master(instance, &warned);
	if (args_flag(args, "wait"))
		return wait_for(instance, ref, timeout, warned);
	printf("%llu\n", (unsigned long long)ref.id);
	return 0;
}

static int submit(const struct args *args)
{
	struct instance instance;
	struct ym_err err, leave_err;
	int code;

	if (args_instance(args, &instance, &err) < 0 || instance_join(&instance, "client", NULL, &err) < 0)
		return command_fail(&err);
	code = submit_one(&instance, args, &err);
	if (instance_leave(&instance, NULL, &leave_err) < 0)
		command_fail(&leave_err);
	return code;
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    {"file", 'f', "FILE", "the payload is the content of FILE"},
    {"tag", 't', "TEXT", "a name of your own for the job, at most 47 bytes"},
    {"wait", 'w', NULL, "wait until the job is over; print its result, or why it failed"},
    {"timeout", 0, "TIME", "with --wait: not longer than this (exit code 1)"},
    {"patience", 0, "TIME", "how long to wait for room when the table is full (default 10s)"},
    {0},
};

const struct command command_submit = {
    .verb = "submit",
    .usage = "POOL [PAYLOAD | -] [OPTIONS]",
    .summary = "submit a job; prints its id, or with --wait its result",
    .text = "The payload is the argument, or stdin for \"-\", or a file with --file; without any it is empty.\n"
	    "Once the id is printed, the job will be run at least once, whatever process dies.",
    .options = options,
    .least = 1,
    .most = 2,
    .run = submit,
};
