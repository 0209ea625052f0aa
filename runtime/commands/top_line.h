/*
 * top_line.h - a line of the screen that is being made: texts with their looks, cut and padded by columns of the terminal.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_LINE_H
#define YM_RUNTIME_COMMANDS_TOP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a text looks: name, attributes on a terminal without colours, attributes and colour on one with. */
#define LOOK_MAP(X)                                                                                                    \
	X(PLAIN, A_NORMAL, A_NORMAL, -1)                                                                               \
	X(STRONG, A_BOLD, A_BOLD, -1)                                                                                  \
	X(FAINT, A_DIM, A_DIM, -1)                                                                                     \
	X(GOOD, A_NORMAL, A_NORMAL, COLOR_GREEN)                                                                       \
	X(WARN, A_BOLD, A_NORMAL, COLOR_YELLOW)                                                                        \
	X(BAD, A_BOLD, A_BOLD, COLOR_RED)                                                                              \
	X(BAR, A_NORMAL, A_NORMAL, COLOR_CYAN)                                                                         \
	X(HEAD, A_UNDERLINE, A_UNDERLINE, -1)                                                                          \
	X(SORTED, A_UNDERLINE | A_BOLD, A_UNDERLINE | A_BOLD, -1)                                                      \
	X(CHOSEN, A_REVERSE, A_REVERSE, -1)                                                                            \
	X(ALARM, A_REVERSE | A_BOLD, A_REVERSE | A_BOLD, COLOR_RED)

#define X(name, plain, coloured, colour) LOOK_##name,
enum look { LOOK_MAP(X) LOOKS };
#undef X

#define LINE_BYTES   1536
#define LINE_RUNS    96
#define LINE_COLUMNS 480 /* what is right of it stays empty */

struct line {
	unsigned columns; /* that it has at most */
	unsigned used;    /* columns */
	size_t length;    /* bytes */
	bool utf8;
	bool chosen; /* the cursor is here: shown in reverse, up to the end */
	unsigned nruns;
	struct {
		uint16_t at, look; /* from this byte on */
	} runs[LINE_RUNS];
	char text[LINE_BYTES];
};

void line_begin(struct line *line, unsigned columns, bool utf8);
void line_put(struct line *line, enum look look, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Exactly `width` columns of it, at the right end of them if `right`. */
void line_cell(struct line *line, enum look look, const char *text, unsigned width, bool right);
/* Blanks, up to this column. */
void line_to(struct line *line, enum look look, unsigned column);
bool line_same(const struct line *a, const struct line *b);

/*
 * Copy as much of a text as `columns` hold; wide characters count twice, what is no character or could disturb the terminal
 * becomes '?'. Without `utf8` only ASCII comes out. Returns the columns.
 */
unsigned line_fit(char *out, size_t max, const char *text, unsigned columns, bool utf8);

/* How many bytes of the text, of `length`, fit into so many columns; up to a blank if there is one, and at least one character. */
size_t line_break(const char *text, size_t length, unsigned columns, bool utf8);

#endif
