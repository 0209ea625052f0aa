/*
 * save.c - what has become of jobs that are held here, all of a batch in one statement.
 *
 * Only rows that carry our registration are written: who was taken for dead can change nothing any more.
 */
#include "postgresql.h"

#include <stdlib.h>
#include <string.h>

/* Only of a job whose row names us: while we hold it, or (past) when this batch has put it in. */
#define ATTEMPT_COLUMNS                                                                                                \
	"number, ended_as, started, ended, pid, status, rss_kib, user_ms, system_ms, done, total, unit, error, node"
#define PAST_COLUMNS                                                                                                   \
	"r.number, r.ended_as, r.started, r.ended, r.pid, r.status, r.rss_kib, r.user_ms, r.system_ms, r.done,"        \
	" r.total, r.unit, r.error, r.node"
#define ATTEMPT_ROWS "unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
#define OR_REPLACE                                                                                                     \
	" ON CONFLICT (job, round, number) DO UPDATE SET ended_as = excluded.ended_as, started = excluded.started,"    \
	" ended = excluded.ended, pid = excluded.pid, status = excluded.status, rss_kib = excluded.rss_kib,"           \
	" user_ms = excluded.user_ms, system_ms = excluded.system_ms, done = excluded.done, total = excluded.total,"   \
	" unit = excluded.unit, error = excluded.error, node = excluded.node"
static const char attempts_sql[] =
    "INSERT INTO yardmaster.attempt (job, " ATTEMPT_COLUMNS ", round) SELECT s.*, j.round FROM " ATTEMPT_ROWS
    " AS s (job, " ATTEMPT_COLUMNS
    ") JOIN yardmaster.job j ON j.id = s.job AND j.node IS NOT DISTINCT FROM $16" OR_REPLACE;
/* What is told of an import has no rounds: where the numbers begin again, the job was kicked. */
static const char past_sql[] =
    "WITH a AS (SELECT s.*, CASE WHEN number <= lag(number) OVER (PARTITION BY job ORDER BY place) THEN 1 ELSE 0 END"
    " AS step FROM " ATTEMPT_ROWS " WITH ORDINALITY AS s (job, " ATTEMPT_COLUMNS ", place)),"
    " r AS (SELECT a.*, (sum(step) OVER (PARTITION BY job ORDER BY place))::integer AS round FROM a),"
    " u AS (UPDATE yardmaster.job j SET round = m.round FROM (SELECT job, max(round) AS round FROM r GROUP BY job) m"
    " WHERE j.id = m.job AND j.ran_by IS NOT DISTINCT FROM $16 AND j.round < m.round)"
    " INSERT INTO yardmaster.attempt (job, " ATTEMPT_COLUMNS ", round) SELECT r.job, " PAST_COLUMNS ", r.round FROM r"
    " JOIN yardmaster.job j ON j.id = r.job AND j.ran_by IS NOT DISTINCT FROM $16" OR_REPLACE;
static const char words_sql[] =
    "UPDATE yardmaster.job j SET note = s.note, output = s.output FROM unnest($1, $2, $3) AS s (id, note, output)"
    " WHERE j.id = s.id AND j.ran_by IS NOT DISTINCT FROM $4";
/* A save that did arrive although we, or who had our name before us, were not told. */
static const char saved_sql[] =
    "SELECT j.id, j.key_lost FROM yardmaster.job j JOIN unnest($1, $2, $3) AS s (id, state, attempt) ON j.id = s.id"
    " WHERE j.node IS NULL AND (j.ran_by = $4 OR j.ran_on = $5) AND j.state = s.state::yardmaster.state"
    " AND j.attempt = s.attempt";

static const struct store_job *saved_job(const void *saves, size_t i)
{
	return &((const struct store_save *)saves)[i].job;
}

static bool stays(const struct store_job *job)
{
	return job->state == JOB_READY || job->state == JOB_DELAYED || job->state == JOB_CLAIMED;
}

