/* top_grid.c - lay a list out. */
#include "top_grid.h"

#include <stdlib.h>
#include <string.h>

#include "top.h"

#define ARRANGE_NS UINT64_C(1000000000)
/* To find out what is in the list, and in which order, may take this part of the time. */
#define ARRANGE_PART 100

/* On a narrow screen one blank between two columns is enough. */
#define WIDE_COLUMNS 100

#define KEY_BYTES 40

struct grid_item {
	double number;
	char text[KEY_BYTES];
	size_t item;
};

void grid_init(struct grid *grid, const struct view *view)
{
	*grid = (struct grid){.view = view, .sort = view->sort};
}

void grid_free(struct grid *grid)
{
	free(grid->items);
	grid->items = NULL;
	grid->n = grid->room = 0;
}

void grid_change(struct grid *grid)
{
	memset(grid->wanted, 0, sizeof(grid->wanted));
	grid->due = 0;
}

void grid_add(struct grid *grid, size_t item)
{
	if (grid->n == grid->room) {
		size_t room = grid->room ? 2 * grid->room : 256;
		struct grid_item *items = realloc(grid->items, room * sizeof(*items));

		/* A list that is too long for the memory is cut. */
		if (!items)
			return;
		grid->items = items;
		grid->room = room;
	}
	grid->items[grid->n++].item = item;
}

/* ---- filter ------------------------------------------------------------------------------------ */

static bool has(const struct top *top, const struct column *column, size_t item, const char *word)
{
	struct cell cell = {.width = column->most};

	column->cell(top, item, &cell);
	return strcasestr(cell.text, word) != NULL;
}

/* WORD in any column that is searched, or COLUMN:WORD in those whose title begins so. */
static bool fits_word(const struct top *top, const struct view *view, size_t item, const char *word)
{
	const char *colon = strchr(word, ':');
	size_t length = colon ? (size_t)(colon - word) : 0;
	bool named = false;

	for (size_t i = 0; length > 0 && i < view->ncolumns; i++) {
		if (strncasecmp(view->columns[i].title, word, length) != 0)
			continue;
		named = true;
		if (has(top, &view->columns[i], item, colon + 1))
			return true;
	}
	for (size_t i = 0; !named && i < view->ncolumns; i++)
		if (view->columns[i].searched && has(top, &view->columns[i], item, word))
			return true;
	return false;
}

static bool fits(const struct top *top, const struct grid *grid, size_t item)
{
	char words[GRID_FILTER_MAX], *at = words, *word;

	memcpy(words, grid->filter, sizeof(words));
	while ((word = strsep(&at, " ")))
		if (*word && !fits_word(top, grid->view, item, word))
			return false;
	return true;
}

static void filter(const struct top *top, struct grid *grid)
{
	size_t kept = 0;

	grid->all = grid->n;
	for (size_t i = 0; grid->filter[0] && i < grid->n; i++)
		if (fits(top, grid, grid->items[i].item))
			grid->items[kept++].item = grid->items[i].item;
	if (grid->filter[0])
		grid->n = kept;
}

/* ---- order ------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b, void *arg)
{
	const struct grid_item *x = a, *y = b;
	const bool *down = arg;
	int order = x->number < y->number ? -1 : x->number > y->number;

	if (order == 0)
		order = strcasecmp(x->text, y->text);
	if (order)
		return *down ? -order : order;
	/* Those that are alike stay in the order that the view gave them. */
	return x->item < y->item ? -1 : x->item > y->item;
}

static void sort(const struct top *top, struct grid *grid)
{
	const struct column *column = &grid->view->columns[grid->sort];
	bool down = column->right != grid->reverse;

	for (size_t i = 0; i < grid->n; i++) {
		struct grid_item *item = &grid->items[i];
		struct cell cell = {.width = column->most};

		item->number = column->number ? column->number(top, item->item) : 0;
		item->text[0] = '\0';
		if (column->number)
			continue;
		column->cell(top, item->item, &cell);
		memcpy(item->text, cell.text, KEY_BYTES - 1);
		item->text[KEY_BYTES - 1] = '\0';
	}
	qsort_r(grid->items, grid->n, sizeof(*grid->items), compare, &down);
}

