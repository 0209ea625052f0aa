/* sqlite.c - the connection: open and close, statements, transactions, and what went wrong. */
#include "sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SCHEME "sqlite"

/* The log, until it is written back (SQLITE_WAL_PAGES), and some more. */
#define WAL_BYTES ((off_t)SQLITE_WAL_PAGES * 4400)

static const char *const statements[] = {
#define X(name, sql) [SQL_##name] = (sql),
    SQLITE_STATEMENT_MAP(X)
#undef X
};

/* ---- what went wrong ------------------------------------------------------------------------- */

/* By the first of these that fits: code of SQLite (0: any), errno (0: any). */
static const struct {
	int code, sys;
	enum ym_err_class class;
	const char *hint;
} causes[] = {
    {SQLITE_FULL, 0, YM_ERR_FULL, "no space is left: free some there; what waits in the store is safe"},
    {0, ENOSPC, YM_ERR_FULL, "no space is left: free some there; what waits in the store is safe"},
    {0, EDQUOT, YM_ERR_FULL, "the quota is used up: free space there; what waits in the store is safe"},
    {SQLITE_READONLY, 0, YM_ERR_PERMISSION,
     "it cannot be written to: look at its mode, its directory's, and whether the file system is mounted read-only"},
    {0, EROFS, YM_ERR_PERMISSION, "the file system is mounted read-only: mount it for writing, or move the store"},
    {SQLITE_PERM, 0, YM_ERR_PERMISSION, "look at the mode and owner of the file and its directory"},
    {0, EACCES, YM_ERR_PERMISSION, "look at the mode and owner of the file and its directory"},
    {SQLITE_CORRUPT, 0, YM_ERR_CORRUPT,
     "the file is damaged: `yardmaster store verify` says where; `sqlite3 FILE .recover` saves what can be read"},
    {SQLITE_NOTADB, 0, YM_ERR_CORRUPT, "this is no SQLite database: give another path, or move the file away"},
    {SQLITE_BUSY, 0, YM_ERR_TIMEOUT, "another program has it locked: see `fuser` for who, and end it"},
    {SQLITE_LOCKED, 0, YM_ERR_TIMEOUT, "another program has it locked: see `fuser` for who, and end it"},
    {SQLITE_NOMEM, 0, YM_ERR_LIMIT, "out of memory"},
    {SQLITE_CANTOPEN, 0, YM_ERR_SYSTEM,
     "may files be made in its directory? (SQLite needs two beside it, also to read)"},
    {SQLITE_IOERR, 0, YM_ERR_SYSTEM, "look at the kernel's log for errors of the disk"},
};

static size_t cause_of(int code, int sys)
{
	size_t i = 0;

	while (i < sizeof(causes) / sizeof(causes[0]) &&
	       ((causes[i].code && causes[i].code != code) || (causes[i].sys && causes[i].sys != sys)))
		i++;
	return i;
}

int sqlite_fail(struct store *store, struct ym_err *err, const char *what)
{
	int code = sqlite3_extended_errcode(store->db), primary = code & 0xff;
	/* Else it is that of some call long ago. */
	int sys = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ? sqlite3_system_errno(store->db) : 0;
	size_t cause = cause_of(primary, sys);

	if (cause == sizeof(causes) / sizeof(causes[0]))
		return ym_fail(err, YM_ERR_SYSTEM, "%s in \"%s\": %s (SQLite code %d)", what, store->path,
		               sqlite3_errmsg(store->db), code);
	return ym_fail(err, causes[cause].class, "%s in \"%s\": %s%s%s (SQLite code %d): %s", what, store->path,
	               sqlite3_errmsg(store->db), sys ? ": " : "", sys ? strerror(sys) : "", code, causes[cause].hint);
}

/* A call of our own has failed. */
static int file_failed(int sys, const char *call, const char *path, struct ym_err *err)
{
	size_t cause = cause_of(SQLITE_OK, sys);

	if (cause == sizeof(causes) / sizeof(causes[0]))
		return ym_fail_sys(err, sys, "%s(\"%s\") for the store", call, path);
	return ym_fail(err, causes[cause].class, "%s(\"%s\") for the store: %s: %s", call, path, strerror(sys),
	               causes[cause].hint);
}

/* ---- statements ------------------------------------------------------------------------------ */

