/*
 * test_dispatch.c - jobs from the worker's report to their end, and what others may do to them on the way.
 */
#include "yard.h"

/* ---- reports --------------------------------------------------------------------------------- */

static enum job_state report_as(struct job_ref ref, struct job_report report)
{
	enum job_state became;

	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
	ck_assert_int_eq(state_of(ref), became);
	ck_assert_uint_eq(word_owner(word_of(ref)), 0);
	return became;
}

START_TEST(done_without_a_word)
{
	struct job_ref ref = submit("x");
	struct story_attempt told[STORY_ATTEMPTS];

	ck_assert_int_eq(report_as(ref, (struct job_report){.end = STORY_DONE}), JOB_DONE);
	ck_assert_uint_ge(job_of(ref)->finished, job_of(ref)->started);
	ck_assert_uint_eq(word_attempt(word_of(ref)), 1);
	ck_assert_uint_eq(job_of(ref)->result_size, 0);
	ck_assert_uint_eq(story_read(table_story(yard.table, ref.slot), ref.gen, told), 0);
}
END_TEST

START_TEST(a_report_is_written_down)
{
	struct job_ref ref = submit("x");
	struct job_sh *job = job_of(ref);
	struct job_report report = {
	    .end = STORY_DONE, .result = "four", .result_size = 4, .done = 7, .total = 9, .unit = "rows and more"};

	ck_assert_int_eq(report_as(ref, report), JOB_DONE);
	ck_assert_uint_eq(job->done, 7);
	ck_assert_uint_eq(job->total, 9);
	ck_assert_str_eq(job->unit, "rows and mo");
	ck_assert_uint_eq(job->result_size, 4);
	ck_assert_mem_eq(job->result, "four", 4);
	ck_assert_str_eq(job->error, "");
}
END_TEST

/* What an attempt that failed has left does not stay beside the success of the next one. */
START_TEST(success_wipes_out_the_error)
{
	struct job_ref ref = submit("x");

	ck_assert_int_eq(report_as(ref, (struct job_report){.end = STORY_RETRY, .error = "no luck", .done = 3}),
	                 JOB_DELAYED);
	set_due(ref, 1);
	run_sweep();
	ck_assert_int_eq(report_as(ref, (struct job_report){.end = STORY_DONE}), JOB_DONE);
	ck_assert_str_eq(job_of(ref)->error, "");
	ck_assert_uint_eq(job_of(ref)->done, 0);
}
END_TEST

START_TEST(the_story_of_a_job)
{
	static const enum story_end ends[] = {STORY_RETRY, STORY_TIMED_OUT, STORY_DONE};
	struct story_process process = {.status = 0x100, .output = "oh dear", .note = "half way"};
	struct story_attempt told[STORY_ATTEMPTS];
	struct job_ref ref = submit("x");
	uint64_t started[COUNT(ends)];

	for (size_t i = 0; i < COUNT(ends); i++) {
		struct job_report report = {.end = ends[i],
		                            .error = ends[i] == STORY_DONE ? NULL : "no luck",
		                            .done = i,
		                            .total = 10,
		                            .unit = "files",
		                            .process = i == 0 ? &process : NULL};

		report_as(ref, report);
		started[i] = job_of(ref)->started;
		set_due(ref, 1);
		run_sweep();
	}
	ck_assert_uint_eq(story_read(table_story(yard.table, ref.slot), ref.gen, told), COUNT(ends));
	for (size_t i = 0; i < COUNT(ends); i++) {
		ck_assert_int_eq(told[i].end, ends[i]);
		ck_assert_uint_eq(told[i].attempt, i + 1);
		ck_assert_uint_eq(told[i].started, started[i]);
		ck_assert_uint_ge(told[i].ended, started[i]);
		ck_assert_uint_eq(told[i].done, i);
		ck_assert_uint_eq(told[i].total, 10);
		ck_assert_str_eq(told[i].unit, "files");
		ck_assert_str_eq(told[i].error, ends[i] == STORY_DONE ? "" : "no luck");
		ck_assert_int_eq(told[i].pid, getpid());
		ck_assert_int_eq(told[i].status, i == 0 ? 0x100 : -1);
	}
	ck_assert_str_eq(table_story(yard.table, ref.slot)->output, "oh dear");
	ck_assert_str_eq(table_story(yard.table, ref.slot)->note, "half way");
}
END_TEST

