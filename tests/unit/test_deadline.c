/*
 * test_deadline.c - jobs whose time is up: asked, told, killed, and started again only when their worker is dead.
 */
#include "sweeper.h"

#define GRACE_MS 1000000
#define GRACE_NS UINT64_C(1000000000000)

static void begin_deadline(void)
{
	begin_sweep();
	atomic_store(&pool_row()->timeout_ms, 1000);
	atomic_store(&pool_row()->timeout_grace_ms, GRACE_MS);
}

/* Let so much time pass since the job was asked to stop. */
static void let_pass(struct job_ref ref, uint64_t ns)
{
	ck_assert_uint_ne(swept.asked[ref.slot].at, 0);
	swept.asked[ref.slot].at -= ns;
}

static void expire(struct job_ref ref)
{
	job_of(ref)->deadline = 1;
	run_sweep();
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_TIMED_OUT);
	ck_assert_int_eq(calls.terms + calls.kills, 0);
}

START_TEST(left_alone_in_time)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);

	run_sweep();
	ck_assert_uint_eq(word_of(ref), word);
	ck_assert_uint_eq(swept.next, job_of(ref)->deadline);
	ck_assert(swept.timed);
	/* No deadline at all. */
	job_of(ref)->deadline = 0;
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word);
	ck_assert_uint_eq(swept.next, YM_NEVER);
}
END_TEST

START_TEST(asked_then_told_then_killed)
{
	struct job_ref ref = submit("x");
	pid_t worker = spawn_worker(JOB_CLAIMED);
	struct story_attempt told[STORY_ATTEMPTS];
	uint64_t word = word_of(ref), asked;
	struct job_report late = {.end = STORY_DONE, .result = "late", .result_size = 4};
	enum job_state became;

	/* The grace counts from when it was asked, not from a deadline that has passed long ago. */
	asked = ym_now_ns();
	expire(ref);
	ck_assert_uint_ge(swept.next, asked + GRACE_NS);
	ck_assert_uint_eq(job_of(ref)->deadline, 1);
	let_pass(ref, GRACE_NS);
	for (int i = 0; i < 3; i++) {
		run_sweep();
		ck_assert_int_eq(calls.terms, 1);
		ck_assert_uint_eq(calls.killed, word_owner(word));
		ck_assert_uint_eq(swept.next, swept.asked[ref.slot].at + 2 * GRACE_NS);
	}
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);
	let_pass(ref, GRACE_NS);
	for (int i = 0; i < 3; i++) {
		run_sweep();
		ck_assert_int_eq(calls.kills, 1);
		ck_assert_int_eq(calls.terms, 1);
		/* It is still there: nobody may start the job beside it. */
		ck_assert_int_eq(state_of(ref), JOB_FIXING);
		ck_assert_uint_eq(word_owner(word_of(ref)), yard.group.slot);
		ck_assert_uint_lt(swept.next, YM_NEVER);
		ck_assert(!dispatch_finish(&yard, ref.slot, word, &late, &became));
	}
	kill_and_reap(worker);
	calls.ending = true;
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_FIXING);
	ck_assert_int_eq(calls.burials, 0);
	calls.ending = false;
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_DELAYED, 0, 1, 0));
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	ASSERT_IN("timed out after 1000 ms", job_of(ref)->error);
	ck_assert_uint_eq(job_of(ref)->result_size, 0);
	ck_assert_uint_eq(story_read(table_story(yard.table, ref.slot), ref.gen, told), 1);
	ck_assert_int_eq(told[0].end, STORY_TIMED_OUT);
	ck_assert_int_eq(told[0].status, SIGKILL);
	ck_assert_int_eq(calls.burials, 1);
	ck_assert(!dispatch_finish(&yard, ref.slot, word, &late, &became));
}
END_TEST

/* A worker that another master has started: nobody can wait for its death. */
START_TEST(a_worker_that_is_not_ours)
{
	struct job_ref ref = submit("x");

	claim_this(ref);
	calls.not_ours = true;
	expire(ref);
	let_pass(ref, 2 * GRACE_NS);
	run_sweep();
	ck_assert_int_eq(calls.kills, 1);
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ASSERT_IN("timed out", job_of(ref)->error);
}
END_TEST

START_TEST(another_master_begins_the_grace_anew)
{
	struct job_ref ref = submit("x");
	uint64_t before;

	claim_this(ref);
	expire(ref);
	let_pass(ref, 2 * GRACE_NS);
	sweep_free(&swept);
	before = ym_now_ns();
	run_sweep();
	ck_assert_int_eq(calls.terms + calls.kills, 0);
	ck_assert_uint_ge(swept.next, before + GRACE_NS);
}
END_TEST

