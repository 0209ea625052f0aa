/* text.c - durations, amounts and cells. */
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "../ipc/sys.h"

const char *text_duration(uint64_t ns, char out[TEXT_MAX])
{
	unsigned long long s = ns / 1000000000u;

	/* What would be rounded up to "60.0s" is a minute. */
	if (ns >= 59950000000u && s < 60)
		s = 60;
	if (s < 60)
		snprintf(out, TEXT_MAX, "%.1fs", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, TEXT_MAX, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, TEXT_MAX, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return out;
}

const char *text_eta(uint64_t ns, char out[TEXT_MAX])
{
	unsigned long long s = (ns + 999999999u) / 1000000000u;

	if (ns == YM_NEVER || s > 99ULL * 3600)
		snprintf(out, TEXT_MAX, "--:--");
	else if (s < 3600)
		snprintf(out, TEXT_MAX, "%llu:%02llu", s / 60, s % 60);
	else
		snprintf(out, TEXT_MAX, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	return out;
}

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};

/* The largest unit in which the amount is at least 1; *divisor is its size. */
static size_t unit_of(double amount, double *divisor)
{
	size_t unit = 0;

	*divisor = 1;
	while (amount / *divisor >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		*divisor *= 1024;
		unit++;
	}
	return unit;
}

const char *text_amount(double amount, bool bytes, char out[TEXT_MAX])
{
	double divisor;
	size_t unit = unit_of(amount, &divisor);

	if (!bytes)
		snprintf(out, TEXT_MAX, amount < 10 && amount != (double)(int)amount ? "%.1f" : "%.0f", amount);
	else
		snprintf(out, TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", amount / divisor, units[unit]);
	return out;
}

const char *text_fraction(uint64_t done, uint64_t total, bool bytes, char out[TEXT_MAX])
{
	double divisor;
	size_t unit = unit_of((double)total, &divisor);

	if (!bytes || unit == 0)
		snprintf(out, TEXT_MAX, "%llu/%llu%s", (unsigned long long)done, (unsigned long long)total,
		         bytes ? " B" : "");
	else
		snprintf(out, TEXT_MAX, "%.1f/%.1f %s", (double)done / divisor, (double)total / divisor, units[unit]);
	return out;
}

size_t text_utf8(const unsigned char *at, size_t left)
{
	size_t n = at[0] < 0x80                    ? 1
	           : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
	           : (at[0] & 0xf0) == 0xe0        ? 3
	           : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
	                                           : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates and what lies beyond U+10FFFF. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return n;
}

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

void text_copy(char *to, size_t max, const char *from)
{
	size_t n = from ? strnlen(from, max - 1) : 0;

	while (from && n > 0 && from[n] && !starts_character(from[n]))
		n--;
	memcpy(to, from ? from : "", n);
	memset(to + n, 0, max - n);
}

bool text_disturbs(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* Bytes of the character at `text`, and its columns. A character that must not be shown is none: 0. *skip: bytes to go on. */
static size_t character(const char *text, size_t *columns, size_t *skip)
{
	static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07}; /* bits of the first byte, by length */
	const unsigned char *at = (const unsigned char *)text;
	size_t n = text_utf8(at, strnlen(text, 4));
	uint32_t c = n ? at[0] & lead[n] : 0;
	int width;

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (at[i] & 0x3f);
	*skip = n ? n : 1;
	*columns = 1;
	if (n == 0 || text_disturbs(c))
		return 0;
	/* -1: the locale does not know it. */
	width = n > 1 ? wcwidth((wchar_t)c) : 1;
	*columns = width < 0 ? 1 : (size_t)width;
	return n;
}

size_t text_columns(const char *text)
{
	size_t sum = 0, columns, skip;

	for (; *text; text += skip, sum += columns)
		character(text, &columns, &skip);
	return sum;
}

void text_cell(char *out, size_t max, const char *text, size_t columns, bool pad)
{
	size_t used = 0, shown = 0;

	while (*text) {
		size_t wide, skip, bytes = character(text, &wide, &skip), room = bytes ? bytes : 1;

		if (shown + wide > columns || used + room >= max)
			break;
		/* What a task writes must not move the cursor. */
		memcpy(out + used, bytes ? text : "?", room);
		used += room;
		shown += wide;
		text += skip;
	}
	while (pad && shown < columns && used + 1 < max) {
		out[used++] = ' ';
		shown++;
	}
	out[used] = '\0';
}

const char *text_progress(uint64_t done, uint64_t total, const char *unit, const char *note,
                          char out[TEXT_PROGRESS_MAX])
{
	bool bytes = strcmp(unit, "bytes") == 0;
	char amount[TEXT_MAX], all[TEXT_MAX], said[160], of[TEXT_MAX] = " ";

	text_cell(said, sizeof(said), note, 40, false);
	text_amount((double)done, bytes, amount);
	text_cell(of + 1, sizeof(of) - 1, bytes ? "" : unit, sizeof(of) - 2, false);
	if (total)
		snprintf(out, TEXT_PROGRESS_MAX, "%3.0f%% %s of %s%s  %s", 100.0 * (double)done / (double)total, amount,
		         text_amount((double)total, bytes, all), of[1] ? of : "", said);
	else
		snprintf(out, TEXT_PROGRESS_MAX, "%s%s%s%s", done ? amount : "", done && of[1] ? of : "",
		         done ? "  " : "", said);
	return out;
}
