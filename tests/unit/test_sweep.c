/*
 * test_sweep.c - what the dead leave behind is put right by one pass over the table.
 */
#include <pthread.h>

#include "sweeper.h"

/* ---- deaths ---------------------------------------------------------------------------------- */

START_TEST(a_dead_workers_job_runs_again)
{
	static const enum job_state states[] = {JOB_CLAIMED, JOB_FINISHING};

	for (size_t i = 0; i < COUNT(states); i++) {
		struct job_ref ref = submit("x");
		unsigned owner;

		lose_worker(states[i]);
		ck_assert_int_eq(state_of(ref), states[i]);
		owner = word_owner(word_of(ref));
		run_sweep();
		ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 1, 0));
		ck_assert_uint_eq(job_of(ref)->crashes, 1);
		ck_assert_str_eq(job_of(ref)->error, death.cause);
		ck_assert_uint_eq(calls.asked_of, owner);
		ck_assert_uint_eq(swept.recovered, 1);
		ck_assert_int_eq(calls.burials, (int)i + 1);
		ck_assert_uint_eq(calls.buried, owner);
		ck_assert_uint_eq(word_attempt(claim_this(ref)), 2);
		finish(ref, word_of(ref), STORY_DONE);
		run_sweep();
		ck_assert_uint_eq(swept.recovered, 0);
		ck_assert_int_eq(calls.burials, (int)i + 1);
	}
	ck_assert_int_eq(calls.kills + calls.terms, 0);
}
END_TEST

START_TEST(what_is_known_of_a_death_is_told)
{
	struct story_attempt told[STORY_ATTEMPTS];
	struct job_ref ref = submit("x");

	lose_worker(JOB_CLAIMED);
	death.job = ref.id;
	run_sweep();
	ck_assert_uint_eq(story_read(table_story(yard.table, ref.slot), ref.gen, told), 1);
	ck_assert_int_eq(told[0].end, STORY_CRASHED);
	ck_assert_int_eq(told[0].status, SIGKILL);
	ck_assert_int_eq(told[0].pid, 4242);
	ck_assert_uint_eq(told[0].done, 3);
	ck_assert_uint_eq(told[0].total, 8);
	ck_assert_str_eq(told[0].unit, "rows");
	ck_assert_str_eq(told[0].error, death.cause);
	ck_assert_str_eq(table_story(yard.table, ref.slot)->output, "last words");
	ck_assert_str_eq(table_story(yard.table, ref.slot)->note, "half way");
	/* Nothing known: still a cause, in words. */
	death.cause[0] = '\0';
	lose_worker(JOB_CLAIMED);
	run_sweep();
	ck_assert_uint_gt(strlen(job_of(ref)->error), 0);
}
END_TEST

/* Its semaphores were let go of, but the kernel does not say so far how it has ended. */
START_TEST(last_words_are_waited_for)
{
	struct job_ref ref = submit("x");
	uint64_t word;

	lose_worker(JOB_CLAIMED);
	word = word_of(ref);
	calls.ending = true;
	for (int i = 0; i < 3; i++) {
		run_sweep();
		ck_assert_uint_eq(word_of(ref), word);
		ck_assert_uint_eq(swept.recovered, 0);
		ck_assert_int_eq(calls.burials, 0);
		ck_assert_uint_lt(swept.next, ym_now_ns() + UINT64_C(100000000));
	}
	calls.ending = false;
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_READY);
	ck_assert_uint_eq(swept.recovered, 1);
	ck_assert_int_eq(calls.burials, 1);
	ck_assert_str_eq(job_of(ref)->error, death.cause);
}
END_TEST

