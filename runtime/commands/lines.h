/*
 * lines.h - `yardmaster submit --lines`: a job for each line of a stream.
 *
 * What has been read is submitted at once, many lines together, before more is read: a slow writer's line does not wait
 * for the next one. With `wait` the results come in the order of the lines; while the table is full, those of the first
 * ones make room for more.
 */
#ifndef YM_RUNTIME_COMMANDS_LINES_H
#define YM_RUNTIME_COMMANDS_LINES_H

#include "../submit.h"
#include "outcome.h"

struct lines_order {
	struct job_request request; /* of each job; its payload is not used */
	int64_t patience_ms;        /* how long to wait for room without any progress */
	bool wait;
	bool quiet; /* no ids (or results), only their number at the end */
};

/* Returns the exit code. */
int lines_submit(struct outcome *outcome, const struct lines_order *order, int fd);

#endif
