/* test_course.c - samples of each second and minute, also when the writer was late, away, or another one. */
#include "../../runtime/course.h"
#include "support.h"

static struct course_sh course;
static struct course_writer writer;
static uint32_t samples[COURSE_SAMPLES][COURSE_VALUES];

static void begin(void)
{
	begin_test();
	memset(&course, 0, sizeof(course));
	memset(&writer, 0, sizeof(writer));
}

static uint64_t at(double second)
{
	return (uint64_t)(second * 1e9);
}

static void note(double second, uint64_t ended, uint64_t failed, uint64_t waiting)
{
	course_note(
	    &course, &writer, at(second),
	    (uint64_t[COURSE_VALUES]){
		[COURSE_ENDED] = ended, [COURSE_FAILED] = failed, [COURSE_WAITING] = waiting, [COURSE_RUNNING] = 2});
}

static void look(enum course_ring ring, double second, unsigned n)
{
	course_read(&course, ring, at(second), n, samples);
}

START_TEST(each_second_has_its_sample)
{
	note(1000.1, 50, 5, 1);
	note(1000.6, 53, 5, 1);
	note(1001.1, 60, 6, 7);
	note(1002.0, 60, 6, 8);
	look(COURSE_SECONDS, 1002.5, 3);
	/* Before the first look nobody knows. */
	ck_assert_uint_eq(samples[0][COURSE_ENDED], 0);
	ck_assert_uint_eq(samples[1][COURSE_ENDED], 10);
	ck_assert_uint_eq(samples[1][COURSE_FAILED], 1);
	ck_assert_uint_eq(samples[1][COURSE_WAITING], 7);
	ck_assert_uint_eq(samples[2][COURSE_ENDED], 0);
	ck_assert_uint_eq(samples[2][COURSE_WAITING], 8);
	ck_assert_uint_eq(samples[2][COURSE_RUNNING], 2);
}
END_TEST

START_TEST(a_late_look_is_shared)
{
	uint64_t sum = 0;

	note(1000, 0, 0, 0);
	note(1004, 10, 0, 3);
	look(COURSE_SECONDS, 1004, 4);
	for (int i = 0; i < 4; i++) {
		ck_assert_uint_ge(samples[i][COURSE_ENDED], 2);
		ck_assert_uint_le(samples[i][COURSE_ENDED], 3);
		ck_assert_uint_eq(samples[i][COURSE_WAITING], 3);
		sum += samples[i][COURSE_ENDED];
	}
	ck_assert_uint_eq(sum, 10);
}
END_TEST

/* So that a picture does not jump while an idle master takes its time. */
START_TEST(the_last_sample_may_be_some_seconds_old)
{
	note(1000, 0, 0, 0);
	note(1001, 9, 0, 0);
	look(COURSE_SECONDS, 1003, 1);
	ck_assert_uint_eq(samples[0][COURSE_ENDED], 9);
	look(COURSE_SECONDS, 1010, 10);
	ck_assert_uint_eq(samples[0][COURSE_ENDED], 9);
	for (int i = 1; i < 10; i++)
		ck_assert_uint_eq(samples[i][COURSE_ENDED], 0);
	look(COURSE_SECONDS, 5000, COURSE_SAMPLES);
	for (int i = 0; i < COURSE_SAMPLES; i++)
		ck_assert_uint_eq(samples[i][COURSE_ENDED], 0);
}
END_TEST

START_TEST(minutes)
{
	for (int second = 0; second <= 200; second++)
		note(60000 + second, (uint64_t)second * 2, 0, 0);
	look(COURSE_MINUTES, 60200, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(samples[i][COURSE_ENDED], 120);
}
END_TEST

START_TEST(the_ring_goes_round)
{
	for (int second = 0; second <= 300; second++)
		note(1000 + second, (uint64_t)(second * second), 0, 0);
	look(COURSE_SECONDS, 1300, COURSE_SAMPLES);
	for (int i = 0; i < COURSE_SAMPLES; i++) {
		int second = 240 + i;

		ck_assert_uint_eq(samples[i][COURSE_ENDED], (unsigned)(2 * second + 1));
	}
}
END_TEST

/* What an earlier master has counted is not counted twice, and the time without one is empty. */
START_TEST(another_master_goes_on)
{
	note(1000, 0, 0, 4);
	note(1001, 5, 0, 4);
	writer = (struct course_writer){{0}, {{0}}};
	note(1005, 1000, 0, 4);
	note(1006, 1001, 0, 4);
	look(COURSE_SECONDS, 1006, 6);
	ck_assert_uint_eq(samples[0][COURSE_ENDED], 5);
	for (int i = 1; i < 5; i++)
		ck_assert_uint_eq(samples[i][COURSE_ENDED] + samples[i][COURSE_WAITING], 0);
	ck_assert_uint_eq(samples[5][COURSE_ENDED], 1);
}
END_TEST

START_TEST(counts_that_went_down_are_nothing)
{
	note(1000, 900, 90, 0);
	note(1001, 3, 0, 0);
	note(1002, 5, 0, 0);
	look(COURSE_SECONDS, 1002, 2);
	ck_assert_uint_eq(samples[0][COURSE_ENDED], 0);
	ck_assert_uint_eq(samples[1][COURSE_ENDED], 2);
}
END_TEST

START_TEST(a_master_that_stood_still_for_an_hour)
{
	note(1000, 0, 0, 0);
	note(4600, 36000, 0, 0);
	look(COURSE_SECONDS, 4600, COURSE_SAMPLES);
	for (int i = 0; i < COURSE_SAMPLES; i++)
		ck_assert_uint_eq(samples[i][COURSE_ENDED], 10);
	look(COURSE_MINUTES, 4600, COURSE_SAMPLES);
	ck_assert_uint_eq(samples[COURSE_SAMPLES - 1][COURSE_ENDED], 600);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("course");
	TCase *tcase = tcase_create("course");

	tcase_add_checked_fixture(tcase, begin, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, each_second_has_its_sample);
	tcase_add_test(tcase, a_late_look_is_shared);
	tcase_add_test(tcase, the_last_sample_may_be_some_seconds_old);
	tcase_add_test(tcase, minutes);
	tcase_add_test(tcase, the_ring_goes_round);
	tcase_add_test(tcase, another_master_goes_on);
	tcase_add_test(tcase, counts_that_went_down_are_nothing);
	tcase_add_test(tcase, a_master_that_stood_still_for_an_hour);
	return run_suite(suite);
}
