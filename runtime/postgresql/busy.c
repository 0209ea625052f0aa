/*
 * busy.c - who would have to wait for a transaction that somebody has left open.
 *
 * Another's INSERT of the same unique key, or UPDATE of the same row, lets a statement wait until that transaction ends; and
 * with it the batch, and all others behind that. Once that has happened, batches are looked through before they are
 * written, for a while: what would have to wait is refused, the others go on.
 */
#include "postgresql.h"

#include <stdlib.h>
#include <string.h>

/* At most so long for all of them: what was not tried by then is refused, too. */
#define WITHIN " clock_timestamp() < statement_timestamp() + interval '1 s'"

/* Numbers of those whose key is not settled. */
static const char keys_sql[] =
    "WITH k AS (SELECT pool, unique_key, array_agg(place) AS places FROM unnest($1, $2) WITH ORDINALITY"
    " AS s (pool, unique_key, place) WHERE unique_key IS NOT NULL GROUP BY pool, unique_key)"
    " SELECT unnest(places) FROM k"
    " WHERE NOT CASE WHEN" WITHIN " THEN yardmaster.key_is_settled(pool, unique_key) ELSE false END";
/* Ids of rows that are locked, or (kicked) whose key is not settled. */
static const char rows_sql[] =
    "WITH f AS MATERIALIZED (SELECT id FROM yardmaster.job WHERE id = ANY ($1) FOR UPDATE SKIP LOCKED)"
    " SELECT j.id FROM yardmaster.job j WHERE j.id = ANY ($1) AND (NOT EXISTS (SELECT FROM f WHERE f.id = j.id)"
    " OR (j.id = ANY ($2) AND j.unique_key IS NOT NULL AND j.state NOT IN " PG_LIVE " AND NOT CASE WHEN" WITHIN
    " THEN yardmaster.key_is_settled(j.pool, j.unique_key) ELSE false END))";

void pg_all_free(struct store_batch *batch)
{
	for (size_t i = 0; i < batch->nsubmits; i++)
		batch->submits[i].verdict = STORE_UNTAKEN;
	for (size_t i = 0; i < batch->nrequests; i++)
		batch->requests[i].verdict = STORE_UNTAKEN;
}

static bool has_live_key(const struct store_job *job)
{
	return job->unique[0] && (job->state == JOB_READY || job->state == JOB_DELAYED || job->state == JOB_CLAIMED);
}

static int look_at_keys(struct pg_store *store, struct store_batch *batch, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	PGresult *result;
	size_t keys = 0;

	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < batch->nsubmits; i++)
		pg_put_text(args, batch->submits[i].job.pool);
	pg_array_end(args);
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < batch->nsubmits; i++) {
		const struct store_job *job = &batch->submits[i].job;

		pg_put_text(args, has_live_key(job) ? job->unique : NULL);
		keys += has_live_key(job);
	}
	pg_array_end(args);
	if (keys == 0)
		return 0;
	result = pg_ask(&store->link, keys_sql, args, err);
	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result); row++)
		batch->submits[pg_big(result, row, 0) - 1].verdict = STORE_BUSY;
	pg_free(result);
	return 0;
}

static size_t put_ids(struct pg_args *args, const struct store_batch *batch, bool kicked)
{
	size_t n = 0;

	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < batch->nrequests; i++) {
		enum store_ask ask = batch->requests[i].ask;

		if (kicked ? ask != STORE_KICK : ask == STORE_LOOK)
			continue;
		pg_put_big(args, (int64_t)batch->requests[i].id);
		n++;
	}
	pg_array_end(args);
	return n;
}

static int look_at_rows(struct pg_store *store, struct store_batch *batch, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	size_t n = put_ids(args, batch, false);
	PGresult *result;

	put_ids(args, batch, true);
	if (n == 0)
		return 0;
	result = pg_ask(&store->link, rows_sql, args, err);
	if (!result)
		return -1;
	for (int row = 0; row < libpq.PQntuples(result); row++)
		for (size_t i = 0; i < batch->nrequests; i++)
			if (batch->requests[i].id == (uint64_t)pg_big(result, row, 0) &&
			    batch->requests[i].ask != STORE_LOOK)
				batch->requests[i].verdict = STORE_BUSY;
	pg_free(result);
	return 0;
}

int pg_find_busy(struct pg_store *store, struct store_batch *batch, struct ym_err *err)
{
	return look_at_keys(store, batch, err) < 0 ? -1 : look_at_rows(store, batch, err);
}
