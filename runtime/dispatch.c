/* dispatch.c - submit, claim, finish, park and feed; every step may be the last one of the process. */
#include "dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "bell.h"
#include "limit.h"
#include "payload.h"

#define TOKEN_TYPE 1
#define TOKEN_SIZE sizeof(struct dispatch_token)

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

/* ---- tokens ---------------------------------------------------------------------------------------------------- */

static bool send_token(struct instance *instance, unsigned pool, uint32_t slot, uint32_t gen)
{
	struct dispatch_message message = {.type = TOKEN_TYPE, .token = {slot, gen}};

	return ym_queue_send(instance->table->pools[pool].queue, &message, TOKEN_SIZE, NULL) == 0;
}

/*
 * The order of jobs must not depend on who finds room in the queue: once a token did not fit, nobody but a feeder
 * sends any until all older jobs have theirs. `backlog` says so. Two rules keep a job from being forgotten:
 * - Whoever leaves a ready job without a token looks at `backlog` afterwards, and a feeder clears it before it looks
 *   for such jobs: one of the two sees the other.
 * - Whoever raises `backlog` tries to send once more afterwards. If the queue is still full, the worker that empties
 *   it will see `backlog` before it sleeps.
 */
static bool send_or_raise(struct instance *instance, unsigned pool, uint32_t slot, uint32_t gen)
{
	if (send_token(instance, pool, slot, gen))
		return true;
	atomic_store(&instance->table->pools[pool].backlog, 1);
	return send_token(instance, pool, slot, gen);
}

void dispatch_announce(struct instance *instance, uint32_t slot, uint64_t word)
{
	struct table_sh *table = instance->table;
	unsigned pool = table_job(table, slot)->pool;
	uint64_t queued = word | JOB_QUEUED;

	if (atomic_load(&table->pools[pool].backlog) || !table_cas(table, slot, &word, queued))
		return;
	/* Not sent: take the mark off again, unless somebody has claimed the job through a sweep's token meanwhile. */
	if (!send_or_raise(instance, pool, slot, word_gen(word)))
		table_cas(table, slot, &queued, word);
}

/* ---- submit ---------------------------------------------------------------------------------------------------- */

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

static int64_t take_slot(struct instance *instance, uint64_t deadline, uint64_t *word, struct ym_err *err)
{
	for (;;) {
		int64_t slot = table_take(instance->table, instance->group.slot, word);

		if (slot >= 0)
			return slot;
		if (ym_now_ns() >= deadline)
			return ym_fail(
			    err, YM_ERR_FULL,
			    "the job table is full (%u jobs): wait, or raise `jobs` in [yardmaster] and start anew",
			    instance->table->slots);
		/* At most a second at once: a waker may have been killed between giving the slot and waking. */
		uint64_t nap = ym_deadline(1000);
		table_sleep_for_space(instance->table, nap < deadline ? nap : deadline);
	}
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
}

int dispatch_submit(struct instance *instance, const struct job_request *request, struct job_ref *ref,
                    struct ym_err *err)
{
	struct table_sh *table = instance->table;
	struct job_sh *job;
	uint64_t word, next;
	int64_t slot;

	if (check_request(instance, request, err) < 0)
		return -1;
	slot = take_slot(instance, request->deadline, &word, err);
	if (slot < 0)
		return -1;
	job = table_job(table, (uint32_t)slot);
	if (job->files)
		payload_discard(instance->directory, job, (uint32_t)slot);
	memset(job, 0, offsetof(struct job_sh, payload));
	job->error[0] = '\0';
	if (payload_store(instance->directory, job, (uint32_t)slot, word_gen(word), request->payload, request->size,
	                  err) < 0) {
		payload_discard(instance->directory, job, (uint32_t)slot);
		table_cas(table, (uint32_t)slot, &word, word_next(word, JOB_FREE, 0, 0, 0));
		return -1;
	}
	describe(table, job, request);
	*ref = (struct job_ref){job->id, (uint32_t)slot, word_gen(word)};
	/* Accepted here: from this swap on the job is done at least once, whatever becomes of us. */
	next = word_next(word, request->delay_ms > 0 ? JOB_DELAYED : JOB_READY, 0, request->attempt,
	                 request->keep ? JOB_KEEP : 0);
	if (!table_cas(table, (uint32_t)slot, &word, next))
		return ym_fail(err, YM_ERR_GONE,
		               "the slot of a job being submitted was taken away: was this process stopped for "
		               "long and taken for dead?");
	if (request->delay_ms > 0)
		bell_ring(instance->directory);
	else
		dispatch_announce(instance, (uint32_t)slot, next);
	return 0;
}

/* ---- receive and claim ----------------------------------------------------------------------------------------- */

