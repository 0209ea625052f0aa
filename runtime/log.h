/*
 * log.h - the master's log: one line an event, on stderr, one write(2) a line.
 *
 *   2026-11-21T20:15:03.123Z info  master: pool upload: worker 3 (pid 4711) is ready
 *   2026-11-21T20:15:04.001Z info  upload/3: what the worker printed
 */
#ifndef YM_RUNTIME_LOG_H
#define YM_RUNTIME_LOG_H

#include <stddef.h>

/* Levels: name, word in the log and the INI. */
#define LOG_LEVEL_MAP(X)                                                                                               \
	X(DEBUG, "debug")                                                                                              \
	X(INFO, "info")                                                                                                \
	X(WARN, "warn")                                                                                                \
	X(ERROR, "error")

enum log_level {
#define X(name, word) LOG_##name,
	LOG_LEVEL_MAP(X)
#undef X
};

/* Lines below this level are dropped. An unknown word changes nothing. */
void log_set_level(const char *word);

/* A line of the master's own. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line of a child, under its name: printed as it is, but for control characters. */
void log_child(const char *pool, unsigned row, const char *text, size_t length);

#endif
