/* filter.c - options that choose jobs. */
#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/values.h"
#include "../../ipc/sys.h"
#include "../wall.h"
#include "client.h"

#define DAY_MS INT64_C(86400000)

/* In which a store has jobs. */
#define IN(state)    (1u << JOB_##state)
#define STORE_STATES (IN(READY) | IN(DELAYED) | IN(CLAIMED) | IN(BURIED) | IN(DONE) | IN(FAILED) | IN(CANCELLED))

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

/* "1h" is so long ago; "10:00" was the last time that the clock showed it. */
static int read_moment(const struct args *args, const char *name, int64_t *unix_ms, struct ym_err *err)
{
	const char *text = args_value(args, name);
	int64_t now = ym_unix_ms(), ago;
	char why[CFG_WHY_MAX];

	*unix_ms = 0;
	if (!text || wall_parse(text, now - DAY_MS, unix_ms, why) == 0)
		return 0;
	if (cfg_parse_duration(text, &ago, why) < 0 || ago < 0 || ago > now)
		return ym_fail(err, YM_ERR_USAGE,
		               "--%s: \"%.80s\" is no time: write 90s, 1h or 7d (ago), 10:00, 2026-11-22T10:00 or "
		               "@UNIX-SECONDS",
		               name, text);
	*unix_ms = now - ago;
	return 0;
}

/* Digits; anything else behind them is left to the caller. */
static bool read_id(const char **at, uint64_t *id)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*id = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0 && *id <= FILTER_ID_MAX;
}

static int read_ids(const char *text, struct filter *filter, struct ym_err *err)
{
	const char *at = text;
	bool good;

	filter->first = 1;
	filter->last = FILTER_ID_MAX;
	if (!text)
		return 0;
	good = read_id(&at, &filter->first);
	if (good && !*at)
		filter->last = filter->first;
	else if (good && strcmp(at, "-") != 0)
		good = *at++ == '-' && read_id(&at, &filter->last) && !*at && filter->first <= filter->last;
	return good ? 0 : ym_fail(err, YM_ERR_USAGE, "--id: \"%.80s\" is no id, nor a range like 100-200", text);
}

int filter_read(const struct args *args, struct filter *filter, struct ym_err *err)
{
	const char *level = args_value(args, "priority");
	char why[CFG_WHY_MAX];
	int64_t number = -1;

	*filter = (struct filter){.pool = args_value(args, "pool"),
	                          .tag = args_value(args, "tag"),
	                          .unique = args_value(args, "unique"),
	                          .error = args_value(args, "error")};
	if (read_state(args_value(args, "state"), &filter->state, err) < 0 ||
	    read_moment(args, "since", &filter->since_ms, err) < 0 ||
	    read_moment(args, "until", &filter->until_ms, err) < 0 || read_ids(args_value(args, "id"), filter, err) < 0)
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
	return filter->pool || filter->tag || filter->unique || filter->error || filter->state >= 0 ||
	       filter->level >= 0 || filter->since_ms || filter->until_ms || filter->first > 1 ||
	       filter->last < FILTER_ID_MAX;
}

static bool same(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

bool filter_wants(const struct filter *filter, const struct listed *listed)
{
	const struct view_job *job = &listed->job;

	return same(filter->pool, job->pool) && same(filter->tag, job->tag) && same(filter->unique, job->unique) &&
	       (!filter->error || strcasestr(job->error, filter->error)) &&
	       (filter->state < 0 || filter->state == (int)job->state) &&
	       (filter->level < 0 || filter->level == (int)job->level) && job->id >= filter->first &&
	       job->id <= filter->last && (!filter->since_ms || listed->submitted_ms >= filter->since_ms) &&
	       (!filter->until_ms || listed->submitted_ms < filter->until_ms);
}

bool filter_store(const struct filter *filter, unsigned states, bool newest, struct store_filter *out)
{
	unsigned wanted = filter->state < 0 ? STORE_STATES : STORE_STATES & 1u << filter->state;

	wanted &= states ? states : STORE_STATES;
	*out = (struct store_filter){
	    .pool = filter->pool,
	    .tag = filter->tag,
	    .unique = filter->unique,
	    .error = filter->error,
	    .states = wanted == STORE_STATES ? 0 : wanted,
	    .level = filter->level,
	    .since_ms = filter->since_ms,
	    .until_ms = filter->until_ms,
	    .newest = newest,
	};
	if (newest)
		out->after = filter->last < FILTER_ID_MAX ? filter->last + 1 : 0;
	else
		out->after = filter->first - 1;
	return wanted != 0;
}
