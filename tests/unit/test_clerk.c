/* test_clerk.c - the thread between table and store: what it writes, and when. */
#include "clerk_support.h"

/* ---- accepted, run, recorded ------------------------------------------------------------------ */

START_TEST(a_job_is_in_the_store_before_it_is_accepted)
{
	struct job_request request = request_of("bytes");
	uint64_t durable = SEEN(durable);
	struct job_ref ref;
	struct fake_job stored;

	request.tag = "mine";
	request.keep = true;
	ref = submit_request(request);
	stored = in_store(ref.id);
	ck_assert_uint_eq(stored.job.id, ref.id);
	ck_assert_str_eq(stored.job.pool, "work");
	ck_assert_str_eq(stored.job.tag, "mine");
	ck_assert(stored.job.keep);
	ck_assert_int_eq(stored.job.state, JOB_READY);
	ck_assert_mem_eq(stored.job.payload.data, "bytes", 5);
	ck_assert_uint_eq(SEEN(durable), durable + 1);
	WAIT_UNTIL(is_in_table(ref.id));
}
END_TEST

START_TEST(what_becomes_of_a_job_is_recorded)
{
	struct job_ref ref = submit("x");
	struct fake_job stored;

	/* Failed, tried again, done. */
	WAIT_UNTIL(run_one(STORY_RETRY) == ref.id);
	WAIT_UNTIL(stored_state(ref.id) == JOB_DELAYED);
	stored = in_store(ref.id);
	ck_assert(stored.job.held);
	ck_assert_uint_eq(stored.job.attempt, 1);
	ck_assert_str_eq(stored.job.error, "no luck");
	ck_assert_int_gt(stored.job.due_ms, stored.job.submitted_ms);
	ck_assert_uint_eq(stored.nattempts, 1);
	ck_assert_int_eq(stored.last.end, STORY_RETRY);
	ck_assert_uint_eq(stored.last.number, 1);
	WAIT_UNTIL((run_sweep(), run_one(STORY_DONE)) == ref.id);
	WAIT_UNTIL(stored_state(ref.id) == JOB_DONE);
	WAIT_UNTIL(nothing_owed());
	stored = in_store(ref.id);
	ck_assert(!stored.job.held);
	ck_assert_uint_eq(stored.job.attempt, 2);
	ck_assert_uint_eq(stored.nattempts, 2);
	ck_assert_uint_eq(stored.last.number, 2);
	ck_assert_uint_eq(residents(), 0);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

START_TEST(a_result_is_recorded_whole)
{
	static char bytes[100000];
	struct job_report report = {.end = STORY_DONE, .result = bytes, .result_size = sizeof(bytes)};
	struct job_ref ref = submit("x"), found;
	enum job_state became;
	struct fake_job stored;
	uint64_t word;

	memset(bytes, 'r', sizeof(bytes));
	WAIT_UNTIL(try_claim(&found, &word));
	ck_assert_uint_eq(found.id, ref.id);
	ck_assert(dispatch_finish(&yard, found.slot, word, &report, &became));
	WAIT_UNTIL(stored_state(ref.id) == JOB_DONE);
	stored = in_store(ref.id);
	ck_assert_uint_eq(stored.job.result.size, sizeof(bytes));
	ck_assert_mem_eq(stored.job.result.data, bytes, sizeof(bytes));
}
END_TEST

/* If the machine dies under it, the attempt has to count. */
START_TEST(one_that_runs_for_long_is_recorded_as_started)
{
	struct job_ref ref = submit("x");

	WAIT_UNTIL(try_claim(&ref, &(uint64_t){0}));
	WAIT_UNTIL((run_sweep(), stored_state(ref.id) == JOB_CLAIMED));
	ck_assert_uint_eq(in_store(ref.id).job.attempt, 1);
	ck_assert(in_store(ref.id).job.held);
	put_word(ref, JOB_FREE, 0, 0);
}
END_TEST

START_TEST(a_pool_may_do_without_the_disk)
{
	unsigned before;

	submit("x");
	atomic_store(&pool_row()->unsynced, 1);
	before = (unsigned)SEEN(durable);
	submit("y");
	submit("z");
	ck_assert_uint_eq(SEEN(durable), before);
	atomic_store(&pool_row()->unsynced, 0);
	submit("x");
	ck_assert_uint_gt(SEEN(durable), before);
}
END_TEST

START_TEST(a_unique_key_counts_in_the_store)
{
	struct job_request request = request_of("once");
	struct job_ref first = submit_unique("k"), other = {0};

	request.unique = "k";
	ck_assert_int_eq(submit_job(&yard, &request, &other, &err), 1);
	ck_assert_uint_eq(other.id, first.id);
	WAIT_UNTIL(run_one(STORY_DONE) == first.id);
	WAIT_UNTIL(nothing_owed());
	ASSERT_OK(submit_job(&yard, &request, &other, &err));
	ck_assert_uint_ne(other.id, first.id);
}
END_TEST

/* ---- many at once ------------------------------------------------------------------------------ */

/* While one transaction is on its way, the next one gathers. */
START_TEST(what_comes_meanwhile_goes_together)
{
	static struct submission submissions[4];
	uint64_t writes, order = 0;

	FAKE(fake.shut = true);
	for (size_t i = 0; i < 4; i++) {
		prepare(&submissions[i], 60);
		start_submission(&submissions[i]);
	}
	WAIT_UNTIL(SEEN(inside) == 1 && slots_in(JOB_STORING) == 240);
	writes = SEEN(writes);
	FAKE(fake.shut = false);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(end_submission(&submissions[i]), 60);
	ck_assert_uint_eq(SEEN(norder), 240);
	ck_assert_uint_le(SEEN(writes), writes + 4);
	/* Those of one call in their order. */
	for (size_t i = 0; i < 60; i++) {
		for (; order < 240 && fake.order[order] != submissions[2].refs[i].id; order++)
			;
		ck_assert_uint_lt(order, 240);
	}
}
END_TEST

START_TEST(more_than_fits_takes_more_turns)
{
	static struct submission submissions[6];

	/* The first turn holds up the others, so that more than one turn can take is there afterwards. */
	FAKE(fake.shut = true);
	for (size_t i = 0; i < COUNT(submissions); i++) {
		prepare(&submissions[i], 250);
		start_submission(&submissions[i]);
	}
	WAIT_UNTIL(slots_in(JOB_STORING) == 1500);
	FAKE(fake.shut = false);
	for (size_t i = 0; i < COUNT(submissions); i++)
		ck_assert_uint_eq(end_submission(&submissions[i]), 250);
	ck_assert_uint_eq(SEEN(most_submits), CLERK_SUBMITS);
	ck_assert_uint_eq(SEEN(n), 1500);
	FAKE(fake.shut = true);
	submissions[0].n = 1;
	start_submission(&submissions[0]);
	WAIT_UNTIL(SEEN(inside) == 1);
	while (run_one(STORY_DONE))
		;
	FAKE(fake.shut = false);
	end_submission(&submissions[0]);
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_le(SEEN(most_saves), CLERK_SAVES);
	ck_assert_uint_gt(SEEN(most_saves), 1);
	ck_assert_uint_le(SEEN(most_fetched), CLERK_FETCHES);
}
END_TEST

/* Jobs that only end gather for a moment; who waits for an answer does not wait for that. */
START_TEST(ends_gather_for_a_moment)
{
	uint64_t before;

	for (int i = 0; i < 60; i++)
		submit("x");
	WAIT_UNTIL(nothing_owed());
	before = SEEN(writes);
	for (int i = 0; i < 60; i++)
		run_next();
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_lt(SEEN(writes), before + 40);
}
END_TEST

/* ---- ids --------------------------------------------------------------------------------------- */

static void begin_many(void)
{
	begin_stored_of(4096);
	open_clerk();
}

static void begin_ranges(void)
{
	begin_stored_of(64);
	fake.range = 200000;
	fake.next_id = 5000000;
}

START_TEST(ids_come_from_the_range_of_the_node)
{
	struct job_ref ref;

	open_clerk();
	ref = submit("x");
	ck_assert_uint_eq(ref.id, 5000000);
	ck_assert_uint_eq(atomic_load(&yard.table->id_end), 5200000);
	/* Before they are used up there are new ones, and those on their way are still good. */
	atomic_store(&yard.table->next_id, 5150000);
	WAIT_UNTIL(SEEN(reserves) == 2);
	WAIT_UNTIL(atomic_load(&yard.table->next_id) >= 5200000);
	ref = submit("x");
	ck_assert_uint_ge(ref.id, 5200000);
}
END_TEST

/* An id of another node would be taken for a job that is there already. */
START_TEST(ids_of_others_are_refused)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	/* It was handed over before there was a clerk, with a number of a table that had been given none. */
	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	ck_assert_uint_lt(pending.id, 5000000);
	open_clerk();
	WAIT_UNTIL(submit_end(&yard, &pending, false, &ref, &err) == -1);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ASSERT_IN("numbers", err.text);
	ck_assert_uint_eq(SEEN(n), 0);
}
END_TEST

