/*
 * filter.h - which jobs a command means: the options that name them by what they have in common.
 */
#ifndef YM_RUNTIME_COMMANDS_FILTER_H
#define YM_RUNTIME_COMMANDS_FILTER_H

#include "command.h"
#include "listed.h"

#define FILTER_OPTIONS                                                                                                 \
	{"pool", 'p', "NAME", "only jobs of this pool"},                                                               \
	    {"state", 's', "STATE", "only jobs in this state: waiting, delayed, running, done, failed, buried, ..."},  \
	    {"tag", 't', "TEXT", "only jobs with this tag"}, {"unique", 'u', "KEY", "only jobs with this unique key"}, \
	    {"priority", 0, "LEVEL", "only jobs of this priority: 0 to 9, or its name"},                               \
	    {"error", 0, "TEXT", "only jobs with this text in their error, in capitals or not"},                       \
	    {"since", 0, "TIME", "only jobs submitted since then: 1h (ago), 10:00, 2026-11-22T10:00"},                 \
	    {"until", 0, "TIME", "only jobs submitted before then"},                                                   \
	{                                                                                                              \
		"id", 0, "A-B", "only jobs with these ids: A-B, A- or a single one"                                    \
	}

#define FILTER_ID_MAX ((uint64_t)INT64_MAX)

struct filter {
	const char *pool, *tag, *unique, *error; /* NULL: any */
	int state, level;                        /* -1: any */
	int64_t since_ms, until_ms;              /* 0: any */
	uint64_t first, last;                    /* ids: from 1 to FILTER_ID_MAX if any */
};

/* From the options. -1 with err: no such state, ... */
int filter_read(const struct args *args, struct filter *filter, struct ym_err *err);

/* -1 (YM_ERR_USAGE) if it names a pool that the instance does not have. */
int filter_check(const struct filter *filter, const struct instance *instance, struct ym_err *err);

bool filter_any(const struct filter *filter); /* does it leave anything out? */
bool filter_wants(const struct filter *filter, const struct listed *job);

/* The same for a store, that will be asked for jobs in `states` (bits, 0: any). False: it cannot have one. */
bool filter_store(const struct filter *filter, unsigned states, bool newest, struct store_filter *out);

#endif
