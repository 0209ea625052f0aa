/* test_client_stored.c - the client of C programs with a store behind the table: jobs that are there and nowhere else. */
#include "clerk_support.h"
#include "client_support.h"

#define SLOTS 64

static void begin_stored_client(void)
{
	begin_stored_of(SLOTS);
	open_clerk();
	ASSERT_OK(ym_client_open(&client, "unit", directory, &err));
}

static void end_stored_client(void)
{
	FAKE(fake.shut = false);
	ASSERT_OK(ym_client_close(client, &err));
	end_stored();
}

/* A job that is only in the store, and stays there. */
static struct ym_job_ref put_away(uint64_t id)
{
	struct store_job job = stored_job(id, 4, ym_unix_ms());

	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 3600000;
	job.attempt = 2;
	strcpy(job.tag, "tag");

	strcpy(job.error, "why");
	strcpy(job.unit, "rows");
	job.done = 3;
	job.total = 8;
	snprintf(job.unique, sizeof(job.unique), "key %ju", (uintmax_t)id);
	put_stored(&job);
	return (struct ym_job_ref){.id = id};
}

/* It has run somewhere else. */
static void end_stored_job(uint64_t id, enum job_state state, const void *bytes, size_t size)
{
	FAKE(fake_at(id)->job.state = state;
	     fake_set_bytes(fake_at(id), 1, &(struct payload_source){.data = bytes, .size = size, .fd = -1}));
}

/* ---- look -------------------------------------------------------------------------------------- */

START_TEST(a_stored_job_is_looked_at)
{
	struct ym_job_ref job = put_away(1001);
	struct ym_job_progress progress;
	struct ym_job_info info;

	ASSERT_OK(ym_client_progress(client, &job, &progress, &err));
	ck_assert_int_eq(progress.state, YM_JOB_DELAYED);
	ck_assert_uint_eq(progress.attempt, 2);
	ck_assert_uint_eq(progress.done, 3);
	ck_assert_uint_eq(progress.total, 8);
	ck_assert_str_eq(progress.unit, "rows");
	ASSERT_OK(ym_client_look(client, &job, &info, &err));
	ck_assert_int_eq(info.progress.state, YM_JOB_DELAYED);
	ck_assert_str_eq(info.pool, "work");
	ck_assert_str_eq(info.tag, "tag");
	ck_assert_str_eq(info.unique, "key 1001");
	ck_assert_str_eq(info.error, "why");
	ck_assert_uint_eq(info.attempts, 3);
	ck_assert_uint_eq(info.priority, 4);
	ck_assert_uint_eq(info.payload_size, 5);
	ck_assert_uint_eq(info.finished, 0);
	ck_assert_uint_le(info.submitted, ym_now_ns());
}
END_TEST

START_TEST(a_stored_job_is_found)
{
	struct ym_job_ref found;

	put_away(1001);
	ASSERT_OK(ym_client_find(client, 1001, &found, &err));
	ck_assert_uint_eq(found.id, 1001);
	ASSERT_NOT(ym_client_find(client, 1002, &found, &err));
	/* With what was found everything else can be done; also if the table was larger once. */
	found = (struct ym_job_ref){.id = 1001, .slot = UINT32_MAX};
	ASSERT_OK(ym_client_cancel(client, &found, &err));
	ck_assert_int_eq(stored_state(1001), JOB_CANCELLED);
}
END_TEST

