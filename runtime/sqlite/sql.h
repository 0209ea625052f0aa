/* sql.h - the statements of the driver store_sqlite; each is made when first used, and kept. */
#ifndef YM_RUNTIME_STORE_SQLITE_SQL_H
#define YM_RUNTIME_STORE_SQLITE_SQL_H

/* States in SQL. */
#define SQL_WAITING "2"
#define SQL_RUNNING "3"
#define SQL_DELAYED "7"
#define SQL_DONE    "8"
_Static_assert(JOB_READY == 2 && JOB_CLAIMED == 3 && JOB_BURIED == 6 && JOB_DELAYED == 7 && JOB_DONE == 8 &&
                   JOB_FAILED == 9 && JOB_CANCELLED == 10,
               "numbers above");

/* What any save writes. */
#define SQL_SAVED                                                                                                      \
	"state = ?3, held = ?4, rank = ?5, due = ?6, attempt = ?7, crashes = ?8, started = ?9, finished = ?10, done "  \
	"= ?11, total = ?12, unit = ?13, error = ?14, result_size = ?15, result = ?16"
#define SQL_SHORT " WHERE id = ?1 AND pool = ?2 AND held = 1 AND parts = 0"

/* Where a job stands that waits. */
#define SQL_IN_LIST                                                                                                    \
	"list = CASE state WHEN " SQL_DELAYED " THEN 0 ELSE pool END, place = CASE state WHEN " SQL_DELAYED            \
	" THEN coalesce(due, 0) ELSE rank END"