START_TEST(a_job_that_kills_its_workers_is_buried)
{
	struct job_request request = request_of("x");
	struct job_ref ref;

	atomic_store(&pool_row()->attempts, 9);
	request.keep = true;
	ref = submit_request(request);
	for (unsigned crash = 1; crash <= 3; crash++) {
		ck_assert_int_eq(state_of(ref), JOB_READY);
		lose_worker(JOB_CLAIMED);
		run_sweep();
		ck_assert_uint_eq(word_attempt(word_of(ref)), crash);
		ck_assert_uint_eq(job_of(ref)->crashes, crash);
	}
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_BURIED, 0, 3, JOB_KEEP));
	ck_assert_str_eq(job_of(ref)->error, death.cause);
	ck_assert_uint_gt(job_of(ref)->finished, 0);
}
END_TEST

/* More often than any limit allows. */
START_TEST(a_blameless_death_is_no_attempt)
{
	struct job_ref ref, behind;

	atomic_store(&pool_row()->attempts, 1);
	death.blameless = true;
	ref = submit("x");
	behind = submit("y");
	for (int i = 0; i < 5; i++) {
		lose_worker(JOB_CLAIMED);
		run_sweep();
		ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 0, 0));
		ck_assert_uint_eq(job_of(ref)->crashes, 0);
	}
	/* It keeps its place. */
	death.blameless = false;
	lose_worker(JOB_CLAIMED);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FAILED);
	ck_assert_uint_eq(job_of(ref)->crashes, 1);
	claim_this(behind);
}
END_TEST

START_TEST(a_cancelled_job_of_a_dead_worker)
{
	/* Whatever the death would have led to: another attempt, failure, burial. */
	static const uint8_t limits[][2] = {{9, 9}, {1, 9}, {9, 1}};

	for (size_t i = 0; i < COUNT(limits); i++) {
		struct job_ref ref;
		pid_t child;

		atomic_store(&pool_row()->attempts, limits[i][0]);
		atomic_store(&pool_row()->crashes, limits[i][1]);
		ref = submit("x");
		child = spawn_worker(JOB_CLAIMED);
		ASSERT_OK(dispatch_cancel(&yard, ref, &err));
		kill_and_reap(child);
		run_sweep();
		ck_assert_int_eq(state_of(ref), JOB_CANCELLED);
		ck_assert_uint_eq(word_flags(word_of(ref)), 0);
	}
}
END_TEST

START_TEST(a_dead_fixer_is_no_crash_of_the_job)
{
	struct job_ref ref = submit("x");

	lose_worker(JOB_FIXING);
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 1, 0));
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	claim_this(ref);
}
END_TEST

/* A buried job is kept until it has been kicked: half a kick must not make it one that is forgotten in time. */
START_TEST(a_dead_kicker_loses_no_buried_job)
{
	struct job_ref ref;

	atomic_store(&pool_row()->attempts, 1);
	ref = submit("x");
	lose_worker(JOB_FIXING);
	/* As dispatch_kick() marks it. */
	atomic_fetch_or(&yard.table->words[ref.slot], JOB_KICKED);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_BURIED);
}
END_TEST

static void wait_for_end(void *arg)
{
	struct instance mine;
	uint64_t word;

	join_yard(&mine);
	MUST(dispatch_wait(&mine, *(struct job_ref *)arg, ym_deadline(4 * PATIENCE_MS), &word, &err) == 0);
	leave_yard(&mine);
	_exit((int)word_state(word));
}

START_TEST(who_waits_learns_of_the_end)
{
	static const struct {
		uint8_t attempts, crashes;
		enum job_state end;
	} rows[] = {{1, 9, JOB_FAILED}, {9, 1, JOB_BURIED}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct job_ref ref;
		pid_t waiter;

		atomic_store(&pool_row()->attempts, rows[i].attempts);
		atomic_store(&pool_row()->crashes, rows[i].crashes);
		ref = submit("x");
		waiter = spawn(wait_for_end, &ref);
		WAIT_UNTIL((word_flags(word_of(ref)) & JOB_WAITED) && process_state(waiter) == 'S');
		lose_worker(JOB_CLAIMED);
		run_sweep();
		ck_assert_int_eq(WEXITSTATUS(reap(waiter)), rows[i].end);
	}
}
END_TEST

