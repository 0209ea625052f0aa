/*
 * read.c - list and story.
 *
 * A list may be long, and who reads it slow (a pager): so it is read in pages, each of which is taken into memory before
 * any of it is given away. Between pages nothing is locked, and the log can be written back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/sys.h"
#include "../text.h"
#include "sqlite.h"

#define PAGE_JOBS  1000
#define PAGE_BYTES (4u << 20)

/* Ids that one page looks through at first; then as many as fit into PAGE_MS. */
#define WINDOW_FIRST 5000u
#define PAGE_MS      50

/* As few that it is cheaper to find them by their index than among the others. */
#define FEW 20000

/* ---- the question ---------------------------------------------------------------------------- */

#define STATES_WAITING (1u << JOB_READY | 1u << JOB_DELAYED | 1u << JOB_CLAIMED)
#define STATES_TROUBLE (1u << JOB_BURIED | 1u << JOB_FAILED | 1u << JOB_CANCELLED)

/* By the index: said outright, for who plans the query does not know how few there are. */
static const char troubled[] = " AND id IN (SELECT id FROM job INDEXED BY job_list WHERE list IN (-6, -9, -10))";
static const char waiting[] = " AND id IN (SELECT id FROM job INDEXED BY job_list WHERE list >= -1 "
			      "UNION ALL SELECT id FROM job WHERE id >= ?11 AND held = 1)";

struct question {
	const struct store_filter *filter;
	sqlite3_stmt *statement;
	bool windowed; /* ids from ?1 to ?2, else (few) all of them beyond ?1 */
	int pool;      /* number of the pool; 0: any */
};

static uint64_t jobs_in(const struct store *store, unsigned states)
{
	uint64_t n = 0;

	for (const struct sqlite_pool *pool = store->pools; pool < store->pools + store->npools; pool++)
		for (unsigned state = 0; state < JOB_STATES; state++)
			if (states & 1u << state)
				n += pool->count[state];
	return n;
}

/* An index that holds all that can be meant, and not much more; NULL: none. */
static const char *index_condition(const struct store *store, const struct store_filter *filter)
{
	unsigned states = filter->states;

	if (states && !(states & ~STATES_TROUBLE) && jobs_in(store, STATES_TROUBLE) <= FEW)
		return troubled;
	if (states && !(states & ~STATES_WAITING) && jobs_in(store, STATES_WAITING) <= FEW)
		return waiting;
	return NULL;
}

static void add(char *sql, size_t max, const char *text)
{
	size_t length = strlen(sql);

	snprintf(sql + length, max - length, "%s", text);
}

/* Every condition has its number, used or not: see bind(). */
static void write_question(const struct store_filter *filter, const char *index, char *sql, size_t max)
{
	char states[64];

	/* With an index, the ids of the page are no way to find jobs, only a condition: +id. */
	snprintf(sql, max, "SELECT " SQLITE_COLUMNS " FROM job WHERE %s BETWEEN ?1 AND ?2%s", index ? "+id" : "id",
	         index ? index : "");
	if (filter->pool)
		add(sql, max, " AND pool = ?4");
	if (filter->tag)
		add(sql, max, " AND tag = ?5");
	if (filter->unique)
		add(sql, max, " AND unique_key = ?6");
	if (filter->error)
		add(sql, max, " AND instr(lower(error), lower(?7)) > 0");
	if (filter->level >= 0)
		add(sql, max, " AND level = ?8");
	if (filter->since_ms)
		add(sql, max, " AND submitted >= ?9");
	if (filter->until_ms)
		add(sql, max, " AND submitted <= ?10");
	if (filter->states) {
		snprintf(states, sizeof(states), " AND ((1 << state) & %u) <> 0", filter->states);
		add(sql, max, states);
	}
	add(sql, max, filter->newest ? " ORDER BY id DESC LIMIT ?3" : " ORDER BY id LIMIT ?3");
}

static void bind(struct store *store, struct question *question)
{
	const struct store_filter *filter = question->filter;
	sqlite3_stmt *statement = question->statement;

	/* Numbers that the statement does not have are refused, and that is well. */
	sqlite3_bind_int64(statement, 4, question->pool);
	sqlite3_bind_text(statement, 5, filter->tag, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 6, filter->unique, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 7, filter->error, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 8, filter->level);
	sqlite3_bind_int64(statement, 9, filter->since_ms);
	sqlite3_bind_int64(statement, 10, filter->until_ms);
	sqlite3_bind_int64(statement, 11, (int64_t)store->floor);
}

