/* stored.c - from a slot to a store, and back. */
#include "stored.h"

#include <string.h>
#include <time.h>

#include "../config/values.h"
#include "../ipc/sys.h"
#include "slot.h"
#include "text.h"

/* The clocks are not read in one step: less than this is no news of them. */
#define STEP_NS INT64_C(50000000)

/* As far as a moment may be away: nanoseconds of 280 years are as many as there are. */
#define FAR_MS (INT64_C(280) * 365 * 86400 * 1000)

struct stored_clock stored_clock_now(const struct stored_clock *last)
{
	int64_t now = (int64_t)ym_now_ns(), apart, step;
	struct timespec wall;

	/* In this order: what was written just now is not in the future when it comes back. */
	clock_gettime(CLOCK_REALTIME, &wall);
	apart = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - now;
	step = apart - last->apart_ns;
	if (last->now && step > -STEP_NS && step < STEP_NS)
		apart = last->apart_ns;
	return (struct stored_clock){.now = (uint64_t)now, .unix_ms = (now + apart) / 1000000, .apart_ns = apart};
}

int64_t stored_to_unix(const struct stored_clock *clock, uint64_t moment)
{
	return moment == 0 ? 0 : ((int64_t)moment + clock->apart_ns) / 1000000;
}

uint64_t stored_from_unix(const struct stored_clock *clock, int64_t unix_ms)
{
	int64_t moment;

	if (unix_ms <= 0)
		return unix_ms != 0;
	moment = (unix_ms < FAR_MS ? unix_ms : FAR_MS) * 1000000 - clock->apart_ns;
	return moment > 0 ? (uint64_t)moment : 1;
}

/* Moments of the job that the word makes sense of. */
static void describe_times(const struct stored_clock *clock, const struct job_sh *shows, struct store_job *job)
{
	job->submitted_ms = stored_to_unix(clock, shows->submitted);
	job->started_ms = stored_to_unix(clock, shows->started);
	if (job_state_over(job->state))
		job->finished_ms = stored_to_unix(clock, shows->finished);
	if (job->state == JOB_DELAYED) {
		job->due_ms = stored_to_unix(clock, shows->due);
		if (shows->at_ms > job->due_ms)
			job->due_ms = shows->at_ms;
	}
}

void stored_describe(const struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint64_t word,
                     struct store_job *job)
{
	const struct job_sh *shows = table_job_const(instance->table, slot);
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(shows)];
	int64_t ageing_ms = (int64_t)(atomic_load(&pool->ageing_ns) / 1000000u);

	*job = (struct store_job){
	    .id = shows->id,
	    .state = word_state(word) == JOB_STORING ? (enum job_state)shows->aim : word_state(word),
	    .keep = word_flags(word) & JOB_KEEP,
	    .level = shows->level,
	    .attempt = (uint8_t)word_attempt(word),
	    .attempts = shows->attempts,
	    .crashes = shows->crashes,
	    .timeout_ms = shows->timeout_ms,
	    .done = shows->done,
	    .total = shows->total,
	    .reply_key = shows->reply_key,
	    .reply_type = shows->reply_type,
	    .reply_form = shows->reply_form,
	};
	text_copy(job->pool, sizeof(job->pool), pool->name);
	memcpy(job->unit, shows->unit, sizeof(job->unit) - 1);
	memcpy(job->tag, shows->tag, sizeof(job->tag) - 1);
	memcpy(job->unique, shows->unique, sizeof(job->unique) - 1);
	memcpy(job->error, shows->error, sizeof(job->error) - 1);
	describe_times(clock, shows, job);
	job->rank = store_rank(job->level, ageing_ms,
	                       job->state == JOB_DELAYED ? job->due_ms : stored_to_unix(clock, shows->ready));
}

static struct payload_source source_of(const struct payload *payload)
{
	return (struct payload_source){.data = payload->data, .size = payload->size, .fd = -1};
}

int stored_payload(const struct instance *instance, uint32_t slot, struct payload *payload,
                   struct payload_source *source, struct ym_err *err)
{
	const struct job_sh *job = table_job_const(instance->table, slot);

	*payload = (struct payload){.fd = -1};
	/* It does not change as long as the slot is the clerk's. */
	*source = (struct payload_source){.data = job->payload, .size = job->payload_size, .fd = -1};
	if (job->payload_place == JOB_PLACE_INLINE && job->payload_size <= JOB_PAYLOAD_MAX)
		return 0;
	if (payload_open(instance->directory, job, slot, payload, err) < 0)
		return -1;
	*source = source_of(payload);
	return 0;
}

int stored_result(const struct instance *instance, uint32_t slot, struct payload *payload,
                  struct payload_source *source, struct ym_err *err)
{
	const struct job_sh *job = table_job_const(instance->table, slot);

