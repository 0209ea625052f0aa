/* tick.c - delayed jobs that are due, old history, counts, upkeep. */
#include "postgresql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/clock.h"
#include "../text.h"

#define STEP        1000
#define TICK_MS     500
#define COMPACT_MS  5000
#define HISTORY_MIN 60000 /* a submission that is repeated after a broken commit must find its job */

/* ---- now and then ---------------------------------------------------------------------------- */

/*
 * now(), not clock_timestamp(), which no index is searched by: all that is delayed, and all history, would be read. ARRAY:
 * the jobs are looked up by id, whatever the planner thinks of the size of the table.
 */
static const char promote_sql[] =
    "UPDATE yardmaster.job SET state = 'waiting' WHERE id = ANY (ARRAY(SELECT id FROM yardmaster.job"
    " WHERE state = 'delayed' AND node IS NULL AND due <= now() ORDER BY due LIMIT 1000 FOR UPDATE SKIP LOCKED))";
static const char prune_sql[] =
    "DELETE FROM yardmaster.job WHERE id = ANY (ARRAY(SELECT id FROM yardmaster.job WHERE state IN ('done', 'failed', "
    "'cancelled')"
    " AND node IS NULL AND finished < now() - $1 * interval '1 ms' ORDER BY finished LIMIT 1000"
    " FOR UPDATE SKIP LOCKED))";
static const char next_due_sql[] =
    "SELECT due FROM yardmaster.job WHERE state = 'delayed' AND node IS NULL AND due IS NOT NULL ORDER BY due LIMIT 1";
/* The changes so far become one row for each count. One node does it; what comes meanwhile is another row. */
static const char sum_sql[] =
    "WITH old AS (DELETE FROM yardmaster.tally WHERE pg_try_advisory_xact_lock(1497188611, 0) RETURNING pool, state, n)"
    " INSERT INTO yardmaster.tally SELECT pool, state, sum(n) FROM old GROUP BY pool, state HAVING sum(n) <> 0";

/* A statement on its own, without number: $1, or none. Rows it changed, -1. */
static int64_t step(struct pg_store *store, const char *sql, const int64_t *number, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	PGresult *result;
	int64_t n;

	if (number)
		pg_arg_big(args, *number);
	result = pg_ask(&store->link, sql, args, err);
	if (!result)
		return -1;
	n = pg_changed(result);
	pg_free(result);
	return n;
}

static int sum_up(struct pg_store *store, struct ym_err *err)
{
	uint64_t now = ym_now_ns();

	if (now < store->compacted + COMPACT_MS * UINT64_C(1000000))
		return 0;
	store->compacted = now;
	return step(store, sum_sql, NULL, err) < 0 ? -1 : 0;
}

int pg_tick(struct store *base, int64_t now_ms, int64_t *next_ms, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	int64_t history = store->options.history_ms > HISTORY_MIN ? store->options.history_ms : HISTORY_MIN;
	int64_t promoted, pruned, due;
	PGresult *result;

	*next_ms = now_ms + TICK_MS;
	if (pg_ready(store, err) < 0)
		return -1;
	promoted = step(store, promote_sql, NULL, err);
	pruned = promoted < 0 ? -1 : step(store, prune_sql, &history, err);
	if (pruned < 0 || sum_up(store, err) < 0)
		return -1;
	if (promoted == STEP || pruned == STEP) {
		*next_ms = now_ms;
		return 0;
	}
	result = pg_ask(&store->link, next_due_sql, NULL, err);
	if (!result)
		return -1;
	if (libpq.PQntuples(result) == 1) {
		due = pg_from_db(store, pg_time(result, 0, 0));
		if (due < *next_ms)
			*next_ms = due > now_ms ? due : now_ms + 1;
	}
	pg_free(result);
	return 0;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static const char tally_sql[] = "SELECT pool, waiting::bigint, delayed::bigint, buried::bigint FROM yardmaster.backlog";

static int count(struct pg_store *store, struct ym_err *err)
{
	PGresult *result = pg_ask(&store->link, tally_sql, NULL, err);
	struct pg_tally *tallies;
	int rows;

	if (!result)
		return -1;
	rows = libpq.PQntuples(result);
	tallies = calloc((size_t)rows + 1, sizeof(*tallies));
	for (int row = 0; tallies && row < rows; row++) {
		text_copy(tallies[row].pool, sizeof(tallies[row].pool), pg_text(result, row, 0));
		tallies[row].tally = (struct store_tally){.waiting = (uint64_t)pg_big(result, row, 1),
		                                          .delayed = (uint64_t)pg_big(result, row, 2),
		                                          .buried = (uint64_t)pg_big(result, row, 3)};
	}
	pg_free(result);
	if (!tallies)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the counts of pools");
	free(store->tallies);
	store->tallies = tallies;
	store->ntallies = (size_t)rows;
	store->tallied = ym_now_ns();
	return 0;
}

int pg_tally_of(struct store *base, const char *pool, struct store_tally *tally, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);

	*tally = (struct store_tally){0};
	if (!store->tallied || ym_now_ns() > store->tallied + PG_TALLY_MS * UINT64_C(1000000))
		if (pg_ready(store, err) < 0 || count(store, err) < 0)
			return -1;
	for (size_t i = 0; i < store->ntallies; i++)
		if (strcmp(store->tallies[i].pool, pool) == 0)
			*tally = store->tallies[i].tally;
	return 0;
}

/* ---- upkeep ---------------------------------------------------------------------------------- */

