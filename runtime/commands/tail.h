/*
 * tail.h - the last lines of a log, over its old files (gzipped or not), and those that come.
 */
#ifndef YM_RUNTIME_COMMANDS_TAIL_H
#define YM_RUNTIME_COMMANDS_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../../ipc/error.h"

struct tail {
	const char *path; /* where its links lead; "PATH.1" and so on are older */
	/* Which lines count: without newline. NULL: all. */
	bool (*wanted)(const void *arg, const char *line, size_t length);
	const void *arg;
	bool clean; /* without control characters, for a terminal */
	/* tail.c's */
	int fd;     /* of the file that is followed; -1: none */
	char *part; /* the beginning of a line whose end is not there yet */
	size_t part_size, part_room;
};

/* Print the last `lines` lines to stdout, and stand at the end of the file. */
int tail_print(struct tail *tail, size_t lines, struct ym_err *err);
/* Print what has come since, also into new files of this name. -1: reading failed, or nobody takes what is printed. */
int tail_more(struct tail *tail, struct ym_err *err);
void tail_close(struct tail *tail);

#endif
