/* sweep.c - put right what deaths, deadlines and full queues left behind. */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "dispatch.h"
#include "limit.h"
#include "payload.h"

/*
 * When is a token lost? Tokens of a pool are received in the order in which they were sent. So when a worker has
 * already taken a job that became ready LATER_NS later than this one, or the queue is empty EMPTY_NS after this one
 * became ready, the token is not in the queue any more: its receiver was killed, or its sender before sending.
 */
#define LATER_NS UINT64_C(1000000000)
#define EMPTY_NS UINT64_C(20000000)

/* How soon to look again at a feeder's mark. */
#define FEEDER_NS UINT64_C(20000000)

/* How soon to look again while parked jobs wait for units that scripts or the dead may give back. */
#define PARKED_NS UINT64_C(50000000)

struct pass {
	struct instance *instance;
	struct sweep *out;
	uint64_t now;
	bool *dead;
	bool feed[TABLE_POOLS];
	uint64_t newest_taken[TABLE_POOLS]; /* `ready` of the newest job that a worker has taken */
	int empty[TABLE_POOLS];             /* is the queue empty? -1 not asked yet */
};

static void soon(struct pass *pass, uint64_t at)
{
	if (at < pass->out->next)
		pass->out->next = at;
}

/* ---- dead owners and deadlines --------------------------------------------------------------- */

/*
 * FIXING is ours: decide what becomes of the job. `text` is the reason; `attempts` is what the word says from now on:
 * it may run again only while some are left.
 */
static void settle(struct pass *pass, uint32_t slot, uint64_t word, const char *text, unsigned attempts)
{
	struct table_sh *table = pass->instance->table;
	struct job_sh *job = table_job(table, slot);
	/* Cancelled: table_change() makes CANCELLED of READY. */
	bool again = attempts < job->attempts || (word_flags(word) & JOB_CANCEL);

	snprintf(job->error, sizeof(job->error), "%s", text);
	job->told = 1;
	job->deadline = 0;
	job->ready = job->finished = pass->now;
	if (!table_change(table, slot, &word, again ? JOB_READY : JOB_FAILED, 0, attempts))
		return;
	if (word_state(word) == JOB_READY)
		dispatch_announce(pass->instance, slot, word);
	else
		table_over(table, slot, word);
}

/* Nobody's job any more: the slot is ours for a moment, so that nobody fills it while its files go. */
static void free_slot(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct instance *instance = pass->instance;
	uint64_t mine = word_make(word_gen(word), JOB_FILLING, instance->group.slot, 0, 0);

	if (!table_cas(instance->table, slot, &word, mine))
		return;
	payload_discard(instance->directory, table_job(instance->table, slot), slot);
	table_cas(instance->table, slot, &mine, word_make(word_gen(mine), JOB_FREE, 0, 0, 0));
	table_space(instance->table);
}

static void recover(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct instance *instance = pass->instance;
	enum job_state state = word_state(word);
	unsigned attempts = word_attempt(word);
	const char *cause = NULL;
	bool blameless = false;
	uint64_t mine;

	if (state == JOB_FILLING) {
		/* Never accepted: its submitter has no job to ask about. */
		free_slot(pass, slot, word);
		return;
	}
	/* Whatever flags others set meanwhile: after this pass nobody knows any more that the owner is dead. */
	mine = word;
	if (!table_change(instance->table, slot, &mine, JOB_FIXING, instance->group.slot, attempts))
		return;
	pass->out->recovered++;
	if (pass->out->cause)
		cause = pass->out->cause(pass->out->arg, word_owner(word), &blameless);
	/* FIXING: it was a master that died, while it cleared up; the worker's death was counted by then. */
	if (state != JOB_FIXING && !blameless)
		table_job(instance->table, slot)->crashes++;
	if (state != JOB_FIXING && blameless)
		attempts--;
	settle(pass, slot, mine, cause && *cause ? cause : "the worker died", attempts);
}

/*
 * When the attempt in the slot was asked to stop. Our own memory: in the job it would be written without a fence, perhaps
 * into the next attempt. If another master asked, the grace starts anew.
 */
static uint64_t asked_at(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct sweep_asked *asked = &pass->out->asked[slot];

	if (asked->at == 0 || asked->gen != word_gen(word) || asked->attempt != word_attempt(word))
		*asked = (struct sweep_asked){pass->now, word_gen(word), word_attempt(word)};
	return asked->at;
}

