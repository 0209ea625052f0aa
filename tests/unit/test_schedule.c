/*
 * test_schedule.c - schedules: read, refused, and their times in several zones, against known ones and against a walk
 * over every minute of two years.
 */
#include "../../config/schedule.h"

#include "support.h"

static char why[CFG_WHY_MAX];
static struct zone *zone;

static void begin_zone(void)
{
	begin_test();
	ck_assert_int_eq(unsetenv("TZ"), 0);
}

static void end_zone(void)
{
	zone_close(zone);
	end_test();
}

/* 2026-01-01T00:00Z */
#define NEW_YEAR INT64_C(1767225600)

static void use_zone(const char *name)
{
	zone_close(zone);
	zone = zone_open(name, NEW_YEAR, why);
	ck_assert_msg(zone, "%s: %s", name, why);
}

static struct schedule parsed(const char *text)
{
	struct schedule schedule;

	ck_assert_msg(schedule_parse(text, &schedule, why) == 0, "%s: %s", text, why);
	return schedule;
}

/* "2026-03-29T00:59:30Z" as a time. */
static int64_t utc(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	ck_assert_msg(end && !*end, "%s", text);
	return timegm(&tm);
}

static const char *text_of(int64_t time)
{
	static char text[2][32];
	static int turn;
	struct tm tm;
	time_t t = time;

	turn = !turn;
	ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
	strftime(text[turn], sizeof(text[turn]), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return text[turn];
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	uint64_t minutes;
	uint32_t hours, days, months, weekdays;
	bool both, fixed;
} good[] = {
    {"* * * * *", (UINT64_C(1) << 60) - 1, 0xffffff, 0xfffffffe, 0x1ffe, 0x7f, true, false},
    {"0 0 1 1 0", 1, 1, 2, 2, 1, false, true},
    {"59 23 31 12 7", UINT64_C(1) << 59, 1 << 23, UINT32_C(1) << 31, 1 << 12, 1, false, true},
    {" 5,10-12\t08 *  JAN,dec mon-Fri ", 0x1c20, 1 << 8, 0xfffffffe, 0x1002, 0x3e, true, true},
    {"*/20 */6 */15 */5 */3", UINT64_C(0x10000100001), 0x41041, 0x80010002, 0x842, 0x49, true, false},
    {"10-20/5 9-17/4 1-31/30 1-12/11 1-5/4", 0x108400, 0x22200, 0x80000002, 0x1002, 0x22, false, false},
    {"0 0 * * 5-7", 1, 1, 0xfffffffe, 0x1ffe, 0x61, true, true},
    {"0 0 * * fri-sun", 1, 1, 0xfffffffe, 0x1ffe, 0x61, true, true},
    {"0 0 * * 0-7", 1, 1, 0xfffffffe, 0x1ffe, 0x7f, true, true},
    {"0 0 * * sun-tue", 1, 1, 0xfffffffe, 0x1ffe, 0x07, true, true},
    {"0 0-23/23 * * *", 1, 0x800001, 0xfffffffe, 0x1ffe, 0x7f, true, false},
    {"0 0 1 * */2", 1, 1, 2, 0x1ffe, 0x55, true, true},
    {"@hourly", 1, 0xffffff, 0xfffffffe, 0x1ffe, 0x7f, true, false},
    {"@daily", 1, 1, 0xfffffffe, 0x1ffe, 0x7f, true, true},
    {"@Midnight ", 1, 1, 0xfffffffe, 0x1ffe, 0x7f, true, true},
    {"@weekly", 1, 1, 0xfffffffe, 0x1ffe, 0x01, true, true},
    {"@monthly", 1, 1, 2, 0x1ffe, 0x7f, true, true},
    {"@yearly", 1, 1, 2, 2, 0x7f, true, true},
    {"@annually", 1, 1, 2, 2, 0x7f, true, true},
    {"0 0 29 2 *", 1, 1, UINT32_C(1) << 29, 4, 0x7f, true, true},
    {"0 0 29 2 */6", 1, 1, UINT32_C(1) << 29, 4, 0x41, true, true},
    {"0 0 31 2 1", 1, 1, UINT32_C(1) << 31, 4, 0x02, false, true},
};

START_TEST(reads)
{
	struct schedule schedule = parsed(good[_i].text);

	ck_assert_int_eq(schedule.every, 0);
	ck_assert_uint_eq(schedule.minutes, good[_i].minutes);
	ck_assert_uint_eq(schedule.hours, good[_i].hours);
	ck_assert_uint_eq(schedule.days, good[_i].days);
	ck_assert_uint_eq(schedule.months, good[_i].months);
	ck_assert_uint_eq(schedule.weekdays, good[_i].weekdays);
	ck_assert_int_eq(schedule.both, good[_i].both);
	ck_assert_int_eq(schedule.fixed, good[_i].fixed);
}
END_TEST

START_TEST(reads_every)
{
	ck_assert_int_eq(parsed("@every 5m").every, 300);
	ck_assert_int_eq(parsed("@every 1h30m").every, 5400);
	ck_assert_int_eq(parsed("@EVERY\t1").every, 1);
	ck_assert_int_eq(parsed("@every 366d").every, 366 * 86400);
}
END_TEST

static const struct {
	const char *text, *words[3];
} bad[] = {
    {"", {"0 fields", "five"}},
    {"0 * * *", {"4 fields", "minute, hour, day of the month, month, day of the week"}},
    {"5", {"1 field:", "@every"}},
    {"0 0 0 * * *", {"6 fields", "no seconds"}},
    {"0 1, 2 * * *", {"6 fields", "no blanks in a list"}},
    {"60 * * * *", {"field 1 (minute): `60`", "0..59"}},
    {"-1 * * * *", {"field 1 (minute): `-1`", "0..59"}},
    {"0 24 * * *", {"field 2 (hour): `24`", "0..23"}},
    {"0 0 0 * *", {"field 3 (day of the month): `0`", "1..31"}},
    {"0 0 32 * *", {"field 3", "1..31"}},
    {"0 0 L * *", {"field 3 (day of the month): `L`", "1..31"}},
    {"0 0 ? * *", {"field 3", "`?`"}},
    {"0 0 * 0 *", {"field 4 (month): `0`", "1..12 or jan..dec"}},
    {"0 0 * 13 *", {"field 4"}},
    {"0 0 * january *", {"field 4 (month): `january`", "jan..dec"}},
    {"0 0 * mon *", {"field 4"}},
    {"0 0 * * 8", {"field 5 (day of the week): `8`", "0..7 (0 and 7 are Sunday)", "sun..sat"}},
    {"0 0 * * mo", {"field 5"}},
    {"0 0 * * jan", {"field 5"}},
    {"1,,2 * * * *", {"field 1 (minute): `1,,2`", "empty item"}},
    {",1 * * * *", {"empty item"}},
    {"1, * * * *", {"empty item"}},
    {"5-70 * * * *", {"`5-70`", "0..59"}},
    {"5- * * * *", {"`5-`"}},
    {"5-6-7 * * * *", {"`5-6-7`"}},
    {"0 22-2 * * *", {"field 2 (hour): `22-2`", "upwards", "22-23,0-2"}},
    {"0 0 * * fri-mon", {"field 5", "upwards", "5-6,0-1"}},
    {"0 0 * nov-feb *", {"field 4", "11-12,1-2"}},
    {"*/0 * * * *", {"`*/0`", "1..59"}},
    {"*/60 * * * *", {"`*/60`", "1..59", "@every 90m"}},
    {"*/ * * * *", {"`*/`", "1..59"}},
    {"*/x * * * *", {"`*/x`"}},
    {"*/-5 * * * *", {"`*/-5`"}},
    {"5/10 * * * *", {"`5/10`", "a step needs a range", "5-59/10"}},
    {"0 */24 * * *", {"field 2", "1..23"}},
    {"** * * * *", {"`**`"}},
    {"*-5 * * * *", {"`*-5`"}},
    {"1.5 * * * *", {"`1.5`"}},
    {"00000 * * * *", {"`00000`"}},
    {"0 0 31 2 *", {"never happens"}},
    {"0 0 30,31 2 *", {"never happens"}},
    {"0 0 31 feb,apr,jun,sep,nov *", {"never happens"}},
    {"@dialy", {"unknown schedule `@dialy`", "@hourly, @daily", "did you mean `@daily`?"}},
    {"@reboot", {"unknown schedule `@reboot`", "@every TIME"}},
    {"@daily 5", {"unknown schedule `@daily`"}},
    {"@", {"unknown schedule `@`"}},
    {"@every", {"not a duration"}},
    {"@every 5x", {"no known unit"}},
    {"@every 5 m", {"no known unit"}},
    {"@every 0", {"1s..366d"}},
    {"@every 1500ms", {"`1500ms`", "whole seconds"}},
    {"@every 367d", {"1s..366d"}},
    {"@every 99999999999999999999d", {"1s..366d"}},
};

START_TEST(refuses)
{
	struct schedule schedule;

	ck_assert_int_eq(schedule_check(bad[_i].text, NULL, why), -1);
	for (size_t i = 0; i < COUNT(bad[_i].words) && bad[_i].words[i]; i++)
		ASSERT_IN(bad[_i].words[i], why);
	ck_assert_int_eq(schedule_parse(bad[_i].text, &schedule, why), -1);
}
END_TEST

/* However long and strange: an error text that ends, and nothing beyond it. */
START_TEST(refuses_long_ones)
{
	char text[3000];

	for (size_t length = 1; length < sizeof(text); length += 97) {
		memset(text, _i, length);
		text[length] = '\0';
		ck_assert_int_eq(schedule_check(text, NULL, why), -1);
		ck_assert_uint_lt(strnlen(why, sizeof(why)), sizeof(why));
	}
}
END_TEST

/* ---- zones ----------------------------------------------------------------------------------- */

START_TEST(zone_names)
{
	ck_assert_int_eq(schedule_check("@daily", "Europe/Berlin", why), 0);
	ck_assert_int_eq(schedule_check("@daily", "America/Argentina/Buenos_Aires", why), 0);
	ck_assert_int_eq(schedule_check("@daily", "Etc/GMT+5", why), 0);
	ck_assert_int_eq(schedule_check("@daily", "UTC", why), 0);
	ck_assert_int_eq(schedule_check("@daily", NULL, why), 0);
	ck_assert_int_eq(schedule_check("@nightly", "UTC", why), -1);
}
END_TEST

static const char *const no_zones[] = {"Europe/Berlín",  "Europe/Bonn",     "Europe",   "",
                                       "/etc/localtime", "../zoneinfo/UTC", "zone.tab", "CEST",
                                       "CET-1CEST,M3.5", ":Asia/Baku"};

START_TEST(zones_that_do_not_exist)
{
	ck_assert_int_eq(schedule_check("@daily", no_zones[_i], why), -1);
	ASSERT_IN("no such time zone", why);
	ASSERT_IN(no_zones[_i], why);
	ASSERT_IN("such as Europe/Berlin", why);
	ck_assert_ptr_null(zone_open(no_zones[_i], NEW_YEAR, why));
}
END_TEST

START_TEST(no_tzdata)
{
	ck_assert_int_eq(setenv("TZDIR", directory, 1), 0);
	ck_assert_int_eq(zone_check("Europe/Berlin", why), -1);
	ASSERT_IN("install the package tzdata", why);
	ck_assert_int_eq(zone_check("UTC", why), 0);
	write_file("Moon", "not a zone", 10);
	ck_assert_int_eq(zone_check("Moon", why), -1);
	ck_assert_int_eq(unsetenv("TZDIR"), 0);
}
END_TEST

static void check_restored(const char *tz)
{
	time_t noon = NEW_YEAR + 43200;
	struct tm before, after;

	if (tz)
		ck_assert_int_eq(setenv("TZ", tz, 1), 0);
	else
		ck_assert_int_eq(unsetenv("TZ"), 0);
	tzset();
	localtime_r(&noon, &before);
	use_zone("Asia/Tokyo");
	localtime_r(&noon, &after);
	ck_assert_int_eq(before.tm_hour, after.tm_hour);
	ck_assert_int_eq(zone_high(zone, noon), noon + 9 * 3600);
	if (tz)
		ck_assert_str_eq(getenv("TZ"), tz);
	else
		ck_assert_ptr_null(getenv("TZ"));
	use_zone(NULL);
	ck_assert_int_eq(zone_high(zone, noon), noon + before.tm_gmtoff);
}

START_TEST(tz_is_restored)
{
	check_restored("America/New_York");
	check_restored("XYZ-3:30");
	check_restored("");
	check_restored(NULL);
}
END_TEST

/* tzdata may be updated while we run, also for the zone that is our own. */
START_TEST(new_rules_are_read)
{
	const char *name = _i ? NULL : "Here";
	char link[PATH_MAX];

	ck_assert_int_eq(setenv("TZDIR", directory, 1), 0);
	join_path(link, "Here");
	ck_assert_int_eq(symlink("/usr/share/zoneinfo/Asia/Tokyo", link), 0);
	ck_assert_int_eq(setenv("TZ", "Here", 1), 0);
	use_zone(name);
	ck_assert_int_eq(zone_high(zone, NEW_YEAR), NEW_YEAR + 9 * 3600);
	ck_assert_int_eq(unlink(link), 0);
	ck_assert_int_eq(symlink("/usr/share/zoneinfo/Asia/Kolkata", link), 0);
	use_zone(name);
	ck_assert_int_eq(zone_high(zone, NEW_YEAR), NEW_YEAR + 19800);
	ck_assert_int_eq(unsetenv("TZDIR"), 0);
}
END_TEST

START_TEST(table_of_a_zone)
{
	const struct zone_span *span;
	int spans = 0;

	use_zone("Europe/Berlin");
	span = zone_span(zone, utc("2026-03-29T00:59:59Z"));
	ck_assert_int_eq(span->offset, 3600);
	ck_assert_int_eq(span->until, utc("2026-03-29T01:00:00Z"));
	span = zone_span(zone, utc("2026-03-29T01:00:00Z"));
	ck_assert_int_eq(span->offset, 7200);
	ck_assert_int_eq(span->until, utc("2026-10-25T01:00:00Z"));
	ck_assert_int_eq(span->high, utc("2026-03-29T01:59:59Z"));
	span = zone_span_next(zone, span);
	ck_assert_int_eq(span->offset, 3600);
	ck_assert_int_eq(span->high, utc("2026-10-25T02:59:59Z"));
	/* Before and behind the table, too, there is something to be said. */
	span = zone_span(zone, -1);
	ck_assert_int_eq(span->from, INT64_MIN);
	for (; span; span = zone_span_next(zone, span))
		spans++;
	ck_assert_int_ge(spans, 2 * (ZONE_YEARS_BACK + ZONE_YEARS_AHEAD) - 1);
	ck_assert_int_eq(zone_span(zone, utc("2300-01-01T00:00:00Z"))->until, INT64_MAX);
	use_zone("UTC");
	ck_assert_int_eq(zone_span(zone, 0)->until, INT64_MAX);
}
END_TEST

/* ---- known times ----------------------------------------------------------------------------- */

/* From the first of the times (not due itself) the others follow. */
static const struct {
	const char *zone, *schedule, *times[6];
} known[] = {
    /* the end of a year, of a month, leap days */
    {"UTC", "@yearly", {"2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"}},
    {"UTC", "59 23 31 12 *", {"2026-06-01T00:00:00Z", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"}},
    {"UTC", "0 0 29 2 *", {"2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
    {"UTC", "0 0 29 2 */6", {"2026-01-01T00:00:00Z", "2032-02-29T00:00:00Z", "2048-02-29T00:00:00Z"}},
    {"UTC", "0 0 31 * *", {"2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"}},
    {"UTC", "* * * * *", {"2026-01-01T00:00:01Z", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"}},
    {"UTC", "@weekly", {"2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"}},
    /* either day will do; but with a * both must be right */
    {"UTC", "0 12 13 * fri", {"2026-02-01T00:00:00Z", "2026-02-06T12:00:00Z", "2026-02-13T12:00:00Z"}},
    {"UTC",
     "0 12 13,14 1 fri",
     {"2026-01-10T00:00:00Z", "2026-01-13T12:00:00Z", "2026-01-14T12:00:00Z", "2026-01-16T12:00:00Z"}},
    {"UTC", "0 12 */30 * mon", {"2026-01-02T00:00:00Z", "2026-06-01T12:00:00Z", "2026-08-31T12:00:00Z"}},
    {"UTC", "0 12 13 * */5", {"2026-01-01T00:00:00Z", "2026-02-13T12:00:00Z", "2026-03-13T12:00:00Z"}},
    /* half an hour from UTC */
    {"Asia/Kolkata", "0 0 * * *", {"2026-01-01T00:00:00Z", "2026-01-01T18:30:00Z", "2026-01-02T18:30:00Z"}},
    {"Asia/Kolkata",
     "*/30 9 * * *",
     {"2026-01-01T03:00:00Z", "2026-01-01T03:30:00Z", "2026-01-01T04:00:00Z", "2026-01-02T03:30:00Z"}},
    /* spring: 2:00 becomes 3:00 (at 1:00 UTC) */
    {"Europe/Berlin", "30 2 * * *", {"2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
    {"Europe/Berlin", "0 2 * * *", {"2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
    {"Europe/Berlin", "0 3 * * *", {"2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"}},
    {"Europe/Berlin",
     "0,20,40 2,3 * * *",
     {"2026-03-28T03:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z",
      "2026-03-30T00:00:00Z"}},
    {"Europe/Berlin", "0 2 29 3 *", {"2026-01-01T00:00:00Z", "2026-03-29T01:00:00Z", "2027-03-29T00:00:00Z"}},
    {"Europe/Berlin",
     "*/30 * * * *",
     {"2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
    {"Europe/Berlin", "*/30 2 * * *", {"2026-03-28T01:30:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"}},
    {"Europe/Berlin", "15 * * * *", {"2026-03-29T00:00:00Z", "2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z"}},
    {"Europe/Berlin",
     "0 */2 * * *",
     {"2026-03-28T22:59:00Z", "2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"}},
    /* autumn: 3:00 becomes 2:00 (at 1:00 UTC) */
    {"Europe/Berlin", "30 2 * * *", {"2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
    {"Europe/Berlin", "0 3 * * *", {"2026-10-24T12:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
    {"Europe/Berlin",
     "59 1,2 * * *",
     {"2026-10-24T12:00:00Z", "2026-10-24T23:59:00Z", "2026-10-25T00:59:00Z", "2026-10-26T00:59:00Z"}},
    {"Europe/Berlin",
     "*/30 2 * * *",
     {"2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z",
      "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z"}},
    {"Europe/Berlin",
     "@hourly",
     {"2026-10-24T23:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
    /* within the hour that comes twice */
    {"Europe/Berlin", "30 2 * * *", {"2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"}},
    {"America/New_York", "30 2 * * *", {"2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
    {"America/New_York", "30 1 * * *", {"2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
    {"America/New_York", "30 */1 * * *", {"2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"}},
    /* half an hour of summer time: 2:00 becomes 2:30 (at 15:30 UTC), and 2:00 becomes 1:30 (at 15:00 UTC) */
    {"Australia/Lord_Howe", "15 2 * * *", {"2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
    {"Australia/Lord_Howe", "45 2 * * *", {"2026-10-03T00:00:00Z", "2026-10-03T15:45:00Z", "2026-10-04T15:45:00Z"}},
    {"Australia/Lord_Howe", "45 1 * * *", {"2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}},
    {"Australia/Lord_Howe",
     "*/15 1 * * *",
     {"2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:15:00Z",
      "2026-04-05T14:30:00Z"}},
    /* summer time that begins at midnight */
    {"America/Santiago", "@daily", {"2026-09-05T12:00:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"}},
};

START_TEST(known_times)
{
	struct schedule schedule = parsed(known[_i].schedule);
	int64_t after = utc(known[_i].times[0]), next = 0;

	use_zone(known[_i].zone);
	for (size_t i = 1; i < COUNT(known[_i].times) && known[_i].times[i]; i++) {
		ck_assert(schedule_next(&schedule, zone, after, &next));
		ck_assert_msg(next == utc(known[_i].times[i]), "%s in %s: after %s comes %s, not %s",
		              known[_i].schedule, known[_i].zone, text_of(after), text_of(next), known[_i].times[i]);
		after = next;
	}
}
END_TEST

START_TEST(every_counts_from_the_last)
{
	struct schedule schedule = parsed("@every 7m");
	int64_t time;

	use_zone("Europe/Berlin");
	ck_assert(schedule_next(&schedule, zone, 1000, &time));
	ck_assert_int_eq(time, 1420);
	ck_assert(!schedule_latest(&schedule, zone, 1000, 1419, &time));
	ck_assert(schedule_latest(&schedule, zone, 1000, 1420, &time));
	ck_assert_int_eq(time, 1420);
	ck_assert(schedule_latest(&schedule, zone, 1000, 1000 + 420 * 1000000 + 419, &time));
	ck_assert_int_eq(time, 1000 + 420 * 1000000);
	ck_assert(!schedule_latest(&schedule, zone, 1000, -500000, &time));
}
END_TEST

/* Nobody can make one with schedule_parse(): the search ends nevertheless. */
START_TEST(never_does_not_hang)
{
	struct schedule schedule = parsed("0 0 29 2 *");
	int64_t next;

	use_zone("Europe/Berlin");
	schedule.days = UINT32_C(1) << 30;
	ck_assert(!schedule_next(&schedule, zone, NEW_YEAR, &next));
	ck_assert(!schedule_latest(&schedule, zone, 0, NEW_YEAR, &next));
	schedule.fixed = false;
	ck_assert(!schedule_next(&schedule, zone, NEW_YEAR, &next));
}
END_TEST

/* No leap year in 2100; no hurry behind the end of the table. */
START_TEST(far_ahead)
{
	struct schedule schedule = parsed("0 0 29 2 *");
	int64_t next;

	use_zone("UTC");
	ck_assert(schedule_next(&schedule, zone, utc("2096-02-29T00:00:00Z"), &next));
	ck_assert_str_eq(text_of(next), "2104-02-29T00:00:00Z");
	use_zone("Europe/Berlin");
	schedule = parsed("* * * * *");
	ck_assert(schedule_next(&schedule, zone, utc("2500-02-28T23:59:30Z"), &next));
	ck_assert_str_eq(text_of(next), "2500-03-01T00:00:00Z");
	schedule = parsed("30 12 31 * *");
	ck_assert(schedule_next(&schedule, zone, utc("1969-12-31T23:00:00Z"), &next));
	ck_assert_str_eq(text_of(next), "1970-01-31T11:30:00Z");
	ck_assert(schedule_next(&schedule, zone, utc("1900-01-31T05:00:00Z"), &next));
	ck_assert_str_eq(text_of(next), "1900-01-31T11:30:00Z");
}
END_TEST

/* ---- a walk over every minute ---------------------------------------------------------------- */

#define WALK_MINUTES (2 * 366 * 1440)
#define EXPRESSIONS  25

/* What wall clocks show. */
struct shown {
	int64_t wall;
	int8_t minute, hour, day, month, weekday;
};

static const struct {
	const char *zone;
	int64_t from;
} walks[] = {
    {"UTC", NEW_YEAR},
    {"Asia/Kolkata", NEW_YEAR},
    {"Europe/Berlin", NEW_YEAR},
    {"America/New_York", NEW_YEAR + 182 * 86400},
    {"Australia/Lord_Howe", NEW_YEAR},
    {"America/Santiago", NEW_YEAR - 365 * 86400},
    {"Africa/Casablanca", NEW_YEAR},
    {"Asia/Kathmandu", NEW_YEAR + 2 * 365 * 86400},
};

static struct shown show(const struct tm *tm, int64_t wall)
{
	return (struct shown){wall,
	                      (int8_t)tm->tm_min,
	                      (int8_t)tm->tm_hour,
	                      (int8_t)tm->tm_mday,
	                      (int8_t)(tm->tm_mon + 1),
	                      (int8_t)tm->tm_wday};
}

static struct shown *walk(int64_t from)
{
	struct shown *minutes = calloc(WALK_MINUTES, sizeof(*minutes));

	ck_assert_ptr_nonnull(minutes);
	for (int i = 0; i < WALK_MINUTES; i++) {
		time_t time = from + i * INT64_C(60);
		struct tm tm;

		localtime_r(&time, &tm);
		minutes[i] = show(&tm, time + tm.tm_gmtoff);
	}
	return minutes;
}

/* A random field as text, and what it means, by a way of its own. */
struct wish {
	char text[64];
	bool member[64];
	bool star, step;
};

static void wish_for(struct wish *wish, int least, int most, bool restricted)
{
	int used = 0, items = restricted ? 1 + (int)random_below(3) : 0;

	*wish = (struct wish){0};
	if (items == 0 || random_below(4) == 0) {
		int step = items == 0 ? 1 : 1 + (int)random_below((uint32_t)(most - least) / 2);

		wish->star = true;
		wish->step = step > 1;
		for (int i = least; i <= most; i += step)
			wish->member[i] = true;
		snprintf(wish->text, sizeof(wish->text), step > 1 ? "*/%d" : "*", step);
		return;
	}
	for (int i = 0; i < items; i++) {
		int first = least + (int)random_below((uint32_t)(most - least + 1));
		int last = first + (int)random_below((uint32_t)(most - first + 1)), step = 1;
		const char *comma = i ? "," : "";

		if (random_below(2))
			last = first;
		if (last > first && random_below(3) == 0)
			step = 1 + (int)random_below(5);
		for (int v = first; v <= last; v += step)
			wish->member[v] = true;
		wish->step |= step > 1;
		if (last == first)
			used += snprintf(wish->text + used, sizeof(wish->text) - (size_t)used, "%s%d", comma, first);
		else if (step == 1)
			used += snprintf(wish->text + used, sizeof(wish->text) - (size_t)used, "%s%d-%d", comma, first,
			                 last);
		else
			used += snprintf(wish->text + used, sizeof(wish->text) - (size_t)used, "%s%d-%d/%d", comma,
			                 first, last, step);
	}
}

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static bool is_wished(const struct wish wish[5], const struct shown *at)
{
	bool day = wish[DAY].member[at->day], weekday = wish[WEEKDAY].member[at->weekday];
	bool both = wish[DAY].star || wish[WEEKDAY].star;

	return wish[MINUTE].member[at->minute] && wish[HOUR].member[at->hour] && wish[MONTH].member[at->month] &&
	       (both ? day && weekday : day || weekday);
}

/* Is a minute of the wall clock named that the clock reaches or leaves out here? */
static bool reaches(const struct wish wish[5], int64_t high, const struct shown *now)
{
	for (int64_t wall = high + 60; wall < now->wall; wall += 60) {
		time_t time = wall;
		struct shown skipped;
		struct tm tm;

		gmtime_r(&time, &tm);
		skipped = show(&tm, wall);
		if (is_wished(wish, &skipped))
			return true;
	}
	return now->wall > high && is_wished(wish, now);
}

/* All that is due in the walk but for its first minute. */
static size_t list_due(const struct wish wish[5], bool fixed, const struct shown *minutes, int64_t from, int64_t *due)
{
	int64_t high = minutes[0].wall;
	size_t n = 0;

	for (int i = 1; i < WALK_MINUTES; i++) {
		if (fixed ? reaches(wish, high, &minutes[i]) : is_wished(wish, &minutes[i]))
			due[n++] = from + i * INT64_C(60);
		if (minutes[i].wall > high)
			high = minutes[i].wall;
	}
	return n;
}

static void check_next(const struct schedule *schedule, const char *text, const int64_t *due, size_t n, int64_t from)
{
	int64_t next = from, end = from + (WALK_MINUTES - 1) * INT64_C(60);

	for (size_t i = 0; i < n; i++) {
		int64_t before = next;

		if (!schedule_next(schedule, zone, before, &next) || next != due[i])
			ck_abort_msg("%s: after %s comes %s, not %s", text, text_of(before), text_of(next),
			             text_of(due[i]));
	}
	if (schedule_next(schedule, zone, next, &next))
		ck_assert_msg(next > end, "%s: there is none at %s", text, text_of(next));
}

static void check_latest(const struct schedule *schedule, const char *text, const int64_t *due, size_t n, int64_t from)
{
	for (int round = 0; round < 50; round++) {
		int64_t after = from + random_below(WALK_MINUTES * 60 / 2), latest = 0, wanted = 0;
		int64_t until = after + random_below(round % 2 ? 5000 : WALK_MINUTES * 60 / 2);
		bool found = schedule_latest(schedule, zone, after, until, &latest);

		for (size_t i = 0; i < n && due[i] <= until; i++)
			wanted = due[i] > after ? due[i] : 0;
		ck_assert_msg(found ? latest == wanted : !wanted, "%s: the last one in (%s, ...] is not %s", text,
		              text_of(after), text_of(latest));
	}
}

START_TEST(walk_over_two_years)
{
	int64_t from = walks[_i].from, *due = calloc(WALK_MINUTES, sizeof(*due));
	struct shown *minutes;

	ck_assert_ptr_nonnull(due);
	use_zone(walks[_i].zone);
	ck_assert_int_eq(setenv("TZ", walks[_i].zone, 1), 0);
	tzset();
	minutes = walk(from);
	for (int round = 0; round < EXPRESSIONS; round++) {
		struct wish wish[5];
		struct schedule schedule;
		char text[400];
		bool fixed;
		size_t n;

		wish_for(&wish[MINUTE], 0, 59, random_below(8) > 0);
		wish_for(&wish[HOUR], 0, 23, random_below(3) > 0);
		wish_for(&wish[DAY], 1, 31, random_below(2));
		wish_for(&wish[MONTH], 1, 12, random_below(3) == 0);
		wish_for(&wish[WEEKDAY], 0, 6, random_below(2));
		snprintf(text, sizeof(text), "%s %s %s %s %s", wish[0].text, wish[1].text, wish[2].text, wish[3].text,
		         wish[4].text);
		fixed = !wish[MINUTE].star && !wish[MINUTE].step && !wish[HOUR].star && !wish[HOUR].step;
		if (schedule_parse(text, &schedule, why) < 0) {
			ASSERT_IN("never happens", why);
			continue;
		}
		ck_assert_int_eq(schedule.fixed, fixed);
		n = list_due(wish, fixed, minutes, from, due);
		check_next(&schedule, text, due, n, from);
		check_latest(&schedule, text, due, n, from);
	}
	free(minutes);
	free(due);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *reading = add_case(suite, "reading"), *times = tcase_create("times");

	tcase_add_loop_test(reading, reads, 0, COUNT(good));
	tcase_add_test(reading, reads_every);
	tcase_add_loop_test(reading, refuses, 0, COUNT(bad));
	tcase_add_loop_test(reading, refuses_long_ones, 1, 256);
	tcase_add_checked_fixture(times, begin_zone, end_zone);
	tcase_set_timeout(times, 120);
	suite_add_tcase(suite, times);
	tcase_add_test(times, zone_names);
	tcase_add_loop_test(times, zones_that_do_not_exist, 0, COUNT(no_zones));
	tcase_add_test(times, no_tzdata);
	tcase_add_test(times, tz_is_restored);
	tcase_add_loop_test(times, new_rules_are_read, 0, 2);
	tcase_add_test(times, table_of_a_zone);
	tcase_add_loop_test(times, known_times, 0, COUNT(known));
	tcase_add_test(times, every_counts_from_the_last);
	tcase_add_test(times, never_does_not_hang);
	tcase_add_test(times, far_ahead);
	tcase_add_loop_test(times, walk_over_two_years, 0, COUNT(walks));
	return run_suite(suite);
}
