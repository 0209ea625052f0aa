/* top_workers.c - the workers: what each of them is at, how far, how fast, and what it costs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../view.h"
#include "top.h"

/* Who is at a job for so long comes before those that change all the time. */
#define LONG_NS UINT64_C(1000000000)

static const struct snapshot_worker *worker_of(const struct top *top, size_t item)
{
	static const struct snapshot_worker nobody;
	const struct snapshot_worker *worker = model_row(&top->model, item);

	return worker ? worker : &nobody;
}

static bool is_over(const struct board_work *work)
{
	return work->state == BOARD_WORKER_NONE || work->state == BOARD_WORKER_ENDED ||
	       work->state == BOARD_WORKER_FAILED;
}

/* Those that are at a job for a while, then the others, then those that have ended. */
static double state_number(const struct top *top, size_t item)
{
	const struct board_work *work = &worker_of(top, item)->work;

	if (is_over(work))
		return 2;
	return work->job && top->model.now > work->since + LONG_NS ? 0 : 1;
}

static void collect(struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < top->model.snapshot.nworkers; i++)
		grid_add(grid, top->model.snapshot.workers[i].row);
}

static uint64_t id(const struct top *top, size_t item)
{
	(void)top;
	return item;
}

static const char *pool(const struct top *top, size_t item)
{
	return top->model.instance.board->pools[worker_of(top, item)->work.pool].name;
}

static uint64_t job(const struct top *top, size_t item)
{
	return worker_of(top, item)->work.job;
}

static void row_cell(const struct top *top, size_t item, struct cell *cell)
{
	(void)top;
	snprintf(cell->text, sizeof(cell->text), "%zu", item);
	cell->look = LOOK_FAINT;
}

static double row_number(const struct top *top, size_t item)
{
	(void)top;
	/* Sorted downwards at first: the first row first. */
	return -(double)item;
}

static double pid_number(const struct top *top, size_t item)
{
	return worker_of(top, item)->work.pid;
}

static void pid_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%ld", (long)worker_of(top, item)->work.pid);
}

static void pool_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%s", pool(top, item));
}

static void state_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct snapshot_worker *worker = worker_of(top, item);
	const char *word = model_worker_word(&top->model, worker, cell->drawn);

	snprintf(cell->text, sizeof(cell->text), "%s", word);
	if (word != board_worker_word(worker->work.state) || worker->work.state == BOARD_WORKER_FAILED)
		cell->look = LOOK_BAD;
	else if (worker->work.state == BOARD_WORKER_BUSY)
		cell->look = LOOK_GOOD;
	else if (worker->work.state == BOARD_WORKER_HELD)
		cell->look = LOOK_WARN;
	else if (worker->work.state == BOARD_WORKER_IDLE || is_over(&worker->work))
		cell->look = LOOK_FAINT;
}

static void job_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (job(top, item))
		snprintf(cell->text, sizeof(cell->text), "%" PRIu64, job(top, item));
}

static double job_number(const struct top *top, size_t item)
{
	return (double)job(top, item);
}

static void tag_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_work *work = &worker_of(top, item)->work;

	if (work->job)
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)sizeof(work->tag), work->tag);
}

static void attempt_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_work *work = &worker_of(top, item)->work;

	if (work->job)
		snprintf(cell->text, sizeof(cell->text), "%u/%u", work->attempt, work->attempts);
	cell->look = work->attempt > 1 ? LOOK_WARN : LOOK_PLAIN;
}

static double attempt_number(const struct top *top, size_t item)
{
	return worker_of(top, item)->work.attempt;
}

static double share_number(const struct top *top, size_t item)
{
	const struct board_progress *progress = &worker_of(top, item)->progress;

	if (progress->total == 0)
		return progress->done ? 0 : -1;
	return progress->done < progress->total ? (double)progress->done / (double)progress->total : 1;
}

static void bar_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_progress *progress = &worker_of(top, item)->progress;

	if (progress->job == 0 || progress->total == 0)
		return;
	bar_draw(cell->text, cell->width < BAR_COLUMNS_MAX ? cell->width : BAR_COLUMNS_MAX, progress->done,
	         progress->total, top->screen.utf8);
	cell->look = LOOK_BAR;
}

