/* submit.c - take a slot, fill it, accept it. */
#include "submit.h"

#include <string.h>

#include "../ipc/sys.h"
#include "bell.h"
#include "text.h"

/* Filled and entered together: as many as one hold of the index lock may take (some microseconds). */
#define TOGETHER 64

/* How often to look whether a pool takes jobs. */
#define LOADING_LOOK_NS 1000000

#define TIME_MAX_MS (INT64_C(200) * 365 * 86400 * 1000)

/* ---- check ----------------------------------------------------------------------------------- */

static int check_text(const char *text, size_t max, const char *what, struct ym_err *err)
{
	if (!text || strlen(text) < max)
		return 0;
	return ym_fail(err, YM_ERR_USAGE, "the %s \"%.20s...\" is longer than %zu bytes", what, text, max - 1);
}

static int check_time(int64_t ms, const char *what, struct ym_err *err)
{
	if (ms >= 0 && ms <= TIME_MAX_MS)
		return 0;
	return ym_fail(err, YM_ERR_USAGE, "the %s of %lld ms is out of range: at most 200 years", what, (long long)ms);
}

/* A job of a backlog was accepted before the limit was lowered. */
static uint64_t payload_max(const struct instance *instance, const struct job_request *request)
{
	return request->past ? PAYLOAD_TO_END : instance->table->payload_max;
}

/* Is the pool in this mode, and does that concern the job? One of a backlog was accepted before. */
static bool refuses(const struct instance *instance, const struct job_request *request, uint32_t modes)
{
	return !request->past && (atomic_load(&instance->table->pools[request->pool].mode) & modes);
}

static int fail_loading(const struct instance *instance, const struct job_request *request, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_FULL, "pool %.*s is still taking in the jobs of an earlier run: try again",
	               TABLE_NAME_MAX, instance->table->pools[request->pool].name);
}

static int fail_draining(const struct instance *instance, const struct job_request *request, struct ym_err *err)
{
	if (refuses(instance, request, POOL_REMOVED))
		return ym_fail(err, YM_ERR_NO, "pool %.*s is not in the configuration any more and takes no jobs",
		               TABLE_NAME_MAX, instance->table->pools[request->pool].name);
	return ym_fail(err, YM_ERR_NO, "pool %.*s is being drained and takes no jobs (yardmaster resume ends that)",
	               TABLE_NAME_MAX, instance->table->pools[request->pool].name);
}

static int check_request(const struct instance *instance, const struct job_request *request, struct ym_err *err)
{
	if (payload_check(&request->payload, payload_max(instance, request), err) < 0)
		return -1;
	if (request->level < JOB_LEVEL_DEFAULT || request->level >= INDEX_LEVELS)
		return ym_fail(err, YM_ERR_USAGE, "priority %d: it must be 0 (most urgent) to %d", request->level,
		               INDEX_LEVELS - 1);
	if (check_time(request->delay_ms, "delay", err) < 0 || check_time(request->at_ms, "time", err) < 0 ||
	    (request->timeout_ms != -1 && check_time(request->timeout_ms, "timeout", err) < 0))
		return -1;
	if (refuses(instance, request, POOL_DRAINING | POOL_REMOVED))
		return fail_draining(instance, request, err);
	if (check_text(request->tag, JOB_TAG_MAX, "tag", err) < 0)
		return -1;
	return check_text(request->unique, JOB_UNIQUE_MAX, "unique key", err);
}

/* ---- fill ------------------------------------------------------------------------------------ */

static int64_t take_slot(struct instance *instance, uint64_t deadline, uint64_t *word, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	int64_t slot = table_take(table, instance->group.slot, word);

	while (slot < 0 && ym_now_ns() < deadline) {
		/* At most a second at once: a waker may have been killed between giving the slot and waking. */
		uint64_t nap = ym_deadline(1000);

		if (instance_gone(instance, err))
			return -1;
		table_want_space(table);
		slot = table_take(table, instance->group.slot, word);
		if (slot < 0)
			table_sleep_for_space(table, nap < deadline ? nap : deadline);
	}
	if (slot < 0)
		ym_fail(err, YM_ERR_FULL,
		        "the job table is full (%u jobs): wait, or raise `jobs` in [yardmaster] and start anew",
		        table->slots);
	return slot;
}