int dispatch_receive(struct instance *instance, unsigned pool, struct dispatch_token *token, struct ym_err *err)
{
	struct table_pool_sh *row = &instance->table->pools[pool];
	struct dispatch_message message;
	/* With a backlog nobody sends: sleeping on an empty queue could be for ever, so look first, then feed. */
	bool feed = atomic_load(&row->backlog) != 0;

	for (;;) {
		ssize_t n = ym_sys.msgrcv(row->queue, &message, TOKEN_SIZE, 0, MSG_NOERROR | (feed ? IPC_NOWAIT : 0));

		if (n == (ssize_t)TOKEN_SIZE) {
			*token = message.token;
			return 0;
		}
		if (n >= 0)
			continue;
		if (errno == EINTR)
			return 1;
		if (errno != ENOMSG) {
			int sys = errno;

			ym_fail_sys(err, sys, "msgrcv(id %d) for pool %s", row->queue, row->name);
			if (err && sys == EINVAL)
				err->class = YM_ERR_GONE;
			return -1;
		}
		feed = false;
		dispatch_feed(instance, pool);
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

/* ---- the end of an attempt --------------------------------------------------------------------------------------- */

/*
 * Change the word from `word` (as claimed) to another state. Flags may have been set meanwhile (cancel, waited): they
 * do not make the claim another one, and the sticky ones are carried over. False when the claim is no longer ours.
 */
static bool change(struct table_sh *table, uint32_t slot, uint64_t *word, enum job_state state, unsigned owner,
                   unsigned attempt)
{
	const uint64_t identity = ~(uint64_t)0xff;
	uint64_t seen = atomic_load(&table->words[slot]);

	while ((seen & identity) == (*word & identity)) {
		uint64_t next = word_next(seen, state, owner, attempt, 0);

		if (table_cas(table, slot, &seen, next)) {
			*word = next;
			return true;
		}
	}
	return false;
}

static void ready_again(struct instance *instance, uint32_t slot, uint64_t word, unsigned attempt)
{
	struct job_sh *job = table_job(instance->table, slot);
	uint64_t mine = word;

	/* Fields are ours only behind this swap. */
	if (!change(instance->table, slot, &mine, JOB_FINISHING, word_owner(word), word_attempt(word)))
		return;
	job->ready = ym_now_ns();
	job->deadline = 0;
	if (change(instance->table, slot, &mine, JOB_READY, 0, attempt))
		dispatch_announce(instance, slot, mine);
}

void dispatch_return(struct instance *instance, uint32_t slot, uint64_t word)
{
	ready_again(instance, slot, word, word_attempt(word) - 1);
}

void dispatch_park(struct instance *instance, uint32_t slot, uint64_t word, unsigned limit)
{
	struct table_sh *table = instance->table;
	struct job_sh *job = table_job(table, slot);
	struct table_limit_sh *row = &table->limits[limit];
	uint64_t mine = word;

	if (!change(table, slot, &mine, JOB_FINISHING, word_owner(word), word_attempt(word)))
		return;
	job->parked_on = (uint16_t)limit;
	job->deadline = 0;
	if (!change(table, slot, &mine, JOB_PARKED, 0, word_attempt(word) - 1))
		return;
	/* A unit given back between our try and the park was seen by nobody as a reason to wake this job: look again.
	 */
	atomic_store(&row->parked, 1);
	if (limit_free(row) > 0)
		dispatch_unpark(instance, limit, 1);
	else
		bell_ring(instance->directory);
}

int64_t dispatch_backoff_ms(int64_t backoff_ms, unsigned attempt)
{
	int64_t ms = backoff_ms;

	for (unsigned i = 1; i < attempt && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* True when the attempt ended without anything to write down: then one swap is enough. */
static bool nothing_to_say(const struct job_report *report)
{
	return report->state == JOB_DONE && !report->error && report->result_size == 0 && report->done == 0 &&
	       report->total == 0;
}

static void write_report(struct instance *instance, uint32_t slot, uint64_t word, const struct job_report *report,
                         enum job_state *state)
{
	struct job_sh *job = table_job(instance->table, slot);
	const struct table_pool_sh *pool = &instance->table->pools[job->pool];
	struct ym_err err;

	*state = report->state;
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
	struct job_sh *job = table_job(table, slot);

	*state = report->state;
	if (!nothing_to_say(report)) {
		if (!change(table, slot, &word, JOB_FINISHING, word_owner(word), word_attempt(word)))
			return false;
		write_report(instance, slot, word, report, state);
	}
	/* Without the fence above this store may hit the next attempt of a revoked job: a time for people, no more. */
	job->finished = ym_now_ns();
	if (!change(table, slot, &word, *state, 0, word_attempt(word)))
		return false;
	if (*state == JOB_DELAYED) {
		bell_ring(instance->directory);
		return true;
	}
	if (word_flags(word) & JOB_WAITED)
		table_wake(table, slot);
	table_space(table);
	return true;
}

/* ---- parked jobs and backlogs -------------------------------------------------------------------------------------
 */

static int64_t oldest_parked(struct table_sh *table, unsigned limit, uint64_t *word, bool *more)
{
	int64_t best = -1;
	uint64_t best_id = UINT64_MAX;

	*more = false;
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t seen = atomic_load(&table->words[slot]);
		const struct job_sh *job = table_job(table, slot);

		if (word_state(seen) != JOB_PARKED || job->parked_on != limit)
			continue;
		*more = best >= 0;
		if (job->id < best_id) {
			best_id = job->id;
			best = slot;
			*word = seen;
		}
	}
	return best;
}

void dispatch_unpark(struct instance *instance, unsigned limit, unsigned units)
{
	struct table_sh *table = instance->table;
	struct table_limit_sh *row = &table->limits[limit];

	if (!atomic_load(&row->parked))
		return;
	/* Cleared before the look, set again if jobs remain: a job parked meanwhile sets it after us. */
	atomic_store(&row->parked, 0);
	while (units > 0) {
		uint64_t word, ready;
		bool more;
		int64_t slot = oldest_parked(table, limit, &word, &more);

		if (slot < 0)
			return;
		if (more)
			atomic_store(&row->parked, 1);
		ready = word_next(word, JOB_READY, 0, word_attempt(word), 0);
		if (!table_cas(table, (uint32_t)slot, &word, ready))
			continue;
		table_job(table, (uint32_t)slot)->ready = ym_now_ns();
		dispatch_announce(instance, (uint32_t)slot, ready);
		units--;
	}
	if (!atomic_load(&row->parked))
		atomic_store(&row->parked, 1);
}

struct waiting {
	uint64_t id;
	uint32_t slot;
};

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct waiting *)a)->id, y = ((const struct waiting *)b)->id;

	return x < y ? -1 : x > y;
}

