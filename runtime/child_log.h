/*
 * child_log.h - what the processes of a pool or program print: into a file of its own that is rotated, or the master's log.
 *
 * Lines go to a writer thread through a bounded queue: neither the child nor the master ever waits for a disk. Lines for
 * which there was no room are counted, and the log says how many.
 */
#ifndef YM_RUNTIME_CHILD_LOG_H
#define YM_RUNTIME_CHILD_LOG_H

#include <stddef.h>

#include "../config/config.h"

struct child_log;

/*
 * `directory` is the instance's: logs/NAME.log (for stderr of its own NAME.err.log) in it is the AUTO file, or a link to
 * the configured one, so that `yardmaster logs NAME` finds it without a master. `stream` is "stdout" or "stderr".
 */
int child_log_open(struct child_log **log, const char *directory, const char *name, const char *stream,
                   const struct cfg_log *config, struct ym_err *err);
/* One whole line (without newline) of process `who` ("mail/3", "web:web_01") of it. */
void child_log_line(struct child_log *log, const char *who, const char *text, size_t length);
/* The configuration has changed: another file, other sizes. */
int child_log_apply(struct child_log *log, const struct cfg_log *config, struct ym_err *err);
void child_log_close(struct child_log *log);

#endif
