/* write.c - one transaction: releases, saves, submits, requests, wants. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

/* ---- releases -------------------------------------------------------------------------------- */

int sqlite_release(struct store *store, uint64_t id, struct ym_err *err)
{
	sqlite3_stmt *release = sqlite_statement(store, SQL_RELEASE, err);
	struct sqlite_pool *pool;
	int row;

	if (!release)
		return -1;
	sqlite3_bind_int64(release, 1, (int64_t)id);
	row = sqlite_row(store, release, err);
	if (row > 0) {
		pool = sqlite_pool_of(store, sqlite3_column_int64(release, 0));
		if (pool)
			sqlite_count(pool, (enum job_state)sqlite3_column_int(release, 1), 1);
		/* At once: it may be fetched again in the same transaction. What is rolled back is read anew. */
		sqlite_let(store, id);
	}
	/* A row of RETURNING comes after the change is made, but before the statement has ended. */
	return row > 0 ? sqlite_run(store, release, err) : row;
}

/* ---- saves ----------------------------------------------------------------------------------- */

static bool stays_held(enum job_state state)
{
	return state == JOB_READY || state == JOB_DELAYED || state == JOB_CLAIMED;
}

/* SQL_SAVED and the conditions; the result if it is short. */
static void bind_save(sqlite3_stmt *save, const struct store_job *job, int64_t pool)
{
	sqlite3_bind_int64(save, 1, (int64_t)job->id);
	sqlite3_bind_int64(save, 2, pool);
	sqlite3_bind_int64(save, 3, job->state);
	sqlite3_bind_int64(save, 4, stays_held(job->state));
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
	if (job->result.data && job->result.size > 0 && sqlite_is_short(&job->result))
		sqlite3_bind_blob64(save, 16, job->result.data, job->result.size, SQLITE_STATIC);
	else
		sqlite3_bind_null(save, 16);
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
	if (stays_held(job->state))
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
	bool live = stays_held(save->job.state);
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
	job.held = stays_held(job.state);
	bind_save(statement, &job, pool->id);
	sqlite3_bind_int64(statement, 17, row.parts);
	sqlite_bind_text(statement, 18, save->note);
	sqlite_bind_text(statement, 19, save->output);
	sqlite_bind_text(statement, 20, row.key);
	sqlite_bind_list(store, statement, 21, &job, pool->id);
	return sqlite_run(store, statement, err);
}

static int save_one(struct store *store, struct store_save *save, struct ym_err *err)
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
	if (!stays_held(save->job.state))
		sqlite_let(store, save->job.id);
	if (!save->lost && !stays_held(save->job.state) && !sqlite_forgets(store, save->job.state))
		sqlite_count(pool, save->job.state, 1);
	return 0;
}

/* It is in our table from now on, and in no list of those that wait. */
static int hold_row(struct store *store, const struct sqlite_pool *pool, uint64_t id, struct ym_err *err)
{
	const struct store_job job = {.id = id, .state = JOB_READY, .held = true};
	sqlite3_stmt *take = sqlite_statement(store, SQL_TAKE, err);

	if (!take)
		return -1;
	sqlite_hold(store, id);
	sqlite3_bind_int64(take, 1, (int64_t)id);
	sqlite_bind_list(store, take, 2, &job, pool->id);
	return sqlite_run(store, take, err);
}

/* ---- submits --------------------------------------------------------------------------------- */

static void bind_bytes(sqlite3_stmt *statement, int at, const struct payload_source *source)
{
	if (source->size > 0 && sqlite_is_short(source))
		sqlite3_bind_blob64(statement, at, source->data, source->size, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, at);
}

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
	bind_bytes(submit, 18, &job->payload);
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
	bind_bytes(submit, COLUMN_PAYLOAD + 1, &job->payload);
	bind_bytes(submit, COLUMN_RESULT + 1, &job->result);
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
	return hold_row(store, pool, job->id, err);
}

