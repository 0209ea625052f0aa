/* upkeep.c - what has to be done now and then: the delayed, the old, the log; and verify and compact. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../ipc/sys.h"
#include "sqlite.h"

/* Delayed jobs of one step. */
#define DUE_STEP 1000

/* The walk for old jobs: how long a step takes at most, and until the next one when there was something, and not. */
#define PRUNE_NS      UINT64_C(2000000)
#define PRUNE_BUSY_MS 4
#define PRUNE_IDLE_MS 1000
#define PRUNE_DONE_MS 60000 /* when all have been looked at */

/* The log is written back into the database after this time, or SQLITE_WAL_PAGES; and shortened when nothing happens. */
#define CHECKPOINT_MS 5000
/* Readers have kept it from being used again: wait for them. */
#define CHECKPOINT_LATE (8 * SQLITE_WAL_PAGES)
#define LATE_BUSY_MS    100
#define IDLE_MS         10000
#define WAL_LARGE       (64 << 20)

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- delayed --------------------------------------------------------------------------------- */

static int ripen(struct store *store, uint64_t id, int64_t pool_id, struct ym_err *err)
{
	sqlite3_stmt *ripe = sqlite_statement(store, SQL_RIPE, err);
	struct sqlite_pool *pool = sqlite_pool_of(store, pool_id);

	if (!ripe)
		return -1;
	sqlite3_bind_int64(ripe, 1, (int64_t)id);
	if (pool) {
		sqlite_count(pool, JOB_DELAYED, -1);
		sqlite_count(pool, JOB_READY, 1);
	}
	return sqlite_run(store, ripe, err);
}

/* Returns how many, or -1. The index is walked first, then changed. */
static int ripen_all(struct store *store, int64_t now, struct ym_err *err)
{
	sqlite3_stmt *due = sqlite_statement(store, SQL_DUE, err);
	int64_t ids[DUE_STEP], pools[DUE_STEP];
	int n = 0, more;

	if (!due)
		return -1;
	sqlite3_bind_int64(due, 1, now);
	sqlite3_bind_int64(due, 2, DUE_STEP);
	while ((more = sqlite_row(store, due, err)) > 0 && n < DUE_STEP) {
		ids[n] = sqlite3_column_int64(due, 0);
		pools[n++] = sqlite3_column_int64(due, 1);
	}
	sqlite3_reset(due);
	for (int i = 0; i < n && more >= 0; i++)
		more = ripen(store, (uint64_t)ids[i], pools[i], err);
	return more < 0 ? -1 : n;
}

/* When the next one is due; INT64_MAX: there is none. */
static int next_due(struct store *store, int64_t *due_ms, struct ym_err *err)
{
	sqlite3_stmt *due = sqlite_statement(store, SQL_NEXT_DUE, err);
	int row;

	row = due ? sqlite_row(store, due, err) : -1;
	*due_ms = row > 0 ? sqlite3_column_int64(due, 0) : INT64_MAX;
	if (due)
		sqlite3_reset(due);
	return row < 0 ? -1 : 0;
}

static int tick_delayed(struct store *store, int64_t now, int64_t *next_ms, struct ym_err *err)
{
	int64_t due;
	int n;

	if (next_due(store, &due, err) < 0)
		return -1;
	if (due > now) {
		*next_ms = earlier(*next_ms, due);
		return 0;
	}
	if (sqlite_begin(store, false, err) < 0)
		return -1;
	n = ripen_all(store, now, err);
	if (n < 0 || sqlite_write_counts(store, err) < 0 || sqlite_commit(store, err) < 0)
		return sqlite_rollback(store);
	if (n > 0 && store->wake)
		store->wake(store->arg);
	if (next_due(store, &due, err) < 0)
		return -1;
	*next_ms = earlier(*next_ms, due);
	return 0;
}

/* ---- history --------------------------------------------------------------------------------- */

struct old {
	struct sqlite_row row;
	enum job_state state;
};

static bool is_history(enum job_state state)
{
	return state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
}

