/* top_limits.c - the limits: how much of them is in use, and who waits. */
#include <stdio.h>
#include <string.h>

#include "remarks.h"
#include "top.h"

static const struct board_limit_sh *row_of(const struct top *top, size_t item)
{
	return &top->model.instance.board->limits[item];
}

static void collect(struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < TABLE_LIMITS; i++)
		if (atomic_load(&row_of(top, i)->used))
			grid_add(grid, i);
}

static uint64_t id(const struct top *top, size_t item)
{
	(void)top;
	return item;
}

static int units(const struct top *top, size_t item)
{
	return snapshot_units(&top->model.instance, (unsigned)item);
}

/* A limit that is only a rate has none. */
static bool has_units(const struct top *top, size_t item)
{
	return units(top, item) > 0 || atomic_load(&row_of(top, item)->whole) > 0;
}

static int used(const struct top *top, size_t item)
{
	return has_units(top, item) ? units(top, item) - snapshot_free_units(&top->model.instance, (unsigned)item) : 0;
}

static void name_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%s", row_of(top, item)->name);
	cell->look = LOOK_STRONG;
}

static double used_number(const struct top *top, size_t item)
{
	return used(top, item);
}

static void used_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (!has_units(top, item))
		return;
	snprintf(cell->text, sizeof(cell->text), "%d", used(top, item));
	cell->look = used(top, item) >= units(top, item) ? LOOK_WARN : LOOK_PLAIN;
}

static double units_number(const struct top *top, size_t item)
{
	return units(top, item);
}

/* Of one that all nodes share: what this one may use of it. */
static void units_cell(const struct top *top, size_t item, struct cell *cell)
{
	int whole = atomic_load(&row_of(top, item)->whole);

	if (whole)
		snprintf(cell->text, sizeof(cell->text), "%d/%d", units(top, item), whole);
	else if (has_units(top, item))
		snprintf(cell->text, sizeof(cell->text), "%d", units(top, item));
}

static void use_cell(const struct top *top, size_t item, struct cell *cell)
{
	int in_use = used(top, item), all = units(top, item);

	if (all > 0)
		bar_draw(cell->text, cell->width < BAR_COLUMNS_MAX ? cell->width : BAR_COLUMNS_MAX,
		         in_use > 0 ? (uint64_t)in_use : 0, (uint64_t)all, top->screen.utf8);
	cell->look = in_use >= all ? LOOK_WARN : LOOK_BAR;
}

static double use_number(const struct top *top, size_t item)
{
	return units(top, item) > 0 ? (double)used(top, item) / units(top, item) : -1;
}

static void rate_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", remarks_rate(atomic_load(&row_of(top, item)->rate_ns), text));
	cell->look = cell->text[0] == '-' ? LOOK_FAINT : LOOK_PLAIN;
}

static double rate_number(const struct top *top, size_t item)
{
	uint64_t interval = atomic_load(&row_of(top, item)->rate_ns);

	return interval ? 1 / (double)interval : 0;
}

static double held_number(const struct top *top, size_t item)
{
	return (double)snapshot_held(&top->model.snapshot, (unsigned)item);
}

static void held_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_count(held_number(top, item), text));
	cell->look = held_number(top, item) > 0 ? LOOK_WARN : LOOK_FAINT;
}

static void pools_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_sh *board = top->model.instance.board;
	size_t length = 0;

	for (unsigned i = 0; i < TABLE_POOLS && length < sizeof(cell->text); i++)
		if (atomic_load(&board->pools[i].used) && top->model.snapshot.pools[i].held == (int)item)
			length += (size_t)snprintf(cell->text + length, sizeof(cell->text) - length, "%s%s",
			                           length ? ", " : "", board->pools[i].name);
}

static void key_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (has_units(top, item))
		snprintf(cell->text, sizeof(cell->text), "0x%08x", (unsigned)row_of(top, item)->key);
}

static const struct column columns[] = {
    {"LIMIT", 12, 32, 0, false, true, name_cell, NULL},
    {"USED", 6, 6, 0, true, false, used_cell, used_number},
    {"MAX", 7, 9, 0, true, false, units_cell, units_number},
    {"IN USE", 10, 40, 2, false, false, use_cell, use_number},
    {"RATE", 8, 8, 0, true, false, rate_cell, rate_number},
    {"HELD", 6, 6, 0, true, false, held_cell, held_number},
    {"KEY", 10, 10, 3, false, true, key_cell, NULL},
    {"POOLS THAT WAIT", 15, 120, 0, false, true, pools_cell, NULL},
};

const struct view top_view_limits = {
    .title = "Limits",
    .empty = "there is no [limit:]",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .collect = collect,
    .id = id,
};