sqlite3_stmt *sqlite_statement(struct store *store, enum sqlite_statement which, struct ym_err *err)
{
	if (!store->statements[which] && sqlite3_prepare_v3(store->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
	                                                    &store->statements[which], NULL) != SQLITE_OK)
		sqlite_fail(store, err, statements[which]);
	return store->statements[which];
}

/* As far as it says what was done: the first words, before what is for the machine. */
static int statement_failed(struct store *store, sqlite3_stmt *statement, struct ym_err *err)
{
	const char *sql = sqlite3_sql(statement);
	size_t n = strcspn(sql, "(=");
	char what[48];

	while (n > 0 && strchr(" <>", sql[n - 1]))
		n--;
	snprintf(what, sizeof(what), "%.*s", (int)n, sql);
	sqlite_fail(store, err, what);
	sqlite3_reset(statement);
	return -1;
}

int sqlite_run(struct store *store, sqlite3_stmt *statement, struct ym_err *err)
{
	if (!statement)
		return -1;
	if (sqlite3_step(statement) != SQLITE_DONE)
		return statement_failed(store, statement, err);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_row(struct store *store, sqlite3_stmt *statement, struct ym_err *err)
{
	int code;

	if (!statement)
		return -1;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		return statement_failed(store, statement, err);
	/* Else nothing can be bound the next time, and it would run with what was bound this time. */
	sqlite3_reset(statement);
	return 0;
}

int sqlite_exec(struct store *store, const char *sql, struct ym_err *err)
{
	char what[48];

	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	snprintf(what, sizeof(what), "%s", sql);
	return sqlite_fail(store, err, what);
}

int sqlite_number(struct store *store, const char *sql, int64_t *number, struct ym_err *err)
{
	sqlite3_stmt *statement = NULL;
	int rows;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, sql);
	rows = sqlite_row(store, statement, err);
	*number = rows > 0 ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return rows < 0 ? -1 : 0;
}

/* ---- transactions ---------------------------------------------------------------------------- */

int sqlite_begin(struct store *store, bool durable, struct ym_err *err)
{
	/* FULL: the log is on the disk when COMMIT returns. NORMAL: it is there before its pages go into the database. */
	if (durable != store->full) {
		if (sqlite_exec(store, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err) < 0)
			return -1;
		store->full = durable;
	}
	return sqlite_run(store, sqlite_statement(store, SQL_BEGIN, err), err);
}

int sqlite_commit(struct store *store, struct ym_err *err)
{
	return sqlite_run(store, sqlite_statement(store, SQL_COMMIT, err), err);
}

int sqlite_rollback(struct store *store)
{
	/* Some errors have done that already. */
	if (!sqlite3_get_autocommit(store->db))
		sqlite_run(store, sqlite_statement(store, SQL_ROLLBACK, NULL), NULL);
	store->stale = sqlite_load(store, NULL) < 0;
	return -1;
}

static int after_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *store = arg;

	(void)db, (void)name;
	/* It has begun anew. */
	if (pages < store->wal_pages)
		store->wal_done = 0;
	store->wal_pages = pages;
	store->wrote = store->pending = true;
	return SQLITE_OK;
}

/*
 * What SQLite's archive has instead of sin(), log(), ... (Makefile): no SQL of ours, and nobody else's is run here, calls
 * for them.
 */
double ym_no_mathematics(void);
double ym_no_mathematics(void)
{
	return (double)NAN;
}

/* ---- the log ---- */

/*
 * Make the log as long as it will become: fdatasync() of a file that grows has its size to write, too, and takes several
 * times as long. Zeroes are no frames, so they tell nothing. Where space is scarce, there is better use for it.
 */
