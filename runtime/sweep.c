/* sweep.c - put right what deaths, deadlines and lost tokens left behind. */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/sys.h"
#include "overtime.h"
#include "stage.h"

/* Who pushes or takes a job needs microseconds: one that has been on its way for longer was left there by the dead. */
#define ON_THE_WAY_NS UINT64_C(20000000)

/* A stored job that runs for so long is recorded as started: if the machine dies with it, the attempt counts. */
#define STARTED_NS UINT64_C(200000000)

/* How soon to try again to send an answer. */
#define ANSWER_NS UINT64_C(200000000)

/* How far ahead a fixed time is looked for at most. */
#define LONG_MS INT64_C(60000)

struct sweep_asked *sweep_asked_of(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct sweep_asked *asked = &pass->out->asked[slot];
	uint64_t started = table_job(pass->instance->table, slot)->started;

	/* Attempt numbers come again when a job is given back or kicked. */
	if (asked->at == 0 || asked->gen != word_gen(word) || asked->attempt != word_attempt(word) ||
	    asked->started != started)
		*asked = (struct sweep_asked){
		    .at = pass->now, .started = started, .gen = word_gen(word), .attempt = word_attempt(word)};
	return asked;
}

/* ---- dead owners ----------------------------------------------------------------------------- */

void sweep_settle(struct pass *pass, uint32_t slot, uint64_t word, enum story_end end, const char *text,
                  const struct sweep_death *death)
{
	struct instance *instance = pass->instance;
	struct job_report report = {
	    .end = end, .error = text, .process = death ? &death->process : NULL, .ended = ym_now_ns()};
	bool again = end == STORY_STOPPED;
	enum job_state state;

	if (death && death->job == table_job(instance->table, slot)->id) {
		report.done = death->done;
		report.total = death->total;
		report.unit = death->unit;
	}
	dispatch_tell(instance, slot, word, &report, death ? death->pid : 0);
	state = dispatch_verdict(instance, slot, end, word_attempt(word));
	if (word_flags(word) & JOB_CANCEL)
		state = JOB_CANCELLED;
	dispatch_settle(instance, slot, &word, state, word_attempt(word) - again, again, report.ended);
}

/* The participant that seems to run this attempt, although it no longer owns it: -1 if there is none. */
static int runner_of(struct pass *pass, const struct job_sh *job, uint64_t word)
{
	const struct instance *instance = pass->instance;

	for (uint32_t i = 0; i < instance->board->instance.rows; i++) {
		struct board_work work;

		if (atomic_load(&instance->board->workers[i].used) &&
		    board_read_work(&instance->board->workers[i], &work) && work.state == BOARD_WORKER_BUSY &&
		    work.job == job->id && work.attempt == word_attempt(word) &&
		    ym_group_alive(&instance->group, work.slot) &&
		    atomic_load(&instance->group.reg->members[work.slot].pid) == work.pid)
			return (int)work.slot;
	}
	return -1;
}

void sweep_clear_up_again(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct job_sh *job = table_job(pass->instance->table, slot);
	const struct table_pool_sh *pool = &pass->instance->table->pools[job_pool(job)];
	int runner = runner_of(pass, job, word);
	enum job_state state = JOB_READY;

	job->deadline = 0;
	if (runner >= 0 && overtime_make_victim(pass, (unsigned)runner, sweep_asked_of(pass, slot, word)))
		return;
	if (word_flags(word) & JOB_CANCEL)
		state = JOB_CANCELLED;
	else if ((word_flags(word) & JOB_KICKED) || job->crashes >= atomic_load(&pool->crashes) ||
	         (atomic_load(&pool->on_crash) == TABLE_CRASH_BURY && !(word_flags(word) & JOB_TIMED_OUT)))
		state = JOB_BURIED;
	else if (word_attempt(word) >= job->attempts)
		state = atomic_load(&pool->bury_failed) ? JOB_BURIED : JOB_FAILED;
	dispatch_settle(pass->instance, slot, &word, state, word_attempt(word), false, ym_now_ns());
}

/* What a job is told of the end of its worker. */
static const char *cause_of(struct pass *pass, uint32_t slot, uint64_t word, const struct sweep_death *death,
                            char text[JOB_ERROR_MAX])
{
	const char *cause = death && death->cause[0] ? death->cause : "the worker died";

	if (word_state(word) != JOB_FINISHING || !sweep_asked_of(pass, slot, word)->stuck)
		return cause;
	snprintf(text, JOB_ERROR_MAX, "its end was not written down in time: %.150s", cause);
	return text;
}

static void recover(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct instance *instance = pass->instance;
	const struct sweep_death *death = pass->out->death ? pass->out->death(pass->out->arg, word_owner(word)) : NULL;
	enum job_state state = word_state(word);
	enum story_end end = STORY_CRASHED;
	uint64_t mine = word;
	char text[JOB_ERROR_MAX];

	if (state == JOB_FILLING) {
		/* Never accepted: its submitter has no job to ask about. */
		dispatch_free(instance, slot, word);
		return;
	}
	/* Whatever flags others set meanwhile: after this pass nobody knows any more that the owner is dead. */
	if (!table_change(instance->table, slot, &mine, JOB_FIXING, instance->group.slot, word_attempt(word)))
		return;
	pass->out->recovered++;
	if (state == JOB_FIXING) {
		sweep_clear_up_again(pass, slot, mine);
		return;
	}
	if (death && death->blameless)
		end = STORY_STOPPED;
	else if (word_flags(mine) & JOB_TIMED_OUT)
		end = STORY_TIMED_OUT;
	sweep_settle(pass, slot, mine, end, cause_of(pass, slot, word, death, text), death);
}

