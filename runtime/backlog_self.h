/*
 * backlog_self.h - a backlog from inside: backlog.c writes it and takes it into a table, backlog_stored.c into a store.
 */
#ifndef YM_RUNTIME_BACKLOG_SELF_H
#define YM_RUNTIME_BACKLOG_SELF_H

#include <stdio.h>

#include "backlog.h"
#include "submit.h"

#define BACKLOG_MAGIC UINT64_C(0x33474f4c42414d59) /* "YMABLOG3" */

enum backlog_taken {
	BACKLOG_WAITS,
	BACKLOG_TAKEN, /* the job is in a table, or in a store, again */
	BACKLOG_GIVEN, /* `id` is that under which it was given to a store: is it there? */
};

struct backlog_head {
	uint64_t magic;
	uint64_t jobs;
};

struct backlog_job {
	uint64_t id;
	uint64_t size;
	int64_t due_ms;     /* unix time before which it is not started, 0: none */
	int64_t timeout_ms; /* of an attempt, 0: none */
	int64_t reply_type;
	int32_t reply_key;
	uint32_t reply_form;
	uint32_t fixed; /* 1: `due_ms` was asked for; 0: it follows from a delay */
	uint32_t taken; /* enum backlog_taken */
	uint32_t keep;
	uint32_t attempt, attempts, crashes;
	uint32_t level;
	uint32_t state; /* JOB_READY, JOB_FAILED (so that somebody sees it) or JOB_BURIED */
	char pool[TABLE_NAME_MAX];
	char tag[JOB_TAG_MAX];
	char unique[JOB_UNIQUE_MAX];
	char error[JOB_ERROR_MAX];
};

/* An id that is in use again must not be given to a new job. */
void backlog_raise_id(struct table_sh *table, uint64_t id);

/* What the job asks for. `past` has to stay as long as the request is used. */
void backlog_request(const struct backlog_job *record, unsigned pool, const struct payload_source *payload,
                     struct job_past *past, struct job_request *request);

/*
 * Read the next record: short bytes into `buffer`; before long ones the descriptor of the file stands then, and they are
 * all there: *next is where the record behind them begins.
 */
bool backlog_read(FILE *file, struct backlog_job *record, struct payload_source *payload, char *buffer, off_t *next);

/* ---- backlog_stored.c */

/* Ids of the file that may be in a store. */
void backlog_raise_given(struct table_sh *table, const char *path);

/* Give the jobs of a file to the store; what has not got there by the deadline stays. False: the file is damaged. */
bool backlog_store(struct instance *instance, FILE *file, uint64_t deadline, struct backlog_result *result);

#endif
