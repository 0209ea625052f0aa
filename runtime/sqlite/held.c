/* held.c - which jobs are held, where a job stands, and who has a unique key. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

/* So far the window moves at once: not for every job. */
#define STRIDE (SQLITE_WINDOW / 16)

/* ---- the window ------------------------------------------------------------------------------ */

static uint64_t *word_of(struct store *store, uint64_t id, uint64_t *bit)
{
	*bit = UINT64_C(1) << id % 64;
	return &store->window[id % SQLITE_WINDOW / 64];
}

int sqlite_load_window(struct store *store, struct ym_err *err)
{
	sqlite3_stmt *rows = sqlite_statement(store, SQL_WINDOW, err);
	uint64_t bit;
	int more;

	if (!store->window)
		store->window = malloc(SQLITE_WINDOW / 8);
	if (!store->window)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (!rows)
		return -1;
	memset(store->window, 0, SQLITE_WINDOW / 8);
	sqlite3_bind_int64(rows, 1, (int64_t)store->floor);
	while ((more = sqlite_row(store, rows, err)) > 0)
		*word_of(store, (uint64_t)sqlite3_column_int64(rows, 0), &bit) |= bit;
	sqlite3_reset(rows);
	return more;
}

/* Ids below `floor` are in the list of held ones, if they are held. */
static int move_window(struct store *store, uint64_t floor, struct ym_err *err)
{
	uint64_t end = floor - store->floor < SQLITE_WINDOW ? floor : store->floor + SQLITE_WINDOW, bit;
	sqlite3_stmt *list = sqlite_statement(store, SQL_LIST_HELD, err);

	if (!list)
		return -1;
	for (uint64_t id = store->floor; id < end; id++) {
		uint64_t *word = word_of(store, id, &bit);

		if (!(*word & bit))
			continue;
		*word &= ~bit;
		sqlite3_bind_int64(list, 1, (int64_t)id);
		if (sqlite_run(store, list, err) < 0)
			return -1;
	}
	store->floor = floor;
	store->meta_changed = true;
	return 0;
}

int sqlite_reach(struct store *store, uint64_t id, struct ym_err *err)
{
	if (id < store->floor || id - store->floor < SQLITE_WINDOW)
		return 0;
	return move_window(store, id - SQLITE_WINDOW + STRIDE, err);
}

void sqlite_hold(struct store *store, uint64_t id)
{
	uint64_t bit, *word;

	if (id < store->floor)
		return;
	word = word_of(store, id, &bit);
	*word |= bit;
}

void sqlite_let(struct store *store, uint64_t id)
{
	uint64_t bit, *word;

	if (id < store->floor || id - store->floor >= SQLITE_WINDOW)
		return;
	word = word_of(store, id, &bit);
	*word &= ~bit;
}

/* ---- lists ----------------------------------------------------------------------------------- */

void sqlite_bind_list(struct store *store, sqlite3_stmt *statement, int at, const struct store_job *job, int64_t pool)
{
	int64_t list, place;

	if (job->state == JOB_DONE || (job->held && !sqlite_is_listed(store, job->id))) {
		sqlite3_bind_null(statement, at);
		sqlite3_bind_null(statement, at + 1);
		return;
	}
	if (job->held) {
		list = LIST_HELD;
		place = (int64_t)job->id;
	} else if (job->state == JOB_READY) {
		list = pool;
		place = job->rank;
	} else if (job->state == JOB_DELAYED) {
		list = LIST_DELAYED;
		place = job->due_ms;
	} else {
		list = -(int64_t)job->state;
		place = job->finished_ms;
	}
	sqlite3_bind_int64(statement, at, list);
	sqlite3_bind_int64(statement, at + 1, place);
}

/* ---- unique keys ----------------------------------------------------------------------------- */

static int bind_key(sqlite3_stmt *statement, int64_t pool, const char *key)
{
	if (!statement)
		return -1;
	sqlite3_bind_int64(statement, 1, pool);
	sqlite3_bind_text(statement, 2, key, -1, SQLITE_STATIC);
	return 0;
}

int sqlite_take_key(struct store *store, int64_t pool, const char *key, uint64_t id, uint64_t *other,
                    struct ym_err *err)
{
	sqlite3_stmt *add = sqlite_statement(store, SQL_ADD_KEY, err), *who;
	int row;

	if (bind_key(add, pool, key) < 0)
		return -1;
	sqlite3_bind_int64(add, 3, (int64_t)id);
	if (sqlite_run(store, add, err) < 0)
		return -1;
	if (sqlite3_changes(store->db) > 0)
		return 1;
	who = sqlite_statement(store, SQL_KEY, err);
	if (bind_key(who, pool, key) < 0)
		return -1;
	row = sqlite_row(store, who, err);
	*other = row > 0 ? (uint64_t)sqlite3_column_int64(who, 0) : 0;
	sqlite3_reset(who);
	return row < 0 ? -1 : 0;
}

int sqlite_give_key(struct store *store, int64_t pool, const char *key, struct ym_err *err)
{
	sqlite3_stmt *drop = sqlite_statement(store, SQL_DELETE_KEY, err);

	return bind_key(drop, pool, key) < 0 ? -1 : sqlite_run(store, drop, err);
}
