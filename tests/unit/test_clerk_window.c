/* test_clerk_window.c - which jobs are in the table, which wait in the store, and in what order they come. */
#include "clerk_support.h"

/* Of 64 slots half are for jobs that wait. */
#define WINDOW 32

static void submit_some(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		submit("x");
}

static struct job_ref submit_level(int level)
{
	struct job_request request = request_of("x");

	request.level = level;
	return submit_request(request);
}

/* ---- order ------------------------------------------------------------------------------------- */

START_TEST(nothing_overtakes_what_waits_in_the_store)
{
	uint64_t last = 0;

	submit_some(100);
	ck_assert_uint_eq(SEEN(n), 100);
	for (int i = 0; i < 150; i++) {
		uint64_t id = run_next();

		ck_assert_msg(id > last, "job %ju after job %ju", (uintmax_t)id, (uintmax_t)last);
		last = id;
		if (i < 50)
			submit("x");
	}
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_eq(run_one(STORY_DONE), 0);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

START_TEST(room_is_not_for_who_comes_later)
{
	struct job_ref urgent, late;

	submit_some(WINDOW + 8);
	for (int i = 0; i < 4; i++)
		run_next();
	WAIT_UNTIL(residents() == WINDOW - 4);
	late = submit("x");
	ck_assert(!is_in_table(late.id));
	ck_assert(!in_store(late.id).job.held);
	/* It would go before those that wait in the store in any case. */
	urgent = submit_level(0);
	ck_assert(is_in_table(urgent.id));
	ck_assert_uint_eq(run_next(), urgent.id);
	ck_assert_uint_lt(run_next(), late.id);
}
END_TEST

/* The window is full, and it takes the place of those that come last there. */
START_TEST(an_urgent_one_comes_first)
{
	struct job_ref urgent;

	submit_some(2 * WINDOW);
	urgent = submit_level(0);
	ck_assert(is_in_table(urgent.id));
	ck_assert_uint_eq(run_next(), urgent.id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_le(residents(), WINDOW);
}
END_TEST

static struct submission submissions[3];

/* Several at once, while the window moves: those of one call stay in their order. */
START_TEST(order_holds_under_load)
{
	static uint64_t ran[3 * BATCH];
	size_t n = 0;

	for (size_t i = 0; i < 3; i++) {
		prepare(&submissions[i], BATCH);
		start_submission(&submissions[i]);
	}
	while (n < 3 * BATCH)
		ran[n++] = run_next();
	for (size_t i = 0; i < 3; i++) {
		size_t at = 0;

		ck_assert_uint_eq(end_submission(&submissions[i]), BATCH);
		for (size_t k = 0; k < BATCH; k++) {
			while (at < n && ran[at] != submissions[i].refs[k].id)
				at++;
			ck_assert_msg(at < n, "job %ju came too early", (uintmax_t)submissions[i].refs[k].id);
		}
	}
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

/* With nothing in the store before them, new jobs do not take the way through it. */
START_TEST(one_at_a_time_goes_straight_into_the_table)
{
	uint64_t fetched;

	submit("x");
	run_next();
	fetched = atomic_load(&yard.board->store.fetched);
	ck_assert_uint_le(fetched, 1);
	for (int i = 0; i < 20; i++) {
		struct job_ref ref = submit("x");

		ck_assert_int_eq(state_of(ref), JOB_READY);
		ck_assert_uint_eq(run_next(), ref.id);
	}
	ck_assert_uint_eq(atomic_load(&yard.board->store.fetched), fetched);
}
END_TEST

/* Of the time before the machine was started there are no moments: what came then has its place all the same. */
START_TEST(jobs_of_before_the_boot_are_not_exchanged_for_each_other)
{
	for (uint64_t id = 1; id <= 3 * WINDOW; id++) {
		struct store_job job = stored_job(1000 + id, 5, 1000 + (int64_t)id);

		put_stored(&job);
	}
	fake.options.wake(fake.options.arg);
	WAIT_UNTIL(residents() == WINDOW);
	fake.options.wake(fake.options.arg);
	/* As many turns. */
	submit_some(20);
	ck_assert_uint_le(SEEN(releases), 4);
	for (uint64_t id = 1; id <= 3 * WINDOW; id++)
		ck_assert_uint_eq(run_next(), 1000 + id);
}
END_TEST

/* It has just been given back after a crash, as the last one, when a more urgent one needs its place. */
START_TEST(what_goes_back_is_recorded_before)
{
	struct job_request request = request_of("x");
	struct submit_pending last, urgent;
	struct job_ref crashed, ref;
	uint64_t word;

	submit_some(WINDOW);
	WAIT_UNTIL(SEEN(counted) == SEEN(writes));
	FAKE(fake.shut = true);
	ASSERT_OK(submit_begin(&yard, &request, &last, &err));
	submit_go(&yard);
	WAIT_UNTIL(SEEN(inside) == 1);
	WAIT_UNTIL(try_claim(&crashed, &word));
	report(crashed, word, STORY_CRASHED);
	request.level = 0;
	ASSERT_OK(submit_begin(&yard, &request, &urgent, &err));
	submit_go(&yard);
	FAKE(fake.shut = false);
	WAIT_UNTIL(submit_end(&yard, &last, false, &ref, &err) == 0);
	WAIT_UNTIL(submit_end(&yard, &urgent, false, &ref, &err) == 0);
	WAIT_UNTIL(in_store(crashed.id).job.attempt == 1);
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

/* ---- windows ----------------------------------------------------------------------------------- */

START_TEST(a_window_is_half_of_the_table)
{
	submit_some(100);
	ck_assert_uint_eq(residents(), WINDOW);
	/* Fetched when half of it is empty, and then filled. */
	for (int i = 0; i < WINDOW / 2 - 1; i++)
		run_next();
	WAIT_UNTIL(residents() == WINDOW / 2 + 1);
	run_next();
	WAIT_UNTIL(residents() == WINDOW);
	ck_assert_uint_eq(SEEN(most_fetched), WINDOW / 2);
}
END_TEST

START_TEST(pools_share_the_table)
{
	unsigned work = pool, other = add_pool("other");

	/* It is seen with the next count. */
	WAIT_UNTIL((submit("x"), stored_state(1) != JOB_FREE && residents() >= 1 && SEEN(n) > WINDOW + 4));
	pool = other;
	submit_some(WINDOW);
	WAIT_UNTIL(slots_in(JOB_READY) >= WINDOW);
	pool = work;
	while (run_one(STORY_DONE))
		WAIT_UNTIL(residents() <= WINDOW + 1);
	WAIT_UNTIL(nothing_owed());
	pool = other;
	for (int i = 0; i < WINDOW; i++)
		run_next();
}
END_TEST

START_TEST(a_pool_that_is_gone_gets_nothing)
{
	unsigned work = pool, other = add_pool("other");
	struct store_job job = stored_job(500, 5, 1000);

	atomic_store(&yard.table->pools[other].mode, POOL_REMOVED);
	strcpy(job.pool, "other");
	put_stored(&job);
	fake.options.wake(fake.options.arg);
	submit("x");
	run_next();
	ck_assert(!is_in_table(500));
	atomic_store(&yard.table->pools[other].mode, 0);
	submit("x");
	WAIT_UNTIL((fake.options.wake(fake.options.arg), is_in_table(500)));
	pool = work;
}
END_TEST

/* One that is paused, with all the room there is. */
START_TEST(a_pool_that_stands_still_holds_up_no_other)
{
	struct store_job job = stored_job(500, 5, 1000);

	submit_some(2 * WINDOW);
	ck_assert_uint_eq(residents(), WINDOW);
	/* Nobody rings any more; the new pool has to be seen for itself. */
	WAIT_UNTIL(SEEN(counted) == SEEN(writes));
	strcpy(job.pool, "other");
	put_stored(&job);
	pool = add_pool("other");
	config.npools = 2;
	clerk_configure(clerk, &config);
	ck_assert_uint_eq(run_next(), 500);
}
END_TEST

static void begin_shared(void)
{
	begin_stored_of(64);
	fake_driver.shared = true;
	atomic_store(&yard.board->pools[pool].actual, 2);
}

/* What others could run is fetched for our workers only. */
START_TEST(a_shared_store_is_fetched_from_by_need)
{
	uint64_t tallies;

	for (uint64_t id = 1; id <= 40; id++) {
		struct store_job job = stored_job(1000 + id, 5, 1000 + (int64_t)id);

		put_stored(&job);
	}
	open_clerk();
	WAIT_UNTIL(residents() == 2);
	for (uint64_t id = 1; id <= 10; id++)
		ck_assert_uint_eq(run_next(), 1000 + id);
	WAIT_UNTIL(nothing_owed());
	/* As many more as have ended lately. */
	ck_assert_uint_lt(residents(), WINDOW);
	atomic_store(&pool_row()->mode, POOL_PAUSED);
	tallies = SEEN(tallies) + 1;
	/* Nor anything for those that may not start a job. */
	WAIT_UNTIL(SEEN(tallies) > tallies);
	ck_assert(!is_in_table(submit("x").id));
}
END_TEST

/* ---- room -------------------------------------------------------------------------------------- */

START_TEST(a_full_table_takes_nothing_and_forgets_nothing)
{
	uint64_t words[64];
	uint32_t n = 0;
	int64_t slot;

	while ((slot = table_take(yard.table, yard.group.slot, &words[n])) >= 0)
		n++;
	ck_assert_uint_eq(n, 64);
	for (uint64_t id = 1; id <= 5; id++) {
		struct store_job job = stored_job(100 + id, 5, 1000 + (int64_t)id);

		put_stored(&job);
	}
	fake.options.wake(fake.options.arg);
	WAIT_UNTIL(SEEN(writes) >= 2);
	ck_assert_uint_eq(residents(), 0);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert(dispatch_free(&yard, i, words[i]));
	for (uint64_t id = 1; id <= 5; id++)
		ck_assert_uint_eq(run_next(), 100 + id);
}
END_TEST

/* ---- delays ------------------------------------------------------------------------------------ */

START_TEST(a_distant_delay_waits_in_the_store)
{
	struct job_ref far = submit_delayed(60000), near = submit_delayed(2000);

	ck_assert(!is_in_table(far.id));
	ck_assert_int_eq(stored_state(far.id), JOB_DELAYED);
	ck_assert(!in_store(far.id).job.held);
	ck_assert(is_in_table(near.id));
	ck_assert_int_eq(state_of(near), JOB_DELAYED);
	ck_assert(in_store(near.id).job.held);
}
END_TEST

/* Tried again in an hour: it needs no slot until then. */
START_TEST(a_long_backoff_empties_the_slot)
{
	enum reach_end end;
	struct job_ref ref = submit("x");

	atomic_store(&pool_row()->backoff_ms, 3600000);
	WAIT_UNTIL(run_one(STORY_RETRY) == ref.id);
	WAIT_UNTIL(!is_in_table(ref.id) && !in_store(ref.id).job.held);
	ck_assert_int_eq(stored_state(ref.id), JOB_DELAYED);
	ck_assert_uint_eq(in_store(ref.id).job.attempt, 1);
	ck_assert_int_gt(in_store(ref.id).job.due_ms, ym_unix_ms() + 3000000);
	ASSERT_OK(reach_jobs(&yard, STORE_KICK, &ref.id, 1, ym_deadline(PATIENCE_MS), &end, &err));
	ck_assert_int_eq(end, REACH_DONE);
	ck_assert_uint_eq(run_next(), ref.id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_int_eq(stored_state(ref.id), JOB_DONE);
}
END_TEST

/* Jobs that wait for their time do not keep those out that could run. */
START_TEST(delayed_ones_leave_room)
{
	int64_t due = ym_unix_ms() + 4000;

	for (int i = 0; i < WINDOW - 8; i++)
		submit_delayed(4000);
	submit_some(2 * WINDOW);
	for (int i = 0; i < 2 * WINDOW; i++)
		run_next();
	ck_assert_int_lt(ym_unix_ms(), due);
}
END_TEST

START_TEST(retries_leave_room)
{
	int64_t due = ym_unix_ms() + 8000;

	atomic_store(&pool_row()->backoff_ms, 8000);
	submit_some(4 * WINDOW);
	for (int i = 0; i < 4 * WINDOW; i++)
		WAIT_UNTIL(run_one(STORY_RETRY) != 0);
	ck_assert_int_lt(ym_unix_ms(), due);
}
END_TEST

START_TEST(what_is_due_comes_back)
{
	struct store_job job = stored_job(300, 5, 1000);

	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 60;
	put_stored(&job);
	ck_assert_uint_eq(run_next(), 300);
	ck_assert_int_ge(ym_unix_ms(), job.due_ms - 1);
}
END_TEST

/* ---- releases ---------------------------------------------------------------------------------- */

START_TEST(a_release_outlives_failures)
{
	struct job_ref ref = submit("x");
	enum reach_end end;
	uint64_t tries;

	WAIT_UNTIL(is_in_table(ref.id));
	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	/* To be deleted it is taken out of the table first; then the store says no. */
	ck_assert_int_eq(reach_jobs(&yard, STORE_DELETE, &ref.id, 1, ym_deadline(PATIENCE_MS), &end, &err), -1);
	ck_assert_int_eq(end, REACH_FAILED);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ck_assert(!is_in_table(ref.id));
	tries = SEEN(tries);
	WAIT_UNTIL(SEEN(tries) >= tries + 1);
	FAKE(fake.refusals = 0);
	ck_assert_uint_eq(run_next(), ref.id);
	WAIT_UNTIL(nothing_owed());
	ck_assert_uint_eq(SEEN(lost), 0);
}
END_TEST

/* ---- bytes ------------------------------------------------------------------------------------- */

/* A long payload on its way out and back in. */
START_TEST(a_long_payload_comes_back)
{
	static char bytes[300000];
	struct job_request request = request_of("x");
	struct job_ref ref, found;
	struct payload payload;
	uint64_t word;

	submit_some(WINDOW);
	memset(bytes, 'p', sizeof(bytes));
	request.payload = (struct payload_source){.data = bytes, .size = sizeof(bytes), .fd = -1};
	ref = submit_request(request);
	ck_assert(!is_in_table(ref.id));
	ck_assert_uint_eq(count_files("jobs"), 0);
	for (int i = 0; i < WINDOW; i++)
		run_next();
	WAIT_UNTIL(try_claim(&found, &word));
	ck_assert_uint_eq(found.id, ref.id);
	ASSERT_OK(payload_open(yard.directory, job_of(found), found.slot, &payload, &err));
	ck_assert_uint_eq(payload.size, sizeof(bytes));
	ck_assert_mem_eq(payload.data, bytes, sizeof(bytes));
	payload_close(&payload);
	report(found, word, STORY_DONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clerk_window");
	TCase *tcase = stored_case(suite, "window", begin_small_stored);

	tcase_add_test(tcase, nothing_overtakes_what_waits_in_the_store);
	tcase_add_test(tcase, room_is_not_for_who_comes_later);
	tcase_add_test(tcase, an_urgent_one_comes_first);
	tcase_add_test(tcase, order_holds_under_load);
	tcase_add_test(tcase, one_at_a_time_goes_straight_into_the_table);
	tcase_add_test(tcase, jobs_of_before_the_boot_are_not_exchanged_for_each_other);
	tcase_add_test(tcase, what_goes_back_is_recorded_before);
	tcase_add_test(tcase, a_window_is_half_of_the_table);
	tcase_add_test(tcase, pools_share_the_table);
	tcase_add_test(tcase, a_pool_that_is_gone_gets_nothing);
	tcase_add_test(tcase, a_pool_that_stands_still_holds_up_no_other);
	tcase_add_test(tcase, a_full_table_takes_nothing_and_forgets_nothing);
	tcase_add_test(tcase, a_distant_delay_waits_in_the_store);
	tcase_add_test(tcase, a_long_backoff_empties_the_slot);
	tcase_add_test(tcase, delayed_ones_leave_room);
	tcase_add_test(tcase, retries_leave_room);
	tcase_add_test(tcase, what_is_due_comes_back);
	tcase_add_test(tcase, a_release_outlives_failures);
	tcase_add_test(tcase, a_long_payload_comes_back);
	tcase_add_test(stored_case(suite, "shared", begin_shared), a_shared_store_is_fetched_from_by_need);
	return run_suite(suite);
}
