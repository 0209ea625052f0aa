/*
 * sqlite.h - what the files of the driver store_sqlite share.
 *
 * One connection, used by one thread at a time (the clerk's), never across fork. The database is in WAL mode: readers and
 * the one writer do not wait for each other. Who writes holds a lock on PATH.lock while he has the store open.
 *
 * A job is one row of `job`, an UPDATE at its end. Small integers stand for pools and states, so that a row is short and
 * conditions are cheap; the views `jobs`, `attempts` and `pools` say it in words. There is one index beside the ids, and
 * only of jobs that stand in a list (`list`, in the order of `place`); most never do: they are submitted into the table,
 * run, and are done. So they cost two changes of one row and nothing else.
 *
 *   list               place       jobs
 *   number of a pool   rank        wait
 *   0                  due         delayed
 *   -1                 id          held, with an id below `floor`
 *   -6, -9, -10        finished    buried, failed, cancelled
 *   NULL                           done; held, with an id from `floor` on
 *
 * Which jobs are held must be known after a crash: those from `floor` (in `meta`) on are found by looking through all ids
 * from there, which are never more than SQLITE_WINDOW. Which of these are held is also known in memory, one bit each; when
 * the window moves on, the few that are still held are put into their list.
 */
#ifndef YM_RUNTIME_STORE_SQLITE_H
#define YM_RUNTIME_STORE_SQLITE_H

#include <sqlite3.h>

#include "../store.h"

/* ---- rows ------------------------------------------------------------------------------------ */

/*
 * The columns of `job`, in their order: name here, name there. What conditions ask for comes
 * first. NULL stands for 0 and "" where nothing is to be said.
 */
#define SQLITE_COLUMN_MAP(X)                                                                                           \
	X(POOL, pool)                                                                                                  \
	X(STATE, state)                                                                                                \
	X(HELD, held)                                                                                                  \
	X(LIST, list)                                                                                                  \
	X(PLACE, place)                                                                                                \
	X(PARTS, parts)                                                                                                \
	X(RANK, rank)                                                                                                  \
	X(DUE, due)                                                                                                    \
	X(KEY, unique_key)                                                                                             \
	X(LEVEL, level)                                                                                                \
	X(ATTEMPT, attempt)                                                                                            \
	X(ATTEMPTS, attempts)                                                                                          \
	X(CRASHES, crashes)                                                                                            \
	X(ROUND, round)                                                                                                \
	X(KEEP, keep)                                                                                                  \
	X(SUBMITTED, submitted)                                                                                        \
	X(STARTED, started)                                                                                            \
	X(FINISHED, finished)                                                                                          \
	X(TIMEOUT, timeout)                                                                                            \
	X(DONE, done)                                                                                                  \
	X(TOTAL, total)                                                                                                \
	X(UNIT, unit)                                                                                                  \
	X(TAG, tag)                                                                                                    \
	X(ERROR, error)                                                                                                \
	X(REPLY_KEY, reply_key)                                                                                        \
	X(REPLY_TYPE, reply_type)                                                                                      \
	X(REPLY_FORM, reply_form)                                                                                      \
	X(PAYLOAD_SIZE, payload_size)                                                                                  \
	X(RESULT_SIZE, result_size)                                                                                    \
	X(PAYLOAD, payload)                                                                                            \
	X(RESULT, result)                                                                                              \
	X(NOTE, note)                                                                                                  \
	X(OUTPUT, output)
/* Also numbers of result columns of SQLITE_COLUMNS, and, one more, of parameters. */
enum sqlite_column {
	COLUMN_ID,
#define X(name, column) COLUMN_##name,
	SQLITE_COLUMN_MAP(X)
#undef X
	    COLUMNS
};
#define SQLITE_COLUMN_COMMA(name, column)     ", " #column
#define SQLITE_COLUMN_PARAMETER(name, column) ", ?"
#define SQLITE_COLUMNS                        "id" SQLITE_COLUMN_MAP(SQLITE_COLUMN_COMMA)

/* What else there is of a job, `parts`: what is 0 need not be looked for when it is deleted. */
enum sqlite_part {
	PART_PAYLOAD = 1, /* its payload lies in chunks, kind BYTES_PAYLOAD */
	PART_RESULT = 2,  /* its result does */
	PART_STORY = 4,   /* rows in `attempt` */
	PART_KEY = 8,     /* a row in `live_key`: its unique key counts */
};

enum sqlite_list { LIST_DELAYED = 0, LIST_HELD = -1 };

/* Ids of which it is known in memory whether they are held. */
#define SQLITE_WINDOW 65536

/* Bytes in the row itself; more of them lie in chunks of this size. */
#define SQLITE_ROW_BYTES   1024
#define SQLITE_CHUNK_BYTES (256u << 10)

/* Kinds of chunks; also the index of store_job.memory. */
enum sqlite_bytes { BYTES_PAYLOAD, BYTES_RESULT };

#include "sql.h"