/* Rows from the cursor on, until there are `max` old ones, all are seen, or the time is up. Returns how many old ones. */
static int walk(struct store *store, int64_t before, struct old *old, int max, bool *end, struct ym_err *err)
{
	sqlite3_stmt *rows = sqlite_statement(store, SQL_WALK, err);
	uint64_t until = ym_now_ns() + PRUNE_NS / 2;
	int n = 0, more = 1;

	*end = false;
	if (!rows)
		return -1;
	sqlite3_bind_int64(rows, 1, (int64_t)store->prune);
	for (unsigned seen = 1; n < max && (seen % 64 || ym_now_ns() < until); seen++) {
		enum job_state state;

		more = sqlite_row(store, rows, err);
		if (more <= 0)
			break;
		store->prune = (uint64_t)sqlite3_column_int64(rows, 0);
		state = (enum job_state)sqlite3_column_int(rows, 2);
		if (!is_history(state) || sqlite3_column_int64(rows, 3) > before)
			continue;
		/* Its key counts no more: it is over. */
		old[n++] = (struct old){
		    {store->prune, sqlite3_column_int64(rows, 1), (unsigned)sqlite3_column_int(rows, 4), ""}, state};
	}
	sqlite3_reset(rows);
	*end = more == 0;
	return more < 0 ? -1 : n;
}

/* Those that the time of a step allows, one at least; the walk goes on with the first that is left. */
static int delete_old(struct store *store, const struct old *old, int n, struct ym_err *err)
{
	uint64_t until = ym_now_ns() + PRUNE_NS / 2;
	int i;

	for (i = 0; i < n && (i % 16 || i == 0 || ym_now_ns() < until); i++) {
		struct sqlite_pool *pool = sqlite_pool_of(store, old[i].row.pool);

		if (sqlite_delete(store, &old[i].row, err) < 0)
			return -1;
		if (pool)
			sqlite_count(pool, old[i].state, -1);
	}
	if (i < n)
		store->prune = old[i].row.id - 1;
	return 0;
}

static int prune_step(struct store *store, int64_t now, int64_t *wait_ms, struct ym_err *err)
{
	struct old old[512];
	uint64_t from = store->prune;
	bool end;
	int n = walk(store, now - store->history_ms, old, (int)(sizeof(old) / sizeof(old[0])), &end, err);

	if (n < 0)
		return -1;
	*wait_ms = n > 0 ? PRUNE_BUSY_MS : end ? PRUNE_DONE_MS : PRUNE_IDLE_MS;
	if (n > 0) {
		if (sqlite_begin(store, false, err) < 0)
			return -1;
		if (delete_old(store, old, n, err) < 0 || sqlite_write_counts(store, err) < 0 ||
		    sqlite_commit(store, err) < 0) {
			store->prune = from;
			return sqlite_rollback(store);
		}
	}
	if (end && n == 0)
		store->prune = 0;
	return 0;
}

static int tick_history(struct store *store, int64_t now, int64_t *next_ms, struct ym_err *err)
{
	int64_t wait_ms;

	if (now >= store->prune_ms) {
		if (prune_step(store, now, &wait_ms, err) < 0)
			return -1;
		store->prune_ms = now + wait_ms;
	}
	*next_ms = earlier(*next_ms, store->prune_ms);
	return 0;
}

/* ---- the log --------------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct store *store, const char *suffix)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", store->path, suffix);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Write pages of the log into the database. That readers are in the way is no error. */
static int checkpoint(struct store *store, int mode, int busy_ms, struct ym_err *err)
{
	int pages = 0, done = 0, code;

	sqlite3_busy_timeout(store->db, busy_ms);
	code = sqlite3_wal_checkpoint_v2(store->db, NULL, mode, &pages, &done);
	sqlite3_busy_timeout(store->db, SQLITE_BUSY_MS);
	if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
		return sqlite_fail(store, err, "write the log back (checkpoint)");
	store->pending = done < pages;
	store->wal_done = store->wal_pages;
	return 0;
}

int sqlite_write_back(struct store *store, int pages, struct ym_err *err)
{
	if (!store->pending || store->wal_pages - store->wal_done < pages)
		return 0;
	/* Readers have kept the log from beginning anew for long: wait for them, a little. */
	if (store->wal_pages >= CHECKPOINT_LATE)
		return checkpoint(store, SQLITE_CHECKPOINT_RESTART, LATE_BUSY_MS, err);
	return checkpoint(store, SQLITE_CHECKPOINT_PASSIVE, 0, err);
}

void sqlite_tidy(struct store *store)
{
	checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, LATE_BUSY_MS, NULL);
}

