/* filter.c - options that choose jobs. */
#include "filter.h"

#include <stdio.h>
#include <string.h>

#include "../../config/values.h"
#include "client.h"

/* -1: any. */
static int read_state(const char *text, int *state, struct ym_err *err)
{
	char known[256] = "";

	*state = -1;
	for (int i = JOB_READY; text && i < JOB_STATES; i++) {
		const char *word = job_state_word((enum job_state)i);

		if (strcmp(word, text) == 0) {
			*state = i;
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", known[0] ? ", " : "", word);
	}
	return text ? ym_fail(err, YM_ERR_USAGE, "--state: \"%.80s\" is no state; there are %s", text, known) : 0;
}

int filter_read(const struct args *args, struct filter *filter, struct ym_err *err)
{
	const char *level = args_value(args, "priority");
	char why[CFG_WHY_MAX];
	int64_t number = -1;

	*filter = (struct filter){
	    .pool = args_value(args, "pool"), .tag = args_value(args, "tag"), .unique = args_value(args, "unique")};
	if (read_state(args_value(args, "state"), &filter->state, err) < 0)
		return -1;
	if (level && cfg_parse_level(level, &number, why) < 0)
		return ym_fail(err, YM_ERR_USAGE, "--priority: %s", why);
	filter->level = (int)number;
	return 0;
}

int filter_check(const struct filter *filter, const struct instance *instance, struct ym_err *err)
{
	/* Without a table there will be no jobs either, and another error. */
	if (!filter->pool || !instance->table)
		return 0;
	return client_pool(instance, filter->pool, err) < 0 ? -1 : 0;
}

bool filter_any(const struct filter *filter)
{
	return filter->pool || filter->tag || filter->unique || filter->state >= 0 || filter->level >= 0;
}

static bool same(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

bool filter_wants(const struct filter *filter, const struct view_job *job)
{
	return same(filter->pool, job->pool) && same(filter->tag, job->tag) && same(filter->unique, job->unique) &&
	       (filter->state < 0 || filter->state == (int)job->state) &&
	       (filter->level < 0 || filter->level == (int)job->level);
}
