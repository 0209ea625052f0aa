/* verbs.c - `yardmaster cancel, bury, kick, delete`: do something to jobs that are named one by one, or by a filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "filter.h"

#define IN(state) (1u << JOB_##state)

/*
 * Verb, its past, the jobs that a filter (or --all) means unless it says --state, why others cannot, summary. The function
 * is dispatch_VERB().
 */
#define VERB_MAP(X)                                                                                                    \
	X(cancel, "cancelled", IN(READY) | IN(DELAYED) | IN(CLAIMED) | IN(FINISHING) | IN(FIXING),                     \
	  "it is over already", "cancel jobs: waiting ones at once, running ones are asked to stop")                   \
	X(bury, "buried", IN(READY) | IN(DELAYED), "only jobs that wait can be buried",                                \
	  "put waiting jobs aside, until they are kicked or deleted")                                                  \
	X(kick, "kicked", IN(BURIED), "only jobs that are buried, failed, cancelled or delayed can be kicked",         \
	  "start buried jobs anew; also failed and cancelled ones, and delayed ones at once")                          \
	X(delete, "deleted", IN(BURIED) | IN(DONE) | IN(FAILED) | IN(CANCELLED),                                       \
	  "only jobs that do not run can be deleted: cancel it first",                                                 \
	  "forget jobs that are over or buried, with their results")

struct verb {
	const char *name, *past;
	unsigned states;
	const char *cannot;
	int (*call)(struct instance *instance, struct job_ref ref, struct ym_err *err);
};

static const struct verb verbs[] = {
#define X(name, past, states, cannot, summary) {#name, past, states, cannot, dispatch_##name},
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

/* A running job was not cancelled, but asked to stop. */
static bool was_asked(const struct instance *instance, struct job_ref ref)
{
	uint64_t word = atomic_load(&instance->table->words[ref.slot]);
	enum job_state state = word_state(word);

	return word_gen(word) == ref.gen && (word_flags(word) & JOB_CANCEL) && !job_state_over(state);
}

static int complain(struct job_ref ref, const struct instance *instance, const struct verb *verb)
{
	uint64_t word = atomic_load(&instance->table->words[ref.slot]);

	fprintf(stderr, "yardmaster: job %llu is %s: %s\n", (unsigned long long)ref.id,
	        job_state_word(word_state(word)), verb->cannot);
	return ym_err_exit_code(YM_ERR_NO);
}

/* ---- one by one ------------------------------------------------------------------------------ */

static int do_one(struct instance *instance, const struct verb *verb, const char *text)
{
	struct job_ref ref;
	struct ym_err err;
	int result;

	if (client_find_job(instance, text, &ref, &err) < 0)
		return command_fail(&err);
	result = verb->call(instance, ref, &err);
	if (result < 0) {
		ym_err_prefix(&err, "job %s", text);
		return command_fail(&err);
	}
	if (result == 1)
		return complain(ref, instance, verb);
	printf("job %llu: %s\n", (unsigned long long)ref.id,
	       verb->call == dispatch_cancel && was_asked(instance, ref) ? "is running: asked to stop" : verb->past);
	return 0;
}

/* ---- by a filter ----------------------------------------------------------------------------- */

static bool means(const struct verb *verb, const struct filter *filter, const struct view_job *job)
{
	return (filter->state >= 0 || (verb->states & 1u << job->state)) && filter_wants(filter, job);
}

static const char *s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static int do_all(struct instance *instance, const struct verb *verb, const struct filter *filter)
{
	uint64_t done = 0, asked = 0;
	struct view_job *list;
	struct ym_err err;
	size_t count;
	int code = 0;

	list = filter_check(filter, instance, &err) < 0 ? NULL : view_jobs(instance, &count, &err);
	if (!list)
		return command_fail(&err);
	for (size_t i = 0; i < count; i++) {
		struct job_ref ref = {list[i].id, list[i].slot, list[i].gen};
		int result;

		if (!means(verb, filter, &list[i]))
			continue;
		result = verb->call(instance, ref, &err);
		/* Nobody named it: that it has gone on since it was listed is no error. */
		if (filter->state < 0 && (result == 1 || (result < 0 && err.class == YM_ERR_GONE)))
			continue;
		if (result == 1) {
			code = complain(ref, instance, verb);
		} else if (result < 0) {
			ym_err_prefix(&err, "job %llu", (unsigned long long)ref.id);
			command_fail(&err);
			code = ym_err_exit_code(YM_ERR_NO);
		} else if (verb->call == dispatch_cancel && was_asked(instance, ref)) {
			asked++;
		} else {
			done++;
		}
	}
	free(list);
	printf("%llu job%s %s", (unsigned long long)done, s(done), verb->past);
	if (asked)
		printf(", %llu running job%s asked to stop", (unsigned long long)asked, s(asked));
	printf("\n");
	return code;
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int check(const struct args *args, const struct filter *filter, struct ym_err *err)
{
	bool by_filter = filter_any(filter) || args_flag(args, "all");

	if (args->nrest == 0 && !by_filter)
		return ym_fail(err, YM_ERR_USAGE, "%s what? Give job ids, or --pool, --state, --tag, ..., or --all",
		               args->name);
	if (args->nrest > 0 && by_filter)
		return ym_fail(err, YM_ERR_USAGE, "give job ids, or options that say which jobs: not both");
	return 0;
}

static int run_verb(const struct args *args)
{
	const struct verb *verb = verb_of(args);
	struct instance instance;
	struct filter filter;
	struct ym_err err;
	int code = 0;

	if (filter_read(args, &filter, &err) < 0 || check(args, &filter, &err) < 0 ||
	    client_join(args, &instance, &err) < 0)
		return command_fail(&err);
	if (args->nrest == 0)
		code = do_all(&instance, verb, &filter);
	/* The worst exit code of all jobs is the command's. */
	for (int i = 0; i < args->nrest; i++) {
		int one = do_one(&instance, verb, args->rest[i]);

		code = one > code ? one : code;
	}
	return client_leave(&instance, code);
}

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    FILTER_OPTIONS,
    {"all", 'a', NULL, "all jobs that this is meant for"},
    {0},
};

#define X(name, past, states, cannot, help)                                                                            \
	const struct command command_##name = {                                                                        \
	    .verb = #name,                                                                                             \
	    .usage = "JOB ... | --pool NAME | --tag TEXT | ... | --all",                                               \
	    .summary = help,                                                                                           \
	    .options = options,                                                                                        \
	    .most = -1,                                                                                                \
	    .run = run_verb,                                                                                           \
	};
VERB_MAP(X)
#undef X
