/* job.c - from a row to a struct store_job, and its bytes there and back. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../text.h"
#include "../transfer.h"
#include "sqlite.h"

/* ---- columns --------------------------------------------------------------------------------- */

void sqlite_bind_number(sqlite3_stmt *statement, int at, int64_t value)
{
	if (value)
		sqlite3_bind_int64(statement, at, value);
	else
		sqlite3_bind_null(statement, at);
}

/* The text must last until the statement has run. */
void sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text && text[0])
		sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, at);
}

void sqlite_copy_text(sqlite3_stmt *row, int column, char *to, size_t max)
{
	text_copy(to, max, (const char *)sqlite3_column_text(row, column));
}

void sqlite_read_job(struct store *store, sqlite3_stmt *row, struct store_job *job)
{
	const struct sqlite_pool *pool = sqlite_pool_of(store, sqlite3_column_int64(row, COLUMN_POOL));

	*job = (struct store_job){
	    .id = (uint64_t)sqlite3_column_int64(row, COLUMN_ID),
	    .state = (enum job_state)sqlite3_column_int(row, COLUMN_STATE),
	    .held = sqlite3_column_int(row, COLUMN_HELD) != 0,
	    .keep = sqlite3_column_int(row, COLUMN_KEEP) != 0,
	    .level = (uint8_t)sqlite3_column_int(row, COLUMN_LEVEL),
	    .attempt = (uint8_t)sqlite3_column_int(row, COLUMN_ATTEMPT),
	    .attempts = (uint8_t)sqlite3_column_int(row, COLUMN_ATTEMPTS),
	    .crashes = (uint8_t)sqlite3_column_int(row, COLUMN_CRASHES),
	    .rank = sqlite3_column_int64(row, COLUMN_RANK),
	    .submitted_ms = sqlite3_column_int64(row, COLUMN_SUBMITTED),
	    .due_ms = sqlite3_column_int64(row, COLUMN_DUE),
	    .started_ms = sqlite3_column_int64(row, COLUMN_STARTED),
	    .finished_ms = sqlite3_column_int64(row, COLUMN_FINISHED),
	    .timeout_ms = sqlite3_column_int64(row, COLUMN_TIMEOUT),
	    .done = (uint64_t)sqlite3_column_int64(row, COLUMN_DONE),
	    .total = (uint64_t)sqlite3_column_int64(row, COLUMN_TOTAL),
	    .reply_type = sqlite3_column_int64(row, COLUMN_REPLY_TYPE),
	    .reply_key = sqlite3_column_int(row, COLUMN_REPLY_KEY),
	    .reply_form = (uint8_t)sqlite3_column_int(row, COLUMN_REPLY_FORM),
	};
	if (pool)
		memcpy(job->pool, pool->name, sizeof(job->pool));
	sqlite_copy_text(row, COLUMN_UNIT, job->unit, sizeof(job->unit));
	sqlite_copy_text(row, COLUMN_TAG, job->tag, sizeof(job->tag));
	sqlite_copy_text(row, COLUMN_KEY, job->unique, sizeof(job->unique));
	sqlite_copy_text(row, COLUMN_ERROR, job->error, sizeof(job->error));
	/* How many there are, for who does not want the bytes. */
	job->payload.size = (size_t)sqlite3_column_int64(row, COLUMN_PAYLOAD_SIZE);
	job->result.size = (size_t)sqlite3_column_int64(row, COLUMN_RESULT_SIZE);
	job->payload.fd = job->result.fd = -1;
}

/* ---- bytes out of the store ------------------------------------------------------------------ */

/* A file without a name, in the directory of the instance, or else in memory. */
static int temporary_file(const struct store *store)
{
	char path[PATH_MAX];
	int fd = -1;

	if (store->directory) {
		snprintf(path, sizeof(path), "%s/" PAYLOAD_DIRECTORY, store->directory);
		fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	return fd >= 0 ? fd : memfd_create("job", MFD_CLOEXEC);
}

/* Into memory, or with memory == NULL, into a descriptor. */
static int read_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, char *memory, int fd, size_t size,
                       struct ym_err *err)
{
	sqlite3_stmt *rows = sqlite_statement(store, SQL_CHUNKS, err);
	size_t have = 0;
	int more = -1;

