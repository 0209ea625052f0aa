/*
 * bytes.c - payloads and results: short ones in the row, long ones as rows of yardmaster.chunk.
 *
 * A long one never is in memory as a whole: it goes in pieces from a descriptor to the server, and back into an unlinked
 * file. What somebody else has put into a row may be long there, too: it is read in pieces just so.
 */
#include "postgresql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../transfer.h"

/* ---- writing --------------------------------------------------------------------------------- */

#define INSERT_CHUNK "INSERT INTO yardmaster.chunk (job, of_result, number, bytes) SELECT $1, $2, $3, $4"

/* Only for a job that is ours; what is there may be of another attempt. */
static const char save_chunk_sql[] =
    INSERT_CHUNK " WHERE EXISTS (SELECT FROM yardmaster.job WHERE id = $1 AND node IS NOT DISTINCT FROM $5)"
		 " ON CONFLICT (job, of_result, number) DO UPDATE SET bytes = excluded.bytes";
static const char submit_chunk_sql[] =
    INSERT_CHUNK " WHERE $5 IS NOT NULL AND NOT EXISTS (SELECT FROM yardmaster.job WHERE id = $1)"
		 " ON CONFLICT (job, of_result, number) DO UPDATE SET bytes = excluded.bytes";
static const char cut_chunks_sql[] =
    "DELETE FROM yardmaster.chunk WHERE job = $1 AND of_result = $2 AND number >= $3"
    " AND EXISTS (SELECT FROM yardmaster.job WHERE id = $1 AND node IS NOT DISTINCT FROM $4)";

/* Number `number` of the pieces: *piece points to it, or to `room`. */
static ssize_t piece_of(const struct payload_source *source, off_t start, int64_t number, char *room,
                        const void **piece, struct ym_err *err)
{
	size_t offset = (size_t)number * PG_CHUNK, left = source->size - offset, n;

	if (left > PG_CHUNK)
		left = PG_CHUNK;
	if (source->data) {
		*piece = (const char *)source->data + offset;
		return (ssize_t)left;
	}
	*piece = room;
	if (transfer_read_at(source->fd, start < 0 ? -1 : start + (off_t)offset, room, left, &n) != TRANSFER_DONE)
		return ym_fail_sys(err, errno, "read(%d, %zu bytes) of a payload for the store", source->fd, left);
	if (source->size != PAYLOAD_TO_END && n < left)
		return ym_fail(err, YM_ERR_CORRUPT, "a payload of %zu bytes ended after %zu", source->size, offset + n);
	return (ssize_t)n;
}

static int send_piece(struct pg_store *store, uint64_t id, bool of_result, bool fenced, int64_t number,
                      const void *piece, size_t n, struct ym_err *err)
{
	struct pg_args args = {0};
	int code;

	pg_arg_big(&args, (int64_t)id);
	pg_arg_bool(&args, of_result);
	pg_arg_big(&args, number);
	pg_arg_bytes(&args, piece, n);
	pg_arg_big(&args, atomic_load(&store->me));
	code = pg_send(&store->link, fenced ? save_chunk_sql : submit_chunk_sql, &args, err);
	pg_args_free(&args);
	return code;
}

static int cut_chunks(struct pg_store *store, uint64_t id, bool of_result, int64_t from, struct ym_err *err)
{
	struct pg_args args = {0};
	int code;

	pg_arg_big(&args, (int64_t)id);
	pg_arg_bool(&args, of_result);
	pg_arg_big(&args, from);
	pg_arg_big(&args, atomic_load(&store->me));
	code = pg_send(&store->link, cut_chunks_sql, &args, err);
	pg_args_free(&args);
	return code;
}

/* The chunks of bytes that are too long for a row, if they are; *size: how many, 0: none such. */
static int send_bytes(struct pg_store *store, const struct store_job *job, bool of_result, bool fenced, int64_t *size,
                      struct ym_err *err)
{
	const struct payload_source *source = of_result ? &job->result : &job->payload;
	off_t start = source->data ? 0 : lseek(source->fd, 0, SEEK_CUR);
	char *room;
	int64_t number = 0;
	ssize_t n = PG_CHUNK;

	*size = 0;
	if (!pg_long(source))
		return 0;
	room = source->data ? NULL : malloc(PG_CHUNK);
	if (!source->data && !room)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	while (n == PG_CHUNK && (size_t)*size < source->size) {
		const void *piece;

		n = piece_of(source, start, number, room, &piece, err);
		if (n < 0 ||
		    (n > 0 && send_piece(store, job->id, of_result, fenced, number, piece, (size_t)n, err) < 0)) {
			free(room);
			return -1;
		}
		*size += n;
		number += n > 0;
	}
	free(room);
	return fenced ? cut_chunks(store, job->id, of_result, number, err) : 0;
}

/* Of a row: none is NULL for a result, empty for a payload, and so are those in chunks. */
static void put_source(struct pg_args *args, const struct payload_source *source, bool of_result)
{
	if (!pg_long(source) && (source->size > 0 || !of_result))
		pg_put_bytes(args, source->data, source->size);
	else if (of_result)
		pg_put_null(args);
	else
		pg_put_bytes(args, NULL, 0);
}

static void put_size(struct pg_args *args, int64_t size)
{
	if (size)
		pg_put_big(args, size);
	else
		pg_put_null(args);
}

