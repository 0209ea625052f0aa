/* values.c - parsers and formatters of single values. */
#define _GNU_SOURCE 1 /* asprintf */
#include "values.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nearest.h"
#include "problems.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LETTERS         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NUMBERS         ".0123456789"
#define NAME_CHARACTERS LETTERS "0123456789_" /* and - . behind the first one */

#define FRACTION_MAX 9 /* digits behind the point; more are finer than a millisecond of a day */

#define THOUSAND    INT64_C(1000)
#define NANOSECONDS INT64_C(1000000000)
#define RATE_MAX    INT64_C(1000000) /* a second */

struct unit {
	const char *name;
	int64_t factor;
};

/* The first name of each factor is the one that messages use. */
static const struct unit sizes[] = {
    {"gb", 1 << 30},  {"g", 1 << 30},  {"gib", 1 << 30}, {"mb", 1 << 20},  {"m", 1 << 20},
    {"mib", 1 << 20}, {"kb", 1 << 10}, {"k", 1 << 10},   {"kib", 1 << 10}, {"b", 1},
};

/* Largest first: the parts of 1h30m must follow this order. */
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

static const struct unit periods[] = {
    {"s", 1},
    {"m", 60},
    {"h", 3600},
    {"d", 86400},
};

static const struct {
	const char *word;
	int64_t level;
} levels[] = {
#define X(name, level) {#name, level},
    CFG_LEVEL_MAP(X)
#undef X
};

