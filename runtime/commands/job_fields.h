/* job_fields.h - the members of a line of job_line.h: one list for who writes and who reads it. */
#ifndef YM_RUNTIME_COMMANDS_JOB_FIELDS_H
#define YM_RUNTIME_COMMANDS_JOB_FIELDS_H

#include <stdbool.h>

#include "job_line.h"

/* How a member of the struct is written. */
enum field_kind {
	FIELD_UINT,    /* unsigned, of its size */
	FIELD_INT,     /* signed */
	FIELD_SECONDS, /* ms in int64_t, as seconds */
	FIELD_FLAG,    /* bool: true, or left out */
	FIELD_TEXT,    /* char array */
	FIELD_STATE,   /* enum job_state, by its word */
	FIELD_END,     /* enum story_end, by its word */
	FIELD_BYTES,   /* struct payload_source */
};

struct field {
	const char *name;
	enum field_kind kind;
	unsigned given; /* enum job_line_given to be set when it is there */
	size_t offset, size;
};

/* Name, kind, member, given. */
#define JOB_FIELD_MAP(X)                                                                                               \
	X("id", UINT, id, 0)                                                                                           \
	X("state", STATE, state, GIVEN_STATE)                                                                          \
	X("pool", TEXT, pool, 0)                                                                                       \
	X("tag", TEXT, tag, 0)                                                                                         \
	X("unique", TEXT, unique, 0)                                                                                   \
	X("priority", UINT, level, GIVEN_LEVEL)                                                                        \
	X("attempt", UINT, attempt, 0)                                                                                 \
	X("attempts", UINT, attempts, GIVEN_ATTEMPTS)                                                                  \
	X("crashes", UINT, crashes, 0)                                                                                 \
	X("submitted", SECONDS, submitted_ms, 0)                                                                       \
	X("started", SECONDS, started_ms, 0)                                                                           \
	X("finished", SECONDS, finished_ms, 0)                                                                         \
	X("due", SECONDS, due_ms, 0)                                                                                   \
	X("timeout", SECONDS, timeout_ms, GIVEN_TIMEOUT)                                                               \
	X("rank", INT, rank, GIVEN_RANK)                                                                               \
	X("keep", FLAG, keep, 0)                                                                                       \
	X("reply_key", INT, reply_key, 0)                                                                              \
	X("reply_type", INT, reply_type, 0)                                                                            \
	X("reply_form", UINT, reply_form, 0)                                                                           \
	X("done", UINT, done, 0)                                                                                       \
	X("total", UINT, total, 0)                                                                                     \
	X("unit", TEXT, unit, 0)                                                                                       \
	X("node", TEXT, node, 0)                                                                                       \
	X("error", TEXT, error, 0)                                                                                     \
	X("payload", BYTES, payload, 0)                                                                                \
	X("result", BYTES, result, 0)

/* Of each member of "story". */
#define ATTEMPT_FIELD_MAP(X)                                                                                           \
	X("number", UINT, number, 0)                                                                                   \
	X("end", END, end, 0)                                                                                          \
	X("started", SECONDS, started_ms, 0)                                                                           \
	X("ended", SECONDS, ended_ms, 0)                                                                               \
	X("pid", INT, pid, 0)                                                                                          \
	X("status", INT, status, 0)                                                                                    \
	X("memory_kib", UINT, rss_kib, 0)                                                                              \
	X("user_ms", UINT, user_ms, 0)                                                                                 \
	X("system_ms", UINT, system_ms, 0)                                                                             \
	X("done", UINT, done, 0)                                                                                       \
	X("total", UINT, total, 0)                                                                                     \
	X("unit", TEXT, unit, 0)                                                                                       \
	X("error", TEXT, error, 0)                                                                                     \
	X("node", TEXT, node, 0)

/* Behind the attempts. */
#define STORY_FIELD_MAP(X)                                                                                             \
	X("last_note", TEXT, note, 0)                                                                                  \
	X("stderr", TEXT, output, 0)

#define JOB_STORY_NAME "story"

/* Each ends with a NULL name. */
extern const struct field job_fields[], attempt_fields[], story_fields[];

/* Set the integer at a field, of whatever size: false if it does not fit. */
bool field_set(const struct field *field, void *object, int64_t value);

#endif