static void describe(struct table_sh *table, struct job_sh *job, const struct job_request *request, uint64_t now)
{
	const struct table_pool_sh *pool = &table->pools[request->pool];
	const struct job_past *past = request->past;

	job->id = past ? past->id : atomic_fetch_add_explicit(&table->next_id, 1, memory_order_relaxed);
	job->pool = (uint16_t)request->pool;
	job->level =
	    request->level < 0 ? atomic_load_explicit(&pool->level, memory_order_relaxed) : (uint8_t)request->level;
	job->attempts = past ? (uint8_t)past->attempts : atomic_load_explicit(&pool->attempts, memory_order_relaxed);
	job->crashes = past ? (uint8_t)past->crashes : 0;
	job->timeout_ms = request->timeout_ms < 0 ? atomic_load_explicit(&pool->timeout_ms, memory_order_relaxed)
	                                          : request->timeout_ms;
	if (request->tag)
		text_copy(job->tag, sizeof(job->tag), request->tag);
	if (request->unique)
		text_copy(job->unique, sizeof(job->unique), request->unique);
	job->submitted = job->ready = job->finished = now;
	job->due = now + (uint64_t)request->delay_ms * 1000000u;
	job->at_ms = request->at_ms;
	job->reply_key = request->reply.key;
	job->reply_type = request->reply.type;
	job->reply_form = request->reply.form;
	job->told = past && past->error && past->error[0];
	text_copy(job->error, job->told ? sizeof(job->error) : 1, job->told ? past->error : "");
}

/* A master that has just started needs milliseconds, unless it is killed over it. */
static int await_loading(const struct instance *instance, const struct job_request *request, uint64_t deadline,
                         struct ym_err *err)
{
	while (refuses(instance, request, POOL_LOADING)) {
		if (ym_now_ns() >= deadline)
			return fail_loading(instance, request, err);
		ym_nap(LOADING_LOOK_NS);
	}
	return 0;
}

/* A slot of ours, FILLING, with everything in it. */
static int64_t fill(struct instance *instance, const struct job_request *request, uint64_t now, uint64_t deadline,
                    uint64_t *word, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	int64_t slot = check_request(instance, request, err) < 0 || await_loading(instance, request, deadline, err) < 0
	                   ? -1
	                   : take_slot(instance, deadline, word, err);
	struct job_sh *job;

	if (slot < 0)
		return -1;
	job = table_job(table, (uint32_t)slot);
	if (index_has_key(instance, (uint32_t)slot)) {
		index_lock(instance);
		index_drop_key(instance, (uint32_t)slot);
		index_unlock(instance);
	}
	if (job->files)
		payload_discard(instance->directory, job, (uint32_t)slot);
	memset(job, 0, offsetof(struct job_sh, payload));
	if (payload_store(instance->directory, job, (uint32_t)slot, word_gen(*word), &request->payload,
	                  payload_max(instance, request), err) < 0) {
		dispatch_free(instance, (uint32_t)slot, *word);
		return -1;
	}
	describe(table, job, request, now);
	return slot;
}

/* ---- accept ---------------------------------------------------------------------------------- */

static enum job_state first_state(const struct job_request *request)
{
	enum job_state state = request->past ? request->past->state : JOB_READY;

	if (state != JOB_READY)
		return state;
	if (request->delay_ms > 0 || request->at_ms > ym_unix_ms())
		return JOB_DELAYED;
	return JOB_READY;
}

enum verdict {
	NOT_TRIED,
	ACCEPTED,
	EXISTS, /* a live job has its key */
	DRAINING,
	LOADING,
	TAKEN_AWAY, /* the slot is not ours any more */
};

struct filled {
	uint32_t slot, taken; /* of the job; that was filled: another one if the job existed */
	uint64_t word, taken_word;
	enum verdict verdict;
};

/*
 * Under the index lock, as is the start of draining. The swap accepts the job: from then on it is run at least once,
 * whatever becomes of us.
 */
static enum verdict accept(struct instance *instance, const struct job_request *request, struct filled *one)
{
	struct table_sh *table = instance->table;
	enum job_state state = first_state(request);
	uint64_t seen = one->word;
	unsigned flags = (request->keep ? JOB_KEEP : 0u) | (request->reply.key ? JOB_REPLY : 0u);

