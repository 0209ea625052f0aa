/* test_wall.c - moments, read and written in several time zones. */
#include "../../runtime/wall.h"

#include "support.h"

static void zone(const char *name)
{
	ck_assert_int_eq(setenv("TZ", name, 1), 0);
	tzset();
}

static int64_t parse(const char *text, int64_t now)
{
	char why[CFG_WHY_MAX] = "";
	int64_t ms = -1;

	ck_assert_msg(wall_parse(text, now, &ms, why) == 0, "%s: %s", text, why);
	ck_assert_int_eq(ms % 1000, 0);
	return ms / 1000;
}

/* 2026-11-22T09:00:00Z */
#define NINE INT64_C(1795338000)

START_TEST(dates)
{
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ck_assert_int_eq(parse("2026-11-22T10:00", 0), NINE);
	ck_assert_int_eq(parse("2026-11-22T10:00:01", 0), NINE + 1);
	ck_assert_int_eq(parse("2026-11-22 10:00", 0), NINE);
	ck_assert_int_eq(parse("2026-11-22T09:00Z", 0), NINE);
	ck_assert_int_eq(parse("2026-11-22T10:00:00+01:00", 0), NINE);
	ck_assert_int_eq(parse("2026-11-22T04:30-0430", 0), NINE);
	ck_assert_int_eq(parse("2026-07-01T10:00", 0), parse("2026-07-01T08:00Z", 0));
	ck_assert_int_eq(parse("2028-02-29T00:00Z", 0), 1835395200);
	ck_assert_int_eq(parse("@1795338000", 0), NINE);
	ck_assert_int_eq(parse("@0", 0), 0);
}
END_TEST

START_TEST(times_of_the_day)
{
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ck_assert_int_eq(parse("10:01", NINE * 1000), NINE + 60);
	ck_assert_int_eq(parse("10:00:30", NINE * 1000), NINE + 30);
	/* Now has passed. */
	ck_assert_int_eq(parse("10:00", NINE * 1000), NINE + 86400);
	ck_assert_int_eq(parse("09:59", NINE * 1000), NINE + 86400 - 60);
	/* The night of 2026-10-25 has 25 hours. */
	ck_assert_int_eq(parse("09:00", parse("2026-10-24T10:00", 0) * 1000), parse("2026-10-25T08:00Z", 0));
	/* The last day of a year. */
	ck_assert_int_eq(parse("01:00", parse("2026-12-31T10:00", 0) * 1000), parse("2027-01-01T00:00Z", 0));
}
END_TEST

START_TEST(refused)
{
	static const char *const texts[] = {"",
	                                    "noon",
	                                    "24:00",
	                                    "10:60",
	                                    "10:00:60",
	                                    "1:00",
	                                    "10:00 ",
	                                    "10:00:",
	                                    "2026-11-22T",
	                                    "2026-11-22T10",
	                                    "2026-02-29T10:00",
	                                    "2026-13-01T10:00",
	                                    "2026-00-01T10:00",
	                                    "2026-11-31T10:00",
	                                    "2026-11-22T10:00+1",
	                                    "2026-11-22T10:00+01:60",
	                                    "2026-11-22T10:00Zulu",
	                                    "@",
	                                    "@-1",
	                                    "@12x",
	                                    "@253402300800",
	                                    "@99999999999999999999999"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		char why[CFG_WHY_MAX] = "";
		int64_t ms;

		ck_assert_msg(wall_parse(texts[i], 0, &ms, why) < 0, "\"%s\" was taken for %lld", texts[i],
		              (long long)ms);
		ck_assert_msg(strstr(why, "write 2026-11-22T10:00, 10:00 or @UNIX-SECONDS") != NULL, "%s", why);
	}
}
END_TEST

START_TEST(written)
{
	char out[WALL_MAX];

	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ck_assert_str_eq(wall_text(NINE * 1000, out), "2026-11-22T10:00:00+01:00");
	ck_assert_int_eq(parse(out, 0), NINE);
	zone("XXX4:30");
	ck_assert_str_eq(wall_text(NINE * 1000 + 999, out), "2026-11-22T04:30:00-04:30");
	zone("UTC0");
	ck_assert_str_eq(wall_text(NINE * 1000, out), "2026-11-22T09:00:00+00:00");
	ck_assert_str_eq(wall_text(-1, out), "1969-12-31T23:59:59+00:00");
}
END_TEST

START_TEST(of_the_other_clock)
{
	uint64_t now = ym_now_ns();
	int64_t wall = ym_unix_ms(), second = 1000;

	ck_assert_int_le(llabs(wall_of(now) - wall), second);
	ck_assert_int_le(llabs(wall_of(now + UINT64_C(3600000000000)) - wall - 3600 * 1000), second);
	ck_assert_int_le(llabs(wall_of(now - now / 2) - wall + (int64_t)(now / 2 / 1000000)), second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wall");
	TCase *tcase = add_case(suite, "wall");

	tcase_add_test(tcase, dates);
	tcase_add_test(tcase, times_of_the_day);
	tcase_add_test(tcase, refused);
	tcase_add_test(tcase, written);
	tcase_add_test(tcase, of_the_other_clock);
	return run_suite(suite);
}