static void assert_gone(struct ym_job_ref job)
{
	struct ym_job_progress progress;
	struct ym_job_info info;

	ASSERT_ERR(ym_client_wait(client, &job, 0, NULL, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_progress(client, &job, &progress, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_look(client, &job, &info, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_cancel(client, &job, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_bury(client, &job, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_kick(client, &job, &err), YM_ERR_GONE);
	ASSERT_ERR(ym_client_delete(client, &job, &err), YM_ERR_GONE);
	/* There is nothing to forget, and nobody is asked. */
	ASSERT_OK(ym_client_forget(client, &job, &err));
}

START_TEST(what_nobody_knows)
{
	assert_gone((struct ym_job_ref){.id = 4711});
}
END_TEST

/* ---- where a job is does not matter ------------------------------------------------------------ */

/* Slot and generation say where it was last. */
START_TEST(a_ref_outlives_its_slot)
{
	struct ym_job_ref jobs[3 * SLOTS / 2];
	struct ym_job_result result;

	for (size_t i = 0; i < COUNT(jobs); i++)
		jobs[i] = put_like("x");
	for (size_t i = 0; i < COUNT(jobs); i++)
		assert_state(jobs[i], YM_JOB_WAITING);
	for (size_t i = 0; i < COUNT(jobs); i++)
		ck_assert_uint_eq(run_next(), jobs[i].id);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		ASSERT_OK(ym_client_wait(client, &jobs[i], PATIENCE_MS, &result, &err));
		ck_assert_int_eq(result.state, YM_JOB_DONE);
		ck_assert_uint_eq(result.attempt, 1);
		ym_job_result_free(&result);
	}
	ASSERT_OK(ym_client_wait_all(client, jobs, COUNT(jobs), 0, &err));
}
END_TEST

/* ---- wait -------------------------------------------------------------------------------------- */

START_TEST(a_stored_result_is_handed_over)
{
	static char bytes[200000];
	struct ym_job_ref job = put_away(1001), failed = put_away(1002);
	struct ym_job_result result;

	ASSERT_NOT(ym_client_wait(client, &job, 0, &result, &err));
	ASSERT_NOT(ym_client_wait(client, &job, 30, &result, &err));
	memset(bytes, 'r', sizeof(bytes));
	end_stored_job(1001, JOB_DONE, bytes, sizeof(bytes));
	ASSERT_OK(ym_client_wait(client, &job, 0, &result, &err));
	ck_assert_int_eq(result.state, YM_JOB_DONE);
	ck_assert_uint_eq(result.attempt, 2);
	ck_assert_uint_eq(result.size, sizeof(bytes));
	ck_assert_mem_eq(result.data, bytes, sizeof(bytes));
	ck_assert_int_eq(((const char *)result.data)[sizeof(bytes)], 0);
	ym_job_result_free(&result);
	ASSERT_OK(ym_client_wait(client, &job, 0, NULL, &err));
	end_stored_job(1002, JOB_FAILED, "", 0);
	ASSERT_OK(ym_client_wait(client, &failed, -1, &result, &err));
	ck_assert_int_eq(result.state, YM_JOB_FAILED);
	ck_assert_str_eq(result.error, "why");
	ck_assert_ptr_null(result.data);
	ym_job_result_free(&result);
}
END_TEST

static void wait_in_background(struct waiting *waiting)
{
	ck_assert_int_eq(pthread_create(&waiting->thread, NULL, wait_in_thread, waiting), 0);
	WAIT_UNTIL(atomic_load(&waiting->tid) && process_state(atomic_load(&waiting->tid)) == 'S');
}

START_TEST(a_wait_goes_on_in_the_store)
{
	struct waiting one = {.jobs = {put_away(1001)}, .n = 1, .timeout_ms = -1};

	wait_in_background(&one);
	end_stored_job(1001, JOB_DONE, "", 0);
	ck_assert_int_eq(end_waiting(&one), 0);
}
END_TEST

/* First in the store, then in the table, then in the store again. */
START_TEST(a_wait_follows_its_job)
{
	struct waiting one = {.n = 1, .timeout_ms = -1};
	struct store_job job = stored_job(1001, 5, ym_unix_ms());

	job.state = JOB_DELAYED;
	job.due_ms = ym_unix_ms() + 200;
	put_stored(&job);
	one.jobs[0].id = 1001;
	wait_in_background(&one);
	atomic_store(&pool_row()->backoff_ms, 1);
	WAIT_UNTIL(run_one(STORY_RETRY) == 1001);
	WAIT_UNTIL((run_sweep(), run_one(STORY_DONE)) == 1001);
	ck_assert_int_eq(end_waiting(&one), 0);
}
END_TEST

START_TEST(all_of_many_kinds)
{
	struct waiting all = {.n = 4, .timeout_ms = -1};
	struct ym_job_ref gone = {.id = 4711};

	all.jobs[0] = put_away(1001);
	all.jobs[1] = put_like("x");
	all.jobs[2] = gone;
	all.jobs[3] = put_away(1002);
	ASSERT_NOT(ym_client_wait_all(client, all.jobs, 4, 20, &err));
	wait_in_background(&all);
	end_stored_job(1002, JOB_CANCELLED, "", 0);
	run_next();
	ck_assert_int_eq(pthread_tryjoin_np(all.thread, NULL), EBUSY);
	end_stored_job(1001, JOB_BURIED, "", 0);
	ck_assert_int_eq(end_waiting(&all), 0);
}
END_TEST

START_TEST(any_of_many_kinds)
{
	struct waiting any = {.n = 3, .any = true, .timeout_ms = -1};
	size_t which;

	any.jobs[0] = put_away(1001);
	any.jobs[1] = put_like("x");
	any.jobs[2] = put_away(1002);
	ASSERT_NOT(ym_client_wait_any(client, any.jobs, 3, 30, &which, &err));
	wait_in_background(&any);
	end_stored_job(1002, JOB_DONE, "", 0);
	ck_assert_int_eq(end_waiting(&any), 0);
	ck_assert_uint_eq(any.which, 2);
	any.n = 2;
	atomic_store(&any.tid, 0);
	wait_in_background(&any);
	run_next();
	ck_assert_int_eq(end_waiting(&any), 0);
	ck_assert_uint_eq(any.which, 1);
}
END_TEST

/* The store does not answer: a wait goes on, and ends with its time. */
START_TEST(a_wait_outlasts_an_outage)
{
	struct ym_job_ref job = put_away(1001);
	struct ym_job_progress progress;

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	ASSERT_NOT(ym_client_wait(client, &job, 50, NULL, &err));
	ASSERT_ERR(ym_client_progress(client, &job, &progress, &err), YM_ERR_FULL);
	FAKE(fake.refusals = 0);
	end_stored_job(1001, JOB_DONE, "", 0);
	ASSERT_OK(ym_client_wait(client, &job, -1, NULL, &err));
}
END_TEST

/* ---- change ------------------------------------------------------------------------------------ */

START_TEST(stored_jobs_are_changed)
{
	struct ym_job_ref job = put_away(1001), other = put_away(1002);

	ASSERT_OK(ym_client_bury(client, &job, &err));
	ASSERT_NOT(ym_client_bury(client, &job, &err));
	ASSERT_NOT(ym_client_cancel(client, &job, &err));
	assert_state(job, YM_JOB_BURIED);
	FAKE(strcpy(fake_at(1001)->job.unique, "key 1002"));
	ASSERT_ERR(ym_client_kick(client, &job, &err), YM_ERR_NO);
	ASSERT_OK(ym_client_delete(client, &other, &err));
	ASSERT_OK(ym_client_kick(client, &job, &err));
	ck_assert_uint_eq(run_next(), 1001);
	WAIT_UNTIL(nothing_owed());
	ASSERT_NOT(ym_client_kick(client, &job, &err));
	ASSERT_OK(ym_client_delete(client, &job, &err));
	assert_gone(job);
	assert_gone(other);
}
END_TEST

START_TEST(a_change_that_fails_says_why)
{
	struct ym_job_ref job = put_away(1001);

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	ASSERT_ERR(ym_client_cancel(client, &job, &err), YM_ERR_FULL);
	ck_assert_str_eq(err.text, "the fake says no");
	ck_assert_int_eq(ym_client_cancel(client, &job, NULL), -1);
}
END_TEST

/* ---- submit ------------------------------------------------------------------------------------ */

START_TEST(a_submission_that_fails_says_why)
{
	struct ym_submit jobs[3] = {job_like("a"), job_like("b"), job_like("c")};
	struct ym_submitted submitted[3];

	FAKE(fake.refusals = -1; fake.class = YM_ERR_FULL);
	err = (struct ym_err){0};
	ck_assert_uint_eq(ym_client_submit_many(client, jobs, 3, submitted, &err), 0);
	ck_assert_int_eq(err.class, YM_ERR_FULL);
	ck_assert_str_eq(err.text, "the fake says no");
	FAKE(fake.refusals = 0);
	ck_assert_uint_eq(ym_client_submit_many(client, jobs, 3, submitted, &err), 3);
	ck_assert_uint_eq(SEEN(n), 3);
	jobs[1].unique = "k";
	ck_assert_uint_eq(ym_client_submit_many(client, jobs + 1, 1, submitted, &err), 1);
	ck_assert_uint_eq(ym_client_submit_many(client, jobs + 1, 1, submitted + 1, &err), 1);
	ck_assert(submitted[1].existed && !submitted[0].existed);
	ck_assert_uint_eq(submitted[1].job.id, submitted[0].job.id);
}
END_TEST

static TCase *a_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, begin_stored_client, end_stored_client);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("client_stored");
	TCase *tcase = a_case(suite, "look");

	tcase_add_test(tcase, a_stored_job_is_looked_at);
	tcase_add_test(tcase, a_stored_job_is_found);
	tcase_add_test(tcase, what_nobody_knows);
	tcase_add_test(tcase, a_ref_outlives_its_slot);
	tcase = a_case(suite, "wait");
	tcase_add_test(tcase, a_stored_result_is_handed_over);
	tcase_add_test(tcase, a_wait_goes_on_in_the_store);
	tcase_add_test(tcase, a_wait_follows_its_job);
	tcase_add_test(tcase, all_of_many_kinds);
	tcase_add_test(tcase, any_of_many_kinds);
	tcase_add_test(tcase, a_wait_outlasts_an_outage);
	tcase = a_case(suite, "change");
	tcase_add_test(tcase, stored_jobs_are_changed);
	tcase_add_test(tcase, a_change_that_fails_says_why);
	tcase_add_test(tcase, a_submission_that_fails_says_why);
	return run_suite(suite);
}
