/* test_clerk_failure.c - the clerk, and stores that fail, deaths, ends and beginnings. */
#include "clerk_support.h"

static void begin_large(void)
{
	begin_stored_of(4096);
}

static void begin_unopened(void)
{
	begin_stored_of(64);
}

/* ---- failures ---------------------------------------------------------------------------------- */

START_TEST(a_refusal_says_why)
{
	struct job_request request = request_of("x");
	char trouble[BOARD_REASON_MAX];
	struct job_ref ref;

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	ASSERT_ERR(submit_job(&yard, &request, &ref, &err), YM_ERR_FULL);
	ck_assert_str_eq(err.text, "the fake says no");
	ck_assert_str_eq(board_trouble(yard.board, trouble), "the fake says no");
	ck_assert_uint_eq(atomic_load(&yard.board->store.state), BOARD_STORE_TROUBLE);
	WAIT_UNTIL(atomic_load(&yard.board->store.refused) == 1);
	FAKE(fake.class = YM_ERR_PERMISSION);
	ASSERT_ERR(submit_job(&yard, &request, &ref, &err), YM_ERR_PERMISSION);
	ck_assert_uint_eq(SEEN(n), 0);
	ck_assert_uint_eq(slots_in(JOB_FREE), yard.table->slots);
	ASSERT_IN("the fake says no", logged());
	/* The next one is tried at once when there is room again. */
	FAKE(fake.refusals = 0);
	ASSERT_OK(submit_job(&yard, &request, &ref, &err));
	ck_assert_uint_eq(atomic_load(&yard.board->store.state), BOARD_STORE_WORKING);
	ck_assert_str_eq(board_trouble(yard.board, trouble), "");
	ASSERT_IN("it works again", logged());
}
END_TEST

START_TEST(what_has_ended_stays_until_it_can_be_written)
{
	struct job_ref ref = submit("x");
	uint64_t tries;

	WAIT_UNTIL(is_in_table(ref.id));
	FAKE(fake.refusals = -1);
	tries = SEEN(tries);
	ck_assert_uint_eq(run_next(), ref.id);
	WAIT_UNTIL(SEEN(tries) >= tries + 2);
	ck_assert_int_eq(stored_state(ref.id), JOB_READY);
	ck_assert_uint_eq(residents(), 1);
	FAKE(fake.refusals = 0);
	WAIT_UNTIL(stored_state(ref.id) == JOB_DONE && residents() == 0);
}
END_TEST

/* The connection broke during the commit: it is written, and nobody could say so. */
START_TEST(an_unsure_commit_is_written_again)
{
	static struct submission submission;

	fake_driver.shared = true;
	atomic_store(&yard.board->pools[pool].actual, 4);
	FAKE(fake.refusals = 1; fake.unsure = true; fake.class = YM_ERR_NOT_RUNNING);
	prepare(&submission, 30);
	start_submission(&submission);
	ck_assert_uint_eq(end_submission(&submission), 30);
	ck_assert_uint_eq(SEEN(norder), 30);
	FAKE(fake.unsure = false);
	/* Held by us and in our table are the same ones: none is stuck, none runs twice. */
	for (size_t i = 0; i < 30; i++)
		run_next();
	WAIT_UNTIL(nothing_owed());
	for (size_t i = 0; i < 30; i++)
		ck_assert_int_eq(stored_state(submission.refs[i].id), JOB_DONE);
	ck_assert_uint_eq(SEEN(lost), 0);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
}
END_TEST

