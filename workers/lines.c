/* lines.c - cut a stream of bytes into lines. */
#include "lines.h"

#include <string.h>

static void end_line(struct lines *lines, lines_take *take, void *arg)
{
	if (lines->size > 0 && lines->text[lines->size - 1] == '\r')
		lines->size--;
	lines->text[lines->size] = '\0';
	lines->size = 0;
	take(arg, lines->text);
}

void lines_feed(struct lines *lines, const char *bytes, size_t size, lines_take *take, void *arg)
{
	const char *end = bytes + size;

	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		size_t length = (size_t)((newline ? newline : end) - bytes), room = LINES_MAX - 1 - lines->size;

		memcpy(lines->text + lines->size, bytes, length < room ? length : room);
		lines->size += length < room ? length : room;
		if (!newline)
			return;
		end_line(lines, take, arg);
		bytes = newline + 1;
	}
}

void lines_end(struct lines *lines, lines_take *take, void *arg)
{
	if (lines->size > 0)
		end_line(lines, take, arg);
}
