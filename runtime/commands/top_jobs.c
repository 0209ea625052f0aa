/* top_jobs.c - the jobs in the table: what runs, what waits and why, what is over. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "top.h"

/* A job in the list: its place in the table. Everything else is read when it is shown. */
struct job_entry {
	uint64_t id, submitted;
	uint32_t slot;
	uint8_t state;
};

struct jobs {
	struct job_entry *entries;
	size_t n, room;
	/* The one that was read last; all cells of a line are about the same one. */
	size_t at;
	uint64_t read; /* ym_now_ns() of the refresh in which it was */
	struct listed listed;
	uint16_t worker; /* row + 1 of who is at it, 0: nobody */
	bool gone;       /* another one has its slot by now */
};

/* What an operator wants to see first comes first. */
#define RANK_MAP(X)                                                                                                    \
	X(FIXING, 0)                                                                                                   \
	X(FINISHING, 0)                                                                                                \
	X(CLAIMED, 0)                                                                                                  \
	X(READY, 1)                                                                                                    \
	X(DELAYED, 2)                                                                                                  \
	X(BURIED, 3)                                                                                                   \
	X(FAILED, 4)                                                                                                   \
	X(CANCELLED, 5)                                                                                                \
	X(DONE, 6)

/* More than ids come to; a double still knows all numbers of this size. */
#define RANK_STEP (UINT64_C(1) << 48)

static const uint8_t ranks[JOB_STATES] = {
#define X(state, rank) [JOB_##state] = rank,
    RANK_MAP(X)
#undef X
};

void jobs_free(struct jobs *jobs)
{
	if (jobs)
		free(jobs->entries);
	free(jobs);
}

static struct job_entry *next_entry(struct jobs *jobs)
{
	if (jobs->n == jobs->room) {
		size_t room = jobs->room ? 2 * jobs->room : 1024;
		struct job_entry *entries = realloc(jobs->entries, room * sizeof(*entries));

		if (!entries)
			return NULL;
		jobs->entries = entries;
		jobs->room = room;
	}
	return &jobs->entries[jobs->n++];
}

static void collect(struct top *top, struct grid *grid)
{
	const struct table_sh *table = top->model.instance.table;

	if (!top->jobs)
		top->jobs = calloc(1, sizeof(*top->jobs));
	if (!top->jobs || !table)
		return;
	top->jobs->n = 0;
	top->jobs->read = 0;
	for (uint32_t slot = 0; slot < table->slots; slot++) {
		enum job_state state = word_state(atomic_load_explicit(&table->words[slot], memory_order_relaxed));
		const struct job_sh *job = table_job_const(table, slot);
		struct job_entry *entry;

		if (state == JOB_FREE || state == JOB_FILLING || state == JOB_STORING)
			continue;
		entry = next_entry(top->jobs);
		if (!entry)
			return;
		*entry = (struct job_entry){
		    .id = job->id, .submitted = job->submitted, .slot = slot, .state = (uint8_t)state};
		grid_add(grid, top->jobs->n - 1);
	}
}

/* What holds the pool up, holds it up. */
static void add_hindrance(const struct top *top, struct view_job *job)
{
	const struct instance *instance = &top->model.instance;
	int pool = table_pool(instance->table, job->pool), held;

	if (job->state != JOB_READY || pool < 0)
		return;
	held = top->model.snapshot.pools[pool].held;
	job->paused = snapshot_mode(instance, (unsigned)pool) & POOL_PAUSED;
	if (held >= 0)
		text_copy(job->held_by, sizeof(job->held_by), view_limit(instance->board, held));
}

static void add_progress(const struct top *top, struct jobs *jobs, struct view_job *job)
{
	uint64_t word = atomic_load(&top->model.instance.table->words[job->slot]);
	const struct snapshot_worker *worker =
	    view_running(job) ? model_worker(&top->model, word_owner(word), job->id) : NULL;

	if (!worker)
		return;
	jobs->worker = (uint16_t)(worker->row + 1);
	job->pid = worker->work.pid;
	if (worker->progress.job == 0)
		return;
	job->done = worker->progress.done;
	job->total = worker->progress.total;
	snprintf(job->note, sizeof(job->note), "%.*s", (int)sizeof(worker->progress.note), worker->progress.note);
	snprintf(job->unit, sizeof(job->unit), "%.*s", (int)sizeof(worker->progress.unit), worker->progress.unit);
}

