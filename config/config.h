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

#define CFG_NAME_MAX         32   /* bytes of the name of a section, with its NUL */
#define CFG_LONG_NAME_MAX    48   /* ... of a [program:NAME], which supervisord does not limit */
#define CFG_PROCESS_NAME_MAX 96   /* bytes of the name of a process of a program */
#define CFG_POOLS_MAX        64   /* pools of a file */
#define CFG_LIMITS_MAX       64   /* limits of a file */
#define CFG_PROGRAMS_MAX     256  /* programs of a file */
#define CFG_CRONS_MAX        256  /* cron sections of a file */
#define CFG_WORKERS_MAX      1000 /* workers of all pools together */
#define CFG_PROCESSES_MAX    1000 /* processes of all programs together */
#define CFG_USES_MAX         8    /* limits of a pool */
#define CFG_DEPENDS_MAX      16   /* names in one `depends_on` */
#define CFG_EXIT_CODES       256

/* Of the numbers that may be left as they are where the master was started: umask, nice, rlimit_*. */
#define CFG_INHERIT   INT64_MIN
#define CFG_UNLIMITED INT64_MAX

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
#define CFG_AUTORESTART_MAP(X)                                                                                         \
	X(NO, "false")                                                                                                 \
	X(UNEXPECTED, "unexpected")                                                                                    \
	X(YES, "true")
/* When a process counts as ready: it lived for startsecs; it wrote a newline to YARDMASTER_READY_FD; after a time; when a command succeeds. */
#define CFG_READY_MAP(X)                                                                                               \
	X(START, "start")                                                                                              \
	X(FD, "fd")                                                                                                    \
	X(DELAY, "delay:TIME")                                                                                         \
	X(COMMAND, "command:WORDS")
#define CFG_LOG_FORMAT_MAP(X)                                                                                          \
	X(AUTO, "auto")                                                                                                \
	X(TEXT, "text")                                                                                                \
	X(JSON, "json")                                                                                                \
	X(JOURNAL, "journal")
/* What a cron section does while its last job is not over, and about times that passed while no master ran. */
#define CFG_OVERLAP_MAP(X)                                                                                             \
	X(SKIP, "skip")                                                                                                \
	X(QUEUE, "queue")                                                                                              \
	X(CANCEL, "cancel")
#define CFG_CATCH_UP_MAP(X)                                                                                            \
	X(NONE, "none")                                                                                                \
	X(ONE, "one")                                                                                                  \
	X(ALL, "all")
/*
 * Where jobs wait durably: how such a URI begins, another way to begin it, how it goes on. Behind an empty rest nothing
 * may follow. All but MEMORY have a driver, see runtime/store.c.
 */
#define CFG_STORE_MAP(X)                                                                                               \
	X(MEMORY, "memory", NULL, "")                                                                                  \
	X(SQLITE, "sqlite:", NULL, "PATH")                                                                             \
	X(POSTGRESQL, "postgresql://", "postgres://", "...")
/* When a submitted job is on the disk: before it is acknowledged, or some seconds later. */
#define CFG_SYNCHRONOUS_MAP(X)                                                                                         \
	X(FULL, "full")                                                                                                \
	X(NORMAL, "normal")
/* For whom the progress of jobs is written into a segment, see runtime/publish.h. */
#define CFG_PUBLISH_MAP(X)                                                                                             \
	X(NONE, "none")                                                                                                \
	X(PHP, "php")
/* Who shares a limit: the processes of this machine, or all nodes of the store. */
#define CFG_SCOPE_MAP(X)                                                                                               \
	X(LOCAL, "local")                                                                                              \
	X(CLUSTER, "cluster")
/* php-fpm's word for how many workers a pool has; the first stands for a pool that does not use it. */
#define CFG_PM_MAP(X)                                                                                                  \
	X(NONE, "none")                                                                                                \
	X(STATIC, "static")                                                                                            \
	X(DYNAMIC, "dynamic")                                                                                          \
	X(ONDEMAND, "ondemand")

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

