/* test_hasty.c - a process is stopped that holds the lock of the job lists: who must not hang does not, and nothing is lost. */
#include "clerk_support.h"

#include "../../runtime/bell.h"
#include "../../runtime/ready.h"

static pid_t holder;

static void hold(void *arg)
{
	struct instance mine;

	(void)arg;
	join_yard(&mine);
	index_lock(&mine);
	raise(SIGSTOP);
	index_unlock(&mine);
	leave_yard(&mine);
}

static void stop_holder(void)
{
	holder = spawn(hold, NULL);
	WAIT_UNTIL(process_state(holder) == 'T');
}

static void let_go(void)
{
	kill(holder, SIGCONT);
	reap_well(holder);
}

static void begin_hasty(void)
{
	begin_stored();
	yard.hasty = true;
}

static void begin_hasty_yard(void)
{
	begin_yard();
	yard.hasty = true;
}

static const char *name_of_holder(void)
{
	static char text[80];

	snprintf(text, sizeof(text), "process %ld holds the lock of the job lists and does not go on", (long)holder);
	return text;
}

/* ---- the lock ---------------------------------------------------------------------------------- */

static unsigned questions;

static int counting_semctl(int id, int member, int cmd, union ym_semun arg)
{
	questions += cmd == GETVAL;
	return faults.real.semctl(id, member, cmd, arg);
}

START_TEST(the_same_holder_is_waited_for_once)
{
	int32_t pid = 0;

	stop_holder();
	faults.real = ym_sys;
	ym_sys.semctl = counting_semctl;
	ck_assert(!index_take(&yard));
	ck_assert_uint_gt(questions, 0);
	questions = 0;
	ck_assert(!index_take(&yard));
	ck_assert_uint_eq(questions, 0);
	ck_assert(!index_usable(&yard, &pid));
	ck_assert_int_eq(pid, holder);
	ASSERT_ERR(index_fail(&yard, &err), YM_ERR_TIMEOUT);
	ASSERT_IN(name_of_holder(), err.text);
	/* Nobody takes it from the dead but who asks first. */
	kill_and_reap(holder);
	ck_assert(!index_take(&yard));
	ck_assert(index_usable(&yard, &pid));
	ck_assert(index_take(&yard));
	index_unlock(&yard);
	/* Another holding of the same one. */
	stop_holder();
	let_go();
	ck_assert(index_take(&yard));
	index_unlock(&yard);
}
END_TEST

START_TEST(what_cannot_be_listed_is_left_to_the_sweep)
{
	struct job_ref first = submit("a"), found;
	uint64_t word = claim_this(first);

	stop_holder();
	dispatch_return(&yard, first.slot, word);
	ck_assert_int_eq(state_of(first), JOB_READY);
	ck_assert(!index_linked(&yard, first.slot));
	ck_assert(!try_claim(&found, &word));
	ASSERT_ERR(sweep_run(&yard, &swept, &err), YM_ERR_TIMEOUT);
	let_go();
	WAIT_UNTIL(sweep_run(&yard, &swept, &err) == 0 && index_linked(&yard, first.slot));
	ck_assert_int_eq(run_job(first, STORY_DONE), JOB_DONE);
}
END_TEST

START_TEST(a_submission_is_refused)
{
	struct job_request request = request_of("b");
	struct job_ref ref, keyed = submit_unique("key");

	run_job(keyed, STORY_DONE);
	WAIT_UNTIL(sweep_run(&yard, &swept, &err) == 0 && slots_in(JOB_FREE) == yard.table->slots);
	stop_holder();
	/* One of them gets the slot that still has a key, and stops there. */
	for (uint32_t i = 0; i < yard.table->slots; i++) {
		ASSERT_ERR(submit_job(&yard, &request, &ref, &err), YM_ERR_TIMEOUT);
		ASSERT_IN(name_of_holder(), err.text);
		ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	}
	/* To open a pool needs no lock. */
	dispatch_mode(&yard, pool, 0, POOL_LOADING);
	let_go();
	ASSERT_OK(submit_job(&yard, &request, &ref, &err));
}
END_TEST

/* A job that crashed is to move to another pool: it is tried where it is. */
START_TEST(a_job_with_a_key_does_not_move)
{
	struct job_ref ref;
	uint64_t word;

	atomic_store(&pool_row()->on_crash, TABLE_CRASH_MOVE);
	atomic_store(&pool_row()->crash_pool, (uint8_t)add_pool("other"));
	ref = submit_unique("key");
	word = claim_this(ref);
	stop_holder();
	ck_assert_int_eq(dispatch_verdict(&yard, ref.slot, STORY_CRASHED, 1), JOB_READY);
	ck_assert_uint_eq(job_pool(job_of(ref)), pool);
	let_go();
	ck_assert_int_eq(dispatch_verdict(&yard, ref.slot, STORY_CRASHED, 1), JOB_READY);
	ck_assert_uint_ne(job_pool(job_of(ref)), pool);
	dispatch_return(&yard, ref.slot, word);
}
END_TEST

/* ---- the clerk --------------------------------------------------------------------------------- */

