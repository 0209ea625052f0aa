/* client_jobs.c - wait for jobs, look at them. */
#include <errno.h>
#include <string.h>

#include "../ipc/sys.h"
#include "await.h"
#include "client_self.h"
#include "payload.h"
#include "stage.h"
#include "text.h"
#include "view.h"

/* A job that changes while it is read is read again. */
#define TRIES 100

_Static_assert(YM_WAIT_ANY_MAX == TABLE_SLEEP_MAX, "what client.h promises");

/* ---- states ---------------------------------------------------------------------------------- */

/* What a client calls the states of the table. */
static enum ym_job_state shown(enum job_state state)
{
	switch (state) {
	case JOB_READY:
		return YM_JOB_WAITING;
	case JOB_DELAYED:
		return YM_JOB_DELAYED;
	case JOB_BURIED:
		return YM_JOB_BURIED;
	case JOB_DONE:
		return YM_JOB_DONE;
	case JOB_FAILED:
		return YM_JOB_FAILED;
	case JOB_CANCELLED:
		return YM_JOB_CANCELLED;
	default:
		return YM_JOB_RUNNING;
	}
}

const char *ym_job_state_word(enum ym_job_state state)
{
	for (unsigned inner = JOB_READY; inner < JOB_STATES; inner++)
		if (shown((enum job_state)inner) == state)
			return job_state_word((enum job_state)inner);
	return "?";
}

/* ---- wait ------------------------------------------------------------------------------------ */

static void give_result(struct awaited *awaited, struct ym_job_result *result)
{
	*result = (struct ym_job_result){
	    .state = shown(awaited->state), .attempt = awaited->attempt, .crashes = awaited->crashes};
	memcpy(result->error, awaited->error, sizeof(result->error));
	if (awaited->state == JOB_DONE) {
		/* The bytes are all that is kept. */
		result->data = awaited->result.data;
		result->size = awaited->result.size;
		result->memory = awaited->result.memory;
		result->mapped = awaited->result.mapped;
		awaited->result.memory = NULL;
	}
}

void ym_job_result_free(struct ym_job_result *result)
{
	struct payload payload = {.memory = result->memory, .mapped = result->mapped, .fd = -1};

	payload_close(&payload);
	result->data = result->memory = NULL;
	result->size = result->mapped = 0;
}

/* As await_job(), for a job of which the caller says where it was. */
static enum await_end await(struct ym_client *client, const struct ym_job_ref *job, uint64_t deadline,
                            struct awaited *awaited, struct ym_err *err)
{
	struct job_ref at;
	uint64_t word;

	if (client_job(client, job, &at, &word, err) < 0)
		return err->class == YM_ERR_GONE && !instance_gone(&client->instance, err) ? AWAIT_UNKNOWN
		                                                                           : AWAIT_FAILED;
	return await_job(&client->instance, at, deadline, awaited, err);
}

int ym_client_wait(struct ym_client *client, const struct ym_job_ref *job, int64_t timeout_ms,
                   struct ym_job_result *result, struct ym_err *err)
{
	struct ym_err ignored = {0};
	struct awaited awaited;
	enum await_end end = await(client, job, ym_deadline(timeout_ms), &awaited, err ? err : &ignored);

	if (end == AWAIT_LATE)
		return 1;
	if (result)
		*result = (struct ym_job_result){0};
	if (end != AWAIT_OVER)
		return -1;
	if (result)
		give_result(&awaited, result);
	payload_close(&awaited.result);
	return 0;
}

int ym_client_wait_all(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                       struct ym_err *err)
{
	uint64_t deadline = ym_deadline(timeout_ms);
	struct ym_err ignored = {0};
	struct awaited awaited;

	err = err ? err : &ignored;
	for (size_t i = 0; i < n; i++) {
		enum await_end end = await(client, &jobs[i], deadline, &awaited, err);

		if (end == AWAIT_OVER)
			payload_close(&awaited.result);
		if (end == AWAIT_LATE)
			return 1;
		/* A result that cannot be read is no business of who only waits. */
		if (end == AWAIT_FAILED && (err->class == YM_ERR_USAGE || instance_gone(&client->instance, err)))
			return -1;
	}
	return client_check(client, err);
}

