/*
 * values.h - how values are written: numbers, sizes, durations, booleans, levels, rates, names, keys, paths.
 *
 * Every parser takes the whole text and refuses anything left over. It returns 0, or -1 with the reason in
 * `why`. Numbers too large for 64 bits come out as INT64_MAX (or INT64_MIN): the caller's range check refuses
 * them with the range that is allowed, which tells the user more than "overflow".
 */
#ifndef YM_CONFIG_VALUES_H
#define YM_CONFIG_VALUES_H

#include <stddef.h>
#include <stdint.h>

#define CFG_WHY_MAX    384 /* bytes of a reason, with its NUL */
#define CFG_NUMBER_MAX 24  /* bytes of a formatted number, with unit and NUL */

/* Levels of priority, 0 is the most urgent; the names of those that have one, in order. */
#define CFG_LEVEL_MAX 9
#define CFG_LEVEL_MAP(X)                                                                                               \
	X(urgent, 0)                                                                                                   \
	X(high, 3)                                                                                                     \
	X(normal, 5)                                                                                                   \
	X(low, 7)                                                                                                      \
	X(idle, 9)

typedef int cfg_parser(const char *text, int64_t *out, char why[CFG_WHY_MAX]);
typedef const char *cfg_formatter(int64_t value, char out[CFG_NUMBER_MAX]);

cfg_parser cfg_parse_integer;  /* 12, -3                                                                */
cfg_parser cfg_parse_size;     /* 100, 100b, 64kb, 5m, 1GiB: bytes, units are powers of 1024            */
cfg_parser cfg_parse_duration; /* 90 (seconds), 250ms, 1.5s, 1h30m, 7d: milliseconds                    */
cfg_parser cfg_parse_boolean;  /* yes no true false on off 1 0: 1 or 0                                  */
cfg_parser cfg_parse_mode;     /* 0640, 640: octal permission bits                                      */
cfg_parser cfg_parse_percent;  /* 10, 10%                                                               */
cfg_parser cfg_parse_level;    /* 0 to 9, urgent, high, normal, low, idle: 0 to 9                       */
cfg_parser cfg_parse_rate;     /* 10/s, 90/m, 0.5/h, 1000/d: nanoseconds from one to the next, never less */

/* The name of a level, its digit if it has none; "?" if it is no level. */
const char *cfg_level_word(int64_t level);

/* The same value as a user would write it, in the largest unit that divides it: 16mb, 90s. Return `out`. */
cfg_formatter cfg_format_integer;
cfg_formatter cfg_format_size;
cfg_formatter cfg_format_duration;

/*
 * Name of a section: a part of file names, so it must not look like "..", "a/b" or an option. `size`: bytes that it may
 * have, with its NUL.
 */
int cfg_check_name(const char *text, size_t size, char why[CFG_WHY_MAX]);

/*
 * Key of a foreign semaphore: decimal number, 0xHEX, PATH:c, name:TEXT. `path_length` becomes the length of
 * PATH, 0 for the other forms.
 */
int cfg_check_key(const char *text, size_t *path_length, char why[CFG_WHY_MAX]);

/* `path` itself if absolute, else below `directory`. Allocated; NULL when out of memory. */
char *cfg_resolve_path(const char *directory, const char *path);

#endif
