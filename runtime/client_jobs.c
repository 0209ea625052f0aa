/* client_jobs.c - wait for jobs, look at them. */
#include <errno.h>
#include <string.h>

#include "client_self.h"
#include "payload.h"
#include "text.h"
#include "view.h"

/* How long to sleep at once: nobody wakes who sleeps in an instance that was removed by hand. */
#define LOOK_MS 1000

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

static uint64_t next_look(uint64_t deadline)
{
	uint64_t look = ym_deadline(LOOK_MS);

	return look < deadline ? look : deadline;
}

/* 0 over, with its word; 1 the time has passed; 2 not known any more; -1: err. */
static int await(struct ym_client *client, const struct ym_job_ref *job, uint64_t deadline, uint64_t *word,
                 struct ym_err *err)
{
	struct instance *instance = &client->instance;
	int result;

	if (client_job(client, job, word, err) < 0)
		return err->class == YM_ERR_GONE && !instance_gone(instance, err) ? 2 : -1;
	do {
		result = dispatch_wait(instance, client_ref(job), next_look(deadline), word, err);
		if (result != 0 && instance_gone(instance, err))
			return -1;
	} while (result == 1 && ym_now_ns() < deadline);
	return result < 0 ? 2 : result;
}

/* 0, -1; 1: it changed while it was read (kicked, or its slot was used again). */
static int read_result(struct instance *instance, struct job_ref ref, uint64_t word, struct ym_job_result *result,
                       struct ym_err *err)
{
	struct job_sh *job = table_job(instance->table, ref.slot);
	struct payload payload = {.fd = -1};
	bool same;
	int opened = 0;

	*result = (struct ym_job_result){
	    .state = shown(word_state(word)), .attempt = word_attempt(word), .crashes = job->crashes};
	memcpy(result->error, job->error, sizeof(result->error) - 1);
	if (result->state == YM_JOB_DONE)
		opened = payload_open_result(instance->directory, job, ref.slot, &payload, err);
	atomic_thread_fence(memory_order_acquire);
	same = word_same(atomic_load(&instance->table->words[ref.slot]), word);
	if (same && opened == 0) {
		result->data = payload.data;
		result->size = payload.size;
		/* The bytes are all that is kept. */
		result->memory = payload.memory;
		result->mapped = payload.mapped;
		payload.memory = NULL;
	}
	payload_close(&payload);
	return same ? opened : 1;
}

void ym_job_result_free(struct ym_job_result *result)
{
	struct payload payload = {.memory = result->memory, .mapped = result->mapped, .fd = -1};

	payload_close(&payload);
	result->data = result->memory = NULL;
	result->size = result->mapped = 0;
}

int ym_client_wait(struct ym_client *client, const struct ym_job_ref *job, int64_t timeout_ms,
                   struct ym_job_result *result, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(timeout_ms), word;
	struct ym_err ignored = {0};
	int over;

	err = err ? err : &ignored;
	for (;;) {
		over = await(client, job, deadline, &word, err);
		if (over != 0 || !result)
			return over == 2 ? -1 : over;
		over = read_result(&client->instance, client_ref(job), word, result, err);
		if (over <= 0)
			return over;
	}
}

int ym_client_wait_all(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                       struct ym_err *err)
{
	uint64_t deadline = ym_deadline(timeout_ms), word;
	struct ym_err ignored = {0};

	err = err ? err : &ignored;
	for (size_t i = 0; i < n; i++) {
		int over = await(client, &jobs[i], deadline, &word, err);

		if (over == 1 || over < 0)
			return over;
	}
	return client_check(client, err);
}

/* Is it over, or does its word say now that somebody waits? 0 over, 1 it says so (*seen), -1 err. */
static int prepare(struct ym_client *client, const struct ym_job_ref *job, uint64_t *seen, struct ym_err *err)
{
	struct table_sh *table = client->instance.table;

	if (client_job(client, job, seen, err) < 0)
		return err->class == YM_ERR_GONE ? 0 : -1;
	while (word_gen(*seen) == job->gen && !job_state_over(word_state(*seen))) {
		if (word_flags(*seen) & JOB_WAITED)
			return 1;
		if (table_cas(table, job->slot, seen, *seen | JOB_WAITED)) {
			*seen |= JOB_WAITED;
			return 1;
		}
	}
	return 0;
}

static int sleep_on_all(struct ym_client *client, const struct ym_job_ref *jobs, const uint64_t *seen, size_t n,
                        uint64_t deadline, struct ym_err *err)
{
	uint32_t slots[YM_WAIT_ANY_MAX];
	int sys;

	for (size_t i = 0; i < n; i++)
		slots[i] = jobs[i].slot;
	sys = table_sleep_any(client->instance.table, slots, seen, (unsigned)n, deadline);
	return sys ? ym_fail_sys(err, sys, "futex_waitv() for one of %zu jobs (Linux 5.16 or newer has it)", n) : 0;
}

int ym_client_wait_any(struct ym_client *client, const struct ym_job_ref *jobs, size_t n, int64_t timeout_ms,
                       size_t *which, struct ym_err *err)
{
	uint64_t deadline = ym_deadline(timeout_ms), seen[YM_WAIT_ANY_MAX];
	struct ym_err ignored = {0};

	err = err ? err : &ignored;
	if (n == 0 || n > YM_WAIT_ANY_MAX)
		return ym_fail(err, YM_ERR_USAGE, "cannot wait for one of %zu jobs: 1 to %d are possible", n,
		               YM_WAIT_ANY_MAX);
	for (;;) {
		for (size_t i = 0; i < n; i++) {
			int waits = prepare(client, &jobs[i], &seen[i], err);

			*which = i;
			if (waits <= 0)
				return waits;
		}
		if (instance_gone(&client->instance, err))
			return -1;
		if (ym_now_ns() >= deadline)
			return 1;
		if (sleep_on_all(client, jobs, seen, n, next_look(deadline), err) < 0)
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
static void read_progress(const struct ym_client *client, const struct ym_job_ref *ref, uint64_t word,
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

int ym_client_progress(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_progress *progress,
                       struct ym_err *err)
{
	struct table_sh *table = client->instance.table;
	uint64_t word;

	for (int try = 0; try < TRIES; try++) {
		if (client_job(client, job, &word, err) < 0)
			return -1;
		read_progress(client, job, word, progress);
		atomic_thread_fence(memory_order_acquire);
		if (word_same(atomic_load(&table->words[job->slot]), word))
			break;
	}
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

int ym_client_look(struct ym_client *client, const struct ym_job_ref *job, struct ym_job_info *info, struct ym_err *err)
{
	struct view_job view = {0};

	memset(info, 0, sizeof(*info));
	for (int try = 0; try < TRIES; try++) {
		if (ym_client_progress(client, job, &info->progress, err) < 0)
			return -1;
		if (view_read(client->instance.table, job->slot, &view) && view.gen == job->gen &&
		    shown(view.state) == info->progress.state && view.attempt == info->progress.attempt)
			break;
	}
	describe(&view, info);
	return 0;
}

int ym_client_find(struct ym_client *client, uint64_t id, struct ym_job_ref *job, struct ym_err *err)
{
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
		if (client_job(client, job, &word, NULL) == 0)
			return 0;
	}
	return instance_gone(&client->instance, err) ? -1 : 1;
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
