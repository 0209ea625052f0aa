/*
 * import_progress.h - how far an import has come, in a file, so that one that was interrupted can be repeated.
 *
 * Before each batch the file says which lines have been imported, and which ids the lines of this batch get. The batch may
 * then have been written or not: whoever repeats it uses the same ids, and a store takes no job twice.
 */
#ifndef YM_RUNTIME_COMMANDS_IMPORT_PROGRESS_H
#define YM_RUNTIME_COMMANDS_IMPORT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../ipc/error.h"

struct import_line {
	uint64_t line, id;
};

struct import_progress {
	const char *path; /* NULL: nothing is noted */
	uint64_t done;    /* lines up to this one have been imported */
	struct import_line *lines;
	size_t nlines;
};

/* What an import before has noted. -1: the file cannot be read, or is none of ours. */
int import_progress_load(struct import_progress *progress, const char *path, struct ym_err *err);
/* Note what comes next, on the disk. */
int import_progress_note(const struct import_progress *progress, const struct import_line *lines, size_t n,
                         struct ym_err *err);
/* All is done: there is nothing to be repeated. */
void import_progress_end(struct import_progress *progress);
void import_progress_free(struct import_progress *progress);

/* The id that this line was given before: false if none. */
bool import_progress_id(const struct import_progress *progress, uint64_t line, uint64_t *id);

#endif
