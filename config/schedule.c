/* schedule.c - read a schedule, find the times that are due. */
#define _GNU_SOURCE 1 /* strcasecmp */
#include "schedule.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nearest.h"
#include "problems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BLANK  " \t"
#define DAY    INT64_C(86400)
#define MINUTE INT64_C(60)

#define EVERY_MAX (366 * DAY)

/* Any day will do to see whether a schedule ever happens: all weekdays of a 29th of February follow within 28 years. */
#define EVER_FROM INT64_C(946684800)

/* ---- the fields ------------------------------------------------------------------------------ */

enum field_number { MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS, FIELDS };

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

/* `most` is what a value may be, `last` the end of `*`: 7 is another name of Sunday. */
static const struct field {
	const char *name;
	int least, most, last;
	const char *const *names; /* of least, least + 1, ...; NULL: none */
	const char *allowed;
} fields[FIELDS] = {
    [MINUTES] = {"minute", 0, 59, 59, NULL, "0..59"},
    [HOURS] = {"hour", 0, 23, 23, NULL, "0..23"},
    [DAYS] = {"day of the month", 1, 31, 31, NULL, "1..31"},
    [MONTHS] = {"month", 1, 12, 12, month_names, "1..12 or jan..dec"},
    [WEEKDAYS] = {"day of the week", 0, 7, 6, weekday_names, "0..7 (0 and 7 are Sunday) or sun..sat"},
};

/* A piece of the text. */
struct piece {
	const char *at;
	size_t length;
};

static bool equals(struct piece piece, const char *word)
{
	return strlen(word) == piece.length && !strncasecmp(piece.at, word, piece.length);
}

static const char *quote(struct piece piece, char out[CFG_EXCERPT_MAX])
{
	char copy[CFG_EXCERPT_MAX];

	snprintf(copy, sizeof(copy), "%.*s", (int)(piece.length < 60 ? piece.length : 60), piece.at);
	return cfg_excerpt(copy, out);
}

/* Divide at the first `mark`: true with the part behind it in *rest and the part before it in *piece. */
static bool divide(struct piece *piece, char mark, struct piece *rest)
{
	const char *found = memchr(piece->at, mark, piece->length);

	if (!found)
		return false;
	*rest = (struct piece){found + 1, piece->length - (size_t)(found - piece->at) - 1};
	piece->length = (size_t)(found - piece->at);
	return true;
}

__attribute__((format(printf, 4, 5))) static int refuse(const struct field *field, struct piece item,
                                                        char why[CFG_WHY_MAX], const char *fmt, ...)
{
	char excerpt[CFG_EXCERPT_MAX];
	va_list args;
	int used = snprintf(why, CFG_WHY_MAX, "field %d (%s): `%s`: ", (int)(field - fields) + 1, field->name,
	                    quote(item, excerpt));

	va_start(args, fmt);
	vsnprintf(why + used, (size_t)(CFG_WHY_MAX - used), fmt, args);
	va_end(args);
	return -1;
}

/* A whole number of few digits, -1: it is none. */
static int number(struct piece piece)
{
	int value = 0;

	if (piece.length == 0 || piece.length > 4)
		return -1;
	for (size_t i = 0; i < piece.length; i++) {
		if (!isdigit((unsigned char)piece.at[i]))
			return -1;
		value = value * 10 + (piece.at[i] - '0');
	}
	return value;
}

/* A value of the field, -1: it is none. */
static int value_of(const struct field *field, struct piece piece)
{
	int value = number(piece);

	for (int i = 0; value < 0 && field->names && field->names[i]; i++)
		if (equals(piece, field->names[i]))
			return field->least + i;
	return value >= field->least && value <= field->most ? value : -1;
}

/* `9-17` or `9`: the ends of it. */
static int parse_range(const struct field *field, struct piece item, struct piece range, int *first, int *last,
                       char why[CFG_WHY_MAX])
{
	struct piece end;
	bool two = divide(&range, '-', &end);

	*first = value_of(field, range);
	*last = two ? value_of(field, end) : *first;
	if (*first < 0 || *last < 0)
		return refuse(field, item, why,
		              "allowed is *, or %s, also as a list (a,b), a range (a-b) or with a "
		              "step (a-b/n, */n)",
		              field->allowed);
	/* Sunday at the end of a week. */
	if (two && field == &fields[WEEKDAYS] && *last == 0 && *first > 0)
		*last = 7;
	if (*first > *last)
		return refuse(field, item, why, "a range goes upwards: write %d-%d,%d-%d for one around the end",
		              *first, field->last, field->least, *last);
	return 0;
}

