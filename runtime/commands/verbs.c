/*
 * verbs.c - `yardmaster [jobs] cancel, bury, kick, retry, delete`: do something to jobs that are named one by one, or by a
 * filter; in the table, and in the store behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../reach.h"
#include "client.h"
#include "stock.h"

/* So many jobs at once: with a store, one transaction. */
#define TOGETHER 500

#define PATIENCE_MS 10000

#define IN(state) (1u << JOB_##state)

/*
 * Verb, its past, what is asked, the jobs that a filter (or --all) means unless it says --state, why others cannot,
 * summary, more.
 */
#define VERB_MAP(X)                                                                                                    \
	X(cancel, "cancelled", STORE_CANCEL, IN(READY) | IN(DELAYED) | IN(CLAIMED) | IN(FINISHING) | IN(FIXING),       \
	  "it is over already", "cancel jobs: waiting ones at once, running ones are asked to stop",                   \
	  "By filter or with --all: all that are not over.")                                                           \
	X(bury, "buried", STORE_BURY, IN(READY) | IN(DELAYED), "only jobs that wait can be buried",                    \
	  "put waiting jobs aside, until they are kicked or deleted",                                                  \
	  "By filter or with --all: those that wait or are delayed.")                                                  \
	X(kick, "kicked", STORE_KICK, IN(BURIED) | IN(DELAYED),                                                        \
	  "only jobs that are buried, failed, cancelled or delayed can be kicked",                                     \
	  "start buried jobs anew, and delayed ones at once; by id also failed and cancelled ones",                    \
	  "By filter or with --all: those that are buried or delayed, as beanstalkd's kick. `retry` means those "      \
	  "that\n"                                                                                                     \
	  "failed or are buried. To jobs that are named by id both do the same.")                                      \
	X(retry, "to be tried again", STORE_KICK, IN(FAILED) | IN(BURIED),                                             \
	  "only jobs that are failed, cancelled, buried or delayed can be retried",                                    \
	  "start failed and buried jobs anew, with all their attempts; by id also cancelled ones",                     \
	  "By filter or with --all: those that failed or are buried; --state cancelled: those that were cancelled.\n"  \
	  "`kick` means those that are buried or delayed. To jobs that are named by id both do the same.")             \
	X(delete, "deleted", STORE_DELETE, IN(BURIED) | IN(DONE) | IN(FAILED) | IN(CANCELLED),                         \
	  "only jobs that do not run can be deleted: cancel it first",                                                 \
	  "forget jobs that are over or buried, with their results",                                                   \
	  "By filter or with --all: those that are over or buried; --state waiting: those that wait.")

struct verb {
	const char *name, *past;
	enum store_ask ask;
	unsigned states;
	const char *cannot;
};

static const struct verb verbs[] = {
#define X(name, past, ask, states, cannot, summary, text) {#name, past, ask, states, cannot},
    VERB_MAP(X)
#undef X
};

/* The one that was typed. */
static const struct verb *verb_of(const struct args *args)
{
	const struct verb *verb = verbs;

	while (strcmp(verb->name, args->command->verb) != 0)
		verb++;
	return verb;
}

/* ---- do it ----------------------------------------------------------------------------------- */

struct doing {
	struct stock *stock;
	const struct verb *verb;
	const struct filter *filter; /* NULL: named by id */
	int64_t patience_ms;
	uint64_t ids[TOGETHER];
	size_t n;
	uint64_t done, asked;
	int code; /* the worst of all */
	bool broken;
};

static void fail(struct doing *doing, const struct ym_err *err)
{
	int code = command_fail(err);

	doing->code = code > doing->code ? code : doing->code;
}

static void complain(struct doing *doing, uint64_t id)
{
	struct listed job;
	struct ym_err err;
	int found = stock_find(doing->stock, id, &job, &err);

	if (found == 1)
		stock_no_job(doing->stock, id, &err);
	else if (found == 0)
		ym_fail(&err, YM_ERR_NO, "job %llu is %s: %s", (unsigned long long)id, job_state_word(job.job.state),
		        doing->verb->cannot);
	fail(doing, &err);
}

