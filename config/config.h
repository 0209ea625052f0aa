/*
 * config.h - an INI file as typed structs.
 *
 * The one list of options is config/options.c; parsing, defaults, ranges, aliases and the help text all come
 * from there. This header says what a checked configuration looks like. Sizes are bytes, times milliseconds.
 */
#ifndef YM_CONFIG_CONFIG_H
#define YM_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../ipc/error.h"

#define CFG_NAME_MAX    32   /* bytes of an instance, pool or limit name, with its NUL */
#define CFG_POOLS_MAX   64   /* pools of a file */
#define CFG_LIMITS_MAX  64   /* limits of a file */
#define CFG_WORKERS_MAX 1000 /* workers of all pools together */
#define CFG_USES_MAX    8    /* limits of a pool */
#define CFG_EXIT_CODES  256

/* What an option may choose from: name and word in the file. */
#define CFG_ON_CRASH_MAP(X)                                                                                            \
	X(RETRY, "retry")                                                                                              \
	X(BURY, "bury")                                                                                                \
	X(POOL, "pool:NAME")
#define CFG_ON_FAIL_MAP(X)                                                                                             \
	X(FAIL, "fail")                                                                                                \
	X(BURY, "bury")
#define CFG_TIMEOUT_FROM_MAP(X)                                                                                        \
	X(START, "start")                                                                                              \
	X(PROGRESS, "progress")

enum cfg_on_crash {
#define X(name, word) CFG_ON_CRASH_##name,
	CFG_ON_CRASH_MAP(X)
#undef X
};

enum cfg_on_fail {
#define X(name, word) CFG_ON_FAIL_##name,
	CFG_ON_FAIL_MAP(X)
#undef X
};

enum cfg_timeout_from {
#define X(name, word) CFG_TIMEOUT_FROM_##name,
	CFG_TIMEOUT_FROM_MAP(X)
#undef X
};

/* `limits = cpu:2, db`: how much of a limit each job of a pool holds while it runs. */
struct cfg_use {
	char *name;    /* of a [limit:NAME] of the same file */
	int64_t units; /* 1 to its `max`, 1 if it has none */
};

/* `option.KEY = VALUE`, handed to the task as it stands. */
struct cfg_pair {
	char *key;
	char *value;
};

struct cfg_pool {
	char name[CFG_NAME_MAX];
	int line; /* of the section header */
	/*
	 * The task, one of the two; the other is NULL. A relative path to a plugin or a program is taken from the INI's
	 * directory: absolute here. A program without a slash is to be looked up in PATH.
	 */
	char *plugin;
	char *command;        /* as written */
	char **command_words; /* ends with NULL; one allocation */
	int64_t workers;
	int64_t attempts;
	int64_t crashes; /* that make a job buried, attempts or not */
	int64_t backoff_ms;
	int64_t backoff_max_ms;
	int64_t backoff_factor;
	int64_t backoff_jitter; /* percent */
	enum cfg_on_crash on_crash;
	char *on_crash_pool; /* CFG_ON_CRASH_POOL: name of another pool of the file; else NULL */
	enum cfg_on_fail on_fail;
	int64_t timeout_ms; /* 0: none */
	int64_t timeout_grace_ms;
	enum cfg_timeout_from timeout_from;
	int64_t priority; /* level 0..9 of jobs that were submitted without one */
	int64_t ageing_ms;
	int64_t rate_ns;    /* from one start of a job to the next; 0: none */
	int64_t inbox;      /* 0 or 1 */
	int64_t inbox_mode; /* permissions of its queue */
	char *inbox_key;    /* NULL: a key of the instance's own; else like that of a limit */
	int64_t output_max;
	unsigned char retry_codes[CFG_EXIT_CODES]; /* 1: this exit code of a command means "try again" */
	int64_t stopwaitsecs_ms;
	int64_t startsecs_ms;
	int64_t restart_delay_ms;
	int64_t restart_max_delay_ms;
	struct cfg_use *limits;
	size_t nlimits;
	struct cfg_pair *options;
	size_t noptions;
};

struct cfg_limit {
	char name[CFG_NAME_MAX];
	int line;
	int64_t max;     /* 0: no semaphore, only a rate */
	int64_t rate_ns; /* from one start of a job to the next, of all pools with this limit; 0: none */
	/*
	 * NULL: a key of the instance's own; else as written: number, 0xHEX, PATH:c, name:TEXT. Only a relative
	 * PATH is changed: like any path it is taken from the INI's directory and absolute here.
	 */
	char *key;
};

struct cfg_instance {
	char *name;      /* "main" */
	char *directory; /* NULL: the default place, see runtime/instance.h */
	int64_t jobs;    /* slots of the job table */
	int64_t clients; /* processes that may submit at the same time */
	int64_t payload_max;
	int64_t result_ttl_ms;
	int64_t board_mode; /* 0600, 0640 or 0644 */
	char *log_level;
};

struct config {
	char *path; /* absolute */
	struct cfg_instance instance;
	struct cfg_pool *pools;
	size_t npools;
	struct cfg_limit *limits;
	size_t nlimits;
};

/* What is wrong with a file: one entry a mistake, in the order of the file, all of them, not only the first. */
struct cfg_problem {
	int line;   /* 0: the file as a whole */
	char *text; /* what, and what to write instead */
};

struct cfg_problems {
	struct cfg_problem *items;
	size_t count;
};

/*
 * Read and check a file. 0: `out` holds the configuration, to be freed with config_free().
 * -1: `problems` holds at least one entry; `out` needs no freeing. Nothing is printed.
 */
int config_load(const char *path, struct config *out, struct cfg_problems *problems);
void config_free(struct config *config);

/* Print "PATH:LINE: TEXT" for each problem, "PATH: TEXT" for one of the file as a whole. */
void cfg_problems_print(const char *path, const struct cfg_problems *problems, FILE *to);
void cfg_problems_free(struct cfg_problems *problems);

/* Every option with section, type, default and help, for `yardmaster check --options` and the manual. */
void config_print_options(FILE *to);

#endif
