/* read.c - lists of jobs, and what is told of their attempts. */
#include "postgresql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text.h"

#define PAGE       500
#define PAGE_BYTES 50 /* with payloads */
#define SQL_MAX    8192

/* ---- lists ----------------------------------------------------------------------------------- */

struct query {
	char sql[SQL_MAX];
	size_t used;
	struct pg_args args;
};

static void __attribute__((format(printf, 2, 3))) add(struct query *query, const char *fmt, ...)
{
	va_list list;
	int n;

	va_start(list, fmt);
	n = vsnprintf(query->sql + query->used, SQL_MAX - query->used, fmt, list);
	va_end(list);
	query->used += n > 0 ? (size_t)n : 0;
	if (query->used >= SQL_MAX)
		query->args.failed = true;
}

static void add_text(struct query *query, const char *condition, const char *value)
{
	if (!value)
		return;
	pg_arg_text(&query->args, value);
	add(query, condition, query->args.n);
}

static void add_states(struct query *query, unsigned states)
{
	const char *comma = "";

	if (!states)
		return;
	add(query, " AND j.state IN (");
	for (unsigned state = 0; state < 32; state++)
		if (states & 1u << state && state < JOB_STATES && pg_state_word((enum job_state)state)) {
			add(query, "%s'%s'", comma, pg_state_word((enum job_state)state));
			comma = ", ";
		}
	add(query, "%s)", comma[0] ? "" : "NULL");
}

static void make(struct pg_store *store, struct query *query, const struct store_filter *filter, uint64_t after,
                 size_t limit)
{
	add(query, "SELECT %s%s FROM yardmaster.job j WHERE true", pg_columns(),
	    filter->bytes ? ", " PG_BYTES_COLUMNS : "");
	add_text(query, " AND j.pool = $%d", filter->pool);
	add_text(query, " AND j.tag = $%d", filter->tag);
	add_text(query, " AND j.unique_key = $%d", filter->unique);
	add_text(query, " AND strpos(lower(j.error), lower($%d)) > 0", filter->error);
	add_states(query, filter->states);
	if (filter->level >= 0)
		add(query, " AND j.level = %d", filter->level);
	if (filter->since_ms) {
		pg_arg_time(&query->args, pg_to_db(store, filter->since_ms));
		add(query, " AND j.submitted >= $%d", query->args.n);
	}
	if (filter->until_ms) {
		pg_arg_time(&query->args, pg_to_db(store, filter->until_ms));
		add(query, " AND j.submitted <= $%d", query->args.n);
	}
	if (filter->id)
		add(query, " AND j.id = %lld", (long long)filter->id);
	if (after)
		add(query, " AND j.id %c %lld", filter->newest ? '<' : '>', (long long)after);
	add(query, " ORDER BY j.id %s LIMIT %zu", filter->newest ? "DESC" : "ASC", limit);
}

/* Rows of a page; *after: the last id. 1: somebody has had enough. */
static int tell(struct pg_store *store, const PGresult *result, bool bytes, store_each *each, void *arg,
                uint64_t *after, struct ym_err *err)
{
	int code = 0;

	for (int row = 0; row < libpq.PQntuples(result) && code == 0; row++) {
		struct store_job job;

		pg_read_job(store, result, row, &job);
		*after = job.id;
		if (bytes)
			pg_point_bytes(result, row, pg_columns_count(), &job);
		if (bytes && pg_fetch_long(store, &job, err) < 0)
			code = -1;
		else if (each(arg, &job) != 0)
			code = 1;
		store_job_free(&job);
	}
	return code;
}