/* The jobs of a wait for any of them that are in the table. */
struct sleepers {
	uint32_t slots[YM_WAIT_ANY_MAX];
	uint64_t seen[YM_WAIT_ANY_MAX];
	unsigned n;
	bool others; /* some are only in the store */
};

/* Is it over, or does its word say now that somebody waits? 0 over, 1 it is noted, -1 err. */
static int prepare(struct ym_client *client, const struct ym_job_ref *job, struct sleepers *sleepers,
                   struct ym_err *err)
{
	struct table_sh *table = client->instance.table;
	struct awaited awaited;
	enum await_end end;
	struct job_ref at;
	uint64_t word;
	int where = client_job(client, job, &at, &word, err);

	if (where < 0)
		return err->class == YM_ERR_GONE ? 0 : -1;
	if (where == 1) {
		end = await_ask(&client->instance, job->id, &awaited, err);
		if (end == AWAIT_OVER || end == AWAIT_LATE)
			payload_close(&awaited.result);
		sleepers->others = true;
		return end == AWAIT_FAILED ? -1 : end == AWAIT_LATE;
	}
	while (word_gen(word) == at.gen && !job_state_over(word_state(word))) {
		bool said = word_flags(word) & JOB_WAITED;

		if (!said && !table_cas(table, at.slot, &word, word | JOB_WAITED))
			continue;
		sleepers->slots[sleepers->n] = at.slot;
		sleepers->seen[sleepers->n++] = word | JOB_WAITED;
		return 1;
	}
	return 0;
}

static int sleep_on_any(struct ym_client *client, const struct sleepers *sleepers, uint64_t deadline,
                        struct ym_err *err)
{
	uint64_t until = await_next_look(deadline), soon = ym_now_ns() + AWAIT_NAP_MAX_NS;
	int sys;

	if (sleepers->others && soon < until)
		until = soon;
	if (sleepers->n == 0) {
		ym_nap(until > ym_now_ns() ? (long)(until - ym_now_ns()) : 1);
		return 0;
	}
	sys = table_sleep_any(client->instance.table, sleepers->slots, sleepers->seen, sleepers->n, until);
	return sys ? ym_fail_sys(err, sys, "futex_waitv() for one of %u jobs (Linux 5.16 or newer has it)", sleepers->n)
	           : 0;
}

int ym_client_wait_any(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                       size_t *which, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(timeout_ms);
	struct ym_err ignored = {0};

	err = err ? err : &ignored;
	if (n == 0 || n > YM_WAIT_ANY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "cannot wait for one of %zu jobs: 1 to %d are possible", n,
		               YM_WAIT_ANY_MAX);
	for (;;) {
		struct sleepers sleepers = {.n = 0};

		for (size_t i = 0; i < n; i++) {
			int waits = prepare(client, &jobs[i], &sleepers, err);

			*which = i;
			if (waits <= 0)
				return waits;
		}
		if (instance_gone(&client->instance, err))
			return -1;
		if (ym_now_ns() >= deadline)
			return 1;
		if (sleep_on_any(client, &sleepers, deadline, err) < 0)
			return -1;
	}
}

/* ---- look ------------------------------------------------------------------------------------ */

/* Does the worker of this row work on the attempt? */
static bool works_on(const struct board_worker_sh *row, uint64_t id, unsigned attempt)
{
	struct board_work work;

	return atomic_load(&row->used) && board_read_work(row, &work) && work.job == id && work.attempt == attempt;
}