/* ---- the fence ------------------------------------------------------------------------------- */

START_TEST(a_revoked_claim_reports_nothing)
{
	static const struct {
		enum job_state state;
		unsigned owner, attempt;
	} rows[] = {{JOB_FIXING, 0, 1},  {JOB_READY, 0, 1}, {JOB_CLAIMED, 1, 2}, {JOB_CLAIMED, 1, 1},
	            {JOB_CLAIMED, 0, 2}, {JOB_DONE, 0, 1},  {JOB_BURIED, 0, 1},  {JOB_DELAYED, 0, 1}};
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref);

	/* The claim of attempt 1 by participant 0; participant 1 may have claimed it since. */
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t now = put_word(ref, rows[i].state, rows[i].owner, rows[i].attempt);

		for (enum story_end end = STORY_DONE; end < STORY_ENDS; end++) {
			struct job_report report = {.end = end,
			                            .error = "late",
			                            .result = "late",
			                            .result_size = 4,
			                            .done = 1,
			                            .total = 1,
			                            .unit = "late"};
			struct job_sh before = *job_of(ref);
			struct story_sh story = *table_story(yard.table, ref.slot);
			enum job_state became;

			ck_assert(!dispatch_finish(&yard, ref.slot, word, &report, &became));
			ck_assert_mem_eq(job_of(ref), &before, sizeof(before));
			ck_assert_mem_eq(table_story(yard.table, ref.slot), &story, sizeof(story));
			ck_assert_uint_eq(word_of(ref), now);
			dispatch_return(&yard, ref.slot, word);
			ck_assert_uint_eq(word_of(ref), now);
			ck_assert_mem_eq(job_of(ref), &before, sizeof(before));
		}
		ck_assert(!dispatch_finish(&yard, ref.slot, word, &(struct job_report){.end = STORY_DONE},
		                           &(enum job_state){0}));
		ck_assert_uint_eq(word_of(ref), now);
	}
}
END_TEST

START_TEST(flags_do_not_fence)
{
	struct job_ref ref = submit("x");
	uint64_t word = claim_this(ref), seen;

	ASSERT_OK(dispatch_cancel(&yard, ref, &err));
	ck_assert_int_eq(dispatch_wait(&yard, ref, ym_deadline(1), &seen, &err), 1);
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_CANCEL | JOB_WAITED);
	ck_assert_int_eq(finish(ref, word, STORY_DONE), JOB_DONE);
	ck_assert_uint_eq(word_flags(word_of(ref)), JOB_WAITED);
}
END_TEST

/* ---- verdicts -------------------------------------------------------------------------------- */

/* Tries the job again and again, until it does not come back; how many attempts that were. */
static unsigned run_to_the_end(struct job_ref ref, enum story_end end)
{
	for (unsigned attempt = 1;; attempt++) {
		uint64_t word = claim_this(ref);

		ck_assert_uint_eq(word_attempt(word), attempt);
		finish(ref, word, end);
		ck_assert_str_eq(job_of(ref)->error, "no luck");
		if (job_state_over(state_of(ref)))
			return attempt;
		set_due(ref, 1);
		run_sweep();
	}
}

START_TEST(retries_until_no_attempt_is_left)
{
	static const enum story_end ends[] = {STORY_RETRY, STORY_TIMED_OUT};

	for (size_t i = 0; i < COUNT(ends); i++)
		for (uint8_t bury = 0; bury < 2; bury++) {
			struct job_ref ref = submit("x");

			atomic_store(&pool_row()->bury_failed, bury);
			ck_assert_uint_eq(run_to_the_end(ref, ends[i]), 3);
			ck_assert_int_eq(state_of(ref), bury ? JOB_BURIED : JOB_FAILED);
			ck_assert_uint_eq(job_of(ref)->crashes, 0);
		}
}
END_TEST