	if (!rows)
		return -1;
	sqlite3_bind_int64(rows, 1, (int64_t)id);
	sqlite3_bind_int64(rows, 2, kind);
	while ((more = sqlite_row(store, rows, err)) > 0) {
		size_t n = (size_t)sqlite3_column_bytes(rows, 0);
		const void *data = sqlite3_column_blob(rows, 0);
		uint64_t written;

		if (n > size - have)
			break;
		if (memory)
			memcpy(memory + have, data, n);
		else if (transfer_write(fd, data, n, &written) != TRANSFER_DONE) {
			more = ym_fail_sys(err, errno, "write(a temporary file) for %zu bytes of job %llu", size,
			                   (unsigned long long)id);
			break;
		}
		have += n;
	}
	sqlite3_reset(rows);
	if (more < 0)
		return -1;
	if (more > 0 || have != size)
		return ym_fail(err, YM_ERR_CORRUPT,
		               "job %llu in \"%s\" has not the %zu bytes it should have: see `yardmaster store verify`",
		               (unsigned long long)id, store->path, size);
	return 0;
}

static int read_long(struct store *store, struct store_job *job, enum sqlite_bytes kind, struct payload_source *source,
                     struct ym_err *err)
{
	size_t size = source->size;
	int fd;

	if (size <= STORE_INLINE_MAX) {
		job->memory[kind] = malloc(size + 1);
		if (!job->memory[kind])
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		source->data = job->memory[kind];
		return read_chunks(store, job->id, kind, job->memory[kind], -1, size, err);
	}
	/* Until there is a descriptor, there is nothing to close. */
	source->size = 0;
	fd = temporary_file(store);
	if (fd < 0)
		return ym_fail_sys(err, errno, "open(a temporary file) for %zu bytes of job %llu", size,
		                   (unsigned long long)job->id);
	*source = (struct payload_source){.fd = fd, .size = size};
	job->owned = true;
	if (read_chunks(store, job->id, kind, NULL, fd, size, err) < 0)
		return -1;
	return lseek(fd, 0, SEEK_SET) == 0 ? 0 : ym_fail_sys(err, errno, "lseek(a temporary file, 0)");
}

/* Those of the row itself. */
static int read_short(sqlite3_stmt *row, int column, struct store_job *job, enum sqlite_bytes kind,
                      struct payload_source *source, bool keep, struct ym_err *err)
{
	const void *data = sqlite3_column_blob(row, column);
	size_t size = (size_t)sqlite3_column_bytes(row, column);

	*source = (struct payload_source){.data = size > 0 ? data : NULL, .size = size, .fd = -1};
	if (size == 0 || !keep)
		return 0;
	job->memory[kind] = malloc(size);
	if (!job->memory[kind])
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	source->data = memcpy(job->memory[kind], data, size);
	return 0;
}

int sqlite_read_bytes(struct store *store, sqlite3_stmt *row, struct store_job *job, bool keep, struct ym_err *err)
{
	unsigned parts = (unsigned)sqlite3_column_int(row, COLUMN_PARTS);
	struct payload_source sizes[] = {job->payload, job->result};
	int result;

	/* So that after a failure only what is there is freed. */
	job->payload = job->result = (struct payload_source){.fd = -1};
	if (parts & PART_PAYLOAD) {
		job->payload = sizes[BYTES_PAYLOAD];
		result = read_long(store, job, BYTES_PAYLOAD, &job->payload, err);
	} else {
		result = read_short(row, COLUMN_PAYLOAD, job, BYTES_PAYLOAD, &job->payload, keep, err);
	}
	if (result < 0)
		return -1;
	if (parts & PART_RESULT) {
		job->result = sizes[BYTES_RESULT];
		return read_long(store, job, BYTES_RESULT, &job->result, err);
	}
	return read_short(row, COLUMN_RESULT, job, BYTES_RESULT, &job->result, keep, err);
}

/* ---- bytes into the store -------------------------------------------------------------------- */

bool sqlite_is_short(const struct payload_source *source)
{
	return source->size == 0 || (source->data && source->size <= SQLITE_ROW_BYTES);
}

