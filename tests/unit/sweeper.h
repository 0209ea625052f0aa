/*
 * sweeper.h - a yard whose sweeps are told how participants died, and whose calls are counted.
 */
#ifndef YM_TESTS_SWEEPER_H
#define YM_TESTS_SWEEPER_H

#include "yard.h"

static struct sweep_death death; /* of whoever is found dead */
static struct {
	int terms, kills, burials, answers;
	unsigned asked_of, killed, buried; /* slots */
	bool not_ours;                     /* the next worker to be killed is no child of ours */
	bool no_answer;                    /* answers cannot be sent now */
	bool ending;                       /* whoever is found dead has not ended so far */
} calls;

static inline const struct sweep_death *tell_death(void *arg, unsigned slot)
{
	ck_assert_ptr_eq(arg, &swept);
	calls.asked_of = slot;
	return death.cause[0] ? &death : NULL;
}

static inline bool tell_ending(void *arg, unsigned slot)
{
	ck_assert_ptr_eq(arg, &swept);
	ck_assert_uint_lt(slot, yard.group.capacity);
	return calls.ending;
}

static inline bool count_signal(void *arg, unsigned slot, int signo, const char *why)
{
	ck_assert_ptr_eq(arg, &swept);
	ck_assert_uint_gt(strlen(why), 0);
	ck_assert(signo == SIGTERM || signo == SIGKILL);
	calls.terms += signo == SIGTERM;
	calls.kills += signo == SIGKILL;
	calls.killed = slot;
	return !calls.not_ours;
}

static inline void count_burial(void *arg, unsigned slot)
{
	ck_assert_ptr_eq(arg, &swept);
	calls.buried = slot;
	calls.burials++;
}

static inline bool count_answer(void *arg, uint32_t slot, uint64_t word)
{
	ck_assert_ptr_eq(arg, &swept);
	ck_assert_uint_eq(word, atomic_load(&yard.table->words[slot]));
	calls.answers += !calls.no_answer;
	return !calls.no_answer;
}

static inline void begin_sweep(void)
{
	begin_yard();
	swept.death = tell_death;
	swept.ending = tell_ending;
	swept.signal = count_signal;
	swept.buried = count_burial;
	swept.answer = count_answer;
	swept.arg = &swept;
	strcpy(death.cause, "killed by a test");
	death.pid = 4242;
	death.done = 3;
	death.total = 8;
	strcpy(death.unit, "rows");
	death.process.status = SIGKILL;
	strcpy(death.process.output, "last words");
	strcpy(death.process.note, "half way");
}

/* ---- workers that die ------------------------------------------------------------------------ */

/* Takes the next job, puts it into a state as its own, and waits to be killed. */
static inline void hold_job(void *arg)
{
	enum job_state state = *(enum job_state *)arg;
	struct instance mine;
	uint32_t slot;
	uint64_t word;

	join_yard(&mine);
	MUST(ready_take(&mine, pool, &slot, &word));
	atomic_store(&mine.table->words[slot], word_next(word, state, word_owner(word), word_attempt(word), 0));
	tell_step();
	sleep_for_ever();
}

static inline pid_t spawn_worker(enum job_state state)
{
	pid_t child = spawn(hold_job, &state);

	await_step();
	return child;
}

static inline void lose_worker(enum job_state state)
{
	kill_and_reap(spawn_worker(state));
}

#endif
