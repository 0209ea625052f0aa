/* top_line.c - cells by columns, and the looks of their texts. */
#include "top_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "../text.h"

/* The longest text of line_put(). */
#define PUT_MAX 512

void line_begin(struct line *line, unsigned columns, bool utf8)
{
	line->columns = columns < LINE_COLUMNS ? columns : LINE_COLUMNS;
	line->used = line->nruns = 0;
	line->length = 0;
	line->utf8 = utf8;
	line->chosen = false;
	line->text[0] = '\0';
}

/* Bytes of the character at `text` that can be shown, and its columns; 0: it cannot. *skip: bytes to go on. */
static size_t shown(const char *text, bool utf8, unsigned *columns, size_t *skip)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n = utf8 ? mbrtowc(&c, text, strnlen(text, 8), &state) : (size_t)-1;
	int width;

	*columns = 1;
	*skip = 1;
	if (n == 0 || n > 8) {
		/* One '?' for a whole character that the terminal does not have. */
		while (((unsigned char)text[0] & 0xc0) == 0xc0 && ((unsigned char)text[*skip] & 0xc0) == 0x80)
			(*skip)++;
		return 0;
	}
	*skip = n;
	width = wcwidth(c);
	if (width < 0 || !iswprint((wint_t)c) || text_disturbs((uint32_t)c))
		return 0;
	*columns = (unsigned)width;
	return n;
}

unsigned line_fit(char *out, size_t max, const char *text, unsigned columns, bool utf8)
{
	unsigned used = 0, wide;
	size_t length = 0, skip, bytes;

	while (*text && length + 8 < max) {
		if ((unsigned char)*text >= 0x20 && (unsigned char)*text < 0x7f) {
			wide = 1;
			skip = bytes = 1;
		} else {
			bytes = shown(text, utf8, &wide, &skip);
		}
		if (used + wide > columns)
			break;
		if (bytes == 0)
			out[length++] = '?';
		memcpy(out + length, text, bytes);
		length += bytes;
		used += wide;
		text += skip;
	}
	out[length] = '\0';
	return used;
}

size_t line_break(const char *text, size_t length, unsigned columns, bool utf8)
{
	size_t at = 0, blank = 0, skip;
	unsigned used = 0, wide;

	while (at < length) {
		shown(text + at, utf8, &wide, &skip);
		if (used + wide > columns && at > 0)
			return blank ? blank : at;
		used += wide;
		at += skip;
		if (at < length && text[at] == ' ')
			blank = at;
	}
	return length;
}

static void set_look(struct line *line, enum look look)
{
	if (line->nruns > 0 && line->runs[line->nruns - 1].look == look)
		return;
	if (line->nruns == LINE_RUNS)
		return;
	line->runs[line->nruns].at = (uint16_t)line->length;
	line->runs[line->nruns++].look = (uint16_t)look;
}

static void blanks(struct line *line, unsigned n)
{
	if (n > line->columns - line->used)
		n = line->columns - line->used;
	if (n >= LINE_BYTES - line->length)
		n = (unsigned)(LINE_BYTES - line->length - 1);
	memset(line->text + line->length, ' ', n);
	line->length += n;
	line->used += n;
	line->text[line->length] = '\0';
}

void line_cell(struct line *line, enum look look, const char *text, unsigned width, bool right)
{
	char cut[LINE_BYTES];
	unsigned used;
	size_t length;

	if (width > line->columns - line->used)
		width = line->columns - line->used;
	used = line_fit(cut, sizeof(cut), text, width, line->utf8);
	length = strlen(cut);
	set_look(line, look);
	if (right)
		blanks(line, width - used);
	if (length >= LINE_BYTES - line->length)
		return;
	memcpy(line->text + line->length, cut, length + 1);
	line->length += length;
	line->used += used;
	if (!right)
		blanks(line, width - used);
}

void line_put(struct line *line, enum look look, const char *fmt, ...)
{
	char text[PUT_MAX], cut[PUT_MAX];
	va_list list;

	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	line_cell(line, look, text, line_fit(cut, sizeof(cut), text, line->columns - line->used, line->utf8), false);
}

void line_to(struct line *line, enum look look, unsigned column)
{
	set_look(line, look);
	if (column > line->used)
		blanks(line, column - line->used);
}

bool line_same(const struct line *a, const struct line *b)
{
	return a->columns == b->columns && a->chosen == b->chosen && a->length == b->length && a->nruns == b->nruns &&
	       memcmp(a->text, b->text, a->length) == 0 && memcmp(a->runs, b->runs, a->nruns * sizeof(a->runs[0])) == 0;
}
