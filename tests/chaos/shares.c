/* shares.c - intervals, and how they overlap. */
#include "shares.h"

#include <stdio.h>
#include <stdlib.h>

#include "site.h"

/* How long it may take from a start to its note when the worker is not stopped. */
#define RATE_NOTED_NS  UINT64_C(50000000)
#define RATE_WINDOW_NS UINT64_C(200000000)
#define SECOND_NS      UINT64_C(1000000000)

struct span {
	uint64_t from, to;
	unsigned group, units, job;
};

struct spans {
	struct span *all;
	size_t count, room;
};

static void add(struct spans *spans, struct span span)
{
	if (span.to <= span.from || span.units == 0)
		return;
	if (spans->count == spans->room) {
		spans->room = spans->room ? 2 * spans->room : 1024;
		spans->all = realloc(spans->all, spans->room * sizeof(*spans->all));
		if (!spans->all)
			site_die("memory for spans");
	}
	spans->all[spans->count++] = span;
}

static int by_time(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

/* The most units of one group at one time, at the start of some span; *at is that one. */
static unsigned most(struct spans *spans, unsigned group, const struct span **at)
{
	unsigned best = 0;
	size_t first = 0;

	*at = NULL;
	for (size_t i = 0; i < spans->count; i++) {
		unsigned units = 0;

		if (spans->all[i].group != group)
			continue;
		/* What began a minute ago is over. */
		while (spans->all[first].group != group || spans->all[first].from + 60 * SECOND_NS < spans->all[i].from)
			first++;
		for (size_t j = first; j <= i; j++)
			if (spans->all[j].group == group && spans->all[j].to > spans->all[i].from)
				units += spans->all[j].units;
		if (units > best) {
			best = units;
			*at = &spans->all[i];
		}
	}
	return best;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static bool ends_run(const struct ledger_event *event, const struct ledger_event *start)
{
	return event->pid == start->pid &&
	       (event->kind == LEDGER_END || event->kind == LEDGER_BACK || event->kind == LEDGER_RETRY ||
	        event->kind == LEDGER_CRASH || event->kind == LEDGER_HANG);
}

/* Until when it was certainly running; its start if that is not known. */
static uint64_t end_of_run(const struct events *events, size_t start)
{
	const struct ledger_event *from = &events->all[start];
	size_t i = events->next[start];
	uint64_t end = from->ns, worker, command;

	while (i != EVENTS_NONE && events->all[i].kind != LEDGER_START && !ends_run(&events->all[i], from))
		i = events->next[i];
	if (i != EVENTS_NONE && ends_run(&events->all[i], from))
		end = events->all[i].ns;
	worker = events_killed(events, from->worker, from->ns - SECOND_NS, end);
	command = events_killed(events, from->pid, from->ns - SECOND_NS, end);
	if (worker && worker < end)
		end = worker;
	return command && command < end ? command : end;
}

static uint64_t end_of_hold(const struct events *events, size_t start)
{
	const struct ledger_event *from = &events->all[start];

	for (size_t i = start + 1; i < events->count; i++) {
		const struct ledger_event *event = &events->all[i];

		if (event->worker == from->worker && (event->kind == LEDGER_RELEASE || event->kind == LEDGER_STRIKE))
			return event->ns;
	}
	return from->ns;
}

static void check_limits(const struct events *events)
{
	struct spans spans = {0};
	const struct span *at;

	for (size_t i = 0; i < events->count; i++) {
		const struct ledger_event *event = &events->all[i];

		if (event->kind == LEDGER_HOLD)
			add(&spans, (struct span){event->ns, end_of_hold(events, i), (unsigned)event->value, 1, 0});
		for (unsigned limit = 0; event->kind == LEDGER_START && limit < SITE_LIMITS; limit++)
			add(&spans, (struct span){event->ns, end_of_run(events, i), limit,
			                          site_units((char)event->value, limit), event->job});
	}
	qsort(spans.all, spans.count, sizeof(*spans.all), by_time);
	for (unsigned limit = 0; limit < SITE_LIMITS; limit++) {
		unsigned units = most(&spans, limit, &at);

		printf("limit %s: at most %u of %d units at a time\n", site_limits[limit], units,
		       site_limit_max[limit]);
		if (units > (unsigned)site_limit_max[limit] &&
		    site_problem("%u units of limit %s were taken when job %u ran", units, site_limits[limit], at->job))
			events_tell(events, at->job);
	}
	free(spans.all);
}

/* ---- rates ----------------------------------------------------------------------------------- */

/*
 * A start may be noted long after it was allowed, when its worker was stopped in between: but only one of each worker,
 * and there are never more workers than those of two masters.
 */
static void check_rate(const struct events *events)
{
	const unsigned allowed =
	    (unsigned)(SITE_RATE * (RATE_WINDOW_NS + RATE_NOTED_NS) / SECOND_NS) + 2 * SITE_RATE_WORKERS + 1;
	uint64_t *starts = malloc(events->count * sizeof(*starts) + 1);
	unsigned best = 0;
	size_t n = 0;

	if (!starts)
		site_die("memory for starts");
	for (size_t i = 0; i < events->count; i++)
		if (events->all[i].kind == LEDGER_START &&
		    events->all[i].value == (unsigned char)site_pools[SITE_rated][0])
			starts[n++] = events->all[i].ns;
	for (size_t i = 0, first = 0; i < n; i++) {
		while (starts[i] - starts[first] > RATE_WINDOW_NS)
			first++;
		if (i - first + 1 > best)
			best = (unsigned)(i - first + 1);
	}
	printf("rate: at most %u starts in %llu ms, %u are possible\n", best,
	       (unsigned long long)(RATE_WINDOW_NS / 1000000u), allowed);
	if (best > allowed)
		site_problem("%u starts of a pool with a rate of %d a second within %llu ms", best, SITE_RATE,
		             (unsigned long long)(RATE_WINDOW_NS / 1000000u));
	free(starts);
}

/* ---- unique keys ----------------------------------------------------------------------------- */

/*
 * Lives of a job: from its acceptance or first start to the last note of a task it certainly lived. Who is cancelled,
 * deleted or buried may give up his key then; who is kicked gets it back.
 */
static void add_lives(struct spans *spans, const struct events *events, unsigned job)
{
	struct span span = {.job = job, .units = 1};
	bool gone = false;

	for (size_t i = events->first[job]; i != EVENTS_NONE; i = events->next[i]) {
		const struct ledger_event *event = &events->all[i];
		bool run = event->kind >= LEDGER_START && event->kind <= LEDGER_CRASH;

		if (event->kind == LEDGER_SUBMIT && LEDGER_KEY(event->value))
			span.group = LEDGER_KEY(event->value) << 8 | (unsigned char)LEDGER_POOL(event->value);
		if (span.group == 0)
			continue;
		if (event->kind == LEDGER_CANCEL || event->kind == LEDGER_DELETE || event->kind == LEDGER_BURY) {
			add(spans, span);
			span.from = span.to = 0;
			gone = true;
		}
		gone &= event->kind != LEDGER_KICK;
		if (gone)
			continue;
		if (span.from == 0 && (run || event->kind == LEDGER_ACCEPTED))
			span.from = event->ns;
		if (run)
			span.to = event->ns;
	}
	add(spans, span);
}

static void check_keys(const struct events *events)
{
	struct spans spans = {0};
	unsigned shown = 0;

	for (unsigned job = 1; job < events->jobs; job++)
		add_lives(&spans, events, job);
	if (spans.count > 0)
		qsort(spans.all, spans.count, sizeof(*spans.all), by_time);
	for (size_t i = 1; i < spans.count; i++) {
		const struct span *a = &spans.all[i - 1], *b = &spans.all[i];

		if (a->group != b->group || b->from >= a->to || shown++ > 3)
			continue;
		if (site_problem("jobs %u and %u of pool %c lived at the same time with key %u", a->job, b->job,
		                 (char)(a->group & 0xff), a->group >> 8)) {
			events_tell(events, a->job);
			events_tell(events, b->job);
		}
	}
	printf("unique keys: %zu lives of jobs that had one\n", spans.count);
	free(spans.all);
}

void shares_check(const struct events *events)
{
	check_limits(events);
	check_rate(events);
	check_keys(events);
}
