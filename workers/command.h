/*
 * command.h - the built-in task of a pool with `command =`: any program, one process a job.
 *
 * It is used like a plugin. Its .open() takes the options of runtime/brief.h; all others are environment variables of the
 * command: KEY=VALUE.
 */
#ifndef YM_WORKERS_COMMAND_H
#define YM_WORKERS_COMMAND_H

#include "plugin.h"

/*
 * What a command gets and what becomes of what it does: docs/command-tasks.md. In short: the payload on stdin, or in
 * place of {} or {file} in its words; YARDMASTER_* variables; exit code 0 is YM_OK with stdout as the result, one of
 * the retry codes YM_RETRY, anything else YM_FAIL.
 */
extern const struct ym_plugin command_task;

#endif
