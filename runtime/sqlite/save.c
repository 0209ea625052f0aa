/* save.c - what has become of jobs that are held. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

bool sqlite_stays_held(enum job_state state)
{
	return state == JOB_READY || state == JOB_DELAYED || state == JOB_CLAIMED;
}

/* SQL_SAVED and the conditions; the result if it is short. */
static void bind_save(sqlite3_stmt *save, const struct store_job *job, int64_t pool)
{
	sqlite3_bind_int64(save, 1, (int64_t)job->id);
	sqlite3_bind_int64(save, 2, pool);
	sqlite3_bind_int64(save, 3, job->state);
	sqlite3_bind_int64(save, 4, sqlite_stays_held(job->state));
	sqlite3_bind_int64(save, 5, job->rank);
	sqlite_bind_number(save, 6, job->due_ms);
	sqlite3_bind_int64(save, 7, job->attempt);
	sqlite3_bind_int64(save, 8, job->crashes);
	sqlite_bind_number(save, 9, job->started_ms);
	sqlite_bind_number(save, 10, job->finished_ms);
	sqlite_bind_number(save, 11, (int64_t)job->done);
	sqlite_bind_number(save, 12, (int64_t)job->total);
	sqlite_bind_text(save, 13, job->unit);
	sqlite_bind_text(save, 14, job->error);
	sqlite3_bind_int64(save, 15, (int64_t)job->result.size);
	sqlite_bind_bytes(save, 16, &job->result);
}

/* A job that has nothing but its row, before and after, and stays in its pool: one statement. 1 done, 0 it is not so. */
static int save_short(struct store *store, const struct store_save *save, const struct sqlite_pool *pool,
                      struct ym_err *err)
{
	const struct store_job *job = &save->job;
	enum sqlite_statement which;
	sqlite3_stmt *statement;

	if (save->nattempts > 0 || save->note || save->output || !sqlite_is_short(&job->result))
		return 0;
	if (sqlite_stays_held(job->state))
		which = SQL_SAVE_HELD;
	else if (sqlite_forgets(store, job->state))
		which = SQL_DELETE_HELD;
	else if (job->state == JOB_DONE)
		which = sqlite_is_listed(store, job->id) ? SQL_SAVE_LISTED : SQL_SAVE_DONE;
	else
		return 0;
	statement = sqlite_statement(store, which, err);
	if (!statement)
		return -1;
	if (which == SQL_DELETE_HELD)
		sqlite3_bind_int64(statement, 1, (int64_t)job->id);
	else
		bind_save(statement, job, pool->id);
	if (sqlite_run(store, statement, err) < 0)
		return -1;
	return sqlite3_changes(store->db) > 0;
}

int sqlite_write_attempt(struct store *store, uint64_t id, const struct store_attempt *attempt, struct ym_err *err)
{
	sqlite3_stmt *add = sqlite_statement(store, SQL_ADD_ATTEMPT, err);

	if (!add)
		return -1;
	sqlite3_bind_int64(add, 1, (int64_t)id);
	sqlite3_bind_int64(add, 2, attempt->number);
	sqlite3_bind_int64(add, 3, attempt->end);
	sqlite_bind_number(add, 4, attempt->started_ms);
	sqlite_bind_number(add, 5, attempt->ended_ms);
	sqlite_bind_number(add, 6, attempt->pid);
	sqlite3_bind_int64(add, 7, attempt->status);
	sqlite_bind_number(add, 8, attempt->rss_kib);
	sqlite_bind_number(add, 9, attempt->user_ms);
	sqlite_bind_number(add, 10, attempt->system_ms);
	sqlite_bind_number(add, 11, (int64_t)attempt->done);
	sqlite_bind_number(add, 12, (int64_t)attempt->total);
	sqlite_bind_text(add, 13, attempt->unit);
	sqlite_bind_text(add, 14, attempt->error);
	return sqlite_run(store, add, err);
}

/* 1 it is held; 0 it is not. */
static int read_held(struct store *store, uint64_t id, struct sqlite_row *row, struct ym_err *err)
{
	sqlite3_stmt *held = sqlite_statement(store, SQL_HELD, err);
	int there;

	if (!held)
		return -1;
	sqlite3_bind_int64(held, 1, (int64_t)id);
	there = sqlite_row(store, held, err);
	if (there > 0) {
		*row =
		    (struct sqlite_row){id, sqlite3_column_int64(held, 1), (unsigned)sqlite3_column_int(held, 2), ""};
		sqlite_copy_text(held, 3, row->key, sizeof(row->key));
	}
	sqlite3_reset(held);
	return there;
}