static size_t collect_unqueued(struct table_sh *table, unsigned pool, struct waiting *found)
{
	size_t n = 0;

	for (uint32_t slot = 0; slot < table->slots; slot++) {
		uint64_t word = atomic_load(&table->words[slot]);

		if (word_state(word) != JOB_READY || (word_flags(word) & JOB_QUEUED) ||
		    table_job(table, slot)->pool != pool)
			continue;
		found[n++] = (struct waiting){table_job(table, slot)->id, slot};
	}
	qsort(found, n, sizeof(*found), by_id);
	return n;
}

/* Send tokens in order until the queue is full. Returns how many; *left says whether jobs remain without one. */
static unsigned send_in_order(struct instance *instance, unsigned pool, const struct waiting *found, size_t n,
                              bool *left)
{
	struct table_sh *table = instance->table;
	unsigned sent = 0;

	*left = false;
	for (size_t i = 0; i < n; i++) {
		uint64_t word = atomic_load(&table->words[found[i].slot]), queued = word | JOB_QUEUED;

		/* The sweep compares these times to find lost tokens: what counts is when the token was sent. */
		table_job(table, found[i].slot)->ready = ym_now_ns();
		if (word_state(word) != JOB_READY || (word_flags(word) & JOB_QUEUED) ||
		    !table_cas(table, found[i].slot, &word, queued))
			continue;
		if (!send_or_raise(instance, pool, found[i].slot, word_gen(word))) {
			table_cas(table, found[i].slot, &queued, word);
			*left = true;
			return sent;
		}
		sent++;
	}
	return sent;
}

unsigned dispatch_feed(struct instance *instance, unsigned pool)
{
	struct table_sh *table = instance->table;
	struct table_pool_sh *row = &table->pools[pool];
	uint32_t nobody = 0;
	struct waiting *found;
	unsigned sent = 0;
	bool left = true;

	/* One feeder at a time keeps the order. A dead feeder's mark is taken off by the sweep. */
	if (!atomic_compare_exchange_strong(&row->feeder, &nobody, instance->group.slot + 1))
		return 0;
	found = malloc(table->slots * sizeof(*found));
	if (found) {
		atomic_store(&row->backlog, 0);
		sent = send_in_order(instance, pool, found, collect_unqueued(table, pool, found), &left);
	}
	if (left)
		atomic_store(&row->backlog, 1);
	free(found);
	atomic_store(&row->feeder, 0);
	return sent;
}

/* ---- cancel and wait -----------------------------------------------------------------------------------------------
 */

int dispatch_cancel(struct instance *instance, struct job_ref ref, struct ym_err *err)
{
	struct table_sh *table = instance->table;
	uint64_t word = atomic_load(&table->words[ref.slot]);

	while (word_gen(word) == ref.gen) {
		enum job_state state = word_state(word);
		bool running = state == JOB_CLAIMED || state == JOB_FINISHING || state == JOB_FIXING;
		uint64_t next = running ? word | JOB_CANCEL : word_next(word, JOB_CANCELLED, 0, word_attempt(word), 0);

		if (job_state_over(state))
			return 1;
		if (!table_cas(table, ref.slot, &word, next))
			continue;
		if (!running) {
			table_job(table, ref.slot)->finished = ym_now_ns();
			if (word_flags(word) & JOB_WAITED)
				table_wake(table, ref.slot);
			table_space(table);
		}
		return 0;
	}
	return ym_fail(err, YM_ERR_GONE, "job %llu is no longer in the table", (unsigned long long)ref.id);
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
