/*
 * command_words.h - the words of a command with the payload in them.
 *
 *     {}          the payload as text
 *     {file}      path of a file with the payload
 *     {{}}        the two characters {}
 *     {{file}}    the six characters {file}
 *
 * Anything else, other braces too, stays as it is. What is put in is not looked at again.
 */
#ifndef YM_WORKERS_COMMAND_WORDS_H
#define YM_WORKERS_COMMAND_WORDS_H

#include <stddef.h>

#include "../ipc/error.h"

/* The kernel's limit for one argument with its NUL: 32 pages. */
#define COMMAND_WORD_MAX 131072

enum command_use {
	COMMAND_USES_TEXT = 1,
	COMMAND_USES_FILE = 2,
};

/* What of the payload a word wants: a set of enum command_use. */
unsigned command_word_uses(const char *word);

/*
 * A new argv, one block of memory; NULL with err when a word gets too long, or the payload cannot be text. `path` may
 * be NULL if no word wants it.
 */
char **command_words_fill(const char *const *words, size_t count, const char *payload, size_t size, const char *path,
                          struct ym_err *err);

#endif
