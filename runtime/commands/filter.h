/*
 * filter.h - which jobs a command means: the options that name them by what they have in common.
 */
#ifndef YM_RUNTIME_COMMANDS_FILTER_H
#define YM_RUNTIME_COMMANDS_FILTER_H

#include "../view.h"
#include "command.h"

#define FILTER_OPTIONS                                                                                                 \
	{"pool", 'p', "NAME", "only jobs of this pool"},                                                               \
	    {"state", 's', "STATE", "only jobs in this state: waiting, delayed, running, done, failed, buried, ..."},  \
	    {"tag", 't', "TEXT", "only jobs with this tag"}, {"unique", 'u', "KEY", "only jobs with this unique key"}, \
	{                                                                                                              \
		"priority", 0, "LEVEL", "only jobs of this priority: 0 to 9, or its name"                              \
	}

struct filter {
	const char *pool, *tag, *unique; /* NULL: any */
	int state, level;                /* -1: any */
};

/* From the options. -1 with err: no such state, ... */
int filter_read(const struct args *args, struct filter *filter, struct ym_err *err);

/* -1 (YM_ERR_USAGE) if it names a pool that the instance does not have. */
int filter_check(const struct filter *filter, const struct instance *instance, struct ym_err *err);

bool filter_any(const struct filter *filter); /* does it leave anything out? */
bool filter_wants(const struct filter *filter, const struct view_job *job);

#endif
