/* cancel.c - `yardmaster cancel JOB ...`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../dispatch.h"
#include "command.h"

/* The worst exit code of all jobs is the command's. */
static int cancel_one(struct instance *instance, const char *text)
{
	struct job_ref ref = {0};
	struct ym_err err;
	uint64_t word;
	int64_t slot;
	char *end;
	int result;

	errno = 0;
	ref.id = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-') {
		fprintf(stderr, "yardmaster: \"%s\" is no job id\n", text);
		return ym_err_exit_code(YM_ERR_USAGE);
	}
	slot = table_find(instance->table, ref.id, &word);
	if (slot < 0) {
		fprintf(stderr, "yardmaster: there is no job %s\n", text);
		return ym_err_exit_code(YM_ERR_NO);
	}
	ref.slot = (uint32_t)slot;
	ref.gen = word_gen(word);
	result = dispatch_cancel(instance, ref, &err);
	if (result < 0)
		return command_fail(&err);
	word = atomic_load(&instance->table->words[ref.slot]);
	printf("job %s: %s\n", text,
	       result == 1                         ? "is over already"
	       : word_state(word) == JOB_CANCELLED ? "cancelled"
	                                           : "is running: asked to stop");
	return result == 1 ? ym_err_exit_code(YM_ERR_NO) : 0;
}

static int cancel(const struct args *args)
{
	struct instance instance;
	struct ym_err err;
	int code = 0;

	if (args_instance(args, &instance, &err) < 0 || instance_join(&instance, "client", NULL, &err) < 0)
		return command_fail(&err);
	for (int i = 0; i < args->nrest; i++) {
		int one = cancel_one(&instance, args->rest[i]);

		code = one > code ? one : code;
	}
	if (instance_leave(&instance, NULL, &err) < 0)
		return command_fail(&err);
	return code;
}

static const struct option_row options[] = {INSTANCE_OPTIONS, {0}};

const struct command command_cancel = {
    .verb = "cancel",
    .usage = "JOB ... [OPTIONS]",
    .summary = "cancel jobs: waiting ones at once, running ones are asked to stop",
    .options = options,
    .least = 1,
    .most = -1,
    .run = cancel,
};