/* What a turn had fetched that failed afterwards. */
START_TEST(an_unsure_fetch_is_given_back)
{
	bool fetched;

	for (uint64_t id = 1; id <= 20; id++) {
		struct store_job job = stored_job(1000 + id, 5, 1000 + (int64_t)id);

		put_stored(&job);
	}
	FAKE(fake.refusals = 1; fake.unsure = true);
	fetched = SEEN(most_fetched) > 0;
	ck_assert(!fetched);
	fake.options.wake(fake.options.arg);
	WAIT_UNTIL(SEEN(refusals) == 0);
	for (uint64_t id = 1; id <= 20; id++)
		ck_assert_uint_eq(run_next(), 1000 + id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

/* A server that is away for a moment: nobody is refused, and nobody spins. */
START_TEST(an_outage_is_waited_for)
{
	static struct submission submission;
	clock_t spent = clock();
	uint64_t ticks, tries;

	fake_driver.shared = true;
	FAKE(fake.refusals = -1; fake.cannot_tick = true; fake.class = YM_ERR_NOT_RUNNING);
	prepare(&submission, 10);
	start_submission(&submission);
	WAIT_UNTIL(atomic_load(&yard.board->store.state) == BOARD_STORE_TROUBLE);
	fake.options.wake(fake.options.arg);
	ticks = SEEN(ticks);
	tries = SEEN(tries);
	WAIT_UNTIL(SEEN(ticks) >= ticks + 2);
	ck_assert_uint_eq(slots_in(JOB_STORING), 10);
	ck_assert_uint_eq(SEEN(tries), tries);
	FAKE(fake.refusals = 0; fake.cannot_tick = false);
	ck_assert_uint_eq(end_submission(&submission), 10);
	ck_assert_uint_eq(SEEN(n), 10);
	/* Told to look, and not to look all the time. */
	ck_assert_int_lt(clock() - spent, CLOCKS_PER_SEC / 5 * 2);
}
END_TEST

START_TEST(what_is_another_nodes_is_given_up)
{
	struct job_ref waiting = submit("x"), running = submit("y"), ref;
	uint64_t word;

	WAIT_UNTIL(try_claim(&ref, &word));
	ck_assert_uint_eq(ref.id, waiting.id);
	FAKE(fake_at(ref.id)->lost = true);
	WAIT_UNTIL((run_sweep(), word_flags(word_of(ref)) & JOB_CANCEL));
	ck_assert(!(word_flags(word_of(ref)) & JOB_STORED));
	report(ref, word, STORY_DONE);
	ck_assert_uint_eq(run_next(), running.id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_int_eq(stored_state(waiting.id), JOB_READY);
	ck_assert_int_eq(stored_state(running.id), JOB_DONE);
	ASSERT_IN("was given to another node", logged());
}
END_TEST

/* _i: the clerk before has written it, and could not say so. */
START_TEST(an_end_that_the_store_does_not_expect_is_told)
{
	struct job_ref ref;
	uint64_t word;

	submit("x");
	WAIT_UNTIL(try_claim(&ref, &word));
	ck_assert(!_i || end_clerk(true));
	FAKE(fake_at(ref.id)->job.held = false; fake_at(ref.id)->job.state = JOB_DONE);
	report(ref, word, STORY_DONE);
	if (_i)
		open_clerk();
	WAIT_UNTIL(SEEN(lost) == 1 && nothing_owed());
	ck_assert_int_eq(strstr(logged(), "it may have run twice") != NULL, !_i);
}
END_TEST

/* ---- open and close ---------------------------------------------------------------------------- */

START_TEST(a_store_that_cannot_be_opened)
{
	uint64_t opens;
	struct job_ref ref;

	FAKE(fake.cannot_open = true; fake.class = YM_ERR_PERMISSION);
	ck_assert_int_eq(try_clerk(false), -1);
	ck_assert_int_eq(err.class, YM_ERR_PERMISSION);
	ck_assert_ptr_null(clerk);
	pump();
	/* Lenient: again and again. */
	ck_assert_int_eq(try_clerk(true), 0);
	WAIT_UNTIL(atomic_load(&yard.board->store.state) == BOARD_STORE_TROUBLE);
	opens = SEEN(opens);
	WAIT_UNTIL(SEEN(opens) > opens);
	FAKE(fake.cannot_open = false);
	ref =
	    submit_request((struct job_request){JOB_REQUEST_INIT, .pool = pool, .deadline = ym_deadline(PATIENCE_MS)});
	ck_assert_uint_eq(in_store(ref.id).job.id, ref.id);
	ck_assert_uint_eq(atomic_load(&yard.board->store.state), BOARD_STORE_WORKING);
}
END_TEST

START_TEST(the_end_gives_back_what_waits)
{
	struct job_ref delayed, retried;

	retried = submit("again");
	WAIT_UNTIL(is_in_table(retried.id));
	for (int i = 0; i < 10; i++)
		submit("x");
	delayed = submit_delayed(3000);
	ck_assert_uint_eq(run_next(), retried.id);
	WAIT_UNTIL(nothing_owed());
	retried = submit("again");
	for (int i = 0; i < 10; i++)
		run_next();
	for (int i = 0; i < 5; i++)
		submit("waits");
	/* It has just failed: the store has to know of that attempt before the job is let go. */
	atomic_store(&pool_row()->backoff_ms, 60000);
	WAIT_UNTIL(run_one(STORY_RETRY) == retried.id);
	ck_assert(end_clerk(false));
	ck_assert_uint_eq(SEEN(closes), 1);
	ck_assert_uint_eq(residents(), 0);
	ck_assert_uint_eq(slots_in(JOB_READY) + slots_in(JOB_DELAYED), 0);
	ck_assert_uint_eq(atomic_load(&yard.board->store.state), BOARD_STORE_CLOSED);
	for (size_t i = 0; i < fake.n; i++)
		ck_assert(!fake.jobs[i].job.held);
	ck_assert_int_eq(stored_state(delayed.id), JOB_DELAYED);
	ck_assert_int_eq(stored_state(retried.id), JOB_DELAYED);
	ck_assert_uint_eq(in_store(retried.id).job.attempt, 1);
	ck_assert_uint_eq(in_store(retried.id).nattempts, 1);
}
END_TEST

/* The driver's own close() would let go of everything: what is written must be so before that. */
START_TEST(an_end_that_cannot_be_written_is_told)
{
	submit("x");
	run_next();
	FAKE(fake.refusals = -1);
	ck_assert(!end_clerk(false));
}
END_TEST

START_TEST(who_goes_on_does_not_hold_up_the_end)
{
	static struct submission submission;

	for (int i = 0; i < 20; i++)
		submit("x");
	prepare(&submission, 1);
	FAKE(fake.shut = true);
	start_submission(&submission);
	WAIT_UNTIL(SEEN(inside) == 1);
	FAKE(fake.shut = false);
	ck_assert(end_clerk(true));
	end_submission(&submission);
	ck_assert_uint_eq(SEEN(abandons), 1);
	ck_assert_uint_eq(SEEN(closes), 0);
	ck_assert_uint_gt(residents(), 0);
}
END_TEST

/* The next clerk of the same table, after an execve() in place or a death. */
START_TEST(another_clerk_goes_on)
{
	struct job_ref waiting = submit("a"), ended, found;
	uint64_t word;

	submit("b");
	WAIT_UNTIL(try_claim(&found, &word));
	ck_assert_uint_eq(found.id, waiting.id);
	ck_assert(end_clerk(true));
	/* In between it ends, and nobody is there to hear. */
	report(found, word, STORY_DONE);
	ended = found;
	ck_assert(word_flags(word_of(ended)) & JOB_STORED);
	atomic_store(&table_marks(yard.table)[0], 0);
	open_clerk();
	WAIT_UNTIL(stored_state(ended.id) == JOB_DONE);
	run_next();
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_eq(SEEN(lost), 0);
	ck_assert_uint_eq(SEEN(recovers), 2);
}
END_TEST

/* A clerk that was killed between the commit and the answer. */
START_TEST(a_killed_clerks_turn_is_taken_up)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct store_job job;
	struct job_ref ref;

	ck_assert(end_clerk(true));
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	atomic_fetch_or(&yard.table->words[pending.slot], JOB_TAKEN);
	job = stored_job(pending.id, 5, ym_unix_ms());
	job.held = true;
	put_stored(&job);
	open_clerk();
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == 0);
	ck_assert_uint_eq(ref.id, job.id);
	ck_assert_uint_eq(run_next(), job.id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_int_eq(stored_state(job.id), JOB_DONE);
	ck_assert_uint_eq(SEEN(lost), 0);
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
}
END_TEST

/* Held by us as the store says, and not in the table: it waits again. */
START_TEST(what_is_nowhere_waits_again)
{
	struct store_job job = stored_job(77, 5, 1000);

	ck_assert(end_clerk(true));
	job.held = true;
	job.state = JOB_CLAIMED;
	put_stored(&job);
	open_clerk();
	ck_assert_uint_eq(run_next(), 77);
	ASSERT_IN("1 job that had been in the table", logged());
}
END_TEST

/* A clerk that takes over is not kept from fetching by those who go on submitting. */
START_TEST(new_ones_do_not_hold_up_a_new_clerk)
{
	static struct submit_pending pending[4 * CLERK_SUBMITS];
	struct job_request request = request_of("x");
	struct store_job job = stored_job(1u << 20, 5, 1000);
	struct job_ref ref;

	put_stored(&job);
	FAKE(fake.norder = 0);
	for (size_t i = 0; i < COUNT(pending); i++)
		ASSERT_OK(submit_begin(&yard, &request, &pending[i], &err));
	open_clerk();
	for (size_t i = 0; i < COUNT(pending); i++)
		WAIT_UNTIL(submit_end(&yard, &pending[i], false, &ref, &err) == 0);
	WAIT_UNTIL(is_in_table(job.id));
	ck_assert_uint_le(SEEN(before_fetch), 2 * CLERK_SUBMITS);
}
END_TEST

/* What waits for its own submissions in the loop hears of every refusal. */
START_TEST(every_refusal_is_told_to_the_loop)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	for (int i = 0; i < 3; i++) {
		answers = 0;
		ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
		submit_go(&yard);
		WAIT_UNTIL((pump(), answers > 0));
		ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), -1);
	}
	FAKE(fake.refusals = 0);
}
END_TEST

