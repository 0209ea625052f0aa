/* jobs.c - `yardmaster jobs`: list jobs, of the table and of the store; and the home of the commands for jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../config/values.h"
#include "../../ipc/sys.h"
#include "../text.h"
#include "describe.h"
#include "stock.h"

#define TAG_COLUMNS 20

/* So many lines on a terminal if nobody says how many. */
#define TERMINAL_LIMIT 1000

/* Lines that are laid out together. */
#define PAGE 1000

/* How far those are counted that are not shown. */
#define COUNT_MAX 100000

/* Columns are as wide as what stands in them; one that says nothing is left out. */
struct layout {
	size_t pool, tag, node; /* 0: nobody has one */
	bool priority;          /* some job has another than the usual one */
	size_t line;            /* of the terminal; 0: lines may be as long as they like */
};

static void widen(size_t *columns, const char *text, size_t most)
{
	size_t length = text_columns(text);

	if (length > *columns)
		*columns = length < most ? length : most;
}

static bool same_layout(const struct layout *a, const struct layout *b)
{
	return a->pool == b->pool && a->tag == b->tag && a->node == b->node && a->priority == b->priority &&
	       a->line == b->line;
}

/* Columns only grow, from page to page. */
static void lay_out(struct layout *layout, const struct listed *list, size_t count)
{
	struct winsize size;
	int64_t usual;
	char why[CFG_WHY_MAX];

	cfg_parse_level("normal", &usual, why);
	for (size_t i = 0; i < count; i++) {
		widen(&layout->pool, list[i].job.pool, TABLE_NAME_MAX);
		widen(&layout->tag, list[i].job.tag, TAG_COLUMNS);
		widen(&layout->node, list[i].node, STORE_NODE_MAX);
		layout->priority |= (int64_t)list[i].job.level != usual;
	}
	/* Their headings must fit. */
	widen(&layout->pool, "POOL    ", TABLE_NAME_MAX);
	if (layout->tag > 0)
		widen(&layout->tag, "TAG", TAG_COLUMNS);
	if (layout->node > 0)
		widen(&layout->node, "NODE", TAG_COLUMNS);
	/* On a terminal a long error is cut: `show` has all of it. */
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		layout->line = size.ws_col;
}

struct cells {
	const char *id, *state, *pool, *attempt, *age, *priority, *node, *tag, *why;
};

static void print_line(const struct layout *layout, const struct cells *cells)
{
	char pool[2 * JOB_TAG_MAX], tag[2 * JOB_TAG_MAX], node[4 * STORE_NODE_MAX];
	char line[4 * DESCRIBE_MAX], cut[4 * DESCRIBE_MAX];
	int used;

	text_cell(pool, sizeof(pool), cells->pool, layout->pool, true);
	text_cell(tag, sizeof(tag), cells->tag, layout->tag, true);
	text_cell(node, sizeof(node), cells->node, layout->node, true);
	used = snprintf(line, sizeof(line), "%8s %-10s %s %7s %8s", cells->id, cells->state, pool, cells->attempt,
	                cells->age);
	if (layout->priority)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " %-8s", cells->priority);
	if (layout->node)
		used += snprintf(line + used, sizeof(line) - (size_t)used, "  %s", node);
	if (layout->tag)
		used += snprintf(line + used, sizeof(line) - (size_t)used, "  %s", tag);
	used += snprintf(line + used, sizeof(line) - (size_t)used, "  %s", cells->why);
	while (used > 0 && line[used - 1] == ' ')
		line[--used] = '\0';
	text_cell(cut, sizeof(cut), line, layout->line ? layout->line : sizeof(cut), false);
	printf("%s\n", cut);
}

static void print_job(const struct layout *layout, const struct listed *listed)
{
	const struct view_job *job = &listed->job;
	char id[24], attempt[32], age[TEXT_MAX], why[DESCRIBE_MAX];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)job->id);
	snprintf(attempt, sizeof(attempt), "%u/%u", job->attempt, job->attempts);
	text_duration((uint64_t)describe_age(listed) * 1000000u, age);
	print_line(layout,
	           &(struct cells){id, job_state_word(job->state), job->pool, attempt, age, cfg_level_word(job->level),
	                           listed->node, job->tag, describe_why(listed, why)});
}

static void print_json(const struct listed *job)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	describe_json(&json, job);
	json_close(&json, '}');
	printf("\n");
}

/* ---- the list -------------------------------------------------------------------------------- */

struct list {
	struct stock *stock;
	const struct filter *filter;
	bool json, newest;
	size_t limit; /* 0: all */
	size_t taken, more;
	struct listed *page; /* PAGE of them, which is enough for print_chosen(), too */
	size_t count;
	struct layout layout;
	bool headed;
};

static void print_page(struct list *list)
{
	struct layout before = list->layout;

	lay_out(&list->layout, list->page, list->count);
	if (!list->headed || !same_layout(&before, &list->layout))
		print_line(&list->layout,
		           &(struct cells){"JOB", "STATE", "POOL", "ATTEMPT", "TIME", "PRIORITY", "NODE", "TAG", ""});
	for (size_t i = 0; i < list->count; i++)
		print_job(&list->layout, &list->page[i]);
	list->headed = true;
	list->count = 0;
}

static int take(void *arg, const struct listed *job)
{
	struct list *list = arg;

	if (list->limit && list->taken == list->limit)
		return ++list->more > COUNT_MAX;
	list->taken++;
	if (list->json) {
		print_json(job);
		return ferror(stdout);
	}
	list->page[list->count++] = *job;
	if (list->count == PAGE)
		print_page(list);
	return ferror(stdout);
}