static const struct {
	const char *word;
	int value;
} booleans[] = {
    {"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}, {"1", 1}, {"0", 0},
};

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t multiply(int64_t a, int64_t b)
{
	int64_t product;

	return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Decimal digits at *at, which moves behind them. Returns how many. */
static size_t digits(const char **at, int64_t *out)
{
	const char *start = *at;

	*out = 0;
	for (; isdigit((unsigned char)**at); (*at)++)
		*out = add(multiply(*out, 10), **at - '0');
	return (size_t)(*at - start);
}

int cfg_parse_integer(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *at = text + (*text == '-');

	if (!digits(&at, out) || *at) {
		snprintf(why, CFG_WHY_MAX, "not a whole number: write digits only, such as 16");
		return -1;
	}
	if (*text == '-')
		*out = *out == INT64_MAX ? INT64_MIN : -*out;
	return 0;
}

int cfg_parse_size(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *at = text;
	char excerpt[CFG_EXCERPT_MAX];

	if (!digits(&at, out)) {
		snprintf(why, CFG_WHY_MAX, "not a size: write a whole number and a unit, such as 64kb or 5mb");
		return -1;
	}
	if (!*at)
		return 0;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		if (!strcasecmp(at, sizes[i].name)) {
			*out = multiply(*out, sizes[i].factor);
			return 0;
		}
	}
	snprintf(why, CFG_WHY_MAX, "`%s` is no unit of size: write a whole number and b, kb, mb or gb",
	         cfg_excerpt(at, excerpt));
	return -1;
}

/*
 * `.25` at *at as a part of a unit that has `factor` smaller ones; nothing there is 0. Returns how many of the
 * smaller ones, or -1 when no digit follows the point or they are finer than that.
 */
static int64_t fraction(const char **at, int64_t factor)
{
	int64_t value, scale = 1;
	const char *start;
	size_t count;

	if (**at != '.')
		return 0;
	start = ++*at;
	count = digits(at, &value);
	if (!count)
		return -1;
	while (count && start[count - 1] == '0')
		count--;
	if (count > FRACTION_MAX)
		return -1;
	value = 0;
	for (size_t i = 0; i < count; i++) {
		value = value * 10 + (start[i] - '0');
		scale *= 10;
	}
	return value * factor % scale ? -1 : value * factor / scale;
}

/*
 * One part of a duration, `30m` of `1h30m`: adds it to *out and moves *at behind it. `first` is the largest
 * unit that may still come and becomes the next smaller one. A single part without unit is in seconds.
 */
static int duration_part(const char **at, bool alone, size_t *first, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *start = *at, *point;
	char excerpt[CFG_EXCERPT_MAX];
	int64_t whole, part;
	size_t i, length;

	if (!digits(at, &whole)) {
		snprintf(why, CFG_WHY_MAX, "not a duration: write a number and a unit, such as 250ms, 10s or 1h30m");
		return -1;
	}
	point = *at;
	*at += strspn(*at, NUMBERS);
	length = strspn(*at, LETTERS);
	for (i = 0; i < COUNT(durations); i++) {
		const char *name = durations[i].name;

		if (length ? strlen(name) == length && !memcmp(*at, name, length) : alone && !strcmp(name, "s"))
			break;
	}
	cfg_excerpt(start, excerpt);
	if (i == COUNT(durations)) {
		snprintf(why, CFG_WHY_MAX, "`%s` has no known unit: use ms, s, m, h or d, such as 1h30m", excerpt);
		return -1;
	}
	if (i < *first) {
		snprintf(why, CFG_WHY_MAX, "`%s` is out of order: write larger units first, each one once", excerpt);
		return -1;
	}
	part = fraction(&point, durations[i].factor);
	if (part < 0 || isdigit((unsigned char)*point) || *point == '.') {
		snprintf(why, CFG_WHY_MAX, "`%s` has a fraction that is no whole number of milliseconds", excerpt);
		return -1;
	}
	*first = i + 1;
	*at += length;
	*out = add(*out, add(multiply(whole, durations[i].factor), part));
	return 0;
}

int cfg_parse_duration(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *at = text;
	size_t first = 0;
	bool alone = text[strspn(text, NUMBERS)] == '\0';

	*out = 0;
	do {
		if (duration_part(&at, alone, &first, out, why))
			return -1;
	} while (*at);
	return 0;
}

int cfg_parse_boolean(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	for (size_t i = 0; i < COUNT(booleans); i++) {
		if (!strcasecmp(text, booleans[i].word)) {
			*out = booleans[i].value;
			return 0;
		}
	}
	snprintf(why, CFG_WHY_MAX, "neither yes nor no: write yes, no, true, false, on, off, 1 or 0");
	return -1;
}

int cfg_parse_mode(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	size_t length = strspn(text, "01234567");

	if (!length || length > 5 || text[length]) {
		snprintf(why, CFG_WHY_MAX, "not a file mode: write it in octal, such as 0640");
		return -1;
	}
	*out = strtol(text, NULL, 8);
	return 0;
}

int cfg_parse_percent(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *at = text;

	if (digits(&at, out) && !strcmp(at + (*at == '%'), ""))
		return 0;
	snprintf(why, CFG_WHY_MAX, "not a percentage: write a whole number, such as 10 or 10%%");
	return -1;
}

int cfg_parse_level(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	struct cfg_nearest nearest = {.word = text};
	size_t used;

	if (isdigit((unsigned char)text[0]) && !text[1]) {
		*out = text[0] - '0';
		return 0;
	}
	used = (size_t)snprintf(why, CFG_WHY_MAX, "not a level: write 0 (the most urgent) to %d", CFG_LEVEL_MAX);
	for (size_t i = 0; i < COUNT(levels); i++) {
		if (!strcasecmp(text, levels[i].word)) {
			*out = levels[i].level;
			return 0;
		}
		cfg_nearest_offer(&nearest, levels[i].word);
		used += (size_t)snprintf(why + used, CFG_WHY_MAX - used, "%s%s", i + 1 < COUNT(levels) ? ", " : " or ",
		                         levels[i].word);
	}
	if (nearest.best)
		snprintf(why + used, CFG_WHY_MAX - used, "; did you mean `%s`?", nearest.best);
	return -1;
}

const char *cfg_level_word(int64_t level)
{
	static const char *const plain[CFG_LEVEL_MAX + 1] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

	if (level < 0 || level > CFG_LEVEL_MAX)
		return "?";
	for (size_t i = 0; i < COUNT(levels); i++) {
		if (levels[i].level == level)
			return levels[i].word;
	}
	return plain[level];
}

/* Counts in thousandths, so that 0.5/h is a whole number; the result is rounded up: rather late than too often. */
int cfg_parse_rate(const char *text, int64_t *out, char why[CFG_WHY_MAX])
{
	const char *at = text;
	int64_t count, part, span;
	size_t i = 0;

	if (!digits(&at, &count)) {
		snprintf(why, CFG_WHY_MAX, "not a rate: write a number and a period, such as 10/s, 90/m or 0.5/h");
		return -1;
	}
	part = fraction(&at, THOUSAND);
	if (part < 0) {
		snprintf(why, CFG_WHY_MAX, "a fraction has one to three digits, such as 0.5/h");
		return -1;
	}
	while (i < COUNT(periods) && (*at != '/' || strcmp(at + 1, periods[i].name)))
		i++;
	if (i == COUNT(periods)) {
		snprintf(why, CFG_WHY_MAX, "no known period: end the rate in /s, /m, /h or /d, such as 10/s");
		return -1;
	}
	count = add(multiply(count, THOUSAND), part);
	if (!count || count > RATE_MAX * THOUSAND * periods[i].factor) {
		snprintf(why, CFG_WHY_MAX, "out of range: allowed is 0.001/d..%lld/s", (long long)RATE_MAX);
		return -1;
	}
	span = periods[i].factor * NANOSECONDS * THOUSAND;
	*out = (span + count - 1) / count;
	return 0;
}

const char *cfg_format_integer(int64_t value, char out[CFG_NUMBER_MAX])
{
	snprintf(out, CFG_NUMBER_MAX, "%lld", (long long)value);
	return out;
}

/* In the first unit that divides the value; zero in the one whose factor is `zero`. */
static const char *format(const struct unit *units, size_t count, int64_t zero, int64_t value, char *out)
{
	size_t i = 0;

	while (i + 1 < count && (value ? value % units[i].factor != 0 : units[i].factor != zero))
		i++;
	snprintf(out, CFG_NUMBER_MAX, "%lld%s", (long long)(value / units[i].factor), units[i].name);
	return out;
}

const char *cfg_format_size(int64_t value, char out[CFG_NUMBER_MAX])
{
	return format(sizes, COUNT(sizes), 1, value, out);
}

const char *cfg_format_duration(int64_t value, char out[CFG_NUMBER_MAX])
{
	return format(durations, COUNT(durations), 1000, value, out);
}

int cfg_check_name(const char *text, size_t size, char why[CFG_WHY_MAX])
{
	size_t length = strlen(text);

	if (!length || length >= size)
		snprintf(why, CFG_WHY_MAX, "a name has 1 to %zu characters", size - 1);
	else if (strspn(text, NAME_CHARACTERS "-.") != length)
		snprintf(why, CFG_WHY_MAX, "a name consists of letters, digits and - _ .");
	else if (!strspn(text, NAME_CHARACTERS))
		snprintf(why, CFG_WHY_MAX, "a name starts with a letter, a digit or _");
	else
		return 0;
	return -1;
}

/* Decimal or 0xHEX within 32 bits, signed or not: what fits a key_t. */
static int check_key_number(const char *text, char why[CFG_WHY_MAX])
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *start = text + (hex ? 2 : *text == '-'), *end = start;
	long long value;

	while (hex ? isxdigit((unsigned char)*end) : isdigit((unsigned char)*end))
		end++;
	if (end == start || *end) {
		snprintf(why, CFG_WHY_MAX, "not a key: write a number, 0xHEX, PATH:c (ftok) or name:TEXT (crc32)");
		return -1;
	}
	value = strtoll(text, NULL, hex ? 16 : 10); /* saturates, which is out of range too */
	if (value > UINT32_MAX || value < INT32_MIN) {
		snprintf(why, CFG_WHY_MAX, "a key must fit 32 bits: 0x1..0xffffffff");
		return -1;
	}
	if (!value) {
		snprintf(why, CFG_WHY_MAX, "key 0 is IPC_PRIVATE, which no other program could find: choose another");
		return -1;
	}
	return 0;
}

int cfg_check_key(const char *text, size_t *path_length, char why[CFG_WHY_MAX])
{
	static const char named[] = "name:";
	const char *colon = strrchr(text, ':');

	*path_length = 0;
	if (!strncmp(text, named, sizeof(named) - 1)) {
		if (text[sizeof(named) - 1])
			return 0;
		snprintf(why, CFG_WHY_MAX, "no text behind `name:`");
		return -1;
	}
	if (strlen(text) >= 3 && text[strlen(text) - 2] == ':') {
		*path_length = strlen(text) - 2;
		return 0;
	}
	if (!colon)
		return check_key_number(text, why);
	snprintf(why, CFG_WHY_MAX, "not a key: write PATH:c with exactly one character c, or name:TEXT");
	return -1;
}

char *cfg_resolve_path(const char *directory, const char *path)
{
	char *out;

	if (*path == '/')
		return strdup(path);
	while (path[0] == '.' && path[1] == '/')
		path += 1 + strspn(path + 1, "/");
	if (asprintf(&out, "%s/%s", strcmp(directory, "/") ? directory : "", path) < 0)
		return NULL;
	return out;
}