static void note_cursor(const struct top *top, struct grid *grid)
{
	if (grid->moved && grid->cursor < grid->n)
		grid->cursor_id = grid->view->id(top, grid->items[grid->cursor].item);
	grid->moved = false;
}

/* The cursor stays with its item, or where it was. */
static void keep_cursor(const struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < grid->n; i++)
		if (grid->view->id(top, grid->items[i].item) == grid->cursor_id)
			grid->cursor = i;
}

static void arrange(struct top *top, struct grid *grid)
{
	uint64_t start = ym_now_ns(), took;
	bool top_line = grid->cursor == 0;

	grid->n = 0;
	grid->view->collect(top, grid);
	filter(top, grid);
	sort(top, grid);
	/* Who has not moved it yet looks at what comes first. */
	if (!top_line)
		keep_cursor(top, grid);
	grid_move(grid, 0);
	note_cursor(top, grid);
	took = ym_now_ns() - start;
	grid->due = start + (took * ARRANGE_PART > ARRANGE_NS ? took * ARRANGE_PART : ARRANGE_NS);
}

void grid_sort(struct grid *grid, int step)
{
	size_t n = grid->view->ncolumns;

	grid->sort = step > 0 ? (grid->sort + 1) % n : (grid->sort + n - 1) % n;
	grid->reverse = false;
	grid_change(grid);
}

/* ---- cursor ------------------------------------------------------------------------------------ */

void grid_move(struct grid *grid, long by)
{
	grid->moved = true;
	if (by < 0 && (size_t)-by > grid->cursor)
		grid->cursor = 0;
	else
		grid->cursor += (size_t)by;
	if (grid->cursor >= grid->n)
		grid->cursor = grid->n > 0 ? grid->n - 1 : 0;
}

bool grid_chosen(const struct grid *grid, size_t *item)
{
	if (grid->cursor >= grid->n)
		return false;
	*item = grid->items[grid->cursor].item;
	return true;
}

/* ---- drawing ----------------------------------------------------------------------------------- */

struct layout {
	unsigned gap;
	unsigned widths[GRID_COLUMNS_MAX]; /* 0: left out */
};

static unsigned total_width(const struct layout *layout, size_t n)
{
	unsigned total = 0;

	for (size_t i = 0; i < n; i++)
		total += layout->widths[i] ? layout->widths[i] + layout->gap : 0;
	return total ? total - layout->gap : 0;
}

/* Which column goes first when there is no room. */
static size_t least_important(const struct view *view, const struct layout *layout)
{
	size_t found = view->ncolumns;

	for (size_t i = 0; i < view->ncolumns; i++)
		if (layout->widths[i] && view->columns[i].rank > 0 &&
		    (found == view->ncolumns || view->columns[i].rank >= view->columns[found].rank))
			found = i;
	return found;
}

static bool is_text(const struct column *column)
{
	return column->searched && !column->right;
}

/* How wide a column would like to be: texts as they are, everything else as wide as it may be. */
static unsigned wanted_width(const struct grid *grid, size_t i, bool texts)
{
	const struct column *column = &grid->view->columns[i];

	if (texts != is_text(column))
		return 0;
	return texts && grid->wanted[i] < column->most ? grid->wanted[i] : column->most;
}

/* Room that is left over goes to those columns that want it, in equal parts. */
static unsigned stretch(const struct grid *grid, struct layout *layout, unsigned room, bool texts)
{
	for (bool more = true; more && room > 0;) {
		more = false;
		for (size_t i = 0; i < grid->view->ncolumns && room > 0; i++) {
			if (!layout->widths[i] || layout->widths[i] >= wanted_width(grid, i, texts))
				continue;
			layout->widths[i]++;
			room--;
			more = true;
		}
	}
	return room;
}

static void lay_out(const struct grid *grid, unsigned columns, struct layout *layout)
{
	const struct view *view = grid->view;
	unsigned width;

	*layout = (struct layout){.gap = columns >= WIDE_COLUMNS ? 2 : 1};
	for (size_t i = 0; i < view->ncolumns; i++)
		layout->widths[i] = view->columns[i].least;
	while ((width = total_width(layout, view->ncolumns)) > columns) {
		size_t out = least_important(view, layout);

		if (out == view->ncolumns)
			return;
		layout->widths[out] = 0;
	}
	width = stretch(grid, layout, columns - width, true);
	width = stretch(grid, layout, width, false);
	if (layout->widths[view->ncolumns - 1])
		layout->widths[view->ncolumns - 1] += width;
}