int pg_put_bytes_of(struct pg_store *store, struct pg_args *args, bool of_result, bool fenced, pg_job_at *at,
                    const void *jobs, size_t n, struct ym_err *err)
{
	int64_t *sizes = calloc(n, sizeof(*sizes));

	if (!sizes)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (send_bytes(store, at(jobs, i), of_result, fenced, &sizes[i], err) < 0) {
			free(sizes);
			return -1;
		}
	pg_array_begin(args, PG_BYTES);
	for (size_t i = 0; i < n; i++)
		put_source(args, of_result ? &at(jobs, i)->result : &at(jobs, i)->payload, of_result);
	pg_array_end(args);
	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < n; i++)
		put_size(args, sizes[i]);
	pg_array_end(args);
	free(sizes);
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char chunk_sql[] = "SELECT bytes FROM yardmaster.chunk WHERE job = $1 AND of_result = $2 AND number = $3";
/* Of a row; the place in it counts from 1. */
static const char part_sql[] =
    "SELECT substring(CASE WHEN $2 THEN result ELSE payload END FROM ($3 * 1048576 + 1)::integer FOR 1048576)"
    " FROM yardmaster.job WHERE id = $1 AND CASE WHEN $2 THEN result_size ELSE payload_size END IS NULL";

static int temporary(const struct pg_store *store, struct ym_err *err)
{
	int fd = open(store->options.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\", O_TMPFILE) for a long payload out of the store",
		                   store->options.directory);
	return fd;
}

static int keep_piece(int fd, const char *data, size_t size, struct ym_err *err)
{
	uint64_t written = 0;

	if (transfer_write(fd, data, size, &written) == TRANSFER_DONE)
		return 0;
	return ym_fail_sys(err, errno, "write(%zu bytes) of a payload out of the store", size);
}

/* One piece; 1: there is none. */
static int fetch_piece(struct pg_store *store, const char *sql, uint64_t id, bool of_result, int64_t number, int fd,
                       struct ym_err *err)
{
	struct pg_args args = {0};
	PGresult *result;
	int code = 1;

	pg_arg_big(&args, (int64_t)id);
	pg_arg_bool(&args, of_result);
	pg_arg_big(&args, number);
	result = pg_ask(&store->link, sql, &args, err);
	pg_args_free(&args);
	if (!result)
		return -1;
	if (libpq.PQntuples(result) == 1 && libpq.PQgetlength(result, 0, 0) > 0)
		code = keep_piece(fd, pg_text(result, 0, 0), (size_t)libpq.PQgetlength(result, 0, 0), err);
	pg_free(result);
	return code;
}

static int fetch_one(struct pg_store *store, uint64_t id, bool of_result, size_t size, struct ym_err *err)
{
	int fd = temporary(store, err);
	const char *sql = chunk_sql;

	if (fd < 0)
		return -1;
	for (int64_t number = 0; (size_t)number * PG_CHUNK < size; number++) {
		int code = fetch_piece(store, sql, id, of_result, number, fd, err);

		if (code > 0 && number == 0)
			code = fetch_piece(store, sql = part_sql, id, of_result, number, fd, err);
		if (code > 0)
			code = ym_fail(
			    err, YM_ERR_CORRUPT, "job %llu: its %s has %zu bytes, but part %lld is not in the store",
			    (unsigned long long)id, of_result ? "result" : "payload", size, (long long)number);
		if (code < 0) {
			close(fd);
			return -1;
		}
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Of the columns: those that are there as a whole. One in chunks has an empty column. */
static bool is_there(const PGresult *result, int row, int column, const struct payload_source *source)
{
	return source->size > 0 && (size_t)libpq.PQgetlength(result, row, column) == source->size;
}

void pg_point_bytes(const PGresult *result, int row, int column, struct store_job *job)
{
	if (is_there(result, row, column, &job->payload))
		job->payload.data = libpq.PQgetvalue(result, row, column);
	if (is_there(result, row, column + 1, &job->result))
		job->result.data = libpq.PQgetvalue(result, row, column + 1);
}

int pg_keep_bytes(const PGresult *result, int row, int column, struct store_job *job, struct ym_err *err)
{
	struct payload_source *sources[] = {&job->payload, &job->result};

	for (int i = 0; i < 2; i++) {
		if (!is_there(result, row, column + i, sources[i]))
			continue;
		job->memory[i] = malloc(sources[i]->size);
		if (!job->memory[i])
			return ym_fail(err, YM_ERR_LIMIT, "out of memory for the bytes of a job");
		memcpy(job->memory[i], libpq.PQgetvalue(result, row, column + i), sources[i]->size);
		sources[i]->data = job->memory[i];
	}
	return 0;
}

int pg_fetch_long(struct pg_store *store, struct store_job *job, struct ym_err *err)
{
	struct payload_source *sources[] = {&job->payload, &job->result};
	int fds[2] = {-1, -1};

	for (int i = 0; i < 2; i++) {
		if (sources[i]->data || sources[i]->size == 0)
			continue;
		fds[i] = fetch_one(store, job->id, i == 1, sources[i]->size, err);
		if (fds[i] >= 0)
			continue;
		if (fds[0] >= 0)
			close(fds[0]);
		sources[0]->size = sources[0]->data ? sources[0]->size : 0;
		sources[1]->size = sources[1]->data ? sources[1]->size : 0;
		return -1;
	}
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			sources[i]->fd = fds[i];
	job->owned = true;
	return 0;
}
