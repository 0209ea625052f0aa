/* submit.c - take a slot, fill it, accept it. */
#include "submit.h"

#include <string.h>

#include "../ipc/sys.h"
#include "bell.h"
#include "slot.h"
#include "stage.h"
#include "submit_self.h"
#include "text.h"

/*
 * Filled and entered together: as many as one hold of the index lock may take (some microseconds). With a store, more:
 * they are acknowledged together.
 */
#define TOGETHER        64
#define TOGETHER_STORED 256

/* With a store: how long to wait for a new master at least. */
#define MASTER_PATIENCE_MS 1000

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

bool submit_refuses(const struct instance *instance, const struct job_request *request, uint32_t modes)
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
	if (submit_refuses(instance, request, POOL_REMOVED))
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
	if (submit_refuses(instance, request, POOL_DRAINING | POOL_REMOVED))
		return fail_draining(instance, request, err);
	if (check_text(request->tag, JOB_TAG_MAX, "tag", err) < 0)
		return -1;
	return check_text(request->unique, JOB_UNIQUE_MAX, "unique key", err);
}

/* ---- fill ------------------------------------------------------------------------------------ */

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
	while (submit_refuses(instance, request, POOL_LOADING)) {
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
	                   : slot_take(instance, deadline, word, err);
	struct job_sh *job;

	if (slot < 0)
		return -1;
	job = table_job(table, (uint32_t)slot);
	if (slot_clear(instance, (uint32_t)slot, err) < 0 ||
	    payload_store(instance->directory, job, (uint32_t)slot, word_gen(*word), &request->payload,
	                  payload_max(instance, request), err) < 0) {
		dispatch_free(instance, (uint32_t)slot, *word);
		return -1;
	}
	describe(table, job, request, now);
	return slot;
}

/* ---- accept ---------------------------------------------------------------------------------- */

enum job_state submit_first_state(const struct job_request *request)
{
	enum job_state state = request->past ? request->past->state : JOB_READY;

	if (state != JOB_READY)
		return state;
	if (request->delay_ms > 0 || request->at_ms > ym_unix_ms())
		return JOB_DELAYED;
	return JOB_READY;
}

unsigned submit_flags(const struct job_request *request)
{
	return (request->keep ? JOB_KEEP : 0u) | (request->reply.key ? JOB_REPLY : 0u);
}

/*
 * Under the index lock, as is the start of draining. The swap accepts the job: from then on it is run at least once,
 * whatever becomes of us.
 */
static enum submit_verdict accept(struct instance *instance, const struct job_request *request,
                                  struct submit_filled *one)
{
	struct table_sh *table = instance->table;
	enum job_state state = submit_first_state(request);
	uint64_t seen = one->word;

	one->id = table_job(table, one->slot)->id;
	if (submit_refuses(instance, request, POOL_DRAINING | POOL_REMOVED))
		return SUBMIT_DRAINING;
	if (submit_refuses(instance, request, POOL_LOADING))
		return SUBMIT_LOADING;
	if (request->unique && !job_state_over(state)) {
		uint64_t existing;
		int64_t other = index_find(instance, request->pool, request->unique, &existing);

		if (other >= 0) {
			one->slot = (uint32_t)other;
			one->word = existing;
			one->id = table_job(table, one->slot)->id;
			return SUBMIT_EXISTS;
		}
		index_add_key(instance, one->slot);
	}
	one->word =
	    word_make(word_gen(seen), state, 0, request->past ? request->past->attempt : 0, submit_flags(request));
	if (!table_cas(table, one->slot, &seen, one->word))
		return SUBMIT_TAKEN_AWAY;
	if (state == JOB_READY)
		index_push(instance, one->slot, one->word, false);
	return SUBMIT_ACCEPTED;
}

/* Wake workers, for runs of jobs of one pool; and the master, for what only he sees to. */
static void announce(struct instance *instance, const struct job_request *requests, const struct submit_filled *filled,
                     size_t n)
{
	bool ring = false;

	for (size_t i = 0, same; i < n; i += same) {
		unsigned ready = 0;

		for (same = 0; i + same < n && requests[i + same].pool == requests[i].pool; same++) {
			const struct submit_filled *one = &filled[i + same];

			ready += one->verdict == SUBMIT_ACCEPTED && word_state(one->word) == JOB_READY;
			ring |= one->verdict == SUBMIT_ACCEPTED &&
			        (word_state(one->word) == JOB_DELAYED || requests[i + same].timeout_ms > 0);
		}
		if (ready)
			ready_wake(instance, requests[i].pool, ready);
	}
	if (ring)
		bell_ring(instance->directory);
}

static size_t together(const struct instance *instance)
{
	return table_stored(instance->table) ? TOGETHER_STORED : TOGETHER;
}

/* As many slots as go together, filled. *err says why there are not more. */
static size_t fill_some(struct instance *instance, const struct job_request *requests, size_t n,
                        struct submit_filled *filled, struct ym_err *err)
{
	uint64_t now = ym_now_ns();
	size_t have = 0;

