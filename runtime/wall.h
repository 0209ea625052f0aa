/*
 * wall.h - moments as people write and read them: the local time zone, ISO 8601.
 *
 * The table counts on ym_now_ns(). What that was on the wall is computed by the clocks as they stand now: if somebody has
 * set the clock since, it is what the clock would have shown.
 */
#ifndef YM_RUNTIME_WALL_H
#define YM_RUNTIME_WALL_H

#include <stdint.h>

#include "../config/values.h"

#define WALL_MAX 40

/* Unix time in milliseconds of a moment of ym_now_ns(). */
int64_t wall_of(uint64_t moment);

/* 2026-11-22T10:00:00+01:00 in the local time zone; wall_parse() reads it back. Returns `out`. */
const char *wall_text(int64_t unix_ms, char out[WALL_MAX]);

/*
 * What when_parse() reads, 10:00 (the next time that the clock shows it, seen from now_ms), or @1795338000 (unix seconds). 0,
 * or -1 with the reason.
 */
int wall_parse(const char *text, int64_t now_ms, int64_t *unix_ms, char why[CFG_WHY_MAX]);

#endif
