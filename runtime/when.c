/* when.c - ISO 8601. */
#include "when.h"

#include <ctype.h>
#include <stdbool.h>
#include <time.h>

#define YEAR_FIRST 1970
#define YEAR_LAST  9999

/* Exactly `count` digits at *at, within limits; *at moves behind them. */
static bool number(const char **at, int count, int least, int most, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		*out = *out * 10 + (**at - '0');
	}
	return *out >= least && *out <= most;
}

static bool literal(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool date(const char **at, struct tm *tm)
{
	if (!number(at, 4, YEAR_FIRST, YEAR_LAST, &tm->tm_year) || !literal(at, '-') ||
	    !number(at, 2, 1, 12, &tm->tm_mon) || !literal(at, '-') || !number(at, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	return true;
}

/* :SS and .FFF, both optional. */
static bool seconds(const char **at, struct tm *tm, int *ms)
{
	if (!literal(at, ':'))
		return true;
	if (!number(at, 2, 0, 59, &tm->tm_sec))
		return false;
	if (!literal(at, '.'))
		return true;
	if (!isdigit((unsigned char)**at))
		return false;
	for (int scale = 100; isdigit((unsigned char)**at); scale /= 10, (*at)++)
		*ms += (**at - '0') * scale;
	return true;
}

/* Z or an offset: minutes ahead of UTC. *local when there is neither. */
static bool zone(const char **at, bool *local, int *ahead)
{
	bool west = **at == '-';
	int hours, minutes = 0;

	*ahead = 0;
	*local = **at == '\0';
	if (*local || literal(at, 'Z'))
		return true;
	if (!literal(at, '+') && !literal(at, '-'))
		return false;
	if (!number(at, 2, 0, 23, &hours))
		return false;
	if (**at && ((void)literal(at, ':'), !number(at, 2, 0, 59, &minutes)))
		return false;
	*ahead = (hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

int when_parse(const char *text, int64_t *unix_ms)
{
	const char *at = text;
	struct tm tm = {.tm_isdst = -1}, wanted;
	int ms = 0, ahead = 0;
	bool local = true;
	time_t time;

	if (!date(&at, &tm))
		return -1;
	if (*at) {
		if (!literal(&at, 'T') && !literal(&at, ' '))
			return -1;
		if (!number(&at, 2, 0, 23, &tm.tm_hour) || !literal(&at, ':') || !number(&at, 2, 0, 59, &tm.tm_min) ||
		    !seconds(&at, &tm, &ms) || !zone(&at, &local, &ahead) || *at)
			return -1;
	}
	wanted = tm;
	time = local ? mktime(&tm) : timegm(&tm);
	/* The 30th of February becomes the 1st of March, an hour that a clock change leaves out another one. */
	if (tm.tm_mday != wanted.tm_mday || tm.tm_hour != wanted.tm_hour)
		return -1;
	*unix_ms = ((int64_t)time - (int64_t)ahead * 60) * 1000 + ms;
	return 0;
}
