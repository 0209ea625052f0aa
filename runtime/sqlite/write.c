/* write.c - one transaction: releases, saves (save.c), submits (submit.c), requests (request.c), wants. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

/* ---- held or not ------------------------------------------------------------------------------ */

int sqlite_release(struct store *store, uint64_t id, struct ym_err *err)
{
	sqlite3_stmt *release = sqlite_statement(store, SQL_RELEASE, err);
	struct sqlite_pool *pool;
	int row;

	if (!release)
		return -1;
	sqlite3_bind_int64(release, 1, (int64_t)id);
	row = sqlite_row(store, release, err);
	if (row > 0) {
		pool = sqlite_pool_of(store, sqlite3_column_int64(release, 0));
		if (pool)
			sqlite_count(pool, (enum job_state)sqlite3_column_int(release, 1), 1);
		/* At once: it may be fetched again in the same transaction. What is rolled back is read anew. */
		sqlite_let(store, id);
	}
	/* A row of RETURNING comes after the change is made, but before the statement has ended. */
	return row > 0 ? sqlite_run(store, release, err) : row;
}

int sqlite_hold_row(struct store *store, const struct sqlite_pool *pool, uint64_t id, struct ym_err *err)
{
	const struct store_job job = {.id = id, .state = JOB_READY, .held = true};
	sqlite3_stmt *take = sqlite_statement(store, SQL_TAKE, err);

	if (!take)
		return -1;
	sqlite_hold(store, id);
	sqlite3_bind_int64(take, 1, (int64_t)id);
	sqlite_bind_list(store, take, 2, &job, pool->id);
	return sqlite_run(store, take, err);
}

void sqlite_bind_bytes(sqlite3_stmt *statement, int at, const struct payload_source *source)
{
	if (source->size > 0 && sqlite_is_short(source))
		sqlite3_bind_blob64(statement, at, source->data, source->size, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, at);
}

/* ---- wants ----------------------------------------------------------------------------------- */

/* The ids of those that `take` took, which are *n; *taken has room for want->n of them. */
static int offer_jobs(struct store *store, struct store_batch *batch, struct store_want *want, sqlite3_stmt *rows,
                      uint64_t *taken, unsigned *n, struct ym_err *err)
{
	struct store_job job;
	int more, refused = 0;

	*n = 0;
	while ((more = sqlite_row(store, rows, err)) > 0) {
		sqlite_read_job(store, rows, &job);
		if (*n == want->n) {
			want->first_rank = job.rank;
			break;
		}
		job.held = true;
		if (sqlite_read_bytes(store, rows, &job, false, err) < 0)
			more = -1;
		else
			refused = batch->take(batch->arg, want, &job);
		store_job_free(&job);
		if (more < 0 || refused) {
			want->first_rank = job.rank;
			break;
		}
		taken[(*n)++] = job.id;
	}
	sqlite3_reset(rows);
	return more < 0 ? -1 : 0;
}

/* What is taken leaves the index only when it has been walked. */
static int take_jobs(struct store *store, struct sqlite_pool *pool, const uint64_t *taken, unsigned n,
                     struct ym_err *err)
{
	for (unsigned i = 0; i < n; i++)
		if (sqlite_hold_row(store, pool, taken[i], err) < 0)
			return -1;
	if (n > 0)
		sqlite_count(pool, JOB_READY, -(int)n);
	return 0;
}

static int want_one(struct store *store, struct store_batch *batch, struct store_want *want, struct ym_err *err)
{
	struct sqlite_pool *pool = sqlite_find_pool(store, want->pool);
	sqlite3_stmt *rows = sqlite_statement(store, SQL_WANT, err);
	uint64_t *taken;
	unsigned n;
	int result;

	want->taken = 0;
	want->first_rank = INT64_MAX;
	if (!rows)
		return -1;
	if (!pool)
		return 0;
	taken = malloc((want->n + 1) * sizeof(*taken));
	if (!taken)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	sqlite3_bind_int64(rows, 1, pool->id);
	sqlite3_bind_int64(rows, 2, (int64_t)want->n + 1);
	result = offer_jobs(store, batch, want, rows, taken, &n, err);
	want->taken = n;
	if (result == 0)
		result = take_jobs(store, pool, taken, n, err);
	free(taken);
	return result;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int write_all(struct store *store, struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nreleases; i++)
		if (sqlite_release(store, batch->releases[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nsaves; i++)
		if (sqlite_save(store, &batch->saves[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nsubmits; i++)
		if (sqlite_submit(store, &batch->submits[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nrequests; i++)
		if (sqlite_request(store, &batch->requests[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nwants; i++)
		if (want_one(store, batch, &batch->wants[i], err) < 0)
			return -1;
	return sqlite_write_counts(store, err);
}

/* What LOOK has found is given only with a transaction that stands. */
static void forget_looks(struct store_batch *batch)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		if (batch->requests[i].ask == STORE_LOOK)
			store_job_free(&batch->requests[i].job);
}

int sqlite_write(struct store *store, struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		batch->requests[i].job = (struct store_job){0};
	if (sqlite_check_place(store, err) < 0 || (store->stale && sqlite_load(store, err) < 0))
		return -1;
	if (sqlite_begin(store, batch->durable, err) < 0)
		return -1;
	if (write_all(store, batch, err) == 0 && sqlite_commit(store, err) == 0) {
		/* Ticks should have done that; it is no failure of this batch. */
		sqlite_write_back(store, 2 * SQLITE_WAL_PAGES, NULL);
		return 0;
	}
	forget_looks(batch);
	return sqlite_rollback(store);
}