/* `9-17/2`, one item of a list. */
static int parse_item(const struct field *field, struct piece item, uint64_t *bits, char why[CFG_WHY_MAX])
{
	struct piece range = item, text;
	bool stepped = divide(&range, '/', &text);
	int first = field->least, last = field->last, step = 1;

	if (!equals(range, "*") && parse_range(field, item, range, &first, &last, why) < 0)
		return -1;
	if (stepped) {
		step = number(text);
		if (step < 1 || step > field->last)
			return refuse(field, item, why,
			              "a step is a number within the field, 1..%d; for any interval "
			              "write @every, such as @every 90m",
			              field->last);
		if (!equals(range, "*") && !memchr(range.at, '-', range.length))
			return refuse(field, item, why, "a step needs a range: write %d-%d/%d", first, field->last,
			              step);
	}
	for (int i = first; i <= last; i += step)
		*bits |= UINT64_C(1) << (field == &fields[WEEKDAYS] ? i % 7 : i);
	return 0;
}

static int parse_field(const struct field *field, struct piece word, uint64_t *bits, char why[CFG_WHY_MAX])
{
	struct piece item, rest = word;
	bool more;

	*bits = 0;
	do {
		item = rest;
		more = divide(&item, ',', &rest);
		if (item.length == 0)
			return refuse(field, word, why, "an empty item in the list");
		if (parse_item(field, item, bits, why) < 0)
			return -1;
	} while (more);
	return 0;
}

static bool starry(struct piece word)
{
	return word.at[0] == '*';
}

static bool stepwise(struct piece word)
{
	return memchr(word.at, '*', word.length) || memchr(word.at, '/', word.length);
}

/* ---- the text -------------------------------------------------------------------------------- */

/* Up to `max` words; how many there are. */
static size_t split(const char *text, struct piece *words, size_t max)
{
	size_t n = 0;

	for (text += strspn(text, BLANK); *text; text += strspn(text, BLANK)) {
		size_t length = strcspn(text, BLANK);

		if (n < max)
			words[n] = (struct piece){text, length};
		n++;
		text += length;
	}
	return n;
}

static bool find_wall(const struct schedule *schedule, int64_t from, int64_t limit, int64_t *found);

static int parse_fields(const char *text, struct schedule *out, char why[CFG_WHY_MAX])
{
	uint64_t bits[FIELDS];
	struct piece words[FIELDS];
	size_t n = split(text, words, FIELDS);
	int64_t ever;

	if (n != FIELDS) {
		snprintf(
		    why, CFG_WHY_MAX,
		    "%zu field%s: a schedule has five (minute, hour, day of the month, month, day of the week), or "
		    "is @daily and the like, or @every TIME%s",
		    n, n == 1 ? "" : "s", n > FIELDS ? "; there are no seconds, and no blanks in a list" : "");
		return -1;
	}
	for (int i = 0; i < FIELDS; i++)
		if (parse_field(&fields[i], words[i], &bits[i], why) < 0)
			return -1;
	*out = (struct schedule){
	    .minutes = bits[MINUTES],
	    .hours = (uint32_t)bits[HOURS],
	    .days = (uint32_t)bits[DAYS],
	    .months = (uint32_t)bits[MONTHS],
	    .weekdays = (uint32_t)bits[WEEKDAYS],
	    .both = starry(words[DAYS]) || starry(words[WEEKDAYS]),
	    .fixed = !stepwise(words[MINUTES]) && !stepwise(words[HOURS]),
	};
	if (find_wall(out, EVER_FROM, EVER_FROM + SCHEDULE_YEARS * ZONE_YEAR, &ever))
		return 0;
	snprintf(why, CFG_WHY_MAX, "never happens: none of these months has such a day");
	return -1;
}

static int parse_every(const char *text, struct schedule *out, char why[CFG_WHY_MAX])
{
	char excerpt[CFG_EXCERPT_MAX];
	int64_t ms;

	text += strspn(text, BLANK);
	if (cfg_parse_duration(text, &ms, why) < 0)
		return -1;
	if (ms < 1000 || ms % 1000 || ms / 1000 > EVERY_MAX) {
		snprintf(why, CFG_WHY_MAX, "@every `%s`: allowed is 1s..%lldd, in whole seconds",
		         cfg_excerpt(text, excerpt), (long long)(EVERY_MAX / DAY));
		return -1;
	}
	*out = (struct schedule){.every = ms / 1000};
	return 0;
}

static const struct {
	const char *name, *fields;
} names[] = {
#define X(name, text) {name, text},
    SCHEDULE_NAME_MAP(X)
#undef X
};

static int refuse_name(struct piece word, char why[CFG_WHY_MAX])
{
	char excerpt[CFG_EXCERPT_MAX];
	struct cfg_nearest nearest = {.word = quote(word, excerpt)};
	int used = snprintf(why, CFG_WHY_MAX, "unknown schedule `@%s`: there are ", excerpt);

	for (size_t i = 0; i < COUNT(names); i++) {
		cfg_nearest_offer(&nearest, names[i].name);
		used += snprintf(why + used, (size_t)(CFG_WHY_MAX - used), "@%s, ", names[i].name);
	}
	cfg_nearest_offer(&nearest, "every");
	used += snprintf(why + used, (size_t)(CFG_WHY_MAX - used), "and @every TIME");
	if (nearest.best)
		snprintf(why + used, (size_t)(CFG_WHY_MAX - used), "; did you mean `@%s`?", nearest.best);
	return -1;
}