static const struct jobs *read_job(const struct top *top, size_t item)
{
	struct jobs *jobs = top->jobs;
	const struct job_entry *entry = &jobs->entries[item];
	struct view_job job;

	if (jobs->read == top->model.now && jobs->at == item)
		return jobs;
	jobs->at = item;
	jobs->read = top->model.now;
	jobs->worker = 0;
	jobs->gone = !view_read(top->model.instance.table, entry->slot, &job) || job.id != entry->id;
	if (jobs->gone) {
		jobs->listed = (struct listed){.job.id = entry->id, .job.state = JOB_FREE};
		return jobs;
	}
	add_hindrance(top, &job);
	add_progress(top, jobs, &job);
	listed_view(&jobs->listed, &job, "");
	return jobs;
}

static const struct view_job *job_of(const struct top *top, size_t item)
{
	return &read_job(top, item)->listed.job;
}

static uint64_t id(const struct top *top, size_t item)
{
	return top->jobs->entries[item].id;
}

static const char *pool(const struct top *top, size_t item)
{
	return job_of(top, item)->pool;
}

static void job_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%" PRIu64, id(top, item));
}

static double job_number(const struct top *top, size_t item)
{
	return (double)id(top, item);
}

/* Of those that are over, the newest comes first. */
static double state_number(const struct top *top, size_t item)
{
	enum job_state state = top->jobs->entries[item].state % JOB_STATES;
	uint64_t newness = job_state_over(state) ? id(top, item) & (RANK_STEP - 1) : 0;

	return (double)(ranks[state] * RANK_STEP - newness);
}

static void state_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct view_job *job = job_of(top, item);

	snprintf(cell->text, sizeof(cell->text), "%s", job->state == JOB_FREE ? "gone" : job_state_word(job->state));
	if (view_running(job))
		cell->look = LOOK_GOOD;
	else if (job->state == JOB_FAILED)
		cell->look = LOOK_BAD;
	else if (job->state == JOB_BURIED || job->state == JOB_CANCELLED)
		cell->look = LOOK_WARN;
	else if (job_state_over(job->state))
		cell->look = LOOK_FAINT;
}

static void pool_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%s", pool(top, item));
}

static void tag_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%s", job_of(top, item)->tag);
}

static void attempt_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct view_job *job = job_of(top, item);

	if (job->attempt)
		snprintf(cell->text, sizeof(cell->text), "%u/%u", job->attempt, job->attempts);
	cell->look = job->attempt > 1 ? LOOK_WARN : LOOK_PLAIN;
}

static double attempt_number(const struct top *top, size_t item)
{
	return job_of(top, item)->attempt;
}

static void level_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%u", job_of(top, item)->level);
}

/* The most urgent ones first. */
static double level_number(const struct top *top, size_t item)
{
	return -(double)job_of(top, item)->level;
}

/* Since it was submitted, or until it was over. */
static double age_number(const struct top *top, size_t item)
{
	uint64_t submitted = top->jobs->entries[item].submitted, end = top->model.now;
	const struct view_job *job = job_of(top, item);

	if (job_state_over(job->state) && job->finished)
		end = job->finished;
	return end > submitted ? (double)(end - submitted) : 0;
}

static void age_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_age((uint64_t)age_number(top, item), text));
}

static double run_number(const struct top *top, size_t item)
{
	const struct view_job *job = job_of(top, item);
	uint64_t end = view_running(job) ? top->model.now : job->finished;

	if (!job->started || (!view_running(job) && !job_state_over(job->state)))
		return -1;
	return end > job->started ? (double)(end - job->started) : 0;
}

static void run_cell(const struct top *top, size_t item, struct cell *cell)
{
	double ns = run_number(top, item);
	char text[TEXT_MAX];

	if (ns >= 0)
		snprintf(cell->text, sizeof(cell->text), "%s",
		         view_running(job_of(top, item)) ? top_age((uint64_t)ns, text) : top_span((uint64_t)ns, text));
}

static double share_number(const struct top *top, size_t item)
{
	const struct view_job *job = job_of(top, item);

	return job->total ? (double)job->done / (double)job->total : job->done ? 0 : -1;
}

static void bar_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct view_job *job = job_of(top, item);

	if (job->total && view_running(job))
		bar_draw(cell->text, cell->width < BAR_COLUMNS_MAX ? cell->width : BAR_COLUMNS_MAX, job->done,
		         job->total, top->screen.utf8);
	cell->look = LOOK_BAR;
}

