/* command_settings.h - what the pool says about its command, read once and ready for use. */
#ifndef YM_WORKERS_COMMAND_SETTINGS_H
#define YM_WORKERS_COMMAND_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../ipc/error.h"
#include "plugin.h"

/* What the environment says about each job, each with COMMAND_PREFIX before it. */
#define COMMAND_VARIABLES(X)                                                                                           \
	X(JOB)                                                                                                         \
	X(ATTEMPT)                                                                                                     \
	X(ATTEMPTS)                                                                                                    \
	X(POOL)                                                                                                        \
	X(INSTANCE)                                                                                                    \
	X(TAG)                                                                                                         \
	X(PROGRESS_FD)

enum command_variable {
#define X(name) COMMAND_##name,
	COMMAND_VARIABLES(X)
#undef X
	    COMMAND_NVARIABLES
};

#define COMMAND_PREFIX       "YARDMASTER_"
#define COMMAND_VARIABLE_MAX 128 /* NAME=VALUE with its NUL */

struct command_settings {
	const char *pool;
	const char **words; /* as in the file, NULL at the end; they belong to the configuration */
	size_t nwords;
	char **paths;       /* where the program may be, NULL at the end */
	const char *search; /* the PATH that says so; NULL: none was searched */
	char **envp;        /* ends with `variables` */
	char (*variables)[COMMAND_VARIABLE_MAX];
	uint64_t output_max;
	uint64_t stop_ms;
	bool retry[256]; /* by exit code */
};

int command_settings_read(struct command_settings *settings, const struct ym_plugin_config *config, struct ym_err *err);
void command_settings_free(struct command_settings *settings);

/* Give a variable its value, for the next start. */
void command_settings_tell(struct command_settings *settings, enum command_variable which, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
