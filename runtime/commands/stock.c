/* stock.c - open what an instance has of jobs, and visit them. */
#include "stock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* ---- open and close -------------------------------------------------------------------------- */

static int find(struct stock *stock, const struct args *args, struct ym_err *err)
{
	*stock = (struct stock){.quiet = stock->quiet};
	stock->instance = &stock->stored.instance;
	return stored_find(&stock->stored, args, NULL, err);
}

/* Best known to its master; who may not read the note does without. */
static void find_node(struct stock *stock)
{
	char *uri = NULL;

	if (stock->stored.driver && stock->stored.driver->shared)
		store_noted(stock->instance->directory, &uri, stock->node, NULL);
	free(uri);
}

/* The table is worth to be seen without the store. */
static int open_store(struct stock *stock, struct ym_err *err)
{
	find_node(stock);
	if (!stock->stored.driver || stock->stored.store || stock->blind || stored_read(&stock->stored, err) == 0)
		return 0;
	ym_err_prefix(err, "the store %s cannot be read", stock->stored.shown);
	if (!stock->there)
		return -1;
	stock->blind = err->class;
	if (!stock->quiet)
		fprintf(stderr, "yardmaster: %s\nyardmaster: only jobs that are in the table are known\n", err->text);
	return 0;
}

int stock_open(struct stock *stock, const struct args *args, struct ym_err *err)
{
	int found = find(stock, args, err);

	/* Who cannot know whether there is a store (another user) sees the table. */
	if (found < 0 && (stock->stored.uri || err->class != YM_ERR_PERMISSION))
		return -1;
	stock->there = instance_view(stock->instance, err) == 0;
	if (!stock->there && (!stock->stored.driver || err->class != YM_ERR_NOT_RUNNING))
		return -1;
	if (!stock->quiet && !stock->there)
		fprintf(stderr, "yardmaster: instance %s is not running: this is what its store knows\n",
		        stock->instance->name);
	else if (!stock->quiet && stock->stored.driver && !view_master(stock->instance))
		fprintf(stderr, "yardmaster: instance %s has no master right now\n", stock->instance->name);
	return open_store(stock, err);
}

int stock_join(struct stock *stock, const struct args *args, struct ym_err *err)
{
	if (find(stock, args, err) < 0 || instance_join(stock->instance, "client", NULL, err) < 0)
		return -1;
	stock->there = stock->joined = true;
	instance_await_pools(stock->instance);
	return open_store(stock, err);
}

