/*
 * args.h - parameters of a statement, in PostgreSQL's binary formats, and values of its results.
 *
 * Bytes, numbers and moments go as they are: nothing is quoted or printed. Texts are made valid UTF-8 on the way: a byte that is
 * none becomes \xHH, as one such byte would make the server refuse a whole batch. What does not fit into memory is
 * remembered, and the statement fails.
 */
#ifndef YM_RUNTIME_POSTGRES_ARGS_H
#define YM_RUNTIME_POSTGRES_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libpq.h"

#define PG_ARGS_MAX 48

/* Types of values: name, object id, object id of the array. */
#define PG_TYPE_MAP(X)                                                                                                 \
	X(BOOL, 16, 1000)                                                                                              \
	X(BYTES, 17, 1001)                                                                                             \
	X(BIG, 20, 1016)                                                                                               \
	X(SMALL, 21, 1005)                                                                                             \
	X(INT, 23, 1007)                                                                                               \
	X(TEXT, 25, 1009)                                                                                              \
	X(TIME, 1184, 1185)

enum pg_type {
#define X(name, oid, array) PG_##name,
	PG_TYPE_MAP(X)
#undef X
};

struct pg_args {
	int n;
	Oid types[PG_ARGS_MAX];
	size_t starts[PG_ARGS_MAX]; /* in `bytes` */
	int lengths[PG_ARGS_MAX];   /* -1: NULL */
	char *bytes;
	size_t used, room;
	size_t array;      /* start of the one that is open */
	uint32_t elements; /* in it */
	bool failed;       /* no memory, or too much for one statement */
};

void pg_args_free(struct pg_args *args);
/* Empty, to be filled again. */
void pg_args_clear(struct pg_args *args);

/* One parameter each, $1 on. Moments: unix ms, 0 is NULL. Texts: NULL and "" are NULL. */
void pg_arg_big(struct pg_args *args, int64_t value);
void pg_arg_bool(struct pg_args *args, bool value);
void pg_arg_text(struct pg_args *args, const char *value);
void pg_arg_time(struct pg_args *args, int64_t ms);
void pg_arg_bytes(struct pg_args *args, const void *data, size_t size);

/* An array: begin, put its values, end. */
void pg_array_begin(struct pg_args *args, enum pg_type type);
void pg_array_end(struct pg_args *args);
void pg_put_null(struct pg_args *args);
void pg_put_big(struct pg_args *args, int64_t value);
void pg_put_int(struct pg_args *args, int32_t value);
void pg_put_small(struct pg_args *args, int16_t value);
void pg_put_bool(struct pg_args *args, bool value);
void pg_put_text(struct pg_args *args, const char *value);
void pg_put_time(struct pg_args *args, int64_t ms);
void pg_put_bytes(struct pg_args *args, const void *data, size_t size);
/* All of it. */
void pg_arg_ids(struct pg_args *args, const uint64_t *ids, size_t n);

/* Values of a row; 0, false, "" for NULL. Integers of any width. */
int64_t pg_big(const PGresult *result, int row, int column);
bool pg_bool(const PGresult *result, int row, int column);
const char *pg_text(const PGresult *result, int row, int column);
int64_t pg_time(const PGresult *result, int row, int column);
bool pg_null(const PGresult *result, int row, int column);
/* How many rows the statement changed; 0 of one that changes none. */
int64_t pg_changed(PGresult *result);

#endif
