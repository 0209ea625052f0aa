/*
 * stock.h - all jobs of an instance: those in its table and those in the store behind it, as one.
 *
 * Of a job that is in both, the table tells, for it knows more; but once it is over and the store knows (not JOB_STORED),
 * the store: somebody may have kicked it since. A store is read beside the master, and without one.
 */
#ifndef YM_RUNTIME_COMMANDS_STOCK_H
#define YM_RUNTIME_COMMANDS_STOCK_H

#include "filter.h"
#include "stored.h"

struct stock {
	struct stored stored;
	struct instance *instance; /* located */
	bool quiet;                /* set before it is opened: what cannot be seen is not said on stderr */
	bool there;                /* its table and board can be read */
	bool joined;               /* as a client */
	char node[STORE_NODE_MAX]; /* its name, if it shares the store with others and that is known */
	enum ym_err_class blind;   /* the store cannot be read: why, which has been said */
	struct view_job *table;    /* of stock_look(): what the table speaks for, by id; free() */
	size_t count;
};

/*
 * To look only: the instance is running, or has a store that can be read; it is said on stderr when that is all. -1 with
 * err; to be closed in both cases.
 */
int stock_open(struct stock *stock, const struct args *args, struct ym_err *err);
/* As a client who may change jobs: the instance must be running. */
int stock_join(struct stock *stock, const struct args *args, struct ym_err *err);
/* Returns `code`, or the exit code of what went wrong: with the store, or now. */
int stock_close(struct stock *stock, int code);

/* Take a new picture of the table. */
int stock_look(struct stock *stock, struct ym_err *err);

/* -1 (YM_ERR_USAGE): it names a pool of which nobody knows. */
int stock_check(struct stock *stock, const struct filter *filter, struct ym_err *err);

typedef int stock_visit(void *arg, const struct listed *job); /* not 0: stop */

/* What to visit: of the jobs that fit the filter, those in `states` (bits, 0: any); by id, or the newest first. */
struct stock_query {
	const struct filter *filter;
	unsigned states;
	bool newest;
	size_t limit; /* as many will be looked at; 0: not known */
};
/* Visit jobs, of the table as it was at stock_look(). 0, or -1 with err. */
int stock_each(struct stock *stock, const struct stock_query *query, stock_visit *visit, void *arg, struct ym_err *err);

/* Does the table, as it was at stock_look(), speak for this job? */
bool stock_in_table(const struct stock *stock, uint64_t id);

/* The job of this id: 0; 1 there is none; -1. */
int stock_find(struct stock *stock, uint64_t id, struct listed *job, struct ym_err *err);
/* Say that there is none (YM_ERR_NO); -1. */
int stock_no_job(const struct stock *stock, uint64_t id, struct ym_err *err);

/* All that is told of the attempts of a job that was found. To be freed. */
int stock_story(struct stock *stock, const struct listed *job, struct store_story *story, struct ym_err *err);

/* The job as it stands in its slot, as long as it is the one that was found. */
bool stock_copy(const struct stock *stock, const struct view_job *job, struct job_sh *copy, uint64_t *word);

/* Write its payload or its result to a descriptor. */
enum stock_bytes { STOCK_PAYLOAD, STOCK_RESULT };
int stock_write(struct stock *stock, const struct listed *job, enum stock_bytes which, int to, struct ym_err *err);

#endif