int stock_close(struct stock *stock, int code)
{
	int blind = stock->blind ? ym_err_exit_code(stock->blind) : 0;
	struct ym_err err;

	if (stock->joined && instance_leave(stock->instance, NULL, &err) < 0)
		code = command_fail(&err);
	else if (stock->there && !stock->joined)
		instance_unview(stock->instance);
	free(stock->table);
	stored_close(&stock->stored);
	return blind > code ? blind : code;
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool speaks(const struct stock *stock, const struct view_job *job)
{
	return !stock->stored.store || !job_state_over(job->state) || job->stored;
}

int stock_look(struct stock *stock, struct ym_err *err)
{
	struct view_job *table;
	size_t count, kept = 0;

	if (!stock->there)
		return 0;
	table = view_jobs(stock->instance, &count, err);
	if (!table)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (speaks(stock, &table[i]))
			table[kept++] = table[i];
	free(stock->table);
	stock->table = table;
	stock->count = kept;
	return 0;
}

static int by_id(const void *id, const void *job)
{
	uint64_t x = *(const uint64_t *)id, y = ((const struct view_job *)job)->id;

	return x < y ? -1 : x > y;
}

bool stock_in_table(const struct stock *stock, uint64_t id)
{
	return stock->count > 0 && bsearch(&id, stock->table, stock->count, sizeof(*stock->table), by_id) != NULL;
}

/* ---- visit ----------------------------------------------------------------------------------- */

/* On the way through table and store at once: both have the order of ids. */
struct walk {
	struct stock *stock;
	const struct stock_query *query;
	stock_visit *visit;
	void *arg;
	size_t next; /* how many jobs of the table are behind us */
	bool stopped;
};

static bool visit_one(struct walk *walk, const struct listed *job)
{
	const struct stock_query *query = walk->query;
	bool wanted = (!query->states || query->states & 1u << job->job.state) && filter_wants(query->filter, job);

	if (wanted && walk->visit(walk->arg, job) != 0)
		walk->stopped = true;
	return !walk->stopped;
}

/* The jobs of the table that come before this id. */
static bool visit_table(struct walk *walk, uint64_t id)
{
	const struct stock *stock = walk->stock;

	while (!walk->stopped && walk->next < stock->count) {
		const struct view_job *job =
		    &stock->table[walk->query->newest ? stock->count - 1 - walk->next : walk->next];
		struct listed listed;

		if (walk->query->newest ? job->id < id : job->id > id)
			break;
		listed_view(&listed, job, stock->node);
		visit_one(walk, &listed);
		walk->next++;
	}
	return !walk->stopped;
}

static int visit_stored(void *arg, const struct store_job *job)
{
	struct walk *walk = arg;
	const struct filter *filter = walk->query->filter;
	struct listed listed;

	if (walk->query->newest ? job->id < filter->first : job->id > filter->last)
		return 1;
	if (!visit_table(walk, job->id))
		return 1;
	if (stock_in_table(walk->stock, job->id))
		return 0;
	listed_store(&listed, job);
	return visit_one(walk, &listed) ? 0 : 1;
}

int stock_each(struct stock *stock, const struct stock_query *query, stock_visit *visit, void *arg, struct ym_err *err)
{
	struct walk walk = {.stock = stock, .query = query, .visit = visit, .arg = arg};
	struct store_filter filter;

	if (stock->stored.store && filter_store(query->filter, query->states, query->newest, &filter)) {
		/* Of those that the store gives, so many at most are not visited. */
		filter.limit = query->limit ? query->limit + stock->count : 0;
		if (stock->stored.driver->list(stock->stored.store, &filter, visit_stored, &walk, err) < 0)
			return ym_err_prefix(err, "the store %s", stock->stored.shown);
	}
	visit_table(&walk, query->newest ? 0 : UINT64_MAX);
	return 0;
}

static int any_job(void *arg, const struct listed *job)
{
	(void)job;
	*(bool *)arg = true;
	return 1;
}

int stock_check(struct stock *stock, const struct filter *filter, struct ym_err *err)
{
	const struct filter pool = {.pool = filter->pool, .state = -1, .level = -1, .first = 1, .last = FILTER_ID_MAX};
	const struct stock_query query = {.filter = &pool, .limit = 1};
	bool found = !filter->pool;

	if (stock->there && (!stock->stored.store || found))
		return filter_check(filter, stock->instance, err);
	if (found || (stock->there && stock->instance->table && table_pool(stock->instance->table, filter->pool) >= 0))
		return 0;
	/* One that is not configured any more may have jobs. */
	if (stock_each(stock, &query, any_job, &found, err) < 0)
		return -1;
	if (found || !stock->there)
		return 0;
	return filter_check(filter, stock->instance, err);
}

/* ---- one job --------------------------------------------------------------------------------- */

static int keep_listed(void *arg, const struct store_job *job)
{
	listed_store(arg, job);
	return 1;
}

int stock_find(struct stock *stock, uint64_t id, struct listed *job, struct ym_err *err)
{
	const struct store_filter filter = {.id = id, .level = -1, .limit = 1};
	struct listed stored = {0};
	struct view_job view;
	int found = stock->there ? view_job(stock->instance, id, &view, err) : 1;

	if (found < 0)
		return -1;
	if (found == 0)
		listed_view(job, &view, stock->node);
	if (!stock->stored.store || (found == 0 && speaks(stock, &view)))
		return found;
	if (stock->stored.driver->list(stock->stored.store, &filter, keep_listed, &stored, err) < 0)
		return ym_err_prefix(err, "the store %s", stock->stored.shown);
	if (stored.job.id != id)
		return found;
	*job = stored;
	return 0;
}

int stock_no_job(const struct stock *stock, uint64_t id, struct ym_err *err)
{
	if (stock->there && stock->instance->table)
		return client_no_job(stock->instance, id, err);
	return ym_fail(err, YM_ERR_NO, "there is no job %llu", (unsigned long long)id);
}