enum cfg_autorestart {
#define X(name, word) CFG_AUTORESTART_##name,
	CFG_AUTORESTART_MAP(X)
#undef X
};

enum cfg_ready {
#define X(name, word) CFG_READY_##name,
	CFG_READY_MAP(X)
#undef X
};

enum cfg_log_format {
#define X(name, word) CFG_LOG_FORMAT_##name,
	CFG_LOG_FORMAT_MAP(X)
#undef X
};

enum cfg_overlap {
#define X(name, word) CFG_OVERLAP_##name,
	CFG_OVERLAP_MAP(X)
#undef X
};

enum cfg_catch_up {
#define X(name, word) CFG_CATCH_UP_##name,
	CFG_CATCH_UP_MAP(X)
#undef X
};

enum cfg_store {
#define X(name, scheme, also, rest) CFG_STORE_##name,
	CFG_STORE_MAP(X)
#undef X
	    CFG_STORES
};

enum cfg_synchronous {
#define X(name, word) CFG_SYNCHRONOUS_##name,
	CFG_SYNCHRONOUS_MAP(X)
#undef X
};

enum cfg_publish {
#define X(name, word) CFG_PUBLISH_##name,
	CFG_PUBLISH_MAP(X)
#undef X
};

enum cfg_scope {
#define X(name, word) CFG_SCOPE_##name,
	CFG_SCOPE_MAP(X)
#undef X
};

enum cfg_pm {
#define X(name, word) CFG_PM_##name,
	CFG_PM_MAP(X)
#undef X
};

/* `limits = cpu:2, db`: how much of a limit each job of a pool holds while it runs. */
struct cfg_use {
	char *name;    /* of a [limit:NAME] of the same file */
	int64_t units; /* 1 to its `max`, 1 if it has none */
};

/* `option.KEY = VALUE`, handed to the task as it stands; a variable of `environment`. */
struct cfg_pair {
	char *key;
	char *value;
};

/* Where one stream of a process, or the master's own log, goes, and when its file is changed for a new one. */
struct cfg_log {
	/*
	 * NULL: AUTO, a small file of the instance (logs/NAME.log in its directory), and the lines also in the master's
	 * log. "": NONE. Else an absolute path; /dev/stdout and /dev/stderr are the master's.
	 */
	char *file;
	int64_t maxbytes;  /* a new file when it would get longer; 0: never */
	int64_t backups;   /* old files kept: FILE.1 is the youngest */
	int64_t rotate_ms; /* a new file when it is so old: aligned to UTC multiples, so 1d is midnight; 0: never */
	int64_t compress;  /* 1: old files are gzipped: FILE.1.gz */
};

/* What workers of a pool and processes of a program have in common: who they are, how they are watched, what of them is kept. */
struct cfg_process {
	/* again or not */
	enum cfg_autorestart autorestart;
	unsigned char exitcodes[CFG_EXIT_CODES]; /* 1: this exit code is expected */
	int64_t startsecs_ms;
	int64_t startretries;           /* failed starts that are one too many */
	int64_t startretries_window_ms; /* ... within this time; 0: in a row, however long it takes */
	int64_t restart_delay_ms;
	int64_t restart_max_delay_ms;
	int64_t restart_factor;   /* the delay grows by this */
	int64_t restart_jitter;   /* percent of the delay, taken away at random */
	int64_t restart_reset_ms; /* healthy for so long: the delay starts anew */
	/* stop */
	int64_t stopsignal;
	int64_t stopwaitsecs_ms;
	int64_t stopasgroup, killasgroup;
	/* order */
	int64_t autostart;
	int64_t start_order; /* low first; stops last */
	char **depends_on;   /* names of pools and programs, ends with NULL; NULL: none */
	enum cfg_ready ready;
	int64_t ready_delay_ms;
	char **ready_command; /* words, ends with NULL */
	int64_t ready_timeout_ms;
	/* identity and limits */
	char *user;  /* name or number, checked to exist; NULL: the master's */
	char *group; /* NULL: the user's own groups */
	int64_t umask;
	char *directory;
	struct cfg_pair *environment;
	size_t nenvironment;
	int64_t clear_env; /* 1: nothing of the master's own environment */
	int64_t nice;
	int64_t rlimit_files, rlimit_core, rlimit_memory, rlimit_processes, rlimit_stack, rlimit_cpu;
	int64_t no_new_privs;
	int64_t cgroup_memory; /* bytes of memory.max of a cgroup of its own; 0: none */
	/* output */
	int64_t redirect_stderr; /* 1: stderr goes where stdout goes */
	struct cfg_log stdout_log, stderr_log;
};

