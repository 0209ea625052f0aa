/*
 * child_log.h - what the processes of a pool or program print: into a file of its own that is rotated, or the master's
 * log.
 *
 * Lines go to a writer thread through a bounded queue: neither the child nor the master ever waits for a disk. Lines
 * for which there was no room are counted, and the log says how many.
 *
 *   AUTO (file NULL)          logs/NAME.log of the instance directory, "TIME level WHO: text"; and the master's log
 *   a file                    that file only; each line as it is (RAW), or as in AUTO (LABELLED)
 *   /dev/stdout, /dev/stderr  those of the master, like a file
 *   NONE (file "")            nowhere
 *
 * RAW is for programs, whose users expect in stdout_logfile what the program wrote; LABELLED for pools, whose workers
 * share one file. AUTO files stay when the instance stops: they tell why. log_open() goes before all of this.
 */
#ifndef YM_RUNTIME_CHILD_LOG_H
#define YM_RUNTIME_CHILD_LOG_H

#include <stddef.h>

#include "../config/config.h"

#define CHILD_LOG_DIRECTORY "logs"

/* Streams, and the endings of their files: "mail.log" and "mail.err". */
#define CHILD_LOG_STREAM_MAP(X)                                                                                        \
	X("stdout", ".log")                                                                                            \
	X("stderr", ".err")

struct child_log;

enum child_log_style { CHILD_LOG_LABELLED, CHILD_LOG_RAW };

/*
 * `directory` is the instance's: logs/NAME.log (NAME.err for stderr of its own) in it is the AUTO file, or a link to
 * the configured one, so that `yardmaster logs NAME` finds it without a master. `stream` is "stdout" or "stderr".
 *
 * -1: err says why the file cannot be opened; *out can be used all the same, and the file is tried again now and then.
 * Who is starting gives up, who is running warns and goes on. NULL only when out of memory.
 */
int child_log_open(struct child_log **out, const char *directory, const char *name, const char *stream,
                   enum child_log_style style, const struct cfg_log *config, struct ym_err *err);
/* One whole line (without newline) of process `who` ("mail/3", "web:web_01") of it. NULL is allowed: nothing. */
void child_log_line(struct child_log *log, const char *who, const char *text, size_t length);
/* The configuration has changed: another file, other sizes. -1 as above. */
int child_log_apply(struct child_log *log, const struct cfg_log *config, struct ym_err *err);
/* What is queued is still written. NULL is allowed. */
void child_log_close(struct child_log *log);

#endif
