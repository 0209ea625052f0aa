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

/* A list of strings: `limits = cpu, db`. */
struct cfg_list {
	char **items;
	size_t count;
};

/* `option.KEY = VALUE`, handed to the plugin as it stands. */
struct cfg_pair {
	char *key;
	char *value;
};

struct cfg_pool {
	char name[CFG_NAME_MAX];
	int line;     /* of the section header */
	char *plugin; /* absolute path: a relative one is taken from the INI's directory */
	int64_t workers;
	int64_t attempts;
	int64_t backoff_ms;
	int64_t timeout_ms; /* 0: none */
	int64_t timeout_grace_ms;
	int64_t stopwaitsecs_ms;
	int64_t startsecs_ms;
	int64_t restart_delay_ms;
	int64_t restart_max_delay_ms;
	struct cfg_list limits; /* each names a [limit:NAME] of the same file */
	struct cfg_pair *options;
	size_t noptions;
};

struct cfg_limit {
	char name[CFG_NAME_MAX];
	int line;
	int64_t max;
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