static void complain_of_key(struct doing *doing, uint64_t id)
{
	struct listed job = {0};
	struct ym_err err;

	if (stock_find(doing->stock, id, &job, &err) < 0)
		job.job.unique[0] = '\0';
	ym_fail(&err, YM_ERR_NO, "job %llu: another job with the unique key \"%s\" waits or runs",
	        (unsigned long long)id, job.job.unique);
	fail(doing, &err);
}

static void tell(struct doing *doing, uint64_t id, enum reach_end end, struct ym_err *err)
{
	/* Nobody named it: that it has gone on since it was listed is no error. */
	bool forgive = doing->filter && doing->filter->state < 0;

	switch (end) {
	case REACH_DONE:
	case REACH_ASKED:
		doing->done += end == REACH_DONE;
		doing->asked += end == REACH_ASKED;
		if (!doing->filter)
			printf("job %llu: %s\n", (unsigned long long)id,
			       end == REACH_ASKED ? "is running: asked to stop" : doing->verb->past);
		break;
	case REACH_CANNOT:
	case REACH_NONE:
		if (!forgive)
			complain(doing, id);
		break;
	case REACH_KEY:
		complain_of_key(doing, id);
		break;
	case REACH_FAILED:
		/* It is the same with all others. */
		if (!doing->broken) {
			ym_err_prefix(err, "job %llu", (unsigned long long)id);
			fail(doing, err);
		}
		doing->broken = true;
		break;
	}
}

static void do_batch(struct doing *doing)
{
	enum reach_end ends[TOGETHER];
	struct ym_err err = {0};

	reach_jobs(doing->stock->instance, doing->verb->ask, doing->ids, doing->n, ym_deadline(doing->patience_ms),
	           ends, &err);
	for (size_t i = 0; i < doing->n; i++)
		tell(doing, doing->ids[i], ends[i], &err);
	doing->n = 0;
}

/* ---- one by one ------------------------------------------------------------------------------ */

static void do_listed(struct doing *doing, const struct args *args)
{
	for (int i = 0; i < args->nrest && !doing->broken; i++) {
		struct ym_err err;

		if (client_id(args->rest[i], &doing->ids[doing->n], &err) < 0)
			fail(doing, &err);
		else
			doing->n++;
		if (doing->n == TOGETHER)
			do_batch(doing);
	}
	if (doing->n > 0 && !doing->broken)
		do_batch(doing);
}

/* ---- by a filter ----------------------------------------------------------------------------- */

/* --state says which; else those that the verb is meant for. */
static unsigned states_of(const struct verb *verb, const struct filter *filter)
{
	return filter->state < 0 ? verb->states : 0;
}

static int collect(void *arg, const struct listed *job)
{
	struct doing *doing = arg;

	doing->ids[doing->n++] = job->job.id;
	return doing->n == TOGETHER;
}

static int highest(void *arg, const struct listed *job)
{
	*(uint64_t *)arg = job->job.id;
	return 1;
}

static const char *s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* What would start next comes last: else it takes the place of one that was stopped, only to be stopped itself. */
static bool newest_first(const struct verb *verb)
{
	return verb->ask != STORE_KICK;
}

/*
 * A page of ids at a time: the list must not be open while the store changes. Those that come in meanwhile are not meant: it
 * would never end.
 */
static int do_pages(struct doing *doing, const struct filter *given, struct ym_err *err)
{
	struct filter filter = *given;
	struct stock_query query = {
	    .filter = &filter, .states = states_of(doing->verb, given), .newest = true, .limit = 1};
	bool more = true;

	if (stock_look(doing->stock, err) < 0)
		return -1;
	filter.last = 0;
	query.filter = given;
	if (stock_each(doing->stock, &query, highest, &filter.last, err) < 0)
		return -1;
	query.filter = &filter;
	query.newest = newest_first(doing->verb);
	query.limit = TOGETHER;
	while (more && !doing->broken && filter.first <= filter.last) {
		if (stock_each(doing->stock, &query, collect, doing, err) < 0)
			return -1;
		more = doing->n == TOGETHER;
		if (doing->n == 0)
			break;
		if (query.newest)
			filter.last = doing->ids[doing->n - 1] - 1;
		else
			filter.first = doing->ids[doing->n - 1] + 1;
		do_batch(doing);
	}
	return 0;
}