static int write_chunk(struct store *store, uint64_t id, enum sqlite_bytes kind, unsigned seq, const void *data,
                       size_t size, struct ym_err *err)
{
	sqlite3_stmt *add = sqlite_statement(store, SQL_ADD_CHUNK, err);

	if (!add)
		return -1;
	sqlite3_bind_int64(add, 1, (int64_t)id);
	sqlite3_bind_int64(add, 2, kind);
	sqlite3_bind_int64(add, 3, seq);
	sqlite3_bind_blob64(add, 4, data, size, SQLITE_STATIC);
	return sqlite_run(store, add, err);
}

/* A file keeps its position, so that all can be written once more after a failure. */
static int copy_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, const struct payload_source *source,
                       uint64_t *size, struct ym_err *err)
{
	off_t start = lseek(source->fd, 0, SEEK_CUR);
	size_t wanted, n;

	*size = 0;
	for (unsigned seq = 0; *size < source->size; seq++) {
		wanted = source->size - *size < SQLITE_CHUNK_BYTES ? source->size - *size : SQLITE_CHUNK_BYTES;
		if (transfer_read_at(source->fd, start < 0 ? -1 : start + (off_t)*size, store->buffer, wanted, &n) !=
		    TRANSFER_DONE)
			return ym_fail_sys(err, errno, "read(descriptor %d) for the bytes of job %llu", source->fd,
			                   (unsigned long long)id);
		if (n > 0 && write_chunk(store, id, kind, seq, store->buffer, n, err) < 0)
			return -1;
		*size += n;
		if (n < wanted)
			break;
	}
	if (source->size != PAYLOAD_TO_END && *size != source->size)
		return ym_fail(err, YM_ERR_CORRUPT, "the bytes of job %llu were said to be %zu, but end after %llu",
		               (unsigned long long)id, source->size, (unsigned long long)*size);
	return 0;
}

int sqlite_write_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, const struct payload_source *source,
                        uint64_t *size, struct ym_err *err)
{
	if (!source->data) {
		if (!store->buffer)
			store->buffer = malloc(SQLITE_CHUNK_BYTES);
		return store->buffer ? copy_chunks(store, id, kind, source, size, err)
		                     : ym_fail(err, YM_ERR_LIMIT, "out of memory");
	}
	*size = source->size;
	for (size_t at = 0, n; at < source->size; at += n) {
		n = source->size - at < SQLITE_CHUNK_BYTES ? source->size - at : SQLITE_CHUNK_BYTES;
		if (write_chunk(store, id, kind, (unsigned)(at / SQLITE_CHUNK_BYTES), (const char *)source->data + at,
		                n, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- gone ------------------------------------------------------------------------------------ */

int sqlite_delete_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, struct ym_err *err)
{
	sqlite3_stmt *drop = sqlite_statement(store, SQL_DELETE_CHUNKS, err);

	if (!drop)
		return -1;
	sqlite3_bind_int64(drop, 1, (int64_t)id);
	sqlite3_bind_int64(drop, 2, kind);
	return sqlite_run(store, drop, err);
}

bool sqlite_forgets(const struct store *store, enum job_state state)
{
	return store->history_ms <= 0 && (state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED);
}

static int run_with_id(struct store *store, enum sqlite_statement which, uint64_t id, struct ym_err *err)
{
	sqlite3_stmt *statement = sqlite_statement(store, which, err);

	if (!statement)
		return -1;
	sqlite3_bind_int64(statement, 1, (int64_t)id);
	return sqlite_run(store, statement, err);
}

int sqlite_delete(struct store *store, const struct sqlite_row *row, struct ym_err *err)
{
	if ((row->parts & PART_PAYLOAD && sqlite_delete_chunks(store, row->id, BYTES_PAYLOAD, err) < 0) ||
	    (row->parts & PART_RESULT && sqlite_delete_chunks(store, row->id, BYTES_RESULT, err) < 0) ||
	    (row->parts & PART_STORY && run_with_id(store, SQL_DELETE_ATTEMPTS, row->id, err) < 0) ||
	    (row->parts & PART_KEY && sqlite_give_key(store, row->pool, row->key, err) < 0))
		return -1;
	return run_with_id(store, SQL_DELETE, row->id, err);
}
