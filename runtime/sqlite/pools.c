/* pools.c - pools, how many jobs wait in each, and the next id: in memory as they are in the database. */
#include <stdlib.h>
#include <string.h>

#include "../text.h"
#include "sqlite.h"

/* ---- from the database ----------------------------------------------------------------------- */

static struct sqlite_pool *add_row(struct store *store, int64_t id, const char *name, struct ym_err *err)
{
	struct sqlite_pool *pools = realloc(store->pools, (store->npools + 1) * sizeof(*pools));

	if (!pools) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
		return NULL;
	}
	store->pools = pools;
	pools += store->npools++;
	*pools = (struct sqlite_pool){.id = id};
	text_copy(pools->name, sizeof(pools->name), name);
	return pools;
}

static int load_pools(struct store *store, sqlite3_stmt *rows, struct ym_err *err)
{
	int more = sqlite_row(store, rows, err);

	for (; more > 0; more = sqlite_row(store, rows, err)) {
		const char *name = (const char *)sqlite3_column_text(rows, 1);
		struct sqlite_pool *pool = add_row(store, sqlite3_column_int64(rows, 0), name, err);

		if (!pool)
			return -1;
		pool->ageing_ms = sqlite3_column_int64(rows, 2);
	}
	return more;
}

static int load_counts(struct store *store, sqlite3_stmt *rows, struct ym_err *err)
{
	int more = sqlite_row(store, rows, err);

	for (; more > 0; more = sqlite_row(store, rows, err)) {
		struct sqlite_pool *pool = sqlite_pool_of(store, sqlite3_column_int64(rows, 0));
		int64_t state = sqlite3_column_int64(rows, 1);

		if (pool && state >= 0 && state < JOB_STATES)
			pool->count[state] = (uint64_t)sqlite3_column_int64(rows, 2);
	}
	return more;
}

static int load(struct store *store, const char *sql, int (*rows_of)(struct store *, sqlite3_stmt *, struct ym_err *),
                struct ym_err *err)
{
	sqlite3_stmt *rows = NULL;
	int result;

	if (sqlite3_prepare_v2(store->db, sql, -1, &rows, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, sql);
	result = rows_of(store, rows, err);
	sqlite3_finalize(rows);
	return result;
}

int sqlite_load(struct store *store, struct ym_err *err)
{
	int64_t next, floor;

	store->npools = store->last_pool = 0;
	store->meta_changed = false;
	if (load(store, "SELECT id, name, ageing FROM pool ORDER BY id", load_pools, err) < 0 ||
	    load(store, "SELECT pool, state, jobs FROM tally", load_counts, err) < 0 ||
	    sqlite_number(store, "SELECT value FROM meta WHERE name = 'next_id'", &next, err) < 0 ||
	    sqlite_number(store, "SELECT value FROM meta WHERE name = 'floor'", &floor, err) < 0)
		return -1;
	store->next_id = (uint64_t)next;
	store->floor = (uint64_t)floor;
	if (!store->reader && sqlite_load_window(store, err) < 0)
		return -1;
	store->stale = false;
	return 0;
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct sqlite_pool *sqlite_find_pool(struct store *store, const char *name)
{
	/* Most often the same as the last one. */
	if (store->last_pool < store->npools && strcmp(store->pools[store->last_pool].name, name) == 0)
		return &store->pools[store->last_pool];
	for (size_t i = 0; i < store->npools; i++)
		if (strcmp(store->pools[i].name, name) == 0) {
			store->last_pool = i;
			return &store->pools[i];
		}
	return NULL;
}

struct sqlite_pool *sqlite_pool_of(struct store *store, int64_t id)
{
	/* Nothing is ever deleted there, so they are numbered from 1. */
	if (id >= 1 && (uint64_t)id <= store->npools && store->pools[id - 1].id == id)
		return &store->pools[id - 1];
	return NULL;
}

struct sqlite_pool *sqlite_pool(struct store *store, const char *name, struct ym_err *err)
{
	struct sqlite_pool *pool = sqlite_find_pool(store, name);
	sqlite3_stmt *add;

	if (pool)
		return pool;
	pool = add_row(store, (int64_t)store->npools + 1, name, err);
	add = pool ? sqlite_statement(store, SQL_ADD_POOL, err) : NULL;
	if (!add)
		return NULL;
	sqlite3_bind_int64(add, 1, pool->id);
	sqlite3_bind_text(add, 2, pool->name, -1, SQLITE_TRANSIENT);
	return sqlite_run(store, add, err) == 0 ? pool : NULL;
}

/* ---- counts ---------------------------------------------------------------------------------- */

void sqlite_count(struct sqlite_pool *pool, enum job_state state, int change)
{
	pool->count[state] += (uint64_t)(int64_t)change;
	pool->changed |= 1u << state;
}

static int write_count(struct store *store, const struct sqlite_pool *pool, unsigned state, struct ym_err *err)
{
	sqlite3_stmt *count = sqlite_statement(store, SQL_COUNT, err);

	if (!count)
		return -1;
	sqlite3_bind_int64(count, 1, pool->id);
	sqlite3_bind_int64(count, 2, state);
	sqlite3_bind_int64(count, 3, (int64_t)pool->count[state]);
	return sqlite_run(store, count, err);
}

int sqlite_write_counts(struct store *store, struct ym_err *err)
{
	for (struct sqlite_pool *pool = store->pools; pool < store->pools + store->npools; pool++) {
		for (unsigned state = 0; state < JOB_STATES && pool->changed; state++)
			if (pool->changed & 1u << state && write_count(store, pool, state, err) < 0)
				return -1;
		pool->changed = 0;
	}
	if (store->meta_changed) {
		sqlite3_stmt *meta = sqlite_statement(store, SQL_META, err);

		if (!meta)
			return -1;
		sqlite3_bind_int64(meta, 1, (int64_t)store->next_id);
		sqlite3_bind_int64(meta, 2, (int64_t)store->floor);
		if (sqlite_run(store, meta, err) < 0)
			return -1;
		store->meta_changed = false;
	}
	return 0;
}

/* ---- the driver's functions ------------------------------------------------------------------ */

static int set_pools(struct store *store, const struct store_pool *pools, size_t n, struct ym_err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct sqlite_pool *pool = sqlite_pool(store, pools[i].name, err);
		sqlite3_stmt *set = pool ? sqlite_statement(store, SQL_SET_POOL, err) : NULL;

		if (!set)
			return -1;
		pool->ageing_ms = pools[i].ageing_ms;
		sqlite3_bind_int64(set, 1, pool->id);
		sqlite3_bind_int64(set, 2, pool->ageing_ms);
		if (sqlite_run(store, set, err) < 0)
			return -1;
	}
	return 0;
}

int sqlite_configure(struct store *store, const struct store_pool *pools, size_t n, struct ym_err *err)
{
	if (sqlite_begin(store, true, err) < 0)
		return -1;
	if (set_pools(store, pools, n, err) < 0 || sqlite_commit(store, err) < 0)
		return sqlite_rollback(store);
	return 0;
}

int sqlite_tally(struct store *store, const char *name, struct store_tally *tally, struct ym_err *err)
{
	const struct sqlite_pool *pool;

	*tally = (struct store_tally){0};
	/* A reader's are those of some other moment. */
	if ((store->reader || store->stale) && sqlite_load(store, err) < 0)
		return -1;
	pool = sqlite_find_pool(store, name);
	if (pool)
		*tally = (struct store_tally){.waiting = pool->count[JOB_READY],
		                              .delayed = pool->count[JOB_DELAYED],
		                              .buried = pool->count[JOB_BURIED]};
	return 0;
}
