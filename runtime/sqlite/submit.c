/* submit.c - jobs that are new, or come again. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

/* Has it nothing but what a job has that was never started? */
static bool is_new(const struct store_job *job)
{
	return !(job->attempt | job->crashes | job->reply_form) && !job->started_ms && !job->finished_ms &&
	       !job->done && !job->total && !job->unit[0] && !job->error[0] && !job->reply_key && !job->reply_type &&
	       !job->result.size;
}

static void bind_new(struct store *store, sqlite3_stmt *submit, const struct store_job *job, int64_t pool,
                     unsigned parts)
{
	sqlite3_bind_int64(submit, 1, (int64_t)job->id);
	sqlite3_bind_int64(submit, 2, pool);
	sqlite3_bind_int64(submit, 3, job->state);
	sqlite3_bind_int64(submit, 4, job->held);
	sqlite_bind_list(store, submit, 5, job, pool);
	sqlite3_bind_int64(submit, 7, parts);
	sqlite3_bind_int64(submit, 8, job->rank);
	sqlite_bind_number(submit, 9, job->due_ms);
	sqlite_bind_text(submit, 10, job->unique);
	sqlite3_bind_int64(submit, 11, job->level);
	sqlite3_bind_int64(submit, 12, job->attempts);
	sqlite3_bind_int64(submit, 13, job->keep);
	sqlite3_bind_int64(submit, 14, job->submitted_ms);
	sqlite_bind_number(submit, 15, job->timeout_ms);
	sqlite_bind_text(submit, 16, job->tag);
	sqlite3_bind_int64(submit, 17, (int64_t)job->payload.size);
	sqlite_bind_bytes(submit, 18, &job->payload);
}

static void bind_old(struct store *store, sqlite3_stmt *submit, const struct store_job *job, int64_t pool,
                     unsigned parts)
{
	/* Parameters count from 1, columns from 0. */
	sqlite3_bind_int64(submit, COLUMN_ID + 1, (int64_t)job->id);
	sqlite3_bind_int64(submit, COLUMN_POOL + 1, pool);
	sqlite3_bind_int64(submit, COLUMN_STATE + 1, job->state);
	sqlite3_bind_int64(submit, COLUMN_HELD + 1, job->held);
	sqlite_bind_list(store, submit, COLUMN_LIST + 1, job, pool);
	sqlite3_bind_int64(submit, COLUMN_PARTS + 1, parts);
	sqlite3_bind_int64(submit, COLUMN_RANK + 1, job->rank);
	sqlite_bind_number(submit, COLUMN_DUE + 1, job->due_ms);
	sqlite_bind_text(submit, COLUMN_KEY + 1, job->unique);
	sqlite3_bind_int64(submit, COLUMN_LEVEL + 1, job->level);
	sqlite3_bind_int64(submit, COLUMN_ATTEMPT + 1, job->attempt);
	sqlite3_bind_int64(submit, COLUMN_ATTEMPTS + 1, job->attempts);
	sqlite3_bind_int64(submit, COLUMN_CRASHES + 1, job->crashes);
	sqlite3_bind_int64(submit, COLUMN_ROUND + 1, 0);
	sqlite3_bind_int64(submit, COLUMN_KEEP + 1, job->keep);
	sqlite3_bind_int64(submit, COLUMN_SUBMITTED + 1, job->submitted_ms);
	sqlite_bind_number(submit, COLUMN_STARTED + 1, job->started_ms);
	sqlite_bind_number(submit, COLUMN_FINISHED + 1, job->finished_ms);
	sqlite_bind_number(submit, COLUMN_TIMEOUT + 1, job->timeout_ms);
	sqlite_bind_number(submit, COLUMN_DONE + 1, (int64_t)job->done);
	sqlite_bind_number(submit, COLUMN_TOTAL + 1, (int64_t)job->total);
	sqlite_bind_text(submit, COLUMN_UNIT + 1, job->unit);
	sqlite_bind_text(submit, COLUMN_TAG + 1, job->tag);
	sqlite_bind_text(submit, COLUMN_ERROR + 1, job->error);
	sqlite_bind_number(submit, COLUMN_REPLY_KEY + 1, job->reply_key);
	sqlite_bind_number(submit, COLUMN_REPLY_TYPE + 1, job->reply_type);
	sqlite_bind_number(submit, COLUMN_REPLY_FORM + 1, job->reply_form);
	sqlite3_bind_int64(submit, COLUMN_PAYLOAD_SIZE + 1, (int64_t)job->payload.size);
	sqlite3_bind_int64(submit, COLUMN_RESULT_SIZE + 1, (int64_t)job->result.size);
	sqlite_bind_bytes(submit, COLUMN_PAYLOAD + 1, &job->payload);
	sqlite_bind_bytes(submit, COLUMN_RESULT + 1, &job->result);
}

/* Of a source that had to be read to its end. */
static int set_sizes(struct store *store, uint64_t id, uint64_t size, uint64_t result_size, struct ym_err *err)
{
	sqlite3_stmt *set = sqlite_statement(store, SQL_SET_SIZES, err);

	if (!set)
		return -1;
	sqlite3_bind_int64(set, 1, (int64_t)id);
	sqlite3_bind_int64(set, 2, (int64_t)size);
	sqlite3_bind_int64(set, 3, (int64_t)result_size);
	return sqlite_run(store, set, err);
}

