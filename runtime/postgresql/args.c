/* args.c - binary parameters and values of PostgreSQL. */
#include "args.h"

#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its moments are microseconds since 2000. */
#define PG_EPOCH_MS  INT64_C(946684800000)
#define PG_BYTES_MAX (INT_MAX / 2)

static const struct {
	Oid oid, array;
} types[] = {
#define X(name, number, many) [PG_##name] = {number, many},
    PG_TYPE_MAP(X)
#undef X
};

/* ---- the buffer ------------------------------------------------------------------------------ */

void pg_args_free(struct pg_args *args)
{
	free(args->bytes);
	*args = (struct pg_args){0};
}

void pg_args_clear(struct pg_args *args)
{
	args->n = 0;
	args->used = 0;
	args->failed = false;
}

static char *more(struct pg_args *args, size_t size)
{
	size_t room = args->room ? args->room : 4096;
	char *bytes;

	if (args->failed || size > PG_BYTES_MAX - args->used) {
		args->failed = true;
		return NULL;
	}
	while (room < args->used + size)
		room *= 2;
	if (room != args->room) {
		bytes = realloc(args->bytes, room);
		if (!bytes) {
			args->failed = true;
			return NULL;
		}
		args->bytes = bytes;
		args->room = room;
	}
	args->used += size;
	return args->bytes + args->used - size;
}

static void add(struct pg_args *args, const void *data, size_t size)
{
	char *to = more(args, size);

	if (to && size)
		memcpy(to, data, size);
}

static void add_int(struct pg_args *args, uint32_t value)
{
	value = htobe32(value);
	add(args, &value, sizeof(value));
}

static void add_big(struct pg_args *args, int64_t value)
{
	uint64_t bits = htobe64((uint64_t)value);

	add(args, &bits, sizeof(bits));
}

/* Bytes of the UTF-8 character that begins here, 0: none does. */
static size_t character(const unsigned char *text)
{
	size_t n = text[0] < 0x80                      ? 1
	           : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
	           : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
	           : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
	                                               : 0;

	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90))
		return 0;
	return n;
}

static void add_text(struct pg_args *args, const char *value)
{
	const unsigned char *text = (const unsigned char *)value;

	while (*text) {
		const unsigned char *start = text;
		char escaped[8];
		size_t n;

		while (*text && (n = character(text)) > 0)
			text += n;
		add(args, start, (size_t)(text - start));
		if (!*text)
			return;
		snprintf(escaped, sizeof(escaped), "\\x%02x", *text++);
		add(args, escaped, 4);
	}
}

/* ---- one value ------------------------------------------------------------------------------- */

static int64_t moment(int64_t ms)
{
	return (ms - PG_EPOCH_MS) * 1000;
}

static void begin(struct pg_args *args, Oid type)
{
	if (args->n == PG_ARGS_MAX) {
		args->failed = true;
		return;
	}
	args->types[args->n] = type;
	args->starts[args->n] = args->used;
	args->lengths[args->n] = -1;
	args->n++;
}

static void end(struct pg_args *args)
{
	if (!args->failed)
		args->lengths[args->n - 1] = (int)(args->used - args->starts[args->n - 1]);
}

void pg_arg_big(struct pg_args *args, int64_t value)
{
	begin(args, types[PG_BIG].oid);
	add_big(args, value);
	end(args);
}

void pg_arg_bool(struct pg_args *args, bool value)
{
	begin(args, types[PG_BOOL].oid);
	add(args, &(char){value}, 1);
	end(args);
}

void pg_arg_text(struct pg_args *args, const char *value)
{
	begin(args, types[PG_TEXT].oid);
	if (!value || !*value)
		return;
	add_text(args, value);
	end(args);
}

void pg_arg_time(struct pg_args *args, int64_t ms)
{
	begin(args, types[PG_TIME].oid);
	if (ms == 0)
		return;
	add_big(args, moment(ms));
	end(args);
}

