/*
 * words.h - a command line as the words of its argument vector.
 *
 * Words are divided as a shell divides them: white space between them, '...' takes everything as it stands, "..."
 * takes everything but \" \\ \$ and \`, a backslash outside takes the next character. No shell ever runs the
 * result, so there are no variables, patterns, pipes or redirections. What would be one of them in a shell and
 * stands outside quotes is refused rather than handed on as plain text; only * ? ~ # { } ( ) are plain.
 */
#ifndef YM_CONFIG_WORDS_H
#define YM_CONFIG_WORDS_H

#include "values.h"

/* The words of `text`, at least one, then NULL: one allocation, one free(). NULL with the reason in `why`. */
char **cfg_words(const char *text, char why[CFG_WHY_MAX]);

/*
 * As supervisord divides a command: what only a shell could do is plain text, and inside "..." a backslash takes only
 * another one or a quote.
 */
char **cfg_words_plain(const char *text, char why[CFG_WHY_MAX]);

/* The first thing in `text`, outside quotes, that means something to a shell only; NULL if there is none. */
const char *cfg_words_shell(const char *text);

/* A new vector with `first` in place of the first word of `words`; NULL when out of memory. */
char **cfg_words_with(const char *first, char *const *words);

#endif
