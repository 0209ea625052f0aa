/*
 * php_job.h - a job as a value of PHP: an array, the same for every job and in every state (publish.h, docs/php.md).
 *
 * Behind the value stand blanks, which PHP does not look at: so a job takes the same number of bytes from its start to its
 * end, as a rule, and a new value goes where the old one was.
 */
#ifndef YM_RUNTIME_PHP_JOB_H
#define YM_RUNTIME_PHP_JOB_H

#include "../ipc/vars.h"
#include "board.h"

/* The state of a job that has left the table before anybody could see how it ended. */
#define PHP_JOB_GONE "gone"

/* Each field is a key of the array, see the table in php_job.c. */
struct php_job {
	uint64_t id;
	char pool[TABLE_NAME_MAX];
	char tag[JOB_TAG_MAX];
	char state[16];
	uint64_t done, total; /* total 0: unknown */
	char unit[JOB_UNIT_MAX];
	char note[BOARD_NOTE_MAX];
	double percent, rate, eta; /* negative: unknown; units a second, seconds */
	uint64_t attempt;
	char error[JOB_ERROR_MAX];
	int64_t submitted, started, finished, updated; /* unix time in ms, 0: not yet */
};

/*
 * Its variables: by id a negative key, by tag what crc32() gives, which is not negative; 0 is nobody's, and a tag whose
 * crc32 is 0 has no variable.
 */
static inline int64_t php_job_key(uint64_t id)
{
	return -(int64_t)(id & INT64_MAX);
}
static inline int64_t php_job_tag_key(const char *tag)
{
	return tag[0] ? ym_vars_key(tag) : 0;
}

/* Append it, serialized. 0, or -1: out of memory. */
int php_job_write(const struct php_job *job, struct ym_buffer *out, struct ym_err *err);

/* Read what php_job_write() has written. False: it is something else. */
bool php_job_read(const void *bytes, size_t length, struct php_job *job);

/* Does this state mean that it is over? */
bool php_job_over(const struct php_job *job);

#endif