/* 1: there is nothing to be asked for. */
static int ask(struct store *store, const struct store_filter *filter, struct question *question, struct ym_err *err)
{
	const struct sqlite_pool *pool = filter->pool ? sqlite_find_pool(store, filter->pool) : NULL;
	const char *index = index_condition(store, filter);
	char sql[1536];

	*question = (struct question){.filter = filter, .windowed = !index};
	if (filter->pool && !pool)
		return 1;
	question->pool = pool ? (int)pool->id : 0;
	write_question(filter, index, sql, sizeof(sql));
	if (sqlite3_prepare_v2(store->db, sql, -1, &question->statement, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, "SELECT from job");
	bind(store, question);
	return 0;
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Ids that are still to be looked through, both ends with; nothing when low > high. */
struct range {
	int64_t low, high;
};

struct page {
	struct store_job *jobs; /* PAGE_JOBS */
	size_t n, bytes;
};

/* Rows of from..to, as many as a page has room for. 1 there may be more of them, 0 there are not. */
static int fill(struct store *store, struct question *question, struct range range, size_t max, struct page *page,
                struct ym_err *err)
{
	sqlite3_stmt *rows = question->statement;
	int more = 1;

	page->n = page->bytes = 0;
	sqlite3_bind_int64(rows, 1, range.low);
	sqlite3_bind_int64(rows, 2, range.high);
	sqlite3_bind_int64(rows, 3, (int64_t)max);
	while (page->bytes < PAGE_BYTES && page->n < max && (more = sqlite_row(store, rows, err)) > 0) {
		struct store_job *job = &page->jobs[page->n++];

		sqlite_read_job(store, rows, job);
		page->bytes += job->payload.size + job->result.size;
		if (question->filter->bytes && sqlite_read_bytes(store, rows, job, true, err) < 0) {
			sqlite3_reset(rows);
			return -1;
		}
		if (!question->filter->bytes)
			page->bytes = 0;
	}
	sqlite3_reset(rows);
	return more;
}

static int give(struct page *page, store_each *each, void *arg)
{
	int stop = 0;

	for (size_t i = 0; i < page->n && !stop; i++)
		stop = each(arg, &page->jobs[i]);
	return stop;
}

static void clear(struct page *page)
{
	for (size_t i = 0; i < page->n; i++)
		store_job_free(&page->jobs[i]);
	page->n = 0;
}

/* Ids of the filter, as far as there are any. */
static int whole_range(struct store *store, const struct store_filter *filter, struct range *range, struct ym_err *err)
{
	if (sqlite_number(store, "SELECT min(id) FROM job", &range->low, err) < 0 ||
	    sqlite_number(store, "SELECT max(id) FROM job", &range->high, err) < 0)
		return -1;
	/* Nothing is there: max() is null. */
	if (range->high == 0)
		range->high = -1;
	if (filter->id)
		*range = (struct range){(int64_t)filter->id, (int64_t)filter->id};
	if (filter->after && filter->newest && (int64_t)filter->after <= range->high)
		range->high = (int64_t)filter->after - 1;
	else if (filter->after && !filter->newest && (int64_t)filter->after >= range->low)
		range->low = (int64_t)filter->after + 1;
	return 0;
}

/* The part of `rest` that the next page looks through. */
static struct range window_of(struct range rest, const struct question *question, uint64_t window)
{
	uint64_t span = (uint64_t)(rest.high - rest.low);

	if (!question->windowed || span < window)
		return rest;
	if (question->filter->newest)
		rest.low = rest.high - (int64_t)window + 1;
	else
		rest.high = rest.low + (int64_t)window - 1;
	return rest;
}

/* What is left after a page. */
static struct range rest_of(struct range rest, struct range seen, const struct question *question,
                            const struct page *page, int more)
{
	int64_t last = page->n > 0 ? (int64_t)page->jobs[page->n - 1].id : 0;

	if (question->filter->newest)
		rest.high = (more ? last : seen.low) - 1;
	else
		rest.low = (more ? last : seen.high) + 1;
	return rest;
}

static uint64_t next_window(uint64_t window, uint64_t took_ns)
{
	if (took_ns > PAGE_MS * UINT64_C(1000000))
		return window / 2 > WINDOW_FIRST ? window / 2 : WINDOW_FIRST;
	return took_ns < PAGE_MS * UINT64_C(500000) && window < UINT64_C(1) << 40 ? window * 2 : window;
}

static int list_pages(struct store *store, struct question *question, struct range rest, struct page *page,
                      store_each *each, void *arg, struct ym_err *err)
{
	size_t left = question->filter->limit ? question->filter->limit : SIZE_MAX;
	uint64_t window = WINDOW_FIRST;

	while (rest.low <= rest.high && left > 0) {
		struct range seen = window_of(rest, question, window);
		uint64_t since = ym_now_ns();
		int more = fill(store, question, seen, left < PAGE_JOBS ? left : PAGE_JOBS, page, err), stop;

		if (more < 0)
			return -1;
		window = next_window(window, ym_now_ns() - since);
		rest = rest_of(rest, seen, question, page, more);
		left -= page->n;
		stop = give(page, each, arg);
		clear(page);
		if (stop)
			return 0;
	}
	return 0;
}

int sqlite_list(struct store *store, const struct store_filter *filter, store_each *each, void *arg, struct ym_err *err)
{
	struct page page = {0};
	struct question question;
	struct range rest;
	int result;

	if ((store->reader || store->stale) && sqlite_load(store, err) < 0)
		return -1;
	if (whole_range(store, filter, &rest, err) < 0)
		return -1;
	result = ask(store, filter, &question, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	page.jobs = calloc(PAGE_JOBS, sizeof(*page.jobs));
	result = page.jobs ? list_pages(store, &question, rest, &page, each, arg, err)
	                   : ym_fail(err, YM_ERR_LIMIT, "out of memory");
	clear(&page);
	free(page.jobs);
	sqlite3_finalize(question.statement);
	return result;
}

/* ---- story ----------------------------------------------------------------------------------- */

static void read_attempt(sqlite3_stmt *row, struct store_attempt *attempt)
{
	unsigned end = (unsigned)sqlite3_column_int(row, 1);

	*attempt = (struct store_attempt){
	    .number = (unsigned)sqlite3_column_int(row, 0),
	    .end = end < STORY_ENDS ? (enum story_end)end : STORY_NONE,
	    .started_ms = sqlite3_column_int64(row, 2),
	    .ended_ms = sqlite3_column_int64(row, 3),
	    .pid = sqlite3_column_int(row, 4),
	    .status = sqlite3_column_int(row, 5),
	    .rss_kib = (uint32_t)sqlite3_column_int64(row, 6),
	    .user_ms = (uint32_t)sqlite3_column_int64(row, 7),
	    .system_ms = (uint32_t)sqlite3_column_int64(row, 8),
	    .done = (uint64_t)sqlite3_column_int64(row, 9),
	    .total = (uint64_t)sqlite3_column_int64(row, 10),
	};
	sqlite_copy_text(row, 11, attempt->unit, sizeof(attempt->unit));
	sqlite_copy_text(row, 12, attempt->error, sizeof(attempt->error));
}

static int read_attempts(struct store *store, sqlite3_stmt *rows, struct store_story *story, struct ym_err *err)
{
	int more;

	while ((more = sqlite_row(store, rows, err)) > 0) {
		struct store_attempt *attempts =
		    realloc(story->attempts, (story->nattempts + 1) * sizeof(*story->attempts));

		if (!attempts)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory");
		story->attempts = attempts;
		read_attempt(rows, &attempts[story->nattempts++]);
	}
	return more;
}

int sqlite_story(struct store *store, uint64_t id, struct store_story *story, struct ym_err *err)
{
	sqlite3_stmt *words = sqlite_statement(store, SQL_WORDS, err);
	sqlite3_stmt *attempts = sqlite_statement(store, SQL_ATTEMPTS, err);
	int there;

	*story = (struct store_story){0};
	if (!words || !attempts)
		return -1;
	sqlite3_bind_int64(words, 1, (int64_t)id);
	there = sqlite_row(store, words, err);
	if (there > 0) {
		sqlite_copy_text(words, 0, story->note, sizeof(story->note));
		sqlite_copy_text(words, 1, story->output, sizeof(story->output));
	}
	sqlite3_reset(words);
	if (there <= 0)
		return there < 0 ? -1 : 1;
	sqlite3_bind_int64(attempts, 1, (int64_t)id);
	there = read_attempts(store, attempts, story, err);
	sqlite3_reset(attempts);
	if (there < 0)
		store_story_free(story);
	return there;
}
