/*
 * top_screen.h - the terminal as lines: drawn by ncurses, which sends what has changed.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_SCREEN_H
#define YM_RUNTIME_COMMANDS_TOP_SCREEN_H

#include "../../ipc/error.h"
#include "top_line.h"

struct screen {
	unsigned rows, columns;
	bool utf8;
	unsigned long looks[LOOKS]; /* attributes */
	struct line *shown;         /* what each row shows */
	void *terminal, *input;     /* of ncurses */
};

/* Is there a terminal on which one can write anywhere? -1: why not. */
int screen_check(struct ym_err *err);
/* Where there is one. The locale of the process is set. */
int screen_open(struct screen *screen, struct ym_err *err);
/* The terminal is as it was before. Twice is allowed. */
void screen_close(struct screen *screen);

/* The terminal has another size, or somebody else has written on it: everything is drawn anew. -1: no memory. */
int screen_resize(struct screen *screen, struct ym_err *err);
/* Give the terminal back for a while (the process is going to be stopped); screen_resize() goes on. */
void screen_yield(struct screen *screen);

void screen_put(struct screen *screen, unsigned row, const struct line *line);
/* Rows that were put get on the terminal; the cursor is shown there, or hidden if `row` is none. */
void screen_flush(struct screen *screen, unsigned row, unsigned column);

/* Keys beyond characters. */
#define SCREEN_KEY_MAP(X)                                                                                              \
	X(UP, KEY_UP)                                                                                                  \
	X(DOWN, KEY_DOWN)                                                                                              \
	X(PAGE_UP, KEY_PPAGE)                                                                                          \
	X(PAGE_DOWN, KEY_NPAGE)                                                                                        \
	X(HOME, KEY_HOME)                                                                                              \
	X(END, KEY_END)                                                                                                \
	X(LEFT, KEY_LEFT)                                                                                              \
	X(RIGHT, KEY_RIGHT)                                                                                            \
	X(BACKSPACE, KEY_BACKSPACE)                                                                                    \
	X(ENTER, KEY_ENTER)                                                                                            \
	X(BACK_TAB, KEY_BTAB)                                                                                          \
	X(HELP, KEY_F(1))

enum screen_key {
	SCREEN_NONE = -1,
	SCREEN_GONE = -2, /* the terminal is */
	SCREEN_ESCAPE = 27,
	SCREEN_FIRST = 0x200000, /* smaller ones are characters */
#define X(name, curses) SCREEN_##name,
	SCREEN_KEY_MAP(X)
#undef X
};

/* The next key that was pressed. */
int screen_key(struct screen *screen);

#endif