static int print_all(struct list *list, struct ym_err *err)
{
	struct stock_query query = {
	    .filter = list->filter, .newest = list->newest, .limit = list->limit ? list->limit + COUNT_MAX + 1 : 0};

	if (stock_each(list->stock, &query, take, list, err) < 0)
		return -1;
	if (!list->json)
		print_page(list);
	return 0;
}

_Static_assert(TERMINAL_LIMIT <= PAGE, "they are kept in one page");

/* ---- what an operator wants to see first ----------------------------------------------------- */

#define IN(state) (1u << JOB_##state)

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct listed *)a)->job.id, y = ((const struct listed *)b)->job.id;

	return x < y ? -1 : x > y;
}

/* A job may have gone on since another question was answered. */
static bool is_chosen(const struct list *list, uint64_t id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->page[i].job.id == id)
			return true;
	return false;
}

static int choose_one(void *arg, const struct listed *job)
{
	struct list *list = arg;

	if (is_chosen(list, job->job.id))
		return 0;
	list->page[list->count++] = *job;
	return list->count == list->limit;
}

static int count_one(void *arg, const struct listed *job)
{
	size_t *count = arg;

	(void)job;
	return ++*count > TERMINAL_LIMIT + COUNT_MAX;
}

/*
 * As many as a terminal bears: those that run, then those that wait, those that are buried, and those that ended last; printed
 * by id.
 */
static int print_chosen(struct list *list, struct ym_err *err)
{
	static const struct stock_query sections[] = {
	    {.states = IN(CLAIMED) | IN(FINISHING) | IN(FIXING)},
	    {.states = IN(READY) | IN(DELAYED)},
	    {.states = IN(BURIED)},
	    {.states = IN(DONE) | IN(FAILED) | IN(CANCELLED), .newest = true},
	};
	const struct stock_query all = {.filter = list->filter, .limit = TERMINAL_LIMIT + COUNT_MAX + 1};
	size_t total = 0;

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && list->count < list->limit; i++) {
		struct stock_query query = sections[i];

		query.filter = list->filter;
		query.limit = 2 * list->limit;
		if (stock_each(list->stock, &query, choose_one, list, err) < 0)
			return -1;
	}
	if (list->count == list->limit && stock_each(list->stock, &all, count_one, &total, err) < 0)
		return -1;
	list->more = total > list->count ? total - list->count : 0;
	qsort(list->page, list->count, sizeof(*list->page), by_id);
	print_page(list);
	return 0;
}

static void tell_more(const struct list *list)
{
	char number[32];

	if (list->more == 0)
		return;
	snprintf(number, sizeof(number), "%zu", list->more);
	if (list->more > COUNT_MAX)
		snprintf(number, sizeof(number), "more than %d", COUNT_MAX);
	fprintf(stderr,
	        "... %s more: --limit shows as many as you like (0: all), --state, --pool, --since, ... choose\n",
	        number);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int list_jobs(const struct args *args, struct stock *stock, const struct filter *filter, struct ym_err *err)
{
	struct list list = {
	    .stock = stock, .filter = filter, .json = args_flag(args, "json"), .newest = args_flag(args, "newest")};
	bool terminal = isatty(STDOUT_FILENO) && !list.json && !args_flag(args, "limit");
	int64_t limit;
	int result;

	if (args_int(args, "limit", 0, INT32_MAX, terminal ? TERMINAL_LIMIT : 0, &limit, err) < 0)
		return -1;
	list.limit = (size_t)limit;
	list.page = malloc(PAGE * sizeof(*list.page));
	if (!list.page)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	result = stock_look(stock, err);
	if (result == 0)
		result = terminal && !list.newest ? print_chosen(&list, err) : print_all(&list, err);
	free(list.page);
	if (result == 0) {
		fflush(stdout);
		tell_more(&list);
	}
	return result;
}

static int jobs(const struct args *args)
{
	struct stock stock = {0};
	struct filter filter;
	struct ym_err err;
	int code = 0;

	if (filter_read(args, &filter, &err) < 0)
		return command_fail(&err);
	if (stock_open(&stock, args, &err) < 0 || stock_check(&stock, &filter, &err) < 0 ||
	    list_jobs(args, &stock, &filter, &err) < 0)
		code = command_fail(&err);
	return stock_close(&stock, code);
}

#define TEXT                                                                                                           \
	"With a store, also those that wait in it, and those that it remembers (`history`), whether the instance is\n" \
	"running or not. On a terminal no more than 1000 are listed unless --limit says so: those that run first, "    \
	"then\n"                                                                                                       \
	"those that wait, then those that ended last."

static const struct option_row options[] = {
    INSTANCE_OPTIONS,
    FILTER_OPTIONS,
    {"limit", 'n', "N", "at most N jobs; 0: all (on a terminal 1000)"},
    {"newest", 0, NULL, "those submitted last come first"},
    {"json", 0, NULL, "one JSON object a line; times in seconds"},
    {0},
};

static const struct command command_list = {
    .verb = "list",
    .usage = "[OPTIONS]",
    .summary = "list jobs: waiting, running, and those that ended lately",
    .text = TEXT,
    .options = options,
    .run = jobs,
};

/* All but the list are commands of their own, too. */
static const struct command *const subcommands[] = {&command_list, &command_show,  &command_cancel, &command_bury,
                                                    &command_kick, &command_retry, &command_delete, NULL};

const struct command command_jobs = {
    .verb = "jobs",
    .usage = "[list | show | cancel | bury | kick | retry | delete] [OPTIONS]",
    .summary = "list jobs: waiting, running, and those that ended lately",
    .text = TEXT,
    .options = options,
    .run = jobs,
    .group = COMMAND_GROUP_JOBS,
    .subcommands = subcommands,
};
