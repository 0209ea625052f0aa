/*
 * roff.h - the plain text of help as mdoc(7), the language of manual pages.
 *
 * In such text an empty line parts paragraphs, a line that begins with a blank stands as it is, "example: ..." is a command,
 * and `...` is set apart.
 */
#ifndef YM_RUNTIME_COMMANDS_ROFF_H
#define YM_RUNTIME_COMMANDS_ROFF_H

#include <stdio.h>

/* Paragraphs. */
void roff_text(FILE *to, const char *text);
/* The same as one sentence: with a capital, and a full stop at its end. */
void roff_sentence(FILE *to, const char *text);
/* A heading, to be ended by the caller: with a capital. */
void roff_title(FILE *to, const char *text);
/* Part of a line, whatever characters it has. */
void roff_inline(FILE *to, const char *text);

/* How a command is used, as its help has it, below .Nm: "POOL [PAYLOAD | -] [OPTIONS]". */
void roff_usage(FILE *to, const char *usage);

#endif
