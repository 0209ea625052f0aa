/* dispatch.c - finish, give back, cancel, bury, kick, wait; every step may be the last one of the process. */
#include "dispatch.h"

#include <string.h>
#include <unistd.h>

#include "../ipc/sys.h"
#include "bell.h"
#include "payload.h"
#include "stage.h"
#include "text.h"

/* ---- the end of an attempt ------------------------------------------------------------------- */

int64_t dispatch_backoff_ms(const struct table_pool_sh *pool, unsigned attempt, uint64_t dice)
{
	int64_t ms = atomic_load(&pool->backoff_ms), most = atomic_load(&pool->backoff_max_ms);
	int64_t factor = atomic_load(&pool->backoff_factor), jitter;

	for (unsigned i = 1; i < attempt && ms < most; i++)
		ms = factor > 1 && ms > most / factor ? most : ms * factor;
	if (ms > most)
		ms = most;
	/* Earlier or later by up to so much: jobs that failed together do not come back together. */
	jitter = ms / 100 * atomic_load(&pool->backoff_jitter) + ms % 100 * atomic_load(&pool->backoff_jitter) / 100;
	return jitter > 0 ? ms - jitter + (int64_t)(dice % (uint64_t)(2 * jitter + 1)) : ms;
}

static enum job_state without_attempts(const struct table_pool_sh *pool)
{
	return atomic_load(&pool->bury_failed) ? JOB_BURIED : JOB_FAILED;
}

/* To another pool, unless that has a live job with the same unique key. */
static enum job_state move_job(struct instance *instance, struct job_sh *job, unsigned pool)
{
	bool taken = false;
	uint64_t word;

	/* A store says so when it hears of it. */
	if (job->unique[0] && !table_stored(instance->table)) {
		/* Not to be had: the next attempt is made where it is. */
		if (!index_take(instance))
			return JOB_READY;
		taken = index_find(instance, pool, job->unique, &word) >= 0;
		if (!taken)
			job->pool = (uint16_t)pool;
		index_unlock(instance);
	} else {
		job->pool = (uint16_t)pool;
	}
	return taken ? JOB_BURIED : JOB_READY;
}

static enum job_state after_crash(struct instance *instance, struct job_sh *job, unsigned attempt)
{
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(job)];
	unsigned target = atomic_load(&pool->crash_pool);

	if (job->crashes < UINT8_MAX)
		job->crashes++;
	if (atomic_load(&pool->on_crash) == TABLE_CRASH_BURY || job->crashes >= atomic_load(&pool->crashes))
		return JOB_BURIED;
	if (attempt >= job->attempts)
		return without_attempts(pool);
	if (atomic_load(&pool->on_crash) == TABLE_CRASH_MOVE && target < TABLE_POOLS)
		return move_job(instance, job, target);
	return JOB_READY;
}

enum job_state dispatch_verdict(struct instance *instance, uint32_t slot, enum story_end end, unsigned attempt)
{
	struct job_sh *job = table_job(instance->table, slot);
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(job)];
	uint64_t now = ym_now_ns();

	switch (end) {
	case STORY_DONE:
		return JOB_DONE;
	case STORY_CANCELLED:
		return JOB_CANCELLED;
	case STORY_STOPPED:
		return JOB_READY;
	case STORY_CRASHED:
		return after_crash(instance, job, attempt);
	case STORY_RETRY:
	case STORY_TIMED_OUT:
		if (attempt >= job->attempts)
			return without_attempts(pool);
		job->due = now + (uint64_t)dispatch_backoff_ms(pool, attempt, now ^ job->id) * 1000000u;
		job->at_ms = 0;
		return JOB_DELAYED;
	default:
		return without_attempts(pool);
	}
}

void dispatch_tell(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                   int32_t pid)
{
	struct job_sh *job = table_job(instance->table, slot);
	struct story_sh *story = table_story(instance->table, slot);
	struct story_attempt attempt = {
	    .started = job->started,
	    .ended = report->ended ? report->ended : ym_now_ns(),
	    .done = report->done,
	    .total = report->total,
	    .pid = pid,
	    .attempt = (uint8_t)word_attempt(word),
	    .end = (uint8_t)report->end,
	};

	job->told = 1;
	text_copy(job->error, sizeof(job->error), report->error);
	job->done = report->done;
	job->total = report->total;
	text_copy(job->unit, sizeof(job->unit), report->unit);
	text_copy(attempt.unit, sizeof(attempt.unit), report->unit);
	text_copy(attempt.error, sizeof(attempt.error), report->error);
	job->deadline = 0;
	/* A job that succeeds at once has no story. */
	if (report->end != STORY_DONE || atomic_load(&story->gen) == word_gen(word))
		story_tell(story, word_gen(word), &attempt, report->process);
}

