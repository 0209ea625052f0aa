/* schema.c - the tables, their versions, and the views that people read. */
#include <stdio.h>
#include <string.h>

#include "sqlite.h"

/*
 * Steps of the schema, one a version: never change one that was released, add one. A new column of `job` goes to the end of
 * SQLITE_COLUMN_MAP, too.
 */
/* clang-format off */
const char *const sqlite_steps[] = {
    /* 1 */
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('next_id', 1), ('floor', 1);"
    "CREATE TABLE pool (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, ageing INTEGER NOT NULL);"
    "CREATE TABLE tally (pool INTEGER, state INTEGER, jobs INTEGER NOT NULL, PRIMARY KEY (pool, state)) WITHOUT ROWID;"
    "CREATE TABLE job (id INTEGER PRIMARY KEY, pool INTEGER NOT NULL, state INTEGER NOT NULL, held INTEGER NOT NULL, "
    "list INTEGER, place INTEGER, parts INTEGER NOT NULL, rank INTEGER NOT NULL, due INTEGER, unique_key TEXT, "
    "level INTEGER NOT NULL, attempt INTEGER NOT NULL, attempts INTEGER NOT NULL, crashes INTEGER NOT NULL, "
    "round INTEGER NOT NULL, keep INTEGER NOT NULL, submitted INTEGER NOT NULL, started INTEGER, finished INTEGER, "
    "timeout INTEGER, done INTEGER, total INTEGER, unit TEXT, tag TEXT, error TEXT, reply_key INTEGER, "
    "reply_type INTEGER, reply_form INTEGER, payload_size INTEGER NOT NULL, result_size INTEGER NOT NULL, "
    "payload BLOB, result BLOB, note TEXT, output TEXT);"
    "CREATE INDEX job_list ON job (list, place) WHERE list IS NOT NULL;"
    "CREATE TABLE live_key (pool INTEGER, name TEXT, job INTEGER NOT NULL, PRIMARY KEY (pool, name)) WITHOUT ROWID;"
    "CREATE TABLE chunk (job INTEGER, kind INTEGER, seq INTEGER, data BLOB NOT NULL, "
    "PRIMARY KEY (job, kind, seq)) WITHOUT ROWID;"
    "CREATE TABLE attempt (job INTEGER, round INTEGER, number INTEGER, end INTEGER NOT NULL, started INTEGER, "
    "ended INTEGER, pid INTEGER, status INTEGER, rss_kib INTEGER, user_ms INTEGER, system_ms INTEGER, done INTEGER, "
    "total INTEGER, unit TEXT, error TEXT, PRIMARY KEY (job, round, number)) WITHOUT ROWID;",
};
/* clang-format on */
const size_t sqlite_nsteps = sizeof(sqlite_steps) / sizeof(sqlite_steps[0]);

/* ---- views ----------------------------------------------------------------------------------- */

#define WHEN_STATE(name, value, word, over) " WHEN " #value " THEN '" word "'"
#define STATE_WORD(column)                  "CASE " column JOB_STATE_MAP(WHEN_STATE) " END"
#define MOMENT(column)                      "strftime('%Y-%m-%dT%H:%M:%fZ', " column " / 1000.0, 'unixepoch')"

static const char views[] =
    "DROP VIEW IF EXISTS jobs; DROP VIEW IF EXISTS attempts; DROP VIEW IF EXISTS pools;"
    "CREATE VIEW jobs AS SELECT job.id, pool.name AS pool, " STATE_WORD(
	"state") " AS state, held, level AS priority, "
		 "tag, unique_key, attempt, attempts, crashes, " MOMENT("submitted") " AS submitted, " MOMENT(
		     "due") " AS due, " MOMENT("started") " AS started, " MOMENT("finished") " AS finished, timeout / "
											     "1000.0 AS timeout, done, "
											     "total, unit, "
											     "error, note, output, "
											     "payload_size, "
											     "result_size, payload, "
											     "result "
											     "FROM job JOIN pool ON "
											     "pool.id = job.pool;"
											     "CREATE VIEW pools AS "
											     "SELECT pool.name AS "
											     "pool, " STATE_WORD(
												 "state") " AS state, "
													  "jobs "
													  "FROM tally "
													  "JOIN pool "
													  "ON pool.id "
													  "= "
													  "tally.pool "
													  "WHERE jobs "
													  "> 0;";

