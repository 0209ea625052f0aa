/*
 * top_grid.h - a list on the screen: columns that fit, sorted, filtered, with a cursor that stays with what it is on.
 *
 * What is in the list, and in which order, is found out once a second, or less often where that takes long; what the lines on
 * the screen say, at each refresh.
 */
#ifndef YM_RUNTIME_COMMANDS_TOP_GRID_H
#define YM_RUNTIME_COMMANDS_TOP_GRID_H

#include <stdio.h>

#include "top_screen.h"

struct top;
struct grid;

#define BAR_COLUMNS_MAX 60

struct cell {
	unsigned width; /* of the column */
	bool drawn;     /* it is for the screen; else only for its text, to filter or to sort by */
	enum look look; /* PLAIN at first */
	char text[400]; /* "" at first */
};

struct column {
	const char *title;
	unsigned least, most; /* width: more than the least if there is room */
	unsigned rank;        /* where there is no room, those of the highest rank are left out; 0: never */
	bool right;           /* numbers: they stand at the right, and are sorted from the largest on */
	bool searched;        /* a filter looks at it. If it is not `right`, it gets the room that its texts want */
	void (*cell)(const struct top *top, size_t item, struct cell *cell);
	double (*number)(const struct top *top, size_t item); /* to sort by; NULL: by the text */
};

/* One kind of list. An item is a number that means something to the view alone. */
struct view {
	const char *title;
	const char *empty; /* what to say if there is none */
	const struct column *columns;
	size_t ncolumns;
	size_t sort;                                             /* column, at first */
	void (*collect)(struct top *top, struct grid *grid);     /* grid_add() for each item */
	uint64_t (*id)(const struct top *top, size_t item);      /* stays the same */
	const char *(*pool)(const struct top *top, size_t item); /* it belongs to; NULL: none has one */
	uint64_t (*job)(const struct top *top, size_t item);     /* it is about, 0: none; NULL: none has one */
	/* Everything about it, in lines; NULL: there is no more to say. */
	void (*describe)(const struct top *top, uint64_t id, FILE *to);
};

#define GRID_FILTER_MAX  64
#define GRID_COLUMNS_MAX 24

struct grid {
	const struct view *view;
	struct grid_item *items;
	size_t n, room;
	size_t all; /* before the filter */
	size_t cursor, first;
	uint64_t cursor_id; /* of what it is on */
	bool moved;         /* since then */
	size_t sort;
	bool reverse;
	char filter[GRID_FILTER_MAX];
	unsigned wanted[GRID_COLUMNS_MAX]; /* widest text so far: it only grows, so that columns do not jump */
	uint64_t due;                      /* ym_now_ns(): when it is found out anew */
};

void grid_init(struct grid *grid, const struct view *view);
void grid_free(struct grid *grid);
void grid_add(struct grid *grid, size_t item);
/* Something has changed: find everything out anew with the next drawing. */
void grid_change(struct grid *grid);
/* The columns by which it may be sorted are gone through in a circle. */
void grid_sort(struct grid *grid, int step);
void grid_move(struct grid *grid, long by);
/* The item under the cursor; false: there is none. */
bool grid_chosen(const struct grid *grid, size_t *item);

/* The heading and `rows` - 1 lines of it, from this row of the screen on. */
void grid_draw(struct top *top, struct grid *grid, unsigned row, unsigned rows);

#endif
