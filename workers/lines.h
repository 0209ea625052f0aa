/* lines.h - cut a stream of bytes into lines, whatever pieces it comes in. */
#ifndef YM_WORKERS_LINES_H
#define YM_WORKERS_LINES_H

#include <stddef.h>

#define LINES_MAX 512 /* longest line with its NUL; of a longer one the beginning is used */

struct lines {
	size_t size;
	char text[LINES_MAX];
};

/* Without the newline and a carriage return before it, NUL-terminated; may be changed. */
typedef void lines_take(void *arg, char *line);

/* The next bytes of the stream: calls `take` for each line that ends in them. */
void lines_feed(struct lines *lines, const char *bytes, size_t size, lines_take *take, void *arg);

/* The stream has ended: what came behind the last newline counts as a line. */
void lines_end(struct lines *lines, lines_take *take, void *arg);

#endif