void pg_arg_bytes(struct pg_args *args, const void *data, size_t size)
{
	begin(args, types[PG_BYTES].oid);
	add(args, data, size);
	end(args);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

/* Dimensions, are there NULLs, type; length and first index of the one dimension. */
void pg_array_begin(struct pg_args *args, enum pg_type type)
{
	begin(args, types[type].array);
	args->array = args->used;
	args->elements = 0;
	add_int(args, 1);
	add_int(args, 1);
	add_int(args, types[type].oid);
	add_int(args, 0);
	add_int(args, 1);
}

void pg_array_end(struct pg_args *args)
{
	uint32_t n = htobe32(args->elements);

	if (args->failed)
		return;
	memcpy(args->bytes + args->array + 12, &n, sizeof(n));
	end(args);
}

void pg_put_null(struct pg_args *args)
{
	add_int(args, UINT32_MAX);
	args->elements++;
}

void pg_put_big(struct pg_args *args, int64_t value)
{
	add_int(args, 8);
	add_big(args, value);
	args->elements++;
}

void pg_put_int(struct pg_args *args, int32_t value)
{
	add_int(args, 4);
	add_int(args, (uint32_t)value);
	args->elements++;
}

void pg_put_small(struct pg_args *args, int16_t value)
{
	uint16_t bits = htobe16((uint16_t)value);

	add_int(args, 2);
	add(args, &bits, sizeof(bits));
	args->elements++;
}

void pg_put_bool(struct pg_args *args, bool value)
{
	add_int(args, 1);
	add(args, &(char){value}, 1);
	args->elements++;
}

void pg_put_text(struct pg_args *args, const char *value)
{
	size_t start = args->used;
	uint32_t length;

	if (!value || !*value) {
		pg_put_null(args);
		return;
	}
	add_int(args, 0);
	add_text(args, value);
	args->elements++;
	if (args->failed)
		return;
	length = htobe32((uint32_t)(args->used - start - sizeof(length)));
	memcpy(args->bytes + start, &length, sizeof(length));
}

void pg_put_time(struct pg_args *args, int64_t ms)
{
	if (ms == 0)
		pg_put_null(args);
	else
		pg_put_big(args, moment(ms));
}

void pg_put_bytes(struct pg_args *args, const void *data, size_t size)
{
	add_int(args, (uint32_t)size);
	add(args, data, size);
	args->elements++;
}

void pg_arg_ids(struct pg_args *args, const uint64_t *ids, size_t n)
{
	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < n; i++)
		pg_put_big(args, (int64_t)ids[i]);
	pg_array_end(args);
}

/* ---- results --------------------------------------------------------------------------------- */

bool pg_null(const PGresult *result, int row, int column)
{
	return libpq.PQgetisnull(result, row, column) != 0;
}

int64_t pg_big(const PGresult *result, int row, int column)
{
	const char *bytes = libpq.PQgetvalue(result, row, column);
	uint64_t big;
	uint32_t four;
	uint16_t two;

	if (pg_null(result, row, column))
		return 0;
	switch (libpq.PQgetlength(result, row, column)) {
	case sizeof(big):
		memcpy(&big, bytes, sizeof(big));
		return (int64_t)be64toh(big);
	case sizeof(four):
		memcpy(&four, bytes, sizeof(four));
		return (int32_t)be32toh(four);
	case sizeof(two):
		memcpy(&two, bytes, sizeof(two));
		return (int16_t)be16toh(two);
	default:
		return 0;
	}
}

bool pg_bool(const PGresult *result, int row, int column)
{
	return !pg_null(result, row, column) && libpq.PQgetvalue(result, row, column)[0] != 0;
}

const char *pg_text(const PGresult *result, int row, int column)
{
	return libpq.PQgetvalue(result, row, column);
}

int64_t pg_time(const PGresult *result, int row, int column)
{
	int64_t micros = pg_big(result, row, column), ms = micros / 1000;

	if (pg_null(result, row, column))
		return 0;
	if (micros % 1000 < 0)
		ms--;
	return ms + PG_EPOCH_MS;
}

int64_t pg_changed(PGresult *result)
{
	return strtoll(libpq.PQcmdTuples(result), NULL, 10);
}