static int tick_log(struct store *store, int64_t now, int64_t *next_ms, struct ym_err *err)
{
	int result = 0;

	if (store->wrote) {
		store->wrote = false;
		store->wrote_ms = now;
	}
	if (now >= store->checkpoint_ms) {
		result = sqlite_write_back(store, 0, err);
		store->checkpoint_ms = now + CHECKPOINT_MS;
	} else {
		result = sqlite_write_back(store, SQLITE_WAL_PAGES, err);
	}
	if (result == 0 && now >= store->wrote_ms + IDLE_MS && bytes_of(store, "-wal") > WAL_LARGE)
		result = checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, LATE_BUSY_MS, err);
	*next_ms = earlier(*next_ms, store->checkpoint_ms);
	return result;
}

/* Who deletes the file, or puts another one in its place, goes unnoticed by SQLite: all would be written, and lost. */
int sqlite_check_place(struct store *store, struct ym_err *err)
{
	struct stat st;

	if (stat(store->path, &st) == 0 && st.st_dev == store->dev && st.st_ino == store->ino)
		return 0;
	return ym_fail(
	    err, YM_ERR_GONE,
	    "the store \"%s\" was removed or replaced while it was in use: what is written now would be lost. "
	    "Stop the master; put the file back, with its -wal, or start without it",
	    store->path);
}

int sqlite_tick(struct store *store, int64_t now_ms, int64_t *next_ms, struct ym_err *err)
{
	*next_ms = INT64_MAX;
	if (sqlite_check_place(store, err) < 0 || (store->stale && sqlite_load(store, err) < 0))
		return -1;
	if (tick_delayed(store, now_ms, next_ms, err) < 0 || tick_history(store, now_ms, next_ms, err) < 0)
		return -1;
	return tick_log(store, now_ms, next_ms, err);
}

/* ---- verify ---------------------------------------------------------------------------------- */

struct teller {
	void (*tell)(void *arg, const char *line);
	void *arg;
	unsigned lines;
};

__attribute__((format(printf, 2, 3))) static void say(struct teller *teller, const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	teller->lines++;
	teller->tell(teller->arg, line);
}

