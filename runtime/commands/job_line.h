/*
 * job_line.h - a job with everything that a store knows of it as one line of JSON: what `store export` writes, and `store
 * import` reads.
 *
 * An object whose members are those of FIELD_MAP in job_fields.h. One that is 0 or "" is left out. Bytes that are not UTF-8
 * stand as base64 in a member of the same name with _base64 behind it. Payloads and results may be of any length: neither
 * side ever has one in memory as a whole.
 */
#ifndef YM_RUNTIME_COMMANDS_JOB_LINE_H
#define YM_RUNTIME_COMMANDS_JOB_LINE_H

#include <stdio.h>

#include "../store.h"

/* Write a line. `story` may be NULL. */
int job_line_write(FILE *to, const struct store_job *job, const struct store_story *story, struct ym_err *err);

/* What a line may leave to who reads it. */
enum job_line_given {
	GIVEN_STATE = 1,
	GIVEN_LEVEL = 2,
	GIVEN_ATTEMPTS = 4,
	GIVEN_RANK = 8,
	GIVEN_TIMEOUT = 16,
};

struct job_line {
	struct store_job job; /* its bytes are its own: in memory, or longer than STORE_INLINE_MAX in descriptors */
	struct store_story story;
	unsigned given; /* enum job_line_given */
};

struct job_reader {
	FILE *from;
	const char *directory; /* for long payloads */
	uint64_t line;         /* that was read last, from 1 */
	int next;              /* the character that comes next */
	struct ym_err *err;
	char chunk[STORE_INLINE_MAX];
};

void job_reader_init(struct job_reader *reader, FILE *from, const char *directory);
/* 0 a line, to be freed; 1 there is none any more; -1 it is wrong, or cannot be read: err says which one. */
int job_reader_next(struct job_reader *reader, struct job_line *line, struct ym_err *err);
void job_line_free(struct job_line *line);

#endif
