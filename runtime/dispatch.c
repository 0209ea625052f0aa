/* dispatch.c - submit, receive, claim, finish, cancel, wait; every step may be the last one of the process. */
#include "dispatch.h"

#include <errno.h>
#include <string.h>

#include "../ipc/sys.h"
#include "bell.h"
#include "payload.h"

#define BACKOFF_MAX_MS 3600000

/* Copy a text into a fixed field, cut at a character boundary. */
static void copy_text(char *to, size_t max, const char *from)
{
	size_t n = from ? strnlen(from, max - 1) : 0;

	while (from && n > 0 && from[n] && ((unsigned char)from[n] & 0xc0) == 0x80)
		n--;
	memcpy(to, from ? from : "", n);
	memset(to + n, 0, max - n);
}

/* ---- submit ---------------------------------------------------------------------------------- */

static int check_request(const struct instance *instance, const struct job_request *request, struct ym_err *err)
{
	if (request->size > instance->table->payload_max)
		return ym_fail(err, YM_ERR_USAGE, "the payload has %zu bytes, payload_max allows %llu", request->size,
		               (unsigned long long)instance->table->payload_max);
	if (request->tag && strlen(request->tag) >= JOB_TAG_MAX)
		return ym_fail(err, YM_ERR_USAGE, "the tag \"%.20s...\" is longer than %d bytes", request->tag,
		               JOB_TAG_MAX - 1);
	return 0;
}

static int64_t take_slot(struct instance *instance, const struct job_request *request, uint64_t *word,
                         struct ym_err *err)
{
	struct table_sh *table = instance->table;
	int64_t slot = table_take(table, instance->group.slot, word);

	while (slot < 0 && ym_now_ns() < request->deadline) {
		/* At most a second at once: a waker may have been killed between giving the slot and waking. */
		uint64_t nap = ym_deadline(1000);

		table_want_space(table);
		slot = table_take(table, instance->group.slot, word);
		if (slot < 0)
			table_sleep_for_space(table, nap < request->deadline ? nap : request->deadline);
	}
	if (slot < 0)
		return ym_fail(err, YM_ERR_FULL,
		               "the job table is full (%u jobs): wait, or raise `jobs` in [yardmaster] and start anew",
		               table->slots);
	if (request->keep && table_cas(table, (uint32_t)slot, word, *word | JOB_KEEP))
		*word |= JOB_KEEP;
	return slot;
}

static void describe(struct table_sh *table, struct job_sh *job, const struct job_request *request)
{
	const struct table_pool_sh *pool = &table->pools[request->pool];

	job->id = request->id ? request->id : atomic_fetch_add_explicit(&table->next_id, 1, memory_order_relaxed);
	job->pool = (uint16_t)request->pool;
	job->attempts = (uint8_t)(request->attempts ? request->attempts : (unsigned)atomic_load(&pool->attempts));
	job->crashes = (uint8_t)request->crashes;
	job->timeout_ms = atomic_load(&pool->timeout_ms);
	copy_text(job->tag, sizeof(job->tag), request->tag);
	job->submitted = job->ready = ym_now_ns();
	job->due = job->ready + (uint64_t)request->delay_ms * 1000000u;
	job->finished = job->ready;
	copy_text(job->error, sizeof(job->error), request->failed);
}

static enum job_state first_state(const struct job_request *request)
{
	if (request->failed)
		return JOB_FAILED;
	return request->delay_ms > 0 ? JOB_DELAYED : JOB_READY;
}

int dispatch_submit(struct instance *instance, const struct job_request *request, struct job_ref *ref,
                    struct ym_err *err)
{
	struct table_sh *table = instance->table;
	struct job_sh *job;
	uint64_t word;
	int64_t slot;

	if (check_request(instance, request, err) < 0)
		return -1;
	slot = take_slot(instance, request, &word, err);
	if (slot < 0)
		return -1;
	job = table_job(table, (uint32_t)slot);
	if (job->files)
		payload_discard(instance->directory, job, (uint32_t)slot);
	memset(job, 0, offsetof(struct job_sh, payload));
	if (payload_store(instance->directory, job, (uint32_t)slot, word_gen(word), request->payload, request->size,
	                  err) < 0) {
		payload_discard(instance->directory, job, (uint32_t)slot);
		table_cas(table, (uint32_t)slot, &word, word_make(word_gen(word), JOB_FREE, 0, 0, 0));
		table_space(table);
		return -1;
	}
	describe(table, job, request);
	*ref = (struct job_ref){job->id, (uint32_t)slot, word_gen(word)};
	/* Accepted here: from this swap on the job is done at least once, whatever becomes of us. */
	if (!table_change(table, (uint32_t)slot, &word, first_state(request), 0, request->attempt))
		return ym_fail(err, YM_ERR_GONE,
		               "the slot of a job being submitted was taken away: was this process stopped for "
		               "long and taken for dead?");
	if (request->delay_ms > 0)
		bell_ring(instance->directory);
	dispatch_announce(instance, (uint32_t)slot, word);
	return 0;
}

/* ---- receive and claim ----------------------------------------------------------------------- */