START_TEST(failed_for_good)
{
	for (uint8_t bury = 0; bury < 2; bury++) {
		struct job_ref ref = submit("x");

		atomic_store(&pool_row()->bury_failed, bury);
		ck_assert_uint_eq(run_to_the_end(ref, STORY_FAILED), 1);
		ck_assert_int_eq(state_of(ref), bury ? JOB_BURIED : JOB_FAILED);
	}
}
END_TEST

START_TEST(cancelled_by_itself)
{
	struct job_ref ref = submit("x");

	ck_assert_int_eq(run_job(ref, STORY_CANCELLED), JOB_CANCELLED);
}
END_TEST

/* attempts, crashes allowed, then: after how many it ends, and as what */
START_TEST(crashes_have_a_limit_of_their_own)
{
	static const struct {
		uint8_t attempts, crashes, bury_failed, on_crash;
		unsigned ends_after;
		enum job_state as;
	} rows[] = {
	    {9, 2, 0, TABLE_CRASH_RETRY, 2, JOB_BURIED}, {9, 1, 0, TABLE_CRASH_RETRY, 1, JOB_BURIED},
	    {3, 3, 0, TABLE_CRASH_RETRY, 3, JOB_BURIED}, {2, 3, 0, TABLE_CRASH_RETRY, 2, JOB_FAILED},
	    {2, 3, 1, TABLE_CRASH_RETRY, 2, JOB_BURIED}, {9, 9, 0, TABLE_CRASH_BURY, 1, JOB_BURIED},
	    {1, 9, 0, TABLE_CRASH_BURY, 1, JOB_BURIED},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct job_ref ref;

		atomic_store(&pool_row()->attempts, rows[i].attempts);
		atomic_store(&pool_row()->crashes, rows[i].crashes);
		atomic_store(&pool_row()->bury_failed, rows[i].bury_failed);
		atomic_store(&pool_row()->on_crash, rows[i].on_crash);
		ref = submit("x");
		for (unsigned crash = 1; crash <= rows[i].ends_after; crash++) {
			enum job_state became = run_job(ref, STORY_CRASHED);

			ck_assert_msg(became == (crash < rows[i].ends_after ? JOB_READY : rows[i].as),
			              "row %zu, crash %u: %s", i, crash, job_state_word(became));
			ck_assert_uint_eq(job_of(ref)->crashes, crash);
		}
	}
}
END_TEST

START_TEST(a_crash_moves_it_to_another_pool)
{
	unsigned work = pool, other = add_pool("careful");
	struct job_ref ref = submit("x"), found;
	uint64_t word;

	atomic_store(&pool_row()->on_crash, TABLE_CRASH_MOVE);
	atomic_store(&pool_row()->crash_pool, (uint8_t)other);
	atomic_store(&yard.table->pools[other].crashes, 2);
	ck_assert_int_eq(run_job(ref, STORY_CRASHED), JOB_READY);
	ck_assert_uint_eq(job_of(ref)->pool, other);
	ck_assert(!try_claim(&found, &word));
	pool = other;
	/* There, that pool's rules hold. */
	ck_assert_int_eq(run_job(ref, STORY_CRASHED), JOB_BURIED);
	pool = work;
	/* A pool that is none: it stays. */
	atomic_store(&pool_row()->crash_pool, TABLE_POOLS);
	ref = submit("y");
	ck_assert_int_eq(run_job(ref, STORY_CRASHED), JOB_READY);
	claim_this(ref);
}
END_TEST