static void die_filling(void *arg)
{
	static const char bytes[JOB_PAYLOAD_MAX + 1];
	const struct payload_source payload = {.data = bytes, .size = sizeof(bytes)};
	struct instance mine;
	uint64_t word;
	int64_t slot;

	(void)arg;
	join_yard(&mine);
	slot = table_take(mine.table, mine.group.slot, &word);
	MUST(slot == 0);
	MUST(payload_store(directory, table_job(mine.table, 0), 0, word_gen(word), &payload, PAYLOAD_MAX, &err) == 0);
	kill(getpid(), SIGKILL);
}

START_TEST(a_dead_submitters_slot_is_free)
{
	int status = reap(spawn(die_filling, NULL));

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FILLING);
	ck_assert_uint_eq(count_files("jobs"), 1);
	run_sweep();
	ck_assert_int_eq(word_state(atomic_load(&yard.table->words[0])), JOB_FREE);
	ck_assert_uint_eq(count_files("jobs"), 0);
	ck_assert_uint_eq(swept.recovered, 0);
	ck_assert_int_eq(calls.burials, 1);
}
END_TEST

START_TEST(the_living_are_left_alone)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref), filling;
	int64_t slot = table_take(yard.table, yard.group.slot, &filling);

	run_sweep();
	ck_assert_uint_eq(word_of(ref), word);
	ck_assert_uint_eq(atomic_load(&yard.table->words[slot]), filling);
	ck_assert_int_eq(calls.burials, 0);
}
END_TEST

struct toggler {
	_Atomic uint32_t slot;
	_Atomic int stop;
	_Atomic unsigned turns;
};

static void *toggle_waited(void *arg)
{
	struct toggler *toggler = arg;

	while (!atomic_load(&toggler->stop)) {
		uint64_t word = atomic_load(&yard.table->words[toggler->slot]);

		table_cas(yard.table, toggler->slot, &word, word ^ JOB_WAITED);
		atomic_fetch_add(&toggler->turns, 1);
	}
	return NULL;
}

/* A flag that somebody sets at the wrong moment must not hide a dead owner: the same pass buries him. */
START_TEST(flags_do_not_hide_the_dead)
{
	for (int round = 0; round < 60; round++) {
		struct job_ref ref = submit("x");
		struct toggler toggler = {.slot = ref.slot};
		pthread_t thread;

		lose_worker(JOB_CLAIMED);
		ck_assert_int_eq(pthread_create(&thread, NULL, toggle_waited, &toggler), 0);
		WAIT_UNTIL(atomic_load(&toggler.turns) > 100);
		run_sweep();
		atomic_store(&toggler.stop, 1);
		pthread_join(thread, NULL);
		ck_assert_int_eq(state_of(ref), JOB_READY);
		run_job(ref, STORY_DONE);
	}
}
END_TEST

static void join_and_die(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	kill(getpid(), SIGKILL);
}

/* All numbers are those of the dead: the master gets one of theirs, with all that its owner has left. */
START_TEST(a_number_with_an_inheritance)
{
	struct instance_sizes sizes = {.slots = 16, .rows = 4, .participants = 200};
	struct job_ref ref = submit("x");
	struct instance master;

	for (unsigned i = 1; i < 200; i++)
		reap(spawn(join_and_die, NULL));
	/* The first of them held both. */
	claim_this(ref);
	put_word(ref, JOB_CLAIMED, 1, 1);
	atomic_store(&yard.table->index.lock.word, 2);
	ASSERT_OK(instance_locate(&master, "unit", directory, &err));
	ASSERT_OK(instance_join(&master, "master", &sizes, &err));
	ck_assert(master.group.inherited);
	ck_assert_uint_eq(word_owner(word_of(ref)), master.group.slot);
	ck_assert_uint_eq(yard.table->index.lock.broken, 1);
	ASSERT_OK(sweep_run(&master, &swept, &err));
	ck_assert(!master.group.inherited);
	ck_assert_uint_eq(swept.recovered, 1);
	ck_assert_int_eq(state_of(ref), JOB_READY);
	/* Its own one stays its own. */
	ck_assert_int_eq(calls.burials, 198);
	ck_assert(ym_group_alive(&master.group, master.group.slot));
	ck_assert_int_eq(ready_take(&master, pool, &ref.slot, &(uint64_t){0}), 1);
	ASSERT_OK(sweep_run(&master, &swept, &err));
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);
	ASSERT_OK(instance_leave(&master, NULL, &err));
}
END_TEST

