/*
 * log.h - the master's log: one line an event.
 *
 *   2026-11-21T20:15:03.123Z info  master: pool upload: worker 3 (pid 4711) is ready
 *   2026-11-21T20:15:04.001Z info  upload/3: what the worker printed
 *
 * Until log_open(), and after log_close(), lines go to stderr there and then; in between they are queued for a thread
 * that writes them (see log_writer.h), and nobody waits for a disk. Either way a line for which there is no room is
 * dropped and counted, and the log says so. Only the thread of the loop may call these functions.
 */
#ifndef YM_RUNTIME_LOG_H
#define YM_RUNTIME_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../config/config.h"

/* Levels: name, word in the log and the INI, priority of syslog and journald. */
#define LOG_LEVEL_MAP(X)                                                                                               \
	X(DEBUG, "debug", 7)                                                                                           \
	X(INFO, "info", 6)                                                                                             \
	X(WARN, "warn", 4)                                                                                             \
	X(ERROR, "error", 3)

enum log_level {
#define X(name, word, priority) LOG_##name,
	LOG_LEVEL_MAP(X)
#undef X
};

struct log_writer;

/* Lines below this level are dropped. An unknown word changes nothing. */
void log_set_level(const char *word);

/*
 * Level, format and file of the configuration, and the thread that writes. After a fork to the background, as a fork
 * does not take the thread along. `directory` is the instance's: master.log in it becomes a link to the file.
 *
 * -1: err says why the file cannot be opened; the log works all the same and tries again now and then. Who is starting
 * gives up, who is running (an upgrade) warns and goes on.
 */
int log_open(const struct cfg_instance *config, const char *directory, struct ym_err *err);
/* After a reload: whatever has changed of it. -1 as above. */
int log_configure(const struct cfg_instance *config, struct ym_err *err);
/* Somebody has moved the files away (SIGUSR2): all of them, those of children too, are opened anew by name. */
void log_reopen(void);
/* Does what is logged now appear on stderr? */
bool log_on_stderr(void);
/* Before an execve(): wait until all is written; false when that took too long. */
bool log_flush(int64_t patience_ms);
/* The end, after all child_log_close(). */
void log_close(int64_t patience_ms);

/* A line of the master's own. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line of a child, under its name (level info): printed as it is, but for control characters. */
void log_output(const char *who, const char *text, size_t length);

/* For child_log.c: who writes; NULL before log_open(). How files that are not raw are written: text or JSON. */
struct log_writer *log_thread(void);
enum cfg_log_format log_file_format(void);

#endif