/* The driver is called when it wants to be, and now and then whatever the clock says: somebody may have set it back. */
START_TEST(a_distant_tick_is_not_waited_for)
{
	uint64_t ticks;

	FAKE(fake.rest_ms = 86400000);
	ticks = SEEN(ticks);
	WAIT_UNTIL(SEEN(ticks) > ticks + 2);
}
END_TEST

START_TEST(a_configuration_reaches_the_store)
{
	uint64_t before = SEEN(configures);

	ck_assert_str_eq(fake.pools[0].name, "work");
	pools[1].ageing_ms = 5;
	pools[1].timeout_ms = 6;
	pools[1].priority = 7;
	pools[1].attempts = 8;
	config.npools = 2;
	clerk_configure(clerk, &config);
	WAIT_UNTIL(SEEN(configures) > before);
	ck_assert_uint_eq(SEEN(npools), 2);
	ck_assert_str_eq(fake.pools[1].name, "other");
	ck_assert_int_eq(fake.pools[1].ageing_ms, 5);
	ck_assert_int_eq(fake.pools[1].timeout_ms, 6);
	ck_assert_uint_eq(fake.pools[1].level, 7);
	ck_assert_uint_eq(fake.pools[1].attempts, 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clerk_failure");
	TCase *tcase;

	tcase = stored_case(suite, "failures", begin_stored);
	tcase_add_test(tcase, a_refusal_says_why);
	tcase_add_test(tcase, what_has_ended_stays_until_it_can_be_written);
	tcase_add_test(tcase, an_unsure_commit_is_written_again);
	tcase_add_test(tcase, an_unsure_fetch_is_given_back);
	tcase_add_test(tcase, an_outage_is_waited_for);
	tcase_add_test(tcase, what_is_another_nodes_is_given_up);
	tcase_add_loop_test(tcase, an_end_that_the_store_does_not_expect_is_told, 0, 2);
	tcase = stored_case(suite, "ends", begin_stored);
	tcase_add_test(tcase, the_end_gives_back_what_waits);
	tcase_add_test(tcase, an_end_that_cannot_be_written_is_told);
	tcase_add_test(tcase, who_goes_on_does_not_hold_up_the_end);
	tcase_add_test(tcase, another_clerk_goes_on);
	tcase_add_test(tcase, a_killed_clerks_turn_is_taken_up);
	tcase_add_test(tcase, what_is_nowhere_waits_again);
	tcase_add_test(tcase, every_refusal_is_told_to_the_loop);
	tcase_add_test(tcase, a_distant_tick_is_not_waited_for);
	tcase_add_test(tcase, a_configuration_reaches_the_store);
	tcase_add_test(stored_case(suite, "large", begin_large), new_ones_do_not_hold_up_a_new_clerk);
	tcase_add_test(stored_case(suite, "open", begin_unopened), a_store_that_cannot_be_opened);
	return run_suite(suite);
}