/* What is told of a job that comes from another store. */
static int submit_story(struct store *store, const struct store_submit *submit, struct ym_err *err)
{
	sqlite3_stmt *words;

	for (size_t i = 0; i < submit->nattempts; i++)
		if (sqlite_write_attempt(store, submit->job.id, &submit->attempts[i], err) < 0)
			return -1;
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

static int submit_one(struct store *store, struct store_submit *submit, struct ym_err *err)
{
	const struct store_job *job = &submit->job;
	struct sqlite_pool *pool = sqlite_pool(store, job->pool, err);
	bool fresh = is_new(job), keyed = job->unique[0] && stays_held(job->state);
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

/* ---- wants ----------------------------------------------------------------------------------- */

/* The ids of those that `take` took, which are *n; *taken has room for want->n of them. */
static int offer_jobs(struct store *store, struct store_batch *batch, struct store_want *want, sqlite3_stmt *rows,
                      uint64_t *taken, unsigned *n, struct ym_err *err)
{
	struct store_job job;
	int more, refused = 0;

	*n = 0;
	while ((more = sqlite_row(store, rows, err)) > 0) {
		sqlite_read_job(store, rows, &job);
		if (*n == want->n) {
			want->first_rank = job.rank;
			break;
		}
		job.held = true;
		if (sqlite_read_bytes(store, rows, &job, false, err) < 0)
			more = -1;
		else
			refused = batch->take(batch->arg, want, &job);
		store_job_free(&job);
		if (more < 0 || refused) {
			want->first_rank = job.rank;
			break;
		}
		taken[(*n)++] = job.id;
	}
	sqlite3_reset(rows);
	return more < 0 ? -1 : 0;
}

/* What is taken leaves the index only when it has been walked. */
static int take_jobs(struct store *store, struct sqlite_pool *pool, const uint64_t *taken, unsigned n,
                     struct ym_err *err)
{
	for (unsigned i = 0; i < n; i++)
		if (hold_row(store, pool, taken[i], err) < 0)
			return -1;
	if (n > 0)
		sqlite_count(pool, JOB_READY, -(int)n);
	return 0;
}

static int want_one(struct store *store, struct store_batch *batch, struct store_want *want, struct ym_err *err)
{
	struct sqlite_pool *pool = sqlite_find_pool(store, want->pool);
	sqlite3_stmt *rows = sqlite_statement(store, SQL_WANT, err);
	uint64_t *taken;
	unsigned n;
	int result;

	want->taken = 0;
	want->first_rank = INT64_MAX;
	if (!rows)
		return -1;
	if (!pool)
		return 0;
	taken = malloc((want->n + 1) * sizeof(*taken));
	if (!taken)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	sqlite3_bind_int64(rows, 1, pool->id);
	sqlite3_bind_int64(rows, 2, (int64_t)want->n + 1);
	result = offer_jobs(store, batch, want, rows, taken, &n, err);
	want->taken = n;
	if (result == 0)
		result = take_jobs(store, pool, taken, n, err);
	free(taken);
	return result;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int write_all(struct store *store, struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nreleases; i++)
		if (sqlite_release(store, batch->releases[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nsaves; i++)
		if (save_one(store, &batch->saves[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nsubmits; i++)
		if (submit_one(store, &batch->submits[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nrequests; i++)
		if (sqlite_request(store, &batch->requests[i], err) < 0)
			return -1;
	for (size_t i = 0; i < batch->nwants; i++)
		if (want_one(store, batch, &batch->wants[i], err) < 0)
			return -1;
	return sqlite_write_counts(store, err);
}

/* What LOOK has found is given only with a transaction that stands. */
static void forget_looks(struct store_batch *batch)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		if (batch->requests[i].ask == STORE_LOOK)
			store_job_free(&batch->requests[i].job);
}

int sqlite_write(struct store *store, struct store_batch *batch, struct ym_err *err)
{
	for (size_t i = 0; i < batch->nrequests; i++)
		batch->requests[i].job = (struct store_job){0};
	if (sqlite_check_place(store, err) < 0 || (store->stale && sqlite_load(store, err) < 0))
		return -1;
	if (sqlite_begin(store, batch->durable, err) < 0)
		return -1;
	if (write_all(store, batch, err) == 0 && sqlite_commit(store, err) == 0) {
		/* Ticks should have done that; it is no failure of this batch. */
		sqlite_write_back(store, 2 * SQLITE_WAL_PAGES, NULL);
		return 0;
	}
	forget_looks(batch);
	return sqlite_rollback(store);
}
