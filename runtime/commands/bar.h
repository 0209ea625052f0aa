/*
 * bar.h - progress bars and sparklines as text, in UTF-8 or in ASCII.
 */
#ifndef YM_RUNTIME_COMMANDS_BAR_H
#define YM_RUNTIME_COMMANDS_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a bar or a line of so many columns, with its NUL. */
#define BAR_BYTES(columns) (3 * (columns) + 1)

/* Sets the locale of the process by its environment. Can the terminal show UTF-8? */
bool bar_utf8(void);

/* `done` of `total`, as many columns wide; total 0: empty. `out` has BAR_BYTES(columns). Returns it. */
char *bar_draw(char *out, unsigned columns, uint64_t done, uint64_t total, bool utf8);

/* One column a value, its height by the largest of them; a value that is not 0 is always to be seen. Returns `out`. */
char *bar_spark(char *out, const uint32_t *values, unsigned columns, bool utf8);

#endif
