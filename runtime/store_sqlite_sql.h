/* store_sqlite_sql.h - the statements of the driver store_sqlite; each is made when first used, and kept. */
#ifndef YM_RUNTIME_STORE_SQLITE_SQL_H
#define YM_RUNTIME_STORE_SQLITE_SQL_H

/* States in SQL. */
#define SQL_WAITING "2"
#define SQL_RUNNING "3"
#define SQL_BURIED  "6"
#define SQL_DELAYED "7"
#define SQL_DONE    "8"
_Static_assert(JOB_READY == 2 && JOB_CLAIMED == 3 && JOB_BURIED == 6 && JOB_DELAYED == 7 && JOB_DONE == 8 &&
                   JOB_FAILED == 9 && JOB_CANCELLED == 10,
               "numbers above");

/* Those that count for unique keys; as the condition of an index is, letter by letter, so that it is used. */
#define SQL_LIVE "unique_key IS NOT NULL AND state IN (2, 3, 7)"

/* What people look for. */
#define SQL_TROUBLED "state IN (6, 9, 10)"

#define SQL_FREE_WAITING "state = " SQL_WAITING " AND held = 0"
#define SQL_FREE_DELAYED "state = " SQL_DELAYED " AND held = 0"

/* What any save writes; note and output stay if there are none. */
#define SQL_SAVED                                                                                                      \
	"state = ?3, held = ?4, rank = ?5, due = ?6, attempt = ?7, crashes = ?8, started = ?9, finished = ?10, "       \
	"done = ?11, total = ?12, unit = ?13, error = ?14, result_size = ?15, result = ?16"

