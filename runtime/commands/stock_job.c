/* stock_job.c - of one job: the story of its attempts, its payload and its result. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../payload.h"
#include "../stored.h"
#include "../text.h"
#include "../transfer.h"
#include "../wall.h"
#include "stock.h"

/* A job that changes while it is read is read again. */
#define TRIES 100

/* Two attempts of one number are one if they started within this. */
#define SAME_MS 1000

/* ---- the story ------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct store_attempt *x = a, *y = b;

	return x->started_ms < y->started_ms ? -1 : x->started_ms > y->started_ms;
}

/* After a kick, attempts are counted anew. The moments of the table are computed, each time a little differently. */
static bool same_attempt(const struct store_attempt *a, const struct store_attempt *b)
{
	return a->number == b->number && llabs(a->started_ms - b->started_ms) < SAME_MS;
}

/* What the table tells takes the place of what the store knows of the same attempts. */
static int add_table(struct store_story *story, const struct view_story *table, unsigned n, const char *node,
                     struct ym_err *err)
{
	struct store_attempt *all = realloc(story->attempts, (story->nattempts + n) * sizeof(*all));

	if (!all)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	story->attempts = all;
	for (unsigned i = 0; i < n; i++) {
		const struct story_attempt *from = &table->attempts[i];
		struct store_attempt told;
		size_t at = 0;

		stored_attempt(&told, from, wall_of(from->started), wall_of(from->ended));
		text_copy(told.node, sizeof(told.node), node);
		while (at < story->nattempts && !same_attempt(&all[at], &told))
			at++;
		all[at] = told;
		story->nattempts += at == story->nattempts;
	}
	qsort(all, story->nattempts, sizeof(*all), by_start);
	text_copy(story->note, sizeof(story->note), table->note);
	text_copy(story->output, sizeof(story->output), table->output);
	return 0;
}

int stock_story(struct stock *stock, const struct listed *job, struct store_story *story, struct ym_err *err)
{
	struct view_story table;
	unsigned n;

	*story = (struct store_story){0};
	if (stock->stored.store && stock->stored.driver->story(stock->stored.store, job->job.id, story, err) < 0)
		return ym_err_prefix(err, "the store %s", stock->stored.shown);
	if (job->in_store)
		return 0;
	n = view_story(stock->instance, &job->job, &table);
	return n > 0 ? add_table(story, &table, n, job->node, err) : 0;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static int write_source(const struct payload_source *source, int to, struct ym_err *err)
{
	uint64_t copied = 0;
	enum transfer_end end = source->size == 0 ? TRANSFER_DONE
	                        : source->data    ? transfer_write(to, source->data, source->size, &copied)
	                                          : transfer(to, source->fd, source->size, &copied);

	if (end == TRANSFER_NO_WRITE)
		return ym_fail_sys(err, errno, "write() to standard output");
	if (end == TRANSFER_DONE && copied == source->size)
		return 0;
	return ym_fail(err, YM_ERR_CORRUPT, "only %llu of %zu bytes could be read", (unsigned long long)copied,
	               source->size);
}

bool stock_copy(const struct stock *stock, const struct view_job *job, struct job_sh *copy, uint64_t *word)
{
	const struct table_sh *table = stock->instance->table;

	for (int try = 0; try < TRIES; try++) {
		*word = atomic_load(&table->words[job->slot]);
		if (word_gen(*word) != job->gen)
			return false;
		memcpy(copy, table_job_const(table, job->slot), sizeof(*copy));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load(&table->words[job->slot]) == *word)
			return true;
	}
	return false;
}

static int write_table(const struct stock *stock, const struct listed *job, enum stock_bytes which, int to,
                       struct ym_err *err)
{
	const struct instance *instance = stock->instance;
	struct payload payload = {.fd = -1};
	struct job_sh copy;
	uint64_t word;
	int result;

	if (!stock_copy(stock, &job->job, &copy, &word))
		return ym_fail(err, YM_ERR_GONE, "job %llu has changed meanwhile: try again",
		               (unsigned long long)job->job.id);
	result = which == STOCK_PAYLOAD ? payload_open(instance->directory, &copy, job->job.slot, &payload, err)
	                                : payload_open_result(instance->directory, &copy, job->job.slot, &payload, err);
	if (result == 0)
		result = write_source(&(struct payload_source){.data = payload.data, .size = payload.size}, to, err);
	payload_close(&payload);
	return result;
}

struct writing {
	enum stock_bytes which;
	int to;
	bool found;
	int result;
	struct ym_err *err;
};

static int write_stored(void *arg, const struct store_job *job)
{
	struct writing *writing = arg;

	writing->found = true;
	writing->result =
	    write_source(writing->which == STOCK_PAYLOAD ? &job->payload : &job->result, writing->to, writing->err);
	return 1;
}

int stock_write(struct stock *stock, const struct listed *job, enum stock_bytes which, int to, struct ym_err *err)
{
	const struct store_filter filter = {.id = job->job.id, .level = -1, .bytes = true, .limit = 1};
	struct writing writing = {.which = which, .to = to, .err = err};

	if (!job->in_store)
		return write_table(stock, job, which, to, err);
	if (stock->stored.driver->list(stock->stored.store, &filter, write_stored, &writing, err) < 0)
		return ym_err_prefix(err, "the store %s", stock->stored.shown);
	return writing.found ? writing.result : stock_no_job(stock, job->job.id, err);
}