static void lengthen_log(struct store *store)
{
	static const char zeroes[65536];
	char path[PATH_MAX];
	struct statvfs space;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s-wal", store->path);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && fstatvfs(fd, &space) == 0 &&
	    (uint64_t)space.f_bavail * space.f_frsize > 32 * (uint64_t)WAL_BYTES)
		for (off_t at = st.st_size; at < WAL_BYTES && pwrite(fd, zeroes, sizeof(zeroes), at) > 0;)
			at += (off_t)sizeof(zeroes);
	fdatasync(fd);
	close(fd);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void once(void)
{
	/* A mutex in every malloc(), for statistics that nobody reads. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/*
 * The lock of the writer: a POSIX one, which is not inherited by what the master forks, and says who has it. The database
 * itself cannot be locked that way: SQLite has locks of its own on it.
 */
static int lock_writer(struct store *store, struct ym_err *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int sys;

	if (snprintf(path, sizeof(path), "%s.lock", store->path) >= (int)sizeof(path))
		return ym_fail(err, YM_ERR_CONFIG, "the path of the store is too long: \"%s\"", store->path);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock < 0)
		return file_failed(errno, "open", path, err);
	if (fcntl(store->lock, F_SETLK, &lock) == 0)
		return 0;
	sys = errno;
	if (sys != EAGAIN && sys != EACCES)
		return ym_fail_sys(err, sys, "fcntl(\"%s\", F_SETLK), the lock of the store", path);
	lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(store->lock, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	return ym_fail(err, YM_ERR_FOREIGN,
	               "the store \"%s\" is in use by process %ld: one master at a time may have it; stop that one, or "
	               "give this instance another `store`",
	               store->path, (long)lock.l_pid);
}

/* Only a file that is made now is ours to give a mode; SQLite gives the same one to those beside it. */
static int make_file(struct store *store, struct ym_err *err)
{
	struct stat st;
	int fd;

	if (stat(store->path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return ym_fail(err, YM_ERR_CONFIG, "the store \"%s\" is no regular file", store->path);
		return 0;
	}
	if (errno != ENOENT)
		return file_failed(errno, "stat", store->path, err);
	if (store->reader)
		return ym_fail(err, YM_ERR_NO,
		               "there is no store \"%s\" yet: the master makes it, or `yardmaster store init`",
		               store->path);
	fd = open(store->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return file_failed(errno, "open", store->path, err);
	close(fd);
	return 0;
}

static int check_directory(const char *path, struct ym_err *err)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *parent;
	int result = 0;

	if (!slash || !slash[1])
		return ym_fail(err, YM_ERR_CONFIG,
		               "the store \"%s\" is not the path of a file: write sqlite:/PATH/jobs.db", path);
	parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!parent)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (stat(parent, &st) < 0 && errno == ENOENT)
		result = ym_fail(err, YM_ERR_CONFIG, "the directory \"%s\" of the store \"%s\" does not exist: make it",
		                 parent, path);
	free(parent);
	return result;
}

/* A pragma that answers with what is so now. */
static int expect(struct store *store, const char *pragma, const char *wanted, char *is, size_t max, struct ym_err *err)
{
	sqlite3_stmt *statement = NULL;
	const unsigned char *text;
	int rows;

	if (sqlite3_prepare_v2(store->db, pragma, -1, &statement, NULL) != SQLITE_OK)
		return sqlite_fail(store, err, pragma);
	rows = sqlite_row(store, statement, err);
	text = rows > 0 ? sqlite3_column_text(statement, 0) : NULL;
	snprintf(is, max, "%s", text ? (const char *)text : "");
	sqlite3_finalize(statement);
	if (rows < 0)
		return -1;
	return strcmp(is, wanted) == 0;
}

static int set_up(struct store *store, struct ym_err *err)
{
	char mode[32];
	int wal;

	sqlite3_busy_timeout(store->db, SQLITE_BUSY_MS);
	sqlite3_extended_result_codes(store->db, 1);
	/* Deleted bytes are overwritten by default in Debian's library: twice the pages to write. */
	if (sqlite_exec(store, "PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0", err) < 0)
		return -1;
	/* The inner pages of a store of ten million jobs, and the leaves that are written at the moment. */
	if (sqlite_exec(store, "PRAGMA cache_size = -16384", err) < 0)
		return -1;
	if (store->reader)
		return sqlite_exec(store, "PRAGMA query_only = ON", err);
	if (sqlite_exec(store, "PRAGMA auto_vacuum = NONE; PRAGMA wal_autocheckpoint = 0", err) < 0)
		return -1;
	/* Nothing but WAL; checkpoints are sqlite_tick()'s. */
	wal = expect(store, "PRAGMA journal_mode = WAL", "wal", mode, sizeof(mode), err);
	if (wal < 0)
		return -1;
	if (!wal)
		return ym_fail(
		    err, YM_ERR_SYSTEM,
		    "SQLite cannot keep a write-ahead log for \"%s\" (journal_mode is %s): the store must be on a "
		    "local file system, not on a network's",
		    store->path, mode);
	sqlite3_wal_hook(store->db, after_commit, store);
	store->full = true;
	return sqlite_exec(store, "PRAGMA synchronous = FULL", err);
}

static int connect(struct store *store, struct ym_err *err)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	struct stat st;

	if (check_directory(store->path, err) < 0 || (!store->reader && lock_writer(store, err) < 0) ||
	    make_file(store, err) < 0)
		return -1;
	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
		return store->db ? sqlite_fail(store, err, "open") : ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (stat(store->path, &st) < 0)
		return file_failed(errno, "stat", store->path, err);
	store->dev = st.st_dev;
	store->ino = st.st_ino;
	return 0;
}

