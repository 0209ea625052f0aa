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

#include "../ipc/error.h"

#define BRIEF_FD 3

struct brief_option {
	const char *key;
	const char *value;
};

struct brief {
	const char *instance;
	const char *directory;
	const char *pool;
	const char *plugin; /* path */
	struct brief_option *options;
	size_t noptions;
	void *memory; /* brief_read(): everything above points into it */
};

/* A new, close-on-exec file with the brief; -1 on error. */
int brief_write(const struct brief *brief, struct ym_err *err);

/* Read one back (the file's offset does not matter); brief_free() it. */
int brief_read(int fd, struct brief *brief, struct ym_err *err);
void brief_free(struct brief *brief);

#endif