/* An upgrade in place: the same participant, who knows nothing of the worker that was killed before it. */
START_TEST(a_new_program_waits_for_the_same_death)
{
	struct job_ref ref = submit("x");
	pid_t worker = spawn_worker(JOB_CLAIMED);
	unsigned owner = word_owner(word_of(ref));
	struct board_worker_sh *row = &yard.board->workers[2];
	struct board_work work = {
	    .job = ref.id, .pid = worker, .slot = owner, .pool = pool, .attempt = 1, .state = BOARD_WORKER_BUSY};

	atomic_store(&row->used, 1);
	board_publish(&row->work, &row->work_version, &work);
	expire(ref);
	let_pass(ref, 2 * GRACE_NS);
	run_sweep();
	for (int kills = 1; kills < 3; kills++) {
		ck_assert_int_eq(calls.kills, kills);
		ck_assert_uint_eq(calls.killed, owner);
		run_sweep();
		ck_assert_int_eq(calls.kills, kills);
		ck_assert_int_eq(state_of(ref), JOB_FIXING);
		sweep_free(&swept);
		run_sweep();
	}
	sweep_free(&swept);
	kill_and_reap(worker);
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 1, 0));
}
END_TEST

/* Given back, it has the same number of attempts when it is taken again. */
START_TEST(another_claim_has_a_grace_of_its_own)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);

	expire(ref);
	let_pass(ref, 2 * GRACE_NS);
	dispatch_return(&yard, ref.slot, word);
	claim_this(ref);
	ck_assert_uint_eq(word_flags(word_of(ref)), 0);
	expire(ref);
	ck_assert_int_eq(state_of(ref), JOB_CLAIMED);
}
END_TEST

START_TEST(stopping_in_time_is_an_attempt)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);

	expire(ref);
	ck_assert_int_eq(finish(ref, word, STORY_TIMED_OUT), JOB_DELAYED);
	ck_assert_uint_eq(word_flags(word_of(ref)), 0);
	run_sweep();
	ck_assert_int_eq(calls.terms + calls.kills, 0);
}
END_TEST

/* By SIGTERM, for instance: it did not crash, it had been asked to end. */
START_TEST(dying_when_asked_is_no_crash)
{
	struct job_ref ref = submit("x");
	pid_t worker = spawn_worker(JOB_CLAIMED);

	expire(ref);
	kill_and_reap(worker);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_DELAYED);
	ck_assert_uint_eq(job_of(ref)->crashes, 0);
	ck_assert_str_eq(job_of(ref)->error, death.cause);
}
END_TEST

START_TEST(the_last_attempt_times_out)
{
	struct job_ref ref;

	atomic_store(&pool_row()->attempts, 1);
	for (uint8_t bury = 0; bury < 2; bury++) {
		atomic_store(&pool_row()->bury_failed, bury);
		ref = submit("x");
		claim_this(ref);
		calls.not_ours = true;
		job_of(ref)->deadline = 1;
		run_sweep();
		let_pass(ref, 2 * GRACE_NS);
		run_sweep();
		ck_assert_int_eq(state_of(ref), bury ? JOB_BURIED : JOB_FAILED);
	}
}
END_TEST

START_TEST(cancelled_and_out_of_time)
{
	struct job_ref ref = submit("x");

	claim_this(ref);
	ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	calls.not_ours = true;
	job_of(ref)->deadline = 1;
	run_sweep();
	let_pass(ref, 2 * GRACE_NS);
	run_sweep();
	ck_assert_int_eq(state_of(ref), JOB_CANCELLED);
}
END_TEST

/* The next one to have the slot is not asked because of its predecessor. */
START_TEST(a_slot_that_is_used_again)
{
	struct job_ref first = submit("x"), next;

	claim_this(first);
	expire(first);
	let_pass(first, 2 * GRACE_NS);
	finish(first, word_of(first), STORY_DONE);
	atomic_store(&yard.table->position, first.slot);
	next = submit("y");
	ck_assert_uint_eq(next.slot, first.slot);
	claim_this(next);
	expire(next);
	ck_assert_int_eq(state_of(next), JOB_CLAIMED);
}
END_TEST

/* ---- touched --------------------------------------------------------------------------------- */

static void publish(struct job_ref ref, uint64_t job, uint64_t updated)
{
	struct board_worker_sh *row = &yard.board->workers[2];
	struct board_work work = {.job = ref.id, .slot = word_owner(word_of(ref)), .pool = pool};
	struct board_progress progress = {.job = job, .updated = updated, .attempt = word_attempt(word_of(ref))};

	board_publish(&row->work, &row->work_version, &work);
	board_publish(&row->progress, &row->progress_version, &progress);
}

/* Does progress at this moment keep a job alive whose deadline has passed? */
static bool survives(uint8_t touch, bool of_this_job, uint64_t updated)
{
	struct job_ref ref = submit("x");
	bool asked;

	claim_this(ref);
	atomic_store(&pool_row()->touch, touch);
	publish(ref, of_this_job ? ref.id : ref.id + 1, updated);
	job_of(ref)->deadline = 1;
	run_sweep();
	asked = word_flags(word_of(ref)) & JOB_TIMED_OUT;
	if (!asked)
		ck_assert_uint_eq(swept.next, updated + UINT64_C(1000000000));
	finish(ref, word_of(ref), STORY_DONE);
	return !asked;
}

