/*
 * listed.h - a job as commands show it, whether the table or the store told of it.
 */
#ifndef YM_RUNTIME_COMMANDS_LISTED_H
#define YM_RUNTIME_COMMANDS_LISTED_H

#include "../store.h"
#include "../view.h"

struct listed {
	struct view_job job;                           /* but for its moments, which a store has on the wall: */
	int64_t submitted_ms, started_ms, finished_ms; /* unix time; 0: none */
	int64_t due_ms;                                /* of a delayed one */
	char node[STORE_NODE_MAX]; /* that has it or had it, as far as a store of many nodes knows */
	bool in_store;             /* as the store has it: not in the table, or over for it */
};

/* `node`: of the instance whose table it is; "": there are no others. */
void listed_view(struct listed *listed, const struct view_job *job, const char *node);
void listed_store(struct listed *listed, const struct store_job *job);

#endif