enum sqlite_statement {
#define X(name, sql) SQL_##name,
	SQLITE_STATEMENT_MAP(X)
#undef X
	    SQL_STATEMENTS
};

/* ---- the store ------------------------------------------------------------------------------- */

struct sqlite_pool {
	int64_t id; /* in the database; index in store.pools + 1 */
	char name[TABLE_NAME_MAX];
	int64_t ageing_ms;
	uint64_t count[JOB_STATES]; /* jobs not held */
	unsigned changed;           /* bits of states whose count is not written yet */
};

struct store {
	struct store_base base;
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_STATEMENTS];
	char *path;
	char *directory; /* for temporary files; NULL: none */
	int lock;        /* descriptor, -1: a reader's */
	bool reader;
	bool full;  /* PRAGMA synchronous, as it is set now */
	bool stale; /* pools and counts could not be read again after a rollback */
	int64_t history_ms;
	struct sqlite_pool *pools; /* all that the database knows */
	size_t npools, last_pool;
	uint64_t next_id; /* above all that were ever used */
	uint64_t floor;   /* of the window */
	bool meta_changed;
	uint64_t *window; /* SQLITE_WINDOW bits, id modulo that; NULL: a reader's */
	uint8_t *buffer;  /* SQLITE_CHUNK_BYTES, when needed */
	void (*wake)(void *arg);
	void *arg;
	/* upkeep */
	int wal_pages; /* in the log, as of the last commit */
	bool wrote;    /* since the last tick */
	bool pending;  /* there are pages that are not in the database yet */
	int wal_done;  /* so many of them, when it was written back last */
	dev_t dev;     /* of the file */
	ino_t ino;
	uint64_t prune; /* id behind which the walk goes on */
	int64_t prune_ms, checkpoint_ms, wrote_ms;
};

/* What has to be known of a row before it is changed. */
struct sqlite_row {
	uint64_t id;
	int64_t pool;
	unsigned parts;
	char key[JOB_UNIQUE_MAX];
};

/* For what is locked: readers hold nothing that long, and a second writer is kept out by the lock. */
#define SQLITE_BUSY_MS 5000

/* ---- sqlite.c -------------------------------------------------------------------------- */

/* Fill `err` from the connection: what was tried, in which file, why not, what to do. -1. */
int sqlite_fail(struct store *store, struct ym_err *err, const char *what);

/* A statement, ready to be bound; NULL with err. */
sqlite3_stmt *sqlite_statement(struct store *store, enum sqlite_statement which, struct ym_err *err);

/* Run one that gives no rows, and make it ready for the next time. */
int sqlite_run(struct store *store, sqlite3_stmt *statement, struct ym_err *err);

/* The same of one row: 1 there is one, and sqlite3_reset() is left to the caller; 0 there is none. */
int sqlite_row(struct store *store, sqlite3_stmt *statement, struct ym_err *err);

/* SQL in plain text, for what is done rarely. */
int sqlite_exec(struct store *store, const char *sql, struct ym_err *err);
/* One number from it: 0, or -1. */
int sqlite_number(struct store *store, const char *sql, int64_t *number, struct ym_err *err);

/* A transaction. After sqlite_rollback() memory is as the database is; it returns -1. */
int sqlite_begin(struct store *store, bool durable, struct ym_err *err);
int sqlite_commit(struct store *store, struct ym_err *err);
int sqlite_rollback(struct store *store);

/* ---- schema.c ------------------------------------------------------------------- */

#define SQLITE_APPLICATION 0x59415244 /* "YARD" */

/* Steps of the schema; the version is how many were taken. */
extern const char *const sqlite_steps[];
extern const size_t sqlite_nsteps;

/* Refuse what is no store of ours, before anything is changed in it. */
int sqlite_schema_check(struct store *store, struct ym_err *err);
/* Make it, or bring it up to date; a reader says that it has to be. *taken: steps. */
int sqlite_schema(struct store *store, const char *const *steps, size_t nsteps, unsigned *taken, struct ym_err *err);

/* ---- pools.c -------------------------------------------------------------------- */

/* Pools, their counts and the next id, from the database. */
int sqlite_load(struct store *store, struct ym_err *err);
/* The pool of a name; made if there is none. NULL with err. In a transaction. */
struct sqlite_pool *sqlite_pool(struct store *store, const char *name, struct ym_err *err);
/* NULL: there is none. */
struct sqlite_pool *sqlite_find_pool(struct store *store, const char *name);
/* The pool of a row; NULL: no such one. */
struct sqlite_pool *sqlite_pool_of(struct store *store, int64_t id);
/* A job that nobody holds came into a state, or left it. */
void sqlite_count(struct sqlite_pool *pool, enum job_state state, int change);
/* Write what has changed. In a transaction. */
int sqlite_write_counts(struct store *store, struct ym_err *err);

int sqlite_configure(struct store *store, const struct store_pool *pools, size_t n, struct ym_err *err);
int sqlite_tally(struct store *store, const char *name, struct store_tally *tally, struct ym_err *err);

