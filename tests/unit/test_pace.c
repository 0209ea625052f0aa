/* test_pace.c - rates and how long it still takes. */
#include <math.h>

#include "../../runtime/pace.h"
#include "support.h"

#define SECOND UINT64_C(1000000000)
#define START  (100 * SECOND)

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-6 * (fabs(a) + fabs(b));
}

/* Once a tenth of a second from `done` on, `rate` units a second. */
static uint64_t go(struct pace *pace, uint64_t from, uint64_t *done, unsigned tenths, uint64_t step)
{
	uint64_t now = from;

	for (unsigned i = 0; i < tenths; i++) {
		now += SECOND / 10;
		*done += step;
		pace_note(pace, 1, *done, now);
	}
	return now;
}

START_TEST(nothing_is_known_at_first)
{
	struct pace pace = {0};

	ck_assert(pace_rate(&pace, START) <= 0);
	ck_assert_uint_eq(pace_eta(&pace, 0, 100, START), YM_NEVER);
	pace_note(&pace, 1, 50, START);
	/* What was done before the first look says nothing about the rate. */
	ck_assert(pace_rate(&pace, START + SECOND) <= 0);
	pace_note(&pace, 1, 60, START + PACE_SPAN_NS - 1);
	ck_assert(pace_rate(&pace, START + PACE_SPAN_NS) <= 0);
	pace_note(&pace, 1, 60, START + SECOND);
	ck_assert(near(pace_rate(&pace, START + SECOND), 10));
}
END_TEST

START_TEST(an_even_rate_is_that_rate)
{
	struct pace pace = {0};
	uint64_t done = 0, now;

	pace_note(&pace, 1, done, START);
	now = go(&pace, START, &done, 40, 5);
	ck_assert(near(pace_rate(&pace, now), 50));
	ck_assert_uint_eq(done, 200);
	ck_assert_uint_eq((pace_eta(&pace, done, 300, now) + SECOND / 2) / SECOND, 2);
	ck_assert_uint_eq(pace_eta(&pace, done, done, now), 0);
}
END_TEST

START_TEST(a_change_of_rate_is_smoothed)
{
	struct pace pace = {0};

	pace_note(&pace, 1, 0, START);
	pace_note(&pace, 1, 100, START + SECOND);
	pace_note(&pace, 1, 300, START + 2 * SECOND);
	ck_assert(near(pace_rate(&pace, START + 2 * SECOND), 0.6 * 100 + 0.4 * 200));
}
END_TEST

START_TEST(what_stands_still_gets_slower)
{
	struct pace pace = {0};
	uint64_t at = START + SECOND;

	pace_note(&pace, 1, 0, START);
	pace_note(&pace, 1, 100, at);
	pace_note(&pace, 1, 100, at + SECOND / 2);
	ck_assert(near(pace_rate(&pace, at + SECOND / 2), 100));
	ck_assert(near(pace_rate(&pace, at + 10 * SECOND), 10));
	ck_assert_uint_eq(pace_eta(&pace, 100, 200, at + 10 * SECOND), 10 * SECOND);
	/* And one that makes a step in five seconds is not thought to stand still between two of them. */
	pace = (struct pace){0};
	pace_note(&pace, 1, 0, START);
	pace_note(&pace, 1, 1, START + 5 * SECOND);
	ck_assert(near(pace_rate(&pace, START + 9 * SECOND), 0.2));
}
END_TEST

START_TEST(another_attempt_begins_anew)
{
	struct pace pace = {0};

	pace_note(&pace, 1, 0, START);
	pace_note(&pace, 1, 100, START + SECOND);
	pace_note(&pace, 2, 100, START + 2 * SECOND);
	ck_assert(pace_rate(&pace, START + 2 * SECOND) <= 0);
	pace_note(&pace, 2, 150, START + 3 * SECOND);
	ck_assert(near(pace_rate(&pace, START + 3 * SECOND), 50));
	/* So does one that goes back. */
	pace_note(&pace, 2, 10, START + 4 * SECOND);
	ck_assert(pace_rate(&pace, START + 4 * SECOND) <= 0);
}
END_TEST

START_TEST(what_cannot_be_said_is_never)
{
	struct pace pace = {0};
	uint64_t now = START + SECOND;

	pace_note(&pace, 1, 0, START);
	pace_note(&pace, 1, 1, now);
	ck_assert_uint_eq(pace_eta(&pace, 1, 0, now), YM_NEVER);
	ck_assert_uint_eq(pace_eta(&pace, 5, 4, now), YM_NEVER);
	ck_assert_uint_eq(pace_eta(&pace, 1, UINT64_MAX, now), YM_NEVER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pace");
	TCase *tcase = add_case(suite, "pace");

	tcase_add_test(tcase, nothing_is_known_at_first);
	tcase_add_test(tcase, an_even_rate_is_that_rate);
	tcase_add_test(tcase, a_change_of_rate_is_smoothed);
	tcase_add_test(tcase, what_stands_still_gets_slower);
	tcase_add_test(tcase, another_attempt_begins_anew);
	tcase_add_test(tcase, what_cannot_be_said_is_never);
	return run_suite(suite);
}