/* Each gives a line for every thing that is not as it should be. */
static const char *const checks[] = {
    "SELECT format('pool %s: %s jobs are %s, the counts say %s', pool, sum(really), state, sum(told)) FROM ("
    " SELECT pool, state, count(*) AS really, 0 AS told FROM yardmaster.job WHERE node IS NULL"
    " AND state IN ('waiting', 'delayed', 'buried') GROUP BY pool, state"
    " UNION ALL SELECT pool, state, 0, sum(n) FROM yardmaster.tally GROUP BY pool, state) c"
    " GROUP BY pool, state HAVING sum(really) <> sum(told)",
    "SELECT format('job %s: held by node %s, which does not exist', j.id, j.node) FROM yardmaster.job j"
    " WHERE j.node IS NOT NULL AND NOT EXISTS (SELECT FROM yardmaster.node n WHERE n.id = j.node)",
    "SELECT format('job %s: it is running, but no node holds it', id) FROM yardmaster.job WHERE state = 'running'"
    " AND node IS NULL",
    "SELECT format('job %s: %s, but still held by node %s', id, state, node) FROM yardmaster.job"
    " WHERE state IN ('buried', 'done', 'failed', 'cancelled') AND node IS NOT NULL",
    "SELECT format('job %s: no rank, level or number of attempts', id) FROM yardmaster.job"
    " WHERE rank IS NULL OR level IS NULL OR attempts IS NULL",
    "SELECT format('job %s: its payload has %s bytes, %s of them are there', j.id, j.payload_size,"
    " coalesce(sum(octet_length(c.bytes)), 0)) FROM yardmaster.job j LEFT JOIN yardmaster.chunk c"
    " ON c.job = j.id AND NOT c.of_result WHERE j.payload_size IS NOT NULL GROUP BY j.id"
    " HAVING j.payload_size <> coalesce(sum(octet_length(c.bytes)), 0)",
    "SELECT format('job %s: its result has %s bytes, %s of them are there', j.id, j.result_size,"
    " coalesce(sum(octet_length(c.bytes)), 0)) FROM yardmaster.job j LEFT JOIN yardmaster.chunk c"
    " ON c.job = j.id AND c.of_result WHERE j.result_size IS NOT NULL GROUP BY j.id"
    " HAVING j.result_size <> coalesce(sum(octet_length(c.bytes)), 0)",
    "SELECT format('parts of the bytes of job %s, which does not exist', job) FROM yardmaster.chunk c"
    " WHERE NOT EXISTS (SELECT FROM yardmaster.job j WHERE j.id = c.job) GROUP BY job",
    "SELECT format('attempts of job %s, which does not exist', job) FROM yardmaster.attempt a"
    " WHERE NOT EXISTS (SELECT FROM yardmaster.job j WHERE j.id = a.job) GROUP BY job",
    "SELECT format('trigger %s is switched off', tgname) FROM pg_trigger WHERE tgrelid = 'yardmaster.job'::regclass"
    " AND NOT tgisinternal AND tgenabled <> 'O'",
    "SELECT format('index %s is not valid: REINDEX INDEX yardmaster.%s', c.relname, c.relname) FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'yardmaster.job'::regclass AND NOT i.indisvalid",
    "SELECT format('%s is off: jobs can be lost when the machine of the database loses power', name) FROM pg_settings"
    " WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'",
};

static int unlimited(struct pg_store *store, struct ym_err *err)
{
	store->link.patience_ms = -1;
	return pg_script(&store->link,
	                 "SET statement_timeout = 0; SET enable_seqscan = on; SET enable_hashjoin = on;"
	                 " SET enable_mergejoin = on; SET enable_bitmapscan = on",
	                 err);
}

int pg_verify(struct store *base, void (*tell)(void *arg, const char *line), void *arg, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	int found = 0;

	if (pg_ready(store, err) < 0 || unlimited(store, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		PGresult *result = pg_ask(&store->link, checks[i], NULL, err);

		if (!result)
			return -1;
		for (int row = 0; row < libpq.PQntuples(result); row++) {
			tell(arg, pg_text(result, row, 0));
			found = 1;
		}
		pg_free(result);
	}
	return found;
}

static const char size_sql[] =
    "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'yardmaster' AND c.relkind = 'r'";
/* Not FULL: that would stop everybody. Space is given back only at the ends of the tables, the rest is used again. */
static const char *const vacuums[] = {
    "VACUUM (ANALYZE) yardmaster.job",   "VACUUM (ANALYZE) yardmaster.attempt", "VACUUM (ANALYZE) yardmaster.chunk",
    "VACUUM (ANALYZE) yardmaster.tally", "VACUUM (ANALYZE) yardmaster.node",    "VACUUM (ANALYZE) yardmaster.limit_use",
};

static int size_of(struct pg_store *store, uint64_t *size, struct ym_err *err)
{
	PGresult *result = pg_ask(&store->link, size_sql, NULL, err);

	if (!result)
		return -1;
	*size = (uint64_t)pg_big(result, 0, 0);
	pg_free(result);
	return 0;
}

/* Who is not the owner is only warned. */
static int vacuum(struct pg_store *store, const char *sql, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX];

	store->link.warning[0] = '\0';
	if (pg_script(&store->link, sql, err) < 0)
		return -1;
	if (!store->link.warning[0])
		return 0;
	return ym_fail(err, YM_ERR_PERMISSION,
	               "PostgreSQL, %s, %s: %s: the role that has run `yardmaster store init` may do that",
	               store_shown(store->options.uri, shown), sql, store->link.warning);
}

int pg_compact(struct store *base, uint64_t *before, uint64_t *after, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);

	if (pg_ready(store, err) < 0 || unlimited(store, err) < 0 || size_of(store, before, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(vacuums) / sizeof(vacuums[0]); i++)
		if (vacuum(store, vacuums[i], err) < 0)
			return -1;
	return size_of(store, after, err);
}
