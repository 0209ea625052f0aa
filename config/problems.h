/* problems.h - collecting what is wrong with a file, and quoting a piece of it in a message. */
#ifndef YM_CONFIG_PROBLEMS_H
#define YM_CONFIG_PROBLEMS_H

#include <stdbool.h>

#include "config.h"

#define CFG_EXCERPT_MAX 176 /* bytes of a quoted value, with its NUL */

/* A line of a file; 0: the file as a whole. Without a file: the one that was loaded. */
struct cfg_place {
	const struct cfg_file *file;
	int line;
};

/* "line 7", or "line 7 of FILE" when the message that says so stands elsewhere. Returns `out`. */
#define CFG_PLACE_MAX 300
const char *cfg_place_text(struct cfg_place place, struct cfg_place said_at, char out[CFG_PLACE_MAX]);

/*
 * Append a problem. Cannot fail: when memory runs out, the list becomes the one
 * entry "out of memory", so that a failed load never looks like a good one.
 */
void cfg_problems_add(struct cfg_problems *problems, struct cfg_place at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The entry for a failed allocation; is it there? */
void cfg_problems_no_memory(struct cfg_problems *problems);
bool cfg_problems_lost(const struct cfg_problems *problems);

/* Order by file and line; problems of the same line keep the order in which they were found. */
void cfg_problems_sort(struct cfg_problems *problems);

/*
 * A value as it can stand in a message: long ones are cut at a UTF-8 boundary and end in "...", control bytes
 * are written as \xNN, passwords of URIs as ***. Returns `out`.
 */
const char *cfg_excerpt(const char *text, char out[CFG_EXCERPT_MAX]);

#endif