static void end_blocked(bool hand_over)
{
	struct job_ref ended, waiting;
	uint64_t word;

	submit("a");
	waiting = submit("b");
	WAIT_UNTIL(try_claim(&ended, &word));
	WAIT_UNTIL(nothing_owed() && is_in_table(waiting.id));
	stop_holder();
	report(ended, word, STORY_DONE);
	ck_assert(!end_clerk(hand_over));
	ASSERT_IN(name_of_holder(), logged());
	/* As it was: the next one goes on with it. */
	ck_assert_uint_eq(SEEN(abandons), 1);
	ck_assert_uint_eq(SEEN(closes), 0);
	ck_assert(is_in_table(waiting.id));
	ck_assert(in_store(waiting.id).job.held);
	ck_assert_int_ne(stored_state(ended.id), JOB_DONE);
	ck_assert_int_eq(state_of(ended), JOB_DONE);
	let_go();
	open_clerk();
	WAIT_UNTIL(stored_state(ended.id) == JOB_DONE);
	ck_assert_uint_eq(run_next(), waiting.id);
	WAIT_UNTIL(nothing_owed() && stored_state(waiting.id) == JOB_DONE);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
	ck_assert_uint_eq(SEEN(lost), 0);
}

START_TEST(a_stop_does_not_wait_for_it)
{
	end_blocked(false);
}
END_TEST

START_TEST(an_upgrade_does_not_wait_for_it)
{
	end_blocked(true);
}
END_TEST

/* The loop stands still, and with it the sweep that would take the lock from the dead: the clerk does. */
START_TEST(an_end_takes_the_lock_from_the_dead)
{
	submit("a");
	ck_assert_uint_ne(run_next(), 0);
	stop_holder();
	ck_assert(!index_take(&yard));
	kill_and_reap(holder);
	ck_assert(end_clerk(false));
	ck_assert_uint_eq(SEEN(closes), 1);
}
END_TEST

static void begin_turn(void)
{
	FAKE(fake.shut = true);
}

/* The turn that is being written ends while the lock is not to be had. */
static void end_turn(void)
{
	uint64_t writes, ticks;

	WAIT_UNTIL(SEEN(inside) == 1);
	stop_holder();
	writes = SEEN(tries);
	FAKE(fake.shut = false);
	/* Signs of life are given on time; nothing else is written meanwhile. */
	ticks = SEEN(ticks);
	WAIT_UNTIL(SEEN(ticks) >= ticks + 3);
	ck_assert_uint_eq(SEEN(tries), writes);
}

START_TEST(a_submission_that_is_written_is_answered_later)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	begin_turn();
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	end_turn();
	ck_assert_uint_eq(in_store(pending.id).job.id, pending.id);
	ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), 2);
	ck_assert_uint_eq(slots_in(JOB_READY), 0);
	let_go();
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == 0);
	ck_assert_uint_eq(run_next(), ref.id);
	WAIT_UNTIL(nothing_owed() && stored_state(ref.id) == JOB_DONE);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
	ck_assert_uint_eq(SEEN(norder), 1);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

START_TEST(what_was_fetched_is_fetched_again)
{
	struct store_job job = stored_job(77, 5, 1000);

	begin_turn();
	put_stored(&job);
	fake.options.wake(fake.options.arg);
	end_turn();
	ck_assert(in_store(77).job.held);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	let_go();
	ck_assert_uint_eq(run_next(), 77);
	WAIT_UNTIL(nothing_owed() && stored_state(77) == JOB_DONE);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

/* Questions need no lock; to do what was asked twice would be an answer that is not true. */
START_TEST(what_was_asked_is_done_once)
{
	struct store_job job = stored_job(77, 5, 1000);
	struct reach_cancel cancel = {.id = 77};

	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 3600000;
	put_stored(&job);
	begin_turn();
	ck_assert_int_eq(reach_cancel(&yard, &cancel, &err), 2);
	end_turn();
	ck_assert_int_eq(reach_cancel(&yard, &cancel, &err), 0);
	ck_assert_int_eq(stored_state(77), JOB_CANCELLED);
	ck_assert_uint_eq(SEEN(most_requests), 1);
	let_go();
}
END_TEST

START_TEST(a_refusal_comes_later)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	FAKE(fake.refusals = 1);
	begin_turn();
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	end_turn();
	ck_assert_uint_eq(atomic_load(&yard.board->store.state), BOARD_STORE_TROUBLE);
	ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), 2);
	let_go();
	/* The next turn works. */
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == 0);
	ck_assert_uint_eq(run_next(), ref.id);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hasty");
	TCase *tcase = yard_case(suite, "the lock", begin_hasty_yard);

	tcase_add_test(tcase, the_same_holder_is_waited_for_once);
	tcase_add_test(tcase, what_cannot_be_listed_is_left_to_the_sweep);
	tcase_add_test(tcase, a_submission_is_refused);
	tcase_add_test(tcase, a_job_with_a_key_does_not_move);
	tcase = stored_case(suite, "the clerk", begin_hasty);
	tcase_add_test(tcase, a_stop_does_not_wait_for_it);
	tcase_add_test(tcase, an_upgrade_does_not_wait_for_it);
	tcase_add_test(tcase, an_end_takes_the_lock_from_the_dead);
	tcase_add_test(tcase, a_submission_that_is_written_is_answered_later);
	tcase_add_test(tcase, what_was_fetched_is_fetched_again);
	tcase_add_test(tcase, what_was_asked_is_done_once);
	tcase_add_test(tcase, a_refusal_comes_later);
	return run_suite(suite);
}