bool dispatch_settle(struct instance *instance, uint32_t slot, uint64_t *word, enum job_state state, unsigned attempt,
                     bool first, uint64_t now)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, slot);

	job->finished = now;
	if (state == JOB_READY && !first)
		job->ready = job->finished;
	if (!table_change(table, slot, word, state, 0, attempt))
		return false;
	state = word_state(*word);
	stage_tell(table, slot, *word);
	if (state == JOB_READY)
		ready_push(instance, slot, *word, first);
	else if (state == JOB_DELAYED)
		bell_ring(instance->directory);
	else
		table_over(table, slot, *word);
	if (job_state_over(state) && (word_flags(*word) & JOB_REPLY))
		bell_ring(instance->directory);
	return true;
}

void dispatch_return(struct instance *instance, uint32_t slot, uint64_t word)
{
	unsigned attempt = word_attempt(word) - 1;

	/* Its fields are ours only behind this swap. */
	if (!table_change(instance->table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
		return;
	table_job(instance->table, slot)->deadline = 0;
	dispatch_settle(instance, slot, &word, JOB_READY, attempt, true, ym_now_ns());
}

/* True when the attempt ended without anything to write down: then one swap is enough. */
static bool nothing_to_say(const struct job_sh *job, const struct job_report *report)
{
	return !job->told && report->end == STORY_DONE && !report->error && report->result_size == 0 &&
	       report->done == 0 && report->total == 0;
}

/* FINISHING is ours. */
static enum job_state write_report(struct instance *instance, uint32_t slot, uint64_t word,
                                   const struct job_report *given, uint64_t ended)
{
	struct job_report report = *given;
	struct payload_source result = {.data = report.result ? report.result : "", .size = report.result_size};
	struct ym_err err;

	if (report.end == STORY_DONE &&
	    payload_store_result(instance->directory, table_job(instance->table, slot), slot, word_gen(word), &result,
	                         instance->table->payload_max, &err) < 0) {
		report.end = STORY_FAILED;
		report.error = err.text;
	}
	report.ended = ended;
	dispatch_tell(instance, slot, word, &report, getpid());
	return dispatch_verdict(instance, slot, report.end, word_attempt(word));
}

bool dispatch_finish(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                     enum job_state *state)
{
	struct table_sh *table = instance->table;
	uint64_t ended = report->ended ? report->ended : ym_now_ns();

	*state = JOB_DONE;
	if (!nothing_to_say(table_job(table, slot), report)) {
		if (!table_change(table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
			return false;
		*state = write_report(instance, slot, word, report, ended);
	}
	/* Without the fence a store to `finished` may hit the next attempt of a revoked job: it is set anew when that ends. */
	if (!dispatch_settle(instance, slot, &word, *state, word_attempt(word), false, ended))
		return false;
	*state = word_state(word);
	return true;
}

/* ---- cancel, bury, kick, delete -------------------------------------------------------------- */

static bool is_running(enum job_state state)
{
	return state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
}

static int gone(struct job_ref ref, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_GONE, "job %llu is no longer in the table", (unsigned long long)ref.id);
}

/* Its place in a list, if it has one, is dropped by who comes across it. */
static bool put_aside(struct instance *instance, uint32_t slot, uint64_t *word, enum job_state state)
{
	uint64_t next = word_next(*word, state, 0, word_attempt(*word), 0);

	/* Before the swap: a slot whose job is over may be used again at once. */
	table_job(instance->table, slot)->finished = ym_now_ns();
	if (!table_cas(instance->table, slot, word, next))
		return false;
	stage_tell(instance->table, slot, next);
	table_over(instance->table, slot, next);
	if (word_flags(next) & JOB_REPLY)
		bell_ring(instance->directory);
	return true;
}

int dispatch_cancel(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		enum job_state state = word_state(word);

		/* FILLING: over, and just being cleared away; who submits does not know the generation before the end. */
		if (job_state_over(state) || state == JOB_FILLING || state == JOB_STORING)
			return 1;
		if (is_running(state) ? table_cas(table, ref.slot, &word, word | JOB_CANCEL)
		                      : put_aside(instance, ref.slot, &word, JOB_CANCELLED))
			return 0;
	}
	return gone(ref, err);
}

int dispatch_bury(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	uint64_t word = atomic_load(&instance->table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		if (word_state(word) != JOB_READY && word_state(word) != JOB_DELAYED)
			return 1;
		if (put_aside(instance, ref.slot, &word, JOB_BURIED))
			return 0;
	}
	return gone(ref, err);
}

/* Make it ours for a moment, whatever it waited for. */
static bool seize(struct instance *instance, uint32_t slot, uint64_t *word)
{
	unsigned flags = word_state(*word) == JOB_DELAYED ? 0 : JOB_KICKED;
	uint64_t mine = word_next(*word, JOB_FIXING, instance->group.slot, word_attempt(*word), flags);

	if (!table_cas(instance->table, slot, word, mine))
		return false;
	*word = mine;
	return true;
}

/* FIXING is ours. Under the lock, so that nobody enters a job with the same key meanwhile. */
static bool take_key_back(struct instance *instance, uint32_t slot)
{
	struct job_sh *job = table_job(instance->table, slot);
	uint64_t word;
	int64_t other;

	if (!job->unique[0])
		return true;
	index_lock(instance);
	/* FIXING counts as live, so this one may be found itself. */
	other = index_find(instance, job_pool(job), job->unique, &word);
	if (other < 0)
		index_add_key(instance, slot);
	index_unlock(instance);
	return other < 0 || other == slot;
}

int dispatch_kick(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		enum job_state state = word_state(word);
		struct job_sh *job = table_job(table, ref.slot);

		if (state == JOB_FREE || state == JOB_FILLING || state == JOB_STORING)
			break;
		/* Of one that is over a store has the say. */
		if (table_stored(table) && state != JOB_DELAYED)
			return 1;
		if (state != JOB_BURIED && state != JOB_FAILED && state != JOB_CANCELLED && state != JOB_DELAYED)
			return 1;
		if (!seize(instance, ref.slot, &word))
			continue;
		if (state != JOB_DELAYED && !take_key_back(instance, ref.slot)) {
			dispatch_settle(instance, ref.slot, &word, state, word_attempt(word), false, job->finished);
			return ym_fail(err, YM_ERR_NO, "another job with the unique key \"%.*s\" waits or runs",
			               JOB_UNIQUE_MAX, job->unique);
		}
		if (state != JOB_DELAYED)
			job->crashes = 0;
		dispatch_settle(instance, ref.slot, &word, JOB_READY, state == JOB_DELAYED ? word_attempt(word) : 0,
		                false, ym_now_ns());
		return 0;
	}
	return gone(ref, err);
}

bool dispatch_free(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	uint64_t mine = word_make(word_gen(word), JOB_FILLING, instance->group.slot, 0, 0);

	if (!table_cas(table, slot, &word, mine))
		return false;
	payload_discard(instance->directory, table_job(table, slot), slot);
	/* Whoever looked in between may sleep on the word. */
	for (uint64_t seen = mine; word_same(seen, mine);) {
		uint64_t free = word_make(word_gen(mine), JOB_FREE, 0, 0, 0);

		if (!table_cas(table, slot, &seen, free))
			continue;
		if (word_flags(seen | word) & JOB_WAITED)
			table_wake(table, slot);
		break;
	}
	table_space(table);
	return true;
}

int dispatch_delete(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	uint64_t word = atomic_load(&instance->table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		if (is_running(word_state(word)) || table_stored(instance->table))
			return 1;
		if (word_state(word) == JOB_FREE || word_state(word) == JOB_FILLING || word_state(word) == JOB_STORING)
			break;
		/* Somebody waits for an answer: it is cancelled, and forgotten when that is sent. */
		if (word_flags(word) & JOB_REPLY) {
			if (put_aside(instance, ref.slot, &word, JOB_CANCELLED))
				return 0;
			continue;
		}
		if (dispatch_free(instance, ref.slot, word))
			return 0;
		word = atomic_load(&instance->table->words[ref.slot]);
	}
	return gone(ref, err);
}

/* ---- wait ------------------------------------------------------------------------------------ */

void dispatch_forget(struct instance *instance, struct job_ref ref)
{
	struct table_sh *table = instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	while (word_gen(word) == ref.gen && (word_flags(word) & JOB_KEEP))
		if (table_cas(table, ref.slot, &word, word & ~(uint64_t)JOB_KEEP)) {
			table_space(table);
			return;
		}
}

int dispatch_wait(struct instance *instance, struct job_ref ref, uint64_t deadline, uint64_t *word, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	uint64_t seen = atomic_load(&table->words[ref.slot]);

	for (;;) {
		if (word_gen(seen) != ref.gen || word_state(seen) == JOB_FREE || word_state(seen) == JOB_FILLING)
			return ym_fail(err, YM_ERR_GONE, "job %llu is over, but its result is no longer kept",
			               (unsigned long long)ref.id);
		*word = seen;
		if (job_state_over(word_state(seen)))
			return 0;
		if (ym_now_ns() >= deadline)
			return 1;
		if (!(word_flags(seen) & JOB_WAITED)) {
			if (!table_cas(table, ref.slot, &seen, seen | JOB_WAITED))
				continue;
			seen |= JOB_WAITED;
		}
		table_sleep(table, ref.slot, seen, deadline);
		seen = atomic_load(&table->words[ref.slot]);
	}
}

/* ---- pools ----------------------------------------------------------------------------------- */

void dispatch_mode(struct instance *instance, unsigned pool, uint32_t set, uint32_t clear)
{
	struct table_pool_sh *row = &instance->table->pools[pool];

	/* Under the lock: a job that is accepted after this saw that the pool is drained. Who only opens needs none. */
	if (set) {
		index_lock(instance);
		atomic_fetch_or(&row->mode, set);
		index_unlock(instance);
	}
	atomic_fetch_and(&row->mode, ~clear);
	if (ready_any(instance, pool))
		ready_wake(instance, pool, UINT32_MAX);
}