/*
 * [program:NAME]: any command, kept running.
 *
 * What differs from one process to the next is left to whoever starts them: process_name, command_words, directory,
 * ready_command, the values of environment and the files of both logs are templates, which cfg_expand() (expand.h)
 * makes final with the number of the process. Do that for numprocs = 1, too: a plain % is still written %% in them.
 */
struct cfg_program {
	char name[CFG_LONG_NAME_MAX];
	int line;
	const char *file; /* with the section */
	char *command;
	char **command_words;
	int64_t numprocs;
	int64_t numprocs_start;
	char *process_name; /* with %(program_name)s and %(process_num)02d still in it */
	struct cfg_process process;
};

/* [cron:NAME]: a job for a pool at certain times. */
struct cfg_cron {
	char name[CFG_NAME_MAX];
	int line;
	const char *file;
	char *pool;
	char *schedule;
	char *payload;  /* "" */
	char *timezone; /* as in /usr/share/zoneinfo; NULL: that of the master */
	enum cfg_overlap overlap;
	enum cfg_catch_up catch_up;
	int64_t catch_up_max_ms; /* older times are not caught up with */
	int64_t jitter_ms;       /* submitted up to so much later, at random */
	int64_t priority;        /* level, -1: the pool's */
	char *tag;               /* NULL: the name of the section */
};

struct cfg_pool {
	char name[CFG_NAME_MAX];
	int line;         /* of the section header */
	const char *file; /* with the section, as messages name it: the INI file itself or one that it includes */
	/*
	 * The task, one of the two; the other is NULL. A relative path to a plugin or a program is taken from the INI's
	 * directory: absolute here. A program without a slash is to be looked up in PATH.
	 */
	char *plugin;
	char *command;        /* as written */
	char **command_words; /* ends with NULL; one allocation */
	/* Workers: min == max is a fixed number, min 0 is "on demand". */
	int64_t workers_min, workers_max;
	int64_t workers_start;     /* of a pool that can grow: at first */
	int64_t min_spare;         /* idle workers below which it grows */
	int64_t max_spare;         /* ... and above which it shrinks */
	int64_t scale_step;        /* most workers added at once */
	int64_t scale_cooldown_ms; /* between two changes in the same direction */
	int64_t idle_timeout_ms;   /* an idle worker that is not needed ends after this */
	enum cfg_pm pm;            /* as written in the file; what it means is in workers_min and workers_max */
	int64_t pm_max_children;   /* likewise; 0: not written */
	/* Recycling; 0: never. */
	int64_t max_jobs;
	int64_t max_age_ms;
	int64_t max_memory;      /* looked at after each job */
	int64_t max_memory_hard; /* looked at all the time: the worker is killed */
	int64_t recycle_jitter;  /* percent, taken away at random */
	int64_t recycle_at_once; /* workers that may be recycled at the same time */
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
	enum cfg_synchronous synchronous;          /* sqlite: */
	unsigned char retry_codes[CFG_EXIT_CODES]; /* 1: this exit code of a command means "try again" */
	struct cfg_process process;
	struct cfg_use *limits;
	size_t nlimits;
	struct cfg_pair *options;
	size_t noptions;
};