/* The row of the worker that runs a job, NULL if it does not show it (yet). Looked for once a job at most, usually. */
static const struct board_worker_sh *row_of(const struct ym_client *client, uint64_t id, uint64_t word)
{
	const struct board_sh *board = client->instance.board;
	unsigned owner = word_owner(word), attempt = word_attempt(word);
	uint32_t hint;

	if (owner >= client->instance.group.capacity)
		return NULL;
	hint = atomic_load_explicit(&client->rows[owner], memory_order_relaxed);
	if (hint && works_on(&board->workers[hint - 1], id, attempt))
		return &board->workers[hint - 1];
	for (uint32_t i = 0; i < board->instance.rows; i++)
		if (works_on(&board->workers[i], id, attempt)) {
			atomic_store_explicit(&client->rows[owner], (uint16_t)(i + 1), memory_order_relaxed);
			return &board->workers[i];
		}
	return NULL;
}

/* From the board while it runs, from the table else. */
static void read_progress(const struct ym_client *client, const struct job_ref *ref, uint64_t word,
                          struct ym_job_progress *progress)
{
	const struct job_sh *job = table_job_const(client->instance.table, ref->slot);
	enum job_state state = word_state(word);
	const struct board_worker_sh *row = NULL;
	struct board_progress shows;

	*progress = (struct ym_job_progress){.state = shown(state), .attempt = word_attempt(word)};
	if (state == JOB_CLAIMED || state == JOB_FINISHING)
		row = row_of(client, ref->id, word);
	if (row && board_read_progress(row, &shows) && shows.job == ref->id) {
		progress->done = shows.done;
		progress->total = shows.total;
		progress->updated = shows.updated;
		text_copy(progress->unit, sizeof(progress->unit), shows.unit);
		text_copy(progress->note, sizeof(progress->note), shows.note);
	} else if (progress->state != YM_JOB_RUNNING) {
		progress->done = job->done;
		progress->total = job->total;
		memcpy(progress->unit, job->unit, sizeof(progress->unit) - 1);
	}
}

/* A job that is only in the store. */
static int look_in_store(struct ym_client *client, const struct ym_job_ref *job, struct mailbox_look *look,
                         struct ym_err *err)
{
	int result = mailbox_look(&client->instance, job->id, ym_deadline(STAGE_PATIENCE_MS), look, err);

	payload_close(&look->result);
	if (result < 0)
		return -1;
	return look->verdict == STORE_OK ? 0 : client_unknown(job, err);
}

static void stored_progress(const struct mailbox_look *look, struct ym_job_progress *progress)
{
	*progress = (struct ym_job_progress){
	    .state = shown(look->state), .attempt = look->attempt, .done = look->job.done, .total = look->job.total};
	memcpy(progress->unit, look->job.unit, sizeof(progress->unit) - 1);
}

int ym_client_progress(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_progress *progress,
                       struct ym_err *err)
{
	struct table_sh *table = client->instance.table;
	struct mailbox_look look;
	struct job_ref at;
	uint64_t word;
	int where = 0;

	for (int try = 0; try < TRIES; try++) {
		where = client_job(client, job, &at, &word, err);
		if (where != 0)
			break;
		read_progress(client, &at, word, progress);
		atomic_thread_fence(memory_order_acquire);
		if (word_same(atomic_load(&table->words[at.slot]), word))
			break;
	}
	if (where <= 0)
		return where;
	if (look_in_store(client, job, &look, err) < 0)
		return -1;
	stored_progress(&look, progress);
	return 0;
}

static void describe(const struct view_job *view, struct ym_job_info *info)
{
	text_copy(info->pool, sizeof(info->pool), view->pool);
	text_copy(info->tag, sizeof(info->tag), view->tag);
	text_copy(info->unique, sizeof(info->unique), view->unique);
	text_copy(info->error, sizeof(info->error), view->error);
	info->attempts = view->attempts;
	info->crashes = view->crashes;
	info->priority = view->level;
	info->submitted = view->submitted;
	info->started = view->started;
	info->finished = job_state_over(view->state) ? view->finished : 0;
	info->at_ms = view->at_ms;
	info->timeout_ms = view->timeout_ms;
	info->payload_size = view->payload_size;
	info->result_size = view->result_size;
}