/* ---- waiting jobs ---------------------------------------------------------------------------- */

static void check_ready(struct pass *pass, uint32_t slot, uint64_t word)
{
	const struct job_sh *job = table_job(pass->instance->table, slot);
	uint64_t ready = job->ready;

	if (index_linked(pass->instance, slot)) {
		if (ready < pass->oldest[job_pool(job)])
			pass->oldest[job_pool(job)] = ready;
	} else if (pass->now <= ready + ON_THE_WAY_NS) {
		soon(pass, ready + ON_THE_WAY_NS + 1000000u);
	} else {
		ready_push(pass->instance, slot, word, false);
		pass->out->resent++;
	}
}

/*
 * Jobs in a list, and no token in the queue: perhaps one died with its sender or its receiver. If not, it does no harm:
 * the next worker that is about to sleep finds it.
 */
static void check_queue(struct pass *pass, unsigned pool)
{
	struct table_pool_sh *row = &pass->instance->table->pools[pool];
	struct ym_queue_stat stat;

	if (pass->oldest[pool] == YM_NEVER || !ready_any(pass->instance, pool))
		return;
	if (pass->now <= pass->oldest[pool] + ON_THE_WAY_NS) {
		soon(pass, pass->oldest[pool] + ON_THE_WAY_NS + 1000000u);
		return;
	}
	if (ym_queue_stat(atomic_load(&row->queue), &stat, NULL) == 0 && stat.messages == 0)
		ready_nudge(pass->instance, pool);
}

/* Workers that were killed in their sleep are still counted as sleepers. */
static void check_sleepers(struct pass *pass, unsigned pool)
{
	const struct board_sh *board = pass->instance->board;
	int32_t seen = atomic_load(&pass->instance->table->pools[pool].sleeping), workers = 0;

	if (seen <= 0)
		return;
	for (uint32_t i = 0; i < board->instance.rows; i++) {
		struct board_work work;

		workers += atomic_load(&board->workers[i].used) && board_read_work(&board->workers[i], &work) &&
		           work.pool == pool;
	}
	ready_cap(pass->instance, pool, seen, workers);
}

static void promote(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	struct job_sh *job = table_job(table, slot);

	if (job->due > pass->now) {
		soon(pass, job->due);
		return;
	}
	if (job->at_ms > pass->unix_ms) {
		/* Clocks are set: no need to believe in it for long. */
		soon(pass, pass->now +
		               (uint64_t)(job->at_ms - pass->unix_ms < LONG_MS ? job->at_ms - pass->unix_ms : LONG_MS) *
		                   1000000u);
		return;
	}
	job->ready = pass->now;
	if (!table_change(table, slot, &word, JOB_READY, 0, word_attempt(word)))
		return;
	if (word_state(word) != JOB_READY) {
		table_over(table, slot, word);
		return;
	}
	ready_push(pass->instance, slot, word, false);
}

/* ---- the clerk ------------------------------------------------------------------------------- */

/* A mark may be lost with who set it, or with a clerk that was killed. */
static void tell_clerk(struct pass *pass, uint32_t slot, bool urgent)
{
	stage_mark(pass->instance->table, slot);
	stage_ring(pass->instance->table, urgent);
}

/* Nobody waits for the answer any more: whoever gets the number of the dead must not be taken for him. */
static void check_storing(struct pass *pass, uint32_t slot, uint64_t word)
{
	uint64_t gen = word_gen(word);

	while (word_state(word) == JOB_STORING && word_gen(word) == gen && is_dead(pass, word_owner(word)))
		if (table_cas(pass->instance->table, slot, &word,
		              word_make(word_gen(word), JOB_STORING, JOB_NOBODY, word_attempt(word), word_flags(word))))
			break;
	/* Just now the clerk has given it back, to the dead. */
	if (word_state(word) == JOB_FILLING && word_gen(word) == gen && is_dead(pass, word_owner(word)))
		recover(pass, slot, word);
	tell_clerk(pass, slot, true);
}

static void check_started(struct pass *pass, uint32_t slot, uint64_t word)
{
	if ((word_flags(word) & JOB_STORED) && pass->now > table_job(pass->instance->table, slot)->started + STARTED_NS)
		tell_clerk(pass, slot, false);
}

/* ---- jobs that are over ---------------------------------------------------------------------- */