static void check_deadline(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct instance *instance = pass->instance;
	struct job_sh *job = table_job(instance->table, slot);
	const struct table_pool_sh *pool = &instance->table->pools[job_pool(job)];
	uint64_t deadline = job->deadline, final, mine;
	char text[JOB_ERROR_MAX];

	if (deadline == 0)
		return;
	if (pass->now < deadline) {
		soon(pass, deadline);
		return;
	}
	if (!(word_flags(word) & JOB_TIMED_OUT) &&
	    !table_cas(instance->table, slot, &word, word | (uint64_t)JOB_TIMED_OUT))
		return;
	/* The grace begins when the job is asked, however late that is (nobody asks while there is no master). */
	final = asked_at(pass, slot, word) + (uint64_t)atomic_load(&pool->timeout_grace_ms) * 1000000u;
	if (pass->now < final) {
		soon(pass, final);
		return;
	}
	/* Revoked first, killed after: whatever the worker still reports is refused. */
	mine = word;
	if (!table_change(instance->table, slot, &mine, JOB_FIXING, instance->group.slot, word_attempt(word)))
		return;
	snprintf(text, sizeof(text), "timed out after %lld ms and did not stop when asked: its worker was killed",
	         (long long)job->timeout_ms);
	if (pass->out->kill)
		pass->out->kill(pass->out->arg, word_owner(word));
	settle(pass, slot, mine, text, word_attempt(mine));
}

/* ---- ready jobs ------------------------------------------------------------------------------ */

static bool queue_empty(struct pass *pass, unsigned pool)
{
	struct ym_queue_stat stat;

	if (pass->empty[pool] < 0)
		pass->empty[pool] =
		    ym_queue_stat(pass->instance->table->pools[pool].queue, &stat, NULL) == 0 && stat.messages == 0;
	return pass->empty[pool] == 1;
}

static void check_ready(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	struct job_sh *job = table_job(table, slot);
	unsigned pool = job_pool(job);
	bool lost;

	if (!(word_flags(word) & JOB_QUEUED)) {
		pass->feed[pool] = true;
		return;
	}
	lost = pass->newest_taken[pool] > job->ready + LATER_NS ||
	       (pass->now > job->ready + EMPTY_NS && queue_empty(pass, pool));
	if (!lost) {
		/* An empty queue and a young job: the token may just be on its way to a worker. */
		if (pass->now <= job->ready + EMPTY_NS)
			soon(pass, job->ready + EMPTY_NS + 1000000u);
		return;
	}
	job->ready = pass->now;
	if (table_cas(table, slot, &word, word & ~(uint64_t)JOB_QUEUED)) {
		dispatch_announce(pass->instance, slot, word);
		pass->empty[pool] = 0;
		pass->out->resent++;
	}
}

static void promote(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	struct job_sh *job = table_job(table, slot);

	if (job->due > pass->now) {
		soon(pass, job->due);
		return;
	}
	if (table_change(table, slot, &word, JOB_READY, 0, word_attempt(word))) {
		job->ready = pass->now;
		dispatch_announce(pass->instance, slot, word);
	}
}

static void forget_old(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	struct job_sh *job = table_job(table, slot);

	if (pass->now > job->finished + atomic_load(&table->result_ttl_ns))
		free_slot(pass, slot, word);
}

/* ---- the pass -------------------------------------------------------------------------------- */

static void look_at(struct pass *pass, uint32_t slot)
{
	uint64_t word = atomic_load(&pass->instance->table->words[slot]);
	enum job_state state = word_state(word);
	const struct job_sh *job = table_job(pass->instance->table, slot);
	struct sweep_counts *counts = &pass->out->pools[job_pool(job)];

	if (state == JOB_FREE)
		return;
	if (job_state_over(state)) {
		forget_old(pass, slot, word);
		return;
	}
	pass->out->live++;
	switch (state) {
	case JOB_FILLING:
	case JOB_FINISHING:
	case JOB_FIXING:
	case JOB_CLAIMED:
		counts->running += state != JOB_FILLING;
		if (word_owner(word) < pass->instance->group.capacity && pass->dead[word_owner(word)])
			recover(pass, slot, word);
		else if (state == JOB_CLAIMED)
			check_deadline(pass, slot, word);
		break;
	case JOB_READY:
		counts->waiting++;
		check_ready(pass, slot, word);
		break;
	case JOB_PARKED:
		counts->parked++;
		pass->out->parked_on[job->parked_on % TABLE_LIMITS]++;
		break;
	case JOB_DELAYED:
		counts->delayed++;
		promote(pass, slot, word);
		break;
	default:
		break;
	}
}

