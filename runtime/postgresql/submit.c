/*
 * submit.c - new jobs, all of a batch in one statement.
 *
 * What the statement did not enter is there already: under its id, as it was submitted by a batch whose end we were not told;
 * or a live job has its unique key.
 */
#include "postgresql.h"

#include <stdlib.h>
#include <string.h>

#define TRIES 5

/* Why a submission was not entered: the job with its id, the one with its key. */
static const char conflicts_sql[] =
    "SELECT s.place, a.id, b.id FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS s (id, pool, unique_key, submitted, "
    "place)"
    " LEFT JOIN yardmaster.job a ON a.id = s.id"
    " AND a.submitted BETWEEN s.submitted - interval '1 hour' AND s.submitted + interval '1 hour'"
    " LEFT JOIN yardmaster.job b ON b.pool = s.pool AND b.unique_key = s.unique_key AND b.state IN " PG_LIVE;
/* Of those that are there already: what waits, or is ours, is held as is asked for now. */
static const char again_sql[] =
    "UPDATE yardmaster.job j SET node = CASE WHEN s.held THEN $3::bigint END, ran_by = $3,"
    " ran_on = CASE WHEN s.held THEN $4 ELSE j.ran_on END,"
    " state = CASE WHEN j.state = 'running' AND NOT s.held THEN 'waiting' ELSE j.state END"
    " FROM unnest($1, $2) AS s (id, held) WHERE j.id = s.id AND (j.node IS NOT DISTINCT FROM $3"
    " OR (s.held AND j.node IS NULL AND j.state IN ('waiting', 'delayed'))) RETURNING j.id, j.node IS NOT NULL";
static const char no_chunks_sql[] = "DELETE FROM yardmaster.chunk WHERE job = ANY ($1)";

static const struct store_job *job_at(const void *submits, size_t i)
{
	return &((struct store_submit *const *)submits)[i]->job;
}

static void put_ids(struct pg_args *args, struct store_submit **submits, size_t n)
{
	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < n; i++)
		pg_put_big(args, (int64_t)submits[i]->job.id);
	pg_array_end(args);
}

static void put_held(struct pg_args *args, struct store_submit **submits, size_t n)
{
	pg_array_begin(args, PG_BOOL);
	for (size_t i = 0; i < n; i++)
		pg_put_bool(args, submits[i]->job.held);
	pg_array_end(args);
}

int pg_send_submits(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	pg_put_jobs(store, args, PG_SUBMIT, job_at, submits, n);
	put_held(args, submits, n);
	if (pg_put_bytes_of(store, args, false, false, job_at, submits, n, err) < 0 ||
	    pg_put_bytes_of(store, args, true, false, job_at, submits, n, err) < 0)
		return -1;
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, submits[i]->job.node);
	pg_array_end(args);
	pg_put_me(store, args);
	pg_arg_text(args, store->options.node);
	if (pg_send(&store->link, pg_insert_sql(), args, err) < 0)
		return -1;
	return pg_send_stories(store, submits, n, err);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = (*(struct store_submit *const *)a)->job.id, y = (*(struct store_submit *const *)b)->job.id;

	return (x > y) - (x < y);
}

static struct store_submit **find(struct store_submit **submits, size_t n, uint64_t id)
{
	struct store_submit wanted = {.job.id = id}, *key = &wanted;

	return bsearch(&key, submits, n, sizeof(struct store_submit *), compare);
}

/* Those that were entered are OK and leave the list. */
static void leave(const PGresult *result, struct store_submit **submits, size_t *n)
{
	size_t kept = 0;

	qsort(submits, *n, sizeof(struct store_submit *), compare);
	for (int row = 0; row < libpq.PQntuples(result); row++) {
		struct store_submit **found = find(submits, *n, (uint64_t)pg_big(result, row, 0));

		if (found)
			(*found)->verdict = STORE_OK;
	}
	for (size_t i = 0; i < *n; i++)
		if (submits[i]->verdict != STORE_OK)
			submits[kept++] = submits[i];
	*n = kept;
}

