/* problems.h - collecting what is wrong with a file, and quoting a piece of it in a message. */
#ifndef YM_CONFIG_PROBLEMS_H
#define YM_CONFIG_PROBLEMS_H

#include "config.h"

#define CFG_EXCERPT_MAX 176 /* bytes of a quoted value, with its NUL */

/*
 * Append a problem at `line` (0: the whole file). Cannot fail: when memory runs out, the list becomes the one
 * entry "out of memory", so that a failed load never looks like a good one.
 */
void cfg_problems_add(struct cfg_problems *problems, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The entry for a failed allocation. */
void cfg_problems_no_memory(struct cfg_problems *problems);

/* Order by line; problems of the same line keep the order in which they were found. */
void cfg_problems_sort(struct cfg_problems *problems);

/*
 * A value as it can stand in a message: long ones are cut at a UTF-8 boundary and end in "...", control bytes
 * are written as \xNN. Returns `out`.
 */
const char *cfg_excerpt(const char *text, char out[CFG_EXCERPT_MAX]);

#endif
