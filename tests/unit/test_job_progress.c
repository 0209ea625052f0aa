/* test_job_progress.c - what a task reports is what is seen, although not all of it is written each time. */
#include "../../workers/job.h"
#include "support.h"

static struct board_worker_sh row;
static struct ym_job job;

static void begin(void)
{
	begin_test();
	memset(&row, 0, sizeof(row));
	memset(&job, 0, sizeof(job));
	job.row = &row;
	job.progress.job = 5;
	job.progress.attempt = 2;
}

static void assert_seen(uint64_t done, const char *unit, const char *note)
{
	struct board_progress seen;

	ck_assert(board_read_progress(&row, &seen));
	ck_assert_uint_eq(seen.job, job.progress.job);
	ck_assert_uint_eq(seen.attempt, job.progress.attempt);
	ck_assert_uint_eq(seen.done, done);
	ck_assert_uint_eq(seen.total, 10);
	ck_assert_uint_gt(seen.updated, 0);
	ck_assert_str_eq(seen.unit, unit);
	ck_assert_str_eq(seen.note, note);
}

START_TEST(notes_and_units_stay)
{
	ym_progress(&job, 1, 10, "one");
	assert_seen(1, "", "one");
	for (uint64_t done = 2; done < 8; done++) {
		ym_progress(&job, done, 10, NULL);
		assert_seen(done, "", "one");
	}
	ym_unit(&job, "rows");
	assert_seen(7, "rows", "one");
	ym_touch(&job);
	assert_seen(7, "rows", "one");
	ym_touch(&job);
	assert_seen(7, "rows", "one");
	for (uint64_t done = 8; done <= 10; done++) {
		ym_progress(&job, done, 10, "at %d", (int)done);
		assert_seen(done, "rows", done == 8 ? "at 8" : done == 9 ? "at 9" : "at 10");
	}
	ym_touch(&job);
	assert_seen(10, "rows", "at 10");
	ym_touch(&job);
	assert_seen(10, "rows", "at 10");
}
END_TEST

/* The next job on the same row begins with nothing. */
START_TEST(nothing_of_the_job_before)
{
	ym_unit(&job, "rows");
	for (int i = 0; i < 3; i++)
		ym_progress(&job, 1, 10, "one");
	memset(&job, 0, offsetof(struct ym_job, error));
	job.row = &row;
	job.progress.job = 6;
	job.progress.attempt = 1;
	for (uint64_t done = 1; done < 5; done++) {
		ym_progress(&job, done, 10, NULL);
		assert_seen(done, "", "");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job_progress");
	TCase *tcase = tcase_create("job_progress");

	tcase_add_checked_fixture(tcase, begin, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, notes_and_units_stay);
	tcase_add_test(tcase, nothing_of_the_job_before);
	return run_suite(suite);
}