/* The arrow stands in the gap behind a title at the right, or right behind one at the left. */
static void draw_head(struct top *top, const struct grid *grid, const struct layout *layout, unsigned row)
{
	bool down, utf8 = top->screen.utf8, pending = false;
	const char *arrow = "";
	struct line line;

	line_begin(&line, top->screen.columns, utf8);
	for (size_t i = 0; i < grid->view->ncolumns; i++) {
		const struct column *column = &grid->view->columns[i];
		char title[32];

		if (!layout->widths[i])
			continue;
		if (line.used > 0)
			line_cell(&line, LOOK_SORTED, pending ? arrow : "", layout->gap, false);
		pending = i == grid->sort && column->right;
		down = column->right != grid->reverse;
		if (i == grid->sort)
			arrow = down ? (utf8 ? "▾" : "v") : (utf8 ? "▴" : "^");
		snprintf(title, sizeof(title), "%s%s", column->title, i == grid->sort && !pending ? arrow : "");
		line_cell(&line, i == grid->sort ? LOOK_SORTED : LOOK_HEAD, title, layout->widths[i], column->right);
	}
	if (pending)
		line_cell(&line, LOOK_SORTED, arrow, 1, false);
	line_to(&line, LOOK_HEAD, top->screen.columns);
	screen_put(&top->screen, row, &line);
}

/* A text that would need more room is noted: it may get some the next time. */
static void note_width(struct grid *grid, size_t column, const struct cell *cell, bool utf8)
{
	char cut[sizeof(cell->text)];
	unsigned width = line_fit(cut, sizeof(cut), cell->text, grid->view->columns[column].most, utf8);

	if (width > grid->wanted[column])
		grid->wanted[column] = width;
}

static void draw_item(struct top *top, struct grid *grid, const struct layout *layout, size_t at, unsigned row)
{
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	for (size_t i = 0; i < grid->view->ncolumns; i++) {
		const struct column *column = &grid->view->columns[i];
		struct cell cell;

		if (!layout->widths[i])
			continue;
		cell.width = layout->widths[i];
		cell.drawn = true;
		cell.look = LOOK_PLAIN;
		cell.text[0] = '\0';
		column->cell(top, grid->items[at].item, &cell);
		if (is_text(column))
			note_width(grid, i, &cell, line.utf8);
		if (line.used > 0)
			line_to(&line, LOOK_PLAIN, line.used + layout->gap);
		line_cell(&line, cell.look, cell.text, layout->widths[i], column->right);
	}
	line.chosen = at == grid->cursor;
	screen_put(&top->screen, row, &line);
}

static void draw_empty(struct top *top, const struct grid *grid, unsigned row)
{
	struct line line;

	line_begin(&line, top->screen.columns, top->screen.utf8);
	if (grid->filter[0])
		line_put(&line, LOOK_FAINT, "  nothing fits the filter \"%s\" (Esc removes it)", grid->filter);
	else
		line_put(&line, LOOK_FAINT, "  %s", grid->view->empty);
	screen_put(&top->screen, row, &line);
}

void grid_draw(struct top *top, struct grid *grid, unsigned row, unsigned rows)
{
	struct layout layout;
	struct line line;

	note_cursor(top, grid);
	if (top->model.now >= grid->due)
		arrange(top, grid);
	if (grid->cursor < grid->first)
		grid->first = grid->cursor;
	if (rows > 1 && grid->cursor >= grid->first + rows - 1)
		grid->first = grid->cursor - rows + 2;
	/* No empty lines below while there are items above. */
	if (grid->first + rows - 1 > grid->n)
		grid->first = grid->n > rows - 1 ? grid->n - (rows - 1) : 0;
	lay_out(grid, top->screen.columns, &layout);
	draw_head(top, grid, &layout, row);
	for (unsigned i = 1; i < rows; i++) {
		if (grid->first + i - 1 < grid->n) {
			draw_item(top, grid, &layout, grid->first + i - 1, row + i);
		} else if (grid->n == 0 && i == 1) {
			draw_empty(top, grid, row + i);
		} else {
			line_begin(&line, top->screen.columns, top->screen.utf8);
			screen_put(&top->screen, row + i, &line);
		}
	}
}