struct cfg_limit {
	char name[CFG_NAME_MAX];
	int line;
	const char *file;
	int64_t max;     /* 0: no semaphore, only a rate */
	int64_t rate_ns; /* from one start of a job to the next, of all pools with this limit; 0: none */
	enum cfg_scope scope;
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
	int64_t
	    workers_room; /* most workers of all pools together, also after scale and reload; 0: twice what is configured */
	int64_t orphan_timeout_ms; /* workers that lose their master end after this, if no new one comes */
	char *ipc_group;           /* may use the IPC objects, too: pools with a `user` need it; NULL: nobody */
	/* Where jobs wait durably: "memory", "sqlite:PATH" (absolute here), or a URI of libpq ("postgresql://..."). */
	char *store;
	int64_t history_ms; /* how long the store remembers jobs that are over; 0: not at all */
	int64_t lease_ms;   /* postgresql: a node that gives no sign for so long is dead, its jobs are others' */
	char *node;         /* postgresql: name of this machine among the others; NULL: host name and instance */
	enum cfg_publish publish;
	int64_t publish_size;    /* bytes of that segment */
	int64_t publish_keep_ms; /* how long it shows jobs that are over */
	char *pidfile;           /* NULL: none */
	char *user;              /* the master itself changes to this one at its start; NULL: no */
	char *log_level;
	enum cfg_log_format log_format;
	struct cfg_log log; /* file "": stderr */
};

/* What is wrong with a file: one entry a mistake, in the order of the file, all of them, not only the first. */
struct cfg_problem {
	char *file; /* an included one; NULL: the file that was loaded */
	int order;  /* of the file among those that were read */
	int line;   /* 0: the file as a whole */
	char *text; /* what, and what to write instead */
};

struct cfg_problems {
	struct cfg_problem *items;
	size_t count;
};

/* A file that was read. */
struct cfg_file {
	char *path;      /* as messages name it */
	char *directory; /* absolute: where its relative paths start */
	int order;       /* 0 is the one that was loaded */
};

struct config {
	char *path; /* absolute */
	struct cfg_instance instance;
	struct cfg_pool *pools;
	size_t npools;
	struct cfg_limit *limits;
	size_t nlimits;
	struct cfg_program *programs;
	size_t nprograms;
	struct cfg_cron *crons;
	size_t ncrons;
	struct cfg_problems
	    notes; /* what is no mistake, but not as the file's author may think: options without effect */
	struct cfg_file **files;
	size_t nfiles;
	struct config *former; /* for who has loaded it: the one it has taken the place of; not freed with it */
};

/*
 * Read and check a file and those that it includes. 0: `out` holds the configuration, to be freed with config_free().
 * -1: `problems` holds at least one entry; `out` needs no freeing. Nothing is printed.
 */
int config_load(const char *path, struct config *out, struct cfg_problems *problems);
void config_free(struct config *config);

/*
 * With a store, so many jobs of each pool can be in the job table at once: half of it is for them, the other half for what
 * is being submitted, and for results.
 */
static inline int64_t cfg_window(int64_t jobs, size_t pools)
{
	int64_t share = jobs / 2 / (int64_t)(pools ? pools : 1);

	return share ? share : 1;
}

/* Print "PATH:LINE: TEXT" for each problem, "PATH: TEXT" for one of the file as a whole. */
void cfg_problems_print(const char *path, const struct cfg_problems *problems, FILE *to);
/* The same with "note:" in front of each text. */
void cfg_notes_print(const char *path, const struct cfg_problems *notes, FILE *to);
void cfg_problems_free(struct cfg_problems *problems);

/* Every option with section, type, default and help, for `yardmaster check --options` and the manual. */
void config_print_options(FILE *to);

#endif
