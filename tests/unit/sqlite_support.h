/* sqlite_support.h - what the tests of the driver store_sqlite share: a store in the test's directory, jobs, batches. */
#ifndef YM_TESTS_SQLITE_SUPPORT_H
#define YM_TESTS_SQLITE_SUPPORT_H

#include <fcntl.h>
#include <sys/mman.h>

#include "../../runtime/sqlite/sqlite.h"
#include "support.h"

#define DAY_MS INT64_C(86400000)

static struct store *store;
static char uri[PATH_MAX + 16], db_path[PATH_MAX];
static struct store_options options;

/* Work with the file of this name in the test's directory. */
static inline void use_store(const char *name)
{
	join_path(db_path, name);
	snprintf(uri, sizeof(uri), "sqlite:%s", db_path);
	options = (struct store_options){
	    .uri = uri, .directory = directory, .instance = "test", .node = "", .history_ms = 7 * DAY_MS};
}

static inline void open_it(void)
{
	ASSERT_OK(store_sqlite.open(&store, &options, &err));
}

static inline void begin_store(void)
{
	begin_test();
	use_store("jobs.db");
	open_it();
}

static inline void end_store(void)
{
	if (store)
		store_sqlite.close(store);
	store = NULL;
	end_test();
}

static inline void open_again(void)
{
	store_sqlite.close(store);
	open_it();
}

/* As after a crash: what is held stays held. */
static inline void crash(void)
{
	store_sqlite.abandon(store);
	open_it();
}

static inline struct store_job a_job(uint64_t id, const char *pool, bool held)
{
	struct store_job job = {
	    .id = id,
	    .state = JOB_READY,
	    .held = held,
	    .attempts = 3,
	    .rank = (int64_t)id,
	    .submitted_ms = ym_unix_ms(),
	    .payload = {.data = "payload", .size = 7, .fd = -1},
	    .result = {.fd = -1},
	};

	snprintf(job.pool, sizeof(job.pool), "%s", pool);
	return job;
}

static inline enum store_verdict submit_to(struct store *to, const struct store_job *job, uint64_t *existing)
{
	struct store_submit submit = {.job = *job, .verdict = STORE_UNTAKEN};
	struct store_batch batch = {.submits = &submit, .nsubmits = 1};

	ASSERT_OK(store_sqlite.write(to, &batch, &err));
	if (existing)
		*existing = submit.existing;
	return submit.verdict;
}

static inline void submit(uint64_t id, const char *pool, bool held)
{
	struct store_job job = a_job(id, pool, held);

	ck_assert_int_eq(submit_to(store, &job, NULL), STORE_OK);
}

static inline struct store_save save_with(struct store_save save)
{
	struct store_batch batch = {.saves = &save, .nsaves = 1};

	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	return save;
}

static inline struct store_save save(const struct store_job *job)
{
	return save_with((struct store_save){.job = *job});
}

static inline enum store_verdict request(enum store_ask ask, uint64_t id, struct store_job *found)
{
	struct store_request one = {.ask = ask, .id = id, .verdict = STORE_UNTAKEN};
	struct store_batch batch = {.requests = &one, .nrequests = 1};

	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	if (found)
		*found = one.job;
	return one.verdict;
}

/* The job as the store has it; without its bytes. */
static inline struct store_job look(uint64_t id)
{
	struct store_job job;

	ck_assert_int_eq(request(STORE_LOOK, id, &job), STORE_OK);
	store_job_free(&job);
	return job;
}

struct taken {
	uint64_t ids[100];
	unsigned n, room;
};

static inline int take(void *arg, const struct store_want *want, const struct store_job *job)
{
	struct taken *taken = arg;

	(void)want;
	if (taken->n == taken->room)
		return 1;
	ck_assert(job->held);
	taken->ids[taken->n++] = job->id;
	return 0;
}

/* Fetch up to n of them, into a table that has `room`. */
static inline struct taken fetch(const char *pool, unsigned n, unsigned room, int64_t *first_rank)
{
	struct taken taken = {.room = room};
	struct store_want want = {.n = n};
	struct store_batch batch = {.wants = &want, .nwants = 1, .take = take, .arg = &taken};

	snprintf(want.pool, sizeof(want.pool), "%s", pool);
	ASSERT_OK(store_sqlite.write(store, &batch, &err));
	ck_assert_uint_eq(want.taken, taken.n);
	if (first_rank)
		*first_rank = want.first_rank;
	return taken;
}

static inline struct store_tally tally(const char *pool)
{
	struct store_tally now;

	ASSERT_OK(store_sqlite.tally(store, pool, &now, &err));
	return now;
}

static inline void complain(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "verify: %s\n", line);
}

static inline void assert_clean(void)
{
	ASSERT_OK(store_sqlite.verify(store, complain, NULL, &err));
}

static inline int64_t tick_at(int64_t now)
{
	int64_t next;

	ASSERT_OK(store_sqlite.tick(store, now, &next, &err));
	ck_assert_int_gt(next, 0);
	return next;
}

struct listed {
	uint64_t ids[5000];
	size_t n, stop;
	bool bytes;
};

static inline int list_one(void *arg, const struct store_job *job)
{
	struct listed *listed = arg;

	listed->ids[listed->n++] = job->id;
	ck_assert_int_eq(job->payload.data != NULL, listed->bytes);
	return listed->n == listed->stop;
}

static inline struct listed list(struct store_filter filter)
{
	struct listed listed = {.bytes = filter.bytes};

	ASSERT_OK(store_sqlite.list(store, &filter, list_one, &listed, &err));
	for (size_t i = 1; i < listed.n; i++)
		ck_assert(filter.newest ? listed.ids[i - 1] > listed.ids[i] : listed.ids[i - 1] < listed.ids[i]);
	return listed;
}

/* One number out of the database, by a connection of its own. */
static inline int64_t ask_number(const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *row;
	int64_t number;

	ck_assert_int_eq(sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(row), SQLITE_ROW);
	number = sqlite3_column_int64(row, 0);
	sqlite3_finalize(row);
	sqlite3_close(db);
	return number;
}

/* SQL by somebody else. */
static inline void run_sql(const char *sql)
{
	char *message = NULL;
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, PATIENCE_MS);
	sqlite3_exec(db, sql, NULL, NULL, &message);
	ck_assert_msg(!message, "%s: %s", sql, message);
	sqlite3_close(db);
}

#endif