#define SQLITE_STATEMENT_MAP(X)                                                                                        \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                                    \
	X(COMMIT, "COMMIT")                                                                                            \
	X(ROLLBACK, "ROLLBACK")                                                                                        \
	/* pools */                                                                                                    \
	X(ADD_POOL, "INSERT INTO pool (id, name, ageing) VALUES (?1, ?2, 0)")                                          \
	X(SET_POOL, "UPDATE pool SET ageing = ?2 WHERE id = ?1 AND ageing <> ?2")                                      \
	X(COUNT, "INSERT OR REPLACE INTO tally (pool, state, jobs) VALUES (?1, ?2, ?3)")                               \
	X(META,                                                                                                        \
	  "UPDATE meta SET value = CASE name WHEN 'next_id' THEN ?1 ELSE ?2 END WHERE name IN ('next_id', 'floor')")   \
	/* submit: most jobs are new, with no result, reply, or attempt */                                             \
	X(SUBMIT_NEW,                                                                                                  \
	  "INSERT OR IGNORE INTO job (id, pool, state, held, list, place, parts, rank, due, unique_key, level, "       \
	  "attempt, attempts, crashes, round, keep, submitted, timeout, tag, payload_size, result_size, payload) "     \
	  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, 0, 0, ?13, ?14, ?15, ?16, ?17, 0, ?18)")      \
	X(SUBMIT,                                                                                                      \
	  "INSERT OR IGNORE INTO job (" SQLITE_COLUMNS ") VALUES (?1" SQLITE_COLUMN_MAP(SQLITE_COLUMN_PARAMETER) ")")  \
	X(SET_SIZES, "UPDATE job SET payload_size = ?2, result_size = ?3 WHERE id = ?1")                               \
	X(ADD_KEY, "INSERT OR IGNORE INTO live_key (pool, name, job) VALUES (?1, ?2, ?3)")                             \
	X(KEY, "SELECT job FROM live_key WHERE pool = ?1 AND name = ?2")                                               \
	X(DELETE_KEY, "DELETE FROM live_key WHERE pool = ?1 AND name = ?2")                                            \
	/* save: most jobs are short, and done at once */                                                              \
	X(SAVE_DONE, "UPDATE job SET " SQL_SAVED ", payload = NULL" SQL_SHORT)                                         \
	X(SAVE_LISTED, "UPDATE job SET " SQL_SAVED ", payload = NULL, list = NULL, place = NULL" SQL_SHORT)            \
	X(SAVE_HELD, "UPDATE job SET " SQL_SAVED SQL_SHORT)                                                            \
	X(SAVE, "UPDATE job SET " SQL_SAVED ", pool = ?2, parts = ?17, "                                               \
	        "payload = CASE ?3 WHEN " SQL_DONE " THEN NULL ELSE payload END, note = coalesce(?18, note), "         \
	        "output = coalesce(?19, output), unique_key = ?20, list = ?21, place = ?22 WHERE id = ?1")             \
	X(HELD, "SELECT id, pool, parts, unique_key FROM job WHERE id = ?1 AND held = 1")                              \
	X(STAND, "SELECT pool, state, held FROM job WHERE id = ?1")                                                    \
	X(DELETE_HELD, "DELETE FROM job WHERE id = ?1 AND held = 1 AND parts = 0")                                     \
	/* between the store and the table */                                                                          \
	X(RELEASE, "UPDATE job SET held = 0, state = CASE state WHEN " SQL_RUNNING " THEN " SQL_WAITING                \
	           " ELSE state END, " SQL_IN_LIST " WHERE id = ?1 AND held = 1 RETURNING pool, state")                \
	X(WANT, "SELECT " SQLITE_COLUMNS " FROM job INDEXED BY job_list WHERE list = ?1 ORDER BY place, id LIMIT ?2")  \
	X(TAKE, "UPDATE job SET held = 1, list = ?2, place = ?3 WHERE id = ?1")                                        \
	X(LIST_HELD, "UPDATE job SET list = -1, place = id WHERE id = ?1 AND held = 1")                                \
	X(WINDOW, "SELECT id FROM job WHERE id >= ?1 AND held = 1")                                                    \
	X(ALL_HELD, "SELECT " SQLITE_COLUMNS                                                                           \
	            " FROM job WHERE id IN (SELECT id FROM job INDEXED BY job_list WHERE list = -1 AND place > ?1 "    \
	            "UNION ALL SELECT id FROM job WHERE id >= ?3 AND held = 1) ORDER BY id LIMIT ?2")                  \
	X(RECOVER, "UPDATE job SET held = 0, state = ?2, crashes = ?3, error = coalesce(?4, error), finished = ?5, "   \
	           "parts = ?6, "                                                                                      \
	           "list = ?7, place = ?8 WHERE id = ?1")                                                              \
	/* requests */                                                                                                 \
	X(JOB, "SELECT " SQLITE_COLUMNS " FROM job WHERE id = ?1")                                                     \
	X(END, "UPDATE job SET state = ?2, finished = ?3, list = -?2, place = ?3, parts = ?4 WHERE id = ?1")           \
	X(KICK,                                                                                                        \
	  "UPDATE job SET state = " SQL_WAITING ", list = pool, place = ?2, rank = ?2, due = NULL, attempt = 0, "      \
	  "crashes = 0, round = round + 1, parts = ?3, started = NULL, "                                               \
	  "finished = NULL, done = NULL, total = NULL, unit = NULL, error = NULL, result_size = 0, "                   \
	  "result = NULL, reply_key = NULL, reply_type = NULL, reply_form = NULL WHERE id = ?1")                       \
	X(HURRY,                                                                                                       \
	  "UPDATE job SET state = " SQL_WAITING ", list = pool, place = ?2, rank = ?2, due = NULL WHERE id = ?1")      \
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
	X(NEXT_ROUND, "UPDATE job SET round = round + 1 WHERE id = ?1")                                                \
	X(SET_WORDS, "UPDATE job SET note = ?2, output = ?3 WHERE id = ?1")                                            \
	X(WORDS, "SELECT note, output FROM job WHERE id = ?1")                                                         \
	X(DELETE_ATTEMPTS, "DELETE FROM attempt WHERE job = ?1")                                                       \
	/* upkeep */                                                                                                   \
	X(DUE, "SELECT id, pool FROM job INDEXED BY job_list WHERE list = 0 AND place <= ?1 ORDER BY place LIMIT ?2")  \
	X(NEXT_DUE, "SELECT place FROM job INDEXED BY job_list WHERE list = 0 ORDER BY place LIMIT 1")                 \
	X(RIPE, "UPDATE job SET state = " SQL_WAITING ", list = pool, place = rank WHERE id = ?1")                     \
	X(WALK, "SELECT id, pool, state, finished, parts, unique_key FROM job WHERE id > ?1 ORDER BY id")

#endif