static void percent_cell(const struct top *top, size_t item, struct cell *cell)
{
	double share = share_number(top, item);

	if (job_of(top, item)->total)
		snprintf(cell->text, sizeof(cell->text), "%d%%", (int)(100 * (share < 1 ? share : 1)));
}

static void amount_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct view_job *job = job_of(top, item);
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_amount(job->done, job->total, job->unit, text));
}

static double amount_number(const struct top *top, size_t item)
{
	return (double)job_of(top, item)->done;
}

static void eta_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct jobs *jobs = read_job(top, item);
	const struct view_job *job = &jobs->listed.job;
	char text[TEXT_MAX];
	uint64_t eta;

	if (!jobs->worker || !job->total)
		return;
	eta = pace_eta(&top->model.paces[jobs->worker - 1], job->done, job->total, top->model.now);
	if (eta != YM_NEVER)
		snprintf(cell->text, sizeof(cell->text), "%s", text_eta(eta, text));
}

static void why_cell(const struct top *top, size_t item, struct cell *cell)
{
	const struct listed *listed = &read_job(top, item)->listed;
	char why[DESCRIBE_MAX];

	if (view_running(&listed->job) && listed->job.note[0])
		snprintf(cell->text, sizeof(cell->text), "%s", listed->job.note);
	else if (listed->job.state != JOB_FREE)
		snprintf(cell->text, sizeof(cell->text), "%s", describe_why(listed, why));
}

/* The story comes from `show`: it knows the store, too. Here is what changes all the time. */
static void describe(const struct top *top, uint64_t job, FILE *to)
{
	char bar[BAR_BYTES(BAR_COLUMNS_MAX)], text[TEXT_MAX], left[TEXT_MAX];
	uint64_t word;
	int64_t slot = top->model.instance.table ? table_find(top->model.instance.table, job, &word) : -1;
	const struct snapshot_worker *worker = slot < 0 ? NULL : model_worker(&top->model, word_owner(word), job);
	const struct board_progress *progress;
	char unit[JOB_UNIT_MAX + 1];

	if (!worker) {
		fprintf(to, "Job %" PRIu64 "\n  no worker is at it\n", job);
		return;
	}
	progress = &worker->progress;
	snprintf(unit, sizeof(unit), "%.*s", JOB_UNIT_MAX, progress->unit);
	fprintf(to, "Job %" PRIu64 "\n  worker     %ld, for %s\n", job, (long)worker->work.pid,
	        top_age(snapshot_since(&top->model.snapshot, worker->work.job_started), text));
	if (progress->job == 0)
		return;
	if (progress->total)
		fprintf(to, "  progress   %s\n", bar_draw(bar, 60, progress->done, progress->total, top->screen.utf8));
	fprintf(
	    to, "  so far     %s, to go %s\n", top_amount(progress->done, progress->total, unit, text),
	    text_eta(pace_eta(&top->model.paces[worker->row], progress->done, progress->total, top->model.now), left));
	fprintf(to, "  note       %.*s\n", (int)sizeof(progress->note), progress->note);
}

static const struct column columns[] = {
    {"JOB", 8, 10, 0, true, true, job_cell, job_number},
    {"STATE", 9, 10, 0, false, true, state_cell, state_number},
    {"POOL", 8, 16, 1, false, true, pool_cell, NULL},
    {"TAG", 8, 28, 0, false, true, tag_cell, NULL},
    {"TRY", 4, 5, 6, true, false, attempt_cell, attempt_number},
    {"PRIO", 4, 4, 9, true, false, level_cell, level_number},
    {"AGE", 6, 6, 4, true, false, age_cell, age_number},
    {"RUN", 6, 6, 3, true, false, run_cell, run_number},
    {"PROGRESS", 9, 28, 2, false, false, bar_cell, share_number},
    {"%", 4, 4, 0, true, false, percent_cell, share_number},
    {"AMOUNT", 14, 20, 8, true, false, amount_cell, amount_number},
    {"ETA", 7, 7, 5, true, false, eta_cell, NULL},
    {"NOTE OR REASON", 14, 200, 0, false, true, why_cell, NULL},
};

const struct view top_view_jobs = {
    .title = "Jobs",
    .empty = "there is no job in the table, or it may not be read (see `yardmaster jobs`)",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .sort = 1,
    .collect = collect,
    .id = id,
    .pool = pool,
    .job = id,
    .describe = describe,
};