/* Its unique key: given back at its end, taken along when it moves. */
static int save_key(struct store *store, struct store_save *save, int64_t pool, struct sqlite_row *row,
                    struct ym_err *err)
{
	bool live = sqlite_stays_held(save->job.state);
	uint64_t other;
	int taken;

	if (!(row->parts & PART_KEY) || (live && pool == row->pool))
		return 0;
	if (sqlite_give_key(store, row->pool, row->key, err) < 0)
		return -1;
	row->parts &= ~(unsigned)PART_KEY;
	if (!live)
		return 0;
	taken = sqlite_take_key(store, pool, row->key, row->id, &other, err);
	if (taken > 0)
		row->parts |= PART_KEY;
	save->key_lost = taken == 0;
	if (save->key_lost)
		row->key[0] = '\0';
	return taken < 0 ? -1 : 0;
}

/* What belongs to a job besides its row; row->parts as it will be. */
static int save_parts(struct store *store, struct store_save *save, struct sqlite_row *row, struct ym_err *err)
{
	struct store_job *job = &save->job;
	uint64_t size;

	if (job->state == JOB_DONE && row->parts & PART_PAYLOAD) {
		if (sqlite_delete_chunks(store, job->id, BYTES_PAYLOAD, err) < 0)
			return -1;
		row->parts &= ~(unsigned)PART_PAYLOAD;
	}
	if (row->parts & PART_RESULT && sqlite_delete_chunks(store, job->id, BYTES_RESULT, err) < 0)
		return -1;
	row->parts &= ~(unsigned)PART_RESULT;
	if (!sqlite_is_short(&job->result)) {
		if (sqlite_write_chunks(store, job->id, BYTES_RESULT, &job->result, &size, err) < 0)
			return -1;
		job->result.size = (size_t)size;
		row->parts |= PART_RESULT;
	}
	for (size_t i = 0; i < save->nattempts; i++)
		if (sqlite_write_attempt(store, job->id, &save->attempts[i], err) < 0)
			return -1;
	if (save->nattempts > 0)
		row->parts |= PART_STORY;
	return 0;
}

static int save_any(struct store *store, struct store_save *save, const struct sqlite_pool *pool, struct ym_err *err)
{
	struct store_job job;
	struct sqlite_row row;
	sqlite3_stmt *statement;
	int held = read_held(store, save->job.id, &row, err);

	save->lost = held == 0;
	if (held <= 0)
		return held;
	if (sqlite_forgets(store, save->job.state))
		return sqlite_delete(store, &row, err);
	if (save_key(store, save, pool->id, &row, err) < 0 || save_parts(store, save, &row, err) < 0)
		return -1;
	statement = sqlite_statement(store, SQL_SAVE, err);
	if (!statement)
		return -1;
	job = save->job;
	job.held = sqlite_stays_held(job.state);
	bind_save(statement, &job, pool->id);
	sqlite3_bind_int64(statement, 17, row.parts);
	sqlite_bind_text(statement, 18, save->note);
	sqlite_bind_text(statement, 19, save->output);
	sqlite_bind_text(statement, 20, row.key);
	sqlite_bind_list(store, statement, 21, &job, pool->id);
	return sqlite_run(store, statement, err);
}

int sqlite_save(struct store *store, struct store_save *save, struct ym_err *err)
{
	struct sqlite_pool *pool = sqlite_pool(store, save->job.pool, err);
	int done;

	save->lost = save->key_lost = false;
	if (!pool)
		return -1;
	done = save_short(store, save, pool, err);
	if (done < 0 || (done == 0 && save_any(store, save, pool, err) < 0))
		return -1;
	/* At once: it may be kicked, and fetched, in the same transaction. */
	if (!sqlite_stays_held(save->job.state))
		sqlite_let(store, save->job.id);
	if (!save->lost && !sqlite_stays_held(save->job.state) && !sqlite_forgets(store, save->job.state))
		sqlite_count(pool, save->job.state, 1);
	return 0;
}