/* ---- the pass itself ------------------------------------------------------------------------- */

START_TEST(an_empty_table)
{
	run_sweep();
	ck_assert_uint_eq(swept.live, 0);
	ck_assert_uint_eq(swept.next, YM_NEVER);
	ck_assert(!swept.timed);
}
END_TEST

START_TEST(jobs_are_counted)
{
	unsigned work = pool, other = add_pool("other");
	struct job_request request = request_of("x");
	uint64_t filling;

	request.timeout_ms = 100000;
	claim_this(submit("x"));
	put_word(submit("x"), JOB_FINISHING, yard.group.slot, 1);
	submit("x");
	ASSERT_OK(dispatch_bury(&yard, submit("x"), &err));
	run_sweep();
	ck_assert(!swept.timed);
	submit_request(request);
	submit_delayed(100000);
	submit_delayed(100000);
	ck_assert_int_ge(table_take(yard.table, yard.group.slot, &filling), 0);
	pool = other;
	submit("x");
	ASSERT_OK(dispatch_cancel(&yard, submit("x"), &err));
	run_sweep();
	ck_assert(swept.timed);
	ck_assert_uint_eq(swept.pools[work].waiting, 2);
	ck_assert_uint_eq(swept.pools[work].running, 2);
	ck_assert_uint_eq(swept.pools[work].delayed, 2);
	ck_assert_uint_eq(swept.pools[work].buried, 1);
	ck_assert_uint_eq(swept.pools[other].waiting, 1);
	ck_assert_uint_eq(swept.pools[other].running, 0);
	ck_assert_uint_eq(swept.live, 9);
}
END_TEST

START_TEST(the_group_was_removed)
{
	int set = yard.group.semid;

	ck_assert_int_eq(ym_sys.semctl(set, 0, IPC_RMID, (union ym_semun){0}), 0);
	ASSERT_ERR(sweep_run(&yard, &swept, &err), YM_ERR_GONE);
	ASSERT_OK(instance_leave(&yard, NULL, &err));
	yard_open(16); /* clears up what is left */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep");
	TCase *tcase;

	tcase = yard_case(suite, "sweep", begin_sweep);
	tcase_add_test(tcase, a_dead_workers_job_runs_again);
	tcase_add_test(tcase, what_is_known_of_a_death_is_told);
	tcase_add_test(tcase, last_words_are_waited_for);
	tcase_add_test(tcase, a_job_that_kills_its_workers_is_buried);
	tcase_add_test(tcase, a_blameless_death_is_no_attempt);
	tcase_add_test(tcase, a_cancelled_job_of_a_dead_worker);
	tcase_add_test(tcase, a_dead_fixer_is_no_crash_of_the_job);
	tcase_add_test(tcase, a_dead_kicker_loses_no_buried_job);
	tcase_add_test(tcase, who_waits_learns_of_the_end);
	tcase_add_test(tcase, a_dead_submitters_slot_is_free);
	tcase_add_test(tcase, the_living_are_left_alone);
	tcase_add_test(tcase, flags_do_not_hide_the_dead);
	tcase_add_test(tcase, a_number_with_an_inheritance);
	tcase_add_test(tcase, an_empty_table);
	tcase_add_test(tcase, jobs_are_counted);
	tcase_add_test(tcase, the_group_was_removed);
	return run_suite(suite);
}