static void check_over(struct pass *pass, uint32_t slot, uint64_t word)
{
	struct table_sh *table = pass->instance->table;
	const struct job_sh *job = table_job(table, slot);

	if (word_flags(word) & JOB_REPLY) {
		if (pass->now <= job->finished + atomic_load(&table->result_ttl_ns) && pass->out->answer &&
		    !pass->out->answer(pass->out->arg, slot, word)) {
			soon(pass, pass->now + ANSWER_NS);
			return;
		}
		if (!table_cas(table, slot, &word, word & ~(uint64_t)JOB_REPLY))
			return;
		word &= ~(uint64_t)JOB_REPLY;
		table_space(table);
	}
	if (word_flags(word) & JOB_STORED) {
		tell_clerk(pass, slot, false);
		return;
	}
	if (word_state(word) == JOB_BURIED && !table_stored(table)) {
		pass->out->pools[job_pool(job)].buried++;
		pass->out->live++;
		return;
	}
	if (pass->now > job->finished + atomic_load(&table->result_ttl_ns))
		dispatch_free(pass->instance, slot, word);
}

/* ---- the pass -------------------------------------------------------------------------------- */

static void look_at(struct pass *pass, uint32_t slot)
{
	uint64_t word = atomic_load(&pass->instance->table->words[slot]);
	enum job_state state = word_state(word);
	const struct job_sh *job = table_job(pass->instance->table, slot);
	struct sweep_counts *counts;

	if (state == JOB_FREE)
		return;
	if (job_state_over(state)) {
		check_over(pass, slot, word);
		return;
	}
	counts = &pass->out->pools[job_pool(job)];
	pass->out->live++;
	pass->out->timed |= state != JOB_STORING && job->timeout_ms > 0;
	switch (state) {
	case JOB_FILLING:
	case JOB_FINISHING:
	case JOB_FIXING:
	case JOB_CLAIMED:
		counts->running += state != JOB_FILLING;
		if (is_dead(pass, word_owner(word)))
			recover(pass, slot, word);
		else if (state == JOB_CLAIMED) {
			check_started(pass, slot, word);
			overtime_check(pass, slot, word);
		} else if (state == JOB_FINISHING)
			overtime_check_finishing(pass, slot, word);
		else if (state == JOB_FIXING && word_owner(word) == pass->instance->group.slot)
			overtime_check_victim(pass, slot, word);
		break;
	case JOB_STORING:
		check_storing(pass, slot, word);
		break;
	case JOB_READY:
		counts->waiting++;
		check_ready(pass, slot, word);
		break;
	case JOB_DELAYED:
		counts->delayed++;
		promote(pass, slot, word);
		break;
	default:
		break;
	}
}

static void break_locks(struct pass *pass)
{
	for (unsigned slot = 0; slot < pass->instance->group.capacity; slot++)
		if (pass->dead[slot])
			index_break(pass->instance, slot);
}

/* The kernel lets go of semaphores, then of files, and only then says how a process has ended. */
static void spare_ending(struct pass *pass)
{
	for (unsigned slot = 0; slot < pass->instance->group.capacity; slot++)
		if (pass->dead[slot] && is_ending(pass, slot)) {
			pass->dead[slot] = false;
			soon(pass, pass->now + VICTIM_NS);
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

static void begin(struct pass *pass)
{
	memset(pass->out->pools, 0, sizeof(pass->out->pools));
	memset(pass->oldest, 0xff, sizeof(pass->oldest));
	pass->out->live = 0;
	pass->out->timed = false;
	pass->out->next = YM_NEVER;
	pass->out->recovered = pass->out->resent = 0;
	pass->now = ym_now_ns();
	pass->unix_ms = ym_unix_ms();
}

static void look_at_all(struct pass *pass)
{
	struct instance *instance = pass->instance;

	/* The pass itself may have to take the lock. */
	break_locks(pass);
	spare_ending(pass);
	/* Nothing is ours yet at the first pass: what stands under our slot's number is its dead owner's. */
	if (instance->group.inherited)
		pass->dead[instance->group.slot] = true;
	for (uint32_t slot = 0; slot < instance->table->slots; slot++)
		look_at(pass, slot);
	for (unsigned pool = 0; pool < TABLE_POOLS; pool++) {
		check_queue(pass, pool);
		check_sleepers(pass, pool);
	}
	if (instance->group.inherited)
		pass->dead[instance->group.slot] = instance->group.inherited = false;
	bury_dead(pass);
}

void sweep_free(struct sweep *sweep)
{
	free(sweep->asked);
	sweep->asked = NULL;
}

int sweep_run(struct instance *instance, struct sweep *sweep, struct ym_err *err)
{
	struct pass pass = {.instance = instance, .out = sweep};
	int32_t holder;
	int result;

	if (!index_usable(instance, &holder))
		return index_fail(instance, err);
	begin(&pass);
	if (!sweep->asked)
		sweep->asked = calloc(instance->table->slots, sizeof(*sweep->asked));
	pass.dead = calloc(instance->group.capacity, sizeof(*pass.dead));
	if (!pass.dead || !sweep->asked) {
		free(pass.dead);
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	}
	/* Who is dead is asked before the table is read: a claim made after that belongs to somebody alive. */
	result = ym_group_dead(&instance->group, pass.dead, err);
	if (result >= 0)
		look_at_all(&pass);
	free(pass.dead);
	return result < 0 ? -1 : 0;
}