/* The words of ends have no numbers in their list: the view is put together here. */
static int make_views(struct store *store, struct ym_err *err)
{
	static const char rest[] = " END AS end, " MOMENT("started") " AS started, " MOMENT(
	    "ended") " AS ended, error, pid, status, rss_kib, "
		     "user_ms, system_ms, done, total, unit FROM attempt ORDER BY job, round, number";
	char sql[2048];
	int n = snprintf(sql, sizeof(sql), "CREATE VIEW attempts AS SELECT job, number AS attempt, CASE end");

	for (unsigned end = 0; end < STORY_ENDS; end++)
		n += snprintf(sql + n, sizeof(sql) - (size_t)n, " WHEN %u THEN '%s'", end, story_end_word(end));
	snprintf(sql + n, sizeof(sql) - (size_t)n, "%s", rest);
	return sqlite_exec(store, views, err) < 0 ? -1 : sqlite_exec(store, sql, err);
}

/* ---- versions -------------------------------------------------------------------------------- */

static int read_version(struct store *store, int64_t *version, int64_t *application, struct ym_err *err)
{
	return sqlite_number(store, "PRAGMA user_version", version, err) < 0
	           ? -1
	           : sqlite_number(store, "PRAGMA application_id", application, err);
}

/* The program that has changed the schema last. */
static void read_program(struct store *store, char *program, size_t max)
{
	sqlite3_stmt *row = NULL;

	snprintf(program, max, "a newer version");
	if (sqlite3_prepare_v2(store->db, "SELECT value FROM meta WHERE name = 'program'", -1, &row, NULL) ==
	        SQLITE_OK &&
	    sqlite3_step(row) == SQLITE_ROW)
		snprintf(program, max, "%s", (const char *)sqlite3_column_text(row, 0));
	sqlite3_finalize(row);
}

int sqlite_schema_check(struct store *store, struct ym_err *err)
{
	int64_t version, application, tables;

	if (read_version(store, &version, &application, err) < 0 ||
	    sqlite_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
		return -1;
	if (application == SQLITE_APPLICATION)
		return 0;
	if (application != 0 || version != 0 || tables != 0)
		return ym_fail(
		    err, YM_ERR_FOREIGN,
		    "\"%s\" is a database of another program (application id %lld, %lld tables): give another path",
		    store->path, (long long)application, (long long)tables);
	return 0;
}

/* All steps that are missing, or none. */
static int take_steps(struct store *store, const char *const *steps, size_t nsteps, size_t version, struct ym_err *err)
{
	char sql[160];
	int result = sqlite_begin(store, true, err);

	for (size_t i = version; i < nsteps && result == 0; i++)
		result = sqlite_exec(store, steps[i], err);
	if (result == 0)
		result = make_views(store, err);
	snprintf(sql, sizeof(sql),
	         "INSERT OR REPLACE INTO meta VALUES ('program', 'Yardmaster " YM_VERSION "'); "
	         "PRAGMA application_id = %d; PRAGMA user_version = %zu",
	         SQLITE_APPLICATION, nsteps);
	if (result == 0)
		result = sqlite_exec(store, sql, err);
	if (result == 0)
		result = sqlite_commit(store, err);
	if (result < 0) {
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		return ym_err_prefix(err, "the schema of the store cannot be brought from version %zu to %zu", version,
		                     nsteps);
	}
	return 0;
}

int sqlite_schema(struct store *store, const char *const *steps, size_t nsteps, unsigned *taken, struct ym_err *err)
{
	int64_t version, application;
	char program[64];

	*taken = 0;
	if (read_version(store, &version, &application, err) < 0)
		return -1;
	if (version > (int64_t)nsteps) {
		read_program(store, program, sizeof(program));
		return ym_fail(
		    err, YM_ERR_CONFIG,
		    "the store \"%s\" has version %lld of the schema, made by %s; this program (%s) knows up to %zu: "
		    "use the newer one",
		    store->path, (long long)version, program, YM_VERSION, nsteps);
	}
	if (version == (int64_t)nsteps)
		return 0;
	if (store->reader)
		return ym_fail(
		    err, YM_ERR_NO,
		    "the store \"%s\" has version %lld of the schema, %zu is needed: the master brings it up to date "
		    "when it starts, or `yardmaster store init`",
		    store->path, (long long)version, nsteps);
	*taken = (unsigned)(nsteps - (size_t)version);
	return take_steps(store, steps, nsteps, (size_t)version, err);
}