static void disconnect(struct store *store)
{
	for (size_t i = 0; i < SQL_STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	if (store->db)
		sqlite3_close(store->db);
	if (store->lock >= 0)
		close(store->lock);
	free(store->pools);
	free(store->buffer);
	free(store->window);
	free(store->directory);
	free(store->path);
	free(store);
}

static struct store *make_store(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->base.driver = &store_sqlite;
	store->lock = -1;
	store->reader = options->reader;
	store->history_ms = options->history_ms;
	store->wake = options->wake;
	store->arg = options->arg;
	store->path = strdup(options->uri + strlen(SCHEME) + 1);
	store->directory = options->directory ? strdup(options->directory) : NULL;
	if (store->path && (store->directory || !options->directory))
		return store;
	disconnect(store);
	return NULL;
}

static int open_taking(struct store **out, const struct store_options *options, unsigned *taken, struct ym_err *err)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	struct store *store = make_store(options);

	*out = NULL;
	pthread_once(&configured, once);
	if (!store)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	if (connect(store, err) < 0 || sqlite_schema_check(store, err) < 0 || set_up(store, err) < 0 ||
	    sqlite_schema(store, sqlite_steps, sqlite_nsteps, taken, err) < 0 || sqlite_load(store, err) < 0) {
		disconnect(store);
		return -1;
	}
	if (!store->reader)
		lengthen_log(store);
	*out = store;
	return 0;
}

static int sqlite_open(struct store **out, const struct store_options *options, struct ym_err *err)
{
	unsigned taken;

	return open_taking(out, options, &taken, err);
}

static void sqlite_abandon(struct store *store)
{
	/* A checkpoint may take long, and whoever comes next does it as well. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	disconnect(store);
}

static void sqlite_close(struct store *store)
{
	if (!store->reader) {
		sqlite_let_go(store);
		/* The last one to leave removes the log; if that is a reader, it is not to be a long one. */
		sqlite_tidy(store);
	}
	disconnect(store);
}

static int sqlite_init(const struct store_options *options, const char **text, struct ym_err *err)
{
	struct store_options writer = *options;
	struct store *store;
	unsigned taken = 0;

	writer.reader = false;
	if (open_taking(&store, &writer, &taken, err) < 0)
		return -1;
	*text = taken == 0              ? "the store is up to date"
	        : taken < sqlite_nsteps ? "the store was brought up to date"
	                                : "the store was made";
	/* Nothing is let go: a table whose master was killed may still have what is held. */
	disconnect(store);
	return 0;
}

static int sqlite_reserve(struct store *store, uint64_t *next_id, uint64_t *end, struct ym_err *err)
{
	if (store->stale && sqlite_load(store, err) < 0)
		return -1;
	*next_id = store->next_id;
	*end = UINT64_MAX;
	return 0;
}

const struct store_driver store_sqlite = {
    .scheme = SCHEME,
    .shared = false,
    .open = sqlite_open,
    .close = sqlite_close,
    .abandon = sqlite_abandon,
    .tidy = sqlite_tidy,
    .configure = sqlite_configure,
    .reserve = sqlite_reserve,
    .recover = sqlite_recover,
    .write = sqlite_write,
    .tick = sqlite_tick,
    .tally = sqlite_tally,
    .list = sqlite_list,
    .story = sqlite_story,
    .init = sqlite_init,
    .verify = sqlite_verify,
    .compact = sqlite_compact,
};