/* The key of a row that was just written; without it the row goes again. */
static int submit_key(struct store *store, struct store_submit *submit, int64_t pool, struct ym_err *err)
{
	const struct sqlite_row row = {.id = submit->job.id};
	int taken = sqlite_take_key(store, pool, submit->job.unique, submit->job.id, &submit->existing, err);

	if (taken != 0)
		return taken;
	submit->verdict = STORE_EXISTS;
	return sqlite_delete(store, &row, err);
}

static int submit_bytes(struct store *store, const struct store_job *job, struct ym_err *err)
{
	uint64_t size = job->payload.size, result_size = job->result.size;

	if ((!sqlite_is_short(&job->payload) &&
	     sqlite_write_chunks(store, job->id, BYTES_PAYLOAD, &job->payload, &size, err) < 0) ||
	    (!sqlite_is_short(&job->result) &&
	     sqlite_write_chunks(store, job->id, BYTES_RESULT, &job->result, &result_size, err) < 0))
		return -1;
	if (size == job->payload.size && result_size == job->result.size)
		return 0;
	return set_sizes(store, job->id, size, result_size, err);
}

/* It is here already: a clerk was killed before it could say so. What waits, or is held, is held as is asked for now. */
static int submit_again(struct store *store, struct store_job *job, struct ym_err *err)
{
	sqlite3_stmt *stand = sqlite_statement(store, SQL_STAND, err);
	struct sqlite_pool *pool;
	enum job_state state;
	bool held, wanted = job->held;
	int64_t number;
	int there;

	job->held = false;
	if (!stand)
		return -1;
	sqlite3_bind_int64(stand, 1, (int64_t)job->id);
	there = sqlite_row(store, stand, err);
	number = there > 0 ? sqlite3_column_int64(stand, 0) : 0;
	state = there > 0 ? (enum job_state)sqlite3_column_int(stand, 1) : JOB_DONE;
	held = there > 0 && sqlite3_column_int(stand, 2);
	sqlite3_reset(stand);
	if (there <= 0)
		return there;
	if (held && !wanted)
		return sqlite_release(store, job->id, err);
	if (!held && (!wanted || (state != JOB_READY && state != JOB_DELAYED)))
		return 0;
	job->held = true;
	pool = held ? NULL : sqlite_pool_of(store, number);
	if (!pool)
		return 0;
	sqlite_count(pool, state, -1);
	return sqlite_hold_row(store, pool, job->id, err);
}

static int next_round(struct store *store, uint64_t id, struct ym_err *err)
{
	sqlite3_stmt *next = sqlite_statement(store, SQL_NEXT_ROUND, err);

	if (!next)
		return -1;
	sqlite3_bind_int64(next, 1, (int64_t)id);
	return sqlite_run(store, next, err);
}

/* What is told of a job that comes from another store. It says nothing of rounds: where the numbers begin again, the job was kicked. */
static int submit_story(struct store *store, const struct store_submit *submit, struct ym_err *err)
{
	const struct store_attempt *attempts = submit->attempts;
	sqlite3_stmt *words;

	for (size_t i = 0; i < submit->nattempts; i++) {
		if (i > 0 && attempts[i].number <= attempts[i - 1].number && next_round(store, submit->job.id, err) < 0)
			return -1;
		if (sqlite_write_attempt(store, submit->job.id, &attempts[i], err) < 0)
			return -1;
	}
	if (submit->nattempts == 0)
		return 0;
	words = sqlite_statement(store, SQL_SET_WORDS, err);
	if (!words)
		return -1;
	sqlite3_bind_int64(words, 1, (int64_t)submit->job.id);
	sqlite_bind_text(words, 2, submit->note);
	sqlite_bind_text(words, 3, submit->output);
	return sqlite_run(store, words, err);
}

int sqlite_submit(struct store *store, struct store_submit *submit, struct ym_err *err)
{
	const struct store_job *job = &submit->job;
	struct sqlite_pool *pool = sqlite_pool(store, job->pool, err);
	bool fresh = is_new(job), keyed = job->unique[0] && sqlite_stays_held(job->state);
	unsigned parts = (sqlite_is_short(&job->payload) ? 0u : PART_PAYLOAD) |
	                 (sqlite_is_short(&job->result) ? 0u : PART_RESULT) | (keyed ? PART_KEY : 0u) |
	                 (submit->nattempts > 0 ? PART_STORY : 0u);
	sqlite3_stmt *statement = pool ? sqlite_statement(store, fresh ? SQL_SUBMIT_NEW : SQL_SUBMIT, err) : NULL;

	submit->verdict = STORE_OK;
	submit->existing = 0;
	if (!statement || sqlite_reach(store, job->id, err) < 0)
		return -1;
	if (job->held)
		sqlite_hold(store, job->id);
	if (fresh)
		bind_new(store, statement, job, pool->id, parts);
	else
		bind_old(store, statement, job, pool->id, parts);
	if (sqlite_run(store, statement, err) < 0)
		return -1;
	if (sqlite3_changes(store->db) == 0)
		return submit_again(store, &submit->job, err);
	if (job->id >= store->next_id) {
		store->next_id = job->id + 1;
		store->meta_changed = true;
	}
	if (keyed && submit_key(store, submit, pool->id, err) < 0)
		return -1;
	if (submit->verdict != STORE_OK)
		return 0;
	if (!job->held)
		sqlite_count(pool, job->state, 1);
	if (parts & PART_STORY && submit_story(store, submit, err) < 0)
		return -1;
	return parts & (PART_PAYLOAD | PART_RESULT) ? submit_bytes(store, job, err) : 0;
}
