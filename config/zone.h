/*
 * zone.h - what the clocks on the wall show in a time zone, and when they are changed.
 *
 * libc knows the rules, but it has one zone a process, and that in an environment variable. So all changes of a zone
 * within some decades are asked of libc once, while TZ names it for a millisecond or two, and kept in a table. After
 * that a zone is plain memory: nothing global is touched and no file is read. New rules (an update of tzdata) are seen
 * by who opens the zone again.
 *
 * zone_open() sets and restores TZ: other threads must neither use local time nor read the environment meanwhile.
 *
 * Times are seconds since 1970. Wall time is a time plus the offset of the zone: read as UTC, it shows the wall clock.
 */
#ifndef YM_CONFIG_ZONE_H
#define YM_CONFIG_ZONE_H

#include <stdint.h>

#include "values.h"

#define ZONE_YEAR INT64_C(31556952)
/* The table reaches this far; later the last offset stays. */
#define ZONE_YEARS_BACK  3
#define ZONE_YEARS_AHEAD 45

/* Between two changes. */
struct zone_span {
	int64_t from, until; /* INT64_MIN in the first, INT64_MAX in the last one */
	int64_t offset;
	int64_t high; /* the last wall time that was shown before `from`; INT64_MIN in the first one */
};

struct zone;

/* Is there a zone of this name (Europe/Berlin; UTC always)? 0, or -1 with the reason. */
int zone_check(const char *name, char why[CFG_WHY_MAX]);

/*
 * Name NULL: the zone of the process, from TZ or /etc/localtime. The table lies around the time `now`. NULL with the
 * reason in `why`.
 */
struct zone *zone_open(const char *name, int64_t now, char why[CFG_WHY_MAX]);
void zone_close(struct zone *zone);

/* The span with this time; the one that follows, NULL after the last. */
const struct zone_span *zone_span(const struct zone *zone, int64_t time);
const struct zone_span *zone_span_next(const struct zone *zone, const struct zone_span *span);

/* The highest wall time shown up to and at this time: more than is shown then, after a clock was turned back. */
int64_t zone_high(const struct zone *zone, int64_t time);

/* The first time at which the wall clock shows this or more. */
int64_t zone_first(const struct zone *zone, int64_t wall);

#endif