	*payload = (struct payload){.fd = -1};
	*source = (struct payload_source){.data = job->result, .size = job->result_size, .fd = -1};
	if (job->result_place == JOB_PLACE_INLINE && job->result_size <= JOB_RESULT_MAX)
		return 0;
	if (payload_open_result(instance->directory, job, slot, payload, err) < 0)
		return -1;
	*source = source_of(payload);
	return 0;
}

void stored_attempt(struct store_attempt *to, const struct story_attempt *from, int64_t started_ms, int64_t ended_ms)
{
	*to = (struct store_attempt){
	    .number = from->attempt,
	    .end = from->end < STORY_ENDS ? (enum story_end)from->end : STORY_NONE,
	    .started_ms = started_ms,
	    .ended_ms = ended_ms,
	    .pid = from->pid,
	    .status = from->status,
	    .rss_kib = from->rss_kib,
	    .user_ms = from->user_ms,
	    .system_ms = from->system_ms,
	    .done = from->done,
	    .total = from->total,
	};
	memcpy(to->unit, from->unit, sizeof(from->unit));
	memcpy(to->error, from->error, sizeof(to->error) - 1);
}

size_t stored_attempts(const struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint32_t gen,
                       unsigned after, struct store_attempt *attempts)
{
	struct story_attempt told[STORY_ATTEMPTS];
	unsigned n = story_read(table_story(instance->table, slot), gen, told);
	size_t found = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct story_attempt *from = &told[i];

		if (from->attempt > after)
			stored_attempt(&attempts[found++], from, stored_to_unix(clock, from->started),
			               stored_to_unix(clock, from->ended));
	}
	return found;
}

/* ---- into the table -------------------------------------------------------------------------- */

/* Fields that mean the same in both; moments too. */
static void fill_fields(const struct stored_clock *clock, struct job_sh *to, const struct store_job *job)
{
	to->id = job->id;
	to->level = job->level % INDEX_LEVELS;
	to->attempts = job->attempts;
	to->crashes = job->crashes;
	to->timeout_ms = job->timeout_ms;
	to->reply_key = job->reply_key;
	to->reply_type = job->reply_type;
	to->reply_form = job->reply_form;
	to->done = job->done;
	to->total = job->total;
	memcpy(to->unit, job->unit, sizeof(to->unit) - 1);
	memcpy(to->tag, job->tag, sizeof(to->tag) - 1);
	memcpy(to->unique, job->unique, sizeof(to->unique) - 1);
	to->submitted = stored_from_unix(clock, job->submitted_ms);
	to->started = stored_from_unix(clock, job->started_ms);
	to->finished = stored_from_unix(clock, job->finished_ms);
	to->due = stored_from_unix(clock, job->due_ms);
	to->told = job->error[0] || job->done || job->total;
	text_copy(to->error, to->told ? sizeof(to->error) : 1, to->told ? job->error : "");
}

int stored_fill(struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint64_t word,
                unsigned pool, const struct store_job *job, uint64_t *next, struct ym_err *err)
{
	const struct table_pool_sh *row = &instance->table->pools[pool];
	struct job_sh *to = table_job(instance->table, slot);
	int64_t ageing_ms = (int64_t)(atomic_load(&row->ageing_ns) / 1000000u);
	bool delayed = job->state == JOB_DELAYED && job->due_ms > clock->unix_ms;
	unsigned flags = JOB_STORED | (job->keep ? JOB_KEEP : 0u) | (job->reply_key ? JOB_REPLY : 0u);

	if (slot_clear(instance, slot, err) < 0 ||
	    payload_store(instance->directory, to, slot, word_gen(word), &job->payload, PAYLOAD_TO_END, err) < 0)
		return -1;
	fill_fields(clock, to, job);
	to->pool = (uint16_t)pool;
	if (to->attempts == 0)
		to->attempts = atomic_load(&row->attempts);
	/* When it became ready decides when a job of lower priority may overtake. */
	to->ready = stored_from_unix(clock, job->rank - store_rank(job->level, ageing_ms, 0));
	*next = word_make(word_gen(word), delayed ? JOB_DELAYED : JOB_READY, 0, job->attempt, flags);
	return 0;
}

int stored_answer(struct instance *instance, const struct stored_clock *clock, uint32_t slot, uint32_t gen,
                  const struct store_job *job, struct ym_err *err)
{
	struct job_sh *to = table_job(instance->table, slot);
	int pool = table_pool(instance->table, job->pool);

	fill_fields(clock, to, job);
	to->pool = (uint16_t)(pool < 0 ? 0 : pool);
	to->payload_size = job->payload.size;
	to->aim = (uint8_t)job->state;
	to->tried = job->attempt;
	if (job->state != JOB_DONE || job->result.size == 0)
		return 0;
	return payload_store_result(instance->directory, to, slot, gen, &job->result, PAYLOAD_TO_END, err);
}