int dispatch_receive(struct instance *instance, unsigned pool, struct dispatch_token *token, struct ym_err *err)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	struct dispatch_message message;
	/* With a backlog nobody sends: sleeping on an empty queue could be for ever, so look first, then feed. */
	bool feed = atomic_load(&row->backlog) != 0;

	for (;;) {
		ssize_t n = ym_sys.msgrcv(row->queue, &message, sizeof(message.token), 0,
		                          MSG_NOERROR | (feed ? IPC_NOWAIT : 0));
		int sys = errno;

		if (n == (ssize_t)sizeof(message.token)) {
			*token = message.token;
			return 0;
		}
		if (n >= 0)
			continue;
		if (sys == EINTR)
			return 1;
		if (sys == ENOMSG) {
			dispatch_feed(instance, pool);
			feed = false;
			continue;
		}
		ym_fail_sys(err, sys, "msgrcv(id %d) for pool %s", row->queue, row->name);
		if (err && sys == EINVAL)
			err->class = YM_ERR_GONE;
		return -1;
	}
}

bool dispatch_claim(struct instance *instance, struct dispatch_token token, uint64_t *word)
{
	struct table_sh *table = instance->table;
	uint64_t seen;

	if (token.slot >= table->slots)
		return false;
	seen = atomic_load(&table->words[token.slot]);
	while (word_state(seen) == JOB_READY && word_gen(seen) == token.gen) {
		unsigned attempt = word_attempt(seen) + 1;
		uint64_t mine = word_next(seen, JOB_CLAIMED, instance->group.slot, attempt, 0);

		if (table_cas(table, token.slot, &seen, mine)) {
			struct job_sh *job = table_job(table, token.slot);

			job->started = ym_now_ns();
			job->deadline = job->timeout_ms > 0 ? job->started + (uint64_t)job->timeout_ms * 1000000u : 0;
			*word = mine;
			return true;
		}
	}
	return false;
}

/* ---- the end of an attempt ------------------------------------------------------------------- */

void dispatch_return(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, slot);

	/* Its fields are ours only behind this swap. */
	if (!table_change(table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
		return;
	job->ready = job->finished = ym_now_ns();
	job->deadline = 0;
	if (!table_change(table, slot, &word, JOB_READY, 0, word_attempt(word) - 1))
		return;
	if (word_state(word) == JOB_READY)
		dispatch_announce(instance, slot, word);
	else
		table_over(table, slot, word);
}

int64_t dispatch_backoff_ms(int64_t backoff_ms, unsigned attempt)
{
	int64_t ms = backoff_ms;

	for (unsigned i = 1; i < attempt && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* True when the attempt ended without anything to write down: then one swap is enough. */
static bool nothing_to_say(const struct job_sh *job, const struct job_report *report)
{
	return !job->told && report->state == JOB_DONE && !report->error && report->result_size == 0 &&
	       report->done == 0 && report->total == 0;
}

static void write_report(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                         enum job_state *state)
{
	struct job_sh *job = table_job(instance->table, slot);
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(job)];
	struct ym_err err;

	*state = report->state;
	job->told = 1;
	copy_text(job->error, sizeof(job->error), report->error);
	job->done = report->done;
	job->total = report->total;
	copy_text(job->unit, sizeof(job->unit), report->unit);
	job->deadline = 0;
	if (report->state == JOB_DELAYED && word_attempt(word) >= job->attempts)
		*state = JOB_FAILED;
	if (*state == JOB_DONE && payload_store_result(instance->directory, job, slot, word_gen(word), report->result,
	                                               report->result_size, &err) < 0) {
		*state = JOB_FAILED;
		copy_text(job->error, sizeof(job->error), err.text);
	}
	if (*state == JOB_DELAYED)
		job->due = ym_now_ns() +
		           (uint64_t)dispatch_backoff_ms(atomic_load(&pool->backoff_ms), word_attempt(word)) * 1000000u;
}

bool dispatch_finish(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                     enum job_state *state)
{
	struct table_sh *table = instance->table;

	*state = report->state;
	if (!nothing_to_say(table_job(table, slot), report)) {
		if (!table_change(table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
			return false;
		write_report(instance, slot, word, report, state);
	}
	/* Without the fence above this store may hit the next attempt of a revoked job: it is set anew when that ends. */
	table_job(table, slot)->finished = ym_now_ns();
	if (!table_change(table, slot, &word, *state, 0, word_attempt(word)))
		return false;
	*state = word_state(word);
	if (*state == JOB_DELAYED)
		bell_ring(instance->directory);
	else
		table_over(table, slot, word);
	return true;
}

/* ---- cancel and wait ------------------------------------------------------------------------- */

int dispatch_cancel(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		enum job_state state = word_state(word);
		bool running = state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
		uint64_t next = running ? word | JOB_CANCEL : word_next(word, JOB_CANCELLED, 0, word_attempt(word), 0);

		/* FILLING: over, and just being cleared away; who submits does not know the generation before the end. */
		if (job_state_over(state) || state == JOB_FILLING)
			return 1;
		/* Before the swap: a slot whose job is over may be used again at once. */
		if (!running)
			table_job(table, ref.slot)->finished = ym_now_ns();
		if (!table_cas(table, ref.slot, &word, next))
			continue;
		if (!running)
			table_over(table, ref.slot, next);
		return 0;
	}
	return ym_fail(err, YM_ERR_GONE, "job %llu is no longer in the table", (unsigned long long)ref.id);
}

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
		if (word_gen(seen) != ref.gen)
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
