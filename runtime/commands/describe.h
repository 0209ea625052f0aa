/* describe.h - one job in words, for the list, for `show` and for programs. */
#ifndef YM_RUNTIME_COMMANDS_DESCRIBE_H
#define YM_RUNTIME_COMMANDS_DESCRIBE_H

#include "../json.h"
#include "../view.h"

#define DESCRIBE_MAX (JOB_ERROR_MAX + TABLE_NAME_MAX + 64)

/* Why it is where it is: what it waits for, its last error; "" if there is nothing to say. Returns `out`. */
const char *describe_why(const struct view_job *job, char out[DESCRIBE_MAX]);

/* From when to when it waited and ran, in nanoseconds: from its submission to its end, or to now. */
uint64_t describe_age(const struct view_job *job);

/* Of its last attempt, so far; 0: there was none. */
uint64_t describe_run(const struct view_job *job);

/* When it will be started at the earliest, unix time in ms; 0: it is not delayed. */
int64_t describe_due(const struct view_job *job);

/* Its members, into an object that is open. */
void describe_json(struct json *json, const struct view_job *job);

#endif
