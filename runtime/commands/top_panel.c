/* top_panel.c - a text in the place of the list. */
#include "top_panel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "top.h"

/* A job that changes all the time is not asked about more often. */
#define ASK_NS UINT64_C(1000000000)

/* Where texts behind a name begin. */
#define INDENT 14

static const struct view *view_of(const struct top *top)
{
	return top->grids[top->view].view;
}

/* The word of a job in the table: it changes when there is something new to tell. 0: it is not there. */
static uint64_t word_of(const struct top *top, uint64_t job)
{
	const struct table_sh *table = top->model.there ? top->model.instance.table : NULL;
	uint64_t word;

	return table && job && table_find(table, job, &word) >= 0 ? word : 0;
}

static void ask(struct top *top)
{
	struct panel *panel = &top->panel;
	struct errand_order order = {{"show", ""}};
	struct ym_err err;

	if (panel->errand.pid)
		return;
	snprintf(order.words[1], sizeof(order.words[1]), "%" PRIu64, panel->job);
	panel->word = word_of(top, panel->job);
	panel->asked = top->model.now;
	errand_leave(&panel->errand);
	if (errand_start(&panel->errand, top->args, &order, &err) < 0)
		keys_say(top, LOOK_BAD, err.text);
}

void panel_open(struct top *top)
{
	const struct view *view = view_of(top);
	struct panel *panel = &top->panel;
	size_t item;

	if (!view->describe || !grid_chosen(&top->grids[top->view], &item))
		return;
	panel_close(top);
	panel->open = true;
	panel->id = view->id(top, item);
	panel->job = view->job ? view->job(top, item) : 0;
	if (panel->job)
		ask(top);
}

void panel_open_help(struct top *top)
{
	panel_close(top);
	top->panel.open = top->panel.help = true;
}

void panel_close(struct top *top)
{
	errand_end(&top->panel.errand);
	free(top->panel.story);
	top->panel = (struct panel){0};
}

void panel_move(struct panel *panel, long by)
{
	size_t last = panel->lines > panel->room ? panel->lines - panel->room : 0;

	if (by < 0 && (size_t)-by > panel->first)
		panel->first = 0;
	else
		panel->first += (size_t)by;
	if (panel->first > last)
		panel->first = last;
}

void panel_hear(struct top *top)
{
	struct panel *panel = &top->panel;

	if (!errand_hear(&panel->errand))
		return;
	free(panel->story);
	panel->story = panel->errand.text;
	panel->errand.text = NULL;
	errand_leave(&panel->errand);
}

static void write_text(const struct top *top, FILE *to)
{
	const struct panel *panel = &top->panel;

	if (panel->help) {
		keys_help(to);
		return;
	}
	view_of(top)->describe(top, panel->id, to);
	if (panel->story)
		fprintf(to, "\n%s", panel->story);
	else if (panel->job)
		fprintf(to, "\n...\n");
}

/* A piece of a line. A line that begins at the margin is a heading. */
static void draw_piece(struct top *top, unsigned row, const char *text, size_t length, unsigned indent, bool heading)
{
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	line_to(&line, LOOK_PLAIN, 1 + indent);
	line_put(&line, heading ? LOOK_STRONG : LOOK_PLAIN, "%.*s", (int)length, text);
	screen_put(&top->screen, row, &line);
}

/* What does not fit goes on in the next line, below the text that is behind a name. */
static size_t draw_line(struct top *top, const char *text, size_t length, size_t number, unsigned row, unsigned rows)
{
	const struct panel *panel = &top->panel;
	unsigned columns = top->screen.columns, below = columns >= 2 * INDENT ? INDENT : 2, indent = 0;
	bool heading = *text != ' ';

	do {
		size_t piece = line_break(text, length, columns - 1 - indent, top->screen.utf8);

		if (number >= panel->first && number < panel->first + rows)
			draw_piece(top, row + (unsigned)(number - panel->first), text, piece, indent, heading);
		text += piece;
		length -= piece;
		number++;
		/* Not the blank at which it was broken. */
		if (length > 0 && *text == ' ') {
			text++;
			length--;
		}
		indent = heading ? 0 : below;
	} while (length > 0);
	return number;
}

static void draw_lines(struct top *top, const char *text, unsigned row, unsigned rows)
{
	size_t number = 0;

	for (const char *at = text; *at;) {
		size_t length = strcspn(at, "\n");

		number = draw_line(top, at, length, number, row, rows);
		at += length;
		at += *at == '\n';
	}
	top->panel.lines = number;
}

void panel_draw(struct top *top, unsigned row, unsigned rows)
{
	struct panel *panel = &top->panel;
	struct line line;
	char *text = NULL;
	size_t size;
	FILE *to;

	if (panel->job && top->model.now >= panel->asked + ASK_NS && word_of(top, panel->job) != panel->word)
		ask(top);
	panel->room = rows;
	line_begin(&line, top->screen.columns, top->screen.utf8);
	to = open_memstream(&text, &size);
	if (!to)
		return;
	write_text(top, to);
	if (fclose(to) == 0) {
		draw_lines(top, text, row, rows);
		panel_move(panel, 0);
	}
	free(text);
	for (size_t i = panel->lines - panel->first; i < rows; i++)
		screen_put(&top->screen, row + (unsigned)i, &line);
}