static void describe_stored(const struct ym_client *client, const struct mailbox_look *look, struct ym_job_info *info)
{
	const struct job_sh *job = &look->job;
	const struct table_sh *table = client->instance.table;

	stored_progress(look, &info->progress);
	text_copy(info->pool, sizeof(info->pool), table->pools[job_pool(job)].name);
	text_copy(info->tag, sizeof(info->tag), job->tag);
	text_copy(info->unique, sizeof(info->unique), job->unique);
	text_copy(info->error, sizeof(info->error), job->error);
	info->attempts = job->attempts;
	info->crashes = job->crashes;
	info->priority = job->level;
	info->submitted = job->submitted;
	info->started = job->started;
	info->finished = job_state_over(look->state) ? job->finished : 0;
	info->at_ms = look->state == JOB_DELAYED ? job->at_ms : 0;
	info->timeout_ms = job->timeout_ms;
	info->payload_size = job->payload_size;
	info->result_size = job->result_size;
}

int ym_client_look(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_info *info, struct ym_err *err)
{
	struct view_job view = {0};
	struct mailbox_look look;
	struct job_ref at;
	uint64_t word;
	int where = 0;

	memset(info, 0, sizeof(*info));
	for (int try = 0; try < TRIES; try++) {
		where = client_job(client, job, &at, &word, err);
		if (where != 0)
			break;
		if (ym_client_progress(client, job, &info->progress, err) < 0)
			return -1;
		if (view_read(client->instance.table, at.slot, &view) && view.gen == at.gen &&
		    shown(view.state) == info->progress.state && view.attempt == info->progress.attempt)
			break;
	}
	if (where < 0 || (where == 1 && look_in_store(client, job, &look, err) < 0))
		return -1;
	if (where == 1)
		describe_stored(client, &look, info);
	else
		describe(&view, info);
	return 0;
}

int ym_client_find(struct ym_client *client, uint64_t id, struct ym_job_ref *job, struct ym_err *err)
{
	struct ym_job_ref named = {.id = id};
	struct mailbox_look look;
	struct job_ref at;
	uint64_t word;
	int64_t slot;

	if (client_check(client, err) < 0)
		return -1;
	/* The word may be that of the job which had the slot before: then this one is there at the next look. */
	for (int try = 0; try < TRIES; try++) {
		slot = table_find(client->instance.table, id, &word);
		if (slot < 0)
			break;
		*job = (struct ym_job_ref){id, (uint32_t)slot, word_gen(word)};
		if (client_job(client, job, &at, &word, NULL) == 0)
			return 0;
	}
	if (instance_gone(&client->instance, err))
		return -1;
	if (!table_stored(client->instance.table))
		return 1;
	if (mailbox_look(&client->instance, id, ym_deadline(STAGE_PATIENCE_MS), &look, err) < 0) {
		payload_close(&look.result);
		return -1;
	}
	payload_close(&look.result);
	*job = named;
	return look.verdict == STORE_OK ? 0 : 1;
}

int ym_client_pools(struct ym_client *client, struct ym_pool_info *pools, size_t max, size_t *n, struct ym_err *err)
{
	const struct board_sh *board = client->instance.board;

	*n = 0;
	if (client_check(client, err) < 0 || instance_gone(&client->instance, err))
		return -1;
	for (unsigned i = 0; i < TABLE_POOLS; i++) {
		const struct board_pool_sh *row = &board->pools[i];
		uint32_t mode = atomic_load(&client->instance.table->pools[i].mode);

		if (!atomic_load(&row->used) || (*n)++ >= max)
			continue;
		pools[*n - 1] = (struct ym_pool_info){
		    .workers = atomic_load(&row->actual),
		    .wanted = atomic_load(&row->wanted),
		    .waiting = atomic_load(&row->waiting),
		    .delayed = atomic_load(&row->delayed),
		    .running = atomic_load(&row->running),
		    .buried = atomic_load(&row->buried),
		    .paused = (mode & POOL_PAUSED) != 0,
		    .draining = (mode & POOL_DRAINING) != 0,
		};
		memcpy(pools[*n - 1].name, row->name, sizeof(row->name) - 1);
	}
	return 0;
}