int schedule_parse(const char *text, struct schedule *out, char why[CFG_WHY_MAX])
{
	struct piece word;

	text += strspn(text, BLANK);
	if (*text != '@')
		return parse_fields(text, out, why);
	word = (struct piece){text + 1, strcspn(text + 1, BLANK)};
	text = word.at + word.length;
	if (equals(word, "every"))
		return parse_every(text, out, why);
	for (size_t i = 0; i < COUNT(names); i++)
		if (equals(word, names[i].name) && !text[strspn(text, BLANK)])
			return parse_fields(names[i].fields, out, why);
	return refuse_name(word, why);
}

int schedule_check(const char *text, const char *zone, char why[CFG_WHY_MAX])
{
	struct schedule schedule;

	if (schedule_parse(text, &schedule, why) < 0)
		return -1;
	return zone ? zone_check(zone, why) : 0;
}

/* ---- the times ------------------------------------------------------------------------------- */

static bool has(uint64_t bits, int value)
{
	return bits >> value & 1;
}

static bool day_matches(const struct schedule *schedule, const struct tm *tm)
{
	bool day = has(schedule->days, tm->tm_mday), weekday = has(schedule->weekdays, tm->tm_wday);

	return has(schedule->months, tm->tm_mon + 1) && (schedule->both ? day && weekday : day || weekday);
}

/* The first minute of a day at or after this one; -1: none is left. */
static int minute_of_day(const struct schedule *schedule, int from)
{
	for (int hour = from / 60, minute = from % 60; hour < 24; hour++, minute = 0) {
		uint64_t left = schedule->minutes >> minute;

		if (has(schedule->hours, hour) && left)
			return hour * 60 + minute + __builtin_ctzll(left);
	}
	return -1;
}

/* The first wall time at or after `from` and before `limit` that the fields name. */
static bool find_wall(const struct schedule *schedule, int64_t from, int64_t limit, int64_t *found)
{
	int64_t day = from / DAY - (from % DAY < 0);
	int minute = (int)((from - day * DAY + MINUTE - 1) / MINUTE);

	for (; day * DAY < limit; day++, minute = 0) {
		time_t midnight = (time_t)(day * DAY);
		struct tm tm;
		int at;

		if (!gmtime_r(&midnight, &tm))
			return false;
		at = day_matches(schedule, &tm) ? minute_of_day(schedule, minute) : -1;
		if (at < 0)
			continue;
		*found = day * DAY + at * MINUTE;
		return *found < limit;
	}
	return false;
}

static bool next_fixed(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *next)
{
	int64_t wall = zone_high(zone, after) + 1;

	if (!find_wall(schedule, wall, wall + SCHEDULE_YEARS * ZONE_YEAR, &wall))
		return false;
	*next = zone_first(zone, wall);
	return true;
}

static bool next_passing(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *next)
{
	int64_t from = after + 1, horizon = after + SCHEDULE_YEARS * ZONE_YEAR;

	for (const struct zone_span *span = zone_span(zone, from); span && from < horizon;
	     span = zone_span_next(zone, span)) {
		int64_t until = span->until < horizon ? span->until : horizon, wall;

		if (find_wall(schedule, from + span->offset, until + span->offset, &wall)) {
			*next = wall - span->offset;
			return true;
		}
		from = until;
	}
	return false;
}

bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *next)
{
	if (schedule->every) {
		*next = after + schedule->every;
		return true;
	}
	return schedule->fixed ? next_fixed(schedule, zone, after, next) : next_passing(schedule, zone, after, next);
}

bool schedule_latest(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t until,
                     int64_t *latest)
{
	/* Backwards in growing strides, so that few times are walked over whatever the schedule. */
	static const int64_t strides[] = {60 * MINUTE, DAY, 32 * DAY, 366 * DAY, SCHEDULE_YEARS * ZONE_YEAR};
	int64_t next;

	if (schedule->every) {
		*latest = until - (until - after) % schedule->every;
		return until - after >= schedule->every;
	}
	for (size_t i = 0; i < COUNT(strides); i++) {
		int64_t from = until - strides[i] > after ? until - strides[i] : after;

		if (!schedule_next(schedule, zone, from, &next) || next > until) {
			if (from == after)
				return false;
			continue;
		}
		do
			*latest = next;
		while (schedule_next(schedule, zone, next, &next) && next <= until);
		return true;
	}
	return false;
}
