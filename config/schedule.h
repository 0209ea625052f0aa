/*
 * schedule.h - when the jobs of a [cron:NAME] section are due: five fields as in crontab(5), or @every.
 *
 *   30 2 * * mon-fri      minute, hour, day of the month, month, day of the week
 *   @daily                one of SCHEDULE_NAME_MAP
 *   @every 90m            so long after the time that was due last
 *
 * Days of the month and of the week: if both are restricted, a day that is in either will do; if one of the fields
 * begins with `*` (also with a step), a day must be in both.
 *
 * Changes of the clock, for a zone with summer time:
 *
 *   fixed times (no `*` and no step in minute and hour) are due once for each time on the wall clock: at the first
 *   moment at which it shows that time or a later one. A time that occurs twice counts when it comes first; all that
 *   the clock leaves out come together, at the first moment after the gap.
 *
 *   others follow the time that passes: they are due whenever the wall clock shows such a time, in both of two equal
 *   hours, and not in one that is left out.
 *
 * Pure: no clock, no file, no state.
 */
#ifndef YM_CONFIG_SCHEDULE_H
#define YM_CONFIG_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "values.h"
#include "zone.h"

/* Name behind the @, and what it stands for. */
#define SCHEDULE_NAME_MAP(X)                                                                                           \
	X("hourly", "0 * * * *")                                                                                       \
	X("daily", "0 0 * * *")                                                                                        \
	X("midnight", "0 0 * * *")                                                                                     \
	X("weekly", "0 0 * * 0")                                                                                       \
	X("monthly", "0 0 1 * *")                                                                                      \
	X("yearly", "0 0 1 1 *")                                                                                       \
	X("annually", "0 0 1 1 *")

/* One bit a value. */
struct schedule {
	int64_t every; /* seconds; 0: the fields count */
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;     /* 1..31 */
	uint32_t months;   /* 1..12 */
	uint32_t weekdays; /* 0..6, Sunday first */
	bool both;         /* a day must be in `days` and in `weekdays`, not only in one of them */
	bool fixed;        /* no `*` and no step in minute and hour */
};

/* 0, or -1 with what is wrong with which field, and what is allowed. One that never happens is refused, too. */
int schedule_parse(const char *text, struct schedule *out, char why[CFG_WHY_MAX]);

/* For who only checks a configuration: schedule and zone (NULL: that of the process). */
int schedule_check(const char *text, const char *zone, char why[CFG_WHY_MAX]);

/* The first due time after `after`. False: none within SCHEDULE_YEARS. @every counts from `after`, which was due. */
#define SCHEDULE_YEARS 41
bool schedule_next(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t *next);

/* The last due time in (after, until]. False: there is none. */
bool schedule_latest(const struct schedule *schedule, const struct zone *zone, int64_t after, int64_t until,
                     int64_t *latest);

#endif
