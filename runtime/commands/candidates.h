/*
 * candidates.h - what may stand at a place of a command line: pools, jobs, files, ... For `yardmaster complete`.
 *
 * Each is a line "VALUE<TAB>what it is". Lines of the shell's own: ":files" and ":commands" mean what only a shell knows
 * how to complete. What cannot be found out is left out without a word.
 */
#ifndef YM_RUNTIME_COMMANDS_CANDIDATES_H
#define YM_RUNTIME_COMMANDS_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct candidates {
	FILE *to;
	const char *prefix;            /* with which they have to begin */
	const char *config, *instance; /* of --config and --instance; NULL: not given */
};

void candidates_put(const struct candidates *candidates, const char *value, const char *what);
/* Those for an argument that a usage or an option calls so: "POOL", "FILE", ... False: nobody knows what that may be. */
bool candidates_for(const struct candidates *candidates, const char *word, size_t length);

#endif