START_TEST(backoff_grows_up_to_its_most)
{
	static const struct {
		int64_t backoff, most;
		uint8_t factor;
		unsigned attempt;
		int64_t ms;
	} rows[] = {
	    {1000, 3600000, 2, 1, 1000},
	    {1000, 3600000, 2, 2, 2000},
	    {1000, 3600000, 2, 3, 4000},
	    {1000, 3600000, 2, 12, 2048000},
	    {1000, 3600000, 2, 13, 3600000},
	    {1000, 3600000, 2, 255, 3600000},
	    {0, 3600000, 2, 200, 0},
	    {7200000, 3600000, 2, 1, 3600000},
	    {3599999, 3600000, 2, 2, 3600000},
	    {100, 3600000, 1, 250, 100},
	    {100, 3600000, 10, 4, 100000},
	    {100, 250, 3, 2, 250},
	    {INT64_MAX / 2, INT64_MAX, 255, 9, INT64_MAX},
	    {1, 3600000, 2, 0, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		atomic_store(&pool_row()->backoff_ms, rows[i].backoff);
		atomic_store(&pool_row()->backoff_max_ms, rows[i].most);
		atomic_store(&pool_row()->backoff_factor, rows[i].factor);
		ck_assert_int_eq(dispatch_backoff_ms(pool_row(), rows[i].attempt, 123), rows[i].ms);
	}
}
END_TEST

/* Both ends are reached, nothing beyond. */
START_TEST(jitter_keeps_within_its_bounds)
{
	static const struct {
		int64_t backoff;
		uint8_t percent;
		int64_t least, most;
	} rows[] = {{1000, 10, 900, 1100}, {1000, 100, 0, 2000}, {50, 10, 45, 55}, {9, 10, 9, 9}, {150, 1, 149, 151}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t least = INT64_MAX, most = 0;

		atomic_store(&pool_row()->backoff_ms, rows[i].backoff);
		atomic_store(&pool_row()->backoff_jitter, rows[i].percent);
		for (uint64_t dice = 0; dice < 10000; dice++) {
			int64_t ms = dispatch_backoff_ms(pool_row(), 1, UINT64_MAX - dice);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		ck_assert_int_eq(least, rows[i].least);
		ck_assert_int_eq(most, rows[i].most);
	}
}
END_TEST

START_TEST(a_retry_is_due_after_its_backoff)
{
	struct job_request request = request_of("x");
	struct job_ref ref;
	uint64_t before;

	atomic_store(&pool_row()->backoff_ms, 5000);
	request.at_ms = 1;
	ref = submit_request(request);
	for (unsigned attempt = 1; attempt < 3; attempt++) {
		uint64_t backoff = UINT64_C(5000000000) << (attempt - 1);

		before = ym_now_ns();
		ck_assert_int_eq(run_job(ref, STORY_RETRY), JOB_DELAYED);
		ck_assert_uint_ge(job_of(ref)->due, before + backoff);
		ck_assert_uint_le(job_of(ref)->due, ym_now_ns() + backoff);
		/* The moment it was once asked for does not count any more. */
		ck_assert_int_eq(job_of(ref)->at_ms, 0);
		set_due(ref, 1);
		run_sweep();
	}
}
END_TEST

START_TEST(given_back_it_comes_first)
{
	struct job_ref a = submit("a"), b = submit("b");
	uint64_t word = claim_this(a), ready = job_of(a)->ready;

	dispatch_return(&yard, a.slot, word);
	ck_assert_uint_eq(word_of(a), word_make(a.gen, JOB_READY, 0, 0, 0));
	ck_assert_uint_eq(job_of(a)->ready, ready);
	ck_assert_uint_eq(job_of(a)->deadline, 0);
	ck_assert_uint_eq(word_attempt(claim_this(a)), 1);
	/* One that crashed comes last. */
	finish(a, word_of(a), STORY_CRASHED);
	ck_assert_uint_gt(job_of(a)->ready, ready);
	claim_this(b);
	claim_this(a);
}
END_TEST

START_TEST(errors_are_cut_between_characters)
{
	struct job_report report = {.end = STORY_FAILED};
	char text[JOB_ERROR_MAX + 10] = "", *error;
	struct job_ref ref = submit("x");
	enum job_state became;

	memset(text, 'x', JOB_ERROR_MAX - 2);
	strcpy(text + JOB_ERROR_MAX - 2, "\xc3\xa4 and more");
	text[sizeof(text) - 1] = '\0';
	report.error = text;
	ck_assert(dispatch_finish(&yard, ref.slot, claim_this(ref), &report, &became));
	error = job_of(ref)->error;
	ck_assert_uint_eq(strlen(error), JOB_ERROR_MAX - 2);
	ck_assert_int_eq(error[JOB_ERROR_MAX - 3], 'x');
}
END_TEST

/* ---- what jobs carry ------------------------------------------------------------------------- */

static char *bytes_of(size_t size)
{
	char *bytes = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	return bytes;
}

START_TEST(payloads_and_results_of_all_sizes)
{
	static const size_t sizes[] = {0, 1, JOB_RESULT_MAX + 1, JOB_PAYLOAD_MAX, JOB_PAYLOAD_MAX + 1, 1 << 20};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		char *bytes = bytes_of(sizes[i]);
		struct job_request request = request_of("");
		struct job_report report = {.end = STORY_DONE, .result = bytes, .result_size = sizes[i], .done = 1};
		struct payload loaded;
		struct job_ref ref;

		request.payload = (struct payload_source){.data = bytes, .size = sizes[i]};
		ref = submit_request(request);
		ASSERT_OK(payload_open(directory, job_of(ref), ref.slot, &loaded, &err));
		ck_assert_uint_eq(loaded.size, sizes[i]);
		ck_assert(memcmp(loaded.data, bytes, loaded.size) == 0);
		payload_close(&loaded);
		ck_assert_int_eq(report_as(ref, report), JOB_DONE);
		ASSERT_OK(payload_open_result(directory, job_of(ref), ref.slot, &loaded, &err));
		ck_assert_uint_eq(loaded.size, sizes[i]);
		ck_assert(memcmp(loaded.data, bytes, loaded.size) == 0);
		payload_close(&loaded);
		free(bytes);
	}
	ck_assert_uint_eq(count_files("jobs"), 2 + 4);
	/* The files go with their slots. */
	for (uint32_t i = 0; i < yard.table->slots; i++)
		submit("x");
	ck_assert_uint_eq(count_files("jobs"), 0);
}
END_TEST

/* A result that cannot be stored is not forgotten in silence. */
START_TEST(a_result_that_cannot_be_stored)
{
	struct job_report report = {.end = STORY_DONE, .result_size = 1000};
	char *bytes = bytes_of(1000), path[PATH_MAX];
	struct job_ref ref = submit("x");

	join_path(path, "jobs");
	ck_assert_int_eq(rmdir(path), 0);
	report.result = bytes;
	ck_assert_int_eq(report_as(ref, report), JOB_FAILED);
	ASSERT_IN(path, job_of(ref)->error);
	ck_assert_uint_eq(job_of(ref)->result_size, 0);
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *tcase = yard_case(suite, "dispatch", begin_yard);

	tcase_add_test(tcase, done_without_a_word);
	tcase_add_test(tcase, a_report_is_written_down);
	tcase_add_test(tcase, success_wipes_out_the_error);
	tcase_add_test(tcase, the_story_of_a_job);
	tcase_add_test(tcase, a_revoked_claim_reports_nothing);
	tcase_add_test(tcase, flags_do_not_fence);
	tcase_add_test(tcase, retries_until_no_attempt_is_left);
	tcase_add_test(tcase, failed_for_good);
	tcase_add_test(tcase, cancelled_by_itself);
	tcase_add_test(tcase, crashes_have_a_limit_of_their_own);
	tcase_add_test(tcase, a_crash_moves_it_to_another_pool);
	tcase_add_test(tcase, backoff_grows_up_to_its_most);
	tcase_add_test(tcase, jitter_keeps_within_its_bounds);
	tcase_add_test(tcase, a_retry_is_due_after_its_backoff);
	tcase_add_test(tcase, given_back_it_comes_first);
	tcase_add_test(tcase, errors_are_cut_between_characters);
	tcase_add_test(tcase, payloads_and_results_of_all_sizes);
	tcase_add_test(tcase, a_result_that_cannot_be_stored);
	return run_suite(suite);
}