static void percent_cell(const struct top *top, size_t item, struct cell *cell)
{
	if (worker_of(top, item)->progress.total)
		snprintf(cell->text, sizeof(cell->text), "%d%%", (int)(100 * share_number(top, item)));
}

static void unit_of(const struct board_progress *progress, char unit[JOB_UNIT_MAX + 1])
{
	memcpy(unit, progress->unit, JOB_UNIT_MAX);
	unit[JOB_UNIT_MAX] = '\0';
}

static void amount_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct board_progress *progress = &worker_of(top, item)->progress;
	char unit[JOB_UNIT_MAX + 1], text[TEXT_MAX];

	unit_of(progress, unit);
	if (progress->job)
		snprintf(cell->text, sizeof(cell->text), "%s", top_amount(progress->done, progress->total, unit, text));
}

static double done_number(const struct top *top, size_t item)
{
	return (double)worker_of(top, item)->progress.done;
}

static double rate_number(const struct top *top, size_t item)
{
	return worker_of(top, item)->progress.job ? pace_rate(&top->model.paces[item], top->model.now) : 0;
}

static void rate_cell(const struct top *top, size_t item, struct cell *cell)
{
	char unit[JOB_UNIT_MAX + 1], text[TEXT_MAX];

	unit_of(&worker_of(top, item)->progress, unit);
	if (rate_number(top, item) > 0)
		snprintf(cell->text, sizeof(cell->text), "%s",
		         top_rate(rate_number(top, item), strcmp(unit, "bytes") == 0, text));
}

static uint64_t eta(const struct top *top, size_t item)
{
	const struct board_progress *progress = &worker_of(top, item)->progress;

	if (progress->job == 0 || progress->total == 0)
		return YM_NEVER;
	return pace_eta(&top->model.paces[item], progress->done, progress->total, top->model.now);
}

static double eta_number(const struct top *top, size_t item)
{
	return eta(top, item) == YM_NEVER ? -1 : (double)eta(top, item);
}

static void eta_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	if (eta(top, item) != YM_NEVER)
		snprintf(cell->text, sizeof(cell->text), "%s", text_eta(eta(top, item), text));
}

static double since_number(const struct top *top, size_t item)
{
	const struct board_work *work = &worker_of(top, item)->work;

	return work->since && top->model.now > work->since ? (double)(top->model.now - work->since) : 0;
}

static void since_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_age((uint64_t)since_number(top, item), text));
}

/* Only what is on the screen is looked up: to sort by it, the last look must do. */
static double cpu_number(const struct top *top, size_t item)
{
	return top->model.processes[item].cpu;
}

static void cpu_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct snapshot_worker *worker = worker_of(top, item);
	const struct model_process *process;

	if (!cell->drawn || worker->work.pid == 0)
		return;
	process = model_process(&top->model, worker);
	if (process->alive && process->cpu >= 0)
		snprintf(cell->text, sizeof(cell->text), "%.0f%%", 100 * process->cpu);
	cell->look = process->cpu < 0.005 ? LOOK_FAINT : LOOK_PLAIN;
}

static double memory_number(const struct top *top, size_t item)
{
	return (double)top->model.processes[item].resident;
}

static void memory_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct snapshot_worker *worker = worker_of(top, item);
	char text[TEXT_MAX];

	if (cell->drawn && worker->work.pid)
		snprintf(cell->text, sizeof(cell->text), "%s",
		         top_bytes((double)model_process(&top->model, worker)->resident, text));
}

static void note_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct snapshot_worker *worker = worker_of(top, item);

	if (worker->work.state == BOARD_WORKER_HELD && worker->work.limit)
		snprintf(cell->text, sizeof(cell->text), "for limit %s",
		         view_limit(top->model.instance.board, worker->work.limit - 1));
	else if (worker->progress.job && worker->progress.note[0])
		snprintf(cell->text, sizeof(cell->text), "%.*s", (int)sizeof(worker->progress.note),
		         worker->progress.note);
	else if (worker->work.group)
		snprintf(cell->text, sizeof(cell->text), "command %ld", (long)worker->work.group);
}

/* ---- everything about one ---------------------------------------------------------------------- */

