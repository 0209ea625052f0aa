/*
 * store_postgresql_ask.c - what people ask for: each run of the same wish is one statement.
 *
 * A job that another node holds is that node's. Only to cancel it is passed on: a mark on the row, in case the node does
 * not listen right now, and a word on its channel.
 */
#include "store_postgresql.h"

#include <string.h>

#define RUN_MAX 256

/* $1 ids, $2 our registration. Each returns id and verdict: o(k), h(eld), c(annot), e(xists). */
#define TARGETS                                                                                                        \
	"WITH t AS (SELECT id, state, node, pool, unique_key FROM yardmaster.job WHERE id = ANY ($1) ORDER BY id FOR " \
	"UPDATE)"
#define WAITS "t.node IS NULL AND t.state IN ('waiting', 'delayed')"
#define VERDICT                                                                                                        \
	" SELECT t.id, CASE WHEN EXISTS (SELECT FROM d WHERE d.id = t.id) THEN 'o'"                                    \
	" WHEN t.node IS NOT NULL THEN 'h' ELSE 'c' END FROM t"

static const char cancel_sql[] =
    TARGETS ", d AS (UPDATE yardmaster.job j SET state = 'cancelled', finished = now() FROM t"
	    " WHERE j.id = t.id AND " WAITS " RETURNING j.id),"
	    " a AS (UPDATE yardmaster.job j SET cancel = true FROM t WHERE j.id = t.id AND t.node <> $2"
	    " RETURNING j.id, j.node)"
	    " SELECT t.id, CASE WHEN EXISTS (SELECT FROM d WHERE d.id = t.id) THEN 'o'"
	    " WHEN (SELECT count(pg_notify('yardmaster_' || a.node, a.id::text)) FROM a WHERE a.id = t.id) > 0 THEN 'o'"
	    " WHEN t.node IS NOT NULL THEN 'h' ELSE 'c' END FROM t";
static const char bury_sql[] = TARGETS ", d AS (UPDATE yardmaster.job j SET state = 'buried', finished = now() FROM t"
				       " WHERE j.id = t.id AND $2 IS NOT NULL AND " WAITS " RETURNING j.id)" VERDICT;
static const char delete_sql[] =
    TARGETS ", d AS (DELETE FROM yardmaster.job j USING t WHERE j.id = t.id AND $2 IS NOT NULL"
	    " AND t.node IS NULL AND t.state <> 'running' RETURNING j.id)" VERDICT;
static const char kick_sql[] =
    TARGETS ", f AS (SELECT t.id, t.state FROM t WHERE $2 IS NOT NULL AND t.node IS NULL AND (t.state = 'delayed' OR"
	    " (t.state IN ('buried', 'failed', 'cancelled') AND NOT EXISTS (SELECT FROM yardmaster.job o"
	    " WHERE o.pool = t.pool AND o.unique_key = t.unique_key AND o.state IN " PG_LIVE ")))),"
	    " x AS (DELETE FROM yardmaster.chunk c USING f WHERE c.job = f.id AND c.of_result),"
	    " d AS (UPDATE yardmaster.job j SET state = 'waiting', finished = NULL, due = NULL, result = NULL,"
	    " result_size = NULL, rank = yardmaster.rank(j.pool, j.level, now()),"
	    " attempt = CASE f.state WHEN 'delayed' THEN j.attempt ELSE 0 END,"
	    " crashes = CASE f.state WHEN 'delayed' THEN j.crashes ELSE 0 END,"
	    " error = CASE f.state WHEN 'delayed' THEN j.error END FROM f WHERE j.id = f.id RETURNING j.id)"
	    " SELECT t.id, CASE WHEN EXISTS (SELECT FROM d WHERE d.id = t.id) THEN 'o' WHEN t.node IS NOT NULL THEN 'h'"
	    " WHEN t.state IN ('buried', 'failed', 'cancelled') THEN 'e' ELSE 'c' END FROM t";

static const char *sql_of(enum store_ask ask)
{
	switch (ask) {
	case STORE_LOOK:
		return pg_look_sql();
	case STORE_CANCEL:
		return cancel_sql;
	case STORE_BURY:
		return bury_sql;
	case STORE_KICK:
		return kick_sql;
	case STORE_DELETE:
	default:
		return delete_sql;
	}
}

/* How many from `first` on go into one statement. */
static size_t run_of(const struct store_batch *batch, size_t first, bool alone)
{
	size_t n = 1;

	while (!alone && n < RUN_MAX && first + n < batch->nrequests &&
	       batch->requests[first + n].ask == batch->requests[first].ask)
		n++;
	return n;
}

int pg_ask_send(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err)
{
	for (size_t i = 0, n; i < batch->nrequests; i += n) {
		const struct store_request *requests = &batch->requests[i];
		struct pg_args *args = pg_fresh(store);

		n = run_of(batch, i, alone);
		pg_array_begin(args, PG_BIG);
		for (size_t k = 0; k < n; k++)
			pg_put_big(args, (int64_t)requests[k].id);
		pg_array_end(args);
		if (requests->ask != STORE_LOOK)
			pg_put_me(store, args);
		if (pg_send(&store->link, sql_of(requests->ask), args, err) < 0)
			return -1;
	}
	return 0;
}

static enum store_verdict verdict_of(const char *letter)
{
	switch (letter[0]) {
	case 'o':
		return STORE_OK;
	case 'h':
		return STORE_HELD;
	case 'e':
		return STORE_EXISTS;
	default:
		return STORE_CANNOT;
	}
}

/* Those of the run that mean the job of this row. */
static int answer(struct pg_store *store, struct store_request *requests, size_t n, const PGresult *result, int row,
                  struct ym_err *err)
{
	uint64_t id = (uint64_t)pg_big(result, row, 0);

	for (size_t i = 0; i < n; i++) {
		struct store_request *request = &requests[i];

		if (request->id != id)
			continue;
		if (request->ask != STORE_LOOK) {
			request->verdict = verdict_of(pg_text(result, row, 1));
			continue;
		}
		request->verdict = STORE_OK;
		pg_read_job(store, result, row, &request->job);
		if (pg_keep_bytes(result, row, pg_columns_count(), &request->job, err) < 0)
			return -1;
	}
	return 0;
}

int pg_ask_read(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err)
{
	for (size_t i = 0, n; i < batch->nrequests; i += n) {
		PGresult *result = pg_next(&store->link, err);
		int code = 0;

		if (!result)
			return -1;
		n = run_of(batch, i, alone);
		for (size_t k = 0; k < n; k++) {
			batch->requests[i + k].verdict = STORE_NONE;
			batch->requests[i + k].job = (struct store_job){0};
		}
		for (int row = 0; row < libpq.PQntuples(result) && code == 0; row++)
			code = answer(store, &batch->requests[i], n, result, row, err);
		pg_free(result);
		if (code < 0)
			return -1;
	}
	return 0;
}

int pg_ask_bytes(struct pg_store *store, struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		if (batch->requests[i].ask == STORE_LOOK && batch->requests[i].verdict == STORE_OK &&
		    pg_fetch_long(store, &batch->requests[i].job, err) < 0)
			return -1;
	return 0;
}

void pg_ask_forget(struct store_batch *batch)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		if (batch->requests[i].ask == STORE_LOOK)
			store_job_free(&batch->requests[i].job);
}