static void do_all(struct doing *doing, const struct filter *filter)
{
	struct ym_err err;

	doing->filter = filter;
	if (stock_check(doing->stock, filter, &err) < 0 || do_pages(doing, filter, &err) < 0)
		fail(doing, &err);
	if (doing->code > ym_err_exit_code(YM_ERR_NO) && doing->done + doing->asked == 0)
		return;
	printf("%llu job%s %s", (unsigned long long)doing->done, s(doing->done), doing->verb->past);
	if (doing->asked)
		printf(", %llu running job%s asked to stop", (unsigned long long)doing->asked, s(doing->asked));
	printf("\n");
}

/* ---- only tell ------------------------------------------------------------------------------- */

struct plan {
	const struct verb *verb;
	uint64_t count;
};

static int print_planned(void *arg, const struct listed *job)
{
	struct plan *plan = arg;

	plan->count++;
	printf("job %llu: %s, %s%s%s\n", (unsigned long long)job->job.id, job_state_word(job->job.state), job->job.pool,
	       job->job.tag[0] ? ", " : "", job->job.tag);
	return ferror(stdout);
}

/* Changes nothing, so it needs no master. */
static int tell_plan(const struct args *args, const struct verb *verb, const struct filter *filter)
{
	const struct stock_query query = {.filter = filter, .states = states_of(verb, filter)};
	struct plan plan = {.verb = verb};
	struct stock stock = {0};
	struct ym_err err;
	int code = 0;

	if (stock_open(&stock, args, &err) < 0 || stock_check(&stock, filter, &err) < 0 ||
	    stock_look(&stock, &err) < 0 || stock_each(&stock, &query, print_planned, &plan, &err) < 0)
		code = command_fail(&err);
	else
		printf("%llu job%s would be meant by `%s`\n", (unsigned long long)plan.count, s(plan.count),
		       verb->name);
	return stock_close(&stock, code);
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int check(const struct args *args, const struct filter *filter, struct ym_err *err)
{
	bool by_filter = filter_any(filter) || args_flag(args, "all");

	if (args->nrest == 0 && !by_filter)
		return ym_fail(err, YM_ERR_USAGE, "%s what? Give job ids, or --pool, --state, --tag, ..., or --all",
		               args->command->verb);
	if (args->nrest > 0 && by_filter)
		return ym_fail(err, YM_ERR_USAGE, "give job ids, or options that say which jobs: not both");
	if (args->nrest > 0 && args_flag(args, "dry-run"))
		return ym_fail(err, YM_ERR_USAGE, "--dry-run goes with --pool, --state, ... or --all");
	return 0;
}

static int run_verb(const struct args *args)
{
	struct stock stock = {0};
	struct doing doing = {.stock = &stock, .verb = verb_of(args)};
	struct filter filter;
	struct ym_err err;

	if (filter_read(args, &filter, &err) < 0 || check(args, &filter, &err) < 0 ||
	    args_duration(args, "patience", PATIENCE_MS, &doing.patience_ms, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "dry-run"))
		return tell_plan(args, doing.verb, &filter);
	if (stock_join(&stock, args, &err) < 0)
		return stock_close(&stock, command_fail(&err));
	if (args->nrest == 0)
		do_all(&doing, &filter);
	else
		do_listed(&doing, args);
	return stock_close(&stock, doing.code);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    FILTER_OPTIONS,
    {"all", 'a', NULL, "all jobs that this is meant for"},
    {"dry-run", 0, NULL, "list the jobs that would be meant, and do nothing"},
    {"patience", 0, "TIME", "how long to wait for an answer of the store (default 10s)"},
    {0},
};

#define X(name, past, ask, states, cannot, help, more)                                                                 \
	const struct command command_##name = {                                                                        \
	    .verb = #name,                                                                                             \
	    .usage = "JOB ... | --pool NAME | --tag TEXT | ... | --all",                                               \
	    .summary = help,                                                                                           \
	    .text = more,                                                                                              \
	    .options = options,                                                                                        \
	    .most = -1,                                                                                                \
	    .run = run_verb,                                                                                           \
	    .group = COMMAND_GROUP_JOBS,                                                                               \
	};
VERB_MAP(X)
#undef X
