/* wall.c - read and write moments. */
#include "wall.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../ipc/sys.h"
#include "when.h"

/* The last second of the year 9999. */
#define LAST_SECOND INT64_C(253402300799)

#define HOW "write 2026-11-22T10:00, 10:00 or @UNIX-SECONDS"

int64_t wall_of(uint64_t moment)
{
	return ym_unix_ms() + ((int64_t)moment - (int64_t)ym_now_ns()) / 1000000;
}

const char *wall_text(int64_t unix_ms, char out[WALL_MAX])
{
	time_t seconds = (time_t)(unix_ms / 1000 - (unix_ms % 1000 < 0));
	size_t length = 0;
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		length = strftime(out, WALL_MAX - 1, "%Y-%m-%dT%H:%M:%S%z", &tm);
	if (length < 5) {
		snprintf(out, WALL_MAX, "@%lld", (long long)seconds);
		return out;
	}
	/* +0100 becomes +01:00. */
	memmove(out + length - 1, out + length - 2, 3);
	out[length - 2] = ':';
	return out;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Exactly so many digits. */
static bool digits(const char **at, int count, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return true;
}

static bool sign(const char **at, char expected)
{
	return **at == expected && (*at)++;
}

/* HH:MM or HH:MM:SS */
static bool clock_time(const char **at, struct tm *tm)
{
	if (!digits(at, 2, &tm->tm_hour) || !sign(at, ':') || !digits(at, 2, &tm->tm_min))
		return false;
	return (!sign(at, ':') || digits(at, 2, &tm->tm_sec)) && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

static int refuse(char why[CFG_WHY_MAX], const char *text, const char *reason)
{
	snprintf(why, CFG_WHY_MAX, "\"%.80s\" %s: " HOW, text, reason);
	return -1;
}

static int unix_seconds(const char *text, int64_t *unix_ms, char why[CFG_WHY_MAX])
{
	int64_t seconds = 0;

	if (!text[1])
		return refuse(why, text, "has no number");
	for (const char *at = text + 1; *at; at++) {
		if (*at < '0' || *at > '9')
			return refuse(why, text, "is no whole number of seconds");
		seconds = seconds * 10 + (*at - '0');
		if (seconds > LAST_SECOND)
			return refuse(why, text, "lies behind the year 9999");
	}
	*unix_ms = seconds * 1000;
	return 0;
}

static int next_time(const char *text, const struct tm *given, int64_t now_ms, int64_t *unix_ms, char why[CFG_WHY_MAX])
{
	time_t now = (time_t)(now_ms / 1000), then;
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return refuse(why, text, "cannot be found: the clock is wrong");
	for (int day = 0; day < 2; day++) {
		struct tm try = {.tm_year = tm.tm_year,
		                 .tm_mon = tm.tm_mon,
		                 .tm_mday = tm.tm_mday + day,
		                 .tm_hour = given->tm_hour,
		                 .tm_min = given->tm_min,
		                 .tm_sec = given->tm_sec,
		                 .tm_isdst = -1};

		then = mktime(&try);
		*unix_ms = (int64_t)then * 1000;
		if (*unix_ms > now_ms)
			break;
	}
	return 0;
}

int wall_parse(const char *text, int64_t now_ms, int64_t *unix_ms, char why[CFG_WHY_MAX])
{
	struct tm tm = {.tm_isdst = -1};
	const char *at = text;

	if (*text == '@')
		return unix_seconds(text, unix_ms, why);
	if (clock_time(&at, &tm) && !*at)
		return next_time(text, &tm, now_ms, unix_ms, why);
	return when_parse(text, unix_ms) < 0 ? refuse(why, text, "is no time, or no day of the calendar") : 0;
}
