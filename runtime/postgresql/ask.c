/*
 * ask.c - what people ask for: each run of the same wish is one statement.
 *
 * A job that another node holds is that node's. Only to cancel it is passed on: a mark on the row, in case the node does
 * not listen right now, and a word on its channel.
 */
#include "postgresql.h"

#include <string.h>

#include "../text.h"

#define RUN_MAX 256

/*
 * $1 ids, $2 our registration. Each returns id, verdict: o(k), p(assed on), h(eld), c(annot), e(xists); and of whom an answer
 * may be waited for.
 */
#define TARGETS                                                                                                        \
	"WITH t AS (SELECT id, state, node, pool, unique_key, tag, attempt, reply_key, reply_type, reply_form"         \
	" FROM yardmaster.job WHERE id = ANY ($1) ORDER BY id FOR UPDATE)"
#define WAITING "t.state IN ('waiting', 'delayed')"
#define WAITS   "t.node IS NULL AND " WAITING
#define DONE    " SELECT t.id, CASE WHEN EXISTS (SELECT FROM d WHERE d.id = t.id) THEN 'o'"
#define WHO     " END, t.tag, t.attempt, " WAITING ", t.reply_key, t.reply_type, t.reply_form FROM t"
#define VERDICT DONE " WHEN t.node IS NOT NULL THEN 'h' ELSE 'c'" WHO

static const char cancel_sql[] =
    TARGETS ", d AS (UPDATE yardmaster.job j SET state = 'cancelled', finished = now() FROM t"
	    " WHERE j.id = t.id AND " WAITS " RETURNING j.id),"
	    " a AS (UPDATE yardmaster.job j SET cancel = true FROM t WHERE j.id = t.id AND t.node <> $2"
	    " RETURNING j.id, j.node)" DONE
	    " WHEN (SELECT count(pg_notify('yardmaster_' || a.node, a.id::text)) FROM a WHERE a.id = t.id) > 0 THEN 'p'"
	    " WHEN t.node IS NOT NULL THEN 'h' ELSE 'c'" WHO;
static const char bury_sql[] = TARGETS ", d AS (UPDATE yardmaster.job j SET state = 'buried', finished = now() FROM t"
				       " WHERE j.id = t.id AND $2 IS NOT NULL AND " WAITS " RETURNING j.id)" VERDICT;
static const char delete_sql[] =
    TARGETS ", d AS (DELETE FROM yardmaster.job j USING t WHERE j.id = t.id AND $2 IS NOT NULL"
	    " AND t.node IS NULL AND t.state <> 'running' RETURNING j.id)" VERDICT;
static const char kick_sql[] =
    TARGETS ", f AS (SELECT t.id, t.state = 'delayed' AS delayed FROM t WHERE $2 IS NOT NULL AND t.node IS NULL"
	    " AND (t.state = 'delayed' OR (t.state IN ('buried', 'failed', 'cancelled')"
	    " AND NOT EXISTS (SELECT FROM yardmaster.job o"
	    " WHERE o.pool = t.pool AND o.unique_key = t.unique_key AND o.state IN " PG_LIVE ")))),"
	    " x AS (DELETE FROM yardmaster.chunk c USING f WHERE c.job = f.id AND c.of_result),"
	    " d AS (UPDATE yardmaster.job j SET state = 'waiting', finished = NULL, due = NULL, result = NULL,"
	    " result_size = NULL, rank = yardmaster.rank(j.pool, j.level, now()),"
	    " round = CASE WHEN f.delayed THEN j.round ELSE j.round + 1 END,"
	    " attempt = CASE WHEN f.delayed THEN j.attempt ELSE 0 END,"
	    " crashes = CASE WHEN f.delayed THEN j.crashes ELSE 0 END,"
	    " started = CASE WHEN f.delayed THEN j.started END, done = CASE WHEN f.delayed THEN j.done ELSE 0 END,"
	    " total = CASE WHEN f.delayed THEN j.total ELSE 0 END, unit = CASE WHEN f.delayed THEN j.unit END,"
	    " reply_key = CASE WHEN f.delayed THEN j.reply_key ELSE 0 END,"
	    " reply_type = CASE WHEN f.delayed THEN j.reply_type ELSE 0 END,"
	    " reply_form = CASE WHEN f.delayed THEN j.reply_form ELSE 0 END,"
	    " error = CASE WHEN f.delayed THEN j.error END FROM f WHERE j.id = f.id RETURNING j.id)" DONE
	    " WHEN t.node IS NOT NULL THEN 'h' WHEN t.state IN ('buried', 'failed', 'cancelled') THEN 'e' ELSE 'c'" WHO;

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
	       batch->requests[first + n].ask == batch->requests[first].ask &&
	       batch->requests[first + n].verdict != STORE_BUSY)
		n++;
	return n;
}

int pg_ask_send(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err)
{
	for (size_t i = 0, n; i < batch->nrequests; i += n) {
		const struct store_request *requests = &batch->requests[i];
		struct pg_args *args = pg_fresh(store);

		n = run_of(batch, i, alone || requests->verdict == STORE_BUSY);
		if (requests->verdict == STORE_BUSY)
			continue;
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
	case 'p':
		return STORE_OK;
	case 'h':
		return STORE_HELD;
	case 'e':
		return STORE_EXISTS;
	default:
		return STORE_CANNOT;
	}
}

/* Whom nobody but us will answer. What is over was answered when it ended, a job of another node is answered there. */
static void read_reply(struct store_job *job, const PGresult *result, int row)
{
	bool waited = pg_bool(result, row, 4);

	job->id = (uint64_t)pg_big(result, row, 0);
	text_copy(job->tag, sizeof(job->tag), pg_text(result, row, 2));
	job->attempt = (uint8_t)pg_big(result, row, 3);
	job->reply_key = waited ? (int32_t)pg_big(result, row, 5) : 0;
	job->reply_type = waited ? pg_big(result, row, 6) : 0;
	job->reply_form = waited ? (uint8_t)pg_big(result, row, 7) : 0;
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
			if (pg_text(result, row, 1)[0] == 'o' && request->ask != STORE_KICK)
				read_reply(&request->job, result, row);
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
		bool busy = batch->requests[i].verdict == STORE_BUSY;
		PGresult *result;
		int code = 0;

		n = run_of(batch, i, alone || busy);
		if (busy)
			continue;
		result = pg_next(&store->link, err);
		if (!result)
			return -1;
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