#define EACH_ATTEMPT(body)                                                                                             \
	for (size_t i = 0; i < n; i++)                                                                                 \
		for (size_t k = 0; k < saves[i].nattempts; k++) {                                                      \
			const struct store_attempt *attempt = &saves[i].attempts[k];                                   \
			(void)attempt;                                                                                 \
			body;                                                                                          \
		}
#define ATTEMPT_COLUMN(type, body)                                                                                     \
	pg_array_begin(args, PG_##type);                                                                               \
	EACH_ATTEMPT(body)                                                                                             \
	pg_array_end(args)

/* `past`: made elsewhere, before these jobs came here. */
static int send_attempts(struct pg_store *store, const struct store_save *saves, size_t n, bool past,
                         struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	ATTEMPT_COLUMN(BIG, pg_put_big(args, (int64_t)saves[i].job.id));
	ATTEMPT_COLUMN(INT, pg_put_int(args, (int32_t)attempt->number));
	ATTEMPT_COLUMN(TEXT, pg_put_text(args, story_end_word(attempt->end)));
	ATTEMPT_COLUMN(TIME, pg_put_time(args, pg_to_db(store, attempt->started_ms)));
	ATTEMPT_COLUMN(TIME, pg_put_time(args, pg_to_db(store, attempt->ended_ms)));
	ATTEMPT_COLUMN(INT, pg_put_int(args, attempt->pid));
	ATTEMPT_COLUMN(INT, pg_put_int(args, attempt->status));
	ATTEMPT_COLUMN(BIG, pg_put_big(args, attempt->rss_kib));
	ATTEMPT_COLUMN(BIG, pg_put_big(args, attempt->user_ms));
	ATTEMPT_COLUMN(BIG, pg_put_big(args, attempt->system_ms));
	ATTEMPT_COLUMN(BIG, pg_put_big(args, (int64_t)(attempt->done & INT64_MAX)));
	ATTEMPT_COLUMN(BIG, pg_put_big(args, (int64_t)(attempt->total & INT64_MAX)));
	ATTEMPT_COLUMN(TEXT, pg_put_text(args, attempt->unit));
	ATTEMPT_COLUMN(TEXT, pg_put_text(args, attempt->error));
	ATTEMPT_COLUMN(TEXT, pg_put_text(args, attempt->node[0] || past ? attempt->node : store->options.node));
	pg_put_me(store, args);
	return pg_send(&store->link, past ? past_sql : attempts_sql, args, err);
}

static void put_words(struct pg_args *args, const struct store_save *saves, size_t n)
{
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, saves[i].note);
	pg_array_end(args);
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < n; i++)
		pg_put_text(args, saves[i].output);
	pg_array_end(args);
}

static int send_words(struct pg_store *store, const struct store_save *saves, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < n; i++)
		pg_put_big(args, (int64_t)saves[i].job.id);
	pg_array_end(args);
	put_words(args, saves, n);
	pg_put_me(store, args);
	return pg_send(&store->link, words_sql, args, err);
}

int pg_send_stories(struct pg_store *store, struct store_submit **submits, size_t n, struct ym_err *err)
{
	struct store_save *told;
	size_t stories = 0;
	int code = 0;

	for (size_t i = 0; i < n; i++)
		stories += submits[i]->nattempts > 0;
	if (stories == 0)
		return 0;
	told = calloc(stories, sizeof(*told));
	if (!told)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for what is told of jobs");
	stories = 0;
	for (size_t i = 0; i < n; i++)
		if (submits[i]->nattempts > 0)
			told[stories++] = (struct store_save){.job.id = submits[i]->job.id,
			                                      .attempts = submits[i]->attempts,
			                                      .nattempts = submits[i]->nattempts,
			                                      .note = submits[i]->note,
			                                      .output = submits[i]->output};
	if (send_attempts(store, told, stories, true, err) < 0 || send_words(store, told, stories, err) < 0)
		code = -1;
	free(told);
	return code;
}