static void look_at_workers(struct pass *pass)
{
	const struct board_sh *board = pass->instance->board;

	for (uint32_t i = 0; i < board->instance.rows; i++) {
		const struct board_worker_sh *row = &board->workers[i];
		uint64_t taken = atomic_load_explicit(&row->last_ready, memory_order_relaxed);
		struct board_work work;

		if (taken == 0 || !board_read_work(row, &work) || work.pool >= TABLE_POOLS)
			continue;
		if (taken > pass->newest_taken[work.pool])
			pass->newest_taken[work.pool] = taken;
	}
}

static void wake_parked(struct pass *pass)
{
	struct table_sh *table = pass->instance->table;

	for (unsigned i = 0; i < TABLE_LIMITS; i++) {
		int units;

		if (pass->out->parked_on[i] == 0)
			continue;
		soon(pass, pass->now + PARKED_NS);
		units = limit_free(&table->limits[i]);
		if (units > 0) {
			atomic_store(&table->limits[i].parked, 1);
			dispatch_unpark(pass->instance, i, (unsigned)units);
		}
	}
}

static void bury_dead(struct pass *pass)
{
	struct instance *instance = pass->instance;

	for (unsigned slot = 0; slot < instance->group.capacity; slot++) {
		if (!pass->dead[slot])
			continue;
		ym_group_bury(&instance->group, slot);
		if (pass->out->buried)
			pass->out->buried(pass->out->arg, slot);
	}
}

/*
 * A feeder needs a millisecond. One whose mark is still there at the next pass is dead or stopped, and the jobs it had
 * not come to are without a token.
 */
static void check_feeder(struct pass *pass, unsigned pool)
{
	_Atomic uint32_t *feeder = &pass->instance->table->pools[pool].feeder;
	uint32_t mark = atomic_load(feeder);

	if (mark && mark == pass->out->feeder[pool] && atomic_compare_exchange_strong(feeder, &mark, 0))
		pass->feed[pool] = true;
	pass->out->feeder[pool] = mark;
	if (mark)
		soon(pass, pass->now + FEEDER_NS);
}

void sweep_free(struct sweep *sweep)
{
	free(sweep->asked);
	sweep->asked = NULL;
}

int sweep_run(struct instance *instance, struct sweep *sweep, struct ym_err *err)
{
	struct pass pass = {.instance = instance, .out = sweep};

	memset(sweep->pools, 0, sizeof(sweep->pools));
	memset(sweep->parked_on, 0, sizeof(sweep->parked_on));
	memset(pass.empty, 0xff, sizeof(pass.empty));
	sweep->live = 0;
	sweep->next = YM_NEVER;
	sweep->recovered = sweep->resent = 0;
	if (!sweep->asked)
		sweep->asked = calloc(instance->table->slots, sizeof(*sweep->asked));
	pass.dead = calloc(instance->group.capacity, sizeof(*pass.dead));
	if (!pass.dead || !sweep->asked) {
		free(pass.dead);
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	}
	/* Who is dead is asked before the table is read: a claim made after that belongs to somebody alive. */
	if (ym_group_dead(&instance->group, pass.dead, err) < 0) {
		free(pass.dead);
		return -1;
	}
	/* Nothing is ours yet at the first pass: what stands under our slot's number is its dead owner's. */
	if (instance->group.inherited)
		pass.dead[instance->group.slot] = true;
	pass.now = ym_now_ns();
	look_at_workers(&pass);
	for (uint32_t slot = 0; slot < instance->table->slots; slot++)
		look_at(&pass, slot);
	wake_parked(&pass);
	if (instance->group.inherited)
		pass.dead[instance->group.slot] = instance->group.inherited = false;
	bury_dead(&pass);
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		check_feeder(&pass, pool);
		if (pass.feed[pool])
			dispatch_feed(instance, pool);
	}
	free(pass.dead);
	return 0;
}
