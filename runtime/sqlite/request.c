/* request.c - what people ask for, and what becomes of jobs whose holder went down. */
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "sqlite.h"

#define CUT_SHORT "its attempt was cut short when Yardmaster or the machine went down"
_Static_assert(sizeof(CUT_SHORT) <= STORY_ERROR_MAX, "it is told of the attempt, too");

/* Jobs in one transaction of recover(). */
#define RECOVER_STEP 1000

static bool waits(const struct store_job *job)
{
	return job->state == JOB_READY || job->state == JOB_DELAYED;
}

static bool is_over(const struct store_job *job)
{
	return job->state == JOB_FAILED || job->state == JOB_CANCELLED || job->state == JOB_BURIED;
}

/* A job that nobody holds goes from its state into another. */
static void count_move(struct store *store, const struct store_job *job, enum job_state state)
{
	struct sqlite_pool *pool = sqlite_find_pool(store, job->pool);

	if (!pool)
		return;
	sqlite_count(pool, job->state, -1);
	if (state != JOB_FREE)
		sqlite_count(pool, state, 1);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Who waits for an answer that nobody else will give. What is over was answered when it ended. */
static void tell_reply(struct store_request *request, const struct store_job *job)
{
	struct store_job *to = &request->job;

	to->id = job->id;
	to->attempt = job->attempt;
	memcpy(to->tag, job->tag, sizeof(to->tag));
	if (!waits(job))
		return;
	to->reply_key = job->reply_key;
	to->reply_type = job->reply_type;
	to->reply_form = job->reply_form;
}

static int end_job(struct store *store, struct store_request *request, const struct store_job *job,
                   struct sqlite_row *row, struct ym_err *err)
{
	enum job_state state = request->ask == STORE_BURY ? JOB_BURIED : JOB_CANCELLED;
	sqlite3_stmt *end;

	if (!waits(job)) {
		request->verdict = STORE_CANNOT;
		return 0;
	}
	tell_reply(request, job);
	count_move(store, job, sqlite_forgets(store, state) ? JOB_FREE : state);
	if (sqlite_forgets(store, state))
		return sqlite_delete(store, row, err);
	if (row->parts & PART_KEY && sqlite_give_key(store, row->pool, row->key, err) < 0)
		return -1;
	end = sqlite_statement(store, SQL_END, err);
	if (!end)
		return -1;
	sqlite3_bind_int64(end, 1, (int64_t)job->id);
	sqlite3_bind_int64(end, 2, state);
	sqlite3_bind_int64(end, 3, ym_unix_ms());
	sqlite3_bind_int64(end, 4, row->parts & ~(unsigned)PART_KEY);
	return sqlite_run(store, end, err);
}

/*
 * A delayed one waits as it is; others begin anew, and what is told of their attempts stays. Whoever waited for an answer has
 * had it.
 */
static int kick_job(struct store *store, struct store_request *request, const struct store_job *job,
                    struct sqlite_row *row, struct ym_err *err)
{
	const struct sqlite_pool *pool = sqlite_find_pool(store, job->pool);
	sqlite3_stmt *kick;
	uint64_t other;
	int taken = 1;

	if (job->state != JOB_DELAYED && !is_over(job)) {
		request->verdict = STORE_CANNOT;
		return 0;
	}
	if (row->key[0] && !(row->parts & PART_KEY))
		taken = sqlite_take_key(store, row->pool, row->key, job->id, &other, err);
	if (taken <= 0) {
		request->verdict = STORE_EXISTS;
		return taken;
	}
	kick = sqlite_statement(store, job->state == JOB_DELAYED ? SQL_HURRY : SQL_KICK, err);
	if (!kick || (row->parts & PART_RESULT && sqlite_delete_chunks(store, job->id, BYTES_RESULT, err) < 0))
		return -1;
	sqlite3_bind_int64(kick, 1, (int64_t)job->id);
	sqlite3_bind_int64(kick, 2, store_rank(job->level, pool ? pool->ageing_ms : 0, ym_unix_ms()));
	if (job->state != JOB_DELAYED)
		sqlite3_bind_int64(kick, 3, (row->parts & ~(unsigned)PART_RESULT) | (row->key[0] ? PART_KEY : 0u));
	count_move(store, job, JOB_READY);
	return sqlite_run(store, kick, err);
}

static int delete_job(struct store *store, struct store_request *request, const struct store_job *job,
                      const struct sqlite_row *row, struct ym_err *err)
{
	tell_reply(request, job);
	count_move(store, job, JOB_FREE);
	return sqlite_delete(store, row, err);
}

static void read_row(sqlite3_stmt *found, struct sqlite_row *row)
{
	*row = (struct sqlite_row){.id = (uint64_t)sqlite3_column_int64(found, COLUMN_ID),
	                           .pool = sqlite3_column_int64(found, COLUMN_POOL),
	                           .parts = (unsigned)sqlite3_column_int(found, COLUMN_PARTS)};
	sqlite_copy_text(found, COLUMN_KEY, row->key, sizeof(row->key));
}

/* Its row lasts while this works: what LOOK gives is copied from it. */
static int answer(struct store *store, struct store_request *request, sqlite3_stmt *found, struct ym_err *err)
{
	struct sqlite_row row;
	struct store_job job;

	sqlite_read_job(store, found, &job);
	read_row(found, &row);
	if (request->ask == STORE_LOOK) {
		request->job = job;
		return sqlite_read_bytes(store, found, &request->job, true, err);
	}
	sqlite3_reset(found);
	if (job.held) {
		request->verdict = STORE_HELD;
		return 0;
	}
	switch (request->ask) {
	case STORE_CANCEL:
	case STORE_BURY:
		return end_job(store, request, &job, &row, err);
	case STORE_KICK:
		return kick_job(store, request, &job, &row, err);
	case STORE_DELETE:
		return delete_job(store, request, &job, &row, err);
	case STORE_LOOK:
	case STORE_ASKS:
		break;
	}
	return ym_fail(err, YM_ERR_BUG, "a request %d of job %llu", (int)request->ask, (unsigned long long)request->id);
}

int sqlite_request(struct store *store, struct store_request *request, struct ym_err *err)
{
	sqlite3_stmt *row = sqlite_statement(store, SQL_JOB, err);
	int result;

	if (!row)
		return -1;
	request->verdict = STORE_OK;
	sqlite3_bind_int64(row, 1, (int64_t)request->id);
	result = sqlite_row(store, row, err);
	if (result > 0)
		result = answer(store, request, row, err);
	else if (result == 0)
		request->verdict = STORE_NONE;
	sqlite3_reset(row);
	return result;
}

/* ---- what was held --------------------------------------------------------------------------- */

struct held {
	struct store_job job;
	struct sqlite_row row;
};

/* The next ones after *cursor, which goes on; those that `in_table` knows are left out. Returns how many, or -1. */
static int read_held(struct store *store, uint64_t *cursor, bool (*in_table)(void *arg, uint64_t id), void *arg,
                     struct held *held, bool *more, struct ym_err *err)
{
	sqlite3_stmt *rows = sqlite_statement(store, SQL_ALL_HELD, err);
	int n = 0, seen = 0, row;

	if (!rows)
		return -1;
	sqlite3_bind_int64(rows, 1, (int64_t)*cursor);
	sqlite3_bind_int64(rows, 2, RECOVER_STEP);
	sqlite3_bind_int64(rows, 3, (int64_t)(*cursor < store->floor ? store->floor : *cursor + 1));
	while ((row = sqlite_row(store, rows, err)) > 0) {
		sqlite_read_job(store, rows, &held[n].job);
		read_row(rows, &held[n].row);
		*cursor = held[n].job.id;
		seen++;
		if (!in_table(arg, *cursor))
			n++;
	}
	sqlite3_reset(rows);
	*more = seen == RECOVER_STEP;
	return row < 0 ? -1 : n;
}

/* It was started, and nobody will say how that ended. */
static int cut_short(struct store *store, struct held *held, struct ym_err *err)
{
	struct store_job *job = &held->job;
	struct store_attempt attempt = {
	    .number = job->attempt,
	    .end = STORY_CRASHED,
	    .started_ms = job->started_ms,
	    .status = -1,
	    .done = job->done,
	    .total = job->total,
	    .error = CUT_SHORT,
	};

	memcpy(attempt.unit, job->unit, sizeof(attempt.unit));
	if (job->crashes < UINT8_MAX)
		job->crashes++;
	held->row.parts |= PART_STORY;
	/* The clerk knows no other bound of crashes than that of attempts. */
	if (job->attempt >= job->attempts || job->crashes >= job->attempts)
		job->state = JOB_FAILED;
	return sqlite_write_attempt(store, job->id, &attempt, err);
}

static int recover_one(struct store *store, struct held *held, int64_t now, struct ym_err *err)
{
	struct store_job *job = &held->job;
	struct sqlite_row *row = &held->row;
	bool ran = job->state == JOB_CLAIMED;
	struct sqlite_pool *pool = sqlite_pool_of(store, row->pool);
	sqlite3_stmt *recover = sqlite_statement(store, SQL_RECOVER, err);

	if (!recover || (ran && cut_short(store, held, err) < 0))
		return -1;
	if (sqlite_forgets(store, job->state))
		return sqlite_delete(store, row, err);
	if (job->state == JOB_FAILED)
		job->finished_ms = now;
	else
		job->state = job->due_ms > now ? JOB_DELAYED : JOB_READY;
	if (job->state == JOB_FAILED && row->parts & PART_KEY && sqlite_give_key(store, row->pool, row->key, err) < 0)
		return -1;
	if (job->state == JOB_FAILED)
		row->parts &= ~(unsigned)PART_KEY;
	job->held = false;
	sqlite3_bind_int64(recover, 1, (int64_t)job->id);
	sqlite3_bind_int64(recover, 2, job->state);
	sqlite3_bind_int64(recover, 3, job->crashes);
	sqlite_bind_text(recover, 4, ran ? CUT_SHORT : NULL);
	sqlite_bind_number(recover, 5, job->finished_ms);
	sqlite3_bind_int64(recover, 6, row->parts);
	sqlite_bind_list(store, recover, 7, job, row->pool);
	if (pool)
		sqlite_count(pool, job->state, 1);
	return sqlite_run(store, recover, err);
}

static int recover_step(struct store *store, struct held *held, int n, struct ym_err *err)
{
	int64_t now = ym_unix_ms();
	int result = sqlite_begin(store, true, err);

	if (result < 0)
		return -1;
	for (int i = 0; i < n && result == 0; i++)
		result = recover_one(store, &held[i], now, err);
	if (result < 0 || sqlite_write_counts(store, err) < 0 || sqlite_commit(store, err) < 0)
		return sqlite_rollback(store);
	for (int i = 0; i < n; i++)
		sqlite_let(store, held[i].job.id);
	return 0;
}

int sqlite_recover(struct store *store, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *n,
                   struct ym_err *err)
{
	struct held *held = calloc(RECOVER_STEP, sizeof(*held));
	uint64_t cursor = 0;
	bool more = true;
	int found = 0;

	*n = 0;
	if (!held)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (store->stale && sqlite_load(store, err) < 0)
		found = -1;
	while (more && found >= 0) {
		found = read_held(store, &cursor, in_table, arg, held, &more, err);
		if (found > 0 && recover_step(store, held, found, err) < 0)
			found = -1;
		if (found > 0)
			*n += (uint64_t)found;
	}
	free(held);
	return found < 0 ? -1 : 0;
}

/* Those that run are left as they are: the next open finds that they were cut short. */
static bool runs(void *arg, uint64_t id)
{
	struct store *store = arg;
	sqlite3_stmt *row = sqlite_statement(store, SQL_JOB, NULL);
	bool running;

	if (!row)
		return true;
	sqlite3_bind_int64(row, 1, (int64_t)id);
	running = sqlite_row(store, row, NULL) > 0 && sqlite3_column_int(row, COLUMN_STATE) == JOB_CLAIMED;
	sqlite3_reset(row);
	return running;
}

void sqlite_let_go(struct store *store)
{
	uint64_t n;

	/* What cannot be written now is recovered at the next start. */
	sqlite_recover(store, runs, store, &n, NULL);
}
