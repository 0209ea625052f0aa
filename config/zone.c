/* zone.c - read the changes of a time zone from libc. */
#define _GNU_SOURCE 1 /* tm_gmtoff */
#include "zone.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "problems.h"

/* No zone changes its clocks twice within so few days and back again. */
#define STRIDE (INT64_C(5) * 86400)

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_/"

static const char magic[] = "TZif";

struct zone {
	size_t nspans;
	struct zone_span spans[];
};

/* ---- is there one? --------------------------------------------------------------------------- */

static const char *zone_directory(void)
{
	const char *directory = getenv("TZDIR");

	return directory && *directory ? directory : "/usr/share/zoneinfo";
}

static bool is_zone_file(const char *path)
{
	char head[sizeof(magic)] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, head, sizeof(magic) - 1);
	close(fd);
	return n == sizeof(magic) - 1 && !strcmp(head, magic);
}

int zone_check(const char *name, char why[CFG_WHY_MAX])
{
	char path[PATH_MAX], excerpt[CFG_EXCERPT_MAX];
	const char *directory = zone_directory();
	bool well = *name && *name != '/' && strspn(name, NAME_CHARACTERS) == strlen(name);

	if (!strcmp(name, "UTC"))
		return 0;
	if (well && snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path) && is_zone_file(path))
		return 0;
	snprintf(path, sizeof(path), "%.200s/UTC", directory);
	cfg_excerpt(name, excerpt);
	if (is_zone_file(path))
		snprintf(why, CFG_WHY_MAX,
		         "no such time zone `%s`: write its name as below %.100s, such as Europe/Berlin or UTC",
		         excerpt, directory);
	else
		snprintf(why, CFG_WHY_MAX,
		         "no such time zone `%s`: there are none in %.100s: install the package tzdata, or write UTC",
		         excerpt, directory);
	return -1;
}

/* ---- read it --------------------------------------------------------------------------------- */

/* Also when TZ is what it was before, libc is to read its file again: that may be a new one. */
static void switch_to(const char *tz)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	if (tz)
		setenv("TZ", tz, 1);
	else
		unsetenv("TZ");
	tzset();
}

static int64_t offset_at(int64_t time)
{
	time_t t = (time_t)time;
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* The first time with another offset than that at `from`, in (from, until]: there is one. */
static int64_t find_change(int64_t from, int64_t until)
{
	int64_t offset = offset_at(from);

	while (until - from > 1) {
		int64_t middle = from + (until - from) / 2;

		if (offset_at(middle) == offset)
			from = middle;
		else
			until = middle;
	}
	return until;
}

static struct zone *add_span(struct zone *zone, int64_t from, int64_t offset)
{
	size_t n = zone ? zone->nspans : 0;
	struct zone *larger = realloc(zone, sizeof(*zone) + (n + 1) * sizeof(zone->spans[0]));

	if (!larger) {
		free(zone);
		return NULL;
	}
	larger->spans[n] = (struct zone_span){from, INT64_MAX, offset, INT64_MIN};
	if (n > 0) {
		struct zone_span *before = &larger->spans[n - 1];

		before->until = from;
		larger->spans[n].high = from - 1 + before->offset;
	}
	larger->nspans = n + 1;
	return larger;
}

static struct zone *read_spans(int64_t now)
{
	int64_t at = now - ZONE_YEARS_BACK * ZONE_YEAR, end = now + ZONE_YEARS_AHEAD * ZONE_YEAR;
	struct zone *zone = add_span(NULL, INT64_MIN, offset_at(at));

	while (zone && at < end) {
		int64_t next = at + STRIDE;

		if (offset_at(next) != offset_at(at)) {
			next = find_change(at, next);
			zone = add_span(zone, next, offset_at(next));
		}
		at = next;
	}
	return zone;
}

struct zone *zone_open(const char *name, int64_t now, char why[CFG_WHY_MAX])
{
	const char *tz = getenv("TZ");
	char *before = tz ? strdup(tz) : NULL;
	struct zone *zone = NULL;

	if (name && zone_check(name, why) < 0) {
		free(before);
		return NULL;
	}
	if (before || !tz) {
		switch_to(!name ? before : !strcmp(name, "UTC") ? "UTC0" : name);
		zone = read_spans(now);
		switch_to(before);
	}
	free(before);
	if (!zone)
		snprintf(why, CFG_WHY_MAX, "out of memory");
	return zone;
}

void zone_close(struct zone *zone)
{
	free(zone);
}

/* ---- look ------------------------------------------------------------------------------------ */

const struct zone_span *zone_span(const struct zone *zone, int64_t time)
{
	size_t low = 0, high = zone->nspans - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (time < zone->spans[middle].until)
			high = middle;
		else
			low = middle + 1;
	}
	return &zone->spans[low];
}

const struct zone_span *zone_span_next(const struct zone *zone, const struct zone_span *span)
{
	return span + 1 < zone->spans + zone->nspans ? span + 1 : NULL;
}

int64_t zone_high(const struct zone *zone, int64_t time)
{
	const struct zone_span *span = zone_span(zone, time);
	int64_t wall = time + span->offset;

	return wall > span->high ? wall : span->high;
}

int64_t zone_first(const struct zone *zone, int64_t wall)
{
	const struct zone_span *span = zone->spans;
	int64_t time;

	/* The last wall time of a span is until - 1 + offset. */
	while (span->until != INT64_MAX && wall > span->until - 1 + span->offset)
		span++;
	time = wall - span->offset;
	return time > span->from ? time : span->from;
}