int pg_list(struct store *base, const struct store_filter *filter, store_each *each, void *arg, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	size_t page = filter->bytes ? PAGE_BYTES : PAGE, left = filter->limit ? filter->limit : SIZE_MAX;
	struct query *query = malloc(sizeof(*query));
	uint64_t after = filter->after;
	int rows = 0, code = query ? 0 : ym_fail(err, YM_ERR_LIMIT, "out of memory for a list of jobs");

	if (code == 0)
		code = pg_ready(store, err);
	do {
		size_t limit = left < page ? left : page;
		PGresult *result;

		if (code != 0)
			break;
		*query = (struct query){0};
		make(store, query, filter, after, limit);
		result = pg_ask_once(&store->link, query->sql, &query->args, err);
		pg_args_free(&query->args);
		if (!result) {
			code = -1;
			break;
		}
		rows = libpq.PQntuples(result);
		code = tell(store, result, filter->bytes, each, arg, &after, err);
		pg_free(result);
		left -= (size_t)rows;
		rows = (size_t)rows == limit && left > 0;
	} while (rows);
	free(query);
	return code < 0 ? -1 : 0;
}

/* ---- attempts -------------------------------------------------------------------------------- */

static const char told_sql[] = "SELECT note, output FROM yardmaster.job WHERE id = $1";
static const char attempts_sql[] =
    "SELECT number, ended_as, started, ended, pid, status, rss_kib, user_ms, system_ms, done, total, unit, error, node"
    " FROM yardmaster.attempt WHERE job = $1 ORDER BY round, number";

static enum story_end end_of(const char *word)
{
	for (unsigned end = 0; end < STORY_ENDS; end++)
		if (strcmp(story_end_word(end), word) == 0)
			return (enum story_end)end;
	return STORY_NONE;
}

static void read_attempt(struct pg_store *store, const PGresult *result, int row, struct store_attempt *attempt)
{
	*attempt = (struct store_attempt){
	    .number = (unsigned)pg_big(result, row, 0),
	    .end = end_of(pg_text(result, row, 1)),
	    .started_ms = pg_from_db(store, pg_time(result, row, 2)),
	    .ended_ms = pg_from_db(store, pg_time(result, row, 3)),
	    .pid = (int32_t)pg_big(result, row, 4),
	    .status = (int32_t)pg_big(result, row, 5),
	    .rss_kib = (uint32_t)pg_big(result, row, 6),
	    .user_ms = (uint32_t)pg_big(result, row, 7),
	    .system_ms = (uint32_t)pg_big(result, row, 8),
	    .done = (uint64_t)pg_big(result, row, 9),
	    .total = (uint64_t)pg_big(result, row, 10),
	};
	text_copy(attempt->unit, sizeof(attempt->unit), pg_text(result, row, 11));
	text_copy(attempt->error, sizeof(attempt->error), pg_text(result, row, 12));
	text_copy(attempt->node, sizeof(attempt->node), pg_text(result, row, 13));
}

static int fill(struct pg_store *store, const PGresult *result, struct store_story *story, struct ym_err *err)
{
	size_t n = (size_t)libpq.PQntuples(result);

	story->attempts = n ? calloc(n, sizeof(*story->attempts)) : NULL;
	if (n && !story->attempts)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for the attempts of a job");
	story->nattempts = n;
	for (size_t i = 0; i < n; i++)
		read_attempt(store, result, (int)i, &story->attempts[i]);
	return 0;
}

int pg_story(struct store *base, uint64_t id, struct store_story *story, struct ym_err *err)
{
	struct pg_store *store = pg_store_of(base);
	struct pg_args *args;
	PGresult *result;
	int code;

	*story = (struct store_story){0};
	if (pg_ready(store, err) < 0)
		return -1;
	args = pg_fresh(store);
	pg_arg_big(args, (int64_t)id);
	result = pg_ask(&store->link, told_sql, args, err);
	if (!result)
		return -1;
	code = libpq.PQntuples(result) == 0;
	if (code == 0) {
		text_copy(story->note, sizeof(story->note), pg_text(result, 0, 0));
		text_copy(story->output, sizeof(story->output), pg_text(result, 0, 1));
	}
	pg_free(result);
	if (code)
		return 1;
	result = pg_ask(&store->link, attempts_sql, args, err);
	if (!result)
		return -1;
	code = fill(store, result, story, err);
	pg_free(result);
	return code;
}
