/* describe.h - one job in words, for the list, for `show` and for programs. */
#ifndef YM_RUNTIME_COMMANDS_DESCRIBE_H
#define YM_RUNTIME_COMMANDS_DESCRIBE_H

#include "../json.h"
#include "listed.h"

#define DESCRIBE_MAX (JOB_ERROR_MAX + TABLE_NAME_MAX + 64)

/* Why it is where it is: what it waits for, its last error; "" if there is nothing to say. Returns `out`. */
const char *describe_why(const struct listed *listed, char out[DESCRIBE_MAX]);

/* How long it waited and ran, in ms: from its submission to its end, or to now. */
int64_t describe_age(const struct listed *listed);

/* Of its last attempt, so far, in ms; -1: there was none. */
int64_t describe_run(const struct listed *listed);

/* Its members, into an object that is open. */
void describe_json(struct json *json, const struct listed *listed);
/* "story", "last_note" and "stderr". */
void describe_json_story(struct json *json, const struct store_story *story);

#endif
