/* when.h - points in time as texts of ISO 8601. */
#ifndef YM_RUNTIME_WHEN_H
#define YM_RUNTIME_WHEN_H

#include <stdint.h>

/*
 * Milliseconds since 1970 of
 *
 *   2026-11-21                      midnight
 *   2026-11-21T20:15                a blank for the T is fine, too
 *   2026-11-21T20:15:03.25
 *
 * each with a time in local time, or with Z, +01:00, +0100 or +01 behind it. Years from 1970 to 9999. 0, or -1: it is not
 * one, or there is no such day or hour.
 */
int when_parse(const char *text, int64_t *unix_ms);

#endif