START_TEST(progress_extends_where_it_may)
{
	uint64_t now = ym_now_ns();

	ck_assert(survives(1, true, now));
	ck_assert(!survives(0, true, now));
	ck_assert(!survives(1, false, now));
	ck_assert(!survives(1, true, now - UINT64_C(1000000001)));
	ck_assert(!survives(1, true, 0));
}
END_TEST

/* ---- behind the end of the run --------------------------------------------------------------- */

#define MIB 1048576u

/* In seconds. */
static uint64_t patience(void)
{
	return 30 + yard.table->payload_max / MIB;
}

static void finishing_for(struct job_ref ref, uint64_t seconds)
{
	ck_assert_uint_ne(swept.asked[ref.slot].finishing, 0);
	swept.asked[ref.slot].finishing -= seconds * UINT64_C(1000000000);
}

START_TEST(who_cannot_write_down_the_end_is_killed)
{
	struct job_ref ref = submit("x");
	pid_t worker = spawn_worker(JOB_FINISHING);
	uint64_t word = word_of(ref), before = ym_now_ns();

	job_of(ref)->deadline = 0;
	run_sweep();
	ck_assert_uint_ge(swept.next, before + patience() * UINT64_C(1000000000));
	ck_assert_uint_le(swept.next, ym_now_ns() + patience() * UINT64_C(1000000000));
	finishing_for(ref, patience() - 10);
	run_sweep();
	ck_assert_int_eq(calls.kills, 0);
	finishing_for(ref, 10);
	for (int i = 0; i < 3; i++) {
		run_sweep();
		ck_assert_int_eq(calls.kills, 1);
		ck_assert_uint_eq(calls.killed, word_owner(word));
		/* Until it is dead, all of the job is its own. */
		ck_assert_uint_eq(word_of(ref), word);
	}
	ck_assert_int_eq(calls.terms, 0);
	kill_and_reap(worker);
	run_sweep();
	ck_assert_uint_eq(word_of(ref), word_make(ref.gen, JOB_READY, 0, 1, 0));
	ck_assert_uint_eq(job_of(ref)->crashes, 1);
	ck_assert_str_eq(job_of(ref)->error, "its end was not written down in time: killed by a test");
}
END_TEST

/* Nobody else may write to it: it stays, and another pass tries again. */
START_TEST(who_cannot_be_killed_keeps_its_job)
{
	struct job_ref ref = submit("x");
	pid_t worker = spawn_worker(JOB_FINISHING);
	uint64_t word = word_of(ref);

	calls.not_ours = true;
	run_sweep();
	finishing_for(ref, patience());
	for (int i = 1; i < 4; i++) {
		run_sweep();
		ck_assert_int_eq(calls.kills, i);
		ck_assert_uint_eq(word_of(ref), word);
	}
	kill_and_reap(worker);
	run_sweep();
	ck_assert_str_eq(job_of(ref)->error, death.cause);
}
END_TEST

START_TEST(each_end_has_a_time_of_its_own)
{
	struct job_ref ref = submit("x");

	for (int i = 0; i < 2; i++) {
		uint64_t word = claim_this(ref);

		MUST(table_change(yard.table, ref.slot, &word, JOB_FINISHING, yard.group.slot, 1));
		run_sweep();
		finishing_for(ref, patience() - 10);
		run_sweep();
		ck_assert_int_eq(calls.kills, 0);
		ck_assert(dispatch_settle(&yard, ref.slot, &word, JOB_READY, 0, true, ym_now_ns()));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deadline");
	TCase *tcase = yard_case(suite, "deadline", begin_deadline);

	tcase_add_test(tcase, left_alone_in_time);
	tcase_add_test(tcase, asked_then_told_then_killed);
	tcase_add_test(tcase, a_worker_that_is_not_ours);
	tcase_add_test(tcase, another_master_begins_the_grace_anew);
	tcase_add_test(tcase, a_new_program_waits_for_the_same_death);
	tcase_add_test(tcase, another_claim_has_a_grace_of_its_own);
	tcase_add_test(tcase, stopping_in_time_is_an_attempt);
	tcase_add_test(tcase, dying_when_asked_is_no_crash);
	tcase_add_test(tcase, the_last_attempt_times_out);
	tcase_add_test(tcase, cancelled_and_out_of_time);
	tcase_add_test(tcase, a_slot_that_is_used_again);
	tcase_add_test(tcase, progress_extends_where_it_may);
	tcase_add_test(tcase, who_cannot_write_down_the_end_is_killed);
	tcase_add_test(tcase, who_cannot_be_killed_keeps_its_job);
	tcase_add_test(tcase, each_end_has_a_time_of_its_own);
	return run_suite(suite);
}