static int send_save_rows(struct pg_store *store, struct store_save *saves, size_t n, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);

	pg_put_jobs(store, args, PG_SAVE, saved_job, saves, n);
	pg_array_begin(args, PG_BOOL);
	for (size_t i = 0; i < n; i++)
		pg_put_bool(args, stays(&saves[i].job));
	pg_array_end(args);
	if (pg_put_bytes_of(store, args, true, true, saved_job, saves, n, err) < 0)
		return -1;
	put_words(args, saves, n);
	pg_put_me(store, args);
	pg_arg_text(args, store->options.node);
	return pg_send(&store->link, pg_update_sql(), args, err);
}

int pg_send_saves(struct pg_store *store, struct store_batch *batch, bool alone, struct ym_err *err)
{
	size_t step = alone ? 1 : batch->nsaves, attempts = 0;

	for (size_t i = 0; i < batch->nsaves; i++)
		attempts += batch->saves[i].nattempts;
	if (attempts && send_attempts(store, batch->saves, batch->nsaves, false, err) < 0)
		return -1;
	for (size_t i = 0; i < batch->nsaves; i += step)
		if (send_save_rows(store, batch->saves + i, step, err) < 0)
			return -1;
	return 0;
}

static int compare_saves(const void *a, const void *b)
{
	uint64_t x = (*(struct store_save *const *)a)->job.id, y = (*(struct store_save *const *)b)->job.id;

	return (x > y) - (x < y);
}

static struct store_save *find_save(struct store_save **sorted, size_t n, uint64_t id)
{
	struct store_save wanted = {.job.id = id}, *key = &wanted;
	struct store_save **found = bsearch(&key, sorted, n, sizeof(struct store_save *), compare_saves);

	return found ? *found : NULL;
}

static void mark_saved(const PGresult *result, struct store_save **sorted, size_t n)
{
	for (int row = 0; row < libpq.PQntuples(result); row++) {
		struct store_save *save = find_save(sorted, n, (uint64_t)pg_big(result, row, 0));

		if (!save)
			continue;
		save->lost = false;
		save->key_lost = pg_bool(result, row, 1);
	}
}

int pg_read_saves(struct pg_store *store, struct store_batch *batch, struct store_save **sorted, int mark,
                  struct ym_err *err)
{
	for (size_t i = 0; i < batch->nsaves; i++) {
		sorted[i] = &batch->saves[i];
		sorted[i]->lost = true;
		sorted[i]->key_lost = false;
	}
	if (batch->nsaves)
		qsort(sorted, batch->nsaves, sizeof(struct store_save *), compare_saves);
	while (store->link.received < mark) {
		PGresult *result = pg_next(&store->link, err);

		if (!result)
			return -1;
		mark_saved(result, sorted, batch->nsaves);
		pg_free(result);
	}
	return 0;
}

/* After the first round trip: those that seem lost may have been saved by a batch whose end we were not told. */
int pg_look_for_saved(struct pg_store *store, struct store_batch *batch, struct store_save **sorted, struct ym_err *err)
{
	struct pg_args *args = pg_fresh(store);
	PGresult *result;
	size_t lost = 0;

	for (size_t i = 0; i < batch->nsaves; i++)
		lost += batch->saves[i].lost && !stays(&batch->saves[i].job);
	if (!lost)
		return 0;
	pg_array_begin(args, PG_BIG);
	for (size_t i = 0; i < batch->nsaves; i++)
		pg_put_big(args, (int64_t)batch->saves[i].job.id);
	pg_array_end(args);
	pg_array_begin(args, PG_TEXT);
	for (size_t i = 0; i < batch->nsaves; i++)
		pg_put_text(args, pg_state_word(batch->saves[i].job.state));
	pg_array_end(args);
	pg_array_begin(args, PG_SMALL);
	for (size_t i = 0; i < batch->nsaves; i++)
		pg_put_small(args, batch->saves[i].job.attempt);
	pg_array_end(args);
	pg_put_me(store, args);
	pg_arg_text(args, store->options.node);
	result = pg_ask(&store->link, saved_sql, args, err);
	if (!result)
		return -1;
	mark_saved(result, sorted, batch->nsaves);
	pg_free(result);
	return 0;
}
