/* top_pools.c - the pools: how much there is to do, how fast it goes, what holds it up. */
#include <stdio.h>
#include <string.h>

#include "remarks.h"
#include "top.h"

static const struct board_pool_sh *row_of(const struct top *top, size_t item)
{
	return &top->model.instance.board->pools[item];
}

static const struct snapshot_pool *pool_of(const struct top *top, size_t item)
{
	return &top->model.snapshot.pools[item];
}

static void collect(struct top *top, struct grid *grid)
{
	for (size_t i = 0; i < TABLE_POOLS; i++)
		if (atomic_load(&row_of(top, i)->used))
			grid_add(grid, i);
}

static uint64_t id(const struct top *top, size_t item)
{
	(void)top;
	return item;
}

static const char *name(const struct top *top, size_t item)
{
	return row_of(top, item)->name;
}

static void put_count(struct cell *cell, double count, enum look look)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_count(count, text));
	cell->look = count > 0 ? look : LOOK_FAINT;
}

/* A number of jobs, its cell and what it is sorted by. */
#define COUNT(name, expression, shown_as)                                                                              \
	static double name##_number(const struct top *top, size_t item)                                                \
	{                                                                                                              \
		return (double)(expression);                                                                           \
	}                                                                                                              \
	static void name##_cell(const struct top *top, size_t item, struct cell *cell)                                 \
	{                                                                                                              \
		put_count(cell, name##_number(top, item), shown_as);                                                   \
	}
COUNT(waiting, pool_of(top, item)->waiting, LOOK_PLAIN)
COUNT(running, pool_of(top, item)->running, LOOK_STRONG)
COUNT(delayed, pool_of(top, item)->delayed, LOOK_PLAIN)
COUNT(buried, pool_of(top, item)->buried, LOOK_WARN)
COUNT(done, pool_of(top, item)->counters[BOARD_DONE], LOOK_PLAIN)
COUNT(crashes, atomic_load(&row_of(top, item)->crashes), LOOK_BAD)
COUNT(failed, pool_of(top, item)->counters[BOARD_FAILED], LOOK_BAD)

/* How long jobs of the last minute waited and ran: half of them, and 99 %, not longer. */
#define SPANS(name)                                                                                                    \
	static double name##_number(const struct top *top, size_t item)                                                \
	{                                                                                                              \
		return (double)top->model.times[item].name##99;                                                        \
	}                                                                                                              \
	static void name##_cell(const struct top *top, size_t item, struct cell *cell)                                 \
	{                                                                                                              \
		put_spans(cell, top->model.times[item].name##50, top->model.times[item].name##99);                     \
	}

static void put_spans(struct cell *cell, uint64_t half, uint64_t most)
{
	char first[TEXT_MAX], second[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), most ? "%s/%s" : "-", top_span(half, first), top_span(most, second));
	cell->look = most ? LOOK_PLAIN : LOOK_FAINT;
}

SPANS(wait)
SPANS(run)

static void name_cell(const struct top *top, size_t item, struct cell *cell)
{
	snprintf(cell->text, sizeof(cell->text), "%s", name(top, item));
	cell->look = LOOK_STRONG;
}

static double workers_number(const struct top *top, size_t item)
{
	return atomic_load(&row_of(top, item)->actual);
}

static void workers_cell(const struct top *top, size_t item, struct cell *cell)
{
	unsigned actual = atomic_load(&row_of(top, item)->actual), wanted = atomic_load(&row_of(top, item)->wanted);

	snprintf(cell->text, sizeof(cell->text), "%u/%u", actual, wanted);
	cell->look = actual < wanted ? LOOK_WARN : LOOK_PLAIN;
}

/* Jobs that wait although a worker would be free. */
static double held_number(const struct top *top, size_t item)
{
	const struct snapshot_pool *pool = pool_of(top, item);
	bool paused = snapshot_mode(&top->model.instance, (unsigned)item) & POOL_PAUSED;

	return pool->held >= 0 || paused ? (double)pool->waiting : 0;
}

static void held_cell(const struct top *top, size_t item, struct cell *cell)
{
	put_count(cell, held_number(top, item), LOOK_WARN);
}

static double rate_number(const struct top *top, size_t item)
{
	return model_rate(&top->model, (unsigned)item);
}

static void rate_cell(const struct top *top, size_t item, struct cell *cell)
{
	char text[TEXT_MAX];

	snprintf(cell->text, sizeof(cell->text), "%s", top_rate(rate_number(top, item), false, text));
	cell->look = cell->text[0] == '-' ? LOOK_FAINT : LOOK_PLAIN;
}

/* Of a minute in fewer columns, each has some seconds. */
static void spark_cell(const struct top *top, size_t item, struct cell *cell)
{
	unsigned width = cell->width < COURSE_SAMPLES ? cell->width : COURSE_SAMPLES;
	uint32_t values[COURSE_SAMPLES] = {0};

	for (unsigned i = 0; i < COURSE_SAMPLES; i++)
		values[i * width / COURSE_SAMPLES] += top->model.ended[item][i];
	bar_spark(cell->text, values, width, top->screen.utf8);
	cell->look = LOOK_BAR;
}

static double minute_number(const struct top *top, size_t item)
{
	double sum = 0;

	for (unsigned i = 0; i < COURSE_SAMPLES; i++)
		sum += top->model.ended[item][i];
	return sum;
}

static void remark_cell(const struct top *top, size_t item, struct cell *cell)
{
	uint32_t state = atomic_load(&row_of(top, item)->state);
	char text[REMARKS_MAX];

	remarks_pool(&top->model.instance, (unsigned)item, pool_of(top, item)->held, text);
	snprintf(cell->text, sizeof(cell->text), "%s", text);
	if (state == BOARD_POOL_FATAL || state == BOARD_POOL_DEGRADED)
		cell->look = LOOK_BAD;
	else if (snapshot_mode(&top->model.instance, (unsigned)item) & (POOL_PAUSED | POOL_DRAINING))
		cell->look = LOOK_WARN;
}

static void describe_histogram(const char *what, const char *when, const struct histogram *times, FILE *to)
{
	char count[TEXT_MAX], mean[TEXT_MAX], p50[TEXT_MAX], p90[TEXT_MAX], p99[TEXT_MAX], max[TEXT_MAX];

	fprintf(to, "  %-6s %-12s %9s %9s %9s %9s %9s %9s\n", what, when, top_count((double)times->n, count),
	        top_span(histogram_mean(times), mean), top_span(histogram_at(times, 0.5), p50),
	        top_span(histogram_at(times, 0.9), p90), top_span(histogram_at(times, 0.99), p99),
	        top_span(histogram_at(times, 1), max));
}

static void describe_times(const struct top *top, unsigned pool, FILE *to)
{
	struct histogram wait, run;

	snapshot_times(&top->model.snapshot, pool, &wait, &run);
	fprintf(to, "\nTimes\n  %-19s %9s %9s %9s %9s %9s %9s\n", "", "attempts", "mean", "p50", "p90", "p99", "max");
	for (enum recent_span span = 0; span < RECENT_SPANS; span++) {
		struct recent recent;

		snapshot_recent(&top->model.snapshot, pool, span, &wait, &run, &recent);
		describe_histogram("waited", recent_word(span), &recent.wait, to);
		describe_histogram("ran", recent_word(span), &recent.run, to);
	}
	describe_histogram("waited", "in all", &wait, to);
	describe_histogram("ran", "in all", &run, to);
}

static void describe_course(const struct top *top, unsigned pool, FILE *to)
{
	static const char *const names[COURSE_RINGS] = {
	    [COURSE_SECONDS] = "last minute", [COURSE_MINUTES] = "last hour"};
	uint32_t samples[COURSE_SAMPLES][COURSE_VALUES], values[COURSE_SAMPLES];
	char spark[BAR_BYTES(COURSE_SAMPLES)];

	for (enum course_ring ring = 0; ring < COURSE_RINGS; ring++) {
		course_read(&top->model.instance.board->courses[pool], ring, top->model.now, COURSE_SAMPLES, samples);
		fprintf(to, "\nThe %s, up to now\n", names[ring]);
		for (enum course_value value = 0; value < COURSE_VALUES; value++) {
			uint32_t most = 0;
			char text[TEXT_MAX];

			for (unsigned i = 0; i < COURSE_SAMPLES; i++) {
				values[i] = samples[i][value];
				most = values[i] > most ? values[i] : most;
			}
			bar_spark(spark, values, COURSE_SAMPLES, top->screen.utf8);
			fprintf(to, "  %-10s %s  at most %s\n", course_word(value), spark, top_count(most, text));
		}
	}
}

static void describe(const struct top *top, uint64_t pool, FILE *to)
{
	const struct board_pool_sh *row = row_of(top, pool);
	char remarks[REMARKS_MAX];

	fprintf(to, "Pool %s\n  task       %.*s\n", row->name, (int)sizeof(row->task), row->task);
	fprintf(to, "  workers    %u of %u wanted, %u to %u allowed; %llu crashes, %llu recycled\n",
	        atomic_load(&row->actual), atomic_load(&row->wanted), atomic_load(&row->least), atomic_load(&row->most),
	        (unsigned long long)atomic_load(&row->crashes), (unsigned long long)atomic_load(&row->recycled));
	remarks_pool(&top->model.instance, (unsigned)pool, pool_of(top, pool)->held, remarks);
	if (remarks[0])
		fprintf(to, "  remarks    %s\n", remarks);
	describe_times(top, (unsigned)pool, to);
	describe_course(top, (unsigned)pool, to);
}

static const struct column columns[] = {
    {"POOL", 10, 16, 0, false, true, name_cell, NULL},
    {"WORKERS", 7, 7, 0, true, false, workers_cell, workers_number},
    {"WAITING", 7, 7, 0, true, false, waiting_cell, waiting_number},
    {"RUNNING", 7, 7, 0, true, false, running_cell, running_number},
    {"HELD", 5, 5, 5, true, false, held_cell, held_number},
    {"DELAYED", 7, 7, 6, true, false, delayed_cell, delayed_number},
    {"BURIED", 6, 6, 4, true, false, buried_cell, buried_number},
    {"DONE", 6, 6, 2, true, false, done_cell, done_number},
    {"FAILED", 6, 6, 0, true, false, failed_cell, failed_number},
    {"CRASHES", 7, 7, 4, true, false, crashes_cell, crashes_number},
    {"RATE/s", 6, 6, 0, true, false, rate_cell, rate_number},
    {"LAST MINUTE", 11, 30, 3, false, false, spark_cell, minute_number},
    {"WAIT 50/99%", 11, 11, 9, true, false, wait_cell, wait_number},
    {"RUN 50/99%", 11, 11, 9, true, false, run_cell, run_number},
    {"REMARK", 16, 200, 0, false, true, remark_cell, NULL},
};

const struct view top_view_pools = {
    .title = "Pools",
    .empty = "there is no pool",
    .columns = columns,
    .ncolumns = sizeof(columns) / sizeof(columns[0]),
    .collect = collect,
    .id = id,
    .pool = name,
    .describe = describe,
};
