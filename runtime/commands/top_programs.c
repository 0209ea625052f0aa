/* top_programs.c - the processes of [program:] sections. */
#include <stdio.h>
#include <string.h>

#include "../life.h"
#include "top.h"

static const struct board_program_sh *row_of(const struct top *top, size_t item)
{
	return &top->model.instance.board->programs[item];
}

static void collect(struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < BOARD_PROGRAMS; i++)
		if (atomic_load(&row_of(top, i)->used))
			grid_add(grid, i);
}

static uint64_t id(const struct top *top, size_t item)
{
	(void)top;
	return item;
}

static void program_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%.*s", CFG_LONG_NAME_MAX, row_of(top, item)->program);
	cell->look = LOOK_STRONG;
}

static void process_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%.*s", CFG_PROCESS_NAME_MAX, row_of(top, item)->name);
}

static void state_cell(const struct top *top, size_t item, struct cell *cell)
{
	uint32_t state = atomic_load(&row_of(top, item)->state);

	snprintf(cell->text, sizeof(cell->text), "%s", life_state_word(state));
	if (state == LIFE_RUNNING)
		cell->look = LOOK_GOOD;
	else if (state == LIFE_FATAL || state == LIFE_BACKOFF)
		cell->look = LOOK_BAD;
	else if (state == LIFE_STOPPED || state == LIFE_EXITED)
		cell->look = LOOK_FAINT;
}

static double pid_number(const struct top *top, size_t item)
{
	return atomic_load(&row_of(top, item)->pid);
}

static void pid_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (pid_number(top, item) > 0)
		snprintf(cell->text, sizeof(cell->text), "%.0f", pid_number(top, item));
}

static double since_number(const struct top *top, size_t item)
{
	uint64_t since = atomic_load(&row_of(top, item)->since);

	return since && top->model.now > since ? (double)(top->model.now - since) : 0;
}

static void since_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_age((uint64_t)since_number(top, item), text));
}

static double starts_number(const struct top *top, size_t item)
{
	return atomic_load(&row_of(top, item)->starts);
}

static void starts_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%.0f", starts_number(top, item));
}

static void reason_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_program_sh *row = row_of(top, item);
	char reason[BOARD_REASON_MAX];

	board_reason_read(row->reason, &row->reason_version, reason);
	snprintf(cell->text, sizeof(cell->text), "%s", reason);
}

static const struct column columns[] = {
    {"PROGRAM", 12, 32, 0, false, true, program_cell, NULL},
    {"PROCESS", 10, 32, 1, false, true, process_cell, NULL},
    {"STATE", 8, 8, 0, false, true, state_cell, NULL},
    {"PID", 7, 7, 0, true, true, pid_cell, pid_number},
    {"SINCE", 6, 6, 0, true, false, since_cell, since_number},
    {"STARTS", 6, 6, 0, true, false, starts_cell, starts_number},
    {"REASON", 10, 200, 0, false, true, reason_cell, NULL},
};

const struct view top_view_programs = {
    .title = "Programs",
    .empty = "there is no [program:]",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .collect = collect,
    .id = id,
};