int pg_read_submits(struct pg_store *store, struct store_submit **submits, size_t *n, int mark, struct ym_err *err)
{
	for (size_t i = 0; i < *n; i++)
		submits[i]->verdict = STORE_UNTAKEN;
	while (store->link.received < mark) {
		PGresult *result = pg_next(&store->link, err);

		if (!result)
			return -1;
		if (libpq.PQntuples(result) > 0) /* the others are bytes and stories */
			leave(result, submits, n);
		pg_free(result);
	}
	return 0;
}

static PGresult *ask_why(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	put_ids(args, submits, n);
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, submits[i]->job.pool);
	pg_array_end(args);
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, submits[i]->job.unique);
	pg_array_end(args);
	pg_array_begin(args, PG_TIME);
	for (size_t i = 0; i < n; i++)
		pg_put_time(args, pg_to_db(store, submits[i]->job.submitted_ms));
	pg_array_end(args);
	return pg_ask(&store->link, conflicts_sql, args, err);
}

static int drop_chunks(struct pg_store *store, uint64_t id, struct ym_err *err)
{
	struct pg_args args = {0};
	int code;

	pg_arg_ids(&args, &id, 1);
	code = pg_run(&store->link, no_chunks_sql, &args, err);
	pg_args_free(&args);
	return code;
}

/* Those that are here already, sorted. */
static int hold_again(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	PGresult *result;

	if (n == 0)
		return 0;
	put_ids(args, submits, n);
	put_held(args, submits, n);
	pg_put_me(store, args);
	pg_arg_text(args, store->options.node);
	result = pg_ask(&store->link, again_sql, args, err);
	if (!result)
		return -1;
	for (size_t i = 0; i < n; i++)
		submits[i]->job.held = false;
	for (int row = 0; row < libpq.PQntuples(result); row++) {
		struct store_submit **found = find(submits, n, (uint64_t)pg_big(result, row, 0));

		if (found)
			(*found)->job.held = pg_bool(result, row, 1);
	}
	pg_free(result);
	return 0;
}

/* By what stands in the way: its verdict, if it has one. */
static int judge_one(struct pg_store *store, struct store_submit *submit, const PGresult *why, int row,
                     struct ym_err *err)
{
	if (!pg_null(why, row, 1)) {
		submit->verdict = STORE_OK;
	} else if (!pg_null(why, row, 2)) {
		submit->verdict = STORE_EXISTS;
		submit->existing = (uint64_t)pg_big(why, row, 2);
		if (pg_long(&submit->job.payload) || pg_long(&submit->job.result))
			return drop_chunks(store, submit->job.id, err);
	}
	return 0;
}

/* Give verdicts; those without one stay in the list: what stood in their way has just gone. */
static int judge(struct pg_store *store, struct store_submit **submits, size_t *n, struct ym_err *err)
{
	PGresult *why = ask_why(store, submits, *n, err);
	struct store_submit **again = calloc(*n, sizeof(struct store_submit *));
	size_t kept = 0, nagain = 0;
	int code = why && again ? 0 : -1;

	if (why && !again)
		ym_fail(err, YM_ERR_LIMIT, "out of memory for a batch of jobs");
	for (int row = 0; code == 0 && row < libpq.PQntuples(why); row++)
		code = judge_one(store, submits[pg_big(why, row, 0) - 1], why, row, err);
	pg_free(why);
	for (size_t i = 0; code == 0 && i < *n; i++)
		if (submits[i]->verdict == STORE_UNTAKEN)
			submits[kept++] = submits[i];
		else if (submits[i]->verdict == STORE_OK)
			again[nagain++] = submits[i];
	if (nagain)
		qsort(again, nagain, sizeof(struct store_submit *), compare);
	*n = kept;
	if (code == 0)
		code = hold_again(store, again, nagain, err);
	free(again);
	return code;
}

int pg_settle_submits(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err)
{
	for (int i = 0; n > 0 && i < TRIES; i++) {
		if (judge(store, submits, &n, err) < 0)
			return -1;
		if (n == 0)
			return 0;
		if (pg_send_submits(store, submits, n, err) < 0 || pg_sync(&store->link, err) < 0 ||
		    pg_read_submits(store, submits, &n, store->link.sent, err) < 0 || pg_done(&store->link, err) < 0)
			return -1;
	}
	/* The id is another job's, of another time: not from reserve()? */
	for (size_t i = 0; i < n; i++)
		submits[i]->verdict = STORE_CANNOT;
	return 0;
}