static void describe_job(const struct top *top, size_t row, FILE *to)
{
	const struct snapshot_worker *worker = worker_of(top, row);
	char unit[JOB_UNIT_MAX + 1], amount[TEXT_MAX], rate[TEXT_MAX], left[TEXT_MAX], bar[BAR_BYTES(BAR_COLUMNS_MAX)];
	const struct board_progress *progress = &worker->progress;

	if (progress->job == 0)
		return;
	unit_of(progress, unit);
	fprintf(to, "  progress   %s %s  %.*s\n",
	        progress->total ? bar_draw(bar, 40, progress->done, progress->total, top->screen.utf8) : "",
	        top_amount(progress->done, progress->total, unit, amount), (int)sizeof(progress->note), progress->note);
	fprintf(to, "  rate       %s/s, to go %s\n", top_rate(rate_number(top, row), strcmp(unit, "bytes") == 0, rate),
	        text_eta(eta(top, row), left));
}

static void describe_counts(const struct snapshot_worker *worker, FILE *to)
{
	for (enum board_counter i = 0; i < BOARD_COUNTERS; i++)
		fprintf(to, "%s%" PRIu64 " %s", i ? ", " : "  jobs       ", worker->counters[i], board_counter_word(i));
	fprintf(to, "\n");
}

static void describe(const struct top *top, uint64_t row, FILE *to)
{
	const struct snapshot_worker *worker = worker_of(top, row);
	const struct model_process *process;
	char memory[TEXT_MAX], since[TEXT_MAX], cpu[TEXT_MAX];

	if (worker->work.pid == 0) {
		fprintf(to, "Row %" PRIu64 "\n  nobody has it now\n", row);
		return;
	}
	process = model_process(&top->model, worker);
	fprintf(to, "Worker %ld, row %" PRIu64 " of the board, pool %s\n", (long)worker->work.pid, row, pool(top, row));
	fprintf(to, "  state      %s since %s\n", model_worker_word(&top->model, worker, true),
	        top_age((uint64_t)since_number(top, row), since));
	if (process->alive)
		fprintf(to, "  process    %ld: %s of memory, %s of processor time\n", (long)process->pid,
		        top_bytes((double)process->resident, memory), top_span(process->cpu_ns, cpu));
	describe_counts(worker, to);
	if (worker->work.job)
		fprintf(to, "  job        %" PRIu64 "%s%.*s, attempt %u of %u\n", worker->work.job,
		        worker->work.tag[0] ? " " : "", (int)sizeof(worker->work.tag), worker->work.tag,
		        worker->work.attempt, worker->work.attempts);
	describe_job(top, row, to);
}

static const struct column columns[] = {
    {"ROW", 4, 4, 6, true, false, row_cell, row_number},
    {"PID", 7, 7, 5, true, true, pid_cell, pid_number},
    {"POOL", 8, 16, 0, false, true, pool_cell, NULL},
    {"STATE", 8, 8, 0, false, true, state_cell, state_number},
    {"JOB", 7, 10, 0, true, true, job_cell, job_number},
    {"TAG", 8, 28, 2, false, true, tag_cell, NULL},
    {"TRY", 4, 5, 3, true, false, attempt_cell, attempt_number},
    {"PROGRESS", 9, 28, 0, false, false, bar_cell, share_number},
    {"%", 4, 4, 0, true, false, percent_cell, share_number},
    {"AMOUNT", 14, 20, 8, true, false, amount_cell, done_number},
    {"RATE/s", 6, 6, 7, true, false, rate_cell, rate_number},
    {"ETA", 7, 7, 1, true, false, eta_cell, eta_number},
    {"SINCE", 6, 6, 4, true, false, since_cell, since_number},
    {"CPU", 4, 4, 9, true, false, cpu_cell, cpu_number},
    {"MEM", 5, 5, 9, true, false, memory_cell, memory_number},
    {"NOTE", 8, 200, 0, false, true, note_cell, NULL},
};

const struct view top_view_workers = {
    .title = "Workers",
    .empty = "there is no worker",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .sort = 3,
    .collect = collect,
    .id = id,
    .pool = pool,
    .job = job,
    .describe = describe,
};