/* What SQLite finds in its own structures: "ok", or a row each. */
static int check_file(struct store *store, struct teller *teller, struct ym_err *err)
{
	sqlite3_stmt *rows = NULL;
	int more;

	if (sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(100)", -1, &rows, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, "PRAGMA integrity_check");
	while ((more = sqlite_row(store, rows, err)) > 0) {
		const char *text = (const char *)sqlite3_column_text(rows, 0);

		if (text && strcmp(text, "ok") != 0)
			say(teller, "the file: %s", text);
	}
	sqlite3_finalize(rows);
	return more;
}

/* Each row that such a question gives is wrong: the text says what of, by two numbers of it. */
static const struct {
	const char *sql, *text;
} checks[] = {
    {"SELECT id, state FROM job WHERE state NOT IN (2, 3, 6, 7, 8, 9, 10) LIMIT 100",
     "job %lld has the state %lld, which is none"},
    {"SELECT id, state FROM job WHERE held NOT IN (0, 1) OR (held = 1 AND state NOT IN (2, 3, 7)) OR "
     "(held = 0 AND state = 3) LIMIT 100",
     "job %lld is in the state %lld and held, or runs and is not"},
    {"SELECT id, pool FROM job WHERE pool NOT IN (SELECT id FROM pool) LIMIT 100",
     "job %lld is of the pool number %lld, which is not there"},
    {"SELECT DISTINCT job, kind FROM chunk WHERE NOT EXISTS (SELECT 1 FROM job WHERE id = job AND parts & (1 << kind)) "
     "LIMIT 100",
     "there are bytes (kind %2$lld) of job %1$lld, which has none"},
    {"SELECT id, payload_size FROM job WHERE parts & 1 AND (payload_size = 0 OR payload_size <> "
     "(SELECT coalesce(sum(length(data)), 0) FROM chunk WHERE job = id AND kind = 0)) LIMIT 100",
     "job %lld has not the %lld bytes of its payload"},
    {"SELECT id, result_size FROM job WHERE parts & 2 AND (result_size = 0 OR result_size <> "
     "(SELECT coalesce(sum(length(data)), 0) FROM chunk WHERE job = id AND kind = 1)) LIMIT 100",
     "job %lld has not the %lld bytes of its result"},
    {"SELECT id, payload_size FROM job WHERE NOT parts & 1 AND state <> 8 AND payload_size <> "
     "coalesce(length(payload), 0) LIMIT 100",
     "job %lld has not the %lld bytes of its payload"},
    {"SELECT DISTINCT job, 0 FROM attempt WHERE NOT EXISTS (SELECT 1 FROM job WHERE id = job AND parts & 4) LIMIT 100",
     "there are attempts of job %lld, which has none"},
    {"SELECT id, state FROM job WHERE list IS NOT CASE WHEN state = 8 OR (held AND id >= "
     "(SELECT value FROM meta WHERE name = 'floor')) THEN NULL WHEN held THEN -1 WHEN state = 2 THEN pool "
     "WHEN state = 7 THEN 0 ELSE -state END LIMIT 100",
     "job %lld is in the state %lld and not in the list for that"},
    {"SELECT id, state FROM job WHERE place IS NOT CASE WHEN list > 0 THEN rank WHEN list = 0 THEN coalesce(due, 0) "
     "WHEN list = -1 THEN id WHEN list < -1 THEN coalesce(finished, 0) END LIMIT 100",
     "job %lld is in the state %lld and not at its place in the list"},
    {"SELECT id, state FROM job WHERE (parts & 8 <> 0) <> (unique_key IS NOT NULL AND state IN (2, 3, 7)) LIMIT 100",
     "job %lld is in the state %lld, and its unique key does not go with that"},
    {"SELECT id, state FROM job WHERE parts & 8 AND id IS NOT "
     "(SELECT job FROM live_key WHERE live_key.pool = job.pool AND name = unique_key) LIMIT 100",
     "job %lld in the state %lld has not got its unique key"},
    {"SELECT job, pool FROM live_key WHERE NOT EXISTS (SELECT 1 FROM job WHERE id = live_key.job AND parts & 8) LIMIT "
     "100",
     "job %lld (of the pool number %lld) has a unique key it should not have"},
    {"SELECT max(id), (SELECT value FROM meta WHERE name = 'next_id') AS next FROM job HAVING max(id) >= next",
     "job %lld is there, but the next one would have the id %lld"},
    {"SELECT n, coalesce(jobs, 0) FROM (SELECT pool, state, count(*) AS n FROM job WHERE held = 0 GROUP BY 1, 2) "
     "LEFT JOIN tally USING (pool, state) WHERE n <> coalesce(jobs, 0)",
     "%lld jobs of a pool are in one state, but %lld are counted"},
    {"SELECT pool, jobs FROM tally WHERE jobs <> 0 AND NOT EXISTS "
     "(SELECT 1 FROM job WHERE job.pool = tally.pool AND job.state = tally.state AND held = 0)",
     "the pool number %lld has no job in a state of which %lld are counted"},
};

static int check_rows(struct store *store, size_t check, struct teller *teller, struct ym_err *err)
{
	sqlite3_stmt *rows = NULL;
	int more;

	if (sqlite3_prepare_v2(store->db, checks[check].sql, -1, &rows, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, checks[check].sql);
	while ((more = sqlite_row(store, rows, err)) > 0) {
		char line[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(line, sizeof(line), checks[check].text, (long long)sqlite3_column_int64(rows, 0),
		         (long long)sqlite3_column_int64(rows, 1));
#pragma GCC diagnostic pop
		say(teller, "%s", line);
	}
	sqlite3_finalize(rows);
	return more;
}

int sqlite_verify(struct store *store, void (*tell)(void *arg, const char *line), void *arg, struct ym_err *err)
{
	struct teller teller = {tell, arg, 0};

	/* What is counted must be of the same moment as what is there. */
	if (sqlite_exec(store, "BEGIN", err) < 0)
		return -1;
	if (check_file(store, &teller, err) < 0 && teller.lines == 0)
		return sqlite_rollback(store);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (check_rows(store, i, &teller, err) < 0)
			say(&teller, "it cannot be looked through: %s", sqlite3_errmsg(store->db));
	sqlite_exec(store, "COMMIT", NULL);
	return teller.lines > 0;
}

/* ---- compact --------------------------------------------------------------------------------- */

int sqlite_compact(struct store *store, uint64_t *before, uint64_t *after, struct ym_err *err)
{
	if (store->reader)
		return ym_fail(err, YM_ERR_BUG, "compact: \"%s\" is open for reading only", store->path);
	*before = bytes_of(store, "") + bytes_of(store, "-wal");
	if (sqlite_exec(store, "VACUUM", err) < 0 ||
	    checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, SQLITE_BUSY_MS, err) < 0)
		return -1;
	*after = bytes_of(store, "") + bytes_of(store, "-wal");
	return 0;
}