#define SQLITE_STATEMENT_MAP(X)                                                                                        \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                                    \
	X(COMMIT, "COMMIT")                                                                                            \
	X(ROLLBACK, "ROLLBACK")                                                                                        \
	/* pools */                                                                                                    \
	X(ADD_POOL, "INSERT INTO pool (id, name, ageing) VALUES (?1, ?2, 0)")                                          \
	X(SET_POOL, "UPDATE pool SET ageing = ?2 WHERE id = ?1 AND ageing <> ?2")                                      \
	X(COUNT, "INSERT OR REPLACE INTO tally (pool, state, jobs) VALUES (?1, ?2, ?3)")                               \
	X(NEXT_ID, "UPDATE meta SET value = ?1 WHERE name = 'next_id'")                                                \
	/* submit */                                                                                                   \
	X(SUBMIT,                                                                                                      \
	  "INSERT OR IGNORE INTO job (" SQLITE_COLUMNS ") VALUES (?1" SQLITE_COLUMN_MAP(SQLITE_COLUMN_PARAMETER) ")")  \
	X(SET_SIZES, "UPDATE job SET payload_size = ?2, result_size = ?3 WHERE id = ?1")                               \
	X(IS_THERE, "SELECT 1 FROM job WHERE id = ?1")                                                                 \
	X(WITH_KEY, "SELECT id FROM job WHERE pool = ?1 AND unique_key = ?2 AND " SQL_LIVE)                            \
	/* save: most jobs are done at once, and short */                                                              \
	X(SAVE_DONE,                                                                                                   \
	  "UPDATE job SET " SQL_SAVED ", payload = NULL WHERE id = ?1 AND pool = ?2 AND held = 1 AND parts = 0")       \
	X(SAVE_SHORT, "UPDATE job SET " SQL_SAVED " WHERE id = ?1 AND pool = ?2 AND held = 1 AND parts = 0")           \
	X(SAVE, "UPDATE job SET pool = ?2, parts = ?17, payload = CASE WHEN ?3 = " SQL_DONE                            \
	        " THEN NULL ELSE payload END, note = coalesce(?18, note), output = coalesce(?19, output), " SQL_SAVED  \
	        " WHERE id = ?1 AND held = 1")                                                                         \
	X(NO_KEY, "UPDATE job SET unique_key = NULL WHERE id = ?1")                                                    \
	X(HELD, "SELECT parts FROM job WHERE id = ?1 AND held = 1")                                                    \
	X(DELETE_HELD, "DELETE FROM job WHERE id = ?1 AND held = 1 AND parts = 0")                                     \
	/* between the store and the table */                                                                          \
	X(RELEASE, "UPDATE job SET held = 0, state = CASE state WHEN " SQL_RUNNING " THEN " SQL_WAITING                \
	           " ELSE state END WHERE id = ?1 AND held = 1 RETURNING pool, state")                                 \
	X(WANT, "SELECT " SQLITE_COLUMNS " FROM job INDEXED BY job_waiting WHERE pool = ?1 AND " SQL_FREE_WAITING      \
	        " ORDER BY rank, id LIMIT ?2")                                                                         \
	X(TAKE, "UPDATE job SET held = 1 WHERE id = ?1")                                                               \
	X(ALL_HELD,                                                                                                    \
	  "SELECT " SQLITE_COLUMNS " FROM job INDEXED BY job_held WHERE held = 1 AND id > ?1 ORDER BY id LIMIT ?2")    \
	X(RECOVER,                                                                                                     \
	  "UPDATE job SET held = 0, state = ?2, crashes = ?3, error = coalesce(?4, error), finished = ?5, parts = ?6 " \
	  "WHERE id = ?1")                                                                                             \
	/* requests */                                                                                                 \
	X(JOB, "SELECT " SQLITE_COLUMNS " FROM job WHERE id = ?1")                                                     \
	X(END, "UPDATE job SET state = ?2, finished = ?3 WHERE id = ?1")                                               \
	X(KICK, "UPDATE job SET state = " SQL_WAITING                                                                  \
	        ", rank = ?2, due = NULL, attempt = 0, crashes = 0, round = round + 1, parts = ?3, started = NULL, "   \
	        "finished = NULL, done = NULL, total = NULL, unit = NULL, error = NULL, result_size = 0, "             \
	        "result = NULL WHERE id = ?1")                                                                         \
	X(HURRY, "UPDATE job SET state = " SQL_WAITING ", rank = ?2, due = NULL WHERE id = ?1")                        \
	X(DELETE, "DELETE FROM job WHERE id = ?1")                                                                     \
	/* what belongs to a job */                                                                                    \
	X(ADD_CHUNK, "INSERT OR REPLACE INTO chunk (job, kind, seq, data) VALUES (?1, ?2, ?3, ?4)")                    \
	X(CHUNKS, "SELECT data FROM chunk WHERE job = ?1 AND kind = ?2 ORDER BY seq")                                  \
	X(DELETE_CHUNKS, "DELETE FROM chunk WHERE job = ?1 AND kind = ?2")                                             \
	X(ADD_ATTEMPT,                                                                                                 \
	  "INSERT OR REPLACE INTO attempt (job, round, number, end, started, ended, pid, status, rss_kib, user_ms, "   \
	  "system_ms, done, total, unit, error) SELECT id, round, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "     \
	  "?13, ?14 FROM job WHERE id = ?1")                                                                           \
	X(ATTEMPTS,                                                                                                    \
	  "SELECT number, end, started, ended, pid, status, rss_kib, user_ms, system_ms, done, total, unit, error "    \
	  "FROM attempt WHERE job = ?1 ORDER BY round, number")                                                        \
	X(WORDS, "SELECT note, output FROM job WHERE id = ?1")                                                         \
	X(DELETE_ATTEMPTS, "DELETE FROM attempt WHERE job = ?1")                                                       \
	/* upkeep */                                                                                                   \
	X(DUE, "SELECT id, pool FROM job INDEXED BY job_delayed WHERE " SQL_FREE_DELAYED                               \
	       " AND due <= ?1 ORDER BY due LIMIT ?2")                                                                 \
	X(NEXT_DUE, "SELECT due FROM job INDEXED BY job_delayed WHERE " SQL_FREE_DELAYED " ORDER BY due LIMIT 1")      \
	X(RIPE, "UPDATE job SET state = " SQL_WAITING " WHERE id = ?1")                                                \
	X(WALK, "SELECT id, pool, state, held, finished, parts FROM job WHERE id > ?1 ORDER BY id")

#endif
