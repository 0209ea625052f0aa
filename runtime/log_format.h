/*
 * log_format.h - an event as a line: text, JSON, or as journald reads it from stderr.
 *
 *   text     2026-11-21T20:15:04.001Z info  upload/3: what it printed
 *   json     {"time": "2026-11-21T20:15:04.001Z", "level": "info", "source": "upload/3", "message": "what it printed"}
 *   journal  <6>upload/3: what it printed
 *
 * Control characters (but for the tab) become '?', so that nobody can move the cursor of who reads. A line of JSON is
 * valid UTF-8: other bytes become U+FFFD.
 */
#ifndef YM_RUNTIME_LOG_FORMAT_H
#define YM_RUNTIME_LOG_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "log.h"

#define LOG_TEXT_MAX 4096               /* PIPE_BUF: a line of text goes whole into a pipe, or not at all */
#define LOG_LINE_MAX (4 * LOG_TEXT_MAX) /* JSON may be longer */

struct log_event {
	int64_t when_ms;
	enum log_level level;
	const char *source;
	long pid; /* 0: does not matter */
	const char *text;
	size_t length;
};

/* Returns its length, with the newline. What does not fit is cut off. */
size_t log_format(char line[LOG_LINE_MAX], enum cfg_log_format format, const struct log_event *event);

/* What "auto" means for our stderr: journal if it leads there, else text. */
enum cfg_log_format log_format_resolve(enum cfg_log_format format);

/* Copy a text without its control characters; returns the number of bytes. */
size_t log_clean(char *to, size_t max, const char *text, size_t length);

#endif