/* ---- held.c ---------------------------------------------------------------------- */

/* What is held, from the database. */
int sqlite_load_window(struct store *store, struct ym_err *err);
/* There is a job of this id: the window may have to move. In a transaction. */
int sqlite_reach(struct store *store, uint64_t id, struct ym_err *err);
/* One that the window reaches is held from now on. */
void sqlite_hold(struct store *store, uint64_t id);
/* It is held no more. */
void sqlite_let(struct store *store, uint64_t id);
/* Is it, as a held one, in LIST_HELD? */
static inline bool sqlite_is_listed(const struct store *store, uint64_t id)
{
	return id < store->floor;
}
/* Bind `list` and `place` of a job in this state. */
void sqlite_bind_list(struct store *store, sqlite3_stmt *statement, int at, const struct store_job *job, int64_t pool);

/* Unique keys. 1 it has it now, 0 another one has it: *other. In a transaction. */
int sqlite_take_key(struct store *store, int64_t pool, const char *key, uint64_t id, uint64_t *other,
                    struct ym_err *err);
int sqlite_give_key(struct store *store, int64_t pool, const char *key, struct ym_err *err);

/* ---- job.c: rows and struct store_job ------------------------------------------- */

/* 0 and "" are NULL. */
void sqlite_bind_number(sqlite3_stmt *statement, int at, int64_t value);
void sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text);
void sqlite_copy_text(sqlite3_stmt *row, int column, char *to, size_t max);

/* All but the bytes of a row of SQLITE_COLUMNS. */
void sqlite_read_job(struct store *store, sqlite3_stmt *row, struct store_job *job);
/*
 * And the bytes: `keep` copies those of the row, which else last until the next step. To be freed with store_job_free()
 * in any case.
 */
int sqlite_read_bytes(struct store *store, sqlite3_stmt *row, struct store_job *job, bool keep, struct ym_err *err);

/* Is it for the row itself? */
bool sqlite_is_short(const struct payload_source *source);
/* Bytes that are too long for a row. In a transaction. The position of a file is as before. */
int sqlite_write_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, const struct payload_source *source,
                        uint64_t *size, struct ym_err *err);
int sqlite_delete_chunks(struct store *store, uint64_t id, enum sqlite_bytes kind, struct ym_err *err);

/* Is nothing kept of jobs that end like this? */
bool sqlite_forgets(const struct store *store, enum job_state state);
/* A job, and all that belongs to it: gone. Counts are the caller's. */
int sqlite_delete(struct store *store, const struct sqlite_row *row, struct ym_err *err);

/* ---- write.c */

/* The bytes of a payload or result if they are short enough for a row, else NULL. */
void sqlite_bind_bytes(sqlite3_stmt *statement, int at, const struct payload_source *source);
/* It is in our table from now on, and in no list of those that wait. */
int sqlite_hold_row(struct store *store, const struct sqlite_pool *pool, uint64_t id, struct ym_err *err);

/* ---- save.c, submit.c: one of a batch, in its transaction */

/* Does a job in this state stay in the table that holds it? */
bool sqlite_stays_held(enum job_state state);
int sqlite_save(struct store *store, struct store_save *save, struct ym_err *err);
int sqlite_submit(struct store *store, struct store_submit *submit, struct ym_err *err);

/* ---- write.c, request.c, read.c, upkeep.c: the functions of the driver */

int sqlite_write(struct store *store, struct store_batch *batch, struct ym_err *err);
int sqlite_request(struct store *store, struct store_request *request, struct ym_err *err);
/* Those that we hold wait again. */
int sqlite_release(struct store *store, uint64_t id, struct ym_err *err);
void sqlite_let_go(struct store *store);
int sqlite_check_place(struct store *store, struct ym_err *err);
int sqlite_recover(struct store *store, bool (*in_table)(void *arg, uint64_t id), void *arg, uint64_t *n,
                   struct ym_err *err);
/* An attempt of a job; PART_STORY must be set in its parts. In a transaction. */
int sqlite_write_attempt(struct store *store, uint64_t id, const struct store_attempt *attempt, struct ym_err *err);

int sqlite_list(struct store *store, const struct store_filter *filter, store_each *each, void *arg,
                struct ym_err *err);
int sqlite_story(struct store *store, uint64_t id, struct store_story *story, struct ym_err *err);

/* Pages of the log after which a tick writes it back, whatever the time. */
#define SQLITE_WAL_PAGES 4096
/* Write it back if there are so many new ones. */
int sqlite_write_back(struct store *store, int pages, struct ym_err *err);
/* All of it, and let go of its space. Where that fails, the next one who opens the store does it. */
void sqlite_tidy(struct store *store);

int sqlite_tick(struct store *store, int64_t now_ms, int64_t *next_ms, struct ym_err *err);
int sqlite_verify(struct store *store, void (*tell)(void *arg, const char *line), void *arg, struct ym_err *err);
int sqlite_compact(struct store *store, uint64_t *before, uint64_t *after, struct ym_err *err);

#endif
