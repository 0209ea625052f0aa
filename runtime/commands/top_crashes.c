/* top_crashes.c - the flight recorder: workers that died, and how far they were. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "top.h"

static const struct board_crash *crash_of(const struct top *top, size_t item)
{
	return &top->model.crashes[item % BOARD_CRASHES];
}

static void collect(struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < top->model.ncrashes; i++)
		grid_add(grid, i);
}

/* Two of them at the same nanosecond are of different rows. */
static uint64_t id(const struct top *top, size_t item)
{
	return crash_of(top, item)->at + crash_of(top, item)->row;
}

static const char *pool(const struct top *top, size_t item)
{
	return crash_of(top, item)->pool;
}

static uint64_t job(const struct top *top, size_t item)
{
	return crash_of(top, item)->work.job;
}

static void unit_of(const struct board_crash *crash, char unit[JOB_UNIT_MAX + 1])
{
	memcpy(unit, crash->progress.unit, JOB_UNIT_MAX);
	unit[JOB_UNIT_MAX] = '\0';
}

/* The newest first. */
static double at_number(const struct top *top, size_t item)
{
	return -(double)crash_of(top, item)->at;
}

static void at_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s",
	         top_clock(model_unix_ms(&top->model, crash_of(top, item)->at), text));
}

static void ago_cell(const struct top *top, size_t item, struct cell *cell)
{
	uint64_t at = crash_of(top, item)->at;
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_age(top->model.now > at ? top->model.now - at : 0, text));
}

static void pool_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%.*s", TABLE_NAME_MAX, pool(top, item));
}

static double pid_number(const struct top *top, size_t item)
{
	return crash_of(top, item)->work.pid;
}

static void pid_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%ld", (long)crash_of(top, item)->work.pid);
}

static double job_number(const struct top *top, size_t item)
{
	return (double)job(top, item);
}

static void job_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (job(top, item))
		snprintf(cell->text, sizeof(cell->text), "%" PRIu64, job(top, item));
}

static void tag_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_work *work = &crash_of(top, item)->work;

	if (work->job)
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)sizeof(work->tag), work->tag);
}

static void attempt_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_work *work = &crash_of(top, item)->work;

	if (work->job)
		snprintf(cell->text, sizeof(cell->text), "%u/%u", work->attempt, work->attempts);
}

static double share_number(const struct top *top, size_t item)
{
	const struct board_progress *progress = &crash_of(top, item)->progress;

	if (progress->job == 0 || progress->total == 0)
		return -1;
	return (double)progress->done / (double)progress->total;
}

static void percent_cell(const struct top *top, size_t item, struct cell *cell)
{
	double share = share_number(top, item);

	if (share >= 0)
		snprintf(cell->text, sizeof(cell->text), "%d%%", (int)(100 * (share < 1 ? share : 1)));
}

static void amount_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_crash *crash = crash_of(top, item);
	char unit[JOB_UNIT_MAX + 1], text[TEXT_MAX];

	unit_of(crash, unit);
	if (crash->progress.job)
		snprintf(cell->text, sizeof(cell->text), "%s",
		         top_amount(crash->progress.done, crash->progress.total, unit, text));
}

static void note_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_progress *progress = &crash_of(top, item)->progress;

	if (progress->job)
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)sizeof(progress->note), progress->note);
}

static void cause_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%.*s", BOARD_REASON_MAX, crash_of(top, item)->cause);
	cell->look = LOOK_BAD;
}

static void describe_one(const struct top *top, size_t item, FILE *to)
{
	const struct board_crash *crash = crash_of(top, item);
	char clock[TEXT_MAX], age[TEXT_MAX], amount[TEXT_MAX], unit[JOB_UNIT_MAX + 1];

	fprintf(
	    to, "Worker %ld, row %u, pool %.*s\n  died       at %s, %s ago\n  cause      %.*s\n", (long)crash->work.pid,
	    crash->row, TABLE_NAME_MAX, crash->pool, top_clock(model_unix_ms(&top->model, crash->at), clock),
	    top_age(top->model.now > crash->at ? top->model.now - crash->at : 0, age), BOARD_REASON_MAX, crash->cause);
	if (crash->work.job == 0) {
		fprintf(to, "  job        none\n");
		return;
	}
	fprintf(to, "  job        %" PRIu64 "%s%.*s, attempt %u of %u, after %s\n", crash->work.job,
	        crash->work.tag[0] ? " " : "", (int)sizeof(crash->work.tag), crash->work.tag, crash->work.attempt,
	        crash->work.attempts,
	        top_span(crash->at > crash->work.job_started ? crash->at - crash->work.job_started : 0, age));
	if (crash->progress.job == 0)
		return;
	unit_of(crash, unit);
	fprintf(to, "  progress   %s\n  note       %.*s\n",
	        top_amount(crash->progress.done, crash->progress.total, unit, amount), BOARD_NOTE_MAX,
	        crash->progress.note);
}

static void describe(const struct top *top, uint64_t wanted, FILE *to)
{
	for (size_t i = 0; i < top->model.ncrashes; i++)
		if (id(top, i) == wanted) {
			describe_one(top, i, to);
			return;
		}
	fprintf(to, "The recorder keeps the last %d only\n", BOARD_CRASHES);
}

static const struct column columns[] = {
    {"TIME", 8, 8, 0, false, true, at_cell, at_number},
    {"AGO", 6, 6, 4, true, false, ago_cell, at_number},
    {"POOL", 8, 16, 0, false, true, pool_cell, NULL},
    {"PID", 7, 7, 3, true, true, pid_cell, pid_number},
    {"JOB", 7, 10, 0, true, true, job_cell, job_number},
    {"TAG", 8, 24, 1, false, true, tag_cell, NULL},
    {"TRY", 4, 5, 5, true, false, attempt_cell, NULL},
    {"%", 4, 4, 0, true, false, percent_cell, share_number},
    {"AMOUNT", 12, 20, 7, true, false, amount_cell, share_number},
    {"NOTE", 10, 40, 6, false, true, note_cell, NULL},
    {"CAUSE", 16, 160, 0, false, true, cause_cell, NULL},
};

const struct view top_view_crashes = {
    .title = "Crashes",
    .empty = "no worker has died",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .collect = collect,
    .id = id,
    .pool = pool,
    .job = job,
    .describe = describe,
};
