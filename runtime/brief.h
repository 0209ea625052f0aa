/*
 * brief.h - what a worker must know before it can start, handed over as an open file.
 *
 * The master writes one brief a pool into a memory file; every worker of the pool inherits it as descriptor
 * BRIEF_FD. So a worker depends on the configuration that the master has checked, not on what the INI says by now.
 * Content: NUL-terminated strings, in the order of the struct, then the options as key, value, key, value, ...
 */
#ifndef YM_RUNTIME_BRIEF_H
#define YM_RUNTIME_BRIEF_H

#include <stddef.h>
#include <stdint.h>

#include "../ipc/error.h"

#define BRIEF_FD 3

/* Options of a command. What begins with a dot cannot come from a file, where each key has `option.` before it. */
#define BRIEF_WORD        ".word"        /* once a word, in order: the program and its arguments */
#define BRIEF_OUTPUT_MAX  ".output_max"  /* bytes of stdout that are kept as the result */
#define BRIEF_RETRY_CODES ".retry_codes" /* exit codes that ask for another attempt: "75,111" */
#define BRIEF_STOP_MS     ".stop_ms"     /* from SIGTERM to SIGKILL when the job is to end early */

/* What a worker does about itself: name in the struct, option. All are whole numbers. */
#define BRIEF_NUMBER_MAP(X)                                                                                            \
	X(build, ".build")           /* what it was started with, for the board */                                     \
	X(max_jobs, ".max_jobs")     /* it ends to be replaced after so many; 0: never */                              \
	X(max_memory, ".max_memory") /* ... when it is larger than so many bytes after a job; 0: never */              \
	X(jitter, ".jitter")         /* percent that may be taken away of both, at random */                           \
	X(orphan_ms, ".orphan_ms")   /* how long it goes on without a master */

struct brief_numbers {
#define X(name, key) int64_t name;
	BRIEF_NUMBER_MAP(X)
#undef X
};

struct brief_option {
	const char *key;
	const char *value;
};

struct brief {
	const char *instance;
	const char *directory;
	const char *pool;
	const char *plugin; /* path, or "": the task is a command, which the options describe */
	struct brief_numbers numbers;
	struct brief_option *options; /* without the numbers */
	size_t noptions;
	void *memory; /* brief_read(): everything above points into it */
};

/* A new, close-on-exec file with the brief; -1 on error. */
int brief_write(const struct brief *brief, struct ym_err *err);

/* Read one back (the file's offset does not matter); brief_free() it. */
int brief_read(int fd, struct brief *brief, struct ym_err *err);
void brief_free(struct brief *brief);

#endif
