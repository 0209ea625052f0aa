/* top_screen.c - ncurses, and the terminal that it must leave as it was. */
#include "top_screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>
/* Of its macros, one is in our way. */
#undef columns

#include "bar.h"

/* How long after Escape the rest of a key's sequence may come. */
#define ESCAPE_MS 25

int screen_check(struct ym_err *err)
{
	const char *name = getenv("TERM"), *movement;
	bool moves;
	int why;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return ym_fail(err, YM_ERR_USAGE, "top needs a terminal");
	if (!name || !*name)
		return ym_fail(err, YM_ERR_USAGE, "top needs to know the terminal, and TERM is not set");
	if (setupterm(name, STDOUT_FILENO, &why) == ERR)
		return ym_fail(err, YM_ERR_USAGE, "top: %s \"%s\" (TERM)",
		               why == 0
		                   ? "nothing is known about terminals of the type"
		                   : "there is no list of terminals (package ncurses-base), so nothing is known of",
		               name);
	movement = tigetstr("cup");
	/* (char *)-1 if it is no string. */
	moves = movement && movement != (const char *)-1;
	del_curterm(cur_term);
	if (!moves)
		return ym_fail(err, YM_ERR_USAGE, "top: a terminal \"%s\" (TERM) cannot move its cursor", name);
	return 0;
}

static void choose_looks(struct screen *screen)
{
	static const struct {
		chtype plain, coloured;
		short colour;
	} looks[LOOKS] = {
#define X(name, plain, coloured, colour) {plain, coloured, colour},
	    LOOK_MAP(X)
#undef X
	};
	const char *without = getenv("NO_COLOR");
	bool colour = has_colors() && !(without && *without) && start_color() == OK && use_default_colors() == OK;

	for (int i = 0; i < LOOKS; i++) {
		screen->looks[i] = looks[i].plain;
		if (!colour)
			continue;
		screen->looks[i] = looks[i].coloured;
		if (looks[i].colour >= 0 && init_pair((short)(i + 1), looks[i].colour, -1) == OK)
			screen->looks[i] |= (chtype)COLOR_PAIR(i + 1);
	}
}

int screen_open(struct screen *screen, struct ym_err *err)
{
	*screen = (struct screen){0};
	screen->utf8 = bar_utf8();
	screen->terminal = newterm(NULL, stdout, stdin);
	if (!screen->terminal)
		return ym_fail(err, YM_ERR_SYSTEM, "newterm() of ncurses failed for TERM=%s", getenv("TERM"));
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	set_escdelay(ESCAPE_MS);
	choose_looks(screen);
	/* A window of its own: reading from stdscr would draw it. */
	screen->input = newpad(1, 1);
	if (!screen->input || screen_resize(screen, err) < 0) {
		screen_close(screen);
		return screen->input ? -1 : ym_fail(err, YM_ERR_LIMIT, "out of memory for the screen");
	}
	keypad(screen->input, TRUE);
	nodelay(screen->input, TRUE);
	return 0;
}

void screen_close(struct screen *screen)
{
	if (screen->terminal) {
		endwin();
		if (screen->input)
			delwin(screen->input);
		delscreen(screen->terminal);
	}
	free(screen->shown);
	screen->terminal = NULL;
	screen->shown = NULL;
}

int screen_resize(struct screen *screen, struct ym_err *err)
{
	struct winsize size;
	struct line *shown;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
	screen->rows = (unsigned)LINES;
	screen->columns = (unsigned)COLS;
	shown = realloc(screen->shown, screen->rows * sizeof(*shown));
	if (!shown)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory for a screen of %u lines", screen->rows);
	memset(shown, 0, screen->rows * sizeof(*shown));
	screen->shown = shown;
	clearok(curscr, TRUE);
	erase();
	return 0;
}

void screen_yield(struct screen *screen)
{
	(void)screen;
	endwin();
}

static void put_runs(const struct screen *screen, const struct line *line)
{
	for (unsigned i = 0; i < line->nruns; i++) {
		size_t at = line->runs[i].at, end = i + 1 < line->nruns ? line->runs[i + 1].at : line->length;

		attrset((int)screen->looks[line->chosen ? LOOK_CHOSEN : line->runs[i].look]);
		if (end > at)
			addnstr(line->text + at, (int)(end - at));
	}
}

void screen_put(struct screen *screen, unsigned row, const struct line *line)
{
	if (row >= screen->rows || line_same(&screen->shown[row], line))
		return;
	screen->shown[row] = *line;
	move((int)row, 0);
	put_runs(screen, line);
	attrset(A_NORMAL);
	/* After the last column there is nothing to clear. */
	if (line->used < screen->columns)
		clrtoeol();
	if (line->chosen && line->used < screen->columns)
		mvchgat((int)row, (int)line->used, -1, A_REVERSE, 0, NULL);
}

void screen_flush(struct screen *screen, unsigned row, unsigned column)
{
	bool typing = row < screen->rows;

	curs_set(typing);
	if (typing)
		move((int)row, (int)column);
	leaveok(stdscr, !typing);
	wnoutrefresh(stdscr);
	doupdate();
}

int screen_key(struct screen *screen)
{
	static const struct {
		int name;
		wint_t curses;
	} keys[] = {
#define X(name, curses) {SCREEN_##name, curses},
	    SCREEN_KEY_MAP(X)
#undef X
	};
	wint_t key;
	int kind;

	errno = 0;
	kind = wget_wch(screen->input, &key);
	if (kind == ERR)
		return errno == 0 || errno == EAGAIN || errno == EINTR ? SCREEN_NONE : SCREEN_GONE;
	if (kind == OK && (key == '\n' || key == '\r'))
		return SCREEN_ENTER;
	if (kind == OK && (key == 0x7f || key == '\b'))
		return SCREEN_BACKSPACE;
	for (size_t i = 0; kind == KEY_CODE_YES && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].curses == key)
			return keys[i].name;
	return kind == OK ? (int)key : SCREEN_NONE;
}
