/* log.c - lines on stderr. */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: a line goes whole or not at all */

static const char *const words[] = {
#define X(name, word) word,
    LOG_LEVEL_MAP(X)
#undef X
};

static enum log_level threshold = LOG_INFO;

void log_set_level(const char *word)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			threshold = (enum log_level)i;
}

static int stamp(char *line, size_t max, enum log_level level)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	return snprintf(line, max, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %-5s ", tm.tm_year + 1900, tm.tm_mon + 1,
	                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, words[level]);
}

/* Who reads our stderr may stand still (a pager, a full disk behind a pipe): the master must not. */
static bool writable(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) > 0 && (out.revents & POLLOUT);
}

/* There is nobody to tell when this fails. */
static void put(const char *bytes, size_t size)
{
	ssize_t n = write(STDERR_FILENO, bytes, size);

	(void)n;
}

static void emit(char *line, size_t used)
{
	static unsigned long dropped;

	if (!writable()) {
		dropped++;
		return;
	}
	if (dropped) {
		char note[128];
		int length = stamp(note, sizeof(note), LOG_WARN);

		length += snprintf(note + length, sizeof(note) - (size_t)length,
		                   "master: %lu lines of this log were dropped: nobody read them\n", dropped);
		dropped = 0;
		put(note, (size_t)length);
	}
	line[used] = '\n';
	put(line, used + 1);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t used, room;
	va_list ap;
	int n;

	if (level < threshold)
		return;
	used = (size_t)stamp(line, sizeof(line), level);
	used += (size_t)snprintf(line + used, sizeof(line) - used, "master: ");
	room = sizeof(line) - used - 1;
	va_start(ap, fmt);
	n = vsnprintf(line + used, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		used += (size_t)n < room ? (size_t)n : room - 1;
	emit(line, used);
}

void log_child(const char *pool, unsigned row, const char *text, size_t length)
{
	char line[LINE_MAX_BYTES];
	size_t used;

	used = (size_t)stamp(line, sizeof(line), LOG_INFO);
	used += (size_t)snprintf(line + used, sizeof(line) - used, "%s/%u: ", pool, row);
	for (size_t i = 0; i < length && used < sizeof(line) - 1; i++) {
		unsigned char c = (unsigned char)text[i];

		/* A job's output must not be able to move the cursor of who reads the log. */
		line[used++] = (char)(c < 0x20 && c != '\t' ? '?' : c == 0x7f ? '?' : c);
	}
	emit(line, used);
}