/* ---- the loop ---------------------------------------------------------------------------------- */

START_TEST(the_loop_is_told)
{
	struct job_request request = request_of("x");
	struct submit_pending pending;
	struct job_ref ref;

	ASSERT_OK(submit_begin(&yard, &request, &pending, &err));
	WAIT_UNTIL((pump(), answers > 0));
	ck_assert_int_eq(submit_end(&yard, &pending, false, &ref, &err), 0);
	ck_assert_uint_eq(ref.id, pending.id);
	/* A delay is the sweep's to watch. */
	looks = 0;
	submit_delayed(1000);
	WAIT_UNTIL((pump(), looks > 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clerk");
	TCase *tcase;

	tcase = stored_case(suite, "jobs", begin_stored);
	tcase_add_test(tcase, a_job_is_in_the_store_before_it_is_accepted);
	tcase_add_test(tcase, what_becomes_of_a_job_is_recorded);
	tcase_add_test(tcase, a_result_is_recorded_whole);
	tcase_add_test(tcase, one_that_runs_for_long_is_recorded_as_started);
	tcase_add_test(tcase, a_pool_may_do_without_the_disk);
	tcase_add_test(tcase, a_unique_key_counts_in_the_store);
	tcase_add_test(tcase, what_comes_meanwhile_goes_together);
	tcase_add_test(tcase, ends_gather_for_a_moment);
	tcase_add_test(tcase, the_loop_is_told);
	tcase_add_test(stored_case(suite, "many", begin_many), more_than_fits_takes_more_turns);
	tcase = stored_case(suite, "ids", begin_ranges);
	tcase_add_test(tcase, ids_come_from_the_range_of_the_node);
	tcase_add_test(tcase, ids_of_others_are_refused);
	return run_suite(suite);
}