	if (refuses(instance, request, POOL_DRAINING | POOL_REMOVED))
		return DRAINING;
	if (refuses(instance, request, POOL_LOADING))
		return LOADING;
	if (request->unique && !job_state_over(state)) {
		uint64_t existing;
		int64_t other = index_find(instance, request->pool, request->unique, &existing);

		if (other >= 0) {
			one->slot = (uint32_t)other;
			one->word = existing;
			return EXISTS;
		}
		index_add_key(instance, one->slot);
	}
	one->word = word_make(word_gen(seen), state, 0, request->past ? request->past->attempt : 0, flags);
	if (!table_cas(table, one->slot, &seen, one->word))
		return TAKEN_AWAY;
	if (state == JOB_READY)
		index_push(instance, one->slot, one->word, false);
	return ACCEPTED;
}

/* Wake workers, for runs of jobs of one pool; and the master, for what only he sees to. */
static void announce(struct instance *instance, const struct job_request *requests, const struct filled *filled,
                     size_t n)
{
	bool ring = false;

	for (size_t i = 0, same; i < n; i += same) {
		unsigned ready = 0;

		for (same = 0; i + same < n && requests[i + same].pool == requests[i].pool; same++) {
			const struct filled *one = &filled[i + same];

			ready += one->verdict == ACCEPTED && word_state(one->word) == JOB_READY;
			ring |= one->verdict == ACCEPTED &&
			        (word_state(one->word) == JOB_DELAYED || requests[i + same].timeout_ms > 0);
		}
		if (ready)
			ready_wake(instance, requests[i].pool, ready);
	}
	if (ring)
		bell_ring(instance->directory);
}

/* Up to TOGETHER slots, filled. *err says why there are not more. */
static size_t fill_some(struct instance *instance, const struct job_request *requests, size_t n, struct filled *filled,
                        struct ym_err *err)
{
	uint64_t now = ym_now_ns();
	size_t have = 0;

	for (; have < n && have < TOGETHER; have++) {
		struct filled *one = &filled[have];
		/* Only the first one waits for room: who holds slots while he waits could hold up whom he waits for. */
		uint64_t deadline = have ? 0 : requests[have].deadline;
		int64_t slot = fill(instance, &requests[have], now, deadline, &one->word, err);

		if (slot < 0)
			break;
		one->slot = one->taken = (uint32_t)slot;
		one->taken_word = one->word;
		one->verdict = NOT_TRIED;
	}
	return have;
}

/* What was filled for nothing. Not under the lock: files may have to go. */
static void free_unused(struct instance *instance, const struct filled *filled, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (filled[i].verdict != ACCEPTED && filled[i].verdict != TAKEN_AWAY)
			dispatch_free(instance, filled[i].taken, filled[i].taken_word);
}

/*
 * The first up to TOGETHER of them. Returns how many were accepted or existed; *err says why not one was. False in *go_on:
 * one was refused.
 */
static size_t submit_some(struct instance *instance, const struct job_request *requests, size_t n, struct job_ref *refs,
                          bool *existed, bool *go_on, struct ym_err *err)
{
	struct filled filled[TOGETHER];
	size_t have = fill_some(instance, requests, n, filled, err), done = 0;

	index_lock(instance);
	for (; done < have; done++) {
		struct filled *one = &filled[done];

		one->verdict = accept(instance, &requests[done], one);
		if (one->verdict > EXISTS)
			break;
		refs[done] =
		    (struct job_ref){table_job(instance->table, one->slot)->id, one->slot, word_gen(one->word)};
		if (existed)
			existed[done] = one->verdict == EXISTS;
	}
	index_unlock(instance);
	free_unused(instance, filled, have);
	announce(instance, requests, filled, done);
	*go_on = done > 0 && done == have;
	if (done < have && filled[done].verdict == DRAINING)
		fail_draining(instance, &requests[done], err);
	else if (done < have && filled[done].verdict == LOADING)
		fail_loading(instance, &requests[done], err);
	else if (done < have)
		ym_fail(err, YM_ERR_GONE,
		        "the slot of a job being submitted was taken away: was this process stopped for long and taken "
		        "for dead?");
	return done;
}

size_t submit_jobs(struct instance *instance, const struct job_request *requests, size_t n, struct job_ref *refs,
                   bool *existed, struct ym_err *err)
{
	size_t done = 0;

	/* Fewer than asked for is no error yet: the next round says why. */
	for (bool go_on = true; go_on && done < n;)
		done += submit_some(instance, requests + done, n - done, refs + done, existed ? existed + done : NULL,
		                    &go_on, err);
	return done;
}

int submit_job(struct instance *instance, const struct job_request *request, struct job_ref *ref, struct ym_err *err)
{
	bool existed;

	if (submit_jobs(instance, request, 1, ref, &existed, err) == 0)
		return -1;
	return existed;
}