	for (; have < n && have < together(instance); have++) {
		struct submit_filled *one = &filled[have];
		/* Only the first one waits for room: who holds slots while he waits could hold up whom he waits for. */
		uint64_t deadline = have ? 0 : requests[have].deadline;
		int64_t slot = fill(instance, &requests[have], now, deadline, &one->word, err);

		if (slot < 0)
			break;
		one->slot = one->taken = (uint32_t)slot;
		one->taken_word = one->word;
		one->verdict = SUBMIT_NOT_TRIED;
	}
	return have;
}

/*
 * Under the lock: those that are accepted or staged, up to the first one that is not. Returns how many. Not one was tried: the
 * lock is not to be had.
 */
static size_t enter(struct instance *instance, const struct job_request *requests, struct submit_filled *filled,
                    size_t have)
{
	bool stored = table_stored(instance->table);
	size_t done = 0;

	if (!index_take(instance))
		return 0;
	for (; done < have; done++) {
		struct submit_filled *one = &filled[done];

		if (stored)
			table_job(instance->table, one->slot)->call = have > 1;
		one->verdict =
		    stored ? submit_stage(instance, &requests[done], one) : accept(instance, &requests[done], one);
		if (one->verdict > SUBMIT_EXISTS)
			break;
	}
	index_unlock(instance);
	return done;
}

/* What was filled for nothing. Not under the lock: files may have to go. */
static void free_unused(struct instance *instance, const struct submit_filled *filled, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (filled[i].verdict == SUBMIT_NOT_TRIED || filled[i].verdict == SUBMIT_EXISTS ||
		    filled[i].verdict == SUBMIT_DRAINING || filled[i].verdict == SUBMIT_LOADING)
			dispatch_free(instance, filled[i].taken, filled[i].taken_word);
}

static int fail_entry(const struct instance *instance, const struct job_request *request, enum submit_verdict verdict,
                      struct ym_err *err)
{
	if (verdict == SUBMIT_NOT_TRIED)
		return index_fail(instance, err);
	if (verdict == SUBMIT_DRAINING)
		return fail_draining(instance, request, err);
	if (verdict == SUBMIT_LOADING)
		return fail_loading(instance, request, err);
	return ym_fail(err, YM_ERR_GONE,
	               "the slot of a job being submitted was taken away: was this process stopped for long and taken "
	               "for dead?");
}

/*
 * When the store has to have answered: as long as the caller would wait for room, but not at once. Without a master, who does
 * not want to wait is told soon.
 */
static uint64_t answer_deadline(const struct instance *instance, const struct job_request *request)
{
	bool master = ym_sem_value(instance->group.semid, YM_GROUP_LEADER) > 0;
	uint64_t least = ym_deadline(master ? STAGE_PATIENCE_MS : MASTER_PATIENCE_MS);

	return request->deadline > least ? request->deadline : least;
}

static size_t await_stored(struct instance *instance, const struct job_request *requests, struct submit_filled *filled,
                           size_t n, struct ym_err *err)
{
	size_t good = 0;

	submit_await(instance, filled, n, n ? answer_deadline(instance, requests) : 0, err);
	while (good < n && filled[good].verdict != SUBMIT_FAILED)
		good++;
	return good;
}

/*
 * The first ones. Returns how many were accepted or existed; *err says why not one was. False in *go_on: one was
 * refused.
 */
static size_t submit_some(struct instance *instance, const struct job_request *requests, size_t n, struct job_ref *refs,
                          bool *existed, bool *go_on, struct ym_err *err)
{
	struct submit_filled filled[TOGETHER_STORED];
	size_t have = fill_some(instance, requests, n, filled, err), entered = enter(instance, requests, filled, have);
	bool stored = table_stored(instance->table);
	size_t done = entered;

	free_unused(instance, filled + (stored ? entered : 0), have - (stored ? entered : 0));
	if (entered < have)
		fail_entry(instance, &requests[entered], filled[entered].verdict, err);
	if (stored)
		done = await_stored(instance, requests, filled, entered, err);
	else
		announce(instance, requests, filled, done);
	for (size_t i = 0; i < done; i++) {
		bool other = filled[i].verdict == SUBMIT_EXISTS;

		refs[i] = (struct job_ref){.id = filled[i].id};
		/* Where another job of the store is must be looked for. */
		if (!stored || !other) {
			refs[i].slot = filled[i].slot;
			refs[i].gen = word_gen(filled[i].word);
		}
		if (existed)
			existed[i] = other;
	}
	*go_on = done > 0 && done == have;
	return done;
}

int submit_stage_one(struct instance *instance, const struct job_request *request, struct submit_filled *one,
                     struct ym_err *err)
{
	if (fill_some(instance, request, 1, one, err) == 0)
		return -1;
	if (enter(instance, request, one, 1) == 1)
		return 0;
	free_unused(instance, one, 1);
	return fail_entry(instance, request, one->verdict, err);
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
