/* log_format.c - an event as a line. */
#include "log_format.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define STAMP_MAX 40

static const struct {
	const char *word;
	int priority;
} levels[] = {
#define X(name, word, priority) {word, priority},
    LOG_LEVEL_MAP(X)
#undef X
};

/* The second is kept: breaking down a time costs more than all the rest of a line. */
static size_t stamp(char out[STAMP_MAX], int64_t when_ms)
{
	static _Thread_local char second_text[STAMP_MAX];
	static _Thread_local time_t second = -1;
	time_t now = (time_t)(when_ms / 1000);
	int ms = (int)(when_ms % 1000);

	if (now != second) {
		struct tm tm;

		gmtime_r(&now, &tm);
		strftime(second_text, sizeof(second_text), "%Y-%m-%dT%H:%M:%S", &tm);
		second = now;
	}
	memcpy(out, second_text, 19);
	out[19] = '.';
	out[20] = (char)('0' + ms / 100);
	out[21] = (char)('0' + ms / 10 % 10);
	out[22] = (char)('0' + ms % 10);
	out[23] = 'Z';
	return 24;
}

static size_t put(char *to, size_t max, const char *text)
{
	size_t length = strlen(text);

	length = length < max ? length : max;
	memcpy(to, text, length); /* NOLINT(bugprone-not-null-terminated-result): its caller counts */
	return length;
}

/* Bytes of a control character at `at`: below blank but for the tab, DEL, and U+0080..9F, which terminals obey, too. */
static size_t control_at(const unsigned char *at, size_t left)
{
	if (at[0] >= 0x20 && at[0] < 0x7f)
		return 0;
	if (at[0] < 0x20)
		return at[0] != '\t';
	if (at[0] == 0x7f)
		return 1;
	return at[0] == 0xc2 && left > 1 && at[1] >= 0x80 && at[1] < 0xa0 ? 2 : 0;
}

size_t log_clean(char *to, size_t max, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t used = 0;

	for (size_t i = 0; i < length && used < max;) {
		size_t control = control_at(at + i, length - i);

		to[used++] = control ? '?' : text[i];
		i += control ? control : 1;
	}
	return used;
}

/* A JSON string without its quotes. */
static size_t quote(char *to, size_t max, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t used = 0;

	for (size_t i = 0; i < length && used + 4 < max;) {
		size_t control = control_at(at + i, length - i), n = control ? control : text_utf8(at + i, length - i);

		if (control) {
			to[used++] = '?';
		} else if (n == 0) {
			used += put(to + used, max - used, "\xef\xbf\xbd");
			n = 1;
		} else if (at[i] == '\t') {
			used += put(to + used, max - used, "\\t");
		} else if (at[i] == '"' || at[i] == '\\') {
			to[used++] = '\\';
			to[used++] = text[i];
		} else {
			memcpy(to + used, text + i, n);
			used += n;
		}
		i += n;
	}
	return used;
}

static size_t format_json(char line[LOG_LINE_MAX], const struct log_event *event)
{
	const size_t max = LOG_LINE_MAX - 4;
	size_t used = put(line, max, "{\"time\": \"");

	used += stamp(line + used, event->when_ms);
	used += (size_t)snprintf(line + used, max - used, "\", \"level\": \"%s\", \"source\": \"",
	                         levels[event->level].word);
	used += quote(line + used, 512, event->source, strlen(event->source));
	line[used++] = '"';
	if (event->pid)
		used += (size_t)snprintf(line + used, max - used, ", \"pid\": %ld", event->pid);
	used += put(line + used, max - used, ", \"message\": \"");
	used += quote(line + used, max - used, event->text, event->length);
	return used + put(line + used, 3, "\"}\n");
}

size_t log_format(char line[LOG_LINE_MAX], enum cfg_log_format format, const struct log_event *event)
{
	const size_t max = LOG_TEXT_MAX - 1;
	size_t used = 0;

	if (format == CFG_LOG_FORMAT_JSON)
		return format_json(line, event);
	if (format == CFG_LOG_FORMAT_JOURNAL) {
		line[used++] = '<';
		line[used++] = (char)('0' + levels[event->level].priority);
		line[used++] = '>';
	} else {
		used = stamp(line, event->when_ms);
		used += put(line + used, max - used, " ");
		used += put(line + used, max - used, levels[event->level].word);
		used += put(line + used, 6 - strlen(levels[event->level].word), "      ");
	}
	used += log_clean(line + used, 512, event->source, strlen(event->source));
	used += put(line + used, max - used, ": ");
	used += log_clean(line + used, max - used, event->text, event->length);
	line[used++] = '\n';
	return used;
}

/* systemd says which file it gave us as stderr; it may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;
	char *end;

	if (!stream)
		return false;
	dev = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	ino = strtoull(end + 1, &end, 10);
	return !*end && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

enum cfg_log_format log_format_resolve(enum cfg_log_format format)
{
	if (format != CFG_LOG_FORMAT_AUTO)
		return format;
	return stderr_is_journal() ? CFG_LOG_FORMAT_JOURNAL : CFG_LOG_FORMAT_TEXT;
}
